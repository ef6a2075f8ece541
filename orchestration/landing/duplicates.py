"""Rows of one key within a delivery: identical ones collapse, in a cursor feed the newest wins, anything else is a conflict.

Belongs here: which of them stays, and which are told. Stays out: how the rows came here (`load`), what is written of them (`set_aside`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from orchestration.landing.load import Loaded, Loader

Sql = sql.Composable


def settle(loader: Loader, loaded: Loaded, target: Sql, values: Sql, technical: Sql) -> int:
    """Make the rows of `target` unique by key. Returns the number of rows in conflict, which go into the scratch table `bad`,
    and counts the collapsed ones. `values`: select list of a good row; `technical`: what raw has besides.
    """
    contract = loader.contract
    dup, rows, bad = loader.scratch("dup"), loader.scratch("dup_rows"), loader.scratch("bad")
    loaded.scratch += ["dup", "dup_rows"]
    good = sql.SQL("{} i left join {} o on o.row_id = i.ctid where o.broken is not true").format(
        loader.scratch("in"), loader.scratch("odd")
    )
    names = [column.name for column in contract.columns]
    body = [name for name in names if name != contract.cursor_column]
    cursor: Sql = sql.SQL("1")
    if contract.cursor_column:
        cursor = sql.SQL("t.{}").format(sql.Identifier(contract.cursor_column))
    loader.run(
        "create unlogged table {dup} as select {key} from {target} group by {key} having count(*) > 1",
        dup=dup, key=_columns(contract.key), target=target,
    )  # fmt: skip
    # Per key, among the rows of the highest cursor: `kind` different ones; the first of them stands for all. `differs`: the
    # row says something else than the one that stays, not only at another time.
    loader.run(
        """create unlogged table {rows} as
           select {key}, row_id, top, dense_rank() over (partition by {key}, top order by image) as kind,
                  row_number() over (partition by {key}, top order by row_id) as place,
                  body <> first_value(body) over (partition by {key} order by not top, row_id) as differs
             from (select {key_t}, t.row_id, row({all_t})::text as image, row({body_t})::text as body,
                          coalesce({cursor} = max({cursor}) over (partition by {key_t}), true) as top
                     from (select i.ctid as row_id, {values} from {good}) t
                     join {dup} d on {same_key}) s""",
        rows=rows, key=_columns(contract.key), key_t=_columns(contract.key, "t."), all_t=_columns(names, "t."), body_t=_columns(body, "t."),
        values=values, good=good, dup=dup, same_key=_same(loader, "d", "t"), cursor=cursor,
    )  # fmt: skip
    conflict = loader.run(
        """insert into {bad} select r.row_id, true from {rows} r
            where exists (select from {rows} k where k.top and k.kind > 1 and {same}) """,
        bad=bad, rows=rows, same=_same(loader, "k", "r"),
    ).rowcount  # fmt: skip
    loader.run(
        "delete from {target} t using {dup} d where {same}", target=target, dup=dup, same=_same(loader, "d", "t")
    )
    winners = loader.run(
        """insert into {target} select {values}{technical} from {good}
              and i.ctid in (select row_id from {rows} where top and place = 1) and not exists (select from {bad} b where b.row_id = i.ctid)""",
        target=target, values=values, technical=technical, good=good, rows=rows, bad=bad,
    ).rowcount  # fmt: skip
    total = loader.count("select count(*) from {rows}", rows=rows)
    loaded.duplicates = total - conflict - winners
    loader.run("alter table {target} add primary key ({key})", target=target, key=_columns(contract.key))
    return conflict


def collapsed(loader: Loader, loaded: Loaded) -> Sql:
    """Condition on an odd row `o` that another row of its key stands for it: what is wrong with both is told once."""
    if "dup_rows" not in loaded.scratch:
        return sql.SQL("false")
    return sql.SQL("exists (select from {} r where r.row_id = o.row_id and not (r.top and r.place = 1))").format(
        loader.scratch("dup_rows")
    )


def pick_lost(loader: Loader, loaded: Loaded) -> bool:
    """Fill the scratch table `lost` with the rows that gave way to a newer one of their key but say something else; whether there are any."""
    if "dup_rows" not in loaded.scratch or loader.contract.cursor_column is None:
        return False
    loaded.scratch += ["lost", "n_lost"]
    loader.run(
        """create unlogged table {lost} as select row_id, true as conflict from {rows} r
            where differs and not top and not exists (select from {bad} b where b.row_id = r.row_id)""",
        lost=loader.scratch("lost"), rows=loader.scratch("dup_rows"), bad=loader.scratch("bad"),
    )  # fmt: skip
    return loader.count("select count(*) from {lost}", lost=loader.scratch("lost")) > 0


def _columns(names: tuple[str, ...] | list[str], prefix: str = "") -> Sql:
    return sql.SQL(", ").join(sql.SQL(prefix) + sql.Identifier(name) for name in names)  # type: ignore[arg-type]


def _same(loader: Loader, left: str, right: str) -> Sql:
    return sql.SQL(" and ").join(
        sql.SQL("{}.{} = {}.{}").format(*map(sql.Identifier, (left, name, right, name))) for name in loader.contract.key
    )
