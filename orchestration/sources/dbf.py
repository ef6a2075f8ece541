"""Tables of dBASE III and IV and FoxPro (.dbf), without memo fields.

Purpose: records into columns with array operations, in bounded memory. Belongs here: the header, types of fields, code pages.
Stays out: legacy letters (`charsets`), any judgement on a value.

A record marked as deleted is not in the table any more: it is left out, as every program leaves it out; its number is not given to another.
Memo fields lie in a second file that a delivery does not have: a table with one is refused, naming it.
The code page is the contract's `charset` where it says one, else the one in the header; without either only ASCII is read.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestration.contracts.model import Column, Contract
from orchestration.errors import KhoError
from orchestration.sources.cell_text import moments, trimmed, truths
from orchestration.sources.csv_columns import written
from orchestration.sources.delivery import copy_columns, match_headers

if TYPE_CHECKING:
    import numpy as np

PIECE = 4 << 20  # bytes of records read at a time
_VERSIONS = frozenset(
    {0x02, 0x03, 0x04, 0x05, 0x30, 0x31, 0x32, 0x43, 0x63, 0x83, 0x8B, 0x8C, 0x8E, 0xCB, 0xE5, 0xF5, 0xFB}
)
_FOXPRO = frozenset({0x30, 0x31, 0x32})
_MEMOS = {"M": "memo", "G": "general", "P": "picture", "W": "blob"}
_DELETED = 0x2A
# Language driver of the header -> code page. 0 says nothing.
_CODE_PAGES = {
    0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x04: "mac_roman", 0x08: "cp865", 0x09: "cp437", 0x0A: "cp850", 0x0B: "cp437",
    0x0D: "cp437", 0x0E: "cp850", 0x0F: "cp437", 0x10: "cp850", 0x11: "cp437", 0x12: "cp850", 0x13: "cp932", 0x14: "cp850",
    0x15: "cp437", 0x16: "cp850", 0x17: "cp865", 0x18: "cp437", 0x19: "cp437", 0x1A: "cp850", 0x1B: "cp437", 0x1C: "cp863",
    0x1D: "cp850", 0x1F: "cp852", 0x22: "cp852", 0x23: "cp852", 0x24: "cp860", 0x25: "cp850", 0x26: "cp866", 0x37: "cp850",
    0x40: "cp852", 0x4D: "cp936", 0x4E: "cp949", 0x4F: "cp950", 0x50: "cp874", 0x57: "cp1252", 0x58: "cp1252", 0x59: "cp1252",
    0x64: "cp852", 0x65: "cp866", 0x66: "cp865", 0x67: "cp861", 0x6A: "cp737", 0x6B: "cp857", 0x78: "cp950", 0x79: "cp949",
    0x7A: "cp936", 0x7B: "cp932", 0x7C: "cp874", 0x7D: "cp1255", 0x7E: "cp1256", 0xC8: "cp1250", 0xC9: "cp1251", 0xCA: "cp1254",
    0xCB: "cp1253", 0xCC: "cp1257",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A field of the table: where it begins in a record (bytes), and how long it is."""

    name: str
    type: str
    start: int
    length: int


@dataclass(frozen=True)
class Header:
    """What the header says; `start` is where the first record begins, `length` that of a record with its mark, in bytes."""

    fields: tuple[Field, ...]
    records: int
    start: int
    length: int
    code_page: str | None
    foxpro: bool


def parse_dbf(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, names of other fields; CSV text). `_row`: the record's number, from 1.

    KhoError `schema_drift`, `file_format` and `encoding`, the latter two also while reading.
    """
    header = _header(stream, name)
    columns, extra = match_headers(contract, [field.name for field in header.fields], name)
    _refuse_types(header, name)
    charset = _charset(contract, header, stream, name)
    order = [(header.fields[columns.index(c.name)] if c.name in columns else None, c) for c in contract.columns]
    rest: list[tuple[Field | None, Column | None]] = [
        (field, None) for field, column in zip(header.fields, columns, strict=True) if column is None
    ]
    return copy_columns(contract, extra), _rows(header, stream, [*order, *rest], charset, name)


def headers_dbf(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of each field (None: of none), and the names that are not the contract's. KhoError as `parse_dbf`."""
    header = _header(stream, name)
    found = match_headers(contract, [field.name for field in header.fields], name)
    _refuse_types(header, name)
    return found


# -- header -----------------------------------------------------------------------------------------------------------


