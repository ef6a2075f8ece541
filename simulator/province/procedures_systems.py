"""The two dossier systems that were joined: their own statuses, and what they fail to pass on.

Belongs here: tables `status_local`, `dossier_lost`; which status of its own a system gives a step, and what it sends for
it. Stays out: codes of procedures (`procedures_catalogue`), dossier numbers (`procedures_receipts`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.procedures_catalogue import SYSTEMS
from simulator.province.procedures_course import ONLINE, POST, Course
from simulator.province.procedures_daily import DailyTable
from simulator.table import Table, Total, to_timestamp, words

# Status of the national portal, code in the system of Bắc Ninh and in that of Bắc Giang, name.
STATUSES: tuple[tuple[int, str, str, str], ...] = (
    (1, "1", "CHO_TN", "Chờ tiếp nhận"),
    (2, "2", "DA_TN", "Đã tiếp nhận tại quầy"),
    (2, "2", "DA_TN_TT", "Đã tiếp nhận trực tuyến"),
    (3, "3", "TU_CHOI", "Từ chối tiếp nhận"),
    (4, "4", "THU_LY", "Đang thụ lý"),
    (4, "5", "THAM_DINH", "Đang thẩm định"),
    (4, "6", "TRINH_KY", "Trình lãnh đạo ký"),
    (4, "7", "DA_BS", "Đã nhận bổ sung, tiếp tục xử lý"),
    (4, "8", "DA_NOP_PHI", "Đã nộp phí, tiếp tục xử lý"),
    (5, "9", "CHO_BS", "Chờ bổ sung"),
    (6, "10", "CHO_NOP_PHI", "Chờ thực hiện nghĩa vụ tài chính"),
    (7, "11", "RUT_HS", "Công dân rút hồ sơ"),
    (8, "12", "DUNG_XL", "Dừng xử lý"),
    (8, "13", "QUA_HAN_BS", "Dừng xử lý do quá hạn bổ sung"),
    (9, "14", "CO_KQ", "Đã có kết quả"),
    (10, "15", "TRA_QUAY", "Đã trả kết quả tại quầy"),
    (10, "16", "TRA_TT", "Đã trả kết quả trực tuyến"),
    (10, "17", "TRA_BC", "Đã trả kết quả qua bưu chính"),
)
_RECEIVED, _AT_WORK, _SUPPLEMENTED, _PAID, _STOPPED, _RETURNED = 1, 4, 7, 8, 12, 15
#: What the sending program of the system of Bắc Giang makes of these statuses.
COARSENED = {5: 9, 6: 9, 8: 9}


def own_status(course: Course, each: Ints, step: Ints, return_form: Ints) -> Ints:
    """Index into `STATUSES` of steps. each: the dossier of every step; return_form: by dossier."""
    status = course.status[each, step].astype(np.int64)
    before = np.where(step > 0, course.status[each, np.maximum(step - 1, 0)], 0)
    first = np.array([0, *(next(i for i, row in enumerate(STATUSES) if row[0] == s) for s in range(1, 11))])
    found = first[status]
    desk = _AT_WORK + np.clip(step - 2, 0, 2)
    found = np.where(status == 4, np.where(before == 5, _SUPPLEMENTED, np.where(before == 6, _PAID, desk)), found)
    found = np.where((status == 2) & (course.channel[each] == ONLINE), _RECEIVED + 1, found)
    found = np.where((status == 8) & (before == 5), _STOPPED + 1, found)
    how = return_form[each]
    return np.where(status == 10, _RETURNED + (how == ONLINE) + 2 * (how == POST), found).astype(np.int64)


def own_code(system: Ints, own: Ints) -> Any:
    """Arrow texts: the status in the code of the holding system."""
    codes = [row[1] for row in STATUSES] + [row[2] for row in STATUSES]
    return words(codes, system * len(STATUSES) + own)


def sent_status(system: Ints, status: Ints) -> Ints:
    """What is sent for a status of the national portal."""
    coarse = np.array([COARSENED.get(s, s) for s in range(11)])
    return np.where(system == 1, coarse[status], status).astype(np.int64)


class StatusLocal(Table):
    """The systems' own statuses, and the mapping by which they send them."""

    name = "status_local"
    key = ("system", "local_status")
    doc = "One row a system and status of its own; does not shrink with the scale"
    columns = {
        "system": "BN, BG: the system of the former province",
        "local_status": "code there",
        "local_name": "name there",
        "status": "what it really is in the ten statuses of the national portal",
        "sent_status": "what the system sends for it",
    }

    @cached_property
    def _whole(self) -> Any:
        rows = []
        for system, name in enumerate(SYSTEMS):
            known = {row[1 + system]: row for row in reversed(STATUSES)}
            for code in dict.fromkeys(row[1 + system] for row in STATUSES):
                status, said = known[code][0], known[code][3]
                rows.append((name, code, said, status, int(sent_status(np.array([system]), np.array([status]))[0])))
        columns = list(zip(*rows, strict=True))
        ids = np.arange(len(rows), dtype=np.int64)
        return pa.table({"id": ids, **dict(zip(self.columns, map(list, columns), strict=True))})

    def count(self, day: int) -> int:
        return int(self._whole.num_rows)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        return self._whole.take(pa.array(np.asarray(ids, np.int64)))


class DossierLost(DailyTable):
    """Dossiers that the system of Bắc Giang could not send: a text file of the day says so, which the next day overwrites."""

    name = "dossier_lost"
    key = ("dossier",)
    doc = "One row a dossier that was never sent; gone from the agency's file after the day"
    columns = {
        "dossier": "id of the dossier",
        "dossier_code": "its number on that day",
        "failed_at": "moment of the attempt",
        "message": "what the program wrote",
    }
    _MESSAGES = (
        "error_code=99",
        "java.net.SocketTimeoutException: Read timed out",
        "Session expired",
        "HTTP 502 Bad Gateway",
    )

    def _on(self, day: int) -> tuple[Ints, Ints]:
        new = self.dossiers.receipts.ids(day)
        course = self.dossiers.of(new)
        lost = new[self.province.table("dossier").is_lost(course)]
        return lost, np.zeros(len(lost), np.int64)

    def gone(self, ids: Ids, day: int) -> Bools:
        return np.asarray(ids, np.int64) < self.count(day - 1)

    def rows(self, ids: Ids, day: int) -> Any:
        dossier, _ = self.located(ids, day)
        course, each = self.courses(dossier)
        step = np.argmax(course.status > 0, axis=1)[each]
        on, at = course.day[each, step].astype(np.int64), course.second[each, step]
        return pa.table(
            {
                "id": np.asarray(ids, np.int64),
                "dossier": dossier,
                "dossier_code": self.codes_on(course, each, on),
                "failed_at": to_timestamp(on, at + 90),
                "message": words(self._MESSAGES, self.chance.integer("dossier_lost.message", dossier, 0, 3)),
            }
        )

    def totals(self, day: int) -> list[Total]:
        return [Total("dossier_lost.count", self.count(day), "dossier")]
