"""The national reporting system, seen with curl and by its record.

Belongs here: periods, states of a report, totals of sub-units, comparison with the portal, its faults.
Stays out: the base (`test_national_base`).
"""

from __future__ import annotations

import json
import signal
from datetime import date, datetime

import pytest

from simulator.clock import TZ
from simulator.national import Fault
from simulator.national.codes import LAST_DAY_OF_E1, communes
from simulator.national.education import EducationFaults
from simulator.national.environment import EnvironmentFaults
from simulator.national.open_data import OpenDataFaults
from simulator.national.reporting import (
    COMPARE,
    DENOMINATORS,
    GET,
    PORTAL,
    RETURN,
    SEND,
    UNLOCK,
    Reporting,
    ReportingFaults,
)
from simulator.national.reporting_rules import MESSAGES, Indicator, Lists, Period

from .national_client import CLOCK, Curl, curl_of, play, serve
from .national_faults import all_happen, token_faults_happen

API = "/apiBaoCao/1.0/"
KY = "2026-11"
MEASURES = {"TTHC06": "%", "TTHC07": "thủ tục"}
WHY = "Đính chính"


def values(*given: object, first: int = 1) -> list[dict[str, str]]:
    """Items of the indicators TTHC01, 02 … in order."""
    codes = [f"TTHC0{number}" for number in range(first, first + len(given))]
    return [
        {"MaChiTieu": code, "GiaTri": str(value), "DonViTinh": MEASURES.get(code, "hồ sơ")}
        for code, value in zip(codes, given, strict=True)
    ]


WHOLE = values(10, 5, 8, 7, 1, "87.5")


def post(client: Curl, service: str, **body: object) -> dict:
    headers = {"Authorization": f"Bearer {client.session}", "Content-Type": "application/json"}
    status, answer = client.send("POST", API + service, {"ky": KY} | body, headers)
    assert status == 200, answer
    return answer


def send(client: Curl, unit: str, data: list[dict], ky: str = KY) -> dict:
    return post(client, SEND, madonvi=unit, data=data, ky=ky)


def look(client: Curl, service: str, ky: str = KY, unit: str = "") -> dict:
    return client.send(
        "GET", f"{API}{service}?ky={ky}&madonvi={unit}", headers={"Authorization": f"Bearer {client.session}"}
    )[1]


@pytest.fixture
def system(tmp_path):
    with Reporting(tmp_path / "reporting") as service:
        service.record.set_clock(CLOCK)
        yield service


@pytest.fixture
def client(system):
    client = curl_of(system)
    assert client.token() == 200
    return client


def test_the_committed_conversation(system):
    above = {"H05": "", "H05.12": "H05", "H05.06": "H05", f"H05.{min(communes(CLOCK.date()))}": ""}
    system.lists.know(above, None)
    assert play(system, "reporting") >= 18


def test_periods_end_on_the_14th():
    days = {
        text: Period.of(text) for text in ("2026-11", "2026-01", "2026-Q1", "2026-Q4", "2026-H1", "2026-H2", "2026")
    }
    assert {text: (p.first, p.last) for text, p in days.items() if p} == {
        "2026-11": (date(2026, 10, 15), date(2026, 11, 14)), "2026-01": (date(2025, 12, 15), date(2026, 1, 14)),
        "2026-Q1": (date(2025, 12, 15), date(2026, 3, 14)), "2026-Q4": (date(2026, 9, 15), date(2026, 12, 14)),
        "2026-H1": (date(2025, 12, 15), date(2026, 6, 14)), "2026-H2": (date(2026, 6, 15), date(2026, 12, 14)),
        "2026": (date(2025, 12, 15), date(2026, 12, 14)),
    }  # fmt: skip
    assert {Period.of(text) for text in ("2026-13", "2026-Q5", "2026-11-14", "", "26", None)} == {None}


def test_when_a_period_may_be_reported(system, client):
    seen = []
    for day in (datetime(2026, 11, 14, 23, 59, tzinfo=TZ), datetime(2026, 11, 15, 0, 0, 1, tzinfo=TZ),
                datetime(2026, 11, 25, 23, 59, tzinfo=TZ), datetime(2026, 11, 26, 0, 0, 1, tzinfo=TZ)):  # fmt: skip
        system.record.set_clock(day)
        seen.append(send(client, f"H05.{10 + len(seen)}", WHOLE)["error_code"])
    assert seen == ["43", "00", "00", "44"]
    assert post(client, UNLOCK, madonvi="H05.13", lyDo="", denNgay="20261130")["error_code"] == "46"
    assert post(client, UNLOCK, madonvi="H05.13", lyDo=WHY, denNgay="20261125")["error_code"] == "46"
    assert post(client, UNLOCK, madonvi="H05.13", ky="2026", lyDo=WHY, denNgay="20261130")["error_code"] == "43"
    assert post(client, UNLOCK, madonvi="H05.13", lyDo=WHY, denNgay="20261130")["error_code"] == "00"
    assert [send(client, unit, WHOLE)["error_code"] for unit in ("H05.13", "H05.14")] == ["00", "44"]
    (late,) = system.record.objects("late").values()
    assert (late["truoc"], late["sau"]["madonvi"], late["sau"]["muon"]) == (None, "H05.13", "1")
    system.record.set_clock(datetime(2026, 12, 1, 8, tzinfo=TZ))
    post(client, RETURN, madonvi="H05.13", lyDo=WHY)
    assert send(client, "H05.13", WHOLE)["error_code"] == "44", "and closed again"


