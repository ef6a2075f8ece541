"""What cameras and the security centre see: violations of traffic rules, events of network security.

Belongs here: the tables `violation_event` and `cyber_event`, both restricted. Stays out: cameras and incidents
(`smart_city`).

Plates begin with 42, a number that no province has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.identifiers import spread
from simulator.table import FLOW_DAYS, Arrivals, Province, Table, Total, joined, numbered, padded, to_timestamp, words

VIOLATIONS_A_YEAR, CYBER_A_YEAR = 90_000, 1_500  # derived
FIRST = 1 - FLOW_DAYS
_NEVER = 1 << 30
# Kind -> (share, fine in VND of cars); Decree 168/2024/NĐ-CP
VIOLATIONS = {
    "Chạy quá tốc độ": (0.38, 5_000_000),
    "Không chấp hành đèn tín hiệu": (0.30, 19_000_000),
    "Đi không đúng làn đường": (0.18, 5_000_000),
    "Dừng, đỗ sai quy định": (0.10, 900_000),
    "Đi ngược chiều": (0.04, 19_000_000),
}
SEEN, NOTIFIED, FINED = range(3)
VIOLATION_STATUSES = ("PHAT_HIEN", "DA_THONG_BAO", "DA_XU_PHAT")
CYBER_KINDS = {
    "Mã độc": 0.34,
    "Dò quét, dò mật khẩu": 0.30,
    "Thư lừa đảo": 0.20,
    "Từ chối dịch vụ": 0.07,
    "Lộ tài khoản": 0.06,
    "Thay đổi giao diện": 0.03,
}


class _Events(Table):
    """Things that come day by day and go through stages."""

    arrivals: Arrivals

    def count(self, day: int) -> int:
        return self.arrivals.through(max(day, 0))

    def stages(self, day: int) -> list[Ints]:
        """Days of arrival and of each later stage, of everything known by a day."""
        raise NotImplementedError

    def touched(self, day: int) -> Ints:
        if day < 1:
            return self.arrivals.ids(day)
        return np.flatnonzero(np.any([days == day for days in self.stages(day)], axis=0)).astype(np.int64)


class ViolationEvent(_Events):
    """Violations of traffic rules that cameras saw."""

    name = "violation_event"
    key = ("violation_code",)
    doc = "One row a violation seen by a camera since day -29; about 90,000 a year [D]; restricted"
    columns = {
        "camera": "id of the camera",
        "owner_person": "person who owns the vehicle",
        "violation_code": "VP, number",
        "kind": "kind",
        "plate_no": "number plate",
        "commune_code": "commune of today",
        "happened_at": "moment",
        "status": "PHAT_HIEN, DA_THONG_BAO, DA_XU_PHAT",
        "notified_at": "moment of the notice to the owner; null before",
        "fined_at": "moment of the decision; null before",
        "fine_vnd": "fine, VND; null before the decision",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.arrivals = Arrivals(VIOLATIONS_A_YEAR * province.scale.factor / 365, FIRST, weekend=1.1)

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def stages(self, day: int) -> list[Ints]:
        ids, chance = np.arange(self.count(day)), self.chance
        came = self.arrivals.days(ids, max(day, 0))
        notified = came + chance.integer("violation_event.notified", ids, 1, 10)
        fined = notified + chance.integer("violation_event.fined", ids, 3, 45)
        return [came, notified, np.where(chance.happens("violation_event.appears", ids, 0.72), fined, _NEVER)]

    def totals(self, day: int) -> list[Total]:
        """Violations by status."""
        came, notified, fined = self.stages(day)
        status = np.where(fined <= max(day, 0), FINED, np.where(notified <= max(day, 0), NOTIFIED, SEEN))
        counts = np.bincount(status, minlength=3)
        found = [
            Total(f"violation_event.{s}", int(n), "event") for s, n in zip(VIOLATION_STATUSES, counts, strict=True)
        ]
        return [Total("violation_event.count", len(came), "event", "derived"), *found]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance, now = np.asarray(ids, np.int64), self.chance, max(day, 0)
        came, notified, fined = (days[ids] for days in self.stages(day))
        cameras = self.province.table("camera")
        camera = chance.integer("violation_event.camera", ids, 0, cameras.count(0) - 1)
        kind = chance.pick("violation_event.kind", ids, [share for share, _ in VIOLATIONS.values()])
        owner = self.province.people.pick_adults("violation_event.owner", ids)
        letter = words(tuple("ABCDEFGHKLM"), owner % 11)
        number = padded(spread(owner, 100_000, factor=61_757, start=24), 5)
        told, done = notified <= now, fined <= now
        hour = chance.integer("violation_event.second", ids, 0, 86_399)
        office = chance.integer("violation_event.office", ids, 27_000, 61_200)
        return pa.table(
            {
                "id": ids,
                "camera": camera,
                "owner_person": owner,
                "violation_code": numbered("VP{:08d}", ids + 1),
                "kind": words(list(VIOLATIONS), kind),
                "plate_no": joined("42", letter, "-", number),
                "commune_code": words(list(self.geo.code_e2), cameras.place[camera]),
                "happened_at": to_timestamp(came, hour),
                "status": words(VIOLATION_STATUSES, np.where(done, FINED, np.where(told, NOTIFIED, SEEN))),
                "notified_at": to_timestamp(np.where(told, notified, 0), office, told),
                "fined_at": to_timestamp(np.where(done, fined, 0), office, done),
                "fine_vnd": pa.array(np.array([fine for _, fine in VIOLATIONS.values()])[kind], mask=~done),
            }
        )


class CyberEvent(_Events):
    """Events of network security in the agencies' systems."""

    name = "cyber_event"
    key = ("event_code",)
    doc = "One row an event that the security centre (SOC) handled since day -29; about 1,500 a year [D]; restricted"
    columns = {
        "agency": "id of the agency",
        "event_code": "ATTT, number",
        "agency_code": "code of the agency",
        "kind": "kind",
        "severity": "1 slight to 4 very grave",
        "detected_at": "moment of detection",
        "resolved_at": "moment at which it was over; null while it is not",
        "host_count": "machines concerned",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.arrivals = Arrivals(max(CYBER_A_YEAR * province.scale.factor, 250) / 365, FIRST, weekend=0.7)

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def stages(self, day: int) -> list[Ints]:
        ids = np.arange(self.count(day))
        came = self.arrivals.days(ids, max(day, 0))
        took = 1 + np.floor(self.chance.uniform("cyber_event.took", ids) ** 2 * 8).astype(np.int64)
        return [came, came + took]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        came, over = (days[ids] for days in self.stages(day))
        agencies = self.province.table("agency")
        agency = chance.integer("cyber_event.agency", ids, 0, agencies.current - 1)
        done = over <= max(day, 0)
        hosts = 1 + np.floor(chance.uniform("cyber_event.hosts", ids) ** 4 * 40).astype(np.int64)
        return pa.table(
            {
                "id": ids,
                "agency": agency,
                "event_code": numbered("ATTT{:06d}", ids + 1),
                "agency_code": words(agencies.codes, agency),
                "kind": words(list(CYBER_KINDS), chance.pick("cyber_event.kind", ids, list(CYBER_KINDS.values()))),
                "severity": 1 + chance.pick("cyber_event.severity", ids, (0.55, 0.3, 0.12, 0.03)),
                "detected_at": to_timestamp(came, chance.integer("cyber_event.second", ids, 0, 86_399)),
                "resolved_at": to_timestamp(
                    np.where(done, over, 0), chance.integer("cyber_event.done", ids, 27_000, 61_200), done
                ),
                "host_count": hosts,
            }
        )


TABLES: tuple[type[Table], ...] = (ViolationEvent, CyberEvent)
