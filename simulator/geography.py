"""The places of the province as arrays: what `units` knows of one place, for many at once.

Belongs here: codes and names of places at a date, communes of today, weights. Stays out: reading the files (`units`).

A place is a commune of e0, the smallest unit that no change has ever divided; there are 335, and 99 communes today.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.chance import Chance, Ids, Ints
from simulator.units import E1_STARTS, E2_STARTS, units

_DAY0 = date(2026, 11, 19)  # of `table`, which stands above this module
Texts = npt.NDArray[np.str_]


class Geography:
    """Arrays by place (0 to 334) or by commune of today (0 to 98), in the order of their codes."""

    def __init__(self) -> None:
        known = units()
        places = sorted(known.places)
        self.place_count = len(places)
        self.code_e0: Texts = np.array(places)
        self.code_e1: Texts = np.array([known.next1(p) for p in places])
        self.code_e2: Texts = np.array([known.today(p) for p in places])
        self.old_province: Texts = np.array([known.old_province(p) for p in places])
        self.district: Texts = np.array([known.district(p) for p in places])
        self.district_name: Texts = np.array([known.district_name(p) for p in places])
        self.village: Texts = np.array([known.village(p) for p in places])
        self.commune_codes: Texts = np.array(sorted(known.e2))
        rows = [known.e2[str(code)] for code in self.commune_codes]
        self.commune_names: Texts = np.array([str(row["ward_name"]) for row in rows])
        self.commune_lat, self.commune_lon, self.commune_km2 = (
            np.array([float(str(row[name])) for row in rows]) for name in ("latitude", "longitude", "area_km2")
        )
        self.commune: Ints = np.searchsorted(self.commune_codes, self.code_e2).astype(np.int64)
        kinds = [str(known.e0[p]["ward_name"]) for p in places]
        # People and firms gather in towns; the delta of the old Bắc Ninh is denser than the hills of Bắc Giang.
        town = np.array([4.0 if k.startswith("Phường") else 2.0 if k.startswith("Thị") else 1.0 for k in kinds])
        self.town_weight = town
        self.weight = np.sqrt(town) * np.where(self.old_province == "27", 1.35, 1.0)
        self._full = [[f"{known.e0[p]['ward_name']}, {_district(known.e0[p])}" for p in places]]
        self._full.append([f"{known.e1[known.next1(p)]['ward_name']}, {_district(known.e1[known.next1(p)])}" for p in places])  # fmt: skip
        self._full.append([f"{known.e2[known.today(p)]['ward_name']}, tỉnh Bắc Ninh" for p in places])
        self.epoch_start = (E2_STARTS - _DAY0).days  # the day number of the merger
        self._starts = (
            np.array([(E1_STARTS[p] - _DAY0).days for p in self.old_province]),
            self.epoch_start,
        )

    def epoch(self, places: Ids, days: Ids | int) -> Ints:
        """0, 1 or 2: which epoch was in force in a place on a day (e1 began a month earlier in Bắc Ninh)."""
        places, days = np.broadcast_arrays(np.asarray(places), np.asarray(days))
        return np.where(days >= self._starts[1], 2, np.where(days >= self._starts[0][places], 1, 0)).astype(np.int64)

    def code_in(self, places: Ids, epochs: Ids | int) -> Texts:
        """The commune code of a place in an epoch: 0, 1 or 2."""
        codes = np.stack([self.code_e0, self.code_e1, self.code_e2])
        return np.asarray(codes[np.asarray(epochs), np.asarray(places)])

    def name_in(self, epoch: int) -> list[str]:
        """`Xã …, huyện …, tỉnh …` of every place, as one wrote it in an epoch."""
        return self._full[epoch]

    def places_of(self, commune: int) -> Ints:
        """The places inside a commune of today."""
        return np.flatnonzero(self.commune == commune).astype(np.int64)

    def town_places(self, chance: Chance, name: str, ids: Ids) -> Ints:
        """A place for each id, towns more often."""
        return chance.pick(name, ids, self.town_weight)

    def place_in(self, commune: int | Ids, chance: Chance, name: str, ids: Ids) -> Ints:
        """A place for each id inside the commune given (one for all, or one for each)."""
        order = np.argsort(self.commune, kind="stable")
        firsts = np.searchsorted(self.commune[order], np.arange(len(self.commune_codes)))
        sizes = np.bincount(self.commune, minlength=len(self.commune_codes))
        wanted = np.broadcast_to(np.asarray(commune), np.shape(ids))
        return np.asarray(order[firsts[wanted] + chance.integer(name, ids, 0, sizes[wanted] - 1)], np.int64)


def _district(unit: dict[str, Any]) -> str:
    name = str(unit["district_name"])
    province = "Bắc Giang" if unit["province_code"] == "24" else "Bắc Ninh"
    return f"{name[0].lower()}{name[1:]}, tỉnh {province}"
