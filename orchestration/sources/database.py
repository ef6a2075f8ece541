"""An agency's database of another make than PostgreSQL: MySQL or MariaDB, SQLite; Oracle and SQL Server, which are untested.

Purpose: hand over rows since the cursor, and the keys of all rows, of one snapshot, as CSV text for COPY.
Belongs here: the statements, cursor, drift of columns, errors. Stays out: what makes differ in (`database_dialects`); the
warehouse: values are handed on as the source writes them, and landing says which rows are wrong.

Times without a zone stay so: landing reads them as those of Asia/Ho_Chi_Minh. Names of columns are compared without case, as
these makes do. The header has the names of the source. Tables of MySQL without transactions (MyISAM) have no snapshot: what is
written while they are read comes again with the next delivery.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, TypeVar

import sqlalchemy
import sqlalchemy.exc

from orchestration.contracts.model import Column, Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.database_dialects import Found, Wanted, dialect
from orchestration.sources.database_rows import not_utf8
from orchestration.sources.delivery import LOCAL, Delivery, Seen, expand, joined

T = TypeVar("T")

_DIGITS = {"yyyyMMddHHmmss": "%Y%m%d%H%M%S", "yyyyMMddHHmm": "%Y%m%d%H%M", "yyyyMMdd": "%Y%m%d"}
_MESSAGES = {
    "lost": ("Không kết nối được cơ sở dữ liệu", "The database connection failed"),
    "busy": ("Cơ sở dữ liệu đang bận hoặc bị khóa", "The database is busy or locked"),
    "login": ("Đăng nhập cơ sở dữ liệu bị từ chối", "The database refused the login"),
    "missing": ("Bảng hoặc cột đã đổi trong khi đọc", "A table or column changed while it was read"),
    "other": ("Lỗi cơ sở dữ liệu", "Database error"),
}


@dataclass(frozen=True)
class _Table:
    """The source table as it is today: contract columns it misses are refused before one of these is made."""

    relation: str  # as the contract writes it
    name: str  # quoted
    columns: Mapping[str, Found]  # contract column -> its column
    types: Mapping[str, str]
    extra: tuple[str, ...]


class _Source:
    """A connection with its dialect; every error of the driver becomes a KhoError without its message."""

    def __init__(self, contract: Contract, env: Mapping[str, str]) -> None:
        self.contract = contract
        self.relation = contract.source.options["table"]
        self.dialect = dialect(contract.source.options["dialect"])
        self.engine = self._engine(expand(contract.source.location, env))
        self.raw: Any = self.guarded(self._connect)

    def _connect(self) -> Any:
        proxy = self.engine.raw_connection()
        raw = proxy.driver_connection
        proxy.detach()
        return raw

    def _engine(self, url: str) -> sqlalchemy.Engine:
        missing = ""
        try:
            address = sqlalchemy.make_url(url)
            if address.get_backend_name() in self.dialect.names:
                return self.dialect.engine(address)
        except ModuleNotFoundError as exc:
            missing = (exc.name or "").split(".")[0] or self.dialect.package
        except (sqlalchemy.exc.ArgumentError, ValueError):  # the latter for a port that is no number
            pass
        if missing:
            raise KhoError(
                "missing_driver",
                f"Chưa cài gói Python {missing} để đọc cơ sở dữ liệu {self.contract.source.options['dialect']}",
                f"The Python package {missing} for databases of {self.contract.source.options['dialect']} is not installed",
                {"rule": missing},
            )
        location, form = self.contract.source.location, f"{self.dialect.names[0]}://"
        raise KhoError(
            "bad_address",
            f"{location} không phải địa chỉ {form} hợp lệ",
            f"{location} is not a valid {form} address",
            {"variable": location},
        )

    def guarded(self, work: Callable[[], T]) -> T:
        """What `work` returns; errors of the driver are told without the values they quote."""
        failure: KhoError | None = None
        try:
            return work()
        except self.errors as exc:
            failure = self.failure(exc)
        raise failure

    @property
    def errors(self) -> tuple[type[BaseException], ...]:
        """What the driver and the network raise; RuntimeError is a package that the login needs."""
        return (sqlalchemy.exc.DBAPIError, self.engine.dialect.loaded_dbapi.Error, OSError, RuntimeError)

    def failure(self, error: BaseException) -> KhoError:
        """The KhoError for an error of the driver; the caller raises it outside the `except` block."""
        error = getattr(error, "orig", None) or error
        if (text := re.match(r"Could not decode to UTF-8 column '(.*?)' with text", str(error))) is not None:
            return not_utf8(text[1])
        if isinstance(error, RuntimeError) and "cryptography" in str(error):
            return KhoError(
                "missing_driver", "Chưa cài gói Python cryptography mà máy chủ đòi để đăng nhập",
                "The Python package cryptography, which the server's login needs, is not installed",
                {"rule": "cryptography"},
            )  # fmt: skip
        trouble = self.dialect.trouble(error)
        vi, en = _MESSAGES[trouble.kind]
        where: dict[str, str | int] = {"relation": self.relation, "rule": trouble.mark}
        code = {"missing": "schema_drift", "login": "login_refused"}.get(trouble.kind, "database")
        place = f" ({self.relation}, {trouble.mark})"
        return (Transient if trouble.kind in ("lost", "busy") else KhoError)(code, vi + place, en + place, where)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """A cursor that has begun to answer, \\0 in the statement standing for the parameter; to be called by what `guarded` runs."""
        cursor = self.dialect.cursor(self.raw)
        if not parameters:
            cursor.execute(statement)
            return cursor
        style = self.engine.dialect.paramstyle
        if style in ("format", "pyformat"):
            statement = statement.replace("%", "%%")
        cursor.execute(
            statement.replace("\0", {"format": "%s", "pyformat": "%s", "qmark": "?"}.get(style, ":1")), parameters
        )
        return cursor

    def run(self, statement: str) -> None:
        """A statement whose answer does not matter; to be called by what `guarded` runs."""
        cursor = self.raw.cursor()
        cursor.execute(statement)
        cursor.close()

    def quoted(self, name: str) -> str:
        """A column of the table, which every statement calls t: SQLite takes an unknown "name" alone for a text."""
        return f"t.{self.dialect.quoted(self.engine, name)}"

    def one(self, statement: str) -> Any:
        """The first value, None without a row."""

        def first() -> Any:
            cursor = self.execute(statement)
            row = cursor.fetchone()
            cursor.close()
            return row[0] if row else None

        return self.guarded(first)

    def close(self) -> None:
        """Let go at once."""
        self.dialect.close(self.raw)


def open_database(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """One delivery of encoding csv, read in one transaction on one connection, which ends when the next one is asked for."""
    source = _Source(contract, env)
    try:
        for statement in source.dialect.begin:
            source.guarded(partial(source.run, statement))
        table = _inspect(source)
        yield _delivery(source, table, cursor)
    finally:
        source.close()


def probe_database(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Connection, login, table, columns and the right to read them; lines in Vietnamese for a person. Raises KhoError."""
    source = _Source(contract, env)
    make = contract.source.options["dialect"]
    try:
        table = _inspect(source)
        names = ", ".join(source.quoted(found.name) for found in table.columns.values())
        limit = {"oracle": " where rownum <= 1", "mssql": ""}.get(make, " limit 1")
        source.one(f"select {'top 1 ' if make == 'mssql' else ''}{names} from {table.name} t{limit}")
    finally:
        source.close()
    more = f"; cột ngoài hợp đồng: {', '.join(table.extra)}" if table.extra else ""
    return [
        f"Cơ sở dữ liệu {contract.source.location}: kết nối được",
        Seen(f"Bảng {table.relation}: đọc được, đủ {len(table.columns)} cột, truyền dạng văn bản{more}"),
    ]


