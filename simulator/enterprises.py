"""Enterprises: how they are registered, changed and dissolved.

Belongs here: plausible rows of enterprise_registry.enterprise with canonical Python values.
Stays out: the wire (`registry`), the course of the nights and all dirt (`truth`).

Commune codes are those of the epoch of the record's last change. Of all enterprises about 11 % still carry a code of e1
and 14 % one of e0; about 27 % were moved to today's codes by the registry in one statement on 1 July 2025 (all these
share one NgayThayDoi, more than a page of 500 at full size); the others were changed or registered since. The industry
code follows VSIC 2025 in records changed from 15 November 2025 on, VSIC 2018 before.
"""

from __future__ import annotations

import random
from datetime import date, datetime
from typing import Any

from simulator import clock, people
from simulator.units import E2_STARTS, units

Row = dict[str, Any]

ENTERPRISES = 3000
VSIC2025_STARTS = date(2025, 11, 15)
BRANCH_SHARE = 0.05
TOUCHED_SINCE_MERGER_SHARE = 0.45  # among those registered before it
CONVERTED_SHARE = 0.55  # among the untouched ones

_FORMS = {
    "TNHH1": (38, "CÔNG TY TNHH MỘT THÀNH VIÊN"),
    "TNHH2": (28, "CÔNG TY TNHH"),
    "CP": (24, "CÔNG TY CỔ PHẦN"),
    "DNTN": (9, "DOANH NGHIỆP TƯ NHÂN"),
    "HD": (1, "CÔNG TY HỢP DANH"),
}
_TRADES = {
    "THƯƠNG MẠI VÀ DỊCH VỤ": ("46900", "47190"),
    "XÂY DỰNG": ("41020", "42102"),
    "VẬN TẢI": ("49331", "49332"),
    "CƠ KHÍ": ("25920", "25910"),
    "ĐIỆN TỬ": ("26100", "26200"),
    "BAO BÌ": ("17021", "22201"),
    "MAY MẶC": ("14100", "13920"),
    "NÔNG SẢN": ("10309", "0121"),
    "GỖ MỸ NGHỆ": ("16291", "31001"),
    "DU LỊCH": ("5510", "7912"),
}
_FIRST = [
    "AN",
    "BẢO",
    "ĐẠI",
    "ĐỨC",
    "GIA",
    "HẢI",
    "HOÀNG",
    "KIM",
    "LONG",
    "MINH",
    "NAM",
    "PHÚ",
    "QUANG",
    "TÂN",
    "THÀNH",
    "VIỆT",
    "KINH BẮC",
    "SÔNG CẦU",
]
_SECOND = [
    "PHÁT",
    "THỊNH",
    "HƯNG",
    "LỢI",
    "PHÚC",
    "CƯỜNG",
    "TIẾN",
    "VINH",
    "KHANG",
    "AN",
    "LỘC",
    "DƯƠNG",
    "LINH",
    "SƠN",
    "THẮNG",
    "TÍN",
]
_ZONES = {
    "KCN Quế Võ": "259",
    "KCN Yên Phong": "258",
    "KCN VSIP Bắc Ninh": "261",
    "KCN Tiên Sơn": "260",
    "KCN Thuận Thành": "262",
    "KCN Gia Bình": "263",
    "KCN Quang Châu": "222",
    "KCN Vân Trung": "222",
    "KCN Đình Trám": "222",
    "KCN Hòa Phú": "223",
}
_STREETS = [
    "Lý Thái Tổ",
    "Nguyễn Văn Cừ",
    "Ngô Gia Tự",
    "Hùng Vương",
    "Lê Lợi",
    "Trần Hưng Đạo",
    "Hoàng Hoa Thám",
    "Nguyễn Thị Lưu",
]


