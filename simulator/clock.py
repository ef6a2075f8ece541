"""The simulated calendar: which working day a night picks up, and moments within it.

Belongs here: dates and times. Stays out: the wall clock of the machine; nothing in the truth depends on it.

Night n runs in the small hours of `first_night + n - 1` and takes up what happened on the working day before it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

TZ = ZoneInfo("Asia/Ho_Chi_Minh")
FIRST_NIGHT = date(2026, 11, 20)


def at(day: date, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of a day in Vietnam."""
    return datetime.combine(day, time(hour, minute), TZ)


@dataclass(frozen=True)
class Calendar:
    """Dates of the nights."""

    first_night: date = FIRST_NIGHT

    def night(self, number: int) -> date:
        """The date of a night."""
        return self.first_night + timedelta(days=number - 1)

    def work_day(self, night: int) -> date:
        """The working day whose changes a night brings."""
        return self.night(night) - timedelta(days=1)

    def change_time(self, rng: random.Random, night: int) -> datetime:
        """When a change of this night was made: a second of office hours, 07:30 to 17:00."""
        return at(self.work_day(night), 7, 30) + timedelta(seconds=rng.randint(0, 34_200))

    def last_change_time(self, night: int) -> datetime:
        """17:30: one good row of each feed is stamped with it, alone within any look-back of up to half an hour."""
        return at(self.work_day(night), 17, 30)
