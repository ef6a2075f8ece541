"""The people of the simulated province: totals, families, days."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.identifiers import personal_ids
from simulator.province.population import CHILD, HEAD, SPOUSE
from simulator.scale import POPULATION, PUPILS
from simulator.table import Province

from .tables import check_table


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


@pytest.mark.parametrize(
    "name", ["person", "residence", "temporary_residence", "civil_event", "population_stat", "civil_year"]
)
def test_tables_are_pure(name: str) -> None:
    check_table(name)


def test_the_whole_province_has_its_published_population() -> None:
    people = Province(24, 1.0).people
    assert int(people.alive(np.arange(people.stock), 0).sum()) == POPULATION
    assert len(people.aged(3, 17)) >= PUPILS


def test_families_are_possible(province: Province) -> None:
    people = province.people
    ids = np.arange(people.at_day0)
    assert np.array_equal(np.unique(people.head[ids]), ids[people.role[ids] == HEAD])
    children = ids[people.role[ids] == CHILD]
    head = people.head[children]
    parents_age = people.born[children] - people.born[head]
    assert parents_age.min() >= 20 * 365
    couples = ids[people.role[ids] == SPOUSE]
    assert np.all(people.male[couples] != people.male[people.head[couples]])
    assert np.all(people.place[ids] == people.place[people.head[ids]])


def test_identifiers_are_nobodys_and_nobody_shares_one(province: Province) -> None:
    people = province.people
    everybody = np.arange(people.count(40))
    numbers = people.personal_ids(everybody)
    assert pc.count_distinct(numbers).as_py() == len(everybody)
    assert pc.all(pc.match_substring_regex(numbers, r"^09[789]\d{9}$")).as_py()
    years = people.birth_years(everybody)
    digit = pc.cast(pc.utf8_slice_codeunits(numbers, 3, 4), "int64").to_numpy()
    assert np.array_equal(digit, (years - 1900) // 100 * 2 + ~people.is_male(everybody))
    written = pc.cast(pc.utf8_slice_codeunits(numbers, 4, 6), "int64").to_numpy()
    assert np.array_equal(written, years % 100)


def test_names_come_as_often_as_in_the_country(province: Province) -> None:
    names = province.people.names(np.arange(province.people.at_day0))
    share = pc.mean(pc.cast(pc.starts_with(names, "Nguyễn "), "float64")).as_py()
    assert 0.36 < share < 0.43
    assert pc.all(pc.utf8_is_printable(names)).as_py()


def test_the_register_and_the_events_tell_the_same(province: Province) -> None:
    """Whoever is dead in the register has an entry of that day, and the statistics count the living."""
    day = 3
    person = province.table("person").rows(np.arange(province.table("person").count(day)), day)
    events = province.table("civil_event").rows(np.arange(province.table("civil_event").count(day)), day)
    deaths = events.filter(pc.equal(events["kind"], "KT"))
    dead = person.filter(pc.equal(person["status"], "CHET"))
    assert sorted(deaths["person"].to_pylist()) == sorted(dead["person"].to_pylist())
    by_person = dict(zip(dead["person"].to_pylist(), dead["died_on"].to_pylist(), strict=True))
    assert all(
        by_person[p] == d
        for p, d in zip(deaths["person"].to_pylist(), deaths["registered_on"].to_pylist(), strict=True)
    )
    statistics = province.table("population_stat").rows(np.arange(99 * 36), day)
    living = person.num_rows - dead.num_rows
    assert pc.sum(statistics["persons"]).as_py() == living == province.table("person").totals(day)[0].value
    births = events.filter(pc.equal(events["kind"], "KS"))
    assert set(births["person"].to_pylist()) <= set(person["person"].to_pylist())


def test_who_moves_lives_elsewhere_from_that_day_on(province: Province) -> None:
    people = province.people
    movers = people.movers(2)
    assert len(movers)
    before, after = people.place_at(movers, 1), people.place_at(movers, 2)
    assert (before != after).sum() >= len(movers) // 2
    assert np.array_equal(people.place_at(movers, 0), people.place[movers])


def test_who_marries_is_alive_unmarried_and_marries_once() -> None:
    province, day = Province(24, 0.02), 200
    people, table = province.people, province.table("civil_event")
    rows = table.rows(np.arange(table.count(day)), day)
    married = rows.filter(pc.equal(rows["kind"], "KH"))
    groom, bride = married["person"].to_numpy(), married["other_person"].to_numpy()
    assert len(groom) > 250
    on = table._entries(day).day[married["id"].to_numpy()]
    for who, male in ((groom, True), (bride, False)):
        assert len(np.unique(who)) == len(who)
        assert np.all(people.is_male(who) == male) and np.all(people.died_on(who) > on)
        assert not np.any(people.role[who] == SPOUSE)
        head = people.role[who] == HEAD
        assert not np.any(people.role[np.minimum(who[head] + 1, people.stock - 1)] == SPOUSE)
    assert np.all(people.household[groom] != people.household[bride])


@pytest.mark.parametrize("name", ["civil_event", "birth_notice", "death_notice", "immunisation"])
def test_late_days_are_counted_without_the_days_before(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views ask for the count of every day; each must not go through all days before it."""
    province, asked = Province(24, 0.01), 0
    newborn = type(province.people).newborn

    def counted(people: object, day: int) -> object:
        nonlocal asked
        asked += 1
        return newborn(people, day)  # type: ignore[arg-type]

    monkeypatch.setattr(type(province.people), "newborn", counted)
    table = province.table(name)
    counts = [table.count(day) for day in range(-29, 200)]
    assert counts == sorted(counts) and counts[-1] == len(table.rows(np.arange(counts[-1]), 199))
    assert asked < 700


def test_a_digit_mistyped_seldom_gives_another_persons_number() -> None:
    """As many of a birth year and sex as in the whole province: real numbers end in six random digits."""
    ranks = np.arange(25_000)
    known = pc.cast(personal_ids(ranks, np.full(25_000, 1990), np.ones(25_000, bool)), "int64").to_numpy()
    assert len(np.unique(known)) == len(known)
    for place in range(6):
        digit = known // 10**place % 10
        for more in range(1, 10):
            assert np.isin(known + ((digit + more) % 10 - digit) * 10**place, known).mean() < 0.03
