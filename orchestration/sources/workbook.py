"""Workbooks (xlsx, xls, ods): the data rows of the one table whose headers the contract names, wherever it stands.

Purpose: kept bytes of a workbook into text for COPY. Belongs here: kinds of workbook, legacy charsets within cells.
Stays out: the XML of xlsx (`xlsx_cells`), typed cells to text (`cell_text`), finding the table and telling its rows apart (`sheet_layout`), any
judgement on a value.

An error of a formula is handed on as it is shown («#N/A»), for the contract to refuse. What calamine reads (xls, ods, an xlsx as no office program
writes it) has none of it: there it is an empty cell.
"""

from __future__ import annotations

import hashlib
import threading
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestration.contracts.model import Column, Contract
from orchestration.errors import KhoError
from orchestration.sources.cell_text import column_text
from orchestration.sources.csv_columns import written
from orchestration.sources.delivery import copy_columns, refuse_drift
from orchestration.sources.sheet_layout import Layout, data_rows, find_layout
from orchestration.sources.xlsx_cells import Cells, TooBig, sheets
from orchestration.sources.xlsx_tags import BOOLEAN, DURATION, MOMENT, NUMBER, TEXT, Unusual

if TYPE_CHECKING:
    import numpy as np

#: Where the table is, the sheet it is on, and the legacy charset of its texts.
Table = tuple[Layout, Cells, str | None]
SLICE = 16_384  # rows written at a time
INFLATED = 2 << 30  # bytes of an archive that is read as a whole
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ROWS = 4096  # of a sheet of the older kinds at a time
_SAMPLE = 400  # rows by which a charset is found out


