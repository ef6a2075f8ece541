"""The ways in which the ministry's health system fails, seen with a plain HTTP client and by its record.

Belongs here: that each fault does what it says, no more and no less, and that plans are repeatable.
Stays out: how anybody recovers from them.
"""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from simulator.ministry import Fault, Ministry, MinistryFaults
from simulator.ministry.faults import KINDS

from .ministry_client import ASK, BUCKETS, LOST, SEND, Client, client_of, item, wait_for


@pytest.fixture
def ministry(tmp_path):
    with Ministry(tmp_path / "bo", ["24001", "24002"]) as service:
        yield service


@pytest.mark.parametrize(
    ("kind", "status", "code", "applied"),
    [
        ("drop", None, None, 0),
        ("drop_after", None, None, 5),
        ("error500", 500, None, 0),
        ("error500_after", 500, None, 5),
        ("error502", 502, None, 0),
        ("too_many", 429, None, 0),
        ("error_code", 200, "99", 0),
        ("error_code_after", 200, "99", 5),
        ("wrong_code", 200, "A7", 5),
        ("expired", 401, None, 0),
        ("half", 200, "00", 2),
        ("half_silent", None, None, 2),
        ("miscount", 200, "00", 5),
    ],
)
def test_each_fault_does_what_it_says(ministry, kind, status, code, applied):
    ministry.plan = MinistryFaults((Fault(2, kind, SEND),), retry_after_seconds=3)
    client = client_of(ministry)
    assert client.call(SEND, [item(0)])[1]["soBanGhi"] == "1"
    batch = [item(n) for n in range(1, 6)]
    content: dict = {}
    if status is None:
        with pytest.raises(LOST):
            client.call(SEND, batch)
    else:
        answered, content = client.call(SEND, batch)
        assert (answered, content.get("error_code")) == (status, code)
    assert [e.message_id for e in ministry.record.effects()] == [f"m{n}" for n in range(applied + 1)]
    struck = [r for r in ministry.record.requests() if r.fault]
    assert [(r.fault, r.service, r.status, r.code) for r in struck] == [(kind, SEND, status, code)]
    assert {r.request for r in ministry.record.effects()} <= {r.seq for r in ministry.record.requests()}
    assert client.retry_after == ("3" if kind == "too_many" else client.retry_after)
    if kind == "expired":
        assert content["fault"]["code"] == 900901
    if kind == "half":
        assert (
            content["soBanGhi"] == "2" and {e["maLoi"] for e in content["loi"]} == {"99"} and len(content["loi"]) == 3
        )
    if kind == "miscount":
        assert content["soBanGhi"] == "6"
    if kind == "expired":
        assert client.call(ASK, [])[0] == 401, "the old token is dead"
    client.login()
    asked = client.call(ASK, [{"MaThongDiep": one["MaThongDiep"]} for one in batch])[1]["data"]
    assert [entry["maLoi"] for entry in asked] == ["00"] * applied, "99 means: not processed"


class Patience:
    """Stands for the ministry's waiting: the `held`-th wait lasts until released, the others are over at once."""

    def __init__(self, held: int) -> None:
        self.held, self.waits, self.released = held, 0, threading.Event()

    def wait(self, seconds: float) -> None:
        self.waits += 1
        if self.waits == self.held:
            assert self.released.wait(30)

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        self.released.set()


def test_late504_is_applied_after_its_answer(ministry):
    """As behind a gateway that has given up waiting for the service."""
    ministry.plan = MinistryFaults((Fault(1, "late504", SEND),))
    patience = ministry._stopping = Patience(held=1)
    client = client_of(ministry)
    status, _ = client.call(SEND, [item(1)])[:2]
    assert status == 504
    assert client.call(ASK, [{"MaThongDiep": "m1"}])[1]["data"] == [], "asked too early"
    patience.released.set()
    wait_for(ministry.record.effects, "never applied")


def test_late_is_applied_after_the_connection_has_gone(ministry):
    ministry.plan = MinistryFaults((Fault(1, "late", SEND),))
    patience = ministry._stopping = Patience(held=2)
    client = client_of(ministry)
    with pytest.raises(LOST):
        client.call(SEND, [item(1)])
    assert client.call(ASK, [{"MaThongDiep": "m1"}])[1]["data"] == [], "asked too early"
    patience.released.set()
    wait_for(ministry.record.effects, "never applied")
    assert client.call(ASK, [{"MaThongDiep": "m1"}])[1]["data"] == [{"MaThongDiep": "m1", "maLoi": "00"}]
    assert [(r.service, r.fault, r.status) for r in ministry.record.requests()][1:] == [
        (ASK, None, 200), (SEND, "late", None), (ASK, None, 200),
    ]  # fmt: skip


