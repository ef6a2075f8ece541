"""The sector database of education, seen with curl and by its record.

Belongs here: batches, workbooks, transfers, the lock of a school year, its faults. Stays out: the base (`test_national_base`).
"""

from __future__ import annotations

import json
import signal
import subprocess
import unicodedata
from datetime import date, datetime

import openpyxl
import pytest

from simulator.clock import TZ
from simulator.national import Fault
from simulator.national.codes import LAST_DAY_OF_E1, communes
from simulator.national.education import FIND, MESSAGES, MOVE, PUPILS, SCHOOLS, STATUSES, Education, EducationFaults
from simulator.national.education_template import TEMPLATES

from .national_client import CLOCK, Curl, curl_of, play, serve
from .national_faults import all_happen, token_faults_happen

API = "/apiCSDLGDDT/1.0/"
YEAR = "2026-2027"
ONE, TWO = "24213401", "24213402"
TODAYS = sorted(communes(CLOCK.date()))
OLD = sorted(set(communes(LAST_DAY_OF_E1)) - set(TODAYS))[0]


def school(code: str = ONE, **changed: str) -> dict[str, str]:
    return {"MaTruong": code, "TenTruong": "Trường Tiểu học", "CapHoc": "TH", "MaXa": TODAYS[0]} | changed


def class_of(code: str) -> dict[str, str]:
    return {"MaLop": f"{code}-5A", "TenLop": "5A", "MaTruong": code, "Khoi": "5"}


def pupil(number: int, code: str = ONE, **changed: str) -> dict[str, str]:
    made = {"MaHocSinh": f"24{number:08d}", "MaTruong": code, "MaLop": f"{code}-5A", "HoTen": "Nguyễn Thị Hoà"}
    made |= {"NgaySinh": "20160214", "GioiTinh": "Nữ", "TrangThai": "01", "NgayTrangThai": "20260905"}
    return made | {"SoDinhDanh": f"0973160{number:05d}"} | changed


def move(number: int, **changed: str) -> dict[str, str]:
    made = {"MaHocSinh": f"24{number:08d}", "TruongDi": ONE, "TruongDen": TWO, "LopDen": f"{TWO}-5A"}
    return made | {"NgayChuyen": "20261110"} | changed


def send(client: Curl, service: str, *data: dict, **changed: object) -> tuple:
    headers = {"Authorization": f"Bearer {client.session}", "Content-Type": "application/json"}
    body = {"madonvi": "H05.06", "namHoc": YEAR, "data": list(data)} | changed
    return client.send("POST", API + service, body, headers)


def codes(client: Curl, service: str, *data: dict, **changed: object) -> list[str]:
    """The codes of the items of a request, in their order."""
    answer = send(client, service, *data, **changed)[1]
    wrong = {int(line["dong"]): line["error_code"] for line in answer["loi"]}
    return [wrong.get(number, "00") for number in range(1, len(data) + 1)]


def look(client: Curl, path: str) -> dict:
    return client.send("GET", API + path, headers={"Authorization": f"Bearer {client.session}"})[1]


@pytest.fixture
def database(tmp_path):
    with Education(tmp_path / "education") as service:
        service.record.set_clock(CLOCK)
        yield service


@pytest.fixture
def client(database):
    client = curl_of(database)
    assert client.token() == 200
    assert codes(client, SCHOOLS, school(ONE), school(TWO)) == ["00", "00"]
    assert codes(client, "dongBoLop", class_of(ONE), class_of(TWO)) == ["00", "00"]
    return client


def test_the_committed_conversation(database):
    assert play(database, "education") >= 15


