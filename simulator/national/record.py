"""A national system's memory: a SQLite file that survives the death of its process.

Belongs here: what is stored, one transaction a request, reading it again from any process, changing it behind
everybody's back.
Stays out: what is applied and what is refused (each system), the wire (`service`).

request    every request, with its body, what was answered and which fault struck
effect     every insert, update and delete that was made, in order, with the message that made it and the one before it
refusal    every item that was refused, in order
object     the present content by kind and key
processed  message -> code of its last processing; not for a code that means: not processed
setting    what a run hands on to the next one: port, key, secret, the difference of its clock
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from simulator.clock import TZ

FILE = "record.sqlite"
_CLOCK = "clock"  # seconds by which the system's clock differs from the machine's
_SCHEMA = """
create table if not exists setting (name text primary key, value text not null) without rowid;
create table if not exists request (
    seq integer primary key, at text not null, service text not null, number integer, count integer not null,
    status integer, code text, fault text, body text);
create table if not exists effect (
    seq integer primary key, at text not null, request integer not null, message_id text not null,
    operation text not null, kind text not null, key text not null, content text not null, previous text);
create table if not exists refusal (
    seq integer primary key, at text not null, request integer not null, message_id text not null,
    kind text not null, key text not null, code text not null);
create table if not exists processed (message_id text primary key, code text not null) without rowid;
create table if not exists object (
    kind text not null, key text not null, bucket text not null, content text not null, message_id text,
    primary key (kind, key)) without rowid;
create index if not exists object_bucket on object (kind, bucket, key);
"""


@dataclass(frozen=True)
class Effect:
    """One change made. `previous`: the message that had last written the key. `content`: what was (or had been) there."""

    seq: int
    at: str
    request: int
    message_id: str
    operation: str
    kind: str
    key: str
    content: dict[str, Any]
    previous: str | None


@dataclass(frozen=True)
class Refusal:
    """One item refused. `message_id` and `key` may be empty: they may be what was missing."""

    seq: int
    at: str
    request: int
    message_id: str
    kind: str
    key: str
    code: str


@dataclass(frozen=True)
class Request:
    """One request. `number`: among the requests that were let in, None for others. `count`: items sent. `status`: None
    when it was not answered; `code`: the error_code answered. `body`: as it came, None where it holds a password.
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


_text = json.JSONEncoder(ensure_ascii=False).encode
_T = TypeVar("_T", Effect, Refusal, Request)


def bucket_of(key: str) -> str:
    """The group of a key: `00` to `ff`, by its MD5."""
    return hashlib.md5(key.encode()).hexdigest()[:2]


