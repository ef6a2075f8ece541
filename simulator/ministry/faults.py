"""Faults of the ministry's health system: which request goes wrong in which way.

Belongs here: the plan, given one by one, by chance from a seed, or as JSON. Stays out: carrying it out (`server`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from simulator.ministry.services import SEND, SERVICES, WRITING

Kind = Literal[
    "drop",  # the connection is closed, nothing is done
    "drop_after",  # applied, then the connection is closed without an answer
    "error500",  # HTTP 500, not applied
    "error500_after",  # HTTP 500, applied
    "error502",  # HTTP 502 with a page for people, not applied
    "too_many",  # HTTP 429 with Retry-After, not applied
    "error_code",  # HTTP 200 with error_code 99, not applied
    "error_code_after",  # HTTP 200 with error_code 99, applied
    "wrong_code",  # HTTP 200 with the error_code A7, which is in no list; applied
    "expired",  # HTTP 401, code 900901: the token died early; not applied
    "half",  # the first half is applied, the rest answered with the item code 99
    "half_silent",  # the first half is applied, then the connection is closed
    "miscount",  # applied, but soBanGhi is one more than it should be
    "late",  # the connection is closed after half of late_seconds, unless the client gave up before; applied after all
    "late504",  # HTTP 504 at once, applied after late_seconds: the gateway gave up, the service behind it did not
    "restart",  # every connection breaks, restart_seconds of refused connections, then a new token is needed; not applied
]
KINDS: tuple[Kind, ...] = get_args(Kind)
TOKEN = "token"
_ONLY_WRITING = ("half", "half_silent", "miscount")
_TOKEN_KINDS = ("drop", "error500", "error502", "too_many", "restart")


@dataclass(frozen=True)
class Fault:
    """The `request`-th request (from 1) of a service, or of the five together without `service`, goes wrong.

    Requests without a good token are not counted. `service`: a service's name or `token`.
    """

    request: int
    kind: Kind
    service: str | None = None


@dataclass(frozen=True)
class MinistryFaults:
    """All faults: those listed, and any of `probabilities` (kind -> probability of one request), decided by the seed,
    the service and the number of the request within its service: in whatever order requests of several services
    arrive, the same ones are struck. `services`: which of them chance may strike.

    A kind that makes no sense for a service does not happen there. `poison`: licence numbers on which the ministry's
    program fails: HTTP 500 and nothing applied, whenever a request brings one of them. Seconds: `late_seconds` from arrival to
    application, `restart_seconds` of refused connections, `retry_after_seconds` (whole ones) as told to the client.
    """

    faults: tuple[Fault, ...] = ()
    probabilities: Mapping[Kind, float] = field(default_factory=dict)
    seed: int = 0
    services: tuple[str, ...] = (*SERVICES, TOKEN)
    poison: tuple[str, ...] = ()
    retry_after_seconds: int = 1
    late_seconds: float = 0.6
    restart_seconds: float = 0.5

    def __post_init__(self) -> None:
        named = {fault.kind for fault in self.faults} | set(self.probabilities)
        if unknown := named - set(KINDS):
            raise ValueError(f"Không có kiểu lỗi / No such kind of fault: {', '.join(sorted(unknown))}")
        struck = {fault.service for fault in self.faults if fault.service} | set(self.services)
        if unknown_services := struck - {*SERVICES, TOKEN}:
            raise ValueError(f"Không có dịch vụ / No such service: {', '.join(sorted(unknown_services))}")

    @classmethod
    def mild(cls, seed: int) -> MinistryFaults:
        """A bad day, no catastrophe: a throttled, a lost and a failed sending, and a token that dies early."""
        rng = random.Random(f"{seed}:ministry")
        kinds: list[Kind] = ["too_many", "drop_after", "error500"]
        rng.shuffle(kinds)
        faults = [Fault(number, kind, SEND) for number, kind in enumerate(kinds, start=1)]
        return cls((*faults, Fault(4, "expired", SEND)))

    @classmethod
    def read(cls, source: Path | str) -> MinistryFaults:
        """From JSON or a file of it: `{"faults": [{"request": 2, "kind": "late"}], "probabilities": {"drop": 0.1}}`."""
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            content: dict[str, Any] = json.loads(text)
            content["faults"] = tuple(Fault(**fault) for fault in content.pop("faults", ()))
            for name in {"services", "poison"} & set(content):
                content[name] = tuple(content[name])
            plan = cls(**content)
        except (json.JSONDecodeError, TypeError, AttributeError) as error:
            problem = str(error)
        else:
            return plan
        raise ValueError(f"Không đọc được kế hoạch lỗi / Unreadable fault plan: {problem}")

    def json(self) -> str:
        """What `read` reads."""
        return json.dumps(asdict(self), indent=2)

    def at(self, service: str, number: int, overall: int) -> Kind | None:
        """The fault of one request, if any. `number`: within its service; `overall`: among all but tokens (0 for those)."""
        for fault in self.faults:
            if fault.request == (overall if fault.service is None else number) and fault.service in (None, service):
                return fault.kind if _possible(fault.kind, service) else None
        if self.probabilities and service in self.services:
            left = random.Random(f"{self.seed}:{service}:{number}").random()
            for kind in KINDS:
                left -= self.probabilities.get(kind, 0.0)
                if left < 0:
                    return kind if _possible(kind, service) else None
        return None


def _possible(kind: Kind, service: str) -> bool:
    if service == TOKEN:
        return kind in _TOKEN_KINDS
    return service in WRITING or kind not in _ONLY_WRITING
