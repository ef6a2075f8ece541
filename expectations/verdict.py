"""The verdict on a build: what each expectation found, whether the build passes, and the rows that say so.

Purpose: turn answers into a verdict and write it, with the keys of all failing rows, in one transaction with its
ledger row.
Belongs here: results, verdict, payload hash, what is written to the schema kho. Stays out: Great Expectations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import psycopg
from psycopg import sql

from expectations.failing import UNEXPECTED_ROWS, failing_rows
from expectations.plan import GateFault, Plan, Table, canonical, failing_key, frozen_base, query_columns
from expectations.suites import Expectation

AppendLedger = Callable[[psycopg.Connection[Any], str, str, int, bytes], None]


@dataclass(frozen=True)
class ExpectationResult:
    """What one expectation found. Counts only: `unexpected_count` is None where no single row can fail."""

    id: str
    table: str
    type: str
    severity: str
    quality_word: str
    scope: str
    success: bool
    element_count: int | None
    unexpected_count: int | None
    message_vi: str
    message_en: str
    column_of_agency: str | None


@dataclass(frozen=True)
class GateResult:
    """The verdict on one build; `seconds` per phase of the run."""

    subject: str
    build: int
    verdict: Literal["pass", "fail"]
    full_scan: bool
    rules_hash: str
    payload_hash: bytes
    results: tuple[ExpectationResult, ...]
    seconds: dict[str, float] = field(compare=False)

    @property
    def failed(self) -> tuple[ExpectationResult, ...]:
        """The expectations that did not hold, critical ones first."""
        return tuple(sorted((r for r in self.results if not r.success), key=lambda r: (r.severity, r.table, r.id)))


def result_of(table: Table, expectation: Expectation, found: dict[str, Any] | None) -> ExpectationResult:
    """`found` is None for row-wise rules on a table without changes: they hold, on no rows."""
    if found is None:
        found = {"success": True, "element_count": 0, "unexpected_count": 0}
    return ExpectationResult(
        id=expectation.id,
        table=table.suite.table,
        type=expectation.type,
        severity=expectation.severity,
        quality_word=expectation.quality_word,
        scope=expectation.scope(table.key),
        message_vi=expectation.message_vi,
        message_en=expectation.message_en,
        column_of_agency=expectation.column_of_agency,
        **found,
    )


def judge(
    subject: str, build: int, plan: Plan, results: tuple[ExpectationResult, ...], seconds: dict[str, float]
) -> GateResult:
    verdict: Literal["pass", "fail"] = "pass"
    if any(not result.success and result.severity == "critical" for result in results):
        verdict = "fail"
    payload = {
        "subject": subject,
        "build": build,
        "verdict": verdict,
        "rules_hash": plan.rules_hash,
        "full_scan": plan.full_scan,
        "results": sorted((asdict(result) for result in results), key=lambda result: (result["table"], result["id"])),
    }
    payload_hash = hashlib.sha256(canonical(payload)).digest()
    return GateResult(subject, build, verdict, plan.full_scan, plan.rules_hash, payload_hash, results, seconds)


def write(
    connection: psycopg.Connection[Any],
    plan: Plan,
    result: GateResult,
    where: dict[str, str | int],
    append_ledger: AppendLedger | None,
) -> None:
    """Failing keys, results, verdict and ledger row: all or nothing."""
    frozen_base(connection, result.subject, result.build)
    tables = {expectation.id: (table, expectation) for table in plan.tables for expectation in table.suite.expectations}
    for item in result.results:
        if item.unexpected_count:
            where["rule"] = item.id
            _write_failing_keys(connection, result, *tables[item.id], item.unexpected_count)
    where.pop("rule", None)
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into kho.gate (build, subject, verdict, rules_hash, full_scan, checked_at)"
            " values (%s, %s, %s, %s, %s, clock_timestamp())",
            (result.build, result.subject, result.verdict, result.rules_hash, result.full_scan),
        )
        cursor.executemany(
            "insert into kho.gate_result (build, subject, expectation_id, table_name, expectation_type, severity,"
            " quality_word, scope, success, element_count, unexpected_count, message_vi, message_en)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    *(result.build, result.subject, r.id, r.table, r.type, r.severity, r.quality_word, r.scope),
                    *(r.success, r.element_count, r.unexpected_count, r.message_vi, r.message_en),
                )
                for r in result.results
            ],
        )
    if append_ledger is not None:
        append_ledger(connection, "gate", result.subject, result.build, result.payload_hash)


def _write_failing_keys(
    connection: psycopg.Connection[Any], result: GateResult, table: Table, expectation: Expectation, expected: int
) -> None:
    relation = sql.Identifier("journal", table.relation(expectation))
    key = failing_key(table, expectation)
    columns = table.columns
    if expectation.type == UNEXPECTED_ROWS:
        columns = tuple(query_columns(connection, table, expectation))
    traced = "_delivery" in columns
    rows = failing_rows(expectation.type, expectation.kwargs, relation, [*key, "_delivery"] if traced else key)
    pairs = [part for name in key for part in (sql.Literal(name), sql.SQL("f.{}").format(sql.Identifier(name)))]
    statement = sql.SQL(
        "insert into kho.gate_failure (build, subject, expectation_id, table_name, key, delivery_id, agency)"
        " select {build}, {subject}, {id}, {table}, jsonb_build_object({pairs}), {delivery},"
        " coalesce(d.agency, {owner})"
        " from ({rows}) as f left join kho.delivery d on d.delivery_id = {delivery}"
    ).format(
        build=sql.Literal(result.build),
        subject=sql.Literal(result.subject),
        id=sql.Literal(expectation.id),
        table=sql.Literal(table.suite.table),
        pairs=sql.SQL(", ").join(pairs),
        delivery=sql.SQL("f._delivery" if traced else "null::bigint"),
        owner=sql.Literal(table.suite.owner),
        rows=rows,
    )
    listed = connection.execute(statement).rowcount
    if listed != expected:
        raise GateFault(
            "gate_counts_differ",
            f"Hai cách đếm dòng không đạt {expectation.id} cho hai kết quả: {expected} và {listed}",
            f"Two ways of counting the rows that fail {expectation.id} differ: {expected} and {listed}",
            {"rule": expectation.id, "relation": f"journal.{table.relation(expectation)}"},
        )
