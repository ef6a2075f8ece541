"""The registers of people: persons, where they live, what is entered in the civil registers, and the statistics of it.

Belongs here: tables about persons as such (domains population and civil status). Stays out: who they are
(`population`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.population import CHILD, HEAD, MOVES_A_YEAR
from simulator.scale import POPULATION
from simulator.table import FLOW_DAYS, Arrivals, Province, Table, Total, joined, padded, to_date32, to_timestamp, words

TOUCHED_A_DAY = 2_400  # about 2 % of the register a month, moves and births included
TEMPORARY = 350_000  # industrial migrants with a temporary residence
MARRIAGES_A_YEAR, CERTIFICATES_A_YEAR, CORRECTIONS_A_YEAR = 25_000, 60_000, 5_000
KINDS = ("KS", "KT", "KH", "XNHN", "CC")  # birth, death, marriage, marital status, correction
YEARS = range(2015, 2026)
AGE_GROUPS = 18  # of five years; the last is 85 and more
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
                "cmnd": _where(years >= 17, people.cmnd(ids)),
                "birth_place_code": words(list(self.geo.code_e0), people.place_at(ids, 0)),
                "phone": _where(years >= 15, people.phones(ids)),
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


@dataclass(frozen=True)
class _Entries:
    """The civil registers up to a day, as arrays by entry."""

    day: Ints
    kind: Ints
    person: Ints
    other: Ints  # -1: none
    place: Ints
    number: Ints


class CivilEvent(Table):
    """Entries of the civil registers; births, deaths and marriages are those that happened."""

    name = "civil_event"
    key = ("place_code", "kind", "book", "number", "year")
    doc = "One row an entry since day -29, in the order of the days; older years are in civil_year"
    columns = {
        "kind": "KS birth, KT death, KH marriage, XNHN marital status, CC correction",
        "book": "number of the book: one a year",
        "number": "running number in book, kind and commune of that time; begins anew each year",
        "year": "year of the book",
        "registered_on": "date of registration",
        "occurred_on": "when it happened",
        "place_code": "code of the commune that registered it",
        "person": "id of the person concerned",
        "person_id": "its identifier",
        "person_name": "its name",
        "born_on": "its date of birth",
        "sex": "Nam, Nữ",
        "other_person": "id of the spouse, or of a newborn's head of household",
        "other_person_id": "identifier of that person",
        "other_name": "name of that person",
        "digitised": "state of digitisation: DA_SO_HOA, CHUA",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        first, factor = 1 - FLOW_DAYS, province.scale.factor
        self._paper = {
            2: Arrivals(MARRIAGES_A_YEAR * factor / 365, first),
            3: Arrivals(CERTIFICATES_A_YEAR * factor / 365, first),
            4: Arrivals(CORRECTIONS_A_YEAR * factor / 365, first),
        }

    @lru_cache(maxsize=3)  # noqa: B019
    def _entries(self, day: int) -> _Entries:
        people, chance = self.province.people, self.chance
        groups: list[tuple[int, int, Ints, Ints]] = []
        men, women = people.aged(21, 42), people.aged(19, 40)
        men, women = men[people.male[men]], women[~people.male[women]]
        for each in range(1 - FLOW_DAYS, day + 1):
            newborn, deceased = people.newborn(each), people.deceased(each)
            groups.append((each, 0, newborn, people.head_of(newborn)))
            groups.append((each, 1, deceased, np.full(len(deceased), -1)))
            pairs = self._paper[2].ids(each)
            groom, bride = (
                people.pick_from(pool, f"civil_event.{who}", pairs) for pool, who in ((men, "groom"), (women, "bride"))
            )
            groups.append((each, 2, groom, bride))
            for kind in (3, 4):
                who = people.pick_adults(f"civil_event.{KINDS[kind]}", self._paper[kind].ids(each))
                groups.append((each, kind, who, np.full(len(who), -1)))
        days = np.concatenate([np.full(len(g[2]), g[0]) for g in groups])
        kinds = np.concatenate([np.full(len(g[2]), g[1]) for g in groups])
        persons = np.concatenate([g[2] for g in groups]).astype(np.int64)
        others = np.concatenate([g[3] for g in groups]).astype(np.int64)
        places = people.place_at(persons, 0)
        communes = self.geo.commune[places]
        year = self._years(days)
        group = (communes * len(KINDS) + kinds) * 10_000 + year
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        rank = np.empty(len(group), np.int64)
        rank[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
        earlier = np.where(year == 2026, chance.integer("civil_event.earlier", group, 40, 900), 0)
        return _Entries(days, kinds, persons, others, places, rank + 1 + earlier)

    def _years(self, days: Ints) -> Ints:
        return np.where(days <= 42, 2026, 2027 + (days - 43) // 365).astype(np.int64)

    def count(self, day: int) -> int:
        return len(self._entries(max(day, 1 - FLOW_DAYS)).day)

    def touched(self, day: int) -> Ints:
        return np.flatnonzero(self._entries(day).day == day).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        people, entries, ids = self.province.people, self._entries(day), np.asarray(ids, np.int64)
        persons, kind, days = entries.person[ids], entries.kind[ids], entries.day[ids]
        others = entries.other[ids]
        has_other = others >= 0
        known = np.where(has_other, others, 0)
        years = self._years(days)
        back = np.where(kind == 0, 0, np.where(kind == 1, 0, self.chance.integer("civil_event.back", ids, 0, 3)))
        return pa.table(
            {
                "id": ids,
                "kind": words(KINDS, kind),
                "book": joined("01/", padded(years, 0)),
                "number": padded(entries.number[ids], 0),
                "year": years,
                "registered_on": to_date32(days),
                "occurred_on": to_date32(days - back),
                "place_code": words(list(self.geo.code_e2), entries.place[ids]),
                "person": persons,
                "person_id": people.personal_ids(persons),
                "person_name": people.names(persons),
                "born_on": people.birth_dates(persons),
                "sex": people.sex(persons),
                "other_person": pa.array(others, mask=~has_other),
                "other_person_id": _where(has_other, people.personal_ids(known)),
                "other_name": _where(has_other, people.names(known)),
                "digitised": words(
                    ("CHUA", "DA_SO_HOA"), self.chance.happens("civil_event.digitised", ids, 0.85).astype(np.int64)
                ),
            }
        )

    def totals(self, day: int) -> list[Total]:
        kinds = self._entries(day).kind
        return [Total(f"civil_event.{kind}", int((kinds == i).sum()), "entry") for i, kind in enumerate(KINDS)]


class PopulationStat(Table):
    """Population by commune, sex and age group, counted from the persons themselves."""

    name = "population_stat"
    key = ("commune_code", "sex", "age_group")
    doc = "One row a commune of today, sex and age group of five years: the living at the end of the day"
    columns = {
        "commune_code": "commune code of today",
        "sex": "Nam, Nữ",
        "age_group": "0-4 to 85+",
        "persons": "number of living persons with permanent residence there",
    }

    def count(self, day: int) -> int:
        return len(self.geo.commune_codes) * 2 * AGE_GROUPS

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day) if day > 0 else 0, dtype=np.int64)

    @lru_cache(maxsize=3)  # noqa: B019
    def _counted(self, day: int) -> Ints:
        people = self.province.people
        ids = np.arange(people.count(day), dtype=np.int64)
        ids = ids[people.alive(ids, day)]
        group = np.minimum((day - people.born_on(ids)) * 4 // 1461 // 5, AGE_GROUPS - 1)
        cell = (self.geo.commune[people.place_at(ids, day)] * 2 + people.is_male(ids)) * AGE_GROUPS + group
        return np.bincount(cell, minlength=self.count(day)).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        labels = [f"{5 * g}-{5 * g + 4}" for g in range(AGE_GROUPS - 1)] + ["85+"]
        return pa.table(
            {
                "id": ids,
                "commune_code": words(list(self.geo.commune_codes), ids // (2 * AGE_GROUPS)),
                "sex": words(("Nữ", "Nam"), ids // AGE_GROUPS % 2),
                "age_group": words(labels, ids % AGE_GROUPS),
                "persons": self._counted(max(day, 0))[ids],
            }
        )


class CivilYear(Table):
    """What older years were, as far as they are kept: totals by commune."""

    name = "civil_year"
    key = ("commune_code", "year")
    doc = "One row a commune of today and year from 2015 to 2025: totals of the civil registers, recomputed to today's communes"
    columns = {
        "commune_code": "commune code of today",
        "year": "calendar year",
        "population": "persons at the end of the year",
        "births": "births registered",
        "deaths": "deaths registered",
        "marriages": "marriages registered",
    }

    def count(self, day: int) -> int:
        return len(self.geo.commune_codes) * len(YEARS)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        commune, year = ids // len(YEARS), YEARS.start + ids % len(YEARS)
        people = self.province.people
        today = np.bincount(self.geo.commune[people.place[: people.at_day0]], minlength=len(self.geo.commune_codes))
        population = np.round(today[commune] * 1.013 ** (year - 2026.0)).astype(np.int64)

        def some(name: str, rate: float) -> Ints:
            drift = 1 + 0.04 * self.chance.normal(f"civil_year.{name}", ids)
            return np.asarray(np.round(population * rate * drift), np.int64)

        return pa.table(
            {
                "id": ids,
                "commune_code": words(list(self.geo.commune_codes), commune),
                "year": year,
                "population": population,
                "births": some("births", 0.0142),
                "deaths": some("deaths", 0.0061),
                "marriages": some("marriages", 0.0070),
            }
        )


def _where(valid: Bools, texts: Any) -> Any:
    """The texts, null where not `valid`."""
    import pyarrow.compute as pc

    return pc.if_else(pa.array(valid), texts, pa.scalar(None, pa.string()))


TABLES = (Person, Residence, TemporaryResidence, CivilEvent, PopulationStat, CivilYear)
