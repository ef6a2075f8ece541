"""The National Public Service Portal, seen with curl and by its record.

Belongs here: the committed conversation, every refusal, every kind of fault, the memory that outlives a kill.
Stays out: the base itself (`test_national_base`), who sends to it.
"""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from datetime import date, timedelta

import pytest

from simulator.national import Fault, Record
from simulator.national.dossiers import MESSAGES, NEXT, STATUSES, Agency, agency_of
from simulator.national.dvcqg import DESTINATION, FIND, LOGIN_PATH, PATH, PROGRESS, SEND, SERVICES, Dvcqg, DvcqgFaults

from .national_client import CLOCK, EXAMPLES, Curl, Lost, curl_of, play, serve, wait_for

PROCEDURES = [
    {"MATTHC": "1.001193", "TENTTHC": "Đăng ký khai sinh", "MALINHVUC": "G06-TP01", "TENLINHVUC": "Hộ tịch"},
    {"MATTHC": "2.002492", "TENTTHC": "Cấp giấy phép xây dựng", "MALINHVUC": "G17-XD01", "TENLINHVUC": "Xây dựng"},
]
STEPS = json.loads((EXAMPLES / "dvcqg.json").read_text(encoding="utf-8"))["steps"]
DOSSIER = next(step["body"]["data"][0] for step in STEPS if step["body"].get("service") == SEND)


class Desk(Curl):
    """A sender: the envelope, and what came back."""

    def login(self) -> str:
        return self.send("POST", LOGIN_PATH, {"username": self.key, "password": self.secret})[1]["error_code"]

    def call(self, service: str, data: list | None = None, updating: str = "False", **changed: object) -> tuple:
        """(status, error_code, {dossier: code}, the whole answer)"""
        body = {
            "session": self.session,
            "madonvi": "H05",
            "service": service,
            "isUpdating": updating,
            "data": data or [],
        }
        status, answer = self.send("POST", PATH, body | changed, {"dstcode": DESTINATION})
        if not isinstance(answer, dict):
            return status, None, {}, answer
        told = {line["MaHoSo"]: line["error_code"] for line in answer.get("result", []) if "error_code" in line}
        return status, answer.get("error_code"), told, answer


def dossier(number: int, **changed: object) -> dict:
    return DOSSIER | {"MaHoSo": f"H05.12-261117-{number:04d}"} | changed


def step(number: int, status: str, at: str = "20261118090000", **changed: object) -> dict:
    moved = {"MaHoSo": f"H05.12-261117-{number:04d}", "NguoiXuLy": "Lê Thị Hằng", "ThoiDiemXuLy": at}
    return moved | {"NoiDungXuLy": "Xử lý", "TrangThai": status} | changed


@pytest.fixture
def portal(tmp_path):
    with Dvcqg(tmp_path / "dvcqg", DvcqgFaults(hang_seconds=0.3, late_seconds=0.2, restart_seconds=0.2)) as service:
        service.know(PROCEDURES)
        service.record.set_clock(CLOCK)
        yield service


@pytest.fixture
def desk(portal):
    client = Desk(**vars(curl_of(portal)))
    assert client.login() == "00"
    return client


def test_the_committed_conversation(portal):
    assert play(portal, "dvcqg") >= 12
    assert [(e.kind, e.operation) for e in portal.record.effects()] == [
        ("dossier", "insert"), ("dossier", "insert"), ("step", "insert"), ("step", "insert"), ("dossier", "update"),
    ]  # fmt: skip
    assert portal.session() not in str(portal.record.requests()), (
        "whoever reads the record cannot go on with the session"
    )


REFUSED_REQUESTS = [
    ("02", SEND, {"session": "x"}),
    ("03", SEND, {"madonvi": "H02"}),
    ("03", SEND, {"madonvi": "H05.12"}),
    ("04", "DongBoHoSo", {}),
    ("05", SEND, {"isUpdating": "true"}),
    ("05", SEND, {"isUpdating": True}),
    ("06", SEND, {"data": []}),
    ("06", PROGRESS, {"data": [{}] * 501}),
    ("07", FIND, {}),
    ("07", "LayThuTuc", {"maTTHC": ""}),
    ("23", "LayThuTuc", {"maTTHC": "9.999999"}),
]


