"""Communes' deliveries: a day is one delivery, each receipt once, confirmed after it is landed, whatever goes wrong.

Belongs here: the reader against the simulator's communes. Stays out: landing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources import open_source, test_source, wire
from simulator.systems.commune_rest import CommuneRest
from simulator.systems.plan import Fault, FaultPlan
from simulator.views import writers

from ..simulator.systems_fakes import TinyProvince, person_view, truth
from .services import PERSON, Taken, contract_of, take

COMMUNES = ("07210", "07213", "09208")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(wire.time, "sleep", waited.append)
    return waited


@pytest.fixture
def contract() -> Contract:
    return contract_of("receipts", {"path": "/xa", "token": "${KHO_TOKEN}"}, PERSON, "code")


def made(tmp_path: Path, plan: FaultPlan) -> Any:
    """Whoever runs it must stop it: 500 persons of three communes."""
    view = person_view("commune_rest", "/dan", "text", "commune", group="ma_xa")
    system = CommuneRest(tmp_path / "communes", [view], plan, tmp_path / "c.jsonl", writers.grouped, {view.id})
    system.load(TinyProvince(), 0)
    system.start()
    return system


@pytest.fixture
def communes(tmp_path: Path) -> Iterator[Any]:
    system = made(tmp_path, FaultPlan())
    yield system
    system.stop()


def env(system: Any) -> dict[str, str]:
    found = system.env
    return {"KHO_SOURCE_TEST": found["url"], "KHO_TOKEN": f"{found['key']}:{found['secret']}"}


def codes(taken: list[Taken]) -> list[str]:
    return [record["so_dinh_danh"] for one in taken for record in one.records]


def confirmed(system: Any) -> list[str]:
    """Numbers of the receipts whose confirmations were answered well."""
    return [
        e["path"].rpartition("/")[2]
        for e in system.record()
        if e["method"] == "POST" and "giao-nhan" in e["path"] and e["status"] == 200 and e["fault"] in (None, "slow")
    ]


def numbers(system: Any) -> list[str]:
    return sorted(number for listed in system.web.receipts.values() for number in listed)


def interrupted(contract: Contract, cursor: str | None, environment: dict[str, str]) -> tuple[list[Taken], Transient]:
    """What was landed before the run ended as one that must be tried again."""
    taken: list[Taken] = []
    with pytest.raises(Transient) as failure:
        for delivery in open_source(contract, cursor, environment):
            records = [json.loads(line) for line in b"".join(delivery.chunks).splitlines()]
            after = delivery.cursor_after()
            taken.append(Taken(delivery.name, records, after, delivery.extra, delivery.partial))
            delivery.done()
    return taken, failure.value


def test_a_day_is_one_delivery_in_the_order_of_receipts(contract: Contract, communes: Any) -> None:
    (first,) = take(contract, None, env(communes))
    assert (first.name, first.partial, first.extra) == ("/xa 20261119", False, ())
    expected = [r["code"] for commune in COMMUNES for r in truth(0) if r["commune"] == commune]
    assert codes([first]) == expected
    assert sorted(confirmed(communes)) == numbers(communes)
    assert take(contract, first.cursor, env(communes)) == []
    for day in (1, 2):
        communes.advance(TinyProvince(), day)
    second, third = take(contract, first.cursor, env(communes))
    assert (second.name, third.name) == ("/xa 20261120", "/xa 20261121")
    touched = len(TinyProvince().table("person").touched(1))
    assert len(second.records) == touched > 0
    assert take(contract, third.cursor, env(communes)) == []
    assert set(confirmed(communes)) == set(numbers(communes))


def test_what_was_delivered_before_brings_no_rows_and_is_confirmed(contract: Contract, tmp_path: Path) -> None:
    system = made(tmp_path, FaultPlan(rates={"again": 1.0}))
    try:
        (first,) = take(contract, None, env(system))
        system.advance(TinyProvince(), 1)
        (second,) = take(contract, first.cursor, env(system))
        assert len(numbers(system)) == 9, "three a day, and three of the first day once more"
        assert len(second.records) == len(TinyProvince().table("person").touched(1))
        assert set(confirmed(system)) == set(numbers(system))
    finally:
        system.stop()


@pytest.mark.parametrize("seed", range(4))
def test_every_record_once_under_every_fault(contract: Contract, tmp_path: Path, seed: int) -> None:
    system = made(tmp_path, FaultPlan.seeded(seed, slow_seconds=0.05, timeout_seconds=0.05))
    try:
        for day in (1, 2):
            system.advance(TinyProvince(), day)
        taken = take(contract, None, env(system))
        fresh = {
            r.number: json.loads(r.file.read_bytes())["data"]
            for listed in system.web.receipts.values()
            for r in listed.values()
            if r.again is None
        }
        expected = sorted(record["so_dinh_danh"] for records in fresh.values() for record in records)
        assert sorted(codes(taken)) == expected
        assert set(confirmed(system)) == set(numbers(system))
        struck = {entry["fault"] for entry in system.record()} - {None}
        assert len(struck) >= 5, struck
    finally:
        system.stop()


def corrupt(system: Any, commune: str, **changed: Any) -> Any:
    """Let a commune's first receipt say something else; returns what it was."""
    listed = system.web.receipts[commune]
    number = sorted(listed)[0]
    was = listed[number]
    listed[number] = replace(was, **changed)
    return was


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"sha256": "0" * 64}, "SHA256"), ({"rows": 7}, "số dòng"), ({"size": 7}, "kích thước"), ({"moment": "soon"}, "mục")],
    ids=["sum", "rows", "size", "no moment"],
)  # fmt: skip
def test_a_commune_that_lies_holds_up_no_other(
    contract: Contract, communes: Any, changed: dict[str, Any], told: str
) -> None:
    was = corrupt(communes, "07213", **changed)
    communes.advance(TinyProvince(), 1)
    (first, second), failure = interrupted(contract, None, env(communes))
    assert "07213" in failure.vi and told in failure.vi and was.sha256 not in str(failure)
    assert first.partial and second.partial
    assert {r["ma_xa"] for one in (first, second) for r in one.records} == {"07210", "09208"}
    assert not any("07213" in number for number in confirmed(communes))
    communes.web.receipts["07213"][was.number] = was
    rest = take(contract, second.cursor, env(communes))
    assert [one.name for one in rest] == ["/xa 20261119", "/xa 20261120"], "its own order is kept"
    assert {r["ma_xa"] for one in rest for r in one.records} == {"07213"}
    assert len(codes([first, *rest[:1]])) == 500
    assert set(confirmed(communes)) == set(numbers(communes))


