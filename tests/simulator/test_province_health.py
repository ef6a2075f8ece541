"""Health, social insurance and social protection: facilities and their days, visits that add up, who is insured."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from simulator.province import health_register as register
from simulator.province.health import TABLES
from simulator.province.health_events import birth_facilities
from simulator.province.health_insurance import COVERAGE
from simulator.province.health_visits import Visit
from simulator.scale import Scale, split
from simulator.table import Province, to_timestamp
from simulator.views import health, social_insurance
from simulator.views.dirt import SHARED_ID, WITHOUT_VALID_ID, WRONG_ID
from tests.simulator.tables import check_table

SMALL = 0.004
DAYS = (1, 2, 3, 4)


@cache
def province(scale: float = SMALL, seed: int = 24) -> Province:
    return Province(seed, scale)


@cache
def everything(table: str, day: int = 0, scale: float = SMALL) -> Any:
    return pa.concat_tables(province(scale).table(table).batches(day)).combine_chunks()


def values(table: str, column: str, day: int = 0) -> list[Any]:
    found: list[Any] = everything(table, day)[column].to_pylist()
    return found


@pytest.mark.parametrize("name", [table.name for table in TABLES])
def test_a_table_is_a_function_of_seed_scale_and_day(name: str) -> None:
    check_table(name, scale=SMALL, most=1500)


def test_another_seed_is_another_province() -> None:
    for name in ("facility", "visit", "insurance_coverage"):
        first, other = (province(seed=seed).table(name).rows(np.arange(50), 0) for seed in (24, 25))
        assert not first.equals(other)


# -- totals ------------------------------------------------------------------------------------------------------------


def test_the_whole_province_has_the_published_facilities() -> None:
    kinds = register.KINDS.values()
    counts = split(Scale(1.0).of(register.FACILITIES, register.LEAST), np.array([kind.count for kind in kinds]))
    assert counts.tolist() == [kind.count for kind in kinds]
    assert sum(kind.count for kind in kinds if kind.ownership == "CONG") == 349
    assert sum(kind.count for kind in kinds if kind.ownership == "TU") > 1000
    assert sum(kind.count for kind in kinds if kind.beds[1]) == 54
    assert register.WITH_EMR == 56


def test_the_whole_province_has_its_visits_and_the_smallest_enough_facilities() -> None:
    assert Visit(Province(24, 1.0)).count(0) == 600_000
    assert province(0.001).table("facility").count(0) == register.LEAST
    assert len(everything("facility_licence")) == round(1.24 * register.LEAST)


def test_so_many_are_insured_as_the_register_says() -> None:
    people = province().people
    assert len(everything("insurance_coverage")) == round(COVERAGE * people.at_day0)
    assert len(set(values("insurance_coverage", "insurance_no"))) == len(everything("insurance_coverage"))
    infants = people.aged(0, 4)
    assert set(infants.tolist()) <= set(values("insurance_coverage", "person"))


# -- facilities --------------------------------------------------------------------------------------------------------


def test_facilities_are_as_the_agency_keeps_them() -> None:
    geo, rows = province().geo, everything("facility").to_pylist()
    assert len({row["facility_code"] for row in rows}) == len(rows)
    known = {str(code) for codes in (geo.code_e0, geo.code_e1, geo.code_e2) for code in codes}
    merger = to_timestamp(np.array([geo.epoch_start]), 0)[0].as_py()
    for row in rows:
        assert row["facility_code"][:2] == geo.old_province[row["place"]]
        assert row["commune_code"] in known
        if row["updated_at"] >= merger:
            assert row["commune_code"] == geo.code_e2[row["place"]]
    early = np.mean([row["updated_at"] < merger for row in rows])
    assert 0.08 < early < 0.22
    moved = sum(row["updated_at"] == merger for row in rows)
    assert moved > 0.2 * len(rows)  # one statement


def test_some_facilities_have_no_licence_and_no_licence_lacks_its_facility() -> None:
    facilities, licensed = set(values("facility", "facility_code")), set(values("facility_licence", "facility_code"))
    assert licensed <= facilities
    assert len(facilities - licensed) >= 3
    people = province().people
    persons = np.array(values("facility_licence", "person"))
    assert np.isin(persons, people.adults).all()
    assert values("facility_licence", "responsible_id") == people.personal_ids(persons).to_pylist()


@pytest.mark.parametrize("name", ["facility", "facility_licence"])
def test_every_day_some_records_change_and_one_is_stamped_last(name: str) -> None:
    table = province().table(name)
    for day in DAYS:
        ids = table.touched(day)
        ids = ids[~table.gone(ids, day)]
        stamps = table.rows(ids, day)["updated_at"].combine_chunks()
        hours = pc.strftime(stamps, "%Y-%m-%d %H:%M").to_pylist()
        new = table.count(day) - table.count(day - 1)
        assert new == (2 if name == "facility" else 3)
        assert len(ids) - new >= 3
        today = pc.strftime(to_timestamp(np.array([day]), 0), "%Y-%m-%d")[0].as_py()
        assert all(f"{today} 07:30" <= hour <= f"{today} 17:30" for hour in hours)
        assert sum(hour.endswith("17:30") for hour in hours) == 1
    last = [str(stamp)[11:16] for stamp in values(name, "updated_at") if str(stamp).startswith("2026-11-19 17:30")]
    assert last == ["17:30"]


def test_two_facilities_a_day_close_for_good_with_their_licences() -> None:
    facilities, licences = province().table("facility"), province().table("facility_licence")
    ids = np.arange(facilities.count(4))
    assert [int(facilities.gone(ids, day).sum()) for day in (0, 1, 2, 3, 4)] == [0, 2, 4, 6, 8]
    held = licences.rows(np.arange(licences.count(4)), 4)["facility"].to_numpy()
    closed = np.isin(held, ids[facilities.gone(ids, 4)])
    assert closed.any()
    assert (licences.gone(np.arange(len(held)), 4) == closed).all()
    assert set(ids[facilities.gone(ids, 4)]) <= set(np.concatenate([facilities.touched(day) for day in DAYS]).tolist())


# -- visits ------------------------------------------------------------------------------------------------------------


def test_amounts_add_up() -> None:
    visits = everything("visit")
    total, insured, own, share, fund = (
        visits[f"{name}_vnd"].to_numpy() for name in ("total", "insured", "self_paid", "share", "fund")
    )
    assert (total == insured + own).all() and (insured == share + fund).all()
    assert min(each.min() for each in (total, insured, own, share, fund)) >= 0
    without = np.array(values("visit", "card_no"), object) == None  # noqa: E711 (elementwise)
    newborn = np.array(values("visit", "patient_kind")) == "1.7"
    assert (insured[without & ~newborn] == 0).all() and without.any()


def test_patients_live_and_have_what_their_age_and_sex_allows() -> None:
    people, visits = province().people, everything("visit").to_pylist()
    persons = np.array([row["person"] for row in visits])
    born = people.born_on(persons)
    for row, male, birth in zip(visits, people.is_male(persons), born, strict=True):
        assert row["admitted_at"] < row["discharged_at"]
        if row["patient_kind"] == "1.7":
            assert birth > -30 and row["card_no"] is None and row["disease_code"][0] in "ZP"
        if row["disease_code"] in ("O80", "O82", "N76.0", "C50.9"):
            assert not male
        if row["disease_code"] in ("N40", "M10.9"):
            assert male
        assert row["disease_code"] not in (row["other_diseases"] or "").split(";")


def test_who_dies_in_a_hospital_was_there() -> None:
    notices = [row for row in everything("death_notice", 0, 0.01).to_pylist() if row["in_facility"]]
    dead = {row["person"]: row for row in everything("visit", 0, 0.01).to_pylist() if row["result"] == 5}
    assert notices and set(dead) == {row["person"] for row in notices}
    for row in notices:
        visit = dead[row["person"]]
        assert (visit["facility_code"], visit["disease_code"]) == (row["facility_code"], row["cause_code"])
        assert visit["discharged_at"].date() == row["died_at"].date()


def test_a_visit_takes_place_where_somebody_works() -> None:
    facilities, table = province().table("facility"), province().table("visit")
    closed = 0
    for day in (20, 60):
        new = np.arange(table.count(day - 1), table.count(day))
        held = table.rows(new, day)["facility"].to_numpy()
        assert len(held) and not facilities.gone(held, day).any()
        closed += int(facilities.gone(np.arange(register.LEAST), day).sum())
    assert closed > 20


def test_a_late_correction_changes_a_visit_once() -> None:
    table = province(0.01).table("visit")
    changed = [table.touched(day)[table.touched(day) < table.count(day - 1)] for day in DAYS]
    late = np.concatenate(changed)
    assert len(late) and len(np.unique(late)) == len(late)
    for day, ids in zip(DAYS, changed, strict=True):
        assert table.rows(ids, day)["revision"].to_pylist() == [1] * len(ids)
        assert table.rows(ids, day - 1)["revision"].to_pylist() == [0] * len(ids)


# -- births, deaths, doses ---------------------------------------------------------------------------------------------


def test_every_birth_and_death_has_its_notice() -> None:
    people = province().people
    newborn = np.concatenate([people.newborn(day) for day in range(-29, 3)])
    deceased = np.concatenate([people.deceased(day) for day in range(-29, 3)])
    assert sorted(values("birth_notice", "child_person", 2)) == sorted(newborn.tolist())
    assert sorted(values("death_notice", "person", 2)) == sorted(deceased.tolist())
    mothers = np.array(values("birth_notice", "person", 2))
    assert not people.is_male(mothers).any()
    age = people.born_on(newborn[:1])[0] - people.born_on(mothers)
    assert age.min() > 15 * 365 and age.max() < 48 * 365


def test_the_newborn_are_visited_where_they_are_born() -> None:
    visits = everything("visit", 0, 0.01)
    babies = visits.filter(pc.equal(visits["patient_kind"], "1.7"))
    where = birth_facilities(province(0.01), babies["person"].to_numpy())
    assert babies.num_rows > 10
    assert (babies["facility"].to_numpy() == where).all()


def test_doses_are_given_in_their_order_and_not_to_the_dead() -> None:
    rows = everything("immunisation").to_pylist()
    assert rows
    for row in rows:
        assert row["given_at"].date() >= row["born_on"]
    assert len({(row["person"], row["vaccine"], row["dose"]) for row in rows}) == len(rows)


# -- what agencies say -------------------------------------------------------------------------------------------------

XML1 = [
    "MA_LK", "STT", "MA_BN", "HO_TEN", "SO_CCCD", "NGAY_SINH", "GIOI_TINH", "MA_DANTOC", "MA_NGHE_NGHIEP", "DIA_CHI",
    "MATINH_CU_TRU", "MAHUYEN_CU_TRU", "MAXA_CU_TRU", "MA_THE_BHYT", "MA_DKBD", "GT_THE_TU", "GT_THE_DEN",
    "CHAN_DOAN_VAO", "MA_BENH_CHINH", "MA_BENH_KT", "MA_DOITUONG_KCB", "NGAY_VAO", "NGAY_RA", "KET_QUA_DTRI",
    "MA_LOAI_RV", "T_TONGCHI_BV", "T_TONGCHI_BH", "T_BNTT", "T_BNCCT", "T_BHTT", "NAM_QT", "THANG_QT", "MA_LOAI_KCB",
    "MA_KHOA", "MA_CSKCB", "MA_HSBA",
]  # fmt: skip


def test_xml1_has_its_66_columns_as_texts() -> None:
    said = social_insurance.VISIT.rows(province(), np.arange(300), 1)
    names = said.rows.column_names
    assert len(names) == 66 and [name for name in names if name in XML1] == XML1
    assert all(pa.types.is_string(column.type) for column in said.rows.columns)
    assert said.rows["MAHUYEN_CU_TRU"].null_count == said.rows.num_rows
    clean = social_insurance.VISIT.rows(province(), np.arange(300), 1, clean=True).rows
    for name, pattern in (
        ("NGAY_VAO", r"^\d{12}$"),
        ("NGAY_SINH", r"^\d{8}0000$"),
        ("MA_CSKCB", r"^2[47][0-9A-Z]{3}$"),
    ):
        assert pc.all(pc.match_substring_regex(clean[name], pattern)).as_py(), name
    cards = [card for card in clean["MA_THE_BHYT"].to_pylist() if card]
    assert {len(card) for card in cards} >= {10, 15}


def test_persons_lack_their_number_as_often_as_committed() -> None:
    errors = pa.concat_tables(social_insurance.COVERAGE.errors(province(0.01), 0))
    kinds = errors.filter(pc.equal(errors["column"], "SO_CCCD"))["kind"].to_pylist()
    rows = sum(said.rows.num_rows for said in social_insurance.COVERAGE.batches(province(0.01), 0))
    for group, rate in ((WITHOUT_VALID_ID, 0.15), (WRONG_ID, 0.02), (SHARED_ID, 0.01)):
        share = sum(kind in group for kind in kinds) / rows
        assert abs(share - rate) < 4 * (rate / rows) ** 0.5, group
    names = [
        text
        for said in social_insurance.COVERAGE.batches(province(0.01), 0)
        for text in said.rows["HO_TEN"].to_pylist()
    ]
    assert all(name.isascii() and name.upper() == name for name in names if name)


@pytest.mark.parametrize("view", [*health.VIEWS, *social_insurance.VIEWS], ids=lambda view: view.id)
def test_a_view_says_something_on_any_day(view: Any) -> None:
    said = list(view.batches(province(), 4))
    assert sum(each.rows.num_rows for each in said) > 0
    assert said[0].rows.column_names == [column.name for column in view.columns]
    clean = next(iter(view.batches(province(), 4, clean=True))).rows
    keys = list(zip(*(clean[name].to_pylist() for name in view.key), strict=True))
    assert len(set(keys)) == len(keys)
