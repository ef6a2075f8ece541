"""Open data: `kho portal publish`, `kho portal status`, `kho portal check`.

Belongs here: asking for it and telling how it came out. Stays out: the rules, files and catalogue (`portal`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from orchestration.cli.base import Group, json_option
from orchestration.cli.output import print_json, print_table
from orchestration.errors import KhoError
from orchestration.report.words import PORTAL_STATES, both


@click.group(cls=Group, help="Dữ liệu mở: công bố, tình trạng, kiểm tra / Open data: publish, status, check")
def portal() -> None:
    """Open data."""


@portal.command(name="publish", help="Công bố bản phát hành mới nhất / Publish the newest release")
@click.argument("names", nargs=-1, metavar="[DATASET…]")
@json_option
def publish(names: tuple[str, ...], as_json: bool) -> int:
    """Each dataset by itself, then the catalogue. Exit 0 when all are published, 3 when some are held, 1 when one failed."""
    from orchestration import portal as engine

    datasets, problems = engine.parse_all()
    broken = engine.unreadable(problems)
    _known(names, [*(dataset.id for dataset in datasets), *(state.dataset for state in broken)])
    rows: list[dict[str, Any]] = []
    for dataset in datasets:
        if names and dataset.id not in names:
            continue
        try:
            rows.append(asdict(engine.publish(dataset, env=os.environ)))
        except KhoError as error:
            rows.append(_failed(dataset.id, f"[{error.code}] {error.vi}", error.en))
    rows += [
        _failed(one.dataset, one.because_vi, one.because_en) for one in broken if not names or one.dataset in names
    ]
    catalogue = engine.write_catalogue()
    if as_json:
        print_json({"datasets": rows, "catalogue": str(catalogue)})
    else:
        print_table(
            "Dữ liệu mở / Open data",
            [
                "Bộ dữ liệu / Dataset",
                "Kết quả / Outcome",
                "Phiên bản / Version #",
                "Bản phát hành / Release #",
                "Số dòng / Rows #",
                "Lý do / Because",
            ],
            [
                (r["dataset"], both(PORTAL_STATES, r["state"]), _number(r["version"]), _number(r["release"]), r["rows"], _because(r))
                for r in rows
            ],
            note=f"Danh mục / Catalogue: {catalogue}",
        )  # fmt: skip
    outcomes = {row["state"] for row in rows}
    return 1 if "failed" in outcomes else 3 if outcomes & {"held", "never"} else 0


@portal.command(name="status", help="Tình trạng các bộ dữ liệu mở / Status of the open datasets")
@json_option
def status(as_json: bool) -> None:
    """One line a dataset."""
    from orchestration.status import portal as portal_states

    found = [asdict(state) for state in portal_states()]
    if as_json:
        print_json(found)
    else:
        show(found)


def show(found: Sequence[dict[str, Any]]) -> None:
    """The table of `kho portal status`."""
    print_table(
        "Dữ liệu mở / Open data",
        [
            "Bộ dữ liệu / Dataset",
            "Tên / Title",
            "Tình trạng / State",
            "Phiên bản / Version #",
            "Từ bản phát hành / Of release #",
            "Bản phát hành mới nhất / Newest release #",
            "Số dòng / Rows #",
            "Công bố lúc / Published at",
            "Lý do / Because",
        ],
        [
            (s["dataset"], s["title_vi"], both(PORTAL_STATES, s["state"]), _number(s["version"]), _number(s["release"]),
             _number(s["released"]), s["rows"], s["published_at"], _because(s))
            for s in found
        ],
    )  # fmt: skip


@portal.command(
    name="check", help="Kiểm tra khai báo và mọi tệp đã công bố / Check declarations and every published file"
)
@json_option
def check(as_json: bool) -> int:
    """Exit 1 when a declaration has a problem, or a file is missing, altered or unknown."""
    from orchestration import portal as engine

    problems = engine.check()
    faults = engine.verify()
    if as_json:
        print_json({"problems": [asdict(p) for p in problems], "faults": [asdict(f) for f in faults]})
    else:
        for problem in problems:
            click.echo(str(problem))
        for fault in faults:
            version = "" if fault.version is None else f" {fault.version}"
            click.echo(f"{fault.dataset}{version}: {fault.file}: {fault.vi} / {fault.en}")
        if problems or faults:
            click.echo(f"{len(problems) + len(faults)} lỗi / problems", err=True)
        else:
            click.echo("Khai báo và tệp đều đúng / Declarations and files are as they must be")
    return 1 if problems or faults else 0


def _known(names: Sequence[str], declared: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(declared))
    if unknown:
        raise click.UsageError(f"không có / unknown: {', '.join(unknown)} ({', '.join(declared)})")


def _failed(dataset: str, vi: str, en: str) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "state": "failed",
        "version": None,
        "release": 0,
        "rows": 0,
        "because_vi": vi,
        "because_en": en,
        "files": (),
    }


def _number(value: int | None) -> str | None:
    return None if not value else str(value)


def _because(row: dict[str, Any]) -> str:
    return f"{row['because_vi']} / {row['because_en']}" if row["because_vi"] else ""
