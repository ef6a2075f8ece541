"""Working days of the state's offices in Vietnam: Tết and the other holidays, and the Saturdays worked in exchange.

Belongs here: whether a day is a working day, and counting on from one. Stays out: how many days an obligation allows.
The package `holidays` knows the lunar days and most exchanges; it is imported where it is used, for it costs a second.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

#: Day off -> Saturday worked instead, as decided for the state's offices, which the package does not have (yet).
#: The Government decides late (these on 25 December 2025): add a line, drop it when the package has it.
EXCHANGED = {
    date(2026, 1, 2): date(2026, 1, 10),
}


@lru_cache(maxsize=16)
def _year(year: int) -> tuple[frozenset[date], frozenset[date]]:
    """The days off of one year that are not merely weekends, and its working Saturdays and Sundays."""
    import holidays

    official = holidays.country_holidays("VN", years=year)
    off = frozenset(day for day in {*official, *EXCHANGED} if day.year == year)
    worked = frozenset(day for day in {*official.weekend_workdays, *EXCHANGED.values()} if day.year == year)
    return off, worked


def is_working_day(day: date) -> bool:
    off, worked = _year(day.year)
    return day in worked or (day.weekday() < 5 and day not in off)


def due(released_on: date, working_days: int) -> date:
    """The n-th working day after the day of release; the day itself does not count. `working_days` is 1 or more."""
    if working_days < 1:
        raise ValueError("a deadline is at least one working day")
    day = released_on
    for _ in range(working_days):
        day += timedelta(days=1)
        while not is_working_day(day):
            day += timedelta(days=1)
    return day
