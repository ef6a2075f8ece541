"""The monitoring data of the ministry of environment, seen with curl and by its record.

Belongs here: files and their lines, what comes twice, late or too early, means and gaps, its faults.
Stays out: the base (`test_national_base`), how stations make files.
"""

from __future__ import annotations

import signal
from datetime import datetime, timedelta

import pytest

from simulator.clock import TZ
from simulator.national import STAMP, Fault
from simulator.national.environment import COUNTS, GAPS, MEANS, MESSAGES, SEND, UNITS, Environment, EnvironmentFaults

from .national_client import Curl, Lost, curl_of, play, serve, wait_for
from .national_faults import all_happen, token_faults_happen

API = "/apiQuanTrac/1.0/"
STATION = "BNKK0001"
NOW = datetime(2026, 11, 19, 8, 30, tzinfo=TZ)
VALUES = (("PM10", "62.10", "ug/m3", "00"), ("PM2,5", "36.40", "ug/m3", "00"))
STATIONS = [{"ma_tram": STATION, "thong_so": "Temp;PM10;PM2,5;O3"}, {"ma_tram": "BNNT0002", "thong_so": ""}]


def text_of(at: datetime, *values: tuple[str, ...]) -> str:
    lines = (f"{name}\t{value}\t{unit}\t{at:{STAMP}}\t{status}\r\n" for name, value, unit, status in values or VALUES)
    return "".join(lines)


def put(
    client: Curl, at: datetime, text: str | None = None, station: str = STATION, name: str = ""
) -> tuple[int, dict]:
    headers = {"Authorization": f"Bearer {client.session}", "Content-Type": "text/plain"}
    path = f"{API}tep/{name or f'{station}_{at:{STAMP}}.txt'}"
    return client.send("PUT", path, text_of(at) if text is None else text, headers)


def look(client: Curl, service: str, station: str = STATION, day: str = "20261119", symbol: str = "PM10") -> dict:
    path = f"{API}{service}?maTram={station}&ngay={day}&thongSo={symbol}"
    return client.send("GET", path, headers={"Authorization": f"Bearer {client.session}"})[1]


def files(system: Environment, at: datetime = NOW) -> dict[str, dict]:
    return system.record.objects(f"file {STATION} {at:%Y%m%d}")


@pytest.fixture
def system(tmp_path):
    with Environment(tmp_path / "environment") as service:
        service.stations.hold(STATIONS)
        service.record.set_clock(NOW)
        yield service


@pytest.fixture
def client(system):
    client = curl_of(system)
    assert client.token() == 200
    return client


def test_the_committed_conversation(system):
    assert play(system, "environment") >= 12


def test_wrong_lines_are_refused_with_their_number(system, client):
    at, day = NOW, f"{NOW:{STAMP}}"
    lines = [
        ("PM10\t62.1\tug/m3\t" + day, "22"), ("PM10;62.1;ug/m3;" + day + ";00", "22"), (f"PM25\t36.4\tug/m3\t{day}\t00", "23"),
        (f"Flow\t85.0\tm3/h\t{day}\t00", "24"), (f"PM10\t62,1\tug/m3\t{day}\t00", "25"), (f"PM10\t\tug/m3\t{day}\t00", "25"),
        (f"PM10\tnan\tug/m3\t{day}\t00", "25"), (f"PM10\t62.1\tmg/Nm3\t{day}\t00", "26"), ("PM10\t62.1\tug/m3\t20261119082500\t00", "27"),
        (f"PM10\t62.1\tug/m3\t{day[:8]}\t00", "27"), (f"PM10\t62.1\tug/m3\t{day}\t03", "28"), (f"PM10\t62.1\tug/m3\t{day}\t00", "00"),
        (f"PM10\t62.2\tug/m3\t{day}\t00", "29"), (f"PM2,5\t36.4\tug/m3\t{day}\t02", "00"),
    ]  # fmt: skip
    status, answer = put(client, at, "\r\n".join(line for line, _ in lines) + "\r\n")
    wrong = [(str(number), code) for number, (_, code) in enumerate(lines, 1) if code != "00"]
    assert [(line["dong"], line["error_code"]) for line in answer["loi"]] == wrong
    assert (status, answer["error_code"], answer["soBanGhi"]) == (200, "00", "2")
    assert all(line["message"] == MESSAGES[line["error_code"]] for line in answer["loi"])
    (kept,) = files(system).values()
    assert kept["dong"] == {"PM10": ["62.1", "ug/m3", "00"], "PM2,5": ["36.4", "ug/m3", "02"]}
    name = f"{STATION}_{day}.txt"
    assert [(r.key, r.code) for r in system.record.refusals()] == [(f"{name}:{number}", code) for number, code in wrong]
    assert put(client, at, lines[0][0], station="BNNT0002")[1]["error_code"] == "22", "of none of the lines"
    assert len(UNITS) == 25


