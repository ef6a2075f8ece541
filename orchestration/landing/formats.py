"""From the text an agency delivers to the value Kho keeps: cleaning, words for nothing, and what PostgreSQL's input reads.

Belongs here: expressions on one column. Stays out: what a row must satisfy (`rules`, `checks`), running them (`load`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from psycopg import sql

from orchestration.contracts import Column, Contract

Sql = sql.Composable

#: What Unicode calls white space, as `str.split` knows it.
_SPACE = r"[\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_BLANKS = sql.SQL("E' \\t\\r\\n\\u00a0'")


def raw_name(column: Column) -> Sql:
    """The column as it stands in the incoming table (alias `i`)."""
    return sql.SQL("i.{}").format(sql.Identifier(column.name))


def kept_name(column: Column) -> Sql:
    """The column as Kho keeps it, in a relation of `kept` values (alias `c`)."""
    return sql.SQL("c.{}").format(sql.Identifier(column.name))


def is_text(column: Column) -> bool:
    """Whether the raw column is text."""
    return column.pg_type.split("(")[0] in ("text", "varchar", "character varying")


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
    """The delivered value as Kho keeps it: NFC, no outer blanks, nothing where there is nothing or a word for it; then the default.

    `is_odd`: whether the row may need the cleaning at all.
    """
    x = raw_name(column)
    if not as_text and not is_text(column):
        return x
    # Testing first costs a third of normalising everything.
    value: Sql = sql.SQL(
        "nullif(btrim(case when {x} is nfc normalized then {x} else normalize({x}, NFC) end, {blanks}), '')"
    ).format(x=x, blanks=_BLANKS)
    if is_odd is False:
        value = x
    elif is_odd is not True:
        value = sql.SQL("case when {} then {} else {} end").format(is_odd, value, x)
    if as_text and "" in _words(column):  # an empty cell is one of the two words
        value = sql.SQL("coalesce({}, '')").format(value)
    if column.missing:
        value = sql.SQL("case when {v} ~ {words} then null else {v} end").format(v=value, words=one_of(column.missing))
    return value if column.default is None else sql.SQL("coalesce({}, {})").format(value, sql.Literal(column.default))


def one_of(words: Sequence[str]) -> Sql:
    """Regular expression for texts that are one of the words, but for case and the amount of white space between their parts.

    Letters in both cases are spelt out: what `lower` makes of Ô depends on the database's locale.
    """
    choices = "|".join(
        f"{_SPACE}+".join("".join(_either_case(c) for c in part) for part in word.split()) for word in words
    )
    return sql.Literal(f"^(?:{choices})$")


def _either_case(letter: str) -> str:
    cases = sorted({c for c in (letter, letter.lower(), letter.upper()) if len(c) == 1})
    return f"[{''.join(cases)}]" if len(cases) > 1 else re.sub(r"([^\w\s])", r"\\\1", letter)


def _words(column: Column) -> tuple[str, ...]:
    """The words for true and false of a boolean's format of its own."""
    if column.format is None or column.format in _FORMATS or column.pg_type != "boolean":
        return ()
    return tuple(" ".join(word.split()) for word in column.format.split("/", 1))


_ISO_DAY = "regexp_replace({v}, '^([0-9]+)/([0-9]+)/([0-9]+)', '\\3-\\2-\\1')"
_DAY = "[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}"
_TIME = "(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
#: For each `kho.format`: the shape a text must have, and what turns it into something PostgreSQL's input accepts.
#: Digits are [0-9]: under some collations \d takes in those of other scripts.
_FORMATS: dict[str, tuple[str, str]] = {
    "yyyyMMddHHmmss": (
        "^[0-9]{14}$",
        "regexp_replace({v}, '^(....)(..)(..)(..)(..)(..)$', '\\1-\\2-\\3 \\4:\\5:\\6')",
    ),
    "yyyyMMddHHmm": (
        "^[0-9]{8}(?:[01][0-9]|2[0-3])[0-5][0-9]$",
        "regexp_replace({v}, '^(....)(..)(..)(..)(..)$', '\\1-\\2-\\3 \\4:\\5')",
    ),
    "yyyyMMdd": ("^[0-9]{8}$", "regexp_replace({v}, '^(....)(..)(..)$', '\\1-\\2-\\3')"),
    "dd/MM/yyyy": (f"^{_DAY}$", _ISO_DAY),
    "dd/MM/yyyy HH:mm": (f"^{_DAY} +{_TIME}$", _ISO_DAY),
    "dd/MM/yyyy HH:mm:ss": (f"^{_DAY} +{_TIME}:[0-5][0-9]$", _ISO_DAY),
    "MM/yyyy": ("^(?:0?[1-9]|1[0-2])/[0-9]{4}$", "regexp_replace({v}, '^([0-9]+)/([0-9]+)$', '\\2-\\1-01')"),
    "decimal_comma": (
        r"^-?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?$",
        "replace(replace({v}, '.', ''), ',', '.')",
    ),
    "True/False": (r"^(True|False|true|false|1|0)$", "lower({v})"),
}
_YEAR_FIRST = "left(split_part({v}, '/', 3), 4) || '-' || split_part({v}, '/', 2) || '-' || split_part({v}, '/', 1)"
_TIME_AFTER = " || substr(split_part({v}, '/', 3), 5)"
_DIGITS_DAY = "substr({v}, 1, 4) || '-' || substr({v}, 5, 2) || '-' || substr({v}, 7, 2)"
_DIGITS_MINUTE = _DIGITS_DAY + " || ' ' || substr({v}, 9, 2) || ':' || substr({v}, 11, 2)"
#: The same texts, for values that have the shape, in a fifth of the time that regexp_replace takes.
_CUT = {
    "yyyyMMddHHmmss": _DIGITS_MINUTE + " || ':' || substr({v}, 13, 2)",
    "yyyyMMddHHmm": _DIGITS_MINUTE,
    "yyyyMMdd": _DIGITS_DAY,
    "dd/MM/yyyy": _YEAR_FIRST,
    "dd/MM/yyyy HH:mm": _YEAR_FIRST + _TIME_AFTER,
    "dd/MM/yyyy HH:mm:ss": _YEAR_FIRST + _TIME_AFTER,
    "MM/yyyy": "split_part({v}, '/', 2) || '-' || split_part({v}, '/', 1) || '-01'",
}
#: A day of which parts may be unknown: yyyy, MM/yyyy, 00/MM/yyyy, 00/00/yyyy.
_PARTIAL = "^(?:00/00/|(?:00/)?(?:0?[1-9]|1[0-2])/)?(?!0000)[0-9]{4}$"


