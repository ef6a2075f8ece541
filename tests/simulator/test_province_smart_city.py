"""Smart city of the simulated province: reports, cameras, traffic, buses, the operations centre's figures."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.smart_city import REPORT_STATUSES
from simulator.table import Province, date_of
from simulator.views import ioc

from .tables import check_table

TABLES = ("field_report", "camera", "incident", "traffic_count_hour", "bus_route", "bus_stop", "bus_trip", "bus_stop_time", "ioc_indicator")  # fmt: skip


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.1)


def rows_of(province: Province, name: str, day: int):
    return province.table(name).rows(np.arange(province.table(name).count(day)), day)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 2, 20), most=5_000)


def test_the_cameras_of_the_pilot_are_there_at_any_scale() -> None:
    for scale in (0.001, 1.0):
        table = Province(24, scale).table("camera")
        rows = table.rows(np.arange(table.count(0)), 0)
        pilot = rows.filter(rows["is_pilot"])
        assert pilot.num_rows == 300
        assert {d.year for d in pilot["installed_on"].to_pylist()} == {2020}


def test_points_lie_in_their_communes(province: Province) -> None:
    geo = province.geo
    for name in ("field_report", "camera", "incident"):
        rows = rows_of(province, name, 3)
        commune = np.searchsorted(geo.commune_codes, np.array(rows["commune_code"].to_pylist()))
        north = (rows["latitude"].to_numpy() - geo.commune_lat[commune]) * 110.7
        east = (rows["longitude"].to_numpy() - geo.commune_lon[commune]) * 103.6
        assert np.all(np.hypot(north, east) <= np.sqrt(geo.commune_km2[commune] / np.pi)), name


def test_reports_come_are_handled_and_are_published(province: Province) -> None:
    order = {name: at for at, name in enumerate(REPORT_STATUSES)}
    before = [order[s] for s in rows_of(province, "field_report", 0)["status"].to_pylist()]
    for day in (1, 5, 40):
        rows = rows_of(province, "field_report", day)
        now = [order[s] for s in rows["status"].to_pylist()]
        assert all(b <= n for b, n in zip(before, now, strict=False)), "a report never goes back"
        done = pc.is_in(rows["status"], pc.cast(["DA_XU_LY", "DA_CONG_KHAI"], "string"))
        assert pc.all(pc.equal(pc.is_valid(rows["handled_at"]), done)).as_py()
        before = now
    assert set(now) >= {order["TU_CHOI"], order["DA_CONG_KHAI"]}
    finished = rows.filter(pc.is_valid(rows["handled_at"]))
    late = np.mean(finished["is_late"].to_numpy(zero_copy_only=False))
    assert 0.08 < late < 0.2


def test_incidents_are_over_in_the_end(province: Province) -> None:
    rows = rows_of(province, "incident", 5)
    open_ones = pc.is_null(rows["cleared_at"])
    happened = rows["happened_at"].filter(open_ones).to_pylist()
    assert all(moment.date() == date_of(5) for moment in happened)
    over = rows.filter(pc.invert(open_ones))
    assert pc.all(pc.greater(over["cleared_at"], over["happened_at"])).as_py()


def test_sensors_that_are_down_count_nothing(province: Province) -> None:
    rows = rows_of(province, "traffic_count_hour", 0)
    up = pc.equal(rows["quality"], "TOT")
    assert pc.all(pc.equal(pc.is_valid(rows["car_count"]), up)).as_py()
    assert 0.9 < pc.mean(up).as_py() < 1.0
    hours = pc.hour(pc.local_timestamp(rows["starts_at"])).to_numpy()
    counts = pc.fill_null(rows["motorbike_count"], 0).to_numpy()
    assert counts[hours == 7].mean() > 5 * counts[hours == 2].mean()


def test_the_timetable_is_one_that_buses_can_run(province: Province) -> None:
    stops, trips, times = (rows_of(province, name, 0) for name in ("bus_stop", "bus_trip", "bus_stop_time"))
    route_of_stop = dict(zip(stops["stop_id"].to_pylist(), stops["route"].to_pylist(), strict=True))
    route = trips["route"].to_numpy()[times["trip"].to_numpy()]
    assert [route_of_stop[s] for s in times["stop_id"].to_pylist()] == route.tolist()
    assert set(times["trip_id"].to_pylist()) == set(trips["trip_id"].to_pylist())
    clock = np.array([int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in (t.split(":") for t in times["arrival_time"].to_pylist())])  # fmt: skip
    same_trip = np.diff(times["trip"].to_numpy()) == 0
    assert np.all(np.diff(clock)[same_trip] > 0) and clock.max() < 24 * 3600
    assert np.all(np.diff(times["stop_sequence"].to_numpy())[same_trip] == 1)


def test_the_centres_figures_are_what_the_tables_add_up_to(province: Province) -> None:
    day = 3
    reports, incidents = rows_of(province, "field_report", day), rows_of(province, "incident", day)
    figures = {(r["indicator_code"], r["unit_code"]): r["value"] for r in rows_of(province, "ioc_indicator", day).to_pylist()
               if r["period_on"] == date_of(day)}  # fmt: skip
    came = [
        (c, m.date())
        for c, m in zip(reports["commune_code"].to_pylist(), reports["reported_at"].to_pylist(), strict=True)
    ]
    today = [c for c, on in came if on == date_of(day)]
    handled = [m for m in reports["handled_at"].to_pylist() if m and m.date() == date_of(day)]
    assert figures["PA_TIEP_NHAN", "24"] == len(today)
    assert figures["PA_TIEP_NHAN", today[0]] == today.count(today[0])
    assert figures["PA_XU_LY_XONG", "24"] == len(handled)
    open_late = pc.and_(reports["is_late"], pc.is_null(reports["handled_at"]))
    assert figures["PA_QUA_HAN", "24"] == pc.sum(open_late).as_py()
    assert figures["SU_CO", "24"] == sum(m.date() == date_of(day) for m in incidents["happened_at"].to_pylist())
    traffic = rows_of(province, "traffic_count_hour", day)
    of_day = traffic.filter(pc.equal(pc.cast(pc.local_timestamp(traffic["starts_at"]), "date32"), date_of(day)))
    kinds = ("motorbike_count", "car_count", "truck_count", "bus_count")
    assert figures["LUU_LUONG", "24"] == sum(pc.sum(of_day[kind]).as_py() for kind in kinds)
    online = {t.name: t.value for t in province.table("camera").totals(day)}["camera.online"]
    assert figures["CAMERA_HOAT_DONG", "24"] == online
    assert figures["KHAI_SINH", "24"] == len(province.people.newborn(day))
    assert figures["CHET", "24"] == len(province.people.deceased(day))


def test_some_devices_keep_utc_and_do_not_say_so(province: Province) -> None:
    for view, column, moment in ((ioc.REPORT, "ThoiDiem", "reported_at"), (ioc.TRAFFIC, "ThoiDiem", "starts_at")):
        said = view.rows(province, np.arange(400), 0, clean=True)
        truth = province.table(view.table).rows(said.ids, 0)
        early = 0
        for told, true, utc in zip(
            said.rows[column].to_pylist(), truth[moment].to_pylist(), ioc.in_utc(truth), strict=True
        ):
            assert told == f"{true - timedelta(hours=7 if utc else 0):%Y%m%d%H%M%S}"
            early += bool(utc)
        assert 0 < early < 0.3 * len(said.ids), view.id
