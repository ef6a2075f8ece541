"""`kho exchange`: what a person is told of what is owed, and what is asked of the engine in their name."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from orchestration.errors import KhoError, Transient

Kho = Callable[..., Any]
LICENCE, PARCEL = "health_system.facility_licence", "land_system.parcel"


def ran(obligation: str = LICENCE, outcome: str = "done", planned: int = 0, confirmed: int = 0, **given: Any) -> Any:
    """How a run came out."""
    from orchestration.exchange import Run

    plain: dict[str, Any] = {
        "rejected": 0, "pending": 0, "uncertain": 0, "because_vi": "", "because_en": "", "next_at": None,
    }  # fmt: skip
    return Run(obligation, 1, outcome, planned, confirmed, **(plain | given))


def compared(obligation: str = LICENCE, **given: Any) -> Any:
    """How a comparison came out: 1200 records, nothing differs but for what is given."""
    from orchestration.exchange import Reconciliation

    plain: dict[str, Any] = {
        "number": 4, "release": 2, "compared": 1200, "buckets": 256, "differing": 0, "missing": 0, "different": 0, "extra": 0,
        "known": 0, "repaired": 0, "at": datetime(2025, 11, 22, 1, 0, tzinfo=UTC),
    }  # fmt: skip
    return Reconciliation(obligation, **(plain | given))


@pytest.mark.parametrize(
    ("state", "released", "code"),
    [
        ("current", 2, 0), ("never", 0, 0), ("never", 2, 3), ("pending", 2, 3), ("waiting", 2, 3), ("rejected", 2, 3),
        ("overdue", 2, 3),
    ],
)  # fmt: skip
def test_status_tells_by_its_exit_code_whether_something_is_owed(
    kho: Kho, warehouse: Any, outward: Any, state: str, released: int, code: int
) -> None:
    outward.owes(LICENCE, state="current")
    outward.owes(PARCEL, state=state, released=released)
    assert kho("exchange", "status").code == code
    assert kho("exchange", "status", "--json").code == code


def test_a_drift_that_waits_for_a_person_is_behind(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE, state="current", drift=480, unrepaired=0)
    assert kho("exchange", "status").code == 0
    outward.owes(PARCEL, state="current", drift=480, unrepaired=480)
    assert kho("exchange", "status").code == 3


def test_status_shows_state_reason_and_dates(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(
        LICENCE, state="waiting", released=3, pending=1500, uncertain=500, rejected=4, overdue=2, drift=7,
        oldest_due=date(2025, 11, 28), because_vi="bên nhận trả lời 503", because_en="the receiver answers 503",
        next_at=datetime(2025, 11, 21, 18, 0, tzinfo=UTC), reconciled_at=datetime(2025, 11, 20, 20, 0, tzinfo=UTC),
    )  # fmt: skip
    outward.owes("land_system.draft", status="draft", state="never")
    shown = kho("exchange", "status")
    for text in (
        LICENCE, "chờ bên nhận / waiting for the receiver", "1.500", "28/11/2025", "22/11/2025 01:00", "21/11/2025 03:00",
        "bên nhận trả lời 503 / the receiver answers 503",
    ):  # fmt: skip
        assert text in shown.out
    (state,) = kho("exchange", "status", "--json").json  # a draft is not owed
    assert state["obligation"] == LICENCE and state["oldest_due"] == "2025-11-28" and state["drift"] == 7


def test_send_takes_turns_until_nothing_is_left(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE)
    outward.owes(PARCEL)
    outward.owes("land_system.draft", status="draft")
    outward.runs = {
        LICENCE: [ran(LICENCE, "more", 1200, 500, pending=700), ran(LICENCE, "done", 0, 696, rejected=4)],
        PARCEL: [ran(PARCEL, "done", 3, 3)],
    }
    sent = kho("exchange", "send", "--seconds", 5)
    assert sent.code == 0
    assert outward.asked == [("run", name, 5.0, "here") for name in (LICENCE, PARCEL, LICENCE)]
    progress = [line for line in sent.err.splitlines() if line.startswith(LICENCE)]
    assert "1200 planned, 500 confirmed, 0 rejected, 700 to go: còn nữa / more to send" in progress[0]
    assert "1200 planned, 1196 confirmed, 4 rejected, 0 to go: đã gửi hết / done" in progress[1]
    (row,) = [line.split() for line in sent.out.splitlines() if LICENCE in line]
    assert row[-6:] == ["1.200", "1.196", "4", "0", "0", "-"]
    assert "kho exchange dead-letters" in sent.out


def test_send_once_leaves_the_rest_and_waiting_tells_until_when(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE)
    outward.owes(PARCEL)
    outward.runs = {LICENCE: [ran(LICENCE, "more", 1200, 500, pending=700)]}
    assert kho("exchange", "send", LICENCE, "--once").code == 3
    assert outward.asked == [("run", LICENCE, 15.0, "here")]
    outward.runs = {
        PARCEL: [
            ran(
                PARCEL, "waiting", pending=9, because_vi="bên nhận bắt chờ", because_en="the receiver asks to wait",
                next_at=datetime(2025, 11, 21, 18, 0, tzinfo=UTC),
            )
        ]
    }  # fmt: skip
    sent = kho("exchange", "send", "land_system")
    assert sent.code == 3 and "bên nhận bắt chờ / the receiver asks to wait" in sent.out
    assert "22/11/2025 01:00" in sent.out
    outward.runs = {PARCEL: [ran(PARCEL, "busy")]}
    assert kho("exchange", "send", PARCEL).code == 3


def test_an_obligation_that_cannot_be_sent_does_not_stop_the_others(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE)
    outward.owes(PARCEL)
    outward.runs = {
        LICENCE: [KhoError("settings", "thiếu KHO_NATIONAL_HEALTH", "KHO_NATIONAL_HEALTH is missing")],
        PARCEL: [ran(PARCEL, "done", 3, 3)],
    }
    sent = kho("exchange", "send")
    assert sent.code == 1
    assert f"Lỗi / Error [settings]: {LICENCE}: thiếu KHO_NATIONAL_HEALTH / KHO_NATIONAL_HEALTH is missing" in sent.err
    assert PARCEL in sent.out and LICENCE not in sent.out


@pytest.mark.parametrize(
    "arguments",
    [["send"], ["reconcile"], ["dead-letters"], ["retry", "--all", "--by", "An"]],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_obligation_is_wrong_usage(kho: Kho, warehouse: Any, outward: Any, arguments: list[str]) -> None:
    outward.owes(LICENCE)
    outward.owes("land_system.draft", status="draft")
    for name in ("nobody", "land_system.draft"):
        wrong = kho("exchange", *arguments, name)
        assert wrong.code == 2 and f"unknown: {name}" in wrong.err and LICENCE in wrong.err
    assert not outward.asked


def test_nothing_owed_is_nothing_to_do(kho: Kho, warehouse: Any, outward: Any) -> None:
    for command in ("status", "send", "reconcile", "dead-letters"):
        empty = kho("exchange", command)
        assert empty.code == 0 and (" / none" in empty.out or " / No refused records" in empty.out)


def test_retry_asks_for_the_same_bytes_in_a_persons_name(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE)
    outward.refuses(7, "Bộ Y tế")
    done = kho("exchange", "retry", LICENCE, "--seq", 9, "--seq", 7, "--by", "Trần Thị B")
    assert done.code == 0 and "2 records go out again" in done.out and "sửa tại nguồn" in done.out
    assert kho("exchange", "retry", LICENCE, "--all", "--by", "Trần Thị B").code == 0
    assert outward.asked == [("retry", LICENCE, [7, 9], "Trần Thị B"), ("retry", LICENCE, None, "Trần Thị B")]
    for wrong in (
        [LICENCE, "--by", "An"],
        [LICENCE, "--all", "--seq", "7", "--by", "An"],
        [LICENCE, "--all"],
        [LICENCE, "--all", "--by", " "],
        ["health_system", "--all", "--by", "An"],  # one obligation, not a whole system
    ):
        assert kho("exchange", "retry", *wrong).code == 2
    assert len(outward.asked) == 2


def test_reconcile_shows_both_sides_and_what_goes_into_the_outbox(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE)
    outward.owes(PARCEL)
    differs = compared(LICENCE, differing=5, missing=3, different=2, extra=1, known=2, repaired=4)
    outward.compared = {LICENCE: [differs] * 2, PARCEL: [compared(PARCEL, known=1)] * 3}
    shown = kho("exchange", "reconcile")
    assert shown.code == 3 and "4 differing records were put into the outbox" in shown.out
    (row,) = [line.split() for line in shown.out.splitlines() if LICENCE in line]
    assert row[1:] == ["4", "1.200", "256", "5", "3", "2", "1", "2", "4"]
    assert kho("exchange", "reconcile", PARCEL).code == 0  # what differs for a known reason is no news
    found = kho("exchange", "reconcile", "--full", "--json")
    assert found.code == 3 and [(r["obligation"], r["repaired"]) for r in found.json] == [(LICENCE, 4), (PARCEL, 0)]
    assert outward.asked[-1] == ("reconcile", PARCEL, True, None)


def test_reconcile_sends_what_it_could_compare(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE)
    outward.owes(PARCEL)
    outward.compared = {
        LICENCE: [compared(LICENCE, repaired=4)] * 2,
        PARCEL: [compared(PARCEL), Transient("unanswered", "không trả lời", "no answer")],
    }
    outward.runs = {LICENCE: [ran(LICENCE, "done", 4, 4), ran(LICENCE, "waiting")], PARCEL: [ran(PARCEL)]}
    sent = kho("exchange", "reconcile", "--send", "--json")
    assert sent.code == 0 and len(sent.json) == 2
    order = [("reconcile", LICENCE), ("reconcile", PARCEL), ("run", LICENCE), ("run", PARCEL)]
    assert [asked[:2] for asked in outward.asked] == order
    assert kho("exchange", "reconcile", "--send").code == 1
    assert [asked[:2] for asked in outward.asked] == [*order, *order[:3]]
    outward.compared[LICENCE], outward.runs[LICENCE] = [compared(LICENCE)], [ran(LICENCE, "waiting")]
    assert kho("exchange", "reconcile", LICENCE, "--send").code == 3


def test_a_large_drift_is_confirmed_for_one_obligation_by_name(kho: Kho, warehouse: Any, outward: Any) -> None:
    outward.owes(LICENCE)
    outward.owes(PARCEL)
    outward.compared = {
        LICENCE: [KhoError("drift_too_large", f"{LICENCE}: lệch 40 %", "40 % differ"), compared(LICENCE, repaired=480)],
        PARCEL: [Transient("unanswered", "bên nhận không trả lời", "the receiver does not answer")],
    }
    refused = kho("exchange", "reconcile")
    assert refused.code == 1 and f"[drift_too_large]: {LICENCE}: lệch" in refused.err  # named once
    assert f"[unanswered]: {PARCEL}: bên nhận" in refused.err
    for wrong in (["--confirm", "An"], [LICENCE, PARCEL, "--confirm", "An"], [LICENCE, "--confirm", " "]):
        assert kho("exchange", "reconcile", *wrong).code == 2
    assert len(outward.asked) == 2
    assert kho("exchange", "reconcile", LICENCE, "--confirm", " Trần Thị B ").code == 3
    assert outward.asked[-1] == ("reconcile", LICENCE, False, "Trần Thị B")


def test_dead_letters_are_listed_by_owner(kho: Kho, warehouse: Any, outward: Any, tmp_path: Any) -> None:
    outward.owes(LICENCE)
    outward.owes(PARCEL)
    for seq in (5, 3, 4):
        outward.refuses(seq, "Sở Y tế")
    outward.refuses(6, "Bộ Y tế", due_on=date(2999, 1, 1))
    outward.refuses(2, "Sở Y tế", closed_by=8)
    shown = kho("exchange", "dead-letters", LICENCE, "--limit", 2)
    assert shown.code == 0
    first, _, second = shown.out.partition("Sở Y tế: 3 bản ghi phải xử lý")
    assert "Bộ Y tế: 1 bản ghi" in first and "GP-6" in first and "01/01/2999" in first and "overdue" not in first
    assert "GP-3" in second and "GP-4" in second and "GP-5" not in second and "2 / 3; " in second
    assert "Mã cơ sở không có trong danh mục của Bộ / The facility is unknown to the ministry" in second
    assert "28/11/2025 (quá hạn / overdue)" in second and "22/11/2025 01:05" in second
    assert [d["seq"] for d in kho("exchange", "dead-letters", "--json").json] == [6, 3, 4, 5]
    assert [d["seq"] for d in kho("exchange", "dead-letters", "--all", "--json").json] == [6, 2, 3, 4, 5]
    assert kho("exchange", "dead-letters", PARCEL, "--json").json == []
    file = tmp_path / "letters.csv"
    assert kho("exchange", "dead-letters", "--csv", file).out == ""
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")  # or Excel takes it for another encoding
    rows = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))
    assert [(r["seq"], r["key"], r["owner"], r["due_on"]) for r in rows][1] == ("3", "GP-3", "Sở Y tế", "2025-11-28")


def test_the_engine_itself_answers(kho: Kho, empty: Any, monkeypatch: Any) -> None:
    """Without stand-ins, on a warehouse where nothing is released and no receiver is configured."""
    for name in ("KHO_NATIONAL_HEALTH", "KHO_NATIONAL_HEALTH_KEY", "KHO_NATIONAL_HEALTH_SECRET"):
        monkeypatch.delenv(name, raising=False)
    status = kho("exchange", "status")
    assert status.code == 0 and LICENCE in status.out and "chưa gửi lần nào / nothing sent yet" in status.out
    sent = kho("exchange", "send", LICENCE)
    assert sent.code == 0 and f"{LICENCE}: 0 đã lập" in sent.err  # nothing owed needs no receiver
    assert kho("exchange", "retry", LICENCE, "--all", "--by", "Trần Thị B").out.startswith(f"{LICENCE}: 0 ")
    assert kho("exchange", "dead-letters", "--all", "--json").json == []
    assert [o["state"] for o in kho("status", "--json").json["obligations"]] == ["never"]
