"""Reconciliation: whatever the receiver lost, changed or added is found, and put right through the outbox; what has a reason is left alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from orchestration import exchange
from orchestration.errors import KhoError, Transient
from orchestration.exchange import Reconciliation
from orchestration.exchange.obligation import Dated
from simulator.ministry import Fault, MinistryFaults, services
from simulator.ministry.faults import KINDS
from simulator.ministry.services import BUCKETS, LIST, SEND
from tests.engine.cluster import rows, value

from .desk import Desk
from .licences import FACILITIES, STRANGER, name
from .oracle import content_of

NewDesk = Callable[..., Desk]
FOREIGN = {"SoGiayPhep": "00099/LẠ", "MaCSKCB": "24A01", "PhamVi": "lạ", "NgayCap": "20240101000000", "TrangThai": "1"}


def compared(one: Desk, full: bool = False, **options: object) -> Reconciliation:
    return exchange.reconcile(one.obligation, env=one.env, full=full, **options)  # type: ignore[arg-type]


def found(result: Reconciliation) -> tuple[int, int, int, int, int]:
    return result.missing, result.different, result.extra, result.known, result.repaired


def sent(desk: NewDesk, count: int = 20, **options: object) -> Desk:
    """Everything released and confirmed."""
    one = desk(count, **options)
    one.release()
    one.finish()
    return one


def same_on_both_sides(one: Desk) -> bool:
    return one.ministry.record.licences() == {key: content_of(row) for key, row in one.rows.items()}


@pytest.mark.parametrize("full", [False, True])
def test_two_sides_that_agree(desk: NewDesk, full: bool) -> None:
    one = sent(desk, 30)
    result = compared(one, full)
    assert (result.compared, result.differing, found(result)) == (30, 0, (0, 0, 0, 0, 0))
    assert one.state().reconciled_at == result.at and one.state().drift == 0
    assert len(one.requests(LIST)) == (1 if full else 0), "buckets that agree are not listed"


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ({"remove": [name(3), name(4)]}, (2, 0, 0)),
        ({"change": {name(5): {"PhamVi": "khác"}, name(6): {"NgayHetHan": "20300101000000"}}}, (0, 2, 0)),
        ({"add": [FOREIGN]}, (0, 0, 1)),
        ({"remove": [name(0)], "change": {name(1): {"TrangThai": "3"}}, "add": [FOREIGN]}, (1, 1, 1)),
    ],
)
def test_what_was_tampered_with_is_put_right(
    desk: NewDesk, tampering: dict, expected: tuple[int, ...], full: bool
) -> None:
    one = sent(desk, 21)
    effects = len(one.ministry.record.effects())
    one.ministry.tamper(**tampering)
    result = compared(one, full, confirmed_by="Nguyễn Văn Thử")
    assert found(result) == (*expected, 0, sum(expected))
    assert one.state().drift == sum(expected) and one.state().pending == sum(expected)
    assert found(compared(one)) == (0, 0, 0, sum(expected), 0), "what is on its way is known"
    one.finish()
    assert same_on_both_sides(one)
    assert len(one.ministry.record.effects()) == effects + sum(expected)
    assert found(compared(one, full=True)) == (0, 0, 0, 0, 0)
    assert one.state().state == "current" and one.state().drift == 0


def test_what_we_never_sent_is_taken_back_by_a_person_only(desk: NewDesk) -> None:
    """Another sender may have put it there; what we sent and the receiver did not delete is ours to delete."""
    one = sent(desk, 21)
    one.remove(2)
    one.release()
    one.finish()
    ours = {"SoGiayPhep": name(2), "MaCSKCB": "24A02", "NgayCap": "20240101000000", "TrangThai": "1"}
    one.ministry.tamper(add=[FOREIGN, ours])
    assert found(compared(one)) == (0, 0, 2, 0, 1)
    one.finish()
    assert one.ministry.record.licences().keys() - one.rows.keys() == {FOREIGN["SoGiayPhep"]}
    assert found(compared(one)) == (0, 0, 1, 0, 0) and one.state().unrepaired == 1
    assert found(compared(one, confirmed_by="Nguyễn Văn Thử")) == (0, 0, 1, 0, 1)
    one.finish()
    assert same_on_both_sides(one)


def test_a_long_listing_is_read_to_its_end(desk: NewDesk) -> None:
    one = sent(desk, 1100, batch=500)
    one.ministry.tamper(remove=[name(1), name(1099)], change={name(600): {"PhamVi": "khác"}})
    result = compared(one, full=True)
    assert (result.compared, found(result)) == (1100, (2, 1, 0, 0, 3))
    assert len(one.requests(LIST)) == 3
    one.finish()
    assert same_on_both_sides(one)


def test_sums_that_lie_are_caught_by_a_full_comparison(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sent(desk, 20)
    told = []
    honest = services._buckets
    monkeypatch.setattr(services, "_buckets", lambda writing: told or honest(writing))
    with one.ministry.record._open() as connection:
        from simulator.ministry.record import Writing

        told += honest(Writing(connection, "", 0))
    one.ministry.tamper(remove=[name(3)])
    assert found(compared(one)) == (0, 0, 0, 0, 0)
    assert found(compared(one, full=True)) == (1, 0, 0, 0, 1)
    one.finish()
    assert same_on_both_sides(one)


# -- too much -------------------------------------------------------------------------------------------------------------


def test_a_large_difference_waits_for_a_person(desk: NewDesk) -> None:
    one = sent(desk, 10)
    one.ministry.tamper(remove=[name(0)], change={name(1): {"PhamVi": "khác"}})
    assert compared(one).repaired == 2, "a fifth is not too much"
    one.finish()
    one.ministry.tamper(remove=[name(0), name(2)], change={name(1): {"PhamVi": "khác"}})
    before = value("select count(*) from kho.message")
    with pytest.raises(KhoError) as refused:
        compared(one)
    assert refused.value.code == "drift_too_large" and "3" in refused.value.vi
    assert value("select count(*) from kho.message") == before
    assert one.state().drift == 3
    result = compared(one, confirmed_by="Nguyễn Văn Thử")
    assert found(result) == (2, 1, 0, 0, 3)
    assert value("select confirmed_by from kho.reconciliation order by number desc limit 1") == "Nguyễn Văn Thử"
    one.finish()
    assert same_on_both_sides(one)


def test_an_empty_receiver_is_no_ordinary_difference(desk: NewDesk) -> None:
    one = sent(desk, 6)
    one.ministry.tamper(remove=list(one.rows))
    with pytest.raises(KhoError) as refused:
        compared(one)
    assert refused.value.code == "drift_too_large"


# -- what has a reason ----------------------------------------------------------------------------------------------------


def test_dead_letters_are_known_and_left_alone(desk: NewDesk) -> None:
    one = sent(desk, 20, facilities=FACILITIES)
    one.set(0, facility_code=STRANGER)
    one.set(1, status="CHO_CAP")
    one.set(30, facility_code=None)
    one.set(31, facility_code=STRANGER)
    one.release()
    one.finish()
    one.check()
    assert found(compared(one, full=True)) == (0, 0, 0, 4, 0)
    assert found(compared(one)) == (0, 0, 0, 3, 0), "what neither side tells in its sums is not looked for"
    assert len(one.letters()) == 4 and one.state().state == "rejected"


def test_what_nobody_knows_about_is_known(desk: NewDesk) -> None:
    one = sent(desk, 20)
    one.change_all("khác")
    one.release()
    one.strike("drop_after", SEND)
    assert one.send(0.05).uncertain == 5
    result = compared(one)
    assert (result.missing, result.different, result.extra, result.repaired) == (0, 0, 0, 0) and result.known == 15
    one.finish()
    one.check()


def test_what_is_not_planned_yet_is_planned_first(desk: NewDesk) -> None:
    one = sent(desk, 20)
    one.change_all("khác")
    one.release()
    assert found(compared(one)) == (0, 0, 0, 20, 0)
    one.finish()
    one.check()


def test_nothing_released_is_nothing_to_compare(desk: NewDesk) -> None:
    one = desk(3)
    with pytest.raises(KhoError):
        compared(one)
    assert rows("select 1 from kho.reconciliation") == [] and rows("select 1 from kho.message") == []


def test_the_deletion_of_a_licence_that_could_not_be_written_is_sent(desk: NewDesk) -> None:
    """Its last version could not be written; that it is gone can, and closes the dead letter."""
    one = sent(desk, 20)
    one.set(1, status="CHO_CAP")
    one.set(50, status="CHO_CAP")  # never held by the receiver
    one.release()
    one.finish()
    assert {each.code for each in one.letters()} == {"unmapped"}
    one.remove(1, 50)
    one.release()
    one.finish()
    one.check()
    assert one.letters() == [] and one.state().state == "current"
    assert found(compared(one)) == (0, 0, 0, 0, 0)


def test_a_deletion_that_was_refused_is_made_good(desk: NewDesk) -> None:
    """The ministry wants to be told the facility even of what is to go, and the last version had none; the ministry's own record has."""
    one = sent(desk, 20)
    one.set(1, facility_code=None)
    one.set(50, facility_code=None)
    one.release()
    one.finish()
    one.remove(1, 50)
    one.release()
    one.finish()
    one.check()
    assert {(each.key, each.code) for each in one.letters()} == {(name(1), "20"), (name(50), "20")}
    assert one.oracle.left_over() == {name(1)}
    assert found(compared(one)) == (0, 0, 1, 0, 1)
    one.oracle.taken_back({name(1)})
    one.finish()
    one.check()
    assert [each.key for each in one.letters()] == [name(50)]
    assert found(compared(one, full=True)) == (0, 0, 0, 0, 0)


