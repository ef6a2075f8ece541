"""The quality gate: runs the suites of a subject on one frozen build and writes the verdict.

Purpose: nothing is released unless the rows that will be released passed. Rules of scope `row` look at the frozen
changes only, when the release the build starts from was passed under the very same rules; otherwise, and on a first
load, at the whole table. Rules of scope `set` always look at the whole table as it will be.
Belongs here: the run and everything that touches Great Expectations. Stays out: reading suites (`suites.py`), what has
to be checked (`plan.py`), which rows fail (`failing.py`), what is written (`verdict.py`), freezing and promoting.

Great Expectations decides; the keys of failing rows come from our own SQL, and both must count the same rows. An
exception inside Great Expectations is a fault of the engine (GateFault), never a verdict on the data. No error and no
result carries a value of a row; keys of failing rows go into kho.gate_failure only, from SQL to SQL.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from expectations.failing import UNEXPECTED_ROWS, has_rows
from expectations.plan import GateFault, Table, make_plan, pending
from expectations.suites import Expectation, SuiteError, load
from expectations.verdict import AppendLedger, ExpectationResult, GateResult, judge, result_of, write
from orchestration.errors import KhoError, pg_error

__all__ = ["AppendLedger", "ExpectationResult", "GateFault", "GateResult", "SuiteError", "run"]

# Suites are reviewed, but SQL in them still runs with nothing to write to and no relation found by accident.
_SESSION = "-c search_path=pg_catalog"
_READ_ONLY = f"{_SESSION} -c default_transaction_read_only=on"
_RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_PSYCOPG2_ERROR = re.compile(r"\(psycopg2\.(?:errors\.)?(\w+)\)")


@dataclass
class _Run:
    """Where the run is, for faults, and how long its phases took."""

    where: dict[str, str | int]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        self.where["phase"] = name
        yield
        self.seconds[name] = time.perf_counter() - started


def run(
    subject: str,
    build: int,
    *,
    conn_url: str,
    key_hash_extra: Sequence[str] = (),
    append_ledger: AppendLedger | None = None,
    root: Path | None = None,
) -> GateResult:
    """Check build `build` of `subject` and write its verdict, results and failing keys in one transaction.

    `conn_url` is a SQLAlchemy URL of the gate's role; `key_hash_extra` is what else makes up the rules (contracts, code
    lists, rule dates); `append_ledger(connection, kind, subject, ref, payload_hash)` is called last before the commit.
    Raises SuiteError (a suite is missing or wrong) and GateFault (the gate could not do its work): nothing is written.
    """
    current = _Run({"subject": subject, "build": build})
    try:
        return _run(subject, build, conn_url, key_hash_extra, append_ledger, root or Path(__file__).parent, current)
    except KhoError:
        raise
    except Exception as exc:  # noqa: BLE001  # every other failure becomes a fault without its message
        fault = _fault(exc, current.where)
    # Outside the handler, so that no context carries the original message along.
    raise fault


def _run(
    subject: str,
    build: int,
    conn_url: str,
    extra: Sequence[str],
    append_ledger: AppendLedger | None,
    root: Path,
    current: _Run,
) -> GateResult:
    with current.phase("suites"):
        suites = load(root, subject)
    with psycopg.connect(**_connect_args(conn_url) | {"options": _SESSION}) as connection:
        with current.phase("plan"):
            plan = make_plan(connection, subject, build, suites, extra)
            to_check = pending(connection, plan)
        # No transaction stays open while Great Expectations reads on its own connection.
        connection.commit()
        with current.phase("import"):
            _gx()
        with current.phase("validate"):
            found = _validate(conn_url, to_check, current)
        results = tuple(result_of(table, e, found.get(e.id)) for table in plan.tables for e in table.suite.expectations)
        with current.phase("write"):
            result = judge(subject, build, plan, results, current.seconds)
            write(connection, plan, result, current.where, append_ledger)
    return result


@functools.cache
def _gx() -> Any:
    """Great Expectations (seconds to import) with what it would say on its own account switched off."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    # Its log and its tracebacks quote values.
    logger = logging.getLogger("great_expectations")
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False  # some of its loggers have a level of their own
    logger.addHandler(logging.NullHandler())
    return great_expectations


@functools.cache
def _count_unexpected_rows() -> type:
    """The stock expectation, less the query that fetches failing rows into this process.

    It is given the name of the relation in place of `{batch}`, which Great Expectations would replace by a subquery
    with or without an alias, depending on the word JOIN.
    """
    _gx()
    from great_expectations.compatibility import pydantic
    from great_expectations.expectations.core import UnexpectedRowsExpectation

    class CountUnexpectedRows(UnexpectedRowsExpectation):  # type: ignore[misc]  # seen as Any
        metric_dependencies = ("unexpected_rows_query.row_count",)

        @pydantic.validator("unexpected_rows_query", allow_reuse=True)  # type: ignore[untyped-decorator]
        def _validate_query(cls, query: str) -> str:  # pydantic passes the class
            return query

        def _validate(self, metrics: dict[str, int], *_: Any, **__: Any) -> dict[str, Any]:
            count = metrics["unexpected_rows_query.row_count"]
            return {"success": count == 0, "result": {"unexpected_count": count}}

    return CountUnexpectedRows


