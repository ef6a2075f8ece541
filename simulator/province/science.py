"""Science and technology: organisations, tasks, enterprises, titles of intellectual property.

Belongs here: what the Department of Science and Technology keeps of research and invention. Stays out: instruments,
sources of radiation and the index (`science_sources`), code lists (`science_words`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator import identifiers
from simulator.chance import Ids, Ints
from simulator.province.science_sources import Instrument, PiiIndex, RadiationSource, of_firms
from simulator.province.science_words import (
    FIELDS,
    IP_KINDS,
    IP_STATUSES,
    ORGANISATION_KINDS,
    TASK_LEVELS,
    TASK_PLACES,
    TASK_RESULTS,
    TASK_SUBJECTS,
    TASK_VERBS,
)
from simulator.table import DAY0, Arrivals, Province, Table, Total, joined, numbered, padded, to_date32, words

ORGANISATIONS = 46  # derived: universities, colleges, institutes and service centres of both former provinces
TASKS_A_YEAR, TASK_YEARS = 125, 11  # 100 to 150 a year; known since 2016
IP_TITLES = 3_500  # of the old Bắc Ninh, which has by far the most
IP_A_YEAR = 420
ST_ENTERPRISES = 64  # derived from the neighbours' lists
_DECREE_268 = -402  # 13 October 2025: from then on the provincial People's Committee issues the certificate
_NONE = np.arange(0, dtype=np.int64)


def _years_of(days: Ids) -> Ints:
    """Calendar years of days."""
    dates = (np.asarray(days) + (DAY0.toordinal() - 719_163)).astype("datetime64[D]")
    return dates.astype("datetime64[Y]").astype(np.int64) + 1970


class Organisation(Table):
    """Organisations of science and technology."""

    name = "st_organisation"
    key = ("organisation_code",)
    doc = "One row an organisation with a certificate of registration (Law on Science, Technology and Innovation)"
    columns = {
        "head_person": "person who leads it",
        "place": "place (index of geography)",
        "organisation_code": "number of the certificate",
        "organisation_name": "name",
        "kind": "kind of organisation",
        "field": "main field",
        "commune_code": "commune of today",
        "founded_on": "date of the certificate",
        "staff_count": "staff",
        "researcher_count": "of them researchers",
    }

    def count(self, day: int) -> int:
        return self.scale.of(ORGANISATIONS, least=5)

    def touched(self, day: int) -> Ints:
        return _NONE

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        kind = ids % len(ORGANISATION_KINDS)
        place = self.geo.town_places(chance, "st_organisation.place", ids)
        staff = chance.integer("st_organisation.staff", ids, 8, np.where(kind < 2, 600, 60))
        share = chance.uniform("st_organisation.researchers", ids) * 0.5 + 0.3
        heads = self.province.people.aged(38, 58)
        return pa.table(
            {
                "id": ids,
                "head_person": self.province.people.pick_from(heads, "st_organisation.head", ids),
                "place": place,
                "organisation_code": numbered("{:03d}/ĐK-KH&CN", ids + 1),
                "organisation_name": joined(words(ORGANISATION_KINDS, kind), " ", words(list(self.geo.village), place)),
                "kind": words(ORGANISATION_KINDS, kind),
                "field": words(FIELDS, chance.integer("st_organisation.field", ids, 0, len(FIELDS) - 1)),
                "commune_code": words(list(self.geo.code_e2), place),
                "founded_on": to_date32(-chance.integer("st_organisation.founded", ids, 200, 12_000)),
                "staff_count": staff,
                "researcher_count": np.rint(staff * share).astype(np.int64),
            }
        )


class Task(Table):
    """Science and technology tasks paid for by budgets."""

    name = "st_task"
    key = ("task_code",)
    doc = "One row a task; about 125 a year since 2016 (domain 7.10: 100 to 150)"
    columns = {
        "leader_person": "person who leads the task",
        "organisation": "id of the st_organisation that hosts it",
        "task_code": "level, number, year",
        "title": "title",
        "level": "Quốc gia, Tỉnh, Cơ sở",
        "field": "field",
        "budget_vnd": "budget, VND",
        "state_vnd": "of it from the state, VND",
        "starts_on": "first day",
        "ends_on": "last day by contract",
        "accepted_on": "day of the acceptance council; null before",
        "status": "DANG_THUC_HIEN, CHO_NGHIEM_THU, DA_NGHIEM_THU",
        "result": "Xuất sắc, Đạt, Không đạt; null before",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._stock = self.scale.of(TASKS_A_YEAR * TASK_YEARS, least=12)
        self._new = Arrivals(self._stock / TASK_YEARS / 365, 1)

    def _days(self, ids: Ids) -> tuple[Ints, Ints, Ints]:
        """First day, last day and day of acceptance."""
        back = self.chance.integer("st_task.starts", ids, 0, TASK_YEARS * 365 - 1)
        starts = -back
        new = np.asarray(ids) >= self._stock
        if new.any():
            numbers = np.asarray(ids)[new] - self._stock
            last = 1
            while self._new.through(last) <= int(numbers.max()):
                last += 30
            starts[new] = self._new.days(numbers, last)
        ends = starts + self.chance.integer("st_task.length", ids, 12, 36) * 30
        return starts, ends, ends + self.chance.integer("st_task.waiting", ids, 20, 200)

    def count(self, day: int) -> int:
        return self._stock + self._new.through(day)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _NONE
        ids = np.arange(self.count(day))
        return np.flatnonzero(np.any([days == day for days in self._days(ids)], axis=0)).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance, people = np.asarray(ids, np.int64), self.chance, self.province.people
        day = max(day, 0)
        starts, ends, accepted = self._days(ids)
        level = chance.pick("st_task.level", ids, (0.08, 0.62, 0.30))
        budget = chance.integer("st_task.budget", ids, 200, np.array([9_000, 3_500, 600])[level]) * 1_000_000
        share = chance.integer("st_task.share", ids, 40, 100)
        status = np.where(accepted <= day, 2, np.where(ends <= day, 1, 0))
        result = chance.pick("st_task.result", ids, (0.22, 0.76, 0.02))
        hosts = self.province.table("st_organisation").count(0)
        title = (
            words(TASK_VERBS, chance.integer("st_task.verb", ids, 0, len(TASK_VERBS) - 1)),
            words(TASK_SUBJECTS, chance.integer("st_task.subject", ids, 0, len(TASK_SUBJECTS) - 1)),
            words(TASK_PLACES, chance.integer("st_task.place", ids, 0, len(TASK_PLACES) - 1)),
        )
        return pa.table(
            {
                "id": ids,
                "leader_person": people.pick_from(people.aged(32, 58), "st_task.leader", ids),
                "organisation": chance.integer("st_task.host", ids, 0, hosts - 1),
                "task_code": joined(
                    words(("ĐTQG", "ĐTT", "ĐTCS"), level), ".", padded(ids + 1, 4), "/", padded(_years_of(starts), 4)
                ),
                "title": joined(title[0], " ", title[1], " ", title[2]),
                "level": words(TASK_LEVELS, level),
                "field": words(FIELDS, chance.pick("st_task.field", ids, (0.08, 0.34, 0.14, 0.26, 0.12, 0.06))),
                "budget_vnd": budget,
                "state_vnd": budget // 100 * share,
                "starts_on": to_date32(starts),
                "ends_on": to_date32(ends),
                "accepted_on": to_date32(accepted, status == 2),
                "status": words(("DANG_THUC_HIEN", "CHO_NGHIEM_THU", "DA_NGHIEM_THU"), status),
                "result": words(TASK_RESULTS, result, status == 2),
            }
        )


class IpTitle(Table):
    """Titles of intellectual property that belong to somebody in the province."""

    name = "ip_title"
    key = ("title_no",)
    doc = "One row a title granted by the national office [S: more than 3,500]"
    columns = {
        "enterprise": "id of the firm that owns it; null when a person does",
        "owner_person": "id of the person who owns it; null when a firm does",
        "title_no": "kind, seven digits",
        "kind": "kind of title",
        "class_code": "class of Nice, Locarno or IPC",
        "application_no": "number of the application",
        "filed_on": "date of the application",
        "granted_on": "date of the title",
        "expires_on": "end of protection",
        "status": "Còn hiệu lực, Hết hiệu lực, Đã gia hạn, Chấm dứt",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._stock = self.scale.of(IP_TITLES, least=30)
        self._new = Arrivals(IP_A_YEAR * self.scale.factor / 365, 1)

    def count(self, day: int) -> int:
        return self._stock + self._new.through(day)

    def _granted(self, ids: Ints) -> Ints:
        days = -self.chance.integer("ip_title.granted", ids, 1, 12 * 365)
        new = ids >= self._stock
        if new.any():
            last = 1
            while self._new.through(last) <= int(ids.max()) - self._stock:
                last += 30
            days[new] = self._new.days(ids[new] - self._stock, last)
        return days

    def _expires(self, ids: Ints, kind: Ints) -> Ints:
        """Of titles that were not prolonged; a year is 365 days here."""
        filed = self._granted(ids) - self.chance.integer("ip_title.examined", ids, 300, 900)
        return np.asarray(filed + np.array([years for _, _, years in IP_KINDS.values()])[kind] * 365, np.int64)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _NONE
        ids = np.arange(self.count(day - 1))
        ended = np.flatnonzero(self._expires(ids, self._kind(ids)) == day)
        return np.concatenate([ended, np.arange(self.count(day - 1), self.count(day))]).astype(np.int64)

    def _kind(self, ids: Ints) -> Ints:
        return np.asarray(
            self.chance.pick("ip_title.kind", ids, [share for share, _, _ in IP_KINDS.values()]), np.int64
        )

    def totals(self, day: int) -> list[Total]:
        """Titles; the published number is a lower bound, taken as it is."""
        return [Total("ip_title.count", self.count(day), "title", "over 3,500 of the old Bắc Ninh", day <= 0)]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance, people = np.asarray(ids, np.int64), self.chance, self.province.people
        kind, granted = self._kind(ids), self._granted(ids)
        expires = self._expires(ids, kind)
        filed = granted - chance.integer("ip_title.examined", ids, 300, 900)
        over = expires <= max(day, 0)
        prolonged = chance.happens("ip_title.prolonged", ids, 0.6)
        status = np.where(over, np.where(prolonged, 2, 1), np.where(chance.happens("ip_title.ended", ids, 0.03), 3, 0))
        by_firm = chance.happens("ip_title.by_firm", ids, 0.84)
        prefix = words([p for _, p, _ in IP_KINDS.values()], kind)
        nice, letter = chance.integer("ip_title.class", ids, 1, 45), words(tuple("ABCDEFGH"), ids % 8)
        technical = (kind == 2) | (kind == 3)
        code = np.where(
            technical,
            joined(letter, padded(nice, 2), words(tuple("BCFKL"), ids % 5)).to_numpy(zero_copy_only=False),
            padded(nice, 2).to_numpy(zero_copy_only=False),
        )
        return pa.table(
            {
                "id": ids,
                "enterprise": pa.array(of_firms(self, "ip_title.firm", ids, filed), mask=~by_firm),
                "owner_person": pa.array(people.pick_adults("ip_title.person", ids), mask=by_firm),
                "title_no": joined(prefix, padded(identifiers.spread(ids, 1_000_000, factor=617_537, start=24_027), 7)),
                "kind": words(list(IP_KINDS), kind),
                "class_code": pa.array(code, pa.string()),
                "application_no": joined(prefix, padded(_years_of(filed), 4), "-", padded(ids % 100_000, 5)),
                "filed_on": to_date32(filed),
                "granted_on": to_date32(granted),
                "expires_on": to_date32(np.where(over & prolonged, expires + 3650, expires)),
                "status": words(IP_STATUSES, status),
            }
        )


class StEnterprise(Table):
    """Certificates of science and technology enterprises."""

    name = "st_enterprise"
    key = ("certificate_no",)
    doc = "One row a certificate (Decree 268/2025: issued by the province since October 2025; the ministry is told in 15 days)"
    columns = {
        "enterprise": "id of the firm",
        "certificate_no": "number",
        "issued_by": "Sở KH&CN, UBND tỉnh",
        "issued_on": "date of the certificate",
        "reported_on": "day on which the ministry was told; null while it has not been",
        "product": "result of research that the firm brought to market",
        "revenue_share": "share of the revenue from such products, percent",
        "status": "HIEU_LUC, THU_HOI",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._stock = self.scale.of(ST_ENTERPRISES, least=6)
        self._new = Arrivals(14 * self.scale.factor / 365, 1)

    def count(self, day: int) -> int:
        return self._stock + self._new.through(day)

    def _days(self, ids: Ints) -> tuple[Ints, Ints]:
        """Issued, and told to the ministry: one in seven is late."""
        issued = -self.chance.integer("st_enterprise.issued", ids, 1, 2600)
        new = ids >= self._stock
        if new.any():
            last = 1
            while self._new.through(last) <= int(ids.max()) - self._stock:
                last += 30
            issued[new] = self._new.days(ids[new] - self._stock, last)
        late = self.chance.happens("st_enterprise.late", ids, 1 / 7)
        return issued, issued + self.chance.integer("st_enterprise.told", ids, 1, 15) + np.where(late, 30, 0)

    def touched(self, day: int) -> Ints:
        if day < 1:
            return _NONE
        ids = np.arange(self.count(day))
        return np.flatnonzero(np.any([d == day for d in self._days(ids)], axis=0)).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        issued, told = self._days(ids)
        firms: int = self.province.table("enterprise").count(0)
        withdrawn = self.chance.happens("st_enterprise.withdrawn", ids, 0.05) & (ids < self._stock)
        product = self.chance.integer("st_enterprise.product", ids, 0, len(TASK_SUBJECTS) - 1)
        return pa.table(
            {
                "id": ids,
                "enterprise": self.chance.permutation("st_enterprise.firm", firms)[ids % firms],
                "certificate_no": numbered("{:02d}/DNKHCN", ids + 1),
                "issued_by": words(("Sở KH&CN", "UBND tỉnh"), (issued >= _DECREE_268).astype(np.int64)),
                "issued_on": to_date32(issued),
                "reported_on": to_date32(told, told <= max(day, 0)),
                "product": joined("Quy trình ", words(TASK_SUBJECTS, product)),
                "revenue_share": self.chance.integer("st_enterprise.share", ids, 30, 95),
                "status": words(("HIEU_LUC", "THU_HOI"), withdrawn.astype(np.int64)),
            }
        )


TABLES: tuple[type[Table], ...] = (Organisation, Task, IpTitle, StEnterprise, Instrument, RadiationSource, PiiIndex)
