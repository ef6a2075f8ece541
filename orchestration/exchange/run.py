"""A run of the sender: plan what was released, send it in order, and write down what the receiver said.

Purpose: one effect upstream per version, whatever is dropped, repeated or answered wrongly. The rule that does it: a batch is sent only
when it is certain that the receiver has not processed it. Nobody knows? Then the receiver is asked, message by message, first.
Belongs here: what follows from each answer. Stays out: SQL (`outbox`, exchange_send.sql), HTTP (`gateway`).
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.exchange.gateway import EXISTS, NOT_FOUND, OK, SYSTEM_ERROR, Answer, Gateway, NotProcessed, Unknown
from orchestration.exchange.obligation import Obligation, Terms
from orchestration.exchange.outbox import Batch, Message, Outbox, open_outbox
from orchestration.exchange.released import may_leave
from orchestration.faults import step

#: Batches claimed by one commit, which shares its wait. Twice as many are claimed at most: so many have to be asked about after a crash.
LEASE = 16
#: Attempts after which a batch is taken apart, and after which a message that stands alone is set aside: with waits that double, that is
#: a matter of seconds and of minutes. A receiver may well be out of order for a while.
ATTEMPTS, ATTEMPTS_ALONE = 4, 10
#: Messages set aside with nothing dealt with in between, from which on it is the receiver that fails.
MOST_ASIDE = 10


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended. Counts of this run: planned, confirmed, rejected; counts of now: pending, uncertain.

    outcome: done (nothing is left), more (time is up, go on), waiting (the receiver is left alone until `next_at`, because_… says
    why), busy (another sender is at it).
    """

    obligation: str
    run: int
    outcome: str
    planned: int
    confirmed: int
    rejected: int
    pending: int
    uncertain: int
    because_vi: str
    because_en: str
    next_at: datetime | None


def run(obligation: Obligation, *, env: Mapping[str, str], seconds: float = 45.0, today: date | None = None) -> Run:
    """Plan and send for at most about `seconds`. Memory: two leases of batches, whatever waits.

    Raises KhoError for configuration and for trouble with the warehouse; a receiver that misbehaves is an outcome, not an error.
    """
    started = settings.now()
    with open_outbox(obligation) as outbox:
        if outbox is None:
            return Run(
                obligation.id, 0, "busy", 0, 0, 0, 0, 0, "một tiến trình khác đang gửi", "another sender is at it", None
            )
        failure: KhoError | None = None
        outcome, vi, en, next_at = "done", "", "", None
        try:
            may_leave(obligation)
            terms = obligation.on(today or started.date())
            outbox.adopt(terms.channel.settle_seconds + lease_seconds(terms))
            while outbox.plan(terms) is not None:
                step("exchange:planned")
            if outbox.head() is not None or outbox.take_back(0):
                sender = _Sender(outbox, terms)
                with Gateway(terms.channel, env) as gateway:
                    outcome = sender.go(gateway, time.monotonic() + seconds)
                vi, en, next_at = sender.vi, sender.en, sender.next_at
        except KhoError as error:
            failure, outcome = error, "waiting"
        if failure is not None:
            # Everyone who asks how the obligation stands is told; a person has to mend it, so each try comes later than the one before.
            outbox.trouble(failure.vi, failure.en, min(3600.0, 60.0 * 2 ** min(outbox.failures(), 10)))
        counts = outbox.record(started, outcome)
        if failure is not None:
            raise failure
        return Run(obligation.id, outbox.run, outcome, **counts, because_vi=vi, because_en=en, next_at=next_at)


def lease_seconds(terms: Terms) -> float:
    """How long claimed batches may be sent: whoever adopts them later counts their time to settle from the claim."""
    return min(5.0, max(0.25, terms.channel.settle_seconds))


