"""What came in: `kho delivery …`.

Belongs here: its list, and confirming or retrying in a person's name. Stays out: landing, what was set aside (`quarantine`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestration import settings
from orchestration.cli.base import Group, by_option, json_option, limit_option
from orchestration.cli.output import print_json, print_table
from orchestration.errors import KhoError
from orchestration.report.words import DELIVERY_OUTCOMES, both

if TYPE_CHECKING:
    from orchestration.contracts import Contract

_DATASET = click.option("--dataset", help="Chỉ một bộ dữ liệu (agency.dataset) / One dataset only")


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

    from orchestration.contracts import load_all
    from orchestration.landing.overtaken import OVERTAKEN
    from orchestration.landing.retention import standing
    from orchestration.warehouse import connect

    with connect("release") as connection:
        rows: list[dict[str, Any]] = (
            connection.cursor(row_factory=dict_row)
            .execute(
                f"""select * from (
                   select w.delivery_id as delivery, w.dataset, w.channel, w.agency, w.night, w.source_name, w.as_of,
                          w.received_at, w.outcome, w.outcome = 'waiting' and not {OVERTAKEN} as waiting,
                          w.received, w.accepted, w.quarantined, w.duplicates, w.inserted, w.updated, w.deleted,
                          w.unchanged, encode(w.sha256, 'hex') as sha256, w.confirms, w.retries, w.confirmed_by,
                          w.reason_vi, w.reason_en, w.size_bytes, w.kept_path, exists (
                              select from kho.channel s where s.dataset = w.dataset and s.last_delivery = w.delivery_id
                          ) as current
                     from kho.delivery w where %(dataset)s::text is null or w.dataset = %(dataset)s) found
                where waiting or not %(waiting)s order by delivery desc limit nullif(%(limit)s, 0)""",  # type: ignore[arg-type]
                {"dataset": dataset, "waiting": waiting, "limit": limit},
            )
            .fetchall()
        )
    days = {contract.id: contract.retention_days for contract in load_all()}
    for r in rows:
        days_kept = days.get(r["dataset"])
        r |= standing(r.pop("kept_path"), r["received_at"], retention_days=days_kept, is_last_applied=r["current"])
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
            "Dữ liệu gốc / Bytes kept",
            "Người xác nhận / In the name of",
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
                _bytes_kept(r),
                r["confirmed_by"] or "",
                f"{r['reason_vi']} / {r['reason_en']}" if r["reason_vi"] else "",
            )
            for r in rows
        ],
    )


def _bytes_kept(row: dict[str, Any]) -> str:
    """Until when the bytes of a delivery are kept, in a person's words."""
    if not row["kept"]:
        return "đã xóa / removed"
    how = "đã mã hóa / encrypted" if row["encrypted"] else ""
    until = "đang dùng / in use" if row["current"] else "không còn hợp đồng / no contract any more"
    if row["kept_until"]:
        until = f"đến / until {row['kept_until']:%d/%m/%Y}"
    return f"{until}, {how}" if how else until


@delivery.command(
    name="confirm",
    help="Xác nhận một lần giao đang chờ, nhân danh người chịu trách nhiệm / Confirm a delivery that waits",
)
@click.argument("delivery_id", type=int, metavar="ID")
@by_option
def delivery_confirm(delivery_id: int, by: str) -> None:
    """Apply the kept bytes of a delivery that waits."""
    from orchestration.landing import confirm

    contract = _contract_of(delivery_id)
    receipt = confirm(contract, delivery_id, by=by, night=settings.now().date())
    click.echo(
        f"Lần giao {delivery_id} của {contract.id} đã nhận: "
        f"{receipt.inserted} thêm, {receipt.updated} sửa, {receipt.deleted} xóa / "
        f"delivery {delivery_id} of {contract.id} applied as {receipt.delivery_id}: "
        f"{receipt.inserted} inserted, {receipt.updated} updated, {receipt.deleted} deleted"
    )


@delivery.command(
    name="retry",
    help="Tiếp nhận lại bytes đã giữ của một lần giao bị từ chối, sau khi đã sửa hợp đồng chẳng hạn / "
    "Land the kept bytes of a refused delivery anew, after the contract was mended, say",
)
@click.argument("delivery_id", type=int, metavar="ID")
@by_option
def delivery_retry(delivery_id: int, by: str) -> int:
    """Land a refused delivery again, by the ordinary rules; 3 when it is not applied this time either."""
    from orchestration.landing import retry

    contract = _contract_of(delivery_id)
    receipt = retry(contract, delivery_id, by=by, night=settings.now().date())
    vi, en = DELIVERY_OUTCOMES[receipt.outcome]
    click.echo(
        f"Lần giao {delivery_id} của {contract.id} tiếp nhận lại thành lần giao {receipt.delivery_id}, {vi}: "
        f"{receipt.inserted} thêm, {receipt.updated} sửa, {receipt.deleted} xóa, {receipt.quarantined} cách ly / "
        f"delivery {delivery_id} of {contract.id} landed again as {receipt.delivery_id}, {en}: "
        f"{receipt.inserted} inserted, {receipt.updated} updated, {receipt.deleted} deleted, {receipt.quarantined} quarantined"
    )
    if receipt.reason_vi:
        click.echo(f"{receipt.reason_vi} / {receipt.reason_en}", err=True)
    return 0 if receipt.outcome == "applied" else 3


def _contract_of(delivery_id: int) -> Contract:
    """The contract of a delivery's dataset. KhoError `no_delivery`."""
    from orchestration.contracts import load_all
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
    return contract
