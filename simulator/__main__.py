"""`python -m simulator`: the province in a box on the command line.

Belongs here: commands, their help and what they print. Stays out: everything they do (`run`, `control`, `truth`).
"""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from simulator import control
from simulator.ministry import command
from simulator.national.command import names, national
from simulator.progress import shown
from simulator.run import CAN_BE_DOWN, SEED, ProvinceInABox
from simulator.story.command import expected
from simulator.story.faults import FaultPlan
from simulator.systems.box import SYSTEMS
from simulator.systems.process import write_private
from simulator.truth import truth
from simulator.views import catalogue

SOURCES = "sources.json"
_NIGHT = click.IntRange(min=1)


_HOME = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".kho/simulator"),
    show_default=True,
    help="Thư mục của mô phỏng / The simulator's folder",
)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@_HOME
@click.option(
    "--seed", default=SEED, show_default=True, help="Hạt giống: cùng số, cùng tỉnh / Same seed, same province"
)
@click.option(
    "--scale",
    default=0.01,
    show_default=True,
    help="Tỷ lệ; 1.0 là 3.619.433 người, 1.221 trường, 4,8 triệu thửa đất / Scale; 1.0 is the whole province",
)
@click.option("--day", type=click.IntRange(min=0), default=0, show_default=True, help="Ngày; 0 là 19/11/2026 / Day")
@click.option("--only", multiple=True, metavar="NAME", help="Chỉ những hệ thống này / Only these systems")
@click.option("--without", multiple=True, metavar="NAME", help="Trừ những hệ thống này / All but these")
@click.option(
    "--bare", is_flag=True, help="Chỉ những hệ thống mà kho lấy hôm nay / Only what the warehouse takes today"
)
@click.option(
    "--misbehave",
    is_flag=True,
    help="Hệ thống hỏng theo kế hoạch lỗi của hạt giống / Systems fail as seeded plans want",
)
@click.option("--once", is_flag=True, help="Nạp xong thì thoát / Leave when everything is filled")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Tệp JSON: kế hoạch lỗi của dịch vụ đăng ký doanh nghiệp / JSON file: the registry's fault plan",
)
@click.option(
    "--ministry-faults", help="Kế hoạch lỗi của Bộ Y tế: JSON hoặc tệp / The ministry of health's: JSON or a file"
)
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Tỉnh trong hộp: mọi hệ thống nguồn và hệ thống quốc gia, mô phỏng, để chạy thử Kho.

    The province in a box: every agency system and national system, simulated, for trying out Kho. Without a command it starts
    them and runs until Ctrl-C; with one running at HOME it moves that on to the day.

    \b
    kho simulate                              # mọi hệ thống, 1/100 tỉnh, ngày 0 / all systems, a hundredth, day 0
    kho simulate --day 2                      # (cửa sổ khác) sang ngày 2 / (elsewhere) moves it on to day 2
    cat .kho/simulator/sources.json           # các biến KHO_* cho kho / the variables KHO_* for the warehouse
    cat .kho/simulator/systems/systems.json   # địa chỉ và tài khoản mọi hệ thống / addresses and accounts of all systems
    cat .kho/simulator/national/national.json # của các hệ thống quốc gia / of the national systems
    kho simulate down mariadb                 # một hệ thống mất kết nối / a system out of reach
    kho simulate --misbehave                  # lỗi mạng, hết hạn, trả lời sai … / every way of failing, by the seed
    kho simulate truth --totals               # mọi số tổng hợp đúng / what every aggregate really is
    kho simulate expected --night 2           # điều kho phải có / what the warehouse should hold
    kho simulate --scale 1 --once             # cả tỉnh, đo thời gian / the whole province, timed
    """
    if context.invoked_subcommand is None:
        given = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
        try:
            if control.running(options["home"]):
                _move(given, **options)
            else:
                province(**options)
        except (ValueError, RuntimeError, control.ControlError) as error:
            problem = str(error)
        else:
            return
        raise click.ClickException(problem)


def province(
    home: Path,
    seed: int,
    scale: float,
    day: int,
    only: tuple[str, ...],
    without: tuple[str, ...],
    bare: bool,
    misbehave: bool,
    once: bool,
    faults: Path | None,
    ministry_faults: str | None,
) -> None:
    """Start the province and run until told to end; HOME/sources.json is there as long as it answers.

    Told to end while its systems are filled, it ends with the batch that is on its way, and raises SystemExit.
    """
    wanted = _wanted(only, without, bare)
    plan = FaultPlan.read(faults) if faults else None
    upstream = command.read_faults(ministry_faults) if ministry_faults else None
    systems, national = [n for n in wanted if n in SYSTEMS], [n for n in wanted if n not in SYSTEMS]
    views = sum(view.system in systems for view in catalogue.all_views())
    files = [home / SOURCES, home / control.FILE]
    for path in files:
        path.unlink(missing_ok=True)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with ExitStack() as stack:
        with shown(views, quiet=not views) as bar:

            def report(system: str, view: str, rows: int) -> None:
                if stopping.is_set():
                    raise SystemExit(128 + signal.SIGTERM)
                bar(system, view, rows)

            box = ProvinceInABox(
                home, seed, scale, faults=plan, ministry_faults=upstream, systems=systems, national=national,
                misbehave=misbehave, progress=report,
            )  # fmt: skip
            stack.callback(box.stop)
            box.start(day + 1)
        if once or stopping.is_set():
            return
        server = control.ControlServer(box)
        stack.callback(server.close)
        for path in files:
            stack.callback(path.unlink, missing_ok=True)
        write_private(files[1], {"url": server.url, "seed": seed, "scale": scale})
        write_private(files[0], box.env)
        click.echo(f"Sẵn sàng, ngày {day}, đêm {day + 1} / Ready, day {day}, night {day + 1}: {files[0]}")
        stopping.wait()
    click.echo("Đã dừng / Stopped")


def _move(given: set[str], home: Path, day: int, **options: Any) -> None:
    """Move the province that runs at `home` on to a day; ValueError when anything else was asked of it (`given`)."""
    fixed = control.read(home)
    if other := sorted(name for name in given - {"home", "day"} if options[name] != fixed.get(name)):
        named = ", ".join(f"--{name.replace('_', '-')}" for name in other)
        raise ValueError(
            f"Mô phỏng đang chạy ở {home}, không đổi được {named} / One is running at {home}, {named} cannot be changed"
        )
    _order(home, "night", day + 1)


def _wanted(only: tuple[str, ...], without: tuple[str, ...], bare: bool) -> list[str]:
    """Which systems beside those that always run."""
    known = [*SYSTEMS, *names()]
    if unknown := {*only, *without} - set(known):
        raise ValueError(
            f"Không có hệ thống / No such system: {', '.join(sorted(unknown))}; có / there are: {', '.join(known)}"
        )
    return [] if bare else [name for name in only or known if name not in without]


@main.command()
@click.argument("number", type=_NIGHT)
@_HOME
def night(number: int, home: Path) -> None:
    """Chuyển mô phỏng đang chạy sang đêm NUMBER. / Move the running simulator to night NUMBER."""
    _order(home, "night", number)


@main.command()
@click.argument("name")
@_HOME
def down(name: str, home: Path) -> None:
    """Làm một hệ thống mất kết nối. / Put a system out of reach."""
    _order(home, "down", name)


@main.command()
@click.argument("name")
@_HOME
def up(name: str, home: Path) -> None:
    """Nối lại một hệ thống. / Put a system within reach again."""
    _order(home, "up", name)


for _command in (truth, expected, national, command.ministry, command.tamper):
    main.add_command(_command)


def _order(home: Path, order: str, value: Any) -> None:
    try:
        state = control.send(home, order, value)
    except control.ControlError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Đêm / night {state['night']} ({state['date']}); ", nl=False)
    said = {name: state[name] for name in CAN_BE_DOWN} | ({} if order == "night" else {value: order})
    click.echo(", ".join(f"{name}: {how}" for name, how in said.items()))


if __name__ == "__main__":
    main()
