"""What databases of other makes do differently: connecting, their catalogue, and how rows become CSV.

Purpose: one `Dialect` per make behind `database`. Belongs here: drivers, session settings, catalogue queries, the select list, errors.
Stays out: deliveries, cursors and contracts (`database`); the warehouse.

MySQL makes the text of a row itself, one value a row: its driver is pure Python and costs six times as much per row when it
takes twelve columns apart. SQLite cannot do that fast; its values go column-wise through Arrow, as do those of Oracle and SQL
Server. Values that need work in Python (legacy charsets, `float`) come as columns of their own between the pieces of text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy

from orchestration.contracts.model import Column
from orchestration.sources.database_rows import (
    BATCH,
    Made,
    Work,
    by_arrow,
    by_line,
    by_pieces,
    decoded,
    floats,
    is_utf8,
    quoted,
)

CONNECT_TIMEOUT = 10  # seconds
READ_TIMEOUT = 300  # seconds without a byte of an answer, or of waiting for somebody else's lock
WRITE_TIMEOUT = 600  # seconds for which MySQL waits for a reader that is busy loading
LOCAL_OFFSET = "+07:00"  # Vietnam has no summer time; MySQL need not have the names of zones


@dataclass(frozen=True, slots=True)
class Found:
    """A column of the source as it is today: `type` as the source writes it, `charset` where the make has one per column."""

    name: str
    type: str
    charset: str | None = None

    @property
    def kind(self) -> str:
        """The first word of the type: `varchar(20) unsigned` -> varchar."""
        match = re.match(r"\w*", self.type.lower())
        return match[0] if match else ""


#: A column of the contract, that of the source (None: it lacks it, the value is NULL), and its quoted name.
Wanted = tuple[Column, Found | None, str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a driver's error means: kind is lost, busy, login, missing, or other; `mark` is its number or name, never its text."""

    kind: str
    mark: str


class Dialect:
    """Common ground, and Oracle and SQL Server as they are: no far end of either has been tried."""

    def __init__(self, names: tuple[str, ...], driver: str, package: str, begin: tuple[str, ...]) -> None:
        """`names`: what an address may begin with; `package`: what to install; `begin`: statements that begin the snapshot."""
        self.names, self.driver, self.package, self.begin = names, driver, package, begin

    def engine(self, url: sqlalchemy.URL) -> sqlalchemy.Engine:
        """An engine without a pool. ModuleNotFoundError without the driver."""
        return sqlalchemy.create_engine(
            url.set(drivername=self.driver), poolclass=sqlalchemy.NullPool, connect_args=self.arguments()
        )

    def arguments(self) -> dict[str, Any]:
        """Arguments for the driver's `connect`."""
        if self.driver == "oracle+oracledb":
            return {"tcp_connect_timeout": CONNECT_TIMEOUT, "expire_time": 1}  # expire_time: minutes between probes
        return {"login_timeout": CONNECT_TIMEOUT, "timeout": READ_TIMEOUT, "charset": "UTF-8"}

    def columns(self, engine: sqlalchemy.Engine, raw: Any, schema: str | None, table: str) -> list[Found]:
        """The columns of a table or view; none when it is not there."""
        inspector = sqlalchemy.inspect(engine)
        if not (inspector.has_table(table, schema=schema) or table in inspector.get_view_names(schema=schema)):
            return []
        found = inspector.get_columns(table, schema=schema)
        return [Found(column["name"], str(column["type"])) for column in found]

    def quoted(self, engine: sqlalchemy.Engine, name: str) -> str:
        """An identifier as this make quotes it, whatever it holds."""
        if self.names == ("mssql",):
            return f"[{name.replace(']', ']]')}]"
        name = engine.dialect.denormalize_name(name) if engine.dialect.requires_name_normalize else name
        return '"' + name.replace('"', '""') + '"'

    def cursor(self, raw: Any) -> Any:
        """A cursor that takes rows from the server as they are read."""
        cursor = raw.cursor()
        cursor.arraysize = BATCH
        return cursor

    def latest(self, name: str) -> str:
        """Expression for the highest value of the cursor column."""
        return f"max({name})"

    def expressions(self, wanted: Sequence[Wanted], relation: str, raw: Any) -> tuple[list[str], Made]:
        """Select list for columns of `relation` (quoted), and what makes CSV of its rows."""
        legacy = {at: column for at, (column, found, _) in enumerate(wanted) if column.charset and found}
        return [name if found else "null" for _, found, name in wanted], lambda rows: by_arrow(rows, legacy)

    def trouble(self, error: BaseException) -> Trouble:
        """What an error of the driver means."""
        lost = type(error).__name__ in ("OperationalError", "InterfaceError")
        mark = re.search(r"ORA-\d{5}|DPY-\d{4}|\b\d{3,5}\b", str(error)[:40])
        code = mark[0] if mark else type(error).__name__
        if code in ("ORA-01017", "ORA-28000", "18456"):
            return Trouble("login", code)
        if code in ("ORA-00942", "ORA-00904", "207", "208"):
            return Trouble("missing", code)
        return Trouble("lost" if lost else "other", code)

    def close(self, raw: Any) -> None:
        """Let go at once, whatever is still on its way."""
        raw.close()