def _header(stream: BinaryIO, name: str) -> Header:
    stream.seek(0)
    head = stream.read(32)
    if len(head) < 32 or head[0] not in _VERSIONS:
        raise _broken(name, "không phải bảng DBF", "no DBF table")
    records, start, length = struct.unpack_from("<IHH", head, 4)
    block = stream.read(max(start - 32, 0))
    fields: list[Field] = []
    at, position = 0, 1
    while at + 32 <= len(block) and block[at] != 0x0D:
        title = block[at : at + 11].split(b"\0")[0]
        kind, size = chr(block[at + 11]), block[at + 16]
        if kind == "C":
            size += block[at + 17] << 8  # Clipper and FoxPro: long texts
        if kind != "0":  # FoxPro's own note of nulls
            fields.append(Field(title.decode("latin-1").strip(), kind, position, size))
        position += size
        at += 32
    if not fields or at >= len(block) or block[at] != 0x0D or position > length:
        raise _broken(name, "phần đầu của bảng DBF hỏng", "the header of the DBF table is broken")
    if head[15]:
        raise _broken(name, "bảng DBF có mật khẩu", "the DBF table is encrypted")
    return Header(tuple(fields), records, start, length, _CODE_PAGES.get(head[29]), head[0] in _FOXPRO)


def _refuse_types(header: Header, name: str) -> None:
    known = "CNFDLI+@TYOV" if header.foxpro else "CNFDLI+@TO"
    for field in header.fields:
        memo = _MEMOS.get(field.type) or ("memo" if field.type == "B" and not header.foxpro else None)
        if memo:
            raise KhoError(
                "file_format",
                f"{name}: cột {field.name} là kiểu {memo}, nội dung nằm ở tệp khác (.dbt, .fpt) nên không đọc được; hãy xuất lại không có cột này",
                f"{name}: column {field.name} is of type {memo}, whose content lies in another file (.dbt, .fpt); export without it",
                {"file": name, "column": field.name, "rule": "memo"},
            )
        sized = {"I": 4, "+": 4, "O": 8, "B": 8, "Y": 8, "T": 8, "@": 8, "D": 8, "L": 1}.get(field.type, field.length)
        if field.type not in known + "B" or field.type == "V" or field.length != sized:
            raise KhoError(
                "file_format",
                f"{name}: cột {field.name} có kiểu DBF không đọc được ({field.type})",
                f"{name}: column {field.name} has a DBF type that is not read ({field.type})",
                {"file": name, "column": field.name},
            )


def _broken(name: str, vi: str, en: str) -> KhoError:
    return KhoError("file_format", f"{name}: {vi}", f"{name}: {en}", {"file": name})


