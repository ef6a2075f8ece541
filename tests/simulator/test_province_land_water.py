"""Land use plans and river gauges of the simulated province."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.environment_water import GAUGES
from simulator.province.land_plans import USES, YEARS
from simulator.table import Province
from simulator.views import environment, land_office

from .tables import check_table


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


@pytest.mark.parametrize("name", ["land_use_plan", "flood_level"])
def test_tables_are_pure(name: str) -> None:
    check_table(name)


def test_the_uses_of_a_commune_are_its_land(province: Province) -> None:
    table = province.table("land_use_plan")
    rows = table.rows(np.arange(table.count(0)), 0)
    assert len(rows) == 99 * 3 * len(USES)
    area = rows["area_m2"].to_numpy().reshape(99, len(YEARS), len(USES))
    land = np.rint(province.geo.commune_km2 * 10_000) * 100
    assert np.array_equal(area.sum(axis=2), np.repeat(land[:, None], len(YEARS), axis=1))
    rice, zones = list(USES).index("LUC"), list(USES).index("SKK")
    total = area.sum(axis=0)
    assert total[0, rice] > total[1, rice] > total[2, rice] and total[0, zones] < total[1, zones] < total[2, zones]
    sums = {t.name: t.value for t in table.totals(0)}
    assert sum(sums[f"land_use_plan.{group}.2030"] for group in ("NNP", "PNN", "CSD")) == int(land.sum())


def test_hectares_have_a_comma(province: Province) -> None:
    said = land_office.PLAN.rows(province, np.arange(3), 0, clean=True)
    area = province.table("land_use_plan").rows(np.arange(3), 0)["area_m2"].to_pylist()
    assert said.rows["Diện tích"].to_pylist() == [f"{a / 10_000:.2f}".replace(".", ",") for a in area]


def test_rivers_rise_and_alarms_follow_the_levels() -> None:
    table = Province(24, 0.01).table("flood_level")
    rows = table.rows(np.arange(table.count(200)), 200)
    known = rows.filter(pc.is_valid(rows["level_cm"]))
    assert 0.97 < len(known) / len(rows) < 1
    level = known["level_cm"].to_numpy()
    reached = sum((level >= known[f"alarm_{n}_cm"].to_numpy()).astype(int) for n in (1, 2, 3))
    assert np.array_equal(known["alarm"].to_numpy(), reached)
    assert 0 < (reached > 0).mean() < 0.3 and reached.max() >= 2
    assert rows["level_cm"].null_count == rows["alarm"].null_count > 0


def test_a_gauge_is_read_four_times_a_day(province: Province) -> None:
    table = province.table("flood_level")
    assert len(table.touched(1)) == 4 * len(GAUGES) and table.count(0) == 30 * 4 * len(GAUGES)
    said = environment.FLOOD.rows(province, table.touched(0), 0, clean=True)
    hours = {text[8:10] for text in said.rows["ThoiDiem"].to_pylist()}
    assert hours == {"01", "07", "13", "19"}
