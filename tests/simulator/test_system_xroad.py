"""SOAP services of X-Road, seen with zeep, and with curl where a client library would not let it go wrong.

Belongs here: the description, headers, ranges and pages, faults. Stays out: the box.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
import zeep
from zeep.plugins import HistoryPlugin

import simulator.systems as systems
from simulator.systems.plan import STRIKES, FaultPlan
from simulator.systems.xroad import XRoad
from simulator.systems.xroad_messages import SHA512, XROAD

from .systems_curl import curl
from .systems_fakes import TinyProvince, person_view, truth

EXAMPLES = Path(systems.__file__).parent / "examples"
RECORD = "{http://justice.bacninh.x-road.vn}BanGhi"
XML = {"Content-Type": "text/xml; charset=UTF-8"}


def made(tmp_path, plan=None):
    views = [
        person_view("xroad", "getHoTich", "text", "justice", title_vi="Sự kiện hộ tịch", key=("so_dinh_danh",)),
        person_view("xroad", "getGiayChungSinh", "text", "health"),
    ]
    system = XRoad(tmp_path / "xroad", views, plan or FaultPlan(), tmp_path / "xroad.jsonl")
    system.load(TinyProvince(), 0)
    system.start()
    return system


@pytest.fixture
def system(tmp_path):
    found = made(tmp_path)
    yield found
    found.stop()


class Caller:
    """zeep, with the headers of X-Road."""

    def __init__(self, system, agency="justice"):
        there = system.env[agency]
        self.history = HistoryPlugin()
        self.client = zeep.Client(there["wsdl"], plugins=[self.history])
        (service,) = there["services"].values()
        self.headers = {
            "client": identifier("SUBSYSTEM", **there["client"]),
            "service": identifier("SERVICE", **service),
            "id": "4894e35d-bf0f-44a6-867a-8e51f1daa7e0",
            "userId": "VN097000000001",
            "protocolVersion": "4.0",
        }
        self.code = service["service"]

    def __call__(self, headers=None, **values):
        return self.client.service[self.code](**values, _soapheaders=self.headers | (headers or {}))


def identifier(kind, **parts):
    names = {"instance": "xRoadInstance", "class": "memberClass", "member": "memberCode", "subsystem": "subsystemCode",
             "service": "serviceCode", "version": "serviceVersion"}  # fmt: skip
    return {"objectType": kind} | {names[name]: value for name, value in parts.items()}


def test_rows_of_a_range_of_days_come_page_by_page(system):
    system.advance(TinyProvince(), 1)
    system.advance(TinyProvince(), 2)
    call, found, number = Caller(system), [], 1
    while True:
        answer = call(TuNgay="20261120", DenNgay="20261120", Trang=str(number), KichThuoc="30")
        body = answer.body
        assert (body.MaLoi, body.Trang) == ("00", str(number))
        found += body.DanhSach.BanGhi
        if len(found) == int(body.TongSo):
            break
        number += 1
    expected = sorted(
        (r for r in truth(2) if f"{r['changed']:%Y%m%d}" == "20261120"), key=lambda r: (r["changed"], r["id"])
    )
    assert number == 3 and [row.so_dinh_danh for row in found] == [row["code"] for row in expected]
    assert [row.ho_ten for row in found] == [row["name"] for row in expected], "names with & and quotes survive"
    assert call().body.TongSo == Caller(system, "health")().body.TongSo == str(len(truth(2)))


def test_the_answer_repeats_the_headers_and_proves_the_question(system):
    call = Caller(system)
    answer = call(Trang="1", KichThuoc="1")
    assert answer.header.id == call.headers["id"] and answer.header.userId == "VN097000000001"
    assert answer.header.service.serviceCode == "getHoTich" and answer.header.client.subsystemCode == "kho-du-lieu"
    sent = zeep.wsdl.utils.etree_to_string(call.history.last_sent["envelope"])
    received = call.history.last_received["envelope"]
    proof = received.find(f".//{{{XROAD}}}requestHash")
    assert proof.get("algorithmId") == SHA512
    assert proof.text == base64.b64encode(hashlib.sha512(sent).digest()).decode()


def test_what_the_service_refuses_has_a_code(system):
    call = Caller(system)
    for values in ({"Trang": "0"}, {"KichThuoc": "501"}, {"TuNgay": "2026-11-20"}, {"Trang": "x"}):
        assert call(**values).body.MaLoi == "01", values


def test_a_service_without_a_day_gives_everything_or_says_so(tmp_path):
    view = person_view("xroad", "getHoTich", "text", "justice")
    system = XRoad(tmp_path / "x", [replace(view, columns=view.columns[:2])], FaultPlan(), tmp_path / "x.jsonl")
    system.load(TinyProvince(), 0)
    system.start()
    try:
        call = Caller(system)
        assert call(KichThuoc="500").body.TongSo == "500" and call(TuNgay="20261119").body.MaLoi == "02"
    finally:
        system.stop()


def test_technical_errors_are_faults_as_a_security_server_reports_them(system):
    call = Caller(system)
    wrong = {
        "Server.ServerProxy.AccessDenied": {"client": call.headers["client"] | {"subsystemCode": "khac"}},
        "Server.ClientProxy.UnknownMember": {"client": call.headers["client"] | {"xRoadInstance": "EE"}},
        "Server.ServerProxy.UnknownService": {"service": call.headers["service"] | {"serviceVersion": "v9"}},
        "Client.InvalidProtocolVersion": {"protocolVersion": "3.1"},
    }
    for code, headers in wrong.items():
        with pytest.raises(zeep.exceptions.Fault) as refused:
            call(headers)
        assert refused.value.code == code and refused.value.detail is not None


def post(system, body, **headers):
    return curl(system.env["justice"]["url"], "--data-binary", body, headers=XML | headers)


def code_of(reply):
    return ElementTree.fromstring(reply.body).findtext(".//faultcode")


def test_messages_that_no_client_would_send(system):
    good = (EXAMPLES / "xroad_request.xml").read_text(encoding="utf-8")
    assert post(system, good).status == 200
    cases = {
        "Client.InvalidSoap": "<not closed",
        "Client.MissingHeader": '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>',
        "Client.MissingHeaderField": good.replace("<xrd:id>", "<xrd:no>").replace("</xrd:id>", "</xrd:no>"),
        "Client.MissingBody": good[: good.index("<SOAP-ENV:Body>")] + "<SOAP-ENV:Body/></SOAP-ENV:Envelope>",
        "Client.InvalidBody": good.replace("ns1:getHoTich", "ns1:getKhac"),
    }
    for code, body in cases.items():
        reply = post(system, body)
        assert (reply.status, code_of(reply)) == (500, code), code
    assert code_of(post(system, good, **{"Content-Type": "application/json"})) == "Client.InvalidContentType"
    assert code_of(curl(system.env["justice"]["url"])) == "Client.InvalidHttpMethod"
    assert curl(f"{system.web.base}/nobody?wsdl").status == 404


def test_the_committed_messages_are_those_of_the_service(system):
    """What the examples show is what the service says: the same elements, names of columns apart."""
    reply = post(system, (EXAMPLES / "xroad_request.xml").read_text(encoding="utf-8"))
    example = ElementTree.parse(EXAMPLES / "xroad_response.xml").getroot()
    ours, theirs = (
        [(e.tag, sorted(e.attrib)) for e in tree.iter() if not any(e in row for row in tree.iter(RECORD))]
        for tree in (ElementTree.fromstring(reply.body), example)
    )
    assert ours == theirs
    asked = hashlib.sha512((EXAMPLES / "xroad_request.xml").read_bytes()).digest()
    assert example.findtext(f".//{{{XROAD}}}requestHash") == base64.b64encode(asked).decode()
    fault = ElementTree.parse(EXAMPLES / "xroad_fault.xml").getroot()
    denied = (EXAMPLES / "xroad_request.xml").read_text(encoding="utf-8").replace("kho-du-lieu", "khac")
    refused = ElementTree.fromstring(post(system, denied).body)
    assert [e.tag for e in refused.iter()] == [e.tag for e in fault.iter()]
    assert refused.findtext(".//faultcode") == fault.findtext(".//faultcode")


@pytest.mark.parametrize("seed", [1, 24])
def test_every_fault_of_a_seeded_plan_really_happens(tmp_path, seed):
    plan = FaultPlan.seeded(seed, slow_seconds=0.2, timeout_seconds=0.2)
    system = made(tmp_path, plan)
    seen = {}
    try:
        call = Caller(system)
        for request in range(1, 16):
            try:
                answer = call(KichThuoc="5").body.MaLoi
            except zeep.exceptions.Fault as fault:
                answer = fault.code or "a page"
            except zeep.exceptions.TransportError as error:
                answer = str(error.status_code)
            except requests.exceptions.ChunkedEncodingError:
                answer = "cut"
            except requests.exceptions.ConnectionError:
                answer = "nothing"
            seen[request] = answer
        record = system.record()
    finally:
        system.stop()
    expected = {fault.request: fault.kind for fault in plan.faults if fault.system == "xroad"}
    assert sorted(expected.values()) == sorted(STRIKES["xroad"])
    looks = {
        "too_many": "429",
        "bad_gateway": "a page",
        "timeout": "nothing",
        "cut": "cut",
        "slow": "00",
        "error_code": "99",
    }
    looks["service_failed"] = "Server.ServerProxy.ServiceFailed.HttpError"
    assert seen == {n: looks[expected[n]] if n in expected else "00" for n in range(1, 16)}
    assert [e["fault"] for e in record if e["fault"]] == [expected[n] for n in sorted(expected)]
