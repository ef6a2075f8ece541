"""Exchange with national systems: what is owed, what was sent, and whether both sides agree.

In the order the data walks: a declaration (`obligation`, `declaration`), messages stored before they are sent (`outbox`,
exchange_plan.sql), the sender (`run`), the wire (`gateway`), the comparison (`reconcile`), and how it all stands (`states`).
"""

from orchestration.exchange.declaration import load_all
from orchestration.exchange.obligation import Obligation, Terms
from orchestration.exchange.reconcile import Reconciliation, reconcile
from orchestration.exchange.run import Run, run
from orchestration.exchange.states import DeadLetter, ObligationState, dead_letters, retry, states, waiting_work

__all__ = [
    "DeadLetter",
    "Obligation",
    "ObligationState",
    "Reconciliation",
    "Run",
    "Terms",
    "dead_letters",
    "load_all",
    "reconcile",
    "retry",
    "run",
    "states",
    "waiting_work",
]
