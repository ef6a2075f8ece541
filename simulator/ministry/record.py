"""The ministry's memory: a SQLite file that survives the death of its process.

Belongs here: what is stored, one transaction a request, and reading it again from any process.
Stays out: what is applied and what is refused (`services`), the wire (`server`).

effect   every insert, update and delete that was made, in order, with the message that made it and the one before it
licence  the present content by key
processed  message -> code of its last processing; not for code 99, which means: not processed
refusal  every item that was refused, in order
request  every request, with its body, what was answered and which fault struck
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from simulator.clock import TZ

FILE = "record.sqlite"
KEY = "SoGiayPhep"
FIELDS = (KEY, "MaCSKCB", "PhamVi", "NgayCap", "NgayHetHan", "TrangThai", "ThoiDiemCapNhat")
_SCHEMA = """
create table if not exists setting (name text primary key, value text not null) without rowid;
create table if not exists request (
    seq integer primary key, at text not null, service text not null, number integer, count integer not null,
    status integer, code text, fault text, body text);
create table if not exists effect (
    seq integer primary key, at text not null, request integer not null, message_id text not null,
    operation text not null, key text not null, content text not null, previous text);
create table if not exists refusal (
    seq integer primary key, at text not null, request integer not null, message_id text not null, key text not null,
    code text not null);
create table if not exists processed (message_id text primary key, code text not null) without rowid;
create table if not exists licence (
    key text primary key, bucket text not null, content text not null, message_id text) without rowid;
create index if not exists licence_bucket on licence (bucket, key);
"""


@dataclass(frozen=True)
class Effect:
    """One change made. `previous`: the message that had last written the key. `content`: what was (or had been) there."""

    seq: int
    at: str
    request: int
    message_id: str
    operation: str
    key: str
    content: dict[str, str]
    previous: str | None


@dataclass(frozen=True)
class Refusal:
    """One item refused. `message_id` and `key` may be empty: they may be what was missing."""

    seq: int
    at: str
    request: int
    message_id: str
    key: str
    code: str


@dataclass(frozen=True)
class Request:
    """One request. `number`: among the requests with a good token, None for others. `count`: items sent. `status`:
    None when it was not answered; `code`: the error_code answered. `body`: as it came, None for tokens.
    """

    seq: int
    at: str
    service: str
    number: int | None
    count: int
    status: int | None
    code: str | None
    fault: str | None
    body: str | None


_T = TypeVar("_T", Effect, Refusal, Request)


def bucket_of(key: str) -> str:
    """The group of a licence number: `00` to `ff`."""
    return hashlib.md5(key.encode()).hexdigest()[:2]


class Record:
    """The record below a home; the home of a whole province will do as well. Reading never waits for the writer."""

    def __init__(self, home: Path) -> None:
        inner = home / "ministry" / FILE
        self.path = inner if inner.exists() and not (home / FILE).exists() else home / FILE

    def effects(self) -> list[Effect]:
        """Every change, in order."""
        return self._rows(Effect, "effect")

    def refusals(self) -> list[Refusal]:
        """Every refused item, in order."""
        return self._rows(Refusal, "refusal")

    def requests(self) -> list[Request]:
        """Every request, in the order in which they were dealt with."""
        return self._rows(Request, "request")

    def licences(self) -> dict[str, dict[str, str]]:
        """Key -> content (without MaThongDiep)."""
        with self._open() as connection:
            rows = connection.execute("select key, content from licence order by key").fetchall()
        return {key: json.loads(content) for key, content in rows}

    def processed(self) -> dict[str, str]:
        """Message -> code of its last processing."""
        with self._open() as connection:
            return dict(connection.execute("select message_id, code from processed").fetchall())

    def tamper(
        self,
        remove: Iterable[str] = (),
        change: Mapping[str, Mapping[str, str]] | None = None,
        add: Iterable[Mapping[str, str]] = (),
    ) -> None:
        """Change the present content behind everybody's back, in one transaction; no effect is noted.

        remove: keys. change: key -> fields to set. add: whole records by field name; one that exists is replaced.
        """
        with self._open() as connection, connection:
            connection.execute("begin immediate")
            writing = Writing(connection, "", 0)
            for key in remove:
                _existing(connection, key)
                connection.execute("delete from licence where key = ?", (key,))
            for key, changes in (change or {}).items():
                writing.store(key, _existing(connection, key) | dict(changes), None)
            for record in add:
                if not record.get(KEY):
                    raise ValueError(f"Thiếu / Missing: {KEY}")
                writing.store(record[KEY], {name: record.get(name, "") for name in FIELDS}, None)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            raise ValueError(f"Không có sổ của Bộ ở đây / There is no record of the ministry here: {self.path}")
        with closing(connect(self.path)) as connection:
            yield connection

    def _rows(self, kind: type[_T], table: str) -> list[_T]:
        names = [field.name for field in fields(kind)]
        with self._open() as connection:
            rows = connection.execute(f"select {', '.join(names)} from {table} order by seq").fetchall()
        values = (dict(zip(names, row, strict=True)) for row in rows)
        return [kind(**(v | {"content": json.loads(v["content"])} if "content" in v else v)) for v in values]


def _existing(connection: sqlite3.Connection, key: str) -> dict[str, str]:
    row = connection.execute("select content from licence where key = ?", (key,)).fetchone()
    if row is None:
        raise ValueError(f"Bộ không có giấy phép này / The ministry has no such licence: {key}")
    return dict(json.loads(row[0]))


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode. Only processes are killed, never the machine: nothing is forced to the disk."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = off")
    return connection


class Writer(Record):
    """The server's own hold on the record: one connection, one transaction at a time."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.path = home / FILE
        self.path.touch(mode=0o600)
        self._connection = connect(self.path)
        self._connection.executescript(_SCHEMA)
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Let go of the file; a request still on its way is lost, as it would be in a crash."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def setting(self, name: str, given: str | None, default: str) -> str:
        """The value given now, or kept from an earlier run, or the default; kept from now on."""
        with self._lock:
            row = self._connection.execute("select value from setting where name = ?", (name,)).fetchone()
            value = given or (row[0] if row else default)
            self._connection.execute("insert or replace into setting values (?, ?)", (name, value))
        return str(value)

    def counted(self) -> dict[str, int]:
        """Service -> how many requests were counted so far."""
        query = "select service, count(*) from request where number is not null group by service"
        with self._lock:
            return dict(self._connection.execute(query).fetchall())

    @contextmanager
    def request(self, service: str, number: int | None, fault: str | None, body: str | None) -> Iterator[Writing]:
        """The transaction of one request: everything it does and its line in the log, or nothing.

        The caller sets `count`, `status` and `code` of what it is given. Raises ConnectionAbortedError once closed.
        """
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError
            self._connection.execute("begin immediate")
            try:
                at = datetime.now(TZ).isoformat(timespec="milliseconds")
                row = self._connection.execute("select coalesce(max(seq), 0) + 1 from request").fetchone()
                writing = Writing(self._connection, at, row[0])
                yield writing
                line = (writing.seq, at, service, number, writing.count, writing.status, writing.code, fault, body)
                self._connection.execute("insert into request values (?, ?, ?, ?, ?, ?, ?, ?, ?)", line)
                self._connection.execute("commit")
            except BaseException:
                self._connection.execute("rollback")
                raise


