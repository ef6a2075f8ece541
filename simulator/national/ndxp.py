"""The national data exchange platform (NDXP): one gateway in front of several national databases.

Belongs here: the enterprise register (one enterprise, and those changed since a moment), the common code lists, the way
to the population database behind it.
Stays out: that database itself (`population`), who the enterprises are, HTTP and what a fault does (`service`).

    POST {base}/token                                    Basic key:secret, grant_type=client_credentials
    GET  {base}/apiCSDLDKDN/1.0/chiTietDoanhNghiep       Bearer; msdn
    GET  {base}/apiCSDLDKDN/1.0/danhSachDoanhNghiep      Bearer; tuNgay=yyyyMMddHHmmss (none: from the beginning), trang
                                                         from 1, kichThuoc up to 500
    GET  {base}/dmdc/1.0/AllCategory                     Bearer; maDanhMuc (none: all lists)
    POST {base}/apiCSDLDanCu/1.0/xacThucThongTin         Bearer; passed on to the population database as it is

Every value is a string. The gateway has its own token at the database behind it and asks for a new one when that is
dead; when the database cannot be reached it says so with 503 or 504, and nobody knows what has become of the request.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulator.gateway import TOKEN_PATH, Answer
from simulator.national import dossiers
from simulator.national.call import STAMP, Call, bad_request, faulty, parse
from simulator.national.codes import communes
from simulator.national.faults import ANSWER_KINDS, TOKEN, TOKEN_KINDS, FaultPlan
from simulator.national.holdings import Holding, Row
from simulator.national.record import Writing
from simulator.national.service import Service

ENTERPRISE, ENTERPRISES = "chiTietDoanhNghiep", "danhSachDoanhNghiep"
CATEGORIES, VERIFY = "AllCategory", "xacThucThongTin"
PATHS = {
    f"/apiCSDLDKDN/1.0/{ENTERPRISE}": ("GET", ENTERPRISE),
    f"/apiCSDLDKDN/1.0/{ENTERPRISES}": ("GET", ENTERPRISES),
    f"/dmdc/1.0/{CATEGORIES}": ("GET", CATEGORIES),
    f"/apiCSDLDanCu/1.0/{VERIFY}": ("POST", VERIFY),
}
FILE = "enterprises.sqlite"
CODE, CHANGED = "MaSoDN", "NgayThayDoi"
MOST_A_PAGE = 500
UNITS, SEXES, STATUSES = "DM_DVHC", "DM_GIOI_TINH", "DM_TRANG_THAI_HO_SO"
MESSAGES = {
    "00": "",
    "01": "Tham số không hợp lệ",
    "12": "Không tìm thấy doanh nghiệp",
    "13": "Không có danh mục này",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}


class NdxpFaults(FaultPlan):
    """A plan for the token and the four services."""

    strikes = {
        TOKEN: TOKEN_KINDS,
        ENTERPRISE: (*ANSWER_KINDS, "contrary"),
        ENTERPRISES: (*ANSWER_KINDS, "miscount"),
        CATEGORIES: (*ANSWER_KINDS, "old_list"),
        VERIFY: ANSWER_KINDS,
    }


@dataclass(frozen=True)
class Backend:
    """A service behind the gateway: its address, and the gateway's own credentials there."""

    url: str
    key: str
    secret: str
    timeout: float = 60.0


