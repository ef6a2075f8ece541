"""Labour: what employers report of their staff twice a year.

Belongs here: the table `labour_report`. Stays out: firms (`economy_enterprise`).

A report is due on 5 June and 5 December (Decree 145/2020/NĐ-CP, article 4); some come late, many never. Reports lie in the
order of the days on which they came.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.table import Table, Total, day_of, to_date32, words

REPORTING, LATE = 0.58, 0.12  # shares of the firms at work, and of their reports: derived
_EARLIEST, _LATEST = 25, 30  # days before and after the day on which it is due
_FIRST_YEAR = 2025
_SIZES = (5.0, 40.0, 120.0)  # median staff: outside the zones, inside, and of foreign firms inside
_DISSOLVED, _DAY = 2, 86_400


def due(period: int) -> int:
    """The day on which reports of a period are due; period 0 is the second half of 2025."""
    return day_of(date(_FIRST_YEAR + (period + 1) // 2, 6 if period % 2 else 12, 5))


def title(period: int) -> str:
    """`2025-2`: the second half of 2025."""
    return f"{_FIRST_YEAR + (period + 1) // 2}-{1 if period % 2 else 2}"


class LabourReport(Table):
    """Employers' reports on the use of labour."""

    name = "labour_report"
    key = ("enterprise_code", "period")
    doc = "One row a firm and half-year, as reported by the employer; Decree 145/2020/NĐ-CP"
    columns = {
        "enterprise": "id of the firm",
        "place": "place (index of geography)",
        "enterprise_code": "tax code of the firm",
        "period": "half-year: 2026-1",
        "commune_code": "commune of today",
        "employee_count": "staff at the end of the period",
        "female_count": "of them women",
        "foreign_count": "of them foreigners",
        "indefinite_count": "of them with a contract without end",
        "insured_count": "of them in compulsory social insurance",
        "mean_wage_vnd": "mean wage, VND a month",
        "reported_on": "day on which the report came",
        "is_late": "it came after the day on which it was due",
    }

    @lru_cache(maxsize=64)  # noqa: B019 (one province lives as long as its tables)
    def _came(self, period: int) -> tuple[Ints, Ints]:
        """The firms that report a period, and the day of each, in the order of the days."""
        firms, chance = self.province.table("enterprise"), self.chance
        ids = np.arange(firms.firms)
        at_work = (firms.state(0).status[ids] != _DISSOLVED) & (firms.registered(ids) // _DAY < due(period) - 60)
        ids = ids[at_work]
        ids = ids[chance.happens("labour_report.sent", ids * 4096 + period, REPORTING)]
        event = ids * 4096 + period
        early = -chance.integer("labour_report.early", event, 0, _EARLIEST)
        late = chance.integer("labour_report.late_by", event, 1, _LATEST)
        days = due(period) + np.where(chance.happens("labour_report.late", event, LATE), late, early)
        order = np.argsort(days, kind="stable")
        return ids[order], days[order]

    def _periods(self, day: int) -> int:
        """How many periods have any report by the end of a day."""
        periods = 0
        while due(periods) - _EARLIEST <= max(day, 0):
            periods += 1
        return periods

    def count(self, day: int) -> int:
        days = [self._came(period)[1] for period in range(self._periods(day))]
        return sum(int(np.searchsorted(each, max(day, 0), side="right")) for each in days)

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def _reports(self, ids: Ids, day: int) -> tuple[Ints, Ints, Ints]:
        """Firm, period and day of each."""
        known = [self._came(period) for period in range(self._periods(day))]
        period = np.repeat(np.arange(len(known)), [len(firms) for firms, _ in known])
        firm, on = (np.concatenate([each[i] for each in known]) for i in range(2))
        return firm[ids], period[ids], on[ids]

    def _staff(self, firm: Ints, period: Ints) -> Ints:
        firms, chance = self.province.table("enterprise"), self.chance
        kind = np.where(firms.zone_of(firm) >= 0, np.where(firms.is_fdi(firm), 2, 1), 0)
        base = np.array(_SIZES)[kind] * np.exp(1.1 * chance.normal("labour_report.size", firm))
        change = 1 + 0.05 * chance.normal("labour_report.change", firm * 4096 + period)
        return np.asarray(np.maximum(np.rint(base * np.maximum(change, 0.6)), 1), np.int64)

    def totals(self, day: int) -> list[Total]:
        """Reports, and the staff reported for each period."""
        firm, period, _ = self._reports(np.arange(self.count(day)), day)
        staff = np.bincount(period, weights=self._staff(firm, period), minlength=self._periods(day)).astype(np.int64)
        of_period = [Total(f"labour_report.staff.{title(p)}", int(n), "person") for p, n in enumerate(staff)]
        return [Total("labour_report.count", len(firm), "report", "derived: 58 % of the firms report"), *of_period]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        firms = self.province.table("enterprise")
        firm, period, on = self._reports(ids, day)
        event, staff, place = firm * 4096 + period, self._staff(firm, period), firms.place_of(firm)
        fdi = firms.is_fdi(firm)

        def part(name: str, low: Any, high: Any) -> Ints:
            share = low + (high - low) * chance.uniform(f"labour_report.{name}", event)
            return np.asarray(np.floor(staff * share), np.int64)

        wage = 7.2 + 2.4 * fdi + np.abs(chance.normal("labour_report.wage", event)) * 2.2  # million VND
        return pa.table(
            {
                "id": ids,
                "enterprise": firm,
                "place": place,
                "enterprise_code": firms.codes(firm),
                "period": words([title(p) for p in range(self._periods(day))], period),
                "commune_code": words(list(self.geo.code_e2), place),
                "employee_count": staff,
                "female_count": part("female", np.where(fdi, 0.45, 0.25), np.where(fdi, 0.75, 0.6)),
                "foreign_count": part("foreign", 0.0, np.where(fdi, 0.04, 0.002)),
                "indefinite_count": part("indefinite", 0.4, 0.9),
                "insured_count": part("insured", np.where(fdi, 0.94, 0.6), 1.0),
                "mean_wage_vnd": np.rint(wage * 100).astype(np.int64) * 10_000,
                "reported_on": to_date32(on),
                "is_late": on > np.array([due(p) for p in range(self._periods(day))])[period] if len(ids) else on > 0,
            }
        )


TABLES: tuple[type[Table], ...] = (LabourReport,)
