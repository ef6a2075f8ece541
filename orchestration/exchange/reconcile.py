"""Reconciliation: is what the receiver holds what we have released?

Purpose: compare both sides by hashed buckets, list only the buckets that differ, and put the difference into the outbox.
Belongs here: the order of these steps. Stays out: the comparison itself (exchange_reconcile.sql), the wire (`gateway`).
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from orchestration import settings
from orchestration.errors import KhoError, Transient
from orchestration.exchange.gateway import Gateway, NotProcessed, Unknown
from orchestration.exchange.obligation import Obligation, Terms
from orchestration.exchange.outbox import Compared, Outbox, open_outbox
from orchestration.exchange.released import may_leave
from orchestration.exchange.run import lease_seconds
from orchestration.faults import step

#: A larger share of differing records than this is a person's decision: one side may be broken, and repairing copies the break.
LARGEST_DRIFT = 0.2
#: Calls made for one answer before giving up for now.
ATTEMPTS = 6

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a comparison found, in records: compared (ours), missing upstream, different, extra upstream, known (explained by a message
    on its way or a dead letter); `repaired` messages were put into the outbox. `buckets` of 256 hold something, `differing` of them differ.
    """

    obligation: str
    number: int
    at: datetime
    release: int
    compared: int
    buckets: int
    differing: int
    missing: int
    different: int
    extra: int
    known: int
    repaired: int


def reconcile(
    obligation: Obligation,
    *,
    env: Mapping[str, str],
    full: bool = False,
    confirmed_by: str | None = None,
    today: date | None = None,
) -> Reconciliation:
    """Compare, and put the difference into the outbox. `full` lists everything, without trusting the receiver's bucket sums.

    What the receiver holds and we never sent is taken back only with `confirmed_by`: another sender may have put it there.
    KhoError `drift_too_large` when more than a fifth differs and nobody has confirmed it; `busy` while a sender is at it; Transient
    when the receiver does not answer.
    """
    may_leave(obligation)
    terms = obligation.on(today or settings.now().date())
    with open_outbox(obligation) as outbox:
        if outbox is None:
            raise Transient(
                "busy", f"{obligation.id}: một tiến trình khác đang gửi", f"{obligation.id}: another sender is at it"
            )
        outbox.adopt(terms.channel.settle_seconds + lease_seconds(terms))
        while outbox.plan(terms) is not None:
            pass
        if outbox.planned_release() == 0:
            raise KhoError(
                "nothing_released",
                f"{obligation.id}: lĩnh vực {obligation.subject} chưa từng phát hành, chưa có gì để đối soát",
                f"{obligation.id}: {obligation.subject} was never released, there is nothing to compare",
                {"relation": obligation.id},
            )
        compared = outbox.image(terms)
        with Gateway(terms.channel, env) as gateway:
            patient = _Patient(obligation.id, terms)
            ours, theirs = outbox.buckets(), patient.asked(gateway.buckets)
            buckets = sorted(ours.keys() | theirs.keys())
            differing = [bucket for bucket in buckets if ours.get(bucket) != theirs.get(bucket)]
            outbox.begin_listing()
            for bucket in [None] if full else differing:
                told = None if bucket is None else theirs.get(bucket, (0, "0" * 16))
                patient.asked(lambda b=bucket, t=told: _listed(outbox, gateway, terms, b, t))  # type: ignore[misc]
        step("exchange:compared")
        found = outbox.compare(None if full else differing)
        drift = found.missing + found.different + found.extra
        largest = LARGEST_DRIFT * max(compared, sum(count for count, _ in theirs.values()))
        too_large = drift > largest and confirmed_by is None
        recorded = outbox.repair(
            terms, Compared(compared, len(buckets), len(differing), full), found, confirmed_by, store=not too_large
        )
        step("exchange:repaired")
        if too_large:
            raise KhoError(
                "drift_too_large",
                f"{obligation.id}: {drift} bản ghi khác nhau trên {compared}, quá {LARGEST_DRIFT:.0%}: cần người có thẩm quyền xác nhận",
                f"{obligation.id}: {drift} records of {compared} differ, more than {LARGEST_DRIFT:.0%}: a person has to confirm",
                {"relation": obligation.id},
            )
    return Reconciliation(obligation.id, *recorded)


def _listed(outbox: Outbox, gateway: Gateway, terms: Terms, bucket: str | None, told: tuple[int, str] | None) -> None:
    """One bucket of the receiver, or all of it, into the session's table; all of it or nothing.

    A bucket must be what the receiver has told of it (records, hash): else one of the two is wrong, and nothing follows from it.
    """
    fields = [field.name for field in terms.fields]
    key = [
        field.name for field in sorted((f for f in terms.fields if f.key_position), key=lambda f: f.key_position or 0)
    ]

    def lines() -> Any:
        count, digest = 0, 0
        for page in gateway.records(bucket):
            for record in page:
                if not isinstance(record, dict):
                    raise Unknown("protocol", over=True)
                values = {name: str(record.get(name) or "") for name in fields}
                content = hashlib.md5("\x1f".join(values[name] for name in fields).encode()).hexdigest()
                count, digest = count + 1, digest ^ int(content[:16], 16)
                yield "\x1f".join(values[name] for name in key), content, json.dumps(values, ensure_ascii=False)
        if told is not None and told != (count, f"{digest:016x}"):
            raise Unknown("counts", over=True)

    outbox.list_theirs(lines())


class _Patient:
    """Questions that change nothing may be asked again."""

    def __init__(self, obligation: str, terms: Terms) -> None:
        self.obligation, self.channel = obligation, terms.channel

    def asked(self, question: Callable[[], T]) -> T:
        """The answer, after at most ATTEMPTS calls; Transient when there is none."""
        reason = ""
        for attempt in range(ATTEMPTS):
            wait = 0.0
            try:
                return question()
            except (NotProcessed, Unknown) as problem:
                reason = problem.reason
                wait = (problem.wait if isinstance(problem, NotProcessed) else None) or 0.0
            if attempt + 1 < ATTEMPTS:
                backoff = min(self.channel.backoff_limit_seconds, self.channel.backoff_seconds * 2**attempt)
                time.sleep(max(wait, backoff * random.uniform(0.5, 1.5)))
        raise Transient(
            "receiver_down",
            f"{self.obligation}: hệ thống nhận không trả lời được sau {ATTEMPTS} lần hỏi ({reason})",
            f"{self.obligation}: no usable answer from the receiver after {ATTEMPTS} calls ({reason})",
            {"relation": self.obligation},
        )
