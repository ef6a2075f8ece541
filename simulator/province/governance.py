"""The agencies: who they are and were, and the codes they go by.

Belongs here: the table `agency`. Stays out: what they do (each domain).

The numbers behind `H05.` are invented: those given out after the merger are not published. As with communes, a number
used before it lives on with another meaning. Groups of a code are levels from the left (Decision 20/2020/QĐ-TTg); the old
style has them leaf first, in places of its own (QCVN 102:2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Ids, Ints
from simulator.table import Table, Total, day_of, to_date32
from simulator.units import E1_STARTS, E2_STARTS, units

PROVINCE, DEPARTMENT, VERTICAL, UNIT, DISTRICT, COMMUNE = (
    "PROVINCE",
    "DEPARTMENT",
    "VERTICAL",
    "UNIT",
    "DISTRICT",
    "COMMUNE",
)
CODES_START = date(2020, 9, 15)  # Decision 20/2020/QĐ-TTg
REFORM = date(2025, 3, 1)  # departments of both provinces were joined four months before the provinces
_MERGER, _COMMUNES, _END = "Nghị quyết 202/2025/QH15", "Nghị quyết 1658/NQ-UBTVQH15", date(2025, 6, 30)
_RULE, _REFORM_RULE = "Quyết định 20/2020/QĐ-TTg", "Nghị định 45/2025/NĐ-CP"

# Departments of today: short name -> (number, name).
DEPARTMENTS: dict[str, tuple[str, str]] = {
    "VP": ("01", "Văn phòng Ủy ban nhân dân tỉnh"),
    "NV": ("02", "Sở Nội vụ"),
    "TP": ("03", "Sở Tư pháp"),
    "TC": ("04", "Sở Tài chính"),
    "CT": ("05", "Sở Công Thương"),
    "XD": ("06", "Sở Xây dựng"),
    "KHCN": ("07", "Sở Khoa học và Công nghệ"),
    "GDDT": ("08", "Sở Giáo dục và Đào tạo"),
    "YT": ("09", "Sở Y tế"),
    "VHTTDL": ("10", "Sở Văn hóa, Thể thao và Du lịch"),
    "DTTG": ("11", "Sở Dân tộc và Tôn giáo"),
    "NNMT": ("12", "Sở Nông nghiệp và Môi trường"),
    "NGV": ("13", "Sở Ngoại vụ"),
    "TT": ("14", "Thanh tra tỉnh"),
    "KCN": ("15", "Ban Quản lý các khu công nghiệp"),
}
# Bodies of ministries in the province: they have codes at the province's one-stop shop, but no one above them there.
VERTICALS: dict[str, tuple[str, str]] = {
    "CA": ("H05.21", "Công an tỉnh Bắc Ninh"),
    "THUE": ("H05.22", "Thuế tỉnh Bắc Ninh"),
    "KB": ("H05.23", "Kho bạc Nhà nước tại Bắc Ninh"),
    "BHXH": ("H05.24", "Bảo hiểm xã hội tỉnh Bắc Ninh"),
    "TK": ("H05.25", "Thống kê tỉnh Bắc Ninh"),
}
_UNITS = (
    ("VP", "01", "Trung tâm Phục vụ hành chính công tỉnh"),
    ("NNMT", "01", "Văn phòng Đăng ký đất đai"),
    ("NNMT", "02", "Trung tâm Quan trắc tài nguyên và môi trường"),
    ("KHCN", "01", "Trung tâm Chuyển đổi số"),
    ("YT", "01", "Trung tâm Kiểm soát bệnh tật"),
)
COMMUNES = "50"  # the group of codes given to communes: H05.50.01 to H05.50.99
# Before March 2025, in each province: (department of today, number then, name then); those with the same number went on.
_BEFORE = (
    ("VP", "01", "Văn phòng Ủy ban nhân dân tỉnh"),
    ("NV", "02", "Sở Nội vụ"),
    ("NV", "12", "Sở Lao động - Thương binh và Xã hội"),
    ("TP", "03", "Sở Tư pháp"),
    ("TC", "04", "Sở Tài chính"),
    ("TC", "15", "Sở Kế hoạch và Đầu tư"),
    ("CT", "05", "Sở Công Thương"),
    ("XD", "06", "Sở Xây dựng"),
    ("XD", "16", "Sở Giao thông vận tải"),
    ("KHCN", "07", "Sở Khoa học và Công nghệ"),
    ("KHCN", "17", "Sở Thông tin và Truyền thông"),
    ("GDDT", "08", "Sở Giáo dục và Đào tạo"),
    ("YT", "09", "Sở Y tế"),
    ("VHTTDL", "10", "Sở Văn hóa, Thể thao và Du lịch"),
    ("DTTG", "11", "Ban Dân tộc"),
    ("NNMT", "13", "Sở Nông nghiệp và Phát triển nông thôn"),
    ("NNMT", "18", "Sở Tài nguyên và Môi trường"),
    ("TT", "14", "Thanh tra tỉnh"),
    ("KCN", "19", "Ban Quản lý các khu công nghiệp"),
    ("NGV", "20", "Sở Ngoại vụ"),
)
_JOINED = {"12", "15", "16", "17", "18"}  # of them: given up in the reform
_OLD = {"27": ("H05", "tỉnh Bắc Ninh"), "24": ("H02", "tỉnh Bắc Giang")}


def old_style(code: str) -> str:
    """The same code as QCVN 102:2016 wrote it: `H05.12.34` -> `000.34.12.H05`."""
    groups = [*code.split("."), "00", "00"][:3]
    return f"000.{groups[2]}.{groups[1]}.{groups[0]}"


@dataclass(frozen=True)
class _Agency:
    code: str
    name: str
    kind: str
    parent: str | None
    commune: str | None = None
    start: date = E2_STARTS
    end: date | None = None
    successor: str | None = None
    rule: str = _MERGER


class Agency(Table):
    """Agencies of today (ids 0 to `current - 1`: the province, departments, vertical bodies, units, communes), then the former ones."""

    name = "agency"
    key = ("agency_code", "valid_from")
    doc = "One row an agency and the time its code had that meaning; does not shrink with the scale"
    columns = {
        "agency_code": "code, levels from the left (Decision 20/2020/QĐ-TTg)",
        "old_style_code": "the same code leaf first (QCVN 102:2016)",
        "name_vi": "name",
        "kind": "PROVINCE, DEPARTMENT, VERTICAL, UNIT, DISTRICT, COMMUNE",
        "parent_code": "code of the agency above, if it has one in the province",
        "commune_code": "of communes: code of the administrative unit, of its own epoch",
        "valid_from": "first day of this meaning",
        "valid_to": "last day; null: today",
        "successor_code": "of former ones: who took over",
        "legal_basis": "instrument that gave the code this meaning",
    }

    def count(self, day: int) -> int:
        return len(self._all)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    @cached_property
    def _all(self) -> list[_Agency]:
        return [*self._today(), *(a for old in _OLD for a in self._former(old))]

    @cached_property
    def current(self) -> int:
        """How many there are today; their ids are the first ones."""
        return sum(agency.end is None for agency in self._all)

    @cached_property
    def codes(self) -> list[str]:
        """Codes by id."""
        return [agency.code for agency in self._all]

    @cached_property
    def names(self) -> list[str]:
        """Names by id."""
        return [agency.name for agency in self._all]

    @cached_property
    def communes(self) -> Ints:
        """Ids of the 99 communes, in the order of `Geography.commune_codes`."""
        return np.array([i for i, a in enumerate(self._all[: self.current]) if a.kind == COMMUNE], np.int64)

    def department(self, short: str) -> int:
        """The id of a department or vertical body of today by its short name (`NNMT`, `CA`)."""
        code = VERTICALS[short][0] if short in VERTICALS else f"H05.{DEPARTMENTS[short][0]}"
        return self.codes.index(code)

    def _today(self) -> list[_Agency]:
        found = [_Agency("H05", "Ủy ban nhân dân tỉnh Bắc Ninh", PROVINCE, None)]
        found += [_Agency(f"H05.{number}", name, DEPARTMENT, "H05") for number, name in DEPARTMENTS.values()]
        found += [_Agency(code, name, VERTICAL, None) for code, name in VERTICALS.values()]
        for short, number, name in _UNITS:
            above = f"H05.{DEPARTMENTS[short][0]}"
            found.append(_Agency(f"{above}.{number}", name, UNIT, above))
        for place, (code, name) in enumerate(zip(self.geo.commune_codes, self.geo.commune_names, strict=True), 1):
            office = f"Ủy ban nhân dân {_lower(str(name))}"
            found.append(_Agency(f"H05.{COMMUNES}.{place:02d}", office, COMMUNE, "H05", str(code), rule=_COMMUNES))
        return found

    def _former(self, old: str) -> list[_Agency]:
        """Agencies of one province before the merger: its departments, districts and their communes."""
        root, province = _OLD[old]
        found = [_Agency(root, f"Ủy ban nhân dân {province}", PROVINCE, None, None, CODES_START, _END, "H05", _RULE)]
        went_on = {short: number for short, number, _ in _BEFORE if number not in _JOINED}
        for short, number, name in _BEFORE:
            today, code = DEPARTMENTS[short], f"{root}.{number}"
            if (
                number in _JOINED or name != today[1]
            ):  # in the reform it was given up, or went on under its name of today
                after = f"{root}.{went_on[short]}"
                until = _day_before(REFORM)
                found.append(_Agency(code, name, DEPARTMENT, root, None, CODES_START, until, after, _RULE))
            if number not in _JOINED:
                start, rule = (CODES_START, _RULE) if name == today[1] else (REFORM, _REFORM_RULE)
                found.append(_Agency(code, today[1], DEPARTMENT, root, None, start, _END, f"H05.{today[0]}", rule))
        known, communes = units(), list(self.geo.commune_codes)
        districts = sorted({(str(u["district_code"]), str(u["district_name"])) for u in known.e1.values() if u["province_code"] == old})  # fmt: skip
        for group, (district, name) in enumerate(districts, 30):
            above = f"{root}.{group}"
            found.append(_Agency(above, f"Ủy ban nhân dân {_lower(name)}", DISTRICT, root, None, CODES_START, _END, "H05", _RULE))  # fmt: skip
            inside = sorted(str(u["ward_code"]) for u in known.e1.values() if u["district_code"] == district)
            for place, code in enumerate(inside, 1):
                unit, before = known.e1[code], known.e0.get(code)
                same = before is not None and before["ward_name"] == unit["ward_name"]
                successor = f"H05.{COMMUNES}.{communes.index(known.today(code)) + 1:02d}"
                office = f"Ủy ban nhân dân {_lower(str(unit['ward_name']))}"
                start = CODES_START if same else E1_STARTS[old]
                found.append(_Agency(f"{above}.{place:02d}", office, COMMUNE, above, code, start, _END, successor, _RULE))  # fmt: skip
        return found

    @cached_property
    def _whole(self) -> Any:
        every = self._all
        ends = np.array([day_of(a.end) if a.end else 0 for a in every])
        return pa.table(
            {
                "id": np.arange(len(every), dtype=np.int64),
                "agency_code": pa.array([a.code for a in every]),
                "old_style_code": pa.array([old_style(a.code) for a in every]),
                "name_vi": pa.array([a.name for a in every]),
                "kind": pa.array([a.kind for a in every]),
                "parent_code": pa.array([a.parent for a in every], pa.string()),
                "commune_code": pa.array([a.commune for a in every], pa.string()),
                "valid_from": to_date32(np.array([day_of(a.start) for a in every])),
                "valid_to": to_date32(ends, np.array([a.end is not None for a in every])),
                "successor_code": pa.array([a.successor for a in every], pa.string()),
                "legal_basis": pa.array([a.rule for a in every]),
            }
        )

    def rows(self, ids: Ids, day: int) -> Any:
        return self._whole.take(pa.array(np.asarray(ids, np.int64)))

    def totals(self, day: int) -> list[Total]:
        now = self._all[: self.current]
        return [
            Total("agency.count", len(self._all), "agency"),
            Total(
                "agency.communes",
                sum(a.kind == COMMUNE for a in now),
                "agency",
                "Resolution 1658/NQ-UBTVQH15",
                exact=True,
            ),
            Total("agency.departments", sum(a.kind == DEPARTMENT for a in now), "agency"),
        ]


def _day_before(day: date) -> date:
    return date.fromordinal(day.toordinal() - 1)


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


TABLES = (Agency,)