def _charset(contract: Contract, header: Header, stream: BinaryIO, name: str) -> str | None:
    """The charset of texts; None where nobody says one."""
    charset = contract.source.options.get("charset")
    if charset != "auto":
        return charset or header.code_page
    from orchestration.sources.charsets import detect

    texts = [field for field in header.fields if field.type == "C"]
    stream.seek(header.start)
    block = stream.read(PIECE // header.length * header.length)
    lines = (
        block[at + field.start : at + field.start + field.length].rstrip(b" \0")
        for at in range(0, len(block) - header.length + 1, header.length)
        for field in texts
    )
    failure = None
    try:
        return detect(b"\n".join(line for line in lines if line)[: 1 << 16])
    except KhoError as exc:
        failure = KhoError(exc.code, f"{name}: {exc.vi}", f"{name}: {exc.en}", {**exc.where, "file": name})
    raise failure


# -- records ----------------------------------------------------------------------------------------------------------


def _rows(
    header: Header, stream: BinaryIO, order: list[tuple[Field | None, Column | None]], charset: str | None, name: str
) -> Iterator[bytes]:
    import numpy as np
    import pyarrow as pa

    stream.seek(header.start)
    done = 0
    while done < header.records:
        count = min(max(PIECE // header.length, 1), header.records - done)
        block = stream.read(count * header.length)
        if len(block) < count * header.length:
            row = done + len(block) // header.length + 1
            raise KhoError(
                "file_format",
                f"{name}: tệp bị cắt, thiếu từ bản ghi {row} trong {header.records}",
                f"{name}: the file is cut off, records are missing from {row} of {header.records}",
                {"file": name, "row": row},
            )
        records = np.frombuffer(block, dtype=np.uint8).reshape(count, header.length)
        kept = np.flatnonzero(records[:, 0] != _DELETED)
        records = records[kept]
        columns: list[Any] = [pa.array(kept + done + 1)]
        for field, column in order:
            if field is None:
                columns.append(pa.nulls(len(kept), pa.string()))
            else:
                columns.append(
                    _texts(records[:, field.start : field.start + field.length], field, column, charset, name)
                )
        yield written(columns)
        done += count


def _texts(cells: np.ndarray, field: Field, column: Column | None, charset: str | None, name: str) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = np.ascontiguousarray(cells)
    if field.type in "I+":
        return pa.array(cells.view("<i4" if field.type == "I" else ">i4").reshape(-1)).cast(pa.string())
    if field.type in "BO":
        numbers = pa.array(cells.view("<f8").reshape(-1)).cast(pa.string())
        return _comma(pc.replace_substring_regex(numbers, r"\.0$", ""), column)
    if field.type == "Y":
        amounts = cells.view("<i8").reshape(-1).tolist()  # ten-thousandths
        return _comma(pa.array([f"{Decimal(amount).scaleb(-4):f}" for amount in amounts], pa.string()), column)
    if field.type in "T@":
        return _moments(cells, column)
    if field.type == "C":
        own = column.charset if column and column.charset not in (None, "auto") else charset
        return trimmed(_decoded(cells, own, field, name))
    texts = trimmed(_ascii(cells, field, name))
    if field.type == "D":
        # The date of no day is written as spaces or as zeros.
        plain = pc.match_substring_regex(texts, r"^\d{8}$")
        pieces = [pc.utf8_slice_codeunits(texts, *at) for at in ((0, 4), (4, 6), (6, 8))]
        iso = moments(pc.binary_join_element_wise(*pieces, "-"), column)
        return pc.if_else(pc.equal(texts, "00000000"), pa.scalar(None, pa.string()), pc.if_else(plain, iso, texts))
    if field.type == "L":
        known = pc.match_substring_regex(texts, "^[TtYyFfNn]$")
        said = pc.if_else(known, truths(pc.match_substring_regex(texts, "^[TtYy]$"), column), texts)
        return trimmed(pc.if_else(pc.equal(texts, "?"), pa.scalar(None, pa.string()), said))
    return _comma(texts, column)


def _comma(texts: Any, column: Column | None) -> Any:
    import pyarrow.compute as pc

    return pc.replace_substring(texts, ".", ",") if column and column.format == "decimal_comma" else texts


def _moments(cells: np.ndarray, column: Column | None) -> Any:
    """Julian day and milliseconds, four bytes each."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = cells.view("<i4").reshape(-1, 2).astype(np.int64)
    seconds = (parts[:, 0] - 2_440_588) * 86_400 + np.round(parts[:, 1] / 1000).astype(np.int64)
    texts = pa.array(seconds, mask=parts[:, 0] == 0).cast(pa.timestamp("s")).cast(pa.string())
    return moments(texts if column and column.format else pc.replace_substring(texts, " 00:00:00", ""), column)


def _ascii(cells: np.ndarray, field: Field, name: str) -> Any:
    if (cells > 127).any():
        raise _unread(field, name)
    return _split(cells, lambda data: data)


def _decoded(cells: np.ndarray, charset: str | None, field: Field, name: str) -> Any:
    if not (cells > 127).any() and charset != "viqr":
        return _split(cells, lambda data: data)
    if charset is None:
        raise _unread(field, name)
    from orchestration.sources.charsets import CHARSETS, decoded

    failure = None
    try:
        if charset in CHARSETS:
            return _split(cells, lambda data: b"".join(decoded([data], charset, name)))
        return _split(cells, lambda data: codecs.decode(data, charset).encode())
    except (KhoError, UnicodeError):
        failure = _unread(field, name)
    raise failure


def _unread(field: Field, name: str) -> KhoError:
    return KhoError(
        "encoding",
        f"{name}: cột {field.name} có byte không thuộc bảng mã của tệp; hãy khai báo bảng mã trong hợp đồng (kho.charset)",
        f"{name}: column {field.name} has bytes that are not of the file's charset; declare one in the contract (kho.charset)",
        {"file": name, "column": field.name, "rule": "encoding"},
    )


def _split(cells: np.ndarray, decode: Any) -> Any:
    """Cells as a string array: decoded all at once, a line each. A line break within a cell survives as it is."""
    import numpy as np
    import pyarrow as pa

    if not len(cells):
        return pa.array([], pa.string())
    breaks = (cells == 10) | (cells == 0)
    lines = np.full((len(cells), cells.shape[1] + 1), 10, dtype=np.uint8)
    lines[:, :-1] = np.where(cells == 0, 32, np.where(cells == 10, 31, cells)) if breaks.any() else cells
    texts = decode(lines.tobytes()).decode().split("\n")[:-1]
    if breaks.any():
        texts = [text.replace("\x1f", "\n") for text in texts]
    return pa.array(texts, pa.string())