@functools.lru_cache(maxsize=1)
def _datasource(conn_url: str) -> Any:
    """One context and one data source per process and database, in memory only."""
    gx = _gx()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    # The URL type of Great Expectations demands a host name and substitutes `$`: what is real goes into connect_args.
    return context.data_sources.add_postgres(
        "kho",
        connection_string="postgresql+psycopg2://kho@localhost/kho",
        create_temp_table=False,
        kwargs={"connect_args": _connect_args(conn_url) | {"options": _READ_ONLY}},
    )


def _connect_args(conn_url: str) -> dict[str, Any]:
    """libpq keywords from a SQLAlchemy URL, socket directories (`?host=/dir`) included."""
    from sqlalchemy.engine import make_url

    url = make_url(conn_url)
    named = {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database}
    found = named | dict(url.query)
    return {name: value for name, value in found.items() if value is not None} | {"application_name": "kho gate"}


def _validate(
    conn_url: str, to_check: dict[str, list[tuple[Table, Expectation]]], current: _Run
) -> dict[str, dict[str, Any]]:
    """Expectation id -> {success, element_count, unexpected_count}; one validation per relation."""
    if not to_check:
        return {}
    source = _datasource(conn_url)
    found: dict[str, dict[str, Any]] = {}
    try:
        for relation, items in to_check.items():
            current.where["relation"] = f"journal.{relation}"
            found |= _validate_relation(source, relation, [expectation for _, expectation in items])
    finally:
        # No connection outlives the run: a server may be stopped, a process forked.
        source.get_engine().dispose()
        source.get_execution_engine().engine.dispose()
    current.where.pop("relation")
    return found


def _validate_relation(source: Any, relation: str, expectations: Sequence[Expectation]) -> dict[str, dict[str, Any]]:
    suite = _gx().ExpectationSuite(name=relation, expectations=[_gx_expectation(e, relation) for e in expectations])
    asset = _asset(source, relation)
    answers = asset.get_batch(asset.build_batch_request()).validate(suite, result_format=_RESULT_FORMAT).results
    types = {expectation.id: expectation.type for expectation in expectations}
    found: dict[str, dict[str, Any]] = {}
    unexplained = False
    for answer in answers:
        identifier = answer.expectation_config.meta["kho_id"]
        _check_no_exception(identifier, relation, answer)
        found[identifier] = {
            "success": bool(answer.success),
            "element_count": answer.result.get("element_count"),
            "unexpected_count": None,
        }
        if has_rows(types[identifier]):
            # Great Expectations gives no count for an empty table.
            found[identifier]["unexpected_count"] = answer.result.get("unexpected_count") or 0
            unexplained |= not answer.success and not found[identifier]["unexpected_count"]
    if unexplained or found.keys() != types.keys():
        raise GateFault(
            "gate_answers",
            f"Great Expectations trả lời thiếu hoặc không rõ về journal.{relation}",
            f"Great Expectations did not answer every expectation on journal.{relation} clearly",
            {"relation": f"journal.{relation}"},
        )
    return found


def _asset(source: Any, relation: str) -> Any:
    """The relation as Great Expectations knows it; a name only, so it serves every later run."""
    if relation in source.get_asset_names():
        return source.get_asset(relation)
    with warnings.catch_warnings():
        # `schema_name` is deprecated in favour of a schema per data source, which PostgreSQL's does not offer.
        warnings.simplefilter("ignore", DeprecationWarning)
        return source.add_table_asset(relation, table_name=relation, schema_name="journal")


def _gx_expectation(expectation: Expectation, relation: str) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    arguments = dict(expectation.kwargs)
    if expectation.type == UNEXPECTED_ROWS:
        implementation = _count_unexpected_rows()
        query = arguments["unexpected_rows_query"]
        arguments["unexpected_rows_query"] = query.replace("{batch}", f"journal.{relation}")
    else:
        implementation = get_expectation_impl(expectation.type)
    return implementation(**arguments, severity=expectation.severity, meta={"kho_id": expectation.id})


def _check_no_exception(identifier: str, relation: str, answer: Any) -> None:
    info = answer.exception_info or {}
    # Either one record, or one per metric that raised.
    records = [info] if "raised_exception" in info else list(info.values())
    raised = [record for record in records if record.get("raised_exception")]
    if not raised:
        return
    match = _PSYCOPG2_ERROR.search(str(raised[0].get("exception_message")))
    name = match.group(1) if match else "unknown"
    raise GateFault(
        "gate_exception",
        f"Không kiểm tra được kỳ vọng {identifier} trên journal.{relation} ({name})",
        f"The expectation {identifier} could not be checked on journal.{relation} ({name})",
        {"rule": identifier, "relation": f"journal.{relation}", "error": name},
        transient=name in ("OperationalError", "AdminShutdown", "QueryCanceled", "SerializationFailure"),
    )


def _fault(exc: Exception, where: dict[str, str | int]) -> GateFault:
    """`exc` without its message: SQLSTATE or class name, and where the run was."""
    translated = pg_error(exc)
    error = str(translated.where.get("sqlstate", type(exc).__name__))
    place = {**where, **translated.where, "error": error}
    at = ", ".join(f"{name}={value}" for name, value in place.items())
    return GateFault(
        "gate_fault",
        f"Cổng chất lượng gặp lỗi ({at})",
        f"The quality gate failed ({at})",
        place,
        transient=translated.transient,
    )
