"""Faults of the national systems: which request goes wrong in which way.

Belongs here: the kinds, the plan, given one by one, by chance from a seed, or as JSON.
Stays out: carrying them out (`service`, and the system itself for those that change what it does), where each failure
that is known from practice is simulated (`modes`).

A system's plan is a subclass that says which kinds make sense for which of its services:

    class ReportingFaults(FaultPlan):
        strikes = {"token": TOKEN_KINDS, "GuiBaoCao": (*ANSWER_KINDS, *BATCH_KINDS, "skew"), "TraCuu": ANSWER_KINDS}
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

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
    "expired",  # HTTP 401, code 900901 (or the system's own refusal): the token died early; not applied
    "half",  # the first half is applied, the rest answered with the item code 99
    "half_silent",  # the first half is applied, then the connection is closed
    "miscount",  # applied, but the number told is one more than it should be
    "late",  # the connection is closed after half of late_seconds, unless the client gave up before; applied after all
    "late504",  # HTTP 504 at once, applied after late_seconds: the gateway gave up, the service behind it did not
    "restart",  # every connection breaks, restart_seconds of refused connections, then a new token is needed; not applied
    "hang",  # no answer for hang_seconds, then the connection is closed; not applied
    "expired_midway",  # the token dies in the middle of the batch: the first half is applied, the answer is that of `expired`
    "contrary",  # what exists is answered as missing, and the other way round: a right isUpdating is refused; not applied
    "old_list",  # its code list is still that of the epoch before: today's codes are refused, those of then accepted
    "lax_order",  # steps are accepted in whatever order they come
    "skew",  # its clock is wrong by skew_seconds
    "utc",  # its clock shows UTC as if it were local time: seven hours behind
]
KINDS: tuple[Kind, ...] = get_args(Kind)
TOKEN = "token"
#: What can happen to a request for a token or a session.
TOKEN_KINDS: tuple[Kind, ...] = ("drop", "error500", "error502", "too_many", "restart", "hang")
#: What can happen to any request that was let in.
ANSWER_KINDS: tuple[Kind, ...] = (
    "drop", "drop_after", "error500", "error500_after", "error502", "too_many", "error_code", "error_code_after",
    "wrong_code", "expired", "late", "late504", "restart", "hang",
)  # fmt: skip
#: What can happen to a request with a list of items to apply.
BATCH_KINDS: tuple[Kind, ...] = ("half", "half_silent", "miscount", "expired_midway")


@dataclass(frozen=True)
class Fault:
    """The `request`-th request (from 1) of a service, or of all together without `service`, goes wrong.

    Requests that were not let in are not counted. `service`: a service's name or `token`.
    """

    request: int
    kind: Kind
    service: str | None = None


@dataclass(frozen=True)
class FaultPlan:
    """All faults: those listed, and any of `probabilities` (kind -> probability of one request), decided by the seed,
    the service and the number of the request within its service: in whatever order requests of several services
    arrive, the same ones are struck. `services`: which of them chance may strike, all of them without.

    A kind that makes no sense for a service does not happen there. `poison`: keys on which the far end's program fails:
    HTTP 500 and nothing applied, whenever a request brings one of them. `token_requests`: after so many requests a
    token is dead, whatever its `expires_in` said; `token_seconds`: after so many seconds. Seconds: `late_seconds` from
    arrival to application, `hang_seconds` until it hangs up, `restart_seconds` of refused connections,
    `retry_after_seconds` (whole ones) as told to the client, `skew_seconds` (negative: behind) of a wrong clock.
    """

    #: Service -> kinds that make sense there. The plan of no system in particular has none.
    strikes: ClassVar[Mapping[str, tuple[Kind, ...]]] = {}

    faults: tuple[Fault, ...] = ()
    probabilities: Mapping[Kind, float] = field(default_factory=dict)
    seed: int = 0
    services: tuple[str, ...] | None = None
    poison: tuple[str, ...] = ()
    retry_after_seconds: int = 1
    late_seconds: float = 0.6
    restart_seconds: float = 0.5
    hang_seconds: float = 60.0
    skew_seconds: float = -420.0
    token_requests: int | None = None
    token_seconds: float = 3600.0

    def __post_init__(self) -> None:
        named = {fault.kind for fault in self.faults} | set(self.probabilities)
        if unknown := named - set(self.kinds()):
            raise ValueError(f"Không có kiểu lỗi / No such kind of fault: {', '.join(sorted(unknown))}")
        struck = {fault.service for fault in self.faults if fault.service} | set(self.services or ())
        if unknown_services := struck - self.strikes.keys():
            raise ValueError(f"Không có dịch vụ / No such service: {', '.join(sorted(unknown_services))}")

    @classmethod
    def kinds(cls) -> tuple[Kind, ...]:
        """Every kind that makes sense somewhere in this system, in the order of `KINDS`."""
        possible = {kind for kinds in cls.strikes.values() for kind in kinds}
        return tuple(kind for kind in KINDS if kind in possible)

    @classmethod
    def read(cls, source: Path | str) -> Self:
        """From JSON or a file of it: `{"faults": [{"request": 2, "kind": "late"}], "probabilities": {"drop": 0.1}}`."""
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            content: dict[str, Any] = json.loads(text)
            content["faults"] = tuple(Fault(**fault) for fault in content.pop("faults", ()))
            for name in ("services", "poison"):
                if content.get(name) is not None:
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
                return fault.kind if self._possible(fault.kind, service) else None
        if self.probabilities and (self.services is None or service in self.services):
            left = random.Random(f"{self.seed}:{service}:{number}").random()
            for kind in KINDS:
                left -= self.probabilities.get(kind, 0.0)
                if left < 0:
                    return kind if self._possible(kind, service) else None
        return None

    def _possible(self, kind: Kind, service: str) -> bool:
        return kind in self.strikes.get(service, ())
