"""The national data exchange platform, seen with curl and by its record.

Belongs here: the enterprise register, the code lists, the way to the database behind it, its faults.
Stays out: what that database says (`test_population_db`), the base (`test_national_base`).
"""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest

from simulator.national import Fault
from simulator.national.ndxp import CATEGORIES, ENTERPRISE, ENTERPRISES, VERIFY, Backend, Ndxp, NdxpFaults
from simulator.national.population import Population, PopulationFaults

from .national_client import CLOCK, EXAMPLES, Curl, Lost, curl_of, play, serve
from .test_population_db import HOA, PATH, PERSONS, WHO, person

STEPS = json.loads((EXAMPLES / "ndxp.json").read_text(encoding="utf-8"))["steps"]
FIRM = next(step["answer"]["data"] for step in STEPS if ENTERPRISE in step["path"])
SECOND = next(step["answer"]["data"][0] for step in STEPS if ENTERPRISES in step["path"])
REGISTER, LISTS = "/apiCSDLDKDN/1.0", "/dmdc/1.0/AllCategory"


def get(client: Curl, path: str) -> tuple:
    return client.send("GET", path, headers={"Authorization": f"Bearer {client.session}"})


def ask(client: Curl) -> tuple:
    headers = {"Authorization": f"Bearer {client.session}", "Content-Type": "application/json"}
    return client.send("POST", PATH, WHO | {"data": [person(HOA, "Nguyễn Thị Hoà", "19920214")]}, headers)


@pytest.fixture
def database(tmp_path):
    with Population(tmp_path / "population") as service:
        service.persons.hold([PERSONS])
        yield service


@pytest.fixture
def gateway(tmp_path, database):
    behind = Backend(database.base, database.key, database.secret, timeout=1.5)
    with Ndxp(tmp_path / "ndxp", population=behind) as service:
        service.hold([SECOND, FIRM])
        service.record.set_clock(CLOCK)
        yield service


@pytest.fixture
def client(gateway):
    client = curl_of(gateway)
    assert client.token() == 200
    return client


def test_the_committed_conversation(gateway):
    assert play(gateway, "ndxp") >= 11


def test_pages_are_in_the_order_of_change_and_end(gateway, client):
    firms = [FIRM | {"MaSoDN": f"99{n:08d}", "NgayThayDoi": f"202611{1 + n % 9:02d}000000"} for n in range(25)]
    gateway.hold(reversed(firms))
    pages = [get(client, f"{REGISTER}/{ENTERPRISES}?trang={page}&kichThuoc=10")[1] for page in (1, 2, 3, 4)]
    assert [(len(p["data"]), p["tongSo"]) for p in pages] == [(10, "25"), (10, "25"), (5, "25"), (0, "25")]
    found = [(row["NgayThayDoi"], row["MaSoDN"]) for page in pages for row in page["data"]]
    assert found == sorted((row["NgayThayDoi"], row["MaSoDN"]) for row in firms)
    gateway.change([firms[0] | {"NgayThayDoi": "20261119080000"}, FIRM])
    since = get(client, f"{REGISTER}/{ENTERPRISES}?tuNgay=20261118000000")[1]
    assert [row["MaSoDN"] for row in since["data"]] == [FIRM["MaSoDN"], firms[0]["MaSoDN"]]
    for wrong in ("tuNgay=2026-11-18", "trang=0", "trang=x", "kichThuoc=0"):
        assert get(client, f"{REGISTER}/{ENTERPRISES}?{wrong}")[1]["error_code"] == "01"
    assert get(client, f"{REGISTER}/{ENTERPRISE}")[1]["error_code"] == "01"


