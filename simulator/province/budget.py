"""Public money: who spends it, the monthly extract of the treasury, older months in sums.

Belongs here: the tables `budget_unit`, `budget_line`, `budget_month`. Stays out: projects (`budget_project`), the words
(`budget_words`).

The extract of a month is closed and sent on the 5th of the next one; a few lines of a closed month are corrected in the
90 days after that. Amounts are million VND, cumulated since January. Since July 2025 there are two local levels.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator import identifiers
from simulator.chance import Ids, Ints
from simulator.province import budget_words as vocabulary
from simulator.province.budget_project import PublicProject
from simulator.province.economy_course import BIG, Course, codes, month_names, month_start, months_out, published
from simulator.scale import split
from simulator.table import Table, Total, joined, padded, to_date32, words

if TYPE_CHECKING:
    from simulator.table import Province

LINES = 120_000  # of a month
ESTIMATE = 46_000_000  # million VND a year: what the local levels may spend; derived
FIRST, OUT_ON = date(2026, 10, 1), 5
CORRECTED = 0.0005  # of the lines of the last three months, every day
_SUBORDINATE = 140
LEVELS = ("2", "3", "4")  # province, district (until June 2025), commune
GROUPS = ("THU_NOI_DIA", "THU_XUAT_NHAP_KHAU", "CHI_DAU_TU", "CHI_THUONG_XUYEN", "CHI_CHUYEN_NGUON")
_MONTHLY = (4_300_000, 950_000, 1_900_000, 2_250_000, 180_000)  # million VND
_SHARES = {2: (0.62, 0.0, 0.38), 3: (0.50, 0.34, 0.16)}  # of the levels, by their number
HISTORY, DISTRICTS_END = date(2022, 1, 1), 42  # months with districts, from January 2022 to June 2025


_Unit = tuple[str, str, tuple[str, ...], int, int, int, int]


class _Units(NamedTuple):
    names: list[str]
    chapters: list[str]
    categories: list[tuple[str, ...]]
    provincial: Ints  # 1: of the province, 0: of a commune
    places: Ints
    schools: Ints  # -1: none
    facilities: Ints


class BudgetUnit(Table):
    """Units that spend the budget."""

    name = "budget_unit"
    key = ("unit_code",)
    doc = "One row per unit with a code for relations with the budget (QHNS); Circular 185/2015/TT-BTC."
    columns = {
        "place": "index of the place",
        "school": "id of the public school, null for others",
        "facility": "id of the public health facility, null for others",
        "unit_code": "seven digits; here they begin with 98, which none does",
        "unit_name": "name",
        "level": "2 province, 4 commune",
        "chapter": "chapter of the budget",
        "commune_code": "commune of today",
    }

    def count(self, day: int) -> int:
        """Always the same."""
        return len(self.units.names)

    def touched(self, day: int) -> Ints:
        """None ever changes."""
        return np.empty(0, np.int64)

    @cached_property
    def units(self) -> _Units:
        """All of them: bodies of the province, their units, units of the communes, public schools and facilities."""
        made: list[_Unit] = []
        seat = int(np.flatnonzero(self.geo.town_weight == self.geo.town_weight.max())[0])
        made += [(name, chapter, of, 1, seat, -1, -1) for name, (chapter, of) in vocabulary.BODIES.items()]
        places = self.chance.integer("budget_unit.place", np.arange(_SUBORDINATE), 0, self.geo.place_count - 1)
        for number in range(self.scale.of(_SUBORDINATE, least=12)):
            word, chapter, category = vocabulary.SUBORDINATE[number % len(vocabulary.SUBORDINATE)]
            place = int(places[number])
            made.append((f"{word} {self.geo.village[place]}", chapter, (category,), 1, place, -1, -1))
        for commune, name in enumerate(self.geo.commune_names):
            place = int(self.geo.places_of(commune)[0])
            for word, (chapter, of) in vocabulary.COMMUNE_UNITS.items():
                made.append((f"{word} {name[0].lower()}{name[1:]}", chapter, of, 0, place, -1, -1))
        made += self._schools() + self._facilities()
        names, chapters, categories, *numbers = zip(*made, strict=True)
        return _Units(list(names), list(chapters), list(categories), *(np.array(n, np.int64) for n in numbers))

    def _schools(self) -> list[_Unit]:
        table = self.province.table("school")
        rows = table.rows(np.arange(table.count(0)), 0)
        rows = rows.filter(pc.equal(rows["ownership"], "CONG_LAP")).select(["id", "place", "school_name", "level"])
        made: list[_Unit] = []
        for number, place, name, level in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            upper = int(level == "THPT")  # of the province, the others of their commune
            category = vocabulary.SCHOOL_CATEGORY.get(level, "073")
            made.append((name, vocabulary.SCHOOL_CHAPTER[upper], (category,), upper, place, number, -1))
        return made

    def _facilities(self) -> list[_Unit]:
        table = self.province.table("facility")
        rows = table.rows(np.arange(table.count(0)), 0)
        rows = rows.filter(pc.equal(rows["ownership"], "CONG")).select(["id", "place", "facility_name"])
        chapter, of = vocabulary.FACILITY_CHAPTER, (vocabulary.FACILITY_CATEGORY, "131")
        each = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        return [(str(name), chapter, of, 1, int(place), -1, int(number)) for number, place, name in each]

    def unit_codes(self, ids: Ids) -> Any:
        """Codes of units."""
        return joined("98", padded(identifiers.spread(ids, 100_000, factor=7_919, start=20_241), 5))

    def rows(self, ids: Ids, day: int) -> Any:
        """The list of units."""
        ids, of = np.asarray(ids, np.int64), self.units
        school, facility = of.schools[ids], of.facilities[ids]
        return pa.table(
            {
                "id": ids,
                "place": of.places[ids],
                "school": pa.array(school, mask=school < 0),
                "facility": pa.array(facility, mask=facility < 0),
                "unit_code": self.unit_codes(ids),
                "unit_name": words(of.names, ids),
                "level": words(("4", "2"), of.provincial[ids]),
                "chapter": words(of.chapters, ids),
                "commune_code": codes(self.geo, of.places[ids], 2),
            }
        )


class BudgetLine(Table):
    """Lines of the monthly extract of TABMIS."""

    name = "budget_line"
    key = ("period", "unit_code", "category", "item")
    doc = "One row per month, unit, category and item: what may be and has been spent since January; Circular 324/2016/TT-BTC."
    columns = {
        "budget_unit": "id of the unit",
        "period": "month, `2026-10`",
        "fiscal_year": "budget year",
        "level": "2 province, 4 commune",
        "unit_code": "code of the unit (QHNS)",
        "unit_name": "name of the unit",
        "chapter": "chapter",
        "category": "category (khoản)",
        "item": "item (tiểu mục)",
        "estimate_million_vnd": "estimate of the year, million VND",
        "executed_million_vnd": "spent since January, million VND",
        "is_corrected": "corrected after the month was closed",
        "posted_on": "day of closing or correction",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.size = self.scale.of(LINES)
        self._units: BudgetUnit = province.table("budget_unit")
        self._course = Course(self.chance, self.name, self.count, CORRECTED, window=self._open)

    def _open(self, day: int) -> int:
        """The first line that may still be corrected on a day: of the months closed in the last 90 days."""
        return months_out(FIRST, day - 91, OUT_ON) * self.size

    def count(self, day: int) -> int:
        """Lines of all months closed."""
        return months_out(FIRST, day, OUT_ON) * self.size

    def touched(self, day: int) -> Ints:
        """Lines of a month closed on that day, and corrections of earlier ones."""
        return np.concatenate([self._course.on(day), np.arange(self.count(day - 1), self.count(day))])

    @lru_cache(maxsize=2)  # noqa: B019 (one province lives as long as its tables)
    def estimates(self, year: int) -> Ints:
        """The estimate of every line of a year, in thousand VND: together exactly the total."""
        lines = np.arange(self.size)
        weight = np.exp(self.chance.normal("budget_line.estimate", lines * 64 + year - 2026) * 1.3)
        return split(round(ESTIMATE * 1000 * self.scale.factor), weight)

    def rows(self, ids: Ids, day: int) -> Any:
        """Lines as they stand at the end of a day."""
        ids, chance, of = np.asarray(ids, np.int64), self.chance, self._units.units
        month, line = np.divmod(ids, self.size)
        number, unit = np.divmod(line, len(of.names))
        starts = month_start(FIRST, month)
        year = starts.astype("datetime64[Y]").astype(np.int64) + 1970
        passed = starts.astype(np.int64) % 12 + 1  # months of the year
        estimate = np.zeros(len(ids), np.int64)
        for each in np.unique(year):
            estimate[year == each] = self.estimates(int(each))[line[year == each]]
        pace = 0.55 + 0.9 * chance.uniform("budget_line.pace", line)
        version = self._course.versions(max(day, 0)).last[ids].astype(np.int64)
        mend = np.where(version > 0, 1 + 0.08 * chance.normal("budget_line.mended", ids * BIG + version), 1.0)
        executed = np.round(estimate * np.minimum((passed / 12) ** pace * 0.97, 1.02) * mend)
        executed = np.where(chance.happens("budget_line.unspent", line, 0.04), 0.0, executed)
        step = 1 + chance.integer("budget_line.step", unit, 0, len(vocabulary.ITEMS) - 2)
        start = chance.integer("budget_line.start", unit, 0, len(vocabulary.ITEMS) - 1)
        turn, at = np.divmod(number, len(vocabulary.ITEMS))
        return pa.table(
            {
                "id": ids,
                "budget_unit": unit,
                "period": month_names(FIRST, month),
                "fiscal_year": year,
                "level": words(("4", "2"), of.provincial[unit]),
                "unit_code": self._units.unit_codes(unit),
                "unit_name": words(of.names, unit),
                "chapter": words(of.chapters, unit),
                "category": self._category(unit, turn),
                "item": words(vocabulary.ITEMS, (start + at * step) % len(vocabulary.ITEMS)),
                "estimate_million_vnd": estimate / 1000,
                "executed_million_vnd": np.maximum(executed, 0) / 1000,
                "is_corrected": version > 0,
                "posted_on": to_date32(np.where(version > 0, version, published(FIRST, month, OUT_ON))),
            }
        )

    def _category(self, unit: Ints, turn: Ints) -> Any:
        """The unit's own category; further ones when it has used up the items."""
        every = [(*of, "428", "429", "431") for of in self._units.units.categories]
        flat = [category for of in every for category in of]
        firsts = np.cumsum([0, *(len(of) for of in every)])
        return words(flat, firsts[unit] + turn)

    def totals(self, day: int) -> list[Total]:
        """Lines and sums of the last month closed."""
        last = np.arange(max(0, self.count(day) - self.size), self.count(day))
        rows = self.rows(last, day)
        return [
            Total("budget_line.of_a_month", len(last), "line", "derived: 1 to 2 million lines a year"),
            Total(
                "budget_line.estimate", round(pc.sum(rows["estimate_million_vnd"]).as_py(), 3), "million VND", "derived"
            ),
            Total("budget_line.executed", round(pc.sum(rows["executed_million_vnd"]).as_py(), 3), "million VND"),
        ]


