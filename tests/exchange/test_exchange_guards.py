"""The proof can fail: each guard of the sender is taken away in turn, and the comparison with what had to arrive must say so."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration import exchange
from orchestration.errors import KhoError
from orchestration.exchange.outbox import Message, Outbox
from orchestration.exchange.run import _Sender
from orchestration.warehouse import connect, schema
from simulator.ministry import Fault
from simulator.ministry.services import SEND
from tests.engine.cluster import rows, value
from tests.engine.stagehand import Answer, Event

from .campaign_exchange import ExchangeCampaign, ExchangeTally
from .desk import Desk, Died, die_after_sending, lose_session_while_sending
from .licences import FACILITIES, STRANGER, name
from .oracle import Violation

NewDesk = Callable[..., Desk]


@pytest.fixture
def without(warehouse: object) -> Iterator[Callable[[str, str, str], None]]:
    """Replaces what a pattern finds in a function of the database, until the end of the test."""

    def replaced(function: str, pattern: str, by: str) -> None:
        source = value(
            "select pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = 'exchange'::regnamespace and p.proname = %s",
            (function,),
        )
        changed, count = re.subn(pattern, by, source)
        assert count, f"{function} has no such guard"
        rows(changed)

    yield replaced
    with connect("admin") as admin:
        for name in ("exchange_plan", "exchange_send", "exchange_reconcile"):
            admin.execute(schema.sql_file(name).replace("%%", "%"))


def changed_once(desk: NewDesk, *faults: Fault, **options: Any) -> Desk:
    """Everything has arrived; a change of every licence waits, which a repetition would show as a second effect."""
    one = desk(10, *faults, **options)
    one.release()
    one.finish()
    one.change_all("khác")
    one.release()
    return one


def test_with_every_guard_nothing_is_found(desk: NewDesk) -> None:
    one = changed_once(desk)
    for kind in ("drop_after", "late", "late504", "half_silent"):
        one.change_all(kind)
        one.release()
        one.strike(kind, SEND)
        one.finish()
        assert one.violations() == []


def test_without_asking_before_sending_again(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = changed_once(desk)
    put_back = Outbox.put_back
    monkeypatch.setattr(
        Outbox,
        "put_back",
        lambda self, batches, **options: put_back(self, batches, failed=options.get("failed", False)),
    )
    one.strike("drop_after", SEND)
    one.finish()
    assert any("had an effect before" in each for each in one.violations())


def test_without_time_to_settle(desk: NewDesk) -> None:
    one = changed_once(desk, settle=0.001)
    one.strike("late", SEND)
    one.finish()
    assert any("had an effect before" in each for each in one.violations())


def test_without_time_to_settle_behind_a_gateway(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = changed_once(desk)
    monkeypatch.setattr("orchestration.exchange.gateway._BEHIND_THE_GATEWAY", frozenset())
    one.strike("late504", SEND)
    one.finish()
    assert any("had an effect before" in each for each in one.violations())


def test_without_time_to_settle_after_a_death(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = changed_once(desk)
    adopt = Outbox.adopt
    monkeypatch.setattr(Outbox, "adopt", lambda self, seconds: adopt(self, 0.0))
    one.strike("late", SEND)
    with monkeypatch.context() as patch:
        die_after_sending(patch, SEND)
        with pytest.raises(Died):
            one.send()
    one.finish()
    assert any("had an effect before" in each for each in one.violations())


def test_without_adopting_what_a_dead_sender_left(desk: NewDesk, without: Callable[[str, str, str], None]) -> None:
    one = changed_once(desk)
    one.send(0.0)
    rows("update kho.batch set state = 'sending', sent_at = now() - interval '1 hour' where state = 'pending'")
    without(
        "adopt",
        r"set state = 'uncertain' where .*? returning b\.sent_at",
        "set state = 'sending' where false returning b.sent_at",
    )
    one.send(1.0)
    assert any("messages are left" in each for each in one.violations())


def test_without_comparing_before_images(desk: NewDesk, without: Callable[[str, str, str], None]) -> None:
    one = desk(5)
    one.release()
    one.finish()
    one.set(0, manager_name="Trần Thị Khác")
    one.release()
    without("plan", r"where %s <> %s", "where (%s || %s) is not null")
    one.finish()
    assert any("effects instead of" in each for each in one.violations())


def test_without_order(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = changed_once(desk, batch=10)
    one.send(0.0)
    one.change_all("khác nữa")
    one.release()
    claim = Outbox.confirm_and_claim
    monkeypatch.setattr(Outbox, "confirm_and_claim", lambda self, *args: list(reversed(claim(self, *args))))
    one.finish()
    assert any("in another order" in each for each in one.violations())


def test_without_doubting_old_codes(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk(4, facilities=FACILITIES)
    one.set(2, facility_code=STRANGER)
    one.release()
    one.finish()
    one.ministry.know(None)
    batch = Outbox.batch

    def trusting(self: Outbox, number: int) -> Any:
        operation, attempts, messages = batch(self, number)
        return operation, attempts, {each: Message(each, message.switched, False) for each, message in messages.items()}

    monkeypatch.setattr(Outbox, "batch", trusting)
    one.strike("drop", SEND)
    exchange.retry(one.obligation, None, by="tests")
    one.finish()
    one.oracle.retried(None)
    assert any("0 effects instead of 1" in each for each in one.violations())


def test_without_holding_back_an_older_version(desk: NewDesk, without: Callable[[str, str, str], None]) -> None:
    one = desk(4, facilities=FACILITIES)
    one.set(2, facility_code=STRANGER)
    one.release()
    one.finish()
    one.set(2, facility_code=FACILITIES[0])
    one.release()
    one.ministry.know(None)
    one.strike("drop_after", SEND)
    assert one.send(0.05).uncertain == 1
    without("reopen", r"b\.state in \('sending', 'uncertain'\)", "false")
    assert exchange.retry(one.obligation, None, by="tests") == 1
    one.finish()
    assert any(each.startswith(name(2)) for each in one.violations())


def test_without_an_end_to_a_lease(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that has lost its session goes on with what it had claimed."""
    one = changed_once(desk, batch=1)
    claim = _Sender._claim
    monkeypatch.setattr(_Sender, "_claim", lambda self, *args: (claim(self, *args)[0], math.inf))
    lose_session_while_sending(one, monkeypatch)
    with pytest.raises(KhoError):
        one.send()
    one.finish()
    assert any("had an effect before" in each for each in one.violations())


