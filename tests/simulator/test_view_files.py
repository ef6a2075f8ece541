"""Files of views, read back by other libraries: CSV in every encoding, workbooks with all their ornaments, one a group."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import subprocess
import unicodedata
import zipfile
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from python_calamine import CalamineWorkbook

from simulator.table import Province, date_of
from simulator.views import dirt, workbook, writers
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View
from simulator.views.workbook import Csv, Head, Sheet, Version, Workbooks

from .systems_fakes import client
from .view_register import VIEW, province_of

SHEET = Sheet(
    name="SoTheoDoi",
    titles=("ỦY BAN NHÂN DÂN TỈNH BẮC NINH", "SỔ THEO DÕI (đến ngày {day:%d/%m/%Y})", "ĐVT: triệu đồng – nhóm {Loại}"),
    headings={"Số tiền": "Tài chính", "Diện tích": "Tài chính"},
    broken={"Họ và tên": "Họ và\ntên"},
    decomposed=("Họ và tên", "Điện thoại"),
    sections="Loại",
    sums=("Số tiền",),
    lists={"DM_Loai": {"A": "Loại một", "B": "Loại hai"}, "DM_Khac": {"1": "Một"}},
    hidden=("DM_Khac",),
    versions=(Version(3, ("Họ và tên", "Mã"), {"Mã": "Mã hồ sơ"}, ("Ghi chú",)),),
)
BOOK = dataclasses.replace(
    VIEW,
    format="xlsx",
    place="kho/so_{day:%Y%m%d}.xlsx",
    sheet=SHEET,
    columns=(*(c for c in VIEW.columns if c.name not in ("Số tiền", "Diện tích")),
             Column("Số tiền", "amount", "int", unit="đồng"), Column("Diện tích", "area", "decimal:2", unit="m²"),
             Column("Ngày hẹn", "due", "excel")),
    dirt=(*VIEW.dirt, Dirt("date_zero", "Ngày hẹn")),
)  # fmt: skip


@pytest.fixture(scope="module")
def province() -> Province:
    return province_of(1500)


def rows_of(view: View, province: Province, day: int = 0) -> list[dict[str, str]]:
    """What the view says, every cell as text, an empty one as ""."""
    table = pa.concat_tables([said.rows for said in view.batches(province, day)])
    return [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in table.to_pylist()]


# -- CSV ---------------------------------------------------------------------------------------------------------------


def decoded(content: bytes, encoding: str) -> str:
    """By other people's converters."""
    if encoding == "tcvn3":
        client("iconv", "libc-bin")  # in CI it has to be there
        done = subprocess.run(["iconv", "-f", "TCVN", "-t", "UTF-8"], input=content, capture_output=True, check=True)
        return unicodedata.normalize("NFC", done.stdout.decode())
    if encoding == "vni":
        pairs = dict(import_module("viparse.normalize.encodings").CHARMAPS["vni"].pairs) | {"aú": "ẳ", "AÚ": "Ẳ"}
        sign = "|".join(sorted(map(re.escape, pairs), key=len, reverse=True))
        return re.sub(sign, lambda found: pairs[found[0]], content.decode("cp1252"))
    return unicodedata.normalize("NFC", content.decode("cp1258" if encoding == "cp1258" else "utf-8"))


@pytest.mark.parametrize("encoding", ["utf-8", "nfd", "mixed", "cp1258", "tcvn3", "vni"])
def test_csv_comes_back_from_every_encoding(encoding: Any, province: Province, tmp_path: Path) -> None:
    view = dataclasses.replace(
        VIEW,
        encoding=encoding,
        csv=Csv(";", crlf=True),
        dirt=(*dirt.texts("Tên khác"), Dirt("text_nfd", "Tên khác", rate=0.0), Dirt("duplicate")),
    )
    (delivery,) = writers.deliver(view, province, 0, tmp_path)
    assert delivery.path.name == "so_20261119.csv" and sorted(tmp_path.iterdir()) == [delivery.path]
    content = delivery.path.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") == delivery.rows + 1
    read = list(csv.DictReader(io.StringIO(decoded(content, encoding), newline=""), delimiter=";"))
    said = rows_of(view, province)
    plain = [
        {unicodedata.normalize("NFC", n): unicodedata.normalize("NFC", cell) for n, cell in row.items()} for row in said
    ]
    if encoding == "tcvn3":  # capitals with a tone are lost
        read, plain = ([{n.lower(): cell.lower() for n, cell in row.items()} for row in rows] for rows in (read, plain))
    assert read == plain
    assert (
        unicodedata.is_normalized("NFC", content.decode()) == (encoding == "utf-8")
        if encoding in ("utf-8", "nfd", "mixed")
        else True
    )