def test_requests_that_are_refused(portal, desk):
    for code, service, changed in REFUSED_REQUESTS:
        status, told, lines, answer = desk.call(service, **{"data": [dossier(1)]} | changed)
        assert (status, told, lines) == (200, code, {}) and answer["message"] == MESSAGES[code], changed
    assert not portal.record.effects()


REFUSED_DOSSIERS = [
    *(("20", {name: ""}) for name in ("MaTTHC", "TenTTHC", "MaLinhVuc", "LoaiDoiTuong", "DonViXuLy", "NgayTiepNhan")),
    ("21", {"NgayHenTra": "18/11/2026"}),
    ("21", {"NgayTiepNhan": "20261317081500"}),
    ("22", {"TrangThaiHoSo": "11"}),
    ("22", {"KenhThucHien": "4"}),
    ("22", {"DuocThanhToanTrucTuyen": "3"}),
    ("23", {"MaTTHC": "1.001193.000.00.00.H05"}),
    ("23", {"MaTTHC": "1.009999"}),
    ("24", {"MaHoSo": "H05.12/261117/0001"}),
    ("24", {"MaHoSo": "h05.12-261117-0001"}),
    ("25", {"MaHoSo": "H05.12-261116-0001"}),
    ("26", {"MaHoSo": "H02.12-261117-0001"}),
    ("26", {"MaHoSo": "000.00.12.H02-261117-0001"}),
    ("27", {"MaHoSo": "H05.07201-261117-0001"}),
    ("28", {"TaiLieuNop": [{"DuongDanTaiTepTin": "http://10.0.80.189:8084/tep/1"}]}),
    ("28", {"TaiLieuNop": [{"DuongDanTaiTepTin": "http://may-chu/tep/1"}]}),
    ("28", {"DanhSachGiayToKetQua": [{"DuongDanTepTinKetQua": "https://192.168.1.5/kq.pdf"}]}),
    ("28", {"DanhSachGiayToKetQua": [{"DuongDanTepTinKetQua": "D:\\kq.pdf"}]}),
    ("31", {"NgayTra": "20261119180000"}),
    ("32", {"TrangThaiHoSo": 2}),
    ("32", {"DanhSachLePhi": [{"Gia": 0}]}),
    ("32", {"TaiLieuNop": "tep.pdf"}),
    ("33", {"MaLinhVuc": "G17-XD01"}),
    ("11", {"MaHoSo": "H05.12-261117-0000"}),
]


def test_dossiers_that_are_refused_do_not_stop_the_others(portal, desk):
    desk.call(SEND, [dossier(0)])
    items = [dossier(n, **changed) for n, (_, changed) in enumerate(REFUSED_DOSSIERS, start=100)]
    batch = [each for n, item in enumerate(items, start=200) for each in (dossier(n), item)]
    status, told, _, answer = desk.call(SEND, batch)
    assert (status, told, answer["soBanGhi"]) == (200, "00", str(len(items)))
    lines = answer["result"]
    assert [line["MaHoSo"] for line in lines] == [item["MaHoSo"] for item in batch]
    assert {line["error_code"] for line in lines[::2]} == {"00"}
    for (code, changed), line in zip(REFUSED_DOSSIERS, lines[1::2], strict=True):
        assert (line["error_code"], line["message"]) == (code, MESSAGES[code]), changed
    assert [(r.kind, r.code) for r in portal.record.refusals()] == [("dossier", code) for code, _ in REFUSED_DOSSIERS]
    assert desk.call(SEND, items[:2])[1] == REFUSED_DOSSIERS[0][0], "the whole request, when nothing is applied"


def test_a_dossier_that_was_not_received_has_the_day_on_which_it_was_handed_in(desk):
    handed_in = {"NgayTiepNhan": "", "NgayNopHoSo": "20261117203000"}
    assert desk.call(SEND, [dossier(1, TrangThaiHoSo="1", **handed_in), dossier(2, TrangThaiHoSo="2", **handed_in)])[2] == {
        dossier(1)["MaHoSo"]: "00", dossier(2)["MaHoSo"]: "20",
    }  # fmt: skip
    assert desk.call(SEND, [dossier(1)], "True")[1] == "00", "received now"


