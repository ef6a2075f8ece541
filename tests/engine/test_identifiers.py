"""Identifiers as SQL functions: each against a reference of its own, on values from right to hostile."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.warehouse import connect

from . import identifier_oracle as oracle
from .cluster import rows, value

#: Values a function is asked about here; the soak asks about more.
MANY = 1_500
Values = Sequence[tuple[Any, ...]]
Maker = Callable[[random.Random], tuple[Any, ...]]


def one(make: Callable[[random.Random], str]) -> Maker:
    """A maker of single values, half of them spoilt."""
    return lambda pick: (oracle.spoilt(pick, make(pick)),)


def _person(pick: random.Random) -> tuple[Any, ...]:
    text = oracle.spoilt(pick, oracle.some_personal_id(pick))
    return text, oracle.some_birth(pick, text), oracle.some_sex(pick)


def _person_on_day(pick: random.Random) -> tuple[Any, ...]:
    text, born, sex = _person(pick)
    year = oracle.year_said(born)
    return text, None if year is None else date(year, 1, 2), sex


def _cmnd(pick: random.Random) -> str:
    return pick.choice(
        [oracle.digits(pick, 9), oracle.some_personal_id(pick), pick.choice("0123456789") * 9, "123456789"]
    )


def _taxed(pick: random.Random) -> tuple[Any, ...]:
    return oracle.spoilt(pick, oracle.some_tax_code(pick)), pick.choice([None, oracle.some_day(pick)])


def _dossier(pick: random.Random) -> tuple[Any, ...]:
    code, received = oracle.some_dossier(pick)
    return oracle.spoilt(pick, code), received


def _facility(pick: random.Random) -> str:
    return oracle.digits(pick, 2) + "".join(pick.choices(oracle.DIGITS + oracle.CAPITALS, k=3))


def _household(pick: random.Random) -> str:
    old = f"{oracle.digits(pick, 2)}{pick.choice(oracle.CAPITALS)}{pick.choice('8887')}{oracle.digits(pick, 6)}"
    return pick.choice([old, oracle.some_personal_id(pick)])


#: Function with the types of its parameters -> how values come to be, and what is right.
FUNCTIONS: dict[str, tuple[Maker, Callable[..., Any]]] = {
    "personal_id_is_valid(text)": (one(oracle.some_personal_id), oracle.personal_id),
    "personal_id_province(text)": (one(oracle.some_personal_id), oracle.personal_id_province),
    "personal_id_sex(text)": (one(oracle.some_personal_id), oracle.personal_id_sex),
    "personal_id_birth_year(text)": (one(oracle.some_personal_id), oracle.personal_id_birth_year),
    "personal_id_agrees(text, text, text)": (
        _person,
        lambda text, born, sex: oracle.personal_id_agrees(text, oracle.year_said(born), sex),
    ),
    "personal_id_agrees(text, date, text)": (
        _person_on_day,
        lambda text, born, sex: oracle.personal_id_agrees(text, born and born.year, sex),
    ),
    "citizen_id_is_valid(text)": (one(_cmnd), oracle.citizen_id),
    "household_code_is_valid(text)": (one(_household), oracle.household_code),
    "insurance_number_is_valid(text)": (one(oracle.some_card), oracle.insurance_number),
    "health_card_is_valid(text)": (one(oracle.some_card), oracle.health_card),
    "facility_code_is_valid(text)": (one(_facility), oracle.facility_code),
    "enterprise_code_is_valid(text)": (one(oracle.some_tax_code), oracle.enterprise_code),
    "tax_code_is_valid(text, date)": (_taxed, oracle.tax_code),
    "agency_code_is_valid(text)": (one(oracle.some_agency), oracle.agency_code),
    "agency_code_normal(text)": (one(oracle.some_agency), oracle.agency_code_normal),
    "procedure_code_is_valid(text)": (one(oracle.some_procedure), oracle.procedure_code),
    "procedure_code_national(text)": (one(oracle.some_procedure), oracle.procedure_code_national),
    "dossier_code_is_valid(text, date)": (_dossier, oracle.dossier_code),
    "phone_normal(text)": (one(oracle.some_phone), oracle.phone_normal),
    "phone_is_valid(text)": (one(oracle.some_phone), lambda text: oracle.phone_normal(text) is not None),
}
#: Checked by way of others: a part of theirs, or a word list.
PARTS = {"phone_of_digits(text)", "phone_of_any(text)", "sex_word(text)"}


def asked(function: str, values: Values) -> list[Any]:
    """What the function says of each, in one query."""
    name, types = function.rstrip(")").split("(")
    kinds = types.split(", ")
    columns = [f"v{n}" for n in range(len(kinds))]
    with connect("transform") as connection, connection.cursor() as cursor:
        cursor.execute(
            f"create temporary table asked (n int, {', '.join(f'{c} {k}' for c, k in zip(columns, kinds, strict=True))}) on commit drop"
        )
        with cursor.copy("copy asked from stdin") as copy:
            for number, line in enumerate(values):
                copy.write_row((number, *line))
        cursor.execute(f"select array_agg(identifier.{name}({', '.join(columns)}) order by n) from asked")
        found = cursor.fetchone()
    assert found is not None
    return list(found[0])


def differences(function: str, seed: int, count: int) -> list[tuple[Any, ...]]:
    """Values of which function and reference say different things: (value …, found, expected)."""
    make, right = FUNCTIONS[function]
    pick = random.Random(f"{function} {seed}")
    values = [make(pick) for _ in range(count)]
    said, expected = asked(function, values), [right(*line) for line in values]
    # Values of both kinds have been asked about, or this proves nothing.
    kinds = [outcome not in (None, False) for outcome in expected]
    assert count // 50 < kinds.count(True) < count - count // 20, f"{kinds.count(True)} of {count} are right"
    return [(*line, a, b) for line, a, b in zip(values, said, expected, strict=True) if a != b]


def play_identifiers(seed: int, count: int) -> None:
    """Every function on `count` values; AssertionError at the first that differs."""
    for function in FUNCTIONS:
        assert differences(function, seed, count)[:5] == [], function


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_says_what_its_reference_says(warehouse: Path, function: str) -> None:
    assert differences(function, 1, MANY)[:5] == []


def test_every_function_has_a_reference(warehouse: Path) -> None:
    there = rows("select p.oid::regprocedure::text from pg_proc p where pronamespace = 'identifier'::regnamespace")
    assert {name.removeprefix("identifier.").replace(",", ", ") for (name,) in there} == {*FUNCTIONS, *PARTS}


def test_functions_are_written_into_the_query_and_explained(warehouse: Path) -> None:
    """IMMUTABLE, safe in parallel, without a search path of their own, with a comment in both languages."""
    found = rows(
        "select p.proname, p.provolatile, p.proparallel, p.proconfig, obj_description(p.oid, 'pg_proc') from pg_proc p"
        " where pronamespace = 'identifier'::regnamespace"
    )
    for name, volatility, parallel, setting, comment in found:
        assert (volatility, parallel, setting) == ("i", "s", None), name
        assert "Source: " in comment and ". " in comment, name
    for function in FUNCTIONS:
        name, types = function.rstrip(")").split("(")
        nulls = ", ".join(f"v{n}" for n in range(types.count(",") + 1))
        columns = ", ".join(f"null::{kind} as v{n}" for n, kind in enumerate(types.split(", ")))
        plan = rows(f"explain (verbose) select identifier.{name}({nulls}) from (select {columns} offset 0) x")
        output = next(line for (line,) in plan if "Output:" in line)
        assert f"identifier.{name}(" not in output, f"{function} is called for each row"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_of_nothing_a_function_says_nothing(warehouse: Path, function: str) -> None:
    name, types = function.rstrip(")").split("(")
    nulls = ", ".join(f"null::{kind}" for kind in types.split(", "))
    assert value(f"select identifier.{name}({nulls})") is None


@pytest.mark.parametrize(
    ("on", "right"), [("2025-06-30", False), ("2025-07-01", True), ("2026-01-01", True), (None, True)]
)
def test_personal_ids_are_tax_codes_from_their_day_on(warehouse: Path, on: str | None, right: bool) -> None:
    ask = "select identifier.tax_code_is_valid(%s, %s::date)"
    assert value(ask, ("099203000111", on)) is right
    # What was a tax code before that day still is one, and what was none is none.
    assert [value(ask, (code, on)) for code in ("2300325764", "2300325764-001", "2300325765")] == [True, True, False]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("identifier.agency_code_normal('000.00.12.H05')", "H05.12"),
        ("identifier.agency_code_normal('000.34.12.H05')", "H05.12.34"),
        ("identifier.agency_code_normal('000.00.00.H49')", "H49"),
        ("identifier.procedure_code_national('3.000181.000.00.00.H22')", "3.000181"),
        ("identifier.procedure_code_national('TS_lop1.000.00.00.H22')", None),
        ("identifier.dossier_code_is_valid('000.00.12.H05-250703-0012', '2025-07-03')", True),
        ("identifier.dossier_code_is_valid('H05.12-250703-00012', '2025-07-04')", False),
        ("identifier.health_card_is_valid('TE1373700012345')", True),
        ("identifier.phone_normal('0241.3822 123')", "+842223822123"),
        ("identifier.phone_normal('0240 3 822 123')", "+842043822123"),
        ("identifier.phone_normal('0168 412 3456')", "+84384123456"),
        ("identifier.sex_word('NỮ')", "female"),
        ("identifier.personal_id_is_valid('888888888888')", False),
        ("identifier.citizen_id_is_valid('125456789')", True),
    ],
)
def test_values_that_are_known(warehouse: Path, expression: str, expected: Any) -> None:
    assert value(f"select {expression}") == expected


def test_a_view_keeps_its_function_when_functions_are_put_in_anew(empty: Path) -> None:
    from orchestration.warehouse import schema

    with connect("transform") as connection:
        connection.execute("create view staging.asks as select identifier.phone_normal('0912345678') as phone")
    rows("comment on schema release is 'older'")
    assert "functions" in schema.init()
    assert value("select phone from staging.asks") == "+84912345678"
    rows("drop view staging.asks")
