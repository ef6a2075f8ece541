"""Invented people, numbers and words that look Vietnamese and belong to nobody.

Belongs here: names by frequency, personal and enterprise numbers, telephone numbers.
Stays out: who they are in which dataset (`entities`, `enterprises`).

No number can meet a real one: personal identifiers begin with 097 to 099 (no province has these codes), enterprise
codes with 99 (no tax office has it), subscriber numbers with 0.
"""

from __future__ import annotations

import random

_SURNAMES = {
    "Nguyễn": 380,
    "Trần": 110,
    "Lê": 95,
    "Phạm": 70,
    "Hoàng": 50,
    "Phan": 45,
    "Vũ": 39,
    "Đặng": 21,
    "Bùi": 20,
    "Đỗ": 14,
    "Hồ": 13,
    "Ngô": 13,
    "Dương": 10,
    "Lý": 5,
    "Thân": 9,
    "Giáp": 7,
    "Ong": 2,
    "Chu": 4,
}
_MIDDLE = {
    "F": ["Thị", "Thị Thanh", "Thu", "Ngọc", "Thị Hồng", "Thị Kim", "Minh"],
    "M": ["Văn", "Đức", "Quang", "Minh", "Hữu", "Xuân", "Đình", "Công"],
}
_GIVEN = {
    "F": [
        "Hương",
        "Lan",
        "Hằng",
        "Thủy",
        "Nga",
        "Hà",
        "Trang",
        "Linh",
        "Huệ",
        "Yến",
        "Oanh",
        "Phượng",
        "Thảo",
        "Hòa",
        "Nhung",
        "Tuyết",
    ],
    "M": [
        "Hùng",
        "Dũng",
        "Tuấn",
        "Nam",
        "Sơn",
        "Thắng",
        "Hải",
        "Long",
        "Kiên",
        "Cường",
        "Việt",
        "Toàn",
        "Hiếu",
        "Quý",
        "Tiến",
        "Lợi",
    ],
}
MST_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_AREA = {"24": "0204", "27": "0222"}


def person_name(rng: random.Random) -> str:
    """Surname, middle and given name, NFC."""
    sex = rng.choice("FM")
    surname = rng.choices(list(_SURNAMES), list(_SURNAMES.values()))[0]
    return f"{surname} {rng.choice(_MIDDLE[sex])} {rng.choice(_GIVEN[sex])}"


def personal_id(rng: random.Random) -> str:
    """Twelve digits shaped like a citizen's number (place, sex and century, year, serial), of no existing place."""
    born = rng.randint(1962, 2001)
    century_and_sex = rng.choice((0, 1)) + (2 if born >= 2000 else 0)
    return f"{rng.choice(('097', '098', '099'))}{century_and_sex}{born % 100:02d}{rng.randrange(1_000_000):06d}"


def mst_check_digit(first_nine: str) -> int | None:
    """Check digit of an enterprise (tax) code; None where the rule gives 10, for such numbers are never issued."""
    total = sum(weight * int(digit) for weight, digit in zip(MST_WEIGHTS, first_nine, strict=True))
    digit = 10 - total % 11
    return None if digit == 10 else digit


def enterprise_code(rng: random.Random, taken: set[str]) -> str:
    """A ten-digit enterprise code with a right check digit, not yet in `taken` (to which it is added)."""
    while True:
        nine = f"99{rng.randrange(1, 10_000_000):07d}"
        digit = mst_check_digit(nine)
        if digit is not None and (code := f"{nine}{digit}") not in taken:
            taken.add(code)
            return code


def phone(rng: random.Random, old_province: str) -> str:
    """A land line with the area code of the former province."""
    return f"{_AREA[old_province]}.0{rng.randrange(1_000_000):06d}"


def base36(number: int, width: int) -> str:
    """A number in the 36 signs of agency codes, padded; raises when it does not fit."""
    signs = ""
    while number:
        number, rest = divmod(number, 36)
        signs = _BASE36[rest] + signs
    if len(signs) > width:
        raise ValueError(f"Hết mã {width} ký tự / No {width}-character code left")
    return signs.rjust(width, "0")
