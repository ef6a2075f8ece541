"""Where people go when they are ill: facilities by their nearness, for many persons at once.

Belongs here: which facility a person of a place is treated by. Stays out: the facilities themselves (`health_register`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from simulator.chance import Bools, Ids, Ints
from simulator.province.health_register import KIND_NAMES, KINDS, Register
from simulator.table import Province, words

NEAR = 3  # so many of a kind are near a place
FOREVER = 1 << 30


class Providers:
    """The facilities of day 0 as arrays by id; of those that closed since, until which day they worked."""

    def __init__(self, province: Province) -> None:
        self._province = province
        self._chance, self._geo = province.chance, province.geo
        register = self._register(0)
        rows = register.facilities.at(np.arange(register.facilities.counts[0]), 0)
        self._codes = [row.code for row in rows]
        self.kind = np.array([row.kind for row in rows], np.int64)
        self.place = np.array([row.place for row in rows], np.int64)
        self._beds = np.array([KINDS[KIND_NAMES[row.kind]].beds[1] > 0 for row in rows])
        self._special = self.kind == KIND_NAMES.index("special_hospital")

    def _register(self, day: int) -> Register:
        register: Register = self._province.table("facility").register
        return register.through(day)

    def codes(self, facilities: Ids) -> Any:
        """Arrow texts: the code of each."""
        return words(self._codes, facilities)

    def open(self, facilities: Ids, days: Ids) -> Bools:
        """Which of them still worked on the day."""
        days = np.asarray(days)
        last = int(days.max()) if len(days) else 0
        ends = np.full(len(self._codes), FOREVER)
        for id_, end in self._register(last).facilities.ends.items():
            if id_ < len(ends):
                ends[id_] = end
        return np.asarray(ends[np.asarray(facilities)] > days)

    def _nearest(self, those: Ids) -> Ints:
        """For every place the nearest `NEAR` of some facilities, as rows."""
        lat, lon = self._geo.commune_lat[self._geo.commune], self._geo.commune_lon[self._geo.commune]
        there = self.place[those]
        apart = (lat[:, None] - lat[there]) ** 2 + ((lon[:, None] - lon[there]) * 0.93) ** 2
        return np.asarray(those[np.argsort(apart, axis=1, kind="stable")[:, :NEAR]], np.int64)

    @cached_property
    def _stations(self) -> Ints:
        return self._nearest(np.flatnonzero(self.kind == KIND_NAMES.index("station")))

    @cached_property
    def _hospitals(self) -> Ints:
        return self._nearest(np.flatnonzero(self._beds & ~self._special))

    @cached_property
    def _clinics(self) -> Ints:
        return self._nearest(
            np.flatnonzero(np.isin(self.kind, [KIND_NAMES.index(k) for k in ("clinic", "specialist")]))
        )

    @cached_property
    def _specials(self) -> Ints:
        special = np.flatnonzero(self._special)
        return np.asarray(special if len(special) else np.flatnonzero(self._beds), np.int64)

    def station(self, places: Ids) -> Ints:
        """The nearest health station."""
        return np.asarray(self._stations[np.asarray(places), 0])

    def hospital(self, name: str, ids: Ids, places: Ids) -> Ints:
        """A hospital or centre not far away."""
        turn = self._chance.pick(name, ids, (6, 3, 1)[: self._hospitals.shape[1]])
        return np.asarray(self._hospitals[np.asarray(places), turn])

    def primary(self, name: str, ids: Ids, places: Ids) -> Ints:
        """Where a card is registered: the station (two in three) or the hospital nearest to a place."""
        at_station = self._chance.happens(name, ids, 0.66)
        places = np.asarray(places)
        return np.asarray(np.where(at_station, self._stations[places, 0], self._hospitals[places, 0]), np.int64)

    def any(self, name: str, ids: Ids, places: Ids, days: Ids, inpatient: Bools) -> Ints:
        """Where a visit takes place: those who stay overnight need beds; a clinic that has closed is replaced by the station."""
        what = self._chance.uniform(f"{name}/kind", ids)
        near = self._chance.integer(f"{name}/near", ids, 0, 9)
        places = np.asarray(places)
        hospital = self.hospital(f"{name}/hospital", ids, places)
        special = self._specials[near % len(self._specials)]
        clinic = self._clinics[places, near % self._clinics.shape[1]]
        station = self.station(places)
        out = np.select([what < 0.36, what < 0.82, what < 0.95], [station, hospital, clinic], special)
        chosen = np.where(inpatient, np.where(what < 0.15, special, hospital), out)
        return np.asarray(np.where(self.open(chosen, days), chosen, station), np.int64)
