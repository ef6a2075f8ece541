"""What the measurements amount to: hourly means, exceedances, the air quality index.

Belongs here: the tables `measurement_hour`, `exceedance`, `aqi_hour`. Stays out: single values (`environment_measurement`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Floats, Ids, Ints
from simulator.province.environment_measurement import Measured
from simulator.province.environment_signal import HOUR, MEASURING
from simulator.province.environment_stations import AIR, AIR_KIND, FIRST, SYMBOLS
from simulator.table import Total, to_timestamp, words

VALID = 9  # of twelve values make an hourly mean count: 75 %
HOURS = 24
# VN_AQI of an hour, Decision 1459/QĐ-TCMT: concentrations (µg/m³) at the bounds of the index.
BOUNDS = (0, 50, 100, 150, 200, 300, 400, 500)
CONCENTRATIONS = {
    "PM10": (0, 50, 150, 250, 350, 420, 500, 600), "PM2,5": (0, 25, 50, 80, 150, 250, 350, 500),
    "SO2": (0, 125, 350, 550, 800, 1600, 2100, 2630), "NO2": (0, 100, 200, 700, 1200, 2350, 3100, 3850),
    "CO": (0, 10_000, 30_000, 45_000, 60_000, 90_000, 120_000, 150_000), "O3": (0, 160, 200, 300, 400, 800, 1000, 1200),
}  # fmt: skip
_PARTICLES = ("PM10", "PM2,5")
LEVELS = ("TOT", "TRUNG_BINH", "KEM", "XAU", "RAT_XAU", "NGUY_HAI")
_LEVEL_ENDS = (50, 100, 150, 200, 300)
_NOWCAST = 12  # hours


@dataclass(frozen=True)
class Hourly:
    """Means, extremes and numbers of the values of an hour with status 00; NaN where there are none."""

    mean: Floats
    low: Floats
    high: Floats
    valid: Ints


class _Hours(Measured):
    """Common to what is made of hours."""

    def hourly(self, stations: Ids, symbols: Ids, hours: Ids) -> Hourly:
        """Aggregates of hours, counted from the beginning of day -29 on."""
        twelve = np.arange(HOUR)
        slots = (np.asarray(hours)[:, None] * HOUR + twelve).ravel()
        station, symbol = (np.repeat(np.asarray(each), HOUR) for each in (stations, symbols))
        good = self.signal.status(station, symbol, slots) == MEASURING
        good &= ~self.signal.interrupted(station, slots)[1]
        values = self.signal.values(station, symbol, slots).reshape(-1, HOUR)
        good = good.reshape(-1, HOUR)
        valid = good.sum(axis=1)
        mean = np.where(good, values, 0.0).sum(axis=1) / np.where(valid, valid, np.nan)
        low, high = np.where(good, values, np.inf).min(axis=1), np.where(good, values, -np.inf).max(axis=1)
        return Hourly(np.round(mean, 4), np.where(valid > 0, low, np.nan), np.where(valid > 0, high, np.nan), valid)


class MeasurementHour(_Hours):
    """Hourly means."""

    name = "measurement_hour"
    key = ("station_code", "symbol", "hour_at")
    doc = "One hour of a symbol of a station since day -29: of the values with status 00 only."
    columns = {
        "station": "id of table station",
        "station_code": "code of the station",
        "symbol": "symbol",
        "hour_at": "beginning of the hour",
        "mean": "mean, in `unit`; none without a value",
        "low": "least value",
        "high": "greatest value",
        "unit": "unit",
        "valid_count": "values with status 00, of twelve",
        "is_valid": "at least three quarters of the values",
    }

    @property
    def _in_hour(self) -> int:
        return self.stations.count * SYMBOLS

    def count(self, day: int) -> int:
        return max(day - FIRST + 1, 0) * HOURS * self._in_hour

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        stations, symbols, hours = ids % self._in_hour // SYMBOLS, ids % SYMBOLS, ids // self._in_hour
        found = self.hourly(stations, symbols, hours)
        none = found.valid == 0
        return pa.table(
            [
                pa.array(ids),
                pa.array(stations),
                self.codes(stations),
                self.symbols(stations, symbols),
                to_timestamp(hours // HOURS + FIRST, hours % HOURS * 3600),
                *(pa.array(values, mask=none) for values in (found.mean, found.low, found.high)),
                self.units(stations, symbols),
                pa.array(found.valid.astype(np.int64)),
                pa.array(found.valid >= VALID),
            ],
            names=["id", *self.columns],
        )


class Exceedance(_Hours):
    """When a limit was exceeded."""

    name = "exceedance"
    key = ("station_code", "symbol", "began_at")
    doc = "One exceedance since day -29: whole hours of a day whose mean lies above the upper limit."
    columns = {
        "station": "id of table station",
        "station_code": "code of the station",
        "symbol": "symbol",
        "began_at": "beginning of the first hour",
        "hours": "number of hours",
        "highest_mean": "greatest hourly mean, in `unit`",
        "limit_high": "the limit",
        "times_limit": "the former divided by the latter",
        "unit": "unit",
    }

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def _known(self, day: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Stations, symbols, first hours (from the beginning of day -29 on) and numbers of hours up to a day."""
        every = np.arange(self.stations.count)
        parts = [(np.arange(0),) * 4]
        for each in range(FIRST, day + 1):
            found = self.signal.episode(every, each)
            there = np.flatnonzero(found.symbol >= 0)
            first = (each - FIRST) * HOURS + found.hour[there]
            parts.append((there, found.symbol[there], first, found.hours[there]))
        stations, symbols, hours, lasts = (np.concatenate(each) for each in zip(*parts, strict=True))
        return stations, symbols, hours, lasts

    def count(self, day: int) -> int:
        return len(self._known(day)[0])

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        stations, symbols, first, hours = (each[ids] for each in self._known(day))
        which = np.repeat(np.arange(len(ids)), hours)
        within = np.arange(len(which)) - np.repeat(np.cumsum(hours) - hours, hours)
        mean = self.hourly(stations[which], symbols[which], first[which] + within).mean
        highest = np.full(len(ids), -np.inf)
        np.maximum.at(highest, which, mean)
        limit = self.stations.limit(stations, symbols)
        return pa.table(
            [
                pa.array(ids),
                pa.array(stations),
                self.codes(stations),
                self.symbols(stations, symbols),
                to_timestamp(first // HOURS + FIRST, first % HOURS * 3600),
                pa.array(hours),
                pa.array(highest),
                pa.array(limit),
                pa.array(np.round(highest / limit, 3)),
                self.units(stations, symbols),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        hours = int(self._known(day)[3].sum())
        return [Total("exceedance.count", self.count(day), "exceedance"), Total("exceedance.hours", hours, "hour")]


class AqiHour(_Hours):
    """The air quality index."""

    name = "aqi_hour"
    key = ("station_code", "hour_at")
    doc = "One hour of a station of the air since day -29: VN_AQI of Decision 1459/QĐ-TCMT; dust by NowCast over twelve hours."
    columns = {
        "station": "id of table station",
        "station_code": "code of the station",
        "hour_at": "beginning of the hour",
        "aqi": "index; none when there is no valid value",
        "level": "TOT, TRUNG_BINH, KEM, XAU, RAT_XAU, NGUY_HAI",
        "leading_symbol": "the symbol whose index it is",
    }

    @property
    def _air(self) -> Ints:
        return self.stations.of_kind(AIR_KIND)

    def count(self, day: int) -> int:
        return max(day - FIRST + 1, 0) * HOURS * len(self._air)

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def _concentration(self, symbol: str, stations: Ids, hours: Ids) -> Floats:
        """The mean of the hour, or NowCast for dust; NaN when there are too few values."""
        number = [each.name for each in AIR].index(symbol)
        back = _NOWCAST if symbol in _PARTICLES else 1
        wanted = ((hours[:, None] - np.arange(back) + _NOWCAST) * 4096 + stations[:, None]).ravel()
        pairs, where = np.unique(wanted, return_inverse=True)  # neighbours share eleven of their hours
        found = self.hourly(pairs % 4096, np.full(len(pairs), number), pairs // 4096 - _NOWCAST)
        means = np.where(found.valid >= VALID, found.mean, np.nan)[where].reshape(-1, back)
        return nowcast(means) if back > 1 else np.asarray(means[:, 0], np.float64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        stations, hours = self._air[ids % len(self._air)], ids // len(self._air)
        indexes = np.stack([sub_index(name, self._concentration(name, stations, hours)) for name in CONCENTRATIONS])
        none = np.asarray(np.isnan(indexes).all(axis=0), np.bool_)
        filled = np.where(np.isnan(indexes), -1.0, indexes)
        aqi = np.round(filled.max(axis=0)).astype(np.int64)
        return pa.table(
            [
                pa.array(ids),
                pa.array(stations),
                self.codes(stations),
                to_timestamp(hours // HOURS + FIRST, hours % HOURS * 3600),
                pa.array(aqi, mask=none),
                words(LEVELS, np.searchsorted(_LEVEL_ENDS, aqi), ~none),
                words(list(CONCENTRATIONS), filled.argmax(axis=0), ~none),
            ],
            names=["id", *self.columns],
        )


def nowcast(means: Floats) -> Floats:
    """NowCast of rows of twelve hourly means, the newest first; NaN unless two of the three newest are there."""
    known = ~np.isnan(means)
    low = np.where(known, means, np.inf).min(axis=1)
    high = np.where(known, means, -np.inf).max(axis=1)
    weight = np.maximum(low / np.where(high > 0, high, 1.0), 0.5)
    powers = weight[:, None] ** np.arange(means.shape[1]) * known
    enough = known[:, :3].sum(axis=1) >= 2
    total = np.where(enough, powers.sum(axis=1), np.nan)
    return np.asarray((powers * np.where(known, means, 0.0)).sum(axis=1) / total, np.float64)


def sub_index(symbol: str, concentrations: Floats) -> Floats:
    """The index of a concentration, between its bounds; NaN stays NaN."""
    return np.asarray(np.interp(concentrations, CONCENTRATIONS[symbol], BOUNDS), np.float64)
