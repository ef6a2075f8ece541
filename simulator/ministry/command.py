"""The ministry on the command line: as a process of its own, and changed behind everybody's back.

Belongs here: the commands `ministry` and `tamper`. Stays out: what they do (`server`, `record`).
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from simulator.ministry.faults import MinistryFaults
from simulator.ministry.record import Record
from simulator.ministry.server import Ministry
from simulator.national.command import run, text_of

READY = "ministry.json"
_HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Thư mục của hệ thống / The system's folder",
)


def read_faults(text: str) -> MinistryFaults:
    """A fault plan from the text of an option: JSON itself, or the name of a file of it."""
    return MinistryFaults.read(text_of(text))


@click.command()
@_HOME
@click.option("--port", default=0, help="Cổng; 0: như lần trước, hoặc cổng trống / 0: the last run's, or a free one")
@click.option(
    "--facilities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Tệp mã cơ sở KBCB, mỗi dòng một mã / File of facility codes, one a line",
)
@click.option("--any-facility", is_flag=True, help="Nhận mọi mã cơ sở / Accept any facility code")
@click.option("--faults", help="Kế hoạch lỗi: JSON hoặc tệp JSON / Fault plan: JSON or a file of it")
@click.option("--key", envvar="KHO_NATIONAL_HEALTH_KEY", help="Không có: như lần trước / Without: as in the last run")
@click.option(
    "--secret", envvar="KHO_NATIONAL_HEALTH_SECRET", help="Không có: như lần trước / Without: as in the last run"
)
def ministry(
    home: Path,
    port: int,
    facilities: Path | None,
    any_facility: bool,
    faults: str | None,
    key: str | None,
    secret: str | None,
) -> None:
    """Chạy hệ thống y tế của Bộ như một tiến trình riêng, đến khi bị dừng hoặc bị giết.

    Run the ministry's health system as a process of its own, until stopped or killed. Once HOME/ministry.json is there,
    it answers. Started again on the same home it goes on with the same record, key, secret and port.
    """
    if (facilities is None) != any_facility:
        raise click.UsageError("Cần đúng một trong / Exactly one is needed: --facilities, --any-facility")
    known = facilities.read_text(encoding="utf-8").split() if facilities else None
    try:
        plan = read_faults(faults) if faults else None
        run(Ministry(home, known, plan, port, key=key, secret=secret), home / READY)
    except (ValueError, OSError) as error:
        problem = str(error)
    else:
        return
    raise click.ClickException(problem)


@click.command()
@_HOME
@click.option("--remove", multiple=True, metavar="KEY", help="Bỏ một giấy phép / Remove a licence")
@click.option(
    "--change", multiple=True, nargs=3, metavar="KEY FIELD VALUE", help="Sửa một trường / Change one field of a licence"
)
@click.option("--add", multiple=True, metavar="JSON", help="Thêm một giấy phép, JSON / Add a licence, as JSON")
def tamper(home: Path, remove: tuple[str, ...], change: tuple[tuple[str, str, str], ...], add: tuple[str, ...]) -> None:
    """Sửa dữ liệu của Bộ sau lưng mọi người; HOME của Bộ hoặc của cả mô phỏng.

    Change what the ministry holds behind everybody's back; HOME of the ministry or of the whole simulator.
    """
    changes: dict[str, dict[str, str]] = {}
    for key, field, value in change:
        changes.setdefault(key, {})[field] = value
    try:
        Record(home).tamper(remove, changes, [json.loads(text) for text in add])
    except ValueError as error:
        problem = str(error)
    else:
        click.echo(f"Đã bỏ / removed {len(remove)}, sửa / changed {len(changes)}, thêm / added {len(add)}")
        return
    raise click.ClickException(problem)
