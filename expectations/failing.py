"""The gate's vocabulary, and the rows that break each rule of it.

Purpose: which Great Expectations types a suite may use, with which arguments, and for each row-wise type the SQL
predicate that is true for exactly the rows Great Expectations counts as unexpected. It is a second, independent
implementation: the gate compares the two counts and stops when they differ.
Belongs here: types, arguments, predicates. Stays out: reading YAML (`suites.py`), running anything (`gate.py`).

A type that is not listed is refused. Left out on purpose: quantiles, medians and distributions (they fail or crawl on
PostgreSQL), types that read all rows into the client, and `row_condition` (an unexpected_rows_expectation says it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from psycopg import sql

UNEXPECTED_ROWS = "unexpected_rows_expectation"
UNIQUE = "expect_column_values_to_be_unique"
COMPOUND_UNIQUE = "expect_compound_columns_to_be_unique"

Kwargs = Mapping[str, Any]
Predicate = Callable[[Kwargs, sql.Composable], sql.Composable]
Scope = Literal["row", "set"]


@dataclass(frozen=True)
class Kind:
    """One supported type: arguments (name -> accepted Python types) and predicate (None: no single row fails)."""

    required: Mapping[str, tuple[type, ...]]
    optional: Mapping[str, tuple[type, ...]] = field(default_factory=dict)
    predicate: Predicate | None = None

    @property
    def kwargs(self) -> dict[str, tuple[type, ...]]:
        """Every accepted argument."""
        return {**self.required, **self.optional}


def _value(value: object) -> sql.Composable:
    # A float in YAML means the decimal number that was written, not its binary neighbour.
    return sql.Literal(Decimal(str(value)) if isinstance(value, float) else value)


def _column(kwargs: Kwargs) -> sql.Composable:
    return sql.Identifier(kwargs["column"])


def _on_column(template: str) -> Predicate:
    return lambda kwargs, _: sql.SQL(template).format(column=_column(kwargs))


def _in_set(outside: bool) -> Predicate:
    def predicate(kwargs: Kwargs, _: sql.Composable) -> sql.Composable:
        values = sql.SQL(", ").join(_value(value) for value in kwargs["value_set"])
        word = sql.SQL("not in" if outside else "in")
        return sql.SQL("{} {} ({})").format(_column(kwargs), word, values)

    return predicate


def _bounds(expression: sql.Composable, kwargs: Kwargs) -> sql.Composable:
    """True where `expression` is outside the bounds; NULL (so not failing) where it is NULL."""
    outside = []
    if kwargs.get("min_value") is not None:
        operator = sql.SQL("<=" if kwargs.get("strict_min") else "<")
        outside.append(sql.SQL("{} {} {}").format(expression, operator, _value(kwargs["min_value"])))
    if kwargs.get("max_value") is not None:
        operator = sql.SQL(">=" if kwargs.get("strict_max") else ">")
        outside.append(sql.SQL("{} {} {}").format(expression, operator, _value(kwargs["max_value"])))
    return sql.SQL(" or ").join(outside)


def _between(kwargs: Kwargs, _: sql.Composable) -> sql.Composable:
    return _bounds(_column(kwargs), kwargs)


def _length_between(kwargs: Kwargs, _: sql.Composable) -> sql.Composable:
    return _bounds(sql.SQL("length({})").format(_column(kwargs)), kwargs)


def _length_equals(kwargs: Kwargs, _: sql.Composable) -> sql.Composable:
    return sql.SQL("length({}) <> {}").format(_column(kwargs), _value(kwargs["value"]))


def _regex(wanted: bool) -> Predicate:
    operator = sql.SQL("!~" if wanted else "~")
    return lambda kwargs, _: sql.SQL("{} {} {}").format(_column(kwargs), operator, _value(kwargs["regex"]))


def _pair(kwargs: Kwargs) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
    """Both columns, and the condition under which the pair is looked at."""
    first, second = sql.Identifier(kwargs["column_A"]), sql.Identifier(kwargs["column_B"])
    looked_at = {
        "both_values_are_missing": "not ({} is null and {} is null)",
        "either_value_is_missing": "not ({} is null or {} is null)",
        "neither": "true",
    }[kwargs.get("ignore_row_if", "both_values_are_missing")]
    return first, second, sql.SQL(looked_at).format(first, second)


def _greater(kwargs: Kwargs, _: sql.Composable) -> sql.Composable:
    first, second, looked_at = _pair(kwargs)
    operator = sql.SQL("<" if kwargs.get("or_equal") else "<=")
    return sql.SQL("{} and {} {} {}").format(looked_at, first, operator, second)


def _equal(kwargs: Kwargs, _: sql.Composable) -> sql.Composable:
    first, second, looked_at = _pair(kwargs)
    # One missing value makes the pair unequal; two do, too, unless such rows are ignored.
    return sql.SQL("{} and ({a} = {b}) is not true").format(looked_at, a=first, b=second)


def _unique(kwargs: Kwargs, relation: sql.Composable) -> sql.Composable:
    names = kwargs["column_list"] if "column_list" in kwargs else [kwargs["column"]]
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in names)
    return sql.SQL("({columns}) in (select {columns} from {relation} group by {columns} having count(*) > 1)").format(
        columns=columns, relation=relation
    )


_TEXT = (str,)
_NUMBER = (int, float)
_ORDERED = (int, float, str)
_COLUMN = {"column": _TEXT}
_PAIR = {"column_A": _TEXT, "column_B": _TEXT}
_MOSTLY = {"mostly": _NUMBER}
_STRICT = {"strict_min": (bool,), "strict_max": (bool,)}
_RANGE = {"min_value": _ORDERED, "max_value": _ORDERED, **_STRICT}
_COUNTS = {"min_value": (int,), "max_value": (int,)}
_COUNT_RANGE = {**_COUNTS, **_STRICT}
_IGNORE = {"ignore_row_if": _TEXT}

VOCABULARY: Mapping[str, Kind] = {
    # Row by row.
    "expect_column_values_to_not_be_null": Kind(_COLUMN, _MOSTLY, _on_column("{column} is null")),
    "expect_column_values_to_be_null": Kind(_COLUMN, _MOSTLY, _on_column("{column} is not null")),
    "expect_column_values_to_be_in_set": Kind({**_COLUMN, "value_set": (list,)}, _MOSTLY, _in_set(outside=True)),
    "expect_column_values_to_not_be_in_set": Kind({**_COLUMN, "value_set": (list,)}, _MOSTLY, _in_set(outside=False)),
    "expect_column_values_to_be_between": Kind(_COLUMN, {**_RANGE, **_MOSTLY}, _between),
    "expect_column_values_to_match_regex": Kind({**_COLUMN, "regex": _TEXT}, _MOSTLY, _regex(wanted=True)),
    "expect_column_values_to_not_match_regex": Kind({**_COLUMN, "regex": _TEXT}, _MOSTLY, _regex(wanted=False)),
    "expect_column_value_lengths_to_be_between": Kind(_COLUMN, {**_COUNT_RANGE, **_MOSTLY}, _length_between),
    "expect_column_value_lengths_to_equal": Kind({**_COLUMN, "value": (int,)}, _MOSTLY, _length_equals),
    "expect_column_pair_values_a_to_be_greater_than_b": Kind(
        _PAIR, {"or_equal": (bool,), **_IGNORE, **_MOSTLY}, _greater
    ),
    "expect_column_pair_values_to_be_equal": Kind(_PAIR, {**_IGNORE, **_MOSTLY}, _equal),
    UNIQUE: Kind(_COLUMN, _MOSTLY, _unique),
    COMPOUND_UNIQUE: Kind({"column_list": (list,)}, _MOSTLY, _unique),
    UNEXPECTED_ROWS: Kind({"unexpected_rows_query": _TEXT}),
    # The table as a whole: no single row is to blame.
    "expect_table_row_count_to_be_between": Kind({}, _COUNT_RANGE),
    "expect_table_row_count_to_equal": Kind({"value": (int,)}),
    "expect_column_min_to_be_between": Kind(_COLUMN, _RANGE),
    "expect_column_max_to_be_between": Kind(_COLUMN, _RANGE),
    "expect_column_mean_to_be_between": Kind(_COLUMN, {"min_value": _NUMBER, "max_value": _NUMBER, **_STRICT}),
    "expect_column_sum_to_be_between": Kind(_COLUMN, {"min_value": _NUMBER, "max_value": _NUMBER, **_STRICT}),
    "expect_column_unique_value_count_to_be_between": Kind(_COLUMN, _COUNT_RANGE),
    "expect_column_proportion_of_non_null_values_to_be_between": Kind(
        _COLUMN, {"min_value": _NUMBER, "max_value": _NUMBER, **_STRICT}
    ),
    "expect_column_distinct_values_to_be_in_set": Kind({**_COLUMN, "value_set": (list,)}),
    "expect_column_distinct_values_to_contain_set": Kind({**_COLUMN, "value_set": (list,)}),
    "expect_column_distinct_values_to_equal_set": Kind({**_COLUMN, "value_set": (list,)}),
}

IGNORE_ROW_IF = ("both_values_are_missing", "either_value_is_missing", "neither")


def columns_of(kwargs: Kwargs) -> list[str]:
    """The columns that the arguments of an expectation name."""
    named = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    return named + list(kwargs.get("column_list", ()))


def has_rows(type_: str) -> bool:
    """Whether a failure of this type can be laid at the door of single rows."""
    return type_ == UNEXPECTED_ROWS or VOCABULARY[type_].predicate is not None


def failing_rows(type_: str, kwargs: Kwargs, relation: sql.Composable, columns: Sequence[str]) -> sql.Composable:
    """A query for `columns` of every row of `relation` that breaks the expectation, one output row per failing row.

    For an unexpected_rows_expectation `columns` are columns of its own query.
    """
    wanted = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    if type_ == UNEXPECTED_ROWS:
        return sql.SQL("select {} from ({}) as unexpected").format(wanted, rows_query(kwargs, relation))
    predicate = VOCABULARY[type_].predicate
    if predicate is None:
        raise ValueError(type_)
    return sql.SQL("select {} from {} where {}").format(wanted, relation, predicate(kwargs, relation))


def rows_query(kwargs: Kwargs, relation: sql.Composable) -> sql.Composable:
    """The query of an unexpected_rows_expectation, on `relation`; other braces are doubled."""
    # Trusted text: suites are reviewed code, and suites.py refuses anything but one read-only statement.
    return sql.SQL(kwargs["unexpected_rows_query"]).format(batch=relation)