REFUSED_STEPS = [
    ("12", {"MaHoSo": "H05.12-261117-0009"}),
    ("20", {"NguoiXuLy": ""}),
    ("21", {"ThoiDiemXuLy": "2026-11-18"}),
    ("22", {"TrangThai": "0"}),
    ("29", {"TrangThai": "3"}),
    ("30", {"ThoiDiemXuLy": "20261117085959"}),
    ("31", {"ThoiDiemXuLy": "20261119173600"}),
    ("32", {"TrangThai": 9}),
]


def test_steps_that_are_refused(portal, desk):
    desk.call(SEND, [dossier(1)])
    assert desk.call(PROGRESS, [step(1, "4", "20261117090000")])[1] == "00"
    for code, changed in REFUSED_STEPS:
        assert desk.call(PROGRESS, [step(1, "9") | changed])[1] == code, changed
    assert [e.content["TrangThai"] for e in portal.record.effects() if e.kind == "step"] == ["4"]
    assert portal.record.objects("dossier")[dossier(1)["MaHoSo"]]["TrangThaiHoSo"] == "4"


def test_which_status_may_follow_which(desk):
    """Every pair of the ten; the expected ones are spelled out."""
    follows = {"1": "2 3 7", "2": "4 5 6 7 8 9 10", "3": "", "4": "4 5 6 7 8 9 10", "5": "2 4 7 8", "6": "4 7 8 9"}
    follows |= {"7": "8 10", "8": "10", "9": "10", "10": ""}
    assert set(follows) == set(STATUSES) == set(NEXT)
    numbers = {pair: i for i, pair in enumerate((a, b) for a in STATUSES for b in STATUSES)}
    desk.call(SEND, [dossier(n, TrangThaiHoSo=a, NgayNopHoSo="20261117080000") for (a, _), n in numbers.items()])
    told = desk.call(PROGRESS, [step(n, b) for (_, b), n in numbers.items()])[2]
    for (a, b), n in numbers.items():
        assert told[dossier(n)["MaHoSo"]] == ("00" if b in follows[a].split() else "29"), f"{a} -> {b}"


def test_an_agency_of_the_list_is_known_from_its_first_to_its_last_day(portal, desk):
    end = date(2026, 11, 19)
    portal.know(
        None,
        [
            Agency("H05.12", None, end),
            Agency("H05.13", end + timedelta(days=1)),
            Agency.of({"MaCoQuan": "000.00.14.H05"}),
        ],
    )
    codes = ["H05.12", "000.00.12.H05", "H05.13", "H05.14", "H05.15"]
    told = desk.call(SEND, [dossier(1, MaHoSo=f"{code}-261117-0001") for code in codes])[2]
    assert [told[f"{code}-261117-0001"] for code in codes] == ["00", "00", "26", "00", "26"]
    portal.record.set_clock(CLOCK + timedelta(days=1))
    told = desk.call(SEND, [dossier(2, MaHoSo=f"{code}-261117-0002") for code in codes])[2]
    assert [told[f"{code}-261117-0002"] for code in codes] == ["26", "26", "00", "00", "26"]
    kept = dossier(1, MaHoSo="H05.12-261117-0001", TrangThaiHoSo="4")
    assert desk.call(SEND, [kept], "True")[1] == "00", "a dossier outlives its agency"