class BudgetMonth(Table):
    """Months before the extract, in sums."""

    name = "budget_month"
    key = ("period", "level", "item_group")
    doc = (
        "One row per month from January 2022 to September 2026, level and group; the district level ends in June 2025."
    )
    columns = {
        "period": "month, `2022-01`",
        "level": "2 province, 3 district (until 2025-06), 4 commune",
        "item_group": "THU_NOI_DIA, THU_XUAT_NHAP_KHAU, CHI_DAU_TU, CHI_THUONG_XUYEN, CHI_CHUYEN_NGUON",
        "estimate_million_vnd": "a twelfth of the year's estimate, million VND",
        "executed_million_vnd": "of the month, million VND",
    }

    def count(self, day: int) -> int:
        """Always the same."""
        return len(self._rows)

    def touched(self, day: int) -> Ints:
        """Closed for good."""
        return np.empty(0, np.int64)

    @cached_property
    def _rows(self) -> Ints:
        """Month, level and group of every row."""
        months = int((np.datetime64(FIRST, "M") - np.datetime64(HISTORY, "M")).astype(np.int64))
        return np.array(
            [
                (month, level, group)
                for month in range(months)
                for level in range(3)
                if month < DISTRICTS_END or LEVELS[level] != "3"
                for group in range(len(GROUPS))
            ],
            np.int64,
        )

    def rows(self, ids: Ids, day: int) -> Any:
        """Sums of months."""
        ids = np.asarray(ids, np.int64)
        month, level, group = self._rows[ids].T
        levels = np.where(month < DISTRICTS_END, 3, 2)
        share = np.where(levels == 3, np.array(_SHARES[3])[level], np.array(_SHARES[2])[level])
        plan = np.array(_MONTHLY)[group] * share * 1.07 ** (month // 12) * self.scale.factor
        done = plan * (1 + 0.5 * (month % 12 == 11)) * np.exp(0.12 * self.chance.normal("budget_month.done", ids))
        return pa.table(
            {
                "id": ids,
                "period": month_names(HISTORY, month),
                "level": words(LEVELS, level),
                "item_group": words(GROUPS, group),
                "estimate_million_vnd": np.round(plan, 3),
                "executed_million_vnd": np.round(done, 3),
            }
        )


TABLES: tuple[type[Table], ...] = (BudgetUnit, BudgetLine, BudgetMonth, PublicProject)
