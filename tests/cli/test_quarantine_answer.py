"""A corrected workbook comes back: what is taken in, what waits on, which tickets close."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from .office import SECRETS, UNITS, Kho, Office, contract, deliver, furnish, opened, report, states, tickets


@pytest.fixture
def fresh(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Landed for each test."""
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    (tmp_path / "out").mkdir()
    return furnish(empty, tmp_path / "out")


def test_there_and_back(kho: Kho, fresh: Office) -> None:
    """Masked cells stay what they were, corrected ones are taken in, what was not touched waits, tickets close by the delivery."""
    path = report(kho, fresh)
    book, grid = opened(path)
    grid.set(0, "facility_code", "24002")
    grid.set(0, "status", "THU_HOI")
    grid.set(1, "issued_on", datetime(2025, 2, 28))  # a spreadsheet's own day
    grid.set(1, "responsible_id", "024099000333")
    grid.set(2, "licence_no", "GP-4")
    grid.set(2, "issued_on", "hôm qua")  # wrong in another way
    grid.set(3, "facility_code", "24007")  # one of two that contradict each other; the other is taken off the sheet
    grid.sheet.delete_rows(grid.rows[4])
    book.save(fresh.out / "sửa.xlsx")
    ran = kho("quarantine", "answer", fresh.out / "sửa.xlsx", "--by", "Phạm Thị Nhận", "--json")
    assert ran.code == 3, ran.err
    (receipt,) = ran.json
    assert {k: receipt[k] for k in ("dataset", "outcome", "received", "accepted", "quarantined", "duplicates", "inserted", "deleted")} == {
        "dataset": "health.licence", "outcome": "applied", "received": 4, "accepted": 3, "quarantined": 1, "duplicates": 0, "inserted": 3, "deleted": 0,
    }  # fmt: skip
    answered = receipt["delivery_id"]
    assert states() == [
        (1, "resolved", answered), (2, "resolved", answered), (3, "superseded", answered), (4, "resolved", answered),
        (5, "resolved", answered), (6, "open", None), (7, "open", None),
    ]  # fmt: skip
    from orchestration.warehouse import connect

    with connect("admin") as admin:
        rows = admin.execute(
            "select licence_no, facility_code, scope, issued_on, status, responsible_person, responsible_id, _delivery from raw.health__licence order by 1"
        ).fetchall()
        who = admin.execute("select dataset, file_name, rows, by_whom, length(sha256) from kho.answer").fetchall()
        receipts = admin.execute(
            "select channel, confirmed_by, source_name from kho.delivery where delivery_id = %s", (answered,)
        ).fetchall()
    assert rows[0] == ("007", "24007", "Răng", date(2025, 1, 2), "HIEU_LUC", None, None, answered)
    assert rows[2:] == [
        ("GP-2", "24002", "=1+1", date(2025, 1, 2), "THU_HOI", SECRETS[0], SECRETS[1], answered),
        ("GP-3", "24003", "hai\ndòng", date(2025, 2, 28), "HIEU_LUC", SECRETS[2], "024099000333", answered),
    ]
    assert who == [("health.licence", "sửa.xlsx", 4, "Phạm Thị Nhận", 32)]
    assert receipts == [("quarantine answer", "Phạm Thị Nhận", "sửa.xlsx › Giấy phép hoạt động khám bệnh,")]
    # The problem that came instead of another: a ticket of its own; the others were closed by this delivery.
    still = tickets(kho, "--agency", "health")
    assert list(still) == [("issued_on", "type")]
    closed = tickets(kho, "--agency", "health", "--all")
    assert {t["closed_by"] for t in closed.values() if t["state"] == "closed"} == {answered}
    again = kho("quarantine", "answer", fresh.out / "sửa.xlsx", "--by", "Phạm Thị Nhận")
    assert again.code == 1 and "[answer]" in again.err and f"đã rời khu cách ly nhờ lần giao {answered}" in again.err
    assert f"dòng {grid.rows[0]} " in again.err and "trang «Giấy phép hoạt động khám bệnh,»" in again.err


