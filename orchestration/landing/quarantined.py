"""Quarantined rows column by column, in the agency's own text: what a person is shown, and what an unchanged cell stands for.

Belongs here: the query over kept rows. Stays out: masking and words (`report`), what comes back (`returned`).
A row that was held has its text in quarantine. One that was taken in all the same («noted») may have its values in raw only:
they are written again as the contract says the source writes them, so that they can be delivered once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from orchestration.contracts import Column, Contract

Sql = sql.Composable
#: Places of a row's parts; its texts follow.
ID, KEY, STATE, DELIVERY, NUMBER, FILE, PROBLEMS, TEXTS = range(8)
#: States of rows that wait for their agency: held back, and taken in with a problem.
WAITING = ("open", "noted")
_MOMENTS = {
    "yyyyMMddHHmmss": "YYYYMMDDHH24MISS",
    "yyyyMMddHHmm": "YYYYMMDDHH24MI",
    "yyyyMMdd": "YYYYMMDD",
    "dd/MM/yyyy": "DD/MM/YYYY",
    "dd/MM/yyyy HH:mm": "DD/MM/YYYY HH24:MI",
    "dd/MM/yyyy HH:mm:ss": "DD/MM/YYYY HH24:MI:SS",
    "MM/yyyy": "MM/YYYY",
}


def extra_titles(connection: psycopg.Connection, contract: Contract) -> tuple[str, ...]:
    """Titles of delivered columns that the contract does not have, over all rows that wait."""
    known = [column.source_name for column in contract.columns]
    rows = connection.execute(
        """select distinct jsonb_object_keys(q.content - %s::text[]) from quarantine.row q
            where q.dataset = %s and q.state = any (%s) and q.content is not null order by 1""",
        (known, contract.id, list(WAITING)),
    ).fetchall()
    return tuple(row[0] for row in rows)


def waiting(connection: psycopg.Connection, contract: Contract) -> int:
    """How many rows wait for the agency."""
    row = connection.execute(
        "select count(*) from quarantine.row where dataset = %s and state = any (%s)", (contract.id, list(WAITING))
    ).fetchone()
    return int(row[0]) if row else 0


def rows(
    connection: psycopg.Connection,
    contract: Contract,
    extra: tuple[str, ...],
    *,
    only: list[int] | None = None,
    limit: int = 0,
) -> Iterator[tuple[Any, ...]]:
    """Rows that wait, by delivery and row: quarantine_id, key, state, delivery, row number, file, problems, then the texts.

    `key` is JSON text, None where it is unusable; `problems` are [column, code, found, expected, vi, en] lists; texts are those
    of the contract's columns in its order, then of `extra`; None where there is nothing. `only`: these ids; `limit` 0 means all.
    Streams: memory does not grow with rows.
    """
    values: list[Sql] = [_text(column) for column in contract.columns]
    values += [sql.SQL("q.content ->> {}").format(sql.Literal(title)) for title in extra]
    made = connection.execute("select to_regclass(%s)", (f"raw.{contract.table}",)).fetchone()
    taken_in: Sql = sql.SQL("")
    if made is not None and made[0] is not None:
        same = sql.SQL(" and ").join(
            sql.SQL("w.{0} = (q.key ->> {1})::" + contract.column(name).pg_type).format(
                sql.Identifier(name), sql.Literal(name)
            )
            for name in contract.key
        )
        taken_in = sql.SQL("left join raw.{} w on q.content is null and {}").format(
            sql.Identifier(contract.table), same
        )
    else:
        # Nothing has ever been taken in: every row has its text.
        empty = sql.SQL(", ").join(
            sql.SQL("null::" + c.pg_type + " as {}").format(sql.Identifier(c.name)) for c in contract.columns
        )
        taken_in = sql.SQL("left join (select {}) w on false").format(empty)
    query = sql.SQL(
        """select q.quarantine_id, q.key::text, q.state, q.delivery_id, q.row_number, coalesce(d.source_name || ' › ' || q.file, d.source_name),
                  (select jsonb_agg(jsonb_build_array(p.column_name, p.code, p.found, p.expected, p.message_vi, p.message_en)
                                    order by p.column_name, p.code)
                     from quarantine.problem p where p.quarantine_id = q.quarantine_id), {values}
             from (select * from quarantine.row r
                    where r.dataset = {dataset} and r.state = any ({states}) and ({only}::bigint[] is null or r.quarantine_id = any ({only}))
                    order by r.delivery_id, r.row_number, r.quarantine_id limit {limit}) q
             left join kho.delivery d on d.delivery_id = q.delivery_id {taken_in}
            order by q.delivery_id, q.row_number, q.quarantine_id"""
    ).format(
        values=sql.SQL(", ").join(values), dataset=sql.Literal(contract.id), states=sql.Literal(list(WAITING)), only=sql.Literal(only),
        limit=sql.Literal(limit or None), taken_in=taken_in,
    )  # fmt: skip
    with connection.cursor(name="quarantined") as cursor:
        cursor.itersize = 2000
        cursor.execute(query)
        yield from cursor


def _text(column: Column) -> Sql:
    """The delivered text of a column, or, for a row that raw alone has, its value written as the source writes it."""
    value: Sql = sql.SQL("w.{}").format(sql.Identifier(column.name))
    form = column.format or ""
    if form in _MOMENTS:
        value = sql.SQL("to_char({}, {})").format(value, sql.Literal(_MOMENTS[form]))
    elif form == "decimal_comma":
        value = sql.SQL("replace({}::text, '.', ',')").format(value)
    elif column.pg_type == "boolean" and "/" in form:
        yes, _, no = form.partition("/")
        value = sql.SQL("case when {v} then {y} when not {v} then {n} end").format(
            v=value, y=sql.Literal(yes), n=sql.Literal(no)
        )
    else:
        value = sql.SQL("{}::text").format(value)
    return sql.SQL("case when q.content is null then {} else q.content ->> {} end").format(
        value, sql.Literal(column.source_name)
    )