class Record:
    """The record below a home; the home of a whole province will do as well, with the folder's `name`. Reading never
    waits for the writer.
    """

    def __init__(self, home: Path, name: str = "") -> None:
        inner = home / name / FILE
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

    def objects(self, kind: str) -> dict[str, dict[str, Any]]:
        """Key -> content of everything of a kind, in byte order of the keys."""
        with self._open() as connection:
            rows = connection.execute("select key, content from object where kind = ? order by key", (kind,)).fetchall()
        return {key: json.loads(content) for key, content in rows}

    def processed(self) -> dict[str, str]:
        """Message -> code of its last processing."""
        with self._open() as connection:
            return dict(connection.execute("select message_id, code from processed").fetchall())

    def alter(
        self,
        kind: str,
        remove: Iterable[str] = (),
        change: Mapping[str, Mapping[str, Any]] | None = None,
        add: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Change the present content of a kind behind everybody's back, in one transaction; no effect is noted.

        remove: keys. change: key -> fields to set. add: key -> whole content; one that exists is replaced.
        Raises ValueError, and changes nothing, when a key to remove or to change is not there.
        """
        with self._open() as connection, connection:
            connection.execute("begin immediate")
            writing = Writing(connection, "", 0)
            for key in remove:
                _existing(writing, kind, key)
                connection.execute("delete from object where kind = ? and key = ?", (kind, key))
            for key, changes in (change or {}).items():
                writing.store(kind, key, _existing(writing, kind, key) | dict(changes), None)
            for key, content in (add or {}).items():
                writing.store(kind, key, content, None)

    def set_clock(self, at: datetime) -> None:
        """From now on the system's clock shows this moment, and goes on from there; also while it runs."""
        offset = (at - datetime.now(TZ)).total_seconds()
        with self._open() as connection:
            connection.execute("insert or replace into setting values (?, ?)", (_CLOCK, str(offset)))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            raise ValueError(f"Không có sổ nào ở đây / There is no record here: {self.path}")
        with closing(connect(self.path)) as connection:
            yield connection

    def _rows(self, kind: type[_T], table: str) -> list[_T]:
        names = [field.name for field in fields(kind)]
        with self._open() as connection:
            rows = connection.execute(f"select {', '.join(names)} from {table} order by seq").fetchall()
        values = (dict(zip(names, row, strict=True)) for row in rows)
        return [kind(**(v | {"content": json.loads(v["content"])} if "content" in v else v)) for v in values]


def _existing(writing: Writing, kind: str, key: str) -> dict[str, Any]:
    found = writing.find(kind, key)
    if found is None:
        raise ValueError(f"Không có bản ghi này / There is no such {kind}: {key}")
    return found[0]


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

    def now(self) -> datetime:
        """What the system's clock shows. Raises ConnectionAbortedError once closed."""
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError
            row = self._connection.execute("select value from setting where name = ?", (_CLOCK,)).fetchone()
        return datetime.now(TZ) + timedelta(seconds=float(row[0]) if row else 0.0)

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

    def find(self, kind: str, key: str) -> tuple[dict[str, Any], str | None] | None:
        """Content and last message of a key, if it is there."""
        query = "select content, message_id from object where kind = ? and key = ?"
        row = self._connection.execute(query, (kind, key)).fetchone()
        return None if row is None else (json.loads(row[0]), row[1])

    def put(self, kind: str, operation: str, key: str, content: Mapping[str, Any], message_id: str) -> None:
        """Insert or update: the content is replaced, and the effect noted."""
        text = _text(content)
        self._effect(kind, operation, key, text, message_id, self._last_message(kind, key))
        self._store(kind, key, text, message_id)

    def remove(self, kind: str, key: str, message_id: str) -> None:
        """Delete a key that is there."""
        before = self.find(kind, key)
        assert before is not None
        self._effect(kind, "delete", key, _text(before[0]), message_id, before[1])
        self._connection.execute("delete from object where kind = ? and key = ?", (kind, key))

    def refuse(self, kind: str, key: str, message_id: str, code: str) -> None:
        """Note that an item was refused."""
        line = (self._at, self.seq, message_id, kind, key, code)
        columns = "at, request, message_id, kind, key, code"
        self._connection.execute(f"insert into refusal ({columns}) values (?, ?, ?, ?, ?, ?)", line)

    def process(self, message_id: str, code: str) -> None:
        """Note the code of a message; an earlier one is forgotten."""
        self._connection.execute("insert or replace into processed values (?, ?)", (message_id, code))

    def codes(self, message_ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Message and code of those that were processed."""
        for message_id in dict.fromkeys(message_ids):
            row = self._connection.execute("select code from processed where message_id = ?", (message_id,)).fetchone()
            if row is not None:
                yield message_id, row[0]

    def contents(self, kind: str, bucket: str | None = None, offset: int = 0, limit: int = -1) -> list[dict[str, Any]]:
        """Contents in byte order of their keys; of one bucket or of all."""
        where, values = _where(kind, bucket)
        query = f"select content from object where {where} order by key limit ? offset ?"
        return [json.loads(row[0]) for row in self._connection.execute(query, [*values, limit, offset])]

    def total(self, kind: str, bucket: str | None = None) -> int:
        """How many objects of a kind there are, in one bucket or in all."""
        where, values = _where(kind, bucket)
        return int(self._connection.execute(f"select count(*) from object where {where}", values).fetchone()[0])

    def store(self, kind: str, key: str, content: Mapping[str, Any], message_id: str | None) -> None:
        """Put the present content of a key, without an effect."""
        self._store(kind, key, _text(content), message_id)

    def _store(self, kind: str, key: str, text: str, message_id: str | None) -> None:
        line = (kind, key, bucket_of(key), text, message_id)
        self._connection.execute("insert or replace into object values (?, ?, ?, ?, ?)", line)

    def _last_message(self, kind: str, key: str) -> str | None:
        query = "select message_id from object where kind = ? and key = ?"
        row = self._connection.execute(query, (kind, key)).fetchone()
        return row[0] if row else None

    def _effect(
        self, kind: str, operation: str, key: str, text: str, message_id: str, previous: str | None
    ) -> None:  # fmt: skip
        line = (self._at, self.seq, message_id, operation, kind, key, text, previous)
        columns = "at, request, message_id, operation, kind, key, content, previous"
        self._connection.execute(f"insert into effect ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?)", line)


def _where(kind: str, bucket: str | None) -> tuple[str, list[str]]:
    return ("kind = ?", [kind]) if bucket is None else ("kind = ? and bucket = ?", [kind, bucket])
