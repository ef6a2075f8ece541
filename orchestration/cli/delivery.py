"""What came in and what was set aside: `kho delivery …`, `kho quarantine …`.

Belongs here: their lists, and confirming in a person's name. Stays out: landing.
Personal columns are never shown, nor a value of a column that the contract no longer has.
"""

from __future__ import annotations

from typing import Any

import click

from orchestration import settings
from orchestration.cli.base import Group, by_option, json_option, limit_option
from orchestration.cli.output import print_json, print_table
from orchestration.errors import KhoError
from orchestration.report.words import DELIVERY_OUTCOMES, both

_DATASET = click.option("--dataset", help="Chỉ một bộ dữ liệu (agency.dataset) / One dataset only")


@click.group(
    cls=Group,
    help="Khu cách ly: dòng trái hợp đồng, chờ đơn vị sửa / Rows that break their contract, waiting for the agency",
)
def quarantine() -> None:
    """Quarantined rows."""


@quarantine.command(name="list", help="Dòng nào, cột nào, sai gì / Which row, which column, what is wrong")
@_DATASET
@click.option(
    "--state",
    type=click.Choice(["open", "resolved", "superseded", "all"]),
    default="open",
    show_default=True,
    help="Còn chờ, đã sửa, đã thay / Still waiting, put right, replaced",
)
@limit_option(50)
@json_option
def quarantine_list(dataset: str | None, state: str, limit: int, as_json: bool) -> None:
    """One line per problem of a quarantined row."""
    from orchestration.contracts import load_all
    from orchestration.report.quarantine import problems

    total, rows = problems(load_all(), dataset=dataset, state=None if state == "all" else state, limit=limit)
    if as_json:
        print_json(rows)
        return
    print_table(
        "Khu cách ly / Quarantine",
        [
            "Bộ dữ liệu / Dataset",
            "Lần giao / Delivery #",
            "Dòng / Row #",
            "Khóa / Key",
            "Cột / Column",
            "Luật / Rule",
            "Gặp / Found",
            "Cần / Expected",
            "Lỗi / Message",
        ],
        [
            (
                r["dataset"],
                str(r["delivery"]),
                str(r["row_number"]),
                r["key"],
                r["column"],
                r["rule"],
                r["found"],
                r["expected"],
                f"{r['vi']} / {r['en']}",
            )
            for r in rows
        ],
        note=f"{len(rows)} / {total} lỗi / problems",
    )


@click.group(cls=Group, help="Lần giao dữ liệu và biên nhận / Deliveries and their receipts")
def delivery() -> None:
    """Deliveries."""


@delivery.command(name="list", help="Các lần giao, mới nhất trước / Deliveries, the newest first")
@_DATASET
@click.option("--waiting", is_flag=True, help="Chỉ lần giao chờ xác nhận / Only those that wait for confirmation")
@limit_option(50)
@json_option
def delivery_list(dataset: str | None, waiting: bool, limit: int, as_json: bool) -> None:
    """One line per receipt."""
    from psycopg.rows import dict_row

    from orchestration.warehouse import connect

    with connect("release") as connection:
        rows: list[dict[str, Any]] = (
            connection.cursor(row_factory=dict_row)
            .execute(
                """select * from (
                   select d.delivery_id as delivery, d.dataset, d.agency, d.night, d.source_name, d.as_of,
                          d.received_at, d.outcome, d.outcome = 'waiting' and not exists (
                              select from kho.delivery l
                               where l.dataset = d.dataset and l.outcome = 'applied' and l.delivery_id > d.delivery_id
                          ) as waiting,
                          d.received, d.accepted, d.quarantined, d.duplicates, d.inserted, d.updated, d.deleted,
                          d.unchanged, encode(d.sha256, 'hex') as sha256, d.confirms, d.confirmed_by,
                          d.reason_vi, d.reason_en
                     from kho.delivery d where %(dataset)s::text is null or d.dataset = %(dataset)s) found
                where waiting or not %(waiting)s order by delivery desc limit nullif(%(limit)s, 0)""",
                {"dataset": dataset, "waiting": waiting, "limit": limit},
            )
            .fetchall()
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        "Lần giao / Deliveries",
        [
            "Lần giao / Delivery #",
            "Bộ dữ liệu / Dataset",
            "Đêm / Night",
            "Nguồn / Source",
            "Kết quả / Outcome",
            "Nhận / Received #",
            "Chấp nhận / Accepted #",
            "Cách ly / Quarantined #",
            "Trùng / Duplicates #",
            "Thêm / Inserted #",
            "Sửa / Updated #",
            "Xóa / Deleted #",
            "Xác nhận / Confirmed by",
            "Lý do / Because",
        ],
        [
            (
                str(r["delivery"]),
                r["dataset"],
                r["night"],
                r["source_name"],
                both(DELIVERY_OUTCOMES, r["outcome"]),
                r["received"],
                r["accepted"],
                r["quarantined"],
                r["duplicates"],
                r["inserted"],
                r["updated"],
                r["deleted"],
                r["confirmed_by"] or "",
                f"{r['reason_vi']} / {r['reason_en']}" if r["reason_vi"] else "",
            )
            for r in rows
        ],
    )


@delivery.command(
    name="confirm",
    help="Xác nhận một lần giao đang chờ, nhân danh người chịu trách nhiệm / Confirm a delivery that waits",
)
@click.argument("delivery_id", type=int, metavar="ID")
@by_option
def delivery_confirm(delivery_id: int, by: str) -> None:
    """Apply the kept bytes of a delivery that waits."""
    from orchestration.contracts import load_all
    from orchestration.landing import confirm
    from orchestration.warehouse import connect

    with connect("release") as connection:
        row = connection.execute("select dataset from kho.delivery where delivery_id = %s", (delivery_id,)).fetchone()
    contract = next((c for c in load_all() if row is not None and c.id == row[0]), None)
    if contract is None:
        raise KhoError(
            "no_delivery",
            f"không có lần giao {delivery_id} của bộ dữ liệu nào",
            f"no dataset has a delivery {delivery_id}",
        )
    receipt = confirm(contract, delivery_id, by=by, night=settings.now().date())
    click.echo(
        f"Lần giao {delivery_id} của {contract.id} đã nhận: "
        f"{receipt.inserted} thêm, {receipt.updated} sửa, {receipt.deleted} xóa / "
        f"delivery {delivery_id} of {contract.id} applied as {receipt.delivery_id}: "
        f"{receipt.inserted} inserted, {receipt.updated} updated, {receipt.deleted} deleted"
    )
