"""Who may send, when, and what: one sender at a time, only what was released, and nobody is pressed who asks to be left alone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from orchestration import exchange, settings
from orchestration.errors import KhoError
from orchestration.exchange.gateway import Gateway
from orchestration.exchange.outbox import Outbox, open_outbox
from orchestration.release import ledger
from orchestration.warehouse import connect
from simulator.ministry import Fault
from simulator.ministry.services import ASK, SEND
from tests.engine.cluster import rows, value
from tests.engine.subjects import frozen, judge

from .desk import Desk, Died, die_after_sending, lose_session_while_sending
from .licences import KEY, TABLE, TYPES, licences, release

NewDesk = Callable[..., Desk]


# -- one sender -----------------------------------------------------------------------------------------------------------


def test_a_second_sender_is_told_that_one_is_at_it(desk: NewDesk) -> None:
    one = desk(3)
    one.release()
    with open_outbox(one.obligation) as outbox:
        assert outbox is not None
        run = one.send()
        assert (run.outcome, run.planned) == ("busy", 0) and run.because_vi and run.because_en
        with pytest.raises(KhoError) as busy:
            exchange.retry(one.obligation, None, by="tests")
        assert busy.value.code == "busy"
        with pytest.raises(KhoError) as busy:
            exchange.reconcile(one.obligation, env=one.env)
        assert busy.value.code == "busy"
    assert one.requests(SEND) == []
    one.finish()
    one.check()


def test_many_senders_at_once_send_everything_once(desk: NewDesk) -> None:
    one = desk(60, batch=4)
    one.release()
    outcomes: list[str] = []

    def sender() -> None:
        outcomes.append(one.send().outcome)

    threads = [threading.Thread(target=sender) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"done", "busy"} and "done" in outcomes
    one.check()


WITH_THE_LOCK_ONLY = {
    "plan": "1::smallint, '[]'::jsonb, 5, '2026-01-01'::date",
    "claim": "1::smallint, 1",
    "confirm": "1::smallint, array[1], array['x'::bytea], 1",
    "resolve": "1::smallint, 1, 'x'::bytea, 1, '[]'::jsonb, '{}'::uuid[], '{}'::uuid[]",
    "put_back": "1::smallint, array[1], false, false",
    "adopt": "1::smallint, 1.0",
    "isolate": "1::smallint, 1, 1, 'vi', 'en'",
    "retry": "1::smallint, null::bigint[], 'x'",
    "image": "1::smallint, '[]'::jsonb",
    "compare": "1::smallint, null::text[]",
    "repair": "1::smallint, 1, '[]'::jsonb, 5, '2026-01-01'::date, false",
    "take_back": "1::smallint, 0",
    "begin_listing": "1::smallint",
}


@pytest.mark.parametrize("function", WITH_THE_LOCK_ONLY)
def test_nothing_moves_without_the_lock(desk: NewDesk, function: str) -> None:
    one = desk(3)
    one.release()
    one.send(0.0)
    with pytest.raises(psycopg.Error) as refused, connect("exchange") as connection:
        connection.execute(f"select exchange.{function}({WITH_THE_LOCK_ONLY[function]})")
    assert refused.value.sqlstate == "KH061"
    assert set(one.outbox().values()) == {"pending"}


def test_every_function_of_the_sender_is_among_those() -> None:
    import re
    from pathlib import Path

    from orchestration.warehouse import schema

    code = "".join(
        (Path(schema.__file__).parent / "sql" / f"{file}.sql").read_text()
        for file in ("exchange_plan", "exchange_send", "exchange_reconcile")
    )
    granted = code[code.rindex("grant execute on function exchange.") :].split(" to kho_exchange")[0]
    assert set(re.findall(r"exchange\.(\w+)", granted)) == {*WITH_THE_LOCK_ONLY, "declare"}


# -- only what was released -----------------------------------------------------------------------------------------------


def test_what_a_gate_holds_is_not_sent(desk: NewDesk) -> None:
    one = desk(5)
    one.release()
    one.finish()
    content = [*one.rows.values(), *licences(8).values()]
    build = frozen("health", {TABLE: (TYPES, KEY, [row | {"scope": "chưa phát hành"} for row in content[-8:]])})
    assert value("select count(*) from journal.health__fct_health_licence where journal_build = %s", (build,)) > 0
    assert exchange.waiting_work([one.obligation]) == []
    assert one.send().planned == 0
    judge("health", build, "fail")
    assert one.send().planned == 0
    assert value("select count(*) from kho.message") == 5
    assert value("select count(*) from kho.message where item like '%%chưa phát hành%%'") == 0
    one.check()


def test_the_sender_cannot_read_what_is_not_released(desk: NewDesk) -> None:
    one = desk(3)
    one.release()
    one.change_all("khác")
    one.release()
    readable = rows(
        """select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where (n.nspname ~ '^candidate_' or n.nspname in ('journal', 'raw', 'staging', 'intermediate', 'quarantine')) and c.relkind in ('r', 'v', 'p')
              and has_schema_privilege('kho_exchange', n.oid, 'usage') and has_table_privilege('kho_exchange', c.oid, 'select')"""
    )
    assert readable == []
    schemas = ["journal", "raw", "staging", "intermediate", "quarantine", "candidate_health"]
    assert [
        each for each in schemas if value("select has_schema_privilege('kho_exchange', %s, 'usage')", (each,))
    ] == []
    assert rows("select 1 from pg_class where relname = 'health__fct_health_licence'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows("select * from journal.health__fct_health_licence", role="exchange")


@pytest.mark.parametrize(
    "statement",
    [
        "update kho.message set item = '{}'",
        "insert into kho.message (obligation_id, seq, batch, key, id) values (1, 99, 1, 'x', gen_random_uuid())",
        "delete from kho.message",
        "update kho.batch set state = 'pending'",
        "update kho.obligation set planned_release = 0",
        "select exchange.store(o, 'insert', 'select 1', '1', '[]', 1, current_date) from kho.obligation o",
        "select exchange.regroup(1::smallint, array[1::bigint])",
    ],
)
def test_the_sender_cannot_write_messages_itself(desk: NewDesk, statement: str) -> None:
    one = desk(2)
    one.release()
    one.send(0.0)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(statement, role="exchange")


def test_a_promotion_that_commits_late_is_not_missed(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender plans while a promotion stands open, and another subject's later build has long been released."""
    one = desk(4)
    other = replace(one.obligation, id="health_system.other", subject="education", table="fct_other_licence")
    monkeypatch.setattr(
        sys.modules["orchestration.exchange.run"], "may_leave", lambda _: None
    )  # of which dbt knows nothing
    for step in range(3):  # the first load, and changes
        one.change_all(f"bản {step}")
        build = frozen("health", {TABLE: (TYPES, KEY, list(one.rows.values()))})
        judge("health", build)
        with connect("release") as promotion:
            promotion.execute("select release.promote('health', %s, 'tests')", (build,))
            release(licences(2, scope=f"bản {step}"), "education", "fct_other_licence")
            later = value("select max(build) from kho.release")
            assert later > build
            assert exchange.run(other, env=one.env).outcome == "done"
            assert one.send().planned == 0
            ledger.append(promotion, "release", "health", step + 1)
        one.oracle.release(one.rows)
        assert exchange.run(other, env=one.env).planned == 0
        assert one.send().planned == 4
    messages = rows("select obligation, release, count(*) from kho.outbox group by 1, 2 order by 1, 2")
    assert messages == [
        *[(one.obligation.id, number, 4) for number in (1, 2, 3)],
        *[(other.id, number, 2) for number in (1, 2, 3)],
    ]


