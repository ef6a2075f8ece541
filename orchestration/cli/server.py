"""The server: `kho init`, `start`, `stop`, `up`.

Belongs here: what is printed about it. Stays out: how it is made (`warehouse`) and what Dagster runs (`automation`).
"""

from __future__ import annotations

import os

import click

from orchestration import settings
from orchestration.cli.base import Command


@click.command(
    cls=Command,
    offline=True,
    help="Dựng kho dữ liệu hoặc nâng cấp; chạy lại lúc nào cũng được / Make or upgrade the warehouse, at any time",
)
def init() -> None:
    """Databases, roles, schema, and the key of the ledger."""
    from orchestration.warehouse import is_external, schema

    for line in schema.init():
        click.echo(f"  {line}")
    settings.ledger_key()
    place = "WAREHOUSE_URL" if is_external() else f"PostgreSQL, {settings.home()}"
    click.echo(f"Kho dữ liệu đã sẵn sàng / The warehouse is ready: {place}")
    if "KHO_LEDGER_KEY" not in os.environ:
        key = settings.home() / "secrets" / "ledger.key"
        click.echo(f"Khóa sổ cái, hãy cất một bản ở nơi khác / The ledger's key, keep a copy elsewhere: {key}")


@click.command(cls=Command, help="Khởi động máy chủ nhúng / Start the embedded server")
def start() -> None:
    """Start the embedded server; an external one is not ours to start."""
    from orchestration.warehouse import embedded, is_external

    if is_external():
        click.echo(
            "Kho ở máy chủ ngoài (WAREHOUSE_URL), không cần khởi động / The warehouse is external, nothing to start"
        )
        return
    embedded.start()
    click.echo(f"PostgreSQL đang chạy / is running: {embedded.socket_folder()}")


@click.command(cls=Command, offline=True, help="Dừng máy chủ nhúng / Stop the embedded server")
def stop() -> None:
    """Stop the embedded server if it runs."""
    from orchestration.warehouse import embedded, is_external

    if is_external():
        click.echo(
            "Kho ở máy chủ ngoài (WAREHOUSE_URL), không dừng từ đây / The warehouse is external, not stopped from here"
        )
        return
    embedded.stop()
    click.echo("PostgreSQL đã dừng / has stopped")


@click.command(
    cls=Command,
    help="Mở giao diện Dagster cùng bộ lịch; Ctrl-C để dừng / Run Dagster's interface and daemon; Ctrl-C stops both",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=3000,
    show_default=True,
    help="Cổng trên 127.0.0.1 / Port on 127.0.0.1",
)
def up(port: int) -> int:
    """Run Dagster's webserver and daemon on this machine only: Dagster has no login of its own."""
    from orchestration.automation.serve import serve

    click.echo(f"http://127.0.0.1:{port}  (Ctrl-C để dừng / to stop)")
    return serve(port)
