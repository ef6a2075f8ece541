"""The civil registers, and the statistics of the population.

Belongs here: what is entered about births, deaths and marriages, and what is counted. Stays out: persons (`registers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.population import CHILD, HEAD, SPOUSE
from simulator.table import FLOW_DAYS, Arrivals, Province, Table, Total, joined, padded, some_of, to_date32, words

MARRIAGES_A_YEAR, CERTIFICATES_A_YEAR, CORRECTIONS_A_YEAR = 25_000, 60_000, 5_000
KINDS = ("KS", "KT", "KH", "XNHN", "CC")  # birth, death, marriage, marital status, correction
YEARS = range(2015, 2026)
AGE_GROUPS = 18  # of five years; the last is 85 and more


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
        self._ends: list[int] = []  # entries up to day -29, -28 …

    @cached_property
    def _single(self) -> tuple[Ints, Ints]:
        """Men and women of the age to marry who are not married, in the order in which they do."""
        people = self.province.people
        found = []
        for who, male, low, high in (("groom", True, 21, 42), ("bride", False, 19, 40)):
            ids = people.aged(low, high)
            ids = ids[people.male[ids] == male]
            with_spouse = people.role[np.minimum(ids + 1, people.stock - 1)] == SPOUSE
            ids = ids[(people.role[ids] == CHILD) | ((people.role[ids] == HEAD) & ~with_spouse)]
            found.append(ids[self.chance.permutation(f"civil_event.{who}", len(ids))])
        return found[0], found[1]

    def _pairs(self, numbers: Ints, day: int) -> tuple[Ints, Ints]:
        """Who marries whom: nobody twice, no brother his sister, nobody dead."""
        people, (men, women) = self.province.people, self._single
        groom, bride = men[numbers % len(men)], women[numbers % len(women)]
        groom = np.where(people.alive(groom, day), groom, men[(numbers + len(men) // 2) % len(men)])
        other = women[(numbers + len(women) // 2) % len(women)]
        fit = people.alive(bride, day) & (people.household[bride] != people.household[groom])
        return groom, np.where(fit, bride, other)

    @lru_cache(maxsize=3)  # noqa: B019
    def _entries(self, day: int) -> _Entries:
        people, chance = self.province.people, self.chance
        groups: list[tuple[int, int, Ints, Ints]] = []
        for each in range(1 - FLOW_DAYS, day + 1):
            newborn, deceased = people.newborn(each), people.deceased(each)
            groups.append((each, 0, newborn, people.head_of(newborn)))
            groups.append((each, 1, deceased, np.full(len(deceased), -1)))
            groups.append((each, 2, *self._pairs(self._paper[2].ids(each), each)))
            for kind in (3, 4):
                numbers = self._paper[kind].ids(each)
                who = people.pick_adults(f"civil_event.{KINDS[kind]}", numbers)
                again = people.pick_adults(f"civil_event.{KINDS[kind]}_again", numbers)
                who = np.where(people.alive(who, each), who, again)
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
        people, day = self.province.people, max(day, 1 - FLOW_DAYS)
        for each in range(1 - FLOW_DAYS + len(self._ends), day + 1):
            new = len(people.newborn(each)) + len(people.deceased(each)) + sum(p.on(each) for p in self._paper.values())
            self._ends.append((self._ends[-1] if self._ends else 0) + new)
        return self._ends[day + FLOW_DAYS - 1]

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
                "other_person_id": some_of(has_other, people.personal_ids(known)),
                "other_name": some_of(has_other, people.names(known)),
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


TABLES = (CivilEvent, PopulationStat, CivilYear)
