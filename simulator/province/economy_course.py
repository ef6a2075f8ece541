"""How registers of the economy live on, and when months are published.

Belongs here: `Register` (a table that grows and of which some records change every day), months and their days.
Stays out: what the registers hold (`economy_*`, `budget`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.chance import Chance, Ids, Ints
from simulator.geography import Geography
from simulator.table import Arrivals, Table, day_of, words

if TYPE_CHECKING:
    from simulator.table import Province

BIG = 4096  # mixes days into ids: `ids * BIG + day`
OPEN, CLOSE = 27_000, 61_200  # 07:30 and 17:00 in seconds after midnight


class Versions(NamedTuple):
    """The days of the last change and of the end of every record; 0 for what has not happened since day 0."""

    last: npt.NDArray[np.int32]
    ended: npt.NDArray[np.int32]


class Course:
    """Which records change on which days after day 0; some end with the change and never change again.

    count: how many records there are at the end of a day. share: of them change every day. end: share of the changes that
    end a record. window: from which id on records may change, by the day (none: from 0).
    """

    def __init__(
        self,
        chance: Chance,
        name: str,
        count: Callable[[int], int],
        share: float,
        end: float = 0.0,
        window: Callable[[int], int] | None = None,
    ) -> None:
        self._chance, self._name, self._count, self._window = chance, name, count, window
        self._share, self._end = share, end

    def on(self, day: int) -> Ints:
        """Ids that change on a day, ascending; none before day 1."""
        if day < 1:
            return np.empty(0, np.int64)
        low, high = (self._window(day) if self._window else 0), self._count(day - 1) - 1
        drawn = np.arange(max(1, round((high + 1 - low) * self._share))) + day * (1 << 24)
        return np.unique(self._chance.integer(f"{self._name}.drawn", drawn, low, high)) if high >= low else drawn[:0]

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def versions(self, day: int) -> Versions:
        """Of all records at the end of a day."""
        size = self._count(day)
        last, ended = np.zeros(size, np.int32), np.zeros(size, np.int32)
        for each in range(1, day + 1):
            ids = self.on(each)
            ids = ids[ended[ids] == 0]
            last[ids] = each
            ended[ids[self._chance.happens(f"{self._name}.end", ids * BIG + each, self._end)]] = each
        return Versions(last, ended)


class Register(Table):
    """A register of `total` records on day 0 in the whole province, with so many new a year and some changed every day."""

    total: ClassVar[int]
    new_a_year: ClassVar[float] = 0.0
    changed_a_day: ClassVar[float] = 0.0  # share of the records
    ended: ClassVar[float] = 0.0  # share of the changes that end a record
    least: ClassVar[int] = 0

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.stock = self.scale.of(self.total, least=self.least)
        self.arrivals = Arrivals(self.new_a_year * self.scale.factor / 365, 1)
        self.course = Course(self.chance, self.name, self.count, self.changed_a_day, self.ended)

    def count(self, day: int) -> int:
        """Records ever made by the end of a day."""
        return self.stock + self.arrivals.through(day)

    def touched(self, day: int) -> Ints:
        """New or changed on a day."""
        if day < 1:
            return np.empty(0, np.int64)
        known = self.course.on(day) if self.changed_a_day else np.empty(0, np.int64)
        return np.concatenate([known, np.arange(self.count(day - 1), self.count(day))])

    def arrived(self, ids: Ids, day: int) -> Ints:
        """The day on which each was entered, for those after day 0; 0 for the stock."""
        ids = np.asarray(ids, np.int64)
        return np.where(ids < self.stock, 0, self.arrivals.days(np.maximum(ids - self.stock, 0), max(day, 1)))

    def versions(self, ids: Ids, day: int) -> tuple[Ints, Ints]:
        """Days of the last change and of the end of each (0: none since day 0)."""
        of = self.course.versions(max(day, 0))
        return of.last[ids].astype(np.int64), of.ended[ids].astype(np.int64)


# -- months ------------------------------------------------------------------------------------------------------------


def month_start(first: date, months: Ids | int) -> npt.NDArray[np.datetime64]:
    """The first day of the months so many after the month of `first`."""
    return np.datetime64(first, "M") + np.asarray(months)


def published(first: date, months: Ids | int, day_of_month: int) -> Ints:
    """The day number on which each month (counted from that of `first`) is published: in the month after it."""
    days = (month_start(first, months) + 1).astype("datetime64[D]") - np.datetime64(date(1970, 1, 1), "D")
    return days.astype(np.int64) + (day_of_month - 1) + day_of(date(1970, 1, 1))


def months_out(first: date, day: int, day_of_month: int) -> int:
    """How many months, from that of `first` on, are published by the end of a day."""
    known = 0
    while int(published(first, known, day_of_month)) <= day:
        known += 1
    return known


def month_names(first: date, months: Ids) -> Any:
    """`2026-10` for each month, as Arrow texts."""
    months = np.asarray(months, np.int64)
    every = [str(month_start(first, each)) for each in range(int(months.max(initial=0)) + 1)]
    return words(every, months)


def codes(geo: Geography, places: Ids, epochs: Ids | int) -> Any:
    """Commune codes of places in epochs, as Arrow texts."""
    every = [str(code) for column in (geo.code_e0, geo.code_e1, geo.code_e2) for code in column]
    return words(every, np.asarray(epochs) * geo.place_count + np.asarray(places))


def full_names(geo: Geography, places: Ids, epochs: Ids | int) -> Any:
    """`Xã …, huyện …, tỉnh …` of places in epochs, as Arrow texts."""
    every = [name for epoch in range(3) for name in geo.name_in(epoch)]
    return words(every, np.asarray(epochs) * geo.place_count + np.asarray(places))
