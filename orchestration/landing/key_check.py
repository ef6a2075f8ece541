"""The key check of a cursor feed: which rows of raw the source no longer has.

Belongs here: taking in the list of all keys, cleaned as rows are, and the deletions that follow. Stays out: when keys are
compared (`land`), how a source hands them over (`sources`).
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from orchestration.landing import formats
from orchestration.landing.load import Loader

Sql = sql.Composable


def missing_keys(loader: Loader, chunks: Iterable[bytes], raw: Sql, new: Sql, delta: Sql, present: Sql) -> int | None:
    """Write into `delta`, as deletions, the rows of `raw` whose key is neither in the list nor in `new` nor `present`.

    Returns how many; None when a key of the list cannot be read: then nobody knows what has gone, and nothing is deleted.
    """
    binary = loader.encoding == "binary"
    _copy_keys(loader, chunks, binary)
    if not binary and not _typed_keys(loader):
        return None
    names = sql.SQL(", ").join(sql.Identifier(c.name) for c in loader.contract.columns)
    return loader.run(
        """insert into {delta} (journal_build, journal_op, {names}) select {id}, 'D', {names} from {raw} o where not _deleted
              and not exists (select from {keys} k where {k}) and not exists (select from {new} n where {n})
              and not exists (select from {present} p where {p})""",
        delta=delta, names=names, id=sql.Literal(loader.delivery_id), raw=raw, keys=loader.scratch("keys"), new=new, present=present,
        k=_same(loader, "k"), n=_same(loader, "n"), p=_same(loader, "p"),
    ).rowcount  # fmt: skip


def _copy_keys(loader: Loader, chunks: Iterable[bytes], binary: bool) -> None:
    """The list as it comes: of the contract's types, or texts that need the cleaning that rows get."""
    target = loader.scratch("keys" if binary else "key_texts")
    columns = sql.SQL(", ").join(
        sql.SQL("{} " + (loader.contract.column(k).pg_type if binary else "text")).format(sql.Identifier(k))
        for k in loader.contract.key
    )
    loader.run("create unlogged table {target} ({columns})", target=target, columns=columns)
    how = sql.SQL("format binary" if binary else "format csv, encoding 'UTF8'")
    with (
        loader.connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} from stdin with ({})").format(target, how)) as copy,
    ):
        for chunk in chunks:
            copy.write(chunk)


def _typed_keys(loader: Loader) -> bool:
    """Texts into the contract's types; False when one of them is of another."""
    columns = [loader.contract.column(name) for name in loader.contract.key]
    texts = sql.SQL(", ").join(
        sql.SQL("{} as {}").format(formats.kept(c, True, as_text=True), sql.Identifier(c.name)) for c in columns
    )
    rows = sql.SQL("(select {} from {} i offset 0) c").format(texts, loader.scratch("key_texts"))
    unreadable = sql.SQL(" or ").join(
        sql.SQL("{} is null").format(formats.kept_name(c))
        if (ok := formats.is_readable(c, formats.kept_name(c))) is None
        else sql.SQL("({}) is not true").format(ok)
        for c in columns
    )
    if loader.count("select count(*) from {rows} where {unreadable}", rows=rows, unreadable=unreadable):
        return False
    values = sql.SQL(", ").join(
        sql.SQL("{} as {}").format(formats.typed(c, formats.kept_name(c)), sql.Identifier(c.name)) for c in columns
    )
    loader.run(
        "create unlogged table {keys} as select {values} from {rows}",
        keys=loader.scratch("keys"),
        values=values,
        rows=rows,
    )
    return True


def _same(loader: Loader, alias: str) -> Sql:
    return sql.SQL(" and ").join(
        sql.SQL(alias + ".{0} = o.{0}").format(sql.Identifier(k))  # type: ignore[arg-type]
        for k in loader.contract.key
    )
