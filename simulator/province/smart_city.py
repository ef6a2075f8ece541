"""Smart city: reports from the scene, cameras, incidents.

Belongs here: what the operations centre (IOC) works with. Stays out: traffic counts and buses (`smart_city_transport`),
its own figures (`smart_city_ioc`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Chance, Ids, Ints
from simulator.geography import Geography
from simulator.province.smart_city_ioc import IocIndicator
from simulator.province.smart_city_transport import BusRoute, BusStop, BusStopTime, BusTrip, TrafficCount
from simulator.table import FLOW_DAYS, Arrivals, Province, Table, Total, numbered, to_date32, to_timestamp, words

REPORTS_A_YEAR = 30_000  # derived
INCIDENTS_A_YEAR = 3_600  # derived
CAMERAS, PILOT_CAMERAS = 2_400, 300  # 300 of the pilot of 2020; thousands since: derived
FIRST = 1 - FLOW_DAYS
_NONE = np.arange(0, dtype=np.int64)
# kind: (share, who handles it, days to do so)
REPORT_KINDS = {
    "Hạ tầng đô thị": (0.20, "Sở Xây dựng", 7),
    "Trật tự đô thị": (0.18, "UBND cấp xã", 5),
    "Môi trường, rác thải": (0.20, "UBND cấp xã", 5),
    "An toàn giao thông": (0.12, "Công an tỉnh", 5),
    "An ninh trật tự": (0.06, "Công an tỉnh", 3),
    "Điện, nước, viễn thông": (0.10, "Sở Công Thương", 5),
    "An toàn thực phẩm": (0.04, "Sở Y tế", 10),
    "Giáo dục": (0.04, "Sở Giáo dục và Đào tạo", 10),
    "Dịch vụ công": (0.06, "Trung tâm Phục vụ hành chính công", 5),
}
CHANNELS = ("Ứng dụng di động", "Zalo", "Tổng đài 1022", "Cổng thông tin", "Trực tiếp")
RECEIVED, REFUSED, ASSIGNED, HANDLED, PUBLISHED = range(5)
REPORT_STATUSES = ("TIEP_NHAN", "TU_CHOI", "DANG_XU_LY", "DA_XU_LY", "DA_CONG_KHAI")
INCIDENT_KINDS = {
    "Tai nạn giao thông": 0.46,
    "Ùn tắc": 0.24,
    "Cháy": 0.08,
    "Sự cố điện": 0.10,
    "Ngập úng": 0.06,
    "Cây đổ": 0.06,
}


def points(geo: Geography, chance: Chance, name: str, ids: Ids, communes: Ids) -> tuple[Any, Any]:
    """Latitude and longitude (WGS 84, six decimals) of a point in its commune for each id."""
    radius = np.sqrt(geo.commune_km2[communes] / np.pi) * np.sqrt(chance.uniform(f"{name}.radius", ids)) * 0.85
    angle = chance.uniform(f"{name}.angle", ids) * 2 * np.pi
    lat = geo.commune_lat[communes] + radius * np.sin(angle) / 110.7
    return np.round(lat, 6), np.round(geo.commune_lon[communes] + radius * np.cos(angle) / 103.6, 6)


class FieldReport(Table):
    """What people report from the scene."""

    name = "field_report"
    key = ("report_code",)
    doc = "One row a report from the scene (phản ánh hiện trường); about 30,000 a year [D]"
    columns = {
        "reporter_person": "person who reported; null when anonymous",
        "place": "place (index of geography)",
        "report_code": "PA, number",
        "kind": "kind",
        "channel": "way by which it came",
        "commune_code": "commune of today",
        "latitude": "degrees, WGS 84",
        "longitude": "degrees, WGS 84",
        "reported_at": "moment of the report",
        "unit_name": "unit that handles it",
        "due_at": "moment until which it must be handled",
        "status": "TIEP_NHAN, TU_CHOI, DANG_XU_LY, DA_XU_LY, DA_CONG_KHAI",
        "handled_at": "moment at which it was handled; null before",
        "is_late": "handled or still open after it was due",
        "rating": "1 to 5, what the reporter thinks of it; null without an answer",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.arrivals = Arrivals(REPORTS_A_YEAR * province.scale.factor / 365, FIRST, weekend=0.6)

    def count(self, day: int) -> int:
        return self.arrivals.through(max(day, 0))

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def course(self, day: int) -> dict[str, Ints]:
        """For every report known by a day: its days of arrival, assignment, handling, publication, and when it is due."""
        ids = np.arange(self.count(day))
        chance = self.chance
        came = self.arrivals.days(ids, max(day, 0)) if len(ids) else ids
        kind = chance.pick("field_report.kind", ids, [share for share, *_ in REPORT_KINDS.values()])
        due = came + np.array([days for *_, days in REPORT_KINDS.values()])[kind]
        assigned = came + chance.integer("field_report.assigned", ids, 0, 2)
        late = chance.happens("field_report.late", ids, 0.14)
        took = np.where(late, due - came + chance.integer("field_report.over", ids, 1, 25), 0)
        in_time = 1 + np.floor(chance.uniform("field_report.took", ids) * (due - came)).astype(np.int64)
        handled = came + np.maximum(np.where(late, took, in_time), assigned - came)
        refused = chance.happens("field_report.refused", ids, 0.06)
        published = handled + chance.integer("field_report.published", ids, 1, 2)
        never = 1 << 30
        return {
            "came": came,
            "kind": kind,
            "due": due,
            "assigned": assigned,
            "refused": refused.astype(np.int64),
            "handled": np.where(refused, never, handled),
            "published": np.where(refused, never, published),
        }

    def status(self, day: int) -> Ints:
        """Index into `REPORT_STATUSES` of every report known by a day."""
        c, day = self.course(day), max(day, 0)
        refused = (c["refused"] == 1) & (c["assigned"] <= day)
        reached = np.select(
            [c["published"] <= day, c["handled"] <= day, c["assigned"] <= day], [PUBLISHED, HANDLED, ASSIGNED], RECEIVED
        )
        return np.where(refused, REFUSED, reached)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return self.arrivals.ids(day)
        c = self.course(day)
        stages = [c[name] == day for name in ("came", "assigned", "handled", "published")]
        overdue = (c["due"] + 1 == day) & (c["handled"] > c["due"])
        return np.flatnonzero(np.any([*stages, overdue], axis=0)).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance, people = np.asarray(ids, np.int64), self.chance, self.province.people
        c = {name: values[ids] for name, values in self.course(day).items()}
        status, now = self.status(day)[ids], max(day, 0)
        place = self.geo.town_places(chance, "field_report.place", ids)
        lat, lon = points(self.geo, chance, "field_report", ids, self.geo.commune[place])
        second = chance.integer("field_report.second", ids, 6 * 3600, 21 * 3600)
        done = status >= HANDLED
        open_late = ~done & (status != REFUSED) & (c["due"] < now)
        rated = (status == PUBLISHED) & chance.happens("field_report.rated", ids, 0.35)
        named = chance.happens("field_report.named", ids, 0.65)
        return pa.table(
            {
                "id": ids,
                "reporter_person": pa.array(people.pick_adults("field_report.reporter", ids), mask=~named),
                "place": place,
                "report_code": numbered("PA{:08d}", ids + 1),
                "kind": words(list(REPORT_KINDS), c["kind"]),
                "channel": words(CHANNELS, chance.pick("field_report.channel", ids, (0.46, 0.28, 0.16, 0.07, 0.03))),
                "commune_code": words(list(self.geo.code_e2), place),
                "latitude": lat,
                "longitude": lon,
                "reported_at": to_timestamp(c["came"], second),
                "unit_name": words([unit for _, unit, _ in REPORT_KINDS.values()], c["kind"]),
                "due_at": to_timestamp(c["due"], 17 * 3600),
                "status": words(REPORT_STATUSES, status),
                "handled_at": to_timestamp(
                    np.where(done, c["handled"], 0), chance.integer("field_report.done", ids, 27_000, 61_200), done
                ),
                "is_late": (done & (c["handled"] > c["due"])) | open_late,
                "rating": pa.array(1 + chance.pick("field_report.rating", ids, (6, 7, 15, 34, 38)), mask=~rated),
            }
        )


class Camera(Table):
    """Cameras of the province."""

    name = "camera"
    key = ("camera_code",)
    doc = "One row a camera; the 300 of the pilot of 2020 [S] come first; where they stand is restricted"
    columns = {
        "place": "place (index of geography)",
        "camera_code": "number",
        "camera_name": "junction or spot",
        "kind": "Giao thông, An ninh, Môi trường",
        "commune_code": "commune of today",
        "latitude": "degrees, WGS 84",
        "longitude": "degrees, WGS 84",
        "installed_on": "date of installation",
        "is_pilot": "one of the pilot of 2020",
        "operator": "who runs it",
        "is_online": "whether its picture arrives at the end of the day",
    }

    def count(self, day: int) -> int:
        return self.scale.of(CAMERAS, least=PILOT_CAMERAS)

    def online(self, ids: Ids, day: int) -> Any:
        """Whether pictures arrive: every twenty days one camera in eight fails for up to a week."""
        ids = np.asarray(ids, np.int64)
        window, at = divmod(max(day, 0), 20)
        event = ids * 4096 + window
        start = self.chance.integer("camera.fails_on", event, 0, 13)
        length = self.chance.integer("camera.fails_for", event, 1, 6)
        failing = self.chance.happens("camera.fails", event, 0.12)
        return ~(failing & (at >= start) & (at < start + length))

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _NONE
        ids = np.arange(self.count(day))
        return np.flatnonzero(self.online(ids, day) != self.online(ids, day - 1)).astype(np.int64)

    def totals(self, day: int) -> list[Total]:
        """Cameras, those of the pilot, those that work."""
        count = self.count(day)
        online = int(self.online(np.arange(count), day).sum())
        pilot = Total("camera.pilot", PILOT_CAMERAS, "camera", "pilot of 2020", True)
        return [Total("camera.count", count, "camera"), pilot, Total("camera.online", online, "camera")]

    @cached_property
    def place(self) -> Ints:
        """By camera."""
        return self.geo.town_places(self.chance, "camera.place", np.arange(self.count(0)))

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        place, pilot = self.place[ids], ids < PILOT_CAMERAS
        lat, lon = points(self.geo, chance, "camera", ids, self.geo.commune[place])
        installed = np.where(
            pilot, -chance.integer("camera.pilot_on", ids, 2_200, 2_440), -chance.integer("camera.on", ids, 30, 2_100)
        )
        spots = [
            f"{kind} {village}" for kind in ("Ngã tư", "Ngã ba", "Cổng chợ", "Cầu") for village in self.geo.village
        ]
        spot = chance.integer("camera.spot", ids, 0, 3) * self.geo.place_count + place
        operator = chance.pick("camera.operator", ids, (0.55, 0.3, 0.15))
        return pa.table(
            {
                "id": ids,
                "place": place,
                "camera_code": numbered("CAM{:05d}", ids + 1),
                "camera_name": words(spots, spot),
                "kind": words(
                    ("Giao thông", "An ninh", "Môi trường"), chance.pick("camera.kind", ids, (0.5, 0.45, 0.05))
                ),
                "commune_code": words(list(self.geo.code_e2), place),
                "latitude": lat,
                "longitude": lon,
                "installed_on": to_date32(installed),
                "is_pilot": pilot,
                "operator": words(("Công an tỉnh", "UBND cấp xã", "Trung tâm IOC"), operator),
                "is_online": self.online(ids, day),
            }
        )


class Incident(Table):
    """Incidents in public space."""

    name = "incident"
    key = ("incident_code",)
    doc = "One row an incident seen by the operations centre; about 3,600 a year [D]"
    columns = {
        "camera": "id of the camera that saw it; null otherwise",
        "place": "place (index of geography)",
        "incident_code": "SC, number",
        "kind": "kind",
        "severity": "1 slight to 4 very grave",
        "commune_code": "commune of today",
        "latitude": "degrees, WGS 84",
        "longitude": "degrees, WGS 84",
        "happened_at": "moment",
        "cleared_at": "moment at which it was over; null while it is not",
        "dead_count": "persons killed",
        "injured_count": "persons injured",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.arrivals = Arrivals(INCIDENTS_A_YEAR * province.scale.factor / 365, FIRST, weekend=1.2)

    def count(self, day: int) -> int:
        return self.arrivals.through(max(day, 0))

    def touched(self, day: int) -> Ints:
        """Those of the day, and those of the evening before that were over only now."""
        if day < 1:
            return self.arrivals.ids(day)
        before = self.arrivals.ids(day - 1)
        happened, lasted = self._times(before)
        return np.concatenate([before[happened + lasted >= 86_400], self.arrivals.ids(day)])

    def _times(self, ids: Ids) -> tuple[Ints, Ints]:
        """Seconds after midnight, and how long it lasted (below six hours)."""
        hour = self.chance.integer("incident.second", ids, 0, 86_399)
        return hour, 600 + np.floor(self.chance.uniform("incident.lasted", ids) ** 3 * 20_000).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance, now = np.asarray(ids, np.int64), self.chance, max(day, 0)
        on = self.arrivals.days(ids, now)
        second, lasted = self._times(ids)
        over, end = (second + lasted) // 86_400, (second + lasted) % 86_400
        seen = chance.happens("incident.seen", ids, 0.4)
        camera = self.province.table("camera")
        which = chance.integer("incident.camera", ids, 0, camera.count(0) - 1)
        place = np.where(seen, camera.place[which], self.geo.town_places(chance, "incident.place", ids))
        lat, lon = points(self.geo, chance, "incident", ids, self.geo.commune[place])
        kind = chance.pick("incident.kind", ids, list(INCIDENT_KINDS.values()))
        severity = 1 + chance.pick("incident.severity", ids, (0.62, 0.27, 0.09, 0.02))
        harmful = (kind == 0) | (kind == 2)
        dead = np.where(harmful & (severity >= 3), chance.integer("incident.dead", ids, 0, severity - 2), 0)
        injured = np.where(harmful, chance.integer("incident.injured", ids, 0, severity), 0)
        return pa.table(
            {
                "id": ids,
                "camera": pa.array(which, mask=~seen),
                "place": place,
                "incident_code": numbered("SC{:07d}", ids + 1),
                "kind": words(list(INCIDENT_KINDS), kind),
                "severity": severity,
                "commune_code": words(list(self.geo.code_e2), place),
                "latitude": lat,
                "longitude": lon,
                "happened_at": to_timestamp(on, second),
                "cleared_at": to_timestamp(on + over, end, on + over <= now),
                "dead_count": dead,
                "injured_count": injured,
            }
        )


TABLES: tuple[type[Table], ...] = (
    FieldReport, Camera, Incident, TrafficCount, BusRoute, BusStop, BusTrip, BusStopTime, IocIndicator
)  # fmt: skip
