"""The server of the tests, from outside: statements by role, and a crash of the postmaster.

Here belongs what several tests ask of the server; what is in the warehouse stays out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import psycopg

from orchestration.warehouse import connect, embedded


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


def kill_postmaster() -> None:
    """SIGKILL the postmaster; back when its socket no longer answers."""
    embedded.kill()
    deadline = time.monotonic() + 10
    while embedded.is_running():
        if time.monotonic() > deadline:
            raise TimeoutError("the postmaster does not die")
        time.sleep(0.005)
