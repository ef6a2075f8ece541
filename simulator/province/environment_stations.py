"""Automatic monitoring stations: where they stand, whose they are, what they measure and within which limits.

Belongs here: the tables `station` and `station_parameter`, and the symbols with their limits and usual values. Stays
out: what is measured (`environment_signal`), licences (`environment_register`).

Symbols are those of Circular 10/2021/TT-BTNMT, Annex 15. Every station measures eight of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.chance import Bools, Floats, Ids, Ints
from simulator.province.economy_firm import DAY
from simulator.scale import STATIONS, split
from simulator.table import FLOW_DAYS, Province, Table, Total, day_of, joined, padded, to_date32, words

FIRST = 1 - FLOW_DAYS
SYMBOLS = 8  # of each station
_FIRST_EVER = day_of(date(2014, 1, 1))
CALIBRATED = 0.1  # share of the days on which a station is calibrated


@dataclass(frozen=True)
class Symbol:
    """One measured quantity. low, high: limits, None where there is none; usual: what it is on an ordinary day; swing:
    the part of it that follows the hour; peak: hour of the highest; digits: decimals that the logger writes.
    """

    name: str
    unit: str
    low: float | None
    high: float | None
    usual: float
    swing: float
    peak: int
    digits: int = 2


WASTE_WATER = (
    Symbol("Flow", "m3/h", None, None, 85.0, 0.35, 14, 1), Symbol("Temp", "oC", None, 40.0, 27.5, 0.06, 15, 1),
    Symbol("pH", "-", 5.5, 9.0, 7.2, 0.02, 10), Symbol("COD", "mg/l", None, 150.0, 62.0, 0.18, 15),
    Symbol("TSS", "mg/l", None, 100.0, 38.0, 0.16, 15), Symbol("NH4", "mg/l", None, 10.0, 3.8, 0.15, 16),
    Symbol("Color", "Pt-Co", None, 150.0, 48.0, 0.10, 14, 0), Symbol("TN", "mg/l", None, 40.0, 16.0, 0.10, 16),
)  # fmt: skip
EMISSION = (
    Symbol("Temp", "oC", None, None, 118.0, 0.08, 14, 1), Symbol("P", "kPa", None, None, 101.2, 0.002, 10),
    Symbol("O2", "%V", None, None, 11.5, 0.08, 4), Symbol("PM", "mg/Nm3", None, 200.0, 72.0, 0.20, 14),
    Symbol("SO2", "mg/Nm3", None, 500.0, 140.0, 0.22, 13), Symbol("NO", "mg/Nm3", None, None, 95.0, 0.20, 13),
    Symbol("NO2", "mg/Nm3", None, 850.0, 190.0, 0.20, 13), Symbol("CO", "mg/Nm3", None, 1000.0, 260.0, 0.22, 12),
)  # fmt: skip
# Of particles the regulation limits the mean of a day only; an hour is held against the upper bound of AQI 150.
AIR = (
    Symbol("Temp", "oC", None, None, 22.5, 0.16, 14, 1), Symbol("RH", "%", None, None, 76.0, 0.14, 4, 1),
    Symbol("PM10", "ug/m3", None, 250.0, 62.0, 0.22, 8), Symbol("PM2,5", "ug/m3", None, 80.0, 36.0, 0.24, 8),
    Symbol("SO2", "ug/m3", None, 350.0, 28.0, 0.25, 9), Symbol("NO2", "ug/m3", None, 200.0, 34.0, 0.35, 18),
    Symbol("CO", "ug/m3", None, 30000.0, 1150.0, 0.30, 18, 0), Symbol("O3", "ug/m3", None, 200.0, 62.0, 0.55, 14),
)  # fmt: skip
SURFACE_WATER = (
    Symbol("Temp", "oC", None, None, 24.5, 0.05, 15, 1), Symbol("pH", "-", 6.0, 8.5, 7.3, 0.02, 15),
    Symbol("TSS", "mg/l", None, 100.0, 34.0, 0.06, 12), Symbol("COD", "mg/l", None, 15.0, 8.2, 0.08, 14),
    Symbol("NH4", "mg/l", None, 0.9, 0.31, 0.12, 6), Symbol("TOC", "mg/l", None, 6.0, 3.3, 0.07, 14),
    Symbol("TP", "mg/l", None, 0.3, 0.14, 0.08, 14, 3), Symbol("TN", "mg/l", None, 1.5, 0.85, 0.07, 14),
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of station. `count`: in the whole province (derived; a neighbouring province has 199 in all)."""

    code: str
    sign: str
    title: str
    count: int
    rule: str
    symbols: tuple[Symbol, ...]


