"""The service behind the gateway: every record exactly once, whatever the network, the token and moving data do."""

from __future__ import annotations

import base64
import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestration.contracts import Contract, assets_root, load
from orchestration.errors import KhoError, Transient
from orchestration.sources import Delivery, lgsp_client, open_source, parse, test_source

MARK = "Trần Văn Bí Mật"
Fault = Callable[["Handler"], bool]


def record(number: int, moment: str, **other: Any) -> dict[str, Any]:
    return {"MaSoDN": f"23{number:08d}", "NgayThayDoi": moment, "NguoiDaiDien": MARK, "LaFDI": "False"} | other


class Service:
    """A gateway and its records. `faults[n]` handles the nth question for records (from 1) and says if it did."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.faults: dict[int, Fault] = {}
        self.questions: list[dict[str, str]] = []
        self.logins = 0
        self.life: Any = 3600
        self.revoked: set[str] = set()
        self.before: Callable[[int], None] = lambda n: None
        self.total_is: Callable[[int], int] = lambda n: n
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.service = self  # type: ignore[attr-defined]
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def page(self, query: dict[str, str]) -> dict[str, Any]:
        found = [r for r in self.records if r.get("NgayThayDoi", "") >= query["tuNgay"]]
        found.sort(key=lambda r: (r.get("NgayThayDoi", ""), r["MaSoDN"]))
        size, number = int(query["kichThuoc"]), int(query["trang"])
        data = found[(number - 1) * size : number * size]
        total = str(self.total_is(len(found)))
        return {"error_code": "00", "message": "", "tongSo": total, "trang": str(number), "data": data}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else every answer waits for a delayed acknowledgement

    def answer(self, status: int, body: bytes, cut: int = 0, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])
        if cut:
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True

    def json(self, status: int, body: Any, **headers: str) -> None:
        self.answer(status, json.dumps(body).encode(), **headers)

    @property
    def service(self) -> Service:
        return self.server.service  # type: ignore[attr-defined, no-any-return]

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        good = self.headers["Authorization"] == "Basic " + base64.b64encode(b"key:s3cret").decode()
        if self.path != "/token" or form != "grant_type=client_credentials" or not good:
            return self.json(401, {"error": "invalid_client", "error_description": MARK})
        self.service.logins += 1
        body = {"access_token": f"t{self.service.logins}", "token_type": "Bearer", "expires_in": self.service.life}
        return self.json(200, body)

    def do_GET(self) -> None:
        service, parts = self.service, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        service.questions.append(query)
        number = len(service.questions)
        token = self.headers["Authorization"].removeprefix("Bearer ")
        if number in service.faults and service.faults[number](self):
            return None
        if token != f"t{service.logins}" or token in service.revoked:
            return self.json(401, {"code": "900901", "message": "Invalid Credentials", "description": MARK})
        service.before(number)
        return self.json(200, service.page(query))

    def log_message(self, *_: Any) -> None:
        pass


def status(code: int, **headers: str) -> Fault:
    return lambda handler: handler.answer(code, f"<html>{MARK}</html>".encode(), **headers) is None


def refused_with(code: str) -> Fault:
    return lambda handler: handler.json(200, {"error_code": code, "message": MARK}) is None


def cut(handler: Handler) -> bool:
    body = json.dumps(handler.service.page(handler.service.questions[-1])).encode()
    handler.answer(200, body, cut=len(body) // 2)
    return True


def hang_up(handler: Handler) -> bool:
    handler.connection.shutdown(2)
    handler.close_connection = True
    return True


def revoke(handler: Handler) -> bool:
    handler.service.revoked.add(f"t{handler.service.logins}")
    return False


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(lgsp_client.time, "sleep", waited.append)
    return waited


@pytest.fixture(scope="module")
def contract() -> Contract:
    declared = load(assets_root() / "national" / "enterprise_registry" / "enterprise.yaml")
    return replace(declared, source=replace(declared.source, options={**declared.source.options, "page_size": "3"}))


def env(service: Service) -> dict[str, str]:
    return {
        "KHO_SOURCE_ENTERPRISES": service.base,
        "KHO_SOURCE_ENTERPRISES_KEY": "key",
        "KHO_SOURCE_ENTERPRISES_SECRET": "s3cret",
    }


def take(contract: Contract, service: Service, cursor: str | None = None) -> tuple[list[dict[str, Any]], Delivery]:
    deliveries = open_source(contract, cursor, env(service))
    delivery = next(deliveries)
    text = b"".join(delivery.chunks).decode()
    assert list(deliveries) == []
    return [json.loads(line) for line in text.splitlines()], delivery


def drain(contract: Contract, environment: dict[str, str]) -> None:
    for delivery in open_source(contract, None, environment):
        for _ in delivery.chunks:
            pass


def days(count: int) -> list[dict[str, Any]]:
    return [record(n, f"202510{n:02d}080000") for n in range(1, count + 1)]


def test_everything_page_by_page(contract: Contract, service: Service) -> None:
    service.records = days(10)
    service.records[3]["Khac"] = "x"
    records, delivery = take(contract, service)
    assert records == service.records
    assert (delivery.encoding, delivery.extra, delivery.cursor_after()) == ("json", ("Khac",), "20251010080000")
    assert (service.questions[0]["tuNgay"], service.logins) == ("19000101000000", 1)


def test_since_the_cursor_less_the_look_back(contract: Contract, service: Service) -> None:
    service.records = days(10)
    records, delivery = take(contract, service, "20251009081000")
    assert service.questions[0]["tuNgay"] == "20251009075500"
    assert [r["NgayThayDoi"] for r in records] == ["20251009080000", "20251010080000"]
    assert delivery.cursor_after() == "20251010080000"


def test_nothing_new_keeps_the_cursor(contract: Contract, service: Service) -> None:
    records, delivery = take(contract, service, "20251009080000")
    assert (records, delivery.cursor_after()) == ([], "20251009080000")


def test_more_records_of_one_moment_than_a_page_holds(contract: Contract, service: Service) -> None:
    service.records = [*days(2), *(record(n, "20251005080000") for n in range(100, 111)), record(200, "20251006080000")]
    records, _ = take(contract, service)
    assert sorted(r["MaSoDN"] for r in records) == sorted(r["MaSoDN"] for r in service.records)


def test_identical_records_are_all_handed_on(contract: Contract, service: Service) -> None:
    service.records = [record(1, "20251005080000")] * 5 + days(2)
    records, _ = take(contract, service)
    assert len(records) == 7


@pytest.mark.parametrize("moved", range(1, 11))
def test_a_record_that_changes_between_pages_hides_no_other(contract: Contract, service: Service, moved: int) -> None:
    service.records = days(10)

    def change(question: int) -> None:
        if question == 2:
            service.records[moved - 1] = record(moved, "20251020080000")

    service.before = change
    records, delivery = take(contract, service)
    assert {r["MaSoDN"] for r in records} == {f"23{n:08d}" for n in range(1, 11)}
    assert delivery.cursor_after() == "20251020080000"
    assert {r["MaSoDN"]: r for r in records}[f"23{moved:08d}"]["NgayThayDoi"] == "20251020080000"


def test_one_of_many_at_one_moment_changes_between_pages(contract: Contract, service: Service) -> None:
    service.records = [record(n, "20251005080000") for n in range(1, 11)]

    def change(question: int) -> None:
        if question == 2:
            service.records[0] = record(1, "20251020080000")

    service.before = change
    records, _ = take(contract, service)
    assert {r["MaSoDN"] for r in records} == {f"23{n:08d}" for n in range(1, 11)}


def test_new_records_between_pages(contract: Contract, service: Service) -> None:
    service.records = days(8)
    service.before = lambda question: (
        service.records.append(record(100 + question, "20251105080000")) if question < 4 else None
    )
    records, _ = take(contract, service)
    assert {r["MaSoDN"] for r in records} == {r["MaSoDN"] for r in service.records}


def test_a_total_that_is_never_reached(contract: Contract, service: Service, waits: list[float]) -> None:
    service.records = days(4)
    service.total_is = lambda n: n + 1
    with pytest.raises(Transient) as refused:
        take(contract, service)
    assert refused.value.code == "count"


def test_records_without_a_usable_moment_move_no_cursor(contract: Contract, service: Service) -> None:
    service.records = [*days(4), record(8, "31/12/2025"), record(9, "99991399000000")]
    records, delivery = take(contract, service)
    assert len(records) == 6
    assert delivery.cursor_after() == "20251004080000"


@pytest.mark.parametrize(
    "fault",
    [status(502), status(503), status(500), refused_with("99"), cut, hang_up, revoke, status(200), status(429)],
    ids=["502", "503", "500", "code 99", "cut", "hang up", "token revoked", "html", "429"],
)
def test_faults_of_the_moment_lose_nothing(
    contract: Contract, service: Service, waits: list[float], fault: Fault
) -> None:
    service.records = days(10)
    service.faults = {2: fault, 4: fault}
    records, _ = take(contract, service)
    assert records == service.records
    assert all(wait <= lgsp_client.LONGEST_WAIT for wait in waits)


def test_retry_after_is_honoured_within_bounds(contract: Contract, service: Service, waits: list[float]) -> None:
    service.records = days(2)
    service.faults = {1: status(429, Retry_After="7"), 2: status(429, Retry_After="86400")}
    take(contract, service)
    assert waits == [7.0, lgsp_client.LONGEST_WAIT]


def test_the_token_is_renewed_by_our_own_clock(contract: Contract, service: Service) -> None:
    service.records, service.life = days(10), 0
    take(contract, service)
    assert service.logins == len(service.questions)


@pytest.mark.parametrize("fault", [status(502), cut, refused_with("99")], ids=["502", "cut", "code 99"])
def test_a_source_that_stays_down(contract: Contract, service: Service, waits: list[float], fault: Fault) -> None:
    service.records = days(2)
    service.faults = dict.fromkeys(range(1, 20), fault)
    with pytest.raises(Transient) as refused:
        take(contract, service)
    assert len(service.questions) == lgsp_client.ATTEMPTS
    assert len(waits) == lgsp_client.ATTEMPTS - 1
    assert "/apiCSDLDKDN/1.0/danhSachDoanhNghiep" in str(refused.value)
    tells_nothing(refused.value)


@pytest.mark.parametrize(
    "fault",
    [
        status(403),
        status(404),
        refused_with("01"),
        refused_with(MARK),
        lambda h: h.json(200, {"error_code": "00"}) is None,
    ],
    ids=["403", "404", "code 01", "code unreadable", "no data"],
)
def test_a_refusal_is_not_repeated(contract: Contract, service: Service, waits: list[float], fault: Fault) -> None:
    service.faults = {1: fault}
    with pytest.raises(KhoError) as refused:
        take(contract, service)
    assert not refused.value.transient
    assert (len(service.questions), waits) == (1, [])
    tells_nothing(refused.value)


def test_a_token_that_is_never_accepted(contract: Contract, service: Service) -> None:
    service.faults = dict.fromkeys((1, 2), revoke)
    with pytest.raises(KhoError) as refused:
        take(contract, service)
    assert refused.value.where["rule"] == "401"
    assert len(service.questions) == 2


def test_wrong_credentials_and_missing_variable(contract: Contract, service: Service) -> None:
    with pytest.raises(KhoError) as refused:
        drain(contract, env(service) | {"KHO_SOURCE_ENTERPRISES_SECRET": "wrong"})
    assert refused.value.code == "login_refused"
    tells_nothing(refused.value)
    with pytest.raises(KhoError) as missing:
        drain(contract, {"KHO_SOURCE_ENTERPRISES": service.base})
    assert missing.value.where == {"variable": "KHO_SOURCE_ENTERPRISES_KEY"}


def test_nobody_listens(contract: Contract, service: Service, waits: list[float]) -> None:
    with pytest.raises(Transient) as refused:
        drain(contract, env(service) | {"KHO_SOURCE_ENTERPRISES": "http://127.0.0.1:9"})
    assert refused.value.where["rule"] == "ConnectError"


def tells_nothing(error: KhoError) -> None:
    seen: BaseException | None = error
    while seen is not None:
        for secret in (MARK, "s3cret", "tuNgay"):
            assert secret not in str(seen) and secret not in repr(seen)
        seen = seen.__context__


def test_kept_records_as_copy_text(contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    lines = [
        {
            "MaSoDN": " 2300000001 ",
            "TenTiengViet": 'Công ty "A"\nB',
            "LaFDI": True,
            "VonDieuLe": 12345678901234567890.5,
        },
        {"MaSoDN": None, "Khac": {"a": "ă"}, "SoLanThayDoi": 3, "TenVietTat": "", "status": "x\0"},
    ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("1.2345678901234567e+19", "1.50"), encoding="utf-8")
    columns, stream = parse(contract, "json", path)
    text = b"".join(stream).decode()
    first, second = (dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text)))
    assert columns[:2] == ("_row", "enterprise_code") and columns[-2:] == ("Khac", "status (+)")
    assert (first["_row"], first["enterprise_code"], first["name_vi"]) == ("1", "2300000001", 'Công ty "A"\nB')
    assert (first["is_fdi"], first["charter_capital_vnd"]) == ("True", "1.50")
    assert (second["_row"], second["change_count"], second["Khac"]) == ("2", "3", '{"a":"ă"}')
    assert (second["enterprise_code"], second["changed_at"], second["status (+)"]) == ("", "", "x\ufffd")
    assert "\n2,,,,,,,3," in text, "empty is unquoted"


def test_kept_records_that_are_damaged(contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text('{"MaSoDN": "1"}\n{"MaSoDN": "Bí\n', encoding="utf-8")
    with pytest.raises(KhoError) as refused:
        parse(contract, "json", path)
    assert (refused.value.where["row"], refused.value.__context__) == (2, None)


def test_probe(contract: Contract, service: Service) -> None:
    service.records = days(3)
    with pytest.raises(KhoError) as refused:
        test_source(contract, env(service))
    assert refused.value.code == "schema_drift" and "VonDieuLe" in refused.value.vi
    service.records = [dict.fromkeys([c.source_name for c in contract.columns], "") | record(1, "20251005080000")]
    assert test_source(contract, env(service))[-1] == "Đủ 16 trường của hợp đồng"
