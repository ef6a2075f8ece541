"""The population database's verification, seen with curl and by its record.

Belongs here: what it says of a person and what it never says, its quota, its log, its faults, holding many persons.
Stays out: the gateway in front of it (`test_ndxp`), the base (`test_national_base`).
"""

from __future__ import annotations

import json
import signal
import unicodedata
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.national import Fault
from simulator.national.names import key_of
from simulator.national.population import MESSAGES, VERIFY, Persons, Population, PopulationFaults

from .national_client import CLOCK, Curl, Lost, curl_of, play, serve, wait_for

PATH = f"/apiCSDLDanCu/1.0/{VERIFY}"
WHO = {"madonvi": "H05.12", "nguoiYeuCau": "canbo.tuphap", "mucDich": "Đối soát"}
PERSONS = pa.table(
    {
        "so_dinh_danh": ["097192004217", "098085001733", "098060000001", "099170000002", "099170000002", "097201000003"],
        "ho_ten": ["Nguyễn Thị Hoà", "Trần Văn Thắng", "Giáp Văn Long", "Lê Nam", "Lê Na", "Lý Thuỷ"],
        "ngay_sinh": [date(1992, 2, 14), date(1985, 1, 1), date(1960, 1, 1), date(1970, 5, 6), date(1971, 5, 6), date(2001, 3, 1)],
        "do_chinh_xac": ["D", "Y", "D", "D", "D", "M"],
        "trang_thai": ["1", "1", "2", "1", "1", "1"],
    }
)  # fmt: skip
HOA, THANG, LONG, TWO, THUY = "097192004217", "098085001733", "098060000001", "099170000002", "097201000003"


def person(number: str, name: str, born: str, **changed: str) -> dict[str, str]:
    precision = {8: "D", 6: "M", 4: "Y"}.get(len(born), "D")
    return {"MaYeuCau": "1", "SoDinhDanh": number, "HoTen": name, "NgaySinh": born, "DoChinhXac": precision} | changed


def ask(client: Curl, *data: dict, **changed: object) -> tuple:
    headers = {"Authorization": f"Bearer {client.session}", "Content-Type": "application/json"}
    return client.send("POST", PATH, WHO | {"data": list(data)} | changed, headers)


def said(client: Curl, *data: dict) -> list[tuple[str, str]]:
    return [(line["KetQua"], line["TruongKhongKhop"]) for line in ask(client, *data)[1]["data"]]


@pytest.fixture
def database(tmp_path):
    with Population(tmp_path / "population") as service:
        service.persons.hold([PERSONS])
        service.record.set_clock(CLOCK)
        yield service


@pytest.fixture
def client(database):
    client = curl_of(database)
    assert client.token() == 200
    return client


