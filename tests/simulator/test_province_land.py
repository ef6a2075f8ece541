"""Land of the simulated province: totals, lineage, coordinates."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pyproj
import pytest

from simulator import projection
from simulator.province import land
from simulator.province.land import exactly
from simulator.table import DAY0, Province

from .tables import check_table

DAY0_NUMBER = int(np.datetime64(DAY0, "D").astype(np.int64))


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


@pytest.mark.parametrize(
    "name", ["parcel", "certificate", "land_user_check", "land_price", "land_transaction", "land_year"]
)
def test_tables_are_pure(name: str) -> None:
    check_table(name)


def test_lineage_is_pure() -> None:
    check_table("parcel_lineage", scale=0.1, days=(1, 2, 3))


def test_published_totals_are_met_exactly() -> None:
    parcel = Province(24, 1.0).table("parcel")
    assert parcel.count(0) == 4_800_000
    ids = np.arange(4_800_000)
    in_database = exactly(ids, 4_800_000, 4_800_000 - land.WITHOUT_DATABASE, 11)
    assert int((~in_database).sum()) == 900_000
    synced = exactly(ids, 4_800_000, land.SYNCED, 11)
    assert int(synced.sum()) == 1_200_000 and not np.any(synced & ~in_database)
    assert int(exactly(np.arange(land.CERTIFICATES), land.CERTIFICATES, land.SCANNED, 5).sum()) == 160_000
    check = Province(24, 1.0).table("land_user_check")
    assert check.count(0) == 537_367 == sum(check._parts())


def test_results_of_the_campaign_are_as_told(province: Province) -> None:
    table = province.table("land_user_check")
    rows = table.rows(np.arange(table.count(0)), 0)
    found = {e["values"]: e["counts"] for e in pc.value_counts(rows["result"]).to_pylist()}
    told = {total.name: total.value for total in table.totals(0)}
    assert found == {
        "KHOP": told["land_user_check.matched"],
        "SAI": told["land_user_check.wrong"],
        "CONG_AN": told["land_user_check.police"],
    }


def test_sheets_and_numbers_collide_in_merged_communes_but_not_in_the_old_ones(province: Province) -> None:
    table = province.table("parcel")
    rows = table.rows(np.arange(table.count(0)), 0)
    old = set(zip(*(rows[n].to_pylist() for n in ("origin_code", "sheet_no", "parcel_no")), strict=True))
    new = set(zip(*(rows[n].to_pylist() for n in ("commune_code", "sheet_no", "parcel_no")), strict=True))
    assert len(old) == rows.num_rows > len(new)


def test_plane_coordinates_are_those_of_proj(province: Province) -> None:
    """Against PROJ: the same ellipsoid and plane, without the datum's shift."""
    table = province.table("parcel")
    rows = table.rows(np.arange(0, table.count(0), 37), 0)
    for epsg, meridian in projection.MERIDIAN.items():
        some = rows.filter(pc.equal(rows["epsg"], epsg))
        assert some.num_rows > 100
        plane = f"+proj=tmerc +lat_0=0 +lon_0={meridian} +k=0.9999 +x_0=500000 +ellps=WGS84"
        crs = pyproj.CRS.from_epsg(epsg).to_dict()
        assert (crs["lon_0"], crs["k"], crs["x_0"]) == (meridian, 0.9999, 500_000)
        project = pyproj.Transformer.from_crs("+proj=longlat +ellps=WGS84", plane, always_xy=True)
        east, north = project.transform(some["longitude"].to_numpy(), some["latitude"].to_numpy())
        assert np.abs(east - some["y_m"].to_numpy()).max() < 0.2  # degrees are told to six places: a decimetre
        assert np.abs(north - some["x_m"].to_numpy()).max() < 0.2


def test_splits_and_mergers_leave_no_parcel_behind() -> None:
    province = Province(24, 0.1)
    day = 4
    parcel, lineage = province.table("parcel"), province.table("parcel_lineage")
    links = lineage.rows(np.arange(lineage.count(day)), day)
    parents = parcel.rows(np.unique(links["parent_parcel"].to_numpy()), day)
    assert set(parents["status"].to_pylist()) == {"DA_TACH", "DA_HOP"}
    children = links["child_parcel"].to_numpy()
    assert set(children.tolist()) == set(range(parcel.stock, parcel.count(day)))
    made = parcel.rows(np.unique(children), day)
    assert set(made["status"].to_pylist()) == {"HIEN_HANH"}
    split = links.filter(pc.equal(links["kind"], "TACH_THUA"))
    area = dict(zip(made["id"].to_pylist(), made["area_m2"].to_pylist(), strict=True))
    whole = dict(zip(parents["id"].to_pylist(), parents["area_m2"].to_pylist(), strict=True))
    for parent in set(split["parent_parcel"].to_pylist()):
        parts = split.filter(pc.equal(split["parent_parcel"], parent))["child_parcel"].to_pylist()
        assert len(parts) == 2 and sum(area[p] for p in parts) == pytest.approx(whole[parent], abs=0.3)