def test_a_confirmation_that_fails_after_the_commit_is_made_good(contract: Contract, communes: Any) -> None:
    plan = tuple(Fault("commune_rest", n, "bad_gateway") for n in range(8, 8 + wire.ATTEMPTS))
    communes.web.plan = FaultPlan(plan)  # 4 lists, 3 deliveries, then the first confirmation as often as it is tried
    (first,), failure = interrupted(contract, None, env(communes))
    assert "1 biên nhận" in failure.vi and len(first.records) == 500
    assert len(confirmed(communes)) == 2
    assert take(contract, first.cursor, env(communes)) == [], "nothing is taken twice"
    assert set(confirmed(communes)) == set(numbers(communes))


def test_a_run_that_dies_after_the_commit_confirms_the_next_time(contract: Contract, communes: Any) -> None:
    deliveries = open_source(contract, None, env(communes))
    delivery = next(deliveries)
    assert len(b"".join(delivery.chunks).splitlines()) == 500
    cursor = delivery.cursor_after()
    deliveries.close()  # type: ignore[attr-defined]
    assert confirmed(communes) == []
    assert take(contract, cursor, env(communes)) == []
    assert sorted(confirmed(communes)) == numbers(communes)


def test_a_run_that_dies_before_the_commit_confirms_nothing(contract: Contract, communes: Any) -> None:
    for _ in open_source(contract, None, env(communes)):
        break
    assert confirmed(communes) == []
    (again,) = take(contract, None, env(communes))
    assert len(again.records) == 500