def test_csv_quotes_where_it_must_and_marks_utf8(province: Province, tmp_path: Path) -> None:
    rows = pa.table({"a": ['x "y"', "1,5", "z\nz", None, "ổn"], "b": pa.array([1, None, 3, 4, 5])})
    assert writers.csv_bytes(rows, Csv()).decode() == '"x ""y""",1\n"1,5",\n"z\nz",3\n,4\nổn,5\n'
    assert writers.csv_bytes(rows.slice(3), Csv(quote_all=True)).decode() == ',"4"\n"ổn","5"\n'
    tabs = io.StringIO(writers.csv_bytes(rows, Csv("\t")).decode(), newline="")
    assert next(csv.reader(tabs, delimiter="\t")) == ['x "y"', "1"]
    header = writers.csv_header(dataclasses.replace(VIEW, csv=Csv(bom=True)))
    assert header.startswith(b"\xef\xbb\xbf") and header.decode("utf-8-sig").split(",")[0] == "Mã"
    whole = delivered(VIEW, province, tmp_path).read_bytes()
    assert len(list(csv.reader(io.StringIO(whole.decode(), newline="")))) == 1 + len(rows_of(VIEW, province))


# -- workbooks ---------------------------------------------------------------------------------------------------------


def delivered(view: View, province: Province, folder: Path, day: int = 0) -> Path:
    (delivery,) = [d for d in writers.deliver(view, province, day, folder) if not d.again]
    return delivery.path


