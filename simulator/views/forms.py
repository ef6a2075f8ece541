"""How a value is written down: the forms a column of a source may have.

Belongs here: Arrow values -> Arrow texts, whole columns at a time. Stays out: dirt (`spoil`), bytes (`encodings`).

| form | writes |
|---|---|
| `text` | text as it is; numbers plainly, dates as yyyy-mm-dd, moments as yyyy-mm-dd hh:mm:ss, booleans as true and false |
| `typed` | nothing: the Arrow type stays (databases) |
| `int`, `decimal:2` | 1234567, 1234567.89 (in workbooks: a number) |
| `comma:2` | 1234567,89 |
| `dots:0`, `dots:2` | 1.234.567 and 1.234.567,89 |
| `english:2` | 1,234,567.89 |
| `date:%d/%m/%Y` | any pattern of strftime, in Vietnamese time |
| `short` | 5/3/2026 |
| `date8`, `stamp12`, `stamp14` | yyyyMMdd, yyyyMMddHHmm, yyyyMMddHHmmss |
| `excel` | a serial number of Excel (in workbooks: a date) |
| `bool:Có/Không` | the two words; `bool:x/` leaves the second empty |
| `upper`, `ascii`, `upper_ascii`, `nfd` | text in capitals, without diacritics, both, decomposed |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Ints
from simulator.views import encodings

_PATTERNS = {"date8": "%Y%m%d", "stamp12": "%Y%m%d%H%M", "stamp14": "%Y%m%d%H%M%S", "short": "%d/%m/%Y"}
_TEXT = ("upper", "ascii", "upper_ascii", "nfd")
_PLAIN = ("text", "typed", "int", "excel", *_TEXT, *_PATTERNS)
_NUMBERS = ("decimal", "comma", "dots", "english")
_EXCEL_EPOCH = 25_569  # days from Excel's day 0 to 1970


def known(form: str) -> bool:
    """True for a form of the table above."""
    kind, _, detail = form.partition(":")
    if kind in _NUMBERS:
        return detail.isdigit() or not detail
    return form in _PLAIN or (kind == "date" and "%" in detail) or (kind == "bool" and detail.count("/") == 1)


def odd(form: str) -> bool:
    """True for a way of writing that a reader has to know of."""
    return form not in ("text", "typed", "int") and not form.startswith("decimal")


def pattern(form: str) -> str | None:
    """The strftime pattern of a form of dates; None for others."""
    return form.removeprefix("date:") if form.startswith("date:") else _PATTERNS.get(form)


def is_number(form: str) -> bool:
    """True for forms that a workbook holds as numbers."""
    return form in ("int", "excel") or form.startswith("decimal")


def write(values: Any, form: str, words: Mapping[Any, str] | None = None) -> Any:
    """One column as its source writes it: an Arrow array of strings (of the same type when `typed`); null stays null."""
    if words is not None:
        values = in_words(values, words)
    if form == "typed":
        return values
    kind, _, detail = form.partition(":")
    if kind == "bool":
        yes, _, no = detail.partition("/")
        texts = pa.array([no or None, yes or None], pa.string())
        return texts.take(values.cast(pa.int8()))
    if kind in _NUMBERS or form == "int":
        return number(values, form)
    if form == "excel":
        return excel_serial(values)
    if (dates := pattern(form)) is not None:
        texts = strftime(values, dates)
        # the pattern `short` has no zeros before day and month
        return pc.replace_substring_regex(texts, "(^|/)0", "\\1") if form == "short" else texts
    return _text(plain(values), form)


def plain(values: Any) -> Any:
    """A value as text, the way the form `text` writes it."""
    if pa.types.is_timestamp(values.type):
        return strftime(values, "%Y-%m-%d %H:%M:%S")
    if pa.types.is_floating(values.type):
        # 12.0 is 12 and 1e15 is a 1 with zeros
        texts = pc.cast(pc.cast(values, pa.decimal128(38, 6), safe=False), pa.string())
        return pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")
    return values if pa.types.is_string(values.type) else pc.cast(values, pa.string())


def _text(texts: Any, form: str) -> Any:
    if "ascii" in form:
        texts = encodings.without_diacritics(texts)
    if "upper" in form:
        texts = pc.utf8_upper(texts)
    return pc.utf8_normalize(texts, form="NFD") if form == "nfd" else texts


def in_words(values: Any, words: Mapping[Any, str]) -> Any:
    """Codes -> words, by the dictionary of distinct values; ValueError for a code without a word."""
    coded = pc.dictionary_encode(values)
    lacking = [v for v in coded.dictionary.to_pylist() if v not in words]
    if lacking:
        raise ValueError(f"không có từ cho mã / no word for the code: {lacking[:5]}")
    return pa.array([words[v] for v in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


# -- numbers -----------------------------------------------------------------------------------------------------------


def number(values: Any, form: str) -> Any:
    """Numbers as text in `int`, `decimal`, `comma`, `dots` or `english`; places after the colon, none without one.

    What is text already stays.
    """
    if pa.types.is_string(values.type):
        return values
    kind, _, detail = form.partition(":")
    places = int(detail or 0)
    minus, whole, rest = _digits(values, places)
    separator = {"dots": ".", "english": ","}.get(kind, "")
    parts = _grouped(whole, separator) if separator else [pc.cast(whole, pa.string())]
    if places:
        parts += ["," if kind in ("comma", "dots") else ".", pc.utf8_lpad(pc.cast(rest, pa.string()), places, "0")]
    if pc.any(minus).as_py():
        parts.insert(0, pa.array(["", "-"], pa.string()).take(minus.cast(pa.int8())))
    return pc.binary_join_element_wise(*parts, "") if len(parts) > 1 else parts[0]


def _digits(values: Any, places: int) -> tuple[Any, Any, Any]:
    """Sign, whole part and that many decimal places, of numbers of any type; rounded half away from zero."""
    scale = 10**places
    if pa.types.is_integer(values.type):
        scaled = pc.multiply(pc.cast(values, pa.int64()), scale)
    elif pa.types.is_decimal(values.type):
        rounded = pc.round(values, places, round_mode="half_towards_infinity")
        scaled = pc.cast(pc.multiply(rounded, pa.scalar(scale, pa.decimal128(18, 0))), pa.int64(), safe=False)
    else:
        rounded = pc.round(pc.multiply(pc.cast(values, pa.float64()), float(scale)), round_mode="half_towards_infinity")
        scaled = pc.cast(rounded, pa.int64(), safe=False)
    size = pc.abs(scaled)
    whole = pc.divide(size, scale)
    return pc.less(scaled, 0), whole, pc.subtract(size, pc.multiply(whole, scale))


@cache
def _thousands(separator: str) -> Any:
    """What may stand in the place of three digits: nothing, digits that begin a number, digits behind a separator."""
    return pa.array(["", *(str(n) for n in range(1000)), *(f"{separator}{n:03d}" for n in range(1000))], pa.string())


def _grouped(whole: Any, separator: str) -> list[Any]:
    """The parts of whole numbers from 0 on, a separator between the thousands."""
    numbers, empty = whole.fill_null(0).to_numpy(), np.asarray(whole.is_null())
    parts, step, most = [], 1, int(numbers.max(initial=0))
    while step == 1 or most >= step:
        digits = numbers // step % 1000
        index = np.where(numbers >= step * 1000, 1001 + digits, 1 + digits)
        if step > 1:
            index[numbers < step] = 0
        parts.append(_thousands(separator).take(pa.array(index, mask=empty)))
        step *= 1000
    return parts[::-1]


# -- dates -------------------------------------------------------------------------------------------------------------


def strftime(values: Any, dates: str) -> Any:
    """Dates or moments as text; %Y %y %m %d %H %M %S are known, everything else stands for itself.

    Distinct days and seconds are few: each is written once.
    """
    if pa.types.is_timestamp(values.type):
        days, seconds = _local(values)
    else:
        days, seconds = pc.cast(pc.cast(values, pa.date32()), pa.int32()), None
    if seconds is None or not re.search("%[HMS]", dates):
        return _distinct(days, lambda day: _written(day, None, dates))
    cut = min(dates.find(f"%{sign}") for sign in "HMS" if f"%{sign}" in dates)
    if re.search("%[YymdD]", dates[cut:]):
        raise ValueError(f"{dates}: giờ đứng trước ngày / the time stands before the date")
    clock = _distinct(seconds, lambda second: _written(None, second, dates[cut:]))
    if not cut:
        return clock
    return pc.binary_join_element_wise(_distinct(days, lambda day: _written(day, None, dates[:cut])), clock, "")


def _distinct(numbers: Any, write: Callable[[Ints], Any]) -> Any:
    coded = pc.dictionary_encode(numbers)
    return write(coded.dictionary.to_numpy()).take(coded.indices)


@cache
def _two_digits() -> Any:
    return pa.array([f"{n:02d}" for n in range(100)], pa.string())


def _written(days: Ints | None, seconds: Ints | None, dates: str) -> Any:
    """Days since 1970, or seconds after midnight, by a pattern."""
    known: dict[str, Any] = {}
    if days is not None:
        date = days.astype("datetime64[D]")
        month = date.astype("datetime64[M]")
        year = month.astype("datetime64[Y]").astype(np.int64) + 1970
        known["d"] = (date - month).astype(np.int64) + 1
        known["m"] = month.astype(np.int64) % 12 + 1
        known["y"] = year % 100
    if seconds is not None:
        known |= {"H": seconds // 3600, "M": seconds // 60 % 60, "S": seconds % 60}
    parts: list[Any] = []
    for piece in re.findall("%[YymdHMS]|[^%]+|%", dates):
        if piece == "%Y":
            parts.append(pc.utf8_lpad(pc.cast(pa.array(year), pa.string()), 4, "0"))
        elif piece[0] == "%" and piece[1:] in known:
            parts.append(_two_digits().take(pa.array(known[piece[1:]])))
        else:
            parts.append(piece)
    count = len(days) if days is not None else len(seconds if seconds is not None else ())
    return pc.binary_join_element_wise(pa.repeat(pa.scalar("", pa.string()), count), *parts, "")


def _local(values: Any) -> tuple[Any, Any]:
    """Days since 1970 and seconds after midnight, in the time zone of the values (none: as they are)."""
    local = pc.local_timestamp(values) if values.type.tz else values
    seconds = pc.cast(pc.cast(local, pa.timestamp("s"), safe=False), pa.int64())
    number = seconds.fill_null(0).to_numpy()
    days, clock = np.divmod(number, 86_400)
    empty = np.asarray(values.is_null())
    return pa.array(days.astype(np.int32), mask=empty), pa.array(clock, mask=empty)


def excel_serial(values: Any) -> Any:
    """Days since 30 December 1899; of moments with the time as a fraction of six places."""
    if pa.types.is_timestamp(values.type):
        days, seconds = _local(values)
        return number(
            pc.add(pc.add(days, _EXCEL_EPOCH), pc.divide(pc.cast(seconds, pa.float64()), 86_400.0)), "decimal:6"
        )
    return pc.cast(pc.add(pc.cast(pc.cast(values, pa.date32()), pa.int32()), _EXCEL_EPOCH), pa.string())
