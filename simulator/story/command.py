"""What the warehouse should hold after a night, on the command line.

Belongs here: the command `expected`. Stays out: the nights themselves (`nights`).
"""

from __future__ import annotations

import csv
import json
import sys
from datetime import date
from decimal import Decimal
from typing import Any

import click

from simulator.story.datasets import DATASETS, LICENCE
from simulator.story.nights import Night, Story


@click.command()
@click.option("--night", "number", type=click.IntRange(min=1), required=True, help="Đêm nào / Which night")
@click.option(
    "--dataset", type=click.Choice(list(DATASETS)), help="In các dòng của một bộ dữ liệu / Print one dataset's rows"
)
@click.option("--json", "as_json", is_flag=True, help="JSON, kèm lỗi đã gài / JSON, with the planted defects")
@click.option("--seed", default=24, show_default=True, help="Hạt giống / Seed")
@click.option("--scale", default=0.01, show_default=True, help="Tỷ lệ / Scale")
def expected(number: int, dataset: str | None, as_json: bool, seed: int, scale: float) -> None:
    """In điều kho phải có sau một đêm; không cần mô phỏng đang chạy.

    Print what the warehouse should hold after a night; no running simulator is needed. Without --dataset: counts of all
    datasets.
    """
    try:
        story = Story(seed, scale)
        told, refused = story.night(number), story.refused_upstream(number)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        names = [dataset] if dataset else list(DATASETS)
        click.echo(
            json.dumps(
                {
                    name: _told(told, name) | ({"refused_upstream": refused} if name == LICENCE.id else {})
                    for name in names
                },
                ensure_ascii=False,
                indent=1,
                default=_plain,
            )
        )
    elif dataset:
        writer = csv.DictWriter(sys.stdout, list(DATASETS[dataset].columns))
        writer.writeheader()
        writer.writerows({k: _plain(v) for k, v in row.items()} for row in told.rows[dataset])
    else:
        click.echo(f"Đêm / night {number} ({told.date}); mất kết nối / down: {', '.join(told.down) or '-'}; ", nl=False)
        click.echo(f"bị giữ / held: {', '.join(told.held) or '-'}")
        headings = ("dataset", "rows", "new", "changed", "deleted", "quarantined", "refused by gate")
        click.echo(f"{headings[0]:34}" + "".join(f"{h:>16}" for h in headings[1:]))
        for name in DATASETS:
            content = _told(told, name)
            counts = [len(content[k]) for k in ("rows", "inserted", "updated", "deleted", "dirt", "warehouse_dirt")]
            click.echo(f"{name:34}" + "".join(f"{count:>16}" for count in counts))
        click.echo(f"Bộ từ chối giấy phép / licences the ministry refuses: {', '.join(refused)}")


def _told(night: Night, name: str) -> dict[str, Any]:
    """All that is known of one dataset on a night."""
    return {
        "rows": night.rows[name],
        "inserted": night.inserted[name],
        "updated": night.updated[name],
        "deleted": night.deleted[name],
        "duplicates": night.duplicates[name],
        "dirt": [vars(dirt) for dirt in night.dirt if dirt.dataset == name],
        "warehouse_dirt": [vars(dirt) for dirt in night.warehouse_dirt if dirt.dataset == name],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # datetime too
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
