"""How many dossiers each agency takes in on each day, and which number each gets.

Belongs here: counts by day and agency, the place of a dossier among them, its code. Stays out: what it is about
(`procedures`), what becomes of it (`procedures_course`).

Dossiers are counted by the day on which they are entered. Those handed in at a counter are received at once; online
ones too, but those of evenings, weekends and holidays wait for the next working day, which is then the date in their code
(Circular 01/2018/TT-VPCP: it is the date of receipt). A few online ones are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Bools, Ids, Ints
from simulator.province.governance import old_style
from simulator.province.procedures_calendar import busyness, calendar, year_of
from simulator.scale import DOSSIERS_A_YEAR, split
from simulator.table import FLOW_DAYS, Province, day_of, joined, padded, words

FIRST = 1 - FLOW_DAYS
#: Published for one ward (autumn 2025): received in 17 days. And roughly for a commune: a working day.
NAM_SON, NAM_SON_RECEIVED, NAM_SON_FIRST, NAM_SON_LAST = "09286", 3_418, -16, 0
DONG_VIET, DONG_VIET_A_DAY = "07735", 60
BAC_GIANG, BAC_GIANG_A_DAY = "07210", 300  # from its 500 visitors a day: derived
#: The night in which the system of Bắc Giang gave new numbers to dossiers of departments that bore those of the other system.
REKEYED_ON = 2
_OF_DEPARTMENTS = 0.06  # of all dossiers: derived
_EVENING, _REFUSED = 0.03, 0.008  # of an agency's dossiers


@dataclass(frozen=True)
class Placed:
    """Where dossiers stand. entered: day; agency: index into `Receipts.agencies`; late: waits for the next working day;
    refused; received: day of receipt, or of the number where there is none; number: running number of that day and agency,
    from 0; place: the number within its kind (at once, late, refused) on the day of entry; of: how many there are of them.
    """

    entered: Ints
    agency: Ints
    late: Bools
    refused: Bools
    received: Ints
    number: Ints
    place: Ints
    of: Ints


class Receipts:
    """Counts by day and agency. Asking for a later day only adds days."""

    def __init__(self, province: Province) -> None:
        self.province, self.chance, self.scale = province, province.chance, province.scale
        agency, procedure = province.table("agency"), province.table("procedure")
        departments = [a for a in np.unique(procedure.department).tolist() if len(procedure.menu(a))]
        self.agencies: Ints = np.concatenate([departments, agency.communes]).astype(np.int64)
        self.is_commune: Bools = np.isin(self.agencies, agency.communes)
        self.departments = len(departments)
        year = busyness(year_of(2026))
        self._a_day = DOSSIERS_A_YEAR * self.scale.factor / float(year.sum())
        self._last = FIRST - 1
        self._counts = np.zeros(
            (0, 4, len(self.agencies)), np.int64
        )  # at once, late, refused, carried over from before

    @cached_property
    def weights(self) -> Any:
        """Share of each agency in all dossiers of a working day."""
        geo, procedure = self.province.geo, self.province.table("procedure")
        busy = np.array([procedure.busy[procedure.menu(a)].sum() for a in self.agencies[: self.departments]])
        size = np.bincount(geo.commune, weights=geo.weight * np.sqrt(geo.town_weight))
        size *= np.exp(0.25 * self.chance.normal("dossier.commune_size", np.arange(len(size))))
        whole = DOSSIERS_A_YEAR / float(busyness(year_of(2026)).sum())
        fixed = {DONG_VIET: DONG_VIET_A_DAY, BAC_GIANG: BAC_GIANG_A_DAY, NAM_SON: self._nam_son_a_day}
        places = {code: int(np.flatnonzero(geo.commune_codes == code)[0]) for code in fixed}
        rest = 1 - _OF_DEPARTMENTS - sum(fixed.values()) / whole
        size[list(places.values())] = 0
        size *= rest / size.sum()
        for code, count in fixed.items():
            size[places[code]] = count / whole
        return np.concatenate([busy * (_OF_DEPARTMENTS / busy.sum()), size])

    @cached_property
    def _nam_son_a_day(self) -> float:
        return NAM_SON_RECEIVED / float(busyness(np.arange(NAM_SON_FIRST, NAM_SON_LAST + 1)).sum())

    @cached_property
    def _nam_son(self) -> dict[int, int]:
        """What the ward receives in the days of its report, by day."""
        days = np.arange(NAM_SON_FIRST, NAM_SON_LAST + 1)
        works = calendar().works(days)
        parts = split(self.scale.of(NAM_SON_RECEIVED), np.where(works, busyness(days), 0))
        return dict(zip(days.tolist(), parts.tolist(), strict=True))

    # -- counts ------------------------------------------------------------------------------------------------------

    def _total(self, day: int) -> int:
        """Dossiers entered on a day, without refused ones: over a year their published number."""
        through = np.cumsum(busyness(np.arange(FIRST, day + 1))) * self._a_day
        before = np.floor(through[-2] + 1e-6) if len(through) > 1 else 0.0
        return int(np.floor(through[-1] + 1e-6) - before)

    def _day(self, day: int) -> Any:
        """At once, late and refused, by agency."""
        agencies = np.arange(len(self.agencies))
        cells = agencies * 65_536 + (day - FIRST)
        total, weights = self._total(day), self.weights * np.exp(0.12 * self.chance.normal("dossier.noise", cells))
        ward = self.departments + int(np.flatnonzero(self.province.geo.commune_codes == NAM_SON)[0])
        own = self._nam_son.get(day)
        if own is not None:
            weights[ward] = 0
        # Systematic sampling: each gets its share rounded down or up, and all together exactly the total.
        rest = total - (own or 0)
        start = self.chance.uniform("dossier.start", np.array([day - FIRST]))[0]
        ends = np.floor(np.cumsum(weights) / weights.sum() * rest + start + 1e-9).astype(np.int64)
        ends[-1] = rest + int(np.floor(start))
        count = np.diff(ends, prepend=int(np.floor(start)))
        if own is not None:
            count[ward] = own
        late = np.floor(count * _EVENING + self.chance.uniform("dossier.evening", cells)).astype(np.int64)
        late = np.minimum(late, count)
        late[ward] = 0  # its report counts what was received, to the dossier: it leaves nothing for tomorrow
        if not calendar().works(np.array([day]))[0]:
            late = count
        refused = np.floor(count * _REFUSED + self.chance.uniform("dossier.refused", cells)).astype(np.int64)
        return count - late, late, refused

    def _grow(self, day: int) -> None:
        if day <= self._last:
            return
        added = []
        waiting = np.zeros(len(self.agencies), np.int64)
        if len(self._counts):
            at_once, late, _, carried = self._counts[-1]
            works = calendar().works(np.array([self._last]))[0]
            waiting = late if works else carried + late
        for each in range(self._last + 1, day + 1):
            at_once, late, refused = self._day(each)
            added.append(np.stack([at_once, late, refused, waiting]))
            waiting = late if calendar().works(np.array([each]))[0] else waiting + late
        self._counts = np.concatenate([self._counts, np.stack(added)])
        self._last = day

    def counts(self, day: int) -> Any:
        """Counts of every day up to this one: [day - FIRST, (at once, late, refused, carried over), agency]."""
        self._grow(day)
        return self._counts[: max(day - FIRST + 1, 0)]

    def through(self, day: int) -> int:
        """How many dossiers were entered by the end of a day."""
        return int(self.counts(day)[:, :3].sum())

    def ids(self, day: int) -> Ints:
        """Ids of those entered on a day."""
        return np.arange(self.through(day - 1), self.through(day), dtype=np.int64)

    # -- one dossier -------------------------------------------------------------------------------------------------

    def placed(self, ids: Ids) -> Placed:
        """Where dossiers stand; ids in any order."""
        ids = np.asarray(ids, np.int64)
        counts, ends = self._cells(int(ids.max()) if len(ids) else 0)
        cell = np.searchsorted(ends, ids, side="right")
        day, agency = np.divmod(cell, len(self.agencies))
        within = ids - np.where(cell > 0, ends[np.maximum(cell - 1, 0)], 0)
        at_once, late_count, refused_count, carried = (counts[:, i].reshape(-1)[cell] for i in range(4))
        late = (within >= at_once) & (within < at_once + late_count)
        refused = within >= at_once + late_count
        entered = day + FIRST
        works = calendar().works(entered)
        received = np.where(late, calendar().after(entered), entered)
        place = within - np.where(refused, at_once + late_count, np.where(late, at_once, 0))
        # Numbers of a day: what waited since the last working day, then what came; those without receipt stand last.
        before = np.where(works, carried, 0)
        number = np.where(
            refused, before + at_once + place, np.where(late, np.where(works, 0, carried) + place, before + place)
        )
        of = np.where(refused, refused_count, np.where(late, late_count, at_once))
        return Placed(entered, agency, late, refused, received, number, place, of)

    def _cells(self, highest: int) -> tuple[Any, Ints]:
        """Counts by day, and the last id + 1 of each day and agency."""
        while self.through(self._last) <= highest:
            self._grow(self._last + 30)
        return self._counts, np.cumsum(self._counts[:, :3].sum(axis=1).reshape(-1))

    # -- numbers -----------------------------------------------------------------------------------------------------

    def is_old_style(self, agency: Ids) -> Bools:
        """Agencies that still write their code leaf first."""
        return self.chance.happens("dossier.old_style", agency, 0.22)

    def digits(self, agency: Ids) -> Ints:
        """Digits of the running number: four, in some agencies five."""
        return np.where(self.chance.happens("dossier.five_digits", agency, 0.10), 5, 4).astype(np.int64)

    def serial(self, placed: Placed) -> tuple[Ints, Ints]:
        """The running number in the dossier's code of today, and that given by the system that took it in.

        Departments had two systems, each counting for itself; that of Bắc Giang has moved to numbers from 5001 (or 50001).
        """
        own = placed.number // 2 + 1
        commune = self.is_commune[placed.agency]
        block = np.where(self.digits(placed.agency) == 5, 50_000, 5_000)
        final = np.where(commune, placed.number + 1, np.where(placed.number % 2 == 1, block + own, own))
        return final, np.where(commune, final, own)

    def codes(self, placed: Placed, serial: Ints) -> Any:
        """Arrow texts: `<agency>-YYMMDD-<serial>`."""
        agency = self.province.table("agency")
        new = [agency.codes[a] for a in self.agencies]
        style = placed.agency + len(new) * self.is_old_style(placed.agency)
        days = (np.asarray(placed.received) - day_of(date(1970, 1, 1))).astype("datetime64[D]")
        stamps, each = np.unique(days, return_inverse=True)
        dates = words([stamp.strftime("%y%m%d") for stamp in stamps.tolist()], each)
        short = self.digits(placed.agency) == 4
        numbers = pc.if_else(pa.array(short), padded(serial, 4), padded(serial, 5))
        return joined(words([*new, *(old_style(code) for code in new)], style), "-", dates, "-", numbers)
