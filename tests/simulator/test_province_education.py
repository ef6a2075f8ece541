"""Education of the simulated province: published totals, who goes to which school, the course of the year, workbooks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow.compute as pc
import pytest
import yaml

from simulator.province.education_layout import GDTX, LEVELS, THPT, occasion_day, occasions
from simulator.province.education_year import PRESENT, STATUSES
from simulator.scale import CLASSROOMS, PUPILS, SCHOOL_STAFF, SCHOOLS, SCHOOLS_OF
from simulator.table import Province
from simulator.views import education
from simulator.views.dirt import RATES, WITHOUT_VALID_ID
from simulator.views.writers import deliver

from .tables import check_table

CONTRACT = Path(__file__).parents[2] / "assets" / "agencies" / "education" / "school.yaml"


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


@pytest.fixture(scope="module")
def whole() -> Province:
    return Province(24, 1.0)


def rows_of(province: Province, name: str, day: int, live: bool = True):
    table = province.table(name)
    ids = np.arange(table.count(day))
    return table.rows(ids[~table.gone(ids, day)] if live else ids, day)


@pytest.mark.parametrize("name", ["school", "class", "pupil", "enrolment", "teacher", "result_term", "edu_year"])
def test_tables_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 2, 30))


def test_another_seed_is_another_province(province: Province) -> None:
    other = Province(25, 0.01).table("school").rows(np.arange(99), 0)
    assert not other["pupil_count"].equals(province.table("school").rows(np.arange(99), 0)["pupil_count"])


# -- the whole province ------------------------------------------------------------------------------------------------


def test_the_whole_province_has_its_published_schools_pupils_rooms_and_staff(whole: Province) -> None:
    told = {total.name: total for total in whole.table("school").totals(0)}
    found = {name: total.value for name, total in told.items()}
    assert found == {
        "school.count": SCHOOLS,
        "school.pupil_count": PUPILS,
        "school.room_count": CLASSROOMS,
        "school.teacher_count": SCHOOL_STAFF,
    }
    assert all(total.exact for total in told.values())
    assert whole.table("pupil").count(0) == PUPILS and whole.table("teacher").count(0) == SCHOOL_STAFF


def test_the_whole_province_keeps_shares_and_limits(whole: Province) -> None:
    rows = whole.table("school").rows(np.arange(SCHOOLS), 0)
    old = whole.geo.old_province[rows["place"].to_numpy()]
    assert {code: int((old == code).sum()) for code in SCHOOLS_OF} == SCHOOLS_OF
    assert len(set(rows["commune_code"].to_pylist())) == 99
    levels = {e["values"]: e["counts"] for e in pc.value_counts(rows["level"]).to_pylist()}
    assert levels == {"MN": 421, "TH": 354, "THCS": 330, "THPT": 92, "GDTX": 24}
    pupils, classes = rows["pupil_count"].to_numpy(), rows["class_count"].to_numpy()
    assert pupils.min() > 0 and pupils.max() <= 5000 and classes.max() <= 200
    assert np.all(pupils <= 50 * classes)
    assert rows["teacher_count"].to_numpy().max() <= 500 and rows["room_count"].to_numpy().max() <= 300


def test_pupils_live_near_their_schools(whole: Province) -> None:
    school = whole.table("school")
    home = whole.geo.commune[whole.people.place[school.roll.person]]
    layout = school.layout
    there = layout.commune[school.roll.class_school[school.roll.klass]]
    distance = np.sqrt(((layout.commune_xy[home] - layout.commune_xy[there]) ** 2).sum(axis=1))
    assert np.mean(home == there) > 0.75
    assert np.quantile(distance, 0.99) < 15  # km between the middles of the communes


# -- schools -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.001, 0.01, 0.1])
def test_every_commune_has_a_school_and_every_level_is_there_at_any_scale(scale: float) -> None:
    province = Province(24, scale)
    rows = rows_of(province, "school", 0)
    assert rows.num_rows == province.scale.of(SCHOOLS, least=99)
    assert len(set(rows["commune_code"].to_pylist())) == 99 and set(rows["level"].to_pylist()) == set(LEVELS)
    assert int(np.sum(rows["pupil_count"].to_numpy())) == province.scale.of(PUPILS)


def test_schools_have_the_columns_and_values_of_the_contract(province: Province) -> None:
    properties = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))["schema"][0]["properties"]
    rows = rows_of(province, "school", 2)
    names = [p["name"] for p in properties]
    assert [c for c in rows.column_names if c not in ("id", "place", "principal_person")] == names
    for p in properties:
        values = [v for v in rows[p["name"]].to_pylist() if v is not None]
        options = p.get("logicalTypeOptions", {})
        assert not p.get("required") or len(values) == rows.num_rows
        assert all(re.search(options.get("pattern", ""), str(v)) for v in values), p["name"]
        assert all(options.get("minimum", v) <= v <= options.get("maximum", v) for v in values), p["name"]
        for rule in p.get("quality", []):
            assert set(values) <= set(rule["arguments"]["validValues"]), p["name"]
    budgets = rows_of(province, "school", 0)["budget_million_vnd"].to_pylist()
    whole_millions = [budget == budget.to_integral() for budget in budgets]
    assert all(whole_millions[4::5]) and not all(whole_millions)


@pytest.mark.parametrize("day", [0, 1, 2, 3, 30])
def test_a_school_has_as_many_pupils_and_staff_as_the_registers_say(province: Province, day: int) -> None:
    schools = rows_of(province, "school", day)
    for table, column in (("pupil", "pupil_count"), ("teacher", "teacher_count"), ("class", "class_count")):
        at = rows_of(province, table, day)["school"].to_numpy()
        counts = np.bincount(at, minlength=province.table("school").count(day))
        assert np.array_equal(counts[schools["id"].to_numpy()], schools[column].to_numpy()), column
    in_classes = int(np.sum(rows_of(province, "class", day)["pupil_count"].to_numpy()))
    assert in_classes == int(np.sum(schools["pupil_count"].to_numpy()))


def test_schools_change_open_and_close(province: Province) -> None:
    school = province.table("school")
    for day in (1, 2, 3, 29, 30, 31):
        before, now = rows_of(province, "school", day - 1, live=False), rows_of(province, "school", day, live=False)
        known = before.num_rows
        changed = [now.slice(i, 1) != before.slice(i, 1) for i in range(known)]
        assert 3 <= sum(changed) <= len(school.touched(day))
        happening = day in (1, 2, 30)
        assert now.num_rows - known == (3 if happening else 0)
        gone = school.gone(np.arange(known), day) & ~school.gone(np.arange(known), day - 1)
        assert int(gone.sum()) == (2 if happening else 0)
        assert not np.any(now["pupil_count"].to_numpy()[:known][gone])
        new = now.slice(known)
        assert all(0 < p < 100 for p in new["pupil_count"].to_pylist())
    assert [occasion_day(i) for i in range(4)] == [1, 2, 30, 60] and occasions(59) == 3
    live = rows_of(province, "school", 30)
    assert len(set(live["commune_code"].to_pylist())) == 99, "who closes is followed by a new school"


def test_principals_are_of_the_staff_and_follow_each_other(province: Province) -> None:
    for day in (0, 30):
        schools, staff = rows_of(province, "school", day), rows_of(province, "teacher", day)
        heads = staff.filter(pc.equal(staff["position"], "Hiệu trưởng"))
        of = dict(zip(heads["school"].to_pylist(), heads["person"].to_pylist(), strict=True))
        told = dict(zip(schools["id"].to_pylist(), schools["principal_person"].to_pylist(), strict=True))
        assert {i: p for i, p in told.items() if p is not None} == of
    first, last = (rows_of(province, "school", day, live=False)["principal_person"].to_pylist() for day in (0, 30))
    assert sum(a != b for a, b in zip(first, last, strict=False)) >= 5


# -- pupils ------------------------------------------------------------------------------------------------------------


def test_pupils_are_living_children_of_the_right_age(province: Province) -> None:
    rows = rows_of(province, "pupil", 30)
    people, person = province.people, rows["person"].to_numpy()
    assert len(set(person.tolist())) == len(person)
    assert np.all(people.alive(person, 30))
    assert np.array_equal(2021 - people.birth_years(person), rows["grade"].to_numpy())
    codes = rows["student_code"].to_pylist()
    assert len(set(codes)) == len(codes) and all(re.fullmatch(r"2[47]\d{8}", c) for c in codes)
    level = province.table("school").layout.level[rows["school"].to_numpy()]
    upper = (level == THPT) | (level == GDTX)
    assert np.array_equal(upper, rows["grade"].to_numpy() >= 10)
    klass = province.table("class").rows(rows["class"].to_numpy(), 30)
    assert klass["class_code"].equals(rows["class_code"]) and klass["grade"].equals(rows["grade"])


def test_a_move_ends_one_stay_and_begins_another(province: Province) -> None:
    day = 30
    stays, state = rows_of(province, "enrolment", day), province.table("school").year.state(day)
    there = PRESENT[state.stay_status]
    pupils = stays.filter(there)
    assert pupils.num_rows == rows_of(province, "pupil", day).num_rows
    assert len(set(pupils["person"].to_pylist())) == pupils.num_rows
    people_in_two_lists = stays.num_rows - len(set(stays["person"].to_pylist()))
    assert people_in_two_lists > 300  # closed schools hand their pupils on
    year = province.table("school").year
    moved = [stay for d in range(1, day + 1) for stay, _ in year.events(d).ended]
    assert not np.any(there[moved])


def test_all_twelve_states_come_about_in_a_year(province: Province) -> None:
    told = {total.name: total.value for total in province.table("enrolment").totals(210)}
    assert len(told) == len(STATUSES) == 12 and min(told.values()) > 0


def test_results_and_earlier_years_add_up(province: Province) -> None:
    results = rows_of(province, "result_term", 70)
    assert set(results["school_year"].to_pylist()) == {"2025-2026", "2026-2027"}
    for what in ("study", "conduct"):
        parts = np.sum([results[f"{what}_{n}"].to_numpy() for n in range(1, 5)], axis=0)
        assert np.array_equal(parts, results["pupil_count"].to_numpy())
    assert min(results[f"study_{n}"].to_numpy().min() for n in range(1, 5)) >= 0
    years = rows_of(province, "edu_year", 0)
    assert years.num_rows == 11 * 99 * 5
    by_year = [total.value for total in province.table("edu_year").totals(0)]
    assert by_year[0] < by_year[-1] < province.scale.of(PUPILS)


# -- what the agency says ----------------------------------------------------------------------------------------------


def test_each_school_has_one_vendor_or_sends_nothing(province: Province) -> None:
    truth = province.table("enrolment").rows(np.arange(province.table("enrolment").count(0)), 0)
    masks = np.stack([education.uses(vendor)(truth) for vendor in ("vnedu", "smas", "misa")])
    assert masks.sum(axis=0).max() == 1 and masks.any(axis=1).all()
    silent = set(truth["school"].to_numpy()[~masks.any(axis=0)].tolist())
    assert silent and len(silent) < 5


def test_workbooks_have_the_ministrys_shape_and_change_with_the_template(province: Province, tmp_path: Path) -> None:
    view = replace(education.VNEDU, where=lambda truth: truth["school"].to_numpy() == 40)
    heads = []
    for day in (0, 3):
        (made, *_) = deliver(view, province, day, tmp_path / str(day))
        book = openpyxl.load_workbook(made.path)
        assert len(book.sheetnames) == 17
        sheet = book.worksheets[0]
        cells = [list(row) for row in sheet.iter_rows(values_only=True)]
        at = next(i for i, row in enumerate(cells) if "Mã học sinh" in row)
        assert at >= 3, "the header must not stand in the first row"
        heads.append([unicodedata.normalize("NFC", name) for name in cells[at]])
        assert heads[-1] != cells[at], "some headers are decomposed"
        held = [row for row in cells[at + 1 :] if row[1]]
        assert len(held) == made.rows
        assert {row[1] for row in held} == {province.table("school").codes[40].as_py()}
    assert heads[0] != heads[1] and "Họ và tên" not in heads[0] and "Họ và tên" in heads[1]


def test_identifiers_are_as_bad_as_told_and_some_bear_the_number_of_the_head(province: Province) -> None:
    view = education.VNEDU
    said = list(view.batches(province, 0))
    rows = sum(s.rows.num_rows for s in said)
    kinds = [k for s in said for k in s.errors["kind"].to_pylist()]
    without = sum(kinds.count(kind) for kind in WITHOUT_VALID_ID) / rows
    # nobody of this age ever had the old card, so the words «not issued yet» stand in its stead
    wanted = sum(RATES[kind].rate for kind in WITHOUT_VALID_ID)
    assert 0.7 * wanted < without < 1.15 * wanted
    assert kinds.count("id_head") / rows == pytest.approx(RATES["id_head"].rate, rel=0.4)
    assert kinds.count("id_zero_lost") > 0


def test_workbooks_are_late_and_partial(province: Province) -> None:
    new = province.table("school").layout.stock + np.arange(3)  # opened on day 1
    for view in (education.VNEDU, education.SMAS, education.MISA):
        every = replace(view, where=lambda truth: np.isin(truth["school"].to_numpy(), new), share=1.0)
        seen = [sum(s.rows.num_rows for s in every.batches(province, day)) for day in (view.lag, view.lag + 1)]
        assert seen[0] == 0 < seen[1]
        assert 0 < view.share < 1 <= view.lag
