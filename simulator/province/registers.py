"""The registers of people: persons, and where they live.

Belongs here: tables about persons as such. Stays out: who they are (`population`), the civil registers (`civil`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.population import CHILD, HEAD, MOVES_A_YEAR
from simulator.scale import POPULATION
from simulator.table import (
    Arrivals,
    Province,
    Table,
    Total,
    joined,
    padded,
    some_of,
    to_date32,
    to_timestamp,
    words,
)

TOUCHED_A_DAY = 2_400  # about 2 % of the register a month, moves and births included
TEMPORARY = 350_000  # industrial migrants with a temporary residence
_OFFICE, _HOURS = 27_000, 34_200  # 07:30, and nine and a half hours from then on


class Person(Table):
    """The population register."""

    name = "person"
    key = ("person_id",)
    doc = (
        "One row a person known to the population database; national database on population, read only in the province"
    )
    columns = {
        "person": "id of the person, the same everywhere",
        "person_id": "personal identifier, twelve digits (Circular 07/2016/TT-BCA)",
        "full_name": "surname, middle and given name, NFC",
        "born_on": "date of birth",
        "born_precision": "how much of it is known: D day, M month, Y year (old people)",
        "sex": "Nam, Nữ",
        "ethnic": "ethnic group",
        "cmnd": "number of the old identity card, nine digits; none for those born after 2009",
        "birth_place_code": "commune code of epoch e0 of the place of birth registration",
        "phone": "telephone; none for children",
        "head_person": "id of the head of the household",
        "status": "SONG, CHET",
        "died_on": "date of death",
        "updated_at": "moment of the last change of the record",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.people = province.people
        self._others = Arrivals(max(0.0, TOUCHED_A_DAY - MOVES_A_YEAR / 365) * province.scale.factor, 1, weekend=0.3)

    def count(self, day: int) -> int:
        return self.people.count(max(day, 0))

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0, dtype=np.int64)
        people = self.people
        parts = (people.newborn(day), people.deceased(day), people.movers(day), self._corrected(day))
        return np.unique(np.concatenate(parts)).astype(np.int64)

    def _corrected(self, day: int) -> Ints:
        drawn = self.chance.integer("person.corrected", self._others.ids(day), 0, self.people.at_day0 - 1)
        return drawn[self.people.alive(drawn, day)]

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def _last_touched(self, day: int) -> Any:
        last = np.zeros(self.count(day), np.int16)
        for each in range(1, day + 1):
            last[self.touched(each)] = each
        return last

    def rows(self, ids: Ids, day: int) -> Any:
        people, chance, day = self.people, self.chance, max(day, 0)
        ids = np.asarray(ids, np.int64)
        born, died = people.born_on(ids), people.died_on(ids)
        dead = died <= day
        years = -born // 365
        last = self._last_touched(day)[ids].astype(np.int64)
        before = -chance.integer("person.updated", ids, 1, 2500)
        updated = np.where(last > 0, last, np.where(dead, died, np.maximum(before, np.minimum(born, 0))))
        vague = chance.uniform("person.precision", ids)
        precision = np.where(years < 60, 0, np.where(vague < 0.08, 2, np.where(vague < 0.1, 1, 0)))
        return pa.table(
            {
                "id": ids,
                "person": ids,
                "person_id": people.personal_ids(ids),
                "full_name": people.names(ids),
                "born_on": people.birth_dates(ids),
                "born_precision": words(("D", "M", "Y"), precision),
                "sex": people.sex(ids),
                "ethnic": people.ethnic(ids),
                "cmnd": some_of(years >= 17, people.cmnd(ids)),
                "birth_place_code": words(list(self.geo.code_e0), people.place_at(ids, 0)),
                "phone": some_of(years >= 15, people.phones(ids)),
                "head_person": people.head_of(ids),
                "status": words(("SONG", "CHET"), dead.astype(np.int64)),
                "died_on": to_date32(np.where(dead, died, 0), dead),
                "updated_at": to_timestamp(updated, _OFFICE + chance.integer("person.hour", ids * 4096 + last, 0, _HOURS)),
            }
        )  # fmt: skip

    def totals(self, day: int) -> list[Total]:
        day = max(day, 0)
        living = self.people.at_day0 + sum(
            len(self.people.newborn(d)) - len(self.people.deceased(d)) for d in range(1, day + 1)
        )
        source = "Resolution 1658/NQ-UBTVQH15" if day == 0 else ""
        assert day or living == self.scale.of(POPULATION)
        return [Total("population", living, "person", source, day == 0)]


class Residence(Table):
    """Permanent residence."""

    name = "residence"
    key = ("person_id",)
    doc = "One row a living person: the permanent residence"
    columns = {
        "person": "id of the person",
        "person_id": "personal identifier",
        "household_no": "number of the household",
        "relation": "relation to the head: Chủ hộ, Vợ/Chồng, Con, Bố/Mẹ",
        "address": "address as written at the last change, in the names of that epoch",
        "commune_code": "commune code as of the last change, of that epoch",
        "since": "date from which it counts",
        "updated_at": "moment of the last change",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.people = province.people

    def count(self, day: int) -> int:
        return self.people.count(max(day, 0))

    def gone(self, ids: Ids, day: int) -> Bools:
        return ~self.people.alive(ids, max(day, 0))

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0, dtype=np.int64)
        parts = (self.people.newborn(day), self.people.deceased(day), self.people.movers(day))
        return np.unique(np.concatenate(parts)).astype(np.int64)

    @lru_cache(maxsize=3)  # noqa: B019
    def _since(self, day: int) -> Any:
        since = np.full(self.count(day), -(1 << 14), np.int16)
        for each in range(1, day + 1):
            since[self.people.newborn(each)] = each
            since[self.people.movers(each)] = each
        return since

    def rows(self, ids: Ids, day: int) -> Any:
        people, geo, day = self.people, self.geo, max(day, 0)
        ids = np.asarray(ids, np.int64)
        places = people.place_at(ids, day)
        drawn = np.maximum(-self.chance.integer("residence.since", ids, 1, 9_000), people.born_on(ids))
        moved = self._since(day)[ids].astype(np.int64)
        since = np.where(moved > 0, moved, np.minimum(drawn, 0))
        # Records untouched since the merger were moved to today's codes in one statement, but for one in ten.
        stale = (since < geo.epoch_start) & self.chance.happens("residence.stale", ids, 0.10)
        epoch = np.where(stale, geo.epoch(places, np.maximum(since, -1500)), 2)
        house = padded(self.chance.integer("person.house", ids, 1, 480), 0)
        names = words([name for each in range(3) for name in geo.name_in(each)], epoch * geo.place_count + places)
        return pa.table(
            {
                "id": ids,
                "person": ids,
                "person_id": people.personal_ids(ids),
                "household_no": joined("HK", padded(people.household_of(ids, day), 9)),
                "relation": words(("Chủ hộ", "Vợ/Chồng", "Con", "Bố/Mẹ"), self._relation(ids, day)),
                "address": joined("Số nhà ", house, ", ", names),
                "commune_code": words(
                    [str(c) for codes in (geo.code_e0, geo.code_e1, geo.code_e2) for c in codes],
                    epoch * geo.place_count + places,
                ),
                "since": to_date32(since),
                "updated_at": to_timestamp(
                    np.where(stale, since, np.maximum(since, geo.epoch_start)),
                    _OFFICE + self.chance.integer("residence.hour", ids * 4096 + np.maximum(moved, 0), 0, _HOURS),
                ),
            }
        )

    def _relation(self, ids: Ids, day: int) -> Ints:
        people = self.people
        known = np.minimum(ids, people.stock - 1)
        role = np.where(ids >= people.stock, CHILD, people.role[known])
        alone = people.household_of(ids, day) >= people.household_count
        return np.where(alone & (ids < people.stock), HEAD, role).astype(np.int64)


class TemporaryResidence(Table):
    """Temporary residence of those who work elsewhere in the province."""

    name = "temporary_residence"
    key = ("person_id", "since")
    doc = "One row a temporary residence: mostly workers of the industrial zones (about 350,000)"
    columns = {
        "person": "id of the person",
        "person_id": "personal identifier",
        "address": "where the person stays",
        "commune_code": "commune code of today",
        "since": "first day",
        "until": "last day granted",
    }

    def count(self, day: int) -> int:
        return self.scale.of(TEMPORARY)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    @cached_property
    def _persons(self) -> Ints:
        people = self.province.people
        pool = people.aged(18, 45)
        order = np.argsort(self.chance.bits("temporary_residence.person", pool), kind="stable")
        return np.sort(pool[order[: self.count(0)]])

    def rows(self, ids: Ids, day: int) -> Any:
        people, ids = self.province.people, np.asarray(ids, np.int64)
        persons = self._persons[ids]
        places = self.geo.town_places(self.chance, "temporary_residence.place", ids)
        since = -self.chance.integer("temporary_residence.since", ids, 1, 700)
        lodging = padded(self.chance.integer("temporary_residence.room", ids, 1, 60), 0)
        return pa.table(
            {
                "id": ids,
                "person": persons,
                "person_id": people.personal_ids(persons),
                "address": joined("Phòng ", lodging, ", nhà trọ ", words(self.geo.name_in(2), places)),
                "commune_code": words(list(self.geo.code_e2), places),
                "since": to_date32(since),
                "until": to_date32(since + 730),
            }
        )


TABLES = (Person, Residence, TemporaryResidence)
