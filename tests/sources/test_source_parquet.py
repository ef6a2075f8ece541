"""Parquet: every type as PostgreSQL reads it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.sources.parquet_file import headers_parquet, parse_parquet
from tests.sources.contracts_of import contract_of


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def read(contract: Contract, content: bytes) -> list[dict[str, str]]:
    columns, stream = parse_parquet(contract, io.BytesIO(content), "a.parquet")
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text, newline=""))]


NOON = dt.datetime(2025, 9, 5, 23, 30, 15, 250_000, tzinfo=dt.UTC)
CASES: list[tuple[pa.Array, dict[str, Any], str]] = [
    (pa.array(["  Hà "]), {}, "Hà"),
    (pa.array(["B¾c Ninh"]), {"charset": "tcvn3"}, "Bắc Ninh"),
    (pa.array(["a"]).dictionary_encode(), {}, "a"),
    (pa.array([2**63 - 1]), {"pg_type": "bigint"}, "9223372036854775807"),
    (pa.array([1995.0]), {"pg_type": "integer"}, "1995"),
    (pa.array([0.1]), {"pg_type": "numeric", "format": "decimal_comma"}, "0,1"),
    (pa.array([Decimal("-1234567.800")]), {"pg_type": "numeric"}, "-1234567.800"),
    (pa.array([True]), {"pg_type": "boolean"}, "true"),
    (pa.array([False]), {"pg_type": "boolean", "format": "x/"}, ""),
    (pa.array([dt.date(2025, 9, 5)]), {"pg_type": "date"}, "2025-09-05"),
    (pa.array([dt.date(2025, 9, 5)]), {"pg_type": "date", "format": "dd/MM/yyyy"}, "05/09/2025"),
    (pa.array([NOON], pa.timestamp("us", "UTC")), {"pg_type": "timestamptz"}, "2025-09-05 23:30:15.250000+00:00"),
    (
        pa.array([NOON], pa.timestamp("us", "Europe/Paris")),
        {"pg_type": "timestamptz"},
        "2025-09-05 23:30:15.250000+00:00",
    ),
    (
        pa.array([NOON], pa.timestamp("ms", "UTC")),
        {"pg_type": "timestamptz", "format": "dd/MM/yyyy HH:mm"},
        "06/09/2025 06:30",
    ),
    (pa.array([NOON], pa.timestamp("ms", "UTC")), {"pg_type": "date"}, "2025-09-06"),
    (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")), {"pg_type": "timestamp"}, "2025-09-05 23:30:15"),
    (pa.array([[1, None]]), {"pg_type": "jsonb"}, "[1,null]"),
    (pa.array([{"a": "đ"}]), {"pg_type": "jsonb"}, '{"a":"đ"}'),
    (pa.array([b"\0\xff"]), {}, "\\x00ff"),
    (pa.array([dt.time(7, 30)], pa.time64("us")), {}, "07:30:00.000000"),
    (pa.nulls(1), {}, ""),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_types(case: int) -> None:
    values, special, expected = CASES[case]
    contract = contract_of([("key", "MA", {}), ("value", "GiaTri", special)])
    (row,) = read(contract, written(pa.table({"ma": ["1"], "giatri": values})))
    assert row == {"_row": "1", "key": "1", "value": expected}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["C", "Z"]), max_size=9), st.none() | st.floats(allow_nan=False)
        )
    )
)
def test_what_was_written_is_read(rows: list[tuple[str, float | None]]) -> None:
    table = pa.table(
        {"MA": pa.array([a for a, _ in rows], pa.string()), "SO": pa.array([b for _, b in rows], pa.float64())}
    )
    contract = contract_of([("number", "SO", {"pg_type": "double precision"}), ("key", "MA", {})])
    found = read(contract, written(table, row_group_size=3))
    assert [(row["key"], float(row["number"]) if row["number"] else None) for row in found] == rows
    assert [row["_row"] for row in found] == [str(n) for n in range(1, len(rows) + 1)]


def test_local_time_is_viet_nam() -> None:
    assert NOON.astimezone(ZoneInfo("Asia/Ho_Chi_Minh")).strftime("%d/%m/%Y %H:%M") == "06/09/2025 06:30"


def test_more_fewer_and_twice() -> None:
    contract = contract_of([("key", "MA", {}), ("gone", "MAT", {"optional": True})])
    content = written(pa.table({"THEM": ["x"], "Ma": ["1"]}))
    assert read(contract, content) == [{"_row": "1", "key": "1", "gone": "", "THEM": "x"}]
    assert headers_parquet(contract, io.BytesIO(content), "a") == ((None, "key"), ("THEM",))
    for names in (["THEM"], ["MA", "ma"]):
        with pytest.raises(KhoError) as refused:
            read(contract, written(pa.table([["1"]] * len(names), names)))
        assert refused.value.code == "schema_drift"


def test_what_is_broken() -> None:
    content = written(pa.table({"MA": [str(n) * 20 for n in range(50_000)]}), row_group_size=10_000, compression="none")
    damaged = bytearray(content)
    damaged[len(content) // 2 : len(content) // 2 + 4000] = b"\xff" * 4000
    for broken in (b"", b"hello", content[:-100], content[: len(content) // 2], bytes(damaged)):
        with pytest.raises(KhoError) as refused:
            read(contract_of([("key", "MA", {})]), broken)
        assert refused.value.code == "file_format"
        assert refused.value.__context__ is None


def test_text_that_is_none_is_told_without_it() -> None:
    bad = pa.array([b"T\xea\xa0"], pa.binary()).view(pa.string())
    for special in ({}, {"charset": "tcvn3"}):
        with pytest.raises(KhoError) as refused:
            read(contract_of([("a", "A", special)]), written(pa.table({"A": bad})))
        assert refused.value.code == "file_format" and refused.value.__context__ is None
