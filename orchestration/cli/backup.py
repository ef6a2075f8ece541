"""`kho backup` and `kho restore`.

Belongs here: what is asked and told. Stays out: how it is done (`warehouse.backup`, `warehouse.archive`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.base import Command
from orchestration.errors import KhoError

if TYPE_CHECKING:
    import psycopg

    from orchestration.warehouse.archive import Manifest

_KEY_VI = (
    "Khóa sổ cái và khóa chủ của dữ liệu cá nhân KHÔNG nằm trong bản sao lưu: hãy cất riêng thư mục secrets "
    "hoặc KHO_LEDGER_KEY, KHO_KEPT_KEY"
)
_KEY_EN = (
    "The ledger's key and the master key of personal deliveries are NOT in the backup: keep the folder secrets, "
    "or KHO_LEDGER_KEY and KHO_KEPT_KEY, elsewhere"
)
_RING_VI = "Khóa của từng lần giao có dữ liệu cá nhân ở tệp {path}: chỉ giữ bản mới nhất, xóa mọi bản cũ"
_RING_EN = "The keys of personal deliveries are in {path}: keep the newest of it only, delete every older copy"


@click.command(
    cls=Command, help=f"Sao lưu kho ra một tệp / Back the warehouse up into one file. {_KEY_VI} / {_KEY_EN}."
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--without-deliveries", is_flag=True, help="Không kèm các tệp đã giao / Leave the delivered bytes out")
@click.option("--with-dagster", is_flag=True, help="Kèm lịch sử chạy của Dagster / Take Dagster's history along")
def backup(file: Path, without_deliveries: bool, with_dagster: bool) -> None:
    """One tar file that `kho restore` takes."""
    from orchestration.warehouse.archive import KEYS
    from orchestration.warehouse.backup import backup as make

    manifest = make(file, deliveries=not without_deliveries, dagster=with_dagster)
    size = file.stat().st_size / 2**20
    click.echo(
        f"Đã sao lưu / Backed up: {file} ({size:,.1f} MB), đầu sổ cái / ledger head "
        f"{manifest.ledger_seq} {manifest.ledger_mac[:16]}"
    )
    click.echo(f"{_KEY_VI} / {_KEY_EN}")
    ring = file.with_name(KEYS)
    if ring.exists():
        click.echo(f"{_RING_VI.format(path=ring)} / {_RING_EN.format(path=ring)}")


@click.command(cls=Command, offline=True, help="Khôi phục kho từ một bản sao lưu / Restore the warehouse from a backup")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Tệp khóa của các lần giao, mặc định ở cạnh FILE / Keys of the deliveries, by default the file beside FILE",
)
@click.option("--yes", is_flag=True, help="Thay kho đang có dữ liệu / Replace a warehouse that holds data")
@click.option(
    "--unverified",
    is_flag=True,
    help="Khôi phục dù sổ cái không kiểm được (mất khóa) / Restore although the ledger cannot be verified (key lost)",
)
def restore(file: Path, keys: Path | None, yes: bool, unverified: bool) -> None:
    """Restored beside what is there, verified, then put in its place: a failure leaves everything as it was."""
    from orchestration.landing.retention import unreadable
    from orchestration.warehouse.backup import restore as bring_back

    manifest = bring_back(file, replace=yes, check=None if unverified else _ledger_holds, keys=keys)
    click.echo(f"Đã khôi phục bản sao lưu lúc / Restored the backup of {manifest.created_at}")
    if unverified:
        click.echo("Sổ cái CHƯA được kiểm tra / The ledger was NOT verified", err=True)
    else:
        click.echo(f"Sổ cái toàn vẹn / The ledger holds: {manifest.ledger_seq} mắt xích / links")
    if closed := unreadable():
        click.echo(
            f"{len(closed)} lần giao có dữ liệu cá nhân không mở được: khóa đã bị xóa, hoặc thiếu kept-keys.tar.gz hay secrets/kept.key / "
            f"{len(closed)} personal deliveries cannot be opened: their keys were removed, or kept-keys.tar.gz or secrets/kept.key is missing",
            err=True,
        )


def _ledger_holds(connection: psycopg.Connection, manifest: Manifest) -> None:
    """KhoError unless the restored chain verifies and ends where the manifest says."""
    from orchestration.release import ledger

    head, faults = ledger.verify(connection)
    if faults or (head.seq, head.mac) != (manifest.ledger_seq, manifest.ledger_mac):
        raise KhoError(
            "restored_ledger",
            f"sổ cái trong bản sao lưu không toàn vẹn ({len(faults)} lỗi), kho giữ nguyên",
            f"the ledger in the backup does not hold ({len(faults)} faults); the warehouse is as it was",
        )
