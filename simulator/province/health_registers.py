"""Registers of health and social protection: practitioners, drug outlets, beneficiaries; what older years were.

Belongs here: the tables `practitioner`, `drug_outlet`, `beneficiary`, `health_year`. Stays out: facilities and their
licences (`health_facilities`), the insured (`health_insurance`).
"""

from __future__ import annotations

from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Bools, Ids, Ints
from simulator.province.health_events import providers
from simulator.province.health_register import WORDS
from simulator.table import Arrivals, Province, Table, Total, day_of, joined, padded, to_date32, words

PRACTITIONERS, OUTLETS, BENEFICIARIES = 12_000, 2_900, 120_000  # derived from rates of the country
YEARS = range(2019, 2026)
BASE_ALLOWANCE_VND = 500_000  # Decree 76/2024/NĐ-CP
_PROFESSIONS = {"BAC_SI": 30, "Y_SI": 14, "DIEU_DUONG": 34, "HO_SINH": 8, "KTV": 10, "DINH_DUONG": 1, "LUONG_Y": 3}
_SCOPES = (
    "Nội khoa",
    "Ngoại khoa",
    "Sản phụ khoa",
    "Nhi khoa",
    "Y học cổ truyền",
    "Răng Hàm Mặt",
    "Điều dưỡng",
    "Xét nghiệm",
)
_OUTLETS = {"NHA_THUOC": ("Nhà thuốc", 38), "QUAY_THUOC": ("Quầy thuốc", 54), "CO_SO_BAN_BUON": ("Công ty dược", 8)}
_LICENSED, _NEW_FORM = day_of(date(2012, 1, 1)), day_of(date(2024, 1, 1))
_PENSION = day_of(date(2025, 7, 1))  # the law on social insurance gives a pension from 75 on since then
# Groups of Decree 20/2021 and of the law on social insurance, with the coefficients of the allowance.
GROUPS = {
    "HUU_TRI_XH": ("Từ 75 tuổi, hưởng trợ cấp hưu trí xã hội", (1.0,)), "KHUYET_TAT": ("Người khuyết tật nặng", (1.5, 2.0, 2.5)),
    "TRE_EM": ("Trẻ em không có nguồn nuôi dưỡng", (1.5, 2.5)), "DON_THAN": ("Đơn thân nghèo nuôi con", (1.0, 2.0)),
    "NCT_NGHEO": ("Người cao tuổi nghèo", (1.5, 2.0)),
}  # fmt: skip


class _Changing(Table):
    """A register of which a few records change a day and some are new. `rate`: changes a working day in the whole province."""

    stock_size: int
    new_a_year: float
    changes_a_day: float

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.stock = province.scale.of(self.stock_size, 20)
        factor = self.stock / self.stock_size
        self._new = Arrivals(self.new_a_year * factor / 365, 1)
        self._changes = Arrivals(self.changes_a_day * factor, 1)

    def count(self, day: int) -> int:
        return self.stock + self._new.through(max(day, 0))

    def changed(self, day: int) -> Ints:
        """Ids of known records that change on a day."""
        numbers = self._changes.ids(day) if day > 0 else np.arange(0)
        return np.unique(self.chance.integer(f"{self.name}.changed", numbers, 0, self.stock - 1))

    def touched(self, day: int) -> Ints:
        if day < 1:
            return np.arange(0)
        dead = np.flatnonzero(np.isin(self.persons(np.arange(self.count(day))), self.province.people.deceased(day)))
        return np.unique(np.concatenate([self.changed(day), dead, np.arange(self.count(day - 1), self.count(day))]))

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def _last_changed(self, day: int) -> npt.NDArray[np.int16]:
        last = np.zeros(self.count(day), np.int16)
        for each in range(1, day + 1):
            last[self.changed(each)] = each
            last[self.count(each - 1) : self.count(each)] = each
        return last

    def last_changed(self, ids: Ids, day: int) -> Ints:
        """The day of the last change of each; 0: none since day 0."""
        return self._last_changed(max(day, 0))[ids].astype(np.int64)

    def arrived(self, ids: Ids, day: int) -> Ints:
        """The day on which each came; 0 for the stock."""
        ids = np.asarray(ids, np.int64)
        later = self._new.days(np.maximum(ids - self.stock, 0), max(day, 1))
        return np.where(ids < self.stock, 0, later).astype(np.int64)

    @cached_property
    def _pool(self) -> npt.NDArray[np.int32]:
        raise NotImplementedError

    def persons(self, ids: Ids) -> Ints:
        """The person of each, another for every id."""
        return np.asarray(self._pool[np.asarray(ids)], np.int64)

    def _in_random_order(self, persons: Ids) -> npt.NDArray[np.int32]:
        order = np.argsort(self.chance.bits(f"{self.name}.person", persons), kind="stable")
        return np.asarray(persons)[order].astype(np.int32)

    def gone(self, ids: Ids, day: int) -> Bools:
        return np.asarray(self.province.people.died_on(self.persons(ids)) <= max(day, 0))