KINDS = (
    Kind("NUOC_THAI", "NT", "nước thải", 110, "QCVN 40:2011/BTNMT", WASTE_WATER),
    Kind("KHI_THAI", "KT", "khí thải", 55, "QCVN 19:2009/BTNMT", EMISSION),
    Kind("KHONG_KHI", "KK", "không khí", 20, "QCVN 05:2023/BTNMT", AIR),
    Kind("NUOC_MAT", "NM", "nước mặt", 15, "QCVN 08:2023/BTNMT", SURFACE_WATER),
)
AIR_KIND = 2
_OWNED = 2  # stations of the first two kinds belong to a firm
_NONE = np.nan


class Stations:
    """The stations as arrays by id: first all of waste water, then of emissions, of the air, of surface water."""

    def __init__(self, province: Province) -> None:
        self._province = province
        chance, geo = province.chance, province.geo
        total = province.scale.of(STATIONS, 4)
        # one of each kind at least, however small the province
        counts = 1 + split(total - len(KINDS), np.array([kind.count - 1 for kind in KINDS]))
        self.kind = np.repeat(np.arange(len(KINDS)), counts)
        self.count = total
        ids = np.arange(total)
        self.number = ids - np.concatenate([[0], np.cumsum(counts)])[self.kind] + 1
        self.owned = self.kind < _OWNED
        firms: Ints = province.table("env_licence").enterprises(np.arange(int(self.owned.sum())))
        self.enterprise = np.full(total, -1)
        self.enterprise[self.owned] = firms
        self.place = geo.town_places(chance, "station.place", ids)
        self.place[self.owned] = province.table("enterprise").place_of(firms)
        commune = geo.commune[self.place]
        shift = [chance.uniform(f"station.{axis}", ids) * 0.03 - 0.015 for axis in ("lat", "lon")]
        self.lat = np.round(geo.commune_lat[commune] + shift[0], 6)
        self.lon = np.round(geo.commune_lon[commune] + shift[1], 6)
        self.codes = [f"BN_{KINDS[k].sign}{n:03d}" for k, n in zip(self.kind, self.number, strict=True)]

    def of_kind(self, kind: int) -> Ints:
        """Ids of the stations of a kind."""
        return np.flatnonzero(self.kind == kind).astype(np.int64)

    @cached_property
    def table(self) -> dict[str, npt.NDArray[Any]]:
        """What is known of the symbols: arrays by kind and symbol; limits that do not exist are NaN."""
        known: dict[str, npt.NDArray[Any]] = {}
        for name in ("low", "high", "usual", "swing", "peak", "digits"):
            rows = [[getattr(symbol, name) for symbol in kind.symbols] for kind in KINDS]
            known[name] = np.array([[_NONE if v is None else v for v in row] for row in rows], np.float64)
        return known

    def limit(self, stations: Ids, symbols: Ids, name: str = "high") -> Floats:
        """Upper (or `low`er) limit of a symbol of a station; NaN when there is none."""
        return np.asarray(self.table[name][self.kind[stations], symbols], np.float64)

    def calibrated(self, stations: Ids, days: Ids | int) -> Bools:
        """Whether a station is calibrated on a day."""
        key = (np.asarray(days) - FIRST + 4096) * 4096 + np.asarray(stations)
        return self._province.chance.happens("station.calibrated", key, CALIBRATED)

    def last_calibrated(self, day: int) -> Ints:
        """The day of the last calibration of every station."""
        ids = np.arange(self.count)
        last = np.full(self.count, day - 180)
        for each in range(day - 179, day + 1):
            last[self.calibrated(ids, each)] = each
        return last


