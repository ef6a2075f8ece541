"""What identifiers are, in Python and from the published rules alone; and values to ask about, from right to hostile.

Here belong oracles and generators. The SQL functions and how they are asked stay out (`test_identifiers`).
"""

from __future__ import annotations

import random
import re
from datetime import date, timedelta

import phonenumbers
from stdnum.vn import mst

DIGITS = "0123456789"
CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Circular 07/2016/TT-BCA: the 63 provinces.
PROVINCES = re.findall(
    r"\d+",
    "001 002 004 006 008 010 011 012 014 015 017 019 020 022 024 025 026 027 030 031 033 034 035 036 037 038 040 042 044 045 046 "
    "048 049 051 052 054 056 058 060 062 064 066 067 068 070 072 074 075 077 079 080 082 083 084 086 087 089 091 092 093 094 095 096",
)
SYNTHETIC = ("097", "098", "099")
# Decision 1351/QĐ-BHXH, and the objects added since.
HEALTH_OBJECTS = re.findall(
    r"\w+",
    "DN HX CH NN TK HC XK HT TB NO CT XB TN CS QN CA CY XN MS CC CK CB KC HD TE BT HN DT DK XD TS TC TQ TA TY HG LS PV CN HS SV GB GD "
    "AK BA DS HK LH ND TD TG TH TU TV",
)
#: Old beginning of the national number -> the one of today.
RENUMBERED = {
    "240": "204", "241": "222", "120": "70", "121": "79", "122": "77", "126": "76", "128": "78", "123": "83", "124": "84", "125": "85",
    "127": "81", "129": "82", "162": "32", "163": "33", "164": "34", "165": "35", "166": "36", "167": "37", "168": "38", "169": "39",
    "186": "56", "188": "58", "199": "59",
}  # fmt: skip
SEXES = {
    "nam": 0, "m": 0, "male": 0, "1": 0, "01": 0, "nữ": 1, "nu": 1, "f": 1, "female": 1, "2": 1, "02": 1,
}  # fmt: skip
FIRST_DAY_OF_PERSONAL_TAX_CODES = date(2025, 7, 1)
_PLACES = [*PROVINCES, *SYNTHETIC, "101", "234", "999"]
_HOSTILE = "٠١٢٣٤٥٦٧٨٩０１２３９²Ⅷ\u0000"[:-1] + " .-/+()\t\n\r\u00a0\u200b\u0007Ạđé–O" + "ABHabh" + DIGITS


def is_digits(text: str, length: int) -> bool:
    return len(text) == length and set(text) <= set(DIGITS)


def is_placeholder(text: str) -> bool:
    """One digit throughout, or the digits counted up from 1 or 0."""
    counted = (DIGITS * 2)[1 : 1 + len(text)], (DIGITS * 2)[: len(text)]
    return len(set(text)) == 1 or text in counted


def personal_id(text: str) -> bool:
    return (
        is_digits(text, 12)
        and (text[:3] in PROVINCES or text[:3] in SYNTHETIC or text[:3] >= "100")
        and not is_placeholder(text)
    )


def personal_id_province(text: str) -> str | None:
    return text[:3] if personal_id(text) and text[0] == "0" else None


def personal_id_sex(text: str) -> str | None:
    return ("male", "female")[int(text[3]) % 2] if personal_id(text) else None


