"""Faults of the ministry's health system: which kinds make sense for which service, and a bad day of it.

Belongs here: what is the ministry's own. Stays out: the plan itself (`simulator.national.faults`), carrying it out.
"""

from __future__ import annotations

import random
from typing import Self

from simulator.ministry.services import SEND, SERVICES, WRITING
from simulator.national.faults import TOKEN, Fault, FaultPlan, Kind

_ANY: tuple[Kind, ...] = (
    "drop", "drop_after", "error500", "error500_after", "error502", "too_many", "error_code", "error_code_after",
    "wrong_code", "expired", "late", "late504", "restart",
)  # fmt: skip
_ONLY_WRITING: tuple[Kind, ...] = ("half", "half_silent", "miscount")
_TOKEN_KINDS: tuple[Kind, ...] = ("drop", "error500", "error502", "too_many", "restart")


class MinistryFaults(FaultPlan):
    """A plan for the five services and the token."""

    strikes = {name: (*_ANY, *_ONLY_WRITING) if name in WRITING else _ANY for name in SERVICES} | {TOKEN: _TOKEN_KINDS}

    @classmethod
    def mild(cls, seed: int) -> Self:
        """A bad day, no catastrophe: a throttled, a lost and a failed sending, and a token that dies early."""
        rng = random.Random(f"{seed}:ministry")
        kinds: list[Kind] = ["too_many", "drop_after", "error500"]
        rng.shuffle(kinds)
        faults = [Fault(number, kind, SEND) for number, kind in enumerate(kinds, start=1)]
        return cls((*faults, Fault(4, "expired", SEND)))


KINDS = MinistryFaults.kinds()

__all__ = ["KINDS", "TOKEN", "Fault", "Kind", "MinistryFaults"]