def _delivery(source: _Source, table: _Table, cursor: str | None) -> Delivery:
    contract = source.contract
    condition, values = "", tuple[Any, ...]()
    latest = cursor
    if contract.cursor_column is not None:
        column = contract.column(contract.cursor_column)
        name = source.quoted(table.columns[column.name].name)
        highest = source.one(f"select {source.dialect.latest(name)} from {table.name} t")
        latest = cursor if highest is None else str(highest)
        if cursor is not None:
            # A row without a cursor value is always handed on: it is a mistake that the contract's `required` must tell.
            condition = f" where {name} >= \0 or {name} is null"
            values = (_start(source, column, table, cursor, contract.cursor_lookback, highest),)

    def stream(columns: Sequence[Column], header: bool) -> Iterator[bytes]:
        if header:
            yield (",".join(f'"{c.source_name.replace(chr(34), chr(34) * 2)}"' for c in columns) + "\n").encode()
        wanted: list[Wanted] = [
            (c, found, source.quoted(found.name) if found else "null")
            for c, found in ((c, table.columns.get(c.name)) for c in columns)
        ]
        failure: KhoError | None = None
        try:
            expressions, made = source.dialect.expressions(wanted, table.name, source.raw)
            statement = f"select {', '.join(expressions)} from {table.name} t"
            answer = source.execute(statement + condition, values) if header else source.execute(statement)
            yield from made(answer)
            answer.close()
        except source.errors as exc:
            failure = source.failure(exc)
        if failure is not None:
            raise failure

    has_keys = contract.deletions == "key_check" and contract.delivery != "append" and cursor is not None
    return Delivery(
        name=table.relation,
        as_of=datetime.now(LOCAL),
        encoding="csv",
        chunks=joined(stream(contract.columns, True)),
        columns=tuple(column.name for column in contract.columns),
        extra=table.extra,
        cursor_after=lambda: latest,
        # A full load says itself which keys exist.
        keys=joined(stream([contract.column(name) for name in contract.key], False)) if has_keys else None,
        source_types=table.types,
    )


