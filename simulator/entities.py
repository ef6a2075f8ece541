"""Facilities, licences and schools: how each comes into being, and how it changes.

Belongs here: plausible rows with the contract's column names and canonical Python values, internally consistent.
Stays out: enterprises (`enterprises`), the course of the nights and all dirt (`truth`).

Codes of communes are those of the epoch of the record's last change: a facility untouched since before 1 July 2025 (15
%) still carries a code of e1 (8 %) or, from before December 2024 / January 2025, of e0 (7 %). Any change brings the
record to today's code. Schools are listed afresh each time and carry today's codes only.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from simulator import clock, people
from simulator.units import E2_STARTS, units

Row = dict[str, Any]

FACILITY_STALE_SHARE = 0.15
UNLICENSED_SHARE = 0.02
FACILITIES, LICENCES, SCHOOLS = 420, 520, 1221

_FACILITY_KINDS = {
    # kind: (weight, ownership, level, beds from, to, name)
    "station": (45, "CONG", "BAN_DAU", 3, 10, "Trạm Y tế {village}"),
    "clinic": (24, "TU", "BAN_DAU", 0, 10, "Phòng khám đa khoa {word}"),
    "specialist": (19, "TU", "BAN_DAU", 0, 0, "Phòng khám chuyên khoa {word}"),
    "centre": (4, "CONG", "CO_BAN", 80, 350, "Trung tâm Y tế {district}"),
    "hospital": (5, "CONG", "CO_BAN", 120, 500, "Bệnh viện Đa khoa {district}"),
    "special_hospital": (1, "CONG", "CHUYEN_SAU", 300, 1200, "Bệnh viện {field} tỉnh Bắc Ninh"),
    "private_hospital": (2, "TU", "CO_BAN", 50, 200, "Bệnh viện Đa khoa tư nhân {word}"),
}
_WORDS = [
    "An Khang",
    "Hồng Phúc",
    "Tâm Đức",
    "Thiện Nhân",
    "Việt Mỹ",
    "Bình An",
    "Phúc Thọ",
    "Minh Tâm",
    "Hà Nội - Kinh Bắc",
    "Đông Đô",
    "Thành Công",
]
_FIELDS = ["Sản - Nhi", "Phổi", "Mắt", "Y học cổ truyền", "Phục hồi chức năng", "Tâm thần", "Ung bướu"]
_SCOPES = {
    "BAN_DAU": "Khám bệnh, chữa bệnh ban đầu",
    "CO_BAN": "Đa khoa, có giường bệnh nội trú",
    "CHUYEN_SAU": "Chuyên khoa sâu",
}

_LEVELS = {
    # level: (share, name, classes from, to, pupils per class from, to, teachers per class)
    "MN": (0.345, "Trường Mầm non", 8, 24, 22, 34, 2.0),
    "TH": (0.290, "Trường Tiểu học", 10, 36, 26, 38, 1.4),
    "THCS": (0.270, "Trường THCS", 8, 28, 30, 44, 1.9),
    "THPT": (0.075, "Trường THPT", 18, 42, 38, 45, 2.2),
    "GDTX": (0.020, "Trung tâm GDNN-GDTX", 6, 20, 30, 45, 1.6),
}


class Facilities:
    """Makes rows of health.facility."""

    def __init__(self, last_day: date) -> None:
        self._last_day = last_day
        self._serial = {"24": 0, "27": 0}

    def base(self, rng: random.Random, count: int) -> list[Row]:
        """The facilities before the first night's last moment."""
        rows = [self._make(rng, clock.some_day(rng, date(1996, 1, 1), date(2025, 3, 1))) for _ in range(count)]
        for row, place in rows:
            if rng.random() < FACILITY_STALE_SHARE:
                touched = clock.before_merger(rng, row["opened_on"])
            elif rng.random() < 0.4:
                touched = clock.at(E2_STARTS)  # the merger moved many records in one statement: equal cursor values
            else:
                touched = clock.some_time(rng, E2_STARTS, self._last_day)
            row["updated_at"] = touched
            row["commune_code"] = units().code_at(place, touched.date())
        return [row for row, _ in rows]

    def new(self, rng: random.Random, when: datetime) -> Row:
        """A facility opened on the day `when`."""
        row, place = self._make(rng, when.date())
        return row | {"updated_at": when, "commune_code": units().today(place), "is_active": True}

    def change(self, rng: random.Random, row: Row, when: datetime) -> Row:
        """Some ordinary change of a facility."""
        if rng.random() < 0.6:
            change: Row = {"bed_count": row["bed_count"] + rng.choice((2, 5, 10))}
        else:
            change = {"phone": people.phone(rng, row["facility_code"][:2])}
        return touch_facility(row, when) | change

    def _make(self, rng: random.Random, opened: date) -> tuple[Row, str]:
        place = units().town_place(rng)
        province = units().old_province(place)
        kind = rng.choices(list(_FACILITY_KINDS), [k[0] for k in _FACILITY_KINDS.values()])[0]
        _, ownership, level, beds_from, beds_to, name = _FACILITY_KINDS[kind]
        words = {
            "village": units().village(place),
            "district": units().district_name(place),
            "word": rng.choice(_WORDS),
            "field": rng.choice(_FIELDS),
        }
        self._serial[province] += 1
        row: Row = {
            "facility_code": province + people.base36(self._serial[province], 3),
            "facility_name": name.format(**words),
            "ownership": ownership,
            "professional_level": level,
            "bed_count": rng.randint(beds_from, beds_to),
            "commune_code": "",
            "phone": people.phone(rng, province) if rng.random() < 0.9 else None,
            "opened_on": opened,
            "is_active": rng.random() < 0.96,
            "updated_at": None,
        }
        return row, place


