"""The primitive of the truth: a table as three pure functions of province and day.

Belongs here: `Table`, the province that holds its tables, and how days are written in Arrow.
Stays out: every table itself (`province`), what agencies make of it (`views`).

A record has an id from 0 on and keeps it for ever. `count(day)` says how many there are, `touched(day)` which ones are
new or changed on a day, `rows(ids, day)` what is true of them at its end. Nothing has a memory, so day N is the same
whatever was asked before, and a table of millions is read in batches that cost no more than one of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Chance, Ids, Ints
from simulator.geography import Geography
from simulator.scale import Scale

if TYPE_CHECKING:
    from simulator.province.population import People

DAY0 = date(2026, 11, 19)  # the last day of the stocks; the first night takes it up
FLOW_DAYS = 30  # flows go back from day 0 to day -29
BATCH = 200_000
_EPOCH0 = (DAY0 - date(1970, 1, 1)).days
_MIDNIGHT = 7 * 3600  # Vietnam is seven hours ahead of UTC, the year round


def day_of(day: date) -> int:
    """The number of a calendar day: 0 for `DAY0`."""
    return (day - DAY0).days


def date_of(day: int) -> date:
    """The calendar day of a number."""
    return date.fromordinal(DAY0.toordinal() + int(day))


def to_date32(days: Ids, valid: Bools | None = None) -> Any:
    """Day numbers as an Arrow array of dates; null where not `valid`."""
    return pa.array((np.asarray(days) + _EPOCH0).astype(np.int32), pa.date32(), mask=None if valid is None else ~valid)


def to_timestamp(days: Ids, seconds: Ids | int, valid: Bools | None = None) -> Any:
    """Day numbers and seconds after midnight in Vietnam as an Arrow array of moments; null where not `valid`."""
    moments = ((np.asarray(days, np.int64) + _EPOCH0) * 86_400 - _MIDNIGHT + np.asarray(seconds)) * 1_000_000
    return pa.array(
        moments.astype(np.int64), pa.timestamp("us", "Asia/Ho_Chi_Minh"), mask=None if valid is None else ~valid
    )


@dataclass(frozen=True)
class Total:
    """One aggregate as it really is. `source`: where the figure for the whole province comes from; `exact`: it is met exactly at 1.0."""

    name: str
    value: int | float
    unit: str
    source: str = ""
    exact: bool = False


class Table(ABC):
    """A table of the truth. Stocks hold still before day 0; flows have rows from day -29 on."""

    name: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    doc: ClassVar[str]
    columns: ClassVar[dict[str, str]]

    def __init__(self, province: Province) -> None:
        self.province = province
        self.chance, self.scale, self.geo = province.chance, province.scale, province.geo

    @abstractmethod
    def count(self, day: int) -> int:
        """How many ids there are at the end of a day."""

    @abstractmethod
    def touched(self, day: int) -> Ints:
        """Ids that are new or changed on a day, ascending."""

    @abstractmethod
    def rows(self, ids: Ids, day: int) -> Any:
        """What is true of them at the end of a day: an Arrow table, `id` first, then `columns`, in the order of `ids`."""

    def gone(self, ids: Ids, day: int) -> Bools:
        """Those that are no longer in any register."""
        return np.zeros(len(ids), np.bool_)

    def totals(self, day: int) -> list[Total]:
        """What its aggregates really are."""
        return [Total(f"{self.name}.count", self.count(day), "row")]

    def batches(self, day: int, size: int = BATCH) -> Iterator[Any]:
        """Everything there is at the end of a day, batch by batch."""
        count = self.count(day)
        return self._in_batches(np.arange(count, dtype=np.int64), day, size)

    def changes(self, day: int, size: int = BATCH) -> Iterator[Any]:
        """What is new or changed on a day, batch by batch."""
        return self._in_batches(self.touched(day), day, size)

    def _in_batches(self, ids: Ints, day: int, size: int) -> Iterator[Any]:
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            yield self.rows(some[~self.gone(some, day)], day)


class Arrivals:
    """How many new records each day brings, without asking the days before: `rate` a day on the long run.

    `first`: the day with which counting begins. Weekends bring `weekend` times as many as working days.
    """

    def __init__(self, rate: float, first: int, weekend: float = 0.0) -> None:
        self.first = first
        monday = (date_of(first).weekday()) % 7
        week = np.array([1.0 if (monday + i) % 7 < 5 else weekend for i in range(7)])
        self._week = np.cumsum(week) * (rate * 7.0 / float(week.sum()))

    def through(self, day: int) -> int:
        """How many came from the first day to the end of this one."""
        weeks, rest = divmod(day - self.first + 1, 7)
        if day < self.first:
            return 0
        return int(np.floor(weeks * self._week[-1] + (self._week[rest - 1] if rest else 0.0) + 1e-9))

    def on(self, day: int) -> int:
        """How many came on this day."""
        return self.through(day) - self.through(day - 1)

    def ids(self, day: int) -> Ints:
        """Their numbers, counted from 0 on the first day."""
        return np.arange(self.through(day - 1), self.through(day), dtype=np.int64)

    def days(self, ids: Ids, last: int) -> Ints:
        """The day on which each came; `last`: a day not before the latest of them."""
        ends = np.array([self.through(day) for day in range(self.first, last + 1)])
        return (np.searchsorted(ends, np.asarray(ids), side="right") + self.first).astype(np.int64)


class Province:
    """The true province of a seed and a scale. Tables are made when first asked for; asking costs nothing twice."""

    def __init__(self, seed: int = 24, scale: float = 1.0) -> None:
        self.seed, self.scale = seed, Scale(scale)
        self.chance = Chance(seed)
        self._tables: dict[str, Table] = {}

    @cached_property
    def geo(self) -> Geography:
        """Its places and communes."""
        return Geography()

    @cached_property
    def people(self) -> People:
        """Its persons."""
        from simulator.province.population import People

        return People(self)

    @cached_property
    def kinds(self) -> dict[str, type[Table]]:
        """Every table by its name, in the order of the domains."""
        from simulator.province import all_tables

        return {kind.name: kind for kind in all_tables()}

    def table(self, name: str) -> Any:
        """One table; KeyError when there is none of that name. (Any: each has things of its own that others ask it.)"""
        if name not in self._tables:
            self._tables[name] = self.kinds[name](self)
        return self._tables[name]


def words(choices: Sequence[str], indexes: Ids, valid: Bools | None = None) -> Any:
    """Arrow texts chosen from a few; null where not `valid`."""
    taken = pa.array(np.asarray(indexes, np.int64), mask=None if valid is None else ~valid)
    return pa.array(list(choices), pa.string()).take(taken)


def numbered(pattern: str, numbers: Ids) -> Any:
    """Arrow texts with a number in them: `numbered("HS{:07d}", ids)`; digits only, padded with zeros."""
    prefix, _, rest = pattern.partition("{")
    form, _, suffix = rest.partition("}")
    width = int(form.strip(":d") or 0)
    return joined(prefix, padded(numbers, width), suffix)


def padded(numbers: Ids, width: int) -> Any:
    """Whole numbers from 0 on as Arrow texts, padded with zeros to a width."""
    import pyarrow.compute as pc

    texts = pc.cast(pa.array(np.asarray(numbers, np.int64)), pa.string())
    return pc.utf8_lpad(texts, width, "0") if width else texts


def joined(*parts: Any) -> Any:
    """Arrow texts put together from texts and columns of texts; null where one of them is."""
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*parts, "")


def some_of(valid: Bools, values: Any) -> Any:
    """Arrow values, null where not `valid`."""
    import pyarrow.compute as pc

    return pc.if_else(pa.array(np.asarray(valid)), values, pa.scalar(None, values.type))
