"""The national enterprise registry's far end: an HTTP service behind a gateway of the WSO2 kind.

Belongs here: the wire (token, paging, every value a string), the faults, the record of all requests.
Stays out: the enterprises (`truth`), which request fails (`faults`).

    POST {base}/token                                      Basic key:secret, grant_type=client_credentials
    GET  {base}/apiCSDLDKDN/1.0/danhSachDoanhNghiep        Bearer; tuNgay=yyyyMMddHHmmss (none: from the beginning),
    trang
                                                           from 1, kichThuoc up to 500
    GET  {base}/__record                                   what was asked and answered so far, as a JSON list (no token
    needed)

The record holds numbers only: no token, no enterprise.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulator import datasets as ds
from simulator.clock import TZ
from simulator.faults import FaultPlan
from simulator.truth import Night, Row

LIST_PATH = "/apiCSDLDKDN/1.0/danhSachDoanhNghiep"
STAMP = "%Y%m%d%H%M%S"
MAX_PAGE = 500


def wire_record(row: Row) -> dict[str, str]:
    """One enterprise as it travels: the registry's own names, every value a string, nothing is an empty string."""
    return {source: wire_text(row[name]) for name, source in ds.ENTERPRISE.columns.items()}


def wire_text(value: Any) -> str:
    """A value as the registry writes it; booleans are `True` and `False`, moments yyyyMMddHHmmss in Vietnam."""
    if value is None:
        return ""
    return value.astimezone(TZ).strftime(STAMP) if isinstance(value, datetime) else str(value)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `fault`: the fault that made it so; `records`: how many enterprises it holds."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    fault: str | None = None
    records: int = 0


def _json(status: int, content: Any, **extra: Any) -> Answer:
    return Answer(status, json.dumps(content, ensure_ascii=False).encode(), **extra)


