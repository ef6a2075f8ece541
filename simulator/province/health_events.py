"""Births and deaths, as facilities certify them.

Belongs here: the tables `birth_notice` and `death_notice`, and what visits must agree with. Stays out: the civil
registers (`registers`), visits (`health_visits`).
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.health_diseases import NEWBORN
from simulator.province.health_providers import Providers
from simulator.province.population import SPOUSE
from simulator.table import (
    FLOW_DAYS,
    Province,
    Table,
    Total,
    joined,
    padded,
    to_date32,
    to_timestamp,
    words,
)

FIRST = 1 - FLOW_DAYS
_LAST_BIRTH = 46 * 365  # days of age
IN_HOSPITAL = 0.3  # of those who die
# Causes of death, codes of chapters that lead the country's lists, with weights.
_CAUSES = {
    "I64": ("Đột quỵ, không xác định", 26), "I21.9": ("Nhồi máu cơ tim cấp", 12), "C34.9": ("U ác phế quản hoặc phổi", 11),
    "C22.0": ("Ung thư biểu mô tế bào gan", 10), "J44.9": ("Bệnh phổi tắc nghẽn mạn tính", 8), "R54": ("Tuổi già", 16),
    "E11.9": ("Đái tháo đường không phụ thuộc insulin", 6), "N18.5": ("Suy thận mạn tính giai đoạn 5", 4),
    "V89.2": ("Tai nạn xe cơ giới", 4), "K74.6": ("Xơ gan", 3),
}  # fmt: skip


def providers(province: Province) -> Providers:
    """Where people of the province are treated."""
    found: Providers = province.table("insurance_coverage").providers
    return found


def birth_facilities(province: Province, children: Ids) -> Ints:
    """Where each was born: a hospital or centre near the family's place."""
    places = province.people.place_at(children, 0)
    return providers(province).hospital("birth_notice.facility", children, places)


def birth_seconds(province: Province, children: Ids) -> Ints:
    """The second of the day of each birth."""
    return province.chance.integer("birth_notice.second", children, 0, 86_399)


