"""Households: who heads each, how many live in it, and whether it counts as poor.

Belongs here: the table `household`. Stays out: who lives in which (`population`), residence (`registers`).

Whoever moves founds a household of their own, so the number of a move is the number of a household. One in which nobody
lives any more is gone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.table import Table, Total, joined, padded, words

CLASSES = ("HO_NGHEO", "HO_CAN_NGHEO", "BINH_THUONG")
# Share of the households, derived: the delta is nearly without poor, the hills of the north-east have most of them.
_DELTA, _HILLS = (0.006, 0.012), (0.052, 0.060)
_HILL_DISTRICTS = ("215", "218", "219", "220")  # Yên Thế, Lục Nam, Lục Ngạn, Sơn Động


class Household(Table):
    """Households of those who live in the province."""

    name = "household"
    key = ("household_no",)
    doc = "One row a household with anybody in it; class by the multidimensional standard of Decree 07/2021/NĐ-CP"
    columns = {
        "head_person": "person who heads it: of those who live in it, the first on its paper",
        "place": "place (index of geography); that of the head",
        "household_no": "HK, nine digits; as in residence",
        "commune_code": "commune of today",
        "member_count": "persons who live in it",
        "poverty_class": "HO_NGHEO, HO_CAN_NGHEO, BINH_THUONG",
    }

    def count(self, day: int) -> int:
        people = self.province.people
        return people.household_count + people._moves.through(max(day, 0))

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def members(self, day: int) -> tuple[Ints, Ints]:
        """By household: how many live in it at the end of a day, and who heads it (-1: nobody)."""
        people, count = self.province.people, self.count(day)
        ids = np.arange(people.count(max(day, 0)))
        ids = ids[people.alive(ids, max(day, 0))]
        household = people.household_of(ids, max(day, 0))
        head = np.full(count, -1, np.int64)
        head[household[::-1]] = ids[::-1]  # the first of each is written last
        return np.bincount(household, minlength=count).astype(np.int64), head

    def touched(self, day: int) -> Ints:
        """Households that are new, and those of the day's births, deaths and moves."""
        if day < 1:
            return np.arange(0, dtype=np.int64)
        people = self.province.people
        gone, moved = people.deceased(day), people.movers(day)
        parts = [people.household_of(people.newborn(day), day), people.household_of(gone, day)]
        parts += [people.household_of(moved, day - 1), np.arange(self.count(day - 1), self.count(day))]
        return np.unique(np.concatenate(parts)).astype(np.int64)

    def gone(self, ids: Ids, day: int) -> Any:
        return self.members(day)[0][np.asarray(ids, np.int64)] == 0

    def poverty(self, ids: Ids, place: Ids) -> Ints:
        """Index into `CLASSES`."""
        hills = np.isin(self.geo.district[place], _HILL_DISTRICTS)
        poor, nearly = (np.where(hills, high, low) for low, high in zip(_DELTA, _HILLS, strict=True))
        drawn = self.chance.uniform("household.poverty", ids)
        return np.where(drawn < poor, 0, np.where(drawn < poor + nearly, 1, 2)).astype(np.int64)

    def totals(self, day: int) -> list[Total]:
        """Households, who lives in them, and the poor ones."""
        size, head = self.members(day)
        ids = np.flatnonzero(size)
        poverty = self.poverty(ids, self.province.people.place_at(head[ids], max(day, 0)))
        return [
            Total("household.count", len(ids), "household", "derived: 3.6 persons each"),
            Total("household.members", int(size.sum()), "person"),
            Total("household.poor", int(np.sum(poverty == 0)), "household", "derived: about 1.3 %"),
            Total("household.nearly_poor", int(np.sum(poverty == 1)), "household", "derived: about 2 %"),
        ]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        size, head = (values[ids] for values in self.members(day))
        lived = head >= 0
        place = self.province.people.place_at(np.maximum(head, 0), max(day, 0))
        return pa.table(
            {
                "id": ids,
                "head_person": pa.array(head, mask=~lived),
                "place": pa.array(place, mask=~lived),
                "household_no": joined("HK", padded(ids, 9)),
                "commune_code": words(list(self.geo.code_e2), place, lived),
                "member_count": size,
                "poverty_class": words(CLASSES, self.poverty(ids, place), lived),
            }
        )


TABLES: tuple[type[Table], ...] = (Household,)