def test_both_styles_of_agency_code():
    same = {"000.00.12.H05": "H05.12", "000.34.12.H05": "H05.12.34", "000.00.00.H05": "H05", "H05.12.34": "H05.12.34"}
    assert {code: agency_of(code) for code in same} == same
    assert [agency_of(code) for code in ("", "H5", "h05.12", "000.12.H05", "H05.", "05.12", "H05." + "1" * 32)] == [
        None
    ] * 7


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code", "applied"),
    [
        ("drop", None, 0),
        ("drop_after", None, 4),
        ("error500", 500, 0),
        ("error500_after", 500, 4),
        ("error502", 502, 0),
        ("too_many", 429, 0),
        ("error_code", "99", 0),
        ("error_code_after", "99", 4),
        ("wrong_code", "A7", 4),
        ("expired", "02", 0),
        ("half", "00", 2),
        ("half_silent", None, 2),
        ("miscount", "00", 4),
        ("late", None, 4),
        ("late504", 504, 4),
        ("restart", None, 0),
        ("hang", None, 0),
        ("expired_midway", "02", 2),
        ("contrary", "11", 0),
        ("old_list", "26", 0),
        ("skew", "31", 0),
        ("utc", "31", 0),
    ],
)
def test_each_fault_does_what_it_says(portal, desk, kind, code, applied):
    """Four dossiers of an agency that exists since 1 July 2025, received just now."""
    portal.know(PROCEDURES, [Agency("H05.12", date(2025, 7, 1))])
    portal.plan = DvcqgFaults((Fault(1, kind, SEND),), hang_seconds=0.2, late_seconds=0.2, restart_seconds=0.2)
    batch = [dossier(n, MaHoSo=f"H05.12-261119-{n:04d}", NgayTiepNhan="20261119172900") for n in range(4)]
    if code is None:
        with pytest.raises(Lost):
            desk.call(SEND, batch)
    else:
        status, told, _, answer = desk.call(SEND, batch)
        assert (told if isinstance(code, str) else status) == code
        assert kind != "miscount" or answer["soBanGhi"] == "5"
        assert kind != "half" or [line["error_code"] for line in answer["result"]] == ["00", "00", "99", "99"]
    wait_for(lambda: portal.is_up and len([r for r in portal.record.requests() if r.fault]) == 1, "never dealt with")
    assert [e.key for e in portal.record.effects()] == [each["MaHoSo"] for each in batch[:applied]]
    (struck,) = [r for r in portal.record.requests() if r.fault]
    assert (struck.fault, struck.service, struck.number) == (kind, SEND, 1)
    if kind in ("expired", "expired_midway", "restart"):
        assert desk.call(FIND, mahoso="x")[1] == "02", "the old session is dead"
        desk.login()
    rest = [each for each in batch if not desk.call(FIND, mahoso=each["MaHoSo"])[3]["result"]]
    assert rest == batch[applied:], "who asks is told the truth"
    assert not rest or desk.call(SEND, rest)[1] == "00"


def test_what_exists_is_denied_and_what_does_not_is_claimed(portal, desk):
    desk.call(SEND, [dossier(1)])
    portal.plan = DvcqgFaults(
        (
            Fault(1, "contrary", FIND),
            Fault(2, "contrary", FIND),
            Fault(2, "contrary", SEND),
            Fault(1, "contrary", PROGRESS),
        )
    )
    assert desk.call(FIND, mahoso=dossier(1)["MaHoSo"])[3]["result"] == []
    assert [found["MaHoSo"] for found in desk.call(FIND, mahoso="H05-261117-0007")[3]["result"]] == ["H05-261117-0007"]
    assert desk.call(SEND, [dossier(1)], "True")[1] == "12"
    assert desk.call(PROGRESS, [step(1, "4")])[1] == "12"
    assert len(portal.record.effects()) == 1


def test_order_is_not_looked_at(portal, desk):
    desk.call(SEND, [dossier(1)])
    portal.plan = DvcqgFaults((Fault(1, "lax_order", PROGRESS),))
    backwards = [step(1, "10", "20261118150000"), step(1, "4", "20261117150000")]
    assert desk.call(PROGRESS, backwards)[3]["soBanGhi"] == "2"
    assert portal.record.objects("dossier")[dossier(1)["MaHoSo"]]["TrangThaiHoSo"] == "4", "as it came last"
    assert desk.call(PROGRESS, [step(1, "9", "20261117140000")])[1] == "30"


