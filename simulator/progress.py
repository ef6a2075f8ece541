"""How far long work has come, on a terminal or in a log.

Belongs here: the bar. Stays out: the work.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Report = Callable[[str, str, int], None]  # system, view, rows so far


@contextmanager
def shown(total: int, quiet: bool = False) -> Iterator[Report]:
    """A bar over `total` views while they are filled; at the end rows, seconds and the memory it took.

    On a terminal one moving line; in a log a line for each view when the next begins, and for the last.
    """
    if quiet:
        yield lambda system, view, rows: None
        return
    started, rows_of = time.monotonic(), dict[str, int]()
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description:44}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rows]:>12}"),
        TimeElapsedColumn(), console=console, disable=not console.is_terminal,
    )  # fmt: skip

    with bar:
        task = bar.add_task("", total=total, rows="")

        def report(system: str, view: str, rows: int) -> None:
            if view not in rows_of and not console.is_terminal:
                _tell_last(rows_of)
            rows_of[view] = rows
            completed = len(rows_of) - 1
            bar.update(task, description=f"{system}: {view}", completed=completed, rows=f"{rows:,}")

        yield report
        bar.update(task, completed=total)
    if not console.is_terminal:
        _tell_last(rows_of)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(rows_of)} bộ dữ liệu, {sum(rows_of.values()):,} dòng, {time.monotonic() - started:.0f} giây, {memory:,.0f} MB / "
        f"{len(rows_of)} datasets, {sum(rows_of.values()):,} rows, {time.monotonic() - started:.0f} seconds, {memory:,.0f} MB",
        file=sys.stderr,
    )


def _tell_last(rows_of: dict[str, int]) -> None:
    if rows_of:
        view, rows = next(reversed(rows_of.items()))
        print(f"  {view:44} {rows:>12,}", file=sys.stderr, flush=True)