def test_values_that_are_refused(system, client):
    good = values(10, 5, 8)
    wrong = [
        ("20", {"GiaTri": ""}), ("23", {"MaChiTieu": "TTHC99"}), ("24", {"MaChiTieu": "TTHC07", "DonViTinh": "thủ tục"}),
        ("25", {"GiaTri": "1.204"}), ("25", {"GiaTri": "1204,0"}), ("25", {"GiaTri": "-1"}), ("26", {"DonViTinh": "nghìn hồ sơ"}), ("29", {}),
    ]  # fmt: skip
    bad = [values(1, first=1)[0] | changed for _, changed in wrong]
    answer = send(client, "H05.12", [*bad[:-1], *good, bad[-1]])
    assert [line["error_code"] for line in answer["loi"]] == [code for code, _ in wrong]
    assert (answer["error_code"], answer["soBanGhi"], answer["trangThai"]) == ("00", "3", "1")
    assert [r.code for r in system.record.refusals()] == [code for code, _ in wrong]
    assert send(client, "H05.11", bad[:1])["error_code"] == "20", "of none of the values"
    assert send(client, "H05.12", values(7, 1, "87.5", first=4))["trangThai"] == "2", "now it is whole"
    assert set(MESSAGES) >= {code for code, _ in wrong}


def test_requests_that_are_refused(client):
    old = min(set(communes(LAST_DAY_OF_E1)) - set(communes(CLOCK.date())))
    for code, unit, ky in (
        ("03", "H02.1", KY),
        ("03", "Sở", KY),
        ("27", f"H05.{old}", KY),
        ("04", "H05.12", "2026-00"),
    ):
        assert send(client, unit, WHOLE, ky)["error_code"] == code
    assert send(client, "H05.12", [])["error_code"] == "06"
    headers = {"Authorization": f"Bearer {client.session}"}
    for body in (
        {"ky": KY, "madonvi": "H05.12"},
        {"ky": KY, "madonvi": 5, "data": []},
        {"ky": KY, "data": [1]},
        [],
        "{",
    ):
        assert client.send("POST", API + SEND, body, headers)[0] == 400


def test_sent_returned_and_sent_again(system, client):
    assert post(client, RETURN, madonvi="H05.12", lyDo=WHY)["error_code"] == "13"
    assert send(client, "000.00.12.H05", WHOLE)["trangThai"] == "2"
    assert send(client, "H05.12", WHOLE)["error_code"] == "11"
    assert post(client, RETURN, madonvi="H05.12", lyDo=" ")["error_code"] == "46"
    assert [post(client, RETURN, madonvi="H05.12", lyDo=WHY)["error_code"] for _ in range(2)] == ["00", "13"]
    assert look(client, "tongHop")["data"][0]["lyDo"] == WHY and look(client, DENOMINATORS)["data"] == []
    assert send(client, "H05.12", values(11, 5, 8, 7, 1, "87.5"))["trangThai"] == "2"
    report = look(client, GET, unit="000.00.12.H05")["baoCao"]
    assert (report["GiaTri"]["TTHC01"], report["lan"], report["trangThai"]) == ("11", "2", "2")


def test_the_whole_is_the_sum_of_its_parts(system, client):
    system.lists.know({"H05": "", "H05.12": "H05", "H05.06": "H05"}, None)
    assert send(client, "H05.99", WHOLE)["error_code"] == "03", "not in the list"
    assert send(client, "H05", WHOLE)["thieu"] == ["H05.06", "H05.12"]
    for unit in ("H05.12", "H05.06"):
        send(client, unit, WHOLE)
    answer = send(client, "H05", values(20, 10, 17, 14, 2, "87.5"))
    assert [(e["MaChiTieu"], e["error_code"], e["tongTrucThuoc"]) for e in answer["loi"]] == [("TTHC03", "40", "16")]
    # while the whole is not sent, a part changes: what had been right of the whole is asked for again
    post(client, RETURN, madonvi="H05.06", lyDo=WHY)
    assert send(client, "H05", values(16, first=3))["error_code"] == "41"
    send(client, "H05.06", values(11, 5, 8, 7, 1, "87.5"))
    assert send(client, "H05", values(16, first=3))["trangThai"] == "1"
    assert send(client, "H05", values(21))["trangThai"] == "2"
    assert post(client, RETURN, madonvi="H05.06", lyDo=WHY)["error_code"] == "42"
    assert [r.code for r in system.record.refusals()] == ["03", "41", "40", "41", "42"]


