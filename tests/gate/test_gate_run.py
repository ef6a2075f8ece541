"""How the gate behaves: what it looks at, what it writes, and what happens when it cannot do its work."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations.gate import GateFault, SuiteError

from .throwaway import Warehouse

MARKER = "Nguyễn-Bí-Mật-9876543210"
MESSAGE = {"vi": "Sai", "en": "Wrong"}
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
ROWS = "unexpected_rows_expectation"


def rule(id_: str, type_: str, severity: str = "critical", scope: str | None = None, **kwargs: Any) -> dict[str, Any]:
    """An expectation as it stands in YAML."""
    meta: dict[str, Any] = {"quality_word": "đúng", "message": MESSAGE} | ({"scope": scope} if scope else {})
    return {"id": id_, "type": type_, "kwargs": kwargs, "severity": severity, "meta": meta}


def write_suite(root: Path, *rules: dict[str, Any], table: str = "t", subject: str = "x") -> Path:
    """A suite file under `root`."""
    suite = {"table": table, "subject": subject, "meta": {"owner": "owner", "title": "T"}, "expectations": list(rules)}
    (root / subject).mkdir(exist_ok=True)
    (root / subject / f"{table}.yaml").write_text(yaml.safe_dump(suite, allow_unicode=True), encoding="utf-8")
    return root


@pytest.fixture
def x(warehouse: Warehouse) -> Iterator[Warehouse]:
    """Subject x with table t (k key, v, w): `live` unchanged rows and `changes` of this build, both empty."""
    warehouse.execute("create schema x; create table x.live (k text, v int, w text, _delivery bigint)")
    warehouse.execute("create table x.changes (like x.live)")
    warehouse.relation("x", "t", "delta", "select * from x.changes")
    warehouse.relation("x", "t", "future", "select * from x.live union all select * from x.changes")
    yield warehouse
    warehouse.execute(
        "drop schema x cascade; truncate kho.build, kho.build_table, kho.gate, kho.gate_result, kho.release"
    )
    warehouse.execute("truncate kho.gate_failure, kho.delivery")


def passed_release(x: Warehouse, root: Path, release: int, **options: Any) -> int:
    """A release whose build was promoted after passing under the rules of `root`."""
    build = x.build("x", {"t": ["k"]})
    assert x.run("x", build, root, **options).verdict == "pass"
    x.promote("x", build, release)
    return build


def verdict(x: Warehouse, root: Path, base: int, **options: Any) -> tuple[str, bool]:
    """Verdict and full_scan of a new build that starts from release `base`."""
    result = x.run("x", x.build("x", {"t": ["k"]}, baseline=False, base=base), root, **options)
    return result.verdict, result.full_scan


# ---------------------------------------------------------------- what it looks at


def test_row_rules_look_at_changes_and_set_rules_at_everything(x: Warehouse, tmp_path: Path) -> None:
    write_suite(
        tmp_path,
        rule("v_range", BETWEEN, column="v", max_value=10),
        rule("key_unique", "expect_column_values_to_be_unique", column="k"),
        rule("w_unique", "expect_column_values_to_be_unique", column="w"),
        rule("row_count", "expect_table_row_count_to_be_between", min_value=2),
        rule("w_share", NOT_NULL, column="w", mostly=0.5),
        rule("rows_set", ROWS, scope="set", unexpected_rows_query="select * from {batch} where v > 10"),
    )
    x.execute("insert into x.live values ('a', 1, 'p', 1), ('b', 2, 'q', 1)")
    passed_release(x, tmp_path, 1)
    x.execute("update x.live set v = 99 where k = 'b'; insert into x.changes values ('c', 3, 'p', 2)")
    build = x.build("x", {"t": ["k"]}, baseline=False, base=1)
    result = x.run("x", build, tmp_path)
    found = {r.id: (r.scope, r.success, r.element_count) for r in result.results}
    assert not result.full_scan
    assert found["v_range"] == ("row", True, 1)
    assert found["key_unique"] == ("row", True, 1)
    assert found["w_unique"] == ("set", False, 3)
    assert found["w_share"] == ("set", True, 3)
    assert found["rows_set"][:2] == ("set", False)
    assert x.failing_keys(build, "w_unique") == [{"k": "a"}, {"k": "c"}]
    assert x.failing_keys(build, "rows_set") == [{"k": "b"}]


def test_a_table_without_changes_passes_row_rules_on_no_rows(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("v_range", BETWEEN, column="v", max_value=10))
    x.execute("insert into x.live values ('a', 1, 'p', 1)")
    passed_release(x, tmp_path, 1)
    result = x.run("x", x.build("x", {"t": ["k"]}, baseline=False, base=1), tmp_path)
    assert [(r.success, r.element_count, r.unexpected_count) for r in result.results] == [(True, 0, 0)]


def test_released_rows_are_looked_at_again_when_rules_change(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("v_range", BETWEEN, column="v", max_value=100))
    x.execute("insert into x.live values ('a', 50, 'p', 1)")
    passed_release(x, tmp_path, 1, key_hash_extra=("contract 1",))
    assert verdict(x, tmp_path, 1, key_hash_extra=("contract 1",)) == ("pass", False)
    assert verdict(x, tmp_path, 1, key_hash_extra=("contract 2",)) == ("pass", True)
    write_suite(tmp_path, rule("v_range", BETWEEN, column="v", max_value=10))
    assert verdict(x, tmp_path, 1, key_hash_extra=("contract 1",)) == ("fail", True)


def test_a_pass_that_was_never_promoted_proves_nothing(x: Warehouse, tmp_path: Path) -> None:
    """Build 2 mends a row and passes under new rules, but is not promoted; build 3 leaves the row as it was."""
    write_suite(tmp_path, rule("v_range", BETWEEN, column="v", max_value=100))
    x.execute("insert into x.live values ('a', 50, 'p', 1)")
    passed_release(x, tmp_path, 1)
    write_suite(tmp_path, rule("v_range", BETWEEN, column="v", max_value=10))
    x.execute("update x.live set v = 5")
    assert verdict(x, tmp_path, 1) == ("pass", True)
    x.execute("update x.live set v = 50")
    assert verdict(x, tmp_path, 1) == ("fail", True)


def test_a_rollback_is_followed_by_a_full_check(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("v_range", BETWEEN, column="v", max_value=10))
    build = x.build("x", {"t": ["k"]})
    assert x.run("x", build, tmp_path).verdict == "pass"
    x.promote("x", build, 2, kind="rollback")
    assert verdict(x, tmp_path, 2) == ("pass", True)


def test_wording_may_change_without_a_full_check(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, item := rule("v_range", BETWEEN, column="v", max_value=10))
    passed_release(x, tmp_path, 1)
    item["meta"]["message"] = {"vi": "Nói cách khác", "en": "In other words"}
    write_suite(tmp_path, item)
    assert verdict(x, tmp_path, 1) == ("pass", False)


# ---------------------------------------------------------------- what it writes


def test_failures_are_laid_at_the_door_of_the_agency_that_delivered(x: Warehouse, tmp_path: Path) -> None:
    write_suite(
        tmp_path, rule("w_present", NOT_NULL, column="w"), rule("v_range", BETWEEN, "warning", column="v", max_value=1)
    )
    x.execute("insert into kho.delivery values (7, 'health')")
    x.execute("insert into x.live values ('a', 1, null, 7), ('b', 1, null, null), ('c', 2, 'p', 7)")
    build = x.build("x", {"t": ["k"]})
    result = x.run("x", build, tmp_path)
    assert (result.verdict, [r.id for r in result.failed]) == ("fail", ["w_present", "v_range"])
    rows = x.execute(
        "select expectation_id, table_name, key, delivery_id, agency from kho.gate_failure where build = %s"
        " order by 1, 3",
        (build,),
    )
    assert rows == [
        ("v_range", "t", {"k": "c"}, 7, "health"),
        ("w_present", "t", {"k": "a"}, 7, "health"),
        ("w_present", "t", {"k": "b"}, None, "owner"),
    ]
    assert x.execute("select verdict, full_scan, rules_hash from kho.gate where build = %s", (build,)) == [
        ("fail", True, result.rules_hash)
    ]
    assert x.execute(
        "select expectation_id, severity, quality_word, scope, success, element_count, unexpected_count, message_vi"
        " from kho.gate_result where build = %s order by 1",
        (build,),
    ) == [
        ("v_range", "warning", "đúng", "row", False, 3, 1, "Sai"),
        ("w_present", "critical", "đúng", "row", False, 3, 2, "Sai"),
    ]


def test_a_warning_alone_passes(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("v_range", BETWEEN, "warning", column="v", max_value=1))
    x.execute("insert into x.live values ('a', 5, 'p', 1)")
    assert x.run("x", x.build("x", {"t": ["k"]}), tmp_path).verdict == "pass"


def test_the_ledger_row_is_written_last_in_the_same_transaction(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"))
    seen: list[Any] = []

    def append(connection: Any, kind: str, subject: str, ref: int, payload_hash: bytes) -> None:
        written = connection.execute("select count(*) from kho.gate_result where build = %s", (ref,)).fetchone()
        seen.append((kind, subject, ref, payload_hash, written))

    build = x.build("x", {"t": ["k"]})
    result = x.run("x", build, tmp_path, append_ledger=append)
    assert seen == [("gate", "x", build, result.payload_hash, (1,))]
    assert len(result.payload_hash) == 32

    def refuse(*_: Any) -> None:
        raise RuntimeError(MARKER)

    build = x.build("x", {"t": ["k"]})
    with pytest.raises(GateFault) as caught:
        x.run("x", build, tmp_path, append_ledger=refuse)
    assert MARKER not in _everything(caught.value)
    assert _written(x, build) == [0, 0, 0]


def test_a_build_is_judged_once(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"))
    build = x.build("x", {"t": ["k"]})
    x.run("x", build, tmp_path)
    with pytest.raises(GateFault, match="not a frozen build without a verdict"):
        x.run("x", build, tmp_path)


def test_no_connection_outlives_a_run(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"))
    x.run("x", x.build("x", {"t": ["k"]}), tmp_path)
    for _ in range(50):  # a closed connection takes a moment to leave the view
        if (left := x.execute("select count(*) from pg_stat_activity where usename = 'kho_gate'")) == [(0,)]:
            break
        time.sleep(0.05)
    assert left == [(0,)]


# ---------------------------------------------------------------- when it cannot do its work


def _everything(error: BaseException) -> str:
    """All that an error could show to somebody."""
    shown = "".join(traceback.format_exception(error))
    return f"{shown}{error!r}{getattr(error, 'where', '')}{error.__cause__!r}{error.__context__!r}"


def _written(x: Warehouse, build: int) -> list[int]:
    tables = ("gate", "gate_result", "gate_failure")
    return [x.execute(f"select count(*) from kho.{t} where build = %s", (build,))[0][0] for t in tables]


BROKEN = {
    "query": rule("broken", ROWS, scope="row", unexpected_rows_query="select * from {batch} where w::int = 1"),
    "type": rule("broken", "expect_column_values_to_match_regex", column="v", regex="^1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_exception_is_a_fault_and_shows_no_value(
    x: Warehouse, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    write_suite(tmp_path, BROKEN[name], rule("w_present", NOT_NULL, column="w"))
    x.execute("insert into x.live values (%s, 1, %s, 1)", (MARKER, MARKER))
    build = x.build("x", {"t": ["k"]})
    with pytest.raises(GateFault) as caught:
        x.run("x", build, tmp_path)
    assert caught.value.where["rule"] == "broken"
    assert caught.value.__context__ is None
    assert _written(x, build) == [0, 0, 0]
    output = capfd.readouterr()
    for shown in (_everything(caught.value), caplog.text, output.out, output.err):
        assert MARKER not in shown


def test_a_failing_row_shows_no_value(
    x: Warehouse, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    write_suite(
        tmp_path,
        rule("w_form", "expect_column_values_to_match_regex", column="w", regex="^[a-z]$"),
        rule("w_rows", ROWS, scope="row", unexpected_rows_query="select * from {batch} where length(w) > 3"),
        rule("w_distinct", "expect_column_distinct_values_to_be_in_set", column="w", value_set=["a"]),
    )
    x.execute("insert into x.live values (%s, 1, %s, 1)", (MARKER, MARKER))
    build = x.build("x", {"t": ["k"]})
    result = x.run("x", build, tmp_path)
    output = capfd.readouterr()
    assert len(result.failed) == 3
    assert x.failing_keys(build, "w_form") == [{"k": MARKER}]
    written = x.execute("select r::text from kho.gate_result as r where build = %s", (build,))
    for shown in (repr(result), caplog.text, output.out, output.err, str(written)):
        assert MARKER not in shown


def test_two_counts_that_differ_are_a_fault(x: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from expectations import verdict as verdict_module

    real = verdict_module.failing_rows

    def one_less(type_: str, kwargs: Any, relation: Any, columns: Sequence[str]) -> Any:
        return real(type_, kwargs, relation, columns) + verdict_module.sql.SQL(" limit 1")

    monkeypatch.setattr(verdict_module, "failing_rows", one_less)
    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"))
    x.execute("insert into x.live values ('a', 1, null, 1), ('b', 1, null, 1)")
    build = x.build("x", {"t": ["k"]})
    with pytest.raises(GateFault) as caught:
        x.run("x", build, tmp_path)
    assert caught.value.code == "gate_counts_differ"
    assert _written(x, build) == [0, 0, 0]


def test_a_lost_database_is_a_transient_fault(x: Warehouse, tmp_path: Path) -> None:
    from expectations import gate

    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"))
    with pytest.raises(GateFault) as caught:
        gate.run("x", 1, conn_url="postgresql+psycopg2://kho_gate@/kho?host=/nowhere", root=tmp_path)
    assert caught.value.transient


def test_a_table_without_a_suite_is_refused(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"))
    with pytest.raises(SuiteError) as caught:
        x.run("x", x.build("x", {"t": ["k"], "u": ["k"]}), tmp_path)
    assert caught.value.where == {"file": "expectations/x/u.yaml", "line": 1}
    with pytest.raises(SuiteError):
        x.run("y", x.build("y", {"t": ["k"]}), tmp_path)


def test_a_suite_without_a_table_is_refused(x: Warehouse, tmp_path: Path) -> None:
    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"))
    write_suite(tmp_path, rule("u_present", NOT_NULL, column="w"), table="u")
    with pytest.raises(SuiteError, match=r"the build has no table x\.u"):
        x.run("x", x.build("x", {"t": ["k"]}), tmp_path)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (rule("bad", NOT_NULL, column="nope"), "there is no column nope"),
        (rule("bad", ROWS, scope="row", unexpected_rows_query="select v from {batch}"), "there is no column k"),
        (rule("bad", ROWS, scope="row", unexpected_rows_query="select k from {batch} where nope"), "SQLSTATE 42703"),
        (rule("bad", ROWS, scope="set", unexpected_rows_query="select k from t, {batch}"), "SQLSTATE 42P01"),
    ],
)
def test_a_suite_that_does_not_fit_the_table_is_refused(
    x: Warehouse, tmp_path: Path, bad: dict[str, Any], message: str
) -> None:
    write_suite(tmp_path, rule("w_present", NOT_NULL, column="w"), bad)
    with pytest.raises(SuiteError, match=message) as caught:
        x.run("x", x.build("x", {"t": ["k"]}), tmp_path)
    assert int(caught.value.where["line"]) > 5
