"""The ground the contenders run on: a warehouse of its own in a temporary folder, with an agency's database beside it.

Belongs here: making, emptying and removing that cluster; psql. Stays out: data (`parcels`) and contenders.
Three databases of one cluster: `kho` (the warehouse), `agency` (the register of parcels), `floor` (hand-written SQL).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orchestration.warehouse import connect, connections, embedded, schema

LAND = Path(__file__).parent / "land"
FLOOR, AGENCY = "floor", "agency"


@contextmanager
def ground() -> Iterator[Path]:
    """A warehouse in an empty KHO_HOME; server and folder are gone afterwards. Yields the folder."""
    home = Path(tempfile.mkdtemp(prefix="kho-bench-"))
    home.chmod(0o755)  # the server runs as another user where this one is root
    os.environ.pop("WAREHOUSE_URL", None)
    os.environ["KHO_HOME"] = str(home)
    os.environ["KHO_SOURCE_LAND_FILES"] = str(home / "files")
    os.environ["KHO_SOURCE_LAND_REGISTER"] = (
        f"postgresql://postgres@/{AGENCY}?host={embedded.socket_folder()}&port=5432"
    )
    try:
        os.environ["PGOPTIONS"] = "-c client_min_messages=warning"
        (home / "files").mkdir()
        schema.init()
        for name in (FLOOR, AGENCY):
            psql(connections.DATABASE, f"create database {name} template template0")
        yield home
    finally:
        embedded.stop()
        shutil.rmtree(home, ignore_errors=True)


def psql(database: str, script: str, *, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> str:
    """Run a script, its commands apart by `;;`, with psql as the administrator; what it printed, unless `stdout` takes it."""
    done = subprocess.run(psql_command(database, script), stdin=stdin, stdout=stdout or subprocess.PIPE, check=True)
    return "" if stdout else done.stdout.decode()


def psql_command(database: str, script: str) -> list[str]:
    """The command line of psql for a script; its lines that begin with a backslash are psql's own."""
    address = [f"--{name}={value}" for name, value in _admin(database).items()]
    commands = [part for line in script.split(";;") for part in ("-c", line.strip())]
    return [str(embedded.binaries() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *address, *commands]


def _admin(database: str) -> dict[str, str]:
    parts = connections.parts("admin")
    return {"host": parts["host"], "port": parts["port"], "username": parts["user"], "dbname": database}


def settle() -> None:
    """Let nobody pay for what another has left: dirty pages go to disk before the next turn."""
    psql(FLOOR, "checkpoint")


def reset() -> None:
    """The warehouse as after `kho init`: no dataset, no build, no release."""
    with connect("admin") as admin:
        tables = admin.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('kho', 'quarantine')"
            " and tablename <> 'schema_version'"
        ).fetchall()
        admin.execute("truncate " + ", ".join(name for (name,) in tables))
        made = admin.execute(
            """select case c.relkind when 'v' then 'view' else 'table' end, format('%I.%I', n.nspname, c.relname)
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'v') and (n.nspname in ('raw', 'journal', 'staging', 'intermediate', 'land')
                      or n.nspname like 'candidate\\_%%')"""
        ).fetchall()
        for kind, name in made:
            admin.execute(f"drop {kind} if exists {name} cascade")
    shutil.rmtree(Path(os.environ["KHO_HOME"]) / "deliveries", ignore_errors=True)


def server_version() -> str:
    """PostgreSQL's version as it says it."""
    return psql(FLOOR, "show server_version").strip()
