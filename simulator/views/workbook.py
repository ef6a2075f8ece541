"""Workbooks the way agencies' clerks make them, out of Arrow tables.

Belongs here: the shape of a workbook as views declare it (`Sheet`, `Version`), and its bytes. Stays out: which rows
(`view`), which files and when (`writers`).

XlsxWriter makes the frame: title rows, a header of two merged rows with line breaks and decomposed letters, code lists
on further (hidden) sheets, formats. The rows between are XML joined by whole columns and put into the frame, so a million
of them take seconds. Equal content gives equal bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Ints
from simulator.views import encodings, forms

MOST_ROWS = 1_000_000  # a sheet has 1,048,576
_CHUNK = 50_000  # rows of XML at a time
_FLAT = r"^-?(0|[1-9]\d{0,14})(\.\d+)?$"
_HERE = "@@here@@"
_ROMAN = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


@dataclass(frozen=True)
class Csv:
    """How a CSV file is written: UTF-8 with or without its mark, line ends, quotes around all cells or where needed."""

    delimiter: str = ","
    bom: bool = False
    crlf: bool = False
    quote_all: bool = False


@dataclass(frozen=True)
class Version:
    """A template that holds from a day on.

    order: columns that come first, in this order. rename: column -> what its header says now. extra: empty columns at
    the end.
    """

    since: int
    order: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """The shape of a workbook.

    titles: a row each, above an empty row and the header; `{day:%d/%m/%Y}` and `{column}` (of the first row) are filled in.
    headings: column -> heading over it; neighbours of one heading share it. broken: column -> its header with line breaks
    (a column's unit stands below its name anyway). decomposed: columns with a header in NFD. sections: the column whose
    values divide the rows; each part begins with a roman numeral and ends with `Cộng`. sums: columns that are added up,
    at the end under `Tổng cộng`. signatures: below, left and right. lists: sheet name -> code -> text; all but the first
    hidden of them are `hidden`. versions: of the template, in the order of their days.
    """

    name: str = "DanhSach"
    titles: tuple[str, ...] = ()
    headings: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    decomposed: tuple[str, ...] = ()
    stt: bool = True
    sections: str | None = None
    sums: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ("Người lập biểu", "Thủ trưởng đơn vị")
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    versions: tuple[Version, ...] = ()

    def version(self, day: int) -> Version:
        """The template of a day; the plain one before the first."""
        return next((v for v in reversed(self.versions) if v.since <= day), Version(-(1 << 30)))


@dataclass(frozen=True)
class Head:
    """One column of a workbook. kind: text, number or date; unit: printed below the name."""

    name: str
    kind: str = "text"
    unit: str = ""


@dataclass(frozen=True)
class _Frame:
    """A workbook without its rows. parts: the other files; styles: of each column (STT first, if there is one)."""

    parts: tuple[tuple[str, bytes], ...]
    sheet: tuple[bytes, bytes]
    styles: tuple[str, ...]
    first: int
    order: tuple[str, ...]


class Workbooks:
    """Writes the workbooks of one template on one day; the frame is made once."""

    def __init__(self, sheet: Sheet, heads: tuple[Head, ...], day: int, on: date, encoding: str = "utf-8") -> None:
        self._sheet, self._on, self._encoding = sheet, on, encoding
        self._heads = {head.name: head for head in heads}
        self._version = sheet.version(day)
        self._extra = {name: Head(name) for name in self._version.extra}
        first = [name for name in self._version.order if name in self._heads]
        order = (*first, *(name for name in self._heads if name not in first), *self._extra)
        self._frame = self._make_frame(order)

    def write(self, target: Any, rows: Any, numbers: Mapping[str, Any] | None = None) -> None:
        """One workbook to a binary file.

        rows: a table of the columns; ValueError when they are more than a sheet can hold. numbers: column -> which of its
        texts stand as numbers all the same (booleans).
        """
        if rows.num_rows > MOST_ROWS:
            raise ValueError(f"{rows.num_rows} dòng: quá một trang tính / rows: more than a sheet holds")
        titles = self._titles(rows)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
            for name, content in self._frame.parts:
                for at, title in enumerate(titles):
                    content = content.replace(f"@@title{at}@@".encode(), escape(title).encode())
                book.writestr(self._entry(name), content)
            head, tail = self._frame.sheet
            last = f"{_letter(len(self._frame.styles) - 1)}{self._frame.first + rows.num_rows + 2000}"
            with book.open(self._entry("xl/worksheets/sheet1.xml"), "w", force_zip64=True) as file:
                file.write(re.sub(rb'<dimension ref="[^"]*"/>', f'<dimension ref="A1:{last}"/>'.encode(), head))
                for piece in self._body(rows, dict(numbers or {})):
                    file.write(piece)
                file.write(tail)

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, (self._on.year, self._on.month, self._on.day, 8, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        return entry

    def _titles(self, rows: Any) -> list[str]:
        said = {name: rows.column(name)[0].as_py() for name in rows.column_names} if rows.num_rows else {}
        known = {**dict.fromkeys(self._heads, ""), **said, "day": self._on}
        return [self._shown(title.format_map(known)) for title in self._sheet.titles]

    def _shown(self, text: str) -> str:
        """A text of the template in the encoding of the file (values come in it already)."""
        return encodings.shown(text, self._encoding)

    # -- the frame ---------------------------------------------------------------------------------------------------

    def _make_frame(self, order: tuple[str, ...]) -> _Frame:
        from xlsxwriter import Workbook  # type: ignore[import-untyped]

        content = io.BytesIO()
        book = Workbook(content, {"in_memory": True})
        book.set_properties({"author": "", "created": datetime(self._on.year, self._on.month, self._on.day, 8)})
        page = book.add_worksheet(self._sheet.name)
        bold = book.add_format({"bold": True, "align": "center"})
        header = book.add_format({"bold": True, "align": "center", "valign": "vcenter", "text_wrap": True, "border": 1})
        kinds = {
            "text": book.add_format({"num_format": "@", "border": 1}),
            "number": book.add_format({"border": 1}),
            "date": book.add_format({"num_format": "dd/mm/yyyy", "border": 1}),
        }
        columns = (["STT"] if self._sheet.stt else []) + list(order)
        width = len(columns)
        for row in range(len(self._sheet.titles)):
            if width > 1:
                page.merge_range(row, 0, row, width - 1, f"@@title{row}@@", bold)
            else:
                page.write(row, 0, f"@@title{row}@@", bold)
        top = len(self._sheet.titles) + 1
        self._header(page, columns, top, header)
        for at, name in enumerate(columns):
            kind = (
                (self._heads | self._extra)[name].kind if name in self._heads else "number" if name == "STT" else "text"
            )
            page.write_string(top + 2, at, _HERE, kinds[kind])
        for name, texts in self._sheet.lists.items():
            codes = book.add_worksheet(name)
            for row, line in enumerate([("Mã", "Tên"), *texts.items()]):
                codes.write_row(row, 0, line)
            if name in self._sheet.hidden:
                codes.hide()
        book.close()
        return self._taken_apart(content, order, top + 3)

    def _header(self, page: Any, columns: list[str], top: int, style: Any) -> None:
        """Two rows: headings over groups of columns, the columns' own names below or over both."""
        texts = [self._header_text(name) for name in columns]
        over = [self._sheet.headings.get(name, "") for name in columns]
        at = 0
        while at < len(columns):
            end = at + 1
            while over[at] and end < len(columns) and over[end] == over[at]:
                end += 1
            if not over[at]:
                page.merge_range(top, at, top + 1, at, texts[at], style)
            else:
                if end - at > 1:
                    page.merge_range(top, at, top, end - 1, self._shown(over[at]), style)
                else:
                    page.write_string(top, at, self._shown(over[at]), style)
                for column in range(at, end):
                    page.write_string(top + 1, column, texts[column], style)
            at = end

    def _header_text(self, name: str) -> str:
        text = self._version.rename.get(name) or self._sheet.broken.get(name) or name
        unit = self._heads[name].unit if name in self._heads else ""
        text = f"{text}\n({unit})" if unit and unit not in text else text
        text = self._shown(text)
        return unicodedata.normalize("NFD", text) if name in self._sheet.decomposed else text

    def _taken_apart(self, content: io.BytesIO, order: tuple[str, ...], first: int) -> _Frame:
        parts = []
        with zipfile.ZipFile(content) as book:
            for name in book.namelist():
                if name != "xl/worksheets/sheet1.xml":
                    parts.append((name, book.read(name)))
            page = book.read("xl/worksheets/sheet1.xml")
        row = re.search(rb"<row r=\"%d\"[^>]*>.*?</row>" % first, page)
        assert row is not None
        styles = tuple(found.decode() for found in re.findall(rb' s="(\d+)"', row[0]))
        return _Frame(tuple(parts), (page[: row.start()], page[row.end() :]), styles, first, order)

    # -- the rows ----------------------------------------------------------------------------------------------------

    def _body(self, rows: Any, numbers: dict[str, Any]) -> Iterator[bytes]:
        line = self._frame.first
        for title, some in self._sections(rows):
            part = rows if some is None else rows.take(pa.array(some))
            if title is not None:
                yield self._line(line, {0: title[0], 1: title[1]})
                line += 1
            shown = {name: m if some is None else m.take(pa.array(some)) for name, m in numbers.items()}
            for start in range(0, part.num_rows, _CHUNK):
                piece = part.slice(start, _CHUNK).combine_chunks()
                marked = {name: mask.slice(start, _CHUNK) for name, mask in shown.items()}
                yield self._lines(piece, line + start, start, marked)
            line += part.num_rows
            if title is not None and self._sheet.sums:
                # one label is decomposed: who compares bytes takes the row for a record
                label = unicodedata.normalize("NFD", "Cộng") if title[0] == "II" else self._shown("Cộng")
                yield self._line(line, {1: label, **self._sums(part)})
                line += 1
        if self._sheet.sums:
            yield self._line(line, {1: self._shown("Tổng cộng"), **self._sums(rows)})
            line += 1
        yield from self._signed(line + 1)

    def _sections(self, rows: Any) -> Iterator[tuple[tuple[str, str] | None, Ints | None]]:
        """Heading (roman numeral, name) and row numbers of each part; a single one without heading when there are none."""
        if self._sheet.sections is None or not rows.num_rows:
            yield None, None
            return
        coded = pc.dictionary_encode(rows.column(self._sheet.sections).combine_chunks())
        codes = coded.indices.fill_null(-1).to_numpy()
        names = coded.dictionary.to_pylist()
        order = [*sorted(range(len(names)), key=lambda at: names[at]), *([-1] if (codes < 0).any() else [])]
        for number, at in enumerate(order, start=1):
            yield (_roman(number), names[at] if at >= 0 else self._shown("Khác")), np.flatnonzero(codes == at)

    def _sums(self, rows: Any) -> dict[int, str]:
        found = {}
        for name in self._sheet.sums:
            texts = forms.plain(rows.column(name).combine_chunks())
            flat = texts.filter(pc.fill_null(pc.match_substring_regex(texts, _FLAT), False))
            total = pc.sum(pc.cast(flat, pa.float64())).as_py() or 0.0
            found[self._frame.order.index(name) + self._sheet.stt] = f"{total:.2f}".removesuffix(".00")
        return found

    def _signed(self, line: int) -> Iterator[bytes]:
        left, right = 1, max(len(self._frame.styles) - 3, 2)
        on = self._on
        if self._sheet.signatures:
            dated = f"Bắc Ninh, ngày {on.day} tháng {on.month} năm {on.year}"
            signed = [
                self._shown(text) for text in (dated, *self._sheet.signatures, "(Ký, họ tên)", "(Ký, họ tên, đóng dấu)")
            ]
            yield self._line(line, {right: signed[0]})
            yield self._line(line + 1, dict(zip((left, right), signed[1:-2], strict=False)))
            yield self._line(line + 2, {left: signed[-2], right: signed[-1]})

    def _line(self, line: int, cells: Mapping[int, str]) -> bytes:
        """One row by hand: column -> text or number."""
        made = []
        for at, text in sorted(cells.items()):
            ref = f'<c r="{_letter(at)}{line}"'
            if re.fullmatch(_FLAT, text):
                made.append(f"{ref}><v>{text}</v></c>")
            else:
                made.append(f'{ref} t="inlineStr"><is><t>{escape(text)}</t></is></c>')
        return f'<row r="{line}">{"".join(made)}</row>'.encode()

    def _lines(self, rows: Any, line: int, counted: int, numbers: Mapping[str, Any]) -> bytes:
        """Rows by whole columns. counted: how many came before in this part."""
        at = pc.cast(pa.array(np.arange(line, line + rows.num_rows)), pa.string())
        parts: list[Any] = ['<row r="', at, '">']
        if self._sheet.stt:
            stt = pc.cast(pa.array(np.arange(counted + 1, counted + 1 + rows.num_rows)), pa.string())
            parts += _number_cells(stt, at, "A", self._frame.styles[0])
        for number, name in enumerate(self._frame.order, start=int(self._sheet.stt)):
            if name in self._extra:
                continue
            style, letter = self._frame.styles[number], _letter(number)
            texts, flat = _cell_texts(rows.column(name).combine_chunks(), self._heads[name].kind)
            if name in numbers:
                marked = pc.and_(numbers[name], pc.fill_null(pc.match_substring_regex(texts, _FLAT), False))
                flat = marked if flat is None else pc.or_(flat, marked)
            made = _text_cells(texts, at, letter, style)
            if flat is not None and pc.any(flat).as_py():
                flat_cells = pc.binary_join_element_wise(*_number_cells(texts, at, letter, style), "")
                made = [pc.if_else(flat, flat_cells, pc.binary_join_element_wise(*made, ""))]
            # a cell without a value is not there at all
            parts += [pc.fill_null(pc.binary_join_element_wise(*made, ""), "")] if texts.null_count else made
        return content_of(pc.binary_join_element_wise(*parts, "</row>", ""))


def _cell_texts(values: Any, kind: str) -> tuple[Any, Any]:
    """What stands in the cells, and which of them are numbers (None: none of them)."""
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        return forms.excel_serial(values), pc.is_valid(values)
    if pa.types.is_boolean(values.type):
        return forms.write(values, "bool:TRUE/FALSE"), None
    if not pa.types.is_string(values.type):
        return forms.plain(values), pc.is_valid(values)
    if kind == "text":
        return values, None
    return values, pc.fill_null(pc.match_substring_regex(values, _FLAT), False)


def _text_cells(texts: Any, at: Any, letter: str, style: str) -> list[Any]:
    """The parts of text cells, to be joined."""
    content = content_of(texts)
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        if sign.encode() in content:
            texts = pc.replace_substring(texts, sign, name)
    start = f'" s="{style}" t="inlineStr"><is><t xml:space="preserve">'
    return [f'<c r="{letter}', at, start, texts, "</t></is></c>"]


def _number_cells(texts: Any, at: Any, letter: str, style: str) -> list[Any]:
    """The parts of number cells, to be joined."""
    return [f'<c r="{letter}', at, f'" s="{style}"><v>', texts, "</v></c>"]


def content_of(texts: Any) -> bytes:
    """All texts of an Arrow array behind one another, as UTF-8."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(texts.buffers()[2][int(offsets[0]) : int(offsets[-1])].to_pybytes()) if len(texts) else b""


@lru_cache(maxsize=512)
def _letter(column: int) -> str:
    """0 -> A, 26 -> AA."""
    return (_letter(column // 26 - 1) if column >= 26 else "") + chr(ord("A") + column % 26)


def _roman(number: int) -> str:
    text = ""
    for value, sign in _ROMAN:
        text += sign * (number // value)
        number %= value
    return text