class Ndxp(Service):
    """The gateway. `hold(…)` before or after `start`; a home that has enterprises keeps them."""

    name, api, plan_type = "ndxp", "/apiCSDLDKDN/1.0", NdxpFaults
    count_field = "tongSo"

    def __init__(
        self,
        home: Path | str,
        faults: FaultPlan | None = None,
        port: int = 0,
        *,
        population: Backend | None = None,
        **credentials: Any,
    ) -> None:
        super().__init__(home, faults, port, **credentials)
        self.population = population
        self._backend_token = ""
        columns = "code text, changed text, content text"
        self._enterprises = Holding(self.home / FILE, columns, "code", ("code", "changed, code"))
        self._categories: dict[str, dict[str, str]] = {}

    def hold(self, rows: Iterable[Mapping[str, str]]) -> int:
        """Hold these enterprises and no others; returns how many. Each has MaSoDN, NgayThayDoi and whatever else."""
        return self._enterprises.fill([(_row(row) for row in rows)])

    def change(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Add these enterprises, and replace those that are there already."""
        self._enterprises.update(_row(row) for row in rows)

    def know(self, categories: Mapping[str, Mapping[str, str]]) -> None:
        """More code lists: name of the list -> code -> name."""
        self._categories = {name: dict(values) for name, values in categories.items()}

    def load(self, folder: Path) -> None:
        """enterprises.jsonl (one a line), categories.json (list -> code -> name) and population.json (url, key, secret:
        as the process of that system leaves it); each may be missing.
        """
        enterprises, backend = folder / "enterprises.jsonl", folder / "population.json"
        categories = folder / "categories.json"
        if enterprises.exists():
            with open(enterprises, encoding="utf-8") as lines:
                self.hold(json.loads(line) for line in lines)
        if categories.exists():
            self.know(json.loads(categories.read_text(encoding="utf-8")))
        if backend.exists():
            self.population = Backend(**json.loads(backend.read_text(encoding="utf-8")))

    def stop(self) -> None:
        """Take it down for good."""
        super().stop()
        self._enterprises.close()

    def route(self, call: Call) -> str | None:
        """The token's path, or a service's."""
        if (call.method, call.path) == ("POST", TOKEN_PATH):
            return TOKEN
        method, service = PATHS.get(call.path, ("", None))
        return service if method == call.method else None

    def malformed(self, call: Call) -> Answer | None:
        """A body for the database behind that is not even JSON; the rest is judged there."""
        return bad_request() if call.service == VERIFY and call.content is None else None

    def failed(self, call: Call) -> dict[str, Any]:
        """HTTP went well, the service did not."""
        return _told("99", [])

    def prepare(self, call: Call) -> Any:
        """The answer of the database behind, before anything is written down here."""
        return self._pass_on(call) if call.service == VERIFY else None

    def perform(self, call: Call, writing: Writing) -> dict[str, Any] | Answer:
        """One of the four services."""
        if call.service == VERIFY:
            assert isinstance(call.prepared, Answer)
            return call.prepared
        if call.service == ENTERPRISE:
            return self._one(call)
        return self._page(call) if call.service == ENTERPRISES else self._lists(call)

    def _one(self, call: Call) -> dict[str, Any]:
        code = call.value("msdn")
        if not code:
            return _told("01", [])
        found = self._enterprises.read("select content from held where code = ?", (code,))
        if call.fault == "contrary":
            return _told("12", []) if found else _told("00", {CODE: code})
        return _told("00", json.loads(found[0][0])) if found else _told("12", [])

    def _page(self, call: Call) -> dict[str, Any]:
        try:
            since = call.value("tuNgay", "19000101000000")
            datetime.strptime(since, STAMP)
            page, size = int(call.value("trang", "1")), int(call.value("kichThuoc", str(MOST_A_PAGE)))
        except ValueError:
            return _told("01", []) | {"tongSo": "0", "trang": "1"}
        if page < 1 or not 1 <= size <= MOST_A_PAGE:
            return _told("01", []) | {"tongSo": "0", "trang": "1"}
        total = self._enterprises.read("select count(*) from held where changed >= ?", (since,))
        query = "select content from held where changed >= ? order by changed, code limit ? offset ?"
        found = self._enterprises.read(query, (since, size, (page - 1) * size))
        data = [json.loads(content) for (content,) in found]
        return _told("00", data) | {"tongSo": str(total[0][0] if total else 0), "trang": str(page)}

    def _lists(self, call: Call) -> dict[str, Any]:
        """Code lists. That of the communes is the one of the day, or of the epoch before."""
        lists = {
            UNITS: communes(call.list_day),
            SEXES: {"1": "Nam", "2": "Nữ"},
            STATUSES: dossiers.STATUSES,
        } | self._categories
        wanted = call.value("maDanhMuc")
        if wanted and wanted not in lists:
            return _told("13", [])
        return _told("00", [
            {"MaDanhMuc": name, "GiaTri": [{"Ma": code, "Ten": text} for code, text in values.items()]}
            for name, values in lists.items() if wanted in ("", name)
        ])  # fmt: skip

    def _pass_on(self, call: Call) -> Answer:
        """Ask the population database; a dead token of the gateway's own is renewed once."""
        if self.population is None:
            return _unreachable()
        try:
            answer = self._ask(self.population, call)
            if answer.status == 401:
                self._backend_token = ""
                answer = self._ask(self.population, call)
        except TimeoutError:
            return faulty(504, 101504, "Gateway Timeout", "Send timeout")
        except (OSError, http.client.HTTPException):
            return _unreachable()
        return _unreachable() if answer.status == 401 else answer

    def _ask(self, backend: Backend, call: Call) -> Answer:
        if not self._backend_token:
            pair = base64.b64encode(f"{backend.key}:{backend.secret}".encode()).decode()
            headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
            content = parse(_post(backend, TOKEN_PATH, b"grant_type=client_credentials", headers).body)
            self._backend_token = str(content.get("access_token", "")) if isinstance(content, dict) else ""
        headers = {"Authorization": f"Bearer {self._backend_token}", "Content-Type": "application/json"}
        return _post(backend, call.path, call.body, headers)


def _post(backend: Backend, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    where = urlsplit(backend.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=backend.timeout)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        kept = tuple((name, value) for name, value in answer.getheaders() if name == "Retry-After")
        return Answer(answer.status, answer.read(), answer.headers["Content-Type"], kept)
    finally:
        connection.close()


def _unreachable() -> Answer:
    return faulty(503, 101503, "Runtime Error", "Error connecting to the back end")


def _row(row: Mapping[str, str]) -> Row:
    return row[CODE], row[CHANGED], json.dumps(dict(row), ensure_ascii=False)


def _told(code: str, data: Any) -> dict[str, Any]:
    return {"error_code": code, "message": MESSAGES[code], "data": data}


SYSTEM = Ndxp
