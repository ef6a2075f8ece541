"""The health insurance gateway: lists and hands out the packages that facilities sent (`xml130`).

Belongs here: its token, its answers, which packages came on which day. Stays out: what is in a package (`xml130`), HTTP
and faults (`web`).

    POST {base}/api/token/take                username, password (MD5 of it, hexadecimal) as a form or as JSON
    GET  {base}/api/qd130/danhSachHoSo        ngay=yyyyMMdd (of receipt; none: all), maCSKCB, trang from 1, kichThuoc up to 1000
    GET  {base}/api/qd130/taiHoSo/{number}    the archive
    GET  {base}/__record                      what was asked and answered so far

The token goes with the header `Authorization: Bearer` or with the parameters `token` and `id_token`. Answers have
`maKetQua` 200 when all is well. Now and then a facility sends the same package again a day later, under a number of that
day.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.gateway import Answer, json_answer, not_found
from simulator.systems.plan import FaultPlan
from simulator.systems.source import Progress, View, moments, wire_table
from simulator.systems.web import Call, Web, WebSystem
from simulator.systems.xml130 import Package, write_packages
from simulator.table import FLOW_DAYS, date_of, day_of

TOKEN, LIST, FETCH = "/api/token/take", "/api/qd130/danhSachHoSo", "/api/qd130/taiHoSo/"
MAX_PAGE = 1000
DISCHARGED = "NGAY_RA"


@dataclass(frozen=True)
class Received:
    """A package as the gateway received it: on `day`; `package` is that of the day before when it was sent again."""

    package: Package
    day: date

    @property
    def number(self) -> str:
        """Its transaction number."""
        again = "-L2" if self.day != self.package.day else ""
        return f"{self.package.facility}-{self.day:%Y%m%d}{again}"

    @property
    def wire(self) -> dict[str, str]:
        """As it is listed."""
        return {
            "maGiaoDich": self.number,
            "maCSKCB": self.package.facility,
            "ngayLap": f"{self.package.day:%Y%m%d}",
            "thoiGianTiepNhan": f"{self.day:%Y%m%d}183000",
            "soLuongHoSo": str(self.package.visits),
            "tenTep": self.package.file.name,
            "kichThuoc": str(self.package.file.stat().st_size),
        }


class InsuranceGateway(Web):
    """The gateway's services."""

    system = "xml130"
    api = "/qd130/1.0"

    def __init__(self, record: Path, plan: FaultPlan) -> None:
        super().__init__(record, plan)
        self.received: dict[str, Received] = {}  # number -> package, in the order of receipt

    def answer(self, call: Call) -> Answer:
        """A token, a page of the list, an archive, or why not."""
        if call.path == TOKEN and call.method == "POST":
            return self._take(call)
        if call.method != "GET" or not (call.path == LIST or call.path.startswith(FETCH)):
            return not_found()
        given = call.headers.get("Authorization") or f"Bearer {call.value('token')}"
        if refusal := self.authorise(given):
            return json_answer(401, _said("401", "Token không hợp lệ hoặc đã hết hạn"), headers=refusal.headers)
        fault = self.strike()
        if refusal := self.refusal(fault):
            return refusal
        if fault == "error_code":
            return json_answer(200, _said("500", "Lỗi hệ thống, vui lòng thử lại sau"), fault=fault)
        if call.path == LIST:
            return self._list(call, fault)
        received = self.received.get(call.path.removeprefix(FETCH))
        if received is None:
            return json_answer(200, _said("404", "Không tìm thấy giao dịch"), fault=fault)
        name = (("Content-Disposition", f'attachment; filename="{received.package.file.name}"'),)
        content = received.package.file.read_bytes()
        return Answer(200, content, "application/zip", name, fault=fault, records=received.package.visits)

    def _take(self, call: Call) -> Answer:
        body = call.body.decode()
        try:
            form = json.loads(body) if body.startswith("{") else {k: v[0] for k, v in parse_qs(body).items()}
            given = str(form["username"]), str(form["password"]).lower()
        except (ValueError, KeyError):
            return json_answer(200, _said("402", "Thiếu tên đăng nhập hoặc mật khẩu"))
        expected = self.key, hashlib.md5(self.secret.encode()).hexdigest()
        if not all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, expected, strict=True)):
            return json_answer(200, _said("401", "Sai tên đăng nhập hoặc mật khẩu"))
        with self._lock:
            if self._token is None:
                self._token = secrets.token_hex(16)
            token = self._token
        key = {"access_token": token, "id_token": token[::-1], "token_type": "Bearer", "username": self.key}
        return json_answer(200, _said("200", "") | {"APIKey": key | {"expires_in": "3600"}})

    def _list(self, call: Call, fault: str | None) -> Answer:
        try:
            number, size = int(call.value("trang", "1")), int(call.value("kichThuoc", str(MAX_PAGE)))
        except ValueError:
            number, size = 0, 0
        if number < 1 or not 1 <= size <= MAX_PAGE:
            return json_answer(200, _said("402", "Tham số không hợp lệ"), fault=fault)
        day, facility = call.value("ngay"), call.value("maCSKCB")
        found = [
            one
            for one in list(self.received.values())
            if (not day or f"{one.day:%Y%m%d}" == day) and (not facility or one.package.facility == facility)
        ]
        listed = [one.wire for one in found[(number - 1) * size : number * size]]
        content = _said("200", "") | {"tongSo": str(len(found)), "trang": str(number), "danhSach": listed}
        return json_answer(200, content, fault=fault, records=len(listed))


