"""Environment: five-minute values, their statuses, gaps and late files; what they amount to; licences."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulator.province.environment import TABLES
from simulator.province.environment_hour import nowcast, sub_index
from simulator.province.environment_signal import SLOTS
from simulator.province.environment_stations import FIRST, KINDS, SYMBOLS
from simulator.scale import STATIONS
from simulator.table import Province
from simulator.views import environment
from tests.simulator.tables import check_table

SMALL = 0.02  # four stations, one of each kind
MORE = 0.1  # twenty
LAST = 4


@cache
def province(scale: float = SMALL, seed: int = 24) -> Province:
    return Province(seed, scale)


def all_rows(name: str, day: int = LAST, scale: float = SMALL) -> Any:
    return pa.concat_tables(province(scale).table(name).batches(day)).combine_chunks()


@pytest.mark.parametrize("name", [table.name for table in TABLES])
def test_a_table_is_a_function_of_seed_scale_and_day(name: str) -> None:
    check_table(name, scale=SMALL, most=200)


def test_another_seed_is_another_province() -> None:
    for name in ("station", "measurement"):
        first, other = (province(seed=seed).table(name).rows(np.arange(4), 0) for seed in (24, 25))
        assert not first.equals(other)


def test_the_whole_province_measures_460800_values_a_day() -> None:
    assert sum(kind.count for kind in KINDS) == STATIONS == 200
    assert all(len(kind.symbols) == SYMBOLS == 8 for kind in KINDS)
    assert 200 * SYMBOLS * SLOTS == 460_800
    table = province().table("measurement")
    assert table.count(0) - table.count(-1) == len(table.touched(0)) == 4 * SYMBOLS * SLOTS
    assert table.count(FIRST - 1) == 0
    totals = {total.name: total for total in province().table("station").totals(0)}
    assert totals["station.count"].exact and totals["station.count"].value == 4


def test_the_smallest_province_has_a_station_of_each_kind() -> None:
    kinds = province(0.005).table("station").rows(np.arange(4), 0)["kind"].to_pylist()
    assert sorted(kinds) == sorted(kind.code for kind in KINDS)
    assert "PM2,5" in all_rows("station_parameter")["symbol"].to_pylist()  # the comma belongs to the name


def test_stations_belong_to_firms_and_stand_in_the_province() -> None:
    geo = province(MORE).geo
    for row in all_rows("station", 0, MORE).to_pylist():
        owned = row["kind"] in ("NUOC_THAI", "KHI_THAI")
        assert (row["enterprise"] is not None) == owned == (row["enterprise_code"] is not None)
        commune = geo.commune[row["place"]]
        assert abs(row["lat"] - geo.commune_lat[commune]) < 0.02 and abs(row["lon"] - geo.commune_lon[commune]) < 0.02
    firms = province(MORE).table("enterprise")
    holders = all_rows("env_licence", 0, MORE)
    assert holders["enterprise_code"].to_pylist() == firms.codes(holders["enterprise"].to_numpy()).to_pylist()


# -- values ------------------------------------------------------------------------------------------------------------


def test_an_hour_is_the_mean_of_its_good_values() -> None:
    values, hours = province(MORE).table("measurement"), province(MORE).table("measurement_hour")
    day = province(MORE).table("measurement").touched(1)
    rows = values.rows(day[~values.gone(day, 1)], 1).to_pandas()
    good = rows[rows.status == "00"]
    assert 0 < (rows.status == "01").mean() < 0.02 and (rows.status != "00").any()
    expected = good.groupby(["station_code", "symbol", good.measured_at.dt.floor("h")]).value.agg(
        ["mean", "min", "max", "size"]
    )
    found = hours.rows(hours.touched(1), 1).to_pandas().set_index(["station_code", "symbol", "hour_at"])
    assert (found.valid_count < 12).any()
    both = found[found.valid_count > 0].join(expected.rename_axis(found.index.names), rsuffix="_expected")
    assert len(both) == len(expected)
    np.testing.assert_allclose(both["mean"], both["mean_expected"], atol=1e-3)
    np.testing.assert_allclose(both[["low", "high", "valid_count"]], both[["min", "max", "size"]])


def test_an_exceedance_is_every_hour_above_a_limit_and_no_other() -> None:
    limits = all_rows("station_parameter", 0, MORE).to_pandas()[["station_code", "symbol", "limit_low", "limit_high"]]
    table = province(MORE).table("measurement_hour")
    ids = np.concatenate([table.touched(day) for day in (0, 1, 2)])
    hours = table.rows(ids, 2).to_pandas().merge(limits)
    above = hours[hours["mean"] > hours.limit_high]
    found = all_rows("exceedance", 2, MORE).to_pandas()
    found = found[found.began_at >= hours.hour_at.min()]
    assert len(found) and found.hours.sum() == len(above)
    assert (found.times_limit > 1).all()
    expected = {
        (row.station_code, row.symbol, row.began_at.value + 3_600 * 10**9 * hour)
        for row in found.itertuples()
        for hour in range(row.hours)
    }
    assert expected == {(row.station_code, row.symbol, row.hour_at.value) for row in above.itertuples()}
    assert not (hours["mean"] < hours.limit_low).any()


def test_values_have_the_shape_of_the_day() -> None:
    table = province(MORE).table("measurement_hour")
    ids = np.concatenate([table.touched(day) for day in range(-9, 1)])
    hours = table.rows(ids, 0).to_pandas()
    ozone = hours[hours.symbol == "O3"].groupby(hours.hour_at.dt.hour)["mean"].mean()
    assert ozone.loc[13:15].mean() > 1.5 * ozone.loc[1:4].mean()


# -- gaps and late files -----------------------------------------------------------------------------------------------


def _sent(scale: float, days: range) -> list[Any]:
    table = province(scale).table("measurement")
    return [table.sent(day) for day in days]


def test_a_file_is_sent_once_in_time_late_or_never() -> None:
    table, days = province(MORE).table("measurement"), range(FIRST, 12)
    sent = _sent(MORE, days)
    files = np.concatenate([each.slot * 4096 + each.station for each in sent])
    assert len(np.unique(files)) == len(files)
    stations, slots = np.meshgrid(np.arange(20), np.arange(len(days) * SLOTS), indexing="ij")
    cut, power = table.signal.interrupted(stations.ravel(), slots.ravel())
    keys = slots.ravel() * 4096 + stations.ravel()
    never = set(keys[power].tolist())
    assert never and not never & set(files.tolist())
    # of the last two days some files are still to come
    settled = keys[(slots.ravel() < (len(days) - 2) * SLOTS) & ~power]
    assert set(settled.tolist()) <= set(files.tolist())
    late = np.concatenate([each.slot[each.late] * 4096 + each.station[each.late] for each in sent])
    assert set(late.tolist()) <= set(keys[cut & ~power].tolist()) and len(late)


def test_what_is_late_comes_after_the_outage_in_order() -> None:
    outages = all_rows("outage", 12, MORE).to_pandas()
    lines = outages[(outages.cause == "DUONG_TRUYEN") & outages.resent_until.notna()]
    assert len(lines) and outages[outages.cause == "MAT_DIEN"].resent_until.isna().all()
    assert (lines.resent_until > lines.ended_at).all()
    for each in _sent(MORE, range(FIRST, 5)):
        assert np.all(np.diff(each.second) >= 0)
        for station in np.unique(each.station[each.late]):
            mine = each.slot[(each.station == station) & each.late]
            assert np.all(np.diff(mine) > 0)


def test_nothing_is_known_of_the_end_of_an_outage_before_it_comes() -> None:
    table = province(MORE).table("outage")
    seen = 0
    for day in range(-4, 16):
        rows = table.rows(np.arange(table.count(day)), day).to_pandas()
        open_ = rows[rows.ended_at.isna()]
        seen += len(open_)
        assert set(open_.id) <= set(np.concatenate([table.touched(d) for d in (day + 1, day + 2)]).tolist())
    assert seen


def test_there_is_no_row_where_the_power_failed() -> None:
    table = province(MORE).table("measurement")
    ids = np.concatenate([table.touched(day) for day in (-3, -2, -1, 0)])
    gone = table.gone(ids, 0)
    assert 0 < gone.mean() < 0.05
    stations, slots = ids[gone] % table.in_slot // SYMBOLS, ids[gone] // table.in_slot
    assert table.signal.interrupted(stations, slots)[1].all()


# -- the index ---------------------------------------------------------------------------------------------------------


def test_the_air_quality_index_follows_the_decision() -> None:
    assert sub_index("PM2,5", np.array([0.0, 25.0, 50.0, 80.0, 115.0])).tolist() == [0, 50, 100, 150, 175]
    assert sub_index("CO", np.array([5_000.0])).tolist() == [25]
    assert nowcast(np.full((1, 12), 40.0)).tolist() == [40.0]
    # least / greatest is below one half, so the weight is one half: (100 + 20/2) / (1 + 1/2)
    means = np.full((1, 12), np.nan)
    means[0, :2] = (100.0, 20.0)
    assert nowcast(means)[0] == pytest.approx(110 / 1.5)
    means[0, 1] = np.nan
    assert np.isnan(nowcast(means)[0])  # only one of the three newest


def test_the_index_names_its_level() -> None:
    table = province().table("aqi_hour")
    ends = {"TOT": 50, "TRUNG_BINH": 100, "KEM": 150, "XAU": 200, "RAT_XAU": 300, "NGUY_HAI": 500}
    rows = table.rows(np.arange(table.count(-27)), 0).to_pylist()
    assert rows
    for row in rows:
        assert row["aqi"] is None or row["aqi"] <= ends[row["level"]]


# -- what agencies say -------------------------------------------------------------------------------------------------


def test_a_line_of_a_file_has_name_value_unit_time_status() -> None:
    table = province().table("measurement")
    said = environment.MEASUREMENT.rows(province(), table.ids(np.array([2]), np.array([SLOTS])), 0)
    rows = said.rows.to_pylist()
    assert [row["symbol"] for row in rows] == ["Temp", "RH", "PM10", "PM2,5", "SO2", "NO2", "CO", "O3"]
    for row in rows:
        assert row["time"] == "20261022000000" and row["station"] == "BN_KK001"
        assert float(row["value"]) >= 0 and row["status"] in ("00", "01", "02") and row["unit"]
    assert said.errors.num_rows == 0


@pytest.mark.parametrize("view", environment.VIEWS, ids=lambda view: view.id)
def test_a_view_says_something_on_any_day(view: Any) -> None:
    ids = province().table(view.table).touched(1)[:500] if view.id.endswith("measurement") else None
    said = view.rows(province(), ids, 1) if ids is not None else next(iter(view.batches(province(), 1)))
    assert said.rows.num_rows > 0
    assert said.rows.column_names == [column.name for column in view.columns]