def touch_facility(row: Row, when: datetime) -> Row:
    """The record saved again: new time stamp, today's commune code."""
    return row | {"updated_at": when, "commune_code": units().today(str(row["commune_code"]))}


class Licences:
    """Makes rows of health.licence; a few facilities (at least three) have none yet."""

    def __init__(self, last_day: date) -> None:
        self._last_day = last_day
        self._serial = 0

    def base(self, rng: random.Random, count: int, facilities: list[Row]) -> list[Row]:
        """One licence for each licensed facility, then second ones up to `count`."""
        without = max(3, round(len(facilities) * UNLICENSED_SHARE))
        licensed = facilities[: len(facilities) - without]
        holders = licensed + [rng.choice(licensed) for _ in range(count - len(licensed))]
        rows = []
        for facility in holders:
            issued = clock.some_day(rng, max(date(2012, 1, 1), facility["opened_on"]), date(2025, 6, 1))
            row = self._make(rng, facility, issued)
            rows.append(row | {"updated_at": clock.some_time(rng, issued, self._last_day)})
        return rows

    def new(self, rng: random.Random, facility: Row, when: datetime) -> Row:
        """A licence issued on the day `when`."""
        return self._make(rng, facility, when.date()) | {"updated_at": when, "status": "HIEU_LUC"}

    def change(self, rng: random.Random, row: Row, when: datetime) -> Row:
        """Suspension, reinstatement or another person in charge."""
        if rng.random() < 0.5:
            change = {"status": "HIEU_LUC" if row["status"] == "TAM_DINH_CHI" else "TAM_DINH_CHI"}
        else:
            change = {"responsible_person": people.person_name(rng), "responsible_id": people.personal_id(rng)}
        return row | {"updated_at": when} | change

    def _make(self, rng: random.Random, facility: Row, issued: date) -> Row:
        self._serial += 1
        limited = rng.random() < 0.3
        return {
            "licence_no": f"{self._serial:05d}/BN-GPHĐ",
            "facility_code": facility["facility_code"],
            "scope": _SCOPES[str(facility["professional_level"])],
            "issued_on": issued,
            "expires_on": max(issued, self._last_day) + timedelta(days=rng.randint(200, 1800)) if limited else None,
            "status": rng.choices(("HIEU_LUC", "TAM_DINH_CHI", "THU_HOI"), (94, 4, 2))[0],
            "responsible_person": people.person_name(rng),
            "responsible_id": people.personal_id(rng) if rng.random() < 0.95 else None,
            "updated_at": None,
        }


