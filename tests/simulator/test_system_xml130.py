"""Packages of health insurance and the gateway that hands them out, seen with curl, unzip and an XML parser.

Belongs here: archives, envelopes, what is in them, who gets them, days. Stays out: the box.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest

import simulator.systems as systems
from simulator.systems.insurance import FETCH, LIST, TOKEN, Insurance
from simulator.systems.plan import REST_KINDS, FaultPlan
from simulator.systems.texts import base64_of, json_rows, xml_rows

from .systems_curl import FAILED, curl
from .systems_fakes import TinyProvince, visit_view

EXAMPLES = Path(systems.__file__).parent / "examples"


def made(tmp_path, plan=None, day=0):
    system = Insurance(tmp_path / "xml130", [visit_view()], plan or FaultPlan(), tmp_path / "xml130.jsonl")
    system.load(TinyProvince(), day)
    system.start()
    return system


@pytest.fixture
def system(tmp_path):
    found = made(tmp_path)
    yield found
    found.stop()


def take(system, **changed):
    form = {
        "username": system.env["user"],
        "password": hashlib.md5(system.env["password"].encode()).hexdigest(),
    } | changed
    body = "&".join(f"{name}={value}" for name, value in form.items())
    return curl(system.web.base + TOKEN, "--data", body).json


def let_in(system):
    return {"Authorization": f"Bearer {take(system)['APIKey']['access_token']}"}


def visits_of(content):
    """(facility, day, visits) of an archive, as a receiver would take it apart."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        (name,) = archive.namelist()
        root = ElementTree.fromstring(archive.read(name))
    assert root.tag == "GIAMDINHHS" and root.find("CHUKYDONVI") is not None
    facility, day = root.findtext("THONGTINDONVI/MACSKCB"), root.findtext("THONGTINHOSO/NGAYLAP")
    files = root.findall("THONGTINHOSO/DANHSACHHOSO/HOSO/FILEHOSO")
    assert name == f"{facility}_{day}.xml" and root.findtext("THONGTINHOSO/SOLUONGHOSO") == str(len(files))
    assert {file.findtext("LOAIHOSO") for file in files} == {"XML1"}
    inner = [ElementTree.fromstring(base64.b64decode(file.findtext("NOIDUNGFILE"), validate=True)) for file in files]
    assert {each.tag for each in inner} == {"TONG_HOP"}
    return facility, day, [{field.tag: field.text or "" for field in each} for each in inner]


def everything(system, **query):
    """Facility and day -> visits, through list and download."""
    headers, found = let_in(system), {}
    text = "&".join(f"{k}={v}" for k, v in query.items())
    listed = curl(f"{system.web.base}{LIST}?{text}", headers=headers).json
    assert listed["maKetQua"] == "200" and int(listed["tongSo"]) == len(listed["danhSach"])
    for one in listed["danhSach"]:
        reply = curl(system.web.base + FETCH + one["maGiaoDich"], headers=headers)
        assert str(len(reply.body)) == one["kichThuoc"] and one["tenTep"] in reply.headers["Content-Disposition"]
        facility, day, visits = visits_of(reply.body)
        assert (facility, day, str(len(visits))) == (one["maCSKCB"], one["ngayLap"], one["soLuongHoSo"])
        found[one["maGiaoDich"]] = visits
    return found


def test_every_visit_is_in_one_package_of_its_facility_and_day(system):
    found = everything(system)
    assert len(found) == 29 * 4, "four facilities, each day from the second of the flows on: visits are sent a day late"
    numbers = [visit["MA_LK"] for visits in found.values() for visit in visits]
    assert sorted(numbers) == [f"LK{n:08d}" for n in range(290)]
    visits = {visit["MA_LK"]: visit for visits in found.values() for visit in visits}
    assert visits["LK00000287"] == {
        "MA_LK": "LK00000287", "HO_TEN": "Trần & Hoà <Bình>", "MAHUYEN_CU_TRU": "", "NGAY_RA": "202611181000",
        "T_TONGCHI_BV": "287000", "MA_CSKCB": "2700A",
    }  # fmt: skip
    assert visits["LK00000287"] in found["2700A-20261119"]
    assert set(everything(system, ngay="20261119", maCSKCB="24002")) == {"24002-20261119"}


def test_a_day_brings_its_visits_and_those_that_were_put_right(tmp_path, system):
    system.advance(TinyProvince(), 1)
    system.advance(TinyProvince(), 2)
    system.advance(TinyProvince(), 3)
    today = [visit for visits in everything(system, ngay="20261122").values() for visit in visits]
    fresh = [f"LK{n:08d}" for n in range(310, 320)]
    assert sorted(visit["MA_LK"] for visit in today) == ["LK00000290", *fresh]
    assert next(v for v in today if v["MA_LK"] == "LK00000290")["T_TONGCHI_BV"] == "290001"
    anew = made(tmp_path / "anew", day=3)
    try:
        first, second = (
            {path.relative_to(each.home): path.read_bytes() for path in each.home.rglob("*.zip")}
            for each in (anew, system)
        )
        assert len(first) > 116 and first == second, "the same to the byte whatever ran before"
        assert list(anew.web.received) == list(system.web.received)
    finally:
        anew.stop()


