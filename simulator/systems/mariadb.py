"""Databases of older systems: a MariaDB server of Debian, one database for each schema that views name.

Belongs here: the server (made, started, stopped, refused), tables made of what a view says, their moves from day to day.
Stays out: what is in the rows (`views`).

A view in TCVN3, VNI or Windows-1258 lies in columns of `latin1` that hold its bytes, as software of before 2005 left
them: a client that asks for UTF-8 gets «TØnh B¾c Ninh». Whoever reads has the account `kho_doc` (SELECT only, password, TCP on 127.0.0.1); the
superuser exists on the socket only. Durability is off. What the reader asked is in the server's general log.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from simulator.gateway import free_port
from simulator.systems.process import Den, run, system_user
from simulator.systems.source import Change, Progress, Said, System, View, changes_of, cursor_of, share_out
from simulator.views import encodings

READER, SUPERUSER = "kho_doc", "root"
PACKAGE = "mariadb-server-core"
_PATIENCE = 60.0  # seconds for the server to answer or to end
_SETTINGS = """
[mariadbd]
bind_address = 127.0.0.1
skip_name_resolve
local_infile = on
default_time_zone = +07:00
character_set_server = utf8mb4
collation_server = utf8mb4_bin
sql_mode = STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION
innodb_buffer_pool_size = 128M
innodb_log_file_size = 128M
innodb_flush_log_at_trx_commit = 0
innodb_doublewrite = off
innodb_flush_method = nosync
innodb_stats_persistent = off
max_connections = 60
log_output = TABLE
general_log = on
"""
_TYPES = {
    pa.bool_(): "tinyint(1)", pa.int8(): "tinyint", pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint",
    pa.uint8(): "smallint", pa.uint16(): "int", pa.uint32(): "bigint", pa.float32(): "float", pa.float64(): "double",
    pa.date32(): "date",
}  # fmt: skip
_FILE = "fields terminated by ',' optionally enclosed by '\"' escaped by '' lines terminated by '\\n'"


class NotInstalled(RuntimeError):
    """MariaDB is not on this machine."""


def program(name: str) -> str:
    """Where one of MariaDB's programs is; `NotInstalled` with what to install."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NotInstalled(
            f"Chưa cài MariaDB ({name}): apt-get install {PACKAGE}, hoặc bỏ hệ thống mariadb ra khỏi tỉnh mô phỏng / "
            f"MariaDB is not installed ({name}): apt-get install {PACKAGE}, or leave the system mariadb out"
        )
    return found


def den(home: Path) -> Den:
    """Where the server of a home is; its `clear` removes what a killed run has left."""
    return Den(home / "server", "kho-mariadb-", "pid", signal.SIGKILL)


