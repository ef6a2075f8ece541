"""Text files of fixed width: fields by the positions that the contract gives.

Purpose: lines into columns, in bounded memory. Belongs here: lines, positions. Stays out: charsets (`charsets`), any judgement on a value.

Positions are characters from 1, counted after decoding. A line that is too short has what is there; what stands behind the last position of a
longer one is handed on in a column «(thừa)». No line is dropped but an empty one. The option `header: "true"` says that the first line has titles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.cell_text import trimmed
from orchestration.sources.csv_columns import not_utf8, written
from orchestration.sources.csv_file import charset_of
from orchestration.sources.delivery import CHUNK, copy_columns, match_headers

REST = "(thừa)"  # title of what stands behind the last position
LONGEST = 1 << 20  # bytes of a line: a longer one is no text of fixed width
_SAMPLE = 1 << 16


def parse_fixed(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, «(thừa)» where a line is longer; CSV text). `_row`: the line, from 1.

    The file is read once to see how long lines are, and then for its rows. KhoError `schema_drift`, `encoding`, `file_format`.
    """
    _, extra = headers_fixed(contract, stream, name)
    return copy_columns(contract, extra), _rows(contract, stream, name, rest=bool(extra))


def headers_fixed(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """The contract's columns that have a position, and «(thừa)» where lines are longer than all of them. KhoError as `parse_fixed`."""
    import pyarrow.compute as pc

    placed = [column for column in contract.columns if column.position is not None]
    lost = [column.source_name for column in contract.columns if column.position is None and not column.optional]
    if lost or not placed:
        raise KhoError(
            "contract",
            f"{contract.id}: cột {', '.join(lost)} chưa khai báo vị trí (kho.position)",
            f"{contract.id}: columns {', '.join(lost)} have no position (kho.position)",
            {"file": name, "column": ", ".join(lost)},
        )
    last = _last(contract)
    longer = first = False
    for number, lines in _lines(contract, stream, name):
        if number == 1 and _has_header(contract):
            first = True
            title = lines[0].as_py()
            match_headers(
                contract,
                [title[column.position[0] - 1 : column.position[1]] for column in placed if column.position],
                name,
            )
            lines = lines.slice(1)
        widest = pc.max(pc.utf8_length(pc.utf8_rtrim_whitespace(lines))).as_py() or 0
        if widest > last:
            longer = True
            break
    if _has_header(contract) and not first:
        raise KhoError(
            "file_format",
            f"{name}: tệp không có dòng tiêu đề",
            f"{name}: the file has no header line",
            {"file": name, "row": 1},
        )
    return (*(column.name for column in placed), *([None] if longer else [])), (REST,) if longer else ()


def _has_header(contract: Contract) -> bool:
    return contract.source.options.get("header") == "true"


def _last(contract: Contract) -> int:
    return max(column.position[1] for column in contract.columns if column.position is not None)


def _rows(contract: Contract, stream: BinaryIO, name: str, *, rest: bool) -> Iterator[bytes]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    last = _last(contract)
    for number, lines in _lines(contract, stream, name):
        rows = pa.array(np.arange(number, number + len(lines)))
        filled = pc.greater(pc.binary_length(pc.utf8_trim_whitespace(lines)), 0)
        if number == 1 and _has_header(contract):
            filled = pc.and_(filled, pc.greater(rows, 1))
        rows, lines = rows.filter(filled), lines.filter(filled)
        columns: list[Any] = [rows]
        for column in contract.columns:
            if column.position is None:
                columns.append(pa.nulls(len(lines), pa.string()))
            else:
                columns.append(trimmed(pc.utf8_slice_codeunits(lines, column.position[0] - 1, column.position[1])))
        if rest:
            columns.append(trimmed(pc.utf8_slice_codeunits(lines, last)))
        yield written(columns)


def _lines(contract: Contract, stream: BinaryIO, name: str) -> Iterator[tuple[int, Any]]:
    """(number of the first line, the lines as a string array), from the beginning of the file."""
    import pyarrow as pa

    from orchestration.sources.charsets import decoded

    stream.seek(0)
    charset = charset_of(contract, stream.read(_SAMPLE), name)
    stream.seek(0)

    def blocks() -> Iterator[bytes]:
        while block := stream.read(CHUNK):
            yield block

    def pieces() -> Iterator[bytes]:
        pending = b""
        for chunk in decoded(blocks(), charset, name):
            pending += chunk
            cut = pending.rfind(b"\n") + 1
            if cut:
                yield pending[:cut]
                pending = pending[cut:]
            elif len(pending) > LONGEST:
                raise KhoError(
                    "file_format",
                    f"{name}: có dòng quá dài, không phải tệp văn bản độ rộng cố định",
                    f"{name}: a line is too long for a text of fixed width",
                    {"file": name},
                )
        if pending:
            yield pending

    number = 1
    for piece in pieces():
        text, bad = "", -1
        try:
            text = piece.decode()
        except UnicodeDecodeError as exc:
            bad = exc.start
        if bad >= 0:
            raise not_utf8(name, number + piece.count(b"\n", 0, bad))
        lines = text.removesuffix("\n").replace("\r\n", "\n").removesuffix("\r").replace("\x1a", "").split("\n")
        yield number, pa.array(lines, pa.string())
        number += len(lines)
