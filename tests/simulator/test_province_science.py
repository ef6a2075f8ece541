"""Science of the simulated province: published numbers, references, what the department's files say."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.science_sources import COMPONENTS
from simulator.table import Province
from simulator.views import science_technology
from simulator.views.writers import deliver

from .tables import check_table

TABLES = ("st_organisation", "st_task", "ip_title", "st_enterprise", "measurement_instrument", "radiation_source", "pii_index")  # fmt: skip


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


def rows_of(province: Province, name: str, day: int):
    return province.table(name).rows(np.arange(province.table(name).count(day)), day)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 2, 41))


def test_the_whole_province_has_its_published_numbers() -> None:
    whole = Province(24, 1.0)
    assert whole.table("ip_title").count(0) == 3_500
    assert whole.table("st_task").count(0) == 11 * 125  # a year has 100 to 150
    assert len(COMPONENTS) == len({code for code, _, _ in COMPONENTS}) == 52
    assert whole.table("pii_index").count(0) == 5 * 52 and whole.table("pii_index").count(41) == 6 * 52


@pytest.mark.parametrize("name", TABLES)
def test_whoever_is_named_exists(province: Province, name: str) -> None:
    rows = rows_of(province, name, 10)
    for column in rows.column_names:
        role = column.rpartition("_")[2]
        if role not in ("person", "enterprise", "facility", "organisation"):
            continue
        ids = pc.drop_null(rows[column]).to_numpy()
        if role == "person":
            assert np.all(province.people.alive(ids, 0)), column
        else:
            known = province.table("st_organisation" if role == "organisation" else role).count(0)
            assert len(ids) and ids.min() >= 0 and ids.max() < known, column


def test_a_title_and_a_source_have_one_owner(province: Province) -> None:
    for name, owners in (
        ("ip_title", ("enterprise", "owner_person")),
        ("radiation_source", ("facility", "enterprise")),
    ):
        rows = rows_of(province, name, 0)
        named = [np.asarray(rows[owner].combine_chunks().is_valid()) for owner in owners]
        assert np.all(named[0] ^ named[1]), name
        assert all(mask.any() for mask in named), name


def test_medical_sources_stand_where_their_hospital_stands(province: Province) -> None:
    rows = rows_of(province, "radiation_source", 0)
    medical = rows.filter(pc.is_valid(rows["facility"]))
    facilities = province.table("facility").rows(medical["facility"].to_numpy(), 0)
    assert medical["place"].to_pylist() == facilities["place"].to_pylist()


def test_tasks_go_from_work_to_acceptance(province: Province) -> None:
    big = Province(24, 0.2)
    early, late = rows_of(big, "st_task", 0), rows_of(big, "st_task", 400)
    order = {"DANG_THUC_HIEN": 0, "CHO_NGHIEM_THU": 1, "DA_NGHIEM_THU": 2}
    before, after = ([order[s] for s in rows["status"].to_pylist()] for rows in (early, late))
    assert all(b <= a for b, a in zip(before, after, strict=False)) and sum(before) < sum(after[: len(before)])
    for rows in (early, late):
        accepted = pc.equal(rows["status"], "DA_NGHIEM_THU")
        assert pc.all(pc.equal(pc.is_valid(rows["result"]), accepted)).as_py()
        assert pc.all(pc.less_equal(rows["state_vnd"], rows["budget_vnd"])).as_py()


def test_most_certificates_reach_the_ministry_within_fifteen_days() -> None:
    rows = rows_of(Province(24, 1.0), "st_enterprise", 0)
    told = rows.filter(pc.is_valid(rows["reported_on"]))
    days = pc.days_between(told["issued_on"], told["reported_on"]).to_numpy()
    assert 0.7 < np.mean(days <= 15) < 1.0
    since = pc.greater_equal(
        rows["issued_on"], pc.strptime(["2025-10-13"], format="%Y-%m-%d", unit="s")[0].cast("date32")
    )
    assert pc.all(pc.equal(since, pc.equal(rows["issued_by"], "UBND tỉnh"))).as_py()


def test_instruments_are_verified_again_and_again() -> None:
    table = Province(24, 0.2).table("measurement_instrument")
    touched = table.touched(5)
    assert len(touched)
    now, before = table.rows(touched, 5), table.rows(touched, 4)
    assert pc.all(pc.greater(now["verified_on"], before["verified_on"])).as_py()
    assert not now["stamp_no"].equals(before["stamp_no"])


def test_the_index_of_before_the_merger_has_two_provinces(province: Province) -> None:
    rows = rows_of(province, "pii_index", 0).to_pylist()
    named = {(r["year"], r["province_code"]): r["province_name"] for r in rows}
    assert named[2024, "24"] == "Bắc Giang" and named[2024, "27"] == "Bắc Ninh" and named[2025, "24"] == "Bắc Ninh"


def test_files_of_the_old_code_page_can_be_read_with_it(province: Province, tmp_path: Path) -> None:
    views = [view for view in science_technology.VIEWS if view.encoding == "cp1258"]
    assert len(views) == 3
    for view in views:
        (made,) = deliver(view, province, 0, tmp_path)
        text = unicodedata.normalize("NFC", made.path.read_bytes().decode("cp1258"))
        header = text.splitlines()[0].replace('"', "").split(";")
        assert header == [column.name for column in view.columns]
        with pytest.raises(UnicodeDecodeError):
            made.path.read_bytes().decode("utf-8")


def test_amounts_stand_in_millions_under_their_unit(province: Province) -> None:
    said = science_technology.TASK.rows(province, np.arange(5), 10, clean=True)
    truth = province.table("st_task").rows(said.ids, 5)
    millions = [f"{vnd / 1e6:.1f}".replace(".", ",") for vnd in truth["budget_vnd"].to_pylist()]
    assert said.rows["Kinh phí"].to_pylist() == millions