# -- codes that change ----------------------------------------------------------------------------------------------------

CHANGE = date(2027, 1, 4)


def with_codes_from(one: Desk, day: date, codes: dict[str, str]) -> None:
    """From the day on the status is told by these codes."""
    fields = []
    for dated in one.obligation.fields:
        pairs = dated.value.codes
        if pairs is not None:
            ended = [replace(each, valid_to=day - timedelta(days=1)) for each in pairs]
            begun = [Dated(pair, day, None) for pair in codes.items()]
            dated = replace(dated, value=replace(dated.value, codes=(*ended, *begun)))
        fields.append(dated)
    one.obligation = replace(one.obligation, fields=tuple(fields))


def test_a_code_that_changes_on_a_day_is_told_again(desk: NewDesk) -> None:
    one = sent(desk, 20)
    one.set(3, status="THU_HOI")
    one.set(0, status="THU_HOI")
    for number in range(1, 20):
        one.set(number, status="THU_HOI" if number == 3 else "HIEU_LUC")
    one.release()
    one.finish()
    one.check()
    with_codes_from(one, CHANGE, {"HIEU_LUC": "1", "TAM_DINH_CHI": "3", "THU_HOI": "2"})
    assert found(compared(one, today=CHANGE - timedelta(days=1))) == (0, 0, 0, 0, 0)
    assert found(compared(one, today=CHANGE)) == (0, 2, 0, 0, 2)
    assert exchange.run(one.obligation, env=one.env, today=CHANGE).outcome == "done"
    held = one.ministry.record.licences()
    assert {key for key, content in held.items() if content["TrangThai"] == "2"} == {name(0), name(3)}
    assert found(compared(one, full=True, today=CHANGE)) == (0, 0, 0, 0, 0)


