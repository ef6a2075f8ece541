"""What came of teaching: results of the terms by class, and earlier school years in figures.

Belongs here: aggregates of education. Stays out: pupils (`education_pupils`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.education_layout import LEVELS, TH
from simulator.province.education_pupils import _none, _OfSchools
from simulator.province.education_roll import SCHOOL_YEAR
from simulator.province.education_year import TERM_ENDS, YEAR_ENDS
from simulator.table import Total, words

# (school year begun in, term, day on which the results are there); those of last year are there before day 0
TERMS = (
    (SCHOOL_YEAR - 1, 1, -300),
    (SCHOOL_YEAR - 1, 2, -165),
    (SCHOOL_YEAR, 1, TERM_ENDS + 5),
    (SCHOOL_YEAR, 2, YEAR_ENDS + 5),
)
# Primary: Circular 27/2020 (xuất sắc, tốt, hoàn thành, chưa hoàn thành); above: Circular 22/2021 (tốt, khá, đạt, chưa đạt).
_STUDY = np.array([[0.31, 0.37, 0.312, 0.008], [0.22, 0.42, 0.34, 0.02]])
_CONDUCT = np.array([[0.85, 0.14, 0.01, 0.0], [0.83, 0.14, 0.027, 0.003]])
YEARS = range(2015, SCHOOL_YEAR)


def _dealt(total: Ints, shares: Any, chance: Any) -> Ints:
    """Totals of many rows dealt to four grades with some variation; each row adds up."""
    weights = shares * (0.6 + 0.8 * chance)
    weights = weights / weights.sum(axis=1, keepdims=True)
    edges = np.rint(np.cumsum(weights, axis=1) * total[:, None]).astype(np.int64)
    return np.diff(edges, axis=1, prepend=0)


class ResultTerm(_OfSchools):
    """Results of a term by class. Marks of single pupils stay with the ministry's database."""

    name = "result_term"
    key = ("class_code", "school_year", "term")
    doc = "One row a class from grade 1 on and term; last year's classes under their names of then"
    columns = {
        "school": "id of the school",
        "class_code": "class",
        "school_code": "school",
        "school_year": "2025-2026, 2026-2027",
        "term": "1, 2",
        "scale": "TT27 (primary) or TT22 (above): what the four grades are called",
        "pupil_count": "pupils assessed",
        "study_1": "study: tốt (xuất sắc in primary)",
        "study_2": "study: khá (tốt)",
        "study_3": "study: đạt (hoàn thành)",
        "study_4": "study: chưa đạt (chưa hoàn thành)",
        "conduct_1": "conduct: tốt",
        "conduct_2": "conduct: khá (đạt in primary)",
        "conduct_3": "conduct: đạt",
        "conduct_4": "conduct: chưa đạt (cần cố gắng)",
    }

    @cached_property
    def _graded(self) -> Ints:
        """Classes of day 0 that are assessed at all."""
        return np.flatnonzero(self.roll.class_grade[: self.roll.class_stock] >= 1).astype(np.int64)

    def _known(self, day: int) -> int:
        return sum(on <= max(day, 0) for _, _, on in TERMS)

    def count(self, day: int) -> int:
        return self._known(day) * len(self._graded)

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day)) if day > 0 else _none()

    def totals(self, day: int) -> list[Total]:
        """Classes assessed in each term known."""
        return [Total(f"result_term.{y}.{t}", len(self._graded), "class") for y, t, _ in TERMS[: self._known(day)]]

    def _assessed(self, ids: Ids, term: Ints, klass: Ints) -> Ints:
        """Pupils assessed: last year's classes had about as many as today's, this year's as many as on the day."""
        then = np.rint(self.roll_pupils[klass] * (0.9 + 0.2 * self.chance.uniform("result_term.pupils", ids)))
        found = np.maximum(then, 1).astype(np.int64)
        for number, (year, _, on) in enumerate(TERMS):
            if year == SCHOOL_YEAR and np.any(term == number):
                found = np.where(term == number, self.year.pupils_by_class(on)[klass], found)
        return found

    @cached_property
    def roll_pupils(self) -> Ints:
        """Pupils by class on day 0."""
        return self.year.pupils_by_class(0)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        term, number = np.divmod(ids, max(len(self._graded), 1))
        klass = self._graded[number]
        school = self.roll.class_school[klass]
        primary = (self.year.layout.level[school] == TH).astype(np.int64)
        pupils = self._assessed(ids, term, klass)
        draws = np.stack([self.chance.uniform(f"result_term.{n}", ids) for n in range(8)], axis=1)
        study = _dealt(pupils, _STUDY[1 - primary], draws[:, :4])
        conduct = _dealt(pupils, _CONDUCT[1 - primary], draws[:, 4:])
        columns: dict[str, Any] = {
            "id": ids,
            "school": school,
            "class_code": self.province.table("class").codes.take(pa.array(klass)),
            "school_code": self.school_codes(school),
            "school_year": words([f"{y}-{y + 1}" for y, _, _ in TERMS], term),
            "term": np.array([t for _, t, _ in TERMS])[term],
            "scale": words(("TT22", "TT27"), primary),
            "pupil_count": pupils,
        }
        columns |= {f"study_{n + 1}": study[:, n] for n in range(4)}
        columns |= {f"conduct_{n + 1}": conduct[:, n] for n in range(4)}
        return pa.table(columns)


