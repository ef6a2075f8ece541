"""The server of the tests, from outside: statements by role, and a crash of the postmaster.

Here belongs what several tests ask of the server; what is in the warehouse stays out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from orchestration.warehouse import connect, dsn, embedded

Query = str | sql.Composable
#: The administrator's connection of this process, by what it is connected to: opening one costs more than most questions.
_admin: dict[str, psycopg.Connection[Any]] = {}


def rows(query: Query, parameters: Sequence[Any] | None = None, *, role: str = "admin") -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own; its rows, if it has any."""
    if role == "admin":
        cursor = _asked(query, parameters)
        return cursor.fetchall() if cursor.description else []
    with connect(role) as connection:
        cursor = connection.execute(query, parameters)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def _asked(query: Query, parameters: Sequence[Any] | None) -> psycopg.Cursor[Any]:
    where = f"{os.getpid()} {dsn('admin')}"
    open_one = _admin.get(where)
    if open_one is not None and not open_one.closed:
        try:
            return open_one.execute(query, parameters)  # type: ignore[arg-type]
        except psycopg.OperationalError:
            if not open_one.closed:
                raise
            # The server has been restarted since: the statement was not run.
    _admin.clear()
    _admin[where] = psycopg.connect(dsn("admin"), autocommit=True, application_name="tests", prepare_threshold=None)
    return _admin[where].execute(query, parameters)  # type: ignore[arg-type]


def value(query: Query, parameters: Sequence[Any] | None = None, *, role: str = "admin") -> Any:
    """The only value of the only row."""
    ((found,),) = rows(query, parameters, role=role)
    return found


def sqlstate(role: str, statement: Query, parameters: Sequence[Any] | None = None) -> str:
    """SQLSTATE with which `role` fails to run and commit `statement`; empty when it succeeds."""
    try:
        rows(statement, parameters, role=role)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return ""


def kill_postmaster() -> None:
    """SIGKILL the postmaster; back when its socket no longer answers."""
    embedded.kill()
    deadline = time.monotonic() + 10
    while embedded.is_running():
        if time.monotonic() > deadline:
            raise TimeoutError("the postmaster does not die")
        time.sleep(0.005)
