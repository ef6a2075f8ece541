"""The workbook C1-HocSinh: what a school without an interface uploads, and how it is read.

Belongs here: the template's versions from when to when, finding its header, one row as one pupil.
Stays out: whether a pupil is right (`education`), writing such workbooks (schools do).

The header is not in the first row; it is compared after Unicode and blanks are made alike, and has to be whole and in
order: columns move from one version to the next, and a file of an old version read by position would mix up columns.
"""

from __future__ import annotations

import io
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

_ADDRESS = "(Theo địa chỉ thường trú)"
_FIRST_SHEETS = ("C1-HocSinh", "Sheet1")  # what is exported keeps the program's own name of the sheet
_MARK = "Mã học sinh"
_DATES = ("NgaySinh", "NgayTrangThai")
#: Column -> field, under every name that a version gave it; columns without a field are not taken over.
_FIELDS = {
    "Mã trường": "MaTruong", "Mã lớp": "MaLop", "Mã học sinh": "MaHocSinh", "Họ tên": "HoTen", "Họ và tên": "HoTen",
    "Ngày sinh": "NgaySinh", "Giới tính": "GioiTinh", "Trạng thái HS": "TrangThai", "Trạng thái học sinh": "TrangThai",
    "Ngày nhập trạng thái": "NgayTrangThai", "Dân tộc": "DanToc", "Loại khuyết tật": "LoaiKhuyetTat",
    "Số định danh cá nhân": "SoDinhDanh", f"Xã/Phường {_ADDRESS}": "XaThuongTru",
}  # fmt: skip
_LATER = (
    "Dân tộc", "Loại khuyết tật", "Số định danh cá nhân", f"Tỉnh/Thành phố {_ADDRESS}", f"Xã/Phường {_ADDRESS}",
    f"Tổ/Thôn/Xóm {_ADDRESS}", "Chỗ ở hiện nay", "Số điện thoại liên hệ", "Họ tên cha", "Họ tên mẹ",
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    """A version of the template. `first`: from this day on it is the only one that is taken."""

    version: str
    first: date
    columns: tuple[str, ...]


#: In order. The third puts the personal number before the name, renames two columns and adds one.
TEMPLATES = (
    Template("2", date(2025, 8, 1), (
        "Mã trường", "Mã lớp", "Mã học sinh", "Họ tên", "Ngày sinh", "Giới tính", "Trạng thái HS", "Ngày nhập trạng thái", *_LATER,
    )),
    Template("3", date(2026, 11, 21), (
        "Mã trường", "Mã học sinh", "Số định danh cá nhân", "Mã lớp", "Họ và tên", "Ngày sinh", "Giới tính", "Trạng thái học sinh",
        "Ngày nhập trạng thái", *(name for name in _LATER if name != "Số định danh cá nhân"), "Ghi chú",
    )),
)  # fmt: skip


class BadFile(Exception):
    """A file that is refused as a whole. `code`: of the messages; `detail`: what is wrong with it."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


def today(on: date) -> Template:
    """The version that is taken on a day."""
    return [template for template in TEMPLATES if template.first <= on or template is TEMPLATES[0]][-1]


def read(workbook: bytes, on: date, statuses: dict[str, str]) -> list[dict[str, str]]:
    """The rows of a workbook as pupils, each with `dong`, the number of its row in the sheet. `statuses`: name -> code;
    one without a code stays as it is. Raises BadFile.
    """
    try:
        sheets = CalamineWorkbook.from_filelike(io.BytesIO(workbook))
        name = next(name for name in _FIRST_SHEETS if name in sheets.sheet_names)
        rows = sheets.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (CalamineError, StopIteration) as error:
        raise BadFile("52") from error
    headers = [number for number, row in enumerate(rows) if _MARK in map(_alike, row)]
    if not headers:
        raise BadFile("51", f"thiếu cột {_MARK}")
    header = tuple(filter(None, map(_alike, rows[headers[0]])))
    wanted = today(on)
    if header != wanted.columns:
        old = [each.version for each in TEMPLATES if each.columns == header and each.first < wanted.first]
        if old:
            raise BadFile("50", f"phiên bản {old[0]}, hiện hành {wanted.version}")
        missing = [name for name in wanted.columns if name not in header]
        strange = [name for name in header if name not in wanted.columns]
        told = [f"{what} {', '.join(names)}" for what, names in (("thiếu", missing), ("thừa", strange)) if names]
        raise BadFile("51", "; ".join(told) or "sai thứ tự cột")
    return [
        _pupil(header, row, statuses) | {"dong": str(number)}
        for number, row in enumerate(rows[headers[0] + 1 :], headers[0] + 2)
        if any(cell not in ("", None) for cell in row)
    ]


def _pupil(header: tuple[str, ...], row: list[Any], statuses: dict[str, str]) -> dict[str, str]:
    pupil = {}
    for column, cell in zip(header, row, strict=False):
        field = _FIELDS.get(column)
        if field:
            pupil[field] = _date(cell) if field in _DATES else _text(cell)
    state = pupil.get("TrangThai", "")
    return pupil | {"TrangThai": statuses.get(_alike(state), state)}


def _text(cell: Any) -> str:
    """A cell as it reads; a number that Excel made of a code has lost its leading zeros."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell or "").strip()


def _date(cell: Any) -> str:
    """yyyyMMdd of a date, or of dd/mm/yyyy; anything else as it is, to be refused."""
    if isinstance(cell, date | datetime):
        return f"{cell:%Y%m%d}"
    text = _text(cell)
    try:
        return f"{datetime.strptime(text, '%d/%m/%Y'):%Y%m%d}"
    except ValueError:
        return text


def _alike(cell: Any) -> str:
    return unicodedata.normalize("NFC", " ".join(str(cell or "").split()))