def birth_grams(province: Province, children: Ids) -> Ints:
    """Weight at birth in grams, by tens."""
    drawn = 3150 + 430 * province.chance.normal("birth_notice.weight", children)
    return (np.clip(drawn, 900, 5200) // 10 * 10).astype(np.int64)


def mothers(province: Province, children: Ids) -> Ints:
    """The mother: head of the household or spouse, whoever is the woman, unless she is too old; else a woman of the age,
    as the people know her for those born since day 0.
    """
    people, children = province.people, np.asarray(children, np.int64)
    head = people.head_of(children)
    spouse = np.minimum(head + 1, people.stock - 1)
    married = people.role[spouse] == SPOUSE
    at_home = np.where(people.male[head], spouse, head)
    known = (children < people.stock) & (~people.male[head] | married) & (-people.born[at_home] < _LAST_BIRTH)
    return np.where(known, at_home, people.mother(children)).astype(np.int64)


def died_in_hospital(province: Province, persons: Ids) -> Bools:
    """Who of the dead died there."""
    return province.chance.happens("death_notice.in_hospital", persons, IN_HOSPITAL)


def death_facilities(province: Province, persons: Ids) -> Ints:
    """The facility that certified each death: the hospital, or the station of the place."""
    places, near = province.people.place_at(persons, 0), providers(province)
    hospital = near.hospital("death_notice.facility", persons, places)
    return np.where(died_in_hospital(province, persons), hospital, near.station(places)).astype(np.int64)


def death_causes(province: Province, persons: Ids) -> tuple[Any, Any]:
    """Code and name of what each died of."""
    drawn = province.chance.pick("death_notice.cause", persons, [weight for _, weight in _CAUSES.values()])
    return words(list(_CAUSES), drawn), words([name for name, _ in _CAUSES.values()], drawn)


def newborn_diagnosis(province: Province, children: Ids) -> Ints:
    """Index into the diagnoses of the newborn."""
    return province.chance.pick("birth_notice.diagnosis", children, NEWBORN[1])


class _Daily(Table):
    """A flow of persons: those of day -29 first, ids in the order of the days; nothing changes later."""

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._ends: list[int] = []  # entries up to day -29, -28 …

    def _on(self, day: int) -> Ints:
        raise NotImplementedError

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def _entries(self, day: int) -> tuple[Ints, Ints]:
        """Persons and days up to a day."""
        persons = [self._on(each) for each in range(FIRST, day + 1)]
        days = np.repeat(np.arange(FIRST, day + 1), [len(some) for some in persons])
        return np.concatenate([np.arange(0), *persons]).astype(np.int64), days

    def count(self, day: int) -> int:
        for each in range(FIRST + len(self._ends), day + 1):
            self._ends.append((self._ends[-1] if self._ends else 0) + len(self._on(each)))
        return self._ends[day - FIRST] if day >= FIRST else 0

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def _numbers(self, ids: Ids, facilities: Ids, days: Ids) -> Any:
        """Year, facility, running number."""
        years = np.where(np.asarray(days) <= _YEAR_END, 26, 27 + (np.asarray(days) - _YEAR_END - 1) // 365)
        return joined(providers(self.province).codes(facilities), ".", padded(years, 2), ".", padded(ids, 7))


_YEAR_END = (date(2026, 12, 31) - date(2026, 11, 19)).days


class BirthNotice(_Daily):
    """What hospitals certify of births."""

    name = "birth_notice"
    key = ("notice_no",)
    doc = "One birth since day -29: the certificate by which it is registered; Circular 17/2012/TT-BYT."
    columns = {
        "child_person": "the child: id of table person",
        "person": "the mother: id of table person",
        "facility": "where: id of table facility",
        "notice_no": "number of the certificate",
        "facility_code": "code of the facility",
        "mother_name": "name of the mother",
        "mother_id": "personal identifier of the mother",
        "mother_born_on": "date of birth of the mother",
        "address": "where the mother lives",
        "commune_code": "commune of the mother, today's code",
        "born_at": "moment of birth",
        "sex": "Nam or Nữ",
        "weight_g": "weight, g",
        "child_name": "the name intended",
        "issued_on": "date of the certificate",
    }

    def _on(self, day: int) -> Ints:
        return self.province.people.newborn(day)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, province = np.asarray(ids, np.int64), self.province.people, self.province
        children, days = (each[ids] for each in self._entries(day))
        mother, facility = mothers(province, children), birth_facilities(province, children)
        places = people.place_at(mother, 0)
        return pa.table(
            [
                pa.array(ids),
                pa.array(children),
                pa.array(mother),
                pa.array(facility),
                self._numbers(ids, facility, days),
                providers(province).codes(facility),
                people.names(mother),
                people.personal_ids(mother),
                people.birth_dates(mother),
                people.addresses(mother, 0),
                words(list(self.geo.code_e2), places),
                to_timestamp(days, birth_seconds(province, children)),
                people.sex(children),
                pa.array(birth_grams(province, children)),
                people.names(children),
                to_date32(days),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        return [Total("birth_notice.count", self.count(day), "birth", "about 50,000 a year, derived")]


class DeathNotice(_Daily):
    """What facilities certify of deaths."""

    name = "death_notice"
    key = ("notice_no",)
    doc = "One death since day -29: the notice by which it is registered; Circular 24/2020/TT-BYT."
    columns = {
        "person": "who died: id of table person",
        "facility": "who certified it: id of table facility",
        "notice_no": "number of the notice",
        "facility_code": "code of the facility",
        "full_name": "name",
        "personal_id": "personal identifier",
        "born_on": "date of birth",
        "sex": "Nam or Nữ",
        "commune_code": "commune of residence, today's code",
        "died_at": "moment of death",
        "in_facility": "true in a hospital, false at home or elsewhere",
        "cause_code": "underlying cause, ICD-10",
        "cause": "underlying cause in words",
    }

    def _on(self, day: int) -> Ints:
        return self.province.people.deceased(day)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, province = np.asarray(ids, np.int64), self.province.people, self.province
        persons, days = (each[ids] for each in self._entries(day))
        facility = death_facilities(province, persons)
        code, cause = death_causes(province, persons)
        return pa.table(
            [
                pa.array(ids),
                pa.array(persons),
                pa.array(facility),
                self._numbers(ids, facility, days),
                providers(province).codes(facility),
                people.names(persons),
                people.personal_ids(persons),
                people.birth_dates(persons),
                people.sex(persons),
                words(list(self.geo.code_e2), people.place_at(persons, 0)),
                to_timestamp(days, self.chance.integer("death_notice.second", persons, 0, 86_399)),
                pa.array(died_in_hospital(province, persons)),
                code,
                cause,
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        return [Total("death_notice.count", self.count(day), "death", "about 22,000 a year, derived")]
