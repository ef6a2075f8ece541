"""What was set aside, and the way back: `kho quarantine …`.

Belongs here: lists, the agencies' workbooks, tickets, and taking a corrected workbook in a person's name. Stays out: landing.
In a terminal personal columns are never shown, nor a value of a column that the contract no longer has; a workbook shows
them only with `--reveal`, in the name of a person, and that is recorded first. No command closes a ticket: deliveries do.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from orchestration import settings
from orchestration.cli.base import Group, by_option, json_option, limit_option
from orchestration.cli.output import print_json, print_table
from orchestration.report.words import DELIVERY_OUTCOMES, both

_AGENCY = click.option("--agency", metavar="AGENCY", help="Chỉ một đơn vị / One agency only")


@click.group(
    cls=Group,
    help="Khu cách ly: dòng trái hợp đồng, chờ đơn vị sửa / Rows that break their contract, waiting for the agency",
)
def quarantine() -> None:
    """Quarantined rows."""


@quarantine.command(name="list", help="Dòng nào, cột nào, sai gì / Which row, which column, what is wrong")
@click.option("--dataset", help="Chỉ một bộ dữ liệu (agency.dataset) / One dataset only")
@_AGENCY
@click.option(
    "--state",
    type=click.Choice(["open", "noted", "resolved", "superseded", "all"]),
    default="open",
    show_default=True,
    help="Còn chờ, đã nhận kèm lưu ý, đã sửa, đã thay / Still waiting, taken in with a note, put right, replaced",
)
@limit_option(50)
@json_option
def quarantine_list(dataset: str | None, agency: str | None, state: str, limit: int, as_json: bool) -> None:
    """One line per problem of a quarantined row."""
    from orchestration.contracts import load_all
    from orchestration.report.quarantine import problems

    wanted = None if state == "all" else state
    total, rows = problems(load_all(), dataset=dataset, state=wanted, limit=limit, agency=agency)
    if as_json:
        print_json(rows)
        return
    print_table(
        "Khu cách ly / Quarantine",
        [
            "Bộ dữ liệu / Dataset",
            "Lần giao / Delivery #",
            "Tệp / File",
            "Dòng / Row #",
            "Khóa / Key",
            "Cột / Column",
            "Luật / Rule",
            "Chất lượng / Quality",
            "Gặp / Found",
            "Cần / Expected",
            "Lỗi / Message",
            "Phiếu / Ticket #",
        ],
        [
            (
                r["dataset"],
                str(r["delivery"]),
                r["file"] or "",
                str(r["row_number"]),
                r["key"],
                r["column"],
                r["rule"],
                r["quality_word"],
                r["found"],
                r["expected"],
                f"{r['vi']} / {r['en']}",
                str(r["ticket"] or ""),
            )
            for r in rows
        ],
        note=f"{len(rows)} / {total} lỗi / problems",
    )


@quarantine.command(
    name="report",
    help="Lập bảng tính lỗi cho từng đơn vị sửa và gửi lại / Make each agency's workbook, to correct and send back",
)
@click.option(
    "--agency", required=True, metavar="AGENCY|all", help="Đơn vị, hoặc all / An agency, or all that have rows waiting"
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Thư mục; mặc định reports/quarantine trong KHO_HOME / Folder",
)
@click.option(
    "--reveal",
    is_flag=True,
    help="Bản của chính đơn vị, không che; được ghi lại / The agency's own copy, not masked; recorded",
)
@click.option(
    "--by", metavar="NAME", help="Ai chịu trách nhiệm cho bản không che / Who answers for the copy that is not masked"
)
@limit_option(200_000)
@json_option
def quarantine_report(agency: str, out: Path | None, reveal: bool, by: str | None, limit: int, as_json: bool) -> None:
    """One workbook an agency; prints their paths."""
    from orchestration.contracts import load_all
    from orchestration.report.quarantine_book import agencies_waiting, write

    name = (by or "").strip()
    if reveal != bool(name):
        raise click.UsageError("--reveal và --by đi cùng nhau / --reveal and --by go together")
    contracts = load_all()
    known = {contract.agency for contract in contracts}
    if agency != "all" and agency not in known:
        raise click.UsageError(f"không có đơn vị / no such agency: {agency} ({', '.join(sorted(known))})")
    chosen = agencies_waiting(contracts) if agency == "all" else [agency]
    books = [write(contracts, each, out=out, reveal_to=name or None, limit=limit) for each in chosen]
    if as_json:
        print_json([asdict(book) | {"path": str(book.path)} for book in books])
        return
    for book in books:
        click.echo(str(book.path))
    if not books:
        click.echo("Không có dòng nào chờ sửa / Nothing waits")


@quarantine.command(
    name="answer", help="Nhận bảng tính đơn vị đã sửa / Take in a workbook that an agency has corrected"
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@by_option
@json_option
def quarantine_answer(file: Path, by: str, as_json: bool) -> int:
    """Land the corrected rows; exits with 3 when some of them are in quarantine again."""
    from orchestration.contracts import load_all
    from orchestration.landing.answer import answer

    receipts = answer(load_all(), file, by=by, night=settings.now().date())
    if as_json:
        print_json([asdict(receipt) for receipt in receipts])
    else:
        print_table(
            "Đã nhận bảng sửa / Corrections taken in",
            [
                "Bộ dữ liệu / Dataset",
                "Lần giao / Delivery #",
                "Kết quả / Outcome",
                "Nhận / Received #",
                "Chấp nhận / Accepted #",
                "Lại cách ly / Quarantined again #",
                "Trùng / Duplicates #",
                "Lý do / Because",
            ],
            [
                (
                    r.dataset,
                    str(r.delivery_id),
                    both(DELIVERY_OUTCOMES, r.outcome),
                    r.received,
                    r.accepted,
                    r.quarantined,
                    r.duplicates,
                    f"{r.reason_vi} / {r.reason_en}" if r.reason_vi else "",
                )
                for r in receipts
            ],
        )
    if any(r.outcome == "refused" for r in receipts):
        return 1
    return 3 if any(r.quarantined for r in receipts) else 0


@quarantine.command(
    name="tickets",
    help="Phiếu lỗi: ai sửa, hạn nào, đến cấp nào / Tickets: who corrects what by when, and whose turn it is",
)
@_AGENCY
@click.option("--overdue", is_flag=True, help="Chỉ phiếu quá hạn / Only those overdue")
@click.option("--all", "closed", is_flag=True, help="Cả phiếu đã đóng / Closed ones too")
@json_option
def quarantine_tickets(agency: str | None, overdue: bool, closed: bool, as_json: bool) -> int:
    """One line per ticket; exits with 3 when one is overdue."""
    from orchestration.report.quarantine_words import LEVELS, quality_word
    from orchestration.report.tickets import tickets

    found = tickets(today=settings.now().date(), agencies=[agency] if agency else None, closed=closed)
    is_behind = any(t.level for t in found)
    if overdue:
        found = [t for t in found if t.level]
    if as_json:
        rows: list[dict[str, Any]] = [
            asdict(t)
            | {"state": t.state, "quality_word": quality_word(t.rule), "level_words": " / ".join(LEVELS[t.level])}
            for t in found
        ]
        print_json(rows)
    else:
        print_table(
            "Phiếu lỗi / Tickets",
            [
                "Phiếu / Ticket #",
                "Bộ dữ liệu / Dataset",
                "Cột / Column",
                "Luật / Rule",
                "Dòng / Rows #",
                "Mở / Opened",
                "Hạn / Due",
                "Mức / Level",
                "Người sửa / Owner",
                "Tình trạng / State",
            ],
            [
                (
                    str(t.ticket),
                    t.dataset,
                    t.column,
                    t.rule,
                    t.rows,
                    t.opened_on,
                    t.due_on,
                    "" if t.closed_by else " / ".join(LEVELS[t.level]),
                    t.owner,
                    (
                        f"đã đóng nhờ lần giao {t.closed_by} / closed by delivery {t.closed_by}"
                        if t.closed_by
                        else "đang mở / open"
                    )
                    + (f", mở lại phiếu {t.reopens} / reopens {t.reopens}" if t.reopens else ""),
                )
                for t in found
            ],
        )
    return 3 if is_behind else 0
