"""The values about to be published: read from one snapshot, looked over, small cells left empty.

Belongs here: reading released rows as text and as types, the rules of content, suppression. All of it works on whole columns.
Stays out: whether contracts allow it (`lineage`), files (`files`). A finding names column, rule and count, never a value.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.errors import KhoError
from orchestration.portal.model import OpenDataset

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


def _alone(digits: str) -> str:
    return rf"(?:^|[^0-9])(?:{digits})(?:$|[^0-9])"


# What betrays a person, wherever it stands in a text: a run of exactly these digits, also when written in groups.
_PROVINCE = r"0(?:0[1-9]|[1-8][0-9]|9[0-6])"
_MOBILE = r"(?:0|84|0084)(?:[35789][0-9]{8}|1[2689][0-9]{8})"
_RULES = {
    # Province of birth registration (001-096, Circular 07/2016/TT-BCA), then century and sex (20th and 21st).
    "personal_id": (_alone(_PROVINCE + r"[0-3][0-9]{8}"), "số định danh cá nhân", "personal identification number"),
    "identity_card": (_alone(r"[0-9]{9}"), "số CMND", "number of an old identity card"),
    "mobile_phone": (_alone(_MOBILE), "số điện thoại di động", "mobile phone number"),
    # Tax codes of individuals begin with 8; since 1 July 2025 the personal number takes their place.
    "individual_tax_code": (_alone(r"8[0-9]{9}"), "mã số thuế cá nhân", "tax code of an individual"),
    "health_card": (
        r"[A-Za-z]{2}[ .\-]?[1-5][0-9]{12}(?:$|[^0-9])",
        "số thẻ bảo hiểm y tế",
        "number of a health insurance card",
    ),
    "e_mail": (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9-]", "địa chỉ thư điện tử", "e-mail address"),
}


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
        return f"cột {self.column}: {self.count} ô có dạng {_RULES[self.rule][1]} ({self.rule})"

    @property
    def en(self) -> str:
        return f"column {self.column}: {self.count} cells look like a {_RULES[self.rule][2]} ({self.rule})"


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


def findings(content: Content) -> list[Finding]:
    """Cells of the text columns that betray a person. Numbers, dates and the like are looked at by type and are what they are."""
    import pyarrow as pa
    from pyarrow import compute

    found: list[Finding] = []
    for name in content.texts.column_names:
        if content.typed.schema.field(name).type != pa.string():
            continue
        plain = compute.utf8_normalize(content.texts[name], form="NFKC")
        grouped = compute.replace_substring_regex(plain, r"([0-9])[ .()\-]+", r"\1")
        for rule, (pattern, _, _) in _RULES.items():
            hit = None
            for column in (plain, grouped):
                matched = compute.match_substring_regex(column, pattern)
                hit = matched if hit is None else compute.or_(hit, matched)
            count = int(compute.sum(hit).as_py() or 0)
            if count:
                found.append(Finding(name, rule, count))
    return found