def test_pupils_that_are_refused(database, client):
    assert codes(client, PUPILS, pupil(1, TWO)) == ["00"], "who is there already"
    wrong = [
        ("20", {"HoTen": " "}), ("20", {"MaHocSinh": ""}), ("21", {"NgaySinh": "20160230"}), ("21", {"NgaySinh": "14/02/2016"}),
        ("22", {"TrangThai": "13"}), ("22", {"TrangThai": "Đang học"}), ("23", {"GioiTinh": "1"}), ("24", {"SoDinhDanh": "125123456"}),
        ("24", {"SoDinhDanh": "97316000002"}), ("25", {"MaHocSinh": "242134000"}), ("28", {"MaTruong": "24999999"}),
        ("29", {"MaLop": f"{TWO}-5A"}), ("30", {"MaHocSinh": "2400000001"}), ("31", {"NgayTrangThai": "20261120"}),
        ("32", {"SoDinhDanh": "097316000001"}),
    ]  # fmt: skip
    sent = [pupil(number, **changed) for number, (_, changed) in enumerate(wrong, 10)]
    assert codes(client, PUPILS, pupil(2), *sent, pupil(3, SoDinhDanh="")) == ["00", *(code for code, _ in wrong), "00"]
    assert [r.code for r in database.record.refusals()] == [code for code, _ in wrong]
    assert set(database.record.objects(f"pupil {YEAR}")) == {"2400000001", "2400000002", "2400000003"}


def test_all_twelve_states_and_no_other(client):
    states = [f"{number:02d}" for number in range(14)]
    made = [pupil(number, TrangThai=state) for number, state in enumerate(states)]
    assert codes(client, PUPILS, *made) == ["22", *["00"] * 12, "22"] and len(STATUSES) == 12


def test_requests_that_are_refused(client):
    asked = [
        ("26", SCHOOLS, [school(MaXa=OLD)], {}), ("27", SCHOOLS, [school(CapHoc="Tiểu học")], {}),
        ("28", "dongBoLop", [class_of("24999999")], {}), ("03", SCHOOLS, [school()], {"madonvi": "H02.06"}),
        ("04", SCHOOLS, [school()], {"namHoc": "2026-2028"}), ("06", SCHOOLS, [], {}), ("06", PUPILS, [pupil(1)] * 501, {}),
        ("40", SCHOOLS, [school()], {"namHoc": "2025-2026"}), ("41", "moKhoaNamHoc", [{"MaTruong": ONE, "LyDo": "Sót"}], {}),
        ("41", "moKhoaNamHoc", [{"MaTruong": ONE, "LyDo": "Sót", "DenNgay": "20261118"}], {}), ("28", "khoaNamHoc", [{"MaTruong": "1"}], {}),
    ]  # fmt: skip
    for code, service, data, changed in asked:
        status, answer = send(client, service, *data, **changed)
        assert (status, answer["error_code"], answer["message"]) == (200, code, MESSAGES[code])


def test_what_is_sent_again_changes_nothing(database, client):
    answers = [send(client, PUPILS, pupil(1), pupil(2))[1] for _ in range(2)]
    assert [(a["soBanGhi"], a["themMoi"], a["khongDoi"]) for a in answers] == [("2", "2", "0"), ("2", "0", "2")]
    assert codes(client, PUPILS, pupil(1, SoDinhDanh="097316000099")) == ["00"]
    assert set(database.record.objects(f"personal_id {YEAR}")) == {"097316000099", "097316000002"}
    assert look(client, f"{FIND}?namHoc={YEAR}&soDinhDanh=097316000099")["data"][0]["MaHocSinh"] == "2400000001"
    assert look(client, f"{FIND}?namHoc={YEAR}&soDinhDanh=097316000001")["error_code"] == "13"


def test_transfers(database, client):
    assert codes(client, PUPILS, *map(pupil, range(1, 5))) == ["00"] * 4
    outside = move(2, TruongDen="01001001", LopDen="", NgayChuyen="20260701")
    wrong = [move(3, TruongDi=TWO), move(3, LopDen=f"{ONE}-5A"), move(3, NgayChuyen="20261120"), move(9)]
    assert codes(client, MOVE, move(1), move(1), outside, outside, *wrong) == [
        "00",
        "33",
        "00",
        "34",
        "33",
        "29",
        "31",
        "13",
    ]
    pupils = database.record.objects(f"pupil {YEAR}")
    assert [pupils[f"240000000{n}"]["TrangThai"] for n in (1, 2, 3)] == ["02", "11", "01"]
    assert [pupils[f"240000000{n}"]["MaTruong"] for n in (1, 2, 3)] == [TWO, ONE, ONE]
    assert look(client, f"tongHop?namHoc={YEAR}&maTruong={ONE}")["trangThai"] == {"01": "2", "11": "1"}
    assert look(client, f"tongHop?namHoc={YEAR}&maTruong=")["soHocSinh"] == "4"


