"""How dates and numbers are spoilt.

Belongs here: the kinds `date_…` and `number_…`, and the other value of a conflicting row. Stays out: how often
(`dirt`), which cells (`spoil`).

They start from the value itself, not from its text. In a column that keeps its type (`typed`) only such dirt can stand
as the type allows: a date can be a wrong date, but no «00/00/1955».
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.views import forms
from simulator.views.dirt import Cells
from simulator.views.dirt_identity import from_letters, letters

_UNITS = {"đồng": 1, "nghìn đồng": 10**3, "triệu đồng": 10**6, "tỷ đồng": 10**9}
_IMPOSSIBLE = (("31", "02"), ("30", "02"), ("31", "04"), ("31", "06"), ("31", "11"), ("32", "01"))


def _pattern(cells: Cells) -> str:
    """How the column writes dates: by a pattern, or as one types them into a workbook, or ISO."""
    return forms.pattern(cells.form) or ("%d/%m/%Y" if cells.form == "excel" else "%Y-%m-%d")


def _written(cells: Cells, pattern: str) -> Any:
    return forms.strftime(cells.value, pattern)


def _with(pattern: str, day: str, month: str) -> str:
    """A pattern with the day and the month fixed, and no time of the day."""
    return re.sub("%[HMS]", "00", pattern.replace("%d", day).replace("%m", month))


def _year_only(cells: Cells) -> Any:
    """«1955»; in a form without separators the rest is zeros: «195500000000»."""
    pattern = _pattern(cells)
    return _written(cells, "%Y" if re.search(r"[^%A-Za-z]", pattern) else _with(pattern, "00", "00"))


def _fake(cells: Cells) -> Any:
    if cells.form == "typed":
        return pc.floor_temporal(cells.value, unit="year")
    if cells.form == "excel":
        return forms.excel_serial(pc.floor_temporal(cells.value, unit="year"))
    text = _written(cells, _with(_pattern(cells), "01", "01"))
    return pc.replace_substring_regex(text, "(^|/)0", "\\1") if cells.form == "short" else text


def _impossible(cells: Cells) -> Any:
    which = cells.whole("which", 0, len(_IMPOSSIBLE) - 1)
    text = cells.meant
    for at, (day, month) in enumerate(_IMPOSSIBLE):
        text = pc.if_else(pa.array(which == at), _written(cells, _with(_pattern(cells), day, month)), text)
    return text


def _two_digits(cells: Cells) -> Any:
    return _written(cells, _pattern(cells).replace("%Y", "%y"))


def _other_order(cells: Cells) -> Any:
    """Month and day changed over; a day that would read the same is written year first."""
    pattern = _pattern(cells)
    swapped = pattern.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    text = _written(cells, swapped)
    return pc.if_else(pc.equal(text, cells.meant), _written(cells, "%Y/%m/%d"), text)


def _number(cells: Cells, form: str) -> Any:
    """The number in another form, with as many places."""
    places = cells.form.partition(":")[2]
    return forms.number(cells.value, f"{form}:{places if places.isdigit() else 0}")


def _thousands(cells: Cells) -> Any:
    """«1.234,5»; below a thousand there is nothing to divide."""
    size = pc.abs(pc.cast(cells.value, pa.float64()))
    return pc.if_else(pc.greater_equal(size, 1000.0), _number(cells, "dots"), cells.meant)


def _with_unit(cells: Cells) -> Any:
    return pc.binary_join_element_wise(cells.meant, cells.unit, " ") if cells.unit else cells.meant


def _in_words(cells: Cells) -> Any:
    """Amounts from a million đồng on: «1,5 tỷ», «350 triệu»."""
    amount = pc.multiply(pc.cast(cells.value, pa.float64()), float(_UNITS.get(cells.unit, 1)))
    big = pc.greater_equal(amount, 1e9)
    shown = pc.divide(amount, pc.if_else(big, 1e9, 1e6))
    text = pc.replace_substring_regex(forms.number(shown, "comma:1"), ",0$", "")
    worded = pc.binary_join_element_wise(text, pc.if_else(big, "tỷ", "triệu"), " ")
    return pc.if_else(pc.greater_equal(amount, 1e6), worded, cells.meant)


def _thousandfold(cells: Cells) -> Any:
    value = pc.multiply(cells.value, pa.scalar(1000, cells.value.type))
    return pc.cast(value, cells.value.type) if cells.form == "typed" else forms.write(value, cells.form)


def another_value(cells: Cells) -> Any:
    """A value near the right one, for the second of two conflicting rows: the last digit differs, a date by some days.

    Text without a digit stays as it is.
    """
    more = cells.whole("other", 1, 9)
    kind = cells.meant.type
    if pa.types.is_string(kind):
        return _last_digit(cells, more)
    if pa.types.is_date32(kind):
        return pc.cast(pc.add(pc.cast(cells.meant, pa.int32()), pa.array(more.astype(np.int32))), kind)
    if pa.types.is_timestamp(kind):
        return pc.add(cells.meant, pa.array(more * 86_400_000_000, pa.duration("us")))
    return pc.cast(pc.add(cells.meant, pc.cast(pa.array(more), kind)), kind)


def _last_digit(cells: Cells, more: Any) -> Any:
    matrix = letters(cells.meant)
    digits = (matrix >= ord("0")) & (matrix <= ord("9"))
    rows = np.flatnonzero(digits.any(axis=1))
    last = matrix.shape[1] - 1 - np.argmax(digits[:, ::-1], axis=1)
    matrix[rows, last[rows]] = ord("0") + (matrix[rows, last[rows]] - ord("0") + more[rows]) % 10
    return from_letters(matrix)


KINDS: dict[str, Callable[[Cells], Any]] = {
    "date_year_only": _year_only,
    "date_zero": lambda cells: _written(cells, _with(_pattern(cells), "00", "00")),
    "date_fake": _fake,
    "date_impossible": _impossible,
    "date_two_digit": _two_digits,
    "date_order": _other_order,
    "number_comma": lambda cells: _number(cells, "comma"),
    "number_thousands": _thousands,
    "number_unit": _with_unit,
    "number_words": _in_words,
    "number_scale": _thousandfold,
}
