"""Land use planning: what each commune's land is to be used for.

Belongs here: the table `land_use_plan`. Stays out: parcels and their present use (`land`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.scale import split
from simulator.table import Table, Total, words

# Code of use -> (name, group, share of the land in 2025, and change until 2030); Circular 08/2024/TT-BTNMT, derived.
USES = {
    "LUC": ("Đất chuyên trồng lúa", "NNP", 0.300, -0.16),
    "HNK": ("Đất trồng cây hằng năm khác", "NNP", 0.055, -0.10),
    "CLN": ("Đất trồng cây lâu năm", "NNP", 0.130, -0.05),
    "RSX": ("Đất rừng sản xuất", "NNP", 0.160, -0.03),
    "RPH": ("Đất rừng phòng hộ", "NNP", 0.045, 0.0),
    "NTS": ("Đất nuôi trồng thủy sản", "NNP", 0.035, -0.05),
    "ONT": ("Đất ở tại nông thôn", "PNN", 0.080, 0.06),
    "ODT": ("Đất ở tại đô thị", "PNN", 0.025, 0.28),
    "SKK": ("Đất khu công nghiệp", "PNN", 0.022, 0.95),
    "SKN": ("Đất cụm công nghiệp", "PNN", 0.006, 0.80),
    "DGT": ("Đất công trình giao thông", "PNN", 0.062, 0.18),
    "DTL": ("Đất công trình thủy lợi", "PNN", 0.028, 0.02),
    "DGD": ("Đất cơ sở giáo dục và đào tạo", "PNN", 0.006, 0.15),
    "DYT": ("Đất cơ sở y tế", "PNN", 0.001, 0.20),
    "CQP": ("Đất quốc phòng", "PNN", 0.020, 0.02),
    "SON": ("Đất có mặt nước dạng sông, ngòi, kênh, rạch, suối", "PNN", 0.022, 0.0),
    "CSD": ("Đất chưa sử dụng", "CSD", 0.003, -0.60),
}
YEARS = (2025, 2026, 2030)  # what is, the plan of the year, the aim of the period


class LandUsePlan(Table):
    """Land by use: present, planned for the year, aimed at."""

    name = "land_use_plan"
    key = ("commune_code", "year", "use_code")
    doc = "One row a commune of today, year and use; the uses of a year add up to the commune's land; Land Law 31/2024/QH15"
    columns = {
        "commune_code": "commune of today",
        "year": "2025 inventory, 2026 plan of the year, 2030 aim of the period",
        "use_code": "code of the use",
        "use_name": "name of the use",
        "use_group": "NNP agricultural, PNN not, CSD unused",
        "area_m2": "area, m²",
    }

    def count(self, day: int) -> int:
        return len(self.geo.commune_codes) * len(YEARS) * len(USES)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def _areas(self) -> Ints:
        """Area in m² by commune, year and use; units of 100 m², as plans have them."""
        communes, uses = len(self.geo.commune_codes), len(USES)
        cells = np.arange(communes * uses).reshape(communes, uses)
        shares = np.array([share for _, _, share, _ in USES.values()])
        change = np.array([change for *_, change in USES.values()])
        here = shares * np.exp(0.5 * self.chance.normal("land_use_plan.share", cells))
        areas = np.empty((communes, len(YEARS), uses), np.int64)
        for at, done in enumerate((0.0, 0.25, 1.0)):
            wanted = here * (1 + done * change)
            for commune in range(communes):
                total = round(float(self.geo.commune_km2[commune]) * 10_000)
                areas[commune, at] = split(total, wanted[commune]) * 100
        return areas.reshape(-1)

    def totals(self, day: int) -> list[Total]:
        """Land by year, and by group of uses."""
        areas = self._areas().reshape(-1, len(YEARS), len(USES))
        groups = np.array([group for _, group, _, _ in USES.values()])
        found = [Total("land_use_plan.count", self.count(day), "row")]
        for at, year in enumerate(YEARS):
            for group in ("NNP", "PNN", "CSD"):
                area = int(areas[:, at, groups == group].sum())
                found.append(Total(f"land_use_plan.{group}.{year}", area, "m²", "derived"))
        return found

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        rest, use = np.divmod(ids, len(USES))
        commune, year = np.divmod(rest, len(YEARS))
        return pa.table(
            {
                "id": ids,
                "commune_code": words(list(self.geo.commune_codes), commune),
                "year": np.array(YEARS)[year],
                "use_code": words(list(USES), use),
                "use_name": words([name for name, *_ in USES.values()], use),
                "use_group": words([group for _, group, _, _ in USES.values()], use),
                "area_m2": self._areas()[ids],
            }
        )


TABLES: tuple[type[Table], ...] = (LandUsePlan,)
