"""The values about to be published: read from one snapshot, looked over, small cells left empty.

Belongs here: reading released rows as text and as types, the rules of content, suppression. All of it works on whole columns.
Stays out: whether contracts allow it (`lineage`), files (`files`). A finding names column, rule and count, never a value.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.errors import KhoError
from orchestration.portal.model import TAX_CODE, OpenDataset

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

#: PostgreSQL type (format_type) -> how its text is written; what is not here is not published.
_TEXT = re.compile(r"text|uuid|character varying(\(\d+\))?|character(\(\d+\))?")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_AS_TEXT = {
    "date": "to_char({0}, 'YYYY-MM-DD')",
    "boolean": "{0}::text",
    "smallint": "{0}::text",
    "integer": "{0}::text",
    "bigint": "{0}::text",
    "timestamp with time zone": "to_char({0} at time zone 'Asia/Ho_Chi_Minh', 'YYYY-MM-DD\"T\"HH24:MI:SS.US') || '+07:00'",
}


# Between the digits of one number people write almost anything; the number ends where another digit follows without any of it.
_BETWEEN = r"[ .,/_()\-]*"
#: Blanks, dashes and what nobody sees (zero width, soft hyphen), each to be read as one blank.
_BLANK = r"[\s\p{Z}\p{Cc}\p{Cf}\p{Pd}\x{2212}\x{00B7}\x{2022}]"


def _number(*digits: str) -> str:
    """A number of these digits, one class or alternative of digits each, perhaps written in groups, not part of a longer run."""
    return rf"(?:^|[^0-9]){_BETWEEN.join(digits)}(?:$|[^0-9])"


def _one_of(*firsts: str) -> str:
    """How a number may begin; `firsts` are digits and classes of digits, such as `0[1-8][0-9]`."""
    return "(?:" + "|".join(_BETWEEN.join(re.findall(r"\[[^\]]*\]|[0-9]", first)) for first in firsts) + ")"


_DIGIT = "[0-9]"
# Where the birth was registered (Circular 07/2016/TT-BCA): a province, 001-096, or the country of a birth abroad, from 101.
_BIRTHPLACE = _one_of("00[1-9]", "0[1-8][0-9]", "09[0-6]", "10[1-9]", "1[1-9][0-9]", "[23][0-9][0-9]")
# National prefixes in use, and those of 11 digits that were given up in 2018 but are still found in old registers.
_MOBILE = _one_of("3[2-9]", "5[25689]", "7[06-9]", "8[1-9]", "9[0-9]", "12[0-9]", "16[2-9]", "18[68]", "199")
_NATIONAL = rf"(?:0|(?:0{_BETWEEN}0{_BETWEEN})?8{_BETWEEN}4(?:{_BETWEEN}0)?)"
_CARD_WORD = r"(?:cmnd|cmt|cccd|chứng minh|căn cước|giấy tờ tùy thân)"
_THREES = f"[0-9]{{3}}{_BETWEEN}[0-9]{{3}}{_BETWEEN}[0-9]{{3}}"
# What betrays a person, wherever it stands in a text.
_RULES = {
    # Then century and sex: 0-3 are the 20th and 21st century.
    "personal_id": (
        _number(_BIRTHPLACE, "[0-3]", *[_DIGIT] * 8),
        "số định danh cá nhân",
        "personal identification number",
    ),
    # Three groups of three may be anything: taken for a card when a word says so, or when they are the whole cell.
    "identity_card": (
        rf"(?:^|[^0-9])[0-9]{{9}}(?:$|[^0-9])|(?i:{_CARD_WORD})[^0-9]{{0,20}}{_THREES}(?:$|[^0-9])|^[^0-9\p{{L}}]*{_THREES}[^0-9\p{{L}}]*$",
        "số CMND",
        "number of an old identity card",
    ),
    "mobile_phone": (_number(_NATIONAL, _MOBILE, *[_DIGIT] * 7), "số điện thoại di động", "mobile phone number"),
    # Tax codes of individuals begin with 8; since 1 July 2025 the personal number takes their place.
    "individual_tax_code": (_number("8", *[_DIGIT] * 9), "mã số thuế cá nhân", "tax code of an individual"),
    # Groups as they are printed on the card, and no others.
    "health_card": (
        r"(?:^|[^\p{L}])[A-Za-z]{2}[ .-]?[1-5][ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?[0-9]{3}[ .-]?[0-9]{5}(?:$|[^0-9])",
        "số thẻ bảo hiểm y tế",
        "number of a health insurance card",
    ),
    "e_mail": (
        r"[A-Za-z0-9._%+-]+ ?(?:@|[(\[]at[)\]]) ?[A-Za-z0-9-]+\.[A-Za-z0-9-]",
        "địa chỉ thư điện tử",
        "e-mail address",
    ),
    # Of columns that are declared as tax codes of enterprises: what is none.
    TAX_CODE: ("", "không phải mã số thuế", "not a valid tax code"),
}
_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)


@dataclass(frozen=True, slots=True)
class Content:
    """What would be published: `texts` as written in CSV and JSON, `typed` as in Parquet, both in key order.

    `suppressed`: how many small cells were left empty, by column.
    """

    release: int
    texts: pa.Table
    typed: pa.Table
    suppressed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule of content that a column breaks, and in how many cells."""

    column: str
    rule: str
    count: int

    @property
    def vi(self) -> str:
        shape = "" if self.rule == TAX_CODE else "có dạng "
        return f"cột {self.column}: {self.count} ô {shape}{_RULES[self.rule][1]} ({self.rule})"

    @property
    def en(self) -> str:
        shape = "are" if self.rule == TAX_CODE else "look like a"
        return f"column {self.column}: {self.count} cells {shape} {_RULES[self.rule][2]} ({self.rule})"