def test_a_closed_year_is_corrected_late(database, client):
    assert codes(client, PUPILS, pupil(1)) == ["00"]
    database.record.set_clock(datetime(2027, 8, 1, 8, tzinfo=TZ))
    fixed = pupil(1, HoTen="Nguyễn Thị Hoa")
    assert codes(client, PUPILS, fixed, pupil(2, TWO)) == ["40", "40"]
    reopened = {"MaTruong": ONE, "LyDo": "Sai họ tên", "DenNgay": "20270805"}
    assert codes(client, "moKhoaNamHoc", reopened) == ["00"]
    assert codes(client, PUPILS, fixed, pupil(2, TWO)) == ["00", "40"], "of that school only"
    (late,) = database.record.objects(f"late {YEAR}").values()
    assert (late["truoc"]["HoTen"], late["sau"]["HoTen"]) == ("Nguyễn Thị Hoà", "Nguyễn Thị Hoa")
    database.record.set_clock(datetime(2027, 8, 6, 8, tzinfo=TZ))
    assert codes(client, PUPILS, pupil(1)) == ["40"], "and closed again"


# --- workbooks -------------------------------------------------------------------------------------------------------


def workbook(path, columns, *rows: dict, sheet: str = "C1-HocSinh"):
    """A file as a school's program writes it: titles, header cells with line breaks and in NFD."""
    book = openpyxl.Workbook()
    page = book.active
    page.title = sheet
    page.append(["SỞ GIÁO DỤC VÀ ĐÀO TẠO"])
    page.append([])
    page.append([unicodedata.normalize("NFD", name.replace(" (", "\n(")) for name in columns])
    for row in rows:
        page.append([row.get(name) for name in columns])
    book.save(path)
    return path


def row(number: int, **changed: object) -> dict[str, object]:
    made = {"Mã trường": ONE, "Mã lớp": f"{ONE}-5A", "Mã học sinh": f"24{number:08d}", "Ngày sinh": "14/02/2016"}
    made |= {"Họ tên": "Trần Văn Thắng", "Họ và tên": "Trần Văn Thắng", "Giới tính": "Nam", "Trạng thái HS": "Đang học"}
    made |= {"Trạng thái học sinh": "Đang học", "Số định danh cá nhân": f"0972160{number:05d}"}
    return made | {name.replace("_", " "): value for name, value in changed.items()}


