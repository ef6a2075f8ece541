"""exchange-plan: a million messages planned and waiting. Memory must not grow with their number, nor the sender slow down behind it.

Each step runs in a process of its own: its peak memory is that step's. The server's is the anonymous memory of the session's backend,
sampled, so without shared buffers. Every figure is taken with a quarter of the records and with all of them, in turns; the result lines
are the second over the first.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import licences
from benchmarks.ground import reset
from benchmarks.measure import ROUNDS, ROWS, result
from benchmarks.sink import sink
from orchestration import exchange, settings
from orchestration.exchange.outbox import open_outbox
from orchestration.warehouse import connect

RECORDS = min(ROWS, 1_000_000)
SIZES = (RECORDS // 4, RECORDS)
SENT_FOR = 0.6  # seconds at the head of the queue: the smaller one must not be empty by then


@dataclass(frozen=True, slots=True)
class Figure:
    """One step: its seconds, messages, peak memory of the client before and after, and of the backend its peak and median, in MB."""

    seconds: float
    messages: int
    before: float
    client: float
    backend: float
    usual: float

    @property
    def each(self) -> float:
        """Microseconds a message."""
        return self.seconds / self.messages * 1e6


def run(_: Path) -> None:
    """One benchmark."""
    planning: dict[int, list[Figure]] = {size: [] for size in SIZES}
    sending: dict[int, list[Figure]] = {size: [] for size in SIZES}
    with sink() as env:
        for _round in range(ROUNDS):
            for size in SIZES:
                reset()
                licences.forget_release()
                licences.release_rows(size)
                licences.empty_outbox()
                planning[size].append(_apart(plan, {}))
                disk = {name: _table_size(name) for name in ("kho.message", "kho.batch")}
                sending[size].append(_apart(send, env))
                print(f"  {size} waiting: " + ", ".join(f"{name} {mb:.0f} MB" for name, mb in disk.items()), flush=True)
    _table("planning", planning)
    _table(f"sending for {SENT_FOR:g} s at the head of the queue", sending)
    for name, figures, goal in (("time", planning, 1.25), ("head", sending, 1.25)):
        few, many = (statistics.median(each.each for each in figures[size]) for size in SIZES)
        result(f"exchange-plan-{name}", many, few, goal)
    few, many = (statistics.median(each.usual for each in planning[size]) for size in SIZES)
    result("exchange-plan-memory", many, few, 1.25)


def plan(_: Mapping[str, str]) -> Figure:
    """Plan the first release; for a process of its own."""
    obligation = licences.obligation()
    terms = obligation.on(settings.now().date())
    terms.due(terms.day)  # the calendar costs memory and a second, once
    with open_outbox(obligation) as outbox:
        assert outbox is not None
        before = _status("self", "VmHWM")
        started = time.perf_counter()
        with _backend_memory() as memory:
            messages = outbox.plan(terms)
        assert messages is not None
        return Figure(time.perf_counter() - started, messages, before, _status("self", "VmHWM"), *memory())


def send(env: Mapping[str, str]) -> Figure:
    """Send for a while, through the whole engine; for a process of its own."""
    obligation = licences.obligation()
    before = _status("self", "VmHWM")
    started = time.perf_counter()
    with _backend_memory() as memory:
        done = exchange.run(obligation, env=env, seconds=SENT_FOR)
    seconds = time.perf_counter() - started
    assert done.confirmed, done
    return Figure(seconds, done.confirmed, before, _status("self", "VmHWM"), *memory())


def _apart(step: Callable[[Mapping[str, str]], Figure], env: Mapping[str, str]) -> Figure:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(step, dict(env)).result()


@contextmanager
def _backend_memory() -> Iterator[Callable[[], tuple[float, float]]]:
    """Sample the anonymous memory of the sender's backend; yields what tells peak and median so far, in MB.

    The median too, because a short fixed cost at the end of a step makes peaks alike and hides what grows until then.
    """
    samples, over = [0.0], threading.Event()

    def sample() -> None:
        with connect("admin", autocommit=True) as admin:
            while not over.wait(0.02):
                found = admin.execute("select pid from pg_stat_activity where application_name = 'kho exchange'")
                samples.extend(_status(str(pid), "RssAnon") for (pid,) in found.fetchall())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield lambda: (max(samples), statistics.median(samples))
    finally:
        over.set()
        thread.join()


def _status(pid: str, field: str) -> float:
    """A field of /proc/<pid>/status in MB; 0 when the process has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), 0.0)


def _table_size(name: str) -> float:
    with connect("admin") as admin:
        row = admin.execute("select pg_total_relation_size(%s::regclass) / 1e6", (name,)).fetchone()
    assert row is not None
    return float(row[0])


def _table(title: str, figures: Mapping[int, list[Figure]]) -> None:
    """Medians of a step by size of the queue."""
    print(f"\nexchange-plan, {title} ({ROUNDS} rounds)")
    for size, found in figures.items():
        seconds = " ".join(f"{each.seconds:.2f}" for each in found)
        rate = statistics.median(each.messages / each.seconds for each in found)
        before, client, backend, usual = (
            statistics.median(getattr(each, name) for each in found)
            for name in ("before", "client", "backend", "usual")
        )
        print(
            f"  {size:>9} waiting  {rate:>9,.0f} messages/s   seconds {seconds}   "
            f"client {before:.0f} -> {client:.0f} MB, backend {backend:.1f} MB, median {usual:.1f} MB"
        )
