"""How a personal number comes to be missing, wrong or another person's.

Belongs here: the kinds `id_…` and the typing errors they share with codes. Stays out: how often (`dirt`), which cells
(`spoil`).

No spoilt number can meet a real person's: the first three digits (097 to 099, of no province) are never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Bools, Ints
from simulator.table import DAY0, words
from simulator.views.dirt import Cells

KEPT = 3  # leading signs that no typing error touches
PLACEHOLDERS = ("000000000000", "111111111", "123456789012", "không", "chưa có")
NOT_ISSUED = ("chưa cấp", "chưa có")
_CARD_UNTIL = (DAY0.replace(year=2007, month=1, day=1) - DAY0).days  # who was born later never had the old card
_GROWN = -18 * 365  # day of birth of those who come of age about day 0

Letters = npt.NDArray[np.uint32]


def letters(texts: Any) -> Letters:
    """Texts as a matrix of code points, a row each, filled up with zeros."""
    found = np.array(texts.to_pylist(), dtype=np.str_)
    width = max(found.dtype.itemsize // 4, 2)  # two neighbours, even of nothing
    return np.ascontiguousarray(found.astype(f"<U{width}")).view(np.uint32).reshape(len(texts), width)


def from_letters(matrix: Letters) -> Any:
    """The way back."""
    return pa.array(np.ascontiguousarray(matrix).view(f"<U{matrix.shape[1]}").ravel().tolist(), pa.string())


def _chosen(places: Bools, cells: Cells, name: str) -> tuple[Ints, Ints]:
    """One of the places that are true in each row: row numbers and columns; rows without one are left out."""
    count = places.sum(axis=1)
    wanted = 1 + cells.whole(name, 0, np.maximum(count, 1) - 1)
    at = np.argmax(np.cumsum(places, axis=1) >= wanted[:, None], axis=1)
    rows = np.flatnonzero(count)
    return rows, at[rows]


def _digits(matrix: Letters) -> Bools:
    digits = (matrix >= ord("0")) & (matrix <= ord("9"))
    digits[:, :KEPT] = False
    return digits


def one_digit_wrong(cells: Cells) -> Any:
    """One digit behind the first three is another one."""
    matrix = letters(cells.meant)
    rows, at = _chosen(_digits(matrix), cells, "place")
    more = cells.whole("digit", 1, 9)[rows]
    matrix[rows, at] = ord("0") + (matrix[rows, at] - ord("0") + more) % 10
    return from_letters(matrix)


def _two_changed_over(cells: Cells) -> Any:
    matrix = letters(cells.meant)
    digits = _digits(matrix)
    pairs = digits[:, :-1] & digits[:, 1:] & (matrix[:, :-1] != matrix[:, 1:])
    rows, at = _chosen(pairs, cells, "place")
    matrix[rows, at], matrix[rows, at + 1] = matrix[rows, at + 1], matrix[rows, at]
    return from_letters(matrix)


def zero_lost(cells: Cells) -> Any:
    """Leading zeros are gone, as when a workbook takes a code for a number."""
    return pc.utf8_ltrim(cells.meant, "0")


def nothing(cells: Cells) -> Any:
    """The cell is empty."""
    return pa.nulls(len(cells.meant), cells.meant.type)


def _born(cells: Cells) -> Ints:
    return np.asarray(cells.province.people.born_on(cells.person), np.int64)


def _placeholder(cells: Cells) -> Any:
    return words(PLACEHOLDERS, cells.whole("which", 0, len(PLACEHOLDERS) - 1))


def _cmnd(cells: Cells) -> Any:
    return pc.if_else(pa.array(_born(cells) < _CARD_UNTIL), cells.province.people.cmnd(cells.person), cells.meant)


def _both(cells: Cells) -> Any:
    both = pc.binary_join_element_wise(cells.province.people.cmnd(cells.person), cells.meant, "/")
    return pc.if_else(pa.array(_born(cells) < _CARD_UNTIL), both, cells.meant)


def _word(cells: Cells) -> Any:
    said = words(NOT_ISSUED, cells.whole("which", 0, len(NOT_ISSUED) - 1))
    return pc.if_else(pa.array(_born(cells) >= _CARD_UNTIL), said, cells.meant)


def _head(cells: Cells) -> tuple[Bools, Ints]:
    """Those who are children with a head of household, and the heads."""
    people, person = cells.province.people, np.asarray(cells.person, np.int64)
    later = person >= people.stock
    known = np.where(later, people.mother(person), np.minimum(person, people.stock - 1))
    head = people.head[known].astype(np.int64)
    return (_born(cells) > _GROWN) & (head != person), head


def _of_head(cells: Cells) -> Any:
    child, head = _head(cells)
    return pc.if_else(pa.array(child), cells.province.people.personal_ids(head), cells.meant)


def _of_another(cells: Cells) -> Any:
    child, _ = _head(cells)
    people, person = cells.province.people, np.asarray(cells.person, np.int64)
    other = (person + cells.whole("who", 1, people.stock - 1)) % people.stock
    return pc.if_else(pa.array(child), cells.meant, people.personal_ids(other))


KINDS: dict[str, Callable[[Cells], Any]] = {
    "id_missing": nothing,
    "id_placeholder": _placeholder,
    "id_zero_lost": zero_lost,
    "id_cmnd": _cmnd,
    "id_both": _both,
    "id_word": _word,
    "id_typo": one_digit_wrong,
    "id_transposed": _two_changed_over,
    "id_head": _of_head,
    "id_other": _of_another,
}
