"""Innovation: young firms, contracts of technology transfer, research staff, the index of digital transformation.

Belongs here: those four tables. Stays out: research tasks and organisations (`science`), the innovation index
(`science_sources`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.province.science_words import FIELDS
from simulator.table import Arrivals, Province, Table, Total, numbered, to_date32, words

STARTUPS, CONTRACTS_A_YEAR, CONTRACT_YEARS = 130, 60, 6  # derived
STAGES = ("Ý tưởng", "Hạt giống", "Khởi động", "Tăng trưởng")
SUPPORT = ("Ươm tạo", "Hỗ trợ sở hữu trí tuệ", "Kết nối đầu tư", "Không")
COUNTRIES = ("Hàn Quốc", "Nhật Bản", "Trung Quốc", "Đài Loan", "Việt Nam", "Đức")
TECHNOLOGIES = (
    "Dây chuyền lắp ráp bảng mạch", "Quy trình mạ không điện", "Phần mềm điều hành sản xuất", "Khuôn đúc chính xác",
    "Xử lý nước thải sinh học", "Quy trình nhân giống mô", "Kiểm tra quang học tự động", "Công nghệ sấy thăng hoa",
)  # fmt: skip
DEGREES = ("Tiến sĩ", "Thạc sĩ", "Đại học", "Cao đẳng", "Khác")
# Components of the index of digital transformation (DTI): eight main ones and the whole.
COMPONENTS = (
    ("1", "Nhận thức số"), ("2", "Thể chế số"), ("3", "Hạ tầng số"), ("4", "Nhân lực số"),
    ("5", "An toàn thông tin mạng"), ("6", "Hoạt động chính quyền số"), ("7", "Hoạt động kinh tế số"),
    ("8", "Hoạt động xã hội số"), ("0", "Chỉ số chung"),
)  # fmt: skip
# (year, code, name of then, provinces, day of publication): two provinces until the merger of 2025
EDITIONS = (
    *((year, code, name, 63, day) for year, day in ((2021, -1_564), (2022, -1_226), (2023, -841), (2024, -440))
      for code, name in (("24", "Bắc Giang"), ("27", "Bắc Ninh"))),
    (2025, "24", "Bắc Ninh", 34, 26),
)  # fmt: skip
_NONE = np.arange(0, dtype=np.int64)


class Startup(Table):
    """Innovative young firms in the province's programme."""

    name = "startup"
    key = ("startup_code",)
    doc = "One row a firm recognised as an innovative start-up; Law 93/2025/QH15 [D: 130]"
    columns = {
        "enterprise": "id of the firm",
        "startup_code": "KNST, number",
        "field": "field",
        "stage": "Ý tưởng, Hạt giống, Khởi động, Tăng trưởng",
        "recognised_on": "date of recognition",
        "raised_vnd": "capital raised, VND; null where nobody knows",
        "support": "support of the programme",
        "staff_count": "staff",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._stock = self.scale.of(STARTUPS, least=6)
        self._new = Arrivals(max(self._stock / 5, 4) / 365, 1)

    def count(self, day: int) -> int:
        return self._stock + self._new.through(day)

    def touched(self, day: int) -> Ints:
        return self._stock + self._new.ids(day) if day >= 1 else _NONE

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        firms: int = self.province.table("enterprise").firms
        stage = chance.pick("startup.stage", ids, (0.2, 0.35, 0.3, 0.15))
        raised = np.array([50, 400, 3_000, 20_000])[stage] * chance.integer("startup.raised", ids, 5, 30) * 100_000
        arrived = self._new.days(np.maximum(ids - self._stock, 0), max(day, 1))
        old = -chance.integer("startup.recognised", ids, 1, 1_900)
        return pa.table(
            {
                "id": ids,
                "enterprise": chance.permutation("startup.firm", firms)[ids % firms],
                "startup_code": numbered("KNST-{:04d}", ids + 1),
                "field": words(FIELDS, chance.integer("startup.field", ids, 0, len(FIELDS) - 1)),
                "stage": words(STAGES, stage),
                "recognised_on": to_date32(np.where(ids < self._stock, old, arrived)),
                "raised_vnd": pa.array(raised, mask=chance.happens("startup.untold", ids, 0.3)),
                "support": words(SUPPORT, chance.pick("startup.support", ids, (0.3, 0.25, 0.2, 0.25))),
                "staff_count": 2
                + np.floor(chance.uniform("startup.staff", ids) ** 2 * 12 * (stage + 1)).astype(np.int64),
            }
        )


class TechTransferContract(Table):
    """Registered contracts of technology transfer."""

    name = "tech_transfer_contract"
    key = ("certificate_no",)
    doc = "One row a contract with a certificate of registration; Law 07/2017/QH14, Decree 76/2018/NĐ-CP [D: 60 a year]"
    columns = {
        "enterprise": "id of the firm that takes the technology",
        "certificate_no": "number of the certificate",
        "technology": "technology transferred",
        "giver_country": "country of the giver",
        "value_vnd": "value, VND",
        "signed_on": "date of the contract",
        "registered_on": "date of the certificate",
        "ends_on": "last day",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._stock = self.scale.of(CONTRACTS_A_YEAR * CONTRACT_YEARS, least=8)
        self._new = Arrivals(self._stock / CONTRACT_YEARS / 365, 1)

    def count(self, day: int) -> int:
        return self._stock + self._new.through(day)

    def touched(self, day: int) -> Ints:
        return self._stock + self._new.ids(day) if day >= 1 else _NONE

    def _value(self, ids: Ids) -> Ints:
        drawn = np.exp(1.3 * self.chance.normal("tech_transfer.value", ids)) * 300
        return np.asarray(np.rint(drawn) * 10_000_000, np.int64)

    def totals(self, day: int) -> list[Total]:
        """Contracts and their value."""
        value = int(self._value(np.arange(self.count(day))).sum())
        return [
            Total("tech_transfer_contract.count", self.count(day), "contract", "derived"),
            Total("tech_transfer_contract.value", value, "VND"),
        ]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        firms: int = self.province.table("enterprise").firms
        arrived = self._new.days(np.maximum(ids - self._stock, 0), max(day, 1))
        old = -chance.integer("tech_transfer.registered", ids, 1, CONTRACT_YEARS * 365)
        registered = np.where(ids < self._stock, old, arrived)
        signed = registered - chance.integer("tech_transfer.waited", ids, 8, 90)
        country = chance.pick("tech_transfer.country", ids, (0.42, 0.16, 0.18, 0.08, 0.13, 0.03))
        return pa.table(
            {
                "id": ids,
                "enterprise": chance.integer("tech_transfer.firm", ids, 0, firms - 1),
                "certificate_no": numbered("{:04d}/CGCN", ids + 1),
                "technology": words(TECHNOLOGIES, chance.integer("tech_transfer.kind", ids, 0, len(TECHNOLOGIES) - 1)),
                "giver_country": words(COUNTRIES, country),
                "value_vnd": self._value(ids),
                "signed_on": to_date32(signed),
                "registered_on": to_date32(registered),
                "ends_on": to_date32(signed + 365 * chance.integer("tech_transfer.years", ids, 2, 10)),
            }
        )


class StStaff(Table):
    """Staff of the organisations of science and technology."""

    name = "st_staff"
    key = ("staff_code",)
    doc = "One row a member of the staff of an organisation; together exactly its numbers of staff and researchers"
    columns = {
        "person": "person",
        "organisation": "id of the st_organisation",
        "staff_code": "NL, number",
        "organisation_code": "number of the organisation's certificate",
        "degree": "highest degree",
        "field": "field of work",
        "is_researcher": "does research",
        "since_year": "year of entry",
    }

    @cached_property
    def _staff(self) -> tuple[Ints, Ints, Any, Any]:
        """Organisation of each, number within it, researchers of the organisation, codes of organisations."""
        organisations = self.province.table("st_organisation")
        known = organisations.rows(np.arange(organisations.count(0)), 0)
        counts = known["staff_count"].to_numpy()
        organisation = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(organisation)) - np.repeat(np.cumsum(counts) - counts, counts)
        return organisation, number, known["researcher_count"].to_numpy(), known["organisation_code"].combine_chunks()

    def count(self, day: int) -> int:
        return len(self._staff[0])

    def touched(self, day: int) -> Ints:
        return _NONE

    def totals(self, day: int) -> list[Total]:
        """Staff, and researchers among them."""
        return [
            Total("st_staff.count", self.count(day), "person"),
            Total("st_staff.researchers", int(self._staff[2].sum()), "person"),
        ]

    @cached_property
    def _persons(self) -> Ints:
        pool = self.province.people.aged(24, 60)
        order = np.argsort(self.chance.bits("st_staff.person", pool), kind="stable")
        return pool[order]

    def rows(self, ids: Ids, day: int) -> Any:
        ids, chance = np.asarray(ids, np.int64), self.chance
        organisation, number, researchers, codes = self._staff
        organisation, number = organisation[ids], number[ids]
        researcher = number < researchers[organisation]
        degree = np.where(
            researcher,
            chance.pick("st_staff.high", ids, (0.24, 0.50, 0.26)),
            1 + chance.pick("st_staff.low", ids, (0.12, 0.52, 0.16, 0.20)),
        )
        person = self._persons[ids % len(self._persons)]
        age = 2026 - self.province.people.birth_years(person)
        return pa.table(
            {
                "id": ids,
                "person": person,
                "organisation": organisation,
                "staff_code": numbered("NL{:05d}", ids + 1),
                "organisation_code": codes.take(pa.array(organisation)),
                "degree": words(DEGREES, degree),
                "field": words(FIELDS, chance.integer("st_staff.field", ids, 0, len(FIELDS) - 1)),
                "is_researcher": researcher,
                "since_year": 2026 - np.floor((age - 22) * chance.uniform("st_staff.since", ids)).astype(np.int64),
            }
        )


class DtiIndex(Table):
    """The index of digital transformation of provinces."""

    name = "dti_index"
    key = ("year", "province_code", "component_code")
    doc = "One row a year, province of then and component (eight and the whole), scores from 0 to 1"
    columns = {
        "year": "year assessed",
        "province_code": "24, 27",
        "province_name": "name of then",
        "component_code": "1 to 8; 0: the whole, the mean of the eight",
        "component_name": "name of the component",
        "score": "0 to 1",
        "rank": "place among the provinces",
        "published_on": "day of publication",
    }

    def count(self, day: int) -> int:
        return sum(on <= max(day, 0) for *_, on in EDITIONS) * len(COMPONENTS)

    def touched(self, day: int) -> Ints:
        return np.arange(self.count(day - 1), self.count(day), dtype=np.int64)

    @cached_property
    def _scores(self) -> Any:
        """By edition and component; what is strong stays so, and everything grows with the years."""
        cells = np.arange(len(EDITIONS) * 8).reshape(len(EDITIONS), 8)
        level = 0.42 + 0.22 * self.chance.uniform("dti_index.level", cells[0])
        growth = np.array([0.045 * (year - 2021) for year, *_ in EDITIONS])[:, None]
        parts = np.clip(level + growth + 0.03 * self.chance.normal("dti_index.score", cells), 0.05, 0.98).round(4)
        return np.concatenate([parts, parts.mean(axis=1, keepdims=True).round(4)], axis=1)

    def totals(self, day: int) -> list[Total]:
        """The whole of each edition."""
        known = zip(EDITIONS[: self.count(day) // len(COMPONENTS)], self._scores, strict=False)
        return [Total(f"dti_index.{y}.{p}", round(float(row[-1]), 4), "point") for (y, p, *_), row in known]

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        edition, component = np.divmod(ids, len(COMPONENTS))
        score = self._scores[edition, component]
        of = np.array([n for _, _, _, n, _ in EDITIONS])[edition]
        return pa.table(
            {
                "id": ids,
                "year": np.array([year for year, *_ in EDITIONS])[edition],
                "province_code": words([code for _, code, *_ in EDITIONS], edition),
                "province_name": words([name for _, _, name, _, _ in EDITIONS], edition),
                "component_code": words([code for code, _ in COMPONENTS], component),
                "component_name": words([name for _, name in COMPONENTS], component),
                "score": score,
                "rank": np.clip(np.rint((1 - score) * of * 0.8), 1, of).astype(np.int64),
                "published_on": to_date32(np.array([on for *_, on in EDITIONS])[edition]),
            }
        )


TABLES: tuple[type[Table], ...] = (Startup, TechTransferContract, StStaff, DtiIndex)