class Practitioner(_Changing):
    """Who may treat patients."""

    name = "practitioner"
    key = ("licence_no",)
    doc = (
        "One licence to practise: certificate (CCHN) until 2023, licence of five years (GPHN) since; Law 15/2023/QH15."
    )
    columns = {
        "person": "id of table person",
        "facility": "where the person works: id of table facility",
        "licence_no": "number of the licence",
        "full_name": "name",
        "personal_id": "personal identifier",
        "born_on": "date of birth",
        "sex": "Nam or Nữ",
        "profession": "BAC_SI, Y_SI, DIEU_DUONG, HO_SINH, KTV, DINH_DUONG, LUONG_Y",
        "scope": "scope of practice",
        "issued_on": "day of issue",
        "expires_on": "last day; none for certificates until 2023",
        "facility_code": "code of the facility",
        "status": "HIEU_LUC, TAM_DINH_CHI, THU_HOI",
        "changed_on": "day of the last change",
    }
    stock_size, new_a_year, changes_a_day = PRACTITIONERS, 700, 40

    @cached_property
    def _pool(self) -> npt.NDArray[np.int32]:
        return self._in_random_order(self.province.people.aged(24, 64))

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, chance = np.asarray(ids, np.int64), self.province.people, self.chance
        persons, last, arrived = self.persons(ids), self.last_changed(ids, day), self.arrived(ids, day)
        key = ids * 4096 + last
        age = -people.born_on(persons)
        earliest = np.maximum(_LICENSED, -age + 23 * 365)
        drawn = np.minimum(chance.integer("practitioner.issued", ids, np.minimum(earliest, -1), -1), -1)
        issued = np.where(arrived > 0, arrived, drawn)
        new_form = issued >= _NEW_FORM
        near, places = providers(self.province), people.place_at(persons, 0)
        facility = near.any("practitioner.facility", key, places, last, chance.happens("practitioner.ward", key, 0.35))
        number = joined(padded(ids + 1, 6), words(("/BN-CCHN", "/BN-GPHN"), new_form.astype(np.int64)))
        changed = np.where(
            last > 0, last, np.maximum(issued, chance.integer("practitioner.before", ids, _LICENSED, -1))
        )
        return pa.table(
            [
                pa.array(ids),
                pa.array(persons),
                pa.array(facility),
                number,
                people.names(persons),
                people.personal_ids(persons),
                people.birth_dates(persons),
                people.sex(persons),
                words(list(_PROFESSIONS), chance.pick("practitioner.profession", ids, list(_PROFESSIONS.values()))),
                words(_SCOPES, chance.integer("practitioner.scope", ids, 0, len(_SCOPES) - 1)),
                to_date32(issued),
                to_date32(issued + 1826, new_form),
                near.codes(facility),
                words(("HIEU_LUC", "TAM_DINH_CHI", "THU_HOI"), chance.pick("practitioner.status", key, (970, 20, 10))),
                to_date32(changed),
            ],
            names=["id", *self.columns],
        )


