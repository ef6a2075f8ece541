"""Where industry stands: industrial zones, clusters, craft villages.

Belongs here: the tables `industrial_zone`, `industrial_cluster`, `craft_village`; like communes they do not shrink with
the scale. Stays out: the projects in the zones (`economy_project`).
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province import economy_words as vocabulary
from simulator.province.economy_course import BIG, Course, codes
from simulator.province.economy_firm import ZONES, zone_places
from simulator.province.economy_project import InvestmentProject
from simulator.table import Table, Total, day_of, joined, padded, to_date32, words

if TYPE_CHECKING:
    from simulator.table import Province

CRAFTS = ("Gỗ mỹ nghệ", "Gốm", "Đúc đồng", "Tranh dân gian", "Giấy", "Rượu", "Mỳ, bánh", "Mây tre đan", "Sắt thép")
_NO_DAYS = np.empty(0, np.int64)


class IndustrialZone(Table):
    """Industrial zones."""

    name = "industrial_zone"
    key = ("zone_code",)
    doc = "One row per industrial zone; Decree 35/2022/NĐ-CP. 33 zones, 10,100 ha, 56 % of the land to let is let."
    columns = {
        "place": "index of the place of its gate",
        "developer_enterprise": "id of the firm that runs it",
        "zone_code": "`KCN01`",
        "zone_name": "name",
        "commune_code": "commune of today",
        "developer_name": "name of the firm that runs it",
        "area_ha": "area, ha",
        "leasable_ha": "land that may be let, ha",
        "leased_ha": "land let, ha",
        "occupancy_percent": "land let of that which may be let, %",
        "project_count": "projects in it",
        "fdi_project_count": "foreign ones among them",
        "established_on": "day of the decision",
        "status": "HOAT_DONG, DANG_XAY_DUNG",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.projects: InvestmentProject = province.table("investment_project")

    def count(self, day: int) -> int:
        """33, always."""
        return len(ZONES)

    def touched(self, day: int) -> Ints:
        """Zones that got a project on a day."""
        if day < 1:
            return _NO_DAYS
        new = np.arange(self.projects.count(day - 1), self.projects.count(day))
        zones = self.projects.zone_of(new)
        return np.unique(zones[zones >= 0])

    @cached_property
    def area(self) -> Ints:
        """Area of each, in hundredths of a hectare."""
        return np.array([tenths * 10 for _, tenths in vocabulary.ZONES.values()], np.int64)

    def leased(self, day: int) -> Ints:
        """Land let of each, in hundredths of a hectare: every project after day 0 adds its own."""
        let = self.projects.leased.copy()
        new = np.arange(self.projects.count(0), self.projects.count(day))
        zones = self.projects.zone_of(new)
        np.add.at(let, zones[zones >= 0], self.projects.area(new)[zones >= 0])
        return np.minimum(let, self.projects.leasable)

    def rows(self, ids: Ids, day: int) -> Any:
        """The list of zones."""
        ids, firms = np.asarray(ids, np.int64), self.province.table("enterprise")
        place = zone_places(self.province)[ids]
        leased, leasable = self.leased(day)[ids], self.projects.leasable[ids]
        known = np.arange(self.projects.count(day))
        zone, fdi = self.projects.zone_of(known), self.projects.is_fdi(known)
        inside, foreign = (
            np.bincount(z, minlength=len(ZONES))[ids] for z in (zone[zone >= 0], zone[(zone >= 0) & fdi])
        )
        developer = self.chance.integer("industrial_zone.developer", ids, 0, firms.firms - 1)
        founded = self.chance.integer(
            "industrial_zone.founded", ids, day_of(date(1998, 12, 18)), day_of(date(2024, 1, 1))
        )
        return pa.table(
            {
                "id": ids,
                "place": place,
                "developer_enterprise": developer,
                "zone_code": joined("KCN", padded(ids + 1, 2)),
                "zone_name": words(ZONES, ids),
                "commune_code": codes(self.geo, place, 2),
                "developer_name": firms.names(developer),
                "area_ha": self.area[ids] / 100,
                "leasable_ha": leasable / 100,
                "leased_ha": leased / 100,
                "occupancy_percent": np.round(leased / leasable * 100, 2),
                "project_count": inside,
                "fdi_project_count": foreign,
                "established_on": to_date32(founded),
                "status": words(("HOAT_DONG", "DANG_XAY_DUNG"), (leased * 3 < leasable).astype(np.int64)),
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Zones, area, occupancy."""
        source = "published by the province"
        share = float(self.leased(day).sum() / self.projects.leasable.sum() * 100)
        return [
            Total("industrial_zone.count", len(ZONES), "zone", source, True),
            Total("industrial_zone.area", float(self.area.sum() / 100), "ha", source, True),
            Total("industrial_zone.occupancy", round(share, 2), "%", source, day <= 0),
        ]


