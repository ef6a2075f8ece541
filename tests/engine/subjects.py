"""A subject on its way to release, driven by SQL as the stages' roles: candidates without dbt, verdicts without suites.

Here belongs what tests of diff, promotion and rollback share. What must come out stays out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from psycopg import sql

from orchestration import release
from orchestration.release import ledger
from orchestration.warehouse import connect

from .cluster import rows

NIGHT = date(2026, 3, 1)
Image = dict[tuple[Any, ...], dict[str, Any]]


def put_candidate(
    subject: str,
    table: str,
    types: Mapping[str, str],
    key: Sequence[str],
    content: Iterable[Mapping[str, Any]],
    *,
    watermark: bool = False,
) -> None:
    """Make the candidate table anew as kho_transform; `types` are its columns in order."""
    name = sql.Identifier(f"candidate_{subject}", table)
    with connect("transform") as connection:
        connection.execute("set local client_min_messages = error")
        connection.execute(sql.SQL("drop table if exists {}").format(name))
        columns = sql.SQL(", ").join(sql.SQL("{} " + pg_type).format(sql.Identifier(c)) for c, pg_type in types.items())
        connection.execute(sql.SQL("create table {} ({})").format(name, columns))
        with connection.cursor() as cursor, cursor.copy(sql.SQL("copy {} from stdin").format(name)) as copy:
            for row in content:
                copy.write_row([row.get(column) for column in types])
        connection.execute("select release.declare(%s, %s, %s, %s)", (subject, table, list(key), watermark))


def judge(subject: str, build: int, verdict: str = "pass", *, testify: bool = True) -> None:
    """A verdict as kho_gate writes it; without `testify` the ledger is left out."""
    with connect("gate") as connection:
        connection.execute(
            "insert into kho.gate (build, subject, verdict, rules_hash, full_scan) values (%s, %s, %s, 'rules', true)",
            (build, subject, verdict),
        )
        connection.execute(
            "insert into kho.gate_result (build, subject, expectation_id, table_name, expectation_type, severity, quality_word, scope, success,"
            " element_count, unexpected_count, message_vi, message_en) values (%s, %s, 'one', 'one', 'stub', 'critical', 'đúng', 'row', %s, 1, 0, 'm', 'm')",
            (build, subject, verdict == "pass"),
        )
        if testify:
            ledger.append(connection, "gate", subject, build)


def frozen(
    subject: str,
    tables: Mapping[str, tuple[Mapping[str, str], Sequence[str], Iterable[Mapping[str, Any]]]],
    **options: Any,
) -> int:
    """Begin a build, put its candidates, freeze it; `tables`: name -> (types, key, rows)."""
    build = release.begin(subject, NIGHT)
    for table, (types, key, content) in tables.items():
        put_candidate(subject, table, types, key, content, **options)
    release.diff(subject, build)
    return build


def released(
    subject: str,
    tables: Mapping[str, tuple[Mapping[str, str], Sequence[str], Iterable[Mapping[str, Any]]]],
    **options: Any,
) -> release.Promoted:
    """A build through a green gate into the live tables."""
    build = frozen(subject, tables, **options)
    judge(subject, build)
    return release.promote(subject, build)


def live(subject: str, table: str, key: Sequence[str]) -> Image:
    """What everyone may read: key -> row."""
    with connect("analyst") as connection:
        cursor = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(subject, table)))
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor]
    return {tuple(row[k] for k in key): row for row in found}


def is_live(subject: str, table: str) -> bool:
    return rows("select to_regclass(%s)", (f"{subject}.{table}",)) != [(None,)]


def refusal(error: BaseException) -> str:
    """The code with which the database refused."""
    return str(getattr(error, "code", type(error).__name__))