class DrugOutlet(_Changing):
    """Where drugs are sold."""

    name = "drug_outlet"
    key = ("licence_no",)
    doc = "One outlet with a certificate of eligibility for pharmacy business; Law on Pharmacy 105/2016/QH13."
    columns = {
        "place": "where it is: index into the places of the province",
        "person": "the pharmacist responsible: id of table person",
        "licence_no": "number of the certificate",
        "outlet_name": "name",
        "kind": "NHA_THUOC, QUAY_THUOC, CO_SO_BAN_BUON",
        "address": "address",
        "commune_code": "commune, today's code",
        "pharmacist_name": "name of the pharmacist",
        "pharmacist_id": "personal identifier of the pharmacist",
        "issued_on": "day of issue",
        "gpp_until": "last day of the certificate of good practice",
        "phone": "telephone",
        "status": "HOAT_DONG, TAM_NGUNG",
        "changed_on": "day of the last change",
    }
    stock_size, new_a_year, changes_a_day = OUTLETS, 200, 12

    @cached_property
    def _pool(self) -> npt.NDArray[np.int32]:
        return self._in_random_order(self.province.people.aged(23, 70))

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, chance = np.asarray(ids, np.int64), self.province.people, self.chance
        persons, last, arrived = self.persons(ids), self.last_changed(ids, day), self.arrived(ids, day)
        key = ids * 4096 + last
        places = self.geo.town_places(chance, "drug_outlet.place", ids)
        kind = chance.pick("drug_outlet.kind", ids, [weight for _, weight in _OUTLETS.values()])
        issued = np.where(arrived > 0, arrived, chance.integer("drug_outlet.issued", ids, _LICENSED, -1))
        changed = np.where(last > 0, last, np.maximum(issued, chance.integer("drug_outlet.before", ids, -900, -1)))
        house = padded(chance.integer("drug_outlet.house", ids, 1, 400), 0)
        title = words([title for title, _ in _OUTLETS.values()], kind)
        return pa.table(
            [
                pa.array(ids),
                pa.array(places),
                pa.array(persons),
                joined(padded(ids + 1, 4), "/ĐKKDD-BN"),
                joined(title, " ", words(WORDS, chance.integer("drug_outlet.word", ids, 0, len(WORDS) - 1))),
                words(list(_OUTLETS), kind),
                joined("Số ", house, ", ", words(self.geo.name_in(2), places)),
                words(list(self.geo.code_e2), places),
                people.names(persons),
                people.personal_ids(persons),
                to_date32(issued),
                to_date32(changed + 1095),
                people.phones(persons),
                words(("HOAT_DONG", "TAM_NGUNG"), chance.pick("drug_outlet.status", key, (95, 5))),
                to_date32(changed),
            ],
            names=["id", *self.columns],
        )


