"""How big the province is: the published totals, and how a fraction of them is taken.

Belongs here: totals that several domains need, and the arithmetic of a scale. Stays out: totals of one domain only,
which stand in its module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

POPULATION = 3_619_433  # project of the merger, Resolution 1658/NQ-UBTVQH15 (16 June 2025)
PUPILS, SCHOOLS, CLASSROOMS, SCHOOL_STAFF = 910_563, 1_221, 27_037, 46_846  # education sector, both former provinces
SCHOOLS_OF = {"24": 759, "27": 462}  # of Bắc Giang and Bắc Ninh
PARCELS = 4_800_000  # land campaign, autumn 2025
ENTERPRISES = 45_000  # 23,165 of the old Bắc Ninh (April 2024) and about as many of Bắc Giang: derived
DOSSIERS_A_YEAR = 2_300_000  # derived: about 90 a working day and commune, and those of the departments
STATIONS = 200  # a neighbouring province has 199


@dataclass(frozen=True)
class Scale:
    """A fraction of the province; 1.0 is all of it."""

    factor: float

    def __post_init__(self) -> None:
        if not 0.001 <= self.factor <= 1.0:
            raise ValueError("Tỷ lệ từ 0.001 đến 1.0 / The scale goes from 0.001 to 1.0")

    def of(self, total: int, least: int = 0) -> int:
        """So many of a total: exactly the total at 1.0, never less than `least` of it."""
        return max(min(least, total), math.floor(total * self.factor + 0.5))


def split(total: int, weights: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """A total dealt out by weights, largest remainders first: whole numbers that add up to it exactly."""
    exact = np.asarray(weights, np.float64) * (total / float(np.sum(weights)))
    parts = np.floor(exact).astype(np.int64)
    order = np.argsort(parts - exact, kind="stable")
    parts[order[: total - int(parts.sum())]] += 1
    return parts
