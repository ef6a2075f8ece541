"""The course of the school year, day by day: pupils come and go, schools close and open, principals follow each other.

Belongs here: `Year`, what happens on a day and how things stand at its end. Stays out: day 0 (`education_roll`), what is
written of it (`education`).

A pupil's time at one school is a stay: a move ends one and begins another, so that both schools know of it. The stays
that ended between September and day 0 stand behind the present ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from simulator.chance import Bools, Ids, Ints
from simulator.province.education_layout import BAND, CLOSED_PER_OCCASION, NEW_PER_OCCASION, Layout, occasions
from simulator.province.education_roll import Roll

if TYPE_CHECKING:
    from simulator.table import Province

# The twelve states of a pupil in the sector's database, codes 01 to 12; a term has four, summer three.
STATUSES = (
    "Đang học", "Chuyển đến kỳ 1", "Nghỉ học xin học lại kỳ 1", "Chuyển đi kỳ 1", "Thôi học kỳ 1", "Chuyển đến kỳ 2",
    "Nghỉ học xin học lại kỳ 2", "Chuyển đi kỳ 2", "Thôi học kỳ 2", "Chuyển đến trong hè", "Chuyển đi trong hè",
    "Thôi học trong hè",
)  # fmt: skip
IN_SCHOOL, CAME, RETURNED, LEFT, QUIT = range(5)
_BY_TERM = np.array([[0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [0, 9, 9, 10, 11]])
PRESENT = np.array([True, True, True, False, False, True, True, False, False, True, False, False])
SUMMER_BEFORE = 2  # row of `_BY_TERM`
TERM_STARTS, TERM_ENDS = -75, 58  # 5 September 2026 and 16 January 2027
YEAR_ENDS = 193  # 31 May 2027; a later day counts as one of the year before it
CHANGED_SHARE = 0.01
_DELTAS = (-3, -2, -1, 1, 2, 3, 4)
_EARLIER = 0.004  # of the pupils came from another school of the province since the summer


def status_on(day: int, what: int) -> int:
    """The state (an index into `STATUSES`) that a day of the year writes for an event."""
    of_year = (day + 80) % 365 - 80
    return int(_BY_TERM[0 if of_year <= TERM_ENDS else 1 if of_year <= YEAR_ENDS else 2][what])


@dataclass
class Events:
    """What a day changes. Every list of pairs is (id, new value); new stays are (pupil, class, status)."""

    ended: list[tuple[int, int]] = field(default_factory=list)  # (stay, status)
    begun: list[tuple[int, int, int]] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)  # persons, pupils from this day on
    teachers: list[tuple[int, int]] = field(default_factory=list)  # (teacher, school); -1: no longer there
    principals: list[tuple[int, int]] = field(default_factory=list)  # (school, teacher)
    grants: list[tuple[int, int]] = field(default_factory=list)  # (school, thousand VND)
    schools: set[int] = field(default_factory=set)  # whose record changes


@dataclass(frozen=True)
class State:
    """How things stand at the end of a day: arrays by stay, pupil, teacher and school."""

    stay_pupil: Ints  # below 0: -1 - number in `Roll.dropouts`, who are no pupils any more
    stay_class: Ints
    stay_status: Ints
    stay_day: Ints
    stay_of: Ints  # by pupil: the latest
    person: Ints  # by pupil
    teacher_school: Ints
    principal: Ints  # by school, a teacher; -1: none
    granted: Ints  # by school, thousand VND


class Year:
    """The year after day 0. Days are lived through in their order, once; asking about one never changes another."""

    def __init__(self, province: Province, layout: Layout, roll: Roll) -> None:
        self.province, self.layout, self.roll = province, layout, roll
        self.chance, self.people = province.chance, province.people
        self._days: list[Events] = []
        self._stay_counts = [len(self._base.stay_pupil)]
        self._pupil_counts = [len(roll.person)]
        self._class: Ints = self._base.stay_class[: len(roll.person)].copy()  # by pupil, -1: not in school
        self._stay: Ints = self._base.stay_of.copy()
        self._principal: Ints = self._base.principal.copy()
        self._teacher_school: Ints = self._base.teacher_school.copy()
        self._next_waiting = dict.fromkeys(roll.waiting, 0)
        earlier = slice(len(roll.person), len(self._base.stay_pupil))
        before = roll.class_school[self._base.stay_class[earlier]]
        # nobody returns to a school once left: a pupil has one stay at a school
        self._left = set(zip(self._base.stay_pupil[earlier].tolist(), before.tolist(), strict=True))

    @cached_property
    def _base(self) -> State:
        """Day 0."""
        roll, chance = self.roll, self.chance
        pupils = np.arange(len(roll.person))
        came = chance.uniform("pupil.came", pupils)
        grade = roll.class_grade[roll.klass]
        what = np.select([came < 0.010, came < 0.0115], [CAME, RETURNED], IN_SCHOOL)
        summer = chance.happens("pupil.came_in_summer", pupils, 0.6)
        status = _BY_TERM[np.where(summer & (what == CAME), SUMMER_BEFORE, 0), what]
        in_term = chance.integer("pupil.came_on", pupils, TERM_STARTS + 1, -1)
        in_summer = chance.integer("pupil.came_on", pupils, TERM_STARTS - 90, TERM_STARTS - 5)
        day = np.select([what == IN_SCHOOL, summer & (what == CAME)], [TERM_STARTS, in_summer], in_term)
        earlier, of_earlier = self._earlier(np.flatnonzero((came < _EARLIER) & (what == CAME)), grade)
        ended = np.where(summer[earlier], _BY_TERM[SUMMER_BEFORE, LEFT], _BY_TERM[0, LEFT])
        out = np.arange(len(roll.dropouts))
        out_summer = chance.happens("dropout.in_summer", out, 0.5)
        out_day = np.where(out_summer, TERM_STARTS, 0) - chance.integer("dropout.on", out, 1, -TERM_STARTS - 2)
        first = np.unique(roll.teacher_school, return_index=True)[1]
        spare = len(self.layout.level) - self.layout.stock
        return State(
            stay_pupil=np.concatenate([pupils, earlier, -1 - out]),
            stay_class=np.concatenate([roll.klass, of_earlier, roll.dropout_class]),
            stay_status=np.concatenate([status, ended, _BY_TERM[np.where(out_summer, SUMMER_BEFORE, 0), QUIT]]),
            stay_day=np.concatenate([day, day[earlier], out_day]),
            stay_of=pupils,
            person=roll.person,
            teacher_school=roll.teacher_school,
            principal=np.concatenate([first, np.full(spare, -1)]),
            granted=np.zeros(len(self.layout.level), np.int64),
        )

    def _earlier(self, pupils: Ints, grade: Ints) -> tuple[Ints, Ints]:
        """For pupils who came from within the province: the class they left, of the same grade; those that found one."""
        others = self.chance.integer("pupil.came_from", pupils, 0, len(grade) - 1)
        left = np.empty(len(pupils), np.int64)
        for i, (pupil, other) in enumerate(zip(pupils.tolist(), others.tolist(), strict=True)):
            classes = self.roll.classes_of(int(self.roll.class_school[self.roll.klass[other]]), int(grade[pupil]))
            left[i] = classes[0] if len(classes) else -1
        found = (left >= 0) & (self.roll.class_school[left] != self.roll.class_school[self.roll.klass[pupils]])
        return pupils[found], left[found]

    # -- how it stands -----------------------------------------------------------------------------------------------

    def stay_count(self, day: int) -> int:
        """How many stays there were up to a day."""
        self._live_to(day)
        return self._stay_counts[max(day, 0)]

    def pupil_count(self, day: int) -> int:
        """How many pupils were ever known by a day."""
        self._live_to(day)
        return self._pupil_counts[max(day, 0)]

    def events(self, day: int) -> Events:
        """What changed on a day (from day 1 on)."""
        self._live_to(day)
        return self._days[day - 1]

    @lru_cache(maxsize=4)  # noqa: B019 (one province lives as long as its schools)
    def state(self, day: int) -> State:
        """The end of a day; before day 0 everything stands as on day 0."""
        if day <= 0:
            return self._base
        self._live_to(day)
        base, days = self._base, self._days[:day]
        begun = [(*b, number) for number, e in enumerate(days, start=1) for b in e.begun]
        new = np.array(begun, np.int64).reshape(-1, 4)
        status = np.concatenate([base.stay_status, new[:, 2]])
        on = np.concatenate([base.stay_day, new[:, 3]])
        ended = [(*s, number) for number, e in enumerate(days, start=1) for s in e.ended]
        last = np.array(ended, np.int64).reshape(-1, 3)
        status[last[:, 0]], on[last[:, 0]] = last[:, 1], last[:, 2]
        person = np.concatenate([base.person, np.array([p for e in days for p in e.joined], np.int64)])
        stay_pupil = np.concatenate([base.stay_pupil, new[:, 0]])
        stay_of = np.empty(len(person), np.int64)
        stay_of[: len(base.stay_of)] = base.stay_of
        first_new = len(base.stay_pupil)
        stay_of[new[:, 0]] = np.arange(first_new, first_new + len(new))
        teacher_school, principal, granted = base.teacher_school.copy(), base.principal.copy(), base.granted.copy()
        for e in days:
            for teacher, school in e.teachers:
                teacher_school[teacher] = school
            for school, teacher in e.principals:
                principal[school] = teacher
            for school, amount in e.grants:
                granted[school] += amount
        stay_class = np.concatenate([base.stay_class, new[:, 1]])
        return State(stay_pupil, stay_class, status, on, stay_of, person, teacher_school, principal, granted)

    def present(self, pupils: Ids, day: int) -> Bools:
        """Which pupils go to school at the end of a day."""
        state = self.state(day)
        return np.asarray(PRESENT[state.stay_status[state.stay_of[pupils]]])

    @lru_cache(maxsize=4)  # noqa: B019
    def pupils_by_school(self, day: int) -> Ints:
        """How many pupils each school has."""
        state = self.state(day)
        there = PRESENT[state.stay_status[state.stay_of]]
        classes = state.stay_class[state.stay_of[there]]
        return np.bincount(self.roll.class_school[classes], minlength=len(self.layout.level))

    @lru_cache(maxsize=4)  # noqa: B019
    def pupils_by_class(self, day: int) -> Ints:
        """How many pupils each class has."""
        state = self.state(day)
        there = PRESENT[state.stay_status[state.stay_of]]
        return np.bincount(state.stay_class[state.stay_of[there]], minlength=len(self.roll.class_school))

    def teachers_by_school(self, day: int) -> Ints:
        """How many teachers each school has."""
        at = self.state(day).teacher_school
        return np.bincount(at[at >= 0], minlength=len(self.layout.level))

    # -- a day is lived ----------------------------------------------------------------------------------------------

    def _live_to(self, day: int) -> None:
        for coming in range(len(self._days) + 1, day + 1):
            today = Events()
            self._bury(coming, today)
            if occasions(coming) > occasions(coming - 1):
                self._reorganise(coming, today)
            self._ordinary_changes(coming, today)
            self._days.append(today)
            self._stay_counts.append(self._stay_counts[-1] + len(today.begun))
            self._pupil_counts.append(len(self._class))

    def _end(self, today: Events, pupil: int, status: int) -> None:
        school = int(self.roll.class_school[self._class[pupil]])
        today.ended.append((int(self._stay[pupil]), status))
        today.schools.add(school)
        self._left.add((pupil, school))
        self._class[pupil] = -1

    def _begin(self, today: Events, pupil: int, klass: int, status: int) -> None:
        self._stay[pupil] = self._stay_counts[-1] + len(today.begun)
        today.begun.append((pupil, klass, status))
        today.schools.add(int(self.roll.class_school[klass]))
        self._class[pupil] = klass

    def _go(self, day: int, today: Events, pupil: int, school: int, grade: int) -> bool:
        """A move to another school, if that has the grade and is none the pupil has left."""
        classes = self.roll.classes_of(school, grade)
        if not len(classes) or (pupil, school) in self._left:
            return False
        self._transfer(day, today, pupil, int(classes[pupil % len(classes)]))
        return True

    def _transfer(self, day: int, today: Events, pupil: int, klass: int) -> None:
        self._end(today, pupil, status_on(day, LEFT))
        self._begin(today, pupil, klass, status_on(day, CAME))

    @cached_property
    def _pupil_of(self) -> Ints:
        """By person of day 0: the pupil, or -1."""
        pupil = np.full(self.people.stock, -1)
        pupil[self.roll.person] = np.arange(len(self.roll.person))
        return pupil

    @cached_property
    def _teacher_of(self) -> Ints:
        teacher = np.full(self.people.stock, -1)
        teacher[self.roll.teacher_person] = np.arange(len(self.roll.teacher_person))
        return teacher

    def _bury(self, day: int, today: Events) -> None:
        """The dead leave the school."""
        dead = self.people.deceased(day)
        dead = dead[dead < self.people.stock]
        for pupil in self._pupil_of[dead][self._pupil_of[dead] >= 0].tolist():
            if self._class[pupil] >= 0:
                self._end(today, pupil, status_on(day, QUIT))
        for teacher in self._teacher_of[dead][self._teacher_of[dead] >= 0].tolist():
            school = int(self._teacher_school[teacher])
            self._post(today, teacher, -1)
            if self._principal[school] == teacher:
                self._follow(today, school)

    def _post(self, today: Events, teacher: int, school: int) -> None:
        today.schools |= {int(self._teacher_school[teacher]), school} - {-1}
        today.teachers.append((teacher, school))
        self._teacher_school[teacher] = school

    def _follow(self, today: Events, school: int) -> None:
        """The next of the staff becomes principal, after the last the first again; nobody where there is no staff."""
        staff = np.flatnonzero(self._teacher_school == school)
        if len(staff):
            after = staff[staff > self._principal[school]]
            self._principal[school] = after[0] if len(after) else staff[0]
        else:
            self._principal[school] = -1
        today.principals.append((school, int(self._principal[school])))
        today.schools.add(school)

    def _in_school(self, school: int) -> Ints:
        first, last = np.searchsorted(self.roll.class_school, [school, school + 1])
        return np.flatnonzero((self._class >= first) & (self._class < last)).astype(np.int64)

    def _reorganise(self, day: int, today: Events) -> None:
        """An occasion: new schools take a class from a neighbour, closed ones give everybody to the next of their kind."""
        layout, number = self.layout, occasions(day) - 1
        closing = layout.closing[number * CLOSED_PER_OCCASION : (number + 1) * CLOSED_PER_OCCASION]
        opening = range(number * NEW_PER_OCCASION, (number + 1) * NEW_PER_OCCASION)
        live = np.setdiff1d(layout.live(day), layout.stock + np.array(opening))
        for school in closing.tolist():
            near = layout.nearest(int(layout.commune[school]), live[layout.level[live] == layout.level[school]])
            for pupil in self._in_school(school).tolist():
                grade = int(self.roll.class_grade[self._class[pupil]])
                if not any(self._go(day, today, pupil, other, grade) for other in near.tolist()):
                    self._end(today, pupil, status_on(day, LEFT))
            for teacher in np.flatnonzero(self._teacher_school == school).tolist():
                self._post(today, teacher, int(near[0]))
            self._follow(today, school)
        for new in opening:
            self._open(day, today, layout.stock + new, live)

    def _open(self, day: int, today: Events, school: int, live: Ints) -> None:
        """A new school: a few pupils of the lowest grade and three teachers of the nearest school of its level."""
        layout, klass = self.layout, self.roll.class_stock + school - self.layout.stock
        today.schools.add(school)
        grade = self.roll.class_grade[klass]
        near = layout.nearest(int(layout.commune[school]), live[layout.level[live] == layout.level[school]])
        for donor in near.tolist():
            pupils = self._in_school(donor)
            pupils = pupils[self.roll.class_grade[self._class[pupils]] == grade]
            if len(pupils):
                most = int(self.chance.integer("school.first_pupils", np.array([school]), 8, 24)[0])
                for pupil in pupils[: max(1, min(most, len(pupils) // 4))].tolist():
                    self._transfer(day, today, pupil, klass)
                staff = np.flatnonzero(self._teacher_school == donor)
                for teacher in staff[staff != self._principal[donor]][-3:].tolist():
                    self._post(today, teacher, school)
                break
        self._follow(today, school)

    def _ordinary_changes(self, day: int, today: Events) -> None:
        """About one school in a hundred, at least three: pupils come or go, a principal follows, money is granted."""
        live = self.layout.live(day)
        order = np.argsort(self.chance.bits("school.changed", live * 4096 + day), kind="stable")
        schools = live[order[: max(3, round(len(live) * CHANGED_SHARE))]].tolist()
        turns = np.arange(len(schools)) + day * 4096
        amounts = self.chance.integer("school.grant", turns, 1_000, 900_000).tolist()
        what = self.chance.uniform("school.change", turns).tolist()
        for turn, school, amount, kind in zip(turns.tolist(), schools, amounts, what, strict=True):
            if kind < 0.6 and self._come_and_go(day, today, school, turn):
                continue
            if 0.6 <= kind < 0.8:
                self._follow(today, school)
            else:
                today.grants.append((school, amount))
                today.schools.add(school)

    def _come_and_go(self, day: int, today: Events, school: int, turn: int) -> bool:
        """A few pupils leave, or a few come; False when nobody did."""
        draws = turn * 16 + np.arange(16)
        delta = _DELTAS[int(self.chance.integer("school.delta", draws[:1], 0, len(_DELTAS) - 1)[0])]
        chances = self.chance.uniform("school.who", draws).tolist()
        before = len(today.ended) + len(today.begun)
        if delta < 0:
            pupils = self._in_school(school)
            for c in chances[: min(-delta, len(pupils))]:
                pupil = int(pupils[int(c * len(pupils))])
                if self._class[pupil] >= 0:
                    older = self.roll.class_grade[self._class[pupil]] >= 8
                    self._end(today, pupil, status_on(day, QUIT if older and c * 1000 % 1 < 0.4 else LEFT))
        key = int(BAND[self.layout.level[school]]), int(self.layout.group[school])
        for c in chances[: max(delta, 0)]:
            if c < 0.5 and self._join(day, today, school, key):
                continue
            pupil = self._neighbour(key, school, c)
            if pupil >= 0:
                self._go(day, today, pupil, school, int(self.roll.class_grade[self._class[pupil]]))
        return len(today.ended) + len(today.begun) > before

    def _join(self, day: int, today: Events, school: int, key: tuple[int, int]) -> bool:
        """Somebody who has not gone to school here begins to; False when nobody waits who fits."""
        queue, at = self.roll.waiting[key], self._next_waiting[key]
        if at >= len(queue):
            return False
        self._next_waiting[key] += 1
        person = int(queue[at])
        grade = int(self.roll.grades_of(queue[at : at + 1])[0])
        classes = self.roll.classes_of(school, grade)
        if not len(classes) or not self.people.alive(np.array([person]), day)[0]:
            return False
        pupil = len(self._class)
        self._class, self._stay = np.append(self._class, -1), np.append(self._stay, -1)
        self._pupil_of[person] = pupil
        today.joined.append(person)
        self._begin(today, pupil, int(classes[pupil % len(classes)]), status_on(day, RETURNED if grade > 1 else CAME))
        return True

    def _neighbour(self, key: tuple[int, int], school: int, chance: float) -> int:
        """A pupil of another school of the same age and district who is there; -1 when the draw hits none."""
        schools = np.flatnonzero((BAND[self.layout.level] == key[0]) & (self.layout.group == key[1]))
        schools = schools[schools != school]
        if not len(schools):
            return -1
        pupils = self._in_school(int(schools[int(chance * 7919) % len(schools)]))
        return int(pupils[int(chance * 104_729) % len(pupils)]) if len(pupils) else -1