class Station(Table):
    """The register of stations."""

    name = "station"
    key = ("station_code",)
    doc = "One automatic, continuous monitoring station; Circular 10/2021/TT-BTNMT."
    columns = {
        "enterprise": "the firm it belongs to: id of table enterprise; none for air and surface water",
        "place": "where it stands: index into the places of the province",
        "station_code": "code: begins the name of its files",
        "station_name": "name",
        "kind": "NUOC_THAI, KHI_THAI, KHONG_KHI, NUOC_MAT",
        "enterprise_code": "code of the firm",
        "enterprise_name": "name of the firm",
        "commune_code": "commune, today's code",
        "lat": "latitude, WGS 84, degrees",
        "lon": "longitude, WGS 84, degrees",
        "symbols": "what it measures, with semicolons",
        "rule": "technical regulation that sets the limits",
        "started_on": "first day of measuring",
    }

    @cached_property
    def stations(self) -> Stations:
        """The stations as arrays."""
        return Stations(self.province)

    def count(self, day: int) -> int:
        return self.stations.count

    def touched(self, day: int) -> Ints:
        return np.arange(0)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, known = np.asarray(ids, np.int64), self.stations
        owned, kind, place = known.owned[ids], known.kind[ids], known.place[ids]
        firms = self.province.table("enterprise")
        enterprise = np.where(owned, known.enterprise[ids], 0)
        owner = [_where(owned, texts) for texts in (firms.codes(enterprise), firms.names(enterprise))]
        first = np.maximum(firms.registered(enterprise) // DAY + 30, _FIRST_EVER)
        at = joined(words(list(self.geo.village), place), " ", padded(known.number[ids], 0))
        return pa.table(
            [
                pa.array(ids),
                pa.array(enterprise, mask=~owned),
                pa.array(place),
                words(known.codes, ids),
                joined("Trạm quan trắc ", words([each.title for each in KINDS], kind), " ", at),
                words([each.code for each in KINDS], kind),
                *owner,
                words(list(self.geo.code_e2), place),
                pa.array(known.lat[ids]),
                pa.array(known.lon[ids]),
                words([";".join(symbol.name for symbol in each.symbols) for each in KINDS], kind),
                words([each.rule for each in KINDS], kind),
                to_date32(self.chance.integer("station.started", ids, np.where(owned, first, _FIRST_EVER), FIRST - 60)),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        source = "about 200: a neighbouring province has 199"
        return [Total("station.count", self.count(day), "station", source, exact=True)]


class StationParameter(Table):
    """What each station measures."""

    name = "station_parameter"
    key = ("station_code", "symbol")
    doc = "One symbol of a station, with its limits; Circular 10/2021/TT-BTNMT, Annex 15."
    columns = {
        "station": "id of table station",
        "station_code": "code of the station",
        "symbol": "symbol as the files write it",
        "unit": "unit",
        "limit_low": "lower limit",
        "limit_high": "upper limit",
        "device": "serial number of the device",
        "calibrated_on": "day of the last calibration",
    }

    @property
    def _stations(self) -> Stations:
        found: Stations = self.province.table("station").stations
        return found

    def count(self, day: int) -> int:
        return self._stations.count * SYMBOLS

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0)
        stations = np.arange(self._stations.count)
        calibrated = stations[self._stations.calibrated(stations, day)]
        return (calibrated[:, None] * SYMBOLS + np.arange(SYMBOLS)).ravel()

    def rows(self, ids: Ids, day: int) -> Any:
        ids, known = np.asarray(ids, np.int64), self._stations
        station, symbol = ids // SYMBOLS, ids % SYMBOLS
        flat = known.kind[station] * SYMBOLS + symbol
        limits = [known.limit(station, symbol, name) for name in ("low", "high")]
        return pa.table(
            [
                pa.array(ids),
                pa.array(station),
                words(known.codes, station),
                words(symbol_names(), flat),
                words([each.unit for kind in KINDS for each in kind.symbols], flat),
                *(pa.array(limit, mask=np.isnan(limit)) for limit in limits),
                joined("SN", padded(self.chance.integer("station_parameter.device", ids, 10_000, 99_999), 0)),
                to_date32(known.last_calibrated(max(day, 0))[station]),
            ],
            names=["id", *self.columns],
        )


def symbol_names() -> list[str]:
    """The symbols of all kinds: that of kind k and number n is at k * `SYMBOLS` + n."""
    return [symbol.name for kind in KINDS for symbol in kind.symbols]


def _where(valid: Bools, texts: Any) -> Any:
    import pyarrow.compute as pc

    return pc.if_else(pa.array(valid), texts, pa.scalar(None, pa.string()))
