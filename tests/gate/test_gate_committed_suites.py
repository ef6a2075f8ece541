"""Every expectation of every committed suite: green on valid rows, red when exactly its violation is planted.

A rule that cannot fail protects nobody. The valid rows are in valid_rows.sql, on tables made from the columns of the
dbt models; the violation follows from the type and arguments of the expectation, its `meta.plant`, or plants.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg import sql

from expectations.failing import COMPOUND_UNIQUE, UNEXPECTED_ROWS, UNIQUE
from expectations.suites import Expectation, Suite, load

from .throwaway import Warehouse

HERE = Path(__file__).parent
EXPECTATIONS = HERE.parents[1] / "expectations"
MODELS = HERE.parents[1] / "dbt_project" / "models" / "warehouse"
PLANTS: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "plants.yaml").read_text(encoding="utf-8"))
# Live tables have neither.
CANDIDATE_ONLY = {"_build", "_deleted"}

SUITES = [
    s for folder in sorted(p for p in EXPECTATIONS.iterdir() if p.is_dir()) for s in load(EXPECTATIONS, folder.name)
]
CASES = [pytest.param(suite, e, id=e.id) for suite in SUITES for e in suite.expectations]


def _models() -> dict[str, tuple[list[str], dict[str, str]]]:
    """`<subject>__<model>` -> key, and column -> type."""
    found = {}
    for path in sorted(MODELS.glob("*/*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            columns = {c["name"]: c["data_type"] for c in model["columns"] if c["name"] not in CANDIDATE_ONLY}
            found[f"{path.parent.name}__{model['name']}"] = (model["config"]["meta"]["key"], columns)
    return found


TABLES = _models()


@pytest.fixture(scope="module")
def valid(warehouse: Warehouse) -> Iterator[Warehouse]:
    """The valid rows behind every view that a suite may read."""
    warehouse.execute("create schema valid; create schema governance")
    for name, (_, columns) in TABLES.items():
        listed = ", ".join(f"{column} {type_}" for column, type_ in columns.items())
        warehouse.execute(f"create table valid.{name} ({listed})")
        subject, table = name.split("__", 1)
        for part in ("future", "delta"):
            warehouse.relation(subject, table, part, f"select * from valid.{name}")
    warehouse.execute((HERE / "valid_rows.sql").read_text(encoding="utf-8"))
    warehouse.execute(
        "create view governance.dim_administrative_unit as select * from valid.governance__dim_administrative_unit;"
        "grant usage on schema governance to kho_gate; grant select on governance.dim_administrative_unit to kho_gate"
    )
    for name in TABLES:
        warehouse.execute(f"create table valid.{name}__kept as table valid.{name}")
    yield warehouse
    warehouse.execute("drop schema valid cascade; drop schema governance cascade")


def test_every_model_has_a_suite_and_every_suite_a_model() -> None:
    assert {f"{suite.subject}__{suite.table}" for suite in SUITES} == set(TABLES)


def test_every_key_is_checked() -> None:
    """Key columns are never null and together unique, and both are critical."""
    for suite in SUITES:
        key = TABLES[f"{suite.subject}__{suite.table}"][0]
        critical = [e for e in suite.expectations if e.severity == "critical"]
        unique = [e for e in critical if e.type in (UNIQUE, COMPOUND_UNIQUE) and e.scope(key) == "row"]
        assert unique, f"{suite.file}: no expectation that {key} is unique"
        present = {e.kwargs["column"] for e in critical if e.type == "expect_column_values_to_not_be_null"}
        assert set(key) <= present, f"{suite.file}: {set(key) - present} may be null"


@pytest.mark.parametrize("subject", sorted({suite.subject for suite in SUITES}))
def test_valid_rows_pass(valid: Warehouse, subject: str) -> None:
    tables = {s.table: TABLES[f"{subject}__{s.table}"][0] for s in SUITES if s.subject == subject}
    build = valid.build(subject, tables)
    result = valid.run(subject, build, EXPECTATIONS)
    assert result.verdict == "pass"
    assert [r.id for r in result.failed] == []
    assert len(result.results) == sum(len(s.expectations) for s in SUITES if s.subject == subject)


@pytest.mark.parametrize(("suite", "expectation"), CASES)
def test_planted_violation_is_found(valid: Warehouse, tmp_path: Path, suite: Suite, expectation: Expectation) -> None:
    name = f"{suite.subject}__{suite.table}"
    key, columns = TABLES[name]
    _alone(tmp_path, suite, expectation)
    try:
        keys = _plant(valid, name, expectation, key, columns)
        build = valid.build(suite.subject, {suite.table: key})
        result = valid.run(suite.subject, build, tmp_path)
    finally:
        valid.execute(f"truncate valid.{name}; insert into valid.{name} table valid.{name}__kept")
    assert [r.id for r in result.failed] == [expectation.id]
    assert result.verdict == ("fail" if expectation.severity == "critical" else "pass")
    assert valid.failing_keys(build, expectation.id) == sorted(keys, key=str)


def _alone(root: Path, suite: Suite, expectation: Expectation) -> None:
    """The committed suite with this expectation only: the planted row may well break others, and each costs time."""
    committed = EXPECTATIONS / suite.subject / f"{suite.table}.yaml"
    document = yaml.safe_load(committed.read_text(encoding="utf-8"))
    document["expectations"] = [item for item in document["expectations"] if item["id"] == expectation.id]
    (root / suite.subject).mkdir()
    (root / suite.subject / committed.name).write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")


def _plant(
    warehouse: Warehouse, name: str, expectation: Expectation, key: list[str], columns: dict[str, str]
) -> list[dict[str, Any]]:
    """Break the rule in the table; the keys of the rows that then fail."""
    table = sql.Identifier("valid", name)
    kwargs = expectation.kwargs
    if expectation.id in PLANTS:
        plant = PLANTS[expectation.id]
        warehouse.execute(sql.SQL(plant["sql"]).format(table=table))
        return plant["keys"]
    if expectation.type.startswith("expect_table_row_count"):
        rows = kwargs.get("value", kwargs.get("min_value")) - 1
        warehouse.execute(
            sql.SQL("delete from {table} where ctid not in (select ctid from {table} limit {rows})").format(
                table=table, rows=sql.Literal(rows)
            )
        )
        return []
    if expectation.type in (UNIQUE, COMPOUND_UNIQUE):
        first = sql.SQL("insert into {table} select * from {table} order by {key} limit 1 returning {object}").format(
            table=table, key=_columns(key), object=_object(key)
        )
        return [row[0] for row in warehouse.execute(first)] * 2
    changed = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), value)
        for column, value in _violation(expectation, columns).items()
    )
    statement = sql.SQL(
        "update {table} set {changed} where ctid = (select ctid from {table} order by {key} limit 1) returning {object}"
    ).format(table=table, changed=changed, key=_columns(key), object=_object(expectation.failing_key or key))
    return [row[0] for row in warehouse.execute(statement)]


def _violation(expectation: Expectation, columns: dict[str, str]) -> dict[str, sql.Composable]:
    """Column -> value that makes a valid row break the rule."""
    kwargs = expectation.kwargs
    if expectation.type == UNEXPECTED_ROWS:
        assert expectation.plant, f"{expectation.id}: give it a meta.plant, or an entry in plants.yaml"
        return {column: sql.Literal(value) for column, value in expectation.plant.items()}
    value: sql.Composable
    match expectation.type:
        case "expect_column_values_to_not_be_null":
            value = sql.SQL("null")
        case "expect_column_values_to_be_in_set":
            value = sql.Literal("?" if columns[kwargs["column"]] == "text" else 987654)
        case "expect_column_values_to_be_between" if "max_value" in kwargs:
            value = sql.Literal(kwargs["max_value"] + 1)
        case "expect_column_values_to_be_between":
            value = sql.Literal(kwargs["min_value"] - 1)
        case "expect_column_values_to_match_regex":
            value = sql.Literal("?")
        case "expect_column_pair_values_a_to_be_greater_than_b":
            earlier = sql.SQL("({} - interval '1 day')").format(sql.Identifier(kwargs["column_B"]))
            return {kwargs["column_A"]: earlier}
        case other:
            raise AssertionError(f"{expectation.id}: teach this test how to break {other}")
    return {kwargs["column"]: value}


def _columns(names: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _object(names: tuple[str, ...] | list[str]) -> sql.Composable:
    pairs = [part for name in names for part in (sql.Literal(name), sql.Identifier(name))]
    return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))
