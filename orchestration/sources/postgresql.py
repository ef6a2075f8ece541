"""An agency's PostgreSQL.

Purpose: hand over rows since the cursor, and the keys of all rows, of one snapshot, as COPY streams.
Belongs here: the statement, casts, cursor, drift of columns. Stays out: the warehouse; it only gets bytes.

Rows come as binary COPY, cast to the types of the contract. Where a source type might not fit without loss, a binary
COPY would fail on the first such row; then the whole delivery is CSV text, and landing says which rows are wrong.
psycopg and SQLAlchemy are imported here, not by the package: only this kind of source needs them.
"""

from __future__ import annotations

import re
import selectors
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import sqlalchemy
import sqlalchemy.exc
from psycopg import pq, sql
from sqlalchemy import types

from orchestration.contracts.model import SOURCE_TIME_ZONE, Column, Contract
from orchestration.errors import KhoError, pg_error
from orchestration.sources.delivery import LOCAL, Delivery, Seen, expand, joined

CONNECT_TIMEOUT = 10  # seconds
# A fixed session, so that text forms (cursor, CSV) do not depend on the settings of the agency's server.
SESSION = (
    "-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c extra_float_digits=1 -c bytea_output=hex"
    " -c default_transaction_read_only=on -c lock_timeout=60s"
)
# A peer that vanishes without a word is noticed after two minutes instead of never.
KEEPALIVE: dict[str, Any] = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}
INTEGER_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}


@dataclass(frozen=True)
class _Table:
    """The source table as it is today: contract columns it misses are refused before one of these is made."""

    relation: str
    types: Mapping[str, Any]
    extra: tuple[str, ...]