def test_files_that_are_refused_whole(system, client):
    ahead, old = NOW + timedelta(minutes=6), NOW - timedelta(days=60, minutes=5)
    asked = [
        ("13", {"station": "BNKK9999"}), ("20", {"name": "BNKK0001_2026111908.txt"}), ("20", {"name": "BNKK0001_20261319080000.txt"}),
        ("20", {"name": "BNKK0001_20261119080000.csv"}), ("21", {"text": " "}), ("21", {"text": text_of(NOW).replace("\r\n", "\n")}),
    ]  # fmt: skip
    for code, changed in asked:
        answer = put(client, NOW, **changed)[1]
        assert (answer["error_code"], answer["message"], answer["loi"]) == (code, MESSAGES[code], [])
    assert [put(client, at)[1]["error_code"] for at in (ahead, old)] == ["31", "32"]
    assert [put(client, at)[1]["error_code"] for at in (NOW + timedelta(minutes=4), NOW - timedelta(days=59))] == [
        "00"
    ] * 2
    assert [r.code for r in system.record.refusals()] == [code for code, _ in asked] + ["31", "32"]
    assert len(system.record.effects()) == 2


def test_what_comes_again_is_counted_and_changes_nothing(system, client):
    told = [put(client, NOW)[1] for _ in range(3)]
    assert [(t["error_code"], t["lanNhan"]) for t in told] == [("00", "1"), ("00", "2"), ("00", "3")]
    assert [e.operation for e in system.record.effects()] == ["insert"]
    assert put(client, NOW, text_of(NOW, ("PM10", "70", "ug/m3", "00")))[1]["lanNhan"] == "4"
    assert [e.operation for e in system.record.effects()] == ["insert", "update"]
    late = NOW - timedelta(hours=3)
    assert [put(client, late)[1]["tre"] for _ in range(2)] == ["1", "1"]
    counts = {"soTep": "2", "guiLai": "4", "thayThe": "1", "tre": "1"}
    assert look(client, COUNTS) == {"error_code": "00", "message": "Thành công"} | counts


def test_means_and_gaps(system, client):
    start = datetime(2026, 11, 19, tzinfo=TZ)
    for number in range(11):
        value = ("PM10", str(10 + number), "ug/m3", "01" if number == 10 else "00")
        assert (
            put(
                client,
                start + timedelta(minutes=5 * number, seconds=7),
                text_of(start + timedelta(minutes=5 * number, seconds=7), value),
            )[0]
            == 200
        )
    put(client, start + timedelta(hours=2))
    assert look(client, MEANS)["data"] == [
        {"gio": "2026111900", "trungBinh": "14.5000", "soGiaTri": "10", "hopLe": "1"},
        {"gio": "2026111902", "trungBinh": "62.1000", "soGiaTri": "1", "hopLe": "0"},
    ]
    assert look(client, MEANS, symbol="O3")["data"] == []
    gaps = look(client, GAPS)["khoangTrong"]
    assert [(gap["tu"][8:12], gap["den"][8:12], gap["soTep"]) for gap in gaps] == [
        ("0055", "0155", "13"), ("0205", "0830", "78"),
    ]  # fmt: skip
    assert look(client, GAPS, day="20261118")["khoangTrong"][0]["soTep"] == "288"
    assert look(client, GAPS, day="20261120")["khoangTrong"] == [], "what is to come is no gap"
    asked = [
        look(client, MEANS, station="X9"),
        look(client, GAPS, day="19/11/2026"),
        look(client, MEANS, symbol="PM25"),
    ]
    assert [answer["error_code"] for answer in asked] == ["13", "30", "23"]


def test_every_fault_of_a_file_happens(system, client):
    def at(number: int) -> datetime:
        return NOW - timedelta(minutes=5 * number)

    def there(number: int) -> int:
        kept = files(system).get(f"{at(number):{STAMP}}")
        return len(kept["dong"]) if kept else 0

    assert len(all_happen(system, client, SEND, lambda n: put(client, at(n)), there)) == 18
    token_faults_happen(system, client)


def test_a_file_that_was_cut_in_half_is_completed_when_it_comes_again(system, client):
    system.plan = EnvironmentFaults((Fault(1, "half_silent", SEND), Fault(2, "drop_after", SEND)))
    for there in (1, 2):
        with pytest.raises(Lost):
            put(client, NOW)
        wait_for(lambda there=there: len(files(system)[f"{NOW:{STAMP}}"]["dong"]) == there, "not taken")
    assert put(client, NOW)[1]["lanNhan"] == "3"
    assert [e.operation for e in system.record.effects()] == ["insert", "update"]
    assert look(client, COUNTS)["thayThe"] == "0"


def test_faults_of_its_own(system, client):
    plan = (Fault(1, "skew", SEND), Fault(2, "utc", SEND), Fault(1, "contrary", MEANS), Fault(1, "utc", GAPS))
    system.plan = EnvironmentFaults(plan)
    assert [put(client, NOW)[1]["error_code"] for _ in range(3)] == ["31", "31", "00"], "behind: now is in its future"
    assert [look(client, MEANS)["error_code"] for _ in range(2)] == ["13", "00"]
    assert [gap["den"][8:12] for gap in look(client, GAPS)["khoangTrong"]] == ["0130"]
    system.plan = EnvironmentFaults(poison=("PM2,5",))
    assert put(client, NOW)[0] == 500


def test_killed_it_forgets_nothing(tmp_path):
    (tmp_path / "stations.csv").write_text(f'ma_tram,thong_so\n{STATION},"PM10;PM2,5"\n', encoding="utf-8")
    options = ("--lists", tmp_path, "--clock", "2026-11-19 08:30:00")
    for expected, given in (("1", options), ("2", ())):
        process, client = serve("environment", tmp_path / "home", *given)
        try:
            client.token()
            told = put(client, NOW)[1]
            assert (told["lanNhan"], told["soBanGhi"]) == (expected, "2")
        finally:
            process.kill()
            assert process.wait() == -signal.SIGKILL
