"""Records of named fields (JSON objects, XML elements) as rows for COPY.

Purpose: one reading of records for all formats that have them. Belongs here: fields to columns, values to text.
Stays out: how a format is taken apart (`jsonl`, `xml_file`), any judgement on a value.

Records need not all have the same fields, so they are read twice: once for the names of all fields, once for the rows.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import copy_columns, copy_text, header_index, refuse_drift

#: (number of the record for people, its fields)
Record = tuple[int, Mapping[str, Any]]
_BATCH = 4096  # rows whose legacy text is decoded at a time


def parse_fields(
    contract: Contract, name: str, records: Callable[[], Iterator[Record]], *, strict: bool
) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, fields it does not have; CSV text). `records` starts anew with each call.

    A field that a record lacks is empty, so that the required rule tells it. `strict`: a column that no record at all has is drift.
    KhoError `schema_drift`, and what `records` raises.
    """
    columns, extra, fields = _matched(contract, name, records(), strict=strict)
    positions = {column.name: n for n, column in enumerate(contract.columns, 1)}
    positions.update({field: n for n, field in enumerate(extra, 1 + len(contract.columns))})
    targets = {field: positions[column or field] for field, column in zip(fields, columns, strict=True)}
    width = 1 + len(contract.columns) + len(extra)
    return copy_columns(contract, extra), copy_text(
        _decoded(contract, _rows(contract, name, records(), targets, width))
    )


def field_headers(
    contract: Contract, name: str, records: Iterable[Record], *, strict: bool
) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of each field (None: of none), and the fields that are not the contract's. KhoError as `parse_fields`."""
    columns, extra, _ = _matched(contract, name, records, strict=strict)
    return columns, extra


def _matched(
    contract: Contract, name: str, records: Iterable[Record], *, strict: bool
) -> tuple[tuple[str | None, ...], tuple[str, ...], tuple[str, ...]]:
    fields: dict[str, None] = {}
    for _, record in records:
        if not record.keys() <= fields.keys():
            fields.update(dict.fromkeys(record))
    index = header_index(contract)
    columns = tuple(index.get(fold(field)) for field in fields)
    if fields and strict:
        # Records may differ in how they spell a field; that one of them has it twice is seen when its row is written.
        known = [*dict.fromkeys(column for column in columns if column)]
        unknown = [field for field, column in zip(fields, columns, strict=True) if column is None]
        refuse_drift(contract, [*known, *(None for _ in unknown)], [*known, *unknown], name)
    extra = tuple(field for field, column in zip(fields, columns, strict=True) if column is None)
    return columns, extra, tuple(fields)


def _rows(
    contract: Contract, name: str, records: Iterator[Record], targets: Mapping[str, int], width: int
) -> Iterator[list[str]]:
    words = {
        n: column.format.split("/", 1)
        for n, column in enumerate(contract.columns, 1)
        if column.pg_type == "boolean" and column.format
    }
    empty = [""] * (width - 1)
    for number, record in records:
        row = [str(number), *empty]
        for field, value in record.items():
            position = targets[field]
            if row[position] and value is not None:
                raise _twice(name, number, field)
            row[position] = value.strip() if isinstance(value, str) else _text(value, words.get(position))
        yield row


def _text(value: Any, words: list[str] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return (words or ["true", "false"])[not value]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _twice(name: str, number: int, field: str) -> KhoError:
    return KhoError(
        "schema_drift",
        f"{name}: bản ghi {number} có trường {field} hai lần",
        f"{name}: record {number} has the field {field} twice",
        {"file": name, "row": number, "column": field, "rule": "schema_drift"},
    )


def _decoded(contract: Contract, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows with the columns decoded that the contract says are in a legacy charset, found out by the first rows where it says auto."""
    charsets = {n: c.charset for n, c in enumerate(contract.columns, 1) if c.charset not in (None, "utf-8")}
    if not charsets:
        yield from rows
        return
    from orchestration.sources.charsets import decode_column, detect_text

    while batch := list(itertools.islice(rows, _BATCH)):
        for position, charset in charsets.items():
            texts = [row[position] for row in batch]
            if charset == "auto":
                charset = charsets[position] = detect_text("\n".join(filter(None, texts)))
            for row, text in zip(batch, decode_column(texts, str(charset)), strict=True):
                row[position] = text or ""
        yield from batch
