"""Water levels of the rivers, and the alarm they mean.

Belongs here: the table `flood_level`. Stays out: what the monitoring stations measure (`environment_*`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.table import FLOW_DAYS, Table, Total, to_timestamp, words

FIRST = 1 - FLOW_DAYS
HOURS = (1, 7, 13, 19)  # when the gauges are read
# Gauge -> (river, district, cm of alarm levels I, II, III): about those of Decision 05/2020/QĐ-TTg, derived.
GAUGES = {
    "Đáp Cầu": ("Sông Cầu", "256", 430, 530, 630),
    "Phúc Lộc Phương": ("Sông Cầu", "258", 600, 700, 800),
    "Bến Hồ": ("Sông Đuống", "259", 680, 780, 860),
    "Cát Khê": ("Sông Thái Bình", "264", 350, 450, 550),
    "Phủ Lạng Thương": ("Sông Thương", "213", 430, 530, 630),
    "Cầu Sơn": ("Sông Thương", "217", 1400, 1500, 1600),
    "Lục Nam": ("Sông Lục Nam", "218", 430, 530, 630),
    "Chũ": ("Sông Lục Nam", "224", 950, 1150, 1350),
    "Cẩm Đàn": ("Sông Lục Nam", "220", 4200, 4300, 4400),
}
_CREST = 9  # days that a flood lasts


class FloodLevel(Table):
    """Readings of the river gauges."""

    name = "flood_level"
    key = ("gauge", "read_at")
    doc = "One row a gauge and reading, four a day since day -29; nine gauges, which do not shrink with the scale"
    columns = {
        "place": "place (index of geography)",
        "gauge": "name of the gauge",
        "river": "river",
        "commune_code": "commune of today",
        "read_at": "moment of the reading",
        "level_cm": "water level, cm above the datum; null when it was not read",
        "alarm_1_cm": "alarm level I, cm",
        "alarm_2_cm": "alarm level II, cm",
        "alarm_3_cm": "alarm level III, cm",
        "alarm": "level of alarm reached: 0 to 3; null without a reading",
    }

    def count(self, day: int) -> int:
        return (max(day, 0) - FIRST + 1) * len(HOURS) * len(GAUGES)

    def touched(self, day: int) -> Ints:
        size = len(HOURS) * len(GAUGES)
        end = (day - FIRST + 1) * size
        return np.arange(end - size, end) if day >= FIRST else np.arange(0, dtype=np.int64)

    def _readings(self, ids: Ids) -> tuple[Ints, Ints, Ints, Ints, Bools]:
        """Day, reading of the day, gauge, level in cm, and whether it was read. Floods come down a river together."""
        rest, gauge = np.divmod(np.asarray(ids, np.int64), len(GAUGES))
        day, turn = np.divmod(rest, len(HOURS))
        rivers = sorted({river for river, *_ in GAUGES.values()})
        river = np.array([rivers.index(each) for each, *_ in GAUGES.values()])[gauge]
        alarms = np.array([levels for _, _, *levels in GAUGES.values()])[gauge]
        wave, within = np.divmod(day, _CREST)
        event = wave * 64 + river
        height = self.chance.uniform("flood_level.wave", event) ** 3 * 1.15  # of the third alarm level's height
        shape = np.sin(np.pi * (within + turn / len(HOURS)) / _CREST) ** 2
        low, step = alarms[:, 0] * 0.35, alarms[:, 2] - alarms[:, 0] * 0.35
        tide = 6 * self.chance.normal("flood_level.noise", ids)
        level = np.maximum(np.rint(low + step * height * shape + tide), 5).astype(np.int64)
        return day + FIRST, turn, gauge, level, self.chance.happens("flood_level.read", ids, 0.99)

    def totals(self, day: int) -> list[Total]:
        """Readings, and those that mean an alarm."""
        _, _, gauge, level, read = self._readings(np.arange(self.count(day)))
        first = np.array([one for _, _, one, _, _ in GAUGES.values()])[gauge]
        return [
            Total("flood_level.count", self.count(day), "reading"),
            Total("flood_level.alarms", int(np.sum(read & (level >= first))), "reading"),
        ]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        on, turn, gauge, level, read = self._readings(ids)
        alarms = np.array([levels for _, _, *levels in GAUGES.values()])[gauge]
        places = np.array([int(np.flatnonzero(self.geo.district == d)[0]) for _, d, *_ in GAUGES.values()])[gauge]
        return pa.table(
            {
                "id": ids,
                "place": places,
                "gauge": words(list(GAUGES), gauge),
                "river": words([river for river, *_ in GAUGES.values()], gauge),
                "commune_code": words(list(self.geo.code_e2), places),
                "read_at": to_timestamp(on, np.array(HOURS)[turn] * 3600),
                "level_cm": pa.array(level, mask=~read),
                "alarm_1_cm": alarms[:, 0],
                "alarm_2_cm": alarms[:, 1],
                "alarm_3_cm": alarms[:, 2],
                "alarm": pa.array((level[:, None] >= alarms).sum(axis=1), mask=~read),
            }
        )


TABLES: tuple[type[Table], ...] = (FloodLevel,)
