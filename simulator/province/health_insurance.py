"""Health insurance: who has a card, of which object and benefit level, for how long.

Belongs here: `Cards`, which visits ask too, and the table `insurance_coverage`. Stays out: visits (`health_visits`).

Numbers: the object and benefit level of the law, then the code of the former province, then ten digits that begin with
99 (those of existing insured persons begin with the code of a province).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.identifiers import spread
from simulator.province.health_providers import Providers
from simulator.scale import POPULATION
from simulator.table import Province, Table, Total, joined, padded, to_date32, words

COVERAGE = 0.93  # of the population; the law's aim for 2026 is 95 %
# Objects with their benefit level (Law on Health Insurance, Decree 188/2025): 1 and 2 all costs, 3 95 %, 4 80 %.
OBJECTS = ("TE1", "HS4", "SV4", "DN4", "HC4", "GD4", "HT3", "HN2", "CN3", "BT2", "CB2")
PAID = np.array([1.0, 0.8, 0.8, 0.8, 0.8, 0.8, 0.95, 1.0, 0.95, 1.0, 1.0])
TE, HS = OBJECTS.index("TE1"), OBJECTS.index("HS4")
_BY_AGE = (  # weights of the objects from 6, 18, 23, 60 on
    (0, 92, 0, 0, 0, 0, 0, 3, 4, 1, 0),
    (0, 5, 45, 30, 0, 12, 0, 3, 4, 1, 0),
    (0, 0, 0, 56, 6, 28, 0, 3, 4, 2, 1),
    (0, 0, 0, 4, 0, 36, 38, 5, 6, 6, 5),
)
_AGES = (18, 23, 60)
_SIX_YEARS, _TERM = 2192, 365


@dataclass(frozen=True)
class Card:
    """Cards as arrays: object (index into `OBJECTS`), first and last day of validity, facility of first registration."""

    object: Ints
    valid_from: Ints
    valid_to: Ints
    facility: Ints


class Cards:
    """Everybody's card. A grown-up's runs for a year and is renewed when it ends; a child's until it is six years old."""

    def __init__(self, province: Province, providers: Providers) -> None:
        self._province, self._providers = province, providers
        self._chance, self._people = province.chance, province.people

    @cached_property
    def holders(self) -> npt.NDArray[np.int32]:
        """Persons of day 0 with a card, ascending: 93 %; every child below six has one."""
        people = self._people
        wanted = round(self._province.scale.of(POPULATION) * COVERAGE)
        rank = self._chance.uniform("insurance_coverage.covered", np.arange(people.at_day0))
        rank[people.born[: people.at_day0] > -_SIX_YEARS] = -1
        return np.sort(np.argpartition(rank, wanted - 1)[:wanted]).astype(np.int32)

    @cached_property
    def _covered(self) -> Bools:
        covered = np.zeros(self._people.stock, np.bool_)
        covered[self.holders] = True
        return covered

    def covered(self, persons: Ids) -> Bools:
        """Who has a card; the newborn get one at once, those who died before day 0 had one."""
        persons, people = np.asarray(persons), self._people
        known = self._covered[np.minimum(persons, people.stock - 1)]
        return np.asarray((persons >= people.at_day0) | known)

    def _first(self, persons: Ids) -> tuple[Ints, Ints]:
        """The day from which each has a card for a year, and the day of the year on which it is renewed."""
        adult = self._people.born_on(persons) + _SIX_YEARS
        drawn = self._chance.integer("insurance_coverage.renewed", persons, 0, _TERM - 1)
        return adult, np.where(adult > 0, adult % _TERM, drawn)

    def renewed(self, persons: Ids, day: int) -> Bools:
        """Whose card begins on that day."""
        adult, phase = self._first(persons)
        return np.asarray(((day - phase) % _TERM == 0) & (day >= adult))

    def of(self, persons: Ids, days: Ids | int) -> Card:
        """The card each has on a day (one for all, or one for each)."""
        persons = np.asarray(persons, np.int64)
        days = np.broadcast_to(np.asarray(days), persons.shape)
        born = self._people.born_on(persons)
        adult, phase = self._first(persons)
        begins = days - (days - phase) % _TERM
        child = days < adult
        years = np.maximum(-born, 0) * 4 // 1461
        group = np.searchsorted(_AGES, years, side="right")
        object_ = np.full(len(persons), HS)
        for each in range(len(_BY_AGE)):
            there = (group == each) & (years >= 6)
            object_[there] = self._chance.pick("insurance_coverage.object", persons[there], _BY_AGE[each])
        places = self._people.place_at(persons, 0)
        return Card(
            object=np.where(child, TE, object_).astype(np.int64),
            valid_from=np.where(child, born, np.maximum(begins, adult)).astype(np.int64),
            valid_to=np.where(child, adult - 1, begins + _TERM - 1).astype(np.int64),
            facility=self._providers.primary("insurance_coverage.facility", persons, places),
        )

    def numbers(self, persons: Ids) -> Any:
        """Ten digits: the social insurance number."""
        return padded(9_900_000_000 + spread(persons, 100_000_000, factor=10_000_019, start=24_270_001), 10)

    def card_numbers(self, persons: Ids, objects: Ids) -> Any:
        """Fifteen characters: the number of the card as it was printed until 2021."""
        old = self._province.geo.old_province[self._people.place_at(persons, 0)]
        return joined(
            words(OBJECTS, objects), words(("24", "27"), (old == "27").astype(np.int64)), self.numbers(persons)
        )


