"""province: everything that the agencies of a simulated province have, landed in one night, each dataset by a process of its own.

SCALE (0.05 unless it is set; 1 is the whole province) says how much there is. Told are, by agency, rows, seconds and rows held or noted;
the lines are peak client memory against 2 GB and all landings together against a night from one to seven o'clock. With --second-night (or
NIGHTS=2) a day passes and everything is landed again. A dataset that fails is listed, the others go on; the end is then exit status 1.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.measure import apart, result
from orchestration.contracts import Contract, load_all
from orchestration.errors import KhoError
from orchestration.sources import missing_variables

SCALE = float(os.environ.get("SCALE") or 0.05)
SEED = 24
MEMORY, NIGHT_SECONDS = 2.0 * 2**30, 6 * 3600.0


@dataclass(slots=True)
class Landed:
    """What became of a dataset in a night. Counts are rows; `peak` is bytes of the landing process; `failure` is empty where there is none."""

    dataset: str
    seconds: float = 0.0
    peak: int = 0
    received: int = 0
    accepted: int = 0
    held: int = 0
    noted: int = 0
    outcomes: str = ""
    failure: str = ""

    @property
    def agency(self) -> str:
        return self.dataset.partition(".")[0]


def run(home: Path) -> None:
    """Fill the systems, land, tell. SystemExit(1) when a dataset could not be landed."""
    from simulator.systems.box import Systems
    from simulator.systems.variables import variables
    from simulator.table import Province, date_of
    from simulator.views import catalogue

    os.environ["KHO_SYNTHETIC"] = "1"
    contracts = in_order(load_all())
    started = time.perf_counter()
    failed: list[Landed] = []
    with Systems(home / "box", catalogue.all_views(), Province(SEED, SCALE), daily=catalogue.daily()) as box:
        box.load(0)
        box.start()
        print(f"province: scale {SCALE:g} simulated in {time.perf_counter() - started:.0f} s", flush=True)
        for day in range(int(os.environ.get("NIGHTS") or 1)):
            if day:
                started = time.perf_counter()
                box.advance(day)
                print(f"province: day {day} simulated in {time.perf_counter() - started:.0f} s", flush=True)
            os.environ.update(variables(box.env))
            asked = [contract for contract in contracts if not missing_variables(contract, os.environ)]
            landed = land_all(asked, date_of(day))
            table(f"night {day + 1}, scale {SCALE:g}", landed)
            suffix = "" if day == 0 else f"-night-{day + 1}"
            result(f"province-memory{suffix}", max(each.peak for each in landed), MEMORY, 1)
            result(f"province-night{suffix}", sum(each.seconds for each in landed), NIGHT_SECONDS, 1)
            failed += [each for each in landed if each.failure]
        silent = [contract.id for contract in contracts if missing_variables(contract, os.environ)]
    if silent:
        print(f"\nnot in the simulated province, not asked: {', '.join(silent)}")
    if failed:
        print("\nfailed:", *(f"  {each.dataset}: {each.failure}" for each in failed), sep="\n", flush=True)
        sys.exit(1)


def in_order(contracts: Iterable[Contract]) -> list[Contract]:
    """Contracts by name, but each after those its columns refer to."""
    by_id = {contract.id: contract for contract in sorted(contracts, key=lambda contract: contract.id)}
    ordered: dict[str, Contract] = {}
    visited: set[str] = set()

    def visit(name: str) -> None:
        if name in visited or name not in by_id:
            return
        visited.add(name)
        for column in by_id[name].columns:
            if column.references:
                visit(column.references.rpartition(".")[0])
        ordered[name] = by_id[name]

    for name in by_id:
        visit(name)
    return list(ordered.values())


def land_all(contracts: Sequence[Contract], night: date) -> list[Landed]:
    """Land one dataset after the other, whatever becomes of each."""
    found = []
    for number, contract in enumerate(contracts, 1):
        landed = Landed(contract.id)
        try:
            values, landed.peak = apart(land_one, contract.id, night)
            for name, value in values.items():
                setattr(landed, name, value)
        except BrokenProcessPool:
            landed.failure = "the landing process was killed"
        found.append(landed)
        state = landed.failure or landed.outcomes
        print(
            f"  {number:3d}/{len(contracts)} {landed.dataset:<42} {landed.received:>10} rows {landed.seconds:8.1f} s"
            f" {landed.peak / 2**20:6.0f} MB  held {landed.held}, noted {landed.noted}  {state}", flush=True,
        )  # fmt: skip
    return found


def land_one(dataset: str, night: date) -> dict[str, Any]:
    """Fields of a `Landed`. Seconds are those of the landing: the process has imported what everybody needs."""
    from orchestration.landing import land_dataset

    (contract,) = (contract for contract in load_all() if contract.id == dataset)
    receipts, failure = [], ""
    started = time.perf_counter()
    try:
        receipts = land_dataset(contract, night=night, env=os.environ)
    except KhoError as error:
        failure = f"{error.code}: {error.en}"[:500]
    except Exception as error:  # noqa: BLE001 - told at the end; the other datasets are landed all the same
        failure = f"{type(error).__name__}"
    seconds = time.perf_counter() - started
    bad = [r for r in receipts if r.outcome in ("refused", "waiting")]
    if bad and not failure:
        failure = f"{bad[0].outcome}: {bad[0].reason_en}"[:500]
    return {
        "seconds": seconds,
        "received": sum(r.received for r in receipts),
        "accepted": sum(r.accepted for r in receipts),
        "held": sum(r.quarantined for r in receipts),
        "noted": sum(r.noted for r in receipts),
        "outcomes": ", ".join(sorted({r.outcome for r in receipts})) or "nothing",
        "failure": failure,
    }


def table(title: str, landed: Sequence[Landed]) -> None:
    """Print sums by agency, and of all."""
    agencies: dict[str, list[Landed]] = defaultdict(list)
    for each in landed:
        agencies[each.agency].append(each)
    print(f"\nprovince: {title}")
    print(
        f"  {'agency':<26} {'datasets':>8} {'rows':>12} {'seconds':>9} {'rows/s':>9} {'held':>9} {'noted':>9} {'peak MB':>8}"
    )
    for name, group in [*sorted(agencies.items()), ("all", list(landed))]:
        rows, seconds = sum(each.received for each in group), sum(each.seconds for each in group)
        print(
            f"  {name:<26} {len(group):>8} {rows:>12,} {seconds:>9.1f} {rows / max(seconds, 1e-9):>9,.0f}"
            f" {sum(each.held for each in group):>9,} {sum(each.noted for each in group):>9,} {max(each.peak for each in group) / 2**20:>8.0f}"
        )  # fmt: skip
