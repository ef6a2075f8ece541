"""Traffic counted by the hour, and the bus network in the shape of GTFS.

Belongs here: movement on roads. Stays out: what the operations centre makes of it (`smart_city`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.table import FLOW_DAYS, Table, Total, date_of, joined, numbered, padded, to_timestamp, words

SENSORS = 120  # derived: junctions with counting cameras
ROUTES, STOPS_PER_ROUTE = 34, 28  # derived: lines of both former provinces
FIRST = 1 - FLOW_DAYS
_NONE = np.arange(0, dtype=np.int64)
# Share of the day's traffic by hour; two peaks.
_HOURS = np.array([4, 3, 2, 2, 5, 14, 52, 88, 72, 50, 46, 60, 52, 48, 46, 52, 84, 96, 62, 44, 34, 24, 14, 8]) / 962.0
_SPAN = (5 * 60, 21 * 60)  # minutes after midnight between which buses leave
SERVICES = ("NGAY_THUONG", "CUOI_TUAN")


class TrafficCount(Table):
    """Vehicles that pass a sensor in an hour."""

    name = "traffic_count_hour"
    key = ("sensor_code", "starts_at")
    doc = "One row a sensor and hour, from 30 days before the first day on; a sensor that was down counted nothing"
    columns = {
        "place": "place (index of geography)",
        "sensor_code": "sensor",
        "road": "road",
        "commune_code": "commune of today",
        "starts_at": "beginning of the hour",
        "motorbike_count": "motorbikes; null when the sensor was down",
        "car_count": "cars",
        "truck_count": "lorries",
        "bus_count": "buses and coaches",
        "mean_speed_kmh": "mean speed, km/h",
        "quality": "TOT, MAT_KET_NOI",
    }

    @cached_property
    def sensors(self) -> int:
        """How many there are."""
        return self.scale.of(SENSORS, least=4)

    @cached_property
    def place(self) -> Ints:
        """By sensor."""
        return self.geo.town_places(self.chance, "traffic.place", np.arange(self.sensors))

    def count(self, day: int) -> int:
        return (max(day, 0) - FIRST + 1) * 24 * self.sensors

    def touched(self, day: int) -> Ints:
        end = (day - FIRST + 1) * 24 * self.sensors
        return np.arange(end - 24 * self.sensors, end) if day >= FIRST else _NONE

    def _split(self, ids: Ids) -> tuple[Ints, Ints, Ints]:
        """Day, hour, sensor."""
        rest, sensor = np.divmod(np.asarray(ids, np.int64), self.sensors)
        day, hour = np.divmod(rest, 24)
        return day + FIRST, hour, sensor

    def _counts(self, ids: Ids) -> tuple[Ints, Any]:
        """Vehicles of four kinds, one column each, and whether the sensor was up."""
        day, hour, sensor = self._split(ids)
        busy = 3_000 + 22_000 * self.chance.uniform("traffic.busy", sensor)
        weekday = (np.asarray(day) + date_of(0).weekday()) % 7
        mean = busy * _HOURS[hour] * np.where(weekday >= 5, 0.78, 1.0)
        mean = mean * (0.85 + 0.3 * self.chance.uniform("traffic.noise", ids))
        shares = np.array([0.66, 0.22, 0.10, 0.02])
        counts = np.rint(mean[:, None] * shares).astype(np.int64)
        # a sensor fails for a part of a day
        event = np.asarray(sensor) * 4096 + day - FIRST
        down = self.chance.happens("traffic.down", event, 0.03)
        since = self.chance.integer("traffic.down_from", event, 0, 20)
        until = since + self.chance.integer("traffic.down_for", event, 1, 12)
        return counts, ~(down & (hour >= since) & (hour < until))

    def vehicles(self, day: int) -> tuple[Ints, Ints]:
        """Commune and vehicles counted of each row of a day that has a count."""
        ids = self.touched(day)
        counts, up = self._counts(ids)
        _, _, sensor = self._split(ids)
        return self.geo.commune[self.place[sensor[up]]], counts[up].sum(axis=1)

    def totals(self, day: int) -> list[Total]:
        """Sensors, and vehicles counted on the day."""
        vehicles = int(self.vehicles(max(day, 0))[1].sum())
        return [Total("traffic.sensors", self.sensors, "sensor"), Total("traffic.vehicles", vehicles, "vehicle")]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        on, hour, sensor = self._split(ids)
        counts, up = self._counts(ids)
        place = self.place[sensor]
        peak = _HOURS[hour] / _HOURS.max()
        speed = np.round(48 - 22 * peak + 4 * self.chance.normal("traffic.speed", ids), 1)
        roads = ("QL1", "QL18", "QL37", "QL31", "QL17", "QL38", "ĐT293", "ĐT295B", "ĐT398", "ĐT276")
        columns = {
            "id": ids,
            "place": place,
            "sensor_code": numbered("TD{:03d}", sensor + 1),
            "road": words(roads, self.chance.integer("traffic.road", sensor, 0, len(roads) - 1)),
            "commune_code": words(list(self.geo.code_e2), place),
            "starts_at": to_timestamp(on, hour * 3600),
        }
        for number, name in enumerate(("motorbike", "car", "truck", "bus")):
            columns[f"{name}_count"] = pa.array(counts[:, number], mask=~up)
        columns["mean_speed_kmh"] = pa.array(speed, mask=~up)
        columns["quality"] = words(("MAT_KET_NOI", "TOT"), up.astype(np.int64))
        return pa.table(columns)


class _Buses(Table):
    """What the tables of the bus network share: lines run from one commune to another along stops of their own."""

    @cached_property
    def routes(self) -> int:
        """How many lines there are."""
        return self.scale.of(ROUTES, least=4)

    @cached_property
    def headway(self) -> Ints:
        """Minutes between two buses, by line."""
        return np.array([10, 15, 20, 30, 40])[
            self.chance.pick("bus_route.headway", np.arange(self.routes), (1, 3, 4, 3, 1))
        ]

    @cached_property
    def ends(self) -> Ints:
        """Commune of the first and of the last stop, by line."""
        towns = self.geo.town_places(self.chance, "bus_route.end", np.arange(2 * self.routes))
        return self.geo.commune[towns].reshape(-1, 2)

    def touched(self, day: int) -> Ints:
        return _NONE


class BusRoute(_Buses):
    """Bus lines."""

    name = "bus_route"
    key = ("route_id",)
    doc = "One row a line; routes.txt of GTFS"
    columns = {
        "route_id": "line",
        "route_short_name": "number on the bus",
        "route_long_name": "from, to",
        "route_type": "3: bus",
        "headway_min": "minutes between two buses on working days",
    }

    def count(self, day: int) -> int:
        return self.routes

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        names = list(self.geo.commune_names)
        return pa.table(
            {
                "id": ids,
                "route_id": numbered("BN{:02d}", ids + 1),
                "route_short_name": padded(ids + 1, 2),
                "route_long_name": joined(words(names, self.ends[ids, 0]), " - ", words(names, self.ends[ids, 1])),
                "route_type": np.full(len(ids), 3),
                "headway_min": self.headway[ids],
            }
        )


class BusStop(_Buses):
    """Bus stops; each belongs to one line."""

    name = "bus_stop"
    key = ("stop_id",)
    doc = "One row a stop; stops.txt of GTFS"
    columns = {
        "route": "id of the line",
        "stop_id": "stop",
        "stop_name": "name",
        "stop_lat": "degrees, WGS 84",
        "stop_lon": "degrees, WGS 84",
        "commune_code": "commune of today, the nearest to the stop",
        "sequence": "along the line, from 1",
        "is_sheltered": "has a roof",
    }

    def count(self, day: int) -> int:
        return self.routes * STOPS_PER_ROUTE

    def touched(self, day: int) -> Ints:
        """On every tenth day one stop gets its roof."""
        found = self._roofed(np.arange(self.count(day)))
        return np.flatnonzero(found == day).astype(np.int64) if day > 0 else _NONE

    def _roofed(self, ids: Ids) -> Ints:
        """The day on which a stop got its roof: 55 % have one; then one every tenth day."""
        later = np.asarray(ids, np.int64) * 7 % self.count(0)
        return np.where(self.chance.happens("bus_stop.roof", ids, 0.55), 0, 10 + later * 10)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, geo, chance = np.asarray(ids, np.int64), self.geo, self.chance
        route, at = np.divmod(ids, STOPS_PER_ROUTE)
        way = at / (STOPS_PER_ROUTE - 1)
        first, last = self.ends[route].T
        lat = (
            geo.commune_lat[first] * (1 - way)
            + geo.commune_lat[last] * way
            + 0.004 * chance.normal("bus_stop.lat", ids)
        )
        lon = (
            geo.commune_lon[first] * (1 - way)
            + geo.commune_lon[last] * way
            + 0.004 * chance.normal("bus_stop.lon", ids)
        )
        distance = (lat[:, None] - geo.commune_lat) ** 2 + (lon[:, None] - geo.commune_lon) ** 2
        commune = np.argmin(distance, axis=1) if len(ids) else ids
        spots = ("Chợ", "Trường THPT", "UBND", "Bưu điện", "Cổng khu công nghiệp", "Trạm y tế", "Ngã tư", "Bến xe")
        spot = words(spots, chance.integer("bus_stop.spot", ids, 0, len(spots) - 1))
        return pa.table(
            {
                "id": ids,
                "route": route,
                "stop_id": numbered("S{:04d}", ids + 1),
                "stop_name": joined(spot, " ", words(list(geo.commune_names), commune)),
                "stop_lat": np.round(lat, 6),
                "stop_lon": np.round(lon, 6),
                "commune_code": pa.array(geo.commune_codes[commune], pa.string()),
                "sequence": at + 1,
                "is_sheltered": self._roofed(ids) <= max(day, 0),
            }
        )


class BusTrip(_Buses):
    """Departures of the timetable, both ways; at the weekend every second of them."""

    name = "bus_trip"
    key = ("trip_id",)
    doc = "One row a departure of the timetable; trips.txt of GTFS"
    columns = {
        "route": "id of the line",
        "trip_id": "departure",
        "route_id": "line",
        "service_id": "NGAY_THUONG (Monday to Friday), CUOI_TUAN",
        "direction_id": "0 there, 1 back",
        "departs_minute": "minutes after midnight",
        "duration_min": "minutes to the last stop",
    }

    @cached_property
    def of_route(self) -> Ints:
        """By departure: line, service, direction, minute (four columns)."""
        parts = []
        for route, headway in enumerate(self.headway.tolist()):
            for service in range(len(SERVICES)):
                leaves = np.arange(*_SPAN, headway * (1 + service))
                for direction in (0, 1):
                    fixed = np.tile([route, service, direction], (len(leaves), 1))
                    parts.append(np.column_stack([fixed, leaves + 5 * direction]))
        return np.concatenate(parts).astype(np.int64)

    def count(self, day: int) -> int:
        return len(self.of_route)

    def duration(self, trips: Ids) -> Ints:
        """Minutes from the first stop to the last: two and a half between stops, longer at the peaks."""
        minute = self.of_route[trips, 3]
        slow = _HOURS[minute // 60] / _HOURS.max()
        return np.asarray(np.rint((STOPS_PER_ROUTE - 1) * (2.2 + 0.8 * slow)), np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        route, service, direction, minute = self.of_route[ids].T
        return pa.table(
            {
                "id": ids,
                "route": route,
                "trip_id": numbered("T{:05d}", ids + 1),
                "route_id": numbered("BN{:02d}", route + 1),
                "service_id": words(SERVICES, service),
                "direction_id": direction,
                "departs_minute": minute,
                "duration_min": self.duration(ids),
            }
        )


class BusStopTime(_Buses):
    """When a departure calls at each stop."""

    name = "bus_stop_time"
    key = ("trip_id", "stop_sequence")
    doc = "One row a departure and stop; stop_times.txt of GTFS"
    columns = {
        "trip": "id of the departure",
        "trip_id": "departure",
        "stop_id": "stop",
        "stop_sequence": "along the way, from 1",
        "arrival_time": "HH:MM:SS, local",
        "departure_time": "HH:MM:SS, local",
    }

    @property
    def _trips(self) -> BusTrip:
        trips: BusTrip = self.province.table("bus_trip")
        return trips

    def count(self, day: int) -> int:
        return self._trips.count(day) * STOPS_PER_ROUTE

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        trip, at = np.divmod(ids, STOPS_PER_ROUTE)
        route, _, direction, minute = self._trips.of_route[trip].T
        stop = route * STOPS_PER_ROUTE + np.where(direction == 0, at, STOPS_PER_ROUTE - 1 - at)
        seconds = minute * 60 + self._trips.duration(trip) * 60 * at // (STOPS_PER_ROUTE - 1)
        clock = joined(padded(seconds // 3600, 2), ":", padded(seconds // 60 % 60, 2), ":", padded(seconds % 60, 2))
        return pa.table(
            {
                "id": ids,
                "trip": trip,
                "trip_id": numbered("T{:05d}", trip + 1),
                "stop_id": numbered("S{:04d}", stop + 1),
                "stop_sequence": at + 1,
                "arrival_time": clock,
                "departure_time": clock,
            }
        )
