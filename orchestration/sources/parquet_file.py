"""Parquet files: columns by their names, values as PostgreSQL reads them.

Purpose: row groups into text for COPY, in bounded memory. Belongs here: Arrow types to text. Stays out: any judgement on a value.

A moment with a zone is handed on with it, unless the column's format or type has none: then it is the time in Viet Nam. Lists and structures are
JSON, bytes are PostgreSQL's hexadecimal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from orchestration.contracts.model import SOURCE_TIME_ZONE, Column, Contract
from orchestration.errors import KhoError
from orchestration.sources.cell_text import decoded_texts, moments, trimmed, truths
from orchestration.sources.csv_columns import written
from orchestration.sources.delivery import copy_columns, match_headers

ROWS = 16_384  # read and written at a time


def parse_parquet(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, names of others; CSV text). `_row`: the row of the file, from 1.

    KhoError `schema_drift` and `file_format` at once; `file_format` also while reading, for a file that is broken further on.
    """
    file = _opened(stream, name)
    columns, extra = match_headers(contract, file.schema_arrow.names, name)
    order = [(columns.index(c.name) if c.name in columns else None, c) for c in contract.columns]
    rest: list[tuple[int | None, Column | None]] = [(n, None) for n, column in enumerate(columns) if column is None]
    return copy_columns(contract, extra), _rows(file, [*order, *rest], name)


def headers_parquet(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of each column of the file (None: of none), and the names that are not the contract's."""
    return match_headers(contract, _opened(stream, name).schema_arrow.names, name)


def _opened(stream: BinaryIO, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream.seek(0)
    file = None
    try:
        file = pq.ParquetFile(stream, memory_map=False, pre_buffer=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        file = None
    if file is None:
        raise _broken(name)
    return file


def _broken(name: str) -> KhoError:
    return KhoError(
        "file_format",
        f"{name}: tệp Parquet hỏng hoặc không phải Parquet",
        f"{name}: the Parquet file is broken, or is none",
        {"file": name},
    )


def _rows(file: Any, order: list[tuple[int | None, Column | None]], name: str) -> Iterator[bytes]:
    import numpy as np
    import pyarrow as pa

    number, broken = 1, False
    batches = file.iter_batches(batch_size=ROWS, use_threads=False)
    while True:
        columns: list[Any] = []
        try:
            batch = next(batches, None)
            if batch is None:
                return
            columns.append(pa.array(np.arange(number, number + batch.num_rows)))
            for position, column in order:
                texts = (
                    pa.nulls(batch.num_rows, pa.string()) if position is None else _text(batch.column(position), column)
                )
                columns.append(texts)
            number += batch.num_rows
        except (pa.ArrowException, OSError, UnicodeDecodeError):  # text need not be text: Arrow does not look
            broken = True
        if broken:
            raise _broken(name)
        yield written(columns)


def _text(values: Any, column: Column | None) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        texts = values.cast(pa.string())
        if column and column.charset not in (None, "utf-8"):
            texts = decoded_texts(texts, str(column.charset))
        return trimmed(texts)
    if pa.types.is_boolean(kind):
        return trimmed(truths(values, column))
    if pa.types.is_timestamp(kind):
        return _moment(values, column)
    if pa.types.is_date(kind):
        return moments(values.cast(pa.date32()).cast(pa.string()), column)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        if pa.types.is_float16(kind):
            values = values.cast(pa.float32())
        texts = pc.replace_substring_regex(values.cast(pa.string()), r"\.0$", "")
        return pc.replace_substring(texts, ".", ",") if column and column.format == "decimal_comma" else texts
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([None if value is None else "\\x" + value.hex() for value in values.to_pylist()], pa.string())
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else _json(value) for value in values.to_pylist()], pa.string())
    if pa.types.is_integer(kind) or pa.types.is_time(kind) or pa.types.is_null(kind):
        return values.cast(pa.string())
    return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())


def _moment(values: Any, column: Column | None) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = values.type.tz
    wants_zone = column is None or (column.format is None and column.pg_type in ("timestamptz", "text"))
    if zone and not wants_zone:
        values = pc.local_timestamp(values.cast(pa.timestamp(values.type.unit, SOURCE_TIME_ZONE)))
        zone = None
    elif zone:
        values = pc.local_timestamp(values.cast(pa.timestamp(values.type.unit, "UTC")))
    texts = pc.replace_substring_regex(values.cast(pa.string()), r"\.0+$", "")
    return pc.binary_join_element_wise(texts, "+00:00", "") if zone else moments(texts, column)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
