"""The education department's far end: a folder into which it drops one Excel workbook, made for people to read.

Belongs here: the workbook in all its ugliness. Stays out: what is true or wrong in it (`nights`, `defects`).

Sheet `DanhSachTruong`: a title of several rows; a header of two merged rows with groups over some columns, line breaks
and decomposed (NFD) letters in some headers; STT; a row with a roman number before each level and a row `Cộng` after
it; `Tổng cộng`; signatures. Decimal columns are text with a decimal comma, money with dots for thousands as well; some
names are NFD; a national standard of 0 is mostly left empty. Further sheets hold code lists, one is hidden. From night
3 on the columns stand in another order and an extra one, `Ghi chú`, is there. Equal content gives equal bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simulator.story import datasets as ds
from simulator.story.home_affairs import drop
from simulator.story.nights import Night, Row
from simulator.units import commune_names_today

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

SHEET = "DanhSachTruong"
HEADER_ROW = 7  # the first of the two header rows, counted from 1
LEVELS = {
    "MN": "Mầm non",
    "TH": "Tiểu học",
    "THCS": "Trung học cơ sở",
    "THPT": "Trung học phổ thông",
    "GDTX": "Giáo dục thường xuyên",
}
OWNERSHIPS = {"CONG_LAP": "Công lập", "TU_THUC": "Tư thục"}
ROMAN = ("I", "II", "III", "IV", "V", "VI")
SUMMED = ("class_count", "pupil_count", "teacher_count", "room_count")
NOTE = "Ghi chú"

_ORDER = list(ds.SCHOOL.columns)
_ORDER_FROM_NIGHT_3 = [
    *("school_name", "school_code", "commune_code", "level", "ownership", "founded_year", "principal_name"),
    *("pupil_count", "class_count", "room_count", "teacher_count"),
    *("national_standard", "site_area_m2", "budget_million_vnd"),
]
_GROUPS = {
    **dict.fromkeys(SUMMED, "Quy mô"),
    **dict.fromkeys(("site_area_m2", "national_standard"), "Cơ sở vật chất"),
}
_BROKEN_LINES = {
    "founded_year": "Năm\nthành lập",
    "pupil_count": "Số\nhọc sinh",
    "site_area_m2": "Diện tích\n(m²)",
    "budget_million_vnd": "Kinh phí\n(triệu đồng)",
}
_DECOMPOSED = ("school_name", "ownership", "teacher_count", "principal_name")


def deliver(folder: Path, night: Night) -> Path:
    """Write the workbook of a night; it appears whole under its name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"truong_hoc_{night.date:%Y%m%d}.xlsx"
    drop(path, workbook_bytes(night))
    return path


def clear(folder: Path) -> None:
    """Take back what an earlier run dropped and nobody took."""
    for path in folder.glob("truong_hoc_*.xlsx"):
        path.unlink()


def workbook_bytes(night: Night) -> bytes:
    """The workbook's content."""
    from openpyxl import Workbook  # costs a second: only this agency needs it

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = SHEET
    order = _ORDER if night.number < 3 else _ORDER_FROM_NIGHT_3
    extra = [] if night.number < 3 else [NOTE]
    _write_title(sheet, night.date, 1 + len(order) + len(extra))
    _write_header(sheet, order, extra)
    _write_body(sheet, order, bool(extra), night.views[ds.SCHOOL.id])
    _write_signatures(sheet, night.date)
    _write_code_list(book.create_sheet("DM_CapHoc"), LEVELS)
    _write_code_list(book.create_sheet("DM_LoaiHinh"), OWNERSHIPS)
    communes = book.create_sheet("DM_Xa")
    _write_code_list(communes, commune_names_today())
    communes.sheet_state = "hidden"
    content = io.BytesIO()
    book.save(content)
    return _without_clock(content.getvalue(), night.date)


def _nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _write_title(sheet: Worksheet, on: date, width: int) -> None:
    sheet["A1"] = "ỦY BAN NHÂN DÂN TỈNH BẮC NINH"
    sheet["A2"] = "SỞ GIÁO DỤC VÀ ĐÀO TẠO"
    sheet["A4"] = f"DANH SÁCH TRƯỜNG HỌC NĂM HỌC {on.year}-{on.year + 1}"
    sheet["A5"] = f"(Số liệu đến ngày {on:%d/%m/%Y})"
    for row, columns in ((1, 4), (2, 4), (4, width), (5, width)):
        sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=columns)