def open_postgresql(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """One delivery, binary or csv, read in one REPEATABLE READ transaction that ends when the next one is asked for."""
    url = expand(contract.source.location, env)
    table = _inspect(contract, url)
    connection = _connect(contract, url)
    try:
        yield _delivery(contract, cursor, table, connection)
    finally:
        connection.close()


def probe_postgresql(contract: Contract, env: Mapping[str, str]) -> list[str]:
    url = expand(contract.source.location, env)
    table = _inspect(contract, url)
    with _connect(contract, url) as connection:
        _one(connection, sql.SQL("select 1 from {} limit 1").format(_name(table.relation)), table.relation)
    form = "nhị phân" if all(_fits(table.types[c.source_name], c.pg_type) for c in contract.columns) else "văn bản"
    more = f"; cột ngoài hợp đồng: {', '.join(table.extra)}" if table.extra else ""
    return [
        f"Cơ sở dữ liệu {contract.source.location}: kết nối được",
        Seen(f"Bảng {table.relation}: đọc được, đủ {len(contract.columns)} cột, truyền dạng {form}{more}"),
    ]


def _delivery(contract: Contract, cursor: str | None, table: _Table, connection: psycopg.Connection[Any]) -> Delivery:
    binary = all(_fits(table.types[column.source_name], column.pg_type) for column in contract.columns)
    # Whatever comes first begins the transaction, and with it the snapshot that all streams below share.
    _one(connection, sql.SQL("select 1"), table.relation)
    condition: sql.Composable = sql.SQL("")
    latest = cursor
    if contract.cursor_column is not None:
        column = contract.column(contract.cursor_column)
        statement = sql.SQL("select max({})::text from {}").format(
            sql.Identifier(column.source_name), _name(table.relation)
        )
        latest = _one(connection, statement, table.relation) or cursor
        if cursor is not None:
            condition = _since(column, cursor, contract.cursor_lookback)

    def stream(columns: Sequence[Column], where: sql.Composable, header: str) -> Iterator[bytes]:
        expressions = [_expression(column, table, binary) for column in columns]
        form = sql.SQL("format binary" if binary else f"format csv, header {header}")
        statement = sql.SQL("copy (select {} from {}{}) to stdout ({})").format(
            sql.SQL(", ").join(expressions), _name(table.relation), where, form
        )
        return _guarded(connection, statement, table.relation)

    keys = [contract.column(name) for name in contract.key]
    return Delivery(
        name=table.relation,
        as_of=datetime.now(LOCAL),
        encoding="binary" if binary else "csv",
        chunks=stream(contract.columns, condition, "true"),
        columns=tuple(column.name for column in contract.columns),
        extra=table.extra,
        cursor_after=lambda: latest,
        # A full load says itself which keys exist.
        keys=stream(keys, sql.SQL(""), "false") if contract.deletions == "key_check" and cursor is not None else None,
        source_types={name: str(kind) for name, kind in table.types.items()},
    )


def _since(column: Column, cursor: str, lookback: timedelta) -> sql.Composable:
    """Rows at or after the cursor less the look-back. A row without a cursor value is always handed on: it is a mistake
    that the contract's `required` must be able to tell."""
    name, start = sql.Identifier(column.source_name), sql.SQL("{}::{}").format(cursor, sql.SQL(column.pg_type))
    if lookback and re.match("timestamp|date", column.pg_type):
        start = sql.SQL("{} - make_interval(secs => {})").format(start, lookback.total_seconds())
    return sql.SQL(" where {} >= {} or {} is null").format(name, start, name)


def _expression(column: Column, table: _Table, binary: bool) -> sql.Composable:
    name: sql.Composable = sql.Identifier(column.source_name)
    source = table.types[column.source_name]
    if column.pg_type == "timestamptz" and _is_local_time(source):
        # A time without zone is the agency's local time.
        name = sql.SQL("({} at time zone {})").format(name, SOURCE_TIME_ZONE)
    return sql.SQL("{}::{} as {}").format(
        name, sql.SQL(column.pg_type if binary else "text"), sql.Identifier(column.name)
    )


def _is_local_time(source: Any) -> bool:
    return isinstance(source, types.DateTime) and not source.timezone


def _fits(source: Any, pg_type: str) -> bool:
    """Whether every value of the source type is one of the contract's type too: the cast can neither fail nor round."""
    if pg_type == "text":
        return not isinstance(source, types.NullType)
    if isinstance(source, types.Integer):
        kind = type(source).__name__.lower()
        digits = 5 if "small" in kind else 19 if "big" in kind else 10
        if pg_type in INTEGER_DIGITS:
            return digits <= INTEGER_DIGITS[pg_type]
        return pg_type == "numeric" or _whole_digits(pg_type) >= digits
    if isinstance(source, types.Float):  # also double precision and real, before Numeric: it is a subclass of it
        return pg_type == "double precision"
    if isinstance(source, types.Numeric):
        if pg_type == "numeric":
            return True
        if source.precision is None:
            return False
        scale = source.scale or 0
        return _whole_digits(pg_type) >= source.precision - scale and _scale(pg_type) >= scale
    if isinstance(source, types.DateTime):
        return pg_type == ("timestamptz" if source.timezone else "timestamp") or pg_type == "timestamptz"
    return {
        "boolean": types.Boolean,
        "date": types.Date,
        "uuid": types.Uuid,
        "jsonb": types.JSON,
    }.get(pg_type, types.NullType) in type(source).__mro__


def _whole_digits(pg_type: str) -> int:
    match = re.fullmatch(r"numeric\((\d+)(?:,(\d+))?\)", pg_type)
    return int(match[1]) - int(match[2] or 0) if match else -1


def _scale(pg_type: str) -> int:
    match = re.fullmatch(r"numeric\(\d+,(\d+)\)", pg_type)
    return int(match[1]) if match else 0


def _inspect(contract: Contract, url: str) -> _Table:
    """The columns of the source table. KhoError `schema_drift` when it, or a column of the contract, is not there."""
    relation = contract.source.options["table"]
    schema, _, table = relation.partition(".")
    found: Sequence[Any] = ()
    failure: KhoError | None = None
    missing_table = False
    try:
        engine = sqlalchemy.create_engine(
            sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"),
            poolclass=sqlalchemy.NullPool,
            connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "kho"},
        )
        found = sqlalchemy.inspect(engine).get_columns(table, schema=schema)
    except sqlalchemy.exc.NoSuchTableError:
        missing_table = True
    except (sqlalchemy.exc.ArgumentError, ValueError):  # the latter for a port that is no number
        failure = _bad_url(contract)
    except (sqlalchemy.exc.DBAPIError, psycopg.Error) as exc:
        failure = _unreachable(exc, contract)
    if failure is not None:
        raise failure
    if missing_table:
        raise KhoError(
            "schema_drift",
            f"{relation}: nguồn không có bảng này, hoặc không cho đọc",
            f"{relation}: the source has no such table, or does not let it be read",
            {"relation": relation, "rule": "schema_drift"},
        )
    source_types = {column["name"]: column["type"] for column in found}
    missing = [column.source_name for column in contract.columns if column.source_name not in source_types]
    if missing:
        raise KhoError(
            "schema_drift",
            f"{relation}: thiếu cột {', '.join(missing)}. Các cột hiện có: {', '.join(source_types)}",
            f"{relation}: missing columns {', '.join(missing)}. Columns found: {', '.join(source_types)}",
            {"relation": relation, "column": ", ".join(missing), "rule": "schema_drift"},
        )
    wanted = {column.source_name for column in contract.columns}
    return _Table(relation, source_types, tuple(name for name in source_types if name not in wanted))


