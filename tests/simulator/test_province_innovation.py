"""Young firms, technology transfer, research staff and the index of digital transformation of the simulated province."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.science_firms import COMPONENTS
from simulator.table import Province
from simulator.views import science_technology_firms as views

from .tables import check_table

TABLES = ("startup", "tech_transfer_contract", "st_staff", "dti_index")


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 2, 27))


def test_staff_is_that_of_the_organisations(province: Province) -> None:
    staff, organisations = province.table("st_staff"), province.table("st_organisation")
    rows = staff.rows(np.arange(staff.count(0)), 0)
    known = organisations.rows(np.arange(organisations.count(0)), 0)
    number = np.bincount(rows["organisation"].to_numpy())
    researchers = np.bincount(rows["organisation"].to_numpy(), weights=rows["is_researcher"].to_numpy())
    assert number.tolist() == known["staff_count"].to_pylist()
    assert researchers.astype(int).tolist() == known["researcher_count"].to_pylist()
    assert len(set(rows["person"].to_pylist())) == len(rows), "a person works for one of them"
    assert np.all(province.people.alive(rows["person"].to_numpy(), 0))


def test_the_whole_province() -> None:
    whole = Province(24, 1.0)
    assert whole.table("startup").count(0) == 130
    assert whole.table("tech_transfer_contract").count(0) == 360
    assert 60 * 0.9 < whole.table("tech_transfer_contract").count(365) - 360 < 60 * 1.1


def test_a_contract_is_signed_before_it_is_registered(province: Province) -> None:
    table = province.table("tech_transfer_contract")
    rows = table.rows(np.arange(table.count(300)), 300)
    assert pc.all(pc.less(rows["signed_on"], rows["registered_on"])).as_py()
    assert pc.all(pc.less(rows["registered_on"], rows["ends_on"])).as_py()
    totals = {t.name: t.value for t in table.totals(300)}
    assert totals["tech_transfer_contract.value"] == pc.sum(rows["value_vnd"]).as_py()


def test_the_index_of_a_year_comes_on_its_day(province: Province) -> None:
    table = province.table("dti_index")
    assert table.count(25) == 8 * len(COMPONENTS) and table.count(26) == 9 * len(COMPONENTS)
    assert len(table.touched(26)) == len(COMPONENTS) and not len(table.touched(27))
    rows = table.rows(np.arange(table.count(26)), 26)
    score = rows["score"].to_numpy().reshape(-1, len(COMPONENTS))
    assert np.allclose(score[:, :8].mean(axis=1), score[:, 8], atol=1e-4)
    assert score.min() >= 0 and score.max() <= 1
    assert pc.all(pc.less_equal(rows["rank"], 63)).as_py() and pc.min(rows["rank"]).as_py() >= 1


def test_agencies_are_told_in_the_old_style_now_and_then() -> None:
    province = Province(24, 0.2)
    count = province.table("cyber_event").count(0)
    said = views.CYBER.rows(province, np.arange(count), 0)
    kinds = said.errors["kind"].to_pylist()
    assert 0.15 < kinds.count("agency_old") / len(said.ids) < 0.45
