"""Workbooks cell by cell: what independent writers wrote, read alike from every kind of workbook, and what attacks."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xlsxwriter
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from python_calamine import CalamineWorkbook

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources import xlsx_cells
from orchestration.sources.sheet_layout import find_layout as find
from orchestration.sources.workbook import headers_workbook, parse_workbook
from orchestration.sources.xlsx_cells import sheets
from tests.sources.contracts_of import contract_of

COLUMNS: list[tuple[str, str, dict[str, Any]]] = [("key", "Mã", {}), ("value", "Giá trị", {})]


def read(contract: Contract, content: bytes) -> list[dict[str, str]]:
    columns, stream = parse_workbook(contract, io.BytesIO(content), "a.xlsx")
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text, newline=""))]


def book(rows: list[list[Any]], *, inline: bool = False, date_1904: bool = False) -> bytes:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(
        sink, {"in_memory": True, "constant_memory": inline, "strings_to_formulas": False, "date_1904": date_1904}
    ) as made:
        sheet = made.add_worksheet("Trang 1")
        day, moment = (made.add_format({"num_format": form}) for form in ("dd/mm/yyyy", "dd/mm/yyyy hh:mm:ss"))
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, dt.datetime):
                    sheet.write_datetime(at, column, value, moment)
                elif isinstance(value, dt.date):
                    sheet.write_datetime(at, column, value, day)
                elif isinstance(value, str):
                    sheet.write_string(at, column, value)
                elif value is not None:
                    sheet.write(at, column, value)
    return sink.getvalue()


MARKED = st.sampled_from(["a & b", "<x>", 'nói "không"', "hai\ndòng", "_x000D_", "«₫» ễ", "  Hà  ", "a=b r='1'", "]]>"])
TEXT = st.text(st.characters(exclude_categories=["C"], max_codepoint=0x1EF9), max_size=12) | MARKED
MOMENTS = st.datetimes(dt.datetime(1900, 3, 1), dt.datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
CELL = (
    st.none() | TEXT | st.integers(-(10**14), 10**14) | st.booleans() | MOMENTS | st.dates(dt.date(1900, 3, 1), dt.date(2100, 1, 1))
    | st.floats(-1e12, 1e12).map(lambda value: float(f"{value:.12g}"))
)  # fmt: skip


def shown(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, dt.date) else str(cell)


def alike(found: str, expected: Any) -> bool:
    return float(found) == expected if isinstance(expected, float) else found == shown(expected)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(CELL, max_size=12), st.booleans(), st.booleans())
def test_what_xlsxwriter_wrote_is_read(cells: list[Any], inline: bool, date_1904: bool) -> None:
    if date_1904:
        cells = [None if isinstance(cell, dt.date) and cell.year < 1905 else cell for cell in cells]
    rows: list[list[Any]] = [["Danh sách"], [], ["STT", "Mã", "Giá trị"]]
    rows += [[number, f"K{number}", cell] for number, cell in enumerate(cells, 1)]
    content = book(rows, inline=inline, date_1904=date_1904)
    found = read(contract_of(COLUMNS), content)
    assert [row["key"] for row in found] == [f"K{number}" for number in range(1, len(cells) + 1)]
    assert all(alike(row["value"], cell) for row, cell in zip(found, cells, strict=True)), (found, cells)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(CELL, max_size=5), max_size=8))
def test_every_cell_is_where_calamine_sees_it(rows: list[list[Any]]) -> None:
    content = book(rows)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (sheet,) = sheets(archive)
    found = {
        (row, column): text
        for column, texts in enumerate(sheet.texts)
        for row, text in zip(sheet.rows.tolist(), texts.to_pylist(), strict=True)
        if text is not None
    }
    expected = (
        CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    )
    filled = {(row, column) for row, cells in enumerate(expected) for column, cell in enumerate(cells) if cell != ""}
    assert {place for place in found if found[place] != ""} == filled


FORMATS = [
    ("yyyyMMddHHmmss", "timestamp", "20250905073000"), ("yyyyMMddHHmm", "timestamp", "202509050730"), ("yyyyMMdd", "date", "20250905"),
    ("dd/MM/yyyy", "date", "05/09/2025"), ("dd/MM/yyyy HH:mm", "timestamp", "05/09/2025 07:30"),
    ("dd/MM/yyyy HH:mm:ss", "timestamp", "05/09/2025 07:30:00"), ("MM/yyyy", "date", "09/2025"), ("partial_date", "text", "05/09/2025"),
    (None, "date", "2025-09-05"), (None, "timestamptz", "2025-09-05 07:30:00"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "pg_type", "expected"), FORMATS)
def test_moments_are_written_as_the_column_wants_them(form: str | None, pg_type: str, expected: str) -> None:
    contract = contract_of([COLUMNS[0], ("value", "Giá trị", {"format": form, "pg_type": pg_type})])
    moment = dt.datetime(2025, 9, 5, 7, 30)
    for content in (
        book([["Mã", "Giá trị"], ["a", moment], ["b", "như chữ"]]),
        old([["Mã", "Giá trị"], ["a", moment], ["b", "như chữ"]]),
    ):
        assert [row["value"] for row in read(contract, content)] == [expected, "như chữ"]


def test_words_for_booleans_and_digits() -> None:
    columns = [
        COLUMNS[0],
        ("yes", "Đạt", {"pg_type": "boolean", "format": "Có/Không"}),
        ("number", "Số", {"pg_type": "numeric", "format": "decimal_comma"}),
    ]
    found = read(
        contract_of(columns),
        book([["Mã", "Đạt", "Số"], ["a", True, 5120.25], ["b", False, 1e20], ["c", "x", 1e-7], ["d", None, "1,5"]]),
    )
    assert [(row["yes"], row["number"]) for row in found] == [
        ("Có", "5120,25"),
        ("Không", "100000000000000000000"),
        ("x", "0,0000001"),
        ("", "1,5"),
    ]


def old(rows: list[list[Any]]) -> bytes:
    made = xlwt.Workbook(encoding="utf-8")
    sheet = made.add_sheet("Trang 1")
    style = xlwt.easyxf(num_format_str="dd/mm/yyyy hh:mm:ss")
    for at, row in enumerate(rows):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(at, column, value, style) if isinstance(value, dt.datetime) else sheet.write(
                    at, column, value
                )
    sink = io.BytesIO()
    made.save(sink)
    return sink.getvalue()


def open_document(rows: list[list[Any]]) -> bytes:
    sink = io.BytesIO()
    pd.DataFrame(rows).to_excel(sink, engine="odf", header=False, index=False)
    return sink.getvalue()


@pytest.mark.parametrize("write", [book, old, open_document])
def test_every_kind_of_workbook(write: Any) -> None:
    rows: list[list[Any]] = [
        ["Danh sách", None, None],
        ["STT", "Mã", "Giá trị"],
        [1, "a", 7210],
        [2, "b", 0.5],
        [3, "c", "Đất"],
        ["Cộng", None, 3],
    ]
    found = read(contract_of(COLUMNS), write(rows))
    assert [tuple(row.values()) for row in found] == [("3", "a", "7210"), ("4", "b", "0.5"), ("5", "c", "Đất")]
    assert headers_workbook(contract_of(COLUMNS), io.BytesIO(write(rows)), "a") == ((None, "key", "value"), ())


def test_formulas_and_errors_are_what_is_shown() -> None:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink) as made:
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, ["Mã", "Giá trị"])
        for row, (formula, value) in enumerate(
            [('="a"&"<b>"', "a<b>"), ("=1+1", 2), ("=NA()", "#N/A"), ("=1/0", "#DIV/0!"), ("=1=1", True)], 1
        ):
            sheet.write_string(row, 0, "k")
            sheet.write_formula(row, 1, formula, None, value)
    assert [row["value"] for row in read(contract_of(COLUMNS), sink.getvalue())] == [
        "a<b>",
        "2",
        "#N/A",
        "#DIV/0!",
        "true",
    ]


def test_rich_text_is_its_runs(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink) as made:
        bold = made.add_format({"bold": True})
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, ["Mã", "Giá trị"])
        sheet.write_string(1, 0, "k")
        sheet.write_rich_string(1, 1, "Bắc ", bold, "Ninh & ", "Giang")
    assert read(contract_of(COLUMNS), sink.getvalue())[0]["value"] == "Bắc Ninh & Giang"


def changed(content: bytes, change: Any, part: str = "xl/worksheets/sheet1.xml") -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(sink, "w") as target:
        for item in source.infolist():
            data = source.read(item)
            target.writestr(item.filename, change(data) if item.filename == part else data)
    return sink.getvalue()


ROWS: list[list[Any]] = [["Mã", "Giá trị"], ["a", 1], ["b", "Hà"], [None, None], ["c", 2.5]]


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: re.sub(rb"<(/?)(\w)", rb"<\1x:\2", xml.replace(b"xmlns=", b"xmlns:x=")),
        lambda xml: xml.replace(b"</row>", b"</row><!-- note -->"),
        lambda xml: re.sub(rb' r="[A-Z]+\d+"', b"", xml),
        lambda xml: xml.replace(b'"', b"'"),
        lambda xml: xml.replace(b"<c ", b"\n  <c ").replace(b"<v>", b"\n<v>"),
        lambda xml: xml.replace(b' t="', b'\n\tt="'),
        lambda xml: xml.replace(b"<v>", b'<v xml:space="preserve">'),
        lambda xml: re.sub(rb'<row r="(\d+)" spans="[^"]*">', rb'<row spans="1:2" ht="15.5" r="\1">', xml),
    ],
)
def test_other_ways_to_write_the_same(change: Any) -> None:
    found = read(contract_of(COLUMNS), changed(book(ROWS), change))
    assert [(row["_row"], row["key"], row["value"]) for row in found] == [
        ("2", "a", "1"),
        ("3", "b", "Hà"),
        ("5", "c", "2.5"),
    ]


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["STT", "Mã", "Giá trị"], *([n, f"K{n}", n / 4 if n % 3 else f"chữ {n}"] for n in range(1, 2000))]
    whole = read(contract_of(COLUMNS), book(rows))
    monkeypatch.setattr(xlsx_cells, "PIECE", 1000)
    assert read(contract_of(COLUMNS), book(rows)) == whole
    assert len(whole) == 1999


def test_legacy_letters_in_cells_and_headers() -> None:
    content = book([["STT", "M·", "Gi¸ trÞ"], [1, "24A", "TØnh B¾c Ninh"], [2, "24B", "Đã là Unicode"]])
    found = read(contract_of(COLUMNS, charset="tcvn3"), content)
    assert [row["value"] for row in found] == ["Tỉnh Bắc Ninh", "Đã là Unicode"]
    one = contract_of([COLUMNS[0], ("value", "Giá trị", {"charset": "tcvn3"})])
    content = book([["STT", "Mã", "Gi¸ trÞ"], [1, "½", "TØnh B¾c Ninh"]])
    assert [(row["key"], row["value"]) for row in read(one, content)] == [("½", "Tỉnh Bắc Ninh")]
    many = book(
        [
            ["STT", "M·", "Gi¸ trÞ"],
            *([n, f"{n}", "Tr­êng TiÓu häc B×nh Minh, huyÖn Gia B×nh, tØnh B¾c Ninh"] for n in range(1, 40)),
        ]
    )
    assert (
        read(contract_of(COLUMNS, charset="auto"), many)[0]["value"]
        == "Trường Tiểu học Bình Minh, huyện Gia Bình, tỉnh Bắc Ninh"
    )


def test_what_is_broken() -> None:
    good = book(ROWS)
    cases = [
        b"", b"hello", b"PK\3\4", good[: len(good) // 2], bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600,
        changed(good, lambda xml: xml[: xml.index(b"</sheetData>")]), changed(good, lambda xml: xml.replace(b"<v>0</v>", b"<v>99</v>")),
        changed(good, lambda xml: b"\0" * 1000),
    ]  # fmt: skip
    for content in cases:
        with pytest.raises(KhoError) as refused:
            read(contract_of(COLUMNS), content)
        assert refused.value.code in ("file_format", "schema_drift")
        assert refused.value.__context__ is None


def test_bombs_are_refused_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_cells, "LONGEST_ROW", 1 << 20)
    monkeypatch.setattr(xlsx_cells, "SHARED", 1 << 20)
    monkeypatch.setattr(xlsx_cells, "PIECE", 1 << 18)
    blown = [
        changed(book(ROWS), lambda xml: xml.replace(b"<sheetData>", b"<sheetData>" + b" " * (8 << 20))),
        changed(
            book(ROWS),
            lambda xml: xml.replace(b"</sst>", (b"<si><t>" + b"a" * 100_000 + b"</t></si>") * 40 + b"</sst>"),
            "xl/sharedStrings.xml",
        ),
        changed(book(ROWS), lambda xml: b"<sst>" + b"<si><t>a</t></si>" * 200_000 + b"</sst>", "xl/sharedStrings.xml"),
    ]
    for content in blown:
        with pytest.raises(KhoError) as refused:
            read(contract_of(COLUMNS), content)
        assert refused.value.code == "file_format"


def test_openpyxl_writes_the_same() -> None:
    made = Workbook()
    for row in ROWS:
        made.active.append(row)
    sink = io.BytesIO()
    made.save(sink)
    assert read(contract_of(COLUMNS), sink.getvalue()) == read(contract_of(COLUMNS), book(ROWS))


KEYED = contract_of([("key", "Mã", {"pattern": "K[0-9]+"}), ("name", "Tên", {}), ("post", "Chức vụ", {})])
TITLES = ["Mã", "Tên", "Chức vụ"]


def keys(contract: Contract, rows: list[list[Any]]) -> list[str]:
    return [row["key"] for row in read(contract, book(rows))]


def test_a_post_in_the_last_rows_is_no_signature() -> None:
    head = "Hiệu trưởng"
    rows = [TITLES, ["K1", "a", head], ["bad", "b", head], ["bad2", "c", "Giáo viên"]]
    assert keys(KEYED, rows) == ["K1", "bad", "bad2"]
    assert keys(KEYED, [*rows, [], ["bad3", "d", head]]) == ["K1", "bad", "bad2", "bad3"], "below an empty row, too"
    signed = [[], ["Người lập biểu", None, head], ["Nguyễn Văn A", None, "Trần Thị B"]]
    assert keys(KEYED, [*rows, *signed]) == ["K1", "bad", "bad2"]
    assert keys(KEYED, [*rows, [None, None, head], [None, "Nguyễn Văn A", "Trần Thị B"]]) == ["K1", "bad", "bad2"]


def test_a_first_row_of_small_numbers_is_data_unless_it_counts_the_columns() -> None:
    small = contract_of([("key", "Mã", {}), ("a", "Nữ", {}), ("b", "Nam", {})])
    names = ["STT", "Mã", "Nữ", "Nam"]
    assert keys(small, [names, [1, 2, 3, 4], [2, 5, 6, 7]]) == ["2", "5"], "the next row goes on"
    assert keys(small, [names, [1, 2, 3, 4], [1, 5, 6, 7]]) == ["5"]
    assert keys(small, [names, [], [1, 2, 3, 4], [1, 5, 6, 7]]) == ["2", "5"], "not below the header"
    assert keys(small, [names, [1, 2, 3, None], [1, 5, 6, 7]]) == ["2", "5"], "not under every title"
    assert keys(small, [names[1:], [7, 8, 9], [1, 2, 3], [2, 3, 4]]) == ["1", "2"]
    assert keys(KEYED, [TITLES, ["K1", "a", "b"], [1, 2, 3]]) == ["K1", "1"], "a bad key is for the contract to tell"


def test_a_group_that_is_a_value_of_a_part_of_the_key() -> None:
    columns = [
        ("key", "Mã xã", {"pattern": "[0-9]{5}", "key_position": 1}),
        ("year", "Năm", {"key_position": 2}),
        ("n", "Số", {}),
    ]
    two = replace(contract_of(columns), key=("key", "year"))
    rows = [
        ["Mã xã", "Năm", "Số"],
        ["24001", None, None],
        ["24001", 2025, 7],
        ["24002", None, None],
        ["24002", 2025, 8],
    ]
    assert [(row["key"], row["year"]) for row in read(two, book(rows))] == [("24001", "2025"), ("24002", "2025")]


def test_long_numbers_keep_every_digit() -> None:
    def digits(xml: bytes) -> bytes:
        for n, text in enumerate((b"12345678901234567", b"1.2345678901234567E16", b"0.30000000000000004", b"-7.0")):
            xml = xml.replace(b"<v>%d</v>" % (900 + n), b"<v>" + text + b"</v>")
        return xml

    content = changed(book([["Mã", "Giá trị"], *([f"K{n}", 900 + n] for n in range(4))]), digits)
    values = [row["value"] for row in read(contract_of(COLUMNS), content)]
    assert values == ["12345678901234567", "12345678901234567", "0.3", "-7"]
    old_book = read(contract_of(COLUMNS), old([["Mã", "Giá trị"], ["a", 123456789012345], ["b", 2**53]]))
    assert [row["value"] for row in old_book] == ["123456789012345", "9007199254740992"]


def test_what_was_looked_at_is_parsed_once_and_never_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = contract_of(COLUMNS)
    one, other = book([["Mã", "Giá trị"], ["1", "a"]]), book([["Mã", "Giá trị"], ["2", "b"]])
    found = []
    monkeypatch.setattr("orchestration.sources.workbook.find_layout", lambda *given: found.append(1) or find(*given))
    headers_workbook(contract, io.BytesIO(one), "a.xlsx")
    assert (read(contract, one), len(found)) == ([{"_row": "2", "key": "1", "value": "a"}], 1)
    headers_workbook(contract, io.BytesIO(one), "a.xlsx")
    assert read(contract, other) == [{"_row": "2", "key": "2", "value": "b"}]
    headers_workbook(contract, io.BytesIO(one), "a.xlsx")
    renamed = contract_of([("key", "Mã", {}), ("amount", "Giá trị", {})])
    assert read(renamed, one) == [{"_row": "2", "key": "1", "amount": "a"}]