def test_a_package_is_sent_again_a_day_later(tmp_path):
    system = made(tmp_path, FaultPlan(rates={"again": 1.0}))
    try:
        system.advance(TinyProvince(), 1)
        found = everything(system, ngay="20261120")
        assert len(found) == 8 and found["24001-20261120-L2"] == everything(system, ngay="20261119")["24001-20261119"]
        system.advance(TinyProvince(), 2)
        assert sum(number.endswith("-L2") for number in everything(system, ngay="20261121")) == 4, "once is enough"
    finally:
        system.stop()


def test_who_gets_packages(system):
    assert take(system, password="x")["maKetQua"] == "401" and take(system, username="x")["maKetQua"] == "401"
    body = json.dumps(
        {"username": system.env["user"], "password": hashlib.md5(system.env["password"].encode()).hexdigest()}
    )
    token = curl(system.web.base + TOKEN, "--json", body).json["APIKey"]
    assert curl(f"{system.web.base}{LIST}?token={token['access_token']}&id_token={token['id_token']}").status == 200
    assert curl(system.web.base + LIST).status == 401
    assert curl(system.web.base + LIST, headers={"Authorization": "Bearer x"}).json["maKetQua"] == "401"
    headers = let_in(system)
    assert curl(system.web.base + FETCH + "24001-20990101", headers=headers).json["maKetQua"] == "404"
    assert curl(f"{system.web.base}{LIST}?trang=0", headers=headers).json["maKetQua"] == "402"
    assert token["access_token"] not in system.web.record.file.read_text()


def test_every_fault_of_a_seeded_plan_really_happens(tmp_path):
    plan = FaultPlan.seeded(7, slow_seconds=0.2, timeout_seconds=0.2)
    expected = {fault.request: fault.kind for fault in plan.faults if fault.system == "xml130"}
    assert sorted(expected.values()) == sorted(REST_KINDS)
    system = made(tmp_path, plan)
    try:
        headers, looks = let_in(system), {}
        for request in range(1, 16):
            reply = curl(f"{system.web.base}{FETCH}24001-20261119", headers=headers, seconds=5)
            looks[request] = (reply.code, reply.status, reply.headers.get("Content-Type", "").split("/")[-1])
            if expected.get(request) == "expired":
                headers = let_in(system)
        struck = [entry["fault"] for entry in system.record() if entry["fault"]]
    finally:
        system.stop()
    whole, js = (0, 200, "zip"), "json; charset=utf-8"
    of = {"too_many": (0, 429, js), "bad_gateway": (0, 502, "html"), "timeout": (FAILED["empty"], 0, ""), "slow": whole,
          "cut": (FAILED["partial"], 200, "zip"), "error_code": (0, 200, js), "expired": (0, 401, js)}  # fmt: skip
    assert looks == {n: of[expected[n]] if n in expected else whole for n in range(1, 16)}
    assert struck == [expected[n] for n in sorted(expected)]


def test_the_committed_package_is_of_the_same_shape(system):
    example = ElementTree.parse(EXAMPLES / "xml130_package.xml").getroot()
    inner = base64.b64decode("".join(example.findtext(".//NOIDUNGFILE").split()))
    assert inner.decode().strip() == (EXAMPLES / "xml130_visit.xml").read_text(encoding="utf-8").strip()
    packed = system.web.received["24001-20261119"].package.file
    with zipfile.ZipFile(packed) as archive:
        ours = ElementTree.fromstring(archive.read(archive.namelist()[0]))
    assert list(dict.fromkeys(e.tag for e in ours.iter())) == list(dict.fromkeys(e.tag for e in example.iter()))


def test_rows_become_json_and_xml_whatever_is_in_them():
    texts = ['say "no"\\\n\t\x01', None, "", "<b>&amp;</b>", "Ạ\u0301 😀", "]]>"]
    rows = pa.table({"a": pa.array(texts, pa.string()), "b_1": pa.array([str(n) for n in range(6)])})
    assert [json.loads(text)["a"] for text in json_rows(rows).to_pylist()] == texts
    for part in (rows, rows.slice(2, 3), rows.slice(1, 1)):
        xml = [ElementTree.fromstring(text) for text in xml_rows(part, "R").to_pylist()]
        wanted = [(text or "").replace("\x01", "?") for text in part["a"].to_pylist()]
        assert [each.findtext("a") for each in xml] == wanted
        encoded = base64_of(xml_rows(part, "R")).to_pylist()
        assert [base64.b64decode(text).decode().rstrip(" ") for text in encoded] == xml_rows(part, "R").to_pylist()
    with pytest.raises(ValueError, match="No name in XML: Họ tên"):
        xml_rows(pa.table({"Họ tên": ["x"]}), "R")
