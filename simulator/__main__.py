"""`python -m simulator`: the province in a box on the command line.

Belongs here: commands, their help and what they print. Stays out: everything they do (`run`, `control`, `truth`).
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import click

from simulator import control
from simulator.ministry import command
from simulator.run import CAN_BE_DOWN, SEED, ProvinceInABox, write_json
from simulator.story.command import expected
from simulator.story.faults import FaultPlan
from simulator.truth import truth

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
    default=0.01,
    show_default=True,
    help="1.0 = 3.619.433 người, 1.221 trường, 45.000 doanh nghiệp / people, schools, enterprises",
)
_NIGHT = click.IntRange(min=1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """Tỉnh trong hộp: các hệ thống nguồn mô phỏng để chạy thử Kho.

    The province in a box: simulated source systems for trying out Kho.

    \b
    python -m simulator serve --home /tmp/tinh &     # khởi động, đêm 1 / start with night 1
    cat /tmp/tinh/sources.json                       # các biến KHO_SOURCE_* / the variables KHO_SOURCE_*
    python -m simulator night 2 --home /tmp/tinh     # đêm 2: Sở Y tế mất kết nối / night 2: health is down
    python -m simulator expected --night 2           # điều kho phải có / what the warehouse should hold
    python -m simulator truth --totals               # mọi số tổng hợp đúng / what every aggregate really is
    """


@main.command()
@_HOME
@_SEED
@_SCALE
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
        box = ProvinceInABox(home, seed, scale, faults=plan, ministry_faults=upstream)
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


for _command in (truth, expected, command.ministry, command.tamper):
    main.add_command(_command)


def _order(home: Path, order: str, value: Any) -> None:
    try:
        state = control.send(home, order, value)
    except control.ControlError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Đêm / night {state['night']} ({state['date']}); ", nl=False)
    click.echo(", ".join(f"{name}: {state[name]}" for name in CAN_BE_DOWN))


if __name__ == "__main__":
    main()
