"""Who goes on to upper secondary school, and who leaves school for good.

Belongs here: the entrance examination to grade 10, dropouts. Stays out: the stays at school they come of
(`education_year`), results (`education_results`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.identifiers import spread
from simulator.province.education_layout import LEVELS
from simulator.province.education_year import STATUSES
from simulator.table import Table, Total, padded, to_date32, words

SAT = 0.96  # of those now in grade 10 sat it in June; the others were let in without
_EXAM_DAYS = (-167, -166)  # 5 and 6 June 2026
REASONS = (
    "Đi làm sớm",
    "Học lực yếu, chán học",
    "Hoàn cảnh gia đình khó khăn",
    "Theo gia đình đi nơi khác",
    "Chuyển học nghề",
    "Lý do khác",
)
_REASON_WEIGHTS = (0.34, 0.24, 0.14, 0.08, 0.14, 0.06)
QUIT = tuple(number for number, status in enumerate(STATUSES) if status.startswith("Thôi học"))


class Exam10(Table):
    """Candidates of the entrance examination to grade 10."""

    name = "exam_10"
    key = ("candidate_no",)
    doc = "One row a candidate of June 2026: of those now in grade 10; three papers, Circular 30/2024/TT-BGDĐT"
    columns = {
        "person": "person",
        "choice_school": "id of the school of the first choice",
        "admitted_school": "id of the upper secondary school that took the candidate; null of those in continuing education",
        "candidate_no": "number of the candidate, six digits",
        "exam_on": "first day of the examination",
        "maths": "points of 10, quarters",
        "literature": "points of 10, quarters",
        "english": "points of 10, quarters",
        "priority": "points added by policy: 0 to 1.5",
        "total": "sum of the four",
        "is_absent": "absent from a paper: no points for it",
    }

    @cached_property
    def _candidates(self) -> tuple[Ints, Ints]:
        """Persons and the schools where they are in grade 10 on day 0."""
        roll = self.province.table("school").roll
        pupils = np.flatnonzero(roll.class_grade[roll.klass] == 10)
        pupils = pupils[self.chance.happens("exam_10.sat", roll.person[pupils], SAT)]
        return roll.person[pupils], roll.class_school[roll.klass[pupils]]

    def count(self, day: int) -> int:
        return len(self._candidates[0])

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def _points(self, ids: Ids) -> tuple[Any, Any]:
        """Quarters of points of three papers, one column each, and who was absent from which."""
        person, school = (values[np.asarray(ids, np.int64)] for values in self._candidates)
        upper = self.province.table("school").layout.level[school] == LEVELS.index("THPT")
        ability = self.chance.normal("exam_10.ability", person) + np.where(upper, 0.4, -0.9)
        papers = np.asarray(person)[:, None] * 4 + np.arange(3)
        drawn = np.array([6.1, 6.6, 5.4]) + np.array([1.4, 1.0, 1.7]) * (
            0.8 * ability[:, None] + 0.6 * self.chance.normal("exam_10.paper", papers)
        )
        absent = self.chance.happens("exam_10.absent", papers, 0.002)
        return np.where(absent, 0, np.clip(np.rint(drawn * 4), 0, 40)).astype(np.int64), absent.any(axis=1)

    def totals(self, day: int) -> list[Total]:
        """Candidates, those taken by upper secondary schools, the mean of each paper."""
        school = self._candidates[1]
        upper = self.province.table("school").layout.level[school] == LEVELS.index("THPT")
        means = self._points(np.arange(self.count(day)))[0].mean(axis=0) / 4
        papers = zip(("maths", "literature", "english"), means, strict=True)
        return [
            Total("exam_10.count", self.count(day), "candidate", "derived: 96 % of grade 10"),
            Total("exam_10.admitted", int(upper.sum()), "candidate"),
            *(Total(f"exam_10.mean.{name}", round(float(mean), 3), "point") for name, mean in papers),
        ]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        person, school = (values[ids] for values in self._candidates)
        layout = self.province.table("school").layout
        upper = layout.level[school] == LEVELS.index("THPT")
        others = np.flatnonzero(layout.level[: layout.stock] == LEVELS.index("THPT"))
        other = others[chance.integer("exam_10.choice", person, 0, len(others) - 1)]
        first = upper & chance.happens("exam_10.first_choice", person, 0.86)
        points, absent = self._points(ids)
        priority = chance.pick("exam_10.priority", person, (0.82, 0.09, 0.06, 0.03)) * 2
        return pa.table(
            {
                "id": ids,
                "person": person,
                "choice_school": np.where(first, school, other),
                "admitted_school": pa.array(school, mask=~upper),
                "candidate_no": padded(100_000 + spread(ids, 800_000, factor=617_537, start=24_027), 6),
                "exam_on": to_date32(np.full(len(ids), _EXAM_DAYS[0])),
                "maths": points[:, 0] / 4,
                "literature": points[:, 1] / 4,
                "english": points[:, 2] / 4,
                "priority": priority / 4,
                "total": (points.sum(axis=1) + priority) / 4,
                "is_absent": absent,
            }
        )


class Dropout(Table):
    """Pupils who left school for good since the summer."""

    name = "dropout"
    key = ("student_code", "school_code")
    doc = "One row a pupil who left school for good since June 2026; earlier years as figures in edu_year"
    columns = {
        "person": "person",
        "school": "id of the school left",
        "student_code": "pupil",
        "school_code": "school left",
        "class_code": "class left",
        "grade": "6 to 12",
        "left_on": "date",
        "reason": "reason the school states",
    }

    @lru_cache(maxsize=4)  # noqa: B019 (one province lives as long as its tables)
    def _stays(self, day: int) -> Ints:
        """The stays at school that ended so, in the order of the days; those up to day 0 first."""
        year = self.province.table("school").year
        base = np.flatnonzero(np.isin(year.state(0).stay_status, QUIT))
        ended = [
            [stay for stay, status in year.events(each).ended if status in QUIT] for each in range(1, max(day, 0) + 1)
        ]
        return np.concatenate([base, *(np.array(sorted(stays), np.int64) for stays in ended)]).astype(np.int64)

    def count(self, day: int) -> int:
        return len(self._stays(day))

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        stays = self._stays(day)[ids]
        stay = self.province.table("enrolment").rows(stays, max(day, 0))
        columns = {
            name: stay[name] for name in ("person", "school", "student_code", "school_code", "class_code", "grade")
        }
        reason = self.chance.pick("dropout.reason", stays, _REASON_WEIGHTS)
        return pa.table({"id": ids, **columns, "left_on": stay["status_on"], "reason": words(REASONS, reason)})


TABLES: tuple[type[Table], ...] = (Exam10, Dropout)