def test_a_code_that_gets_its_mapping_is_told_at_last(desk: NewDesk) -> None:
    one = desk(20)
    one.set(1, status="CHO_CAP")
    one.release()
    one.finish()
    (letter,) = one.letters()
    assert letter.code == "unmapped"
    mapped = {"HIEU_LUC": "1", "TAM_DINH_CHI": "2", "THU_HOI": "3", "CHO_CAP": "2"}
    with_codes_from(one, CHANGE, mapped)
    assert found(compared(one, today=CHANGE)) == (1, 0, 0, 0, 1)
    exchange.run(one.obligation, env=one.env, today=CHANGE)
    assert one.letters() == [] and one.ministry.record.licences()[name(1)]["TrangThai"] == "2"


# -- a receiver that fails, a sender that dies ----------------------------------------------------------------------------


@pytest.mark.parametrize("service", [BUCKETS, LIST])
def test_questions_are_asked_again(desk: NewDesk, service: str) -> None:
    one = sent(desk, 20)
    one.ministry.tamper(remove=[name(3)])
    one.strike(KINDS[0], service, *(kind for other in KINDS[1:] for kind in (other,)))
    for _ in range(8):
        try:
            result = compared(one, full=service == LIST)
        except Transient as down:
            assert down.code == "receiver_down"
            assert rows("select 1 from kho.reconciliation") == []
        else:
            assert found(result) == (1, 0, 0, 0, 1)
            return
    raise AssertionError("no answer came")


def test_a_receiver_that_is_down_is_no_difference(desk: NewDesk) -> None:
    one = sent(desk, 20)
    one.ministry.down()
    with pytest.raises(Transient) as down:
        compared(one)
    assert down.value.code == "receiver_down"
    assert rows("select 1 from kho.reconciliation") == [] and one.state().reconciled_at is None


def test_a_page_that_is_lost_is_not_listed_twice(desk: NewDesk) -> None:
    one = sent(desk, 700, batch=500)
    one.strike("drop_after", LIST)
    one.ministry.plan = MinistryFaults((Fault(2, "drop_after", LIST), Fault(3, "error500", LIST)))
    assert found(compared(one, full=True)) == (0, 0, 0, 0, 0)
    assert len([each for each in one.requests(LIST) if each.number]) == 5


def test_a_release_in_between_is_not_mixed_in(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our side was read before it, so what would be repaired is not what is released."""
    one = sent(desk, 20)
    one.ministry.tamper(remove=[name(3)])

    def interfere(step: str) -> None:
        if step == "exchange:compared":
            one.change_all("khác")
            one.release()

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["orchestration.exchange.reconcile"], "step", interfere)
        with pytest.raises(KhoError) as refused:
            compared(one)
    assert refused.value.code == "KH063"
    assert value("select count(*) from kho.message") == 20
    one.finish()
    assert same_on_both_sides(one)


@pytest.mark.parametrize(("step", "stored"), [("exchange:compared", 0), ("exchange:repaired", 1)])
def test_a_comparison_that_dies_has_done_all_or_nothing(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, step: str, stored: int
) -> None:
    one = sent(desk, 20)
    one.ministry.tamper(remove=[name(3)])

    class Died(BaseException):
        """As by SIGKILL."""

    def die(reached: str) -> None:
        if reached == step:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["orchestration.exchange.reconcile"], "step", die)
        with pytest.raises(Died):
            compared(one)
    assert value("select count(*) from kho.reconciliation") == stored
    assert value("select count(*) from kho.message") == 20 + stored
    assert compared(one).repaired == 1 - stored
    one.finish()
    assert same_on_both_sides(one)
