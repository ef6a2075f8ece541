"""Files of measuring stations as Circular 10/2021/TT-BTNMT has them.

Purpose: many small files at once into columns. Belongs here: `<STATION>_<YYYYMMDDhhmmss>.txt`, one line a symbol: name,
value, unit, time and status, divided by tabs, ended by CRLF. Stays out: whether a value can be (the contract says).

A line is never dropped: one with too few fields has empty ones, one with too many has the rest in its last; bytes that are
no text become U+FFFD. The contract holds such rows in quarantine, and the rest of the file goes on.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError

FIELDS = ("name", "value", "unit", "time", "status")
STATION = "station"  # from the name of the file
TOGETHER = 2 * 1024 * 1024  # bytes of files that are read at once
_NAME = re.compile(r"(.+)_\d{14}(?:[_-].*)?")

#: (name of the file, values of columns from it, content)
File = tuple[str, Mapping[str, str], bytes]


def check_stations(contract: Contract, from_name: Iterable[str]) -> None:
    """KhoError `schema_drift` when a column is none of such a file, nor read from its name (`from_name`)."""
    known = {*FIELDS, STATION}
    missing = [
        c.source_name
        for c in contract.columns
        if c.source_name not in known and c.name not in from_name and not c.optional
    ]
    if missing:
        names = ", ".join(missing)
        raise KhoError(
            "schema_drift",
            f"Tệp trạm quan trắc không có cột {names}",
            f"Files of stations have no column {names}",
            {"column": names, "rule": "schema_drift"},
        )


def station_tables(contract: Contract, files: Iterable[File]) -> Iterator[list[Any]]:
    """Arrow columns `_row` (line of the file), `_file` and the contract's, some files at a time."""
    together: list[File] = []
    size = 0
    for file in files:
        together.append(file)
        size += len(file[2]) + 64
        if size >= TOGETHER:
            yield _table(contract, together)
            together, size = [], 0
    if together:
        yield _table(contract, together)


def _table(contract: Contract, files: list[File]) -> list[Any]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    charset = contract.source.options.get("charset", "utf-8")
    texts = [_text(name, content, charset) for name, _, content in files]
    counts = np.array([text.count(b"\n") + 1 for text in texts])
    whole = b"\n".join(texts)
    if not whole.isascii():
        whole = whole.decode("utf-8", "replace").encode()
    lines = pc.split_pattern(pa.array([whole.replace(b"\0", "\ufffd".encode()).decode()], pa.large_string()), "\n")
    lines = lines.flatten()
    file = np.repeat(np.arange(len(files)), counts)
    row = np.arange(len(file)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    filled = pc.not_equal(pc.utf8_trim_whitespace(lines), "")
    lines, mask = lines.filter(filled), filled.to_numpy(zero_copy_only=False)
    file, row = file[mask], row[mask]
    split = pc.split_pattern(lines, "\t", max_splits=len(FIELDS) - 1)
    begins, lengths = split.offsets.to_numpy()[:-1], pc.list_value_length(split).to_numpy(zero_copy_only=False)
    values = split.values
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
    columns = {field: values.take(pa.array(begins + n, mask=n >= lengths)) for n, field in enumerate(FIELDS)}
    of_row = pa.array(file)
    names = [name for name, _, _ in files]
    found = [pa.array(row), pa.array(names).take(of_row)]
    for column in contract.columns:
        if any(column.name in given for _, given, _ in files):
            found.append(pa.array([given.get(column.name) for _, given, _ in files], pa.string()).take(of_row))
        elif column.source_name == STATION:
            found.append(pa.array([_station(name) for name in names]).take(of_row))
        elif column.source_name in columns:
            found.append(columns[column.source_name])
        else:
            found.append(pa.nulls(len(row), pa.string()))
    return found


def _text(name: str, content: bytes, charset: str) -> bytes:
    if charset != "utf-8":
        from orchestration.sources.charsets import decoded, detect

        content = b"".join(decoded([content], detect(content) if charset == "auto" else charset, name))
    return content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")


def _station(name: str) -> str:
    stem = name.rpartition("/")[2].rpartition(".")[0]
    match = _NAME.fullmatch(stem)
    return match[1] if match else stem
