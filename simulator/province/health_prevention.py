"""Prevention: inoculations of children and notifiable diseases.

Belongs here: the tables `immunisation` and `notifiable_disease`. Stays out: visits (`health_visits`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.health_events import FIRST, birth_facilities, providers
from simulator.table import FLOW_DAYS, Arrivals, Province, Table, Total, joined, padded, to_date32, to_timestamp, words

CASES_A_YEAR = 15_000  # derived: the national rate of cases by name
# Vaccine and dose: the age in days at which it is due (expanded programme on immunisation).
DOSES = (
    ("VGB sơ sinh", 1, 0), ("BCG", 1, 3), ("DPT-VGB-Hib", 1, 61), ("bOPV", 1, 61), ("DPT-VGB-Hib", 2, 91), ("bOPV", 2, 91),
    ("DPT-VGB-Hib", 3, 122), ("bOPV", 3, 122), ("IPV", 1, 152), ("Sởi", 1, 274), ("IPV", 2, 274), ("Viêm não Nhật Bản", 1, 365),
    ("Viêm não Nhật Bản", 2, 376), ("Sởi - Rubella", 1, 548), ("DPT", 4, 549), ("Viêm não Nhật Bản", 3, 730),
)  # fmt: skip
_LATE, _MISSED = 21, 0.05
# Notifiable diseases (Circular 54/2015/TT-BYT): hours within which they are told of, weight, ages from to.
NOTIFIABLE = {
    "A90": ("Sốt xuất huyết Dengue", 24, 30, 0, 90), "B08.4": ("Tay chân miệng", 48, 26, 0, 6), "B05": ("Sởi", 24, 9, 0, 30),
    "B01": ("Thủy đậu", 48, 14, 0, 40), "J10": ("Cúm", 48, 40, 0, 90), "A09": ("Tiêu chảy", 48, 18, 0, 90),
    "A37": ("Ho gà", 24, 1, 0, 4), "A39.0": ("Viêm màng não do não mô cầu", 24, 1, 0, 30), "A82": ("Dại", 24, 1, 3, 80),
    "A15": ("Lao phổi", 48, 7, 15, 90), "B15": ("Viêm gan vi rút A", 48, 2, 3, 60), "B26": ("Quai bị", 48, 5, 2, 30),
}  # fmt: skip
_COURSE = 21  # an illness is over after 5 to 21 days


class _Doses(NamedTuple):
    day: Ints
    person: Ints
    dose: Ints  # index into DOSES


class Immunisation(Table):
    """Doses given to children."""

    name = "immunisation"
    key = ("dose_no",)
    doc = "One dose given since day -29 to a child below three; national immunisation system, Circular 34/2018/TT-BYT."
    columns = {
        "person": "the child: id of table person",
        "facility": "where: id of table facility",
        "dose_no": "number of the entry",
        "facility_code": "code of the facility",
        "full_name": "name of the child",
        "personal_id": "personal identifier of the child",
        "born_on": "date of birth",
        "sex": "Nam or Nữ",
        "commune_code": "commune of residence, today's code",
        "vaccine": "vaccine",
        "dose": "number of the dose",
        "given_at": "moment",
        "batch": "batch of the vaccine",
        "reaction": "0 none, 1 slight, 2 serious",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._known_to, self._days = FIRST - 1, np.zeros(0, np.int64)  # days of the doses up to a day

    @lru_cache(maxsize=3)  # noqa: B019
    def _given(self, day: int) -> _Doses:
        """All doses up to a day, by day, child and dose."""
        people = self.province.people
        young = np.flatnonzero(people.born[: people.at_day0] > -(DOSES[-1][2] + _LATE + FLOW_DAYS))
        children = np.concatenate([young, np.arange(people.stock, people.count(day))]).astype(np.int64)
        born = people.born_on(children)
        found = []
        for dose, (_, _, age) in enumerate(DOSES):
            key = children * len(DOSES) + dose
            late = self.chance.integer("immunisation.late", key, 0, _LATE if age else 1)
            at = born + age + late
            there = (at >= FIRST) & (at <= day) & ~self.chance.happens("immunisation.missed", key, _MISSED)
            there &= people.died_on(children) > at
            found.append((at[there], children[there], np.full(int(there.sum()), dose)))
        days, persons, doses = (np.concatenate(parts).astype(np.int64) for parts in zip(*found, strict=True))
        order = np.lexsort((doses, persons, days))
        return _Doses(days[order], persons[order], doses[order])

    def count(self, day: int) -> int:
        if day > self._known_to:  # who is born later has no dose before
            self._known_to = day + FLOW_DAYS
            self._days = self._given(self._known_to).day
        return int(np.searchsorted(self._days, day, side="right"))

    def touched(self, day: int) -> Ints:
        return np.flatnonzero(self._given(day).day == day).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, near = np.asarray(ids, np.int64), self.province.people, providers(self.province)
        days, persons, doses = (each[ids] for each in self._given(day))
        places = people.place_at(persons, 0)
        at_birth = np.array([age for _, _, age in DOSES])[doses] == 0
        facility = np.where(at_birth, birth_facilities(self.province, persons), near.station(places))
        batch = self.chance.integer("immunisation.batch", (days + FLOW_DAYS) // 14 * len(DOSES) + doses, 1000, 9999)
        return pa.table(
            [
                pa.array(ids),
                pa.array(persons),
                pa.array(facility),
                joined("TC", padded(ids, 9)),
                near.codes(facility),
                people.names(persons),
                people.personal_ids(persons),
                people.birth_dates(persons),
                people.sex(persons),
                words(list(self.geo.code_e2), places),
                words([vaccine for vaccine, _, _ in DOSES], doses),
                pa.array(np.array([number for _, number, _ in DOSES])[doses]),
                to_timestamp(days, self.chance.integer("immunisation.second", ids, 27_000, 39_600)),
                joined("L", padded(batch, 4)),
                pa.array(self.chance.pick("immunisation.reaction", ids, (970, 29, 1))),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        return [Total("immunisation.count", self.count(day), "dose")]


class NotifiableDisease(Table):
    """Cases that must be told of."""

    name = "notifiable_disease"
    key = ("case_no",)
    doc = "One case told of since day -29: within 24 or 48 hours of the diagnosis; Circular 54/2015/TT-BYT."
    columns = {
        "person": "who is ill: id of table person",
        "facility": "who tells: id of table facility",
        "case_no": "number of the case",
        "disease_code": "ICD-10",
        "disease": "disease in words",
        "facility_code": "code of the facility",
        "full_name": "name",
        "personal_id": "personal identifier",
        "born_on": "date of birth",
        "sex": "Nam or Nữ",
        "commune_code": "where the person lives, today's code",
        "onset_on": "first day of the illness",
        "diagnosed_at": "moment of the diagnosis",
        "notified_at": "moment of the notice",
        "hours_allowed": "hours within which it is to be told of",
        "laboratory": "DUONG_TINH, CHUA_XN",
        "outcome": "DANG_DIEU_TRI, KHOI, CHUYEN_TUYEN; known days later",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._cases = Arrivals(CASES_A_YEAR * province.scale.factor / 365, FIRST, weekend=0.6)

    def count(self, day: int) -> int:
        return self._cases.through(day)

    def _over(self, ids: Ids, day: int) -> Ints:
        """The day on which the outcome of each is told."""
        return self._cases.days(ids, day) + self.chance.integer("notifiable_disease.over", ids, 5, _COURSE)

    def touched(self, day: int) -> Ints:
        recent = np.arange(self.count(day - _COURSE - 1), self.count(day - 1))
        return np.concatenate([recent[self._over(recent, day) == day], self._cases.ids(day)]).astype(np.int64)

    def _persons(self, ids: Ids, days: Ids, disease: Ints) -> Ints:
        """Somebody of the age for it who lives."""
        people = self.province.people
        persons = np.zeros(len(ids), np.int64)
        for index, (_, _, _, low, high) in enumerate(NOTIFIABLE.values()):
            there = np.flatnonzero(disease == index)
            pool = self._aged(low, high)
            attempt = 0
            while len(there):
                persons[there] = people.pick_from(pool, f"notifiable_disease.person/{attempt}", ids[there])
                lives = people.alive(persons[there], 0) & (people.died_on(persons[there]) > days[there])
                there, attempt = there[~lives | (people.born_on(persons[there]) > days[there] - 10)], attempt + 1
        return persons

    @lru_cache(maxsize=16)  # noqa: B019
    def _aged(self, low: int, high: int) -> Ints:
        return self.province.people.aged(low, high)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, near = np.asarray(ids, np.int64), self.province.people, providers(self.province)
        days = self._cases.days(ids, max(day, FIRST))
        disease = self.chance.pick("notifiable_disease.disease", ids, [row[2] for row in NOTIFIABLE.values()])
        hours = np.array([row[1] for row in NOTIFIABLE.values()])[disease]
        persons = self._persons(ids, days, disease)
        places = people.place_at(persons, 0)
        facility = near.any("notifiable_disease.facility", ids, places, days, np.zeros(len(ids), np.bool_))
        told = self.chance.integer("notifiable_disease.second", ids, 27_000, 61_200)
        # nine in ten in time, the rest up to three days too late
        late = self.chance.happens("notifiable_disease.late", ids, 0.1)
        waited = self.chance.uniform("notifiable_disease.waited", ids)
        seconds = np.where(late, hours + 1 + waited * 72, 1 + waited * (hours - 2)) * 3600
        diagnosed = days * 86_400 + told - seconds.astype(np.int64)
        onset = diagnosed // 86_400 - self.chance.integer("notifiable_disease.onset", ids, 0, 5)
        ends = self.chance.pick("notifiable_disease.outcome", ids, (95, 5))
        outcome = np.where(self._over(ids, max(day, FIRST)) <= day, 1 + ends, 0)
        return pa.table(
            [
                pa.array(ids),
                pa.array(persons),
                pa.array(facility),
                joined("CB", padded(ids, 8)),
                words(list(NOTIFIABLE), disease),
                words([row[0] for row in NOTIFIABLE.values()], disease),
                near.codes(facility),
                people.names(persons),
                people.personal_ids(persons),
                people.birth_dates(persons),
                people.sex(persons),
                words(list(self.geo.code_e2), places),
                to_date32(onset),
                to_timestamp(diagnosed // 86_400, diagnosed % 86_400),
                to_timestamp(days, told),
                pa.array(hours),
                words(("DUONG_TINH", "CHUA_XN"), self.chance.pick("notifiable_disease.laboratory", ids, (62, 38))),
                words(("DANG_DIEU_TRI", "KHOI", "CHUYEN_TUYEN"), outcome),
            ],
            names=["id", *self.columns],
        )
