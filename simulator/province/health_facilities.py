"""Health facilities, their operating licences, and who keeps electronic records, as tables of the truth.

Belongs here: the tables. Stays out: how the register lives on (`health_register`), patients, all dirt.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.health_register import FACILITIES, KIND_NAMES, KINDS, SCOPES, STATUSES, WITH_EMR, Register
from simulator.table import Table, Total, day_of, to_date32, to_timestamp, words


class Facility(Table):
    """The register of facilities."""

    name = "facility"
    key = ("facility_code",)
    doc = "One facility for examination and treatment, public or private; Law 15/2023/QH15, Decision 130/QĐ-BYT."
    columns = {
        "place": "where it stands: index into the places of the province",
        "facility_code": "code of the insurance gateway: former province and three of 36 signs",
        "facility_name": "name on the licence",
        "ownership": "CONG public, TU private",
        "professional_level": "BAN_DAU, CO_BAN or CHUYEN_SAU",
        "bed_count": "planned beds",
        "commune_code": "commune, in the epoch of the last change",
        "phone": "telephone",
        "opened_on": "first day of work",
        "is_active": "whether it works today",
        "updated_at": "last change of the record",
    }

    @cached_property
    def register(self) -> Register:
        """The register behind this table and that of the licences."""
        return Register(self.province)

    def count(self, day: int) -> int:
        return self.register.through(day).facilities.counts[max(day, 0)]

    def touched(self, day: int) -> Ints:
        changed = self.register.through(day).facilities.touched.get(day, ()) if day > 0 else ()
        return np.array(sorted(changed), np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return self.register.through(day).facilities.gone(ids, day)

    def living(self, day: int) -> Ints:
        """Ids of those that are there at the end of a day."""
        ids = np.arange(self.count(day))
        return ids[~self.gone(ids, day)]

    def rows(self, ids: Ids, day: int) -> Any:
        rows = self.register.through(day).facilities.at(ids, day)
        shapes = [KINDS[KIND_NAMES[row.kind]] for row in rows]
        places, epochs = (np.array([getattr(row, name) for row in rows], np.int64) for name in ("place", "epoch"))
        columns = [
            pa.array(np.asarray(ids, np.int64)),
            pa.array(places),
            pa.array([row.code for row in rows], pa.string()),
            pa.array([row.name for row in rows], pa.string()),
            pa.array([shape.ownership for shape in shapes], pa.string()),
            pa.array([shape.level for shape in shapes], pa.string()),
            pa.array([row.beds for row in rows], pa.int64()),
            pa.array(self.geo.code_in(places, epochs).tolist(), pa.string()),
            pa.array([row.phone for row in rows], pa.string()),
            to_date32(np.array([row.opened for row in rows], np.int64)),
            pa.array([row.active for row in rows], pa.bool_()),
            _moments([row.saved for row in rows]),
        ]
        return pa.table(columns, names=["id", *self.columns])

    def totals(self, day: int) -> list[Total]:
        ids = self.living(day)
        rows = self.register.facilities.at(ids, day)
        public = sum(KINDS[KIND_NAMES[row.kind]].ownership == "CONG" for row in rows)
        beds = sum(row.beds > 0 for row in rows)
        return [
            Total("facility.count", len(ids), "facility"),
            Total("facility.public", public, "facility", "349, health sector", exact=day == 0),
            Total("facility.private", len(rows) - public, "facility", "more than 1,000, health sector"),
            Total("facility.with_beds", beds, "facility", "54, health sector", exact=day == 0),
            Total("facility.beds", sum(row.beds for row in rows), "bed"),
        ]


class FacilityLicence(Table):
    """The register of operating licences."""

    name = "facility_licence"
    key = ("licence_no",)
    doc = "One operating licence of a facility; Decree 96/2023/NĐ-CP."
    columns = {
        "facility": "the holder: id of table facility",
        "person": "who is professionally responsible: id of table person",
        "licence_no": "number of the licence",
        "facility_code": "code of the holder",
        "scope": "professional scope in words",
        "issued_on": "day of issue",
        "expires_on": "last day of validity; empty when unlimited",
        "status": "HIEU_LUC, TAM_DINH_CHI or THU_HOI",
        "responsible_person": "full name of who is professionally responsible",
        "responsible_id": "personal identifier of that person",
        "updated_at": "last change of the record",
    }

    def _register(self, day: int) -> Register:
        register: Register = self.province.table("facility").register
        return register.through(day)

    def count(self, day: int) -> int:
        return self._register(day).licences.counts[max(day, 0)]

    def touched(self, day: int) -> Ints:
        changed = self._register(day).licences.touched.get(day, ()) if day > 0 else ()
        return np.array(sorted(changed), np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return self._register(day).licences.gone(ids, day)

    def rows(self, ids: Ids, day: int) -> Any:
        register, people = self._register(day), self.province.people
        rows = register.licences.at(ids, day)
        holders = [register.facilities.last(row.facility) for row in rows]  # code and level never change
        persons = np.array([row.person for row in rows], np.int64)
        expires = np.array([row.expires or 0 for row in rows], np.int64)
        columns = [
            pa.array(np.asarray(ids, np.int64)),
            pa.array([row.facility for row in rows], pa.int64()),
            pa.array(persons),
            pa.array([f"{int(id_) + 1:05d}/BN-GPHĐ" for id_ in ids], pa.string()),
            pa.array([holder.code for holder in holders], pa.string()),
            pa.array([SCOPES[KINDS[KIND_NAMES[holder.kind]].level] for holder in holders], pa.string()),
            to_date32(np.array([row.issued for row in rows], np.int64)),
            to_date32(expires, np.array([row.expires is not None for row in rows], np.bool_)),
            pa.array([STATUSES[row.status] for row in rows], pa.string()),
            people.names(persons),
            people.personal_ids(persons),
            _moments([row.saved for row in rows]),
        ]
        return pa.table(columns, names=["id", *self.columns])

    def totals(self, day: int) -> list[Total]:
        ids = np.arange(self.count(day))
        return [Total("facility_licence.count", int((~self.gone(ids, day)).sum()), "licence")]


class ElectronicRecord(Table):
    """Who keeps electronic medical records."""

    name = "electronic_record"
    key = ("facility",)
    doc = "One facility with an electronic medical record: all with beds, and a few more; Circular 13/2025/TT-BYT."
    columns = {
        "facility": "id of table facility",
        "facility_code": "code of the facility",
        "product": "the software",
        "started_on": "since when paper is no longer kept",
    }

    @cached_property
    def _holders(self) -> Ints:
        """Those with beds first, then stations and clinics: 56 in the whole province."""
        table: Facility = self.province.table("facility")
        rows = table.register.facilities.at(np.arange(table.count(0)), 0)
        wanted = max(1, round(WITH_EMR * len(rows) / FACILITIES))
        return np.argsort([row.beds == 0 for row in rows], kind="stable")[:wanted].astype(np.int64)

    def count(self, day: int) -> int:
        return len(self._holders)

    def touched(self, day: int) -> Ints:
        return np.arange(0)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        holders = self._holders[ids]
        register: Register = self.province.table("facility").register
        return pa.table(
            [
                pa.array(ids),
                pa.array(holders),
                pa.array([row.code for row in register.facilities.at(holders, 0)], pa.string()),
                words(
                    ("VNPT HIS", "Viettel HIS", "FPT eHospital", "Minh Lộ"),
                    self.chance.pick("electronic_record.product", ids, (4, 3, 2, 1)),
                ),
                to_date32(self.chance.integer("electronic_record.started", ids, day_of(date(2024, 3, 1)), -60)),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        return [Total("electronic_record.count", self.count(day), "facility", "56, health sector", exact=True)]


def _moments(saved: list[tuple[int, int]]) -> Any:
    pairs = np.array(saved, np.int64).reshape(-1, 2)
    return to_timestamp(pairs[:, 0], pairs[:, 1])
