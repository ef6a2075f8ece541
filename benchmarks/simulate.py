"""simulate: the population register out of nothing into an agency's PostgreSQL, against `\\copy` of the same rows into a table of the same shape.

What ours does beside writing: draws every person, puts names, dates and numbers together, spoils cells at the documented rates. And the
whole province, every system, in a process of its own: seconds against a quarter of an hour and peak memory against 6 GB (the goals are 1).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.ground import FLOOR, psql
from benchmarks.measure import ROWS, Contender, Watch, result, take_turns

WHOLE_SECONDS, WHOLE_BYTES = 900.0, 6 * 2**30
SCALE = min(1.0, ROWS / 3_600_000)


def run(home: Path) -> None:
    """One benchmark."""
    from simulator.systems.postgres import Postgres
    from simulator.table import Province
    from simulator.views.catalogue import view

    register = view("police.person")
    file = home / "person.csv"
    system = Postgres(home / "agency", [register])

    def ours(watch: Watch) -> None:
        with watch:
            system.load(Province(24, SCALE), 0)

    def floor(watch: Watch) -> None:
        psql(FLOOR, "drop table if exists person")
        columns = ", ".join(f"{c.name} {_TYPES.get(c.name, 'text')}" for c in register.columns)
        with watch:
            psql(FLOOR, rf"create table person ({columns}) ;; \copy person from '{file}' with (format csv, header)")
            psql(FLOOR, "alter table person add primary key (so_dinh_danh)")
            psql(FLOOR, "create index on person (cap_nhat_luc)")

    try:
        system.load(Province(24, 0.001), 0)  # the server's start is not what is measured
        system.load(Province(24, SCALE), 0)
        with open(file, "wb") as out:
            url = system.env["police"]["url"]
            copy = "copy dan_cu.cong_dan to stdout with (format csv, header)"
            subprocess.run(["psql", "-X", "-q", "-c", copy, url], stdout=out, check=True)
        contenders: dict[str, Contender] = {"simulate, police.person": ours, r"\copy of the same rows": floor}
        figures = take_turns(contenders)
    finally:
        system.stop()
    figures.table(f"simulate: the population register at scale {SCALE:g}", list(contenders))
    result("simulate", figures.median("simulate, police.person"), figures.median(r"\copy of the same rows"), 3)
    _whole(home)


def _whole(home: Path) -> None:
    """Every system, filled once."""
    command = [sys.executable, "-m", "simulator", "--home", str(home / "whole"), "--scale", f"{SCALE:g}", "--once"]
    started = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.read().splitlines()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError("\n".join(said[-5:]))
    print(f"\nsimulate --scale {SCALE:g} --once: {seconds:.0f} s, {used.ru_maxrss / 1024:,.0f} MB\n  {said[-1]}")
    result("simulate-whole-time", seconds, WHOLE_SECONDS, 1)
    result("simulate-whole-memory", used.ru_maxrss * 1024, WHOLE_BYTES, 1)


_TYPES = {"ngay_sinh": "date", "ngay_mat": "date", "cap_nhat_luc": "timestamptz"}
