"""The operations centre's figures.

Belongs here: indicators, each an aggregate of other tables of the truth. Stays out: what they count (`smart_city`,
`smart_city_transport`, `population`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.table import FLOW_DAYS, Table, to_date32, words

FIRST = 1 - FLOW_DAYS
_NONE = np.arange(0, dtype=np.int64)
# code: (name, unit)
INDICATORS = {
    "PA_TIEP_NHAN": ("Phản ánh hiện trường tiếp nhận trong ngày", "phản ánh"),
    "PA_XU_LY_XONG": ("Phản ánh xử lý xong trong ngày", "phản ánh"),
    "PA_QUA_HAN": ("Phản ánh quá hạn đang tồn", "phản ánh"),
    "SU_CO": ("Sự cố trong ngày", "sự cố"),
    "CAMERA_HOAT_DONG": ("Camera đang hoạt động", "camera"),
    "LUU_LUONG": ("Lượt phương tiện qua điểm đếm trong ngày", "lượt"),
    "KHAI_SINH": ("Trẻ sinh trong ngày", "người"),
    "CHET": ("Người chết trong ngày", "người"),
}


class IocIndicator(Table):
    """Figures of the operations centre: what the tables of the truth add up to, by commune and day."""

    name = "ioc_indicator"
    key = ("indicator_code", "unit_code", "period_on")
    doc = "One row an indicator, unit (99 communes and the province, code 24) and day, refreshed by 17:00"
    columns = {
        "indicator_code": "code of the indicator",
        "indicator_name": "its name",
        "unit_code": "commune of today; 24: the province",
        "period_on": "day",
        "value": "value",
        "value_unit": "unit of the value",
    }

    @property
    def _units(self) -> int:
        return len(self.geo.commune_codes) + 1

    def count(self, day: int) -> int:
        return (max(day, 0) - FIRST + 1) * self._units * len(INDICATORS)

    def touched(self, day: int) -> Ints:
        last = (day - FIRST + 1) * self._units * len(INDICATORS)
        return np.arange(last - self._units * len(INDICATORS), last) if day >= FIRST else _NONE

    @lru_cache(maxsize=64)  # noqa: B019
    def _figures(self, day: int) -> npt.NDArray[np.float64]:
        """Every indicator (rows) of every unit (columns, the province last) on a day."""
        people, communes = self.province.people, self.geo.commune
        reports, camera, incident, counts = (
            self.province.table(name) for name in ("field_report", "camera", "incident", "traffic_count_hour")
        )
        course = reports.course(max(day, 0))
        place = self.geo.town_places(self.chance, "field_report.place", np.arange(len(course["came"])))
        overdue = (course["due"] < day) & (course["handled"] > day) & (course["refused"] == 0) & (course["came"] <= day)
        cameras = np.arange(camera.count(day))
        events = incident.rows(incident.arrivals.ids(day), max(day, 0))["place"].to_numpy()
        sensors, vehicles = counts.vehicles(day)
        parts: list[tuple[Ints, Any]] = [
            (communes[place[course["came"] == day]], None),
            (communes[place[course["handled"] == day]], None),
            (communes[place[overdue]], None),
            (communes[events], None),
            (communes[camera.place[cameras[camera.online(cameras, day)]]], None),
            (sensors, vehicles),
            (communes[people.place_at(people.newborn(day), max(day, 0))], None),
            (communes[people.place_at(people.deceased(day), max(day, 0))], None),
        ]
        by_commune = np.stack([np.bincount(c, weights=w, minlength=self._units - 1) for c, w in parts])
        return np.concatenate([by_commune, by_commune.sum(axis=1, keepdims=True)], axis=1)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        rest, unit = np.divmod(ids, self._units)
        number, indicator = np.divmod(rest, len(INDICATORS))
        on = number + FIRST
        value = np.zeros(len(ids))
        for each in np.unique(on).tolist():
            mine = on == each
            value[mine] = self._figures(each)[indicator[mine], unit[mine]]
        return pa.table(
            {
                "id": ids,
                "indicator_code": words(list(INDICATORS), indicator),
                "indicator_name": words([name for name, _ in INDICATORS.values()], indicator),
                "unit_code": words([*(str(c) for c in self.geo.commune_codes), "24"], unit),
                "period_on": to_date32(on),
                "value": value,
                "value_unit": words([u for _, u in INDICATORS.values()], indicator),
            }
        )