def _start(source: _Source, column: Column, table: _Table, cursor: str, lookback: timedelta, highest: Any) -> Any:
    """The cursor less the look-back, as the source's column compares it. KhoError when the cursor cannot be read."""
    text, failed = cursor, False
    try:
        if lookback and re.match("timestamp|date", column.pg_type):
            if column.format in _DIGITS:
                text = (datetime.strptime(cursor, _DIGITS[column.format]) - lookback).strftime(_DIGITS[column.format])
            elif re.fullmatch(r"\d{4}-\d\d-\d\d", cursor):
                text = f"{(datetime.fromisoformat(cursor) - lookback).date()}"
            else:
                text = (datetime.fromisoformat(cursor) - lookback).isoformat("T" if "T" in cursor else " ")
        if source.dialect.names == ("sqlite",):
            # Values of one column may differ in type; numbers only when the highest is one, for text is higher.
            return type(highest)(text) if isinstance(highest, int | float) else text
        kind = table.columns[column.name].kind
        if "int" in kind or kind in ("decimal", "numeric", "number"):
            return Decimal(text)
        if source.dialect.names[0] in ("oracle", "mssql") and re.match("timestamp|date", column.pg_type):
            return datetime.fromisoformat(text)
    except (ValueError, InvalidOperation):
        failed = True
    if failed:
        raise KhoError(
            "cursor",
            f"{table.relation}: mốc đã lưu của cột {column.source_name} không đọc được với kiểu hiện nay của nguồn",
            f"{table.relation}: the stored cursor of column {column.source_name} cannot be read with the source's type of today",
            {"relation": table.relation, "column": column.source_name, "rule": "cursor"},
        )
    return text


def _inspect(source: _Source) -> _Table:
    """The columns of the source table. KhoError `schema_drift` when it, or a column of the contract, is not there."""
    contract, relation = source.contract, source.relation
    schema, table = relation.split(".", 1) if "." in relation else (None, relation)
    columns = source.guarded(lambda: source.dialect.columns(source.engine, source.raw, schema, table))
    if not columns:
        raise KhoError(
            "schema_drift",
            f"{relation}: nguồn không có bảng này, hoặc không cho đọc",
            f"{relation}: the source has no such table, or does not let it be read",
            {"relation": relation, "rule": "schema_drift"},
        )
    by_name = {found.name.casefold(): found for found in columns}
    of = {c.name: found for c in contract.columns if (found := by_name.get(c.source_name.casefold()))}
    missing = [c.source_name for c in contract.columns if c.name not in of and not c.optional]
    if missing:
        names = ", ".join(found.name for found in columns)
        raise KhoError(
            "schema_drift",
            f"{relation}: thiếu cột {', '.join(missing)}. Các cột hiện có: {names}",
            f"{relation}: missing columns {', '.join(missing)}. Columns found: {names}",
            {"relation": relation, "column": ", ".join(missing), "rule": "schema_drift"},
        )
    used = {found.name for found in of.values()}
    quoted = ".".join(source.dialect.quoted(source.engine, part) for part in (schema, table) if part)
    return _Table(
        relation, quoted, of, {found.name: found.type for found in columns},
        tuple(found.name for found in columns if found.name not in used),
    )  # fmt: skip