def personal_id_birth_year(text: str) -> int | None:
    return (19 + int(text[3]) // 2) * 100 + int(text[4:6]) if personal_id(text) else None


def year_said(born: str | None) -> int | None:
    """The year of a date of birth as agencies write it, None where it says none."""
    forms = (
        r"(?P<y>\d{4})", r"(?P<y>\d{4})-\d\d?-\d\d?.*", r"(?P<y>\d{4})\d{4}", r"(?P<y>\d{4})\d{8}", r"(?P<y>\d{4})\d{10}",
        r"\d\d?[/.-]\d\d?[/.-](?P<y>\d{4})", r"\d\d?[/.-](?P<y>\d{4})",
    )  # fmt: skip
    for form in forms:
        found = re.fullmatch(form, born or "", re.ASCII | re.DOTALL)
        if found:
            return int(found["y"]) or None
    return None


def personal_id_agrees(text: str, year: int | None, sex: str | None) -> bool | None:
    if not personal_id(text):
        return None
    said = SEXES.get((sex or "").casefold() if "ß" not in (sex or "") else "")
    return (year is None or year == personal_id_birth_year(text)) and (said is None or said == int(text[3]) % 2)


def citizen_id(text: str) -> bool:
    return personal_id(text) or (is_digits(text, 9) and not is_placeholder(text))


def household_code(text: str) -> bool:
    """Two digits, a capital, 8 and six digits; since July 2025 the owner's personal ID."""
    if len(text) == 12:
        return personal_id(text)
    parts = (text[:2], text[2:3], text[3:4], text[4:])
    return (
        len(text) == 10
        and all(c in DIGITS for c in parts[0] + parts[3])
        and parts[1] in CAPITALS
        and parts[1] != ""
        and parts[2] == "8"
    )


def insurance_number(text: str) -> bool:
    return personal_id(text) or (is_digits(text, 10) and not is_placeholder(text))


def health_card(text: str) -> bool:
    old = text[:2] in HEALTH_OBJECTS and text[2:3] in list("12345") and is_digits(text[3:], 12)
    return old or insurance_number(text)


def facility_code(text: str) -> bool:
    return is_digits(text[:2], 2) and text[:2] != "00" and len(text) == 5 and set(text[2:]) <= set(DIGITS + CAPITALS)


def enterprise_code(text: str) -> bool:
    return is_digits(text, 10) and mst.is_valid(text)


def tax_code(text: str, on: date | None) -> bool:
    """As `stdnum.vn.mst` says of a code in written form; personal IDs from their day on."""
    if is_digits(text, 12):
        return personal_id(text) and (on is None or on >= FIRST_DAY_OF_PERSONAL_TAX_CODES)
    plain = text[:10] + text[11:] if text[10:11] == "-" and len(text) == 14 else text
    return set(plain) <= set(DIGITS) and len(plain) in (10, 13) and mst.is_valid(text)


def _new_agency(text: str) -> bool:
    groups = text.split(".")
    root = len(groups[0]) == 3 and groups[0][0] in CAPITALS and is_digits(groups[0][1:], 2)
    return len(text) <= 35 and root and all(g and set(g) <= set(DIGITS + CAPITALS) for g in groups)


def _old_agency(text: str) -> bool:
    groups = text.split(".")
    return (
        len(groups) == 4
        and [len(g) for g in groups] == [3, 2, 2, 3]
        and set("".join(groups[:3]) + groups[3][1:]) <= set(DIGITS)
        and groups[3][0] in CAPITALS
    )


def agency_code(text: str) -> bool:
    return _new_agency(text) or _old_agency(text)


def agency_code_normal(text: str) -> str | None:
    if not agency_code(text):
        return None
    groups = text.split(".")
    if _old_agency(text):
        groups.reverse()
    while set(groups[-1]) == {"0"}:
        groups.pop()
    return ".".join(groups)


def procedure_code(text: str) -> bool:
    return is_digits(text.replace(".", "", 1), 7) and text[1:2] == "."


def procedure_code_national(text: str) -> str | None:
    if procedure_code(text[:8]) and (len(text) == 8 or (text[8] == "." and agency_code(text[9:]) and len(text) <= 999)):
        return text[:8]
    return None


def dossier_code(text: str, received: date | None) -> bool:
    parts = text.split("-")
    if len(parts) != 3 or not agency_code(parts[0]) or not is_digits(parts[1], 6):
        return False
    try:
        day = date(2000 + int(parts[1][:2]), int(parts[1][2:4]), int(parts[1][4:]))
    except ValueError:
        return False
    return len(parts[2]) in (4, 5) and set(parts[2]) <= set(DIGITS) and (received is None or received == day)


def phone_normal(text: str) -> str | None:
    """E.164 as `phonenumbers` gives it for the number that is valid today."""
    plain = "".join(letter for letter in text if letter not in " .-()\u00a0")
    if not re.fullmatch(r"\+?[0-9]+", plain):
        return None
    for prefix in ("+840", "+84", "00840", "0084", "8400", "840", "84", "0", ""):
        national = plain[len(prefix) :]
        if plain.startswith(prefix) and len(national) == 10 and national[:3] in RENUMBERED:
            plain = "+84" + RENUMBERED[national[:3]] + national[3:]
            break
    try:
        number = phonenumbers.parse(plain, "VN")
    except phonenumbers.NumberParseException:
        return None
    if number.country_code != 84 or not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


# -- values ---------------------------------------------------------------------------------------------------------------


def digits(pick: random.Random, length: int) -> str:
    return "".join(pick.choices(DIGITS, k=length))


def some_day(pick: random.Random) -> date:
    near = FIRST_DAY_OF_PERSONAL_TAX_CODES + timedelta(days=pick.randint(-2, 2))
    return pick.choice([near, date(2000, 1, 1) + timedelta(days=pick.randint(0, 36000))])


def some_personal_id(pick: random.Random) -> str:
    if pick.random() < 0.1:
        return pick.choice([pick.choice(DIGITS) * 12, "123456789012", "012345678901", digits(pick, 12)])
    return pick.choice(_PLACES) + digits(pick, 9)


def some_tax_code(pick: random.Random) -> str:
    body = digits(pick, 9) if pick.random() < 0.97 else digits(pick, 2) + "0000000"
    code = body + str(10 - sum(int(d) * w for d, w in zip(body, (31, 29, 23, 19, 17, 13, 7, 5, 3), strict=True)) % 11)
    code = code[:10]
    branch = pick.choice([digits(pick, 3), "000", "001"])
    return pick.choice([code, code, f"{code}-{branch}", code + branch, some_personal_id(pick), digits(pick, 10)])


def some_card(pick: random.Random) -> str:
    letters = pick.choice([pick.choice(HEALTH_OBJECTS), "".join(pick.choices(CAPITALS, k=2))])
    old = letters + pick.choice("12345123456") + digits(pick, 12)
    return pick.choice([old, old, digits(pick, 10), some_personal_id(pick), pick.choice(DIGITS) * 10, "1234567890"])


def some_agency(pick: random.Random) -> str:
    root = "H05" if pick.random() < 0.4 else pick.choice(CAPITALS) + digits(pick, 2)
    group = lambda size: digits(pick, size) if pick.random() < 0.5 else "0" * size  # noqa: E731
    kind = pick.random()
    if kind < 0.35:
        return f"{group(3)}.{group(2)}.{group(2)}.{root}"
    if kind < 0.85:
        return ".".join([root, *(group(pick.choice([2, 2, 3])) for _ in range(pick.randint(0, 4)))])
    return root + pick.choice([".12", ".A1", ".00"]) * pick.randint(8, 12)


def some_procedure(pick: random.Random) -> str:
    national = f"{pick.choice(DIGITS)}.{digits(pick, 6)}"
    return pick.choice([national, national, f"{national}.", f"{national}.", "TS_lop1."]) + (
        some_agency(pick) if pick.random() < 0.5 else ""
    )


def some_dossier(pick: random.Random) -> tuple[str, date | None]:
    day = pick.choice([some_day(pick), date(pick.choice([2000, 2024, 2096]), 2, 29)])
    shown = pick.choice([f"{day:%y%m%d}"] * 3 + [digits(pick, 6), f"{day:%y}0229", f"{day:%y}0431"])
    told = pick.choice([day, None, day + timedelta(days=1), day.replace(day=min(day.day, 28), year=day.year - 100)])
    serial = digits(pick, pick.choice([4, 4, 5, 3, 6]))
    return f"{some_agency(pick)}-{shown}-{serial}", told


def some_phone(pick: random.Random) -> str:
    begin = pick.choice([*RENUMBERED, *RENUMBERED.values(), "9", "86", "52", "59", "1800", "1900", "2", "199", "69", "672", "1203", "1228",
                         "12", "16", "18", "19", "84", "", digits(pick, 2), digits(pick, 3)])  # fmt: skip
    national = (begin + digits(pick, 10))[: pick.choice([9, 9, 9, 10, 10, 10, 10, 8, 7, 11])]
    text = pick.choice(["0", "0", "0", "+84", "84", "0084", "", "+840", "840", "+85", "(+84) "]) + national
    for _ in range(pick.choice([0, 0, 0, 1, 2, 3])):
        place = pick.randint(0, len(text))
        text = text[:place] + pick.choice([" ", ".", "-", "\u00a0", "  "]) + text[place:]
    return text


def some_birth(pick: random.Random, text: str) -> str | None:
    """A date of birth as text, mostly of the year that the ID states."""
    year = personal_id_birth_year(text) or 1980
    year = pick.choice([year, year, year + 100, year - 1, 0])
    forms = [f"{year:04}", f"01/02/{year:04}", f"1-2-{year:04}", f"02/{year:04}", f"00/00/{year:04}", f"{year:04}-01-02", f"{year:04}0102",
             f"{year:04}01020000", f"{year:04}-1-2 00:00:00", f"{year:04}010200", f"năm {year:04}", "", f"{year % 100:02}"]  # fmt: skip
    return pick.choice([*forms, None])


def some_sex(pick: random.Random) -> str | None:
    return pick.choice([*SEXES, "Nam", "NỮ", "Nữ", "NAM", "F", "Female", "0", "3", "khác", "", None])


_OTHER_DIGITS = [str.maketrans(DIGITS, other) for other in ("٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "०१२३४५६७८९")]


def spoilt(pick: random.Random, text: str) -> str:
    """The value itself in half of the cases, else changed a little or wholly."""
    if pick.random() < 0.5:
        return text
    how, place, letter = pick.randrange(11), pick.randint(0, len(text)), pick.choice(_HOSTILE)
    if how <= 2:
        return text[:place] + letter + text[place + 1 :]
    if how == 3:
        return text[:place] + text[place + 1 :]
    if how == 4:
        return text[:place] + letter + text[place:]
    if how == 5:
        return text[:place] + text[place : place + 2][::-1] + text[place + 2 :]
    if how == 6:
        return text + pick.choice(["\n", " ", "0", "\u00a0"])
    if how == 7:
        return text.translate(pick.choice(_OTHER_DIGITS))
    if how == 8:
        return text.lower()
    return pick.choice([digits(pick, pick.randint(0, 16)), "".join(pick.choices(_HOSTILE, k=pick.randint(0, 15))), ""])