def test_the_committed_conversation(database):
    assert play(database, "population") >= 8


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (person(HOA, "Nguyễn Thị Hoà", "19920214"), ("1", "")),
        (person(HOA, unicodedata.normalize("NFD", "NGUYỄN THỊ  HÒA "), "19920214"), ("1", "")),
        (person(HOA, "Nguyễn Thị Hoà", "199202"), ("1", "")),
        (person(HOA, "Nguyễn Thị Hoà", "1992"), ("1", "")),
        (person(HOA, "Nguyen Thi Hoa", "19920214"), ("2", "HoTen")),
        (person(HOA, "Nguyễn Thị Hoà", "19920215"), ("2", "NgaySinh")),
        (person(HOA, "Trần Văn Thắng", "1985"), ("2", "HoTen;NgaySinh")),
        (person(THANG, "Trần Văn Thắng", "19851231"), ("1", "")),
        (person(THANG, "Trần Văn Thắng", "1986"), ("2", "NgaySinh")),
        (person(THUY, "Lý Thủy", "20010327"), ("1", "")),
        (person(THUY, "Lí Thủy", "20010427"), ("2", "HoTen;NgaySinh")),
        (person("099999999999", "Nguyễn Thị Hoà", "19920214"), ("3", "")),
        (person(LONG, "Giáp Văn Long", "19600101"), ("4", "")),
        (person(TWO, "Lê Nam", "19700506"), ("4", "")),
    ],
)
def test_what_it_says_of_a_person(client, asked, expected):
    status, answer = ask(client, asked)
    assert (status, answer["error_code"]) == (200, "00")
    (line,) = answer["data"]
    assert (line["KetQua"], line["TruongKhongKhop"]) == expected
    assert not {"HoTen", "NgaySinh", "SoDinhDanh"} & line.keys(), "which field, never the value"
    assert "1992" not in json.dumps(line) and "Hoà" not in json.dumps(line, ensure_ascii=False)


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("20", {"HoTen": ""}),
        ("20", {"MaYeuCau": ""}),
        ("24", {"SoDinhDanh": "125123456"}),
        ("24", {"SoDinhDanh": "97192004217"}),
        ("21", {"DoChinhXac": "Y"}),
        ("21", {"DoChinhXac": "T"}),
        ("21", {"NgaySinh": "19920230"}),
        ("21", {"NgaySinh": "00001955"}),
    ],
)
def test_persons_that_are_refused(database, client, code, changed):
    good, wrong = person(HOA, "Nguyễn Thị Hoà", "19920214"), person(HOA, "Nguyễn Thị Hoà", "19920214", **changed)
    answer = ask(client, good, wrong, good)[1]
    assert [line["error_code"] for line in answer["data"]] == ["00", code, "00"] and answer["soBanGhi"] == "2"
    assert answer["data"][1]["message"] == MESSAGES[code] and answer["data"][1]["KetQua"] == ""
    assert [r.code for r in database.record.refusals()] == [code]


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("03", {"madonvi": "H02.12"}),
        ("03", {"madonvi": ""}),
        ("08", {"mucDich": "  "}),
        ("08", {"mucDich": None}),
        ("09", {"nguoiYeuCau": ""}),
        ("06", {"data": []}),
        ("06", {"data": [person(HOA, "A", "1992")] * 501}),
    ],
)
def test_requests_that_are_refused(database, client, code, changed):
    status, answer = ask(client, person(HOA, "Nguyễn Thị Hoà", "19920214"), **changed)
    assert (status, answer) == (200, {"error_code": code, "message": MESSAGES[code], "data": []})
    assert not database.record.effects(), "nothing is looked up, so nothing is logged"


def test_who_asked_for_what_is_logged_and_nobody_asked_about(database, client):
    ask(
        client,
        person(HOA, "Nguyễn Thị Hoà", "1992"),
        person(HOA, "Khác", "1992"),
        person(LONG, "Giáp Văn Long", "1960"),
    )
    (line,) = database.record.effects()
    assert (line.kind, line.operation) == ("access", "insert")
    assert line.content == WHO | {"soNguoi": 3, "ketQua": {"1": 1, "2": 1, "4": 1}}


def test_the_quota_is_a_days_and_whole(database, client):
    database.quota = 5
    three = [person(HOA, "Nguyễn Thị Hoà", "1992")] * 3
    assert len(said(client, *three)) == 3
    status, answer = ask(client, *three)
    assert (status, answer["fault"]["code"]) == (429, 900804)
    assert abs(int(client.headers["retry-after"]) - 6.5 * 3600) < 60, "until midnight by its own clock"
    assert len(said(client, *three[:2])) == 2, "what is left of it"
    assert ask(client, three[0])[0] == 429
    database.record.set_clock(CLOCK + timedelta(hours=7))
    assert len(said(client, *three)) == 3
    assert [r.status for r in database.record.requests() if r.service == VERIFY] == [200, 429, 200, 429, 200]


