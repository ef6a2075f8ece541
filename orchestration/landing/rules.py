"""Contract rules as SQL: how a delivered text becomes a typed value, and what a row must satisfy.

Belongs here: one expression a column and one condition a rule, and the words in which a breach is told to the agency.
Stays out: running them (`load`). Every condition is null-safe: it yields true or false, never null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import sql

from orchestration.contracts import Column, Contract
from orchestration.contracts.model import IDENTIFIERS

Sql = sql.Composable
#: Rule that an identifier was assigned to somebody. It says nothing of the value's form: as a key, such a value is usable.
SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on one row. `broken` is SQL that is true for a row in breach; `expected` is told to the agency."""

    code: str
    column: Column
    broken: Sql
    expected: str
    vi: str
    en: str


def raw_name(column: Column) -> Sql:
    """The column as it stands in the incoming table (alias `i`)."""
    return sql.SQL("i.{}").format(sql.Identifier(column.name))


def kept_name(column: Column) -> Sql:
    """The column as Kho keeps it, in a relation of `kept` values (alias `c`)."""
    return sql.SQL("c.{}").format(sql.Identifier(column.name))


#: What a row of texts, joined by U+0001, must not show to be as Kho keeps texts without any cleaning: an empty field, a blank at an
#: end, a character that is not printable Latin. All that is left is composed (NFC), Vietnamese letters included.
_ODD = r"(^|\u0001)( |\u0001|$)| (\u0001|$)|[^\u0001 -~\u00a1-\u02ff\u1e00-\u1eff]"


def odd(columns: Sequence[Column]) -> Sql:
    """Condition on an incoming row that one of these texts may need cleaning: one look instead of several at every text."""
    if not columns:
        return sql.SQL("false")
    names = sql.SQL(", ").join(raw_name(column) for column in columns)
    return sql.SQL("concat_ws(E'\\x01', {}) ~ {}").format(names, sql.Literal(_ODD))


def kept(column: Column, is_odd: Sql | bool, *, as_text: bool) -> Sql:
    """The delivered value as Kho keeps it: NFC, no outer blanks, nothing where there is nothing; the contract's default applied.

    `is_odd`: whether the row may need the cleaning at all.
    """
    x = raw_name(column)
    if not as_text and not is_text(column):
        return x
    # Testing first costs a third of normalising everything.
    value: Sql = sql.SQL(
        "nullif(btrim(case when {x} is nfc normalized then {x} else normalize({x}, NFC) end, E' \\t\\r\\n\\u00a0'), '')"
    ).format(x=x)
    if is_odd is False:
        value = x
    elif is_odd is not True:
        value = sql.SQL("case when {} then {} else {} end").format(is_odd, value, x)
    return value if column.default is None else sql.SQL("coalesce({}, {})").format(value, sql.Literal(column.default))


def is_text(column: Column) -> bool:
    """Whether the raw column is text."""
    return column.pg_type.split("(")[0] in ("text", "varchar", "character varying")


#: For each `kho.format`: the shape a text must have, and what turns it into something PostgreSQL's input accepts.
_FORMATS: dict[str, tuple[str, str]] = {
    "yyyyMMddHHmmss": (r"^\d{14}$", "regexp_replace({v}, '^(....)(..)(..)(..)(..)(..)$', '\\1-\\2-\\3 \\4:\\5:\\6')"),
    "dd/MM/yyyy": (r"^\d{1,2}/\d{1,2}/\d{4}$", "regexp_replace({v}, '^(\\d+)/(\\d+)/(\\d+)$', '\\3-\\2-\\1')"),
    "decimal_comma": (r"^-?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$", "replace(replace({v}, '.', ''), ',', '.')"),
    "True/False": (r"^(True|False|true|false|1|0)$", "lower({v})"),
}


def _readable(column: Column, value: Sql) -> tuple[Sql, Sql | None]:
    """(text that PostgreSQL's input reads, condition on the kept text or None) of a column delivered as text."""
    if column.format is None:
        return value, None
    shape, template = _FORMATS[column.format]
    readable = sql.SQL(template).format(v=value)  # type: ignore[arg-type]
    return readable, sql.SQL("{} ~ {}").format(value, sql.Literal(shape))


def typed(column: Column, value: Sql) -> Sql:
    """The kept text as a value of the contract's type. Only for rows whose type rule holds."""
    readable, _ = _readable(column, value)
    if is_text(column):
        return readable
    return sql.SQL("({})::{}").format(readable, sql.SQL(column.pg_type))  # type: ignore[arg-type]


def rules(
    contract: Contract, *, as_text: bool, synthetic: bool, value_of: Callable[[Column], Sql] = kept_name
) -> list[Rule]:
    """Every row rule of a contract, for columns of text (`as_text`) or of the contract's own types.

    `synthetic`: whether identifiers that are assigned to nobody are taken in.
    `value_of` says how a column is called: kept values, or, where every text is known to be as Kho keeps it, delivered ones.
    """
    found: list[Rule] = []
    for column in contract.columns:
        found += _rules_of(column, as_text=as_text, value=value_of(column))
        if column.identifier is not None and not synthetic:
            found.append(_no_synthetic(column, value_of(column), IDENTIFIERS[column.identifier]))
    return found


