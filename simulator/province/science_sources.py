"""Measuring instruments, sources of radiation and the provincial innovation index.

Belongs here: what is kept under the laws on measurement and atomic energy, and the index as the ministry publishes it.
Stays out: research and invention (`science`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.science_words import INSTRUMENTS, PILLARS, SOURCES
from simulator.table import Table, Total, joined, numbered, padded, to_date32, words

MEASURED = 24_000  # instruments that must be verified and are in the province's own register: derived
RADIATION = 320  # derived: hospitals, and board inspection in the electronics industry
COMPONENTS = [
    (f"{p}.{n}", f"{p}", name) for p, (_, names) in enumerate(PILLARS, start=1) for n, name in enumerate(names, start=1)
]
# (year, province code, name of then, number of provinces, day of publication): code 24 was Bắc Giang until mid-2025
EDITIONS = (
    (2023, "24", "Bắc Giang", 63, -982),
    (2023, "27", "Bắc Ninh", 63, -982),
    (2024, "24", "Bắc Giang", 63, -689),
    (2024, "27", "Bắc Ninh", 63, -689),
    (2025, "24", "Bắc Ninh", 34, -324),
    (2026, "24", "Bắc Ninh", 34, 41),
)


def of_firms(table: Table, name: str, ids: Ids, days: Ids) -> Ints:
    """A firm for each id, founded before the day given."""
    found: Ints = table.province.table("enterprise").founded_by(name, ids, np.asarray(days) - 1)
    return found


class Instrument(Table):
    """Measuring instruments of group 2, which must be verified."""

    name = "measurement_instrument"
    key = ("instrument_code",)
    doc = "One row an instrument in the register of the standards branch [D: 24,000]"
    columns = {
        "enterprise": "id of the firm that uses it",
        "place": "place (index of geography)",
        "instrument_code": "register number",
        "kind": "kind of instrument",
        "range_unit": "unit of its range",
        "serial_no": "maker's number",
        "commune_code": "commune of today",
        "made_year": "year of making",
        "verified_on": "last verification",
        "valid_until": "end of its validity",
        "stamp_no": "number of the verification stamp",
        "is_passed": "whether it passed",
    }

    def count(self, day: int) -> int:
        return self.scale.of(MEASURED, least=100)

    def _schedule(self, ids: Ints) -> tuple[Ints, Ints, Ints]:
        """Kind, days between verifications, and a day on which one falls."""
        kind = self.chance.pick("instrument.kind", ids, [share for share, _, _ in INSTRUMENTS.values()])
        cycle = np.array([months for _, _, months in INSTRUMENTS.values()])[kind] * 30
        late = self.chance.integer("instrument.late", ids, 0, 40)  # some come after the old stamp has run out
        return kind, cycle + late, self.chance.integer("instrument.phase", ids, 0, cycle + late - 1)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0)
        _, cycle, phase = self._schedule(np.arange(self.count(day)))
        return np.flatnonzero((day - phase) % cycle == 0).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        kind, cycle, phase = self._schedule(ids)
        turn = (max(day, 0) - phase) // cycle
        verified = phase + turn * cycle
        place = self.geo.town_places(chance, "instrument.place", ids)
        months = np.array([m for _, _, m in INSTRUMENTS.values()])[kind]
        event = ids * 4096 + turn + 2048
        return pa.table(
            {
                "id": ids,
                "enterprise": of_firms(self, "instrument.firm", ids, phase + -phase // cycle * cycle),
                "place": place,
                "instrument_code": numbered("BN-PTĐ-{:06d}", ids + 1),
                "kind": words(list(INSTRUMENTS), kind),
                "range_unit": words([unit for _, unit, _ in INSTRUMENTS.values()], kind),
                "serial_no": padded(chance.integer("instrument.serial", ids, 10_000, 99_999_999), 8),
                "commune_code": words(list(self.geo.code_e2), place),
                "made_year": 2026 - chance.integer("instrument.age", ids, 5, 18),
                "verified_on": to_date32(verified),
                "valid_until": to_date32(verified + months * 30),
                "stamp_no": joined("T", padded(chance.integer("instrument.stamp", event, 0, 9_999_999), 7)),
                "is_passed": chance.happens("instrument.passed", event, 0.965),
            }
        )


class RadiationSource(Table):
    """Sources of radiation under licence."""

    name = "radiation_source"
    key = ("source_code",)
    doc = "One row a source or generator (restricted; Law on Atomic Energy); owners: hospitals and firms [D: 320]"
    columns = {
        "facility": "id of the health facility that owns it; null when a firm does",
        "enterprise": "id of the firm that owns it; null when a health facility does",
        "place": "place (index of geography)",
        "source_code": "register number",
        "kind": "kind of device",
        "emitter": "radionuclide, or generator",
        "activity": "activity or voltage",
        "activity_unit": "GBq, kV, MV",
        "security_group": "1 to 5",
        "commune_code": "commune of today",
        "licence_no": "licence",
        "licensed_on": "date of the licence",
        "licence_expires_on": "end of the licence",
        "status": "DANG_SU_DUNG, LUU_GIU, DA_CHUYEN_GIAO",
    }

    def count(self, day: int) -> int:
        return self.scale.of(RADIATION, least=12)

    def _licence(self, ids: Ints, day: int) -> Ints:
        """The day from which the licence in force counts: each is renewed after three years, of 1,095 days."""
        phase = self.chance.integer("radiation.phase", ids, 0, 1094)
        return max(day, 0) - (max(day, 0) - phase) % 1095

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0)
        return np.flatnonzero(self._licence(np.arange(self.count(day)), day) == day).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        kind = chance.pick("radiation.kind", ids, [share for share, *_ in SOURCES.values()])
        medical = np.isin(kind, [0, 1, 5])
        facilities = self.province.table("facility")
        facility = chance.integer("radiation.facility", ids, 0, facilities.count(0) - 1)
        firms = self.province.table("enterprise").count(0)
        at_home = np.asarray(facilities.rows(facility, 0)["place"].to_numpy(), np.int64)
        place = np.where(medical, at_home, self.geo.town_places(chance, "radiation.place", ids))
        group = np.array([g for *_, g in SOURCES.values()])[kind]
        since = self._licence(ids, day)
        activity = chance.integer("radiation.activity", ids, 40, np.where(medical | (group == 5), 160, 1200))
        return pa.table(
            {
                "id": ids,
                "facility": pa.array(facility, mask=~medical),
                "enterprise": pa.array(chance.integer("radiation.firm", ids, 0, firms - 1), mask=medical),
                "place": place,
                "source_code": numbered("BN-BX-{:04d}", ids + 1),
                "kind": words(list(SOURCES), kind),
                "emitter": words([e for _, e, _, _ in SOURCES.values()], kind),
                "activity": activity,
                "activity_unit": words([u for _, _, u, _ in SOURCES.values()], kind),
                "security_group": group,
                "commune_code": words(list(self.geo.code_e2), place),
                "licence_no": joined(padded(ids * 7 % 900 + 1, 3), "/GP-SKHCN"),
                "licensed_on": to_date32(since),
                "licence_expires_on": to_date32(since + 1095),
                "status": words(
                    ("DANG_SU_DUNG", "LUU_GIU", "DA_CHUYEN_GIAO"),
                    chance.pick("radiation.status", ids, (0.93, 0.05, 0.02)),
                ),
            }
        )


class PiiIndex(Table):
    """The provincial innovation index, component by component."""

    name = "pii_index"
    key = ("year", "province_code", "component_code")
    doc = "One row a year, province of then and component [S: 52]; published by the Ministry of Science and Technology"
    columns = {
        "year": "year of the index",
        "province_code": "province of then: 24 was Bắc Giang until 30 June 2025",
        "province_name": "its name then",
        "component_code": "pillar, number",
        "component_name": "name",
        "pillar": "1 to 5 input, 6 and 7 output",
        "score": "0 to 100",
        "rank": "among the provinces of then",
        "published_on": "date of publication",
    }

    def count(self, day: int) -> int:
        return sum(on <= max(day, 0) for *_, on in EDITIONS) * len(COMPONENTS)

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1) if day > 0 else self.count(0), self.count(day))

    def gone(self, ids: Ids, day: int) -> Bools:
        return np.zeros(len(ids), np.bool_)

    def totals(self, day: int) -> list[Total]:
        """Components; and the mean score of each edition."""
        scores = self.rows(np.arange(self.count(day)), day)["score"].to_numpy().reshape(-1, len(COMPONENTS))
        means = [
            Total(f"pii_index.{y}.{p}", round(float(row.mean()), 2), "point")
            for (y, p, *_), row in zip(EDITIONS, scores, strict=False)
        ]
        return [
            Total("pii_index.components", len(COMPONENTS), "component", "Provincial Innovation Index", True),
            *means,
        ]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        edition, component = np.divmod(ids, len(COMPONENTS))
        level = self.chance.uniform("pii_index.level", component) * 55 + 22  # what is strong stays so
        score = np.clip(level + self.chance.normal("pii_index.score", ids) * 6, 0, 100).round(2)
        of = np.array([n for _, _, _, n, _ in EDITIONS])[edition]
        rank = np.clip(np.rint((100 - score) / 100 * of), 1, of).astype(np.int64)
        return pa.table(
            {
                "id": ids,
                "year": np.array([y for y, *_ in EDITIONS])[edition],
                "province_code": words([p for _, p, *_ in EDITIONS], edition),
                "province_name": words([n for _, _, n, _, _ in EDITIONS], edition),
                "component_code": words([code for code, _, _ in COMPONENTS], component),
                "component_name": words([name for _, _, name in COMPONENTS], component),
                "pillar": np.array([int(p) for _, p, _ in COMPONENTS])[component],
                "score": score,
                "rank": rank,
                "published_on": to_date32(np.array([on for *_, on in EDITIONS])[edition]),
            }
        )