class _Places(Table):
    """A list of places that does not grow; a few records are reported anew every day."""

    total: ClassVar[int]
    share: ClassVar[float] = 0.02

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._course = Course(self.chance, self.name, self.count, self.share)

    def count(self, day: int) -> int:
        """Always the same."""
        return self.total

    def touched(self, day: int) -> Ints:
        """Those reported anew."""
        return self._course.on(day)

    def mixed(self, ids: Ints, day: int) -> tuple[Ints, Ints]:
        """Ids mixed with the day of the last report, for draws; and that day."""
        version = self._course.versions(max(day, 0)).last[ids].astype(np.int64)
        return ids * BIG + version, version


class IndustrialCluster(_Places):
    """Industrial clusters."""

    name = "industrial_cluster"
    key = ("cluster_code",)
    doc = "One row per industrial cluster; Decree 32/2024/NĐ-CP."
    columns = {
        "place": "index of the place",
        "cluster_code": "`CCN01`",
        "cluster_name": "name",
        "commune_code": "commune of today",
        "area_ha": "area, ha",
        "leased_ha": "land let, ha",
        "firm_count": "firms at work in it",
        "worker_count": "people at work in it, persons",
        "status": "HOAT_DONG, DANG_XAY_DUNG, QUY_HOACH",
        "updated_on": "day of the last report",
    }
    total = 70  # derived

    def rows(self, ids: Ids, day: int) -> Any:
        """The list of clusters."""
        ids, chance = np.asarray(ids, np.int64), self.chance
        mixed, version = self.mixed(ids, day)
        place = chance.permutation("industrial_cluster.place", self.geo.place_count)[ids].astype(np.int64)
        area = chance.integer("industrial_cluster.area", ids, 60, 750)
        status = chance.pick("industrial_cluster.status", ids, (72, 18, 10))
        let = np.where(status == 2, 0.0, area * (0.2 + 0.78 * chance.uniform("industrial_cluster.leased", mixed)))
        firms = np.round(let / 10 * 1.1 * self.scale.factor).astype(np.int64)
        return pa.table(
            {
                "id": ids,
                "place": place,
                "cluster_code": joined("CCN", padded(ids + 1, 2)),
                "cluster_name": joined("CCN ", words(list(self.geo.village), place)),
                "commune_code": codes(self.geo, place, 2),
                "area_ha": area / 10,
                "leased_ha": np.round(let / 10, 1),
                "firm_count": firms,
                "worker_count": firms * chance.integer("industrial_cluster.workers", mixed, 8, 90),
                "status": words(("HOAT_DONG", "DANG_XAY_DUNG", "QUY_HOACH"), status),
                "updated_on": to_date32(
                    np.where(version > 0, version, -chance.integer("industrial_cluster.updated", ids, 0, 300))
                ),
            }
        )


class CraftVillage(_Places):
    """Craft villages."""

    name = "craft_village"
    key = ("village_code",)
    doc = "One row per recognised craft village; Decree 52/2018/NĐ-CP."
    columns = {
        "place": "index of the place",
        "village_code": "`LN001`",
        "village_name": "name",
        "commune_code": "commune of today",
        "craft": "the craft",
        "household_count": "households at the craft",
        "worker_count": "people at the craft, persons",
        "recognised_year": "year of recognition",
        "is_traditional": "older than fifty years",
        "updated_on": "day of the last report",
    }
    total = 101  # derived
    share = 0.01

    def rows(self, ids: Ids, day: int) -> Any:
        """The list of craft villages."""
        ids, chance = np.asarray(ids, np.int64), self.chance
        mixed, version = self.mixed(ids, day)
        place = chance.permutation("craft_village.place", self.geo.place_count)[ids].astype(np.int64)
        craft = chance.integer("craft_village.craft", ids, 0, len(CRAFTS) - 1)
        households = chance.integer("craft_village.households", mixed, 30, 900) * self.scale.factor
        households = np.maximum(np.round(households), 3).astype(np.int64)
        return pa.table(
            {
                "id": ids,
                "place": place,
                "village_code": joined("LN", padded(ids + 1, 3)),
                "village_name": joined("Làng nghề ", words(list(self.geo.village), place)),
                "commune_code": codes(self.geo, place, 2),
                "craft": words(CRAFTS, craft),
                "household_count": households,
                "worker_count": households * chance.integer("craft_village.workers", mixed, 2, 6),
                "recognised_year": chance.integer("craft_village.year", ids, 1998, 2023),
                "is_traditional": chance.happens("craft_village.traditional", ids, 0.4),
                "updated_on": to_date32(
                    np.where(version > 0, version, -chance.integer("craft_village.updated", ids, 0, 500))
                ),
            }
        )
