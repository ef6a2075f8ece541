"""What the devices of the stations say: a value for every station, symbol and five minutes, from nothing but chance.

Belongs here: shapes of the day, noise, exceedances, calibrations, errors and outages as pure functions. Stays out: the
tables made of them (`environment_measurement`).

Time is counted in slots of five minutes from the beginning of day -29 on. A symbol with a limit keeps below it but in
an exceedance, when it lies above it for whole hours; so the exceedances are known without looking at the values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.chance import Bools, Floats, Ids, Ints
from simulator.province.environment_stations import FIRST, KINDS, SYMBOLS, Stations
from simulator.table import Province

SLOTS, HOUR = 288, 12  # a day, an hour
MEASURING, CALIBRATING, FAILING = range(3)
STATUSES = ("00", "01", "02")
EXCEEDED, FAILED, INTERRUPTED = (
    0.05,
    0.006,
    0.025,
)  # shares: of stations and days; of symbols and days; of stations and days
POWER_SHARE = 0.25  # of the outages: nothing is measured; in the others only the line is down
_LONGEST = 2 * SLOTS - 1  # an outage ends on the next day at the latest
_CALIBRATION = 6  # slots
_ACID = np.array([[symbol.name == "pH" for symbol in kind.symbols] for kind in KINDS])
_PERCENT = np.array([[symbol.unit.startswith("%") for symbol in kind.symbols] for kind in KINDS])
_QUIET, _LOUD = 0.9, 1.08  # of a limit: the most outside an exceedance, the least within one


@dataclass(frozen=True)
class Interruption:
    """Outages as arrays, one for each station and day asked: first slot and the slot after the last (of the whole time),
    -1 where there is none; `power`: nothing was measured.
    """

    begin: Ints
    end: Ints
    power: Bools


@dataclass(frozen=True)
class Episode:
    """Exceedances, one for each station and day asked: symbol (-1: none), first hour, hours, how many times the limit."""

    symbol: Ints
    hour: Ints
    hours: Ints
    factor: Floats


class Signal:
    """The devices of a province."""

    def __init__(self, province: Province, stations: Stations) -> None:
        self._chance, self._stations = province.chance, stations

    # -- what happens to a station on a day --------------------------------------------------------------------------

    def _key(self, stations: Ids, days: Ids | int) -> Ints:
        return np.asarray((np.asarray(days) - FIRST + 4096) * 4096 + np.asarray(stations), np.int64)

    def _begun(self, stations: Ids, days: Ids | int) -> Interruption:
        """Outages that would begin on a day."""
        chance, key = self._chance, self._key(stations, days)
        power = chance.happens("outage.power", key, POWER_SHARE)
        begin = chance.integer("outage.begin", key, 0, SLOTS - 1)
        longest = np.where(power, 60, 420)
        lasts = 3 + np.floor((longest - 3) * chance.uniform("outage.lasts", key) ** 2.5).astype(np.int64)
        start = (np.asarray(days) - FIRST) * SLOTS
        there = chance.happens("outage.there", key, INTERRUPTED)
        end = start + np.minimum(begin + lasts, _LONGEST)
        return Interruption(np.where(there, start + begin, -1), np.where(there, end, -1), power)

    def interruption(self, stations: Ids, days: Ids | int) -> Interruption:
        """Outages that begin on a day: none while one of the day before may last."""
        today, before = self._begun(stations, days), self._begun(stations, np.asarray(days) - 1)
        midnight = (np.asarray(days) - FIRST) * SLOTS
        free = before.end <= midnight
        return Interruption(np.where(free, today.begin, -1), np.where(free, today.end, -1), today.power)

    def interrupted(self, stations: Ids, slots: Ids) -> tuple[Bools, Bools]:
        """Whether an outage of a station covers a slot; and whether it is one of power."""
        stations, slots = np.asarray(stations), np.asarray(slots)
        # few stations and days, many slots: each pair is looked at once
        pairs, where = np.unique(self._key(stations, slots // SLOTS + FIRST), return_inverse=True)
        station, day = pairs % 4096, pairs // 4096 - 4096 + FIRST
        covered, power = np.zeros(len(slots), np.bool_), np.zeros(len(slots), np.bool_)
        for back in (0, 1):
            found = self.interruption(station, day - back)
            there = (slots >= found.begin[where]) & (slots < found.end[where])
            covered |= there
            power |= there & found.power[where]
        return covered, power

    def episode(self, stations: Ids, days: Ids | int) -> Episode:
        """Exceedances of a day: never on one on which the power fails."""
        stations, days = np.broadcast_arrays(np.asarray(stations), np.asarray(days))
        chance, key = self._chance, self._key(stations, days)
        limits = self._stations.table["high"][self._stations.kind[stations]]
        limited = ~np.isnan(limits)
        turn = chance.integer("exceedance.symbol", key, 1, limited.sum(axis=1))
        symbol = np.argmax(np.cumsum(limited, axis=1) == turn[:, None], axis=1)
        there = chance.happens("exceedance.there", key, EXCEEDED)
        for back in (0, 1):
            cut = self.interruption(stations, days - back)
            there &= ~(cut.power & (cut.end > (days - FIRST) * SLOTS))
        rough = 1.1 + 0.9 * chance.uniform("exceedance.factor", key) ** 2
        acid = _ACID[self._stations.kind[stations], symbol]
        return Episode(
            np.where(there, symbol, -1),
            chance.integer("exceedance.hour", key, 0, 19),
            chance.integer("exceedance.hours", key, 1, 4),
            np.where(acid, 1.1 + (rough - 1.1) * 0.2, rough),
        )

    def status(self, stations: Ids, symbols: Ids, slots: Ids) -> Ints:
        """00 measuring, 01 calibrating (half an hour of a morning), 02 device error (a symbol alone, never in an exceedance)."""
        stations, symbols, slots = np.asarray(stations), np.asarray(symbols), np.asarray(slots)
        pairs, where = np.unique(self._key(stations, slots // SLOTS + FIRST), return_inverse=True)
        station, day = pairs % 4096, pairs // 4096 - 4096 + FIRST
        at = slots % SLOTS
        starts = self._chance.integer("station.calibration", pairs, 8 * HOUR, 10 * HOUR)[where]
        calibrating = self._stations.calibrated(station, day)[where] & (at >= starts) & (at < starts + _CALIBRATION)
        # device errors by station, day and symbol
        fine = pairs[:, None] * SYMBOLS + np.arange(SYMBOLS)
        failing = self._chance.happens("measurement.failed", fine, FAILED)
        failing &= self.episode(station, day).symbol[:, None] != np.arange(SYMBOLS)
        begins = self._chance.integer("measurement.failed_at", fine, 0, SLOTS - 40)[where, symbols]
        lasts = self._chance.integer("measurement.failed_for", fine, 3, 40)[where, symbols]
        failed = failing[where, symbols] & (at >= begins) & (at < begins + lasts)
        return np.where(calibrating, CALIBRATING, np.where(failed, FAILING, MEASURING)).astype(np.int64)

    # -- values ------------------------------------------------------------------------------------------------------

    def _noise(self, name: str, ids: Ids) -> Floats:
        """Mean 0, deviation 1: the sum of four uniform numbers made of one draw."""
        bits = self._chance.bits(name, ids)
        parts = [((bits >> np.uint64(16 * i)) & np.uint64(0xFFFF)).astype(np.float64) for i in range(4)]
        return np.asarray((sum(parts) / 65_536.0 - 2.0) * np.sqrt(3.0), np.float64)

    def values(self, stations: Ids, symbols: Ids, slots: Ids) -> Floats:
        """What the devices show, to the digits they write."""
        stations, symbols, slots = (np.asarray(each, np.int64) for each in (stations, symbols, slots))
        known, kind = self._stations.table, self._stations.kind[stations]
        channel = stations * SYMBOLS + symbols
        usual, swing, peak = (known[name][kind, symbols] for name in ("usual", "swing", "peak"))
        level = (0.75 + 0.5 * self._chance.uniform("measurement.level", np.arange(self._stations.count * SYMBOLS)))[
            channel
        ]
        level = np.where(swing < 0.03, 1.0 + (level - 1.0) * 0.1, level)  # pH and pressure are much the same everywhere
        hour = slots / HOUR
        shape = swing * np.cos(2 * np.pi * (hour % 24 - peak) / 24)
        whole = slots // HOUR
        between = hour - whole
        slow = (1 - between) * self._hourly(channel, whole) + between * self._hourly(channel, whole + 1)
        rough = np.minimum(swing, 0.25)
        fast = self._noise("measurement.fast", slots * (1 << 20) + channel)
        value = usual * level * (1 + shape + rough * 0.35 * slow + rough * 0.06 * fast)
        whole_digits = 10.0 ** known["digits"][kind, symbols]
        return np.asarray(
            np.round(self._in_bounds(stations, symbols, slots, value, fast) * whole_digits) / whole_digits
        )

    def _hourly(self, channel: Ids, hours: Ids) -> Floats:
        """Weather and work: noise that changes from hour to hour and from day to day."""
        pairs, where = np.unique(np.asarray(hours) * (1 << 20) + np.asarray(channel), return_inverse=True)
        drift = self._noise("measurement.day", (pairs >> 20) // 24 * (1 << 20) + pairs % (1 << 20))
        return np.asarray((0.7 * self._noise("measurement.hour", pairs) + 0.7 * drift)[where], np.float64)

    def _in_bounds(self, stations: Ids, symbols: Ids, slots: Ids, value: Floats, fast: Floats) -> Floats:
        """Within the limits on an ordinary day, above the upper one in an exceedance; what the device says when it is
        calibrated (the value of its standard) or fails (nothing at all).
        """
        high, low = (self._stations.limit(stations, symbols, name) for name in ("high", "low"))
        value = np.fmin(np.fmax(value, low * 1.05), high * _QUIET)
        pairs, where = np.unique(self._key(stations, slots // SLOTS + FIRST), return_inverse=True)
        found = self.episode(pairs % 4096, pairs // 4096 - 4096 + FIRST)
        hour = slots % SLOTS // HOUR
        begins = found.hour[where]
        over = (found.symbol[where] == symbols) & (hour >= begins) & (hour < begins + found.hours[where])
        value = np.where(over, high * np.maximum(found.factor[where] + 0.01 * fast, _LOUD), value)
        status = self.status(stations, symbols, slots)
        kind = self._stations.kind[stations]
        standard = self._stations.table["usual"][kind, symbols] * 1.5
        value = np.where(status == CALIBRATING, standard, np.where(status == FAILING, 0.0, value))
        humid = np.fmin(value, 100.0)
        return np.asarray(np.where(_PERCENT[kind, symbols], humid, np.fmax(value, 0.0)), np.float64)
