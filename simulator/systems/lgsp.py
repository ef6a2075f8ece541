"""The provincial integration platform: agencies' REST services behind one gateway.

Belongs here: who is let in, quotas, paging, the answer's envelope. Stays out: rows on disk (`store`), HTTP and faults
(`web`), what is in the rows (`views`).

    POST {base}/token                 Basic key:secret, grant_type=client_credentials
    GET  {base}{place of the view}    Bearer, or the four headers AppName, PartnerCode, AccessKey, SecretKey;
                                      tuNgay=yyyyMMddHHmmss (none: from the beginning), trang from 1, kichThuoc up to 1000
    GET  {base}/__record              what was asked and answered so far (no credentials needed)

Every value is a text, nothing is an empty one, moments are yyyyMMddHHmmss in Vietnam. The record holds no rows.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.gateway import Answer, json_answer, not_found, throttled
from simulator.systems.plan import FaultPlan
from simulator.systems.source import Progress, View, changes_of
from simulator.systems.store import Store
from simulator.systems.web import Call, Web, WebSystem

STAMP = "%Y%m%d%H%M%S"
MAX_PAGE = 1000
HEADERS = ("AppName", "PartnerCode", "AccessKey", "SecretKey")


@dataclass(frozen=True)
class Application:
    """Who may ask. `services`: paths it has subscribed to, all of them without."""

    name: str
    partner: str
    access_key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    services: frozenset[str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What it sends with each request."""
        values = (self.name, self.partner, self.access_key, self.secret_key)
        return dict(zip(HEADERS, values, strict=True))


class Platform(Web):
    """The gateway and the services behind it. `quota`: requests of one application within `quota_seconds`."""

    system = "lgsp"
    api = "/lgsp/1.0"

    def __init__(self, record: Path, plan: FaultPlan, quota: int = 12_000, quota_seconds: float = 60.0) -> None:
        super().__init__(record, plan)
        self.quota, self.quota_seconds = quota, quota_seconds
        self.services: dict[str, Store] = {}
        self.application = Application("kho-du-lieu", "H05")
        #: Known, but subscribed to nothing.
        self.stranger = Application("ung-dung-khac", "H05.99", services=frozenset())
        self._windows: dict[str, tuple[float, int]] = {}

    def answer(self, call: Call) -> Answer:
        """A page of a service's rows, or why not."""
        if call.method != "GET" or call.path not in self.services:
            return not_found()
        if refusal := self._let_in(call):
            return refusal
        fault = self.strike()
        if fault == "expired" and "Authorization" not in call.headers:
            fault = None  # nothing that could expire
        if refusal := self.refusal(fault):
            return refusal
        if fault == "error_code":
            return json_answer(200, envelope("99", "Lỗi hệ thống, vui lòng thử lại sau"), fault=fault)
        return page(self.services[call.path], call, fault)

    def _let_in(self, call: Call) -> Answer | None:
        """The refusal of a request, if any: by its headers when it has one of them, else by its token."""
        application = self.application
        if any(name in call.headers for name in HEADERS):
            found = self._application(call)
            if isinstance(found, Answer):
                return found
            application = found
        elif refusal := self.authorise(call.headers.get("Authorization", "")):
            return refusal
        with self._lock:
            now = time.monotonic()
            began, count = self._windows.get(application.name, (now, 0))
            if now - began >= self.quota_seconds:
                began, count = now, 0
            self._windows[application.name] = (began, count + 1)
            if count >= self.quota:
                return throttled(int(began + self.quota_seconds - now) + 1, "quota")
        return None

    def _application(self, call: Call) -> Application | Answer:
        if missing := [name for name in HEADERS if not call.headers.get(name)]:
            return _refused(401, f"Thiếu thông tin xác thực: {', '.join(missing)}")
        given = {name: call.headers[name] for name in HEADERS}
        for application in (self.application, self.stranger):
            if given["AppName"] != application.name:
                continue
            pairs = ((given[name], application.headers[name]) for name in ("AccessKey", "SecretKey"))
            if not all(hmac.compare_digest(a.encode(), b.encode()) for a, b in pairs):
                return _refused(401, "AccessKey hoặc SecretKey không đúng")
            if given["PartnerCode"] != application.partner:
                return _refused(403, "PartnerCode không khớp với ứng dụng")
            if application.services is not None and call.path not in application.services:
                return _refused(403, "Ứng dụng chưa được cấp quyền khai thác dịch vụ này")
            return application
        return _refused(401, "AppName không tồn tại")


class Lgsp(WebSystem):
    """The views of the system `lgsp`: each is a service at the path in its place."""

    name = "lgsp"

    def __init__(
        self, home: Path, views: Sequence[View], plan: FaultPlan, record: Path, progress: Progress | None = None
    ) -> None:
        super().__init__(home, views, progress)
        self.web: Platform = Platform(record, plan)
        self._stores = {view.place: Store(home, view) for view in self.views}

    def load(self, province: Any, day: int) -> None:
        """Every service with what there is; all carry on together."""
        for view in self.views:
            for rows in self._loaded(view, province, day):
                self.told(view, rows)
        self.web.services = dict(self._stores)

    def advance(self, province: Any, day: int) -> None:
        """Replace what changed."""
        for view in self.views:
            self.told(view, self._stores[view.place].update(changes_of(view, province, day)))

    @property
    def env(self) -> dict[str, Any]:
        """The base address, both ways to be let in, and the path of each view."""
        return {
            "url": self.web.base,
            "key": self.web.key,
            "secret": self.web.secret,
            "headers": self.web.application.headers,
            "paths": {view.id: view.place for view in self.views},
        }

    def _loaded(self, view: View, province: Any, day: int) -> Iterator[int]:
        return self._stores[view.place].load(view.batches(province, day))


def page(store: Store, call: Call, fault: str | None) -> Answer:
    """The rows of a page that were written since a moment, in the order in which they were."""
    try:
        since = call.value("tuNgay", "0")
        if "tuNgay" in call.query:
            datetime.strptime(since, STAMP)
        number, size = int(call.value("trang", "1")), int(call.value("kichThuoc", str(MAX_PAGE)))
    except ValueError:
        return json_answer(200, envelope("01", "Tham số không hợp lệ"), fault=fault)
    if number < 1 or not 1 <= size <= MAX_PAGE:
        return json_answer(200, envelope("01", "Tham số không hợp lệ"), fault=fault)
    if store.cursor is None and "tuNgay" in call.query:
        return json_answer(200, envelope("02", "Dịch vụ không hỗ trợ tham số tuNgay"), fault=fault)
    found = store.find(int(since))
    rows = store.rows(found[(number - 1) * size : number * size])
    content = envelope("00", "") | {"tongSo": str(len(found)), "trang": str(number), "data": rows}
    return json_answer(200, content, fault=fault, records=len(rows))


def envelope(code: str, message: str) -> dict[str, Any]:
    """The answer's frame, without rows."""
    return {"error_code": code, "message": message, "tongSo": "0", "trang": "1", "data": []}


def _refused(status: int, message: str) -> Answer:
    return json_answer(status, {"error_code": str(status), "message": message})
