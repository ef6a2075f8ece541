"""Contracts: `kho contract …`. No warehouse is needed.

Belongs here: showing what is declared. Stays out: the rules (`contracts`, `exchange`), trying sources (`source`).
"""

from __future__ import annotations

import click

from orchestration.cli.base import Group, json_option
from orchestration.cli.output import print_json, print_table
from orchestration.report.words import CLASSIFICATIONS, both


@click.group(cls=Group, help="Hợp đồng dữ liệu / Data contracts")
def contract() -> None:
    """Data contracts."""


@contract.command(
    name="check", offline=True, help="Kiểm tra mọi hợp đồng và nghĩa vụ đồng bộ / Check every contract and obligation"
)
@json_option
def contract_check(as_json: bool) -> int:
    """Every problem with its file, line and field; exit 1 when there is one."""
    from dataclasses import asdict

    from orchestration.contracts import assets_root, check, load_all
    from orchestration.exchange import released

    owed, obligations = released.check()
    problems = sorted({*check(), *owed})
    if as_json:
        print_json([asdict(problem) for problem in problems])
    elif problems:
        for problem in problems:
            click.echo(str(problem))
        click.echo(f"{len(problems)} lỗi / problems", err=True)
    else:
        contracts = len(load_all())
        vi = f"{contracts} hợp đồng và {obligations} nghĩa vụ đồng bộ đều đúng"
        click.echo(f"{vi} / {contracts} contracts and {obligations} obligations, all well: {assets_root()}")
    return 1 if problems else 0


@contract.command(name="list", offline=True, help="Mọi hợp đồng / Every contract")
@json_option
def contract_list(as_json: bool) -> None:
    """One line per dataset."""
    from orchestration.contracts import load_all

    rows = [
        {
            "dataset": c.id,
            "title": c.title,
            "agency": c.agency,
            "agency_name": c.agency_name,
            "subject": c.subject,
            "version": c.version,
            "source": c.source.kind,
            "delivery": c.delivery,
            "classification": c.classification,
            "columns": len(c.columns),
            "has_personal": c.is_personal,
        }
        for c in load_all()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        "Hợp đồng dữ liệu / Data contracts",
        [
            "Bộ dữ liệu / Dataset",
            "Tên / Title",
            "Cơ quan / Agency",
            "Lĩnh vực / Subject",
            "Phiên bản / Version",
            "Nguồn / Source",
            "Kiểu giao / Delivery",
            "Phân loại / Class",
            "Số cột / Columns #",
            "Dữ liệu cá nhân / Personal",
        ],
        [
            (
                r["dataset"],
                r["title"],
                r["agency_name"],
                r["subject"],
                r["version"],
                r["source"],
                r["delivery"],
                both(CLASSIFICATIONS, str(r["classification"])),
                r["columns"],
                r["has_personal"],
            )
            for r in rows
        ],
    )
