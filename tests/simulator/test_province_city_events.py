"""What cameras and the security centre saw, assets and public Wi-Fi of the simulated province."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.smart_city_events import CYBER_A_YEAR, VIOLATIONS, VIOLATIONS_A_YEAR
from simulator.table import Province
from simulator.views import ioc, police

from .tables import check_table


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.02)


@pytest.mark.parametrize("name", ["violation_event", "cyber_event", "asset_infrastructure", "wifi_usage"])
def test_tables_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 2, 30))


def test_the_whole_province_has_its_yearly_numbers() -> None:
    whole = Province(24, 1.0)
    for name, year in (("violation_event", VIOLATIONS_A_YEAR), ("cyber_event", CYBER_A_YEAR)):
        table = whole.table(name)
        assert abs(table.count(365) - table.count(0) - year) < 0.01 * year, name


def test_a_violation_goes_from_seen_to_fined(province: Province) -> None:
    table = province.table("violation_event")
    day, order = 40, ("PHAT_HIEN", "DA_THONG_BAO", "DA_XU_PHAT")
    ids = np.arange(table.count(day - 1))
    before, after = (table.rows(ids, d)["status"].to_pylist() for d in (day - 1, day))
    steps = {(order.index(a), order.index(b)) for a, b in zip(before, after, strict=True)}
    assert steps >= {(0, 0), (0, 1), (1, 2)} and all(a <= b for a, b in steps)
    rows = table.rows(ids, day)
    fined = pc.equal(rows["status"], "DA_XU_PHAT")
    assert rows["fine_vnd"].is_valid().equals(fined) and rows["fined_at"].is_valid().equals(fined)
    fines = {fine for _, fine in VIOLATIONS.values()}
    assert set(rows["fine_vnd"].drop_null().to_pylist()) <= fines
    totals = {t.name: t.value for t in table.totals(day)}
    assert totals["violation_event.count"] == sum(totals[f"violation_event.{s}"] for s in order)


def test_it_happened_where_the_camera_stands(province: Province) -> None:
    table = province.table("violation_event")
    rows = table.rows(np.arange(table.count(0)), 0)
    cameras = province.table("camera").rows(rows["camera"].to_numpy(), 0)
    assert rows["commune_code"].equals(cameras["commune_code"])
    said = police.VIOLATION.rows(province, np.arange(20), 0, clean=True)
    assert said.rows["ma_camera"].to_pylist() == cameras["camera_code"].take(said.ids).to_pylist()
    assert pc.all(pc.starts_with(rows["plate_no"], "42")).as_py(), "a number that no province has"


def test_an_event_is_over_once_and_stays_so(province: Province) -> None:
    table = province.table("cyber_event")
    rows = table.rows(np.arange(table.count(0)), 60)
    assert rows["resolved_at"].null_count == 0
    assert pc.all(pc.less(rows["detected_at"], rows["resolved_at"])).as_py()
    now = table.rows(np.arange(table.count(0)), 0)
    assert 0 < now["resolved_at"].null_count < len(now)


def test_access_points_are_assets(province: Province) -> None:
    usage, assets = province.table("wifi_usage"), province.table("asset_infrastructure")
    rows = usage.rows(np.arange(usage.count(0)), 0)
    known = assets.rows(rows["hotspot_infrastructure"].to_numpy(), 0)
    assert set(known["kind"].to_pylist()) == {"Điểm truy nhập Wi-Fi"}
    assert rows["hotspot_code"].equals(known["asset_code"]) and rows["commune_code"].equals(known["commune_code"])
    assert rows["session_count"].null_count == rows["download_mb"].null_count > 0
    devices = pc.less_equal(rows["device_count"], pc.max_element_wise(rows["session_count"], 1))
    assert pc.all(devices).as_py()
    totals = {t.name: t.value for t in usage.totals(0)}
    assert totals["wifi_usage.sessions"] == pc.sum(rows["session_count"]).as_py()


def test_money_is_told_only_of_what_is_the_states(province: Province) -> None:
    said = ioc.ASSET.rows(province, np.arange(60), 0, clean=True)
    private = np.array(said.rows["Đơn vị quản lý"].to_pylist()) == "Doanh nghiệp viễn thông"
    assert np.array_equal(np.asarray(said.rows["Nguyên giá"].is_null()), private)
