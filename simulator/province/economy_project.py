"""Investment projects and the amendments of their certificates.

Belongs here: the tables `investment_project` and `investment_amendment`. Stays out: zones (`economy_zones`).

Ids: foreign projects in the zones, domestic ones in them, those outside, then the projects of each day after day 0. The
published figure of August 2025 (2,805 in the zones) is taken as the stock of day 0.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Bools, Floats, Ids, Ints
from simulator.province import economy_words as vocabulary
from simulator.province.economy_course import codes
from simulator.province.economy_enterprise import Enterprise
from simulator.province.economy_firm import TRADES, ZONES
from simulator.scale import split
from simulator.table import Arrivals, Table, Total, date_of, day_of, joined, padded, to_date32, words

if TYPE_CHECKING:
    from simulator.table import Province

IN_ZONES, FOREIGN, OUTSIDE = 2_805, 2_010, 495  # the last is derived
NEW_IN_2025, AMENDED_IN_2025 = 322, 755
COUNTRIES = list(vocabulary.COUNTRIES)
# Projects licensed in each year, as weights; 2025 has its published figure.
_YEARS = {**{2003 + i: 20 + 7 * i for i in range(22)}, 2026: 270}
AREA, OCCUPANCY = 1_010_000, 0.56  # of the zones together, in hundredths of a hectare; share of the land to let
_LEASABLE, _FULL = 0.70, 0.97  # land to let of the area (the rest are roads, water, green); a zone is never quite full
_USUAL = AREA * _LEASABLE * OCCUPANCY / IN_ZONES  # land of a project, in hundredths of a hectare
STATUSES = ("HOAT_DONG", "DANG_TRIEN_KHAI", "CHUA_TRIEN_KHAI", "CHAM_DUT")
_PURPOSES = ("Sản xuất", "Gia công", "Lắp ráp", "Cho thuê nhà xưởng", "Kho bãi và dịch vụ hậu cần", "Xuất nhập khẩu")


class InvestmentProject(Table):
    """Projects with an investment certificate or approval."""

    name = "investment_project"
    key = ("project_code",)
    doc = "One row per investment project; Investment Law 61/2020/QH14, Decree 31/2021/NĐ-CP."
    columns = {
        "enterprise": "id of the firm that carries it out",
        "place": "index of the place",
        "project_code": "ten digits",
        "project_name": "name",
        "enterprise_code": "code of the firm",
        "investor_name": "name of the investor: the firm",
        "country": "country of a foreign investor, «Việt Nam» of others",
        "is_fdi": "foreign direct investment",
        "industrial_zone": "name of the zone, null outside",
        "commune_code": "commune of today",
        "industry_code": "VSIC",
        "purpose": "what for",
        "capital_usd": "registered capital, USD; null of domestic projects",
        "capital_million_vnd": "registered capital, million VND",
        "realised_million_vnd": "capital realised, million VND",
        "area_ha": "land, ha",
        "licensed_on": "day of the first certificate",
        "amendment_count": "amendments so far",
        "amended_on": "day of the last amendment, null without one",
        "status": "HOAT_DONG, DANG_TRIEN_KHAI, CHUA_TRIEN_KHAI, CHAM_DUT",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.firms: Enterprise = province.table("enterprise")
        self.foreign = self.scale.of(FOREIGN)
        self.inside = self.scale.of(IN_ZONES)
        self.stock = self.inside + self.scale.of(OUTSIDE)
        self.arrivals = Arrivals(NEW_IN_2025 * self.scale.factor / 365, 1)

    def count(self, day: int) -> int:
        """Projects ever licensed."""
        return self.stock + self.arrivals.through(day)

    def touched(self, day: int) -> Ints:
        """New projects and those amended; all of them when they have reported, each quarter."""
        if day < 1:
            return np.empty(0, np.int64)
        if _reported(day) == day:
            return np.arange(self.count(day), dtype=np.int64)
        amended = self.province.table("investment_amendment").projects_on(day)
        return np.union1d(amended, np.arange(self.count(day - 1), self.count(day)))

    # -- who and where -----------------------------------------------------------------------------------------------

    @cached_property
    def _pools(self) -> tuple[Ints, Ints, Ints]:
        """Firms of day 0, without branches, oldest first: foreign ones in zones, domestic ones in zones, others."""
        ids = np.arange(self.firms.firms)
        ids = ids[np.argsort(self.firms.registered(ids), kind="stable")]
        fdi, inside = self.firms.is_fdi(ids), self.firms.zone_of(ids) >= 0
        pools = ids[fdi], ids[inside & ~fdi], ids[~inside]
        return pools[0] if len(pools[0]) else ids[inside], pools[1] if len(pools[1]) else ids[inside], pools[2]

    def _group(self, ids: Ids) -> Ints:
        """0 foreign, 1 domestic in a zone, 2 outside."""
        ids = np.asarray(ids, np.int64)
        later = self.chance.pick("investment_project.group", ids, (70, 28, 2))
        known = np.where(ids < self.foreign, 0, np.where(ids < self.inside, 1, 2))
        return np.where(ids < self.stock, known, later)

    def firm_of(self, ids: Ids) -> Ints:
        """The firm of each project: early projects have old firms; projects after day 0 are drawn."""
        ids, group = np.asarray(ids, np.int64), self._group(ids)
        firsts = np.array([0, self.foreign, self.inside])
        sizes = np.diff(np.append(firsts, self.stock))
        found = np.zeros(len(ids), np.int64)
        for which, pool in enumerate(self._pools):
            here = group == which
            rank = (ids[here] - firsts[which]) * len(pool) // max(int(sizes[which]), 1)
            drawn = self.chance.integer("investment_project.firm", ids[here], 0, len(pool) - 1)
            found[here] = pool[np.where(ids[here] < self.stock, rank, drawn)]
        return found

    def zone_of(self, ids: Ids) -> Ints:
        """Index of the zone, -1 outside."""
        return np.where(self._group(ids) == 2, -1, self.firms.zone_of(self.firm_of(ids)))

    def is_fdi(self, ids: Ids) -> Bools:
        """Foreign projects."""
        return np.asarray(self._group(ids) == 0)

    def country_of(self, ids: Ids) -> Ints:
        """Index into `COUNTRIES`; every country has a project where there are enough of them."""
        ids = np.asarray(ids, np.int64)
        rank = self.chance.permutation("investment_project.country", self.foreign)
        each = min(1, self.foreign // len(COUNTRIES))
        counts = each + split(self.foreign - each * len(COUNTRIES), np.array(list(vocabulary.COUNTRIES.values())))
        known = np.repeat(np.arange(len(COUNTRIES)), counts)[rank]
        later = self.chance.pick("investment_project.new_country", ids, list(vocabulary.COUNTRIES.values()))
        stock = np.append(known, 0)[np.minimum(ids, self.foreign)]
        return np.where(ids < self.foreign, stock, later).astype(np.int64)

    def area(self, ids: Ids) -> Ints:
        """Land of each, in hundredths of a hectare: of day 0 together what the zones have let."""
        ids = np.asarray(ids, np.int64)
        stock = np.append(self._areas, 0)[np.minimum(ids, self.stock)]
        later = np.maximum(20, np.round(self._sizes(ids) * _USUAL * 0.6)).astype(np.int64)
        return np.where(ids < self.stock, stock, later)

    def _sizes(self, ids: Ids) -> Floats:
        return np.asarray(np.exp(self.chance.normal("investment_project.size", ids)), np.float64)

    @cached_property
    def leasable(self) -> Ints:
        """Land to let of each zone, in hundredths of a hectare."""
        return split(round(AREA * _LEASABLE), np.array([size for _, size in vocabulary.ZONES.values()]))

    @cached_property
    def leased(self) -> Ints:
        """Land let of each zone on day 0 in the whole province: together exactly the published share."""
        inside = np.arange(self.inside)
        wanted = np.bincount(self.zone_of(inside), self._sizes(inside), len(ZONES)) + 1e-6
        most = np.floor(self.leasable * _FULL).astype(np.int64)
        let: Ints = np.zeros(len(ZONES), np.int64)
        while (rest := round(AREA * _LEASABLE * OCCUPANCY) - int(let.sum())) > 0:
            let = np.minimum(most, let + split(rest, wanted * (let < most)))
        return let

    @cached_property
    def _areas(self) -> Ints:
        """Of the stock: the projects of a zone share out the land that it has let."""
        zone, size = self.zone_of(np.arange(self.stock)), self._sizes(np.arange(self.stock))
        area = np.round(_USUAL * size).astype(np.int64)
        for each, let in enumerate(self.leased):
            if (here := zone == each).any():
                area[here] = split(round(int(let) * self.scale.factor), size[here])
        return area

    # -- when --------------------------------------------------------------------------------------------------------

    @cached_property
    def licensed(self) -> Ints:
        """The day each project of the stock was licensed; of those in zones exactly the published number in 2025."""
        parts = []
        for low, high in ((0, self.foreign), (self.foreign, self.inside), (self.inside, self.stock)):
            size = high - low
            recent = 0
            if low < self.inside:  # both groups inside share the figure
                recent = self.scale.of(NEW_IN_2025) * self.foreign // max(self.inside, 1)
                recent = recent if low == 0 else self.scale.of(NEW_IN_2025) - recent
            recent = min(recent, size)
            others = split(size - recent, np.array(list(_YEARS.values())))
            years = np.sort(np.concatenate([np.repeat(list(_YEARS), others), np.full(recent, 2025)]))
            first = np.array([day_of(date(int(year), 1, 1)) for year in years])
            span = np.where(years == 2026, -first, 364)
            parts.append(
                np.sort(first + self.chance.integer("investment_project.licensed", np.arange(low, high), 0, span))
            )
        return np.concatenate(parts).astype(np.int64)

    def licensed_on(self, ids: Ids, day: int) -> Ints:
        """The day each was licensed."""
        ids = np.asarray(ids, np.int64)
        later = self.arrivals.days(np.maximum(ids - self.stock, 0), max(day, 1))
        return np.where(ids < self.stock, np.append(self.licensed, 0)[np.minimum(ids, self.stock)], later)

    def rows(self, ids: Ids, day: int) -> Any:
        """Projects as their certificates stand."""
        ids, chance, day = np.asarray(ids, np.int64), self.chance, max(day, 0)
        firm, zone, fdi = self.firm_of(ids), self.zone_of(ids), self.is_fdi(ids)
        amendments = self.province.table("investment_amendment").of_projects(day)
        times, last, added = (column[ids] for column in amendments)
        million_usd = np.round(self._sizes(ids) * 11.0 + 0.2, 2)
        million_usd = np.round(million_usd * (1 + added / 100), 2)
        usd = np.where(fdi, million_usd * 1e6, 0).astype(np.int64)
        vnd = np.round(million_usd * 25_400 * np.where(fdi, 1.0, 0.35))
        licensed = self.licensed_on(ids, day)
        years = (_reported(day) - licensed) / 365
        done = np.clip(years / 4, 0, 1) * (0.55 + 0.45 * chance.uniform("investment_project.realised", ids))
        status = np.where(years < 0.8, 2, np.where(years < 2.5, 1, 0))
        status = np.where(chance.happens("investment_project.ended", ids, 0.02) & (years > 3), 3, status)
        trade, purpose = (
            self.firms.trade_of(firm),
            chance.integer("investment_project.purpose", ids, 0, len(_PURPOSES) - 1),
        )
        industries = [code for pair in vocabulary.TRADES.values() for code in pair]
        name = joined("Dự án ", pc.utf8_lower(words(_PURPOSES, purpose)), " ", pc.utf8_lower(words(TRADES, trade)), " ")
        place = self.firms.place_of(firm)
        return pa.table(
            {
                "id": ids,
                "enterprise": firm,
                "place": place,
                "project_code": joined(
                    "99", padded(chance.integer("investment_project.code", ids, 0, 999), 3), padded(ids, 5)
                ),
                "project_name": joined(name, self.firms.own_names(firm)),
                "enterprise_code": self.firms.codes(firm),
                "investor_name": self.firms.names(firm),
                "country": words([*COUNTRIES, "Việt Nam"], np.where(fdi, self.country_of(ids), len(COUNTRIES))),
                "is_fdi": fdi,
                "industrial_zone": words(ZONES, zone, valid=zone >= 0),
                "commune_code": codes(self.geo, place, 2),
                "industry_code": words(industries, trade * 2),
                "purpose": words(_PURPOSES, purpose),
                "capital_usd": pa.array(usd, mask=~fdi),
                "capital_million_vnd": vnd,
                "realised_million_vnd": np.round(vnd * done),
                "area_ha": self.area(ids) / 100,
                "licensed_on": to_date32(licensed),
                "amendment_count": times,
                "amended_on": to_date32(last, times > 0),
                "status": words(STATUSES, status),
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Projects in zones, foreign ones, countries; licensed and amended in 2025."""
        ids = np.arange(self.count(day))
        inside, fdi = self.zone_of(ids) >= 0, self.is_fdi(ids)
        in_2025 = np.array([date_of(d).year == 2025 for d in self.licensed_on(ids, day)])
        source, exact = "published by the province, 8/2025 and year 2025", day <= 0
        return [
            Total("investment_project.in_zones", int(inside.sum()), "project", source, exact),
            Total("investment_project.fdi_in_zones", int((inside & fdi).sum()), "project", source, exact),
            Total(
                "investment_project.countries", len(set(self.country_of(ids[fdi]).tolist())), "country", source, exact
            ),
            Total("investment_project.new_in_2025", int((in_2025 & inside).sum()), "project", source, True),
        ]