def _connect(contract: Contract, url: str) -> psycopg.Connection[Any]:
    failure: KhoError | None = None
    try:
        connection = psycopg.connect(
            url,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="kho",
            options=SESSION,
            client_encoding="UTF8",
            **KEEPALIVE,
        )
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection
    except psycopg.ProgrammingError:
        failure = _bad_url(contract)
    except psycopg.Error as exc:
        failure = _unreachable(exc, contract)
    raise failure


def _one(connection: psycopg.Connection[Any], statement: sql.SQL | sql.Composed, relation: str) -> Any:
    failure: KhoError | None = None
    try:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None
    except psycopg.Error as exc:
        failure = pg_error(exc, relation)
    raise failure


def _guarded(connection: psycopg.Connection[Any], statement: sql.Composed, relation: str) -> Iterator[bytes]:
    """The COPY stream in big buffers; errors without the values PostgreSQL quotes in them."""
    failure: KhoError | None = None
    try:
        yield from joined(_copy_out(connection, statement.as_bytes(connection)))
    except psycopg.Error as exc:
        failure = pg_error(exc, relation)
    if failure is not None:
        raise failure


def _copy_out(connection: psycopg.Connection[Any], statement: bytes) -> Iterator[memoryview]:
    """The messages of a COPY, one a row, straight from libpq: `Cursor.copy` costs several times as much per message."""
    pgconn = connection.pgconn
    _expect(pgconn.exec_(statement), pq.ExecStatus.COPY_OUT, connection)
    with selectors.DefaultSelector() as ready:
        ready.register(pgconn.socket, selectors.EVENT_READ)
        while True:
            size, data = pgconn.get_copy_data(1)
            if size > 0:
                yield data
            elif size == 0:  # nothing has arrived yet; waiting here leaves other threads running
                ready.select()
                pgconn.consume_input()
            else:
                break
    while (result := pgconn.get_result()) is not None:
        _expect(result, pq.ExecStatus.COMMAND_OK, connection)


def _expect(result: pq.abc.PGresult, status: pq.ExecStatus, connection: psycopg.Connection[Any]) -> None:
    if result.status != status:
        raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)


def _name(relation: str) -> sql.Identifier:
    return sql.Identifier(*relation.split(".", 1))


def _unreachable(error: Exception, contract: Contract) -> KhoError:
    """What stands in the way of a session. A refused login has no SQLSTATE here; only its message tells it from a lost connection."""
    original = getattr(error, "orig", None) or error
    message = str(original) if getattr(original, "pgconn", None) is not None else ""
    if not re.search(
        r"password authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not exist", message
    ):
        return pg_error(error, contract.source.options["table"])
    location = contract.source.location
    vi, en = f"{location}: đăng nhập cơ sở dữ liệu bị từ chối", f"{location}: the database refused the login"
    return KhoError("login_refused", vi, en, {"variable": location})


def _bad_url(contract: Contract) -> KhoError:
    return KhoError(
        "bad_address",
        f"{contract.source.location} không phải địa chỉ postgresql:// hợp lệ",
        f"{contract.source.location} is not a valid postgresql:// address",
        {"variable": contract.source.location},
    )