def test_who_buys_uses_it_from_then_on(province: Province) -> None:
    table, parcel = province.table("land_transaction"), province.table("parcel")
    day = 5
    rows = table.rows(np.arange(table.count(day)), day)
    sales = rows.filter(pc.is_in(rows["kind"], _texts("CHUYEN_NHUONG", "TANG_CHO", "THUA_KE")))
    last: dict[int, int] = {}
    for sold, taker in zip(sales["parcel"].to_pylist(), sales["taker_person"].to_pylist(), strict=True):
        last[sold] = taker
    now = parcel.rows(np.array(sorted(last)), day)
    users = dict(zip(now["id"].to_pylist(), now["user_person"].to_pylist(), strict=True))
    assert users == last
    people = province.people
    assert people.alive(np.array(list(last.values())), 0).all()


def _texts(*values: str):
    import pyarrow as pa

    return pa.array(values)


def test_a_parcel_ends_once() -> None:
    log = Province(24, 0.1).table("land_transaction").log(400)
    ended = np.concatenate([np.unique(log.parent), log.second[log.second >= 0]])
    assert len(ended) > 1_500 and len(np.unique(ended)) == len(ended)


def test_a_parcel_merged_is_as_large_as_both() -> None:
    province, day = Province(24, 0.1), 20
    parcel, lineage = province.table("parcel"), province.table("parcel_lineage")
    links = lineage.rows(np.arange(lineage.count(day)), day)
    merged = links.filter(pc.equal(links["kind"], "HOP_THUA"))
    ids = np.unique(np.concatenate([merged["parent_parcel"].to_numpy(), merged["child_parcel"].to_numpy()]))
    area = dict(zip(ids.tolist(), parcel.rows(ids, day)["area_m2"].to_pylist(), strict=True))
    sums: dict[int, float] = {}
    for parent, child in zip(merged["parent_parcel"].to_pylist(), merged["child_parcel"].to_pylist(), strict=True):
        sums[child] = sums.get(child, 0.0) + area[parent]
    assert sums and all(area[child] == pytest.approx(both, abs=0.11) for child, both in sums.items())


def test_users_hand_parcels_on_from_one_to_the_next() -> None:
    """Nobody sells what another has, nobody dead buys, and what the dead had is inherited."""
    province, day = Province(24, 0.02), 300
    table, people = province.table("land_transaction"), province.people
    rows = table.rows(np.arange(table.count(day)), day)
    given, taken = rows["giver_person"].to_numpy(), rows["taker_person"].to_numpy()
    parcel, on = rows["parcel"].to_numpy(), table.log(day).day
    last: dict[int, int] = {}
    again = 0
    for which, giver, taker in zip(parcel.tolist(), given.tolist(), taken.tolist(), strict=True):
        again += which in last
        assert last.get(which, giver) == giver
        last[which] = taker
    assert again > 20
    sold = np.isin(np.array(rows["kind"].to_pylist()), ("CHUYEN_NHUONG", "TANG_CHO"))
    assert np.all(people.died_on(given[sold]) >= on[sold])
    assert np.all(people.died_on(taken[sold]) > on[sold])


def test_certificates_are_issued_to_adults(province: Province) -> None:
    table = province.table("certificate")
    rows = table.rows(np.arange(table.count(0)), 0)
    issued = rows["issued_on"].to_numpy().astype("datetime64[D]").astype(np.int64) - DAY0_NUMBER
    assert np.all(issued - province.people.born_on(rows["holder_person"].to_numpy()) >= 18 * 365)


def test_a_late_day_asks_for_one_course_of_transactions() -> None:
    table = Province(24, 0.01).table("land_transaction")
    before = table.log.cache_info().misses
    table.parents(np.array([table.parcels_made(300) - 1]))
    assert table.log.cache_info().misses == before + 1