def read(connection: psycopg.Connection, dataset: OpenDataset) -> Content | None:
    """Release number and rows, in one read-only REPEATABLE READ snapshot. None when the subject has no release with this table.

    KhoError when the release lacks a column or a column has a type or value without a published form.
    """
    from psycopg import sql

    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        row = connection.execute(
            "select max(release), to_regclass(%s) from kho.release where subject = %s",
            (f"{dataset.subject}.{dataset.table}", dataset.subject),
        ).fetchone()
        assert row is not None
        if row[0] is None or row[1] is None:
            return None
        release = int(row[0])
        types = _types(connection, dataset)
        names = [sql.Identifier(column.name) for column in dataset.columns]
        chosen = sql.SQL(", ").join(
            sql.SQL("{} as {}").format(sql.SQL(_expression(types[c.name])).format(name), name)
            for c, name in zip(dataset.columns, names, strict=True)
        )
        order = sql.SQL(", ").join(
            sql.SQL('{} collate "C"' if _TEXT.fullmatch(types[name]) else "{}").format(sql.Identifier("t", name))
            for name in dataset.key
        )
        statement = sql.SQL("copy (select {} from {} t order by {}) to stdout (format csv, header)").format(
            chosen, sql.Identifier(dataset.subject, dataset.table), order
        )
        csv = io.BytesIO()
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in copy:
                csv.write(block)
    texts = _texts(csv, dataset)
    texts, suppressed = _suppress(texts, dataset)
    return Content(release, texts, _typed(texts, types), suppressed)


def _types(connection: psycopg.Connection, dataset: OpenDataset) -> dict[str, str]:
    found: dict[str, str] = dict(
        connection.execute(
            "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
            (f"{dataset.subject}.{dataset.table}",),
        ).fetchall()
    )
    for column in dataset.columns:
        place = {"relation": f"{dataset.subject}.{dataset.table}", "column": column.name}
        if column.name not in found:
            vi = f"bản phát hành của {dataset.table} chưa có cột {column.name}"
            raise KhoError(
                "column_not_released", vi, f"the release of {dataset.table} has no column {column.name}", place
            )
        kind = found[column.name]
        if not (kind in _AS_TEXT or _TEXT.fullmatch(kind) or _NUMERIC.fullmatch(kind)):
            vi = f"cột {column.name}: kiểu {kind} không có dạng công bố"
            raise KhoError("column_type", vi, f"column {column.name}: type {kind} is not published", place)
    return found


def _expression(kind: str) -> str:
    """SQL of a column's text. Texts are NFC whatever the source sent."""
    if _TEXT.fullmatch(kind):
        return "normalize({0}::text, NFC)"
    return _AS_TEXT.get(kind, "{0}::text")


