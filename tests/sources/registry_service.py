"""A register's service behind a gateway, with faults on demand, and what Kho takes from it.

Belongs here: the far end, the contract with it, deliveries taken whole. Stays out: what must come of it; the simulator's platform.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from orchestration.contracts import Contract, assets_root, load
from orchestration.sources import Delivery, open_source

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


@cache
def enterprises() -> Contract:
    """The contract, three records a page."""
    declared = load(assets_root() / "national" / "enterprise_registry" / "enterprise.yaml")
    source = replace(declared.source, options={**declared.source.options, "page_size": "3"})
    return replace(declared, sources=(source,))


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
