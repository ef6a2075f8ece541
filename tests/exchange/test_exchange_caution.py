"""What must not be believed or done too early: another clock, a listing that shrinks, a table of somebody else, a column nobody cleared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from orchestration import exchange, settings
from orchestration.errors import KhoError, Transient
from orchestration.exchange import released as columns
from orchestration.exchange.outbox import open_outbox
from orchestration.warehouse import connect
from simulator.ministry import services
from simulator.ministry.services import SEND
from tests.engine.cluster import rows, value
from tests.engine.subjects import released as release_tables

from .desk import Desk, Died, die_after_sending
from .licences import SUBJECT, name

NewDesk = Callable[..., Desk]


def sent(desk: NewDesk, count: int = 10, **options: object) -> Desk:
    one = desk(count, **options)
    one.release()
    one.finish()
    return one


# -- clocks ---------------------------------------------------------------------------------------------------------------


def test_waits_are_measured_by_the_clock_that_set_them(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender whose clock is ahead must not ask before a lost call is over."""
    one = sent(desk, settle=0.5, plan={"late_seconds": 0.6})
    now = settings.now
    monkeypatch.setattr(settings, "now", lambda: now() + timedelta(minutes=1))
    for _ in range(2):
        one.change_all(f"{len(one.requests(SEND))}")
        one.release()
        one.strike("late", SEND)
        one.finish()
        one.check()


def test_a_wait_is_never_shortened(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell without the variables must not cut short the time in which a dead sender's call may still arrive."""
    one = desk(10, settle=600)
    one.release()
    with monkeypatch.context() as patch:
        die_after_sending(patch, SEND)
        with pytest.raises(Died):
            one.send()
    with pytest.raises(KhoError):
        exchange.run(one.obligation, env={})
    assert value("select extract(epoch from next_at - clock_timestamp()) > 500 from kho.obligation")
    assert one.state().state == "waiting" and "KHO_NATIONAL_HEALTH" in one.state().because_vi


# -- the session's tables -------------------------------------------------------------------------------------------------


def test_a_table_of_somebody_else_is_not_read_as_the_owner(desk: NewDesk) -> None:
    """A view in place of the listing would run its author's code with the rights of kho_owner."""
    one = sent(desk)
    with open_outbox(one.obligation) as outbox:
        assert outbox is not None
        terms = one.obligation.on(settings.now().date())
        connection, number = outbox._connection, outbox._number
        outbox.image(terms)
        connection.execute("create function pg_temp.evil() returns text language sql as 'select current_user::text'")
        connection.execute(
            "create temporary view theirs as select pg_temp.evil() as key, ''::text as hash, null::jsonb as record"
        )
        connection.execute("grant select on theirs to kho_owner")
        for call in (
            "select exchange.compare(%s::smallint, null)",
            "select exchange.repair(%s::smallint, 1, %s::jsonb, 5, current_date, true)",
        ):
            parameters = (number, json.dumps(terms.rendering()))[: call.count("%s")]
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(call, parameters)
            assert refused.value.sqlstate == "KH065", call
        with pytest.raises(KhoError):
            outbox.begin_listing()


# -- listings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("how", ["ends early", "changes its total", "repeats a key"])
def test_a_listing_that_contradicts_itself_counts_for_nothing(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, how: str, full: bool
) -> None:
    one = sent(desk, 30)
    one.ministry.tamper(change={name(5): {"PhamVi": "khác"}})
    honest = services._page

    def page(*arguments: object) -> dict[str, object]:
        answer = honest(*arguments)  # type: ignore[arg-type]
        data = answer["data"]
        if how == "ends early":
            return answer | {"data": data[:-1] if len(data) == 1 else []}
        if how == "changes its total":
            return answer | {"tongSo": str(len(data) + 1)}
        return answer | {"data": [*data[:-1], data[0]] if len(data) > 1 else data * 2, "tongSo": str(max(2, len(data)))}

    monkeypatch.setattr(services, "_page", page)
    with pytest.raises((Transient, KhoError)) as refused:
        exchange.reconcile(one.obligation, env=one.env, full=full)
    assert refused.value.code in ("receiver_down", "KH066")
    assert one.state().pending == 0 and rows("select 1 from kho.reconciliation") == []


# -- planning that cannot be done -----------------------------------------------------------------------------------------


def test_a_table_that_is_not_released_is_told_and_not_asked_for_again_and_again(desk: NewDesk) -> None:
    one = desk()
    release_tables(SUBJECT, {"dim_other": ({"code": "text", "_delivery": "bigint"}, ("code",), [{"code": "A"}])})
    with pytest.raises(KhoError, match="KH064|chưa được phát hành"):
        one.send()
    state = one.state()
    assert state.state == "waiting" and "chưa được phát hành" in state.because_vi
    assert exchange.waiting_work([one.obligation]) == [], "the next try has its time"


def test_terms_that_are_missing_are_told(desk: NewDesk) -> None:
    one = desk()
    one.release()
    one.obligation = replace(one.obligation, deadlines=())
    with pytest.raises(KhoError, match="deadline"):
        one.send()
    assert one.state().state == "waiting" and "deadline" in one.state().because_vi


def test_a_column_that_may_not_leave_stops_everything(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model was reclassified after the obligation had been checked: nothing is rendered, nothing is compared."""
    one = desk()
    one.release()
    honest = columns.read_table

    def reclassified(*arguments: object) -> object:
        table = honest(*arguments)  # type: ignore[arg-type]
        assert table is not None
        scope = replace(table.columns["scope"], classification="personal")
        return replace(table, columns={**table.columns, "scope": scope})

    monkeypatch.setattr(columns, "read_table", reclassified)
    for act in (one.send, lambda: exchange.reconcile(one.obligation, env=one.env)):
        with pytest.raises(KhoError) as refused:
            act()
        assert refused.value.code == "not_allowed" and "scope" in refused.value.vi
    assert rows("select 1 from kho.message") == []
    assert "scope" in one.state().because_vi


# -- evidence -------------------------------------------------------------------------------------------------------------


def test_what_was_sent_is_evidence_even_when_the_receiver_had_to_be_asked(desk: NewDesk) -> None:
    one = desk(5)
    one.release()
    one.strike("drop_after", SEND)
    one.finish()
    ((digest,),) = rows("select encode(sent_sha256, 'hex') from kho.batch")
    import hashlib

    (request,) = one.requests(SEND)
    assert digest == hashlib.sha256(request.body.encode()).hexdigest()
    with connect("admin") as admin:
        admin.execute("update kho.batch set sent_sha256 = sha256('x')")
    assert any("has been altered" in each for each in one.violations())
