"""Two implementations of each rule: Great Expectations counts, our SQL lists. On any data they must agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg import sql

from expectations.failing import UNEXPECTED_ROWS, VOCABULARY, failing_rows, has_rows

from .throwaway import Warehouse

# Every supported type at least once, with the arguments that change its meaning.
RULES: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_not_be_null", {"column": "word"}),
    ("expect_column_values_to_not_be_null", {"column": "word", "mostly": 0.5}),
    ("expect_column_values_to_be_null", {"column": "word"}),
    ("expect_column_values_to_be_in_set", {"column": "word", "value_set": ["a", "b%", "Đ"]}),
    ("expect_column_values_to_be_in_set", {"column": "number", "value_set": [1, 2, 3]}),
    ("expect_column_values_to_be_in_set", {"column": "flag", "value_set": [True]}),
    ("expect_column_values_to_not_be_in_set", {"column": "word", "value_set": ["a", "it's"]}),
    ("expect_column_values_to_be_between", {"column": "number", "min_value": 2, "max_value": 5}),
    ("expect_column_values_to_be_between", {"column": "number", "min_value": 2, "strict_min": True}),
    ("expect_column_values_to_be_between", {"column": "number", "max_value": 5, "strict_max": True}),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0.1, "max_value": 0.7}),
    (
        "expect_column_values_to_be_between",
        {"column": "start_on", "min_value": "2025-01-03", "max_value": "2025-01-06"},
    ),
    ("expect_column_values_to_match_regex", {"column": "word", "regex": "^[a-c]"}),
    ("expect_column_values_to_match_regex", {"column": "word", "regex": "%$"}),
    ("expect_column_values_to_not_match_regex", {"column": "word", "regex": "^[Đđ]"}),
    ("expect_column_value_lengths_to_be_between", {"column": "word", "min_value": 1, "max_value": 3}),
    ("expect_column_value_lengths_to_be_between", {"column": "word", "max_value": 4, "strict_max": True}),
    ("expect_column_value_lengths_to_equal", {"column": "word", "value": 1}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "end_on", "column_B": "start_on"}),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "end_on", "column_B": "start_on", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
    ),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "end_on", "column_B": "start_on", "or_equal": True, "ignore_row_if": "neither"},
    ),
    ("expect_column_pair_values_to_be_equal", {"column_A": "end_on", "column_B": "start_on"}),
    (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "end_on", "column_B": "start_on", "ignore_row_if": "either_value_is_missing"},
    ),
    (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "end_on", "column_B": "start_on", "ignore_row_if": "neither"},
    ),
    ("expect_column_values_to_be_unique", {"column": "word"}),
    ("expect_column_values_to_be_unique", {"column": "id"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["word", "number"]}),
    (UNEXPECTED_ROWS, {"unexpected_rows_query": "select * from {batch} where number > 5 or word like 'b%'"}),
    (UNEXPECTED_ROWS, {"unexpected_rows_query": "select * from {batch} where word ~ '^[a-z]{{1,2}}$'"}),
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
    ("expect_table_row_count_to_equal", {"value": 60}),
    ("expect_column_min_to_be_between", {"column": "number", "min_value": 0}),
    ("expect_column_max_to_be_between", {"column": "number", "max_value": 100}),
    ("expect_column_mean_to_be_between", {"column": "number", "max_value": 3.5}),
    ("expect_column_sum_to_be_between", {"column": "amount", "min_value": 1}),
    ("expect_column_unique_value_count_to_be_between", {"column": "word", "min_value": 2}),
    ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "word", "min_value": 0.9}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "flag", "value_set": [True, False]}),
    ("expect_column_distinct_values_to_contain_set", {"column": "word", "value_set": ["a"]}),
    ("expect_column_distinct_values_to_equal_set", {"column": "number", "value_set": [1, 2]}),
]
COLUMNS = (
    "id int, word text, number int, amount numeric(6,2), flag boolean, start_on date, end_on date, _delivery bigint"
)
WORDS = "array['a', 'b%', 'ab', 'Đông', 'it''s', 'zzzz', '', null]"
RANDOM_ROWS = f"""
    insert into probe.data
    select i, ({WORDS})[1 + floor(random() * 8)], case when random() < 0.8 then floor(random() * 8) end,
           case when random() < 0.8 then round(random()::numeric, 1) end,
           case when random() < 0.8 then random() < 0.5 end,
           case when random() < 0.8 then date '2025-01-01' + floor(random() * 8)::int end,
           case when random() < 0.8 then date '2025-01-01' + floor(random() * 8)::int end, 1 + i % 2
    from generate_series(1, 60) as i
