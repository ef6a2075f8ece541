"""Households and old identity cards of the simulated province: they agree with the people and where they live."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.table import Province
from simulator.views import home_affairs, police

from .tables import check_table


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


@pytest.mark.parametrize("name", ["household", "id_mapping"])
def test_tables_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 2))


def test_everybody_lives_in_one_household_and_residence_says_the_same(province: Province) -> None:
    day, table, residence = 3, province.table("household"), province.table("residence")
    ids = np.arange(residence.count(day))
    ids = ids[~residence.gone(ids, day)]
    found = residence.rows(ids, day)["household_no"].value_counts()
    households = np.arange(table.count(day))
    rows = table.rows(households[~table.gone(households, day)], day)
    told = {each["values"]: each["counts"] for each in found.to_pylist()}
    assert dict(zip(rows["household_no"].to_pylist(), rows["member_count"].to_pylist(), strict=True)) == told
    assert sum(told.values()) == next(t.value for t in table.totals(day) if t.name == "household.members")


def test_its_head_is_alive_and_lives_in_it(province: Province) -> None:
    day, table = 3, province.table("household")
    ids = np.arange(table.count(day))
    rows = table.rows(ids[~table.gone(ids, day)], day)
    heads = rows["head_person"].to_numpy()
    assert np.all(province.people.alive(heads, day))
    assert np.array_equal(province.people.household_of(heads, day), rows["id"].to_numpy())


def test_births_deaths_and_moves_change_households(province: Province) -> None:
    table, people = province.table("household"), province.people
    touched = table.touched(1)
    assert set(people.household_of(people.newborn(1), 1)) <= set(touched)
    mover = people.movers(1)[:1]
    assert people.household_of(mover, 1)[0] >= people.household_count > people.household_of(mover, 0)[0]
    assert table.rows(people.household_of(mover, 1), 1)["member_count"].to_pylist() == [1]


def test_few_are_poor_and_most_of_those_in_the_hills() -> None:
    province = Province(24, 0.05)
    totals = {t.name: t.value for t in province.table("household").totals(0)}
    assert 0.005 < totals["household.poor"] / totals["household.count"] < 0.03
    table = province.table("household")
    rows = table.rows(np.arange(table.count(0)), 0)
    hills = np.isin(province.geo.district[rows["place"].to_numpy()], ["215", "218", "219", "220"])
    poor = pc.equal(rows["poverty_class"], "HO_NGHEO").to_numpy()
    assert poor[hills].mean() > 3 * poor[~hills].mean()


def test_the_department_lists_only_the_poor(province: Province) -> None:
    table = province.table("household")
    said = home_affairs.HOUSEHOLD.rows(province, np.arange(table.count(0)), 20, clean=True)
    assert 0 < len(said.ids) < table.count(0) / 10
    assert set(said.rows["loai_ho"].to_pylist()) == {"Hộ nghèo", "Hộ cận nghèo"}


def test_old_cards_lead_to_their_owner(province: Province) -> None:
    table = province.table("id_mapping")
    rows = table.rows(np.arange(table.count(0)), 0)
    person, second = rows["person"].to_numpy(), rows["is_second"].to_numpy()
    assert rows["person_id"].to_pylist() == province.people.personal_ids(person).to_pylist()
    assert len(np.unique(person)) == 9_000
    first = rows.filter(pc.invert(rows["is_second"]))
    assert first["cmnd"].to_pylist() == province.people.cmnd(person[~second]).to_pylist()
    assert second.sum() > 200 and set(person[second]) <= set(person[~second])
    assert len(set(rows["cmnd"].to_pylist())) == len(rows), "nobody's second card is another's first"
    assert np.all(province.people.birth_years(person) <= 2006)
    assert pc.all(pc.match_substring_regex(rows["cmnd"], r"^39\d{7}$")).as_py()
    assert len(police.ID_MAPPING.rows(province, np.arange(50), 0).rows) == 50


def test_nine_hundred_thousand_cards_are_confirmed() -> None:
    totals = {t.name: t.value for t in Province(24, 1.0).table("id_mapping").totals(0)}
    assert totals["id_mapping.persons"] == 900_000
