"""Rows that break their contract, written down for the agency: those held in quarantine and those taken in with a note.

Belongs here: whole row, file and row number, key, and one line for each rule broken. Stays out: which rows they are
(`load`), the rules (`rules`), when a row leaves again (`raw_table`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from orchestration.contracts import Column
from orchestration.landing import rules as contract_rules
from orchestration.landing.rules import Rule

if TYPE_CHECKING:
    from orchestration.landing.load import Loader

Sql = sql.Composable
#: Rows are numbered as people see them: the header of a CSV file is row 1.
_HEADER_ROWS = {"csv": 1}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the rows stand: a relation (alias `i`) with these columns, and how to call a column's value.

    `stored`: columns of the relation in the order of the delivery, `_x<n>` for those the contract lacks, whose titles are
    `extra`. `lateral`: the row as Kho keeps it (alias `c`), where texts are still as delivered.
    """

    relation: Sql
    stored: Sequence[str]
    extra: Sequence[str]
    lateral: Sql
    value_of: Callable[[Column], Sql]
    as_text: bool


def hold(loader: Loader, rules: Sequence[Rule], standing: Standing, picked: Sql) -> int:
    """Put the rows of `picked` (row_id, conflict) into quarantine, whole; returns how many have no usable key."""
    q = loader.scratch("q")
    _write(loader, rules, standing, picked, q, "open", whole=True)
    return loader.count("select count(*) from {q} where key is null", q=q)


def note(loader: Loader, rules: Sequence[Rule], standing: Standing, picked: Sql, *, whole: bool = False) -> int:
    """Write down what is wrong with rows of `picked` (row_id, conflict) that are taken in all the same; how many they are.

    Their values are in raw, unless they gave way to another row of their key: those are kept `whole`.
    """
    if not loader.count("select count(*) from {picked}", picked=picked):
        return 0
    q = loader.scratch("n_lost" if whole else "n")
    _write(loader, rules, standing, picked, q, "noted", whole=whole)
    return loader.count("select count(*) from {q}", q=q)


def _write(
    loader: Loader, rules: Sequence[Rule], standing: Standing, picked: Sql, q: Sql, state: str, *, whole: bool
) -> None:
    contract = loader.contract
    number, order = _row_number(loader, standing)
    file: Sql = sql.SQL("i._file") if "_file" in standing.stored else sql.SQL("null::text")
    part: Sql = sql.SQL("null::text")
    if contract.partition is not None:
        part = _as_kept(contract.column(contract.partition), standing)
    loader.run(
        """create unlogged table {q} as
           select nextval('quarantine.quarantine_id') as quarantine_id, b.row_id, b.conflict, {number} as row_number, {file} as file,
                  {part} as part, case when {usable} then {key} end as key, {content} as content
             from {picked} b join {relation} i on i.ctid = b.row_id {lateral} {order}""",
        q=q, number=number, file=file, part=part, usable=_usable(loader, rules), key=_key(loader, standing),
        content=_content(loader, standing) if whole else sql.SQL("null::jsonb"), picked=picked, relation=standing.relation,
        lateral=standing.lateral, order=order,
    )  # fmt: skip
    loader.connection.execute("set local max_parallel_workers_per_gather to default")
    loader.run("analyze {q}", q=q)  # else its rows are looked up by reading all of the relation
    loader.run(
        """insert into quarantine.row (quarantine_id, dataset, delivery_id, row_number, file, part, key, content, state, held)
           select quarantine_id, {dataset}, {delivery}, row_number, file, part, key, content, {state}, {held} from {q}""",
        q=q, dataset=sql.Literal(contract.id), delivery=sql.Literal(loader.delivery_id), state=sql.Literal(state),
        held=sql.Literal(state == "open"),
    )  # fmt: skip
    loader.run(
        """insert into quarantine.problem (quarantine_id, code, column_name, found, expected, message_vi, message_en)
           select q.quarantine_id, v.code, v.column_name, v.found, v.expected, v.vi, v.en
             from {q} q join {relation} i on i.ctid = q.row_id {lateral}
            cross join lateral (values {lines}) v (broken, code, column_name, found, expected, vi, en) where v.broken""",
        q=q, relation=standing.relation, lateral=standing.lateral, lines=sql.SQL(", ").join(_lines(loader, rules)),
    )  # fmt: skip


