"""A piece of a sheet's XML, from positions of tags to columns.

Purpose: addresses, types, styles and values of all cells of a piece at once. Belongs here: the reading of `row` and `c` elements, serial
days to moments. Stays out: where pieces come from and what becomes of the columns (`xlsx_cells`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from orchestration.sources.xlsx_tags import BOOLEAN, DURATION, ERROR, MOMENT, NUMBER, TEXT, Tags, Unusual, joined_texts

if TYPE_CHECKING:
    import numpy as np

_LAST_COLUMN = 16_384
_DAY = 86_400_000  # milliseconds
_EPOCHS = {1900: 25_569, 1904: 24_107}  # days from the first of a calendar to 1970; 1900 believes in its 29 February


@dataclass(frozen=True)
class Piece:
    """Some rows: their numbers from 0, and per column of the sheet a string array and an array of kinds."""

    rows: np.ndarray
    texts: list[Any]
    kinds: list[np.ndarray]
    cells: int


def read_piece(tags: Tags, shared: Any, styles: np.ndarray, base: int) -> Piece:
    """All cells of the piece. `base` is the calendar of the workbook, 1900 or 1904. Raises Unusual."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    row_tags, cell_tags = tags.named(b"row"), tags.named(b"c")
    rows, row_of_tag = _attributes(tags, row_tags, cell_tags)
    if not len(cell_tags):
        return Piece(rows, [], [], 0)
    columns, style, kind_letter, second_letter = row_of_tag
    owner_row = np.searchsorted(row_tags, cell_tags) - 1
    if (owner_row < 0).any():
        raise Unusual
    size = len(cell_tags)
    kinds = np.full(size, NUMBER, dtype=np.uint8)
    style = np.where(style < len(styles), style, 0)
    kinds = np.where(styles[style] == 0, NUMBER, styles[style]).astype(np.uint8)
    is_shared = (kind_letter == ord("s")) & (second_letter != ord("t"))
    inline = kind_letter == ord("i")
    kinds[inline | (kind_letter == ord("s"))] = TEXT
    kinds[kind_letter == ord("b")] = BOOLEAN
    kinds[kind_letter == ord("e")] = ERROR
    if (kind_letter == ord("d")).any():  # moments in ISO text: nearly nobody writes them
        raise Unusual

    v_tags = tags.named(b"v")
    of = np.searchsorted(cell_tags, v_tags, side="right") - 1
    if len(of) and (of[0] < 0 or (np.diff(of) <= 0).any()):
        raise Unusual
    raw = tags.gather(*tags.contents(v_tags))
    where = np.full(size, -1)
    where[of] = np.arange(len(of))
    index = pa.array(where, mask=(where < 0) | is_shared | inline)
    texts: Any = raw.take(index)
    chosen = np.flatnonzero(is_shared & (where >= 0))
    if len(chosen):
        if shared is None:
            raise Unusual
        numbers = pc.cast(raw.take(pa.array(where[chosen])), pa.int64()).to_numpy()
        if (numbers < 0).any() or (numbers >= len(shared)).any():
            raise Unusual
        mask = np.zeros(size, dtype=bool)
        mask[chosen] = True
        texts = pc.replace_with_mask(texts, pa.array(mask), shared.take(pa.array(numbers)))
    if inline.any():
        spots = np.flatnonzero(inline)
        inner = joined_texts(tags, cell_tags)
        texts = pc.replace_with_mask(texts, pa.array(inline), inner.take(pa.array(spots)))
    if pc.min(pc.binary_length(texts)).as_py() == 0:
        texts = pc.if_else(pc.equal(pc.binary_length(texts), 0), pa.scalar(None, pa.string()), texts)
    kinds[texts.is_null().to_numpy(zero_copy_only=False)] = 0
    texts, kinds = _moments(texts, kinds, base)

    order = np.argsort(columns, kind="stable")
    width = int(columns.max()) + 1
    edges = np.searchsorted(columns[order], np.arange(width + 1))
    found_texts, found_kinds = [], []
    for column in range(width):
        cells = order[edges[column] : edges[column + 1]]
        if len(cells) == len(rows) and (owner_row[cells] == np.arange(len(rows))).all():
            found_texts.append(texts.take(pa.array(cells)))
            found_kinds.append(kinds[cells])
            continue
        spot = np.full(len(rows), -1)
        spot[owner_row[cells]] = cells
        found_texts.append(texts.take(pa.array(spot, mask=spot < 0)))
        found_kinds.append(np.where(spot >= 0, kinds[spot], 0).astype(np.uint8))
    return Piece(rows, found_texts, found_kinds, size)