def readable(column: Column, value: Sql) -> tuple[Sql, Sql | None]:
    """(text that PostgreSQL's input reads, condition on the kept text or None) of a column delivered as text."""
    if column.format is None or column.format == "partial_date":
        return value, None
    words = _words(column)
    if words:
        yes, no = (one_of([word]) for word in words)
        spelt = sql.SQL("case when {v} ~ {yes} then 'true' when {v} ~ {no} then 'false' end").format(
            v=value, yes=yes, no=no
        )
        return spelt, sql.SQL("({v} ~ {yes} or {v} ~ {no})").format(v=value, yes=yes, no=no)
    shape, template = _FORMATS[column.format]
    # A text column keeps what has not the shape as it is; words for nothing make naming the value often too dear.
    if not is_text(column) and not column.missing:
        template = _CUT.get(column.format, template)
    return sql.SQL(template).format(v=value), sql.SQL("{} ~ {}").format(value, sql.Literal(shape))  # type: ignore[arg-type]


def is_partial_date(value: Sql) -> Sql:
    """Condition that a text is a day of the calendar, or one of which parts are unknown; null for null."""
    day = sql.SQL(_ISO_DAY).format(v=value)
    return sql.SQL(
        "case when {v} ~ {partial} then true when {v} ~ {whole} then pg_input_is_valid({day}, 'date') else {v} is null and null end"
    ).format(v=value, partial=sql.Literal(_PARTIAL), whole=sql.Literal(f"^{_DAY}$"), day=day)


def is_readable(column: Column, value: Sql) -> Sql | None:
    """Condition that a kept text is of the column's type and format, null for null; None where every text is."""
    if is_text(column):
        return is_partial_date(value) if column.format == "partial_date" else None
    text, shape = readable(column, value)
    valid = sql.SQL("pg_input_is_valid({}, {})").format(text, sql.Literal(column.pg_type))
    return valid if shape is None else sql.SQL("case when {s} then {ok} else false end").format(s=shape, ok=valid)


def typed(column: Column, value: Sql) -> Sql:
    """The kept text as a value of the contract's type. Only for rows whose type rule holds."""
    text, _ = readable(column, value)
    if is_text(column):
        return text
    return sql.SQL("({})::{}").format(text, sql.SQL(column.pg_type))  # type: ignore[arg-type]


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
        sql.SQL("{x} is not null and ({x} = '' or not {x} is nfc normalized or {x} <> btrim({x}, {blanks}))").format(
            x=raw_name(column), blanks=_BLANKS
        )
        for column in columns
    ]
    return [sql.SQL("{} and ({})").format(odd(columns), sql.SQL(" or ").join(differs))] if columns else []


#: ASCII letters, digits and a few marks, in ranges, groups and repetitions: no dot, no alternative, no class that takes in more.
_PLAIN = re.compile(r"\^(?:[A-Za-z0-9_/@:;,(){}?+*-]|\[(?!\^)[A-Za-z0-9_./-]+\]|\\[d.])*\$")


def _implies_plain(pattern: str) -> bool:
    """Whether all that the pattern matches is text as Kho keeps it: composed, without outer blanks, not empty."""
    return _PLAIN.fullmatch(pattern) is not None and re.search(pattern, "") is None