def test_code_lists_are_those_of_the_day(gateway, client):
    gateway.know({"DM_DAN_TOC": {"01": "Kinh"}})

    def units() -> dict[str, str]:
        (found,) = get(client, f"{LISTS}?maDanhMuc=DM_DVHC")[1]["data"]
        return {value["Ma"]: value["Ten"] for value in found["GiaTri"]}

    today = units()
    assert len(today) == 99 and today["07210"] == "Phường Bắc Giang"
    gateway.plan = NdxpFaults((Fault(2, "old_list", CATEGORIES),))
    assert len(old := units()) == 313 and old["07210"] == "Phường Hoàng Văn Thụ" and today.keys() <= old.keys()
    assert [each["MaDanhMuc"] for each in get(client, LISTS)[1]["data"]] == [
        "DM_DVHC", "DM_GIOI_TINH", "DM_TRANG_THAI_HO_SO", "DM_DAN_TOC",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("drop", None, None),
        ("drop_after", None, None),
        ("error500", 500, None),
        ("error502", 502, None),
        ("too_many", 429, None),
        ("error_code", 200, "99"),
        ("error_code_after", 200, "99"),
        ("wrong_code", 200, "A7"),
        ("expired", 401, None),
        ("late", None, None),
        ("late504", 504, None),
        ("hang", None, None),
        ("contrary", 200, "12"),
    ],
)
def test_faults_of_the_register(gateway, client, kind, status, code):
    gateway.plan = NdxpFaults((Fault(1, kind, ENTERPRISE),), hang_seconds=0.1, late_seconds=0.1)
    path = f"{REGISTER}/{ENTERPRISE}?msdn={FIRM['MaSoDN']}"
    if status is None:
        with pytest.raises(Lost):
            get(client, path)
    else:
        told, answer = get(client, path)
        assert (told, answer.get("error_code") if isinstance(answer, dict) else None) == (status, code)
    client.token()
    assert get(client, path)[1]["data"] == FIRM, "once is enough"


def test_totals_differ(gateway, client):
    gateway.plan = NdxpFaults((Fault(1, "miscount", ENTERPRISES),))
    assert [get(client, f"{REGISTER}/{ENTERPRISES}")[1]["tongSo"] for _ in range(2)] == ["3", "2"]


def test_faults_of_the_database_behind_reach_the_one_who_asks(gateway, database, client):
    """With whatever has been done there: the gateway does not know either."""
    kinds = ("error_code", "too_many", "drop_after", "late", "expired")
    faults = tuple(Fault(n, kind, VERIFY) for n, kind in enumerate(kinds, start=2))
    database.plan = PopulationFaults(faults, late_seconds=6, retry_after_seconds=7)
    assert ask(client)[1]["data"][0]["KetQua"] == "1"
    assert ask(client)[1]["error_code"] == "99"
    assert ask(client)[0] == 429 and client.headers["retry-after"] == "7"
    assert ask(client)[1]["fault"]["code"] == 101503
    assert ask(client)[1]["fault"]["code"] == 101504
    status, answer = ask(client)
    assert (status, answer["error_code"]) == (200, "00"), "a dead token of its own it renews itself"
    database.down()
    assert (ask(client)[0], ask(client)[1]["fault"]["code"]) == (503, 101503)
    database.up()
    assert ask(client)[0] == 200
    gateway.population = replace(gateway.population, secret="sai")
    gateway._backend_token = ""
    assert ask(client)[0] == 503, "its own credentials are no business of the one who asks"
    gateway.population = None
    assert ask(client)[0] == 503


def test_a_fault_of_the_gateway_leaves_the_question_asked(gateway, database, client):
    gateway.plan = NdxpFaults((Fault(1, "drop_after", VERIFY), Fault(2, "drop", VERIFY)))
    for asked in (1, 1):
        with pytest.raises(Lost):
            ask(client)
        assert len([e for e in database.record.effects() if e.kind == "access"]) == asked


def test_processes_find_each_other_by_their_files(tmp_path):
    lists, home = tmp_path / "lists", tmp_path / "ndxp"
    lists.mkdir()
    firms = [FIRM, SECOND]
    (lists / "enterprises.jsonl").write_text("".join(json.dumps(row) + "\n" for row in firms), encoding="utf-8")
    with Population(tmp_path / "population") as behind:
        behind.persons.hold([PERSONS])
        told = {"url": behind.base, "key": behind.key, "secret": behind.secret}
        (lists / "population.json").write_text(json.dumps(told), encoding="utf-8")
        for options in (
            ("--lists", lists),
            ("--lists", lists, "--faults", '{"faults": [{"request": 5, "kind": "error502"}]}'),
        ):
            process, client = serve("ndxp", home, *options)
            try:
                assert client.token() == 200
                assert get(client, f"{REGISTER}/{ENTERPRISES}")[1]["tongSo"] == "2"
                assert ask(client)[1]["data"][0]["KetQua"] == "1"
                if "--faults" in options:
                    assert get(client, LISTS)[0] == 502, "requests are counted on after a kill"
            finally:
                process.kill()
                assert process.wait() == -signal.SIGKILL