class Enterprises:
    """Makes rows of enterprise_registry.enterprise."""

    def __init__(self, last_day: date) -> None:
        self._last_day = last_day
        self._taken: set[str] = set()

    def base(self, rng: random.Random, count: int) -> list[Row]:
        """The register before the first night's last moment: firms, then their branches."""
        firms = [self._firm_at_some_time(rng) for _ in range(count - round(count * BRANCH_SHARE))]
        branches: dict[str, Row] = {}
        while len(firms) + len(branches) < count:
            branch = self._branch(rng, rng.choice(firms))
            branches.setdefault(str(branch["enterprise_code"]), branch)
        return firms + list(branches.values())

    def new(self, rng: random.Random, when: datetime) -> Row:
        """A firm registered at `when`."""
        return self._firm(rng, when, when, 0, when.date()) | {"status": "HOAT_DONG"}

    def change(self, rng: random.Random, row: Row, when: datetime) -> Row:
        """A registered change: capital, representative, suspension or return."""
        what = rng.random()
        if what < 0.4:
            change: Row = {"charter_capital_vnd": row["charter_capital_vnd"] + rng.randint(1, 50) * 100_000_000}
        elif what < 0.7:
            change = {"representative_name": people.person_name(rng)}
        else:
            change = {"status": "HOAT_DONG" if row["status"] == "TAM_NGUNG" else "TAM_NGUNG"}
        return touch_enterprise(row, when) | {"change_count": row["change_count"] + 1} | change

    def dissolve(self, row: Row, when: datetime) -> Row:
        """The registry's way of deleting: the record stays, its status says so."""
        return touch_enterprise(row, when) | {"change_count": row["change_count"] + 1, "status": "GIAI_THE"}

    def _firm_at_some_time(self, rng: random.Random) -> Row:
        registered = clock.some_time(rng, date(2005, 3, 1), self._last_day)
        merger = clock.at(E2_STARTS)
        if registered >= merger:
            changed = registered
            if rng.random() < 0.3:
                changed = max(registered, clock.some_time(rng, registered.date(), self._last_day))
            return self._firm(rng, registered, changed, int(changed > registered), changed.date())
        if rng.random() < TOUCHED_SINCE_MERGER_SHARE:
            changed = clock.some_time(rng, E2_STARTS, self._last_day)
            return self._firm(rng, registered, changed, rng.randint(1, 9), changed.date())
        changed = max(registered, clock.before_merger(rng, registered.date())) if rng.random() < 0.8 else registered
        changes = rng.randint(1, 6) if changed > registered else 0
        if rng.random() < CONVERTED_SHARE:
            return self._firm(rng, registered, merger, changes, E2_STARTS)
        return self._firm(rng, registered, changed, changes, changed.date())

    def _firm(self, rng: random.Random, registered: datetime, changed: datetime, changes: int, code_on: date) -> Row:
        """`code_on`: the date at which the record's commune code was valid."""
        zone = rng.choice(list(_ZONES)) if rng.random() < 0.12 else None
        place = units().place_in(_ZONES[zone], rng) if zone else units().town_place(rng)
        form = rng.choices(list(_FORMS), [weight for weight, _ in _FORMS.values()])[0]
        trade = rng.choice(list(_TRADES))
        own_name = f"{rng.choice(_FIRST)} {rng.choice(_SECOND)}"
        where = (
            f"Lô CN{rng.randint(1, 60)}, {zone}" if zone else f"Số {rng.randint(1, 480)}, đường {rng.choice(_STREETS)}"
        )
        return {
            "enterprise_code": people.enterprise_code(rng, self._taken),
            "name_vi": f"{_FORMS[form][1]} {trade} {own_name}",
            "name_short": f"{own_name} {form}" if rng.random() < 0.4 else None,
            "legal_form": form,
            "registered_at": registered,
            "changed_at": changed,
            "change_count": changes,
            "charter_capital_vnd": rng.choice((1, 2, 5, 9, 18, 50, 120))
            * rng.randint(2, 40)
            * 50_000_000
            * (20 if zone else 1),
            "address": f"{where}, {units().full_name_at(place, code_on)}",
            "commune_code": units().code_at(place, code_on),
            "representative_name": people.person_name(rng),
            "industry_code": rng.choice(_TRADES[trade]),
            "industry_version": _industry_version(changed.date()),
            "status": rng.choices(("HOAT_DONG", "TAM_NGUNG", "GIAI_THE", "KHONG_TAI_DIA_CHI"), (84, 8, 5, 3))[0],
            "industrial_zone": zone,
            "is_fdi": zone is not None and form != "DNTN" and rng.random() < 0.55,
        }

    def _branch(self, rng: random.Random, parent: Row) -> Row:
        code = f"{parent['enterprise_code']}-{rng.randint(1, 9):03d}"
        return parent | {
            "enterprise_code": code,
            "name_vi": f"CHI NHÁNH {parent['name_vi']}",
            "name_short": None,
            "charter_capital_vnd": 0,
            "representative_name": people.person_name(rng),
        }


def touch_enterprise(row: Row, when: datetime) -> Row:
    """The record saved again: new time stamp, today's commune code, industry code of the version in force."""
    return row | {
        "changed_at": when,
        "commune_code": units().today(str(row["commune_code"])),
        "industry_version": _industry_version(when.date()),
    }


def _industry_version(on: date) -> str:
    return "VSIC2025" if on >= VSIC2025_STARTS else "VSIC2018"
