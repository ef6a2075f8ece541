"""Where the table is on a sheet, and which of its rows are data.

Purpose: read office sheets by the names of their headers, never by position: titles above, headers of several merged
lines, moved columns, group and total rows, a signature block below. Belongs here: that geometry.
Stays out: opening the workbook and writing values (`xlsx`).

Which rows are data. A row is dropped only when it is surely not data, since a dropped row is a lost one:
- a row with a number in the STT (serial number) column is data as soon as any business cell is filled, key or not;
- a total row says «Cộng», «Tổng cộng», … in its first filled cell and has only numbers beside it;
- a group row has a roman numeral or a letter as STT, and at most one text beside it; or is one text alone;
- from the first line of the signature block below the last numbered row on, nothing is data;
- everything else that has a filled business cell is handed on, and becomes quarantine if it breaks the contract.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.sources.delivery import header_index

if TYPE_CHECKING:
    import pandas as pd

HEADER_SEARCH = 60  # rows from the top in which the header may begin
HEADER_LINES = 4  # lines one header may have
SERIAL_HEADERS = frozenset({"stt", "tt", "số tt", "số thứ tự", "no", "no."})
SERIAL = re.compile(r"\d{1,7}\.?")
GROUP = re.compile(r"\(?(?=[IVXLC])(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})\)?\.?|[A-ZĐ]\.?", re.IGNORECASE)
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
        return tuple(self.headers[n] for n in self.extra_positions)

    def position(self, column: str) -> int:
        return self.columns.index(column)


def find_layout(contract: Contract, name: str, sheet: pd.DataFrame) -> Layout:
    """The header block that names the most contract columns: fewest lines, then topmost, among equals."""
    index = header_index(contract)
    top = [[_text(cell) for cell in row] for row in sheet.head(HEADER_SEARCH + HEADER_LINES).to_numpy(dtype=object)]
    best = Layout(name, 0, (), (), None, 0)
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
                best = Layout(name, start + lines, headers, columns, serial, matched)
    return best


def _header(cells: Sequence[str], index: dict[str, str]) -> str:
    """The header of one sheet column from its lines: all of them joined, or the last filled one, below its group."""
    filled = [cell for cell in cells if cell]
    if not filled:
        return ""
    whole = " ".join(filled)
    return whole if fold(whole) in index else filled[-1]


def data_rows(contract: Contract, layout: Layout, sheet: pd.DataFrame) -> list[int]:
    """Positions of the data rows on the sheet, in its order (the rule is in the module's docstring)."""
    import numpy as np

    body = sheet.iloc[layout.first_row :]
    filled = body.map(_is_filled).to_numpy(dtype=bool)
    business = [n for n, column in enumerate(layout.columns) if column is not None]
    has_business: Any = filled[:, business].any(axis=1)
    numbered: Any
    patterns = [
        (layout.position(column.name), re.compile(column.pattern))
        for column in contract.columns
        if column.key_position and column.pattern
    ]
    if layout.serial is not None:
        numbered = body.iloc[:, layout.serial].map(_is_serial).to_numpy(dtype=bool) & has_business
    else:
        # Without serial numbers a row counts as numbered when its key is good and something beside it is filled.
        keys = [layout.position(name) for name in contract.key]
        numbered = filled[:, keys].all(axis=1) & (filled[:, business].sum(axis=1) > len(keys))
        for position, pattern in patterns:
            numbered &= [pattern.fullmatch(_text(cell)) is not None for cell in body.iloc[:, position]]
    last = int(numbered.nonzero()[0][-1]) if numbered.any() else -1
    if numbered.any():
        first = int(numbered.nonzero()[0][0])
        if _counts_columns([_text(cell) for cell in body.iloc[first] if _is_filled(cell)]):
            numbered[first] = has_business[first] = False
    doubtful = ~numbered & has_business
    rows = []
    values: Any = body.to_numpy(dtype=object)
    for n in np.flatnonzero(filled.any(axis=1)).tolist():
        if numbered[n]:
            rows.append(layout.first_row + n)
            continue
        cells = [(position, _text(values[n][position])) for position in filled[n].nonzero()[0].tolist()]
        if n > last and any(SIGNATURE.fullmatch(fold(text)) for _, text in cells):
            break
        if doubtful[n] and not _is_layout_row(cells, layout.serial, patterns):
            rows.append(layout.first_row + n)
    return rows


def _is_layout_row(
    cells: Sequence[tuple[int, str]], serial: int | None, patterns: Sequence[tuple[int, re.Pattern[str]]]
) -> bool:
    """Whether a row without serial number is a total, a group or a count of the columns. `cells`: the filled ones."""
    if any(pattern.fullmatch(text) for at, pattern in patterns for position, text in cells if position == at):
        return False
    label, rest = cells[0][1], [text for _, text in cells[1:]]
    texts = [text for text in rest if not NUMERIC.fullmatch(text)]
    if TOTAL.fullmatch(fold(label)) and not texts:
        return True
    if cells[0][0] == serial and TOTAL.fullmatch(fold(rest[0] if rest else "")) and len(texts) == 1:
        return True
    if cells[0][0] == serial and GROUP.fullmatch(label):
        return len(texts) <= 1 or _counts_columns([text for _, text in cells])
    return not rest or _counts_columns([text for _, text in cells])


def _counts_columns(texts: Sequence[str]) -> bool:
    """Whether a row only counts the columns below the header: A, B, (1), (2), (3) …"""
    matches = [NUMBERING.fullmatch(fold(text)) for text in texts]
    numbers = [int(match[1]) for match in matches if match and match[1].isdigit()]
    consecutive = bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return len(texts) > 2 and all(matches) and consecutive


def _text(cell: Any) -> str:
    return " ".join(str(cell).split()) if _is_filled(cell) else ""


def _is_filled(cell: Any) -> bool:
    if isinstance(cell, str):
        return not (cell == "" or cell.isspace())
    return cell is not None and cell == cell


def _is_serial(cell: Any) -> bool:
    if isinstance(cell, str):
        return bool(SERIAL.fullmatch(cell.strip()))
    return isinstance(cell, int | float) and not isinstance(cell, bool) and cell == cell and float(cell).is_integer()
