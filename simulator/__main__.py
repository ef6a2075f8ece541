"""`python -m simulator`: the province in a box on the command line.

Belongs here: commands, their help and what they print. Stays out: everything they do (`run`, `control`, `truth`).
"""

from __future__ import annotations

import csv
import json
import signal
import sys
import threading
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from simulator import control
from simulator.clock import FIRST_NIGHT
from simulator.datasets import DATASETS, LICENCE
from simulator.faults import FaultPlan
from simulator.ministry import command
from simulator.run import CAN_BE_DOWN, SEED, ProvinceInABox, write_json
from simulator.truth import NIGHTS, Night, Province

SOURCES = "sources.json"
_HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Thư mục của mô phỏng / The simulator's folder",
)
_SEED = click.option(
    "--seed", default=SEED, show_default=True, help="Hạt giống: cùng số, cùng tỉnh / Same seed, same province"
)
_SCALE = click.option(
    "--scale",
    default=1.0,
    show_default=True,
    help="1.0 = 1.221 trường, 3.000 doanh nghiệp / 1.0 = 1,221 schools, 3,000 enterprises",
)
_FIRST = click.option(
    "--first-night",
    type=click.DateTime(["%Y-%m-%d"]),
    default=FIRST_NIGHT.isoformat(),
    show_default=True,
    help="Ngày của đêm 1 / Date of night 1",
)
_NIGHT = click.IntRange(min(NIGHTS), max(NIGHTS))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """Tỉnh trong hộp: các hệ thống nguồn mô phỏng để chạy thử Kho.

    The province in a box: simulated source systems for trying out Kho.

    \b
    python -m simulator serve --home /tmp/tinh &     # khởi động, đêm 1 / start with night 1
    cat /tmp/tinh/sources.json                       # các biến KHO_SOURCE_* / the variables KHO_SOURCE_*
    python -m simulator night 2 --home /tmp/tinh     # đêm 2: Sở Y tế mất kết nối / night 2: health is down
    python -m simulator truth --night 2              # điều đúng ra phải có / what should be there
    """


@main.command()
@_HOME
@_SEED
@_SCALE
@_FIRST
@click.option("--night", type=_NIGHT, default=1, show_default=True, help="Bắt đầu ở đêm nào / Night to start with")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Tệp JSON: kế hoạch lỗi của dịch vụ đăng ký doanh nghiệp / JSON file: the registry's fault plan",
)
@click.option(
    "--ministry-faults", help="Kế hoạch lỗi của Bộ: JSON hoặc tệp JSON / The ministry's: JSON or a file of it"
)
def serve(
    home: Path,
    seed: int,
    scale: float,
    first_night: datetime,
    night: int,
    faults: Path | None,
    ministry_faults: str | None,
) -> None:
    """Khởi động mọi hệ thống và chạy đến khi bị dừng (Ctrl-C).

    Start all systems and run until stopped (Ctrl-C). Once HOME/sources.json is there, everything is ready.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    files = [home / SOURCES, home / control.FILE]
    for path in files:
        path.unlink(missing_ok=True)
    try:
        plan = FaultPlan.read(faults) if faults else None
        upstream = command.read_faults(ministry_faults) if ministry_faults else None
        box = ProvinceInABox(home, seed, scale, first_night=first_night.date(), faults=plan, ministry_faults=upstream)
        with box:
            box.night(night)
            server = control.ControlServer(box)
            write_json(files[1], {"url": server.url, "seed": seed, "scale": scale})
            write_json(files[0], box.env)
            click.echo(f"Sẵn sàng, đêm {night} / Ready, night {night}: {files[0]}")
            stopping.wait()
            server.close()
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    finally:
        for path in files:
            path.unlink(missing_ok=True)
    click.echo("Đã dừng / Stopped")


@main.command()
@click.argument("number", type=_NIGHT)
@_HOME
def night(number: int, home: Path) -> None:
    """Chuyển mô phỏng đang chạy sang đêm NUMBER. / Move the running simulator to night NUMBER."""
    _order(home, "night", number)


@main.command()
@click.argument("agency", type=click.Choice(CAN_BE_DOWN))
@_HOME
def down(agency: str, home: Path) -> None:
    """Làm một cơ quan mất kết nối. / Make an agency unreachable."""
    _order(home, "down", agency)


@main.command()
@click.argument("agency", type=click.Choice(CAN_BE_DOWN))
@_HOME
def up(agency: str, home: Path) -> None:
    """Nối lại một cơ quan. / Make an agency reachable again."""
    _order(home, "up", agency)


@main.command()
@click.option("--night", "number", type=_NIGHT, required=True, help="Đêm nào / Which night")
@click.option(
    "--dataset", type=click.Choice(list(DATASETS)), help="In các dòng của một bộ dữ liệu / Print one dataset's rows"
)
@click.option("--json", "as_json", is_flag=True, help="JSON, kèm lỗi đã gài / JSON, with the planted defects")
@_SEED
@_SCALE
@_FIRST
def truth(number: int, dataset: str | None, as_json: bool, seed: int, scale: float, first_night: datetime) -> None:
    """In điều kho phải có sau một đêm; không cần mô phỏng đang chạy.

    Print what the warehouse should hold after a night; no running simulator is needed. Without --dataset: counts of all
    datasets.
    """
    try:
        province = Province(seed, scale, first_night.date())
        told, refused = province.night(number), province.refused_upstream(number)
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


for _command in (command.ministry, command.tamper):
    main.add_command(_command)


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


def _order(home: Path, order: str, value: Any) -> None:
    try:
        state = control.send(home, order, value)
    except control.ControlError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Đêm / night {state['night']} ({state['date']}); ", nl=False)
    click.echo(", ".join(f"{name}: {state[name]}" for name in CAN_BE_DOWN))


if __name__ == "__main__":
    main()