class Writing:
    """What one request may do to the record."""

    def __init__(self, connection: sqlite3.Connection, at: str, seq: int) -> None:
        self._connection = connection
        self._at = at
        self.seq = seq
        self.count = 0
        self.status: int | None = None
        self.code: str | None = None

    def find(self, key: str) -> tuple[dict[str, str], str | None] | None:
        """Content and last message of a key, if it is there."""
        row = self._connection.execute("select content, message_id from licence where key = ?", (key,)).fetchone()
        return None if row is None else (json.loads(row[0]), row[1])

    def put(self, operation: str, key: str, content: dict[str, str], message_id: str) -> None:
        """Insert or update."""
        before = self.find(key)
        self._effect(operation, key, content, message_id, before[1] if before else None)
        self.store(key, content, message_id)

    def remove(self, key: str, message_id: str) -> None:
        """Delete a key that is there."""
        before = self.find(key)
        assert before is not None
        self._effect("delete", key, before[0], message_id, before[1])
        self._connection.execute("delete from licence where key = ?", (key,))

    def refuse(self, key: str, message_id: str, code: str) -> None:
        """Note that an item was refused."""
        line = (self._at, self.seq, message_id, key, code)
        self._connection.execute(
            "insert into refusal (at, request, message_id, key, code) values (?, ?, ?, ?, ?)", line
        )

    def process(self, message_id: str, code: str) -> None:
        """Note the code of a message; an earlier one is forgotten."""
        self._connection.execute("insert or replace into processed values (?, ?)", (message_id, code))

    def codes(self, message_ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Message and code of those that were processed."""
        for message_id in dict.fromkeys(message_ids):
            row = self._connection.execute("select code from processed where message_id = ?", (message_id,)).fetchone()
            if row is not None:
                yield message_id, row[0]

    def contents(self, bucket: str | None, offset: int = 0, limit: int = -1) -> list[dict[str, str]]:
        """Contents in byte order of their keys; of one bucket or of all."""
        where, values = ("where bucket = ?", [bucket]) if bucket is not None else ("", [])
        query = f"select content from licence {where} order by key limit ? offset ?"
        return [json.loads(row[0]) for row in self._connection.execute(query, [*values, limit, offset])]

    def total(self, bucket: str | None) -> int:
        """How many licences there are, in one bucket or in all."""
        where, values = ("where bucket = ?", [bucket]) if bucket is not None else ("", [])
        return int(self._connection.execute(f"select count(*) from licence {where}", values).fetchone()[0])

    def store(self, key: str, content: Mapping[str, Any], message_id: str | None) -> None:
        """Put the present content of a key, without an effect."""
        line = (key, bucket_of(key), json.dumps(content, ensure_ascii=False), message_id)
        self._connection.execute("insert or replace into licence values (?, ?, ?, ?)", line)

    def _effect(self, operation: str, key: str, content: dict[str, str], message_id: str, previous: str | None) -> None:
        line = (self._at, self.seq, message_id, operation, key, json.dumps(content, ensure_ascii=False), previous)
        columns = "at, request, message_id, operation, key, content, previous"
        self._connection.execute(f"insert into effect ({columns}) values (?, ?, ?, ?, ?, ?, ?)", line)
