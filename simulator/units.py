"""The administrative units of the province in their three epochs, and the code of a place on a date.

Belongs here: reading the reference files of `data/admin_units`, dates of the epochs, following a code to today's.
Stays out: everything invented. Units are the one part of the truth that is real.
"""

from __future__ import annotations

import csv
import random
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import accumulate
from pathlib import Path

DATA = Path(__file__).parent / "data" / "admin_units"
FILES = {
    "unit_e0": "units_e0_before_2024-12.csv",
    "unit_e1": "units_e1_2025-01-01.csv",
    "unit_e2": "units_e2_2025-07-01.csv",
    "link_e0_e1": "xwalk_e0_e1.csv",
    "link_e1_e2": "xwalk_e1_e2.csv",
}
# What the columns of the files are called here; the others keep their names.
_NAMES = {"ward": "ward_name", "district": "district_name", "lat": "latitude", "lon": "longitude"}
_LINKS = {
    "link_e0_e1": {"e0_code": "from_code", "e0_name": "from_name", "e1_code": "to_code", "e1_name": "to_name"},
    "link_e1_e2": {"e1_code": "from_code", "e1_name": "from_name", "e1_district": "from_district",
                   "e1_province_code": "from_province_code", "e2_code": "to_code", "e2_name": "to_name"},
}  # fmt: skip
# Epoch e1 began a month earlier in Bắc Ninh (Resolution 1255) than in Bắc Giang (Resolution 1191).
E1_STARTS = {"27": date(2024, 12, 1), "24": date(2025, 1, 1)}
E2_STARTS = date(2025, 7, 1)
_NUMERIC_SCALE = {"area_km2": Decimal("0.01"), "latitude": Decimal("0.00001"), "longitude": Decimal("0.00001")}
_TYPES = ("Thành phố ", "Thị trấn ", "Thị Xã ", "Thị xã ", "Phường ", "Huyện ", "Xã ")


def reference_rows(file: str) -> list[dict[str, object]]:
    """Rows of one reference file (a key of `FILES`), in its order; numbers as Decimal of the column's scale."""
    names = _LINKS.get(file, _NAMES)
    with open(DATA / FILES[file], encoding="utf-8", newline="") as opened:
        rows = [{names.get(name, name): text for name, text in row.items()} for row in csv.DictReader(opened)]
    return [{name: _typed(name, text) for name, text in row.items()} for row in rows]


def _typed(column: str, text: str) -> object:
    return Decimal(text).quantize(_NUMERIC_SCALE[column]) if column in _NUMERIC_SCALE else text


def bare_name(name: str) -> str:
    """`Xã Tân Dĩnh` -> `Tân Dĩnh`."""
    return next((name[len(prefix) :] for prefix in _TYPES if name.startswith(prefix)), name)


class Units:
    """Places of the province. A place is named by its oldest code (e0), from which the later ones follow."""

    def __init__(self) -> None:
        self.e0 = {str(row["ward_code"]): row for row in reference_rows("unit_e0")}
        self.e1 = {str(row["ward_code"]): row for row in reference_rows("unit_e1")}
        self.e2 = {str(row["ward_code"]): row for row in reference_rows("unit_e2")}
        self._next1 = {str(row["from_code"]): str(row["to_code"]) for row in reference_rows("link_e0_e1")}
        self._next2 = {str(row["from_code"]): str(row["to_code"]) for row in reference_rows("link_e1_e2")}
        self.places = list(self.e0)
        # Firms and clinics gather in towns: a ward weighs four times, a township twice as much as a rural commune.
        names = [str(row["ward_name"]) for row in self.e0.values()]
        self._weights = list(
            accumulate(4 if n.startswith("Phường") else 2 if n.startswith("Thị") else 1 for n in names)
        )
        self._by_district: dict[str, list[str]] = {}
        for place in self.places:
            self._by_district.setdefault(self.district(place), []).append(place)

    def next1(self, place: str) -> str:
        """The code of e1 of a place."""
        return self._next1[place]

    def district(self, place: str) -> str:
        """District code (e1) of a place."""
        return str(self.e1[self._next1[place]]["district_code"])

    def district_name(self, place: str) -> str:
        """Name of the district without its type."""
        return bare_name(str(self.e1[self._next1[place]]["district_name"]))

    def old_province(self, place: str) -> str:
        """24 (Bắc Giang) or 27 (Bắc Ninh) as it was before 1 July 2025."""
        return str(self.e0[place]["province_code"])

    def village(self, place: str) -> str:
        """Name of the commune before the merger, without its type; schools and stations keep it."""
        return bare_name(str(self.e1[self._next1[place]]["ward_name"]))

    def town_place(self, rng: random.Random) -> str:
        """A place, towns more often."""
        return rng.choices(self.places, cum_weights=self._weights)[0]

    def place_in(self, district: str, rng: random.Random) -> str:
        """A place of one district."""
        return rng.choice(self._by_district[district])

    def code_at(self, place: str, on: date) -> str:
        """Code of the place valid on a date: of e0, e1 or e2."""
        if on >= E2_STARTS:
            return self.today(place)
        return self._next1[place] if on >= E1_STARTS[self.old_province(place)] else place

    def full_name_at(self, place: str, on: date) -> str:
        """`Xã Tân Dĩnh, huyện Lạng Giang, tỉnh Bắc Giang` before the merger, `Xã Tân Dĩnh, tỉnh Bắc Ninh` after it."""
        if on >= E2_STARTS:
            return f"{self.e2[self.today(place)]['ward_name']}, tỉnh Bắc Ninh"
        unit = self.e1[self._next1[place]] if on >= E1_STARTS[self.old_province(place)] else self.e0[place]
        province = "Bắc Giang" if self.old_province(place) == "24" else "Bắc Ninh"
        district = str(unit["district_name"])
        return f"{unit['ward_name']}, {district[0].lower()}{district[1:]}, tỉnh {province}"

    def today(self, code: str) -> str:
        """Today's code for a code of any epoch (in this province a number that lives on still leads to itself)."""
        return self._next2[self._next1.get(code, code)]


@cache
def units() -> Units:
    """The units, read once."""
    return Units()


def commune_names_today() -> dict[str, str]:
    """Code -> name of the 99 communes, for the agencies' own code lists."""
    return {code: str(row["ward_name"]) for code, row in units().e2.items()}
