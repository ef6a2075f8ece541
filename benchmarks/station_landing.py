"""stations, stations-tick: a day of station files (57,600 of 8 lines) and one tick of 200 files into raw, against 60 and 2 seconds.

Ours is the whole landing: finding, reading and putting away every file, kept bytes, hash, every rule of the contract, receipts, ledger.
The floor sends the files one after the other through one COPY of texts: no name of a file, no key, no type. Every round has
a warehouse of its own; its tick comes after its day.
"""

from __future__ import annotations

import os
import subprocess
import time
from datetime import date, datetime, timedelta
from pathlib import Path

from benchmarks.ground import FLOOR, LAND, psql, psql_command, reset, settle
from benchmarks.measure import ROUNDS, Figures, Watch, result
from orchestration.contracts import Contract, load
from orchestration.landing import land_dataset

DAY_SECONDS, TICK_SECONDS = 60.0, 2.0
STATIONS, TICKS = 200, 288
MIDNIGHT = datetime(2026, 1, 1)
#: Symbol, unit and digits after the comma, as a station of waste water and air sends them.
SYMBOLS = (
    ("pH", "-", 2), ("TSS", "mg/L", 1), ("COD", "mg/L", 0), ("NH4", "mg/L", 3), ("Temp", "oC", 1), ("Flow", "m3/h", 0),
    ("PM2,5", "µg/Nm3", 1), ("CO", "mg/Nm3", 2),
)  # fmt: skip
NIGHT = date(2026, 1, 2)


def run(home: Path) -> None:
    """Both benchmarks."""
    contract = load(LAND / "assets" / "agencies" / "observatory" / "measurement.yaml")
    folder, figures = home / "files", Figures()
    day, tick, cat = "kho, a day of files", "kho, one tick", "cat | copy"
    for _ in range(ROUNDS):
        reset()
        write(folder, range(TICKS))
        figures.run(cat, lambda watch: floor(folder, watch))
        figures.run(day, lambda watch: ours(contract, STATIONS * TICKS, watch))
        write(folder, range(TICKS, TICKS + 1))
        figures.run(tick, lambda watch: ours(contract, STATIONS, watch))
        subprocess.run(["find", str(folder), "-mindepth", "1", "-delete"], check=True)
    figures.table(f"stations: {STATIONS * TICKS} files of {len(SYMBOLS)} lines, then {STATIONS}", [day, tick, cat])
    result("stations", figures.median(day), DAY_SECONDS, 1)
    result("stations-tick", figures.median(tick), TICK_SECONDS, 1)


def write(folder: Path, ticks: range) -> None:
    """The files of every station at these ticks of five minutes, their last write long ago, in the form of Circular 10/2021/TT-BTNMT."""
    written = time.time() - 3600 + 0.1 * ticks.start
    for station in range(STATIONS):
        code = f"NT_{station:03d}"
        (folder / code).mkdir(exist_ok=True)
        for tick in ticks:
            moment = f"{MIDNIGHT + timedelta(minutes=5 * tick):%Y%m%d%H%M%S}"
            lines = (
                f"{name}\t{(1 + (station * 7919 + tick * 104729 + n * 31) % 997) / 10**digits:.{digits}f}\t{unit}\t{moment}\t00\r\n"
                for n, (name, unit, digits) in enumerate(SYMBOLS)
            )
            path = f"{folder}/{code}/{code}_{moment}.txt"
            with open(path, "wb") as file:
                file.write("".join(lines).encode())
            os.utime(path, (written, written))


def ours(contract: Contract, files: int, watch: Watch) -> None:
    """Land all that lies there."""
    settle()
    with watch:
        receipts = land_dataset(contract, night=NIGHT, env=os.environ)
    found = [(r.outcome, r.quarantined) for r in receipts]
    rows = sum(r.inserted for r in receipts)
    assert set(found) == {("applied", 0)} and rows == files * len(SYMBOLS), (found, rows)


def floor(folder: Path, watch: Watch) -> None:
    """The lines of all files, as texts."""
    psql(
        FLOOR,
        "drop table if exists measured ;; create table measured (name text, value text, unit text, at text, status text)",
    )
    settle()
    command = psql_command(FLOOR, "copy measured from stdin")
    with watch:
        sender = subprocess.Popen(
            ["find", str(folder), "-name", "*.txt", "-exec", "cat", "{}", "+"], stdout=subprocess.PIPE
        )
        subprocess.run(command, stdin=sender.stdout, check=True)
        assert sender.wait() == 0
    assert int(psql(FLOOR, "select count(*) from measured")) == STATIONS * TICKS * len(SYMBOLS)
