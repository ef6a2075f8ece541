"""The rules over what is sent of a school year: one school, class, pupil, transfer or lock at a time.

Belongs here: codes and their texts, the twelve states of a pupil, judging and applying one item.
Stays out: envelopes, batches and answers (`education`), workbooks (`education_template`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from simulator.national.call import Call
from simulator.national.codes import communes
from simulator.national.record import Writing

SCHOOLS, CLASSES, PUPILS, MOVE, UPLOAD = "dongBoTruong", "dongBoLop", "dongBoHocSinh", "chuyenTruong", "taiTepC1"
LOCK, UNLOCK = "khoaNamHoc", "moKhoaNamHoc"
#: The twelve states of a pupil, codes 01 to 12; a term has four, summer three.
STATUSES = {
    "01": "Đang học", "02": "Chuyển đến kỳ 1", "03": "Nghỉ học xin học lại kỳ 1", "04": "Chuyển đi kỳ 1", "05": "Thôi học kỳ 1",
    "06": "Chuyển đến kỳ 2", "07": "Nghỉ học xin học lại kỳ 2", "08": "Chuyển đi kỳ 2", "09": "Thôi học kỳ 2",
    "10": "Chuyển đến trong hè", "11": "Chuyển đi trong hè", "12": "Thôi học trong hè",
}  # fmt: skip
LEFT = {"04", "05", "08", "09", "11", "12"}  # no longer at the school
LEVELS = {"MN", "TH", "THCS", "THPT", "GDTX", "LC"}
MESSAGES = {
    "00": "Thành công",
    "03": "Mã đơn vị không đúng",
    "04": "Năm học không hợp lệ",
    "06": "Không có bản ghi hoặc quá số bản ghi cho phép",
    "13": "Không tìm thấy học sinh",
    "20": "Thiếu trường bắt buộc",
    "21": "Ngày không hợp lệ",
    "22": "Trạng thái học sinh ngoài danh mục 12 trạng thái",
    "23": "Giới tính ngoài danh mục",
    "24": "Số định danh cá nhân phải gồm 12 chữ số",
    "25": "Mã học sinh phải gồm 10 chữ số",
    "26": "Mã xã không có trong danh mục hiện hành",
    "27": "Cấp học ngoài danh mục",
    "28": "Trường chưa có trong cơ sở dữ liệu",
    "29": "Lớp chưa có trong cơ sở dữ liệu hoặc không thuộc trường",
    "30": "Mã học sinh đang thuộc trường khác, cần làm thủ tục chuyển trường",
    "31": "Ngày ở tương lai",
    "32": "Số định danh cá nhân đã dùng cho học sinh khác",
    "33": "Học sinh không thuộc trường chuyển đi",
    "34": "Học sinh đã chuyển đi hoặc thôi học",
    "40": "Năm học đã khóa số liệu",
    "41": "Thiếu lý do hoặc thời hạn mở khóa",
    "50": "Phiên bản mẫu đã cũ, đề nghị tải mẫu mới",
    "51": "Tiêu đề cột không đúng mẫu C1-HocSinh",
    "52": "Tệp không phải bảng tính hoặc không có trang C1-HocSinh",
    "53": "Dòng không thuộc trường đang nộp",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}
_REQUIRED = {
    SCHOOLS: ("MaTruong", "TenTruong", "CapHoc", "MaXa"),
    CLASSES: ("MaLop", "TenLop", "MaTruong", "Khoi"),
    PUPILS: ("MaHocSinh", "MaTruong", "MaLop", "HoTen", "NgaySinh", "GioiTinh", "TrangThai"),
    UPLOAD: ("MaHocSinh", "MaTruong", "MaLop", "HoTen", "NgaySinh", "GioiTinh", "TrangThai"),
    MOVE: ("MaHocSinh", "TruongDi", "TruongDen", "NgayChuyen"),
    LOCK: ("MaTruong",),
    UNLOCK: ("MaTruong",),
}


class Applying:
    """One item of one request of a school year."""

    def __init__(self, call: Call, writing: Writing, year: str) -> None:
        self.call, self.writing, self.year = call, writing, year
        self.late = False

    def apply(self, item: Mapping[str, str], done: Counter[str]) -> str:
        """`00` when it was applied (and counted in `done`), or why not."""
        service = self.call.service
        if any(not item.get(name, "").strip() for name in _REQUIRED[service]):
            return "20"
        if service in (LOCK, UNLOCK):
            return self._lock(item, done)
        school = item["TruongDi"] if service == MOVE else item["MaTruong"]
        if self._closed(school):
            return "40"
        if service == SCHOOLS:
            return self._school(item, done)
        if service == CLASSES:
            return self._class(item, done)
        return self._move(item, done) if service == MOVE else self._pupil(item, done)

    def _school(self, item: Mapping[str, str], done: Counter[str]) -> str:
        if item["CapHoc"] not in LEVELS:
            return "27"
        if item["MaXa"] not in communes(self.call.list_day):
            return "26"
        return self._put("school", item["MaTruong"], item, done)

    def _class(self, item: Mapping[str, str], done: Counter[str]) -> str:
        if not self._has("school", item["MaTruong"]):
            return "28"
        return self._put("class", item["MaLop"], item, done)

    def _pupil(self, item: Mapping[str, str], done: Counter[str]) -> str:
        if "nop" in self.call.content and item["MaTruong"] != self.call.content["nop"]:
            return "53"
        if not re.fullmatch("[0-9]{10}", item["MaHocSinh"]):
            return "25"
        if item["TrangThai"] not in STATUSES:
            return "22"
        if item["GioiTinh"] not in ("Nam", "Nữ"):
            return "23"
        number = item.get("SoDinhDanh", "")
        if number and not re.fullmatch("[0-9]{12}", number):
            return "24"
        for day in (item["NgaySinh"], item.get("NgayTrangThai", "")):
            code = _day_code(day, self.call.now.date()) if day else "00"
            if code != "00":
                return code
        if not self._has("school", item["MaTruong"]):
            return "28"
        if not self._in_class(item["MaLop"], item["MaTruong"]):
            return "29"
        before = self._find("pupil", item["MaHocSinh"])
        if before and before[0]["MaTruong"] != item["MaTruong"]:
            return "30"
        if number:
            known = self._find("personal_id", number)
            if known and known[0]["MaHocSinh"] != item["MaHocSinh"]:
                return "32"
        old = before[0].get("SoDinhDanh", "") if before else ""
        if old and old != number:
            self.writing.remove(self._kind("personal_id"), old, "")
        if number and old != number:
            self.writing.put(self._kind("personal_id"), "insert", number, {"MaHocSinh": item["MaHocSinh"]}, "")
        return self._put("pupil", item["MaHocSinh"], {n: v for n, v in item.items() if n != "dong"}, done)

    def _move(self, item: Mapping[str, str], done: Counter[str]) -> str:
        """To another school of the database: the pupil goes there; to one outside of it: only the status changes."""
        code = _day_code(item["NgayChuyen"], self.call.now.date())
        if code != "00":
            return code
        before = self._find("pupil", item["MaHocSinh"])
        if before is None:
            return "13"
        pupil, lax = before[0], self.call.fault == "lax_order"
        if pupil["MaTruong"] != item["TruongDi"] and not lax:
            return "33"
        if pupil["TrangThai"] in LEFT and not lax:
            return "34"
        arrived, gone = _moved(item["NgayChuyen"])
        changed = {"NgayTrangThai": item["NgayChuyen"], "TruongDi": item["TruongDi"]}
        if self._has("school", item["TruongDen"]):
            if self._closed(item["TruongDen"]):
                return "40"
            if not self._in_class(item.get("LopDen", ""), item["TruongDen"]):
                return "29"
            changed |= {"MaTruong": item["TruongDen"], "MaLop": item["LopDen"], "TrangThai": arrived}
        else:
            changed |= {"TruongDen": item["TruongDen"], "TrangThai": gone}
        return self._put("pupil", item["MaHocSinh"], pupil | changed, done)

    def _lock(self, item: Mapping[str, str], done: Counter[str]) -> str:
        if not self._has("school", item["MaTruong"]):
            return "28"
        state = {"MaTruong": item["MaTruong"], "khoa": "1", "DenNgay": "", "LyDo": ""}
        if self.call.service == UNLOCK:
            until, why = _day(item.get("DenNgay", "")), item.get("LyDo", "").strip()
            if not why or until is None or until < self.call.now.date():
                return "41"
            state |= {"khoa": "0", "DenNgay": item["DenNgay"], "LyDo": why}
        return self._put("year", item["MaTruong"], state, done)

    def _closed(self, school: str) -> bool:
        """True when the year is closed for a school, by lock or by its end; notes whether a change would be late."""
        today, found = self.call.now.date(), self._find("year", school)
        over = today > (year_ends(self.year) or today)
        until = _day(found[0]["DenNgay"]) if found else None
        self.late = until is not None
        if until is not None:
            return today > until
        return over or bool(found and found[0]["khoa"] == "1")

    def _put(self, kind: str, code: str, content: Mapping[str, str], done: Counter[str]) -> str:
        before = self._find(kind, code)
        if before and before[0] == content:
            done["same"] += 1
            return "00"
        operation = "update" if before else "insert"
        self.writing.put(self._kind(kind), operation, code, content, "")
        if self.late:
            was = {"truoc": before[0] if before else None, "sau": dict(content), "loai": kind}
            self.writing.put(self._kind("late"), "insert", f"{code} {self.writing.seq}", was, "")
        done[operation] += 1
        return "00"

    def _in_class(self, code: str, school: str) -> bool:
        found = self._find("class", code)
        return bool(found and found[0]["MaTruong"] == school)

    def _has(self, kind: str, code: str) -> bool:
        return self._find(kind, code) is not None

    def _find(self, kind: str, code: str) -> tuple[dict[str, Any], str | None] | None:
        return self.writing.find(self._kind(kind), code)

    def _kind(self, kind: str) -> str:
        return f"{kind} {self.year}"


def year_ends(year: object) -> date | None:
    """The last day of a school year `2026-2027`; None when it is none."""
    if not isinstance(year, str) or not re.fullmatch("20[0-9]{2}-20[0-9]{2}", year):
        return None
    first, last = map(int, year.split("-"))
    return date(last, 7, 31) if last == first + 1 else None


def _moved(day: str) -> tuple[str, str]:
    """The states of who came and of who went on a day: first term to 15 January, second to May, then summer."""
    month, number = int(day[4:6]), int(day[6:])
    if month in (6, 7, 8):
        return "10", "11"
    return ("02", "04") if month >= 9 or (month == 1 and number <= 15) else ("06", "08")


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date() if re.fullmatch("[0-9]{8}", text) else None
    except ValueError:
        return None


def _day_code(text: str, today: date) -> str:
    day = _day(text)
    return "21" if day is None else "31" if day > today else "00"
