"""Citizens' reports (PAKN), and the weekly figures of the 766 index as they really are.

Belongs here: tables `citizen_report`, `kpi_766_week`. Stays out: what agencies report of themselves (`views`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.procedures_calendar import calendar
from simulator.province.procedures_course import ONLINE
from simulator.province.procedures_daily import officials
from simulator.province.procedures_receipts import FIRST
from simulator.province.procedures_words import REPORT_TOPICS
from simulator.table import Arrivals, Province, Table, Total, date_of, joined, numbered, to_date32, to_timestamp, words

REPORTS_A_YEAR = 30_000  # derived
# Working days allowed for each answer (766 index, 5.1 to 5.4).
REFUSE_WITHIN, ASK_WITHIN, ANSWER_WITHIN, PUBLISH_WITHIN = 2, 5, 15, 2
FIRST_WEEK = FIRST + (7 - date_of(FIRST).weekday()) % 7  # the first Monday
#: Points of the six groups (Decision 766/QĐ-TTg, weekly reports of the province).
POINTS = {"transparency": 18, "progress": 20, "online": 12, "payment": 10, "satisfaction": 18, "digitisation": 22}


class CitizenReport(Table):
    """Complaints and suggestions of citizens about the administration."""

    name = "citizen_report"
    key = ("report_code",)
    doc = "One row a report entered since day -29 (about 30,000 a year)"
    columns = {
        "report_code": "code",
        "person": "id of the citizen",
        "person_name": "name given",
        "phone": "telephone given",
        "agency": "id of the agency it is about",
        "agency_code": "its code",
        "topic": "what it is about",
        "content": "text",
        "source": "PORTAL, HOTLINE, APP, ZALO",
        "received_at": "moment",
        "due_on": "by when it must be answered",
        "status": "MOI, TU_CHOI, YEU_CAU_BO_SUNG, DANG_XU_LY, DA_TRA_LOI, DA_CONG_KHAI",
        "refused_at": "refused (allowed: 2 working days)",
        "asked_at": "supplement asked for (5)",
        "answered_at": "answered (15)",
        "published_at": "answer published (2 more)",
        "is_liked": "the citizen is content with the answer; null: no opinion",
        "handler_person": "id of the official who answers",
    }
    _STATUS = ("MOI", "TU_CHOI", "YEU_CAU_BO_SUNG", "DANG_XU_LY", "DA_TRA_LOI", "DA_CONG_KHAI")

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._arrivals = Arrivals(REPORTS_A_YEAR * province.scale.factor / 365, FIRST, weekend=0.35)

    def count(self, day: int) -> int:
        return self._arrivals.through(day)

    def touched(self, day: int) -> Ints:
        ids = np.arange(self.count(day), dtype=np.int64)
        return ids[np.any(self._steps(ids)[0] == day, axis=1)]

    def agency(self, ids: Ids) -> Ints:
        """Index into the receiving agencies: those with many dossiers have many reports."""
        return self.chance.pick("citizen_report.agency", ids, self.province.table("dossier").dossiers.receipts.weights)

    def _steps(self, ids: Ids) -> tuple[Ints, Ints]:
        """Days of receipt, refusal, supplement, answer, publication (beyond any day: never), and of taking it up; and the limit."""
        days, chance = calendar(), self.chance
        last = FIRST
        while len(ids) and self._arrivals.through(last) <= int(np.max(ids)):
            last += 30
        came = self._arrivals.days(ids, last)
        rank, never = days.rank(came), np.full(len(ids), 1 << 40)
        refused, asked = (
            chance.happens("citizen_report.refused", ids, 0.09),
            chance.happens("citizen_report.asked", ids, 0.06),
        )
        late = chance.happens("citizen_report.late", ids, 0.05)
        over = np.where(late, chance.integer("citizen_report.over", ids, 1, 6), 0)

        def within(name: str, allowed: int, low: int) -> Ints:
            return np.where(late, allowed + over, chance.integer(f"citizen_report.{name}", ids, low, allowed))

        answer = within("answer", ANSWER_WITHIN, 6)
        steps = np.stack(
            [
                came,
                np.where(refused, days.day(rank + within("refuse", REFUSE_WITHIN, 1)), never),
                np.where(asked & ~refused, days.day(rank + within("ask", ASK_WITHIN, 1)), never),
                np.where(refused, never, days.day(rank + answer)),
                np.where(refused, never, days.day(rank + answer + within("publish", PUBLISH_WITHIN, 1))),
                days.day(rank + 1),
            ],
            axis=1,
        )
        return steps.astype(np.int64), days.day(rank + ANSWER_WITHIN)

    def is_late(self, ids: Ids) -> Any:
        """Refused, asked, answered or published later than allowed."""
        return self.chance.happens("citizen_report.late", ids, 0.05)

    def is_disliked(self, ids: Ids) -> Any:
        """The citizen is not content with the answer."""
        return self.chance.happens("citizen_report.disliked", ids, 0.06)

    def answered(self, ids: Ids) -> Ints:
        """The day on which each is answered or refused."""
        steps = self._steps(ids)[0]
        return np.minimum(steps[:, 1], steps[:, 3])

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        people, agency, chance = self.province.people, self.province.table("agency"), self.chance
        steps, due = self._steps(ids)
        taken = steps <= day
        status = np.select([taken[:, 1], taken[:, 4], taken[:, 3], taken[:, 2], taken[:, 5]], [1, 5, 4, 2, 3], 0)
        where = self.province.table("dossier").dossiers.receipts.agencies[self.agency(ids)]
        person = people.pick_adults("citizen_report.person", ids)
        topic = chance.integer("citizen_report.topic", ids, 0, len(REPORT_TOPICS) - 1)
        opinion = taken[:, 3] & chance.happens("citizen_report.opinion", ids, 0.6)
        moments = {
            name: to_timestamp(
                np.where(taken[:, i], steps[:, i], 0),
                chance.integer(f"citizen_report.{name}", ids, 28_800, 61_000),
                taken[:, i],
            )
            for i, name in enumerate(("received", "refused", "asked", "answered", "published"))
        }
        return pa.table(
            {
                "id": ids,
                "report_code": numbered("PAKN-{:07d}", ids + 1),
                "person": person,
                "person_name": people.names(person),
                "phone": people.phones(person),
                "agency": where,
                "agency_code": words(agency.codes, where),
                "topic": words(REPORT_TOPICS, topic),
                "content": joined("Đề nghị ", words(agency.names, where), " xem xét: ", words(REPORT_TOPICS, topic), "."),
                "source": words(("PORTAL", "HOTLINE", "APP", "ZALO"), chance.pick("citizen_report.source", ids, (0.4, 0.2, 0.25, 0.15))),
                "received_at": moments["received"],
                "due_on": to_date32(due),
                "status": words(self._STATUS, status),
                **{f"{name}_at": moments[name] for name in ("refused", "asked", "answered", "published")},
                "is_liked": pa.array(~self.is_disliked(ids), mask=~opinion),
                "handler_person": officials(self.province, where, chance.integer("citizen_report.official", ids, 0, 11)),
            }
        )  # fmt: skip

    def totals(self, day: int) -> list[Total]:
        ids = np.arange(self.count(day))
        late = round(100 * float(self.is_late(ids).mean()), 2) if len(ids) else 0.0
        return [Total("citizen_report.count", len(ids), "report", "30,000 a year: derived"), Total("citizen_report.late_percent", late, "%")]  # fmt: skip


class Kpi766Week(Table):
    """Weekly figures by agency, counted from the dossiers as they stood at the end of the week's Sunday."""

    name = "kpi_766_week"
    key = ("week_from", "agency_code")
    doc = "One row a receiving agency and whole week (Monday to Sunday) since day -29; points are shares times weights"
    columns = {
        "agency": "id of the agency",
        "agency_code": "its code",
        "week_from": "Monday",
        "week_to": "Sunday",
        "received": "dossiers received in the week",
        "online_received": "of them online",
        "ended": "dossiers ended in the week (status 9, else 8 or 3)",
        "ended_in_time": "of them in time (2.1)",
        "overdue": "not ended at the end of the week and past their day",
        "payable": "ended in the week with a fee above 0",
        "paid_online": "of them paid online",
        "electronic_results": "ended in the week with an electronic result",
        "digitised": "ended in the week with digitised papers and result",
        "population_checked": "ended in the week with data of the population database",
        "reports_answered": "citizens' reports answered or refused in the week",
        "reports_late": "of them late",
        "reports_disliked": "of them not liked",
        "on_time_percent": "ended_in_time of ended and overdue, two places; 0 without any",
        "online_percent": "online_received of received",
        **{f"{name}_points": f"of {points}" for name, points in POINTS.items()},
        "total_points": "of 100",
    }

    @cached_property
    def _agencies(self) -> Ints:
        agencies: Ints = self.province.table("dossier").dossiers.receipts.agencies
        return agencies

    def _weeks(self, day: int) -> int:
        return max((day - FIRST_WEEK + 1) // 7, 0)

    def count(self, day: int) -> int:
        return self._weeks(day) * len(self._agencies)

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    @lru_cache(maxsize=64)  # noqa: B019 (one province lives as long as its tables)
    def _counted(self, week: int) -> dict[str, Ints]:
        """Counts of a week by agency."""
        first = FIRST_WEEK + 7 * week
        last, size = first + 6, len(self._agencies)
        table, reports = self.province.table("dossier"), self.province.table("citizen_report")
        found: dict[str, Ints] = {}

        def add(name: str, agency: Ints, flags: Any) -> None:
            found[name] = found.get(name, 0) + np.bincount(agency[flags], minlength=size)

        total = table.count(last)
        for start in range(0, total, 200_000):
            course = table.dossiers.of(np.arange(start, min(start + 200_000, total)))
            agency = course.placed.agency
            came, on, _ = course.at(2, last)
            received = came & (on >= first)
            now, in_time, overdue = course.verdict(last)
            ended = now & ~course.verdict(first - 1)[0]
            payable = ended & (sum(table.fees(course)) > 0)
            electronic = table.electronic(course, last)
            person = table.applicants(course)[0] == 1
            for name, flags in (
                ("received", received),
                ("online_received", received & (course.channel == ONLINE)),
                ("ended", ended),
                ("ended_in_time", ended & in_time),
                ("overdue", overdue),
                ("payable", payable),
                ("paid_online", payable & (table.online_payment(course, last) > 0)),
                ("electronic_results", ended & electronic),
                ("digitised", ended & electronic & table.digitised(course)),
                ("population_checked", ended & table.checked(course) & person),
            ):
                add(name, agency, flags)
        ids = np.arange(reports.count(last))
        answered = (reports.answered(ids) >= first) & (reports.answered(ids) <= last)
        for name, flags in (
            ("reports_answered", answered),
            ("reports_late", answered & reports.is_late(ids)),
            ("reports_disliked", answered & reports.is_disliked(ids)),
        ):
            add(name, reports.agency(ids), flags)
        return found

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        week, agency = ids // len(self._agencies), ids % len(self._agencies)
        columns = list(self.columns)
        names = columns[columns.index("received") : columns.index("on_time_percent")]
        counts = {name: np.zeros(len(ids), np.int64) for name in names}
        for each in np.unique(week).tolist():
            here = week == each
            for name in names:
                counts[name][here] = self._counted(each)[name][agency[here]]
        progress = _share(counts["ended_in_time"], counts["ended"] + counts["overdue"])
        online = _share(counts["online_received"], counts["received"])
        procedure = self.province.table("procedure")
        decided = np.array([procedure.decided_in_time[procedure.menu(a)].mean() for a in self._agencies])[agency]
        unhappy = _share(counts["reports_late"], counts["reports_answered"]) + _share(counts["reports_disliked"], counts["reports_answered"])  # fmt: skip
        parts = {
            "transparency": decided,
            "progress": progress,
            "online": online,
            "payment": _share(counts["paid_online"], counts["payable"]),
            "satisfaction": np.clip(1 - unhappy, 0, 1),
            "digitisation": _share(counts["digitised"], counts["ended"]),
        }
        points = {f"{name}_points": np.round(part * POINTS[name], 2) for name, part in parts.items()}
        first = FIRST_WEEK + 7 * week
        where = self._agencies[agency]
        return pa.table(
            {
                "id": ids,
                "agency": where,
                "agency_code": words(self.province.table("agency").codes, where),
                "week_from": to_date32(first),
                "week_to": to_date32(first + 6),
                **counts,
                "on_time_percent": np.round(100 * progress, 2),
                "online_percent": np.round(100 * online, 2),
                **points,
                "total_points": np.round(np.sum(list(points.values()), axis=0), 2),
            }
        )

    def totals(self, day: int) -> list[Total]:
        found = super().totals(day)
        if weeks := self._weeks(day):
            counts = self._counted(weeks - 1)
            due = int(counts["ended"].sum() + counts["overdue"].sum())
            on_time = round(100 * int(counts["ended_in_time"].sum()) / max(due, 1), 2)
            online = round(100 * int(counts["online_received"].sum()) / max(int(counts["received"].sum()), 1), 2)
            found += [Total("kpi_766_week.last_on_time_percent", on_time, "%"), Total("kpi_766_week.last_online_percent", online, "%")]  # fmt: skip
        return found


def _share(part: Ints, whole: Ints) -> Any:
    """The share of each; 0 where there is nothing."""
    return part / np.maximum(whole, 1)
