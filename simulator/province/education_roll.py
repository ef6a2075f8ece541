"""Who goes to which school on day 0: pupils dealt to classes, teachers to schools.

Belongs here: choosing pupils and teachers among the people, near their schools. Stays out: what happens to them later
(`education_year`), what is written about them (`education`).

Pupils lie in the order of their schools, grades and classes; teachers in that of their schools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.chance import Ids, Ints
from simulator.province.education_layout import (
    BAND,
    BANDS,
    CLASS_SIZES,
    NEW_PER_OCCASION,
    OCCASIONS,
    STAFF_PER_CLASS,
    Layout,
)
from simulator.scale import CLASSROOMS, PUPILS, SCHOOL_STAFF, split

if TYPE_CHECKING:
    from simulator.table import Province

SCHOOL_YEAR = 2026  # the one that began in September before day 0
# Grades: -3 the nursery for two-year-olds, -2 to 0 the kindergarten from three to five, 1 to 12 school.
GRADES = tuple(range(-3, 13))
# Share of each age that goes to school: everybody to primary; after lower secondary some take up a trade.
ATTENDANCE = np.array([0.30, 0.92, 0.97, 0.995, *[0.995] * 5, *[0.985] * 4, *[0.88] * 3])
FIRST_GRADE = np.array([-3, 1, 6, 10, 10])  # by level
_DROPPED_OUT = 0.12  # of those out of school above the primary
_GRADE_BAND = np.array([0] * 4 + [1] * 5 + [2] * 4 + [3] * 3)


def grade_band(grades: Ids) -> Ints:
    """The band of levels (see `BAND`) that teaches a grade."""
    return np.asarray(_GRADE_BAND[np.asarray(grades) + 3], np.int64)


class Roll:
    """Day 0: pupils with their class, classes with school and grade, teachers with their school.

    person, klass: by pupil. class_school, class_grade, class_number: by class (those of schools to come at the end).
    teacher_person, teacher_school: by teacher. waiting: persons of school age who go to none, by (band, district group).
    dropouts, dropout_class: persons who left school for good since the summer, and the class they were in.
    """

    def __init__(self, province: Province, layout: Layout) -> None:
        self.people, self.layout = province.people, layout
        self.chance, self.scale, self.geo = province.chance, province.scale, province.geo
        person, grade = self._choose()
        school = self._schools_for(person, grade)
        self._form_classes(person, grade, school)
        self._drop_out()
        self._staff()

    def grades_of(self, persons: Ids) -> Ints:
        """The grade for their year of birth."""
        return SCHOOL_YEAR - 5 - self.people.birth_years(persons)

    def _choose(self) -> tuple[Ints, Ints]:
        """Exactly as many pupils as published, in each age about its share; the others wait."""
        people = self.people
        ids = people.aged(1, 18)
        grades = self.grades_of(ids)
        fit = (grades >= GRADES[0]) & (grades <= GRADES[-1])
        ids, grades = ids[fit], grades[fit]
        # a race: whoever has the smaller number stays out, and the odds are those of the age
        out = -np.log1p(-self.chance.uniform("pupil.out", ids)) / -np.log(ATTENDANCE[grades + 3])
        pupils = np.argsort(-out, kind="stable")[: self.scale.of(PUPILS)]
        inside = np.zeros(len(ids), np.bool_)
        inside[pupils] = True
        group = self.layout.commune_group[self.geo.commune[people.place[ids[~inside]]]]
        band, left = grade_band(grades[~inside]), ids[~inside]
        order = np.argsort(self.chance.bits("pupil.waiting", left), kind="stable")
        self.waiting: dict[tuple[int, int], Ints] = {}
        for key in range(BANDS * len(self.layout.group_xy)):
            b, g = divmod(key, len(self.layout.group_xy))
            self.waiting[b, g] = left[order[(band[order] == b) & (group[order] == g)]]
        return ids[inside], grades[inside]

    def _schools_for(self, person: Ints, grade: Ints) -> Ints:
        """The school of each: within the old district, the nearer ones; the nearest district where one has none."""
        layout = self.layout
        schools = np.arange(layout.stock)
        band_of = BAND[layout.level[schools]]
        lows, highs = np.array(CLASS_SIZES)[layout.level[schools]].T
        self.class_size: Ints = self.chance.integer("school.class_size", schools, lows, highs)
        weight = layout.classes_drawn * self.class_size
        rank = np.argsort(layout.walk)
        commune = self.geo.commune[self.people.place[person]]
        band = grade_band(grade)
        group = layout.commune_group[commune]
        for b in range(BANDS):
            group = np.where(band == b, self._groups_with(schools[band_of == b])[group], group)
        groups = len(layout.group_xy)
        key = ((band * groups + group) * len(rank) + rank[commune]) * 512 + self.people.place[person]
        shuffle = self.chance.bits("pupil.dealt", person) >> np.uint64(32)
        order = np.argsort(key * (1 << 32) + shuffle.astype(np.int64), kind="stable")
        sizes = np.bincount(band * groups + group, minlength=BANDS * groups)
        by_walk = schools[np.lexsort((layout.slot[schools], layout.group[schools], band_of))]
        of_school = (band_of * groups + layout.group[schools])[by_walk]
        counts = np.zeros(len(schools), np.int64)
        for part in np.unique(of_school):
            members = of_school == part
            counts[members] = split(int(sizes[part]), weight[by_walk[members]])
        school = np.empty(len(person), np.int64)
        school[order] = np.repeat(by_walk, counts)
        return school

    def _groups_with(self, schools: Ints) -> Ints:
        """For each district group the nearest one that has one of these schools: itself if it can."""
        xy, having = self.layout.group_xy, np.unique(self.layout.group[schools])
        distance = ((xy[:, None] - xy[having][None]) ** 2).sum(axis=2)
        return np.asarray(having[np.argmin(distance, axis=1)], np.int64)

    def _form_classes(self, person: Ints, grade: Ints, school: Ints) -> None:
        layout, grades = self.layout, len(GRADES)
        cell = school * grades + grade + 3
        shuffle = (self.chance.bits("pupil.class", person) >> np.uint64(24)).astype(np.int64)
        order = np.argsort(cell * (1 << 40) + shuffle, kind="stable")
        self.person: Ints = person[order]
        pupils = np.bincount(cell, minlength=layout.stock * grades)
        full = pupils / np.repeat(self.class_size, grades)
        classes = np.where(pupils > 0, np.maximum(np.ceil(full - 0.15), 1), 0).astype(np.int64)  # few stand above it
        starts = np.cumsum(pupils) - pupils
        at = cell[order]
        number = (np.arange(len(at)) - starts[at]) * classes[at] // np.maximum(pupils[at], 1)
        firsts = np.cumsum(classes) - classes
        self.klass: Ints = firsts[at] + number
        cells = np.repeat(np.arange(len(classes)), classes)
        self.class_stock = len(cells)
        new = np.arange(layout.stock, layout.stock + OCCASIONS * NEW_PER_OCCASION)  # a new school begins with one class
        self.class_school: Ints = np.concatenate([cells // grades, new])
        lowest = np.maximum(FIRST_GRADE[layout.level[new]], -2)
        self.class_grade: Ints = np.concatenate([cells % grades - 3, lowest])
        self.class_number: Ints = np.concatenate([np.arange(len(cells)) - firsts[cells], np.zeros(len(new), np.int64)])
        self.school_classes: Ints = np.bincount(self.class_school, minlength=len(layout.level))
        self.school_pupils: Ints = np.bincount(school, minlength=layout.stock)

    def _drop_out(self) -> None:
        """Some of those who do not go to school did so until lately: from the sixth grade on."""
        dropouts, classes = [], []
        schools = np.arange(self.layout.stock)
        for (band, group), persons in self.waiting.items():
            near = schools[(BAND[self.layout.level[schools]] == band) & (self.layout.group[schools] == group)]
            if band < 2 or not len(near):
                continue
            number = int(len(persons) * _DROPPED_OUT)
            grades, which = (
                self.grades_of(persons[:number]),
                self.chance.integer("dropout.school", persons, 0, len(near) - 1),
            )
            stayed = []
            for person, grade, school in zip(persons[:number], grades, near[which[:number]], strict=True):
                found = self.classes_of(int(school), int(grade))
                if len(found):
                    dropouts.append(int(person))
                    classes.append(int(found[person % len(found)]))
                else:
                    stayed.append(int(person))
            self.waiting[band, group] = np.concatenate([np.array(stayed, np.int64), persons[number:]])
        self.dropouts, self.dropout_class = np.array(dropouts, np.int64), np.array(classes, np.int64)

    def classes_of(self, school: int, grade: int) -> Ints:
        """Ids of the classes of a grade in a school."""
        first, last = np.searchsorted(self.class_school, [school, school + 1])
        return np.asarray(first + np.flatnonzero(self.class_grade[first:last] == grade), np.int64)

    def rooms(self) -> Ints:
        """Class rooms by school of day 0; together exactly as many as published."""
        count = self.layout.stock
        spare = self.chance.integer("school.spare_rooms", np.arange(count), 0, 6)
        total = self.scale.of(CLASSROOMS, least=self.class_stock)
        return 1 + split(total - count, self.school_classes[:count] + spare * 0.6)

    def _staff(self) -> None:
        """Teachers, who live in the old district of their school; men are few among the little ones."""
        layout, people = self.layout, self.people
        schools = np.arange(layout.stock)
        level = layout.level[schools]
        total = self.scale.of(SCHOOL_STAFF, least=max(self.class_stock, 3 * layout.stock))
        each = 1 + split(total - layout.stock, self.school_classes[: layout.stock] * STAFF_PER_CLASS[level] + 0.5)
        self.teacher_school: Ints = np.repeat(schools, each)
        ids = np.arange(len(self.teacher_school))
        men = np.array([0.01, 0.20, 0.32, 0.38, 0.40])[layout.level[self.teacher_school]]
        male = self.chance.happens("teacher.male", ids, men)
        wanted = layout.group[self.teacher_school] * 2 + male
        pool = people.aged(24, 57)
        have = layout.commune_group[self.geo.commune[people.place[pool]]] * 2 + people.male[pool]
        shuffle = (self.chance.bits("teacher.person", pool) >> np.uint64(16)).astype(np.int64)
        pool = pool[np.argsort(have * (1 << 48) + shuffle, kind="stable")]
        starts = np.searchsorted(np.sort(have), np.arange(2 * len(layout.group_xy) + 1))
        counts = np.bincount(wanted, minlength=2 * len(layout.group_xy))
        order = np.argsort(wanted, kind="stable")
        rank = np.empty(len(ids), np.int64)
        rank[order] = np.arange(len(ids)) - np.repeat(np.cumsum(counts) - counts, counts)
        if np.any(counts > np.diff(starts)):
            raise ValueError("Không đủ người làm giáo viên / Not enough adults in a district to teach in its schools")
        self.teacher_person: Ints = pool[starts[wanted] + rank]
