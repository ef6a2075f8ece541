"""What the gate has to check: the tables of one frozen build, their suites, and which rows each rule looks at.

Purpose: settle everything that needs the database but not Great Expectations, so that a missing suite, an unknown
column or a query that does not run is told before anything is checked.
Belongs here: completeness of suites, the hash of the rules, the choice between changed rows and the whole table.
Stays out: reading YAML (`suites.py`), checking and writing (`gate.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from expectations.failing import UNEXPECTED_ROWS, columns_of, rows_query
from expectations.suites import Expectation, Suite, suite_error
from orchestration.errors import KhoError


class GateFault(KhoError):
    """The gate itself failed: nothing is known about the data, and no verdict was written."""


@dataclass(frozen=True)
class Table:
    """One table of the build with its suite; `rows` is the relation that rules of scope `row` look at."""

    suite: Suite
    key: tuple[str, ...]
    columns: tuple[str, ...]
    rows: str
    future: str

    def relation(self, expectation: Expectation) -> str:
        return self.rows if expectation.scope(self.key) == "row" else self.future


@dataclass(frozen=True)
class Plan:
    tables: tuple[Table, ...]
    rules_hash: str
    full_scan: bool


def make_plan(
    connection: psycopg.Connection[Any], subject: str, build: int, suites: Sequence[Suite], extra: Sequence[str]
) -> Plan:
    base = frozen_base(connection, subject, build)
    frozen = {
        name: (tuple(key), baseline)
        for name, key, baseline in connection.execute(
            "select table_name, key, baseline from kho.build_table where build = %s and subject = %s", (build, subject)
        )
    }
    _check_complete(subject, suites, set(frozen))
    relations = {f"{subject}__{s.table}__{part}" for s in suites for part in ("delta", "future")}
    columns: dict[str, list[str]] = defaultdict(list)
    for relation, column in connection.execute(
        "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = (select oid from pg_namespace where nspname = 'journal') and c.relname = any(%s)"
        " and a.attnum > 0 and not a.attisdropped order by c.relname, a.attnum",
        (list(relations),),
    ):
        columns[relation].append(column)
    for relation in sorted(relations - columns.keys()):
        raise GateFault(
            "gate_relation",
            f"Thiếu view journal.{relation} hoặc thiếu quyền đọc",
            f"The view journal.{relation} is missing",
            {"subject": subject, "build": build, "relation": f"journal.{relation}"},
        )
    shape = {s.table: [frozen[s.table][0], columns[f"{subject}__{s.table}__future"]] for s in suites}
    rules_hash = _rules_hash(suites, shape, extra)
    full_scan = _needs_full_scan(connection, subject, base, rules_hash)
    tables = []
    for suite in suites:
        future, delta = (f"{subject}__{suite.table}__{part}" for part in ("future", "delta"))
        key, baseline = frozen[suite.table]
        rows = future if full_scan or baseline else delta
        tables.append(Table(suite, key, tuple(columns[future]), rows, future))
        _check_columns(connection, tables[-1])
    return Plan(tuple(tables), rules_hash, full_scan)


def frozen_base(connection: psycopg.Connection[Any], subject: str, build: int) -> int:
    """The release that the build starts from. Only a frozen build without a verdict can be checked."""
    row = connection.execute(
        "select b.state, b.base_release, exists (select from kho.gate g where g.build = b.build)"
        " from kho.build b where b.build = %s and b.subject = %s",
        (build, subject),
    ).fetchone()
    if row is None or row[0] != "frozen" or row[2]:
        raise GateFault(
            "gate_build_state",
            f"Bản dự tuyển {build} của {subject} không ở trạng thái chờ kiểm tra",
            f"Build {build} of {subject} is not a frozen build without a verdict",
            {"subject": subject, "build": build},
        )
    return int(row[1])


def _check_complete(subject: str, suites: Sequence[Suite], frozen: set[str]) -> None:
    with_suite = {suite.table: suite for suite in suites}
    for table in sorted(frozen - with_suite.keys()):
        file = f"expectations/{subject}/{table}.yaml"
        vi = f"bảng {subject}.{table} chưa có bộ kỳ vọng; hãy tạo tệp này"
        raise suite_error(file, 1, vi, f"the table {subject}.{table} has no suite; create this file")
    for table in sorted(with_suite.keys() - frozen):
        vi = f"bản dự tuyển không có bảng {subject}.{table}"
        raise suite_error(with_suite[table].file, 1, vi, f"the build has no table {subject}.{table}")


def _check_columns(connection: psycopg.Connection[Any], table: Table) -> None:
    for expectation in table.suite.expectations:
        unknown = [name for name in columns_of(expectation.kwargs) if name not in table.columns]
        if expectation.type == UNEXPECTED_ROWS:
            output = query_columns(connection, table, expectation)
            unknown += [name for name in failing_key(table, expectation) if name not in output]
        if unknown:
            names = ", ".join(unknown)
            vi, en = f"{expectation.id}: không có cột {names}", f"{expectation.id}: there is no column {names}"
            raise suite_error(expectation.file, expectation.line, vi, en)


def query_columns(connection: psycopg.Connection[Any], table: Table, expectation: Expectation) -> list[str]:
    """The columns that an unexpected_rows_query returns, which also proves that it runs."""
    query = rows_query(expectation.kwargs, sql.Identifier("journal", table.relation(expectation)))
    try:
        cursor = connection.execute(sql.SQL("select * from ({}) as unexpected limit 0").format(query))
        return [column.name for column in cursor.description or ()]
    except (psycopg.ProgrammingError, psycopg.DataError) as exc:
        state = exc.sqlstate
    raise suite_error(
        expectation.file,
        expectation.line,
        f"{expectation.id}: câu hỏi không chạy được (SQLSTATE {state})",
        f"{expectation.id}: the query does not run (SQLSTATE {state})",
    )


def failing_key(table: Table, expectation: Expectation) -> tuple[str, ...]:
    return expectation.failing_key or table.key


def _rules_hash(suites: Sequence[Suite], shape: dict[str, Any], extra: Sequence[str]) -> str:
    """What decides whether a row passes: rules, keys and columns. Wording may be mended without a full check."""
    rules = [
        [s.table, e.id, e.type, dict(e.kwargs), e.severity, e.declared_scope] for s in suites for e in s.expectations
    ]
    return hashlib.sha256(canonical({"rules": rules, "shape": shape, "extra": list(extra)})).hexdigest()


def canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode()


def _needs_full_scan(connection: psycopg.Connection[Any], subject: str, base: int, rules_hash: str) -> bool:
    """Whether rows already released may break today's rules.

    They may not only if the release this build starts from was itself promoted through the gate under the same rules. A
    later build that passed but was never promoted proves nothing about them, nor does a rollback.
    """
    row = connection.execute(
        "select from kho.release r join kho.gate g on g.build = r.build and g.subject = r.subject"
        " where r.subject = %s and r.release = %s and r.kind = 'release' and g.verdict = 'pass' and g.rules_hash = %s",
        (subject, base, rules_hash),
    ).fetchone()
    return row is None


def pending(connection: psycopg.Connection[Any], plan: Plan) -> dict[str, list[tuple[Table, Expectation]]]:
    """Relation -> expectations to validate on it. Row-wise rules on a table that did not change hold by themselves."""
    items: dict[str, list[tuple[Table, Expectation]]] = {}
    for table in plan.tables:
        for expectation in table.suite.expectations:
            items.setdefault(table.relation(expectation), []).append((table, expectation))
        if table.rows != table.future and table.rows in items:
            some = sql.SQL("select from {} limit 1").format(sql.Identifier("journal", table.rows))
            if connection.execute(some).fetchone() is None:
                del items[table.rows]
    return items