def _no_synthetic(column: Column, value: Sql, prefixes: Sequence[str]) -> Rule:
    """The rule that an identifier is not a simulated one."""
    begins = sql.SQL(" or ").join(sql.SQL("{} ^@ {}").format(value, sql.Literal(prefix)) for prefix in prefixes)
    # Nearly every real value is below the first of them: one cheap comparison a row instead of all.
    broken = sql.SQL('{v} is not null and {v} collate "C" >= {first} and ({begins})').format(
        v=value, first=sql.Literal(min(prefixes)), begins=begins
    )
    listed = ", ".join(prefixes)
    return Rule(
        SYNTHETIC, column, broken,
        f"không bắt đầu bằng / not beginning with {listed}",
        f"{column.label_vi}: mã mô phỏng, {listed} không cấp cho ai; dữ liệu thật thì sửa tại nguồn, chạy thử thì đặt KHO_SYNTHETIC=1",
        f"{column.name}: a synthetic identifier, {listed} are assigned to nobody; correct real data at the source, set KHO_SYNTHETIC=1 for a trial",
    )  # fmt: skip


def unguarded(contract: Contract, *, as_text: bool) -> list[Column]:
    """Columns in which a value that needs cleaning might break no rule, so that it has to be looked for.

    A pattern or a code list of plain text notices it, and so does the input of every type but text and jsonb, which
    refuses it or reads it as the same value.
    """
    return [
        c
        for c in contract.columns
        if (is_text(c) and c.allowed is None and not (c.pattern and _implies_plain(c.pattern)))
        or (as_text and c.pg_type == "jsonb")
    ]


def uncanonical(contract: Contract) -> list[Sql]:
    """Conditions, for an incoming table of the contract's types, that a text is not yet as Kho keeps texts.

    Not a breach: such a delivery merely takes the way on which texts are normalised.
    """
    columns = unguarded(contract, as_text=False)
    differs = [
        sql.SQL(
            "{x} is not null and ({x} = '' or not {x} is nfc normalized or {x} <> btrim({x}, E' \\t\\r\\n\\u00a0'))"
        ).format(x=raw_name(column))
        for column in columns
    ]
    return [sql.SQL("{} and ({})").format(odd(columns), sql.SQL(" or ").join(differs))] if columns else []


#: ASCII letters, digits and a few marks, in ranges, groups and repetitions: no dot, no alternative, no class that takes in more.
_PLAIN = re.compile(r"\^(?:[A-Za-z0-9_/@:;,(){}?+*-]|\[(?!\^)[A-Za-z0-9_./-]+\]|\\[d.])*\$")


def _implies_plain(pattern: str) -> bool:
    """Whether all that the pattern matches is text as Kho keeps it: composed, without outer blanks, not empty."""
    return _PLAIN.fullmatch(pattern) is not None and re.search(pattern, "") is None


def _rules_of(column: Column, *, as_text: bool, value: Sql) -> list[Rule]:
    label = column.label_vi
    found = []
    if column.required:
        found.append(
            Rule(
                "required",
                column,
                sql.SQL("{} is null").format(value),
                "có giá trị / a value",
                f"{label}: thiếu giá trị",
                f"{column.name}: value missing",
            )
        )
    number: Sql = value
    if as_text and not is_text(column):
        readable, shape = _readable(column, value)
        valid = sql.SQL("pg_input_is_valid({}, {})").format(readable, sql.Literal(column.pg_type))
        broken = sql.SQL("{} is not null and not {}").format(value, valid)
        if shape is not None:
            broken = sql.SQL("{v} is not null and not (case when {s} then {ok} else false end)").format(
                v=value, s=shape, ok=valid
            )
        expected = column.format or column.pg_type
        found.append(
            Rule(
                "type",
                column,
                broken,
                expected,
                f"{label}: không đúng kiểu {expected}",
                f"{column.name}: not of type {expected}",
            )
        )
        number = sql.SQL("case when {} then null else {} end").format(broken, typed(column, value))
    text: Sql = value if is_text(column) else sql.SQL("{}::text").format(number)
    if column.pattern is not None:
        found.append(
            Rule(
                "pattern", column, sql.SQL("{v} is not null and not {v} ~ {p}").format(v=text, p=sql.Literal(column.pattern)),
                column.pattern, f"{label}: không đúng mẫu {column.pattern}", f"{column.name}: does not match {column.pattern}",
            )
        )  # fmt: skip
    if column.allowed is not None:
        choice = ", ".join(column.allowed)
        found.append(
            Rule(
                "allowed", column, sql.SQL("{v} is not null and not {v} = any ({a})").format(v=text, a=sql.Literal(list(column.allowed))),
                choice, f"{label}: ngoài danh mục {choice}", f"{column.name}: not one of {choice}",
            )
        )  # fmt: skip
    for code, limit, operator, vi, en in (
        ("minimum", column.minimum, "<", "nhỏ hơn", "less than"),
        ("maximum", column.maximum, ">", "lớn hơn", "greater than"),
    ):
        if limit is not None:
            broken = sql.SQL("coalesce({} " + operator + " {}, false)").format(number, sql.Literal(limit))
            found.append(
                Rule(code, column, broken, str(limit), f"{label}: {vi} {limit}", f"{column.name}: {en} {limit}")
            )
    for code, length, operator, vi, en in (
        ("min_length", column.min_length, "<", "ngắn hơn", "shorter than"),
        ("max_length", column.max_length, ">", "dài hơn", "longer than"),
    ):
        if length is not None:
            broken = sql.SQL("coalesce(length({}) " + operator + " {}, false)").format(text, sql.Literal(length))
            found.append(
                Rule(
                    code,
                    column,
                    broken,
                    str(length),
                    f"{label}: {vi} {length} ký tự",
                    f"{column.name}: {en} {length} characters",
                )
            )
    return found
