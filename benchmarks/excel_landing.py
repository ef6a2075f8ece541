"""excel: a workbook of 200,000 rows of 14 columns into raw, against polars with calamine, CSV text and COPY into a keyed table.

Ours is the whole landing of a workbook as agencies make them (titles, a merged header of two lines, serial numbers): finding the
table, kept bytes, hash, every rule of the contract, receipt, ledger. polars gets the same rows below a plain header, and checks nothing.
Each turn is a fresh process, whose imports are not counted, and whose peak memory is told.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.ground import FLOOR, LAND, psql, reset, settle
from benchmarks.measure import ROUNDS, ROWS, Figures, Watch, apart, result
from orchestration.contracts import load

BOOK_ROWS = min(ROWS, 200_000)
NIGHT = date(2026, 1, 2)
CONTRACT = LAND / "assets" / "agencies" / "land_office" / "parcel_book.yaml"
TABLE = (
    "parcel_code text primary key, address text, commune_code text, land_use_code text, registered_on date, sheet_number integer,"
    " parcel_number integer, area_m2 numeric(12,1), price numeric(14,0), is_mortgaged boolean, holder text, serial_no text,"
    " issued_on date, remark text"
)
#: Titles of the columns below those that stand over several of them; as wide as they are many.
GROUPS = (("Thửa đất", 9), ("Quyền sử dụng", 4), ("", 1))
STREETS = (
    "đường Lý Thái Tổ",
    "phố Vũ Ninh",
    "thôn Đồng Kỵ",
    "ngõ Yên Thế",
    "tổ dân phố Nếnh",
    "đường Hoàng Hoa Thám",
    "khu Thượng",
)
NAMES = ("Nguyễn Văn", "Trần Thị", "Lê Đình", "Phạm Thị", "Hoàng Văn", "Ngô Thị", "Đỗ Quang", "Vũ Thị")


def run(home: Path) -> None:
    """One benchmark."""
    book, plain = home / "book.xlsx", home / "plain.xlsx"
    write(book, titled=True)
    write(plain, titled=False)
    figures, peaks = Figures(), {"kho": [0], "polars + copy": [0]}

    def turn(name: str, contender: Any, *args: Any) -> None:
        def timed(watch: Watch) -> None:
            settle()
            watch.seconds, peak = apart(contender, *args)
            peaks[name].append(peak)

        figures.run(name, timed)

    for _ in range(ROUNDS):
        reset()
        target = home / "files" / f"thua_dat_{NIGHT:%Y%m%d}.xlsx"
        target.unlink(missing_ok=True)
        os.link(book, target)
        turn("kho", ours)
        psql(FLOOR, "drop table if exists book")
        turn("polars + copy", peer, plain, home / "plain.csv")
    size = book.stat().st_size / 2**20
    figures.table(f"excel: {size:.0f} MB, {BOOK_ROWS} rows of 14 columns", list(peaks))
    for name, found in peaks.items():
        print(f"  {name}: peak memory {statistics.median(found[1:]) / 2**20:.0f} MB")
    result("excel", figures.median("kho"), figures.median("polars + copy"), 1)


def ours() -> float:
    """Seconds of the landing."""
    import pyarrow.csv  # noqa: F401  # no contender pays for imports

    import orchestration.sources.files
    import orchestration.sources.workbook  # noqa: F401
    from orchestration.landing import land_dataset

    contract = load(CONTRACT)
    started = time.perf_counter()
    (receipt,) = land_dataset(contract, night=NIGHT, env=os.environ)
    seconds = time.perf_counter() - started
    assert (receipt.outcome, receipt.inserted, receipt.quarantined) == ("applied", BOOK_ROWS, 0), receipt
    return seconds


def peer(book: Path, text: Path) -> float:
    """Seconds of reading with polars, writing CSV, and COPY."""
    import fastexcel  # noqa: F401
    import polars as pl

    started = time.perf_counter()
    frame = pl.read_excel(book, engine="calamine", drop_empty_rows=False, drop_empty_cols=False)
    frame = frame.with_columns(pl.col("Thế chấp") == "Có", pl.col("Ngày cấp").str.to_date("%d/%m/%Y"))
    frame.write_csv(text)
    psql(FLOOR, rf"create table book ({TABLE}) ;; \copy book from '{text}' with (format csv, header)")
    seconds = time.perf_counter() - started
    assert int(psql(FLOOR, "select count(*) from book")) == BOOK_ROWS
    return seconds


def write(path: Path, *, titled: bool) -> None:
    """The workbook, its last write long ago: as an office makes it, or with nothing but one line of headers."""
    import xlsxwriter

    headers = [column.source_name for column in load(CONTRACT).columns]
    with xlsxwriter.Workbook(path, {"strings_to_numbers": False}) as workbook:
        sheet = workbook.add_worksheet("Thửa đất")
        day = workbook.add_format({"num_format": "dd/mm/yyyy"})
        first = _titles(workbook, sheet, headers) if titled else 1
        if not titled:
            sheet.write_row(0, 0, headers)
        for number, row in enumerate(rows()):
            line = first + number
            if titled:
                sheet.write_number(line, 0, number + 1)
            for place, value in enumerate(row, 1 if titled else 0):
                if isinstance(value, date):
                    sheet.write_datetime(line, place, value, day)
                else:
                    sheet.write(line, place, value)
    os.utime(path, (path.stat().st_mtime - 60,) * 2)


def _titles(workbook: Any, sheet: Any, headers: Sequence[str]) -> int:
    """What stands above the rows; the row after it."""
    bold = workbook.add_format({"bold": True, "align": "center"})
    sheet.merge_range(0, 0, 0, 4, "VĂN PHÒNG ĐĂNG KÝ ĐẤT ĐAI", bold)
    sheet.merge_range(1, 0, 1, 14, "DANH SÁCH THỬA ĐẤT", bold)
    sheet.write(2, 0, f"Ngày {NIGHT:%d/%m/%Y}")
    sheet.merge_range(4, 0, 5, 0, "STT", bold)
    place = 1
    for title, width in GROUPS:
        if title:
            sheet.merge_range(4, place, 4, place + width - 1, title, bold)
        place += width
    sheet.write_row(5, 1, headers, bold)
    return 6


def rows() -> Iterator[tuple[Any, ...]]:
    """The rows: texts with leading zeros, real dates and dates as text, numbers, empty cells."""
    for n in range(BOOK_ROWS):
        h = n * 2_654_435_761 % 2**32
        registered = date(2005, 1, 1) + timedelta(days=h % 7000)
        issued = registered + timedelta(days=30 + h % 200)
        yield (
            f"TD{n:010d}",
            f"Thửa {n % 997}, {STREETS[h % 7]}, phường Kinh Bắc",
            f"0{7000 + h % 2999}",
            ("ONT", "ODT", "LUC", "CLN", "NTS", "SKC")[h % 6],
            registered,
            1 + h % 9999,
            1 + n % 997,
            h % 100_000 / 10,
            1000 * (300 + h % 40_000),
            "Có" if h % 5 == 0 else "Không",
            f"{NAMES[h % 8]} {NAMES[h // 8 % 8].split()[0]} {chr(65 + h % 26)}",
            f"{chr(65 + h % 26)}{chr(65 + n % 26)} {h % 1_000_000:06d}",
            f"{issued:%d/%m/%Y}",
            "đo đạc lại" if h % 10 == 3 else None,
        )