"""
DATA = {
    "random": [f"select setseed(0.{n}); {RANDOM_ROWS}" for n in range(1, 4)],
    "empty": [""],
    "all null": ["insert into probe.data (id, _delivery) select i, 1 from generate_series(1, 3) as i"],
}


@pytest.fixture(scope="module")
def probe(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, Path]]:
    """A table of odd values and a suite of every rule, all of them warnings."""
    warehouse.execute(f"create schema probe; create table probe.data ({COLUMNS})")
    for part in ("delta", "future"):
        warehouse.relation("probe", "data", part, "select * from probe.data")
    root = tmp_path_factory.mktemp("probe")
    (root / "probe").mkdir()
    items = []
    for index, (type_, kwargs) in enumerate(RULES):
        meta: dict[str, Any] = {"quality_word": "đúng", "message": {"vi": "Sai", "en": "Wrong"}}
        if type_ == UNEXPECTED_ROWS:
            meta["scope"] = "row"
        items.append({"id": f"rule_{index}", "type": type_, "kwargs": kwargs, "severity": "warning", "meta": meta})
    suite = {"table": "data", "subject": "probe", "meta": {"owner": "o", "title": "t"}, "expectations": items}
    (root / "probe" / "data.yaml").write_text(yaml.safe_dump(suite, allow_unicode=True), encoding="utf-8")
    yield warehouse, root
    warehouse.execute("drop schema probe cascade")


def test_rules_cover_the_vocabulary() -> None:
    assert {type_ for type_, _ in RULES} == set(VOCABULARY)


@pytest.mark.parametrize(
    "data", [pytest.param(s, id=f"{n} {i}") for n, all_ in DATA.items() for i, s in enumerate(all_)]
)
def test_listed_rows_equal_counted_rows(probe: tuple[Warehouse, Path], data: str) -> None:
    warehouse, root = probe
    warehouse.execute("truncate probe.data")
    if data:
        warehouse.execute(data)
    build = warehouse.build("probe", {"data": ["id"]})
    result = warehouse.run("probe", build, root)  # a difference where rows fail raises by itself
    assert result.verdict == "pass"
    for rule, (type_, kwargs) in zip(result.results, RULES, strict=True):
        assert rule.type == type_
        if not has_rows(type_):
            assert rule.unexpected_count is None
            continue
        relation = sql.Identifier("journal", "probe__data__future")
        listed = warehouse.execute(failing_rows(type_, kwargs, relation, ["id"]))
        assert len(listed) == rule.unexpected_count, f"{type_} {kwargs}"
        assert len(warehouse.failing_keys(build, rule.id)) == len(listed)
        if "mostly" not in kwargs:
            assert rule.success == (not listed), f"{type_} {kwargs}"


def test_vocabulary_is_that_of_great_expectations() -> None:
    """Each type exists there, with each argument, and needs no argument that we call optional."""
    from great_expectations.expectations.registry import get_expectation_impl

    for type_, kind in VOCABULARY.items():
        fields = get_expectation_impl(type_).__fields__
        assert set(kind.kwargs) <= set(fields), f"{type_}: {set(kind.kwargs) - set(fields)} is unknown to it"
        needed = {name for name, model_field in fields.items() if model_field.required}
        assert needed <= set(kind.required), f"{type_}: {needed - set(kind.required)} is required"