class Insurance(WebSystem):
    """The views of the system `xml130`: visits with the fields of XML1."""

    name = "xml130"

    def __init__(
        self, home: Path, views: Sequence[View], plan: FaultPlan, record: Path, progress: Progress | None = None
    ) -> None:
        super().__init__(home, views, progress)
        if len(self.views) > 1:
            raise ValueError("Chỉ một khung nhìn XML 130 / One view of XML 130 only: its packages bear no other name")
        self.web: InsuranceGateway = InsuranceGateway(record, plan)

    def load(self, province: Any, day: int) -> None:
        """The packages of all days up to this one, from the first day of flows: the same as if each had been advanced to."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.web.received = {}
        begin = min(day, 0)
        for view in self.views:
            done = 0
            for one, rows in self._by_day(view, province, begin):
                done = self._receive(view, rows, one, done)
        for one in range(begin + 1, day + 1):
            self.advance(province, one)

    def advance(self, province: Any, day: int) -> None:
        """The packages of one more day: its visits, and those of earlier days that were put right."""
        before = list(self.web.received.values())
        for view in self.views:
            parts = [wire_table(said.rows) for said in view.changes(province, day)]
            if parts:
                self._receive(view, pa.concat_tables(parts), day, 0)
        on = date_of(day)
        yesterday = on - timedelta(days=1)
        received = {}
        for old in before:
            if old.day == old.package.day == yesterday and self.web.plan.of_file(f"xml130/{old.number}") == "again":
                again = Received(old.package, on)
                received[again.number] = again
        self.web.received = self.web.received | received

    @property
    def env(self) -> dict[str, Any]:
        """Address and account."""
        return {"url": self.web.base, "user": self.web.key, "password": self.web.secret}

    def _receive(self, view: View, rows: Any, day: int, done: int) -> int:
        """Write and list the packages of a day's visits; returns how many visits there are with the `done` ones."""
        on = date_of(day)
        received: dict[str, Received] = {}
        if rows.num_rows:
            for package in write_packages(rows, on, self.home / f"{on:%Y%m%d}"):
                received[package.number] = Received(package, on)
                done += package.visits
                self.told(view, done)
        self.web.received = self.web.received | received
        return done

    def _by_day(self, view: View, province: Any, last: int) -> Iterator[tuple[int, Any]]:
        """All visits by the day on which their package is sent: after discharge as many days as the view is late.

        Batches know no days, so each day's part of a batch waits in a file until all have been seen.
        """
        aside = self.home / ".days"
        aside.mkdir(parents=True)
        waiting: dict[int, Any] = {}
        for said in view.batches(province, last):
            rows = wire_table(said.rows)
            days = _days(rows, last, view.lag)
            for day in np.unique(days).tolist():
                if day not in waiting:
                    waiting[day] = pa.ipc.new_stream(str(aside / f"{day}"), rows.schema)
                waiting[day].write_table(rows.filter(pa.array(days == day)))
        for day in sorted(waiting):
            waiting[day].close()
            with pa.memory_map(str(aside / f"{day}")) as file:
                yield day, pa.ipc.open_stream(file).read_all()
        shutil.rmtree(aside)


def _days(rows: Any, last: int, lag: int) -> npt.NDArray[np.int64]:
    """The day of each visit's package; day 0 where the discharge tells none."""
    stamps, place = np.unique(moments(rows, DISCHARGED) // 1_000_000, return_inverse=True)
    days = [day_of(datetime.strptime(str(stamp), "%Y%m%d").date()) + lag for stamp in stamps.tolist()]
    return np.clip(np.array(days, np.int64)[place], 1 - FLOW_DAYS, last)


def _said(code: str, message: str) -> dict[str, Any]:
    return {"maKetQua": code, "thongDiep": message}
