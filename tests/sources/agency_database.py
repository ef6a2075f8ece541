"""What the tests of databases share: an agency's database of one make or another, and contracts on its table `t`.

Belongs here: making tables, and reading them as Kho does. Stays out: what must come of it; the servers (`conftest`).
"""

from __future__ import annotations

import contextlib
import csv
import io
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql

from orchestration.contracts import Contract, assets_root, load
from orchestration.contracts.model import Source
from orchestration.errors import KhoError
from orchestration.sources.database import open_database
from orchestration.sources.delivery import Delivery
from simulator.systems.mariadb import Server

MARK = "Trần Văn Bí Mật"
CURSOR = {
    "delivery": "cursor",
    "cursor_column": "m",
    "cursor_lookback": timedelta(minutes=10),
    "deletions": "key_check",
}


class Agency:
    """One make of database: run statements in it, and read it as Kho does."""

    def __init__(self, make: str, maria: Server | None, file: Path) -> None:
        self.make, self.maria, self.file = make, maria, file
        self.table = "syt.t" if make == "mysql" else "t"
        self.made = ""

    def run(self, statement: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        if self.maria is not None:
            with self.maria.connect("syt") as cursor:
                cursor.executemany(statement.replace("?", "%s"), rows) if rows else cursor.execute(statement)
            return
        with sqlite3.connect(self.file) as connection:
            connection.executemany(statement, rows) if rows else connection.execute(statement)
        connection.close()

    def make_table(self, columns: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        if columns == self.made:
            self.run("delete from t")
        else:
            self._end_readers()
            self.run("drop table if exists t")
            self.run(f"create table t ({columns})")
        self.made = columns
        if rows:
            self.run(f"insert into t values ({','.join('?' * len(rows[0]))})", rows)

    def _end_readers(self) -> None:
        """A reader that a test has dropped may not have been let go of yet; the table it reads cannot be dropped as long."""
        if self.maria is None:
            return
        with self.maria.connect("syt") as cursor:
            cursor.execute(
                "select id from information_schema.processlist where user = %s", (self.maria.account["user"],)
            )
            for (number,) in cursor.fetchall():
                with contextlib.suppress(pymysql.err.OperationalError):  # it has just gone by itself
                    cursor.execute(f"kill {int(number)}")
            cursor.execute("set global lock_wait_timeout = 30")

    @property
    def url(self) -> str:
        if self.maria is None:
            return f"sqlite:///{self.file}"
        account = self.maria.account
        return f"mysql://{account['user']}:{account['password']}@127.0.0.1:{account['port']}/"

    def contract(self, columns: str, **changed: Any) -> Contract:
        """`name type, …` -> a contract whose key is the first column; `name type charset` for legacy text."""
        base = load(assets_root() / "agencies" / "health" / "facility.yaml")
        made = []
        for part in columns.split(", "):
            name, kind, *charset = part.split(" ")
            more = {"pg_type": kind.replace("_", " "), "charset": charset[0] if charset else None, "format": None}
            made.append(replace(base.column("phone"), name=name, source_name=name, headers=(), **more))
        options = {"table": self.table, "dialect": self.make}
        source = Source(kind="database", location="${KHO_SOURCE_T}", options=options, name="db")
        fixed = {
            "columns": tuple(made), "key": (made[0].name,), "sources": (source,), "delivery": "snapshot",
            "cursor_column": None, "cursor_lookback": timedelta(), "deletions": "snapshot",
        }  # fmt: skip
        return replace(base, **(fixed | changed))

    def open(self, contract: Contract, cursor: str | None = None) -> Iterator[Delivery]:
        return open_database(contract, cursor, {"KHO_SOURCE_T": self.url})

    def read(self, contract: Contract, cursor: str | None = None) -> tuple[Delivery, bytes, bytes | None]:
        deliveries = self.open(contract, cursor)
        delivery = next(deliveries)
        rows = b"".join(delivery.chunks)
        keys = None if delivery.keys is None else b"".join(delivery.keys)
        assert list(deliveries) == []
        return delivery, rows, keys

    def cells(self, contract: Contract, cursor: str | None = None) -> list[list[str]]:
        return list(csv.reader(io.StringIO(self.read(contract, cursor)[1].decode())))[1:]


def fill(agency: Agency) -> Contract:
    """60 rows, a minute each from 8 o'clock, and one without a time."""
    start = datetime(2025, 11, 1, 8)
    agency.make_table("k varchar(9), m datetime", [(f"k{i}", f"{start + timedelta(minutes=i)}") for i in range(60)])
    agency.run("insert into t values (?, ?)", [("null", None)])
    return agency.contract("k text, m timestamptz", **CURSOR)


def big(agency: Agency) -> Contract:
    """400 rows of 4 kB."""
    agency.make_table("i int, t varchar(9000)", [(i, f"{MARK}{i}" * 200) for i in range(20)])
    agency.run("insert into t select a.i + 20 * b.i, a.t from t a, t b where b.i > 0")
    return agency.contract("i integer, t text")


def tells_nothing(error: KhoError) -> None:
    """Neither the error nor what it came from has a value, a password or an address in it."""
    seen: BaseException | None = error
    while seen is not None:
        for secret in (MARK, "s3cret", "127.0.0.1"):
            assert secret not in str(seen) and secret not in repr(seen)
        seen = seen.__context__
