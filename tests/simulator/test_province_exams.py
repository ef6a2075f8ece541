"""Examination, dropouts and equipment of the simulated schools: they agree with who goes where."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.education_facilities import KINDS
from simulator.table import Province
from simulator.views import education_exams

from .tables import check_table


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


@pytest.mark.parametrize("name", ["exam_10", "dropout", "facility_equipment"])
def test_tables_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 2, 30))


def test_who_was_admitted_is_in_grade_10_of_that_school(province: Province) -> None:
    exam, pupil = province.table("exam_10"), province.table("pupil")
    rows = exam.rows(np.arange(exam.count(0)), 0)
    pupils = pupil.rows(np.arange(pupil.count(0)), 0)
    school = dict(zip(pupils["person"].to_pylist(), pupils["school"].to_pylist(), strict=True))
    grade = dict(zip(pupils["person"].to_pylist(), pupils["grade"].to_pylist(), strict=True))
    persons = rows["person"].to_pylist()
    assert {grade[p] for p in persons} == {10}
    for person, admitted in zip(persons, rows["admitted_school"].to_pylist(), strict=True):
        assert admitted is None or admitted == school[person]
    tenth = pc.sum(pc.equal(pupils["grade"], 10)).as_py()
    assert 0.92 < len(rows) / tenth < 0.99


def test_points_are_quarters_and_add_up(province: Province) -> None:
    exam = province.table("exam_10")
    rows = exam.rows(np.arange(exam.count(0)), 0)
    papers = np.stack([rows[name].to_numpy() for name in ("maths", "literature", "english")])
    assert papers.min() >= 0 and papers.max() <= 10 and np.all(papers * 4 == np.rint(papers * 4))
    assert np.array_equal(papers.sum(axis=0) + rows["priority"].to_numpy(), rows["total"].to_numpy())
    admitted = np.asarray(rows["admitted_school"].is_valid())
    if 0 < admitted.sum() < len(admitted):
        assert rows["total"].to_numpy()[admitted].mean() > rows["total"].to_numpy()[~admitted].mean()


def test_a_dropout_is_a_stay_that_ended(province: Province) -> None:
    day = 40
    table, stays = province.table("dropout"), province.table("enrolment")
    rows = table.rows(np.arange(table.count(day)), day)
    ended = stays.rows(np.arange(stays.count(day)), day)
    quit_ = ended.filter(pc.starts_with(ended["status_vi"], "Thôi học"))
    assert sorted(rows["student_code"].to_pylist()) == sorted(quit_["student_code"].to_pylist())
    assert table.count(day) > table.count(0) > 0
    on = rows["left_on"].cast("int32").to_numpy()[table.count(0) :]
    assert np.all(np.diff(on) >= 0), "after day 0 they stand in the order of the days"


def test_every_school_has_one_line_a_kind(province: Province) -> None:
    table, schools = province.table("facility_equipment"), province.table("school")
    rows = table.rows(np.arange(table.count(0)), 0)
    assert len(rows) == schools.count(0) * len(KINDS)
    assert pc.all(pc.less_equal(rows["usable_count"], rows["quantity"])).as_py()
    assert rows["since_year"].null_count == pc.sum(pc.equal(rows["quantity"], 0)).as_py() > 0
    totals = {t.name: t.value for t in table.totals(0)}
    sums = rows.group_by("kind").aggregate([("quantity", "sum")]).to_pylist()
    assert {f"facility_equipment.{r['kind']}": r["quantity_sum"] for r in sums}.items() <= totals.items()


def test_the_examination_names_schools_by_code(province: Province) -> None:
    said = education_exams.EXAM.rows(province, np.arange(200), 0, clean=True)
    codes = set(province.table("school").codes.to_pylist())
    assert set(said.rows["Trúng tuyển"].drop_null().to_pylist()) <= codes
    assert {text for text in said.rows["Tổng điểm"].to_pylist() if "." in text} == set()
