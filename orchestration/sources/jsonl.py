"""JSON lines: one object a line, from a file or as kept from a service.

Purpose: lines into records. Belongs here: what a line is. Stays out: fields to columns (`records`), services (`lgsp`, `receipts`).

Numbers stay the text they were; nested values stay JSON. An empty line is none.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.records import Record, field_headers, parse_fields

LOOKED_AT = 1000  # records by which the probe knows the fields
LONGEST = 64 << 20  # bytes of one record


def parse_jsonl(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, fields it does not have; CSV text). `_row`: the line, from 1.

    KhoError `file_format` with the line that is no object, `schema_drift` for a file in which no record has a column.
    """
    return parse_fields(contract, name, lambda: _records(stream, name), strict=_is_file(contract))


def headers_jsonl(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of each field of the first records (None: of none), and the fields that are not the contract's."""
    return field_headers(contract, name, itertools.islice(_records(stream, name), LOOKED_AT), strict=_is_file(contract))


def _is_file(contract: Contract) -> bool:
    # Services leave out fields without a value; a day may be without any.
    return contract.source.kind == "files"


def _records(stream: BinaryIO, name: str) -> Iterator[Record]:
    stream.seek(0)
    decode = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode
    number = 0
    while line := stream.readline(LONGEST):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.isspace() or not line:
            continue
        yield number, _record(decode, line, name, number)


def _record(decode: Any, line: bytes, name: str, number: int) -> dict[str, Any]:
    record = None
    try:
        record = decode(line.decode())
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise KhoError(
            "file_format",
            f"{name}: dòng {number} không phải một bản ghi JSON",
            f"{name}: line {number} is not a JSON record",
            {"file": name, "row": number},
        )
    return record
