"""What becomes of a dossier: what it is about, its time limit, and its way through the ten statuses.

Belongs here: `Dossiers`, which gives the whole course of any dossiers, and the journal of all steps by day.
Stays out: rows (`procedures`, `procedures_parts`), who applies.

Statuses of the national portal: 1 registered, 2 received, 3 refused, 4 in work, 5 supplement asked, 6 payment asked, 7
withdrawn, 8 stopped, 9 done, 10 result returned. Step after step is laid out in working days from the receipt on; waiting
for the citizen's supplement comes on top and moves the appointed day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.chance import Bools, Ids, Ints
from simulator.province.procedures_calendar import calendar
from simulator.province.procedures_catalogue import DAY, HOUR
from simulator.province.procedures_receipts import FIRST, Placed, Receipts
from simulator.table import BATCH, Province

COUNTER, ONLINE, POST = 1, 2, 3
CLOSES, AFTERNOON = 17 * 3600, 15 * 3600  # what comes after 15:00 and is due within the day is due on the next one
_UNANSWERED = 30  # working days after which a dossier without its supplement is stopped
# Ways through the statuses: (status, part of the time spent, supplements waited for). The last step of a dossier that is
# done is the return of the result, some days later.
_WAYS: tuple[tuple[tuple[int, float, int], ...], ...] = (
    ((2, 0, 0), (4, 0, 0), (4, 0.5, 0), (9, 1, 0), (10, 1, 0)),
    ((2, 0, 0), (4, 0.1, 0), (4, 0.5, 0), (9, 1, 0), (10, 1, 0)),
    ((2, 0, 0), (4, 0.1, 0), (4, 0.4, 0), (4, 0.8, 0), (9, 1, 0), (10, 1, 0)),
    ((2, 0, 0), (4, 0.1, 0), (4, 0.3, 0), (4, 0.6, 0), (4, 0.9, 0), (9, 1, 0), (10, 1, 0)),
    ((2, 0, 0), (4, 0.1, 0), (5, 0.3, 0), (4, 0.3, 1), (4, 0.7, 1), (9, 1, 1), (10, 1, 1)),
    ((2, 0, 0), (4, 0.1, 0), (5, 0.25, 0), (4, 0.25, 1), (5, 0.5, 1), (4, 0.5, 2), (9, 1, 2), (10, 1, 2)),
    ((2, 0, 0), (4, 0.1, 0), (4, 0.4, 0), (6, 0.6, 0), (4, 0.75, 0), (9, 1, 0), (10, 1, 0)),
    ((2, 0, 0), (4, 0.1, 0), (7, 0.4, 0), (8, 0.8, 0)),
    ((2, 0, 0), (4, 0.1, 0), (4, 0.5, 0), (8, 1, 0)),
    ((2, 0, 0), (4, 0.1, 0), (5, 0.3, 0), (8, 0.3, 1)),
)
SHORT, _LONG, TWICE, PAYS, WITHDRAWN, STOPPED, SILENT = 0, (1, 2, 3), 5, 6, 7, 8, 9
STEPS = 1 + max(len(way) for way in _WAYS)  # one more in front: registered online


@dataclass(frozen=True)
class Course:
    """The whole course of some dossiers, future included. Arrays by dossier, or by dossier and step (status 0: no step).

    due: working day (rank) of the time limit, without supplements; waits: working days waited for each supplement.
    """

    ids: Ints
    placed: Placed
    procedure: Ints
    channel: Ints
    way: Ints
    due: Ints
    waits: Ints
    status: npt.NDArray[np.int8]
    day: npt.NDArray[np.int16]
    second: npt.NDArray[np.int32]

    def last(self, day: int) -> Ints:
        """The last step of each taken by the end of a day; -1: none yet."""
        taken = (self.status > 0) & (self.day <= day)
        return np.asarray(np.where(taken, np.arange(STEPS), -1).max(axis=1), np.int64)

    def at(self, status: int, day: int) -> tuple[Bools, Ints, Ints]:
        """The first step to a status: whether it was taken by the end of a day, its day and second."""
        taken = (self.status == status) & (self.day <= day)
        step = np.argmax(taken, axis=1)
        rows = np.arange(len(self.ids))
        return taken.any(axis=1), self.day[rows, step].astype(np.int64), self.second[rows, step].astype(np.int64)

    def count(self, status: int, day: int) -> Ints:
        """How many steps to a status were taken by the end of a day."""
        return np.asarray(((self.status == status) & (self.day <= day)).sum(axis=1), np.int64)

    def answered(self, day: int) -> Ints:
        """How many supplements were handed in by the end of a day."""
        after = (self.status[:, 1:] == 4) & (self.status[:, :-1] == 5)
        return np.asarray((after & (self.day[:, 1:] <= day)).sum(axis=1), np.int64)

    def due_now(self, day: int) -> Ints:
        """The working day (rank) by which each is due as of a day: every supplement handed in has moved it."""
        answered = self.answered(day)
        return np.asarray(self.due + self.waits[:, 0] * (answered >= 1) + self.waits[:, 1] * (answered >= 2))

    def verdict(self, day: int) -> tuple[Bools, Bools, Bools]:
        """Ended, in time, and overdue though not ended, as of a day (766 index, 2.1).

        The end is status 9, else 10, else 8 or 3. More than one supplement asked for is late. While one is waited for,
        the day it was asked for counts; else, without an end, the day itself.
        """
        done, end, _ = self.at(9, day)
        stopped, stop, _ = self.at(8, day)
        refused = self.at(3, day)[0]
        asked, (_, asked_on, _) = self.count(5, day), self.at(5, day)
        waiting = ~done & (asked > self.answered(day))
        until = np.where(done, end, np.where(waiting, asked_on, np.where(stopped, stop, day)))
        # Steps end before 17:00 on the day they are due: what is in time by the day is so by the moment.
        in_time = ((until <= calendar().day(self.due_now(day))) & (asked <= 1)) | refused
        ended = done | stopped | refused
        return ended, ended & in_time, ~ended & ~in_time & self.at(2, day)[0]


class Dossiers:
    """Courses of dossiers and the journal of their steps."""

    def __init__(self, province: Province) -> None:
        self.province, self.chance = province, province.chance
        self.receipts = Receipts(province)
        self.journal = Journal(self)

    @cached_property
    def _menus(self) -> list[tuple[Ints, Any]]:
        """What is asked for at each department, and last at communes: procedures and their weights."""
        procedure, receipts = self.province.table("procedure"), self.receipts
        some = [*receipts.agencies[: receipts.departments].tolist(), int(receipts.agencies[-1])]
        return [(menu, procedure.busy[menu]) for menu in (procedure.menu(agency) for agency in some)]

    @cached_property
    def _slow(self) -> Any:
        """Share of late dossiers by agency."""
        return 0.008 + 0.07 * self.chance.uniform("dossier.slow", np.arange(len(self.receipts.agencies))) ** 3

    def _procedures(self, ids: Ints, agency: Ints, online: Bools) -> Ints:
        """What each is about; what comes online is of a service that exists online."""
        mode = self.province.table("procedure").mode
        kind = np.minimum(agency, self.receipts.departments) * 2 + online
        found = np.zeros(len(ids), np.int64)
        for each in np.unique(kind).tolist():
            menu, weights = self._menus[each // 2]
            if each % 2:
                weights = weights * (mode[menu] < 2)
            here = kind == each
            found[here] = menu[self.chance.pick("dossier.procedure", ids[here], weights)]
        return found

    def of(self, ids: Ids) -> Course:
        """The course of dossiers, in their order."""
        ids = np.asarray(ids, np.int64)
        chance, procedures = self.chance, self.province.table("procedure")
        placed = self.receipts.placed(ids)
        must = placed.late | placed.refused
        procedure = self._procedures(ids, placed.agency, must)
        share = np.array([0.80, 0.45, 0.0])[procedures.mode[procedure]]
        drawn = chance.uniform("dossier.channel", ids)
        channel = np.where(must | (drawn < share), ONLINE, np.where(drawn > 0.98, POST, COUNTER))
        submitted, received = self._moments(ids, placed, channel)
        rank, due = self._due(procedure, placed.received, received)
        limit = due - rank
        way = self._ways(ids, limit, procedures.fee[procedure] + procedures.charge[procedure])
        spent = self._spent(ids, limit, placed.agency)
        waits = chance.integer("dossier.wait", ids, 1, 8)[:, None] * np.array([1, 0])
        waits[:, 1] = chance.integer("dossier.wait_again", ids, 1, 6)
        waits[way == SILENT, 0] = _UNANSWERED
        status, day = self._steps(ids, placed, channel, way, rank, spent, waits)
        second = self._clock(ids, status, day, submitted, received)
        return Course(ids, placed, procedure, channel, way, due, waits, status, day, second)

    def _moments(self, ids: Ints, placed: Placed, channel: Ints) -> tuple[Ints, Ints]:
        """Seconds of entry and of receipt; numbers are given in the order of the clock."""
        chance = self.chance
        part = (placed.place + chance.uniform("dossier.moment", ids)) / np.maximum(placed.of, 1)
        open_for = part * 24_300  # 7:45 to 11:30, 13:30 to 16:30
        at_counter = np.where(open_for < 13_500, 27_900 + open_for, 35_100 + open_for)
        works = calendar().works(placed.entered)
        waiting = np.where(works, 59_700 + part * 23_000, 21_600 + part * 62_000)
        received = np.where(placed.late, 27_000 + np.minimum(placed.number * 2, 890), at_counter).astype(np.int64)
        before = np.where(channel == ONLINE, chance.integer("dossier.before", ids, 300, 10_800), 0)
        entered = np.where(placed.late | placed.refused, waiting, received - before)
        entered = np.where(placed.refused & works, 25_200 + part * 54_000, entered)
        return entered.astype(np.int64), received

    def _due(self, procedure: Ints, received: Ints, second: Ints) -> tuple[Ints, Ints]:
        """Working day (rank) of receipt and of the time limit."""
        table, days = self.province.table("procedure"), calendar()
        limit, unit = table.limit[procedure], table.unit[procedure]
        rank = days.rank(received)
        by_days = days.rank(days.roll(received + np.where(unit == DAY, limit, 0)))
        within = rank + (second >= AFTERNOON)
        return rank, np.where(unit == HOUR, within, np.where(unit == DAY, by_days, rank + limit)).astype(np.int64)

    def _ways(self, ids: Ints, limit: Ints, paid: Ints) -> Ints:
        drawn = self.chance.uniform("dossier.way", ids)
        long = np.array(_LONG)[self.chance.pick("dossier.steps", ids, (0.3, 0.45, 0.25))]
        ends = np.cumsum([0.006, 0.007, 0.005, 0.004, 0.036, 0.05])
        special = np.array([WITHDRAWN, STOPPED, SILENT, TWICE, 4, PAYS])[
            np.minimum(np.searchsorted(ends, drawn, "right"), 5)
        ]
        special = np.where((special == PAYS) & (paid == 0), long, special)
        way = np.where(drawn < ends[-1], special, long)
        return np.where(limit >= 2, way, np.where(drawn < 0.003, WITHDRAWN, SHORT)).astype(np.int64)

    def _spent(self, ids: Ints, limit: Ints, agency: Ints) -> Ints:
        """Working days from receipt to the end, without waiting for supplements."""
        drawn = self.chance.uniform("dossier.spent", ids)
        share = self._slow[agency] * np.where(limit <= 1, 0.4, 1.0)
        late = self.chance.happens("dossier.late", ids, share)
        more = np.minimum(np.floor(-np.log1p(-drawn) * 3), 25)
        normal = np.where(limit <= 1, limit * (drawn > 0.85), np.minimum(np.floor((limit + 1) * drawn**0.6), limit))
        return np.where(late, limit + 1 + more, normal).astype(np.int64)

    def _steps(
        self, ids: Ints, placed: Placed, channel: Ints, way: Ints, rank: Ints, spent: Ints, waits: Ints
    ) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int16]]:
        """Status and day of each step."""
        shape = (len(_WAYS), STEPS)
        statuses, parts, asked = np.zeros(shape, np.int8), np.zeros(shape), np.zeros(shape, np.int64)
        for number, each in enumerate(_WAYS):
            for step, (to, part, waited) in enumerate(each, 1):
                statuses[number, step], parts[number, step], asked[number, step] = to, part, waited
        status = statuses[way]
        cumulated = np.concatenate([np.zeros((len(ids), 1), np.int64), np.cumsum(waits, axis=1)], axis=1)
        after = np.floor(parts[way] * spent[:, None] + 1e-9).astype(np.int64)
        after += np.take_along_axis(cumulated, asked[way], axis=1)
        pickup = np.where(channel == ONLINE, 0, np.maximum(self.chance.integer("dossier.pickup", ids, -5, 4), 0))
        after += np.where(status == 10, pickup[:, None], 0)
        day = calendar().day(np.maximum(rank, 0)[:, None] + after)
        status[placed.refused, 1:] = 0
        status[placed.refused, 1] = 3
        day[:, 0] = placed.entered
        status[:, 0] = np.where(channel == ONLINE, 1, 0)
        day[placed.refused, 1] = calendar().after(placed.entered[placed.refused])
        return status, day.astype(np.int16)

    def _clock(self, ids: Ints, status: Any, day: Any, submitted: Ints, received: Ints) -> npt.NDArray[np.int32]:
        """Second of each step: one after the other on a day, at any time of a new one."""
        second = np.zeros(status.shape, np.int64)
        second[:, 0] = submitted
        first = status[:, 1] == 3
        second[:, 1] = np.where(first, self.chance.integer("dossier.refused_at", ids, 28_800, 57_600), received)
        for step in range(2, STEPS):
            cell = ids * 16 + step
            soon = second[:, step - 1] + self.chance.integer("dossier.gap", cell, 200, 1_500)
            later = self.chance.integer("dossier.second", cell, 28_800, 58_500)
            second[:, step] = np.where(day[:, step] == day[:, step - 1], soon, later)
        return second.astype(np.int32)


class Journal:
    """Every step of every dossier in the order of the days: those of a day by dossier, then by step."""

    def __init__(self, dossiers: Dossiers) -> None:
        self._dossiers = dossiers
        self._last = FIRST - 1
        self.status = np.zeros((0, STEPS), np.int8)
        self.day = np.zeros((0, STEPS), np.int16)
        self.second = np.zeros((0, STEPS), np.int32)
        self._found: list[tuple[Ints, Ints]] = []

    def on(self, day: int) -> tuple[Ints, Ints]:
        """Dossier and step of everything that happened on a day."""
        self._grow(day)
        return self._found[day - FIRST] if day >= FIRST else (np.zeros(0, np.int64), np.zeros(0, np.int64))

    def _grow(self, day: int) -> None:
        if day <= self._last:
            return
        receipts = self._dossiers.receipts
        start, end = len(self.status), receipts.through(day)
        courses = [self._dossiers.of(np.arange(at, min(at + BATCH, end))) for at in range(start, end, BATCH)]
        for name in ("status", "day", "second"):
            setattr(self, name, np.concatenate([getattr(self, name), *(getattr(course, name) for course in courses)]))
        for each in range(self._last + 1, day + 1):
            here = (self.day == each) & (self.status > 0)
            dossier, step = np.nonzero(here[: receipts.through(each)])
            self._found.append((dossier.astype(np.int64), step.astype(np.int64)))
        self._last = day
