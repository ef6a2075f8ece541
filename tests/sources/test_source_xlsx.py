"""Workbooks: the table is found by its headers, data rows are told from the rest, nothing that may be data is lost."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from orchestration.contracts import Contract, assets_root, load
from orchestration.errors import KhoError
from orchestration.sources.workbook import parse_workbook

GROUPED = ["Số lớp", "Số\nhọc sinh", "Số giáo viên", "Số phòng học"]
PLAIN = ["Mã trường", "Tên trường", "Cấp học", "Loại hình", "Mã xã", "Năm thành lập"]
AFTER = ["Diện tích (m²)", "Đạt chuẩn quốc gia", "Kinh phí (triệu đồng)", "Hiệu trưởng"]


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def school(number: Any, code: Any = "24A00001", **cells: Any) -> list[Any]:
    """A row as it stands on the sheet: STT, six plain, four grouped, four further columns."""
    row = {
        "name": "Trường Mầm non Hoa Sen",
        "level": "MN",
        "form": "CONG_LAP",
        "commune": "07210",
        "year": 1995,
        "classes": 12,
        "pupils": 330,
        "teachers": 25,
        "rooms": 12,
        "area": "5.120,5",
        "standard": None,
        "budget": "1.234,567",
        "head": "Nguyễn Thị Thử",
    } | cells
    return [number, code, *row.values()]


def book(path: Path, rows: Sequence[Sequence[Any]], *, above: int = 4, header: Sequence[Any] | None = None) -> Path:
    workbook = openpyxl.Workbook()
    codes = workbook.active
    codes.title = "DM_CapHoc"
    codes.append(["Mã trường", "Tên"])
    sheet = workbook.create_sheet("DanhSachTruong")
    hidden = workbook.create_sheet("DM_Xa")
    hidden.sheet_state = "hidden"
    sheet.append(["SỞ GIÁO DỤC VÀ ĐÀO TẠO"])
    for _ in range(above - 1):
        sheet.append([])
    if header is None:
        first = ["STT", *PLAIN[:1], nfd(PLAIN[1]), *PLAIN[2:], "Quy mô", None, None, None, *AFTER]
        sheet.append(first)
        sheet.append([None] * 7 + GROUPED)
        sheet.merge_cells(start_row=above + 1, end_row=above + 1, start_column=8, end_column=11)
        for column in (*range(1, 8), *range(12, 16)):
            sheet.merge_cells(start_row=above + 1, end_row=above + 2, start_column=column, end_column=column)
    else:
        sheet.append(header)
    for row in rows:
        sheet.append(row)
    workbook.save(path)
    return path


SIGNATURE: list[list[Any]] = [
    [],
    [None] * 9 + ["Bắc Ninh, ngày 05 tháng 9 năm 2025"],
    [None, "Người lập biểu", None, None, None, None, None, None, None, "Thủ trưởng đơn vị"],
    [None, "(Ký, họ tên)", None, None, None, None, None, None, None, "(Ký, đóng dấu)"],
    [None, "Nguyễn Văn Mẫu", None, None, None, None, None, None, None, "Trần Thị Mẫu"],
]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load(assets_root() / "agencies" / "education" / "school.yaml")


def opened(contract: Contract, path: Path) -> tuple[tuple[str, ...], Iterator[bytes]]:
    return parse_workbook(contract, io.BytesIO(path.read_bytes()), path.name)


def read(contract: Contract, path: Path) -> list[dict[str, str]]:
    columns, stream = opened(contract, path)
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text))]


def codes(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(row["_row"], row["school_code"]) for row in rows]


def test_a_table_with_everything_around_it(contract: Contract, tmp_path: Path) -> None:
    rows = [
        ["(1)", "(2)", *[f"({n})" for n in range(3, 16)]],
        ["I", "Mầm non"],
        school(1),
        school("2.", "24A00002", name=nfd("  Trường Mầm non Bình Minh ")),
        [None, "Cộng", None, None, None, None, None, 24, 660, 50, 24],
        ["II", "Tiểu học", None, None, None, None, None, 12, 330],
        school(3.0, "24B00003"),
        [],
        [None, None, "Tổng cộng (I + II)", None, None, None, None, 36, 990, 75, 36, "15.361,5"],
        *SIGNATURE,
    ]
    found = read(contract, book(tmp_path / "truong_hoc_20250905.xlsx", rows))
    assert codes(found) == [("9", "24A00001"), ("10", "24A00002"), ("13", "24B00003")]
    assert found[1]["school_name"] == nfd("Trường Mầm non Bình Minh"), "stripped, but not normalised: landing does that"
    assert found[0] | {"_row": ""} == {
        "_row": "",
        "school_code": "24A00001",
        "school_name": "Trường Mầm non Hoa Sen",
        "level": "MN",
        "ownership": "CONG_LAP",
        "commune_code": "07210",
        "founded_year": "1995",
        "class_count": "12",
        "pupil_count": "330",
        "teacher_count": "25",
        "room_count": "12",
        "site_area_m2": "5.120,5",
        "national_standard": "",
        "budget_million_vnd": "1.234,567",
        "principal_name": "Nguyễn Thị Thử",
    }


def test_rows_that_may_be_data_are_handed_on(contract: Contract, tmp_path: Path) -> None:
    broken = [
        school(1),
        school(2, None),
        school(None, None),
        school(None, "24A00009"),
        [4] + [None] * 6 + [5],
        school("x", "ABC", name="Tổng hợp"),
        ["Cộng", None, "Trường không có số", "MN", "CONG_LAP"],
        school("năm", None),
    ]
    found = read(contract, book(tmp_path / "a.xlsx", [*broken, *SIGNATURE]))
    assert [int(row["_row"]) for row in found] == list(range(7, 15))


def test_rows_that_are_surely_not_data_are_dropped(contract: Contract, tmp_path: Path) -> None:
    others: list[list[Any]] = [
        [7],
        ["A", "Khối công lập"],
        ["II.", None, "Trung học cơ sở", None, None, None, None, 10],
        [None, None, "Ghi chú: số liệu đầu năm học"],
        ["Tổng số", None, None, None, None, None, None, 10, 300],
        [None, "Tổng", None, None, None, None, None, "1.200", "-"],
    ]
    assert codes(read(contract, book(tmp_path / "a.xlsx", [*others, school(1)]))) == [("13", "24A00001")]


def test_columns_moved_renamed_and_added(contract: Contract, tmp_path: Path) -> None:
    names = [*reversed([*PLAIN, *GROUPED, *AFTER])]
    header = [nfd(name).upper() if name != "Số giáo viên" else "số  GV" for name in names]
    row = [*reversed(school(1)[1:])]
    path = book(tmp_path / "a.xlsx", [["1", *row, "mới"]], above=1, header=["Số TT", *header, "Ghi\nchú"])
    columns, _ = opened(contract, path)
    assert columns[-1] == "Ghi chú"
    (found,) = read(contract, path)
    assert (found["school_code"], found["teacher_count"], found["Ghi chú"]) == ("24A00001", "25", "mới")


def test_typed_cells_are_written_as_the_contract_reads_them(contract: Contract, tmp_path: Path) -> None:
    row = school(1, area=5120.25, budget=0.1 + 0.2, year=1995.0, standard=1, name=date(2025, 9, 5), commune=7210)
    row[-1] = datetime(2025, 9, 5, 7, 30)
    (found,) = read(contract, book(tmp_path / "a.xlsx", [row]))
    assert (found["site_area_m2"], found["budget_million_vnd"], found["founded_year"]) == ("5120,25", "0,3", "1995")
    assert (found["school_name"], found["principal_name"]) == ("2025-09-05", "2025-09-05 07:30:00")
    assert found["commune_code"] == "7210", "the lost zero is the agency's mistake, told by the contract"


def test_words_like_na_stay_what_they_are(contract: Contract, tmp_path: Path) -> None:
    (found,) = read(contract, book(tmp_path / "a.xlsx", [school(1, head="NA", name='Trường "A", số 1\nBắc Ninh')]))
    assert (found["principal_name"], found["school_name"]) == ("NA", 'Trường "A", số 1\nBắc Ninh')


def test_without_serial_numbers_the_key_tells(contract: Contract, tmp_path: Path) -> None:
    header = [*PLAIN, *GROUPED, *AFTER]
    rows = [school(None)[1:], ["Mầm non"], school(None, None)[1:], ["Cộng"] + [None] * 5 + [12, 330], *SIGNATURE]
    found = read(contract, book(tmp_path / "a.xlsx", rows, header=header))
    assert [row["school_code"] for row in found] == ["24A00001", ""]


def test_a_missing_column_is_told_with_the_headers_found(contract: Contract, tmp_path: Path) -> None:
    header = ["STT", *PLAIN, *GROUPED[1:], *AFTER]
    path = book(tmp_path / "truong_hoc_20250905.xlsx", [school(1)], header=header)
    with pytest.raises(KhoError) as refused:
        opened(contract, path)
    assert (refused.value.code, refused.value.where["column"]) == ("schema_drift", "Số lớp")
    assert "DanhSachTruong" in refused.value.vi and "Số học sinh" in refused.value.vi
    assert "Hoa Sen" not in str(refused.value)


def test_what_is_no_workbook(contract: Contract, tmp_path: Path) -> None:
    path = tmp_path / "truong_hoc_20250905.xlsx"
    path.write_bytes(b"hello")
    with pytest.raises(KhoError) as refused:
        opened(contract, path)
    assert refused.value.code == "file_format"
    assert refused.value.__context__ is None
