"""Tables whose rows come day by day, each with the step of a dossier that brings it.

Belongs here: `DailyTable`, which counts and finds such rows, and the officials who deal with dossiers.
Stays out: the tables (`procedures_parts`, `procedures_papers`, `procedures_systems`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.procedures_course import Course, Dossiers
from simulator.province.procedures_receipts import FIRST, REKEYED_ON
from simulator.table import Province, Table

OFFICIALS = 12  # of an agency, who deal with dossiers
_NOBODY = np.zeros(0, np.int64)


class DailyTable(Table):
    """Rows in the order of the days, and on a day in that of `_on`. Columns `dossier` and `n` tell which they are."""

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._found: list[tuple[Ints, Ints]] = []
        self._ends: list[int] = []
        self._joined: tuple[Ints, Ints] = (_NOBODY, _NOBODY)

    @property
    def dossiers(self) -> Dossiers:
        """Courses and journal."""
        found: Dossiers = self.province.table("dossier").dossiers
        return found

    @abstractmethod
    def _on(self, day: int) -> tuple[Ints, Ints]:
        """Dossiers, and a number each, of the rows that come on a day."""

    def _changed(self, day: int) -> Ints:
        """Ids of earlier rows that change on a day."""
        return _NOBODY

    def _grow(self, day: int) -> None:
        while len(self._ends) < day - FIRST + 1:
            found = self._on(len(self._ends) + FIRST)
            self._found.append(found)
            self._ends.append((self._ends[-1] if self._ends else 0) + len(found[0]))

    def count(self, day: int) -> int:
        self._grow(day)
        return self._ends[day - FIRST] if day >= FIRST else 0

    def touched(self, day: int) -> Ints:
        new = np.arange(self.count(day - 1), self.count(day), dtype=np.int64)
        return np.unique(np.concatenate([self._changed(day), new])).astype(np.int64)

    def located(self, ids: Ids, day: int) -> tuple[Ints, Ints]:
        """Dossier and number of rows."""
        self._grow(day)
        if len(self._joined[0]) < self._ends[-1]:
            self._joined = (
                np.concatenate([dossier for dossier, _ in self._found]),
                np.concatenate([number for _, number in self._found]),
            )
        ids = np.asarray(ids, np.int64)
        return self._joined[0][ids], self._joined[1][ids]

    def courses(self, dossier: Ints) -> tuple[Course, Ints]:
        """The courses of the dossiers of some rows, and which of them each row has."""
        some, each = np.unique(dossier, return_inverse=True)
        return self.dossiers.of(some), each.astype(np.int64)

    def codes_on(self, course: Course, each: Ints, on: Ints) -> Any:
        """The dossier's number on the day of each row, as the holding system gave it."""
        receipts = self.dossiers.receipts
        final, given = receipts.serial(course.placed)
        new, old = receipts.codes(course.placed, final), receipts.codes(course.placed, given)
        return pa.concat_arrays([new, old]).take(pa.array(each + np.where(on >= REKEYED_ON, 0, len(final))))

    def _rows_of(self, dossiers: Ints, day: int) -> Ints:
        """Ids of the rows of some dossiers, of those that were there the day before."""
        known = np.concatenate([dossier for dossier, _ in self._found[: max(day - FIRST, 0)]] or [_NOBODY])
        return np.flatnonzero(np.isin(known, dossiers)).astype(np.int64)


def officials(province: Province, agency: Ids, number: Ids) -> Ints:
    """Persons (ids) who work at agencies: the `number`-th of each, counted around."""
    which = np.asarray(agency, np.int64) * 64 + np.asarray(number, np.int64) % OFFICIALS
    pool = province.table("dossier").working_age
    return province.people.pick_from(pool, "agency.official", which)