class _Sender:
    """One run's walk through the outbox, batch by batch, strictly in order."""

    def __init__(self, outbox: Outbox, terms: Terms) -> None:
        self.outbox, self.terms = outbox, terms
        self.vi, self.en = "", ""
        self.reason = "no answer"
        self.next_at: datetime | None = None

    def go(self, gateway: Gateway, deadline: float) -> str:
        """Until nothing is left ('done'), the deadline ('more'), or a wait that goes beyond it ('waiting')."""
        while True:
            head = self.outbox.head()
            if head is None and self._take_back(0):
                continue
            if head is None:
                self.next_at, self.vi, self.en = None, "", ""
                return "done"
            pause, self.vi, self.en = self.outbox.waiting()
            self.next_at = settings.now() + timedelta(seconds=pause) if pause else None
            if time.monotonic() + pause >= deadline:
                return "waiting" if pause else "more"
            time.sleep(pause)
            number, state = head
            if state == "uncertain":
                self._ask(gateway, number)
            else:
                self._send(gateway, deadline)

    # -- sending ----------------------------------------------------------------------------------------------------------

    def _send(self, gateway: Gateway, deadline: float) -> None:
        """Send lease after lease until a batch is not answered cleanly, a claim is too old to send by, or the deadline comes.

        While one lease is on its way the next is claimed aside; the outbox is used by one of the two threads at a time.
        """
        confirmed: list[tuple[int, bytes]] = []
        lease, until = self._claim(deadline, confirmed, [])
        with ThreadPoolExecutor(1) as aside:
            while lease:
                coming = aside.submit(self._claim, deadline, confirmed, lease)
                confirmed, stopped, failure = [], None, None
                try:
                    stopped = self._send_lease(gateway, lease, until, confirmed)
                except KhoError as error:
                    failure = error
                following, following_until = coming.result()
                if len(confirmed) == len(lease):
                    lease, until = following, following_until
                    continue
                sent = len(confirmed) + (stopped is not None)
                self._give_back(confirmed, lease[sent:] + following)
                if failure is not None:
                    raise failure
                if stopped is not None:
                    self._not_clean(*stopped)
                return
        self.outbox.confirm_and_claim(confirmed, 0)

    def _claim(
        self, deadline: float, confirmed: Sequence[tuple[int, bytes]], under_way: Sequence[Batch]
    ) -> tuple[list[Batch], float]:
        """Write down what was confirmed and take the next lease, none after the deadline; and until when it may be sent."""
        now = time.monotonic()
        more = LEASE if now < deadline else 0
        lease = self.outbox.confirm_and_claim(confirmed, more, [batch.number for batch in under_way])
        step("exchange:claimed")
        return lease, now + lease_seconds(self.terms)

    def _send_lease(
        self, gateway: Gateway, lease: Sequence[Batch], until: float, confirmed: list[tuple[int, bytes]]
    ) -> tuple[Batch, bytes, Answer | NotProcessed | Unknown] | None:
        """Send in order, filling `confirmed`; the first batch that is not answered cleanly: SHA-256 of its bytes, and what came instead."""
        outcome: Answer | NotProcessed | Unknown
        for batch in lease:
            body = gateway.envelope(self._service(batch), batch.operation != "insert", batch.items)
            digest = hashlib.sha256(body).digest()
            if time.monotonic() >= until:
                return None
            try:
                outcome = gateway.send(batch.operation, body, batch.messages, until)
                step("exchange:answered")
            except (NotProcessed, Unknown) as problem:
                outcome = problem
            if not isinstance(outcome, Answer) or outcome.refused:
                return batch, digest, outcome
            confirmed.append((batch.number, digest))
        return None

    def _service(self, batch: Batch) -> str:
        services = self.terms.channel.services
        return services.delete if batch.operation == "delete" else services.send

    def _give_back(self, confirmed: list[tuple[int, bytes]], unsent: list[Batch]) -> None:
        """Of leases that end early: write down what was confirmed; what was never sent waits again."""
        self.outbox.confirm_and_claim(confirmed, 0)
        if unsent:
            self.outbox.put_back([batch.number for batch in unsent])

    def _not_clean(self, batch: Batch, digest: bytes, outcome: Answer | NotProcessed | Unknown) -> None:
        if isinstance(outcome, Answer):
            self._answered(batch, digest, outcome)
        else:
            self._unanswered(batch, digest, outcome)

    def _answered(self, batch: Batch, digest: bytes, answer: Answer) -> None:
        """An answer that refuses some messages; all others of the batch are applied."""
        operation, _, messages = self.outbox.batch(batch.number)
        if not answer.refused.keys() <= messages.keys():
            self._unanswered(batch, digest, Unknown("protocol", over=True))
            return
        self._settle(batch.number, digest, operation, messages, answer.refused)

    def _unanswered(self, batch: Batch, digest: bytes, trouble: NotProcessed | Unknown) -> None:
        # The wait is written down first: whoever dies in between leaves a batch under way, which is asked about later still.
        if isinstance(trouble, NotProcessed):
            self._back_off(trouble.reason, at_least=trouble.wait or 0.0)
            self.outbox.put_back([batch.number])
        else:
            self._back_off(trouble.reason, at_least=0.0 if trouble.over else self.terms.channel.settle_seconds)
            self.outbox.put_back([batch.number], uncertain=True, failed=not trouble.configuration, sha256=digest)

    # -- asking -----------------------------------------------------------------------------------------------------------

    def _ask(self, gateway: Gateway, number: int) -> None:
        """What became of a batch nobody knows about."""
        operation, attempts, messages = self.outbox.batch(number)
        told: dict[str, str] | None = None
        reason = ""
        try:
            told = gateway.ask(list(messages))
        except (NotProcessed, Unknown) as problem:
            reason = problem.reason
        if told is None:
            self._back_off(reason)
            return
        step("exchange:asked")
        if told:
            codes = {each: told.get(each, SYSTEM_ERROR) for each in messages if told.get(each) != OK}
            # A message that was refused before, and is on its way again, may be told by that earlier code. Refused is not applied.
            codes |= {each: SYSTEM_ERROR for each in codes if messages[each].again}
            self._settle(number, None, operation, messages, codes)
            return
        self.outbox.put_back([number])
        self._take_apart(number, attempts, len(messages))

    def _take_apart(self, number: int, attempts: int, messages: int) -> None:
        """A batch that fails again and again is halved, until the message at fault stands alone and is set aside."""
        if attempts < (ATTEMPTS if messages > 1 else ATTEMPTS_ALONE):
            return
        self.outbox.isolate(number, self.reason)
        self._take_back(MOST_ASIDE)

    def _take_back(self, more_than: int) -> bool:
        """It is the receiver that fails, not so many messages: they come back, and the receiver is left alone for long."""
        if not self.outbox.take_back(more_than):
            return False
        self._back_off(self.reason, at_least=self.terms.channel.backoff_limit_seconds)
        return True

    # -- what a code means ------------------------------------------------------------------------------------------------

    def _settle(
        self,
        number: int,
        digest: bytes | None,
        operation: str,
        messages: Mapping[str, Message],
        codes: Mapping[str, str],
    ) -> None:
        """Act on the code of each message that has one; the others of the batch are applied."""
        refused: list[dict[str, str]] = []
        again: list[str] = []
        switch: list[str] = []
        for each, code in codes.items():
            if code == SYSTEM_ERROR:
                again.append(each)
            elif code == NOT_FOUND and operation == "delete":
                continue  # what is to be gone is gone
            elif (code, operation) in ((EXISTS, "insert"), (NOT_FOUND, "update")) and not messages[each].switched:
                switch.append(each)
            else:
                refused.append({"id": each, **self._refusal(code)})
        self.outbox.resolve(number, digest, refused, again, switch)
        step("exchange:resolved")
        if again:
            self._back_off(f"error_code {SYSTEM_ERROR}")
            head = self.outbox.head()
            if head is not None and head[1] == "pending":
                _, attempts, left = self.outbox.batch(head[0])
                if left.keys() <= set(again):
                    self._take_apart(head[0], attempts, len(left))

    def _refusal(self, code: str) -> dict[str, str]:
        known = self.terms.refusals.get(code)
        if known is not None:
            return {"code": code, "vi": known.vi, "en": known.en, "owner": known.owner}
        return {
            "code": code,
            "vi": f"hệ thống nhận từ chối với mã {code}, chưa có trong danh mục mã lỗi",
            "en": f"the receiver refused with code {code}, which is not in the list of refusals",
            "owner": "kho",
        }

    # -- leaving the receiver alone ---------------------------------------------------------------------------------------

    def _back_off(self, reason: str, at_least: float = 0.0) -> None:
        """Wait longer after each failure in a row, with jitter, so that senders do not come back all at once."""
        channel = self.terms.channel
        backoff = min(channel.backoff_limit_seconds, channel.backoff_seconds * 2 ** min(self.outbox.failures(), 20))
        seconds = max(at_least, backoff * random.uniform(0.5, 1.5))
        self.reason = reason
        self.vi, self.en = (
            f"hệ thống nhận chưa trả lời được ({reason})",
            f"the receiver gave no usable answer ({reason})",
        )
        self.next_at = settings.now() + timedelta(seconds=seconds)
        self.outbox.trouble(self.vi, self.en, seconds)