def _write_header(sheet: Worksheet, order: list[str], extra: list[str]) -> None:
    top, bottom = HEADER_ROW, HEADER_ROW + 1
    for column, name in enumerate(["STT", *order, *extra], start=1):
        text = _BROKEN_LINES.get(name, ds.SCHOOL.columns.get(name, name))
        text = _nfd(text) if name in _DECOMPOSED else text
        group = _GROUPS.get(name)
        if group is None:
            sheet.cell(top, column, text)
            sheet.merge_cells(start_row=top, end_row=bottom, start_column=column, end_column=column)
            continue
        sheet.cell(bottom, column, text)
        members = [n for n in order if _GROUPS.get(n) == group]
        if name == members[0]:
            sheet.cell(top, column, group)
            sheet.merge_cells(start_row=top, end_row=top, start_column=column, end_column=column + len(members) - 1)


def _write_body(sheet: Worksheet, order: list[str], noted: bool, schools: list[Row]) -> None:
    name_at = order.index("school_name")
    groups: dict[str, list[Row]] = {level: [] for level in LEVELS}
    for school in schools:
        # a school of a level nobody knows stands among the lower secondary schools, where the clerk put it
        groups[school["level"] if school["level"] in groups else "THCS"].append(school)
    for number, (level, members) in enumerate(groups.items()):
        heading: list[Any] = [ROMAN[number], *[None] * len(order)]
        heading[1 + name_at] = LEVELS[level]
        sheet.append(heading)
        for stt, school in enumerate(sorted(members, key=lambda s: str(s["commune_code"])), start=1):
            note = ["Mới thành lập"] if noted and school["founded_year"] and school["founded_year"] >= 2026 else []
            sheet.append([stt, *(_cell(school, name) for name in order), *note])
        # one subtotal label is decomposed: a reader that compares bytes takes the row for a school
        sheet.append(_totals(_nfd("Cộng") if number == 1 else "Cộng", order, members))
    sheet.append(_totals("Tổng cộng", order, schools))


def _totals(label: str, order: list[str], schools: list[Row]) -> list[Any]:
    row: list[Any] = [None]
    for name in order:
        numbers = [s[name] for s in schools if isinstance(s[name], int)]
        row.append(label if name == "school_name" else sum(numbers) if name in SUMMED else None)
    return row


def _cell(school: Row, name: str) -> Any:
    value = school[name]
    if isinstance(value, Decimal):
        return money_text(value) if name == "budget_million_vnd" else f"{value:.2f}".replace(".", ",")
    # the choice hangs on the school alone, so that copies of a row stay identical
    turn = crc32(f"{school['school_code']}:{school['school_name']}".encode()) % 7
    if name == "national_standard" and value == 0:
        return 0 if turn == 3 else None
    if isinstance(value, str) and name in ("school_name", "principal_name") and turn == 0:
        return _nfd(value)
    return value


def money_text(value: Decimal) -> str:
    """`7989.125` -> `7.989,125`; a whole number has no comma: `7989` -> `7.989`."""
    text = f"{value:,.3f}".removesuffix(".000")
    return text.translate(str.maketrans(",.", ".,"))


def _write_signatures(sheet: Worksheet, on: date) -> None:
    last = sheet.max_row
    sheet.cell(last + 2, 11, f"Bắc Ninh, ngày {on.day} tháng {on.month} năm {on.year}")
    sheet.cell(last + 3, 3, "Người lập biểu")
    sheet.cell(last + 3, 11, "Thủ trưởng đơn vị")
    sheet.cell(last + 4, 3, "(Ký, họ tên)")
    sheet.cell(last + 4, 11, "(Ký, họ tên, đóng dấu)")


def _write_code_list(sheet: Worksheet, names: dict[str, str]) -> None:
    sheet.append(["Mã", "Tên"])
    for code, name in names.items():
        sheet.append([code, name])


def _without_clock(content: bytes, on: date) -> bytes:
    """The same workbook with the night's date wherever the library put the time of writing."""
    stamp = f"{on:%Y-%m-%d}T08:00:00Z".encode()
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, data)
            entry = zipfile.ZipInfo(name, (on.year, on.month, on.day, 8, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, data)
    return result.getvalue()