def _as_kept(column: Column, standing: Standing) -> Sql:
    """The value as raw would have it, as text; null where it is not of its type."""
    value = standing.value_of(column)
    readable = contract_rules.is_readable(column, value) if standing.as_text else None
    if readable is None:
        return sql.SQL("({})::text").format(value)
    return sql.SQL("case when {} then ({})::text end").format(readable, contract_rules.typed(column, value))


def _row_number(loader: Loader, standing: Standing) -> tuple[Sql, Sql]:
    """(expression, join) of the number by which people find the row."""
    if "_row" in standing.stored:
        return sql.SQL("i._row"), sql.SQL("")
    # A table filled by one COPY is scanned in the order of the file, by one process from the start.
    loader.connection.execute("set local synchronize_seqscans = off; set local max_parallel_workers_per_gather = 0")
    order = sql.SQL(
        "join (select o.ctid as row_id, row_number() over () as place from {} o) n on n.row_id = b.row_id"
    ).format(standing.relation)
    return sql.SQL("n.place + {}").format(sql.Literal(_HEADER_ROWS.get(loader.encoding, 0))), order


def _usable(loader: Loader, rules: Sequence[Rule]) -> Sql:
    """Condition that the row's key tells which row it is: an identifier assigned to nobody does, and so does one merely noted."""
    broken = [
        sql.SQL("({})").format(rule.broken)
        for rule in rules
        if rule.column.name in loader.contract.key and rule.code not in contract_rules.KEY_STANDS and not rule.note
    ]
    return sql.SQL("not ({})").format(sql.SQL(" or ").join(broken)) if broken else sql.SQL("true")


def _key(loader: Loader, standing: Standing) -> Sql:
    parts = []
    for name in loader.contract.key:
        column = loader.contract.column(name)
        value = standing.value_of(column)
        typed = contract_rules.typed(column, value) if standing.as_text else value
        parts.append(sql.SQL("{}, ({})::text").format(sql.Literal(name), typed))
    return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(parts))


def _content(loader: Loader, standing: Standing) -> Sql:
    """The row as it was delivered, by the titles of its source."""
    titles = {column.name: column.source_name for column in loader.contract.columns}
    pairs = [(titles[name], name) for name in standing.stored if name in titles]
    pairs += [(title, f"_x{n}") for n, title in enumerate(standing.extra)]
    # jsonb_build_object takes 100 arguments at most.
    return sql.SQL(" || ").join(
        sql.SQL("jsonb_build_object({})").format(
            sql.SQL(", ").join(
                sql.SQL("{}, i.{}").format(sql.Literal(title), sql.Identifier(name))
                for title, name in pairs[start : start + 50]
            )
        )
        for start in range(0, len(pairs), 50)
    )


def _told(column: Column) -> Sql:
    """What was found, unless it holds twelve digits in a row: a person's number that stands where it should not."""
    return sql.SQL("case when i.{0}::text !~ '(^|[^0-9])[0-9]{{12}}([^0-9]|$)' then left(i.{0}::text, 200) end").format(
        sql.Identifier(column.name)
    )


def _lines(loader: Loader, rules: Sequence[Rule]) -> list[Sql]:
    """One row of values a rule: whether it is broken, and what the agency is told."""
    lines: list[Sql] = [
        sql.SQL("({broken}, {code}, {column}, {found}, {expected}, {vi}, {en})").format(
            broken=rule.broken, code=sql.Literal(rule.code), column=sql.Literal(rule.column.name),
            # A personal value is in the row itself, for whoever may open it, and nowhere else.
            found=sql.SQL("null::text") if rule.column.is_personal else _told(rule.column),
            expected=rule.texts[0], vi=rule.texts[1], en=rule.texts[2],
        )
        for rule in rules
    ]  # fmt: skip
    key_names = ", ".join(loader.contract.key)
    lines.append(
        sql.SQL("(q.conflict, 'conflict', {}, null::text, {}, {}, {})").format(
            sql.Literal(key_names), sql.Literal("một dòng cho mỗi khóa / one row a key"),
            sql.Literal(f"{key_names}: nhiều dòng cùng khóa nhưng khác nội dung"), sql.Literal(f"{key_names}: several different rows of one key"),
        )
    )  # fmt: skip
    return lines