class Schools:
    """Makes rows of education.school, level by level, named after the communes before the merger."""

    def __init__(self, rng: random.Random) -> None:
        self._serial = 0
        places = list(units().places)
        rng.shuffle(places)
        # one place for each village name, so that names repeat only when a level runs through all villages
        self._villages = list({(units().village(p), units().district(p)): p for p in places}.values())
        self._used = dict.fromkeys(_LEVELS, 0)

    def base(self, rng: random.Random, count: int) -> list[Row]:
        """`count` schools in the shares of the levels, at least one of each."""
        rows = []
        for level, shape in _LEVELS.items():
            rows += [self._make(rng, level) for _ in range(max(1, round(count * shape[0])))]
        return rows

    def new(self, rng: random.Random, when: datetime) -> Row:
        """A school founded this year."""
        return self._make(rng, rng.choice(("MN", "TH", "THCS"))) | {"founded_year": when.year}

    def change(self, rng: random.Random, row: Row, when: datetime) -> Row:
        """Pupils come and go, a principal follows another, money is granted."""
        what = rng.random()
        if what < 0.6:
            return row | {"pupil_count": row["pupil_count"] + rng.choice((-3, -2, -1, 1, 2, 3, 4))}
        if what < 0.8:
            return row | {"principal_name": people.person_name(rng)}
        return row | {"budget_million_vnd": row["budget_million_vnd"] + Decimal(rng.randint(1_000, 900_000)) / 1000}

    def _make(self, rng: random.Random, level: str) -> Row:
        _, title, classes_from, classes_to, size_from, size_to, teachers = _LEVELS[level]
        turn, index = divmod(self._used[level], len(self._villages))
        self._used[level] += 1
        place = self._villages[index]
        self._serial += 1
        private = level == "MN" and rng.random() < 0.2
        name = f"{title} {'tư thục ' if private else ''}{units().village(place)}" + (f" số {turn + 1}" if turn else "")
        classes = rng.randint(classes_from, classes_to)
        pupils = classes * rng.randint(size_from, size_to) + rng.randint(0, 9)
        budget = Decimal(pupils * rng.randint(8_000, 14_000)) / 1000
        # Every fifth budget is a whole number of millions: written `1.250`, it must not be read as one and a quarter.
        budget = budget.quantize(Decimal(1)) if self._serial % 5 == 0 else budget
        return {
            "school_code": f"24{units().district(place)}{people.base36(self._serial, 3)}",
            "school_name": name,
            "level": level,
            "ownership": "TU_THUC" if private else "CONG_LAP",
            "commune_code": units().today(place),
            "founded_year": rng.randint(1950, 2020) if rng.random() < 0.93 else None,
            "class_count": classes,
            "pupil_count": pupils,
            "teacher_count": round(classes * teachers) + rng.randint(0, 3),
            "room_count": classes + rng.randint(0, 6),
            "site_area_m2": Decimal(pupils * rng.randint(800, 2400)) / 100,
            "national_standard": rng.choices((0, 1, 2), (25, 50, 25))[0],
            "budget_million_vnd": budget,
            "principal_name": people.person_name(rng) if rng.random() < 0.97 else None,
        }


def commune_names_today() -> dict[str, str]:
    """Code -> name of the 99 communes, for the agencies' own code lists."""
    return {code: str(row["ward_name"]) for code, row in units().e2.items()}
