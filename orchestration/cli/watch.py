"""How the province stands: `kho status` and `kho report`.

Belongs here: showing states and asking for the report. Stays out: the states (`status`) and the report (`report`).
"""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import click

from orchestration.cli.base import Command, json_option, night_option
from orchestration.cli.output import print_json, print_table
from orchestration.cli.portal import show as show_published
from orchestration.report.words import DATASET_STATES, OBLIGATION_STATES, SUBJECT_STATES, both


@click.command(
    cls=Command,
    help="Tình trạng các bộ dữ liệu, lĩnh vực, nghĩa vụ đồng bộ và dữ liệu mở / "
    "Status of datasets, subjects, obligations and open data",
)
@night_option("--night", "Đêm nào (mặc định: mới nhất) / Which night (default: the newest)")
@json_option
def status(night_: date | None, as_json: bool) -> None:
    """Print the states; for people or, with --json, for scripts."""
    from orchestration import status as states
    from orchestration.contracts import load_all

    found = states.as_json(load_all(), night_)
    if as_json:
        print_json(found)
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """The tables of `kho status`, and first of all whether any of it is real."""
    if found["synthetic"]:
        click.echo("Dữ liệu mô phỏng / Synthetic data (KHO_SYNTHETIC=1)")
    print_table(
        "Bộ dữ liệu / Datasets",
        [
            "Bộ dữ liệu / Dataset",
            "Tình trạng / State",
            "Lần giao / Delivery #",
            "Nhận / Received #",
            "Chấp nhận / Accepted #",
            "Cách ly / Quarantined #",
            "Trùng / Duplicates #",
            "Không đổi / Unchanged #",
            "Chờ sửa / To correct #",
            "Lý do / Because",
        ],
        [
            (
                d["dataset"],
                both(DATASET_STATES, d["state"]),
                d["last_delivery"] and str(d["last_delivery"]),
                d["received"],
                d["accepted"],
                d["quarantined"],
                d["duplicates"],
                d["unchanged"],
                d["quarantined_open"],
                f"{d['because_vi']} / {d['because_en']}" if d["because_vi"] else "",
            )
            for d in found["datasets"]
        ],
    )
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