class Beneficiary(_Changing):
    """Who gets a monthly allowance."""

    name = "beneficiary"
    key = ("beneficiary_no",)
    doc = "One person with a monthly social allowance; Decree 20/2021/NĐ-CP, 76/2024/NĐ-CP, 176/2025/NĐ-CP."
    columns = {
        "person": "id of table person",
        "beneficiary_no": "number of the file",
        "full_name": "name",
        "personal_id": "personal identifier",
        "born_on": "date of birth",
        "sex": "Nam or Nữ",
        "address": "where the person lives",
        "commune_code": "commune, today's code",
        "group_code": "HUU_TRI_XH, KHUYET_TAT, TRE_EM, DON_THAN, NCT_NGHEO",
        "group_name": "the group in words",
        "coefficient": "coefficient of the allowance",
        "monthly_vnd": "allowance a month, VND",
        "since": "first month of the allowance",
        "paid_by": "BUU_DIEN, NGAN_HANG",
        "status": "DANG_HUONG, TAM_DUNG",
        "changed_on": "day of the last change",
    }
    stock_size, new_a_year, changes_a_day = BENEFICIARIES, 9_000, 80

    @cached_property
    def _pool(self) -> npt.NDArray[np.int32]:
        """Those of 75 and more first of all, then anybody, the poor and the disabled of all ages."""
        people = self.province.people
        ids = np.arange(people.at_day0)
        years = -people.born[: people.at_day0] * 4 // 1461
        weight = np.select([years >= 75, years >= 60, years < 16], [1.0, 0.03, 0.008], 0.012)
        waiting = -np.log1p(-self.chance.uniform("beneficiary.person", ids)) / weight
        most = min(len(ids), self.stock * 3)
        first = np.argpartition(waiting, most - 1)[:most]
        return first[np.argsort(waiting[first], kind="stable")].astype(np.int32)

    def rows(self, ids: Ids, day: int) -> Any:
        ids, people, chance = np.asarray(ids, np.int64), self.province.people, self.chance
        persons, last, arrived = self.persons(ids), self.last_changed(ids, day), self.arrived(ids, day)
        years = -people.born_on(persons) * 4 // 1461
        adult = chance.pick("beneficiary.group", ids, (8, 2))
        group = np.select([years >= 75, years >= 60, years < 16], [0, np.where(adult == 0, 1, 4), np.where(adult == 0, 1, 2)],
                          np.where(adult == 0, 1, 3))  # fmt: skip
        steps = np.array([len(rates) for _, rates in GROUPS.values()])[group]
        rates = np.array([(*rates, *rates, *rates)[:3] for _, rates in GROUPS.values()])
        coefficient = rates[group, chance.integer("beneficiary.rate", ids, 0, steps - 1)]
        begun = np.where(group == 0, _PENSION, people.born_on(persons))
        since = np.where(arrived > 0, arrived, np.maximum(chance.integer("beneficiary.since", ids, -1500, -1), begun))
        places = people.place_at(persons, 0)
        changed = np.where(last > 0, last, np.maximum(since, chance.integer("beneficiary.before", ids, -900, -1)))
        status = chance.pick("beneficiary.status", ids * 4096 + last, (985, 15))
        return pa.table(
            [
                pa.array(ids),
                pa.array(persons),
                joined("BTXH", padded(ids + 1, 7)),
                people.names(persons),
                people.personal_ids(persons),
                people.birth_dates(persons),
                people.sex(persons),
                people.addresses(persons, 0),
                words(list(self.geo.code_e2), places),
                words(list(GROUPS), group),
                words([name for name, _ in GROUPS.values()], group),
                pa.array(coefficient),
                pa.array((coefficient * BASE_ALLOWANCE_VND).astype(np.int64)),
                to_date32(since),
                words(("BUU_DIEN", "NGAN_HANG"), chance.pick("beneficiary.paid_by", ids, (55, 45))),
                words(("DANG_HUONG", "TAM_DUNG"), status),
                to_date32(changed),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        ids = np.arange(self.count(day))
        return [Total("beneficiary.count", int((~self.gone(ids, day)).sum()), "person")]


class HealthYear(Table):
    """What older years were, as far as they are kept: totals by commune."""

    name = "health_year"
    key = ("commune_code", "year")
    doc = "One commune of today and year from 2019 to 2025: totals, recomputed to today's communes."
    columns = {
        "commune_code": "commune, today's code",
        "year": "calendar year",
        "insured": "insured persons at the end of the year",
        "visits": "visits of the insured who live there",
        "stays": "visits with a stay among them",
        "fund_million_vnd": "what the fund paid, million VND",
        "doses": "doses given to children",
        "cases": "cases of notifiable diseases",
        "allowances": "persons with a monthly social allowance",
    }

    def count(self, day: int) -> int:
        return len(self.geo.commune_codes) * len(YEARS)

    def touched(self, day: int) -> Ints:
        return np.arange(0)

    @cached_property
    def _population(self) -> Ints:
        people = self.province.people
        living = self.geo.commune[people.place[: people.at_day0]]
        return np.bincount(living, minlength=len(self.geo.commune_codes)).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        commune, year = ids // len(YEARS), YEARS.start + ids % len(YEARS)
        population = self._population[commune] * 1.013 ** (year - 2026.0)

        def some(name: str, rate: Any) -> Ints:
            drift = np.maximum(1 + 0.04 * self.chance.normal(f"health_year.{name}", ids), 0.5)
            return np.asarray(np.round(population * rate * drift), np.int64)

        # fewer visits and more cases in the years of the epidemic
        epidemic = np.isin(year, (2020, 2021))
        visits = some("visits", 2.1 * np.where(epidemic, 0.78, 1.0))
        covered = 0.88 + 0.008 * (year - YEARS.start)
        return pa.table(
            [
                pa.array(ids),
                words(list(self.geo.commune_codes), commune),
                pa.array(year),
                pa.array(np.minimum(some("insured", covered), population.astype(np.int64))),
                pa.array(visits),
                pa.array(np.round(visits * 0.11).astype(np.int64)),
                pa.array(np.round(visits * 0.55).astype(np.int64)),
                pa.array(some("doses", 0.19)),
                pa.array(some("cases", np.where(year == 2022, 0.09, 0.0042))),
                pa.array(some("allowances", 0.031)),
            ],
            names=["id", *self.columns],
        )

    def totals(self, day: int) -> list[Total]:
        rows = self.rows(np.arange(self.count(day)), day)
        last = rows.filter(pc.equal(rows["year"], YEARS[-1]))
        return [Total("health_year.visits_2025", pc.sum(last["visits"]).as_py() or 0, "visit")]
