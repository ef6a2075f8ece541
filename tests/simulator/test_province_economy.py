"""The economy of the simulated province: the registry day by day, taxpayers, zones and projects, months, what systems say of them."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow.compute as pc
import pytest
from stdnum.vn import mst

from simulator.province import economy_project
from simulator.province.economy_monthly import DIVISIONS
from simulator.story.datasets import ENTERPRISE
from simulator.table import DAY0, Province, date_of, day_of
from simulator.views import (
    dirt,
    encodings,
    enterprise_registry,
    finance,
    industrial_zones,
    industry_trade,
    tax,
    writers,
)
from simulator.views.view import View

from .tables import check_table

REGISTERS = (
    "enterprise",
    "enterprise_industry",
    "enterprise_change",
    "household_business",
    "cooperative",
    "tax_status",
)
INDUSTRY = ("industrial_zone", "industrial_cluster", "craft_village", "investment_project", "investment_amendment")
ECONOMY = (enterprise_registry, finance, tax, industrial_zones, industry_trade)


@cache
def province(scale: float = 0.01) -> Province:
    return Province(24, scale)


def everything(name: str, day: int = 0, scale: float = 0.01) -> Any:
    table = province(scale).table(name)
    return table.rows(np.arange(table.count(day)), day)


def exact(name: str) -> dict[str, float]:
    return {t.name: t.value for t in province(1.0).table(name).totals(0) if t.exact}


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGISTERS)
def test_registers_are_pure(name: str) -> None:
    check_table(name, scale=0.005, days=(0, 1, 4))


@pytest.mark.parametrize("name", INDUSTRY)
def test_zones_and_projects_are_pure(name: str) -> None:
    check_table(name, scale=0.05, days=(0, 1, 56, 57))  # projects report on day 57


@pytest.mark.parametrize("name", ["iip_monthly", "trade_monthly", "energy_use"])
def test_months_are_pure(name: str) -> None:
    check_table(name, days=(0, 16, 17, 19, 23))  # published on the 6th, 8th and 12th


def test_another_seed_is_another_economy() -> None:
    other = Province(25, 0.01).table("enterprise").rows(np.arange(50), 0)
    assert not set(other["name_vi"].to_pylist()) & set(everything("enterprise")["name_vi"].to_pylist()[:50])


def test_published_totals_are_met_exactly() -> None:
    assert province(1.0).table("enterprise").count(0) == 45_000
    assert exact("industrial_zone") == {
        "industrial_zone.count": 33,
        "industrial_zone.area": 10_100.0,
        "industrial_zone.occupancy": 56.0,
    }
    assert exact("investment_project") == {
        "investment_project.in_zones": 2_805,
        "investment_project.fdi_in_zones": 2_010,
        "investment_project.countries": 44,
        "investment_project.new_in_2025": 322,
    }
    assert exact("investment_amendment") == {"investment_amendment.in_2025": 755}


# -- the registry ------------------------------------------------------------------------------------------------------


def test_the_registry_has_the_columns_of_its_contract() -> None:
    beside = {"id", "place", "representative_person"}
    assert [n for n in everything("enterprise").column_names if n not in beside] == list(ENTERPRISE.columns)


def test_codes_are_sound_and_nobodys() -> None:
    codes = everything("enterprise", 3)["enterprise_code"].to_pylist()
    assert len(set(codes)) == len(codes)
    parents = {code for code in codes if len(code) == 10}
    branches = [code for code in codes if len(code) > 10]
    assert len(branches) == round(450 * 0.05) and all(code[:10] in parents for code in branches)
    assert all(mst.is_valid(code[:10]) and code.startswith("99") for code in codes)


def test_commune_codes_are_those_of_the_last_change() -> None:
    rows, geo = everything("enterprise", 2, 0.05), province(0.05).geo
    days = np.array([day_of(moment.date()) for moment in rows["changed_at"].to_pylist()])
    places = rows["place"].to_numpy()
    assert rows["commune_code"].to_pylist() == geo.code_in(places, geo.epoch(places, days)).tolist()
    epochs = Counter(geo.epoch(places, days).tolist())
    assert 0.08 < epochs[1] / len(days) < 0.14 and 0.08 < epochs[0] / len(days) < 0.15
    stamps = Counter(rows["changed_at"].to_pylist())
    (moment, moved), (_, next_most) = stamps.most_common(2)
    assert moment.date() == date(2025, 7, 1) and 0.24 < moved / len(days) < 0.30 and next_most < 6
    versions = zip(days, rows["industry_version"].to_pylist(), strict=True)
    assert all((version == "VSIC2025") == (day >= day_of(date(2025, 11, 15))) for day, version in versions)


@pytest.mark.parametrize(("scale", "new"), [(0.005, 4), (0.3, 5)])
def test_every_day_has_its_changes(scale: float, new: int) -> None:
    table = province(scale).table("enterprise")
    for day in (1, 2, 3):
        before, now = table.count(day - 1), table.count(day)
        assert now - before == new
        rows = table.rows(table.touched(day), day)
        moments = rows["changed_at"].to_pylist()
        assert {moment.date() for moment in moments} == {date_of(day)}
        assert [moment.time() for moment in moments].count(time(17, 30)) == 1
        assert all(time(7, 30) <= moment.time() <= time(17) for moment in moments if moment.time() != time(17, 30))
        known = np.flatnonzero(rows["id"].to_numpy() < before)
        assert len(known) >= max(3, round(before * 0.01))
        then, at = table.rows(rows["id"].to_numpy()[known], day - 1), rows.take(known)
        ended = pc.and_(pc.equal(at["status"], "GIAI_THE"), pc.not_equal(then["status"], "GIAI_THE"))
        assert pc.sum(ended).as_py() >= 2
        assert pc.all(pc.equal(pc.subtract(at["change_count"], then["change_count"]), 1)).as_py()
        new_rows = rows.slice(len(known))
        assert set(new_rows["status"].to_pylist()) == {"HOAT_DONG"} and pc.max(new_rows["change_count"]).as_py() == 0


def test_the_log_tells_every_change() -> None:
    firms, log = everything("enterprise", 3), everything("enterprise_change", 3)
    told = Counter(log["enterprise"].to_pylist())
    assert [told[i] for i in firms["id"].to_pylist()] == firms["change_count"].to_pylist()
    last = {row["enterprise"]: row for row in log.to_pylist() if row["changed_at"].date() > date_of(0)}
    assert len(last) > 5
    for number, row in last.items():
        firm = firms.slice(number, 1).to_pylist()[0]
        assert row["changed_at"] == firm["changed_at"] and row["enterprise_code"] == firm["enterprise_code"]
        if row["kind"] == "VON_DIEU_LE":
            assert int(row["value_after"]) == firm["charter_capital_vnd"] > int(row["value_before"])
        if row["kind"] == "NGUOI_DAI_DIEN":
            assert (row["value_after"], row["representative_person"]) == (
                firm["representative_name"],
                firm["representative_person"],
            )


def test_a_firm_has_one_main_line_and_about_eight() -> None:
    firms, lines = everything("enterprise", 5), everything("enterprise_industry", 5)
    assert 7.6 < lines.num_rows / firms.num_rows < 8.4
    pairs = set(zip(lines["enterprise"].to_pylist(), lines["industry_code"].to_pylist(), strict=True))
    assert len(pairs) == lines.num_rows
    main = lines.filter(lines["is_main"]).sort_by("enterprise")
    assert main["enterprise"].to_pylist() == firms["id"].to_pylist()
    assert main["industry_code"].to_pylist() == firms["industry_code"].to_pylist()


# -- households, taxpayers ---------------------------------------------------------------------------------------------


def test_households_bear_the_numbers_of_their_time() -> None:
    rows, people = everything("household_business", 3), province().people
    owners = rows["owner_person"].to_numpy()
    assert len(set(owners.tolist())) == len(owners) and owners.max() < people.count(3)
    assert rows["tax_code"].to_pylist() == people.personal_ids(owners).to_pylist()
    for row in rows.to_pylist():
        if row["registered_on"] < date(2025, 7, 1):
            assert re.fullmatch(r"9[89][A-R]8\d{6}", row["registration_no"]) and mst.is_valid(row["former_tax_code"])
        else:
            assert row["registration_no"] == row["tax_code"] and row["former_tax_code"] is None
    assert len(set(rows["registration_no"].to_pylist())) == rows.num_rows
    firms = set(everything("enterprise", 3)["enterprise_code"].to_pylist())
    others = {*rows["former_tax_code"].to_pylist(), *everything("cooperative", 3)["tax_code"].to_pylist()}
    assert not firms & others


@pytest.mark.parametrize("day", [0, 4])
def test_every_firm_and_household_is_a_taxpayer_once(day: int) -> None:
    rows, firms, homes = (everything(n, day) for n in ("tax_status", "enterprise", "household_business"))
    firm = rows.filter(pc.is_valid(rows["enterprise"])).sort_by("enterprise")
    home = rows.filter(pc.is_valid(rows["household_business"])).sort_by("household_business")
    assert firm.num_rows + home.num_rows == rows.num_rows
    assert firm["tax_code"].to_pylist() == firms["enterprise_code"].to_pylist()
    assert firm["taxpayer_name"].to_pylist() == firms["name_vi"].to_pylist()
    assert home["tax_code"].to_pylist() == homes["tax_code"].to_pylist()
    assert home["owner_person"].to_pylist() == homes["owner_person"].to_pylist()
    gone = zip(firm["code_status"].to_pylist(), firms["status"].to_pylist(), strict=True)
    assert all((code in ("01", "03")) == (status == "GIAI_THE") for code, status in gone)


# -- zones, projects, months -------------------------------------------------------------------------------------------


def test_projects_share_out_the_land_of_their_zones() -> None:
    projects: economy_project.InvestmentProject = province(1.0).table("investment_project")
    ids = np.arange(projects.count(0))
    zone, area = projects.zone_of(ids), projects.area(ids)
    assert [int(area[zone == each].sum()) for each in range(33)] == projects.leased.tolist()
    assert np.all(projects.leased <= projects.leasable)
    firms = projects.firm_of(ids)
    assert np.array_equal(zone, np.where(ids < projects.inside, projects.firms.zone_of(firms), -1))
    assert np.all(projects.firms.is_fdi(firms)[: projects.foreign])


def test_projects_name_their_firms() -> None:
    rows, firms = everything("investment_project", 2, 0.05), everything("enterprise", 2, 0.05)
    named = firms.take(rows["enterprise"])
    assert rows["enterprise_code"].to_pylist() == named["enterprise_code"].to_pylist()
    assert rows["investor_name"].to_pylist() == named["name_vi"].to_pylist()
    assert rows["industrial_zone"].to_pylist() == named["industrial_zone"].to_pylist()
    amended = Counter(everything("investment_amendment", 2, 0.05)["project"].to_pylist())
    assert [amended[i] for i in rows["id"].to_pylist()] == rows["amendment_count"].to_pylist()


def test_a_month_is_revised_when_the_next_one_comes() -> None:
    table = province().table("iip_monthly")
    october = np.arange(table.count(0) - table.per_month, table.count(0))
    assert table.count(16) == table.count(0) and table.count(17) == table.count(0) + table.per_month
    first, then = (table.rows(october, day) for day in (16, 17))
    assert pc.all(first["is_first_figure"]).as_py() and not pc.any(then["is_first_figure"]).as_py()
    assert 3 < pc.sum(pc.not_equal(first["index_year_percent"], then["index_year_percent"])).as_py() < len(DIVISIONS)
    assert set(october.tolist()) <= set(table.touched(17).tolist())


# -- what systems say --------------------------------------------------------------------------------------------------


def said(view: View, day: int = 0, scale: float = 0.01) -> Any:
    return next(view.batches(province(scale), day, 1 << 40))


@pytest.mark.parametrize("view", [v for module in ECONOMY for v in module.VIEWS], ids=lambda v: v.id)
def test_every_view_speaks_and_knows_whom_it_means(view: View) -> None:
    for day in (0, 3):
        rows, ids = said(view, day).rows, said(view, day).ids
        assert rows.num_rows == len(ids) > 0 and rows.column_names == [column.name for column in view.columns]
    assert sum(part.num_rows for part in view.identity(province(), 0)) == said(view).rows.num_rows
    if view.encoding in encodings.LEGACY:
        lost = [c for c in encodings.columns(rows, view.encoding).columns if c.type == "string"]
        assert not any(pc.any(pc.match_substring(column, "?")).as_py() for column in lost)


def test_owners_of_households_are_identified_at_the_committed_rates() -> None:
    heard = said(finance.HOUSEHOLD, scale=0.1)
    kinds, rows = Counter(heard.errors["kind"].to_pylist()), len(set(heard.ids.tolist()))
    assert sum(kinds[k] for k in dirt.WITHOUT_VALID_ID) / rows == pytest.approx(0.15, abs=0.012)
    assert sum(kinds[k] for k in dirt.WRONG_ID) / rows == pytest.approx(0.02, abs=0.005)
    assert sum(kinds[k] for k in dirt.SHARED_ID) / rows == pytest.approx(0.01, abs=0.004)


def test_firms_of_the_tax_office_can_be_found_in_the_registry() -> None:
    heard = said(tax.ORGANISATION)
    registry = set(said(enterprise_registry.ENTERPRISE).rows["MaSoDN"].to_pylist())
    found = [code in registry for code in heard.rows["MST"].to_pylist()]
    wrong = heard.errors.filter(pc.equal(heard.errors["column"], "MST")).num_rows
    assert found.count(False) <= wrong
    about = next(tax.ORGANISATION.identity(province(), 0))
    codes = province().table("enterprise").codes(about["enterprise"].to_numpy())
    meant = {e["truth_id"]: e["meant"] for e in heard.errors.to_pylist() if e["column"] == "MST"}
    for number, key, code in zip(heard.ids.tolist(), about["key"].to_pylist(), codes.to_pylist(), strict=True):
        assert meant.get(number, key) == code


def test_templates_change_from_month_to_month(tmp_path: Path) -> None:
    headers = []
    for day in (0, 12, 43):
        (file,) = [d for d in writers.deliver(industry_trade.IIP, province(), day, tmp_path / str(day)) if not d.again]
        sheet = openpyxl.load_workbook(file.path, read_only=True).active
        cells = [[str(cell.value or "") for cell in row] for row in sheet.iter_rows(max_row=8)]
        headers.append(next(row for row in cells if any(text.startswith("Mã ") for text in row)))
        assert any("ĐVT: %" in text for row in cells for text in row)
    assert headers[0] != headers[1] != headers[2]
    assert any("Mã VSIC 2025" in text for text in headers[2]) and not any("Mã VSIC 2025" in t for t in headers[1])


@pytest.mark.parametrize(
    ("name", "column"),
    [("env_licence", "issued_on"), ("station", "started_on"), ("ip_title", "filed_on"), ("tax_status", "filed_on"),
     ("measurement_instrument", "verified_on"), ("dossier", "submitted_at")],
)  # fmt: skip
def test_firms_do_nothing_before_they_are_founded(name: str, column: str) -> None:
    province = Province(24, 0.03)
    table, firms = province.table(name), province.table("enterprise")
    rows = table.rows(np.arange(table.count(0)), 0)
    firm = "applicant_enterprise" if name == "dossier" else "enterprise"
    rows = rows.filter(pc.and_(pc.is_valid(rows[firm]), pc.is_valid(rows[column])))
    founded = firms.rows(rows[firm].to_numpy(), 0)["registered_at"]
    days = [pc.cast(pc.local_timestamp(c) if c.type != "date32" else c, "date32") for c in (rows[column], founded)]
    assert rows.num_rows and not pc.any(pc.less(*days)).as_py()


def test_the_old_province_had_as_many_firms_as_were_counted_in_2024() -> None:
    province = Province(24, 1.0)
    firms = province.table("enterprise")
    ids = np.arange(firms.firms)
    counted = (firms.registered(ids) // 86_400 <= (date(2024, 4, 30) - DAY0).days) & (
        province.geo.old_province[firms.place_of(ids)] == "27"
    )
    assert int(counted.sum()) == 23_165
