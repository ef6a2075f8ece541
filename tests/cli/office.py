"""An agency's quarantine for the tests of its workbook: rows of every kind of mistake, two agencies, and ways to look at them.

Belongs here: what is landed, and reading workbooks, tickets and states. Stays out: what they should be (the tests).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl

Kho = Callable[..., Any]
NIGHT = date(2026, 3, 2)  # a Monday
SECRETS = ("Trần Thị Kín Đáo", "024099000111", "Lê Văn Thầm Lặng", "024188000222", "99-8")
HEADER = (
    "so_giay_phep,ma_cskcb,pham_vi,ngay_cap,ngay_het_han,trang_thai,nguoi_phu_trach,so_dinh_danh,cap_nhat_luc,ghi_chu"
)
LINES = (
    "GP-1,24001,Nội khoa,2025-01-02,,HIEU_LUC,Trần Thị Kín Đáo,024099000111,2026-03-01 08:00:00+07,a",
    "GP-2,2400,=1+1,2025-01-02,,DA_HUY,Trần Thị Kín Đáo,024099000111,2026-03-01 08:00:00+07,b",
    'GP-3,24003,"hai\ndòng",30/02/2025,,HIEU_LUC,Lê Văn Thầm Lặng,99-8,2026-03-01 08:00:00+07,c',
    ",24004,Ngoại khoa,2025-01-02,,HIEU_LUC,Lê Văn Thầm Lặng,024188000222,2026-03-01 08:00:00+07,d",
    "007,24005,Răng,2025-01-02,,HIEU_LUC,,,2026-03-01 08:00:00+07,e",
    "007,24006,Răng,2025-01-02,,HIEU_LUC,,,2026-03-01 08:00:00+07,f",
)
UNITS = "ward_code,ward,area_km2,lat,lon\n00001,Phường Một,1.5,21.1,106.1\n00002,Phường Hai,,12.1,106.2\n"


def contract(name: str) -> Any:
    from orchestration.contracts import load_all

    return next(c for c in load_all() if c.id == name)


def deliver(name: str, text: str, *, night: date = NIGHT, extra: tuple[str, ...] = (), **given: Any) -> Any:
    """One CSV of a dataset, landed."""
    from orchestration.landing import land
    from orchestration.settings import TIMEZONE
    from orchestration.sources import Delivery

    made = replace(contract(name), **given)
    titles = text.partition("\n")[0].split(",")
    by_title = {title: c.name for c in made.columns for title in (c.source_name, *c.headers)}
    columns = tuple(by_title.get(title) for title in titles)
    as_of = datetime(night.year, night.month, night.day, tzinfo=TIMEZONE)
    return land(made, Delivery("giao.csv", as_of, "csv", iter([text.encode()]), columns, extra), night=night)


@dataclass
class Office:
    """A warehouse in which one agency has six rows and another has one in quarantine."""

    home: Path
    out: Path


def furnish(home: Path, out: Path) -> Office:
    deliver("health.licence", "\n".join((HEADER, *LINES)) + "\n", extra=("ghi_chu",))
    deliver("home_affairs.unit_e2", UNITS)
    return Office(home, out)


@dataclass
class Grid:
    """The sheet of a dataset: its machine-readable row gives places, the column A gives rows."""

    sheet: Any

    def __post_init__(self) -> None:
        self.top = next(n for n in range(1, 9) if str(self.sheet.cell(n, 1).value or "").startswith("kho:"))
        self.places = {c.value: c.column for c in self.sheet[self.top] if c.value}
        self.rows = list(range(self.top + 2, self.sheet.max_row + 1))

    def cell(self, row: int, column: str) -> Any:
        return self.sheet.cell(self.rows[row], self.places[column])

    def set(self, row: int, column: str, value: Any) -> None:
        self.cell(row, column).value = value


def report(kho: Kho, office: Office, agency: str = "health", *more: object) -> Path:
    ran = kho("quarantine", "report", "--agency", agency, "--out", office.out, *more)
    assert ran.code == 0, ran.err
    (path,) = ran.out.split("\n")[:-1]
    return Path(path)


def opened(path: Path) -> tuple[Any, Grid]:
    book = openpyxl.load_workbook(path)
    return book, Grid(book.worksheets[1])


def states() -> list[tuple[int, str, int | None]]:
    from orchestration.warehouse import connect

    with connect("admin") as admin:
        return admin.execute("select quarantine_id, state, closed_by from quarantine.row order by 1").fetchall()


def tickets(kho: Kho, *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    ran = kho("quarantine", "tickets", "--json", *arguments)
    return {(t["column"], t["rule"]): t for t in ran.json}
