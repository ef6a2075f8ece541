"""The national enterprise registry's far end: an HTTP service behind a gateway of the WSO2 kind.

Belongs here: the wire (paging, every value a string), the faults, the record of all requests.
Stays out: tokens and the server (`gateway`), the enterprises (`nights`), which request fails (`faults`).

    POST {base}/token                                      Basic key:secret, grant_type=client_credentials
    GET  {base}/apiCSDLDKDN/1.0/danhSachDoanhNghiep        Bearer; tuNgay=yyyyMMddHHmmss (none: from the beginning),
                                                           trang from 1, kichThuoc up to 500
    GET  {base}/__record                                   what was asked and answered so far, as a JSON list (no token
                                                           needed)

The record holds numbers only: no token, no enterprise.
"""

from __future__ import annotations

import json
import secrets
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulator.clock import TZ
from simulator.gateway import (
    TOKEN_PATH,
    Answer,
    Gateway,
    Handler,
    bad_gateway,
    json_answer,
    not_found,
    throttled,
)
from simulator.story import datasets as ds
from simulator.story.faults import FaultPlan
from simulator.story.nights import Night, Row

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


class Registry(Gateway):
    """The service. Steps: `show` a night, `start`, then `down`, `up`, `show` at will, `stop`."""

    api = "/apiCSDLDKDN/1.0"

    def __init__(
        self, record_file: Path, plan: FaultPlan, key: str = "kho-bac-ninh", secret: str | None = None
    ) -> None:
        super().__init__(_Handler, key, secret or secrets.token_urlsafe(12))
        self.plan = plan
        self.record: list[dict[str, Any]] = []
        self._record_file = record_file
        self._night = 0
        self._requests = 0  # data requests with a valid token, this night
        self._sorted: list[tuple[str, dict[str, str]]] = []

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

    stop = Gateway.down

    def answer_list(self, authorization: str, query: dict[str, list[str]]) -> Answer:
        """A page of enterprises changed since `tuNgay`, or a fault."""
        with self._lock:
            if refusal := self.authorise(authorization):
                return refusal
            if self.plan.token_requests is not None and self._token_uses > self.plan.token_requests:
                return self.expire("token_expired")
            self._requests += 1
            fault = self.plan.at(self._night, self._requests)
            rows = self._sorted
        if fault == "too_many":
            return throttled(self.plan.retry_after_seconds, fault)
        if fault == "bad_gateway":
            return bad_gateway(fault)
        if fault == "error_code":
            return json_answer(200, _envelope("99", "Lỗi hệ thống, vui lòng thử lại sau"), fault=fault)
        return self._page(rows, query, fault)

    def _page(self, rows: list[tuple[str, dict[str, str]]], query: dict[str, list[str]], fault: str | None) -> Answer:
        try:
            since = query.get("tuNgay", ["19000101000000"])[0]
            datetime.strptime(since, STAMP)
            page = int(query.get("trang", ["1"])[0])
            size = int(query.get("kichThuoc", [str(MAX_PAGE)])[0])
        except ValueError:
            return json_answer(200, _envelope("01", "Tham số không hợp lệ"), fault=fault)
        if page < 1 or not 1 <= size <= MAX_PAGE:
            return json_answer(200, _envelope("01", "Tham số không hợp lệ"), fault=fault)
        found = [record for changed, record in rows if changed >= since]
        data = found[(page - 1) * size : page * size]
        content = _envelope("00", "") | {"tongSo": str(len(found)), "trang": str(page), "data": data}
        return json_answer(200, content, fault=fault, records=len(data))

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


class _Handler(Handler):
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/__record":
            self.send(json_answer(200, list(self._registry.record)))
        elif parts.path == LIST_PATH:
            self._answer(self._registry.answer_list(self.headers.get("Authorization", ""), parse_qs(parts.query)))
        else:
            self._answer(not_found())

    def do_POST(self) -> None:
        body = self.read_body().decode()
        if self.path == TOKEN_PATH:
            self._answer(self._registry.answer_token(self.headers.get("Authorization", ""), parse_qs(body)))
        else:
            self._answer(not_found())

    @property
    def _registry(self) -> Registry:
        registry = self.server.gateway
        assert isinstance(registry, Registry)
        return registry

    def _answer(self, answer: Answer) -> None:
        registry = self._registry
        registry.note(self.command, self.path, answer)
        if answer.fault == "slow":
            time.sleep(registry.plan.slow_seconds)
        self.send(answer, cut=answer.fault == "cut")
