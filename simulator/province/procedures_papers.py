"""Files of dossiers, and what citizens thought of the service.

Belongs here: tables `dossier_file`, `dossier_rating`. Stays out: the dossier itself (`procedures`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.province.procedures_catalogue import SYSTEMS
from simulator.province.procedures_daily import DailyTable
from simulator.table import Total, joined, numbered, padded, to_timestamp, words


class DossierFile(DailyTable):
    """Files of dossiers: what was handed in, and results."""

    name = "dossier_file"
    key = ("file_code",)
    doc = "One row a paper handed in with a dossier, or an electronic result"
    columns = {
        "dossier": "id of the dossier",
        "dossier_code": "its number on the day of the file",
        "system": "BN, BG: the system that holds it",
        "file_code": "identifier of the file",
        "kind": "PART of what was handed in, RESULT",
        "component_code": "code of the paper in the procedure",
        "file_name": "name",
        "store": "where it lies: PROVINCE (reachable from outside), OFFICE (a server in the office's own network)",
        "is_digitised": "it was digitised, or is digital by birth",
        "is_reused": "taken over from an earlier dossier",
        "is_from_citizen_store": "taken from the citizen's own store on the national portal",
        "created_at": "moment",
    }
    _PARTS = (
        "Đơn đề nghị",
        "Giấy tờ tùy thân",
        "Giấy tờ chứng minh",
        "Bản vẽ, sơ đồ",
        "Hợp đồng, văn bản thỏa thuận",
        "Ảnh chân dung",
    )
    RESULT = 9

    def _on(self, day: int) -> tuple[Ints, Ints]:
        journal, receipts = self.dossiers.journal, self.dossiers.receipts
        dossier, step = journal.on(day)
        done = np.unique(dossier[journal.status[dossier, step] == 9])
        table = self.province.table("dossier")
        done = done[table.electronic(self.dossiers.of(done), day)]
        new = receipts.ids(day)
        parts = 1 + self.chance.pick("dossier_file.parts", new, (0.22, 0.33, 0.27, 0.10, 0.05, 0.03))
        first = np.repeat(np.cumsum(parts) - parts, parts)
        number = np.arange(int(parts.sum())) - first
        return (
            np.concatenate([np.repeat(new, parts), done]).astype(np.int64),
            np.concatenate([number, np.full(len(done), self.RESULT)]).astype(np.int64),
        )

    def is_inside(self, dossier: Ids, system: Ids) -> Bools:
        """Files on a server in the office's network, where nobody outside can open them: mostly of the system of Bắc Giang."""
        return self.chance.happens("dossier_file.inside", dossier, np.where(np.asarray(system) == 1, 0.09, 0.01))

    def rows(self, ids: Ids, day: int) -> Any:
        dossier, number = self.located(ids, day)
        course, each = self.courses(dossier)
        table, procedure = self.province.table("dossier"), self.province.table("procedure")
        cell, result = dossier * 16 + number, number == self.RESULT
        digitised = (table.digitised(course)[each] & self.chance.happens("dossier_file.digitised", cell, 0.95)) | result
        fresh = ~result & digitised
        reused = fresh & self.chance.happens("dossier_file.reused", cell, 0.17)
        part = np.where(result, 0, number)
        entered = np.argmax(course.status > 0, axis=1)
        done = np.argmax(course.status == 9, axis=1)
        step = np.where(result, done[each], entered[each])
        codes = words(procedure.codes, course.procedure[each])
        return pa.table(
            {
                "id": np.asarray(ids, np.int64),
                "dossier": dossier,
                "dossier_code": self.codes_on(course, each, course.day[each, step].astype(np.int64)),
                "system": words(SYSTEMS, table.system(course)[each]),
                "file_code": joined(numbered("TL{:08d}", dossier), "-", padded(number, 0)),
                "kind": words(("PART", "RESULT"), result.astype(np.int64)),
                "component_code": joined(codes, ".", words(("TP", "KQ"), result.astype(np.int64)), padded(part + 1, 0)),
                "file_name": joined(words((*self._PARTS, "Kết quả giải quyết"), np.where(result, len(self._PARTS), number)), ".pdf"),
                "store": words(("PROVINCE", "OFFICE"), self.is_inside(dossier, table.system(course)[each]).astype(np.int64)),
                "is_digitised": pa.array(digitised),
                "is_reused": pa.array(reused),
                "is_from_citizen_store": pa.array(reused & self.chance.happens("dossier_file.own", cell, 0.4)),
                "created_at": to_timestamp(course.day[each, step], course.second[each, step]),
            }
        )  # fmt: skip


class DossierRating(DailyTable):
    """What citizens said of the service when they got their result."""

    name = "dossier_rating"
    key = ("dossier",)
    doc = "One row a rating, given with the return of the result by about a third of the applicants"
    columns = {
        "dossier": "id of the dossier",
        "rated_at": "moment",
        "score": "1 very dissatisfied to 5 very satisfied",
        "is_satisfied": "3 and more",
        "remark": "what was said, if anything",
    }
    _REMARKS = ("Cán bộ nhiệt tình", "Trả kết quả đúng hẹn", "Phải chờ lâu", "Phải đi lại nhiều lần", "Hệ thống nộp hồ sơ khó dùng")  # fmt: skip

    def _on(self, day: int) -> tuple[Ints, Ints]:
        journal = self.dossiers.journal
        dossier, step = journal.on(day)
        rated = (journal.status[dossier, step] == 10) & self.chance.happens("dossier_rating.given", dossier, 0.34)
        return dossier[rated], step[rated]

    def rows(self, ids: Ids, day: int) -> Any:
        dossier, step = self.located(ids, day)
        course, each = self.courses(dossier)
        late = ~course.verdict(day)[1][each]
        drawn = self.chance.uniform("dossier_rating.score", dossier)
        score = (
            np.searchsorted(np.array([0.004, 0.012, 0.04, 0.25]), np.where(late, drawn * 0.1, drawn), side="right") + 1
        )
        remark = np.where(score >= 4, drawn * 1e6 % 2, 2 + drawn * 1e6 % 3).astype(np.int64)
        said = self.chance.happens("dossier_rating.said", dossier, 0.08)
        return pa.table(
            {
                "id": np.asarray(ids, np.int64),
                "dossier": dossier,
                "rated_at": to_timestamp(course.day[each, step], course.second[each, step] + 240),
                "score": score.astype(np.int64),
                "is_satisfied": pa.array(score >= 3),
                "remark": words(self._REMARKS, remark, said),
            }
        )

    def totals(self, day: int) -> list[Total]:
        scores = self.rows(np.arange(self.count(day)), day)["score"].to_numpy()
        share = round(100 * float((scores >= 3).mean()), 2) if len(scores) else 0.0
        return [*super().totals(day), Total("dossier_rating.satisfied_percent", share, "%")]
