"""Working days of the state's offices: Tết and the other holidays, the Saturdays worked in exchange.

Belongs here: working days as arrays over day numbers. Stays out: time limits (`procedures_course`).
"""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np

from simulator.chance import Bools, Ids, Ints
from simulator.table import date_of, day_of

_YEARS = range(2026, 2040)
_FIRST = day_of(date(_YEARS.start, 1, 1))


class Calendar:
    """Working days from 1 January 2026 to 2039. A working day's rank is its number, counted from 0 on that first day."""

    def __init__(self) -> None:
        import holidays

        official = holidays.country_holidays("VN", years=_YEARS)
        days = np.arange(_FIRST, day_of(date(_YEARS.stop, 1, 1)))
        weekday = (days + date_of(0).weekday()) % 7
        self.weekday: Ints = weekday.astype(np.int64)
        self._works: Bools = weekday < 5
        for off in official:
            self._works[day_of(off) - _FIRST] = False
        for worked in official.weekend_workdays:
            if worked.year in _YEARS:
                self._works[day_of(worked) - _FIRST] = True
        self._ranks: Ints = (np.cumsum(self._works) - 1).astype(np.int64)
        self._days: Ints = days[self._works].astype(np.int64)

    def works(self, days: Ids) -> Bools:
        """True for working days."""
        return np.asarray(self._works[np.asarray(days) - _FIRST])

    def rank(self, days: Ids) -> Ints:
        """The rank of a working day; of another day that of the last working day before it."""
        return np.asarray(self._ranks[np.asarray(days) - _FIRST])

    def day(self, ranks: Ids) -> Ints:
        """The working day of a rank."""
        return np.asarray(self._days[np.asarray(ranks)])

    def after(self, days: Ids, count: Ids | int = 1) -> Ints:
        """The `count`-th working day after a day; the day itself does not count."""
        return self.day(self.rank(days) + count)

    def roll(self, days: Ids) -> Ints:
        """The day itself if it is a working day, else the next one that is."""
        return np.where(self.works(days), days, self.after(days)).astype(np.int64)


@cache
def calendar() -> Calendar:
    """The calendar, read once."""
    return Calendar()


def busyness(days: Ids) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How many dossiers a day brings, as a share of an average working day: Mondays more, weekends online ones only."""
    by_weekday = np.array([1.12, 1.03, 1.0, 0.97, 0.88, 0.9, 0.9])
    days = np.asarray(days)
    known = calendar()
    return np.where(known.works(days), by_weekday[known.weekday[days - _FIRST]], 0.06)


def year_of(year: int) -> Ints:
    """Every day of a calendar year."""
    return np.arange(day_of(date(year, 1, 1)), day_of(date(year + 1, 1, 1)), dtype=np.int64)