def test_what_differs_from_the_portal_is_told(system, client):
    def counted(unit: str, value: object) -> dict:
        return {"madonvi": unit, "MaChiTieu": "TTHC01", "GiaTri": str(value)}

    send(client, "H05.06", WHOLE)
    answer = post(
        client, PORTAL, data=[counted("H05.12", 12), counted("H05.06", 9), counted("X", 1), {"madonvi": "H05.06"}]
    )
    assert (answer["soBanGhi"], [e["error_code"] for e in answer["loi"]]) == ("2", ["03", "23"])
    warned = send(client, "H05.12", WHOLE)["canhBao"]
    assert [(w["GiaTri"], w["GiaTriCong"], w["error_code"]) for w in warned] == [("10", "12", "45")]
    differ = [(d["madonvi"], d["GiaTri"], d["GiaTriCong"]) for d in look(client, COMPARE)["data"]]
    assert differ == [("H05.06", "10", "9"), ("H05.12", "10", "12")]
    post(client, PORTAL, data=[counted("H05.12", 10), counted("H05.06", 9)])
    assert [d["madonvi"] for d in look(client, COMPARE)["data"]] == ["H05.06"], "mended ones are gone"


def test_denominators_of_the_index(system, client):
    system.record.set_clock(datetime(2025, 12, 20, 8, tzinfo=TZ))
    send(client, "H05.12", values(120, 50, 80, 70, 10, "87.5", 300), "2025")
    system.record.set_clock(CLOCK)
    send(client, "H05.12", WHOLE)
    send(client, "H05.06", values(4))
    told = look(client, DENOMINATORS)
    assert told["data"] == [{"madonvi": "H05.12", "soHoSo": "10", "namTruoc": "120"}], "sent reports only"


def test_every_fault_of_a_report_happens(system, client):
    def there(number: int) -> int:
        report = system.record.objects(f"report {KY}").get(f"H05.{number + 10}")
        return len(report["GiaTri"]) if report else 0

    def two(number: int) -> tuple:
        body = {"madonvi": f"H05.{number + 10}", "ky": KY, "data": values(10, 5)}
        headers = {"Authorization": f"Bearer {client.session}"}
        return client.send("POST", API + SEND, body, headers)

    assert len(all_happen(system, client, SEND, two, there)) == 18
    token_faults_happen(system, client)


def test_faults_of_its_own(system, client):
    system.lists.know({"H05": "", "H05.12": "H05"}, None)
    plan = (Fault(1, "utc", SEND), Fault(2, "skew", SEND), Fault(1, "contrary", GET), Fault(1, "lax_order", RETURN))
    system.plan = ReportingFaults(plan)
    system.record.set_clock(datetime(2026, 11, 15, 0, 5, tzinfo=TZ))
    assert [send(client, "H05.12", WHOLE)["error_code"] for _ in range(3)] == ["43", "43", "00"]
    assert [look(client, GET, unit="H05.12")["error_code"] for _ in range(2)] == ["13", "00"]
    send(client, "H05", WHOLE)
    assert post(client, RETURN, madonvi="H05.12", lyDo=WHY)["error_code"] == "00", "below a whole that is sent"
    old = min(set(communes(LAST_DAY_OF_E1)) - set(communes(CLOCK.date())))
    system.plan, system.lists = ReportingFaults((Fault(5, "old_list", SEND),)), Lists(system.home / "elsewhere")
    assert [send(client, f"H05.{old}", WHOLE)["error_code"] for _ in range(2)] == ["00", "27"]


def test_killed_it_forgets_nothing(tmp_path):
    (tmp_path / "units.csv").write_text("code,parent\nH05,\nH05.12,H05\n", encoding="utf-8")
    rows = "code,name,measure,periods,adds_up\nKT01,Thu ngân sách,tỷ đồng,M,0\n"
    (tmp_path / "indicators.csv").write_text(rows, encoding="utf-8")
    item = {"MaChiTieu": "KT01", "GiaTri": "1204.5", "DonViTinh": "Tỷ đồng"}
    for expected, given in (("00", ("--lists", tmp_path, "--clock", "2026-11-19 17:30:00")), ("11", ())):
        process, client = serve("reporting", tmp_path / "home", *given)
        try:
            client.token()
            assert send(client, "H05.12", [item])["error_code"] == expected
        finally:
            process.kill()
            assert process.wait() == -signal.SIGKILL
    assert Lists(tmp_path / "home").indicators == {
        "KT01": Indicator("KT01", "Thu ngân sách", "tỷ đồng", "M", adds_up=False)
    }
    assert json.loads((tmp_path / "home" / "lists.json").read_text(encoding="utf-8"))["units"] == {
        "H05": "",
        "H05.12": "H05",
    }


@pytest.mark.parametrize("plan_type", [EducationFaults, EnvironmentFaults, ReportingFaults, OpenDataFaults])
def test_plans_are_seeded(plan_type):
    chances = dict.fromkeys(plan_type.kinds(), 0.04)
    plan, same, other = (plan_type(probabilities=chances, seed=seed) for seed in (7, 7, 8))
    for service, kinds in plan_type.strikes.items():
        struck = [plan.at(service, number, 0) for number in range(1, 401)]
        assert set(struck) == {*kinds, None} and struck != [other.at(service, number, 0) for number in range(1, 401)]
        assert struck == [same.at(service, number, number) for number in range(1, 401)]
