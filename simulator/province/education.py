"""Education: schools as the sector lists them, and which tables there are.

Belongs here: schools. Stays out: pupils and teachers (`education_pupils`), who goes where (`education_roll`), what
happens day by day (`education_year`), results and earlier years (`education_results`).
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.identifiers import base36
from simulator.province.education_layout import LEVELS, Layout
from simulator.province.education_pupils import Class, Enrolment, Pupil, Teacher
from simulator.province.education_results import EduYear, ResultTerm
from simulator.province.education_roll import Roll
from simulator.province.education_year import Year
from simulator.table import Table, Total, joined, words

_PUBLISHED = "education sector, both former provinces"


class School(Table):
    """Schools as the sector lists them (columns of the contract), every one with its principal."""

    name: ClassVar[str] = "school"
    key: ClassVar[tuple[str, ...]] = ("school_code",)
    doc: ClassVar[str] = "One row per school, kindergartens and continuing education included [S: 759 + 462]"
    columns: ClassVar[dict[str, str]] = {
        "place": "place (index of geography)",
        "principal_person": "person who is principal; null where the post is vacant",
        "school_code": "8 signs: 24, district before the merger, serial number",
        "school_name": "name by the village of before the merger",
        "level": "MN, TH, THCS, THPT, GDTX",
        "ownership": "CONG_LAP, TU_THUC",
        "commune_code": "commune of today",
        "founded_year": "year of foundation; null where nobody knows",
        "class_count": "classes",
        "pupil_count": "pupils who go to school there",
        "teacher_count": "staff",
        "room_count": "class rooms",
        "site_area_m2": "area of the site, m²",
        "national_standard": "national standard reached: 0, 1, 2",
        "budget_million_vnd": "budget of the year, million VND",
        "principal_name": "name of the principal; null for some",
    }

    @cached_property
    def layout(self) -> Layout:
        """Where schools stand."""
        return Layout(self.province)

    @cached_property
    def roll(self) -> Roll:
        """Day 0."""
        return Roll(self.province, self.layout)

    @cached_property
    def year(self) -> Year:
        """What happens after day 0."""
        return Year(self.province, self.layout, self.roll)

    @cached_property
    def codes(self) -> Any:
        """School codes by id, those to come included."""
        ids = np.arange(len(self.layout.level))
        return joined("24", pa.array(self.geo.district[self.layout.place], pa.string()), base36(ids + 1, 3))

    def count(self, day: int) -> int:
        return self.layout.count(day)

    def touched(self, day: int) -> Ints:
        return np.array(sorted(self.year.events(day).schools), np.int64) if day > 0 else np.arange(0)

    def gone(self, ids: Ids, day: int) -> Bools:
        return np.asarray(self.layout.closed[np.asarray(ids, np.int64)] <= day)

    def totals(self, day: int) -> list[Total]:
        """Schools, pupils, rooms and staff: all four are published."""
        live = self.layout.live(day)
        rows = self.rows(live, day)
        exact = day <= 0 and self.scale.factor == 1.0
        found = {"count": len(live)}
        found |= {c: int(np.sum(rows[c].to_numpy())) for c in ("pupil_count", "room_count", "teacher_count")}
        units = {"count": "school", "pupil_count": "pupil", "room_count": "room", "teacher_count": "person"}
        return [Total(f"school.{c}", value, units[c], _PUBLISHED, exact) for c, value in found.items()]

    @cached_property
    def _first_pupils(self) -> Ints:
        """Pupils with which budget and site go: those of day 0, few for a school to come."""
        spare = len(self.layout.level) - self.layout.stock
        return np.concatenate([self.roll.school_pupils, np.full(spare, 20)])

    @cached_property
    def _rooms(self) -> Ints:
        spare = len(self.layout.level) - self.layout.stock
        return np.concatenate([self.roll.rooms(), 1 + self.chance.integer("school.new_rooms", np.arange(spare), 0, 3)])

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        layout, chance, state = self.layout, self.chance, self.year.state(day)
        pupils = self._first_pupils[ids]
        thousands = pupils * chance.integer("school.budget", ids, 8_000, 14_000)
        # Every fifth budget is a whole number of millions: written `1.250`, it must not be read as one and a quarter.
        thousands = np.where(ids % 5 == 4, np.rint(thousands / 1000).astype(np.int64) * 1000, thousands)
        thousands = thousands + state.granted[ids]
        area = pupils * chance.integer("school.area", ids, 800, 2400)
        principal, founded = state.principal[ids], layout.founded(ids)
        person = self.roll.teacher_person[np.maximum(principal, 0)]
        told = (principal >= 0) & chance.happens("school.principal_told", ids, 0.97)
        names = self.province.people.names(person)
        columns = {
            "id": pa.array(ids),
            "place": pa.array(layout.place[ids]),
            "principal_person": pa.array(person, mask=principal < 0),
            "school_code": self.codes.take(pa.array(ids)),
            "school_name": words(layout.names, ids),
            "level": words(LEVELS, layout.level[ids]),
            "ownership": words(("CONG_LAP", "TU_THUC"), layout.private[ids]),
            "commune_code": pa.array(self.geo.code_e2[layout.place[ids]], pa.string()),
            "founded_year": pa.array(founded, mask=founded == 0),
            "class_count": pa.array(self.roll.school_classes[ids]),
            "pupil_count": pa.array(self.year.pupils_by_school(day)[ids]),
            "teacher_count": pa.array(self.year.teachers_by_school(day)[ids]),
            "room_count": pa.array(self._rooms[ids]),
            "site_area_m2": pa.array([Decimal(a).scaleb(-2) for a in area.tolist()], pa.decimal128(12, 2)),
            "national_standard": pa.array(chance.pick("school.standard", ids, (25, 50, 25))),
            "budget_million_vnd": pa.array([Decimal(t).scaleb(-3) for t in thousands.tolist()], pa.decimal128(14, 3)),
            "principal_name": pa.array(np.where(told, names.to_numpy(zero_copy_only=False), None), pa.string()),
        }
        return pa.table(columns)


TABLES: tuple[type[Table], ...] = (School, Class, Pupil, Enrolment, Teacher, ResultTerm, EduYear)
