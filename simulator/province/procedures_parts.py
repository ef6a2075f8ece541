"""What hangs on a dossier: its steps, supplements, fees.

Belongs here: tables `dossier_event`, `dossier_supplement`, `dossier_fee`. Stays out: the dossier itself (`procedures`), files
and ratings (`procedures_papers`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.procedures_calendar import calendar
from simulator.province.procedures_catalogue import SYSTEMS
from simulator.province.procedures_course import CLOSES
from simulator.province.procedures_daily import OFFICIALS, DailyTable, officials
from simulator.province.procedures_systems import own_code, own_status, sent_status
from simulator.table import joined, to_timestamp, words

#: Steps that the system of Bắc Giang sends hours later, after others perhaps.
SENT_LATE = 0.015


class DossierEvent(DailyTable):
    """Steps of dossiers."""

    name = "dossier_event"
    key = ("dossier", "step")
    doc = "One row a step of a dossier, in the order of the days; about six a dossier"
    columns = {
        "dossier": "id of the dossier",
        "dossier_code": "its number on the day of the step, as the system that held it gave it",
        "system": "BN, BG: that system",
        "step": "place of the step in the dossier's course (numbers may be left out)",
        "status": "1 to 10",
        "local_status": "code of the status in that system",
        "sent_status": "what that system sends for it",
        "at": "moment",
        "started_at": "moment of the step before; of the first one its own",
        "due_at": "by when the dossier is due, as told at receipt",
        "actor_person": "id of the official; null: the system itself",
        "actor_title": "the official's function",
        "unit_name": "section",
        "content": "what was done",
        "sent_at": "moment at which the holding system passed it on; now and then steps of a day are sent in another order",
    }
    _TITLES = ("Hệ thống", "Công chức tiếp nhận hồ sơ", "Chuyên viên thụ lý", "Lãnh đạo phòng", "Lãnh đạo cơ quan", "Kế toán", "Văn thư")  # fmt: skip
    _UNITS = ("Bộ phận Một cửa", "Phòng chuyên môn", "Văn phòng")
    _CONTENTS = (
        "", "Đăng ký hồ sơ trực tuyến", "Tiếp nhận hồ sơ, kiểm tra thành phần", "Không tiếp nhận: hồ sơ không đúng thẩm quyền",
        "Thụ lý hồ sơ", "Yêu cầu bổ sung giấy tờ", "Yêu cầu thực hiện nghĩa vụ tài chính", "Công dân đề nghị rút hồ sơ",
        "Dừng xử lý hồ sơ", "Đã có kết quả giải quyết", "Trả kết quả cho tổ chức, cá nhân", "Thẩm định hồ sơ",
        "Trình lãnh đạo phê duyệt",
    )  # fmt: skip

    def _on(self, day: int) -> tuple[Ints, Ints]:
        return self.dossiers.journal.on(day)

    def rows(self, ids: Ids, day: int) -> Any:
        dossier, step = self.located(ids, day)
        course, each = self.courses(dossier)
        receipts = self.dossiers.receipts
        status = course.status[each, step].astype(np.int64)
        on, at = course.day[each, step].astype(np.int64), course.second[each, step]
        has_one_before = (step > 0) & (course.status[each, np.maximum(step - 1, 0)] > 0)
        before = np.where(has_one_before, step - 1, step)
        # Work on a dossier is its reading, its examination, then its way to those who sign.
        turn = np.minimum(np.maximum(step - 2, 0), 2)
        content = np.where((status == 4) & (turn > 0), 10 + turn, status)
        by_status = np.array([0, 0, 1, 1, 2, 2, 5, 1, 4, 6, 1])
        title = np.where(status == 4, 2 + turn, by_status[status])
        unit = np.where(np.isin(title, (1, 5)), 0, np.where(title == 6, 2, 1))
        where = receipts.agencies[course.placed.agency][each]
        person = officials(self.province, where, self.chance.integer("dossier_event.official", dossier, 0, OFFICIALS - 1) + title)  # fmt: skip
        table = self.province.table("dossier")
        system = table.system(course)[each]
        own = own_status(course, each, step, table.return_form(course))
        cell = dossier * 16 + step
        waits = (system == 1) & self.chance.happens("dossier_event.waits", cell, SENT_LATE)
        delay = self.chance.integer("dossier_event.delay", cell, 3_600, 14_400) * waits
        return pa.table(
            {
                "id": np.asarray(ids, np.int64),
                "dossier": dossier,
                "dossier_code": self.codes_on(course, each, on),
                "system": words(SYSTEMS, system),
                "step": step,
                "status": status,
                "local_status": own_code(system, own),
                "sent_status": sent_status(system, status),
                "at": to_timestamp(on, at),
                "started_at": to_timestamp(course.day[each, before], course.second[each, before]),
                "due_at": to_timestamp(calendar().day(course.due)[each], CLOSES, ~course.placed.refused[each]),
                "actor_person": pa.array(person, mask=title == 0),
                "actor_title": words(self._TITLES, title),
                "unit_name": words(self._UNITS, unit),
                "content": words(self._CONTENTS, content),
                "sent_at": to_timestamp(on, np.minimum(at + 120 + delay, 86_399)),
            }
        )


class DossierSupplement(DailyTable):
    """Supplements asked for."""

    name = "dossier_supplement"
    key = ("dossier", "step")
    doc = "One row a request for a supplement; changes when it is answered"
    columns = {
        "dossier": "id of the dossier",
        "dossier_code": "its number on the day of the request",
        "system": "BN, BG: the system that holds it",
        "step": "step of the dossier that asked for it",
        "requested_at": "moment",
        "actor_person": "id of the official who asked",
        "content": "what is missing",
        "answered_at": "moment at which it was handed in; null: not yet",
        "status": "0 waiting, 1 handed in",
        "appointed_before_at": "by when the dossier was due before",
        "appointed_after_at": "by when it is due since; null: not handed in",
    }
    _CONTENTS = (
        "Bổ sung bản sao giấy tờ tùy thân", "Bổ sung hợp đồng có công chứng", "Bổ sung sơ đồ vị trí thửa đất",
        "Đơn chưa có chữ ký", "Ảnh chụp giấy tờ không đọc được",
    )  # fmt: skip

    def _on(self, day: int) -> tuple[Ints, Ints]:
        dossier, step = self.dossiers.journal.on(day)
        asked = self.dossiers.journal.status[dossier, step] == 5
        return dossier[asked], step[asked]

    def _changed(self, day: int) -> Ints:
        journal = self.dossiers.journal
        dossier, step = journal.on(day)
        answers = (journal.status[dossier, step] == 4) & (journal.status[dossier, np.maximum(step - 1, 0)] == 5)
        self._grow(day)
        return self._rows_of(dossier[answers], day)

    def rows(self, ids: Ids, day: int) -> Any:
        dossier, step = self.located(ids, day)
        course, each = self.courses(dossier)
        first = (course.status[each] == 5).argmax(axis=1) == step
        after = course.due[each] + course.waits[each, 0] + np.where(first, 0, course.waits[each, 1])
        before = course.due[each] + np.where(first, 0, course.waits[each, 0])
        answered = (course.status[each, step + 1] == 4) & (course.day[each, step + 1] <= day)
        where = self.dossiers.receipts.agencies[course.placed.agency][each]
        cell = dossier * 16 + step
        return pa.table(
            {
                "id": np.asarray(ids, np.int64),
                "dossier": dossier,
                "dossier_code": self.codes_on(course, each, course.day[each, step].astype(np.int64)),
                "system": words(SYSTEMS, self.province.table("dossier").system(course)[each]),
                "step": step,
                "requested_at": to_timestamp(course.day[each, step], course.second[each, step]),
                "actor_person": officials(self.province, where, self.chance.integer("dossier_event.official", dossier, 0, OFFICIALS - 1) + 2),
                "content": words(self._CONTENTS, self.chance.integer("dossier_supplement.content", cell, 0, len(self._CONTENTS) - 1)),
                "answered_at": to_timestamp(course.day[each, step + 1], course.second[each, step + 1], answered),
                "status": answered.astype(np.int64),
                "appointed_before_at": to_timestamp(calendar().day(before), CLOSES),
                "appointed_after_at": to_timestamp(calendar().day(after), CLOSES, answered),
            }
        )  # fmt: skip


class DossierFee(DailyTable):
    """Fees and charges of dossiers."""

    name = "dossier_fee"
    key = ("dossier", "kind")
    doc = "One row a fee or charge of a dossier received, also one of 0 đồng for the exempt; changes when it is paid"
    columns = {
        "dossier": "id of the dossier",
        "dossier_code": "its number on the day of receipt",
        "system": "BN, BG: the system that holds it",
        "kind": "1 fee (phí), 2 charge (lệ phí)",
        "fee_code": "code of the fee: procedure and kind",
        "fee_name": "what it is for",
        "amount_vnd": "đồng",
        "collected_as": "1 before, 2 during the work, 3 free",
        "paid_at": "moment; null: not yet, or free",
        "is_paid_online": "paid on a portal",
    }
    _NAMES = ("Phí giải quyết thủ tục hành chính", "Lệ phí giải quyết thủ tục hành chính")

    def _on(self, day: int) -> tuple[Ints, Ints]:
        journal, table = self.dossiers.journal, self.province.table("procedure")
        dossier, step = journal.on(day)
        received = np.unique(dossier[journal.status[dossier, step] == 2])
        procedure = self.dossiers.of(received).procedure
        both = np.stack([table.fee[procedure] > 0, table.charge[procedure] > 0], axis=1)
        row, kind = np.nonzero(both)
        return received[row], kind.astype(np.int64) + 1

    def _changed(self, day: int) -> Ints:
        journal = self.dossiers.journal
        dossier, step = journal.on(day)
        after = journal.status[dossier, np.maximum(step - 1, 0)] == 6
        self._grow(day)
        return self._rows_of(dossier[after & (step > 0)], day)

    def rows(self, ids: Ids, day: int) -> Any:
        dossier, kind = self.located(ids, day)
        course, each = self.courses(dossier)
        table, dossiers = self.province.table("procedure"), self.province.table("dossier")
        fee, charge = dossiers.fees(course)
        amount = np.where(kind == 1, fee[each], charge[each])
        paid, on, at = (values[each] for values in dossiers.paid(course, day))
        asked = (course.status == 6).any(axis=1)[each]
        return pa.table(
            {
                "id": np.asarray(ids, np.int64),
                "dossier": dossier,
                "dossier_code": self.codes_on(course, each, course.placed.received[each]),
                "system": words(SYSTEMS, dossiers.system(course)[each]),
                "kind": kind,
                "fee_code": joined(words(table.codes, course.procedure[each]), "-", words(("", "P", "LP"), kind)),
                "fee_name": words(self._NAMES, kind - 1),
                "amount_vnd": amount,
                "collected_as": np.where(amount == 0, 3, np.where(asked, 2, 1)).astype(np.int64),
                "paid_at": to_timestamp(on, at, paid & (amount > 0)),
                "is_paid_online": pa.array((dossiers.online_payment(course, day) > 0)[each] & (amount > 0)),
            }
        )