def test_a_session_dies_of_age_and_of_use(portal, desk):
    portal.plan = DvcqgFaults(token_requests=3)
    assert [desk.call(FIND, mahoso="x")[1] for _ in range(4)] == ["00", "00", "00", "02"]
    assert desk.login() == "00" and desk.call(FIND, mahoso="x")[1] == "00"
    portal.plan = DvcqgFaults(token_seconds=0)
    assert desk.call(FIND, mahoso="x")[1] == "02"


def test_a_login_goes_wrong_too(portal, desk):
    portal.plan = DvcqgFaults((Fault(2, "error502", "token"), Fault(3, "hang", "token")), hang_seconds=0.1)
    assert desk.send("POST", LOGIN_PATH, {"username": desk.key, "password": desk.secret})[0] == 502
    with pytest.raises(Lost):
        desk.login()
    assert desk.login() == "00"
    assert desk.secret not in str(portal.record.requests())


def test_every_kind_strikes_by_its_probability_and_by_nothing_but_the_seed(portal, desk):
    """Forty requests with a plan of chance are struck as the plan says beforehand."""
    chances = dict.fromkeys(("drop_after", "error_code", "half", "contrary", "too_many"), 0.08)
    portal.plan = plan = DvcqgFaults(probabilities=chances, seed=5, services=(SEND,))
    expected = [plan.at(SEND, n, n) for n in range(1, 41)]
    assert set(expected) == {*chances, None}
    for n in range(40):
        try:
            desk.call(SEND, [dossier(n)])
        except Lost:
            assert expected[n] == "drop_after"
    assert [r.fault for r in portal.record.requests() if r.service == SEND] == expected
    kinds = {kind for service in SERVICES for n in range(1, 3000) if (kind := DvcqgFaults(
        probabilities=dict.fromkeys(DvcqgFaults.kinds(), 0.04), seed=1).at(service, n, n))}  # fmt: skip
    assert kinds == set(DvcqgFaults.kinds()), "each of them happens"


# --- memory ----------------------------------------------------------------------------------------------------------


def test_the_record_survives_kills_in_the_middle_of_the_load(tmp_path):
    """Every answered batch is there, every unanswered one is there whole or not at all."""
    (tmp_path / "lists").mkdir()
    rows = "\n".join(",".join(row.values()) for row in PROCEDURES)
    (tmp_path / "lists" / "procedures.csv").write_text(
        f"MATTHC,TENTTHC,MALINHVUC,TENLINHVUC\n{rows}\n", encoding="utf-8"
    )
    home = tmp_path / "dvcqg"
    options = ("--lists", tmp_path / "lists", "--clock", "2026-11-19 17:30:00")
    answered, sent, ports = set(), 0, set()
    for life in range(2):
        process, client = serve("dvcqg", home, *options)
        desk = Desk(**vars(client))
        desk.login()
        ports.add((desk.base, desk.secret))
        try:
            while True:
                batch, sent = sent, sent + 1
                if len(answered) == 3 * (life + 1):  # this one is on its way when the process dies
                    threading.Timer(0.02, process.kill).start()
                answer = desk.call(SEND, [dossier(batch * 300 + n) for n in range(300)])[3]
                assert answer["soBanGhi"] == "300"
                answered.add(batch)
        except Lost:
            assert process.wait() == -signal.SIGKILL
        finally:
            process.kill()
            process.wait()
    process, client = serve("dvcqg", home)
    desk = Desk(**vars(client))
    try:
        desk.login()
        assert len(ports) == 1 and (desk.base, desk.secret) in ports
        held = Counter(int(e.key[-4:]) // 300 for e in Record(home).effects())
        assert set(held.values()) == {300} and answered <= set(held) <= set(range(sent))
        assert desk.call(SEND, [dossier(0)])[1] == "11", "the clock and the lists of before are not needed to know it"
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert not (home / "dvcqg.json").exists()


def test_every_message_has_its_test():
    tested = {case[0] for case in (*REFUSED_REQUESTS, *REFUSED_DOSSIERS, *REFUSED_STEPS)}
    assert tested | {"00", "99"} | {"01"} == set(MESSAGES), (
        "99 comes with half a batch, 01 in the committed conversation"
    )