def parse_workbook(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract's columns, titles of others; CSV text). `_row`: as the sheet numbers it.

    KhoError `schema_drift`, `file_format` or `charset_undecided` at once.
    """
    layout, sheet, charset = _looked_at.take(contract, stream) or _table(contract, stream, name)
    rows = data_rows(contract, layout, sheet, _meaning(contract, charset))
    charsets = [_column_charset(column, charset, layout, sheet, rows, name) for column in contract.columns]
    return copy_columns(contract, layout.extra), _written(contract, layout, sheet, rows, [*charsets, charset])


def headers_workbook(contract: Contract, stream: BinaryIO, name: str) -> tuple[tuple[str | None, ...], tuple[str, ...]]:
    """Contract column of each column of the table (None: of none), and the titles that are not the contract's.

    KhoError as `parse_workbook`.
    """
    found = _table(contract, stream, name)
    _looked_at.put(contract, stream, found)
    return found[0].columns, found[0].extra


class _LookedAt:
    """The workbook whose headers were looked at last: it is parsed next, as a rule, and need not be read twice for that.

    Known by the hash of its bytes and by what the contract asks for. Given out once, so that it does not outlive its use.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[tuple[Any, ...], Table] | None = None

    def put(self, contract: Contract, stream: BinaryIO, found: Table) -> None:
        held = self._key(contract, stream), found
        with self._lock:
            self._held = held

    def take(self, contract: Contract, stream: BinaryIO) -> Table | None:
        with self._lock:
            held, self._held = self._held, None
        if held is None or held[0] != self._key(contract, stream):
            return None
        return held[1]

    @staticmethod
    def _key(contract: Contract, stream: BinaryIO) -> tuple[Any, ...]:
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").digest()  # type: ignore[arg-type]
        stream.seek(0)
        return digest, contract.id, contract.columns, tuple(sorted(contract.source.options.items()))


_looked_at = _LookedAt()


def _written(
    contract: Contract, layout: Layout, sheet: Cells, rows: np.ndarray, charsets: Sequence[str | None]
) -> Iterator[bytes]:
    import pyarrow as pa

    positions = [
        (layout.columns.index(column.name) if column.name in layout.columns else None, column, charset)
        for column, charset in zip(contract.columns, charsets, strict=False)
    ]
    extra: list[tuple[int | None, Column | None, str | None]] = [
        (n, None, charsets[-1]) for n in layout.extra_positions
    ]
    for start in range(0, len(rows), SLICE):
        some = rows[start : start + SLICE]
        columns: list[Any] = [pa.array(sheet.rows[some] + 1)]
        for position, column, charset in [*positions, *extra]:
            if position is None:
                columns.append(pa.nulls(len(some), pa.string()))
                continue
            texts = sheet.texts[position].take(pa.array(some)).combine_chunks()
            columns.append(column_text(texts, sheet.kinds[position][some], column, charset))
        yield written(columns)


# -- which table, in which charset ------------------------------------------------------------------------------------


def _table(contract: Contract, stream: BinaryIO, name: str) -> Table:
    """The sheet that has the contract's headers, where on it, and the legacy charset of its texts. KhoError when there is none."""
    best: tuple[Layout, Cells, str | None] | None = None
    failure = None
    try:
        for sheet in _sheets(stream):
            charset = _file_charset(contract, sheet, name)
            layout = find_layout(contract, sheet, _meaning(contract, charset))
            if best is None or layout.matched > best[0].matched:
                best = layout, sheet, charset
            if layout.matched == len(contract.columns):
                break  # further sheets (a template has many of codes) could not say more
    except KhoError:
        raise
    except TooBig:
        failure = _unopened(name, "quá lớn", "too big")
    except Exception as exc:  # noqa: BLE001  # zipfile, lxml, Arrow and calamine share no base class for a broken workbook
        failure = _unopened(name, type(exc).__name__, type(exc).__name__)
    if failure is not None:
        raise failure
    if best is None:
        raise KhoError("file_format", f"{name}: bảng tính trống", f"{name}: the workbook is empty", {"file": name})
    layout = best[0]
    refuse_drift(contract, layout.columns, layout.headers, f"{name}, {layout.sheet}" if layout.matched else name)
    return best


def _unopened(name: str, vi: str, en: str) -> KhoError:
    return KhoError(
        "file_format",
        f"{name}: không mở được bảng tính ({vi})",
        f"{name}: the workbook cannot be opened ({en})",
        {"file": name},
    )


def _file_charset(contract: Contract, sheet: Cells, name: str) -> str | None:
    """The legacy charset that texts of this sheet are in by the contract's word, or by what they look like; None: Unicode."""
    charset = contract.source.options.get("charset", "utf-8")
    if charset == "auto":
        charset = _detected([column.slice(0, _SAMPLE).to_pylist() for column in sheet.texts], f"{name}, {sheet.name}")
    return None if charset == "utf-8" else charset


def _column_charset(
    column: Column, charset: str | None, layout: Layout, sheet: Cells, rows: np.ndarray, name: str
) -> str | None:
    if column.charset is None or column.name not in layout.columns:
        return charset
    if column.charset != "auto":
        return None if column.charset == "utf-8" else column.charset
    import pyarrow as pa

    sample = sheet.texts[layout.position(column.name)].take(pa.array(rows[: 16 * _SAMPLE])).to_pylist()
    found = _detected([sample], f"{name}, {column.source_name}")
    return None if found == "utf-8" else found


def _detected(columns: Sequence[Sequence[str | None]], name: str) -> str:
    from orchestration.sources.charsets import detect_text

    failure = None
    try:
        return detect_text("\n".join(text for texts in columns for text in texts if text))
    except KhoError as exc:
        failure = KhoError(exc.code, f"{name}: {exc.vi}", f"{name}: {exc.en}", {**exc.where, "file": name})
    raise failure


def _meaning(contract: Contract, charset: str | None) -> Callable[[str], str]:
    """How a header is read: as it is where the contract knows it so, else from the first charset that makes it known."""
    from orchestration.contracts.columns import fold
    from orchestration.sources.delivery import header_index

    declared = [charset, *(column.charset for column in contract.columns)]
    charsets = list(dict.fromkeys(item for item in declared if item not in (None, "utf-8", "auto")))
    if not charsets:
        return str
    from orchestration.sources.charsets import decode_text

    index = header_index(contract)

    def meant(text: str) -> str:
        readings = [text, *(decode_text(unicodedata.normalize("NFC", text), str(item)) for item in charsets)]
        return next((reading for reading in readings if fold(reading) in index), readings[1] if charset else text)

    return meant


# -- kinds of workbook ------------------------------------------------------------------------------------------------


def _sheets(stream: BinaryIO) -> Iterator[Cells]:
    """All sheets, whatever kind of workbook the bytes are."""
    stream.seek(0)
    head = stream.read(8)
    stream.seek(0)
    if not head.startswith(b"PK"):
        if head != _OLE:
            raise Unusual  # no workbook: calamine would only guess
        yield from _older(stream)
        return
    usual = False
    with zipfile.ZipFile(stream) as archive:
        names = set(archive.namelist())
        if {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
            try:
                yield from sheets(archive)
                usual = True
            except Unusual:
                pass  # all of them by calamine; what has been seen of them already is merely seen again
        if not usual and sum(item.file_size for item in archive.infolist()) > INFLATED:
            raise TooBig
    if not usual:
        stream.seek(0)
        yield from _older(stream)


def _older(stream: BinaryIO) -> Iterator[Cells]:
    """Sheets by calamine, which knows all kinds of workbook: object by object."""
    import numpy as np
    import pyarrow as pa
    from python_calamine import CalamineWorkbook, SheetTypeEnum

    book = CalamineWorkbook.from_filelike(stream)
    for meta in book.sheets_metadata:
        if meta.typ != SheetTypeEnum.WorkSheet:
            continue
        sheet = book.get_sheet_by_name(meta.name)
        texts: list[list[Any]] = []
        kinds: list[list[np.ndarray]] = []
        rows: list[list[Any]] = []
        count = 0
        for row in sheet.iter_rows():  # from the first cell of the sheet on, whatever is filled
            rows.append(row)
            count += 1
            if len(rows) == _ROWS:
                _add(rows, texts, kinds)
                rows = []
        _add(rows, texts, kinds)
        yield Cells(
            meta.name,
            np.arange(count, dtype=np.int64),
            [pa.chunked_array(part, pa.string()) for part in texts],
            [np.concatenate(part) for part in kinds],
        )


def _add(rows: list[list[Any]], texts: list[list[Any]], kinds: list[list[np.ndarray]]) -> None:
    import numpy as np
    import pyarrow as pa

    for n, values in enumerate(zip(*rows, strict=True)):
        if n == len(texts):
            texts.append([])
            kinds.append([])
        pairs = [_cell(value) for value in values]
        texts[n].append(pa.array([text for text, _ in pairs], pa.string()))
        kinds[n].append(np.array([kind for _, kind in pairs], dtype=np.uint8))


def _cell(value: Any) -> tuple[str | None, int]:
    if isinstance(value, str):
        return (value, TEXT) if value else (None, 0)
    if isinstance(value, bool):
        return str(int(value)), BOOLEAN
    if isinstance(value, int | float):
        return repr(value), NUMBER
    if isinstance(value, datetime):
        return (value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")), MOMENT
    if isinstance(value, date | time):
        return value.isoformat(), MOMENT
    return (str(value), DURATION) if isinstance(value, timedelta) else (None, 0)
