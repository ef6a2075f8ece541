"""Where the table is on a sheet, and which of its rows are data.

Purpose: read office sheets by the names of their headers, never by position: titles above, headers of several merged
lines, moved columns, group and total rows, a signature block below. Belongs here: that geometry.
Stays out: opening the workbook and writing values (`workbook`).

Which rows are data. A row is dropped only when it is surely not data, since a dropped row is a lost one:
- a row with a number in the STT (serial number) column is data as soon as any business cell is filled, key or not;
- a total row says «Cộng», «Tổng cộng», … in its first filled cell and has only numbers beside it;
- a group row has a roman numeral or a letter as STT, and at most one text beside it; or is one text alone;
- from the first line of the signature block below the last numbered row on, nothing is data; it has no key, or stands
  below an empty row with words of a signature where the key would be;
- a row of numbers that only counts the columns stands directly below the header, under every title;
- everything else that has a filled business cell is handed on, and becomes quarantine if it breaks the contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.sources.delivery import header_index, shown_title
from orchestration.sources.xlsx_cells import Cells
from orchestration.sources.xlsx_tags import NUMBER, TEXT

if TYPE_CHECKING:
    import numpy as np

HEADER_SEARCH = 60  # rows from the top in which the header may begin
HEADER_LINES = 4  # lines one header may have
SERIAL_HEADERS = frozenset({"stt", "tt", "số tt", "số thứ tự", "no", "no."})
GROUP = re.compile(r"\(?(?=[IVXLCDM])(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})\)?\.?|[A-ZĐ]\.?", re.IGNORECASE)
TOTAL = re.compile(r"(tổng cộng|tổng số|tổng|cộng)([ :(].*)?")
NUMBERING = re.compile(r"\(?(\d{1,2}|[a-zđ])\)?([ =].*)?")
NUMERIC = re.compile(r"[-+]?[\d.,\s]*\d\s*%?|[-–—]")
SIGNATURE = re.compile(
    r".*\bngày\b.{0,12}\btháng\b.*|\W*(người lập|thủ trưởng|kế toán|xác nhận của|nơi nhận|lãnh đạo đơn vị)\b.*"
    r"|\(?(ký|đã ký)\b.*|(hiệu trưởng|giám đốc|chủ tịch|trưởng phòng)"
)


@dataclass(frozen=True)
class Layout:
    """A table on a sheet. `columns` and `headers` are per sheet column; `first_row` is the first row below the header.

    `matched` counts the contract columns found; a layout with some missing still says what was found instead.
    """

    sheet: str
    first_row: int
    headers: tuple[str, ...]
    columns: tuple[str | None, ...]
    serial: int | None
    matched: int

    @property
    def extra_positions(self) -> tuple[int, ...]:
        """Sheet columns with a header the contract does not have; the serial number is not one of them."""
        named = enumerate(zip(self.headers, self.columns, strict=True))
        return tuple(n for n, (text, column) in named if text and column is None and n != self.serial)

    @property
    def extra(self) -> tuple[str, ...]:
        return tuple(shown_title(self.headers[n], n + 1) for n in self.extra_positions)

    def position(self, column: str) -> int:
        return self.columns.index(column)


def find_layout(contract: Contract, sheet: Cells, meant: Callable[[str], str] = str) -> Layout:
    """The header block that names the most contract columns: fewest lines, then topmost, among equals.

    `meant` says what a text of the sheet stands for, where it is in a charset of its own.
    """
    index = header_index(contract)
    top = [[meant(text) if text else "" for text in row] for row in _top(sheet)]
    best = Layout(sheet.name, 0, (), (), None, 0)
    for lines in range(1, HEADER_LINES + 1):
        for start in range(min(HEADER_SEARCH, len(top) - lines + 1)):
            block = top[start : start + lines]
            if not any(block[0]) or not any(block[-1]):
                continue
            headers = tuple(_header(cells, index) for cells in zip(*block, strict=True))
            columns = tuple(index.get(fold(text)) for text in headers)
            matched = len({column for column in columns if column})
            if matched > best.matched:
                serial = next((n for n, text in enumerate(headers) if fold(text) in SERIAL_HEADERS), None)
                best = Layout(sheet.name, start + lines, headers, columns, serial, matched)
    return best


def _top(sheet: Cells) -> list[list[str]]:
    """The texts of the first rows, as they stand below each other: a row the file leaves out is an empty one."""
    rows = [row for row in sheet.rows[: HEADER_SEARCH + HEADER_LINES].tolist() if row < HEADER_SEARCH + HEADER_LINES]
    texts = [_plain(column.slice(0, len(rows)).to_pylist()) for column in sheet.texts]
    top = [[""] * len(texts) for _ in range(max(rows, default=-1) + 1)]
    for n, row in enumerate(rows):
        top[row] = [column[n] for column in texts]
    return top


def _header(cells: Sequence[str], index: dict[str, str]) -> str:
    """The header of one sheet column from its lines: all of them joined, or the last filled one, below its group."""
    filled = [cell for cell in cells if cell]
    if not filled:
        return ""
    whole = " ".join(filled)
    return whole if fold(whole) in index else filled[-1]


def data_rows(contract: Contract, layout: Layout, sheet: Cells, meant: Callable[[str], str] = str) -> np.ndarray:
    """Indexes into `sheet.rows` of the data rows, in their order (the rule is in the module's docstring). `meant`: as above."""
    import numpy as np
    import pyarrow as pa

    start = int(np.searchsorted(sheet.rows, layout.first_row))
    texts = [column.slice(start) for column in sheet.texts]
    kinds = [column[start:] for column in sheet.kinds]
    size = len(sheet.rows) - start
    filled = [_filled(text, kind) for text, kind in zip(texts, kinds, strict=True)]
    any_filled, business = np.zeros(size, dtype=bool), np.zeros(size, dtype=np.int32)
    for n, column in enumerate(layout.columns):
        any_filled |= filled[n]
        business += filled[n] if column is not None else 0
    has_business = business > 0
    keys = [layout.position(name) for name in contract.key if name in layout.columns]
    patterns = [
        (layout.position(column.name), re.compile(column.pattern))
        for column in contract.columns
        if column.key_position and column.pattern and column.name in layout.columns
    ]
    if layout.serial is not None:
        numbered = _serials(texts[layout.serial], kinds[layout.serial]) & has_business
    else:
        # Without serial numbers a row counts as numbered when its key is good and something beside it is filled.
        numbered = business > len(keys)
        for key in keys:
            numbered &= filled[key]
        for position, pattern in patterns:
            values = _plain(texts[position].to_pylist())
            numbered &= np.fromiter((pattern.fullmatch(value) is not None for value in values), dtype=bool, count=size)
    spots = numbered.nonzero()[0]
    last = int(spots[-1]) if len(spots) else -1
    if len(spots):
        first = int(spots[0])
        below = sheet.rows[start + first] == layout.first_row
        counted = _plain([column[first].as_py() for column in texts])
        after = _plain([column[int(spots[1])].as_py() for column in texts]) if len(spots) > 1 else []
        if below and _is_numbering(counted, after, layout):
            numbered[first] = has_business[first] = False
    # Only rows that may be something else are looked at one by one; behind the last number also for a signature.
    doubtful = np.flatnonzero(any_filled & ~numbered & (has_business | (np.arange(size) > last)))
    found = [
        [meant(text) if text else "" for text in _plain(column.take(pa.array(doubtful)).to_pylist())]
        for column in texts
    ]
    kept, end = [], size
    for at, n in enumerate(doubtful.tolist()):
        cells = [(position, column[at]) for position, column in enumerate(found) if column[at]]
        if n > last and _is_signature(cells, keys, apart=n == 0 or not any_filled[n - 1] or _is_gap(sheet, start + n)):
            end = n
            break
        if has_business[n] and not _is_layout_row(cells, layout, keys, patterns, int(sheet.rows[start + n])):
            kept.append(n)
    numbered[kept] = True
    return start + np.flatnonzero(numbered[:end])


def _is_gap(sheet: Cells, index: int) -> bool:
    """Whether the row above is one that the file leaves out."""
    return bool(sheet.rows[index - 1] < sheet.rows[index] - 1)


def _is_signature(cells: Sequence[tuple[int, str]], keys: Sequence[int], *, apart: bool) -> bool:
    """Whether a row begins the signature block. `apart`: it stands below an empty row. A post may also be a value of a row."""
    signs = [position for position, text in cells if SIGNATURE.fullmatch(fold(text))]
    at_keys = [position for position, _ in cells if position in keys]
    return bool(signs) and (not at_keys or (apart and set(at_keys) <= set(signs)))


def _is_numbering(cells: Sequence[str], after: Sequence[str], layout: Layout) -> bool:
    """Whether the numbered row directly below the header counts its columns. `after`: the next numbered row, which goes on otherwise."""
    if not all(cell for cell, header in zip(cells, layout.headers, strict=False) if header):
        return False
    if layout.serial is not None and after:
        one, two = (re.sub(r"\D", "", row[layout.serial].split(".")[0]) for row in (cells, after))
        if one and two and int(two) == int(one) + 1:
            return False
    return _counts_columns([cell for cell in cells if cell])


def _is_layout_row(
    cells: Sequence[tuple[int, str]],
    layout: Layout,
    keys: Sequence[int],
    patterns: Sequence[tuple[int, re.Pattern[str]]],
    row: int,
) -> bool:
    """Whether a row without serial number is a total, a group or a count of the columns. `cells`: the filled ones, `row`: its number."""
    serial, texts_at = layout.serial, dict(cells)
    # The whole key must be there, and match: the heading of a group may be the value of one of its columns.
    if patterns and all(at in texts_at for at in keys) and all(p.fullmatch(texts_at.get(at, "")) for at, p in patterns):
        return False
    counts = _counts_columns([text for _, text in cells])
    if counts and all(text.isdigit() for _, text in cells):
        # Plain numbers may be a row of data just as well.
        titled = [at for at, header in enumerate(layout.headers) if header]
        counts = row == layout.first_row and all(at in texts_at for at in titled)
    label, rest = cells[0][1], [text for _, text in cells[1:]]
    texts = [text for text in rest if not NUMERIC.fullmatch(text)]
    if TOTAL.fullmatch(fold(label)) and not texts:
        return True
    if cells[0][0] == serial and TOTAL.fullmatch(fold(rest[0] if rest else "")) and len(texts) == 1:
        return True
    if cells[0][0] == serial and GROUP.fullmatch(label):
        return len(texts) <= 1 or counts
    return not rest or counts


def _counts_columns(texts: Sequence[str]) -> bool:
    """Whether a row only counts the columns below the header: A, B, (1), (2), (3) …"""
    matches = [NUMBERING.fullmatch(fold(text)) for text in texts]
    numbers = [int(match[1]) for match in matches if match and match[1].isdigit()]
    consecutive = bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return len(texts) > 2 and all(matches) and consecutive


def _plain(texts: Sequence[str | None]) -> list[str]:
    return [" ".join(text.split()) if text else "" for text in texts]


def _filled(texts: Any, kinds: np.ndarray) -> np.ndarray:
    """Which cells hold more than white space."""
    import numpy as np
    import pyarrow.compute as pc

    blank = np.asarray(pc.fill_null(pc.utf8_is_space(texts), True).to_numpy())  # a value of Arrow
    filled: np.ndarray = (kinds != 0) & ~blank
    return filled


def _serials(texts: Any, kinds: np.ndarray) -> np.ndarray:
    """Which cells hold a serial number: a whole number, or a text like «3» or «3.»."""
    import numpy as np
    import pyarrow.compute as pc

    def matches(pattern: str) -> np.ndarray:
        return np.asarray(pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy())

    serials: np.ndarray = ((kinds == NUMBER) & matches(r"^-?\d+(\.0*)?([eE]\+?\d+)?$")) | (
        (kinds == TEXT) & matches(r"^\s*\d{1,7}\.?\s*$")
    )
    return serials
