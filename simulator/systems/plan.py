"""Faults between an agency's system and whoever reads it: which request or file goes wrong in which way.

Belongs here: the kinds, the plan, given one by one, seeded, or as JSON.
Stays out: carrying them out (`web`, `xroad`, `sftp`, `folders`, `stations`), wrong values (`views.dirt`).

What strikes is a pure function of the seed, the system and the number of the request, or the name of the file: the same
whatever was asked of other systems.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from simulator.chance import Chance

Kind = Literal[
    "too_many",  # HTTP 429 with Retry-After
    "bad_gateway",  # HTTP 502 with a page for people
    "timeout",  # no answer for timeout_seconds, then the connection is closed
    "slow",  # the right answer after slow_seconds
    "cut",  # the right answer, but the connection breaks in the middle of it
    "error_code",  # HTTP 200 with a code that is not 00 and no data
    "expired",  # HTTP 401: the token dies with this request
    "service_failed",  # a SOAP fault of the provider's security server
    "part",  # a file is still being written: half of it under its name and .part, whole part_seconds later
    "again",  # the same file a second time, a day later
]
KINDS: tuple[Kind, ...] = get_args(Kind)
REST_KINDS: tuple[Kind, ...] = ("too_many", "bad_gateway", "timeout", "slow", "cut", "error_code", "expired")
FILE_KINDS: tuple[Kind, ...] = ("part", "again")
#: System -> kinds that make sense there.
STRIKES: Mapping[str, tuple[Kind, ...]] = {
    "lgsp": REST_KINDS,
    "commune_rest": REST_KINDS,
    "xml130": REST_KINDS,
    "xroad": ("too_many", "bad_gateway", "timeout", "slow", "cut", "error_code", "service_failed"),
    "sftp": ("timeout", "slow", "cut"),
    "folder": FILE_KINDS,
}
#: Share of requests, or of files, that a seeded plan strikes with each kind, beside those of the first requests.
RATE = 0.001
FILE_RATE = 0.02


@dataclass(frozen=True)
class Fault:
    """The `request`-th request (from 1) of a system goes wrong; requests that were not let in are not counted."""

    system: str
    request: int
    kind: Kind


@dataclass(frozen=True)
class FaultPlan:
    """All faults: those listed, and any of `rates` (kind -> share of requests or files), drawn by the seed.

    A kind that makes no sense for a system does not happen there. Without anything: none at all.
    """

    faults: tuple[Fault, ...] = ()
    rates: Mapping[Kind, float] = field(default_factory=dict)
    seed: int = 0
    retry_after_seconds: int = 1
    slow_seconds: float = 1.5
    timeout_seconds: float = 60.0
    part_seconds: float = 3.0

    def __post_init__(self) -> None:
        if unknown := ({fault.kind for fault in self.faults} | set(self.rates)) - set(KINDS):
            raise ValueError(f"Không có kiểu lỗi / No such kind of fault: {', '.join(sorted(unknown))}")
        if strange := {fault.system for fault in self.faults} - STRIKES.keys():
            raise ValueError(f"Không có hệ thống / No such system: {', '.join(sorted(strange))}")

    @classmethod
    def seeded(cls, seed: int, **other: Any) -> FaultPlan:
        """Every kind of each system once, at every second request from the second on, in an order by the seed; then now
        and then. `other`: fields of the plan.
        """
        faults = []
        for system, kinds in STRIKES.items():
            if kinds is FILE_KINDS:
                continue
            order = Chance(seed).permutation(f"systems.{system}.faults", len(kinds))
            faults += [Fault(system, 2 * place, kinds[at]) for place, at in enumerate(order.tolist(), start=1)]
        rates: dict[Kind, float] = {kind: FILE_RATE if kind in FILE_KINDS else RATE for kind in KINDS}
        return cls(tuple(faults), rates, seed, **other)

    @classmethod
    def read(cls, source: Path | str) -> FaultPlan:
        """From JSON or a file of it: `{"faults": [{"system": "lgsp", "request": 2, "kind": "cut"}], "seed": 1}`."""
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            content: dict[str, Any] = json.loads(text)
            content["faults"] = tuple(Fault(**fault) for fault in content.pop("faults", ()))
            plan = cls(**content)
        except (json.JSONDecodeError, TypeError, AttributeError) as error:
            problem = str(error)
        else:
            return plan
        raise ValueError(f"Không đọc được kế hoạch lỗi / Unreadable fault plan: {problem}")

    def json(self) -> str:
        """What `read` reads."""
        return json.dumps(asdict(self), indent=2)

    def at(self, system: str, request: int) -> Kind | None:
        """The fault of one request, if any."""
        for fault in self.faults:
            if (fault.system, fault.request) == (system, request):
                return fault.kind if fault.kind in STRIKES[system] else None
        return self._drawn(system, request, STRIKES[system])

    def of_file(self, name: str) -> Kind | None:
        """The fault of one file, if any."""
        number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest(), "big")
        return self._drawn("file", number, FILE_KINDS)

    def _drawn(self, system: str, number: int, kinds: Sequence[Kind]) -> Kind | None:
        if not self.rates:
            return None
        left = float(Chance(self.seed).uniform(f"systems.{system}.fault", np.array([number]))[0])
        for kind in kinds:
            left -= self.rates.get(kind, 0.0)
            if left < 0:
                return kind
        return None
