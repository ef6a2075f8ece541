"""Contract rules as SQL: what a row must satisfy, and the words in which a breach is told to the agency.

Belongs here: one condition a rule. Every condition is null-safe: it yields true or false, never null. Stays out: how a text
becomes a value (`formats`), rules that look beyond it (`checks`), running them (`load`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date

from psycopg import sql

from orchestration.contracts import Column, Contract
from orchestration.contracts.model import UNASSIGNED
from orchestration.landing import checks, formats
from orchestration.landing.checks import KEY_STANDS, SYNTHETIC, Given, Rule, ready_references
from orchestration.landing.formats import (
    is_readable,
    is_text,
    kept,
    kept_name,
    odd,
    raw_name,
    typed,
    uncanonical,
    unguarded,
)

Sql = sql.Composable
__all__ = [
    "KEY_STANDS", "SYNTHETIC", "Rule", "is_readable", "is_text", "kept", "kept_name", "odd", "raw_name", "ready_references", "rules", "typed", "uncanonical",
    "unguarded",
]  # fmt: skip


def rules(
    contract: Contract,
    *,
    as_text: bool,
    synthetic: bool,
    value_of: Callable[[Column], Sql] = kept_name,
    as_of: date | None = None,
    ready: Collection[str] = (),
    unchecked: list[str] | None = None,
    sure: bool = False,
    parts: Collection[str] = (),
) -> list[Rule]:
    """Every row rule of a contract, for columns of text (`as_text`) or of the contract's own types.

    `synthetic`: whether identifiers that are assigned to nobody are taken in.
    `value_of` says how a column is called: kept values, or, where every text is known to be as Kho keeps it, delivered ones.
    `as_of`: day of the delivery, without which codes cannot be checked (ValueError). `ready`: references that can be looked
    up (`ready_references`); the others are told in `unchecked`, a sentence in both languages each. `sure`: all conditions but
    those of the code `type` are asked only of rows that meet these. `parts`: values of the partition column that the files'
    names tell, and no row may have another.
    """
    given = Given(contract, value_of, as_text, as_of, ready, [] if unchecked is None else unchecked, sure)
    found: list[Rule] = []
    for column in contract.columns:
        found += _rules_of(column, given)
        if column.identifier in UNASSIGNED and not synthetic:
            found.append(checks.synthetic_rule(column, value_of(column)))
    if contract.partition is not None and parts:
        found.append(checks.part_rule(contract.column(contract.partition), given, parts))
    return found


def _rules_of(column: Column, given: Given) -> list[Rule]:
    label, name, value = column.label_vi, column.name, given.value_of(column)
    note = column.on_breach == "note"
    found = []
    if column.required:
        broken: Sql = sql.SQL("{} is null").format(value)
        found.append(
            Rule(
                "required", column, broken, "có giá trị / a value", f"{label}: thiếu giá trị", f"{name}: value missing"
            )
        )
    number: Sql = value
    readable = formats.is_readable(column, value) if given.as_text or is_text(column) else None
    if readable is not None:
        broken = sql.SQL("{} is not null and not {}").format(value, readable)
        expected = column.format or column.pg_type
        found.append(
            Rule("type", column, broken, expected, f"{label}: không đúng kiểu {expected}", f"{name}: not of type {expected}")
        )  # fmt: skip
        if not is_text(column):
            number = typed(column, value)
            if not given.sure:
                number = sql.SQL("case when {} then null else {} end").format(broken, number)
    text: Sql = value if is_text(column) else sql.SQL("{}::text").format(number)
    if column.pattern is not None:
        broken = sql.SQL("{v} is not null and not {v} ~ {p}").format(v=text, p=sql.Literal(column.pattern))
        found.append(
            Rule("pattern", column, broken, column.pattern, f"{label}: không đúng mẫu {column.pattern}", f"{name}: does not match {column.pattern}", note)
        )  # fmt: skip
    if column.allowed is not None:
        choice = ", ".join(column.allowed)
        broken = sql.SQL("{v} is not null and not {v} = any ({a})").format(v=text, a=sql.Literal(list(column.allowed)))
        found.append(
            Rule("allowed", column, broken, choice, f"{label}: ngoài danh mục {choice}", f"{name}: not one of {choice}", note)
        )  # fmt: skip
    found += _limits(column, number, text, note)
    if column.identifier is not None:
        found += checks.identifier_rules(column, given)
    if column.code_list is not None:
        found.append(checks.code_list_rule(column, given, text))
    if column.references is not None:
        reference = checks.reference_rule(column, given, number)
        found += [reference] if reference is not None else []
    return found


def _limits(column: Column, number: Sql, text: Sql, note: bool) -> list[Rule]:
    """Rules of a range of numbers, and of the length of a text."""
    label, name, found = column.label_vi, column.name, []
    for code, limit, operator, vi, en in (
        ("minimum", column.minimum, "<", "nhỏ hơn", "less than"),
        ("maximum", column.maximum, ">", "lớn hơn", "greater than"),
    ):
        if limit is not None:
            broken = sql.SQL("coalesce({} " + operator + " {}, false)").format(number, sql.Literal(limit))
            found.append(
                Rule(code, column, broken, str(limit), f"{label}: {vi} {limit}", f"{name}: {en} {limit}", note)
            )
    for code, length, operator, vi, en in (
        ("min_length", column.min_length, "<", "ngắn hơn", "shorter than"),
        ("max_length", column.max_length, ">", "dài hơn", "longer than"),
    ):
        if length is not None:
            broken = sql.SQL("coalesce(length({}) " + operator + " {}, false)").format(text, sql.Literal(length))
            found.append(
                Rule(code, column, broken, str(length), f"{label}: {vi} {length} ký tự", f"{name}: {en} {length} characters", note)
            )  # fmt: skip
    return found
