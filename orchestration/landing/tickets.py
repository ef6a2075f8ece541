"""Tickets follow the quarantine: after every applied delivery each kind of problem has one while a row waits, and none longer.

Belongs here: the call within the landing's transaction, and the deadlines. Stays out: opening and closing (`kho.keep_tickets`).
"""

from __future__ import annotations

from datetime import date

import psycopg

from orchestration import calendar
from orchestration.contracts import Contract


def keep(connection: psycopg.Connection, contract: Contract, delivery_id: int, night: date) -> None:
    """Open, count and close the tickets of a dataset; call it once the receipt of an applied delivery is written.

    The agency has `contract.correction_days` working days from the night of the delivery, its head as many again.
    """
    row = connection.execute(
        """select exists (
                select from quarantine.row q join quarantine.problem p using (quarantine_id)
                 where q.dataset = %(dataset)s and q.state in ('open', 'noted') and not exists (
                       select from kho.ticket t
                        where t.dataset = q.dataset and t.column_name = coalesce(p.column_name, '') and t.rule = p.code
                          and t.closed_by is null)),
               exists (select from kho.ticket t where t.dataset = %(dataset)s and t.closed_by is null)""",
        {"dataset": contract.id},
    ).fetchone()
    assert row is not None
    opens, ticketed = row
    if not opens and not ticketed:
        return
    due_on = second_due_on = None
    if opens:  # the holidays cost a second to load
        due_on = calendar.due(night, contract.correction_days)
        second_due_on = calendar.due(due_on, contract.correction_days)
    connection.execute(
        "select kho.keep_tickets(%s, %s, %s, %s, %s)",
        (contract.id, delivery_id, contract.owner_contact, due_on, second_due_on),
    )
