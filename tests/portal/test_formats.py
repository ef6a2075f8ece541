"""CSV, JSON and Parquet hold the same rows, whatever is in the cells."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pandas
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from orchestration.portal.files import csv_bytes, json_bytes, parquet_bytes

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "code": st.text("ab19", min_size=1, max_size=3),
            "text": st.none() | st.text(st.sampled_from("aặ \",;\r\n\t\\'=\x01…😀"), max_size=6),
            "count": st.none() | st.integers(-(2**31), 2**31 - 1),
            "area": st.none() | st.decimals(Decimal("-999999.99"), Decimal("999999.99"), places=2),
            "day": st.none() | st.dates(date(1, 1, 1)),
            "is_active": st.none() | st.booleans(),
        }
    ),
    max_size=6,
)
TYPES = {
    "code": pa.string(), "text": pa.string(), "count": pa.int32(), "area": pa.decimal128(8, 2), "day": pa.date32(), "is_active": pa.bool_(),
}  # fmt: skip


def written(value: Any) -> str | None:
    """The text of a cell as PostgreSQL writes it."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def tables(rows: list[dict[str, Any]]) -> tuple[pa.Table, pa.Table]:
    texts = pa.table({name: pa.array([written(row[name]) for row in rows], pa.string()) for name in TYPES})
    typed = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in TYPES.items()})
    return texts, typed


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_every_format_gives_the_rows_back(rows: list[dict[str, Any]]) -> None:
    texts, typed = tables(rows)
    from_parquet = parquet.read_table(io.BytesIO(parquet_bytes(typed)))
    assert from_parquet.to_pylist() == rows
    assert from_parquet.schema.equals(typed.schema)
    from_json = json.loads(json_bytes(texts, typed), parse_float=Decimal)
    plain = [{name: v.isoformat() if isinstance(v, date) else v for name, v in row.items()} for row in rows]
    assert from_json == plain
    text = csv_bytes(texts).decode()
    header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == list(TYPES)
    assert lines == [[written(row[name]) or "" for name in TYPES] for row in rows]


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_pandas_reads_the_same_from_all_three(rows: list[dict[str, Any]]) -> None:
    """As somebody who takes the data does; an empty text and nothing differ in CSV by quotes only, which pandas does not see."""
    texts, typed = tables([row | {"text": row["text"] or None} for row in rows])
    frames = [
        pandas.read_csv(io.BytesIO(csv_bytes(texts)), dtype=object, keep_default_na=False, na_values=[""]),
        pandas.DataFrame(json.loads(json_bytes(texts, typed), parse_float=Decimal), columns=list(TYPES), dtype=object),
        pandas.read_parquet(io.BytesIO(parquet_bytes(typed))).astype(object),
    ]
    images = [
        [[None if pandas.isna(cell) else str(cell).lower() for cell in row] for row in frame.to_numpy().tolist()]
        for frame in frames
    ]
    if rows and all(row["count"] is not None for row in rows):  # pandas turns integers with gaps into floats
        assert images[0] == images[1] == images[2]
    else:
        count = list(TYPES).index("count")
        assert [[r[:count] + r[count + 1 :] for r in image] for image in images].count(
            [r[:count] + r[count + 1 :] for r in images[0]]
        ) == 3


def test_lines_end_as_rfc_4180_says_and_an_empty_text_is_not_nothing() -> None:
    texts = pa.table({"a": ["1", "2"], "b": pa.array(["", None], pa.string())})
    assert csv_bytes(texts) == b'a,b\r\n1,""\r\n2,\r\n'