class InsuranceCoverage(Table):
    """The register of the insured."""

    name = "insurance_coverage"
    key = ("insurance_no",)
    doc = "One insured person: the card as of the day; Law on Health Insurance, social insurance of the province."
    columns = {
        "person": "id of table person",
        "place": "where the person lives: index into the places of the province",
        "insurance_no": "social insurance number, ten digits; the number of the card since 2021",
        "card_no": "number of the card until 2021, fifteen characters",
        "object_code": "object of the law, two letters",
        "benefit_level": "1 to 5",
        "full_name": "name on the card",
        "personal_id": "personal identifier",
        "born_on": "date of birth",
        "sex": "Nam or Nữ",
        "commune_code": "commune of residence, today's code",
        "facility_code": "where first treatment is registered",
        "valid_from": "first day of validity",
        "valid_to": "last day of validity",
    }

    @cached_property
    def providers(self) -> Providers:
        """Where the insured are treated."""
        return Providers(self.province)

    @cached_property
    def cards(self) -> Cards:
        """Everybody's card."""
        return Cards(self.province, self.providers)

    def persons(self, ids: Ids) -> Ints:
        """The person of each: holders of day 0, then the newborn."""
        ids, holders = np.asarray(ids, np.int64), self.cards.holders
        later = self.province.people.stock + ids - len(holders)
        return np.where(ids < len(holders), holders[np.minimum(ids, len(holders) - 1)], later).astype(np.int64)

    def count(self, day: int) -> int:
        people = self.province.people
        return len(self.cards.holders) + people.count(max(day, 0)) - people.stock

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0)
        people, holders = self.province.people, self.cards.holders
        known, all_ = len(holders), np.arange(self.count(day))
        renewed = all_[self.cards.renewed(self.persons(all_), day)]
        others = np.concatenate([people.deceased(day), people.movers(day)])
        # who was born since day 0 lives with the mother, and moves with her
        young = all_[known:]
        moved = young[np.isin(people.mother(self.persons(young)), people.movers(day))]
        return np.unique(np.concatenate([self.ids(others), renewed, moved, all_[self.count(day - 1) :]]))

    def ids(self, persons: Ids) -> Ints:
        """The ids of those of the persons of day 0 who have a card."""
        holders, persons = self.cards.holders, np.asarray(persons, np.int64)
        at = np.minimum(np.searchsorted(holders, persons), len(holders) - 1)
        return np.asarray(at[holders[at] == persons], np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return ~self.province.people.alive(self.persons(ids), max(day, 0))

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, day = np.asarray(ids, np.int64), self.province.people, max(day, 0)
        persons = self.persons(ids)
        card = self.cards.of(persons, day)
        places = people.place_at(persons, day)
        return pa.table(
            [
                pa.array(ids),
                pa.array(persons),
                pa.array(places),
                self.cards.numbers(persons),
                self.cards.card_numbers(persons, card.object),
                words([each[:2] for each in OBJECTS], card.object),
                pa.array(np.array([int(each[2]) for each in OBJECTS])[card.object]),
                people.names(persons),
                people.personal_ids(persons),
                people.birth_dates(persons),
                people.sex(persons),
                words(list(self.geo.code_e2), places),
                self.providers.codes(card.facility),
                to_date32(card.valid_from),
                to_date32(card.valid_to),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        insured = self.count(day) - sum(len(self.ids(self.province.people.deceased(d))) for d in range(1, day + 1))
        return [Total("insurance_coverage.insured", insured, "person", "93 % of the population")]
