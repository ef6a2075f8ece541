"""Classes, pupils, their stays at schools, and teachers.

Belongs here: the registers of persons in education. Stays out: schools (`education`), who goes where (`education_roll`),
what happens day by day (`education_year`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.identifiers import spread
from simulator.province.education_layout import NEW_PER_OCCASION, occasions
from simulator.province.education_roll import FIRST_GRADE, SCHOOL_YEAR, Roll
from simulator.province.education_year import IN_SCHOOL, STATUSES, Year
from simulator.scale import PUPILS, SCHOOL_STAFF
from simulator.table import Table, Total, joined, numbered, padded, to_date32, words

YEAR_NAME = f"{SCHOOL_YEAR}-{SCHOOL_YEAR + 1}"
DISABILITIES = (
    "Khuyết tật vận động",
    "Khuyết tật nghe, nói",
    "Khuyết tật nhìn",
    "Khuyết tật trí tuệ",
    "Khuyết tật khác",
)
_DISABLED = (0.0015, 0.0015, 0.001, 0.0035, 0.0015)
POSITIONS = ("Giáo viên", "Phó hiệu trưởng", "Hiệu trưởng")
CONTRACTS = ("Viên chức", "Hợp đồng lao động")
DEGREES = ("Trung cấp", "Cao đẳng", "Đại học", "Thạc sĩ", "Tiến sĩ")
SHIFTS = ("Cả ngày", "Sáng", "Chiều")
_DEGREE_WEIGHTS = ((0.04, 0.25, 0.70, 0.01, 0), (0.01, 0.10, 0.86, 0.03, 0), (0, 0.07, 0.85, 0.08, 0),
                   (0, 0, 0.74, 0.257, 0.003), (0, 0.08, 0.80, 0.12, 0))  # fmt: skip
SUBJECTS = (
    ("Giáo viên mầm non",),
    ("Giáo viên chủ nhiệm", "Tiếng Anh", "Tin học", "Âm nhạc", "Mĩ thuật", "Giáo dục thể chất"),
    ("Toán", "Ngữ văn", "Tiếng Anh", "Khoa học tự nhiên", "Lịch sử và Địa lí", "Tin học", "Công nghệ", "Giáo dục thể chất"),
    ("Toán", "Ngữ văn", "Tiếng Anh", "Vật lí", "Hóa học", "Sinh học", "Lịch sử", "Địa lí", "Tin học", "Giáo dục thể chất"),
    ("Toán", "Ngữ văn", "Lịch sử", "Địa lí", "Nghề điện", "Nghề may", "Tin học"),
)  # fmt: skip
_NURSERY = ("NT", "3T", "4T", "5T")


def _class_names() -> list[str]:
    """`3T2`, `7C`, `10A4`: by (grade + 3) * 100 + number within the grade."""
    names = []
    for grade in range(-3, 13):
        for number in range(100):
            letter = chr(65 + number) if number < 26 else f"A{number + 1}"
            nursery = f"{_NURSERY[min(grade, 0) + 3]}{number + 1}"
            names.append(nursery if grade < 1 else f"{grade}{letter}" if grade < 10 else f"{grade}A{number + 1}")
    return names


def _none() -> Ints:
    return np.arange(0, dtype=np.int64)


class _OfSchools(Table):
    """A table that goes with the schools' roll and year."""

    @property
    def roll(self) -> Roll:
        roll: Roll = self.province.table("school").roll
        return roll

    @property
    def year(self) -> Year:
        year: Year = self.province.table("school").year
        return year

    def school_codes(self, schools: Ids) -> Any:
        """Codes by school id."""
        return self.province.table("school").codes.take(pa.array(schools))


