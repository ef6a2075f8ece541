"""Dossiers: who asked which agency for what, and how far it is.

Belongs here: the table `dossier`, who applies, and the list of all tables of the domain.
Stays out: numbers and counts (`procedures_receipts`), the course (`procedures_course`), what hangs on a dossier
(`procedures_parts`), reports and figures (`procedures_reports`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.procedures_calendar import calendar
from simulator.province.procedures_catalogue import PROCEDURES, SYSTEMS, Procedure, ProcedureLocal
from simulator.province.procedures_course import CLOSES, ONLINE, Course, Dossiers
from simulator.province.procedures_papers import DossierFile, DossierRating
from simulator.province.procedures_parts import DossierEvent, DossierFee, DossierSupplement
from simulator.province.procedures_receipts import FIRST, NAM_SON, NAM_SON_FIRST, NAM_SON_LAST, REKEYED_ON
from simulator.province.procedures_reports import CitizenReport, Kpi766Week
from simulator.province.procedures_systems import DossierLost, StatusLocal, own_code, own_status, sent_status
from simulator.scale import DOSSIERS_A_YEAR
from simulator.table import Table, Total, to_timestamp, words

PERSON, FIRM, AGENCY = 1, 2, 3
BN, BG = range(len(SYSTEMS))
#: Dossiers of which the old system of Bắc Giang could not send a word: the error went into a text file.
LOST = 0.012
_REKEYED_AT = 600  # ten past midnight


class Dossier(Table):
    """Dossiers by the day of entry, then by agency."""

    name = "dossier"
    key = ("dossier_code",)
    doc = "One row a dossier entered since day -29 (about 2.3 million a year); older years are aggregates"
    columns = {
        "dossier_code": "number of today: <agency>-YYMMDD-<serial>; the date is that of receipt",
        "local_code": "number in the system that holds it; until it was re-keyed another dossier of the other system may share it",
        "system": "BN, BG: the former province's system that holds it",
        "agency": "id of the agency that received it",
        "agency_code": "its code",
        "commune_code": "of communes: code of the administrative unit",
        "procedure": "id of the procedure",
        "procedure_code": "its national code",
        "procedure_local": "id of the local code under which the system holds it",
        "channel": "1 counter, 2 online, 3 post",
        "applicant_type": "1 citizen, 2 enterprise, 3 agency",
        "applicant_person": "id of the citizen",
        "applicant_enterprise": "id of the enterprise",
        "applicant_agency": "id of the agency that applies",
        "submitted_at": "moment of handing in",
        "received_at": "moment of receipt",
        "appointed_at": "by when it is due, as told at receipt",
        "appointed_now_at": "by when it is due, moved by supplements",
        "status": "1 to 10, as the national portal counts them",
        "local_status": "code of the status in the system that holds it",
        "sent_status": "what that system sends for it",
        "finished_at": "moment of status 9",
        "returned_at": "moment of status 10",
        "rejected_at": "moment of status 3",
        "stopped_at": "moment of status 8",
        "ended_in_time": "766 index 2.1; null before the end",
        "return_form": "1 counter, 2 online, 3 post",
        "fee_vnd": "fees and charges due, đồng",
        "online_payment": "0 no, 1 on the national portal, 2 on another; 0 until paid",
        "supplement_count": "supplements asked for so far",
        "has_digitised_parts": "papers handed in are digitised",
        "has_electronic_result": "the result exists electronically",
        "is_vneid_verified": "the applicant's account is verified with VNeID",
        "is_population_checked": "data of the population database were used",
        "submitted_to": "0 counter, 1 portal of the province, 2 national portal",
        "is_sent": "the holding system passed it on; what it could not send went into a text file",
        "updated_at": "moment of the last step, or of the new number",
    }

    @cached_property
    def dossiers(self) -> Dossiers:
        """Courses and journal."""
        return Dossiers(self.province)

    @cached_property
    def working_age(self) -> Ints:
        """Persons from whom officials are drawn."""
        return self.province.people.aged(24, 58)

    def count(self, day: int) -> int:
        return self.dossiers.receipts.through(day)

    def touched(self, day: int) -> Ints:
        moved = self.dossiers.journal.on(day)[0]
        if day == REKEYED_ON:
            before = np.arange(self.count(day - 1), dtype=np.int64)
            placed = self.dossiers.receipts.placed(before)
            final, given = self.dossiers.receipts.serial(placed)
            moved = np.concatenate([moved, before[final != given]])
        return np.unique(moved).astype(np.int64)

    # -- who applies -------------------------------------------------------------------------------------------------

    @cached_property
    def _adults(self) -> tuple[Ints, Ints]:
        """Adults in the order of their communes, and where each commune begins."""
        people = self.province.people
        adults = people.adults
        commune = self.geo.commune[people.place[adults]]
        order = np.argsort(commune, kind="stable")
        return adults[order], np.searchsorted(commune[order], np.arange(len(self.geo.commune_codes) + 1)).astype(
            np.int64
        )

    def applicants(self, course: Course) -> tuple[Ints, Ints]:
        """Kind of applicant, and the id of the person, enterprise or agency."""
        ids, chance, people = course.ids, self.chance, self.province.people
        drawn = chance.uniform("dossier.applicant_type", ids)
        firms = self.province.table("procedure").firms[course.procedure]
        kind = np.where(drawn < 0.004, AGENCY, np.where(drawn < 0.004 + firms * 0.996, FIRM, PERSON))
        adults, starts = self._adults
        receipts = self.dossiers.receipts
        commune = course.placed.agency - receipts.departments
        local = (commune >= 0) & chance.happens("dossier.from_here", ids, 0.92)
        low = np.where(local, starts[np.maximum(commune, 0)], 0)
        high = np.where(local, starts[np.maximum(commune, 0) + 1], len(adults))
        nobody = low == high  # the smallest scales
        low, high = np.where(nobody, 0, low), np.where(nobody, len(adults), high)
        person = adults[chance.integer("dossier.person", ids, low, high - 1)]
        dead = people.died_on(person) <= course.placed.entered
        person[dead] = adults[chance.integer("dossier.person_again", ids[dead], 0, len(adults) - 1)]
        firm = self.province.table("enterprise").founded_by("dossier.enterprise", ids, course.placed.entered - 1)
        agency = receipts.agencies[chance.integer("dossier.agency", ids, 0, len(receipts.agencies) - 1)]
        return kind.astype(np.int64), np.where(kind == PERSON, person, np.where(kind == FIRM, firm, agency)).astype(
            np.int64
        )

    # -- what else is true of it -------------------------------------------------------------------------------------

    def system(self, course: Course) -> Ints:
        """Index into `SYSTEMS`: communes use that of their former province, departments both."""
        receipts, geo = self.dossiers.receipts, self.geo
        old = np.zeros(len(geo.commune_codes), np.int64)
        old[geo.commune] = np.where(geo.old_province == "24", BG, BN)
        commune = np.maximum(course.placed.agency - receipts.departments, 0)
        both = np.where(course.placed.number % 2 == 1, BG, BN)
        return np.where(receipts.is_commune[course.placed.agency], old[commune], both).astype(np.int64)

    def is_lost(self, course: Course) -> Bools:
        """The system of Bắc Giang failed to send it."""
        return np.asarray((self.system(course) == BG) & self.chance.happens("dossier.lost", course.ids, LOST))

    def return_form(self, course: Course) -> Ints:
        """How the result is handed over: 1 counter, 2 online, 3 post."""
        online = self.chance.happens("dossier.return_online", course.ids, 0.6)
        return np.where(online, ONLINE, course.channel).astype(np.int64)

    def fees(self, course: Course) -> tuple[Ints, Ints]:
        """Fee and charge of each in đồng; some are exempt."""
        table = self.province.table("procedure")
        pages = np.where(
            table.per_page[course.procedure],
            1 + self.chance.pick("dossier.pages", course.ids, 1 / np.arange(1.0, 13)),
            1,
        )
        due = ~self.chance.happens("dossier.exempt", course.ids, 0.06)
        return table.fee[course.procedure] * pages * due, table.charge[course.procedure] * due

    def online_payment(self, course: Course, day: int) -> Ints:
        """0, or how it was paid online by the end of a day."""
        fee, charge = self.fees(course)
        share = np.where(course.channel == ONLINE, 0.78, 0.30)
        online = self.chance.happens("dossier.paid_online", course.ids, share) & (fee + charge > 0)
        way = 1 + self.chance.happens("dossier.other_payment", course.ids, 0.35)
        return np.where(online & self.paid(course, day)[0], way, 0).astype(np.int64)

    def paid(self, course: Course, day: int) -> tuple[Bools, Ints, Ints]:
        """Paid by the end of a day, and when: at receipt, or after being asked to (status 6)."""
        received, on, second = course.at(2, day)
        asked = (course.status == 6).any(axis=1)
        step = np.minimum(np.argmax(course.status == 6, axis=1) + 1, course.status.shape[1] - 1)
        rows = np.arange(len(course.ids))
        later, clock = course.day[rows, step].astype(np.int64), course.second[rows, step].astype(np.int64) - 60
        return np.where(asked, later <= day, received), np.where(asked, later, on), np.where(asked, clock, second)

    def _shares(self, course: Course, name: str, online: float, counter: float) -> Bools:
        return self.chance.happens(f"dossier.{name}", course.ids, np.where(course.channel == ONLINE, online, counter))

    def digitised(self, course: Course) -> Bools:
        """The papers handed in are digitised."""
        return self._shares(course, "digitised", 0.97, 0.62)

    def electronic(self, course: Course, day: int) -> Bools:
        """The result exists electronically; it does with the end of the work."""
        return self._shares(course, "electronic", 0.93, 0.66) & course.at(9, day)[0]

    def checked(self, course: Course) -> Bools:
        """Data of the population database were used for it."""
        return self._shares(course, "checked", 0.80, 0.55)

    # -- rows --------------------------------------------------------------------------------------------------------

    def rows(self, ids: Ids, day: int) -> Any:
        course = self.dossiers.of(ids)
        ids, placed, receipts = course.ids, course.placed, self.dossiers.receipts
        agency, procedure = self.province.table("agency"), self.province.table("procedure")
        kind, who = self.applicants(course)
        system = self.system(course)
        last = np.maximum(course.last(day), 0)
        each = np.arange(len(ids))
        final, given = receipts.serial(placed)
        was_received, received_on, received_at = course.at(2, day)
        ends = {name: course.at(status, day) for name, status in (("finished", 9), ("returned", 10), ("rejected", 3), ("stopped", 8))}  # fmt: skip
        ended, in_time, _ = course.verdict(day)
        fee, charge = self.fees(course)
        submitted = np.where(course.status[:, 0] > 0, 0, 1)
        is_commune = receipts.is_commune[placed.agency]
        commune = np.where(is_commune, placed.agency - receipts.departments, 0)
        status, return_form = course.status[each, last].astype(np.int64), self.return_form(course)
        verified = self._shares(course, "vneid", 0.94, 0.41) & (kind == PERSON)
        portal = np.where(course.channel == ONLINE, 1 + self.chance.happens("dossier.national", ids, 0.7), 0)
        due, now = calendar().day(course.due), calendar().day(course.due_now(day))
        # Giving new numbers was a change to the record too, in one statement.
        moved = (final != given) & (course.day[each, last] < REKEYED_ON) & (day >= REKEYED_ON)
        updated_on = np.where(moved, REKEYED_ON, course.day[each, last])
        updated_at = np.where(moved, _REKEYED_AT, course.second[each, last])
        return pa.table(
            {
                "id": ids,
                "dossier_code": receipts.codes(placed, final),
                "local_code": receipts.codes(placed, final if day >= REKEYED_ON else given),
                "system": words(SYSTEMS, system),
                "agency": receipts.agencies[placed.agency],
                "agency_code": words(agency.codes, receipts.agencies[placed.agency]),
                "commune_code": words(list(self.geo.commune_codes), commune, is_commune),
                "procedure": course.procedure,
                "procedure_code": words(procedure.codes, course.procedure),
                "procedure_local": system * PROCEDURES + course.procedure,
                "channel": course.channel.astype(np.int64),
                "applicant_type": kind,
                "applicant_person": pa.array(who, mask=kind != PERSON),
                "applicant_enterprise": pa.array(who, mask=kind != FIRM),
                "applicant_agency": pa.array(who, mask=kind != AGENCY),
                "submitted_at": to_timestamp(course.day[each, submitted], course.second[each, submitted]),
                "received_at": to_timestamp(received_on, received_at, was_received),
                "appointed_at": to_timestamp(due, CLOSES, was_received),
                "appointed_now_at": to_timestamp(now, CLOSES, was_received),
                "status": status,
                "local_status": own_code(system, own_status(course, each, last, return_form)),
                "sent_status": sent_status(system, status),
                **{f"{name}_at": to_timestamp(on, at, is_so) for name, (is_so, on, at) in ends.items()},
                "ended_in_time": pa.array(in_time, mask=~ended),
                "return_form": return_form,
                "fee_vnd": fee + charge,
                "online_payment": self.online_payment(course, day),
                "supplement_count": course.count(5, day),
                "has_digitised_parts": pa.array(self.digitised(course)),
                "has_electronic_result": pa.array(self.electronic(course, day)),
                "is_vneid_verified": pa.array(verified),
                "is_population_checked": pa.array(self.checked(course) & (kind == PERSON)),
                "submitted_to": portal.astype(np.int64),
                "is_sent": pa.array(~self.is_lost(course)),
                "updated_at": to_timestamp(updated_on, updated_at),
            }
        )

    def totals(self, day: int) -> list[Total]:
        """What weekly reports would say if they were right: counts and shares over everything since day -29."""
        receipts = self.dossiers.receipts
        counts = receipts.counts(day)
        ward = receipts.departments + int(np.flatnonzero(self.geo.commune_codes == NAM_SON)[0])
        span = counts[NAM_SON_FIRST - FIRST : NAM_SON_LAST - FIRST + 1, :, ward]
        # What was received within the days: what came at once, and what had waited for one of them.
        works = calendar().works(np.arange(FIRST, day + 1))[:, None]
        nam_son = int(
            span[:, 0].sum() + (span[:, 3] * works[NAM_SON_FIRST - FIRST : NAM_SON_LAST - FIRST + 1, 0]).sum()
        )
        sums: dict[str, int] = dict.fromkeys(("ended", "in_time", "overdue", "online", "received", "paid", "payable", "electronic"), 0)  # fmt: skip
        statuses = np.zeros(11, np.int64)
        total = self.count(day)
        for start in range(0, total, 200_000):
            course = self.dossiers.of(np.arange(start, min(start + 200_000, total)))
            ended, in_time, overdue = course.verdict(day)
            received = course.at(2, day)[0]
            payable = sum(self.fees(course)) > 0
            statuses += np.bincount(
                course.status[np.arange(len(course.ids)), np.maximum(course.last(day), 0)], minlength=11
            )
            online, sent = course.channel == ONLINE, self.electronic(course, day)
            for name, flags in (
                ("ended", ended),
                ("in_time", in_time),
                ("overdue", overdue),
                ("received", received),
                ("online", received & online),
                ("payable", payable & self.paid(course, day)[0]),
                ("paid", self.online_payment(course, day) > 0),
                ("electronic", sent),
            ):
                sums[name] += int(np.asarray(flags).sum())
        found = [
            Total("dossier.count", total, "dossier", "2.3 million a year: derived"),
            Total(
                "dossier.a_year", self.scale.of(DOSSIERS_A_YEAR), "dossier", "rate of 2026 that the days are taken from"
            ),
            Total("dossier.nam_son_received_17_days", nam_son, "dossier", "report of Nam Sơn ward, 2025", exact=True),
            *(Total(f"dossier.status_{i}", int(statuses[i]), "dossier") for i in range(1, 11)),
            *(Total(f"dossier.{name}", count, "dossier") for name, count in sums.items()),
        ]
        for name, part, whole in (("on_time", "in_time", "ended"), ("online", "online", "received"), ("online_payment", "paid", "payable")):  # fmt: skip
            found.append(Total(f"dossier.{name}_percent", round(100 * sums[part] / max(sums[whole], 1), 2), "%"))
        return found


TABLES = (
    Procedure, ProcedureLocal, StatusLocal, Dossier, DossierEvent, DossierSupplement, DossierFee, DossierFile,
    DossierRating, DossierLost, CitizenReport, Kpi766Week,
)  # fmt: skip
