"""Typed values to text, a column at a time: landing reads one form only, the one that the contract names.

Purpose: numbers, moments and booleans that a file holds as such, written as the column's format writes them. Belongs here: that, and trimming.
Stays out: where values come from (`workbook`, `dbf`, `parquet_file`), any judgement on them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestration.contracts.model import Column
from orchestration.sources.xlsx_tags import BOOLEAN, MOMENT, NUMBER, TEXT

if TYPE_CHECKING:
    import numpy as np

_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND = (0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)
#: How a format writes a moment: pieces of ISO text and what stands between them.
_MOMENTS: dict[str, tuple[tuple[int, int] | str, ...]] = {
    "yyyyMMddHHmmss": (_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND),
    "yyyyMMddHHmm": (_YEAR, _MONTH, _DAY, _HOUR, _MINUTE),
    "yyyyMMdd": (_YEAR, _MONTH, _DAY),
    "dd/MM/yyyy": (_DAY, "/", _MONTH, "/", _YEAR),
    "dd/MM/yyyy HH:mm": (_DAY, "/", _MONTH, "/", _YEAR, " ", _HOUR, ":", _MINUTE),
    "dd/MM/yyyy HH:mm:ss": (_DAY, "/", _MONTH, "/", _YEAR, " ", _HOUR, ":", _MINUTE, ":", _SECOND),
    "MM/yyyy": (_MONTH, "/", _YEAR),
    "partial_date": (_DAY, "/", _MONTH, "/", _YEAR),
}


def column_text(texts: Any, kinds: np.ndarray, column: Column | None, charset: str | None) -> Any:
    """Cells of one column as a string array. A typed cell is written as the column's format writes it, so that landing reads one form only."""
    import numpy as np
    import pyarrow.compute as pc

    form = column.format if column else None
    present = np.bincount(kinds, minlength=8).astype(bool)
    if present[TEXT] and charset is not None:
        texts = _decoded(texts, kinds == TEXT, charset)
    if present[NUMBER]:
        texts = _replaced(texts, kinds == NUMBER, lambda some: _numbers(some, comma=form == "decimal_comma"))
    if present[BOOLEAN]:
        texts = _replaced(texts, kinds == BOOLEAN, lambda some: truths(pc.equal(some, "1"), column))
    if present[MOMENT]:
        texts = _replaced(texts, kinds == MOMENT, lambda some: moments(some, column))
    return trimmed(texts)


def trimmed(texts: Any) -> Any:
    """Without white space around; an empty text is a null, a character 0, which PostgreSQL has not, U+FFFD."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(texts)
    if pc.any(pc.match_substring(texts, "\0")).as_py():
        texts = pc.replace_substring(texts, "\0", "\ufffd")
    lengths = pc.binary_length(texts)
    if pc.min(lengths).as_py() != 0:
        return texts
    return pc.if_else(pc.equal(lengths, 0), pa.scalar(None, pa.string()), texts)


def truths(values: Any, column: Column | None) -> Any:
    """Booleans as the column's words for them, `true` and `false` where it has none."""
    import pyarrow.compute as pc

    form = column.format if column and column.pg_type == "boolean" else None
    true, false = form.split("/", 1) if form else ("true", "false")
    return pc.if_else(values, true, false)


def _replaced(texts: Any, mask: np.ndarray, change: Callable[[Any], Any]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if mask.all():
        return change(texts)
    where = pa.array(mask)
    return pc.replace_with_mask(texts, where, change(texts.filter(where)))


def _decoded(texts: Any, mask: np.ndarray, charset: str) -> Any:
    return _replaced(texts, mask, lambda some: decoded_texts(some, charset))


def decoded_texts(texts: Any, charset: str) -> Any:
    """Texts of a legacy charset that stand as Western characters."""
    import pyarrow as pa

    from orchestration.sources.charsets import decode_column

    return pa.array(decode_column(texts.to_pylist(), charset), pa.string())


def _numbers(texts: Any, *, comma: bool) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    # Of a fraction Excel keeps 15 digits; the rest of the binary number is noise. Most numbers are written so already.
    whole = pc.match_substring_regex(texts, r"^-?(0|[1-9]\d*)$")
    short = pc.less_equal(pc.binary_length(texts), 15)
    usual = pc.or_(whole, pc.and_(pc.match_substring_regex(texts, r"^-?(0|[1-9]\d*)\.\d*[1-9]$"), short))
    odd = pc.invert(usual)
    if pc.any(odd).as_py():
        fixed = [_number(text) for text in texts.filter(odd).to_pylist()]
        texts = pc.replace_with_mask(texts, odd, pa.array(fixed, pa.string()))
    return pc.replace_substring(texts, ".", ",") if comma else texts


def _number(text: str) -> str:
    value = None
    try:
        value = float(text)
    except ValueError:
        return text
    if value != value or value in (float("inf"), float("-inf")):
        return text
    written = Decimal(text.strip().replace("_", ""))
    if written == written.to_integral_value():
        return str(int(written))  # every digit of it, as a code or an identifier may have more than 15
    return str(int(value)) if value.is_integer() else format(Decimal(f"{value:.15g}"), "f")


def moments(texts: Any, column: Column | None) -> Any:
    """ISO texts as the column's format writes them. A time of day without a day stays one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    form = column.format if column else None
    if form in _MOMENTS:
        full = pc.if_else(
            pc.equal(pc.binary_length(texts), 10), pc.binary_join_element_wise(texts, "00:00:00", " "), texts
        )
        pieces = [
            pa.scalar(piece) if isinstance(piece, str) else pc.utf8_slice_codeunits(full, *piece)
            for piece in _MOMENTS[form]
        ]
        changed = pc.binary_join_element_wise(*pieces, "")
    elif column and column.pg_type == "date":
        changed = pc.utf8_slice_codeunits(texts, 0, 10)
    else:
        return texts
    return pc.if_else(pc.match_substring_regex(texts, "^..:"), texts, changed)