def _texts(csv: io.BytesIO, dataset: OpenDataset) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    csv.seek(0)
    return arrow_csv.read_csv(
        csv,
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={column.name: pa.string() for column in dataset.columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # COPY writes null without quotes, an empty text with
        ),
    )


def _typed(texts: pa.Table, types: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    plain: dict[str, Any] = {
        "date": pa.date32(),
        "boolean": pa.bool_(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "timestamp with time zone": pa.timestamp("us", tz="Asia/Ho_Chi_Minh"),
    }
    columns = []
    for name in texts.column_names:
        kind = types[name]
        numeric = _NUMERIC.fullmatch(kind)
        target = pa.decimal128(int(numeric[1]), int(numeric[2])) if numeric else plain.get(kind, pa.string())
        columns.append(_cast(texts[name], target, name))
    return pa.table(columns, names=texts.column_names)


def _cast(column: Any, target: Any, name: str) -> Any:
    """Arrow quotes the value it cannot read: its error goes no further."""
    import pyarrow as pa

    try:
        return column.cast(target)
    except pa.ArrowException:
        pass
    vi, en = f"cột {name}: có giá trị không có dạng công bố", f"column {name}: a value without a published form"
    raise KhoError("value_form", vi, en, {"column": name})


def _suppress(texts: pa.Table, dataset: OpenDataset) -> tuple[pa.Table, dict[str, int]]:
    """Leave the cells empty that count 1 to k-1 people."""
    import pyarrow as pa
    from pyarrow import compute

    counted: dict[str, int] = {}
    for index, column in enumerate(dataset.columns):
        if not column.counts_persons:
            continue
        assert dataset.smallest is not None
        numbers = _cast(texts[column.name], pa.int64(), column.name)
        small = compute.and_(compute.greater(numbers, 0), compute.less(numbers, dataset.smallest))
        small = compute.fill_null(small, False)
        counted[column.name] = int(compute.sum(small).as_py() or 0)
        kept = compute.if_else(small, pa.scalar(None, pa.string()), texts[column.name])
        texts = texts.set_column(index, column.name, kept)
    return texts, counted


def findings(content: Content, tax_codes: Collection[str] = ()) -> list[Finding]:
    """Cells of the text columns that betray a person. Numbers, dates and the like are looked at by type and are what they are.

    `tax_codes`: columns declared to hold tax codes of enterprises. They begin as mobile numbers do; their check digit is asked instead.
    """
    import pyarrow as pa
    from pyarrow import compute

    found: list[Finding] = []
    for name in content.texts.column_names:
        if content.typed.schema.field(name).type != pa.string():
            continue
        plain = compute.utf8_normalize(content.texts[name], form="NFKC")
        plain = compute.replace_substring_regex(plain, _BLANK, " ")
        hits = {
            rule: compute.match_substring_regex(plain, pattern) for rule, (pattern, _, _) in _RULES.items() if pattern
        }
        if name in tax_codes:
            hits[TAX_CODE] = compute.invert(_are_tax_codes(content.texts[name]))
            del hits["mobile_phone"]
        for rule, hit in hits.items():
            count = int(compute.sum(hit).as_py() or 0)
            if count:
                found.append(Finding(name, rule, count))
    return found


def _are_tax_codes(texts: Any) -> Any:
    """Whether each is a tax code: ten digits, of which the last checks the others, and perhaps a branch. Null stays null."""
    import pyarrow as pa
    from pyarrow import compute

    well = compute.match_substring_regex(texts, r"^[0-9]{10}(?:-[0-9]{3})?$")
    digits = compute.if_else(well, texts, pa.scalar("0000000000"))
    total: Any = pa.scalar(0)
    for place, weight in enumerate(_TAX_WEIGHTS):
        digit = compute.cast(compute.utf8_slice_codeunits(digits, place, place + 1), pa.int64())
        total = compute.add(total, compute.multiply(digit, weight))
    rest = compute.subtract(total, compute.multiply(compute.divide(total, 11), 11))
    last = compute.cast(compute.utf8_slice_codeunits(digits, 9, 10), pa.int64())
    return compute.and_(well, compute.equal(compute.subtract(10, rest), last))