def upload(database, client, path, year: str = YEAR) -> tuple[int, dict]:
    """As anybody can do it: curl -F."""
    form = ["-F", f"namHoc={year}", "-F", f"maTruong={ONE}", "-F", f"tep=@{path}"]
    command = ["curl", "-sS", "-H", f"Authorization: Bearer {client.session}", *form, "-w", "\n%{http_code}"]
    done = subprocess.run([*command, f"{database.base}{API}taiTepC1"], capture_output=True, check=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_a_workbook_row_by_row(database, client, tmp_path):
    assert codes(client, PUPILS, pupil(50, TWO)) == ["00"]
    rows = [
        row(1), row(2, Ngày_sinh=date(2016, 3, 1)), row(3, Trạng_thái_HS="Đang theo học"), row(4, Số_định_danh_cá_nhân=97216000004),
        row(50), row(5, Mã_trường=TWO), row(6, Ngày_sinh="2016"), row(1), {},
    ]  # fmt: skip
    status, answer = upload(database, client, workbook(tmp_path / "a.xlsx", TEMPLATES[0].columns, *rows))
    wrong = {line["dong"]: line["error_code"] for line in answer["loi"]}
    assert wrong == {"6": "22", "7": "24", "8": "30", "9": "53", "10": "21"}, "by the sheet's own row"
    assert (status, answer["error_code"], answer["themMoi"], answer["khongDoi"]) == (200, "00", "2", "1")
    assert database.record.objects(f"pupil {YEAR}")["2400000002"]["NgaySinh"] == "20160301"


def test_workbooks_that_are_refused_whole(database, client, tmp_path):
    old, new = (workbook(tmp_path / f"{t.version}.xlsx", t.columns, row(1)) for t in TEMPLATES)
    assert upload(database, client, old)[1]["error_code"] == "00"
    assert upload(database, client, new)[1]["error_code"] == "51", "not yet"
    database.record.set_clock(datetime(2026, 11, 21, 8, tzinfo=TZ))
    refused = upload(database, client, old)[1]
    assert (refused["error_code"], refused["loi"]) == ("50", []) and "phiên bản 2, hiện hành 3" in refused["message"]
    assert upload(database, client, new)[1]["khongDoi"] == "1", "the same pupil by the new one"
    columns = TEMPLATES[1].columns
    swapped = workbook(tmp_path / "swapped.xlsx", (columns[1], columns[0], *columns[2:]), row(1))
    assert "sai thứ tự" in upload(database, client, swapped)[1]["message"]
    renamed = workbook(tmp_path / "renamed.xlsx", tuple(c.replace("Họ và tên", "Tên") for c in columns), row(1))
    assert upload(database, client, renamed)[1]["message"].endswith("thiếu Họ và tên; thừa Tên")
    (tmp_path / "text.xlsx").write_text("Mã học sinh\n")
    for path in (tmp_path / "text.xlsx", workbook(tmp_path / "sheet.xlsx", columns, row(1), sheet="HuongDan")):
        assert upload(database, client, path)[1]["error_code"] == "52"
    headers = {"Authorization": f"Bearer {client.session}", "Content-Type": "multipart/form-data; boundary=x"}
    assert client.send("POST", API + "taiTepC1", "--x\r\n", headers)[0] == 400


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_every_fault_of_a_batch_happens(database, client):
    def there(number: int) -> int:
        kept = database.record.objects(f"pupil {YEAR}")
        return sum(f"24{n:08d}" in kept for n in (2 * number, 2 * number + 1))

    struck = all_happen(database, client, PUPILS, lambda n: send(client, PUPILS, pupil(2 * n), pupil(2 * n + 1)), there)
    assert len(struck) == 18
    token_faults_happen(database, client)


def test_faults_of_its_own(database, client):
    assert codes(client, PUPILS, pupil(1)) == ["00"]
    plan = (
        Fault(2, "old_list", SCHOOLS),
        Fault(1, "contrary", FIND),
        Fault(2, "contrary", FIND),
        Fault(1, "lax_order", MOVE),
    )
    database.plan = EducationFaults((*plan, Fault(2, "utc", PUPILS), Fault(3, "skew", PUPILS)), skew_seconds=-86_400)
    assert codes(
        client,
        SCHOOLS,
        school(MaXa=OLD),
        school(MaXa=TODAYS[-1] if TODAYS[-1] not in communes(LAST_DAY_OF_E1) else "99999"),
    ) == ["00", "26"]
    found = [look(client, f"{FIND}?namHoc={YEAR}&maHocSinh={code}")["error_code"] for code in ("2400000001", "9", "9")]
    assert found == ["13", "00", "13"]
    assert codes(client, MOVE, move(1, TruongDi=TWO)) == ["00"] and codes(client, MOVE, move(1, TruongDi=ONE)) == ["33"]
    database.record.set_clock(datetime(2026, 11, 20, 3, tzinfo=TZ))
    today = pupil(2, NgayTrangThai="20261120")
    assert [codes(client, PUPILS, today) for _ in range(3)] == [["31"], ["31"], ["00"]], "yesterday, by its clock"


def test_killed_it_forgets_nothing(tmp_path):
    for expected in ("1", "0"):
        process, client = serve("education", tmp_path / "home", "--clock", "2026-11-19 17:30:00")
        try:
            client.token()
            assert send(client, SCHOOLS, school())[1]["themMoi"] == expected
        finally:
            process.kill()
            assert process.wait() == -signal.SIGKILL
