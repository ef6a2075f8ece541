"""Faults of the enterprise registry: which request goes wrong in which way.

Belongs here: the plan, seeded or given as JSON. Stays out: carrying it out (`registry`).
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Kind = Literal["too_many", "bad_gateway", "error_code", "slow", "cut"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Fault:
    """On a night, the `request`-th data request (from 1, counted anew each night, requests with a valid token only)
    goes wrong.

    too_many: 429 with Retry-After. bad_gateway: 502 with an HTML page. error_code: 200 with error_code 99 and no data.
    slow: the right answer late. cut: the right answer, but the connection breaks in the middle of the body.
    """

    night: int
    request: int
    kind: Kind


@dataclass(frozen=True)
class FaultPlan:
    """All faults. `token_requests`: data requests after which a token dies, whatever its `expires_in` said."""

    faults: tuple[Fault, ...] = ()
    token_requests: int | None = None
    retry_after_seconds: int = 1
    slow_seconds: float = 1.5

    @classmethod
    def seeded(cls, seed: int) -> FaultPlan:
        """Night 1: each kind once, at every second request, in an order by the seed; later: the first one."""
        kinds = list(KINDS)
        rng = random.Random(f"{seed}:faults")
        rng.shuffle(kinds)
        first = tuple(Fault(1, 2 * position, kind) for position, kind in enumerate(kinds, start=1))
        return cls(first + tuple(Fault(night, 1, rng.choice(KINDS)) for night in (2, 3)), token_requests=5)

    @classmethod
    def read(cls, path: Path) -> FaultPlan:
        """From a JSON file: `{"faults": [{"night": 1, "request": 2, "kind": "cut"}], "token_requests": 5, …}`."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            faults = tuple(Fault(**fault) for fault in content.pop("faults", ()))
            plan = cls(faults, **content)
        except (json.JSONDecodeError, TypeError) as error:
            raise ValueError(f"Không đọc được kế hoạch lỗi / Unreadable fault plan: {path.name}: {error}") from None
        if unknown := {fault.kind for fault in faults} - set(KINDS):
            raise ValueError(f"Không có kiểu lỗi / No such kind of fault: {', '.join(sorted(unknown))}")
        return plan

    def json(self) -> str:
        """What `read` reads."""
        return json.dumps(asdict(self), indent=2)

    def at(self, night: int, request: int) -> Kind | None:
        """The fault of one request, if any."""
        return next((fault.kind for fault in self.faults if (fault.night, fault.request) == (night, request)), None)
