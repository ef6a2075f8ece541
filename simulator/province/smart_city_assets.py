"""Infrastructure of the smart city and the use of its public wireless network.

Belongs here: the tables `asset_infrastructure` and `wifi_usage`. Stays out: cameras (`smart_city`), sensors and buses
(`smart_city_transport`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.smart_city import points
from simulator.table import FLOW_DAYS, Table, Total, date_of, numbered, to_date32, words

ASSETS, HOTSPOTS = 3_200, 420  # derived
FIRST = 1 - FLOW_DAYS
KINDS = {
    "Trạm phát sóng di động": (0.42, "Doanh nghiệp viễn thông"),
    "Tủ cáp quang": (0.24, "Doanh nghiệp viễn thông"),
    "Tủ điều khiển đèn tín hiệu": (0.09, "Sở Xây dựng"),
    "Tủ điều khiển chiếu sáng": (0.14, "UBND cấp xã"),
    "Bảng thông tin điện tử": (0.05, "UBND cấp xã"),
    "Điểm truy nhập Wi-Fi": (0.0, "Sở Khoa học và Công nghệ"),  # as many as there are hotspots
    "Đài truyền thanh thông minh": (0.06, "UBND cấp xã"),
}
_HOTSPOT = list(KINDS).index("Điểm truy nhập Wi-Fi")
CONDITIONS = ("Tốt", "Cần bảo trì", "Hỏng")


class Asset(Table):
    """Assets of the digital infrastructure."""

    name = "asset_infrastructure"
    key = ("asset_code",)
    doc = "One row an asset of the digital infrastructure [D: 3,200]; the access points of public Wi-Fi come first"
    columns = {
        "place": "place (index of geography)",
        "asset_code": "number",
        "kind": "kind",
        "owner": "who runs it",
        "commune_code": "commune of today",
        "latitude": "degrees, WGS 84",
        "longitude": "degrees, WGS 84",
        "installed_on": "date of installation",
        "condition": "Tốt, Cần bảo trì, Hỏng",
        "cost_million_vnd": "cost, million VND; null of what is not the state's",
    }

    @cached_property
    def hotspots(self) -> int:
        """How many access points there are; their ids are the first."""
        return self.scale.of(HOTSPOTS, least=6)

    @cached_property
    def place(self) -> Ints:
        """By asset."""
        return self.geo.town_places(self.chance, "asset.place", np.arange(self.count(0)))

    def count(self, day: int) -> int:
        return max(self.scale.of(ASSETS), self.hotspots + len(KINDS))

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def kind(self, ids: Ids) -> Ints:
        """Index into `KINDS`."""
        drawn = self.chance.pick("asset.kind", ids, [share for share, _ in KINDS.values()])
        return np.where(np.asarray(ids) < self.hotspots, _HOTSPOT, drawn).astype(np.int64)

    def totals(self, day: int) -> list[Total]:
        """Assets of each kind."""
        counts = np.bincount(self.kind(np.arange(self.count(day))), minlength=len(KINDS))
        found = [Total(f"asset_infrastructure.{k}", int(n), "asset") for k, n in zip(KINDS, counts, strict=True)]
        return [Total("asset_infrastructure.count", self.count(day), "asset", "derived"), *found]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        place, kind = self.place[ids], self.kind(ids)
        lat, lon = points(self.geo, chance, "asset", ids, self.geo.commune[place])
        cost = np.array([900, 120, 180, 60, 240, 35, 90])[kind] * (0.7 + 0.6 * chance.uniform("asset.cost", ids))
        return pa.table(
            {
                "id": ids,
                "place": place,
                "asset_code": numbered("HT{:05d}", ids + 1),
                "kind": words(list(KINDS), kind),
                "owner": words([owner for _, owner in KINDS.values()], kind),
                "commune_code": words(list(self.geo.code_e2), place),
                "latitude": lat,
                "longitude": lon,
                "installed_on": to_date32(-chance.integer("asset.installed", ids, 40, 3_600)),
                "condition": words(CONDITIONS, chance.pick("asset.condition", ids, (0.86, 0.11, 0.03))),
                "cost_million_vnd": pa.array(cost.round(1), mask=kind < 2),
            }
        )


class WifiUsage(Table):
    """Use of the public wireless network."""

    name = "wifi_usage"
    key = ("hotspot_code", "used_on")
    doc = "One row an access point of public Wi-Fi and day since day -29; one that was down has no figures"
    columns = {
        "hotspot_infrastructure": "id of the asset_infrastructure",
        "hotspot_code": "number of the access point",
        "commune_code": "commune of today",
        "used_on": "day",
        "session_count": "sessions; null when it was down",
        "device_count": "different devices",
        "download_mb": "data received, MB",
        "upload_mb": "data sent, MB",
    }

    @cached_property
    def _hotspots(self) -> int:
        hotspots: int = self.province.table("asset_infrastructure").hotspots
        return hotspots

    def count(self, day: int) -> int:
        return (max(day, 0) - FIRST + 1) * self._hotspots

    def touched(self, day: int) -> Ints:
        end = (day - FIRST + 1) * self._hotspots
        return np.arange(end - self._hotspots, end) if day >= FIRST else np.arange(0, dtype=np.int64)

    def _sessions(self, ids: Ids) -> tuple[Ints, Ints, Ints, Bools]:
        """Day, access point, sessions, and whether it was up."""
        day, hotspot = np.divmod(np.asarray(ids, np.int64), self._hotspots)
        weekend = (day + FIRST + date_of(0).weekday()) % 7 >= 5
        busy = 30 + 400 * self.chance.uniform("wifi_usage.busy", hotspot) ** 2
        noise = 0.8 + 0.4 * self.chance.uniform("wifi_usage.noise", ids)
        sessions = np.rint(busy * np.where(weekend, 1.3, 1.0) * noise).astype(np.int64)
        return day + FIRST, hotspot, sessions, ~self.chance.happens("wifi_usage.down", ids, 0.02)

    def totals(self, day: int) -> list[Total]:
        """Access points, and sessions since day -29."""
        _, _, sessions, up = self._sessions(np.arange(self.count(day)))
        return [
            Total("wifi_usage.hotspots", self._hotspots, "access point", "derived"),
            Total("wifi_usage.sessions", int(sessions[up].sum()), "session"),
        ]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        on, hotspot, sessions, up = self._sessions(ids)
        place = self.province.table("asset_infrastructure").place[hotspot]
        devices = np.maximum(np.rint(sessions * (0.5 + 0.3 * self.chance.uniform("wifi_usage.devices", ids))), 1)
        down = np.round(sessions * (12 + 30 * self.chance.uniform("wifi_usage.download", ids)), 1)
        return pa.table(
            {
                "id": ids,
                "hotspot_infrastructure": hotspot,
                "hotspot_code": numbered("HT{:05d}", hotspot + 1),
                "commune_code": words(list(self.geo.code_e2), place),
                "used_on": to_date32(on),
                "session_count": pa.array(sessions, mask=~up),
                "device_count": pa.array(devices.astype(np.int64), mask=~up),
                "download_mb": pa.array(down, mask=~up),
                "upload_mb": pa.array(np.round(down * 0.14, 1), mask=~up),
            }
        )


TABLES: tuple[type[Table], ...] = (Asset, WifiUsage)
