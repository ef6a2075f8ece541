"""Measuring: contenders take turns, medians count, every result ends in one line.

Belongs here: clocks, rounds, tables, result lines, facts of the machine. Stays out: what is measured.
Seconds depend on the machine; quote ratios. Turns alternate, so that a disturbance meets all contenders alike.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROWS = int(os.environ.get("ROWS") or 3_600_000)
ROUNDS = int(os.environ.get("ROUNDS") or 3)


class Watch:
    """The clock of one run: `with watch:` is what counts, phases are seconds within it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.phases: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += time.perf_counter() - self._started

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens inside under `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.perf_counter() - started

    @contextmanager
    def calls(self, phases: Mapping[tuple[Any, str], str]) -> Iterator[None]:
        """Count every call of these methods as a phase: (class or module, name) -> phase."""
        originals = {place: getattr(*place) for place in phases}

        def timed(original: Callable[..., Any], phase: str) -> Callable[..., Any]:
            @functools.wraps(original)
            def call(*args: Any, **kwargs: Any) -> Any:
                with self.phase(phase):
                    return original(*args, **kwargs)

            return call

        try:
            for (owner, name), phase in phases.items():
                setattr(owner, name, timed(originals[owner, name], phase))
            yield
        finally:
            for (owner, name), original in originals.items():
                setattr(owner, name, original)


Contender = Callable[[Watch], None]


class Figures:
    """What the contenders took: by name, one Watch a round."""

    def __init__(self) -> None:
        self.watches: dict[str, list[Watch]] = {}

    def run(self, name: str, contender: Contender) -> None:
        """One turn of one contender."""
        watch = Watch()
        contender(watch)
        self.watches.setdefault(name, []).append(watch)

    def median(self, name: str) -> float:
        """Median seconds of a contender."""
        return statistics.median(watch.seconds for watch in self.watches[name])

    def phases(self, name: str) -> dict[str, float]:
        """Median seconds of each phase of a contender; `rest` is what no phase claims."""
        watches = self.watches[name]
        names = dict.fromkeys(phase for watch in watches for phase in watch.phases)
        found = {phase: statistics.median(watch.phases.get(phase, 0.0) for watch in watches) for phase in names}
        if found:
            found["rest"] = statistics.median(watch.seconds - sum(watch.phases.values()) for watch in watches)
        return found

    def table(self, title: str, names: Sequence[str]) -> None:
        """Print the contenders: median, every round, phases where there are any."""
        print(f"\n{title} ({len(self.watches[names[0]])} rounds, seconds)")
        for name in names:
            rounds = " ".join(f"{watch.seconds:.2f}" for watch in self.watches[name])
            print(f"  {name:<28} {self.median(name):8.2f}   rounds {rounds}")
            phases = self.phases(name)
            if phases:
                print(" " * 33 + ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in phases.items()))


def take_turns(contenders: Mapping[str, Contender], rounds: int = ROUNDS) -> Figures:
    """Run the contenders one after the other, `rounds` times."""
    figures = Figures()
    for _ in range(rounds):
        for name, contender in contenders.items():
            figures.run(name, contender)
    return figures


def apart(function: Callable[..., Any], *args: Any) -> tuple[Any, int]:
    """Call a function of a module in a fresh Python process, so that its memory is its own; (what it returned, peak bytes)."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found, peak = pool.submit(_with_peak, function, args).result()
    return found, peak


def _with_peak(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, int]:
    found = function(*args)
    # The kernel's high-water mark of this process alone: ru_maxrss would begin with what its parent had when it started it.
    status = Path("/proc/self/status").read_text()
    return found, int(status.split("VmHWM:")[1].split()[0]) * 1024


RESULTS: list[str] = []


def result(name: str, ours: float, other: float, goal: float) -> None:
    """The one line of a result: lower is better, at most `goal` is asked for."""
    line = f"{name} ratio={ours / other:.2f} goal={goal:g}"
    RESULTS.append(line)
    print(line, flush=True)


def machine() -> str:
    """Facts of the machine without which the seconds mean nothing."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {memory:.0f} GB memory, load {load:.1f}, Python {platform.python_version()}"