def test_of_rows_that_contradict_the_one_left_on_the_sheet_is_the_right_one(kho: Kho, fresh: Office) -> None:
    book, grid = opened(report(kho, fresh))
    grid.sheet.delete_rows(grid.rows[4])
    book.save(fresh.out / "một.xlsx")
    ran = kho("quarantine", "answer", fresh.out / "một.xlsx", "--by", "Ai", "--json")
    assert ran.code == 0 and (ran.json[0]["received"], ran.json[0]["inserted"]) == (1, 1)
    assert [state for _, state, _ in states()] == ["open", "open", "open", "resolved", "resolved", "open"]
    assert ("licence_no", "conflict") not in tickets(kho)


def test_a_corrected_snapshot_row_stays_until_the_source_is_newer(kho: Kho, fresh: Office) -> None:
    """An answer deletes nothing, leaves the dataset's freshness alone, and what the source repeats does not undo it."""
    from orchestration.warehouse import connect

    book, grid = opened(report(kho, fresh, "home_affairs"))
    grid.set(0, "latitude", 21.25)
    book.save(fresh.out / "xã.xlsx")

    def seen() -> Any:
        with connect("admin") as admin:
            return (
                admin.execute(
                    "select last_delivery, last_as_of, last_good_at from kho.dataset where dataset = 'home_affairs.unit_e2'"
                ).fetchall(),
                admin.execute(
                    "select ward_code, latitude::text, _deleted from raw.home_affairs__unit_e2 order by 1"
                ).fetchall(),
            )

    before = seen()
    ran = kho("quarantine", "answer", fresh.out / "xã.xlsx", "--by", "Ai", "--json")
    assert ran.code == 0 and (ran.json[0]["deleted"], ran.json[0]["inserted"]) == (0, 1)
    assert seen() == (before[0], [("00001", "21.10000", False), ("00002", "21.25000", False)])
    assert deliver("home_affairs.unit_e2", UNITS).outcome == "unchanged"
    receipt = deliver("home_affairs.unit_e2", UNITS.replace("1.5", "1.6"), night=date(2026, 3, 3))
    assert (receipt.outcome, receipt.updated, receipt.deleted, receipt.quarantined) == ("applied", 1, 0, 1)
    assert seen()[1][1] == ("00002", "21.25000", False)
    back = tickets(kho, "--agency", "home_affairs", "--all")[("latitude", "minimum")]
    first = [t for t in kho("quarantine", "tickets", "--all", "--json").json if t["column"] == "latitude"]
    assert len(first) == 2 and back["reopens"] in {t["ticket"] for t in first} | {None}
    newest = max(first, key=lambda t: t["ticket"])
    assert newest["state"] == "open" and newest["reopens"] == min(t["ticket"] for t in first)


def test_what_was_taken_in_with_a_note_is_shown_and_can_be_corrected(kho: Kho, fresh: Office) -> None:
    """A row whose values are in raw alone: the workbook writes them as the source does."""
    columns = tuple(
        replace(c, on_breach="note") if c.name == "latitude" else c for c in contract("home_affairs.unit_e2").columns
    )
    noted = deliver("home_affairs.unit_e2", UNITS.replace("1.5", "1.6"), night=date(2026, 3, 3), columns=columns)
    assert (noted.outcome, noted.noted, noted.quarantined) == ("applied", 1, 0)
    (listed,) = kho("quarantine", "list", "--agency", "home_affairs", "--state", "noted", "--json").json
    assert (listed["rule"], listed["key"], listed["ticket"]) == ("minimum", {"ward_code": "00002"}, 8)
    book, grid = opened(report(kho, fresh, "home_affairs"))
    row = [grid.cell(0, name).value for name in ("ward_code", "ward_name", "area_km2", "latitude", "longitude")]
    assert row == ["00002", "Phường Hai", None, "12.10000", "106.20000"]
    last = grid.sheet.cell(grid.rows[0], grid.sheet.max_column).value
    assert last == "đã nhận, cần sửa / taken in, to be corrected"
    grid.set(0, "latitude", "21.3")
    book.save(fresh.out / "ghi.xlsx")
    ran = kho("quarantine", "answer", fresh.out / "ghi.xlsx", "--by", "Ai", "--json")
    assert ran.code == 0 and (ran.json[0]["updated"], ran.json[0]["inserted"]) == (1, 0)
    assert states()[-1][1] == "resolved" and tickets(kho, "--agency", "home_affairs") == {}