class Server:
    """A MariaDB server. Steps: `prepare`, then `down` and `up` at will, `stop`."""

    def __init__(self, home: Path) -> None:
        """`home`: where the note of the server's whereabouts and its log go."""
        self._home = home
        self._den = den(home)
        self._password = secrets.token_urlsafe(12)
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: list[dict[str, Any]] = []
        self.port = free_port()

    @property
    def account(self) -> dict[str, Any]:
        """For readers."""
        return {"host": "127.0.0.1", "port": self.port, "user": READER, "password": self._password}

    def prepare(self) -> None:
        """Make an empty server and start it."""
        install = program("mariadb-install-db")
        folder = self._den.make()
        user = system_user()
        run(
            [
                *(install, "--no-defaults", f"--datadir={folder / 'data'}", "--skip-test-db", "--skip-log-bin"),
                *("--auth-root-authentication-method=normal", "--skip-name-resolve"),
                *([f"--user={user}"] if user else []),
            ],
            folder,
        )
        paths = {"datadir": "data", "socket": "sock", "pid_file": "pid", "log_error": "error.log", "tmpdir": ""}
        lines = "".join(f"{name} = {folder / path}\n" for name, path in paths.items())
        (folder / "my.cnf").write_text(f"{_SETTINGS}{lines}port = {self.port}\n", encoding="utf-8")
        self.up()
        with self.connect() as cursor:
            cursor.execute(f"create user {READER}@'127.0.0.1' identified by %s", [self._password])

    def connect(self, database: str | None = None) -> Any:
        """A superuser's cursor that closes its connection; what it does is not in the log."""
        return _Session(str(self._den.path / "sock"), database)

    @property
    def is_up(self) -> bool:
        """True when the server runs."""
        return self._process is not None

    def up(self) -> None:
        """Start the server; nothing when it runs."""
        if self._process is not None:
            return
        folder = self._den.path
        self._process = subprocess.Popen(
            [program("mariadbd"), f"--defaults-file={folder / 'my.cnf'}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            user=system_user(), cwd=folder, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE
        while not (folder / "sock").exists() or not (folder / "pid").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._end()
                said = (folder / "error.log").read_text(errors="replace") if (folder / "error.log").exists() else ""
                raise RuntimeError(f"MariaDB không chạy được / MariaDB does not start: {said[-2000:]}")
            time.sleep(0.02)

    def down(self) -> None:
        """Stop the server: connections break and new ones are refused. The data stays."""
        if self._process is not None:
            self._end()

    def stop(self) -> None:
        """Stop the server, keep what was asked of it, remove its folder."""
        if self._den.folder is None:
            self._den.clear()
            return
        if self._process is not None and self._process.poll() is None and (self._den.path / "sock").exists():
            self._asked = self.asked()
        self.down()
        self._den.remove()

    def asked(self) -> list[dict[str, Any]]:
        """What readers asked, in order: at, statement; of a connection the statement is empty."""
        if self._process is None:
            return self._asked
        with self.connect("mysql") as cursor:
            cursor.execute(
                "select event_time, if(command_type = 'Query', convert(argument using utf8mb4), '') from general_log"
                f" where user_host like '{READER}%%' and command_type in ('Query', 'Connect') order by event_time"
            )
            return [{"at": f"{at}", "statement": statement} for at, statement in cursor.fetchall()]

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Session:
    """A cursor for the length of a block; one transaction, committed at its end."""

    def __init__(self, socket: str, database: str | None) -> None:
        import pymysql  # type: ignore[import-untyped]  # only those who have such a server need it

        self._connection = pymysql.connect(
            unix_socket=socket, user=SUPERUSER, database=database, charset="utf8mb4", local_infile=True, ssl_disabled=True,
            init_command="set session sql_log_off = 1, foreign_key_checks = 0, unique_checks = 0, time_zone = '+07:00'",
        )  # fmt: skip

    def __enter__(self) -> Any:
        return self._connection.cursor()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            if kind is None:
                self._connection.commit()
        finally:
            self._connection.close()


class MariaDb(System):
    """The views of the system `mariadb`: one database for each schema in their places."""

    name = "mariadb"

    def __init__(self, home: Path, views: Sequence[View], progress: Progress | None = None) -> None:
        super().__init__(home, views, progress)
        program("mariadbd")  # who has none learns it before anything has been filled
        self.server = Server(home)
        self._prepared = False

    def prepare(self) -> None:
        """Make the server."""
        self.server.prepare()
        self._prepared = True

    def load(self, province: Any, day: int) -> None:
        """Make every table anew. A server that is down stays so."""
        if not self._prepared:
            self.prepare()
        was_up = self.server.is_up
        self.server.up()
        with self.server.connect() as cursor:
            for schema in sorted({view.place.split(".")[0] for view in self.views}):
                cursor.execute(f"create database if not exists {_name(schema)}")
                cursor.execute(f"grant select on {_name(schema)}.* to {READER}@'127.0.0.1'")
        for view in self.views:
            self._load(view, view.batches(province, day))
        if not was_up:
            self.server.down()

    def advance(self, province: Any, day: int) -> None:
        """Upsert what changed, one transaction for each agency; tables without a key are made anew."""
        was_up = self.server.is_up
        self.server.up()
        for agency in sorted({view.agency for view in self.views}):
            with self.server.connect() as cursor:
                for view in self.views:
                    if view.agency == agency and view.key:
                        self._upsert(cursor, view, changes_of(view, province, day))
        for view in self.views:
            if not view.key:
                self._load(view, view.batches(province, day))
        if not was_up:
            self.server.down()

    def start(self) -> None:
        """Run (again)."""
        self.server.up()

    def down(self) -> None:
        """Stop answering; the data stays."""
        self.server.down()

    def stop(self) -> None:
        """Stop the server and remove it."""
        self.server.stop()
        self._prepared = False

    @property
    def env(self) -> dict[str, Any]:
        """Agency -> account and the databases it may read."""
        return {
            agency: self.server.account
            | {"databases": sorted({v.place.split(".")[0] for v in self.views if v.agency == agency})}
            for agency in sorted({view.agency for view in self.views})
        }

    def record(self) -> list[dict[str, Any]]:
        """What readers asked."""
        return self.server.asked()

    def _load(self, view: View, batches: Iterator[Said]) -> None:
        """Fill a new table, which then takes the place of the one there was."""
        table, fresh = _table(view), _table(view, "__moi")
        first = next(batches, None)
        with self.server.connect() as cursor:
            cursor.execute(f"drop table if exists {fresh}")
            fields = first.rows.schema if first else [pa.field(column.name, pa.string()) for column in view.columns]
            cursor.execute(_create(view, fresh, fields), [view.title_vi])
        done = [0]

        def copy(said: Iterator[Said]) -> None:
            with self.server.connect() as cursor:
                for batch in said:
                    done[0] += _load_data(cursor, view, fresh, batch.rows)
                    self.told(view, done[0])

        # One connection: rows come in the order of the key, which is the order in which the engine wants them.
        share_out(chain([first] if first else [], batches), 1, copy)
        with self.server.connect() as cursor:
            cursor.execute(f"create or replace table {table} like {fresh}")
            cursor.execute(f"rename table {table} to {_table(view, '__cu')}, {fresh} to {table}")
            cursor.execute(f"drop table {_table(view, '__cu')}")

    def _upsert(self, cursor: Any, view: View, changes: Iterator[Change]) -> None:
        table, fresh, before = _table(view), _table(view, "__moi"), _table(view, "__cu")
        for temporary in (fresh, before):
            cursor.execute(f"create temporary table {temporary} like {table}")
        done = 0
        for change in changes:
            done += _load_data(cursor, view, fresh, change.now.rows)
            _load_data(cursor, view, before, change.before.rows)
            self.told(view, done)
        # Keys that nobody has any more: the record has left, or has another one now.
        keys = list(map(_name, view.key))
        old, new = (" and ".join(f"{table}.{key} = {other}.{key}" for key in keys) for other in (before, fresh))
        cursor.execute(
            f"delete from {table} using {table} join {before} on {old} left join {fresh} on {new}"
            f" where {fresh}.{keys[0]} is null"
        )
        names = [column.name for column in view.columns]
        sets = [f"{_name(name)} = values({_name(name)})" for name in names if name not in view.key]
        sets = sets or [f"{_name(view.key[0])} = values({_name(view.key[0])})"]
        cursor.execute(f"insert into {table} select * from {fresh} on duplicate key update {', '.join(sets)}")
        cursor.execute(f"drop temporary table {fresh}, {before}")


def _load_data(cursor: Any, view: View, table: str, rows: Any) -> int:
    """Add rows to a table; ValueError when the server took them otherwise than they are (it warns, it does not refuse)."""
    if not rows.num_rows:
        return 0
    if view.encoding not in encodings.LEGACY:
        rows = encodings.columns(rows, view.encoding)
    for position, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            # Vietnam has been seven hours ahead of UTC since 1975
            naive = pc.cast(rows.column(position), pa.timestamp(field.type.unit))
            local = pc.add(naive, pa.scalar(7 * 3600, pa.duration("s")).cast(pa.duration(field.type.unit)))
            rows = rows.set_column(position, field.name, local)
        elif pa.types.is_boolean(field.type):
            rows = rows.set_column(position, field.name, pc.cast(rows.column(position), pa.int8()))
    out = pa.BufferOutputStream()
    pa_csv.write_csv(rows, out, pa_csv.WriteOptions(include_header=False, null_string="NULL"))
    content: Any = memoryview(out.getvalue())
    if view.encoding in encodings.LEGACY:
        content = encodings.encode(bytes(content).decode(), view.encoding)
    with tempfile.NamedTemporaryFile(prefix="kho-", suffix=".csv") as file:
        file.write(content)
        file.flush()
        cursor.execute(
            f"load data local infile '{file.name}' into table {table} character set {_charset(view)} {_FILE}"
            f" ({', '.join(map(_name, rows.column_names))})"
        )
    taken, warnings = cursor.rowcount, cursor.warning_count
    if warnings or taken != rows.num_rows:
        cursor.execute("show warnings limit 1")
        codes = [row[1] for row in cursor.fetchall()]  # the text would hold a row's values
        raise ValueError(
            f"{view.id}: MariaDB nhận {taken}/{rows.num_rows} dòng, cảnh báo {codes} / MariaDB took {taken} of "
            f"{rows.num_rows} rows, warnings {codes}"
        )
    return int(taken)


def _create(view: View, table: str, fields: Any) -> str:
    columns = [f"{_name(field.name)} {_type(field, field.name in view.key)}" for field in fields]
    if view.key:
        columns.append(f"primary key ({', '.join(map(_name, view.key))})")
    if (cursor := cursor_of(view)) and cursor not in view.key:
        kind = next(field.type for field in fields if field.name == cursor)
        columns.append(f"key ({_name(cursor)}{'(14)' if pa.types.is_string(kind) else ''})")
    charset = _charset(view)
    return (
        f"create table {table} ({', '.join(columns)})"
        f" engine = InnoDB character set {charset} collate {charset}_bin comment = %s"
    )


def _type(field: Any, key: bool) -> str:
    kind = field.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "varchar(100) not null" if key else "text"
    if pa.types.is_timestamp(kind):
        return "datetime(6)" if kind.unit in ("us", "ns") else "datetime"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if kind not in _TYPES:
        raise ValueError(f"{field.name}: MariaDB không có kiểu / MariaDB has no type for {kind}")
    return _TYPES[kind]


def _charset(view: View) -> str:
    return "latin1" if view.encoding in encodings.LEGACY else "utf8mb4"


def _table(view: View, suffix: str = "") -> str:
    schema, name = view.place.split(".")
    return f"{_name(schema)}.{_name(name + suffix)}"


def _name(name: str) -> str:
    return f"`{name}`"
