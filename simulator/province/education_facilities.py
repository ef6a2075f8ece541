"""What schools are equipped with.

Belongs here: the table `facility_equipment`. Stays out: schools and their class rooms (`education`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.table import Table, Total, words

# What -> (unit, how many a class, which schools have it at all); Circular 13/2020/TT-BGDĐT, derived.
KINDS = {
    "Phòng học bộ môn": ("phòng", 0.22, 0.86),
    "Phòng tin học": ("phòng", 0.06, 0.93),
    "Máy tính phục vụ học tập": ("bộ", 2.3, 0.95),
    "Ti vi, màn hình tương tác": ("chiếc", 0.9, 0.97),
    "Thiết bị dạy học tối thiểu": ("bộ", 0.8, 0.99),
    "Thư viện": ("phòng", 0.0, 0.96),
    "Nhà đa năng": ("nhà", 0.0, 0.48),
    "Bếp ăn bán trú": ("bếp", 0.0, 0.55),
    "Nhà vệ sinh học sinh": ("phòng", 0.3, 1.0),
    "Đường truyền Internet": ("đường", 0.05, 0.99),
}


class FacilityEquipment(Table):
    """Rooms and equipment of each school."""

    name = "facility_equipment"
    key = ("school_code", "kind")
    doc = "One row a school and kind of room or equipment, inventory of the beginning of the school year"
    columns = {
        "school": "id of the school",
        "school_code": "school",
        "kind": "kind of room or equipment",
        "kind_unit": "what is counted",
        "quantity": "how many there are; 0: none",
        "usable_count": "of them fit for use",
        "needed_count": "how many the standard asks for",
        "since_year": "year of purchase or building of most of them; null where there are none",
    }

    def count(self, day: int) -> int:
        schools: int = self.province.table("school").count(max(day, 0))
        return schools * len(KINDS)

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        school: Bools = self.province.table("school").gone(np.asarray(ids, np.int64) // len(KINDS), max(day, 0))
        return school

    def _quantities(self, ids: Ids) -> tuple[Ints, Ints, Ints]:
        """How many there are, are fit for use, are needed; of a school to come by its first class."""
        school, kind = np.divmod(np.asarray(ids, np.int64), len(KINDS))
        classes = self.province.table("school").roll.school_classes[school]
        rate, share = (np.array([each[i] for each in KINDS.values()])[kind] for i in (1, 2))
        needed = np.maximum(np.ceil(classes * rate), 1).astype(np.int64)
        has = self.chance.happens("facility_equipment.has", ids, share)
        full = 0.55 + 0.5 * self.chance.uniform("facility_equipment.full", ids)
        quantity = np.where(has, np.maximum(np.rint(needed * full), 1), 0).astype(np.int64)
        worn = 0.3 * self.chance.uniform("facility_equipment.worn", ids) ** 2
        return quantity, quantity - np.floor(quantity * worn).astype(np.int64), needed

    def totals(self, day: int) -> list[Total]:
        """Of each kind, how many there are in the schools of the day."""
        ids = np.arange(self.count(day))
        ids = ids[~self.gone(ids, day)]
        sums = np.bincount(ids % len(KINDS), weights=self._quantities(ids)[0], minlength=len(KINDS)).astype(np.int64)
        counts = [
            Total(f"facility_equipment.{k}", int(n), u) for (k, (u, *_)), n in zip(KINDS.items(), sums, strict=True)
        ]
        return [Total("facility_equipment.count", len(ids), "row"), *counts]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        school, kind = np.divmod(ids, len(KINDS))
        quantity, usable, needed = self._quantities(ids)
        return pa.table(
            {
                "id": ids,
                "school": school,
                "school_code": self.province.table("school").codes.take(pa.array(school)),
                "kind": words(list(KINDS), kind),
                "kind_unit": words([unit for unit, *_ in KINDS.values()], kind),
                "quantity": quantity,
                "usable_count": usable,
                "needed_count": needed,
                "since_year": pa.array(
                    self.chance.integer("facility_equipment.since", ids, 2012, 2026), mask=quantity == 0
                ),
            }
        )


TABLES: tuple[type[Table], ...] = (FacilityEquipment,)
