"""Numbers of persons and firms that obey the rules of the real ones and can meet none of them.

Belongs here: identifiers that several domains need. Stays out: those of one domain only.

Personal identifiers begin with 097 to 099 (provinces have 001 to 096: Circular 07/2016/TT-BCA), old identity cards with
39 (provinces had 01 to 38), enterprise codes with 99 (no tax office has it); subscriber numbers begin with 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.chance import Bools, Ids, Ints
from simulator.table import joined, padded, words

MST_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_AREA = {"24": "0204", "27": "0222"}
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def spread(ids: Ids, size: int, factor: int = 1_000_003, start: int | Ids = 0) -> Ints:
    """Ids below `size` dealt over the same numbers without collision, so that neighbours look unalike.

    `factor` must have no divisor in common with `size`.
    """
    assert np.gcd(factor, size) == 1
    return np.asarray((np.asarray(ids, np.int64) * factor + start) % size, np.int64)


def personal_ids(ranks: Ids, years: Ids, male: Bools) -> Any:
    """Arrow texts of twelve digits: place, sex with century, year of birth, six digits.

    `ranks`: a number below 3,000,000 that no other person of that year and sex has.
    """
    years = np.asarray(years, np.int64)
    sex = (years - 1900) // 100 * 2 + np.where(male, 0, 1)
    # Each group begins elsewhere, and its numbers lie far apart: a digit mistyped seldom gives another person's.
    serial = spread(ranks, 3_000_000, factor=1_854_101, start=years * 104_729 + sex * 71_171)
    number = (97 + serial // 1_000_000) * 10**9 + sex * 10**8 + (years % 100) * 10**6 + serial % 1_000_000
    return padded(number, 12)


def old_cards(ids: Ids) -> Any:
    """Arrow texts of nine digits: the number of the identity card (CMND) that each had before; distinct below 10 million."""
    return padded(390_000_000 + spread(ids, 10_000_000, start=2_402_027), 9)


def enterprise_codes(ids: Ids) -> Any:
    """Arrow texts of ten digits: the tax code of each, with a right check digit; distinct below a million.

    The rule gives no digit for one number in eleven; each id has eleven numbers to itself, of which the first good one is taken.
    """
    bases = 990_000_000 + spread(ids, 900_000, factor=100_003, start=40_009) * 11
    candidates = bases[:, None] + np.arange(11)
    digits = candidates[:, :, None] // 10 ** np.arange(8, -1, -1) % 10
    check = 10 - (digits * np.array(MST_WEIGHTS)).sum(axis=2) % 11
    first = np.argmax(check < 10, axis=1)
    rows = np.arange(len(bases))
    return padded(candidates[rows, first] * 10 + check[rows, first], 10)


def phones(numbers: Ids, old_province: Any) -> Any:
    """Arrow texts: a land line with the area code of the former province; `numbers` below a million."""
    area = words(list(_AREA.values()), (np.asarray(old_province) == "27").astype(np.int64))
    return joined(area, ".0", padded(np.asarray(numbers, np.int64) % 1_000_000, 6))


def base36(numbers: Ids, width: int) -> Any:
    """Arrow texts: numbers in the 36 signs of agency codes, padded; ValueError when one does not fit."""
    numbers = np.asarray(numbers, np.int64)
    if len(numbers) and int(numbers.max()) >= 36**width:
        raise ValueError(f"Hết mã {width} ký tự / No {width}-character code left")
    return joined(*(words(_BASE36, numbers // 36**place % 36) for place in range(width - 1, -1, -1)))