class EduYear(_OfSchools):
    """School years before this one: figures by commune of today and level."""

    name = "edu_year"
    key = ("school_year", "commune_code", "level")
    doc = "One row a school year from 2015 on, commune of today and level; the department's yearbooks, recounted"
    columns = {
        "school_year": "2015-2016 to 2025-2026",
        "commune_code": "commune of today",
        "level": "MN, TH, THCS, THPT, GDTX",
        "school_count": "schools",
        "class_count": "classes",
        "pupil_count": "pupils",
        "teacher_count": "staff",
        "dropout_count": "pupils who left school for good in the year",
    }

    def count(self, day: int) -> int:
        return len(YEARS) * len(self.geo.commune_codes) * len(LEVELS)

    def touched(self, day: int) -> Ints:
        return _none()

    @cached_property
    def _now(self) -> dict[str, Ints]:
        """Day 0 by commune and level."""
        layout, stock = self.year.layout, self.year.layout.stock
        cell = layout.commune[:stock] * len(LEVELS) + layout.level[:stock]
        size = len(self.geo.commune_codes) * len(LEVELS)
        of_school = {
            "school_count": np.ones(stock),
            "class_count": self.roll.school_classes[:stock],
            "pupil_count": self.roll.school_pupils,
            "teacher_count": np.bincount(self.roll.teacher_school, minlength=stock),
        }
        return {n: np.bincount(cell, weights=w, minlength=size).astype(np.int64) for n, w in of_school.items()}

    def totals(self, day: int) -> list[Total]:
        """Pupils of each year."""
        rows = self.rows(np.arange(self.count(day)), day)
        pupils = rows["pupil_count"].to_numpy().reshape(len(YEARS), -1).sum(axis=1)
        return [Total(f"edu_year.pupils.{y}", int(n), "pupil") for y, n in zip(YEARS, pupils, strict=True)]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        year, cell = np.divmod(ids, len(self.geo.commune_codes) * len(LEVELS))
        commune, level = np.divmod(cell, len(LEVELS))
        ago = len(YEARS) - year
        # The region has grown by migration: 2.1 % more pupils a year, classes with them, schools hardly.
        growth = 1.021 ** (-ago.astype(np.float64)) * (0.97 + 0.06 * self.chance.uniform("edu_year.growth", ids))
        now = {name: values[cell] for name, values in self._now.items()}
        pupils = np.rint(now["pupil_count"] * growth).astype(np.int64)
        staff = np.rint(now["teacher_count"] * (1 - 0.008 * ago)).astype(np.int64)
        quits = np.where(level >= 2, 0.004, 0.0)
        return pa.table(
            {
                "id": ids,
                "school_year": words([f"{y}-{y + 1}" for y in YEARS], year),
                "commune_code": pa.array(self.geo.commune_codes[commune], pa.string()),
                "level": words(LEVELS, level),
                "school_count": now["school_count"],
                "class_count": np.rint(now["class_count"] * growth**0.7).astype(np.int64),
                "pupil_count": pupils,
                "teacher_count": staff,
                "dropout_count": np.rint(pupils * quits).astype(np.int64),
            }
        )