class Class(_OfSchools):
    """Classes of this school year."""

    name = "class"
    key = ("class_code",)
    doc = "One row a class of the school year; the sector's class list"
    columns = {
        "school": "id of the school",
        "homeroom_person": "person who is the homeroom teacher; null where the post is vacant",
        "class_code": "school code, hyphen, name of the class",
        "school_code": "school",
        "class_name": "1A, 10A2, 5T1 (kindergarten by age)",
        "grade": "-3 nursery, -2 to 0 three to five years old, 1 to 12",
        "school_year": "2026-2027",
        "shift": "Cả ngày, Sáng, Chiều",
        "pupil_count": "pupils who go to school there",
    }

    @cached_property
    def names(self) -> Any:
        """Class names by id."""
        return words(_class_names(), (self.roll.class_grade + 3) * 100 + self.roll.class_number)

    @cached_property
    def codes(self) -> Any:
        """Class codes by id."""
        return joined(self.school_codes(self.roll.class_school), "-", self.names)

    @cached_property
    def _homeroom(self) -> Ints:
        """By class the teacher who was given it; -1 in schools to come. The first of the staff, the principal, has none."""
        roll = self.roll
        schools = roll.class_school[: roll.class_stock]
        number = np.arange(len(schools)) - np.searchsorted(schools, schools)
        first, last = (np.searchsorted(roll.teacher_school, schools, side=side) for side in ("left", "right"))
        found = np.where(number + 1 < last - first, first + number + 1, -1)
        return np.concatenate([found, np.full(len(roll.class_school) - len(found), -1)])

    def count(self, day: int) -> int:
        return int(self.roll.class_stock + occasions(day) * NEW_PER_OCCASION)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _none()
        events, state, layout = self.year.events(day), self.year.state(day), self.year.layout
        stays = [stay for stay, _ in events.ended]
        classes = [klass for _, klass, _ in events.begun]
        teachers = [teacher for teacher, _ in events.teachers]
        changed = np.isin(self._homeroom[: self.count(day)], teachers) & (self._homeroom[: self.count(day)] >= 0)
        closed = np.isin(self.roll.class_school[: self.count(day)], np.flatnonzero(layout.closed == day))
        new = np.arange(self.count(day - 1), self.count(day))
        parts = [state.stay_class[stays], np.array(classes, np.int64), np.flatnonzero(changed | closed), new]
        return np.unique(np.concatenate(parts)).astype(np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return np.asarray(self.year.layout.closed[self.roll.class_school[np.asarray(ids, np.int64)]] <= day)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        school, homeroom = self.roll.class_school[ids], self._homeroom[ids]
        there = (homeroom >= 0) & (self.year.state(day).teacher_school[homeroom] == school)
        day_long = self.roll.class_grade[ids] < 6
        shift = np.where(day_long, 0, 1 + self.chance.happens("class.shift", ids, 0.3))
        return pa.table(
            {
                "id": ids,
                "school": school,
                "homeroom_person": pa.array(self.roll.teacher_person[np.maximum(homeroom, 0)], mask=~there),
                "class_code": self.codes.take(pa.array(ids)),
                "school_code": self.school_codes(school),
                "class_name": self.names.take(pa.array(ids)),
                "grade": self.roll.class_grade[ids],
                "school_year": words((YEAR_NAME,), ids * 0),
                "shift": words(SHIFTS, shift),
                "pupil_count": self.year.pupils_by_class(day)[ids],
            }
        )


def _student_codes(table: Table, persons: Ids, numbers: Ids) -> Any:
    """Ten digits: former province, eight digits that nobody shares."""
    places = table.province.people.place[np.asarray(persons)]
    prefix = words(("24", "27"), (table.geo.old_province[places] == "27").astype(np.int64))
    return joined(prefix, padded(spread(numbers, 100_000_000, factor=7_654_321, start=3_141_592), 8))


class Pupil(_OfSchools):
    """Who goes to school; who leaves is gone from here and stays in `enrolment`."""

    name = "pupil"
    key = ("student_code",)
    doc = "One row a pupil at school, kindergartens included [S: 910,563]; who leaves is gone"
    columns = {
        "person": "id of the person",
        "school": "id of the school",
        "class": "id of the class",
        "student_code": "ten digits, one a pupil for life",
        "school_code": "school",
        "class_code": "class",
        "grade": "-3 nursery, -2 to 0 three to five years old, 1 to 12",
        "status": "01 to 12: state in the sector's database",
        "status_on": "date of the state",
        "enrolled_year": "year of enrolment at this school",
        "disability": "kind of disability; null for most",
    }

    def count(self, day: int) -> int:
        return self.year.pupil_count(day)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _none()
        events, state = self.year.events(day), self.year.state(day)
        ended = state.stay_pupil[[stay for stay, _ in events.ended]]
        return np.union1d(ended, np.array([pupil for pupil, _, _ in events.begun], np.int64)).astype(np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return ~self.year.present(np.asarray(ids, np.int64), day)

    def totals(self, day: int) -> list[Total]:
        """Pupils at school."""
        value = int(self.year.pupils_by_school(day).sum())
        assert day > 0 or value == self.scale.of(PUPILS)
        return [Total("pupil.count", value, "pupil", "education sector, both former provinces", day <= 0)]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        state, roll = self.year.state(day), self.roll
        stay, person = state.stay_of[ids], state.person[ids]
        klass, status = state.stay_class[stay], state.stay_status[stay]
        school = roll.class_school[klass]
        grade = roll.class_grade[klass]
        lowest = FIRST_GRADE[self.year.layout.level[school]]
        # who came, came now; who has been here came with the lowest grade, to a kindergarten a year or two before
        years = np.where(status == IN_SCHOOL, np.minimum(grade - lowest, 4), 0)
        kinds = self.chance.pick("pupil.disability", person, (*_DISABLED, 1 - sum(_DISABLED)))
        return pa.table(
            {
                "id": ids,
                "person": person,
                "school": school,
                "class": klass,
                "student_code": _student_codes(self, person, ids),
                "school_code": self.school_codes(school),
                "class_code": self.province.table("class").codes.take(pa.array(klass)),
                "grade": grade,
                "status": numbered("{:02d}", status + 1),
                "status_on": to_date32(state.stay_day[stay]),
                "enrolled_year": SCHOOL_YEAR - years,
                "disability": words((*DISABILITIES, ""), kinds, kinds < len(DISABILITIES)),
            }
        )


class Enrolment(_OfSchools):
    """Stays at a school in this school year: a pupil who changed schools has two, who dropped out one that ended."""

    name = "enrolment"
    key = ("school_code", "student_code")
    doc = "One row a pupil, school and stay of this school year, those that ended included; earlier years: edu_year"
    columns = {
        "person": "id of the person",
        "school": "id of the school",
        "student_code": "pupil",
        "school_code": "school",
        "class_code": "class",
        "grade": "-3 nursery, -2 to 0 three to five years old, 1 to 12",
        "school_year": "2026-2027",
        "status": "01 to 12: state in the sector's database",
        "status_vi": "the state in words",
        "status_on": "date of the state",
        "disability": "kind of disability; null for most",
    }

    def count(self, day: int) -> int:
        return self.year.stay_count(day)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _none()
        ended = np.array([stay for stay, _ in self.year.events(day).ended], np.int64)
        return np.union1d(ended, np.arange(self.count(day - 1), self.count(day))).astype(np.int64)

    def totals(self, day: int) -> list[Total]:
        """Stays by state."""
        counts = np.bincount(self.year.state(day).stay_status, minlength=len(STATUSES))
        return [Total(f"enrolment.{i + 1:02d}", int(n), "stay") for i, n in enumerate(counts)]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        state, roll = self.year.state(day), self.roll
        pupil, klass, status = state.stay_pupil[ids], state.stay_class[ids], state.stay_status[ids]
        out = np.maximum(-1 - pupil, 0)
        dropped = roll.dropouts[out] if len(roll.dropouts) else out
        person = np.where(pupil >= 0, state.person[np.maximum(pupil, 0)], dropped)
        school = roll.class_school[klass]
        kinds = self.chance.pick("pupil.disability", person, (*_DISABLED, 1 - sum(_DISABLED)))
        return pa.table(
            {
                "id": ids,
                "person": person,
                "school": school,
                "student_code": _student_codes(self, person, np.where(pupil >= 0, pupil, 99_000_000 + out)),
                "school_code": self.school_codes(school),
                "class_code": self.province.table("class").codes.take(pa.array(klass)),
                "grade": roll.class_grade[klass],
                "school_year": words((YEAR_NAME,), ids * 0),
                "status": numbered("{:02d}", status + 1),
                "status_vi": words(STATUSES, status),
                "status_on": to_date32(state.stay_day[ids]),
                "disability": words((*DISABILITIES, ""), kinds, kinds < len(DISABILITIES)),
            }
        )


class Teacher(_OfSchools):
    """The staff of the schools."""

    name = "teacher"
    key = ("teacher_code",)
    doc = "One row a member of the staff [S: 46,846]"
    columns = {
        "person": "id of the person",
        "school": "id of the school",
        "teacher_code": "ten digits of the sector's database",
        "school_code": "school",
        "position": "Giáo viên, Phó hiệu trưởng, Hiệu trưởng",
        "subject": "subject taught",
        "degree": "highest degree",
        "contract": "Viên chức, Hợp đồng lao động",
        "since_year": "year in which service began",
    }

    def count(self, day: int) -> int:
        return len(self.roll.teacher_person)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _none()
        events, before = self.year.events(day), self.year.state(day - 1)
        posts = [teacher for teacher, _ in events.teachers]
        came = [teacher for _, teacher in events.principals if teacher >= 0]
        left = before.principal[[school for school, _ in events.principals]]
        return np.unique(np.concatenate([np.array(posts + came, np.int64), left[left >= 0]])).astype(np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return np.asarray(self.year.state(day).teacher_school[np.asarray(ids, np.int64)] < 0)

    def totals(self, day: int) -> list[Total]:
        """Staff in service."""
        value = int(self.year.teachers_by_school(day).sum())
        exact = day <= 0 and value == SCHOOL_STAFF
        return [Total("teacher.count", value, "person", "education sector, both former provinces", exact)]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        state, roll, chance = self.year.state(day), self.roll, self.chance
        school = np.where(state.teacher_school[ids] >= 0, state.teacher_school[ids], roll.teacher_school[ids])
        level = self.year.layout.level[roll.teacher_school[ids]]  # what one teaches goes with the first school
        rank = ids - np.searchsorted(roll.teacher_school, roll.teacher_school[ids])
        position = np.where(state.principal[school] == ids, 2, np.where((rank == 1) | (rank == 2), 1, 0))
        subjects = [s for of_level in SUBJECTS for s in of_level]
        sizes = np.array([len(s) for s in SUBJECTS])
        subject = (np.cumsum(sizes) - sizes)[level] + chance.integer("teacher.subject", ids, 0, sizes[level] - 1)
        weights = np.cumsum(np.array(_DEGREE_WEIGHTS), axis=1)[level]
        degree = (chance.uniform("teacher.degree", ids)[:, None] >= weights).sum(axis=1)
        age = -self.province.people.born[roll.teacher_person[ids]] // 365
        since = SCHOOL_YEAR - chance.integer("teacher.since", ids, 0, np.maximum(age - 23, 1))
        return pa.table(
            {
                "id": ids,
                "person": roll.teacher_person[ids],
                "school": school,
                "teacher_code": padded(2_400_000_000 + spread(ids, 10_000_000, start=271_828), 10),
                "school_code": self.school_codes(school),
                "position": words(POSITIONS, position),
                "subject": words(subjects, subject),
                "degree": words(DEGREES, np.minimum(degree, len(DEGREES) - 1)),
                "contract": words(CONTRACTS, chance.happens("teacher.contract", ids, 0.11).astype(np.int64)),
                "since_year": since,
            }
        )
