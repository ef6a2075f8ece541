"""Readers during promotions: one release at a time over all tables, never an ungated row, never a wait."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from orchestration import release
from orchestration.warehouse import connect

from .cluster import rows
from .subjects import frozen, judge, released

TYPES = {"code": "text", "mark": "integer", "_delivery": "bigint"}
SIZE = 2000
#: Both tables in one statement: smallest and biggest mark of each (a release carries one mark on every row) and their sizes.
QUERY = """select (select array[min(mark), max(mark), count(*)] from health.facility), (select array[min(mark), max(mark), count(*)] from health.licence)"""


def tables(mark: int) -> dict[str, Any]:
    """Every row of both tables carries the mark; a third of the keys comes and goes."""
    content = [{"code": f"F{n}", "mark": mark} for n in range(SIZE) if n % 3 or n % 2 == mark % 2]
    return dict.fromkeys(("facility", "licence"), (TYPES, ("code",), content))


def size(mark: int) -> int:
    return len(tables(mark)["facility"][2])


class Reader(threading.Thread):
    """Polls until told to stop; `seen` are the marks in order, `wrong` what must not be seen, `failures` what was refused or waited."""

    def __init__(self, *, repeatable: bool) -> None:
        super().__init__()
        self.repeatable, self.stop = repeatable, threading.Event()
        self.seen: list[int] = []
        self.wrong: list[Any] = []
        self.failures: list[str] = []

    def run(self) -> None:
        options = "-c statement_timeout=5000 -c lock_timeout=250"
        try:
            with connect("analyst", autocommit=True, options=options) as connection:
                while not self.stop.is_set():
                    if self.repeatable:
                        self._transaction(connection)
                    else:
                        self._judge(*connection.execute(QUERY).fetchall()[0])
        except BaseException as error:
            self.failures.append(f"{type(error).__name__} {error}")

    def _transaction(self, connection: Any) -> None:
        """Table after table, with time in between for a release to come."""
        one = "select array[min(mark), max(mark), count(*)] from health."
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            first = connection.execute(one + "facility").fetchone()[0]
            connection.execute("select pg_sleep(0.01)")
            self._judge(first, connection.execute(one + "licence").fetchone()[0])

    def _judge(self, first: list[int], second: list[int]) -> None:
        low, high, count = first
        if first != second or low != high or low % 10 == 7 or count != size(low):
            self.wrong.append((first, second))
        elif not self.seen or self.seen[-1] != low:
            self.seen.append(low)


def watched(work: Any) -> list[Reader]:
    """Four readers around `work()`."""
    readers = [Reader(repeatable=n % 2 == 0) for n in range(4)]
    for reader in readers:
        reader.start()
    try:
        work()
    finally:
        for reader in readers:
            reader.stop.set()
        for reader in readers:
            reader.join()
    return readers


def test_readers_see_whole_releases_and_never_wait(empty: Path) -> None:
    released("health", tables(1))

    def nights() -> None:
        for mark in range(2, 14):
            build = frozen("health", tables(mark))
            if mark % 10 == 7:  # a red build, seen by nobody
                judge("health", build, "fail")
                continue
            judge("health", build)
            release.promote("health", build)
            if mark % 6 == 0:
                release.rollback("health", 2, by="tests")

    readers = watched(nights)
    for reader in readers:
        assert reader.failures == []
        assert reader.wrong == []
        assert len(reader.seen) > 4, "a reader that saw no release come proves nothing"


MIXED = [
    ["update health.facility set mark = 50", "update health.licence set mark = 50"],  # two transactions
    ["update health.facility set mark = 57; update health.licence set mark = 57"],  # not from a gate
]


@pytest.mark.parametrize("statements", MIXED)
def test_the_readers_notice(empty: Path, statements: list[str]) -> None:
    released("health", tables(50))
    rows("update health.facility set mark = 51; update health.licence set mark = 51; ")

    def meddle() -> None:
        for statement in statements:
            rows(statement)
            threading.Event().wait(0.2)

    assert any(reader.wrong for reader in watched(meddle))


def test_the_readers_notice_a_lock(empty: Path) -> None:
    released("health", tables(1))

    def block() -> None:
        with connect("admin") as admin:
            admin.execute("lock table health.licence in access exclusive mode")
            threading.Event().wait(0.6)

    assert all(reader.failures for reader in watched(block))