def test_an_obligation_does_not_change_its_table(desk: NewDesk) -> None:
    one = desk(2)
    one.release()
    one.send()
    with pytest.raises(KhoError) as refused:
        exchange.run(replace(one.obligation, subject="education"), env=one.env)
    assert refused.value.code == "KH060"


# -- leaving the receiver alone -------------------------------------------------------------------------------------------


def test_a_receiver_that_asks_for_time_gets_it(desk: NewDesk) -> None:
    one = desk(3, Fault(1, "too_many", SEND), plan={"retry_after_seconds": 2})
    one.release()
    before = settings.now()
    run = one.send(1.0)
    assert run.outcome == "waiting" and run.next_at is not None and run.next_at >= before + timedelta(seconds=2)
    assert "429" in run.because_vi and "429" in run.because_en
    assert one.state().state == "waiting" and one.state().next_at is not None
    assert exchange.waiting_work([one.obligation]) == []
    asked = len(one.ministry.record.requests())
    assert one.send(0.1).outcome == "waiting"
    assert len(one.ministry.record.requests()) == asked
    one.finish()
    assert settings.now() >= before + timedelta(seconds=2)
    one.check()


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_no_message_is_blamed_for_a_closed_door(desk: NewDesk, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    one = desk(3)
    one.release()
    post = Gateway._post

    def closed(self: Gateway, path: str, *rest: Any) -> Any:
        return post(self, path, *rest) if path.endswith("/token") else (status, b"", 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(Gateway, "_post", closed)
        for _ in range(8):
            run = one.send(0.1)
            assert run.outcome in ("waiting", "more") and str(status) in run.because_en
    assert one.letters() == [] and value("select max(attempts) from kho.batch") == 0
    assert one.state().uncertain == 0
    one.finish()
    one.check()


def test_no_message_is_blamed_for_a_wrong_envelope(desk: NewDesk) -> None:
    """The receiver knows no such unit (code 05): its answer is no clean one, so it is asked, and nothing is taken apart."""
    one = desk(3)
    right = one.obligation
    channels = tuple(replace(each, value=replace(each.value, sender="H99.99")) for each in right.channels)
    one.obligation = replace(right, channels=channels)
    one.release()
    for _ in range(8):
        assert one.send(0.2).outcome == "waiting"
    assert one.letters() == [] and value("select max(attempts) from kho.batch") == 0
    assert "05" in one.state().because_vi
    one.obligation = right
    one.finish()
    one.check()


def test_a_door_that_closes_behind_the_message_is_asked_at(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 without Retry-After comes from a gateway: the service behind it may have taken the batch in."""
    one = desk(3)
    one.release()
    post, answers = Gateway._post, []

    def closing(self: Gateway, path: str, *rest: Any) -> Any:
        answer = post(self, path, *rest)
        answers.append(path)
        return (503, b"", None) if path.endswith(SEND) and sum(each.endswith(SEND) for each in answers) == 1 else answer

    monkeypatch.setattr(Gateway, "_post", closing)
    one.finish()
    one.check()
    assert len(one.requests(SEND)) == 1 and one.requests(ASK)


def test_a_refused_login_is_told_and_nothing_is_lost(desk: NewDesk) -> None:
    one = desk(3)
    one.release()
    for wrong in ({"KHO_NATIONAL_HEALTH_SECRET": "sai"}, {"KHO_NATIONAL_HEALTH_KEY": "sai"}):
        with pytest.raises(KhoError) as refused:
            exchange.run(one.obligation, env=one.env | wrong, seconds=5)
        assert refused.value.code == "login_refused" and not refused.value.transient
        assert "sai" not in str(refused.value)
        assert one.state().because_vi == refused.value.vi and one.state().because_en == refused.value.en
        assert set(one.outbox().values()) == {"pending"}
        rows("update kho.obligation set next_at = null")
    missing = {key: told for key, told in one.env.items() if key != "KHO_NATIONAL_HEALTH_SECRET"}
    with pytest.raises(KhoError) as refused:
        exchange.run(one.obligation, env=missing, seconds=5)
    assert "KHO_NATIONAL_HEALTH_SECRET" in str(refused.value)
    assert one.state().because_vi == refused.value.vi
    rows("update kho.obligation set next_at = null")
    one.finish()
    one.check()
    assert one.state().because_vi == ""


def test_a_secret_that_changes_under_way_loses_nothing(desk: NewDesk) -> None:
    """The token dies and the login is refused in the middle of a lease."""
    one = desk(12, Fault(2, "expired", SEND), batch=3)
    one.release()
    env, one.ministry.secret = one.env, "mật khẩu mới"
    one.ministry._token = None
    with pytest.raises(KhoError) as refused:
        exchange.run(one.obligation, env=env, seconds=5)
    assert refused.value.code == "login_refused"
    rows("update kho.obligation set next_at = null")
    one.finish()
    one.check()


# -- senders that die -----------------------------------------------------------------------------------------------------


def test_a_request_that_outlives_its_sender_is_waited_for(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender dies with a request on its way that the ministry applies later than the next sender is up."""
    one = desk(4)
    one.release()
    one.finish()
    one.change_all("khác")
    one.release()
    one.strike("late", SEND)
    with monkeypatch.context() as patch, pytest.raises(Died):
        die_after_sending(patch, SEND)
        one.send()
    run = one.send(0.0)
    assert run.outcome == "waiting" and run.uncertain == 4
    one.finish()
    one.check()
    assert [each.fault for each in one.requests(SEND)][-1] == "late"


def test_a_sender_that_dies_before_its_wait_is_written_down(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk(4)
    one.release()
    one.finish()
    one.change_all("khác")
    one.release()
    one.strike("late504", SEND)
    put_back = Outbox.put_back

    def last(self: Outbox, *args: Any, **options: Any) -> None:
        put_back(self, *args, **options)
        if options.get("uncertain"):
            raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(Outbox, "put_back", last)
        one.send()
    one.finish()
    one.check()


def test_a_sender_that_has_lost_its_session_stops_sending(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk(40, batch=2)
    one.release()
    one.finish()
    one.change_all("khác")
    one.release()
    lose_session_while_sending(one, monkeypatch)
    with pytest.raises(KhoError):
        one.send()
    one.finish()
    one.check()
