"""A throwaway KHO_HOME with its own PostgreSQL, and databases that cost a fifth of a second.

Here belongs starting, renewing, crashing and removing; what is in the warehouse stays out.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from orchestration.warehouse import connect, embedded, schema
from orchestration.warehouse.connections import DATABASE

PRISTINE = "kho_pristine"


class Cluster:
    """One embedded server. `fresh` gives an empty warehouse; KHO_HOME of this process points at the cluster from `start` on."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="kho", dir="/tmp"))

    def start(self) -> Cluster:
        self.enter()
        schema.init()
        with connect("admin", dbname="postgres", autocommit=True) as admin:
            # A crash of the server needs no fsync, only one of the machine does; the tests rehearse the former.
            admin.execute("alter system set fsync = off")
            admin.execute("select pg_reload_conf()")
            admin.execute(f"alter database {DATABASE} rename to {PRISTINE}")
        self.fresh()
        return self

    def enter(self) -> None:
        """Point this process at the cluster."""
        os.environ["KHO_HOME"] = str(self.home)
        for name in ("WAREHOUSE_URL", "KHO_LEDGER_KEY", "KHO_KILL_AT"):
            os.environ.pop(name, None)

    def fresh(self) -> None:
        """An empty warehouse and no kept bytes."""
        with connect("admin", dbname="postgres", autocommit=True) as admin:
            admin.execute(f"drop database if exists {DATABASE} with (force)")
            admin.execute(f"create database {DATABASE} template {PRISTINE}")
        with connect("admin") as admin:
            # What is granted on a database itself does not come with its template.
            admin.execute((schema.HERE / "sql" / "roles.sql").read_bytes())
        for name in ("deliveries", "anchors"):
            shutil.rmtree(self.home / name, ignore_errors=True)

    def crash(self) -> None:
        """SIGKILL the postmaster and start the server again."""
        kill_postmaster()
        embedded.start()

    def stop(self) -> None:
        self.enter()
        embedded.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(embedded.socket_folder(), ignore_errors=True)


def kill_postmaster() -> None:
    """SIGKILL the postmaster; back when its socket no longer answers."""
    embedded.kill()
    deadline = time.monotonic() + 10
    while embedded.is_running():
        if time.monotonic() > deadline:
            raise TimeoutError("the postmaster does not die")
        time.sleep(0.005)


def rows(query: str, parameters: Sequence[Any] | None = None, *, role: str = "admin") -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own; its rows, if it has any."""
    with connect(role) as connection:
        cursor = connection.execute(query, parameters)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def value(query: str, parameters: Sequence[Any] | None = None, *, role: str = "admin") -> Any:
    """The only value of the only row."""
    ((found,),) = rows(query, parameters, role=role)
    return found


def sqlstate(role: str, statement: str, parameters: Sequence[Any] | None = None) -> str:
    """SQLSTATE with which `role` fails to run and commit `statement`; empty when it succeeds."""
    try:
        rows(statement, parameters, role=role)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return ""
