"""What a national system holds of its own before anybody sends anything: one table, filled as a stream, read by key.

Belongs here: a SQLite file that appears whole, is changed in one transaction, and is read from any thread.
Stays out: what is in it (`population`, `ndxp`), what is told to the system later (`record`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = Sequence[Any]


class Holding:
    """One table `held` in a file. `columns`: its columns as SQL has them; `key`: the one by which rows are replaced (it
    need not be unique); `indexes`: lists of columns, made when all rows are in.
    """

    def __init__(self, file: Path, columns: str, key: str, indexes: Sequence[str]) -> None:
        self._file, self._columns, self._key, self._indexes = file, columns, key, indexes
        self._width = columns.count(",") + 1
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None

    @property
    def exists(self) -> bool:
        """True when it was filled, now or by an earlier run."""
        return self._file.exists()

    def fill(self, batches: Iterable[Iterable[Row]]) -> int:
        """Hold these rows and nothing else; returns how many. Readers see all the old or all the new ones."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_name(f"{self._file.name}.part")
        unfinished.unlink(missing_ok=True)
        connection = sqlite3.connect(unfinished, isolation_level=None)
        connection.execute("pragma journal_mode = off")
        connection.execute("pragma synchronous = off")
        connection.execute("pragma cache_size = -131072")
        connection.execute("pragma temp_store = memory")
        connection.execute(f"create table held ({self._columns})")
        connection.execute("begin")
        count = sum(max(connection.executemany(self._insert, rows).rowcount, 0) for rows in batches)
        for number, columns in enumerate(self._indexes):
            connection.execute(f"create index held_{number} on held ({columns})")
        connection.execute("commit")
        connection.close()
        with self._lock:
            self._close()
            unfinished.replace(self._file)
        return count

    def update(self, rows: Iterable[Row]) -> None:
        """Replace what has the keys of these rows (the key is their first value) by them."""
        kept = list(rows)
        with self._lock:
            connection = self._connection()
            connection.execute("begin immediate")
            try:
                connection.executemany(f"delete from held where {self._key} = ?", [(row[0],) for row in kept])
                connection.executemany(self._insert, kept)
                connection.execute("commit")
            except BaseException:
                connection.execute("rollback")
                raise

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query over `held`; none when nothing was ever filled in."""
        if not self.exists:
            return []
        with self._lock:
            return self._connection().execute(query, values).fetchall()

    def close(self) -> None:
        """Let go of the file; the next reading opens it again."""
        with self._lock:
            self._close()

    @property
    def _insert(self) -> str:
        return f"insert into held values ({', '.join('?' * self._width)})"

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = sqlite3.connect(self._file, timeout=60, isolation_level=None, check_same_thread=False)
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
