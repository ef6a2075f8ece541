"""The administrative units of the province in their three epochs.

Belongs here: reading the reference files of `data/admin_units`, dates of the epochs, following a code to today's.
Stays out: places and codes of many records at once (`geography`), everything invented. Units are the one part of the truth that is real.
"""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from functools import cache
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
