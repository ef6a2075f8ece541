"""The workbook of an agency's quarantine: what it shows and hides; lists and tickets. Nothing here changes the quarantine."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from .office import HEADER, SECRETS, Grid, Kho, Office, furnish, opened, report, states, tickets

pytestmark = pytest.mark.xdist_group("quarantine_book")


@pytest.fixture(scope="module")
def office(reset: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Landed once: the tests leave the quarantine as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KHO_SYNTHETIC", "1")
        yield furnish(reset(), tmp_path_factory.mktemp("out"))


def test_the_workbook_shows_rows_whole_in_the_agencys_own_columns(kho: Kho, office: Office) -> None:
    book, grid = opened(report(kho, office))
    sheet = grid.sheet
    assert [s.title for s in book.worksheets] == ["Tổng hợp", "Giấy phép hoạt động khám bệnh,"]
    headings = [cell.value for cell in sheet[grid.top + 1]]
    assert headings[3:13] == HEADER.split(",")
    assert sheet.column_dimensions["A"].hidden and sheet.row_dimensions[grid.top].hidden
    assert sheet.freeze_panes == f"D{grid.top + 2}" and sheet.auto_filter.ref.startswith(f"A{grid.top + 1}:")
    assert [sheet.cell(row, 2).value for row in grid.rows] == ["3", "4", "5", "6", "7"]
    assert all("giao.csv" in sheet.cell(row, 3).value for row in grid.rows)
    assert grid.cell(0, "scope").value == "=1+1" and grid.cell(0, "scope").data_type == "s"
    assert grid.cell(3, "licence_no").value == "007" and grid.cell(3, "licence_no").number_format == "@"
    assert grid.cell(1, "scope").value == "hai\ndòng"
    broken = {(row, name) for row in range(5) for name in grid.places
              if not name.startswith("kho:") and grid.cell(row, name).fill.fgColor.rgb == "FFFFC7CE"}  # fmt: skip
    assert broken == {
        (0, "facility_code"), (0, "status"), (1, "issued_on"), (1, "responsible_id"), (2, "licence_no"), (3, "licence_no"), (4, "licence_no"),
    }  # fmt: skip
    assert {(row, name) for row in range(5) for name in grid.places if grid.cell(row, name).comment} == broken
    note = grid.cell(0, "status").comment.text
    assert (
        "Gặp / Found: DA_HUY" in note
        and "HIEU_LUC, TAM_DINH_CHI, THU_HOI" in note
        and "ngoài danh mục" in note
        and "not one of" in note
    )
    words = [cell.value for cell in sheet[grid.rows[0]]][13:]
    assert (
        words[0].count("\n") == 1
        and words[1].count("\n") == 1
        and words[2:] == ["đúng, thống nhất", "giữ lại, chưa vào kho / held back"]
    )


def test_the_summary_tells_what_since_when_and_until_when(kho: Kho, office: Office) -> None:
    book, _ = opened(report(kho, office))
    sheet = book.worksheets[0]
    cells = {cell.value: cell for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert "Khu cách ly: Sở Y tế" in cells
    row = next(r for r in sheet.iter_rows(values_only=True) if r[2] == "trang_thai")
    assert row[3:8] == ("ngoài danh mục / not in the list", "thống nhất", 1, datetime(2026, 3, 2), datetime(2026, 3, 9))
    shares = {str(r[0]).split(" / ")[0]: r[1:3] for r in sheet.iter_rows(values_only=True)}
    for word, problems in (("đúng", 4), ("đủ", 1), ("sạch", 0), ("sống", 0), ("thống nhất", 3), ("dùng chung", 0)):
        assert shares[word] == (problems, pytest.approx(problems / 8))
    assert next(r for r in sheet.iter_rows(values_only=True) if r[0] == "02/03/2026")[1:4] == (
        6,
        5,
        pytest.approx(5 / 6),
    )
    assert len(sheet._charts) == 2


def test_a_masked_workbook_holds_no_personal_value_anywhere(kho: Kho, office: Office) -> None:
    before = disclosures()
    path = report(kho, office)
    with zipfile.ZipFile(path) as parts:
        content = b"".join(parts.read(name) for name in parts.namelist())
    for secret in SECRETS:
        assert secret.encode() not in content and secret.encode() not in path.read_bytes()
    assert "Nội khoa".encode() not in content and "Ngoại khoa".encode() in content
    grid = opened(path)[1]
    assert (
        grid.cell(1, "responsible_id").value
        == grid.cell(0, "responsible_person").value
        == grid.cell(0, "+ghi_chu").value
        == "•••"
    )
    assert grid.cell(3, "responsible_person").value is None  # nothing is not a secret
    assert "•••" in grid.cell(1, "responsible_id").comment.text
    assert disclosures() == before


def disclosures() -> list[Any]:
    from orchestration.warehouse import connect

    with connect("admin") as admin:
        return admin.execute(
            "select by_whom, dataset, rows, role_name from kho.disclosure order by disclosure"
        ).fetchall()


def test_the_agencys_own_copy_shows_all_and_is_recorded_first(
    kho: Kho, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kho("quarantine", "report", "--agency", "health", "--reveal").code == 2
    assert kho("quarantine", "report", "--agency", "health", "--by", "Ai Đó").code == 2
    path = report(kho, office, "health", "--reveal", "--by", "Phạm Thị Nhận")
    grid = opened(path)[1]
    assert grid.cell(1, "responsible_id").value == "99-8" and grid.cell(0, "responsible_person").value == SECRETS[0]
    assert "Gặp / Found: 99-8" in grid.cell(1, "responsible_id").comment.text
    assert path.stat().st_mode & 0o077 == 0
    assert disclosures()[-1:] == [("Phạm Thị Nhận", "health.licence", 5, "kho_release")]

    from orchestration.landing import quarantined

    def cut(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quarantined, "rows", cut)
    assert (
        kho("quarantine", "report", "--agency", "health", "--reveal", "--by", "Zạ", "--out", office.out / "x").code == 1
    )
    assert disclosures()[-1][0] == "Zạ" and list((office.out / "x").iterdir()) == []


def test_nobody_may_change_what_is_recorded_or_close_a_ticket_by_hand(office: Office) -> None:
    import psycopg

    from orchestration.warehouse import connect

    for role in ("loader", "release", "exchange", "gate", "transform", "analyst", "portal"):
        for statement in (
            "update kho.ticket set closed_by = 99, closed_on = now(), open_rows = 0", "delete from kho.ticket", "update kho.disclosure set by_whom = 'x'",
            "delete from kho.disclosure", "update kho.answer set by_whom = 'x'", "insert into kho.ticket (dataset) values ('x')",
        ):  # fmt: skip
            with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    with connect("release") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select kho.keep_tickets('health.licence', 1, 'x', null, null)")
    with connect("loader") as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(
            "select kho.keep_tickets('health.licence', 2, 'x', null, null)"
        )  # another dataset's delivery
    assert refused.value.sqlstate == "KH080"
    with connect("loader") as connection:
        assert connection.execute(
            "select * from kho.keep_tickets('health.licence', 1, 'data@syt.bacninh.example', null, null)"
        ).fetchone() == (0, 0)


def test_all_agencies_limits_and_json(kho: Kho, office: Office) -> None:
    ran = kho("quarantine", "report", "--agency", "all", "--out", office.out, "--limit", "2", "--json")
    assert [(b["agency"], b["rows"], b["waiting"], b["datasets"], b["revealed"]) for b in ran.json] == [
        ("health", 2, 5, 1, False),
        ("home_affairs", 1, 1, 1, False),
    ]
    book, grid = opened(Path(ran.json[0]["path"]))
    assert len(grid.rows) == 2
    assert any("chỉ 2 dòng đầu" in str(c) for row in book.worksheets[0].iter_rows(values_only=True) for c in row)
    assert kho("quarantine", "report", "--agency", "nobody").code == 2
    default = kho("quarantine", "report", "--agency", "education").out.strip()
    assert Path(default).parent == office.home / "reports" / "quarantine"


def test_the_list_names_quality_and_ticket(kho: Kho, office: Office) -> None:
    rows = kho("quarantine", "list", "--agency", "health", "--json").json
    assert len(rows) == 8 and {r["agency"] for r in rows} == {"health"}
    known = tickets(kho)
    assert all(r["ticket"] == known[(r["column"], r["rule"])]["ticket"] for r in rows)
    assert {r["rule"]: r["quality_word"] for r in rows} == {
        "pattern": "đúng", "identifier": "đúng", "allowed": "thống nhất", "type": "đúng", "required": "đủ", "conflict": "thống nhất",
    }  # fmt: skip
    assert all(r["file"] is None for r in rows)
    assert "thống nhất" in kho("quarantine", "list").out


def test_tickets_tell_owner_deadline_and_whose_turn_it_is(
    kho: Kho, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration import settings

    def on(day: date) -> None:
        monkeypatch.setattr(
            settings, "now", lambda: datetime(day.year, day.month, day.day, 9, tzinfo=settings.TIMEZONE)
        )

    on(date(2026, 3, 9))
    ran = kho("quarantine", "tickets", "--json")
    assert (
        ran.code == 0
        and {t["level"] for t in ran.json} == {0}
        and {t["owner"] for t in ran.json if t["agency"] == "health"} == {"data@syt.bacninh.example"}
    )
    assert [t["ticket"] for t in kho("quarantine", "tickets", "--agency", "health", "--json").json] == list(range(1, 8))
    assert kho("quarantine", "tickets", "--overdue", "--json").json == []
    on(date(2026, 3, 10))
    ran = kho("quarantine", "tickets", "--overdue")
    assert ran.code == 3 and ran.out.count("việc của thủ trưởng đơn vị") == 8 and "data@syt.bacninh.example" in ran.out
    on(date(2026, 3, 16))
    assert {t["level"] for t in kho("quarantine", "tickets", "--json").json} == {1}
    on(date(2026, 3, 17))
    assert {t["level_words"] for t in kho("quarantine", "tickets", "--json").json} == {
        "quá hạn lần hai, việc của Sở Khoa học và Công nghệ / overdue twice, for the Department of Science and Technology"
    }


def test_an_unchanged_workbook_is_no_delivery(kho: Kho, office: Office) -> None:
    for more in ([], ["--reveal", "--by", "Ai"]):
        ran = kho("quarantine", "answer", report(kho, office, "health", *more), "--by", "Phạm Thị Nhận")
        assert ran.code == 1 and ran.err.startswith("Lỗi / Error [nothing_changed]")
    assert {state for _, state, _ in states()} == {"open"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda g: setattr(g.cell(0, "kho:health.licence"), "value", "999"), "mang số không có trong khu cách ly"),
        (lambda g: setattr(g.cell(0, "kho:health.licence"), "value", "6"), "thuộc bộ dữ liệu home_affairs.unit_e2"),
        (lambda g: setattr(g.cell(0, "kho:health.licence"), "value", "2"), "trùng với một dòng khác"),
        (lambda g: setattr(g.cell(0, "kho:health.licence"), "value", None), "không có số của dòng cách ly"),
        (lambda g: setattr(g.sheet.cell(g.top, g.places["status"]), "value", "tinh_trang"), "cột tinh_trang không khớp hợp đồng"),
        (lambda g: setattr(g.sheet.cell(g.top, 1), "value", "kho:health.none"), "không có hợp đồng cho bộ dữ liệu này"),
        (lambda g: setattr(g.sheet.cell(g.top, 1), "value", None), "không phải bảng lỗi do Kho lập"),
    ],
)  # fmt: skip
def test_what_is_not_an_answer_is_refused_whole(
    kho: Kho, office: Office, spoil: Callable[[Grid], None], said: str
) -> None:
    book, grid = opened(report(kho, office))
    grid.set(1, "issued_on", "2025-02-28")
    spoil(grid)
    book.save(office.out / "hỏng.xlsx")
    ran = kho("quarantine", "answer", office.out / "hỏng.xlsx", "--by", "Ai")
    assert ran.code == 1 and said in ran.err and "hỏng.xlsx" in ran.err and ran.err.count("\n") == 1
    assert not any(secret in ran.err for secret in SECRETS)
    assert {state for _, state, _ in states()} == {"open"}


def test_no_workbook_at_all(kho: Kho, office: Office, tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04 not a zip")
    ran = kho("quarantine", "answer", tmp_path / "x.xlsx", "--by", "Ai")
    assert ran.code == 1 and ran.err.startswith("Lỗi / Error [file_format]: x.xlsx: không mở được bảng tính")
    assert kho("quarantine", "answer", tmp_path / "none.xlsx", "--by", "Ai").code == 2


@pytest.mark.parametrize(
    "title", ["Sổ [A]: a/b\\c*?", "'x'", "Tổng hợp", "Một tên rất dài, dài hơn ba mươi mốt ký tự", "[]"]
)
def test_names_of_sheets_are_such_as_excel_takes(title: str) -> None:
    from orchestration.report.quarantine_sheets import sheet_names

    names = sheet_names([title, title, title.upper()])
    assert len({n.casefold() for n in names}) == 3
    for name in names:
        assert (
            0 < len(name) <= 31
            and not re.search(r"[\[\]:*?/\\]", name)
            and name.strip("'") == name
            and name.casefold() != "tổng hợp"
        )
