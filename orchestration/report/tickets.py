"""Tickets as people are shown them: what is wrong where, how many rows, since when, due when, whose turn it is.

Belongs here: reading `kho.ticket`. Stays out: opening and closing (deliveries do, through `kho.keep_tickets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from orchestration.report.quarantine_words import level
from orchestration.warehouse import connect


@dataclass(frozen=True, slots=True)
class Ticket:
    """One kind of problem of one dataset. `level` is that of `today`, 0 once closed; `rows` wait now.

    `message_vi` and `message_en` are those of its newest row, empty when no row of it is left in quarantine.
    """

    ticket: int
    agency: str
    dataset: str
    column: str
    rule: str
    rows: int
    opened_by: int
    opened_on: date
    due_on: date
    second_due_on: date
    level: int
    owner: str
    last_delivery: int
    closed_by: int | None
    closed_on: date | None
    reopens: int | None
    message_vi: str
    message_en: str

    @property
    def state(self) -> str:
        return "open" if self.closed_by is None else "closed"


def tickets(*, today: date, agencies: Sequence[str] | None = None, closed: bool = False) -> list[Ticket]:
    """Tickets by agency and deadline, the open ones only unless `closed`. `agencies` None means all."""
    with connect("release") as connection:
        rows = connection.execute(
            """select t.ticket, t.agency, t.dataset, t.column_name, t.rule, t.open_rows, t.opened_by, t.opened_on, t.due_on, t.second_due_on,
                      t.owner, t.last_delivery, t.closed_by, t.closed_on, t.reopens, coalesce(m.message_vi, ''), coalesce(m.message_en, '')
                 from kho.ticket t
                 left join lateral (
                        select p.message_vi, p.message_en from quarantine.row q join quarantine.problem p using (quarantine_id)
                         where q.delivery_id = t.last_delivery and q.dataset = t.dataset and p.code = t.rule
                           and coalesce(p.column_name, '') = t.column_name limit 1) m on true
                where (%(agencies)s::text[] is null or t.agency = any (%(agencies)s)) and (%(closed)s or t.closed_by is null)
                order by t.closed_by is not null, t.agency, t.due_on, t.ticket""",
            {"agencies": None if agencies is None else list(agencies), "closed": closed},
        ).fetchall()
    found = []
    for row in rows:
        is_open = row[12] is None
        now = level(row[8], row[9], today) if is_open else 0
        found.append(Ticket(*[*row[:10], now, *row[10:]]))
    return found
