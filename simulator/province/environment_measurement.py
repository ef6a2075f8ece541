"""Measurements of five minutes, and when their files are sent.

Belongs here: the tables `measurement` and `outage`, the order of sending. Stays out: what the devices show
(`environment_signal`), aggregates (`environment_hour`).

At full scale a day has 200 stations × 8 symbols × 288 = 460,800 measurements in 57,600 files. A file goes out soon after
its five minutes. When the line is down the logger keeps the files and sends them later, in order; when the power is
down there is nothing to send: a true gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.environment_signal import SLOTS, STATUSES, Interruption, Signal
from simulator.province.environment_stations import FIRST, KINDS, SYMBOLS, Stations, symbol_names
from simulator.table import Table, Total, to_timestamp, words

SECONDS, RESEND = 300, 10  # of a slot; between two files that are sent late


@dataclass(frozen=True)
class Sent:
    """Files that arrive on a day, in the order of their arrival: station, slot (from the beginning of day -29 on), second
    of the day on which it arrives, whether it is late.
    """

    station: Ints
    slot: Ints
    second: Ints
    late: Bools


class Measured(Table):
    """Common to the tables of the stations."""

    @property
    def stations(self) -> Stations:
        """The stations."""
        found: Stations = self.province.table("station").stations
        return found

    @cached_property
    def signal(self) -> Signal:
        """What the devices say."""
        return Signal(self.province, self.stations)

    def codes(self, stations: Ids) -> Any:
        """Codes of stations."""
        return words(self.stations.codes, stations)

    def symbols(self, stations: Ids, symbols: Ids) -> Any:
        """Names of symbols."""
        return words(symbol_names(), self.stations.kind[stations] * SYMBOLS + symbols)

    def units(self, stations: Ids, symbols: Ids) -> Any:
        """Units of symbols."""
        names = [symbol.unit for kind in KINDS for symbol in kind.symbols]
        return words(names, self.stations.kind[stations] * SYMBOLS + symbols)


class Measurement(Measured):
    """Measurements of five minutes."""

    name = "measurement"
    key = ("station_code", "symbol", "measured_at")
    doc = "One value of a symbol of a station every five minutes since day -29; Circular 10/2021/TT-BTNMT."
    columns = {
        "station": "id of table station",
        "station_code": "code of the station",
        "symbol": "symbol; that of fine dust has a comma in its name",
        "measured_at": "moment",
        "value": "value, in `unit`; 0 of a device that fails",
        "unit": "unit",
        "status": "00 measuring, 01 calibrating, 02 device error",
    }

    @property
    def in_slot(self) -> int:
        """Rows of five minutes."""
        return self.stations.count * SYMBOLS

    def count(self, day: int) -> int:
        return max(day - FIRST + 1, 0) * SLOTS * self.in_slot

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    def ids(self, stations: Ids, slots: Ids) -> Ints:
        """The rows of files: for each station and slot its symbols, one after the other."""
        first = np.asarray(slots, np.int64) * self.in_slot + np.asarray(stations) * SYMBOLS
        return np.asarray((first[:, None] + np.arange(SYMBOLS)).ravel(), np.int64)

    def _parts(self, ids: Ids) -> tuple[Ints, Ints, Ints]:
        """Station, symbol and slot of each."""
        ids = np.asarray(ids, np.int64)
        return ids % self.in_slot // SYMBOLS, ids % SYMBOLS, ids // self.in_slot

    def gone(self, ids: Ids, day: int) -> Bools:
        """What was never measured, for want of power."""
        stations, _, slots = self._parts(ids)
        return self.signal.interrupted(stations, slots)[1]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        stations, symbols, slots = self._parts(ids)
        return pa.table(
            [
                pa.array(ids),
                pa.array(stations),
                self.codes(stations),
                self.symbols(stations, symbols),
                to_timestamp(slots // SLOTS + FIRST, slots % SLOTS * SECONDS),
                pa.array(self.signal.values(stations, symbols, slots)),
                self.units(stations, symbols),
                words(STATUSES, self.signal.status(stations, symbols, slots)),
            ],
            names=["id", *self.columns],
        )

    def sent(self, day: int) -> Sent:
        """The files that arrive on a day: 57,600 at full scale, but for outages and what is sent after them."""
        stations = np.arange(self.stations.count)
        slots = np.arange(SLOTS) + (day - FIRST) * SLOTS
        station, slot = (each.ravel() for each in np.meshgrid(stations, slots, indexing="ij"))
        cut, _ = self.signal.interrupted(station, slot)
        second = slot % SLOTS * SECONDS + self.chance.integer("measurement.sent", slot * 4096 + station, 2, 60)
        parts = [(station[~cut], slot[~cut], second[~cut], np.zeros(int((~cut).sum()), np.bool_))]
        for back in (0, 1, 2):
            parts += self._resent(stations, day - back, day)
        joined_ = [np.concatenate(each) for each in zip(*parts, strict=True)]
        order = np.lexsort((joined_[0], joined_[1], joined_[2]))
        return Sent(*(each[order] for each in joined_))

    def _resent(self, stations: Ints, begun: int, day: int) -> list[tuple[Ints, Ints, Ints, Bools]]:
        """What is sent on a day after the outages that began on another."""
        found = self.signal.interruption(stations, begun)
        files = []
        for station in np.flatnonzero((found.begin >= 0) & ~found.power):
            slots = np.arange(found.begin[station], found.end[station])
            moment = found.end[station] * SECONDS + 30 + np.arange(len(slots)) * RESEND
            today = moment // (SLOTS * SECONDS) == day - FIRST
            size = int(today.sum())
            late = np.ones(size, np.bool_)
            files.append((np.full(size, station), slots[today], moment[today] % (SLOTS * SECONDS), late))
        return files

    def totals(self, day: int) -> list[Total]:
        source = "200 stations, 8 symbols, 288 times a day"
        return [
            Total("measurement.rows_a_day", SLOTS * self.in_slot, "row", source, exact=True),
            Total("measurement.files_a_day", SLOTS * self.stations.count, "file", source, exact=True),
        ]


class Outage(Measured):
    """When a station was silent."""

    name = "outage"
    key = ("station_code", "began_at")
    doc = "One silence of a station since day -29: no files come; what was measured meanwhile is sent later."
    columns = {
        "station": "id of table station",
        "station_code": "code of the station",
        "cause": "MAT_DIEN nothing is measured, DUONG_TRUYEN the line is down",
        "began_at": "beginning",
        "ended_at": "end, known on its day",
        "missing_files": "files that do not come in time",
        "resent_until": "when the last of them has come; none without power",
    }

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def _known(self, day: int) -> tuple[Ints, Interruption]:
        """Stations and outages that began up to a day."""
        every = np.arange(self.stations.count)
        stations, parts = [np.arange(0)], []
        for each in range(FIRST, day + 1):
            found = self.signal.interruption(every, each)
            there = np.flatnonzero(found.begin >= 0)
            there = there[np.argsort(found.begin[there], kind="stable")]
            stations.append(there)
            parts.append((found.begin[there], found.end[there], found.power[there]))
        arrays = [np.concatenate(each) for each in zip(*parts, strict=True)] if parts else [np.arange(0)] * 3
        return np.concatenate(stations), Interruption(arrays[0], arrays[1], arrays[2].astype(np.bool_))

    def count(self, day: int) -> int:
        return len(self._known(day)[0])

    def _resent(self, found: Interruption) -> Ints:
        """The second, from the beginning of day -29 on, at which the last file is sent."""
        return np.asarray(found.end * SECONDS + 30 + (found.end - found.begin - 1) * RESEND, np.int64)

    def touched(self, day: int) -> Ints:
        found, today = self._known(day)[1], day - FIRST
        ended = found.end // SLOTS == today
        sent = (self._resent(found) // (SLOTS * SECONDS) == today) & ~found.power
        return np.flatnonzero((found.begin // SLOTS == today) | ended | sent).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        stations, found = self._known(day)
        station, begin, end, power = stations[ids], found.begin[ids], found.end[ids], found.power[ids]
        resent, now = self._resent(found)[ids], day - FIRST
        length = SLOTS * SECONDS
        sent = (resent // length <= now) & ~power
        return pa.table(
            [
                pa.array(ids),
                pa.array(station),
                self.codes(station),
                words(("DUONG_TRUYEN", "MAT_DIEN"), power.astype(np.int64)),
                to_timestamp(begin // SLOTS + FIRST, begin % SLOTS * SECONDS),
                to_timestamp(end // SLOTS + FIRST, end % SLOTS * SECONDS, end // SLOTS <= now),
                pa.array(end - begin, mask=end // SLOTS > now),
                to_timestamp(resent // length + FIRST, resent % length, sent),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        found = self._known(day)[1]
        late = int((found.end - found.begin)[~found.power].sum())
        return [Total("outage.count", self.count(day), "outage"), Total("outage.late_files", late, "file")]
