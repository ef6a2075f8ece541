"""A national system on the command line: as a process of its own.

Belongs here: the command `national`, finding a system by its name, what every such process does from its first line
to its last. Stays out: what a system does (its module).
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import threading
from datetime import datetime
from pathlib import Path

import click

import simulator.national
from simulator.clock import TZ
from simulator.national.record import Writer
from simulator.national.service import Service


def names() -> list[str]:
    """The systems: every module of this package that says which class is its SYSTEM."""
    return sorted(name for name in _modules() if _system(name))


def system(name: str) -> type[Service]:
    """The class of a system by its name; no other system is imported. Raises ValueError when there is none."""
    found = _system(name) if name in _modules() else None
    if found is None:
        raise ValueError(f"Không có hệ thống / No such system: {name} ({', '.join(names())})")
    return found


def _modules() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(simulator.national.__path__)]


def _system(name: str) -> type[Service] | None:
    return getattr(importlib.import_module(f"simulator.national.{name}"), "SYSTEM", None)


def run(service: Service, ready: Path) -> None:
    """Serve until SIGTERM or SIGINT; as long as `ready` exists, it answers at the address and with the key in it."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    ready.unlink(missing_ok=True)
    try:
        with service:
            _write(ready, {"url": service.base, "key": service.key, "secret": service.secret})
            click.echo(f"Sẵn sàng / Ready: {ready}")
            stopping.wait()
    finally:
        ready.unlink(missing_ok=True)


def _write(path: Path, content: object) -> None:
    """A JSON file that only its owner may read and that appears whole."""
    unfinished = path.with_name(f".{path.name}.part")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    unfinished.replace(path)


def text_of(option: str) -> Path | str:
    """What `FaultPlan.read` reads: JSON itself, or the name of a file of it."""
    return option if option.lstrip().startswith("{") else Path(option)


@click.command()
@click.argument("name")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Thư mục của hệ thống / The system's folder",
)
@click.option(
    "--lists",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Thư mục danh mục mà hệ thống biết / Folder of the lists that it knows",
)
@click.option("--faults", help="Kế hoạch lỗi: JSON hoặc tệp JSON / Fault plan: JSON or a file of it")
@click.option(
    "--clock",
    type=click.DateTime(),
    help="Giờ của hệ thống khi khởi động; không có: như lần trước / What its clock shows at the start, without: as in the last run",
)
@click.option("--port", default=0, help="Cổng; 0: như lần trước, hoặc cổng trống / 0: the last run's, or a free one")
@click.option("--key", help="Không có: như lần trước / Without: as in the last run")
@click.option("--secret", help="Không có: như lần trước / Without: as in the last run")
def national(
    name: str,
    home: Path,
    lists: Path | None,
    faults: str | None,
    clock: datetime | None,
    port: int,
    key: str | None,
    secret: str | None,
) -> None:
    """Chạy một hệ thống quốc gia như một tiến trình riêng, đến khi bị dừng hoặc bị giết.

    Run a national system as a process of its own, until stopped or killed. Once HOME/NAME.json is there, it answers.
    Started again on the same home it goes on with the same record, key, secret and port.
    """
    try:
        made = system(name)
        service = made(home, made.plan_type.read(text_of(faults)) if faults else None, port, key=key, secret=secret)
        if lists is not None:
            service.load(lists)
        if clock is not None:
            Writer(home).close()  # the record's file has to be there
            service.record.set_clock(clock.replace(tzinfo=TZ))
        run(service, home / f"{name}.json")
    except (ValueError, OSError) as error:
        problem = str(error)
    else:
        return
    raise click.ClickException(problem)
