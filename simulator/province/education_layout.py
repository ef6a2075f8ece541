"""Where schools stand and what they are called: the network of schools on day 0, and how it changes.

Belongs here: level, place, name and code of every school, those to come included; which close and when.
Stays out: who learns there (`education_roll`), the course of the year (`education_year`).
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from simulator.chance import Ids, Ints
from simulator.scale import SCHOOLS, SCHOOLS_OF, split
from simulator.table import date_of

if TYPE_CHECKING:
    from simulator.table import Province

LEVELS = ("MN", "TH", "THCS", "THPT", "GDTX")
MN, TH, THCS, THPT, GDTX = range(5)
SHARES = (0.345, 0.290, 0.270, 0.075, 0.020)
TITLES = ("Trường Mầm non", "Trường Tiểu học", "Trường THCS", "Trường THPT", "Trung tâm GDNN-GDTX")
CLASSES = ((8, 24), (10, 36), (8, 28), (18, 42), (6, 20))  # from which the relative size of a school is drawn
CLASS_SIZES = ((26, 34), (33, 39), (40, 45), (43, 46), (38, 45))  # most pupils in a class of a school
STAFF_PER_CLASS = np.array([2.0, 1.4, 1.9, 2.2, 1.6])
BAND = np.array([0, 1, 2, 3, 3])  # upper secondary and continuing education share one age
BANDS = 4
NEW_PER_OCCASION, CLOSED_PER_OCCASION = 3, 2
OCCASIONS = 50  # known in advance: enough for four years


def occasions(day: int) -> int:
    """On how many days up to this one schools were opened and closed: day 1, day 2, then every thirtieth."""
    return min(min(max(day, 0), 2) + max(day, 0) // 30, OCCASIONS)


def occasion_day(number: int) -> int:
    """The day of an occasion, counted from 0."""
    return number + 1 if number < 2 else 30 * (number - 1)


class Layout:
    """Schools as arrays by id: those of day 0 in the order of levels, then the ones of each occasion."""

    def __init__(self, province: Province) -> None:
        self.chance, self.geo, self.scale = province.chance, province.geo, province.scale
        self.stock = self.scale.of(SCHOOLS, least=len(self.geo.commune_codes))
        communes, levels = self._slots()
        order = np.argsort(levels, kind="stable")
        self.slot: Ints = np.concatenate([order, np.full(OCCASIONS * NEW_PER_OCCASION, -1)])
        self.level: Ints = levels[order]
        self.place: Ints = self._places(communes, levels)[order]
        self._plan_changes()
        self.commune: Ints = self.geo.commune[self.place]
        self.private = (self.level == MN) & self.chance.happens("school.private", np.arange(len(self.level)), 0.2)
        self.group: Ints = self.commune_group[self.commune]

    @cached_property
    def commune_group(self) -> Ints:
        """For each commune of today a number for the old district most of it lay in."""
        _, district = np.unique(self.geo.district, return_inverse=True)
        counts = np.zeros((len(self.geo.commune_codes), int(district.max()) + 1), np.int64)
        np.add.at(counts, (self.geo.commune, district), 1)
        return np.asarray(np.argmax(counts, axis=1), np.int64)

    @cached_property
    def commune_xy(self) -> npt.NDArray[np.float64]:
        """Kilometres east and north of the province's corner, by commune."""
        return np.stack([self.geo.commune_lon * 103.6, self.geo.commune_lat * 110.7], axis=1)

    @cached_property
    def group_xy(self) -> npt.NDArray[np.float64]:
        """The same, for the middle of each old district."""
        groups = range(int(self.commune_group.max()) + 1)
        return np.stack([self.commune_xy[self.commune_group == g].mean(axis=0) for g in groups])

    @cached_property
    def walk(self) -> Ints:
        """Communes in an order in which neighbours stand together: district by district, each from commune to nearest."""
        path: list[int] = []
        for group in range(int(self.commune_group.max()) + 1):
            left = np.flatnonzero(self.commune_group == group).tolist()
            at = min(left, key=lambda c: float(self.commune_xy[c, 0]))
            while left:
                left.remove(at)
                path.append(at)
                if left:
                    here = self.commune_xy[at]
                    at = min(left, key=lambda c: float(((self.commune_xy[c] - here) ** 2).sum()))
        return np.array(path)

    def _slots(self) -> tuple[Ints, Ints]:
        """Commune and level of every school, walking through the province: each commune has one, levels come evenly."""
        geo = self.geo
        weight = np.bincount(geo.commune, weights=geo.weight)
        old = np.empty(len(weight), "<U2")
        old[geo.commune] = geo.old_province
        first = np.array([int((old == province).sum()) for province in SCHOOLS_OF])
        further = split(self.stock - int(first.sum()), np.array(list(SCHOOLS_OF.values())) - first)
        count = np.ones(len(weight), np.int64)
        for province, more in zip(SCHOOLS_OF, further, strict=True):
            count[old == province] += split(int(more), weight[old == province])
        of_level = np.maximum(split(self.stock, np.array(SHARES)), 1)
        of_level[MN] += self.stock - of_level.sum()
        turns = np.concatenate([(np.arange(n) + 0.5) / n for n in of_level])
        levels = np.repeat(np.arange(len(LEVELS)), of_level)[np.argsort(turns, kind="stable")]
        return np.repeat(self.walk, count[self.walk]), levels

    def _places(self, communes: Ints, levels: Ints) -> Ints:
        """The place of each: the schools of one level in a commune stand in its places by turns, the biggest first."""
        geo, used = self.geo, Counter[tuple[int, int]]()
        places = {c: geo.places_of(c)[np.argsort(-geo.weight[geo.places_of(c)], kind="stable")] for c in set(communes)}
        chosen = []
        for key in zip(communes.tolist(), levels.tolist(), strict=True):
            of_commune = places[key[0]]
            chosen.append(int(of_commune[used[key] % len(of_commune)]))
            used[key] += 1
        return np.array(chosen)

    def _plan_changes(self) -> None:
        """Which schools will close, small ones first, and where new ones will open: mostly where one closes."""
        chance, ids = self.chance, np.arange(self.stock)
        lows, highs = np.array(CLASSES)[self.level].T
        self.classes_drawn: Ints = chance.integer("school.classes", ids, lows, highs)
        small = np.flatnonzero((self.level <= THCS) & (self.classes_drawn * 2 <= lows + highs))
        queue = small[np.argsort(chance.bits("school.closing", small), kind="stable")]
        self.closing: Ints = queue[: OCCASIONS * CLOSED_PER_OCCASION]
        new = np.arange(OCCASIONS * NEW_PER_OCCASION)
        which, turn = np.divmod(new, NEW_PER_OCCASION)
        successor = which * CLOSED_PER_OCCASION + turn
        places = self.geo.town_places(chance, "school.new_place", new)
        follows = (turn < CLOSED_PER_OCCASION) & (successor < len(self.closing))
        places[follows] = self.place[self.closing[successor[follows]]]
        self.place = np.concatenate([self.place, places])
        self.level = np.concatenate([self.level, chance.integer("school.new_level", new, MN, THCS)])
        self.opened: Ints = np.concatenate([np.zeros(self.stock, np.int64), [occasion_day(int(o)) for o in which]])
        self.closed: Ints = np.full(len(self.level), 1 << 30)
        for number, school in enumerate(self.closing):
            self.closed[school] = occasion_day(number // CLOSED_PER_OCCASION)

    def count(self, day: int) -> int:
        """How many schools were ever known by a day."""
        return self.stock + occasions(day) * NEW_PER_OCCASION

    def live(self, day: int) -> Ints:
        """Ids of the schools open at the end of a day."""
        return np.flatnonzero((self.opened <= day) & (self.closed > day)).astype(np.int64)

    @cached_property
    def names(self) -> list[str]:
        """Names by village; a second one of the same level there is «số 2»."""
        turns, names = Counter[tuple[int, str, str]](), []
        for level, place, private in zip(self.level.tolist(), self.place.tolist(), self.private.tolist(), strict=True):
            village = str(self.geo.village[place])
            key = (level, village, str(self.geo.code_e2[place]))
            turns[key] += 1
            number = f" số {turns[key]}" if turns[key] > 1 else ""
            names.append(f"{TITLES[level]} {'tư thục ' if private else ''}{village}{number}")
        return names

    def founded(self, ids: Ids) -> Ints:
        """Years of foundation; 0: nobody knows (7 %)."""
        drawn = self.chance.integer("school.founded", ids, 1950, 2020)
        drawn = np.where(self.chance.happens("school.founded_known", ids, 0.93), drawn, 0)
        years = np.array([date_of(int(day)).year for day in self.opened[ids]], np.int64)
        return np.where(self.opened[ids] > 0, years, drawn)

    def nearest(self, commune: int, among: Ids) -> Ints:
        """Schools of a list, the nearest to a commune first."""
        among = np.asarray(among, np.int64)
        distance = ((self.commune_xy[self.commune[among]] - self.commune_xy[commune]) ** 2).sum(axis=1)
        return among[np.argsort(distance, kind="stable")]
