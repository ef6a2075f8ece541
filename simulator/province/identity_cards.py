"""Old identity cards: which number of nine digits became which personal number.

Belongs here: the table `id_mapping`. Stays out: the numbers themselves (`identifiers`, `population`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator import identifiers
from simulator.chance import Ids, Ints
from simulator.table import Table, Total, numbered, to_date32

CONFIRMED = 900_000  # derived: persons whose old number the police have confirmed
TWO_CARDS = 0.04  # of them had two: a card issued anew in another province had another number
_SECOND = 5_000_000  # numbers of cards that nobody has as the first
_LAST_BORN = 2006  # nobody born later had the old card


class IdMapping(Table):
    """Confirmed pairs of old and new number."""

    name = "id_mapping"
    key = ("cmnd",)
    doc = "One row an old identity card (CMND) whose personal number the police confirmed; some persons had two cards"
    columns = {
        "person": "id of the person",
        "cmnd": "number of the old card, nine digits",
        "person_id": "personal identifier",
        "is_second": "the person had another card before",
        "confirmation_no": "number of the confirmation",
        "confirmed_on": "date of the confirmation",
    }

    @cached_property
    def _persons(self) -> Ints:
        people = self.province.people
        pool = people.adults[people.birth_years(people.adults) <= _LAST_BORN]
        order = np.argsort(self.chance.bits("id_mapping.person", pool), kind="stable")
        return np.sort(pool[order[: self.scale.of(CONFIRMED)]])

    @cached_property
    def _seconds(self) -> Ints:
        """Those who had two cards; their second cards stand behind the first ones."""
        return self._persons[self.chance.happens("id_mapping.second", self._persons, TWO_CARDS)]

    def count(self, day: int) -> int:
        return len(self._persons) + len(self._seconds)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def totals(self, day: int) -> list[Total]:
        """Cards, persons, and persons with two."""
        return [
            Total("id_mapping.count", self.count(day), "card"),
            Total("id_mapping.persons", len(self._persons), "person", "derived"),
            Total("id_mapping.two_cards", len(self._seconds), "person", "derived: 4 %"),
        ]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        second = ids >= len(self._persons)
        person = np.concatenate([self._persons, self._seconds])[ids]
        return pa.table(
            {
                "id": ids,
                "person": person,
                "cmnd": identifiers.old_cards(person + np.where(second, _SECOND, 0)),
                "person_id": self.province.people.personal_ids(person),
                "is_second": second,
                "confirmation_no": numbered("{:07d}/XN-CMND", ids + 1),
                "confirmed_on": to_date32(-self.chance.integer("id_mapping.confirmed", ids, 1, 2_600)),
            }
        )


TABLES: tuple[type[Table], ...] = (IdMapping,)
