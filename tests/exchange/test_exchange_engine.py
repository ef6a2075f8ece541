"""What follows from each answer of the receiver, rule by rule: the ministry's record on one side, the outbox on the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestration import exchange
from simulator.ministry import Fault, MinistryFaults, services
from simulator.ministry.faults import KINDS
from simulator.ministry.services import ASK, DELETE, SEND

from .desk import Desk
from .licences import FACILITIES, STRANGER, name

NewDesk = Callable[..., Desk]

#: Kind of fault -> whether the receiver has to be asked, and whether the batch has to be sent again.
FOLLOWS = {
    "drop": (True, True),
    "drop_after": (True, False),
    "error500": (True, True),
    "error500_after": (True, False),
    "error502": (True, True),
    "too_many": (False, True),
    "error_code": (True, True),
    "error_code_after": (True, False),
    "wrong_code": (True, False),
    "expired": (False, True),
    "half": (False, True),
    "half_silent": (True, True),
    "miscount": (True, False),
    "late": (True, False),
    "late504": (True, False),
    "restart": (True, True),
}


def test_every_kind_of_fault_has_its_consequences_here() -> None:
    assert set(FOLLOWS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_on_each_operation(desk: NewDesk, kind: str) -> None:
    asked, again = FOLLOWS[kind]
    one = desk(4)

    def operation(service: str) -> None:
        one.release()
        before, asked_before = len(one.requests(service)), len(one.requests(ASK))
        one.strike(kind, service)
        one.finish()
        one.check()
        assert [each.fault for each in one.requests(service)[before:] if each.fault] == [kind]
        assert len([each for each in one.requests(service)[before:] if each.number]) == 1 + again
        assert (len([each for each in one.requests(ASK)[asked_before:] if each.number]) > 0) == asked

    operation(SEND)  # inserts
    one.change_all("khác")
    operation(SEND)  # updates: the ministry would make a repeated one a second time
    one.remove(0, 1, 2, 3)
    one.set(9)
    one.release()
    one.finish()
    one.rows = {name(8): one.set(8)}
    operation(DELETE)
    assert one.state().state == "current"


def test_the_messages_are_those_declared(desk: NewDesk) -> None:
    one = desk(7)
    one.release()
    one.finish()
    one.check()
    (first, second) = [json.loads(each.body or "") for each in one.requests(SEND)]
    assert {key: first[key] for key in ("madonvi", "service", "isUpdating")} == {
        "madonvi": "H05.09", "service": SEND, "isUpdating": "False",
    }  # fmt: skip
    assert [len(first["data"]), len(second["data"])] == [5, 2]
    assert list(first["data"][0]) == ["MaThongDiep", *sorted(first["data"][0].keys() - {"MaThongDiep"})]


def test_what_was_released_before_the_obligation_goes_up_once(desk: NewDesk) -> None:
    one = desk(6)
    one.release()
    one.change_all("khác")
    one.remove(0)
    one.release()
    assert one.finish().planned == 5
    assert {each.operation for each in one.ministry.record.effects()} == {"insert"}
    held = one.ministry.record.licences()
    assert held.keys() == one.rows.keys() and all(each["PhamVi"] == "khác" for each in held.values())


def test_a_version_that_says_nothing_new_is_not_sent(desk: NewDesk) -> None:
    one = desk(6)
    one.release()
    one.finish()
    before = len(one.ministry.record.requests())
    one.set(0, manager_name="Trần Thị Khác")
    one.set(1, _delivery=2)
    one.release()
    run = one.finish()
    assert (run.planned, run.confirmed) == (0, 0)
    assert len(one.ministry.record.requests()) == before
    assert one.state().state == "current"
    assert exchange.waiting_work([one.obligation]) == []


# -- insert or update -----------------------------------------------------------------------------------------------------


def test_what_the_receiver_has_already_is_updated(desk: NewDesk) -> None:
    one = desk(3)
    one.ministry.tamper(
        add=[{"SoGiayPhep": name(1), "MaCSKCB": "24A01", "NgayCap": "20240101000000", "TrangThai": "1"}]
    )
    one.release()
    one.finish()
    one.check()
    assert {each.key: each.operation for each in one.ministry.record.effects()} == {
        name(0): "insert", name(1): "update", name(2): "insert",
    }  # fmt: skip


def test_what_the_receiver_has_lost_is_inserted(desk: NewDesk) -> None:
    one = desk(3)
    one.release()
    one.finish()
    one.ministry.tamper(remove=[name(1)])
    one.change_all("khác")
    one.release()
    one.finish()
    one.check()
    assert [each.operation for each in one.ministry.record.effects() if each.key == name(1)] == ["insert", "insert"]


def test_the_deletion_of_what_is_gone_is_done(desk: NewDesk) -> None:
    one = desk(3)
    one.release()
    one.finish()
    one.ministry.tamper(remove=[name(1)])
    one.remove(1)
    one.release()
    one.finish()
    assert one.outbox()[name(1), 2] == "confirmed"
    assert one.letters() == []


def test_the_operation_is_switched_once_only(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = desk(3)
    judge = services._judge

    def contradictory(operation: str, item: dict[str, str], *rest: object) -> str:
        if item["SoGiayPhep"] == name(1):
            return "11" if operation == "insert" else "12"
        return judge(operation, item, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(services, "_judge", contradictory)
    one.release()
    one.finish()
    (letter,) = one.letters()
    assert (letter.key, letter.code) == (name(1), "12")
    assert [each.code for each in one.ministry.record.refusals()] == ["11", "12"]


@pytest.mark.parametrize("kind", ["drop", "error500", "half_silent"])
def test_a_code_from_before_the_switch_is_no_answer(desk: NewDesk, kind: str) -> None:
    """The update that replaces a refused insert gets lost; the receiver still knows the message as refused with 11."""
    one = desk(3, Fault(2, kind, SEND))
    one.ministry.tamper(
        add=[{"SoGiayPhep": name(1), "MaCSKCB": "24A01", "NgayCap": "20240101000000", "TrangThai": "1"}]
    )
    one.release()
    one.finish()
    one.check()
    assert one.requests(ASK)


# -- errors of one message ------------------------------------------------------------------------------------------------


def test_a_refused_message_is_a_dead_letter_with_reason_and_owner(desk: NewDesk) -> None:
    one = desk(6, facilities=FACILITIES)
    one.set(2, facility_code=STRANGER)
    one.release()
    run = one.finish()
    assert (run.confirmed, run.rejected) == (5, 1)
    one.check()
    (letter,) = one.letters()
    assert (letter.key, letter.code, letter.owner, letter.closed_by) == (name(2), "23", "Bộ Y tế", None)
    assert "danh mục của Bộ" in letter.reason_vi and "ministry's list" in letter.reason_en
    assert one.state().state == "rejected"


def test_a_code_in_no_list_is_told_as_such(desk: NewDesk) -> None:
    one = desk(3, facilities=FACILITIES)
    one.obligation = replace(one.obligation, refusals=())
    one.set(2, facility_code=STRANGER)
    one.release()
    one.finish()
    (letter,) = one.letters()
    assert (letter.code, letter.owner) == ("23", "kho") and "23" in letter.reason_vi and "23" in letter.reason_en


@pytest.mark.parametrize(
    ("spoiled", "code", "owner"),
    [
        ({"status": "CHO_CAP"}, "unmapped", "kho"),
        ({"facility_code": None}, "missing", "source"),
        ({"status": None}, "missing", "source"),
    ],
)
def test_what_cannot_be_written_is_never_sent(
    desk: NewDesk, spoiled: dict[str, str | None], code: str, owner: str
) -> None:
    one = desk(6)
    one.set(2, **spoiled)
    one.release()
    assert one.finish().rejected == 1
    one.check()
    (letter,) = one.letters()
    assert (letter.key, letter.code, letter.owner) == (name(2), code, owner) and letter.reason_vi and letter.reason_en
    assert not any(name(2) in (each.body or "") for each in one.requests(SEND))
    one.set(2, status="HIEU_LUC", facility_code="24A01")
    one.release()
    one.finish()
    one.check()
    assert one.letters() == [] and one.letters(closed=True)[0].closed_by is not None
    assert one.state().state == "current"


def test_a_corrected_version_closes_the_dead_letter(desk: NewDesk) -> None:
    one = desk(6, facilities=FACILITIES)
    one.set(2, facility_code=STRANGER)
    one.release()
    one.finish()
    one.set(2, facility_code="98Z98")  # refused again: the newer letter takes the older one's place
    one.release()
    one.finish()
    assert [(each.release, each.code) for each in one.letters()] == [(2, "23")]
    one.set(2, facility_code=FACILITIES[0])
    one.release()
    one.finish()
    one.check()
    assert one.letters() == []
    assert [each.closed_by is not None for each in one.letters(closed=True)] == [True, True]


def test_a_letter_whose_key_has_gone_on_is_closed_whatever_came_first(desk: NewDesk) -> None:
    """Two releases wait: the first is refused by the ministry when the second is known already to say what cannot be written."""
    one = desk(6, facilities=FACILITIES)
    one.release()
    one.finish()
    one.set(2, facility_code=STRANGER)
    one.set(3, facility_code=STRANGER)
    one.release()
    one.set(2, status="CHO_CAP")
    one.release()
    one.finish()
    one.check()
    assert {(each.key, each.release) for each in one.letters()} == {(name(2), 3), (name(3), 2)}


def test_a_message_that_is_never_processed_is_set_aside(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code 99 for one message, again and again: it must not hold up the others for ever."""
    one = desk(12)
    judge = services._judge

    def stubborn(operation: str, item: dict[str, str], *rest: object) -> str:
        return "99" if item["SoGiayPhep"] == name(1) else judge(operation, item, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(services, "_judge", stubborn)
        one.release()
        one.finish()
        (letter,) = one.letters()
        assert (letter.key, letter.code, letter.owner) == (name(1), "unanswered", "receiver")
        assert len(one.ministry.record.licences()) == 11
    assert exchange.retry(one.obligation, None, by="tests") == 1
    one.finish()
    one.check()


# -- a message on which the receiver fails --------------------------------------------------------------------------------


def test_a_poisonous_message_is_found_by_halving(desk: NewDesk) -> None:
    one = desk(25, plan={"poison": (name(7),)}, batch=20)
    one.release()
    one.finish()
    (letter,) = one.letters()
    assert (letter.key, letter.code, letter.owner) == (name(7), "unanswered", "receiver")
    assert "500" in letter.reason_vi and "500" in letter.reason_en
    assert one.ministry.record.licences().keys() == one.rows.keys() - {name(7)}
    assert all(each.operation == "insert" for each in one.ministry.record.effects())
    one.ministry.plan = replace(one.ministry.plan, poison=())
    one.set(7, scope="khác")
    one.release()
    one.finish()
    assert one.letters() == [] and one.ministry.record.licences()[name(7)]["PhamVi"] == "khác"


def test_an_outage_is_not_blamed_on_the_message_it_met(desk: NewDesk) -> None:
    one = desk(1, *[Fault(number, "error500", SEND) for number in range(1, 9)], backoff=(0.001, 0.002))
    one.release()
    one.finish()
    one.check()


def test_two_poisonous_messages_are_both_found(desk: NewDesk) -> None:
    one = desk(12, plan={"poison": (name(4), name(5))}, batch=12)
    one.release()
    one.finish()
    assert {each.key for each in one.letters()} == {name(4), name(5)}
    assert len(one.ministry.record.licences()) == 10


def test_a_poisonous_message_behind_which_nothing_comes_waits_for_company(desk: NewDesk) -> None:
    """It cannot be told from a receiver that is out of order, until that deals with something else."""
    one = desk(1, plan={"poison": (name(0),)}, backoff=(0.001, 0.002))
    one.release()
    run = one.send(1.0)
    assert run.outcome in ("waiting", "more") and one.letters() == [] and "500" in one.state().because_vi
    one.set(1)
    one.release()
    one.finish()
    assert {each.key for each in one.letters()} == {name(0)} and one.ministry.record.licences().keys() == {name(1)}


@pytest.mark.parametrize("mixed", [False, True])
def test_a_receiver_that_fails_on_everything_is_not_blamed_on_messages(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, mixed: bool
) -> None:
    """HTTP 500 for every batch, or (mixed) now and then code 99 for each of its messages."""
    faults = [Fault(number, "error500", SEND) for number in range(1, 500) if not mixed or number % 3]
    one = desk(9, *faults, batch=3, backoff=(0.001, 0.002))
    one.release()
    with monkeypatch.context() as patch:
        patch.setattr(services, "_judge", lambda *_: "99")
        while len(one.requests(SEND)) < 60:
            assert one.send(0.5).outcome in ("waiting", "more")
    assert {each.code for each in one.letters()} <= {"unanswered"}
    one.ministry.plan = MinistryFaults()
    one.finish()
    one.check()  # nobody is blamed, and nobody had to say so
