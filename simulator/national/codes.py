"""Administrative units as national code lists have them: a code, its name, and from when to when both go together.

Belongs here: reading the reference files of `simulator/data/admin_units`, the name of a code on a day.
Stays out: agencies, procedures and other lists, which each system is given.

In this province all 99 codes of today were codes before 1 July 2025 too, of smaller communes and often under another
name: a code is old when it is not among the 99, and a number that is valid on both days may mean two communes.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parents[1] / "data" / "admin_units"
_E2_STARTS = date(2025, 7, 1)
LAST_DAY_OF_E1 = _E2_STARTS - timedelta(days=1)
#: Epoch e1 began in Bắc Ninh (27) with Resolution 1255, in Bắc Giang (24) a month later with Resolution 1191.
_E1_STARTS = {"27": date(2024, 12, 1), "24": date(2025, 1, 1)}


@dataclass(frozen=True)
class Unit:
    """A commune under one code and name. `last`: its last day, None for today's."""

    code: str
    name: str
    first: date | None
    last: date | None


@cache
def units() -> tuple[Unit, ...]:
    """Every commune of the province in its three epochs."""
    found = []
    for row in _rows("units_e0_before_2024-12.csv"):
        ends = _E1_STARTS[row["province_code"]] - timedelta(days=1)
        found.append(Unit(row["ward_code"], row["ward"], None, ends))
    for row in _rows("units_e1_2025-01-01.csv"):
        found.append(Unit(row["ward_code"], row["ward"], _E1_STARTS[row["province_code"]], LAST_DAY_OF_E1))
    for row in _rows("units_e2_2025-07-01.csv"):
        found.append(Unit(row["ward_code"], row["ward"], _E2_STARTS, None))
    return tuple(found)


@cache
def communes(on: date) -> dict[str, str]:
    """Code -> name of the communes valid on a day: 99 today, 313 on the last day of epoch e1."""
    valid = (u for u in units() if (u.first is None or u.first <= on) and (u.last is None or on <= u.last))
    return {unit.code: unit.name for unit in valid}


def _rows(file: str) -> list[dict[str, str]]:
    with open(_DATA / file, encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))