def _reported(day: int) -> int:
    """The last day, by the end of this one, on which projects reported: the 15th after each quarter."""
    on = date_of(day)
    months = [date(year, month, 15) for year in (on.year - 1, on.year) for month in (1, 4, 7, 10)]
    return day_of(max(each for each in months if each <= on))


class _Amendments(NamedTuple):
    """Amendments in the order of their days: project, number within it, day, by how many per cent the capital rose."""

    project: Ints
    number: Ints
    day: Ints
    rise: Ints


class InvestmentAmendment(Table):
    """Amendments of investment certificates."""

    name = "investment_amendment"
    key = ("project_code", "amendment_no")
    doc = "One row per amendment of the certificate of a project in a zone: 755 in 2025."
    columns = {
        "project": "id of the investment project",
        "enterprise": "id of the firm that carries it out",
        "project_code": "ten digits",
        "amendment_no": "number within the project, from 1 on",
        "amended_on": "day of the amendment",
        "kind": "TANG_VON, MUC_TIEU, TIEN_DO, DIA_DIEM",
        "capital_rise_percent": "rise of the registered capital, %; 0 for other kinds",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.projects: InvestmentProject = province.table("investment_project")
        self.arrivals = Arrivals(AMENDED_IN_2025 * self.scale.factor / 365, 1)

    @cached_property
    def _history(self) -> tuple[Ints, Ints]:
        """Days and projects of the amendments up to day 0: exactly the published number in 2025."""
        years = {2019: 420, 2020: 380, 2021: 460, 2022: 540, 2023: 610, 2024: 690, 2025: AMENDED_IN_2025, 2026: 660}
        per_year = [self.scale.of(size) for size in years.values()]
        first = np.repeat([day_of(date(year, 1, 1)) for year in years], per_year)
        span = np.repeat([364 if year < 2026 else -day_of(date(2026, 1, 1)) for year in years], per_year)
        ids = np.arange(len(first))
        days = np.sort(first + self.chance.integer("investment_amendment.day", ids, 0, span))
        licensed = self.projects.licensed[: self.projects.inside]
        order = np.argsort(licensed, kind="stable")
        eligible = np.maximum(np.searchsorted(licensed[order], days), 1)  # licensed before that day
        return days, order[self.chance.integer("investment_amendment.project", ids, 0, eligible - 1)].astype(np.int64)

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def _all(self, day: int) -> _Amendments:
        days, project = self._history
        ids = np.arange(self.arrivals.through(day))
        later = self.chance.integer("investment_amendment.later", ids, 0, self.projects.inside - 1)
        days = np.concatenate([days, self.arrivals.days(ids, max(day, 1))])
        project = np.concatenate([project, later])
        order = np.lexsort((np.arange(len(project)), project))
        number = np.empty(len(project), np.int64)
        starts = np.flatnonzero(np.diff(project[order], prepend=-1))
        number[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order)))) + 1
        every = np.arange(len(project))
        rises = self.chance.happens("investment_amendment.rises", every, 0.45)
        rise = np.where(rises, self.chance.integer("investment_amendment.rise", every, 5, 60), 0)
        return _Amendments(project, number, days, rise)

    def projects_on(self, day: int) -> Ints:
        """Projects amended on a day after day 0."""
        all_of = self._all(day)
        return np.unique(all_of.project[all_of.day == day]) if day > 0 else np.empty(0, np.int64)

    @lru_cache(maxsize=3)  # noqa: B019
    def of_projects(self, day: int) -> tuple[Ints, Ints, Ints]:
        """By project: how many amendments, the day of the last, the rise of the capital in per cent of the first."""
        all_of, size = self._all(max(day, 0)), self.projects.count(day)
        last, rise = np.zeros(size, np.int64), np.zeros(size, np.int64)
        last[all_of.project] = all_of.day
        np.add.at(rise, all_of.project, all_of.rise)
        return np.bincount(all_of.project, minlength=size), last, rise

    def count(self, day: int) -> int:
        """Amendments up to a day."""
        return len(self._all(max(day, 0)).project)

    def touched(self, day: int) -> Ints:
        """The day's amendments."""
        return np.arange(self.count(day - 1), self.count(day)) if day > 0 else np.empty(0, np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        """Amendments."""
        ids = np.asarray(ids, np.int64)
        project, number, days, rise = (column[ids] for column in self._all(max(day, 0)))
        other = 1 + self.chance.integer("investment_amendment.kind", ids, 0, 2)
        serial = padded(self.chance.integer("investment_project.code", project, 0, 999), 3)
        return pa.table(
            {
                "id": ids,
                "project": project,
                "enterprise": self.projects.firm_of(project),
                "project_code": joined("99", serial, padded(project, 5)),
                "amendment_no": number,
                "amended_on": to_date32(days),
                "kind": words(("TANG_VON", "MUC_TIEU", "TIEN_DO", "DIA_DIEM"), np.where(rise > 0, 0, other)),
                "capital_rise_percent": rise,
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Amendments in 2025."""
        low, high = day_of(date(2025, 1, 1)), day_of(date(2025, 12, 31))
        days = self._all(max(day, 0)).day
        found = int(np.sum((days >= low) & (days <= high)))
        return [Total("investment_amendment.in_2025", found, "amendment", "published by the province, 2025", True)]
