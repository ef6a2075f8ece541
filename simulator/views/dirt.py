"""What is wrong with agencies' data, and how often: the kinds of dirt and the one table of their rates.

Belongs here: kinds, rates, `Dirt` as views declare it, and the sets of kinds that go with names, dates, numbers, codes.
Stays out: how a cell is spoilt (`dirt_identity`, `dirt_text`, `dirt_value`), which cells (`spoil`).

A view names kinds and columns; the rate comes from `RATES` unless the view says otherwise. A rate is the share of those
cells which the kind can spoil at all: «Thị» can only be dropped from a name that has it. A cell is wrong in one way at
most, so the rates of one column add up. `docs/simulator-dirt.md` holds the table for readers; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from simulator.chance import Ids, Ints

Scope = Literal["cell", "row", "file", "correction"]


@dataclass(frozen=True)
class Rate:
    """How often a kind comes about. `scope`: of which things `rate` is a share; `source`: where domain knowledge says so."""

    rate: float
    vi: str
    en: str
    source: str
    scope: Scope = "cell"


# Identity. The first six make up the 15 % of person records without a valid identifier, whatever the person's age (nobody
# born since 2007 ever had the old card: they have `id_word` instead); then 2 % with a wrong one and 1 % sharing
# another's (children that of the head of their household, everybody else anybody's).
RATES: dict[str, Rate] = {
    "id_missing": Rate(0.060, "Bỏ trống số định danh", "the personal number is left empty", "2"),
    "id_placeholder": Rate(0.030, "Số hoặc chữ giữ chỗ: 000000000000, 111111111, 123456789012, «không», «chưa có»",
                           "a placeholder in its stead: digits or words", "2"),
    "id_zero_lost": Rate(0.015, "Excel làm mất số 0 ở đầu", "Excel has lost the leading zero", "2, 3"),
    "id_cmnd": Rate(0.035, "Ghi số CMND thay cho CCCD (người sinh trước 2007)",
                    "number of the old identity card instead (persons born before 2007)", "2"),
    "id_both": Rate(0.010, "CMND và CCCD trong một ô, cách nhau bằng «/» (người sinh trước 2007)",
                    "old and new number in one cell, divided by «/» (persons born before 2007)", "2"),
    "id_word": Rate(0.045, "«chưa cấp», «chưa có» (người sinh từ 2007, không có CMND)",
                    "«not issued yet» (persons born since 2007, who never had an old card)", "2"),
    "id_typo": Rate(0.012, "Sai một chữ số", "one digit mistyped", "2"),
    "id_transposed": Rate(0.008, "Đảo hai chữ số liền nhau", "two neighbouring digits changed over", "2"),
    "id_head": Rate(0.010, "Trẻ em ghi số của chủ hộ", "a child bears the number of the head of its household", "2"),
    "id_other": Rate(0.010, "Ghi số của người khác (không phải trẻ em có chủ hộ)",
                     "anybody else bears another person's number", "2"),
    # text
    "text_nfd": Rate(0.050, "Chữ Unicode tổ hợp (NFD) lẫn trong dựng sẵn (NFC)", "decomposed (NFD) among composed text",
                     "3"),
    "text_tone": Rate(0.200, "Đặt dấu kiểu khác: hòa/hoà, thủy/thuỷ", "the other tone placement: hòa/hoà, thủy/thuỷ", "3"),
    "text_iy": Rate(0.050, "i thay y: Lý/Lí, Mỹ/Mĩ", "i for y: Lý/Lí, Mỹ/Mĩ", "3"),
    "text_no_diacritics": Rate(0.010, "Mất dấu (cả đ)", "no diacritics (đ is d)", "3"),
    "text_upper": Rate(0.020, "Viết hoa toàn bộ", "upper case throughout", "3"),
    "text_spaces": Rate(0.015, "Thừa dấu cách ở giữa, đầu hoặc cuối", "doubled, leading or trailing spaces", "3"),
    "text_no_thi": Rate(0.030, "Bỏ chữ «Thị» trong họ tên", "«Thị» dropped from a name", "3"),
    # dates
    "date_year_only": Rate(0.020, "Chỉ có năm", "the year only", "3"),
    "date_zero": Rate(0.004, "00/00/yyyy", "00/00/yyyy", "3"),
    "date_fake": Rate(0.015, "01/01/yyyy ghi cho có", "01/01/yyyy for want of better knowledge", "3"),
    "date_impossible": Rate(0.001, "Ngày không có thật (31/02)", "a day that does not exist (31/02)", "3"),
    "date_two_digit": Rate(0.008, "Năm hai chữ số", "a year of two digits", "3"),
    "date_order": Rate(0.003, "Thứ tự khác (tháng trước ngày)", "another order (month first)", "3"),
    # numbers
    "number_comma": Rate(0.020, "Dấu phẩy thập phân", "decimal comma", "3"),
    "number_thousands": Rate(0.020, "Dấu chấm hàng nghìn", "dots between thousands", "3"),
    "number_unit": Rate(0.010, "Đơn vị tính nằm trong ô", "the unit inside the cell", "3"),
    "number_words": Rate(0.005, "«1,5 tỷ»: số tiền viết gọn", "«1,5 tỷ»: an amount put in words", "3"),
    "number_scale": Rate(0.002, "Sai đơn vị: gấp 1.000 lần", "in the wrong unit: a thousand times too much", "3"),
    # codes
    "commune_old": Rate(0.030, "Mã xã của thời kỳ trước (xã đã đổi mã)", "commune code of an earlier epoch", "1"),
    "commune_zero_lost": Rate(0.015, "Mã xã mất số 0 ở đầu", "commune code without its leading zero", "1, 3"),
    "agency_old": Rate(0.300, "Mã cơ quan kiểu cũ: 000.00.12.H05", "agency code in the old style: 000.00.12.H05", "2"),
    "procedure_local": Rate(0.030, "Mã thủ tục có đuôi của tỉnh: 1.001193.000.00.00.H05",
                            "procedure code with the province's own tail", "2"),
    "phone_old": Rate(0.040, "Đầu số trước khi đổi: 0240, 0241, 11 chữ số", "telephone number as before renumbering", "2"),
    "code_typo": Rate(0.003, "Mã sai một chữ số", "one digit of a code mistyped", "2"),
    "missing": Rate(0.020, "Bỏ trống", "left empty", "3"),
    # rows, files, corrections
    "duplicate": Rate(0.004, "Dòng lặp lại y hệt", "a row twice, alike", "5.10", "row"),
    "conflict": Rate(0.001, "Dòng lặp lại với giá trị khác", "a row twice, with different values", "5.10", "row"),
    "resent_file": Rate(0.020, "Gửi lại tệp cũ cạnh tệp mới", "an old file is sent again beside the new one", "5.10", "file"),
    "late_correction": Rate(0.250, "Bản ghi sai được sửa muộn, sau 1 đến 45 ngày",
                            "a wrong record is put right late, 1 to 45 days on", "5.10", "correction"),
}  # fmt: skip
WITHOUT_VALID_ID = ("id_missing", "id_placeholder", "id_zero_lost", "id_cmnd", "id_both", "id_word")
WRONG_ID = ("id_typo", "id_transposed")
SHARED_ID = ("id_head", "id_other")
IDENTITY = WITHOUT_VALID_ID + WRONG_ID + SHARED_ID
ROW_KINDS = tuple(kind for kind, rate in RATES.items() if rate.scope == "row")
CORRECTED_WITHIN = 45  # days


@dataclass(frozen=True, init=False)
class Dirt:
    """One kind of dirt on columns of a view (by their source names), at its default rate or at one of its own."""

    kind: str
    columns: tuple[str, ...]
    rate: float

    def __init__(self, kind: str, *columns: str, rate: float | None = None) -> None:
        """`Dirt("text_nfd", "ho_ten", "dia_chi")`; `Dirt("duplicate")` has no column, `conflict` has those that differ."""
        if kind not in RATES or RATES[kind].scope not in ("cell", "row"):
            raise ValueError(f"{kind!r}: no kind of dirt that a view can name")
        if (kind == "duplicate") == bool(columns):
            raise ValueError(f"{kind!r}: {'has no column' if columns else 'of which column?'}")
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "rate", RATES[kind].rate if rate is None else rate)


def _each(kinds: tuple[str, ...], columns: tuple[str, ...]) -> tuple[Dirt, ...]:
    return tuple(Dirt(kind, *columns) for kind in kinds)


def names(*columns: str) -> tuple[Dirt, ...]:
    """What happens to names of persons."""
    return _each(
        ("text_nfd", "text_tone", "text_iy", "text_no_diacritics", "text_upper", "text_spaces", "text_no_thi"), columns
    )


def texts(*columns: str) -> tuple[Dirt, ...]:
    """What happens to other Vietnamese text."""
    return _each(("text_nfd", "text_tone", "text_no_diacritics", "text_upper", "text_spaces"), columns)


def dates(*columns: str) -> tuple[Dirt, ...]:
    """What happens to dates of birth and other old dates that are written as text."""
    return _each(
        ("date_year_only", "date_zero", "date_fake", "date_impossible", "date_two_digit", "date_order"), columns
    )


def numbers(*columns: str) -> tuple[Dirt, ...]:
    """What happens to numbers that are written as text; amounts of money may have `number_words` besides."""
    return _each(("number_comma", "number_thousands", "number_unit"), columns)


def communes(*columns: str) -> tuple[Dirt, ...]:
    """What happens to commune codes."""
    return _each(("commune_old", "commune_zero_lost"), columns)


def sound_ids(*columns: str) -> tuple[Dirt, ...]:
    """For a register whose personal numbers are right: no dirt of identity on these columns."""
    return tuple(Dirt(kind, *columns, rate=0.0) for kind in IDENTITY)


@dataclass(frozen=True)
class Cells:
    """The cells of one column that a kind is about to spoil: what `dirt_identity` and its siblings work on.

    meant: as written without dirt; value: before it was written (a date, a number); ids: of the truth; person: ids of
    the persons the column identifies, if it does; of(name): a column of the truth for these cells, None if it has none.
    """

    province: Any
    stream: str
    form: str
    unit: str
    ids: Ids
    meant: Any
    value: Any
    person: Ids | None
    of: Callable[[str], Any]

    def whole(self, name: str, low: int | Ids, high: int | Ids) -> Ints:
        """A whole number drawn for each cell, from `low` to `high`, both included."""
        return np.asarray(self.province.chance.integer(f"{self.stream}.{name}", self.ids, low, high), np.int64)


def rates_in_words() -> str:
    """The table of `docs/simulator-dirt.md`."""
    scopes = {
        "cell": "cells / ô",
        "row": "rows / dòng",
        "file": "files / tệp",
        "correction": "wrong records / bản ghi sai",
    }
    lines = ["| kind | rate | of | Vietnamese | English | domain |", "|---|---:|---|---|---|---|"]
    for kind, rate in RATES.items():
        share = f"{rate.rate * 100:.1f} %"
        lines.append(f"| `{kind}` | {share} | {scopes[rate.scope]} | {rate.vi} | {rate.en} | {rate.source} |")
    return "\n".join(lines)
