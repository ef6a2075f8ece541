"""How the province stands: `kho status` and `kho report`.

Belongs here: showing states and asking for the report. Stays out: the states (`status`) and the report (`report`).
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import date
from typing import Any

import click

from orchestration.cli.base import Command, chosen, json_option, night_option
from orchestration.cli.output import print_columns, print_json, print_table
from orchestration.cli.portal import show as show_published
from orchestration.report.words import DATASET_STATES, OBLIGATION_STATES, SUBJECT_STATES, VOLUMES, both


@click.command(
    cls=Command,
    help="Tình trạng các bộ dữ liệu, lĩnh vực, nghĩa vụ đồng bộ và dữ liệu mở / "
    "Status of datasets, subjects, obligations and open data",
)
@night_option("--night", "Đêm nào (mặc định: mới nhất) / Which night (default: the newest)")
@click.option(
    "--agency",
    "agencies",
    multiple=True,
    metavar="NAME",
    help="Chỉ cơ quan này và các lĩnh vực của nó / This agency and its subjects only",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Kể cả từng bộ nháp chưa kết nối / Every draft that is not connected, too",
)
@json_option
def status(night_: date | None, agencies: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Print the states; for people or, with --json (everything), for scripts."""
    from orchestration import status as states
    from orchestration.contracts import load_all

    contracts = chosen(load_all(), agencies)
    found = states.as_json(contracts, night_)
    if agencies:
        subjects = {contract.subject for contract in contracts}
        for what in ("subjects", "obligations", "portal"):
            found[what] = [each for each in found[what] if each["subject"] in subjects]
    if as_json:
        print_json(found)
    else:
        show(found, everything=everything)


def show(found: dict[str, Any], *, everything: bool = False) -> None:
    """The tables of `kho status`, and first of all whether any of it is real."""
    if found["synthetic"]:
        click.echo("Dữ liệu mô phỏng / Synthetic data (KHO_SYNTHETIC=1)")
    _show_datasets(found["datasets"], everything)
    print_table(
        "Lĩnh vực / Subjects",
        [
            "Lĩnh vực / Subject",
            "Tình trạng / State",
            "Bản phát hành / Release #",
            "Đêm / Night",
            "Kỳ vọng không đạt / Failed",
            "Lý do / Because",
        ],
        [
            (
                s["subject"],
                both(SUBJECT_STATES, s["state"]),
                s["release"],
                s["night"],
                len(s["failed_expectations"]),
                f"{s['because']} / {s['because_en']}" if s["because"] else "",
            )
            for s in found["subjects"]
        ],
    )
    print_table(
        "Đồng bộ lên hệ thống quốc gia / Sent to national systems",
        [
            "Nghĩa vụ / Obligation",
            "Tình trạng / State",
            "Đã xác nhận / Confirmed #",
            "Chờ gửi / Pending #",
            "Chưa rõ / Uncertain #",
            "Bị từ chối / Rejected #",
            "Quá hạn / Overdue #",
            "Hạn sớm nhất / Oldest due",
            "Lý do / Because",
        ],
        [
            (
                o["obligation"],
                both(OBLIGATION_STATES, o["state"]),
                o["confirmed"],
                o["pending"],
                o["uncertain"],
                o["rejected"],
                o["overdue"],
                o["oldest_due"],
                f"{o['because_vi']} / {o['because_en']}" if o["because_vi"] else "",
            )
            for o in found["obligations"]
        ],
    )
    show_published(found["portal"])


def _show_datasets(found: list[dict[str, Any]], everything: bool) -> None:
    """The datasets; drafts that nobody has connected are one line, unless `everything` is asked for."""
    silent = [] if everything else [d for d in found if d["state"] == "not_connected"]
    note = ""
    if silent:
        per_agency = ", ".join(f"{agency} {n}" for agency, n in sorted(Counter(d["agency"] for d in silent).items()))
        vi = f"{len(silent)} bộ nháp chưa kết nối, không hỏi: {per_agency}"
        note = f"{vi} / {len(silent)} drafts not connected, not asked (kho status --all)"
    print_columns(
        "Bộ dữ liệu / Datasets",
        [d for d in found if d not in silent],
        [
            ("Bộ dữ liệu / Dataset", lambda d: d["dataset"]),
            ("Tình trạng / State", lambda d: both(DATASET_STATES, d["state"])),
            ("Lần giao / Delivery #", lambda d: d["last_delivery"] and str(d["last_delivery"])),
            ("Nhận / Received #", lambda d: d["received"]),
            ("Chấp nhận / Accepted #", lambda d: d["accepted"]),
            ("Cách ly / Quarantined #", lambda d: d["quarantined"]),
            ("Tỷ lệ cách ly / Rate #", _rate),
            ("Có lưu ý / Noted #", lambda d: d["noted"]),
            ("Trùng / Duplicates #", lambda d: d["duplicates"]),
            ("Không đổi / Unchanged #", lambda d: d["unchanged"]),
            ("Xu hướng / Trend", lambda d: f"{d['trend']} {both(VOLUMES, d['volume'])}" if d["trend"] else None),
            ("Chờ sửa / To correct #", lambda d: d["quarantined_open"]),
            ("Phiếu (quá hạn) / Tickets (overdue) #", _tickets),
            ("Lý do / Because", lambda d: f"{d['because_vi']} / {d['because_en']}" if d["because_vi"] else ""),
        ],
        note=note,
    )


def _rate(d: dict[str, Any]) -> str | None:
    """Share of quarantined rows, with `!` where it is not as usual."""
    if d["quarantine_rate"] is None:
        return None
    text = f"{100 * d['quarantine_rate']:.2f}".replace(".", ",")
    return f"{text} %" + ("" if d["quarantine"] == "normal" else " !")


def _tickets(d: dict[str, Any]) -> str:
    """Open tickets, and how many of them are overdue."""
    return f"{d['tickets_open']} ({d['tickets_overdue']})" if d["tickets_overdue"] else str(d["tickets_open"])


@click.command(cls=Command, help="Viết báo cáo đêm (HTML) / Write the night's report (HTML)")
@night_option("--night", "Đêm nào (mặc định: mới nhất) / Which night (default: the newest)")
@click.option(
    "--open",
    "open_",
    type=click.Choice(["yes", "no"]),
    help="Mở trong trình duyệt (mặc định: khi có màn hình) / Open it in a browser",
)
def report(night_: date | None, open_: str | None) -> None:
    """Write the report and open it when somebody sits at a terminal."""
    from orchestration import report as reports
    from orchestration.contracts import load_all

    path = reports.write(load_all(), night_)
    click.echo(path)
    if open_ == "yes" or (open_ is None and sys.stdout.isatty()):
        click.launch(path.as_uri())