def test_a_receipt_that_turns_up_late_is_told(contract: Contract, communes: Any) -> None:
    (first,) = take(contract, None, env(communes))
    listed = communes.web.receipts["07210"]
    one = next(iter(listed.values()))
    listed["BN07210-261101-001"] = replace(one, number="BN07210-261101-001", moment="20261101173000")
    taken, failure = interrupted(contract, first.cursor, env(communes))
    assert (taken, "07210" in failure.vi) == ([], True)


def test_a_gateway_that_is_down_is_not_asked_for_every_commune(
    contract: Contract, communes: Any, waits: list[float]
) -> None:
    (first,) = take(contract, None, env(communes))
    communes.stop()
    with pytest.raises(Transient) as failure:
        take(contract, first.cursor, env(communes))
    assert failure.value.code == "source_down"
    assert len(waits) <= 4 * wire.ATTEMPTS


def test_only_the_receipts_of_one_dataset(contract: Contract, communes: Any) -> None:
    some = replace(contract.source, options={**contract.source.options, "path": "/xa?BoDuLieu=khac"})
    assert take(replace(contract, sources=(some,)), None, env(communes)) == []
    some = replace(contract.source, options={**contract.source.options, "path": "/xa?BoDuLieu=commune_rest"})
    (whole,) = take(replace(contract, sources=(some,)), None, env(communes))
    assert len(whole.records) == 500


def test_credentials_cursor_and_probe(contract: Contract, communes: Any) -> None:
    good = env(communes)
    for wrong, code in (("a:b", "login_refused"), ("verborgen", "service_refused")):
        with pytest.raises(KhoError) as refused:
            take(contract, None, good | {"KHO_TOKEN": wrong})
        assert refused.value.code == code and wrong not in str(refused.value)
    with pytest.raises(KhoError) as strange:
        take(contract, "20251010080000", good)
    assert (strange.value.code, strange.value.__context__) == ("cursor", None)
    assert test_source(contract, good)[1:] == ["/xa: 3 xã", "Đủ 8 trường của hợp đồng"]
    assert confirmed(communes) == []
    lacking = replace(contract, columns=(*contract.columns, replace(contract.columns[0], name="x", headers=("X",))))
    with pytest.raises(KhoError) as drift:
        test_source(lacking, good)
    assert drift.value.code == "schema_drift"


def test_a_day_that_was_not_landed_comes_again(contract: Contract, communes: Any) -> None:
    """The cursors of later days know nothing of it, nobody is told of it, and its communes wait."""
    for day in (1, 2):
        communes.advance(TinyProvince(), day)
    named = []
    for delivery in open_source(contract, None, env(communes)):
        named.append(delivery.name)
        b"".join(delivery.chunks)
        assert json.loads(delivery.cursor_after() or "")["communes"]
    assert named == ["/xa 20261119"] and confirmed(communes) == [], "every commune waits for its first day"
    first, second, third = take(contract, None, env(communes))
    again = []
    for delivery in open_source(contract, first.cursor, env(communes)):
        again.append(delivery.name)
    assert again == [second.name]
    rest = take(contract, first.cursor, env(communes))
    assert [one.name for one in rest] == [second.name, third.name] and codes(rest) == codes([second, third])


def test_a_receipt_for_an_old_day_moves_the_cursor_past_no_other(contract: Contract, communes: Any) -> None:
    """The last receipt of a commune is one for the first day: what lies between is not passed over when the run ends there."""
    for day in (1, 2):
        communes.advance(TinyProvince(), day)
    whole = codes(take(contract, None, env(communes)))
    listed = communes.web.receipts["07213"]
    last = sorted(listed)[-1]
    listed[last] = replace(listed[last], day=listed[sorted(listed)[0]].day)
    deliveries = open_source(contract, None, env(communes))
    delivery = next(deliveries)
    records = [json.loads(line)["so_dinh_danh"] for line in b"".join(delivery.chunks).splitlines()]
    cursor = delivery.cursor_after()
    delivery.done()
    deliveries.close()  # type: ignore[attr-defined]
    rest = codes(take(contract, cursor, env(communes)))
    assert set(records) | set(rest) == set(whole) and len(records) + len(rest) >= len(whole)
    between = json.loads(listed[sorted(listed)[1]].file.read_bytes())["data"]
    assert {record["so_dinh_danh"] for record in between} <= set(rest)
