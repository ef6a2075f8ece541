"""Employers' reports of the simulated province: who reports, when, and what the two offices make of it."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.labour import due, title
from simulator.table import Province, date_of
from simulator.views import home_affairs, social_insurance

from .tables import check_table


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.01)


def test_the_table_is_pure() -> None:
    check_table("labour_report", days=(0, 1, 2, 16))


def test_reports_are_due_twice_a_year() -> None:
    days = [(title(p), date_of(due(p)).isoformat()) for p in range(3)]
    assert days == [("2025-2", "2025-12-05"), ("2026-1", "2026-06-05"), ("2026-2", "2026-12-05")]


def test_reports_come_before_and_after_the_day_and_ids_follow_them(province: Province) -> None:
    table = province.table("labour_report")
    rows = table.rows(np.arange(table.count(60)), 60)
    on = rows["reported_on"].cast("int32").to_numpy()
    periods = rows["period"].to_pylist()
    assert periods == sorted(periods) and len(set(periods)) == 3
    assert np.all(np.diff(on) >= 0)
    late = rows["is_late"].to_numpy()
    assert 0.06 < late.mean() < 0.18
    assert len(table.touched(10)) and not len(table.touched(100)), "between two seasons nobody reports"
    totals = {t.name: t.value for t in table.totals(60)}
    assert (
        totals["labour_report.staff.2026-1"]
        == pc.sum(rows.filter(pc.equal(rows["period"], "2026-1"))["employee_count"]).as_py()
    )


def test_parts_are_parts_of_the_staff(province: Province) -> None:
    table = province.table("labour_report")
    rows = table.rows(np.arange(table.count(0)), 0)
    for name in ("female_count", "foreign_count", "indefinite_count", "insured_count"):
        assert pc.all(pc.less_equal(rows[name], rows["employee_count"])).as_py(), name
    assert pc.min(rows["employee_count"]).as_py() >= 1


def test_both_offices_hold_a_part_of_the_same_reports(province: Province) -> None:
    count = province.table("labour_report").count(0)
    held = [
        set(view.rows(province, np.arange(count), 30, clean=True).ids.tolist())
        for view in (home_affairs.LABOUR, social_insurance.LABOUR)
    ]
    assert held[0] != held[1] and len(held[0] & held[1]) > 0.8 * count
    said = home_affairs.LABOUR.rows(province, np.arange(5), 30, clean=True)
    truth = province.table("enterprise").names(
        province.table("labour_report").rows(said.ids, 28)["enterprise"].to_numpy()
    )
    assert said.rows["Tên doanh nghiệp"].to_pylist() == truth.to_pylist()
