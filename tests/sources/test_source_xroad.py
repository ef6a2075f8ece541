"""Services behind X-Road: every record once, answers that prove their question, faults told apart.

Belongs here: the reader against the simulator's security server. Stays out: landing, the checks of paging.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources import test_source, wire, xroad
from orchestration.sources.wire import Again
from orchestration.sources.xroad_messages import answer, described, parties, request
from simulator.systems import xroad_messages as theirs
from simulator.systems.plan import Fault, FaultPlan
from simulator.systems.xroad import XRoad

from ..simulator.systems_fakes import TinyProvince, person_view, truth
from .services import PERSON, contract_of, take

CLIENT, SERVICE = "VN/GOV/H05/kho-du-lieu", "VN/GOV/H05/justice/getHoTich/v1"
MARK = "Trần Văn Bí Mật"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(wire.time, "sleep", waited.append)
    return waited


def contract(cursor: bool = False, **options: str) -> Contract:
    given = {"client": CLIENT, "service": SERVICE, "page_size": "60"} | options
    column = "changed_at" if cursor else None
    return contract_of("xroad", given, PERSON, "code", column, cursor_lookback=timedelta(0))


def made(tmp_path: Path, plan: FaultPlan) -> Any:
    """Whoever runs it must stop it: 500 persons, a seventh changes each day."""
    view = person_view("xroad", "getHoTich", "text", "justice")
    system = XRoad(tmp_path / "xroad", [view], plan, tmp_path / "xroad.jsonl")
    system.load(TinyProvince(), 0)
    system.start()
    return system


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    system = made(tmp_path, FaultPlan())
    yield system
    system.stop()


def env(system: Any) -> dict[str, str]:
    return {"KHO_SOURCE_TEST": system.env["justice"]["url"]}


def codes(day: int) -> list[str]:
    return sorted(row["code"] for row in truth(day))


def test_everything(server: Any) -> None:
    (whole,) = take(contract(), None, env(server))
    assert sorted(r["so_dinh_danh"] for r in whole.records) == codes(0)
    (one,) = [r for r in whole.records if r["so_dinh_danh"].endswith("002")]
    assert (one["ho_ten"], one["ghi_chu"]) == ('Lê "Cả" & 002', "Tỉnh Bắc Ninh\tmới")
    assert (whole.name, whole.cursor, whole.extra) == ("getHoTich", None, ())
    small = replace(contract(), columns=contract().columns[:7])
    assert take(small, None, env(server))[0].extra == ("cap_nhat_luc",)


def test_since_the_day_of_the_cursor(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = take(contract(cursor=True), None, env(server))
    assert (len(first.records), first.cursor) == (500, "20261119")
    for day in (1, 2):
        server.advance(TinyProvince(), day)
    monkeypatch.setattr(xroad, "SMALL", 70)  # so that ranges of days are halved
    (second,) = take(contract(cursor=True), "20261120", env(server))
    changed = [r["code"] for r in truth(2) if f"{r['changed']:%Y%m%d}" >= "20261120"]
    assert sorted(r["so_dinh_danh"] for r in second.records) == sorted(changed)
    assert second.cursor == "20261121"
    back = replace(contract(cursor=True), cursor_lookback=timedelta(minutes=15))
    assert len(take(back, "20261120", env(server))[0].records) == len(truth(2)), "a day more, however short it is"
    (all_of_it,) = take(contract(cursor=True), None, env(server))
    assert sorted(r["so_dinh_danh"] for r in all_of_it.records) == codes(2)
    (nothing,) = take(contract(cursor=True), "20270101", env(server))
    assert (nothing.records, nothing.cursor) == ([], "20270101")


@pytest.mark.parametrize(
    ("moment", "day"),
    [("20261119080000", "20261119"), ("20261119", "20261119"), ("2026-11-19T08:00:00", "20261119"), ("19/11/2026 08:00", "20261119"),
     ("", ""), ("hôm qua", ""), ("20261399000000", ""), ("31/02/2026", "")],
)  # fmt: skip
def test_the_day_of_a_moment(moment: str, day: str) -> None:
    assert xroad.day_of(moment) == day


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cursor", [False, True], ids=["all", "by day"])
def test_every_record_once_under_every_fault(tmp_path: Path, seed: int, cursor: bool) -> None:
    system = made(tmp_path, FaultPlan.seeded(seed, slow_seconds=0.05, timeout_seconds=0.05))
    try:
        (whole,) = take(contract(cursor), None, env(system))
        assert sorted(r["so_dinh_danh"] for r in whole.records) == codes(0)
        assert len({entry["fault"] for entry in system.record()} - {None}) == 7
    finally:
        system.stop()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"client": "VN/GOV/H05/khac"}, "Server.ServerProxy.AccessDenied"),
        ({"client": "EE/GOV/H05/khac"}, "Server.ClientProxy.UnknownMember"),
        ({"service": "VN/GOV/H05/justice/getHoTich/v9"}, "Server.ServerProxy.UnknownService"),
        ({"page_size": "501"}, "MaLoi 01"),
    ],
)
def test_what_a_later_call_does_not_mend(server: Any, waits: list[float], options: dict[str, str], told: str) -> None:
    with pytest.raises(KhoError) as refused:
        take(contract(**options), None, env(server))
    assert (refused.value.transient, refused.value.where["rule"], waits) == (False, told, [])
    assert refused.value.__context__ is None


@pytest.mark.parametrize("kind", ["service_failed", "error_code", "cut", "bad_gateway"])
def test_a_service_that_stays_down(server: Any, waits: list[float], kind: Any) -> None:
    server.web.plan = FaultPlan(tuple(Fault("xroad", n, kind) for n in range(1, 20)))
    with pytest.raises(Transient) as refused:
        take(contract(), None, env(server))
    assert refused.value.code == "source_down" and len(waits) == wire.ATTEMPTS - 1
    assert "getHoTich" in refused.value.vi and env(server)["KHO_SOURCE_TEST"] not in str(refused.value)


def test_the_short_form_of_a_service(server: Any) -> None:
    assert len(take(contract(service="getHoTich/v1"), None, env(server))[0].records) == 500
    for options in ({"client": "VN/GOV"}, {"service": "VN/GOV/H05"}, {"service": ""}):
        with pytest.raises(KhoError) as refused:
            take(contract(**options), None, env(server))
        assert refused.value.code == "source_address"


BETWEEN = parties(CLIENT, SERVICE, "")
SENT = request(BETWEEN, "n1", "http://justice", {"Trang": "1"})


def response(sent: bytes = SENT) -> str:
    values = {"MaLoi": "00", "TongSo": "1"}
    return theirs.response(theirs.read_request(sent), "http://justice", values, [{"HoTen": MARK}]).decode()


def test_an_answer_is_taken_apart() -> None:
    found = answer(response().encode(), SENT, BETWEEN, "n1", "x")
    assert (found.values["TongSo"], found.records) == ("1", [{"HoTen": MARK}])
    hostile = request(BETWEEN, "n<1>", 'http://a"b', {"Trang": "<&"})
    assert theirs.read_request(hostile).values == {"Trang": "<&"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (response(request(BETWEEN, "n1", "http://justice", {"Trang": "2"})), "requestHash"),
        (response().replace("requestHash", "other"), "requestHash"),
        (response().replace("xmlenc#sha512", "xmlenc#md5"), "requestHash"),
        (response().replace(">n1<", ">n2<"), "id"),
        (response().replace(">getHoTich<", ">getKhac<"), "header"),
        (response().replace("getHoTichResponse", "getKhacResponse"), "envelope"),
        (response()[:-30], "body"),
        ("<html><body>502</body></html>", "envelope"),
        (theirs.fault("Server.ServerProxy.ServiceFailed.HttpError", MARK).decode(), "Server.ServerProxy.ServiceFailed.HttpError"),
    ],
    ids=["another question", "no hash", "weak hash", "id", "service", "element", "cut", "page", "fault"],
)  # fmt: skip
def test_an_answer_that_is_not_ours_is_asked_for_again(body: str, reason: str) -> None:
    with pytest.raises(Again) as again:
        answer(body.encode(), SENT, BETWEEN, "n1", "x")
    assert again.value.reason == reason


@pytest.mark.parametrize(
    "body",
    [
        response().replace("?>", '?><!DOCTYPE a [<!ENTITY e "Bí mật">]>'),
        theirs.fault("Client.InvalidSoap", MARK).decode(),
        theirs.fault(f"Client.{MARK}", MARK).decode(),
    ],
    ids=["dtd", "our fault", "a code that is none"],
)
def test_an_answer_that_is_refused_says_nothing_of_what_is_in_it(body: str) -> None:
    with pytest.raises(KhoError) as refused:
        answer(body.encode(), SENT, BETWEEN, "n1", "x")
    assert not refused.value.transient and "Bí" not in str(refused.value) and refused.value.__context__ is None


def test_description_cursor_and_probe(server: Any) -> None:
    assert test_source(contract(), env(server))[1:] == ["getHoTich: 500 bản ghi", "Đủ 8 trường của hợp đồng"]
    lacking = replace(
        contract(), columns=(*contract().columns, replace(contract().columns[0], name="x", headers=("X",)))
    )
    with pytest.raises(KhoError) as drift:
        test_source(lacking, env(server))
    assert drift.value.code == "schema_drift"
    with pytest.raises(KhoError) as strange:
        take(contract(cursor=True), '{"day": 1}', env(server))
    assert strange.value.code == "cursor"
    described_by = theirs.wsdl("http://n", "http://a", {"getHoTich": ("t", ["a", "b"])}, "v1")
    assert described(described_by, "getHoTich", "x") == ("http://n", ("a", "b"))
    with pytest.raises(KhoError) as unknown:
        described(described_by, "getKhac", "x")
    assert unknown.value.where["rule"] == "wsdl"
