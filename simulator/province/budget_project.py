"""Projects of public investment.

Belongs here: the table `public_project`. Stays out: the treasury's extract (`budget`), private investment
(`economy_project`).

Every month on the 10th all projects report what they have been paid; a project new in the year has its plan from then on.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulator import identifiers
from simulator.chance import Ids, Ints
from simulator.province import budget_words as vocabulary
from simulator.province.economy_course import Register, codes
from simulator.province.economy_firm import TRADES
from simulator.table import Total, date_of, day_of, joined, numbered, padded, to_date32, words

if TYPE_CHECKING:
    from simulator.table import Province

_REPORT = 10  # day of the month


class PublicProject(Register):
    """Projects of public investment."""

    name = "public_project"
    key = ("project_code",)
    doc = "One row per project of public investment, with its code for relations with the budget; Law 58/2024/QH15."
    columns = {
        "place": "index of the place",
        "budget_unit": "id of the unit that owns it",
        "contractor_enterprise": "id of the firm that builds it",
        "project_code": "seven digits (QHNS); here they begin with 99, which none does",
        "project_name": "name",
        "owner_code": "code of the owner (QHNS)",
        "owner_name": "name of the owner",
        "contractor_code": "enterprise code of the contractor",
        "contractor_name": "name of the contractor",
        "sector": "sector",
        "project_group": "A, B, C",
        "level": "2 province, 4 commune",
        "commune_code": "commune of today",
        "total_million_vnd": "total investment, million VND",
        "plan_million_vnd": "plan of the year, million VND",
        "disbursed_million_vnd": "paid this year, million VND",
        "cumulative_million_vnd": "paid since the beginning, million VND",
        "start_year": "first year",
        "end_year": "last year",
        "status": "DANG_THI_CONG, CHUAN_BI, HOAN_THANH",
        "reported_on": "day of the last report",
    }
    total = 3_000  # K-low
    new_a_year = 260.0
    least = 60

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._firms = province.table("enterprise")
        self._units = province.table("budget_unit")

    def touched(self, day: int) -> Ints:
        """New projects; all of them on the day of the monthly report."""
        if day > 0 and date_of(day).day == _REPORT:
            return np.arange(self.count(day), dtype=np.int64)
        return super().touched(day)

    def _contractors(self, ids: Ids) -> Ints:
        """A firm that builds, of those that were there on day 0."""
        builders = np.flatnonzero(self._firms.trade_of(np.arange(self._firms.firms)) == TRADES.index("XÂY DỰNG"))
        return self.province.people.pick_from(builders, "public_project.contractor", ids)

    def rows(self, ids: Ids, day: int) -> Any:
        """Projects as last reported."""
        ids, chance, day = np.asarray(ids, np.int64), self.chance, max(day, 0)
        arrived, reported = self.arrived(ids, day), _reported(day)
        on = date_of(reported)
        unit = chance.integer("public_project.owner", ids, 0, self._units.count(0) - 1)
        bodies = len(vocabulary.BODIES)
        unit = np.where(chance.happens("public_project.of_body", ids, 0.3), unit % bodies, unit)
        place = self._units.units.places[unit]
        place = np.where(unit < bodies, chance.integer("public_project.place", ids, 0, self.geo.place_count - 1), place)
        began = np.where(arrived > 0, _years(arrived), chance.integer("public_project.start", ids, 2021, 2026))
        years = chance.integer("public_project.years", ids, 2, 5)
        size = np.exp(chance.normal("public_project.size", ids) * 1.3 + np.where(unit < bodies, 10.6, 9.0))
        whole = np.maximum(np.round(size, 1), 500.0)
        now = np.clip(on.year - began, 0, None)
        before = np.minimum(now / years, 0.92)
        plan = np.where(now < years, np.round(whole * np.minimum(1 / years, 1 - before), 1), 0.0)
        pace = 0.6 + 1.3 * chance.uniform("public_project.pace", ids * 64 + on.year - 2020)
        first = np.maximum(np.where(began == on.year, np.maximum(arrived - day_of(date(on.year, 1, 1)), 30), 0), 0)
        gone = np.clip((reported - day_of(date(on.year, 1, 1)) - first) / 365, 0, 1)
        paid = np.round(plan * np.minimum(gone**pace, 1.0), 1)
        status = np.where(now >= years, 2, np.where((paid == 0) & (now == 0), 1, 0))
        contractor = self._contractors(ids)
        work = chance.integer("public_project.work", ids, 0, len(vocabulary.WORKS) - 1)
        name = joined(words(list(vocabulary.WORKS), work), " ", words(list(self.geo.village), place))
        stage = numbered(" (giai đoạn {})", chance.integer("public_project.stage", ids, 1, 3))
        return pa.table(
            {
                "id": ids,
                "place": place,
                "budget_unit": unit,
                "contractor_enterprise": contractor,
                "project_code": joined("99", padded(identifiers.spread(ids, 100_000, factor=7_919, start=77_003), 5)),
                "project_name": joined(name, stage),
                "owner_code": self._units.unit_codes(unit),
                "owner_name": words(self._units.units.names, unit),
                "contractor_code": self._firms.codes(contractor),
                "contractor_name": self._firms.names(contractor),
                "sector": words(list(vocabulary.WORKS.values()), work),
                "project_group": words(("C", "B", "A"), (whole > 80_000).astype(np.int64) + (whole > 1_500_000)),
                "level": words(("4", "2"), self._units.units.provincial[unit]),
                "commune_code": codes(self.geo, place, 2),
                "total_million_vnd": whole,
                "plan_million_vnd": plan,
                "disbursed_million_vnd": paid,
                "cumulative_million_vnd": np.round(whole * before + paid, 1),
                "start_year": began,
                "end_year": began + years - 1,
                "status": words(("DANG_THI_CONG", "CHUAN_BI", "HOAN_THANH"), status),
                "reported_on": to_date32(np.where((arrived > 0) & (arrived > reported), arrived, reported)),
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Projects, the year's plan and what is paid of it."""
        rows = self.rows(np.arange(self.count(day)), day)
        plan, paid = (float(rows[f"{n}_million_vnd"].to_numpy().sum()) for n in ("plan", "disbursed"))
        return [
            Total("public_project.count", self.count(day), "project", "7.4 of domain: ~3,000"),
            Total("public_project.plan", round(plan, 1), "million VND"),
            Total("public_project.disbursed", round(paid, 1), "million VND"),
        ]


def _years(days: Ints) -> Ints:
    """Calendar years of days."""
    return np.array([date_of(int(day)).year for day in days.ravel()], np.int64).reshape(days.shape)


def _reported(day: int) -> int:
    """The last day of a report by the end of this one."""
    on = date_of(day)
    month = on.replace(day=_REPORT)
    if month > on:
        month = date(on.year - (on.month == 1), (on.month - 2) % 12 + 1, _REPORT)
    return day_of(month)