class Registry:
    """The service. Steps: `show` a night, `start`, then `down`, `up`, `show` at will, `stop`."""

    def __init__(
        self, record_file: Path, plan: FaultPlan, key: str = "kho-bac-ninh", secret: str | None = None
    ) -> None:
        self.plan = plan
        self.key, self.secret = key, secret or secrets.token_urlsafe(12)
        self.record: list[dict[str, Any]] = []
        self._record_file = record_file
        self._lock = threading.Lock()
        self._night = 0
        self._requests = 0  # data requests with a valid token, this night
        self._token: str | None = None
        self._token_left: int | None = None
        self._sorted: list[tuple[str, dict[str, str]]] = []
        self._port = 0
        self._server: _Server | None = None

    @property
    def base(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_up(self) -> bool:
        """True when the service answers."""
        return self._server is not None

    def show(self, night: Night) -> None:
        """From now on answer with the enterprises of a night; the count of requests begins anew."""
        records = [wire_record(row) for row in night.views[ds.ENTERPRISE.id]]
        records.sort(key=lambda r: (r["NgayThayDoi"], r["MaSoDN"]))
        with self._lock:
            self._sorted = [(record["NgayThayDoi"], record) for record in records]
            self._night, self._requests = night.number, 0

    def start(self) -> None:
        """Serve on a free port of 127.0.0.1; the record starts empty."""
        self._record_file.parent.mkdir(parents=True, exist_ok=True)
        self._record_file.write_text("", encoding="utf-8")
        self.up()

    def up(self) -> None:
        """Serve (again), on the same port as before; nothing when it does."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", self._port), self)
            self._port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="registry").start()

    def down(self) -> None:
        """Refuse new connections and break those that are open."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.break_connections()
            self._server = None

    stop = down

    def answer_token(self, authorization: str, form: dict[str, list[str]]) -> Answer:
        """Client credentials for a token; the same one until it dies."""
        expected = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        if authorization != f"Basic {expected}":
            return _json(401, {"error": "invalid_client", "error_description": "Client Authentication failed."})
        if form.get("grant_type") != ["client_credentials"]:
            return _json(400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type value"})
        with self._lock:
            if self._token is None:
                self._token = secrets.token_hex(16)
                self._token_left = self.plan.token_requests
            token = self._token
        scope = "am_application_scope default"
        return _json(200, {"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": 3600})

    def answer_list(self, authorization: str, query: dict[str, list[str]]) -> Answer:
        """A page of enterprises changed since `tuNgay`, or a fault."""
        with self._lock:
            if not authorization.startswith("Bearer "):
                return _unauthorised(900902, "Missing Credentials")
            if self._token is None or authorization != f"Bearer {self._token}":
                return _unauthorised(900901, "Invalid Credentials")
            if self._token_left == 0:
                self._token = None
                return _unauthorised(900901, "Invalid Credentials", fault="token_expired")
            if self._token_left is not None:
                self._token_left -= 1
            self._requests += 1
            fault = self.plan.at(self._night, self._requests)
            rows = self._sorted
        if fault == "too_many":
            body = {
                "fault": {
                    "code": 900800,
                    "message": "Message throttled out",
                    "description": "You have exceeded your quota",
                }
            }
            return _json(429, body, headers=(("Retry-After", str(self.plan.retry_after_seconds)),), fault=fault)
        if fault == "bad_gateway":
            page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
            return Answer(502, page, "text/html", fault=fault)
        if fault == "error_code":
            return _json(200, _envelope("99", "Lỗi hệ thống, vui lòng thử lại sau"), fault=fault)
        return self._page(rows, query, fault)

    def _page(self, rows: list[tuple[str, dict[str, str]]], query: dict[str, list[str]], fault: str | None) -> Answer:
        try:
            since = query.get("tuNgay", ["19000101000000"])[0]
            datetime.strptime(since, STAMP)
            page = int(query.get("trang", ["1"])[0])
            size = int(query.get("kichThuoc", [str(MAX_PAGE)])[0])
        except ValueError:
            return _json(200, _envelope("01", "Tham số không hợp lệ"), fault=fault)
        if page < 1 or not 1 <= size <= MAX_PAGE:
            return _json(200, _envelope("01", "Tham số không hợp lệ"), fault=fault)
        found = [record for changed, record in rows if changed >= since]
        data = found[(page - 1) * size : page * size]
        content = _envelope("00", "") | {"tongSo": str(len(found)), "trang": str(page), "data": data}
        return _json(200, content, fault=fault, records=len(data))

    def note(self, method: str, target: str, answer: Answer) -> None:
        """Keep what was asked and answered."""
        with self._lock:
            parts = urlsplit(target)
            entry = {
                "seq": len(self.record) + 1,
                "at": datetime.now(TZ).isoformat(timespec="milliseconds"),
                "night": self._night,
                "method": method,
                "path": parts.path,
                "query": {name: values[0] for name, values in parse_qs(parts.query).items()},
                "status": answer.status,
                "fault": answer.fault,
                "records": answer.records,
                "bytes": len(answer.body),
            }
            self.record.append(entry)
            with open(self._record_file, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def _envelope(code: str, message: str) -> dict[str, Any]:
    return {"error_code": code, "message": message, "tongSo": "0", "trang": "1", "data": []}


def _unauthorised(code: int, message: str, fault: str | None = None) -> Answer:
    description = (
        "Access failure for API: /apiCSDLDKDN/1.0, version: 1.0. Make sure you have provided the correct credentials"
    )
    body = {"fault": {"code": code, "message": message, "description": description}}
    challenge = 'OAuth2 realm="WSO2 API Manager", error="invalid_token"'
    return _json(401, body, headers=(("WWW-Authenticate", challenge),), fault=fault)


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that it can break them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], registry: Registry) -> None:
        self.registry = registry
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the service."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def break_connections(self) -> None:
        """Close every open connection, in the middle of whatever it does."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client had closed it already


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        registry = self.server.registry
        if parts.path == "/__record":
            self._send(_json(200, list(registry.record)))
        elif parts.path == LIST_PATH:
            self._answer(registry.answer_list(self.headers.get("Authorization", ""), parse_qs(parts.query)))
        else:
            self._answer(
                _json(404, {"fault": {"code": 404, "message": "Not Found", "description": "No matching resource"}})
            )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self.path == "/token":
            self._answer(self.server.registry.answer_token(self.headers.get("Authorization", ""), parse_qs(body)))
        else:
            self._answer(
                _json(404, {"fault": {"code": 404, "message": "Not Found", "description": "No matching resource"}})
            )

    def _answer(self, answer: Answer) -> None:
        registry = self.server.registry
        registry.note(self.command, self.path, answer)
        if answer.fault == "slow":
            time.sleep(registry.plan.slow_seconds)
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if answer.fault == "cut":
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """The record is kept by `Registry.note`."""
