"""Taxpayers as the tax office knows them: every enterprise and every household business.

Belongs here: the table `tax_status`. Stays out: the registers it follows (`economy_enterprise`, `economy_household`).

Ids: the enterprises of day 0, the households of day 0, then for each day its new enterprises and its new households.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.economy_course import BIG, CLOSE, OPEN, Course, codes
from simulator.province.economy_enterprise import ABSENT, ACTIVE, DISSOLVED, MERGER, SUSPENDED, Enterprise
from simulator.province.economy_firm import DAY
from simulator.province.economy_household import HouseholdBusiness
from simulator.table import Table, Total, numbered, to_date32, to_timestamp, words

if TYPE_CHECKING:
    from simulator.table import Province

# State of a tax code: working, ceased and closed, ceased but not closed, suspended, not at its address.
CODES = ("00", "01", "03", "05", "06")
METHODS = ("KHAU_TRU", "TRUC_TIEP", "KE_KHAI", "TU_KHAI_HANG_NAM")
OFFICES = 12  # «Thuế cơ sở 1» to 12 since 1 March 2025


class TaxStatus(Table):
    """The list of taxpayers."""

    name = "tax_status"
    key = ("tax_code",)
    doc = "One row per taxpayer that is an enterprise or a household business; Circular 86/2024/TT-BTC."
    columns = {
        "enterprise": "id of the enterprise, null for households",
        "household_business": "id of the household business, null for enterprises",
        "owner_person": "person id of the owner, null for enterprises",
        "place": "index of the place",
        "tax_code": "ten digits (or with -NNN), twelve of households",
        "former_tax_code": "ten digits of households registered until 30 June 2025",
        "taxpayer_kind": "DN or HKD",
        "taxpayer_name": "name as registered",
        "commune_code": "code of today",
        "tax_office": "«Thuế cơ sở n»",
        "method": "KHAU_TRU, TRUC_TIEP; of households KE_KHAI, TU_KHAI_HANG_NAM (no lump sum since 2026)",
        "code_status": "00 at work, 01 closed, 03 closing, 05 suspended, 06 not at its address",
        "debt_vnd": "tax owed, VND",
        "filed_on": "last declaration; null for households that declare once a year and have not yet",
        "updated_at": "moment of the last change",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.firms: Enterprise = province.table("enterprise")
        self.households: HouseholdBusiness = province.table("household_business")
        self.stock = self.firms.stock + self.households.stock
        self._course = Course(self.chance, self.name, self.count, 0.004)

    def count(self, day: int) -> int:
        """Taxpayers ever registered."""
        return self.firms.count(day) + self.households.count(day)

    def touched(self, day: int) -> Ints:
        """New taxpayers, those whose registration changed, and those whose debts did."""
        if day < 1:
            return np.empty(0, np.int64)
        firm = self._of_firm(self.firms.touched(day))
        household = self._of_household(self.households.touched(day), day)
        return np.unique(np.concatenate([firm, household, self._course.on(day)]))

    def _of_firm(self, ids: Ints) -> Ints:
        """The id here of an enterprise."""
        new = np.maximum(ids - self.firms.stock, 0)
        before = new // self.firms.new_a_day  # whole days before it came
        earlier = np.array([self.households.arrivals.through(int(d)) for d in range(int(before.max(initial=0)) + 1)])
        return np.where(ids < self.firms.stock, ids, self.stock + new + earlier[before])

    def _of_household(self, ids: Ints, day: int) -> Ints:
        """The id here of a household business."""
        new = np.maximum(ids - self.households.stock, 0)
        came = self.firms.new_a_day * self.households.arrived(ids, day)
        return np.where(ids < self.households.stock, self.firms.stock + ids, self.stock + new + came)

    def _split(self, ids: Ids, day: int) -> tuple[Bools, Ints, Ints]:
        """Which are firms; their ids in the register of enterprises, and of the others in that of households."""
        ids = np.asarray(ids, np.int64)
        days = np.arange(max(day, 0) + 1)
        households = np.array([self.households.arrivals.through(int(d)) for d in days])
        ends = households + self.firms.new_a_day * days  # of each day, counted from the stock
        new = np.maximum(ids - self.stock, 0)
        at = np.clip(np.searchsorted(ends, new, side="right"), 1, max(len(days) - 1, 1))
        before = at - 1  # whole days before it came
        place = new - ends[before]
        later = ids >= self.stock
        firm = np.where(later, place < self.firms.new_a_day, ids < self.firms.stock)
        new_firm = self.firms.stock + before * self.firms.new_a_day + place
        new_household = self.households.stock + households[before] + place - self.firms.new_a_day
        return (
            np.asarray(firm, np.bool_),
            np.where(later, new_firm, ids),
            np.where(later, new_household, ids - self.firms.stock),
        )

    @cached_property
    def _office(self) -> Ints:
        """The tax office of each place: by district of e1, of which some share one."""
        districts = sorted(set(self.geo.district.tolist()))
        return np.array([districts.index(code) % OFFICES + 1 for code in self.geo.district])

    def rows(self, ids: Ids, day: int) -> Any:
        """The list as the tax office holds it."""
        ids, day = np.asarray(ids, np.int64), max(day, 0)
        is_firm, firm, household = self._split(ids, day)
        order = np.argsort(np.concatenate([np.flatnonzero(is_firm), np.flatnonzero(~is_firm)]), kind="stable")
        both = pa.concat_tables([self._firms(firm[is_firm], day), self._households(household[~is_firm], day)])
        both = both.take(pa.array(order))
        own = self._course.versions(day).last[ids].astype(np.int64)
        changed = np.where(own > 0, np.maximum(both["changed"].to_numpy(), own), both["changed"].to_numpy())
        mixed, chance = ids * BIG + own, self.chance
        status, place = both["status"].to_numpy(), both["place"].to_numpy()
        owing = chance.happens("tax_status.owing", mixed, np.where(status == 0, 0.10, 0.35))
        debt = np.exp(chance.normal("tax_status.debt", mixed) * 1.4 + np.where(is_firm, 17.6, 15.2))
        method = np.where(
            is_firm,
            chance.pick("tax_status.method", ids, (88, 12)),
            2 + chance.pick("tax_status.method", ids, (35, 65)),
        )
        silent = (method == 3) & chance.happens("tax_status.silent", mixed, 0.4)
        filed = np.maximum(own, 0) - chance.integer("tax_status.filed", mixed, 1, 100)
        return pa.table(
            {
                "id": ids,
                "enterprise": pa.array(firm, mask=~is_firm),
                "household_business": pa.array(household, mask=is_firm),
                "owner_person": both["owner_person"],
                "place": place,
                "tax_code": both["tax_code"],
                "former_tax_code": both["former_tax_code"],
                "taxpayer_kind": words(("HKD", "DN"), is_firm.astype(np.int64)),
                "taxpayer_name": both["name"],
                "commune_code": codes(self.geo, place, 2),
                "tax_office": numbered("Thuế cơ sở {}", self._office[place]),
                "method": words(METHODS, method),
                "code_status": words(CODES, status),
                "debt_vnd": np.where(owing, np.round(debt), 0).astype(np.int64),
                "filed_on": to_date32(filed, ~silent & (filed >= both["registered"].to_numpy())),
                "updated_at": to_timestamp(changed, chance.integer("tax_status.second", mixed, OPEN, CLOSE)),
            }
        )

    def _firms(self, ids: Ints, day: int) -> Any:
        state = self.firms.state(day)
        by_status = np.zeros(4, np.int64)
        by_status[[ACTIVE, DISSOLVED, SUSPENDED, ABSENT]] = (0, 1, 3, 4)
        closing = self.chance.happens("tax_status.closing", ids, 0.6)  # most never finish closing
        status = by_status[state.status[ids]]
        return pa.table(
            {
                "place": self.firms.place_of(ids),
                "owner_person": pa.nulls(len(ids), pa.int64()),
                "tax_code": self.firms.codes(ids),
                "former_tax_code": pa.nulls(len(ids), pa.string()),
                "name": self.firms.names(ids),
                "status": np.where((status == 1) & closing, 2, status),
                "changed": state.changed[ids] // DAY,
                "registered": self.firms.registered(ids) // DAY,
            }
        )

    def _households(self, ids: Ints, day: int) -> Any:
        fact = self.households.facts(ids, day)
        return pa.table(
            {
                "place": fact.place,
                "owner_person": fact.owner,
                "tax_code": self.province.people.personal_ids(fact.owner),
                "former_tax_code": self.households.former_tax_codes(ids, fact.registered),
                "name": self.households.names(ids, fact.owner),
                "status": np.array([0, 3, 1])[fact.status],
                "changed": np.maximum(fact.changed, MERGER),  # all got their new tax code on 1 July 2025
                "registered": fact.registered,
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Taxpayers by kind."""
        return [
            Total("tax_status.enterprise", self.firms.count(day), "taxpayer"),
            Total("tax_status.household_business", self.households.count(day), "taxpayer"),
        ]