# -- the campaign itself --------------------------------------------------------------------------------------------------


class _Here:
    """In place of the process that forks senders: they run in this one, unharmed and with what a test has changed in them."""

    def run(self, stage: str, *arguments: Any, event: Event) -> Answer:
        owed, env, seconds = arguments
        return Answer(exchange.run(owed, env=env, seconds=seconds))


def _never_uncertain(patch: pytest.MonkeyPatch, _: Any) -> None:
    put_back = Outbox.put_back
    patch.setattr(Outbox, "put_back", lambda self, batches, **options: put_back(self, batches))


def _no_settling(patch: pytest.MonkeyPatch, _: Any) -> None:
    patch.setattr("orchestration.exchange.obligation._rehearsal_settle", lambda: 0.001)
    patch.setattr(sys.modules[ExchangeCampaign.__module__], "KINDS", ("late", "late504"))


def _every_version(_: pytest.MonkeyPatch, without: Callable[[str, str, str], None]) -> None:
    without("plan", r"where %s <> %s", "where (%s || %s) is not null")


@pytest.mark.parametrize("mutation", [_never_uncertain, _no_settling, _every_version])
def test_the_campaign_notices(
    reset: Callable[[], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    without: Callable[[str, str, str], None],
    mutation: Callable[..., None],
) -> None:
    mutation(monkeypatch, without)
    for seed in (1, 2, 3):  # a campaign may have the luck that nothing goes wrong in the place that matters
        reset()
        campaign = ExchangeCampaign(_Here(), tmp_path / str(seed), seed, ExchangeTally())  # type: ignore[arg-type]
        try:
            campaign.run()
        except Violation:
            return
    raise AssertionError("the campaign is too mild")