def _attributes(
    tags: Tags, row_tags: np.ndarray, cell_tags: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Row numbers from 0, and of the cells: column from 0, style, first and second letter of the type (0: none)."""
    import numpy as np

    b = tags.bytes
    equals = np.flatnonzero(b == 61)
    # One letter behind white space, and a quote.
    single = (b[equals - 2] <= 32) & ((b[equals + 1] == 34) | (b[equals + 1] == 39))
    equals = equals[single]
    owner = np.searchsorted(tags.starts, equals) - 1
    equals, owner = equals[owner >= 0], owner[owner >= 0]
    # An equals sign in a text or a formula is no attribute: it stands behind the tag, and so behind a >.
    slot = np.full(len(tags.starts), -1)
    slot[cell_tags] = np.arange(len(cell_tags))
    row_slot = np.full(len(tags.starts), -1)
    row_slot[row_tags] = np.arange(len(row_tags))
    name = b[equals - 1]

    of_row, of_cell = row_slot[owner], slot[owner]

    def values(letter: str, slots: np.ndarray, size: int) -> np.ndarray:
        """Where the value of the attribute begins for each tag, -1 where it has none."""
        chosen = np.flatnonzero((name == ord(letter)) & (slots >= 0))
        begin = np.full(size, -1)
        begin[slots[chosen]] = equals[chosen] + 2
        return begin

    at = values("r", of_row, len(row_tags))
    if (at < 0).any():
        raise Unusual
    rows = _digits(b, at) - 1
    at = values("r", of_cell, len(cell_tags))
    if (at < 0).any():
        raise Unusual
    columns = np.zeros(len(cell_tags), dtype=np.int64)
    letters = np.ones(len(cell_tags), dtype=bool)
    for step in range(3):
        letter = b[at + step].astype(np.int64) - 64
        letters &= (letter >= 1) & (letter <= 26)
        columns = np.where(letters, columns * 26 + letter, columns)
    columns -= 1
    if (columns < 0).any() or (columns >= _LAST_COLUMN).any():
        raise Unusual
    at = values("s", of_cell, len(cell_tags))
    style = np.where(at < 0, 0, _digits(b, np.maximum(at, 0)))
    at = values("t", of_cell, len(cell_tags))
    first = np.where(at < 0, 0, b[np.maximum(at, 0)])
    second = np.where(at < 0, 0, b[np.maximum(at, 0) + 1])
    return rows, (columns, style, first, second)


def _digits(b: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The whole numbers that begin at these positions, 0 where there is none."""
    import numpy as np

    number = np.zeros(len(at), dtype=np.int64)
    going = np.ones(len(at), dtype=bool)
    for step in range(7):
        digit = b[np.minimum(at + step, len(b) - 1)].astype(np.int64) - 48
        going &= (digit >= 0) & (digit <= 9)
        if not going.any():
            break
        number = np.where(going, number * 10 + digit, number)
    return number


def _moments(texts: Any, kinds: np.ndarray, base: int) -> tuple[Any, np.ndarray]:
    """Serial days to ISO text. What is no number stays text, and a day before the calendar a number."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    spots = np.flatnonzero((kinds == MOMENT) | (kinds == DURATION))
    if not len(spots):
        return texts, kinds
    days = pc.cast(texts.take(pa.array(spots)), pa.float64()).to_numpy()
    fine = (days >= 0) & (days < 2_958_466)
    kinds[spots[~fine]] = NUMBER
    spots, days = spots[fine], days[fine]
    # To the millisecond, which is all that Excel keeps.
    millis = np.round(days * _DAY).astype(np.int64)
    alone = millis < (_DAY if base == 1900 else 0)  # a time of day without a day
    by_hand = (kinds[spots] == DURATION) | alone
    moments = millis + np.where((base == 1900) & (millis < 60 * _DAY), _DAY, 0) - (_EPOCHS[base] * _DAY)
    whole, second = moments % _DAY == 0, moments % 1000 == 0
    groups: tuple[tuple[np.ndarray, Callable[[np.ndarray], Any]], ...] = (
        (~by_hand & whole, lambda some: pa.array((some // _DAY).astype(np.int32)).cast(pa.date32())),
        (~by_hand & ~whole & second, lambda some: pa.array(some // 1000).cast(pa.timestamp("s"))),
        (~by_hand & ~second, lambda some: pa.array(some * 1000).cast(pa.timestamp("us"))),
    )
    for some, convert in groups:
        if some.any():
            texts = _put(texts, spots[some], convert(moments[some]).cast(pa.string()))
    if by_hand.any():
        pairs = zip(millis[by_hand].tolist(), kinds[spots[by_hand]].tolist(), strict=True)
        written = [_span(value, duration=kind == DURATION) for value, kind in pairs]
        texts = _put(texts, spots[by_hand], pa.array(written, pa.string()))
    return texts, kinds


def _put(texts: Any, spots: np.ndarray, values: Any) -> Any:
    """`texts` with `values` at these ascending places."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = np.zeros(len(texts), dtype=bool)
    mask[spots] = True
    return pc.replace_with_mask(texts, pa.array(mask), values)


def _span(millis: int, *, duration: bool) -> str:
    span = timedelta(milliseconds=millis)
    return str(span) if duration else (datetime.min + span).time().isoformat()
