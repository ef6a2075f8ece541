"""Firms: what never changes of a record of the registry.

Belongs here: who founded what, when and where; codes and names. Stays out: the course of changes (`economy_enterprise`).

Ids: firms, then their branches (one record in twenty), then the firms of each day after day 0.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator import identifiers
from simulator.chance import Bools, Ids, Ints
from simulator.province import economy_words as vocabulary
from simulator.province.economy_course import CLOSE, OPEN
from simulator.scale import ENTERPRISES
from simulator.table import Table, day_of, joined, padded, words

if TYPE_CHECKING:
    from simulator.table import Province

BRANCH_SHARE = 0.05
NEW_A_DAY = 16  # about 6,000 firms founded a year
OLD_BAC_NINH, COUNTED_ON = 23_165, date(2024, 4, 30)  # firms registered in the old Bắc Ninh by April 2024
_MORE_IN_BAC_NINH = 2.1  # than its towns alone would have: the zones' suppliers
ZONE_SHARE, FDI_SHARE = 0.12, 0.55
FORMS, TRADES, ZONES = list(vocabulary.FORMS), list(vocabulary.TRADES), list(vocabulary.ZONES)
DAY = 86_400
LAST = 63_000  # 17:30 in seconds


class Firms(Table):
    """The records of the registry as they were made."""

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.stock = self.scale.of(ENTERPRISES)
        self.branches = round(self.stock * BRANCH_SHARE)
        self.firms = self.stock - self.branches
        self.new_a_day = self.scale.of(NEW_A_DAY, least=4)

    def count(self, day: int) -> int:
        """Records ever made: of the stock and of every day since."""
        return self.stock + max(day, 0) * self.new_a_day

    def parents(self, ids: Ids) -> Ints:
        """The firm of a branch; any other record itself."""
        ids = np.asarray(ids, np.int64)
        branch = (ids >= self.firms) & (ids < self.stock)
        return np.where(branch, self.holders[np.clip(ids - self.firms, 0, max(self.branches - 1, 0))], ids)

    def is_branch(self, ids: Ids) -> Bools:
        """True for branches."""
        return np.asarray((np.asarray(ids) >= self.firms) & (np.asarray(ids) < self.stock))

    @cached_property
    def holders(self) -> Ints:
        branches = np.arange(max(self.branches, 1))
        return np.sort(self.chance.integer("enterprise.parent", branches, 0, self.firms - 2))

    def arrived(self, ids: Ids) -> Ints:
        """The day on which a firm was founded, for those after day 0; 0 for the stock."""
        return np.maximum((np.asarray(ids, np.int64) - self.stock) // self.new_a_day + 1, 0)

    @cached_property
    def _by_age(self) -> tuple[Ints, Ints]:
        """The stock, the oldest first, and the day on which each was founded."""
        days = self.registered(np.arange(self.stock)) // DAY
        order = np.argsort(days, kind="stable").astype(np.int64)
        return order, days[order]

    def founded_by(self, name: str, ids: Ids, days: Ids | int) -> Ints:
        """One of the stock for each id, of those founded by the day given (the oldest, when none was), each as likely."""
        order, founded = self._by_age
        known = np.searchsorted(founded, np.broadcast_to(np.asarray(days), np.shape(ids)), side="right")
        return order[self.chance.integer(name, ids, 0, np.maximum(known, 1) - 1)]

    def zone_of(self, ids: Ids) -> Ints:
        """Index of the industrial zone, -1 outside; larger zones hold more firms."""
        firm = self.parents(ids)
        zone = self.chance.pick("enterprise.zone", firm, [area for _, area in vocabulary.ZONES.values()])
        return np.where(self.chance.happens("enterprise.in_zone", firm, ZONE_SHARE), zone, -1)

    def place_of(self, ids: Ids) -> Ints:
        """The place of the head office."""
        zone = self.zone_of(ids)
        weight = self.geo.town_weight * np.where(self.geo.old_province == "27", _MORE_IN_BAC_NINH, 1.0)
        town = self.chance.pick("enterprise.place", self.parents(ids), weight)
        return np.where(zone >= 0, zone_places(self.province)[zone], town).astype(np.int64)

    def form_of(self, ids: Ids) -> Ints:
        """Index into `FORMS`."""
        return self.chance.pick("enterprise.form", self.parents(ids), [w for w, _ in vocabulary.FORMS.values()])

    def trade_of(self, ids: Ids) -> Ints:
        """Index into `TRADES`."""
        return self.chance.integer("enterprise.trade", self.parents(ids), 0, len(TRADES) - 1)

    def is_fdi(self, ids: Ids) -> Bools:
        """Foreign capital: about half of the firms of the zones."""
        drawn = self.chance.happens("enterprise.fdi", self.parents(ids), FDI_SHARE)
        return np.asarray(drawn & (self.zone_of(ids) >= 0) & (self.form_of(ids) != FORMS.index("DNTN")))

    def codes(self, ids: Ids) -> Any:
        """Enterprise codes: those of branches follow their firm's."""
        ids = np.asarray(ids, np.int64)
        code, branch = identifiers.enterprise_codes(self.parents(ids)), self.is_branch(ids)
        first = np.searchsorted(self.holders, self.parents(ids), side="left")
        return pc.if_else(pa.array(branch), joined(code, "-", padded(np.abs(ids - self.firms - first) + 1, 3)), code)

    def names(self, ids: Ids) -> Any:
        """Vietnamese names."""
        ids = np.asarray(ids, np.int64)
        firm = self.parents(ids)
        titles = words([title for _, title in vocabulary.FORMS.values()], self.form_of(ids))
        local = self.chance.happens("enterprise.local_name", firm, 0.25).astype(np.int64)
        villages = ["", *(f" {village.upper()}" for village in self.geo.village)]
        tail = words(villages, local * (1 + self.place_of(ids)))
        branch = words(("", "CHI NHÁNH "), self.is_branch(ids).astype(np.int64))
        return joined(branch, titles, " ", words(TRADES, self.trade_of(ids)), " ", self.own_names(firm), tail)

    def own_names(self, firm: Ids) -> Any:
        first, second = vocabulary.FIRST, vocabulary.SECOND
        one = self.chance.integer("enterprise.first", firm, 0, len(first) - 1)
        two = self.chance.integer("enterprise.second", firm, 0, len(second) - 1)
        return joined(words(first, one), " ", words(second, two))

    def short_names(self, ids: Ids) -> Any:
        firm = self.parents(ids)
        short = joined(self.own_names(firm), " ", words(FORMS, self.form_of(ids)))
        has = self.chance.happens("enterprise.has_short", firm, 0.4) & ~self.is_branch(ids)
        return pc.if_else(pa.array(has), short, pa.scalar(None, pa.string()))

    @cached_property
    def _ages(self) -> Ints:
        """Days between the foundation of each firm of the stock and day 0; younger firms are more numerous.

        In the old Bắc Ninh exactly the published number is older than the day on which they were counted.
        """
        firm = np.arange(self.firms)
        span, limit = -day_of(date(2005, 3, 1)), -day_of(COUNTED_ON)
        age = np.floor(self.chance.uniform("enterprise.age", firm) ** 1.2 * (span + 1)).astype(np.int64)
        here = np.flatnonzero(self.geo.old_province[self.place_of(firm)] == "27")
        here = here[np.argsort(-age[here], kind="stable")]
        known = self.scale.of(OLD_BAC_NINH)
        old, young = here[:known], here[known:]
        age[old] = np.where(age[old] < limit, self.chance.integer("enterprise.older", old, limit, 2 * limit), age[old])
        age[young] = np.where(
            age[young] >= limit, self.chance.integer("enterprise.younger", young, 0, limit - 1), age[young]
        )
        return age

    def registered(self, ids: Ids) -> Ints:
        """First registration, in seconds since the beginning of day 0."""
        ids = np.asarray(ids, np.int64)
        firm, arrived = self.parents(ids), self.arrived(ids)
        age = self._ages[np.minimum(firm, self.firms - 1)]
        second = self.chance.integer("enterprise.registered", firm, OPEN, CLOSE)
        return np.where(arrived > 0, arrived, -age) * DAY + second


def zone_places(province: Province) -> Ints:
    """The place of each industrial zone, drawn within its district."""
    geo, chance = province.geo, province.chance
    places = []
    for number, (district, _) in enumerate(vocabulary.ZONES.values()):
        inside = np.flatnonzero(geo.district == district)
        places.append(
            int(inside[int(chance.integer("industrial_zone.place", np.array([number]), 0, len(inside) - 1)[0])])
        )
    return np.array(places, np.int64)
