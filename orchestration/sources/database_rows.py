"""Rows of a database's driver as CSV text for COPY: NULL empty, text in quotes, a character 0 as U+FFFD.

Purpose: the loops over rows, a column at a time. Belongs here: batches, texts of values, legacy text. Stays out: statements and
makes of databases (`database_dialects`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestration.contracts.model import Column
from orchestration.errors import KhoError
from orchestration.sources.charsets import decode_column

BATCH = 2048  # rows taken from the driver at a time where columns are worked on

_NUL, _SHOWN = b"\0", "\ufffd".encode()  # PostgreSQL has no character 0

Values = Sequence[Any]
Work = Callable[[Values], Sequence[bytes]]  # values of a column -> CSV text of each
Made = Callable[[Any], Iterator[bytes]]  # a cursor with rows -> CSV


def by_line(cursor: Any) -> Iterator[bytes]:
    """Rows of one value, which is the line."""
    while (row := cursor.fetchone()) is not None:
        if row[0] is None:
            raise _too_long()
        yield _without_nul(row[0]) + b"\n"


def by_pieces(cursor: Any, works: Sequence[Work | None]) -> Iterator[bytes]:
    """Rows of text made by the server (work None) and of values that are worked on here, a column at a time."""
    for rows in _batches(cursor):
        parts = [work(column) if work else column for work, column in zip(works, zip(*rows, strict=True), strict=True)]
        if any(work is None and None in column for work, column in zip(works, parts, strict=True)):
            raise _too_long()
        yield _without_nul(b"\n".join(map(b",".join, zip(*parts, strict=True)))) + b"\n"


def by_arrow(cursor: Any, legacy: Mapping[int, Column]) -> Iterator[bytes]:
    """Rows of the driver's own values, a column at a time."""
    import pyarrow
    from pyarrow import csv

    options = csv.WriteOptions(include_header=False)
    for rows in _batches(cursor):
        arrays = [
            _array(decoded(values, legacy[at]) if at in legacy else values)
            for at, values in enumerate(zip(*rows, strict=True))
        ]
        out = pyarrow.BufferOutputStream()
        csv.write_csv(pyarrow.Table.from_arrays(arrays, [str(at) for at in range(len(arrays))]), out, options)
        yield _without_nul(out.getvalue().to_pybytes())


def _without_nul(text: bytes) -> bytes:
    return text.replace(_NUL, _SHOWN) if _NUL in text else text


def _batches(cursor: Any) -> Iterator[Sequence[Sequence[Any]]]:
    """Rows some at a time: fewer where they are long, so that a batch stays within a few megabytes once it is known."""
    size = 64
    while rows := cursor.fetchmany(size):
        yield rows
        longest = max(
            sum(len(value) for value in row if isinstance(value, str | bytes)) for row in rows[:: len(rows) // 16 + 1]
        )
        size = max(1, min(BATCH, size * 4, (4 << 20) // (longest + 64)))


def _array(values: Values) -> Any:
    """An Arrow column whose CSV text is the value; mixed or unusual values become text one by one."""
    import pyarrow
    from pyarrow import types

    try:
        found = pyarrow.array(values)
    except (pyarrow.ArrowException, OverflowError, UnicodeError):
        found = None
    plain = (types.is_null, types.is_integer, types.is_floating, types.is_string, types.is_boolean, types.is_date32)
    if found is not None and any(test(found.type) for test in plain):
        return found
    return pyarrow.array([None if value is None else _text(value) for value in values], pyarrow.string())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def decoded(values: Values, column: Column) -> list[str | None]:
    """Legacy text, as bytes or as the characters those were taken for."""
    charset = column.charset or "utf-8"
    bad = False
    texts: list[str | None] = []
    try:
        codec = "utf-8" if charset == "utf-8" else "latin-1"
        texts = [
            value.decode(codec) if isinstance(value, bytes) else None if value is None else str(value)
            for value in values
        ]
    except UnicodeDecodeError:
        bad = True
    if bad:
        raise not_utf8(column.source_name)
    return decode_column(texts, charset)


def quoted(values: Sequence[str | None]) -> list[bytes]:
    return [b"" if value is None else f'"{value.replace(chr(34), chr(34) * 2)}"'.encode() for value in values]


def floats(values: Values) -> list[bytes]:
    """Shortest texts of single precision numbers, which come in double precision."""
    return [b"" if value is None else _shortest(float(value)).encode() for value in values]


def _shortest(value: float) -> str:
    single = struct.pack("f", value)
    return next(
        (text for digits in range(6, 9) if struct.pack("f", float(text := f"{value:.{digits}g}")) == single),
        f"{value:.9g}",
    )


def is_utf8(value: bytes | None) -> int:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return 0
    return 1


def not_utf8(column: str) -> KhoError:
    """Text of a column that cannot be read as what it should be."""
    return KhoError(
        "encoding",
        f"Cột {column}: có chữ không phải UTF-8; hãy khai bộ mã của cột (kho.charset)",
        f"Column {column}: holds text that is not UTF-8; declare the charset of the column (kho.charset)",
        {"column": column, "rule": "encoding"},
    )


def _too_long() -> KhoError:
    return KhoError(
        "row_too_long",
        "Nguồn có dòng dài hơn mức máy chủ được gửi (max_allowed_packet)",
        "The source has a row longer than its server may send (max_allowed_packet)",
        {"rule": "max_allowed_packet"},
    )
