"""An agency's quarantine as a workbook that it can read, correct and send back.

Belongs here: which rows, masked or not, the record of who was shown personal values, the file. Stays out: cells and charts
(`quarantine_sheets`, `quarantine_summary`), reading it back (`landing.returned`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.landing import quarantined
from orchestration.report.quarantine_summary import DatasetLine, Summary, trend, write_summary
from orchestration.report.tickets import tickets
from orchestration.warehouse import connect

if TYPE_CHECKING:
    import psycopg

#: Rows of one dataset that one workbook shows unless told otherwise; Excel itself ends at 1,048,576.
LIMIT = 200_000
PURPOSE = "quarantine report"


@dataclass(frozen=True, slots=True)
class Book:
    """A workbook that was written. `rows` are those shown, `waiting` all that wait."""

    agency: str
    path: Path
    datasets: int
    rows: int
    waiting: int
    revealed: bool


def agencies_waiting(contracts: Sequence[Contract]) -> list[str]:
    """Agencies that have something in quarantine, of those with a contract."""
    with connect("release") as connection:
        rows = connection.execute(
            "select distinct dataset from quarantine.row where state = any (%s)", (list(quarantined.WAITING),)
        ).fetchall()
    datasets = {row[0] for row in rows}
    return sorted({contract.agency for contract in contracts if contract.id in datasets})


def write(
    contracts: Sequence[Contract],
    agency: str,
    *,
    out: Path | None = None,
    reveal_to: str | None = None,
    limit: int = LIMIT,
    today: date | None = None,
) -> Book:
    """Write the workbook of an agency's quarantine below `out` (default: reports/quarantine under KHO_HOME).

    `reveal_to` names the person who answers for personal values being shown; each dataset is recorded in kho.disclosure, and
    that is committed, before a row is read. None masks them. `limit`: rows of one dataset, 0 as many as a sheet holds.
    """
    import xlsxwriter

    from orchestration.report.quarantine_sheets import ROWS_OF_A_SHEET, DatasetSheet, Formats, sheet_names

    of_it = [contract for contract in contracts if contract.agency == agency]
    made_at = settings.now()
    today = today or made_at.date()
    most = min(limit or ROWS_OF_A_SHEET, ROWS_OF_A_SHEET)
    folder = out if out is not None else settings.reports_folder() / "quarantine"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "_day-du" if reveal_to else ""
    path = folder / f"cach-ly_{agency}_{made_at:%Y%m%d-%H%M%S}{suffix}.xlsx"
    open_tickets = tickets(today=today, agencies=[agency])
    # What is half written lies beside the target, not in a folder that others may read.
    with connect("release") as connection, tempfile.TemporaryDirectory(dir=folder, prefix=".") as staging:
        connection.execute("set transaction isolation level repeatable read, read only")
        counts = {contract.id: quarantined.waiting(connection, contract) for contract in of_it}
        shown = [contract for contract in of_it if counts[contract.id]]
        if reveal_to is not None:
            _disclose(reveal_to, {contract.id: min(counts[contract.id], most) for contract in shown})
        staged = Path(staging) / "book.xlsx"
        workbook = xlsxwriter.Workbook(
            str(staged), {"constant_memory": True, "tmpdir": staging, "strings_to_formulas": False}
        )
        workbook.set_properties(
            {"title": "Khu cách ly / Quarantine", "author": "Kho", "created": made_at.replace(tzinfo=None)}
        )
        formats = Formats(workbook)
        summary = workbook.add_worksheet("Tổng hợp")
        lines = []
        for contract, name in zip(shown, sheet_names([c.title for c in shown]), strict=True):
            sheet = DatasetSheet(
                workbook.add_worksheet(name), formats, contract, quarantined.extra_titles(connection, contract)
            )
            written = sheet.write(
                quarantined.rows(connection, contract, sheet.extra, limit=most),
                waiting=counts[contract.id],
                reveal=reveal_to is not None,
            )
            lines.append(DatasetLine(contract.title, name, counts[contract.id], written))
        agency_name = of_it[0].agency_name if of_it else agency
        columns = {(c.id, column.name): column.source_name for c in of_it for column in c.columns}
        titles = {contract.id: contract.title for contract in of_it}
        write_summary(
            workbook, summary, formats,
            Summary(agency_name, made_at, reveal_to is not None, lines, open_tickets, titles, columns, _words(connection, agency), trend(connection, agency)),
        )  # fmt: skip
        workbook.close()
        staged.chmod(0o600)
        staged.replace(path)
    return Book(
        agency, path, len(lines), sum(line.shown for line in lines), sum(counts.values()), reveal_to is not None
    )


def _disclose(by: str, rows: dict[str, int]) -> None:
    """Record, and commit, that personal values of these datasets are about to be shown."""
    with connect("release") as connection:
        for dataset, count in rows.items():
            connection.execute(
                "insert into kho.disclosure (by_whom, dataset, rows, purpose) values (%s, %s, %s, %s)",
                (by, dataset, count, PURPOSE),
            )


def _words(connection: psycopg.Connection, agency: str) -> dict[str, int]:
    """Rule -> problems of the rows that wait."""
    return dict(
        connection.execute(
            """select p.code, count(*) from quarantine.row q join quarantine.problem p using (quarantine_id)
                where q.state = any (%s) and split_part(q.dataset, '.', 1) = %s group by 1""",
            (list(quarantined.WAITING), agency),
        ).fetchall()
    )