@pytest.mark.parametrize(
    ("pg_type", "form", "stored", "text"),
    [
        ("date", "dd/MM/yyyy", "2025-02-28", "28/02/2025"),
        ("date", "yyyyMMdd", "2025-02-28", "20250228"),
        ("date", "MM/yyyy", "2025-02-01", "02/2025"),
        ("timestamptz", "yyyyMMddHHmmss", "2025-02-28 23:05:09+07", "20250228230509"),
        ("timestamptz", "yyyyMMddHHmm", "2025-02-28 23:05+07", "202502282305"),
        ("timestamptz", "dd/MM/yyyy HH:mm", "2025-02-28 16:05+00", "28/02/2025 23:05"),
        ("timestamptz", "dd/MM/yyyy HH:mm:ss", "2025-02-28 23:05:09+07", "28/02/2025 23:05:09"),
        ("numeric(12,2)", "decimal_comma", "1234567.50", "1234567,50"),
        ("boolean", "Có/Không", "true", "Có"),
        ("boolean", "x/", "false", ""),
        ("boolean", None, "true", "true"),
        ("text", "partial_date", "00/02/2025", "00/02/2025"),
        ("integer", None, "7", "7"),
    ],
)
def test_a_value_of_raw_is_written_as_its_source_writes_it(
    warehouse: Path, pg_type: str, form: str | None, stored: str, text: str
) -> None:
    from psycopg import sql

    from orchestration.landing.quarantined import _text
    from orchestration.landing.rules import typed
    from orchestration.warehouse import connect

    column = replace(
        contract("home_affairs.unit_e2").columns[1], name="c", source_name="C", pg_type=pg_type, format=form
    )
    kind = sql.SQL(pg_type)  # type: ignore[arg-type]
    query = sql.SQL(
        "select {written} from (select {stored}::{kind} as c) w cross join (select null::jsonb as content) q"
    ).format(written=_text(column), stored=sql.Literal(stored), kind=kind)
    with connect("release") as connection:
        assert connection.execute(query).fetchone() == (text,)
        if text:
            again = sql.SQL("select {}::{kind} = {}::{kind}").format(
                typed(column, sql.Literal(text)), sql.Literal(stored), kind=kind
            )
            assert connection.execute(again).fetchone() == (True,)


@pytest.mark.parametrize(
    ("cell", "pg_type", "form", "text"),
    [
        ("007", "text", None, "007"),
        (7.0, "text", None, "7"),
        (1.5, "numeric", "decimal_comma", "1,5"),
        (0.1 + 0.2, "numeric", None, "0.3"),
        (True, "boolean", "Có/Không", "Có"),
        (False, "boolean", None, "false"),
        (date(2025, 2, 1), "date", "dd/MM/yyyy", "01/02/2025"),
        (date(2025, 2, 1), "text", "partial_date", "01/02/2025"),
        (datetime(2025, 2, 1, 9, 5), "timestamptz", "dd/MM/yyyy HH:mm", "01/02/2025 09:05"),
        (datetime(2025, 2, 1, 9, 5, 7), "timestamptz", "yyyyMMddHHmmss", "20250201090507"),
        (datetime(2025, 2, 1, 9, 5), "timestamptz", None, "2025-02-01 09:05:00"),
        (datetime(2025, 2, 1), "date", None, "2025-02-01"),
        (None, "text", None, ""),
    ],
)
def test_a_cell_typed_anew_is_written_as_the_source_writes_it(
    cell: Any, pg_type: str, form: str | None, text: str
) -> None:
    from orchestration.landing.returned import as_text

    assert as_text(cell, pg_type, form) == text