def test_a_workbook_has_the_shape_clerks_give_it(province: Province, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(delivered(BOOK, province, tmp_path))
    assert [(s.title, s.sheet_state) for s in book] == [
        ("SoTheoDoi", "visible"),
        ("DM_Loai", "visible"),
        ("DM_Khac", "hidden"),
    ]
    page = book["SoTheoDoi"]
    assert page["A2"].value == "SỔ THEO DÕI (đến ngày 19/11/2026)"
    assert page["A3"].value in ("ĐVT: triệu đồng – nhóm Loại một", "ĐVT: triệu đồng – nhóm Loại hai")
    merged = {str(area) for area in page.merged_cells.ranges}
    top = [page.cell(5, column).value for column in range(1, 19)]
    below = [page.cell(6, column).value for column in range(1, 19)]
    assert top[0] == "STT" and "A5:A6" in merged and "A1:R1" in merged
    at = top.index("Tài chính")
    assert below[at : at + 2] == ["Số tiền\n(đồng)", "Diện tích\n(m²)"] and below.count(None) == 16
    assert f"{page.cell(5, at + 1).coordinate}:{page.cell(5, at + 2).coordinate}" in merged
    assert top[2] == unicodedata.normalize("NFD", "Họ và\ntên") != "Họ và\ntên"
    last = [[cell.value for cell in row] for row in page.iter_rows(min_row=page.max_row - 4)]
    assert (
        last[0][1] == "Tổng cộng" and "Bắc Ninh, ngày 19 tháng 11 năm 2026" in last[2] and "Người lập biểu" in last[3]
    )


def body(view: View, path: Path, header: int = 6) -> tuple[list[str], list[list[Any]]]:
    """Names of columns and the rows between header and «Tổng cộng», by calamine."""
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    names = [unicodedata.normalize("NFC", str(low or up)).partition("\n(")[0].replace("\n", " ")
             for up, low in zip(rows[header - 2], rows[header - 1], strict=True)]  # fmt: skip
    end = next(at for at, row in enumerate(rows) if row[1] == "Tổng cộng")
    return names, rows[header : end + 1]


def test_rows_come_back_in_sections_with_sums(province: Province, tmp_path: Path) -> None:
    names, rows = body(BOOK, delivered(BOOK, province, tmp_path))
    said = rows_of(BOOK, province)
    headings = [(row[0], row[1]) for row in rows if isinstance(row[0], str) and row[0]]
    assert headings == [("I", "Loại hai"), ("II", "Loại một")]
    subtotals = [row for row in rows if row[1] in ("Cộng", unicodedata.normalize("NFD", "Cộng"))]
    assert [row[1] == "Cộng" for row in subtotals] == [True, False]
    data = [row for row in rows if isinstance(row[0], float)]
    assert [row[0] for row in data] == [*range(1, 1 + sum(r["Loại"] == "Loại hai" for r in said)),
                                        *range(1, 1 + sum(r["Loại"] == "Loại một" for r in said))]  # fmt: skip
    expected = sorted(said, key=lambda row: row["Loại"])
    for name in ("Mã", "Họ và tên", "Ngày sinh", "Điện thoại", "Loại"):
        at = names.index(name)
        assert [str(row[at]) for row in data] == [row[name] for row in expected], name
    at = names.index("Số tiền")
    numbers = [row[at] for row in data if isinstance(row[at], float)]
    assert all(
        isinstance(r[at], float) == bool(re.fullmatch(r"\d+", e["Số tiền"]))
        for r, e in zip(data, expected, strict=True)
    )
    assert rows[-1][at] == pytest.approx(sum(numbers)) and sum(r[at] for r in subtotals) == pytest.approx(sum(numbers))


def test_lost_zeros_are_numbers_and_dates_are_dates(province: Province, tmp_path: Path) -> None:
    names, rows = body(BOOK, delivered(BOOK, province, tmp_path))
    data = {str(row[names.index("Mã")]): row for row in rows if isinstance(row[0], float)}
    (said,) = BOOK.batches(province, 0)
    wrong = {(e["key"], e["column"]): e for e in said.errors.to_pylist()}
    lost = [cell for cell, e in wrong.items() if e["kind"] in ("id_zero_lost", "commune_zero_lost")]
    assert len(lost) > 20
    for key, name in lost:
        assert data[key][names.index(name)] == float(wrong[key, name]["found"])
    right = [key for key in data if (key, "Số ĐDCN") not in wrong and (key, "Mã xã") not in wrong]
    assert all(isinstance(data[key][names.index(name)], str) for key in right for name in ("Số ĐDCN", "Mã xã"))
    at = names.index("Ngày hẹn")
    due = dict(zip(said.rows["Mã"].to_pylist(), said.rows["Ngày hẹn"].to_pylist(), strict=True))
    for key, row in data.items():
        if (key, "Ngày hẹn") in wrong:
            assert str(row[at]).startswith("00/00/")
        else:
            assert row[at] == date.fromordinal(date(1899, 12, 30).toordinal() + int(due[key]))


def test_templates_change_with_the_days(province: Province, tmp_path: Path) -> None:
    names = {day: body(BOOK, delivered(BOOK, province, tmp_path / str(day), day))[0] for day in (2, 3)}
    assert names[2][1:3] == ["Mã", "Họ và tên"] and names[3][1:3] == ["Họ và tên", "Mã hồ sơ"]
    assert names[3][-1] == "Ghi chú" and len(names[3]) == len(names[2]) + 1


def test_the_same_day_gives_the_same_bytes(province: Province, tmp_path: Path) -> None:
    for view in (BOOK, VIEW):
        one, other = (
            delivered(view, held, tmp_path / name) for name, held in (("a", province), ("b", province_of(1500)))
        )
        assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(tmp_path / "a" / "so_20261119.xlsx") as book:
        assert {entry.date_time for entry in book.infolist()} == {(2026, 11, 19, 8, 0, 0)}
        assert b"2026-11-19T08:00:00Z" in book.read("docProps/core.xml")


def test_a_workbook_in_an_old_encoding_shows_what_windows_shows(province: Province, tmp_path: Path) -> None:
    page = openpyxl.load_workbook(
        delivered(dataclasses.replace(BOOK, encoding="tcvn3", dirt=()), province, tmp_path)
    ).worksheets[0]
    texts = {cell.value for row in page.iter_rows(max_row=40) for cell in row if isinstance(cell.value, str)}
    assert "Lo¹i hai" in texts and "Loại hai" not in texts and any("ñy ban" in t.lower() for t in texts)


def test_signs_of_xml_spaces_and_empty_cells_survive() -> None:
    writer = Workbooks(Sheet(titles=("<{a}>",)), (Head("a"), Head("b", "number")), 0, date_of(0))
    rows = pa.table({"a": ["a & b < c > d", "  hai  cách ", None], "b": pa.array([1.5, None, 2.0])})
    target = io.BytesIO()
    writer.write(target, rows)
    page = openpyxl.load_workbook(target).worksheets[0]
    assert page["A1"].value == "<a & b < c > d>"
    cells = [[c.value for c in row] for row in page.iter_rows(min_row=5, max_row=7)]
    assert cells == [[1, "a & b < c > d", 1.5], [2, "  hai  cách ", None], [3, None, 2]]
    with pytest.raises(ValueError, match="more than a sheet"):
        writer.write(
            io.BytesIO(),
            pa.table(
                {"a": pa.nulls(workbook.MOST_ROWS + 1, pa.string()), "b": pa.nulls(workbook.MOST_ROWS + 1, pa.int64())}
            ),
        )


# -- groups and files --------------------------------------------------------------------------------------------------


GROUPED = dataclasses.replace(VIEW, group="Mã xã", place="xa/{group}_{day:%Y%m%d}.csv")


def test_one_file_a_group_and_together_everything(province: Province, tmp_path: Path) -> None:
    made = [d for d in writers.deliver(GROUPED, province, 0, tmp_path) if not d.again]
    assert [d.group for d in made] == sorted({d.group for d in made}) and len(made) > 20
    (clean,) = GROUPED.batches(province, 0, clean=True)
    home = dict(zip(clean.rows["Mã"].to_pylist(), clean.rows["Mã xã"].to_pylist(), strict=True))
    read = []
    for delivery in made:
        assert delivery.path == tmp_path / f"{delivery.group}_20261119.csv"
        rows = list(csv.DictReader(io.StringIO(delivery.path.read_bytes().decode(), newline="")))
        assert len(rows) == delivery.rows and {home[row["Mã"]] for row in rows} == {delivery.group}
        read += rows
    said = rows_of(GROUPED, province)
    order = [tuple(row.values()) for row in read]
    assert sorted(order) == sorted(tuple(row.values()) for row in said)
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv"}, "something unfinished lies there"


def test_groups_come_the_same_in_small_batches(province: Province) -> None:
    whole = [(group, said.rows, said.errors) for group, said in writers.grouped(GROUPED, province, 1)]
    small = [(group, said.rows, said.errors) for group, said in writers.grouped(GROUPED, province, 1, size=300)]
    assert [group for group, _, _ in whole] == [group for group, _, _ in small]
    for (_, rows, errors), (_, others, other_errors) in zip(whole, small, strict=True):
        assert rows.equals(others)
        assert sorted(map(str, errors.to_pylist())) == sorted(map(str, other_errors.to_pylist()))


def test_changes_are_delivered_for_groups_that_have_some(province: Province, tmp_path: Path) -> None:
    made = [d for d in writers.deliver(GROUPED, province, 4, tmp_path, changes=True) if not d.again]
    changed = sum(said.rows.num_rows for said in GROUPED.changes(province, 4))
    assert sum(d.rows for d in made) == changed and all(d.rows for d in made)


def test_old_files_are_sent_again_at_the_rate_and_hold_what_they_held(province: Province, tmp_path: Path) -> None:
    groups = [f"{n:05d}" for n in range(1000)]
    again = sum(len(writers.resent(GROUPED, province, day, groups)) for day in range(20))
    assert abs(again - 20_000 * dirt.RATES["resent_file"].rate) < 4.5 * np.sqrt(20_000 * 0.02)
    day = next(day for day in range(2, 60) if writers.resent(GROUPED, province, day, list(province.geo.commune_codes)))
    before = {d.path.name: d.path.read_bytes() for d in writers.deliver(GROUPED, province, day - 1, tmp_path / "1")}
    old = [d for d in writers.deliver(GROUPED, province, day, tmp_path / "2") if d.again]
    assert old and all(d.path.stem == f"{d.group}_{date_of(day - 1):%Y%m%d}{writers.AGAIN}" for d in old)
    assert all(d.path.read_bytes() == before[d.path.name.replace(writers.AGAIN, "")] for d in old)


def test_a_group_without_a_name_has_its_file(province: Province, tmp_path: Path) -> None:
    view = dataclasses.replace(GROUPED, columns=tuple(
        Column("Mã xã", lambda truth, _: pc.if_else(pc.equal(truth["kind"], "A"), truth["commune"], None)) if c.name == "Mã xã" else c
        for c in VIEW.columns), dirt=(), place="{group}.csv")  # fmt: skip
    made = writers.deliver(view, province, 0, tmp_path)
    assert made[0].group == "" and made[0].path == tmp_path / "khong_ro.csv"
