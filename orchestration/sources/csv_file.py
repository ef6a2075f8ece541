"""CSV files, fields divided by commas, tabs or whatever the contract says.

Purpose: the header line, and the rows where COPY cannot read them straight from the file. Belongs here: charset, delimiter and
columns of one file. Stays out: where files lie and how they become deliveries (`files`), legacy letters (`charsets`).

A file that is a delivery of its own goes to COPY as it is, and COPY tells of rows it cannot read. `parse_csv` is for files
in batches, and reads the same text in the same way.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.csv_columns import (
    constant,
    not_utf8,
    pieces,
    read_records,
    unreadable,
    written,
)
from orchestration.sources.delivery import CHUNK, Delivery, copy_columns, match_headers

HEAD = CHUNK  # bytes in which the header must end, and by which a charset is found out
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def describe_csv(contract: Contract, path: Path, name: str, as_of: datetime) -> Delivery:
    """The delivery of one file, without its chunks. KhoError as `headers_csv`."""
    with path.open("rb") as stream:
        return described(contract, stream.read(HEAD), name, as_of)


def described(contract: Contract, head: bytes, name: str, as_of: datetime) -> Delivery:
    """The delivery of a file that begins with `head`, without its chunks."""
    charset, delimiter = charset_of(contract, head, name), delimiter_of(contract)
    columns, extra = match_headers(contract, read_header(head, name, charset, delimiter), name)
    return Delivery(name, as_of, "csv", (), columns, extra, charset=charset, delimiter=delimiter)


def headers_csv(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of each column of the file (None: of none), and the headers that are not the contract's.

    KhoError `schema_drift`, `file_format`, `encoding`, and `charset` where `auto` cannot decide.
    """
    found = described(contract, stream.read(HEAD), name, datetime.min)
    return found.columns, found.extra


def parse_csv(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, headers of others; CSV text for COPY). `_row`: the record, the header is record 1.

    KhoError as `headers_csv` at once; `encoding` and `unreadable` (naming the record) while reading.
    """
    titles, tables = csv_tables(contract, stream, name)
    return titles, (written(columns) for columns in tables)


def csv_tables(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[list[Any]]]:
    """As `parse_csv`, as Arrow columns, a piece of the file at a time."""
    head = stream.read(HEAD)
    found = described(contract, head, name, datetime.min)
    order = [found.columns.index(c.name) if c.name in found.columns else None for c in contract.columns]
    order += [n for n, column in enumerate(found.columns) if column is None]
    chunks = _after_header(_decoded(head, stream, found.charset, name), name, found.delimiter)
    return copy_columns(contract, found.extra), _tables(chunks, len(found.columns), order, name, found.delimiter)


def _tables(
    chunks: Iterable[bytes], width: int, order: list[int | None], name: str, delimiter: str
) -> Iterator[list[Any]]:
    row = 2
    for piece in pieces(chunks, name, row):
        columns, numbers, row = read_records(piece, width, name, delimiter=delimiter, first_row=row)
        empty = constant(None, len(numbers))
        yield [numbers, *(empty if n is None else columns[n] for n in order)]


def _decoded(head: bytes, stream: BinaryIO, charset: str, name: str) -> Iterator[bytes]:
    from orchestration.sources.charsets import decoded

    def blocks() -> Iterator[bytes]:
        yield head
        while block := stream.read(CHUNK):
            yield block

    return decoded(blocks(), charset, name)


def _after_header(chunks: Iterator[bytes], name: str, delimiter: str) -> Iterator[bytes]:
    """UTF-8 text without its header."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD:
            break
    _, length = _first_record(head, name, delimiter)
    yield head[length:]
    yield from chunks


def read_header(head: bytes, name: str, charset: str = "utf-8", delimiter: str = ",") -> list[str]:
    """The header cells of a file that begins with `head`. KhoError when there is none, or it is not text of this charset or not CSV."""
    from orchestration.sources.charsets import decoded

    if head.startswith(_UTF16):
        head = b"".join(decoded([head[: len(head) // 2 * 2]], "utf-8", name))
    head = head.removeprefix(codecs.BOM_UTF8)
    # Only the header is judged here, however much of the rows comes along with it.
    _, length = _first_record(head, name, delimiter)
    line = b"".join(decoded([head[:length]], charset, name))
    text = None
    try:
        text = line.decode()
    except UnicodeDecodeError:
        pass
    if text is None:
        raise not_utf8(name, 1)
    header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    if not any(cell.strip() for cell in header):
        raise KhoError(
            "file_format",
            f"{name}: tệp không có dòng tiêu đề",
            f"{name}: the file has no header line",
            {"file": name, "row": 1},
        )
    return header


def _first_record(head: bytes, name: str, delimiter: str) -> tuple[list[str], int]:
    """Cells of the first record, its bytes as Latin-1, and its length. In no charset that is read here is a part of a
    letter a line break, a quote or a delimiter.
    """
    lines = io.StringIO(head.decode("latin-1"), newline="")
    record: list[str] | None = None
    length, text = 0, ""
    try:
        reader = csv.reader(_counted(lines), delimiter=delimiter)
        record = next(reader, [])
        length = lines.tell()
    except csv.Error:
        text = "csv"
    if text or record is None:
        raise KhoError(
            "file_format",
            f"{name}: dòng tiêu đề không phải CSV",
            f"{name}: the header line is not CSV",
            {"file": name, "row": 1},
        )
    if length == len(head) == HEAD:
        raise unreadable(name, 1)  # a quote that nobody closed
    return record, length


def _counted(lines: io.StringIO) -> Iterator[str]:
    """Line by line and no further: `tell` is then where the record ends."""
    while line := lines.readline():
        yield line


def charset_of(contract: Contract, sample: bytes, name: str) -> str:
    """The charset of a file that begins with `sample`: declared, or found out where the contract says auto."""
    charset = contract.source.options.get("charset", "utf-8")
    if charset != "auto":
        return charset
    from orchestration.sources.charsets import detect

    failure = None
    try:
        return detect(sample)
    except KhoError as exc:
        failure = KhoError(exc.code, f"{name}: {exc.vi}", f"{name}: {exc.en}", {**exc.where, "file": name})
    raise failure


def delimiter_of(contract: Contract) -> str:
    """The character between fields."""
    delimiter = contract.source.options.get("delimiter", ",")
    return "\t" if delimiter == "tab" else delimiter
