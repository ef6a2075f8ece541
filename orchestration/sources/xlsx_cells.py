"""The cells of an xlsx workbook as whole columns of text, read from its XML with array operations.

Purpose: what a workbook holds, at the speed of memory and never as one Python object per cell: parts of the archive are inflated in pieces, a
piece becomes positions of its tags, and these become columns. Belongs here: the parts of the archive, shared strings, styles.
Stays out: the tags of a piece (`xlsx_tags`, `xlsx_piece`), where the table is (`sheet_layout`), how a contract wants a value written,
other kinds of workbook (`workbook`).

An unusual writer (comments within the sheet, cells without an address) raises Unusual: `workbook` then reads the file with calamine.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.sources.xlsx_piece import read_piece
from orchestration.sources.xlsx_tags import DURATION, MOMENT, NUMBER, Tags, Unusual, joined_texts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PIECE = 8 << 20  # bytes inflated at a time
LONGEST_ROW = 64 << 20  # bytes of one row
SMALL_PART = 64 << 20  # bytes of workbook.xml, styles.xml and their like
SHARED = 1 << 30  # bytes of the shared strings: they are held while the sheet is read
MOST_CELLS = 60_000_000  # of one sheet: more is no table of an agency but an attack, or a fault of the writer

_NOT_CODE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)


class TooBig(Exception):
    """More than a table of an agency can be; carries nothing."""


@dataclass(frozen=True)
class Cells:
    """A sheet: `rows` are the row numbers of the file from 0, ascending; every column has one text and one kind a row.

    `texts[n]` is a string array (null: empty cell) and `kinds[n]` an uint8 array, n being the column of the sheet from 0.
    """

    name: str
    rows: np.ndarray
    texts: list[pa.ChunkedArray]
    kinds: list[np.ndarray]


def sheets(archive: zipfile.ZipFile) -> Iterator[Cells]:
    """The worksheets in the order of the workbook, hidden ones too. Unusual, TooBig, zipfile and lxml errors."""
    book = _root(archive, "xl/workbook.xml")
    properties = book.find("{*}workbookPr")
    base = 1904 if properties is not None and properties.get("date1904") in ("1", "true") else 1900
    relations = [
        (
            item.get("Type", "").rpartition("/")[2],
            item.get("Id"),
            posixpath.normpath(posixpath.join("/xl", item.get("Target")))[1:],
        )
        for item in _root(archive, "xl/_rels/workbook.xml.rels")
        if item.get("TargetMode") != "External"
    ]
    targets = {number: part for kind, number, part in relations if kind == "worksheet"}
    if any(part != f"xl/{kind}.xml" for kind, _, part in relations if kind in ("styles", "sharedStrings")):
        raise Unusual
    known = set(archive.namelist())
    shared: Any = _shared(archive) if "xl/sharedStrings.xml" in known else None
    styles = _styles(archive) if "xl/styles.xml" in known else _no_styles()
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        number = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), None)
        part = targets.get(number)
        if part in known:
            yield _sheet(archive, part, sheet.get("name", ""), shared, styles, base)


def _root(archive: zipfile.ZipFile, part: str) -> Any:
    from lxml import etree

    with archive.open(part) as stream:
        content = stream.read(SMALL_PART + 1)
    if len(content) > SMALL_PART:
        raise TooBig
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def _no_styles() -> np.ndarray:
    import numpy as np

    return np.zeros(1, dtype=np.uint8)


def _styles(archive: zipfile.ZipFile) -> np.ndarray:
    """For every cell style whether its number is a moment or a duration (else NUMBER)."""
    import numpy as np

    root = _root(archive, "xl/styles.xml")
    codes = {item.get("numFmtId"): item.get("formatCode", "") for item in root.iterfind("{*}numFmts/{*}numFmt")}
    kinds = [_style_kind(item.get("numFmtId", "0"), codes) for item in root.iterfind("{*}cellXfs/{*}xf")]
    return np.array(kinds or [NUMBER], dtype=np.uint8)


def _style_kind(number: str, codes: dict[str, str]) -> int:
    if number not in codes:
        known = int(number) if number.isdigit() else 0
        moment = 14 <= known <= 22 or 27 <= known <= 36 or 45 <= known <= 47 or 50 <= known <= 58
        return DURATION if known == 46 else MOMENT if moment else NUMBER
    code = _NOT_CODE.sub("", codes[number].split(";")[0]).lower()
    if re.search(r"\[(h+|m+|s+)\]", code):
        return DURATION
    return MOMENT if re.search(r"[dmyhs]", code.replace("general", "")) else NUMBER


def _shared(archive: zipfile.ZipFile) -> Any:
    """The shared strings, one string array. An entry of several runs is their texts joined, without phonetic help."""
    import pyarrow as pa

    parts, total = [], 0
    for piece in _pieces(archive, "xl/sharedStrings.xml", b"<sst", b"</si>", b"</sst>"):
        total += len(piece)
        if total > SHARED:
            raise TooBig
        tags = Tags(piece)
        entries = tags.named(b"si")
        parts.append(joined_texts(tags, entries))
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())


def _pieces(archive: zipfile.ZipFile, part: str, root: bytes, last: bytes, end: bytes) -> Iterator[bytes]:
    """The content of the part in pieces that end with `last`, from the tag that begins with `root`, without prefixes."""
    with archive.open(part) as stream:
        pending, prefix, begun = b"", b"", False
        while block := stream.read(PIECE):
            pending += block
            if not begun:
                found = re.search(rb"<(?:([\w.-]+):)?" + root[1:] + rb"[\s/>]", pending)
                if found is None:
                    if len(pending) > LONGEST_ROW:
                        raise TooBig
                    continue
                if not re.match(
                    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*?(encoding=.(utf-8|ascii|us-ascii).[^>]*)?\?>|<)", pending, re.I
                ):
                    raise Unusual
                if (
                    re.match(rb"(\xef\xbb\xbf)?\s*<\?xml[^>]*encoding=.(?!utf-8|us-ascii)", pending, re.I)
                    or b"<!" in pending[: found.start()]
                ):
                    raise Unusual
                prefix, begun = found[1] or b"", True
                pending = pending[found.start() :]
            if prefix:
                pending = pending.replace(b"<" + prefix + b":", b"<").replace(b"</" + prefix + b":", b"</")
            cut = pending.rfind(last) + len(last)
            if cut >= len(last):
                yield pending[:cut]
                pending = pending[cut:]
            elif len(pending) > LONGEST_ROW:
                raise TooBig
        if not begun or (end not in pending and not re.search(root + rb"[^<]*/>", pending)):
            raise Unusual  # cut short, or a part without the element


def _sheet(archive: zipfile.ZipFile, part: str, name: str, shared: Any, styles: np.ndarray, base: int) -> Cells:
    import numpy as np
    import pyarrow as pa

    rows: list[np.ndarray] = []
    texts: list[list[Any]] = []
    kinds: list[list[np.ndarray]] = []
    cells = 0
    for piece in _pieces(archive, part, b"<sheetData", b"</row>", b"</sheetData>"):
        found = read_piece(Tags(piece), shared, styles, base)
        before = sum(len(part) for part in rows)
        rows.append(found.rows)
        cells += found.cells
        if cells > MOST_CELLS or (before + len(found.rows)) * max(len(texts), len(found.texts)) > 8 * MOST_CELLS:
            raise TooBig
        for column in range(max(len(texts), len(found.texts))):
            if column == len(texts):
                texts.append([pa.nulls(before, pa.string())])
                kinds.append([np.zeros(before, dtype=np.uint8)])
            here = column < len(found.texts)
            texts[column].append(found.texts[column] if here else pa.nulls(len(found.rows), pa.string()))
            kinds[column].append(found.kinds[column] if here else np.zeros(len(found.rows), dtype=np.uint8))
    numbers = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    if len(numbers) and (np.diff(numbers) <= 0).any():
        raise Unusual
    return Cells(
        name, numbers, [pa.chunked_array(part, pa.string()) for part in texts], [np.concatenate(part) for part in kinds]
    )
