"""`kho ledger verify`.

Belongs here: telling what the verification found. Stays out: the chain (`release.ledger`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from orchestration.cli.base import Group, json_option
from orchestration.cli.output import print_json


@click.group(cls=Group, help="Sổ cái: chuỗi băm của bằng chứng / The ledger: hash chain of evidence")
def ledger() -> None:
    """The ledger."""


@ledger.command(name="verify", help="Kiểm tra từng mắt xích và bằng chứng / Check every link and its evidence")
@click.option(
    "--anchor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Đầu sổ đã xuất: tìm ra sổ bị cắt đuôi hay dựng lại / An exported head: finds a cut tail and a rebuilt chain",
)
@json_option
def verify(anchor: Path | None, as_json: bool) -> int:
    """Exit 1 when the chain does not hold."""
    from orchestration.release import ledger as chain
    from orchestration.warehouse import connect

    with connect("release") as connection:
        head, faults = chain.verify(connection, anchor)
    if as_json:
        print_json(
            {
                "head": asdict(head),
                "anchor": str(anchor) if anchor else None,
                "faults": [asdict(fault) for fault in faults],
            }
        )
        return 1 if faults else 0
    for fault in faults:
        click.echo(f"  {fault.seq}: {fault.vi} / {fault.en}")
    if faults:
        click.echo(
            f"Sổ cái không toàn vẹn, {len(faults)} lỗi / The ledger does not hold, {len(faults)} faults", err=True
        )
        return 1
    click.echo(f"Sổ cái toàn vẹn / The ledger holds: {head.seq} mắt xích / links, đầu sổ / head {head.mac or '-'}")
    return 0