@pytest.mark.parametrize(
    ("kind", "status", "code", "looked_up"),
    [
        ("half", 200, "00", 1),
        ("half_silent", None, None, 1),
        ("expired_midway", 401, None, 1),
        ("miscount", 200, "00", 2),
        ("wrong_code", 200, "A7", 2),
        ("error_code", 200, "99", 0),
        ("hang", None, None, 0),
        ("late", None, None, 2),
    ],
)
def test_faults(database, client, kind, status, code, looked_up):
    database.plan = PopulationFaults((Fault(1, kind, VERIFY),), hang_seconds=0.1, late_seconds=0.1)
    asked = [person(HOA, "Nguyễn Thị Hoà", "1992")] * 2
    if status is None:
        with pytest.raises(Lost):
            ask(client, *asked)
    else:
        told, answer = ask(client, *asked)
        assert (told, answer.get("error_code")) == (status, code)
        assert kind != "half" or [line["error_code"] for line in answer["data"]] == ["00", "99"]
        assert kind != "miscount" or answer["soBanGhi"] == "3"
    wait_for(lambda: any(r.fault for r in database.record.requests()), "never dealt with")
    assert sum(sum(e.content["ketQua"].values()) for e in database.record.effects()) == looked_up
    assert database.record.objects("quota").get("2026-11-19", {"persons": 0}) == {"persons": looked_up}


def test_who_is_there_is_denied_and_who_is_not_is_confirmed(database, client):
    database.plan = PopulationFaults((Fault(1, "contrary", VERIFY),))
    asked = [person(HOA, "Nguyễn Thị Hoà", "1992"), person("099999999999", "Ai Đó", "1992")]
    assert said(client, *asked) == [("3", ""), ("1", "")]
    assert said(client, *asked) == [("1", ""), ("3", "")]


def test_one_key_for_one_name():
    alike = ["Nguyễn Thị Hoà", "NGUYỄN THỊ HÒA", unicodedata.normalize("NFD", "nguyễn  thị hoà")]
    assert len({key_of(name) for name in alike}) == 1
    assert key_of("Thuỷ Uý Khoẻ Quý") == key_of("Thủy Úy Khỏe Quý")
    others = ["Hoa", "Hoà", "Hoả", "Hóa", "Hoá Lý", "Hoá Lí", "Đào", "Dào", "Tuân", "Tuấn", "Tuán"]
    assert len({key_of(name) for name in others}) == len(others)


def test_persons_come_in_batches_and_change(tmp_path):
    """In a stream; those of before are gone, those of later come to them."""
    count, size = 60_000, 25_000

    def batches(named: str):
        for first in range(0, count, size):
            numbers = range(first, min(first + size, count))
            ids = [f"0{97_000_000_000 + number}" for number in numbers]
            born = pa.array(numbers, pa.int32()).cast(pa.date32())
            names = [f"{named} {number % 7}" for number in numbers]
            yield pa.table({"so_dinh_danh": ids, "ho_ten": names, "ngay_sinh": born})

    persons = Persons(tmp_path)
    assert not persons.held and persons.find([HOA]) == {}
    assert persons.hold(batches("Lê")) == count
    assert persons.find(["097000012345", "097000400000"]) == {"097000012345": [("Lê 4", "20031020", "D", False)]}
    assert persons.hold([PERSONS]) == 6 and Persons(tmp_path).find(["097000012345"]) == {}
    mended = {
        "so_dinh_danh": [LONG, "097226000001"],
        "ho_ten": ["Giáp Văn Long", "Lê Em Bé"],
        "can_lam_ro": [False, True],
    }
    persons.change(pa.table(mended | {"ngay_sinh": [date(1961, 1, 1), date(2026, 11, 19)]}))
    assert persons.find([LONG, "097226000001"]) == {
        LONG: [("Giáp Văn Long", "19610101", "D", False)], "097226000001": [("Lê Em Bé", "20261119", "D", True)],
    }  # fmt: skip


def test_in_a_process_of_its_own_it_forgets_nothing_when_killed(tmp_path):
    (tmp_path / "lists").mkdir()
    pq.write_table(PERSONS, tmp_path / "lists" / "persons.parquet")
    home = tmp_path / "population"
    asked = person(HOA, "Nguyễn Thị Hoà", "19920214")
    for options in (("--lists", tmp_path / "lists", "--clock", "2026-11-19 17:30:00"), ()):
        process, client = serve("population", home, *options)
        try:
            assert client.token() == 200 and said(client, asked) == [("1", "")]
        finally:
            process.kill()
            assert process.wait() == -signal.SIGKILL
    assert Population(home).record.objects("quota") == {"2026-11-19": {"persons": 2}}
