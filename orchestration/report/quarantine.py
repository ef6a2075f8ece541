"""What is in quarantine, fit to be shown: row numbers, keys, rules, and what was found in columns not personal.

Belongs here: reading quarantine for people, and the masking. Stays out: how rows get in and out (`landing`).
Shown is what today's contract allows by name; a column it does not have, or a dataset without contract, shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from orchestration.contracts import Contract
from orchestration.landing.returned import HIDDEN
from orchestration.report.quarantine_words import quality_word
from orchestration.warehouse import connect


def open_columns(contract: Contract | None) -> set[str]:
    """Names of the columns whose values may be shown."""
    return {column.name for column in contract.columns if not column.is_personal} if contract is not None else set()


def shown_key(key: dict[str, Any] | None, allowed: set[str]) -> dict[str, Any] | None:
    """A key with the parts hidden that may not be shown; None stays None (the row has no usable key)."""
    return None if key is None else {name: value if name in allowed else HIDDEN for name, value in key.items()}


def problems(
    contracts: Sequence[Contract], *, dataset: str | None, state: str | None, limit: int, agency: str | None = None
) -> tuple[int, list[dict[str, Any]]]:
    """Total and at most `limit` (0: all) problems, one dict each, by dataset, delivery and row. None means any.

    `ticket` is the one that was open while the row waited, None where there was none.
    """
    by_id = {contract.id: contract for contract in contracts}
    where = """(%(dataset)s::text is null or q.dataset = %(dataset)s) and (%(state)s::text is null or q.state = %(state)s)
               and (%(agency)s::text is null or split_part(q.dataset, '.', 1) = %(agency)s)"""
    parameters = {"dataset": dataset, "state": state, "limit": limit, "agency": agency}
    with connect("release") as connection:
        total = connection.execute(
            f"select count(*) from quarantine.row q join quarantine.problem p using (quarantine_id) where {where}",
            parameters,
        ).fetchone()
        rows = connection.execute(
            f"""select q.quarantine_id, q.dataset, q.delivery_id, q.row_number, q.file, q.key, q.state, p.column_name, p.code,
                       p.found, p.expected, p.message_vi, p.message_en,
                       (select max(t.ticket) from kho.ticket t
                         where t.dataset = q.dataset and t.column_name = coalesce(p.column_name, '') and t.rule = p.code
                           and (t.closed_by is null or t.closed_by > q.delivery_id)
                           and (q.closed_by is null or t.opened_by < q.closed_by))
                  from quarantine.row q join quarantine.problem p using (quarantine_id) where {where}
                 order by q.dataset, q.delivery_id, q.row_number, p.column_name, p.code limit nullif(%(limit)s, 0)""",
            parameters,
        ).fetchall()
    found = []
    for number, of, delivery, row, file, key, is_in, column, rule, value, expected, vi, en, ticket in rows:
        allowed = open_columns(by_id.get(of))
        found.append(
            {
                "quarantine_id": number,
                "dataset": of,
                "agency": of.partition(".")[0],
                "delivery": delivery,
                "row_number": row,
                "file": file,
                "key": shown_key(key, allowed),
                "column": column,
                "rule": rule,
                "quality_word": quality_word(rule),
                "found": value if column in allowed else None,
                "expected": expected,
                "vi": vi,
                "en": en,
                "state": is_in,
                "ticket": ticket,
            }
        )
    return (int(total[0]) if total else 0), found


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of mistake in one dataset: how many rows, and the first of them as (delivery, row number, key)."""

    message: str
    rows: int
    first: list[tuple[int, int, dict[str, Any] | None]]


def kinds(contracts: Sequence[Contract], night: date, *, examples: int = 10) -> dict[str, tuple[int, list[Kind]]]:
    """dataset -> (rows waiting at the end of `night`, kinds of mistake, the most frequent first)."""
    by_id = {contract.id: contract for contract in contracts}
    # Waiting then: received by that night, and not closed by a delivery of it or of an earlier one.
    waiting = """with waiting as (
            select q.quarantine_id, q.dataset, q.delivery_id, q.row_number, q.key
              from quarantine.row q
              join kho.delivery d on d.delivery_id = q.delivery_id
              left join kho.delivery c on c.delivery_id = q.closed_by
             where d.night <= %(night)s and q.held and (q.state = 'open' or c.night > %(night)s))"""
    with connect("release") as connection:
        totals = connection.execute(
            waiting + " select dataset, count(*) from waiting group by dataset order by dataset", {"night": night}
        ).fetchall()
        rows = connection.execute(
            waiting
            + """, numbered as (
                     select w.*, p.message_vi, count(*) over (partition by w.dataset, p.message_vi) as n,
                            row_number() over (partition by w.dataset, p.message_vi
                                               order by w.delivery_id, w.row_number) as place
                       from waiting w join quarantine.problem p using (quarantine_id))
                 select dataset, message_vi, n,
                        jsonb_agg(jsonb_build_array(delivery_id, row_number, key) order by place)
                   from numbered where place <= %(examples)s
                  group by dataset, message_vi, n order by dataset, n desc, message_vi""",
            {"night": night, "examples": examples},
        ).fetchall()
    found: dict[str, tuple[int, list[Kind]]] = {dataset: (int(total), []) for dataset, total in totals}
    for dataset, message, n, first in rows:
        allowed = open_columns(by_id.get(dataset))
        found[dataset][1].append(
            Kind(message, int(n), [(delivery, row, shown_key(key, allowed)) for delivery, row, key in first])
        )
    return found