class MySql(Dialect):
    """MySQL 5.6 and later, MariaDB 10 and later."""

    _LOST = frozenset(
        {0, 1053, 1077, 1079, 1152, 1153, 1154, 1155, 1156, 1158, 1159, 1160, 1161, 1412, 1927, 1184, 2014}
    )
    _BUSY = frozenset({1040, 1203, 1205, 1213, 1226})
    _LOGIN = frozenset({1044, 1045, 1049, 1130, 1251, 1698, 1820, 1862})
    _MISSING = frozenset({1054, 1146, 1356})
    _TEXT = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json")
    _NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double")
    _PLAIN = (*_NUMBERS, "date", "datetime", "timestamp", "time", "year", "uuid", "inet4", "inet6")
    _UNICODE = frozenset({"utf8mb4", "utf8mb3", "utf8", "ucs2", "utf16", "utf16le", "utf32"})

    def __init__(self) -> None:
        begin = (
            "set session transaction isolation level repeatable read",
            "start transaction with consistent snapshot /*!50605 , read only */",
        )
        super().__init__(("mysql", "mariadb"), "mysql+pymysql", "pymysql", begin)

    def arguments(self) -> dict[str, Any]:
        return {
            "charset": "utf8mb4",
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "write_timeout": READ_TIMEOUT,
            # A fixed session: text forms, quoting and the times of `timestamp` do not depend on the agency's server.
            "init_command": f"set session sql_mode = '', time_zone = '{LOCAL_OFFSET}', net_write_timeout = {WRITE_TIMEOUT}",
        }

    def columns(self, engine: sqlalchemy.Engine, raw: Any, schema: str | None, table: str) -> list[Found]:
        # Not by reflection: `show create table` of a view asks for more than the right to read it.
        with raw.cursor() as cursor:
            cursor.execute(
                "select column_name, column_type, character_set_name from information_schema.columns"
                " where table_schema = coalesce(%s, database()) and table_name = %s order by ordinal_position",
                (schema, table),
            )
            return [Found(*row) for row in cursor.fetchall()]

    def quoted(self, engine: sqlalchemy.Engine, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def cursor(self, raw: Any) -> Any:
        import pymysql.cursors  # type: ignore[import-untyped]

        return raw.cursor(pymysql.cursors.SSCursor)

    def latest(self, name: str) -> str:
        return f"cast(max({name}) as char)"

    def expressions(self, wanted: Sequence[Wanted], relation: str, raw: Any) -> tuple[list[str], Made]:
        parts = [self._part(*one) for one in wanted]
        expressions: list[str] = []
        works: list[Work | None] = []
        text: list[str] = []

        def end_piece() -> None:
            if text:
                # CONCAT gives NULL when a row is longer than the server sends; the reader refuses that.
                line = ", ',', ".join(text)
                expressions.append(f"cast(concat({line}) as binary)")
                works.append(None)
                text.clear()

        for expression, work in parts:
            if work is None:
                text.append(expression)
            else:
                end_piece()
                expressions.append(expression)
                works.append(work)
        end_piece()
        if works == [None]:
            return expressions, lambda rows: by_line(rows)
        return expressions, lambda rows: by_pieces(rows, works)

    def _part(self, column: Column, found: Found | None, name: str) -> tuple[str, Work | None]:
        """CSV text of a value made by the server, or the value and the work that makes it CSV here."""
        if found is None:
            return "''", None
        if column.charset is not None:
            # Columns of Unicode hold the characters the bytes were taken for, others the bytes.
            raw = name if found.charset in self._UNICODE else f"cast({name} as binary)"
            return raw, lambda values: quoted(decoded(values, column))
        if found.kind == "float":  # its text has six digits only
            return f"{name} + 0e0", floats
        if found.kind == "bit":
            return f"ifnull({name} + 0, '')", None
        if found.kind == "timestamp" and column.pg_type == "timestamptz":
            return f"if({name} is null, '', concat({name}, '{LOCAL_OFFSET}'))", None
        if found.kind in self._PLAIN:
            return f"ifnull(cast({name} as char), '')", None
        if found.kind in self._TEXT:
            text = name if found.charset == "utf8mb4" else f"convert({name} using utf8mb4)"
            return f"if({name} is null, '', concat('\"', replace({text}, '\"', '\"\"'), '\"'))", None
        return f"if({name} is null, '', concat('\\\\x', lower(hex({name}))))", None

    def trouble(self, error: BaseException) -> Trouble:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        kinds = (("lost", self._LOST), ("busy", self._BUSY), ("login", self._LOGIN), ("missing", self._MISSING))
        # The client's own numbers, 2000 and above, are all of the connection.
        kind = next((kind for kind, codes in kinds if code in codes), "lost" if 2000 <= code < 2100 else "other")
        return Trouble(kind, str(code or type(error).__name__))

    def close(self, raw: Any) -> None:
        # The driver would read an unfinished answer to its end, be it ever so long.
        if (result := getattr(raw, "_result", None)) is not None:
            result.unbuffered_active = False
        raw._force_close()


class Sqlite(Dialect):
    """A file. It is never made, and never written to."""

    def __init__(self) -> None:
        super().__init__(("sqlite",), "sqlite+pysqlite", "sqlite3", ("begin", "select 1 from sqlite_master limit 1"))

    def engine(self, url: sqlalchemy.URL) -> sqlalchemy.Engine:
        import sqlite3

        path = Path(url.database or "").absolute()

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=READ_TIMEOUT,
                isolation_level=None, check_same_thread=False,
            )  # fmt: skip

        return sqlalchemy.create_engine("sqlite+pysqlite://", creator=connect, poolclass=sqlalchemy.NullPool)

    def columns(self, engine: sqlalchemy.Engine, raw: Any, schema: str | None, table: str) -> list[Found]:
        query = "select name, type from pragma_table_xinfo(?, ?) where hidden <> 1"
        return [Found(*row) for row in raw.execute(query, (table, schema or "main"))]

    def expressions(self, wanted: Sequence[Wanted], relation: str, raw: Any) -> tuple[list[str], Made]:
        legacy = {at: column for at, (column, found, _) in enumerate(wanted) if column.charset and found}
        names = ["null" if found is None else name for _, found, name in wanted]
        if legacy:
            # Either characters in UTF-8 or bytes that are none: the whole column says which, not each value.
            raw.create_function("kho_is_utf8", 1, is_utf8, deterministic=True)
            tests = ", ".join(f"min(kho_is_utf8(cast({names[at]} as blob)))" for at in legacy)
            (kinds,) = raw.execute(f"select {tests} from {relation} as t").fetchall()
            for at, in_utf8 in zip(legacy, kinds, strict=True):
                names[at] = f"cast({names[at]} as {'blob' if in_utf8 == 0 else 'text'})"
        return names, lambda rows: by_arrow(rows, legacy)

    def trouble(self, error: BaseException) -> Trouble:
        name = str(getattr(error, "sqlite_errorname", "") or "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return Trouble("busy", name)
        if name.startswith(("SQLITE_IOERR", "SQLITE_PROTOCOL", "SQLITE_SCHEMA")):
            return Trouble("lost", name)
        if re.match(r"no such (table|column)", str(error)):
            return Trouble("missing", name)
        return Trouble("other", name or type(error).__name__)


def dialect(name: str) -> Dialect:
    """The dialect of a contract's option; KeyError for one that is not known."""
    makes: dict[str, Callable[[], Dialect]] = {
        "mysql": MySql,
        "sqlite": Sqlite,
        "oracle": lambda: Dialect(("oracle",), "oracle+oracledb", "oracledb", ("set transaction read only",)),
        "mssql": lambda: Dialect(("mssql",), "mssql+pymssql", "pymssql", ("set transaction isolation level snapshot",)),
    }
    return makes[name]()