@pytest.mark.parametrize("service", [SEND, "token"])
def test_restart_refuses_and_comes_back_without_its_token(ministry, service):
    client = client_of(ministry)
    kept = client_of(ministry)
    ministry.plan = MinistryFaults((Fault(1 if service == SEND else 3, "restart", service),))
    patience = ministry._stopping = Patience(held=1)
    with pytest.raises(LOST):
        client.call(SEND, [item(1)]) if service == SEND else client.login()
    with pytest.raises(ConnectionRefusedError):
        client.login()
    with pytest.raises(LOST):
        kept.call(ASK, [])
    patience.released.set()
    wait_for(lambda: ministry.is_up, "did not come back")
    assert kept.call(ASK, [])[0] == 401, "the old token is dead"
    assert kept.login() == 200 and kept.call(SEND, [item(1)])[1]["soBanGhi"] == "1", "it had not been applied"
    assert [r.service for r in ministry.record.requests() if r.fault == "restart"] == [service]


def test_faults_strike_other_services_and_tokens(ministry):
    ministry.plan = MinistryFaults((Fault(1, "error502", "token"), Fault(1, "drop", ASK), Fault(3, "error_code")))
    client = Client(ministry.base, ministry.key, ministry.secret)
    assert [client.login(), client.login()] == [502, 200]
    with pytest.raises(LOST):
        client.call(ASK, [{"MaThongDiep": "m1"}])
    assert [client.call(service, [])[1]["error_code"] for service in (BUCKETS, BUCKETS, ASK)] == ["00", "99", "00"]


def test_a_late_request_dies_with_its_process(tmp_path):
    service = Ministry(tmp_path, None, MinistryFaults((Fault(1, "late"),), late_seconds=60))
    service.start()
    client = client_of(service)

    def send() -> None:
        with pytest.raises(LOST):
            client.call(SEND, [item(1)])

    sending = threading.Thread(target=send)
    sending.start()
    wait_for(lambda: service._counted[SEND] == 1, "never arrived")
    service.stop()
    sending.join()
    assert not service.record.effects()


def test_down_by_hand_wins_over_a_restart(ministry):
    ministry.plan = MinistryFaults((Fault(1, "restart"),))
    patience = ministry._stopping = Patience(held=1)
    client = client_of(ministry)
    with pytest.raises(LOST):
        client.call(SEND, [item(1)])
    ministry.down()
    patience.released.set()
    wait_for(
        lambda: patience.waits and not any(t.name == "restart" for t in threading.enumerate()), "never tried to return"
    )
    assert not ministry.is_up
    ministry.up()
    assert client.login() == 200


def test_every_kind_is_tested():
    tested = {case[0] for case in test_each_fault_does_what_it_says.pytestmark[0].args[1]}
    assert tested | {"late", "late504", "restart"} == set(KINDS)


def test_plans_are_seeded_and_readable(tmp_path):
    plan = MinistryFaults(probabilities={"drop": 0.2, "half": 0.2, "late": 0.1}, seed=7)
    numbers = range(1, 1001)
    kinds = Counter(plan.at(SEND, n, n) for n in numbers)
    assert 130 < kinds["drop"] < 270 and 130 < kinds["half"] < 270 and 50 < kinds["late"] < 150
    assert {plan.at(ASK, n, n) for n in numbers} == {"drop", "late", None}, "nothing to halve in a question"
    assert {plan.at("token", n, 0) for n in numbers} == {"drop", None}
    other = MinistryFaults(probabilities=plan.probabilities, seed=8)
    assert [plan.at(SEND, n, n) for n in numbers] != [other.at(SEND, n, n) for n in numbers]
    file = tmp_path / "plan.json"
    for one in (plan, MinistryFaults.mild(24), MinistryFaults()):
        file.write_text(one.json())
        again = MinistryFaults.read(file)
        assert again == one and [again.at(SEND, n, n) for n in numbers] == [one.at(SEND, n, n) for n in numbers]
    mild = MinistryFaults.mild(24)
    assert mild == MinistryFaults.mild(24)
    assert Counter(f.kind for f in mild.faults) == Counter(["too_many", "drop_after", "error500", "expired"])
    for wrong in ('{"faults": [{"request": 1, "kind": "gremlin"}]}', '{"probabilities": {"gremlin": 1}}', "{", "[]"):
        with pytest.raises(ValueError, match="gremlin|Unreadable"):
            MinistryFaults.read(wrong)
    with pytest.raises(ValueError, match="XinChao"):
        MinistryFaults((Fault(1, "drop", "XinChao"),))
