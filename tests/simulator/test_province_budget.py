"""Public money in the simulated province: units, the treasury's months and their corrections, projects."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province import budget
from simulator.table import Province
from simulator.views import finance, treasury, writers
from simulator.views.view import View

from .tables import check_table


@cache
def province(scale: float = 0.01) -> Province:
    return Province(24, scale)


def everything(name: str, day: int = 0) -> Any:
    table = province().table(name)
    return table.rows(np.arange(table.count(day)), day)


@pytest.mark.parametrize("name", ["budget_unit", "budget_month"])
def test_lists_and_closed_months_are_pure(name: str) -> None:
    check_table(name)


@pytest.mark.parametrize("name", ["budget_line", "public_project"])
def test_lines_and_projects_are_pure(name: str) -> None:
    check_table(name, days=(0, 1, 16, 17, 21, 47))  # closed on the 5th, reported on the 10th


def test_a_month_has_its_lines_and_a_year_its_estimate() -> None:
    whole: budget.BudgetLine = Province(24, 1.0).table("budget_line")
    assert whole.count(0) == 120_000 and whole.count(16) == 240_000 and whole.count(-30) == 0
    assert int(whole.estimates(2026).sum()) == 46_000_000 * 1000
    line = province().table("budget_line")
    rows = line.rows(np.arange(line.count(0)), 0)
    assert pc.sum(rows["estimate_million_vnd"]).as_py() == pytest.approx(460_000)
    keys = [rows[name].to_pylist() for name in line.key]
    assert len(set(zip(*keys, strict=True))) == rows.num_rows


def test_spending_grows_from_month_to_month() -> None:
    line = province().table("budget_line")
    october, november = (line.rows(np.arange(line.size) + month * line.size, 16) for month in (0, 1))
    kept = pc.invert(october["is_corrected"])
    now, then = (rows["executed_million_vnd"].filter(kept) for rows in (november, october))
    assert pc.all(pc.greater_equal(now, then)).as_py() and pc.sum(now).as_py() > pc.sum(then).as_py()


def test_closed_months_are_corrected_late() -> None:
    line = province(0.1).table("budget_line")
    corrected = np.concatenate([line.touched(day) for day in range(1, 16)])
    assert len(corrected) > 50 and corrected.max() < line.size
    before, after = (line.rows(np.unique(corrected), day) for day in (0, 15))
    assert pc.all(after["is_corrected"]).as_py() and not pc.any(before["is_corrected"]).as_py()
    changed = pc.not_equal(before["executed_million_vnd"], after["executed_million_vnd"])
    assert pc.sum(changed).as_py() > 0.8 * after.num_rows
    assert pc.all(pc.equal(before["estimate_million_vnd"], after["estimate_million_vnd"])).as_py()


def test_districts_are_gone_since_july_2025() -> None:
    rows = everything("budget_month").to_pylist()
    assert {row["level"] for row in rows if row["period"] <= "2025-06"} == {"2", "3", "4"}
    assert {row["level"] for row in rows if row["period"] > "2025-06"} == {"2", "4"}
    assert set(everything("budget_line")["level"].to_pylist()) == {"2", "4"}


def test_units_are_the_schools_and_facilities_of_other_registers() -> None:
    units = everything("budget_unit")
    for column, name, kind in (("school", "school_name", "school"), ("facility", "facility_name", "facility")):
        some = units.filter(pc.is_valid(units[column]))
        own = everything(kind).take(some[column])
        assert some.num_rows > 10 and some["unit_name"].to_pylist() == own[name].to_pylist()
        assert set(own["ownership"].to_pylist()) <= {"CONG_LAP", "CONG"}
    assert len(set(units["unit_code"].to_pylist())) == units.num_rows
    assert set(pc.utf8_slice_codeunits(units["unit_code"], 0, 2).to_pylist()) == {"98"}


def test_projects_name_owner_and_contractor() -> None:
    rows, firms, units = everything("public_project"), everything("enterprise"), everything("budget_unit")
    builders = firms.take(rows["contractor_enterprise"])
    assert rows["contractor_code"].to_pylist() == builders["enterprise_code"].to_pylist()
    assert all("XÂY DỰNG" in name for name in builders["name_vi"].to_pylist())
    assert rows["owner_code"].to_pylist() == units.take(rows["budget_unit"])["unit_code"].to_pylist()
    assert pc.all(pc.less_equal(rows["disbursed_million_vnd"], rows["plan_million_vnd"])).as_py()
    assert set(pc.utf8_length(rows["project_code"]).to_pylist()) == {7}


@pytest.mark.parametrize("view", treasury.VIEWS, ids=lambda v: v.id)
def test_files_are_of_windows_1258_with_decimal_commas(view: View, tmp_path: Path) -> None:
    (file,) = [d for d in writers.deliver(view, province(), 1, tmp_path) if not d.again]
    content = file.path.read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode()
    text = unicodedata.normalize("NFC", content.decode("cp1258"))
    lines = text.split("\r\n")
    assert "?" not in text and len(lines) == file.rows + 2
    if view is not treasury.UNIT:
        assert sum("," in line for line in lines[1:]) > 0.9 * file.rows
    if view is not treasury.MONTH:
        assert "Sở Tài chính" in text or "SỞ TÀI CHÍNH" in text


def test_workbooks_of_projects_say_their_unit() -> None:
    assert any("ĐVT: triệu đồng" in title for title in finance.PUBLIC_PROJECT.sheet.titles)
    heard = next(finance.PUBLIC_PROJECT.batches(province(0.1), 0))
    unlike = heard.errors.filter(pc.equal(heard.errors["column"], "Mã xã")).num_rows
    assert 0 < unlike < 0.1 * heard.rows.num_rows
