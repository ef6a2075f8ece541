"""Procedures, dossiers and agencies: published totals, numbers, the ten statuses, working days, figures counted again."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator.province.governance import old_style
from simulator.province.procedures_calendar import calendar
from simulator.province.procedures_receipts import FIRST, REKEYED_ON
from simulator.table import DAY0, Province, day_of

from .tables import check_table

TABLES = (
    "agency", "procedure", "procedure_local", "status_local", "dossier", "dossier_event", "dossier_supplement", "dossier_fee",
    "dossier_file", "dossier_rating", "dossier_lost", "citizen_report", "kpi_766_week",
)  # fmt: skip
NEXT = {1: {2, 3}, 2: {4}, 4: {4, 5, 6, 7, 8, 9}, 5: {4, 8}, 6: {4}, 7: {8}, 9: {10}, 3: set(), 8: set(), 10: set()}


@pytest.fixture(scope="module")
def province() -> Province:
    return Province(24, 0.006)


def every(province: Province, name: str, day: int = 0) -> Any:
    table = province.table(name)
    return table.rows(np.arange(table.count(day)), day)


def rows(province: Province, name: str, day: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = every(province, name, day).to_pylist()
    return found


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_pure(name: str) -> None:
    check_table(name, scale=0.003, most=1_000)


def test_another_seed_is_another_province() -> None:
    one, other = (Province(seed, 0.002).table("dossier").rows(np.arange(100), 0) for seed in (24, 25))
    assert not one["applicant_person"].equals(other["applicant_person"])


# -- totals ------------------------------------------------------------------------------------------------------------


def test_published_totals_are_met_at_any_scale_or_in_full() -> None:
    for factor in (0.001, 1.0):
        province = Province(24, factor)
        procedures = every(province, "procedure")
        assert procedures.num_rows == 2_150
        assert pc.sum(pc.equal(procedures["mode"], "FULL")).as_py() == 1_049
        assert pc.sum(pc.not_equal(procedures["level"], "PROVINCE")).as_py() == 414
        now = [a for a in rows(province, "agency") if a["valid_to"] is None]
        assert sum(a["kind"] == "COMMUNE" for a in now) == 99
    receipts = province.table("dossier").dossiers.receipts
    assert 2_250_000 < sum(receipts._total(day) for day in range(FIRST, FIRST + 365)) < 2_350_000


def test_two_communes_receive_what_they_reported() -> None:
    """Nam Sơn: 3,418 in 17 days, counted dossier by dossier; Đồng Việt: about 60 a working day."""
    province = Province(24, 1.0)
    dossiers, geo = province.table("dossier").dossiers, province.geo
    course = dossiers.of(np.arange(province.table("dossier").count(0)))
    received, on, _ = course.at(2, 0)
    commune = course.placed.agency - dossiers.receipts.departments
    of = {code: commune == int(np.flatnonzero(geo.commune_codes == code)[0]) for code in ("09286", "07735")}
    assert int((received & of["09286"] & (on >= -16)).sum()) == 3_418
    workdays = int(calendar().works(np.arange(FIRST, 1)).sum())
    assert 50 < int((received & of["07735"]).sum()) / workdays < 70
    share = np.bincount(course.placed.entered - FIRST)[-17:].sum()
    assert 3_418 / share < 0.05
    told = {t.name: t.value for t in province.table("dossier").totals(0)}
    assert told["dossier.nam_son_received_17_days"] == 3_418


def test_totals_are_counted_again_from_the_rows(province: Province) -> None:
    found, told = rows(province, "dossier"), {t.name: t.value for t in province.table("dossier").totals(0)}
    assert told["dossier.count"] == len(found)
    for status in range(1, 11):
        assert told[f"dossier.status_{status}"] == sum(d["status"] == status for d in found)
    ended = [d for d in found if d["ended_in_time"] is not None]
    assert told["dossier.on_time_percent"] == round(100 * sum(d["ended_in_time"] for d in ended) / len(ended), 2)
    received = [d for d in found if d["received_at"]]
    assert told["dossier.online_percent"] == round(100 * sum(d["channel"] == 2 for d in received) / len(received), 2)


# -- agencies and codes ------------------------------------------------------------------------------------------------


def test_agencies_form_a_tree_in_both_styles(province: Province) -> None:
    found = rows(province, "agency")
    codes = {a["agency_code"] for a in found}
    assert {a["parent_code"] for a in found} - {None} <= codes
    assert {a["successor_code"] for a in found} - {None} <= codes
    assert all((a["valid_to"] is None) == (a["successor_code"] is None) for a in found)
    assert {"H02", "H05"} <= codes and old_style("H05.12.34") == "000.34.12.H05" and old_style("H05") == "000.00.00.H05"
    assert all(a["old_style_code"] == old_style(a["agency_code"]) for a in found)
    meanings = defaultdict(set)
    for agency in found:
        meanings[agency["agency_code"]].add(agency["name_vi"])
    assert len(meanings["H05.12"]) == 2  # the number lives on with another meaning
    at = Counter(a["agency_code"] for a in found if a["valid_from"] <= date(2025, 6, 30) <= (a["valid_to"] or date.max))
    assert max(at.values()) == 1 and sum(a["kind"] == "COMMUNE" and a["valid_to"] is not None for a in found) == 313


def test_codes_of_procedures_and_their_mapping(province: Province) -> None:
    procedures, local = rows(province, "procedure"), rows(province, "procedure_local")
    national = [p["procedure_code"] for p in procedures]
    assert all(re.fullmatch(r"\d\.\d{6}", code) for code in national) and len(set(national)) == 2_150
    assert len({p["name_vi"] for p in procedures}) == 2_150
    assert all(p["published_on"] >= p["decided_on"] for p in procedures)
    assert all(
        row["national_code"] in (None, national[row["procedure"]]) for row in local if row["procedure"] is not None
    )
    unmapped = [row for row in local if row["national_code"] is None]
    assert 60 < len(unmapped) < 200 and any(row["local_code"] == "TS_lop1.000.00.00.H02" for row in unmapped)


def test_dossier_numbers_follow_their_rule(province: Province) -> None:
    """<agency>-YYMMDD-<serial>, the date that of receipt, the serial from 1 on without a gap, in the order of the clock."""
    agency = {a["agency_code"]: a["old_style_code"] for a in rows(province, "agency") if a["valid_to"] is None}
    serials: dict[tuple[str, str], list[tuple[int, datetime | None]]] = defaultdict(list)
    styles = Counter()
    for dossier in rows(province, "dossier", 5):
        found = re.fullmatch(r"([0-9A-Z.]+)-(\d{6})-(\d{4,5})", dossier["dossier_code"])
        assert found and found[1] in (dossier["agency_code"], agency[dossier["agency_code"]])
        if dossier["received_at"]:
            assert f"{dossier['received_at']:%y%m%d}" == found[2]
        styles[found[1].startswith("000."), len(found[3])] += 1
        if dossier["commune_code"]:
            serials[found[1], found[2]].append((int(found[3]), dossier["received_at"]))
    assert {old for old, _ in styles} == {True, False} and {digits for _, digits in styles} == {4, 5}
    for some in serials.values():
        some.sort(key=lambda pair: pair[0])
        assert [serial for serial, _ in some] == list(range(1, len(some) + 1))
        moments = [moment for _, moment in some if moment]
        assert moments == sorted(moments)


# -- courses -----------------------------------------------------------------------------------------------------------


def test_steps_follow_one_another_and_end_in_the_status(province: Province) -> None:
    day = 12
    steps = defaultdict(list)
    events = rows(province, "dossier_event", day)
    for event in events:
        steps[event["dossier"]].append((event["at"], event["step"], event["status"]))
    dossiers = rows(province, "dossier", day)
    assert set(steps) == {d["id"] for d in dossiers}
    seen: Counter[int] = Counter()
    for dossier in dossiers:
        course = steps[dossier["id"]]
        assert course == sorted(course) and len({at for at, _, _ in course}) == len(course)
        statuses = [status for _, _, status in course]
        assert all(after in NEXT[before] for before, after in pairwise(statuses)), statuses
        assert statuses[0] == (1 if dossier["channel"] == 2 else 2)
        assert statuses[-1] == dossier["status"]
        times = {status: at for at, _, status in reversed(course)}
        for column, status in (
            ("received_at", 2),
            ("finished_at", 9),
            ("returned_at", 10),
            ("rejected_at", 3),
            ("stopped_at", 8),
        ):
            assert dossier[column] == times.get(status)
        assert dossier["submitted_at"] <= course[0][0]
        seen.update(statuses)
    assert set(seen) == set(range(1, 11))
    assert 5 < len(events) / len(dossiers) < 7
    assert all(event["at"].date() <= DAY0 + timedelta(days=day) for event in events)


def test_time_limits_are_counted_in_working_days(province: Province) -> None:
    import holidays

    official = holidays.country_holidays("VN", years=range(2026, 2029))

    def works(on: date) -> bool:
        return on in official.weekend_workdays or (on.weekday() < 5 and on not in official)

    assert not works(date(2026, 11, 24)) and not calendar().works(np.array([day_of(date(2026, 11, 24))]))[0]
    assert calendar().works(np.array([day_of(date(2026, 8, 22))]))[0]  # worked for 31 August
    limits = {p["id"]: p for p in rows(province, "procedure")}
    checked = Counter()
    for dossier in rows(province, "dossier", 4):
        if not dossier["received_at"]:
            continue
        limit = limits[dossier["procedure"]]
        due = dossier["received_at"].date()
        assert works(due)
        if limit["time_unit"] == "WORKING_DAY":
            for _ in range(limit["time_limit"]):
                due += timedelta(days=1)
                while not works(due):
                    due += timedelta(days=1)
        elif limit["time_unit"] == "DAY":
            due += timedelta(days=limit["time_limit"])
            while not works(due):
                due += timedelta(days=1)
        elif dossier["received_at"].hour >= 15:
            due += timedelta(days=1)
            while not works(due):
                due += timedelta(days=1)
        assert dossier["appointed_at"].date() == due and dossier["appointed_at"].hour == 17
        checked[limit["time_unit"]] += 1
    assert min(checked.values()) > 10 and len(checked) == 3


def test_weekends_and_holidays_bring_online_dossiers_which_wait(province: Province) -> None:
    """Day 2 is a Saturday, day 5 the Day of Culture."""
    table = province.table("dossier")
    for day in (2, 5):
        new = table.rows(np.arange(table.count(day - 1), table.count(day)), day).to_pylist()
        assert new and all(d["channel"] == 2 and d["status"] in (1, 3) and d["received_at"] is None for d in new)
        later = table.rows(np.array([d["id"] for d in new]), day + 3).to_pylist()
        assert all((d["received_at"] or d["rejected_at"]).date() > DAY0 + timedelta(days=day) for d in later)


def test_supplements_move_the_appointed_day_by_the_time_waited(province: Province) -> None:
    day = 15
    dossiers = {d["id"]: d for d in rows(province, "dossier", day)}
    asked = defaultdict(list)
    for supplement in rows(province, "dossier_supplement", day):
        asked[supplement["dossier"]].append(supplement)
    assert {i for i, d in dossiers.items() if d["supplement_count"]} == set(asked)
    for i, supplements in asked.items():
        assert len(supplements) == dossiers[i]["supplement_count"]
        due = dossiers[i]["appointed_at"]
        for supplement in supplements:
            assert supplement["appointed_before_at"] == due
            if supplement["status"]:
                days = [day_of(supplement[name].date()) for name in ("requested_at", "answered_at")]
                waited = int(np.diff(calendar().rank(np.array(days)))[0])
                due = supplement["appointed_after_at"]
                moved = [day_of(supplement[name].date()) for name in ("appointed_before_at", "appointed_after_at")]
                assert int(np.diff(calendar().rank(np.array(moved)))[0]) == waited > 0
        assert dossiers[i]["appointed_now_at"] == due
    assert any(s["status"] == 0 for some in asked.values() for s in some)


# -- persons, parts, figures -------------------------------------------------------------------------------------------


def test_applicants_exist_and_mostly_live_where_they_apply(province: Province) -> None:
    people, geo = province.people, province.geo
    found = [d for d in rows(province, "dossier", 3) if d["applicant_person"] is not None]
    persons = np.array([d["applicant_person"] for d in found])
    entered = np.array([day_of(d["submitted_at"].date()) for d in found])
    assert np.all(people.died_on(persons) > entered) and np.all(people.born_on(persons) < entered - 17 * 365)
    home = geo.commune_codes[geo.commune[people.place[persons]]]
    there = [code == d["commune_code"] for code, d in zip(home, found, strict=True) if d["commune_code"]]
    assert 0.85 < np.mean(there) < 0.97
    firms = every(province, "dossier")["applicant_enterprise"].drop_null()
    assert len(firms) > 0 and pc.max(firms).as_py() < province.table("enterprise").count(0)
    officials = every(province, "dossier_event")["actor_person"].drop_null().unique().to_numpy()
    assert np.all(people.alive(officials, 0))


def test_fees_add_up_and_files_belong_to_somebody(province: Province) -> None:
    dossiers = {d["id"]: d for d in rows(province, "dossier", 3)}
    amounts: Counter[int] = Counter()
    for fee in rows(province, "dossier_fee", 3):
        amounts[fee["dossier"]] += fee["amount_vnd"]
        if fee["is_paid_online"]:
            assert fee["paid_at"] and dossiers[fee["dossier"]]["online_payment"] > 0
    assert all(amounts[i] == d["fee_vnd"] for i, d in dossiers.items() if d["received_at"])
    assert sum(d["online_payment"] > 0 for d in dossiers.values()) > 50
    results = {f["dossier"] for f in rows(province, "dossier_file", 3) if f["kind"] == "RESULT"}
    assert results == {i for i, d in dossiers.items() if d["has_electronic_result"]}
    rated = {r["dossier"] for r in rows(province, "dossier_rating", 3)}
    assert rated and all(dossiers[i]["status"] == 10 for i in rated)


def test_weekly_figures_are_counted_again_from_the_dossiers(province: Province) -> None:
    """766 index, 2.1: the end is status 9, else 8 or 3; more than one supplement is late; its time does not count."""
    week = rows(province, "kpi_766_week")
    first, last = max((r["week_from"], r["week_to"]) for r in week)
    dossiers = rows(province, "dossier", day_of(last))
    on = {i: d["finished_at"] or d["stopped_at"] or d["rejected_at"] for i, d in enumerate(dossiers)}
    asked = {
        s["dossier"]: s["requested_at"] for s in rows(province, "dossier_supplement", day_of(last)) if not s["status"]
    }
    expected: Counter[tuple[str, str]] = Counter()
    for i, dossier in enumerate(dossiers):
        agency, due = dossier["agency_code"], dossier["appointed_now_at"]
        if dossier["received_at"] and dossier["received_at"].date() >= first:
            expected[agency, "received"] += 1
            expected[agency, "online_received"] += dossier["channel"] == 2
        waiting = asked.get(dossier["id"]) if not dossier["finished_at"] else None
        end = waiting or on[i]
        in_time = dossier["status"] == 3 or (due is not None and (end or _end_of(last, due)) <= due and dossier["supplement_count"] < 2)  # fmt: skip
        if on[i] and on[i].date() >= first:
            expected[agency, "ended"] += 1
            expected[agency, "ended_in_time"] += in_time
        if not on[i] and due is not None and not in_time:
            expected[agency, "overdue"] += 1
    for row in (r for r in week if r["week_from"] == first):
        for name in ("received", "online_received", "ended", "ended_in_time", "overdue"):
            assert row[name] == expected[row["agency_code"], name], (row["agency_code"], name)
        whole = row["ended"] + row["overdue"]
        assert row["on_time_percent"] == (round(100 * row["ended_in_time"] / whole, 2) if whole else 0)
        assert row["total_points"] == pytest.approx(
            sum(v for n, v in row.items() if n.endswith("_points") and n != "total_points")
        )
    assert sum(r["ended"] for r in week) > 500


def _end_of(last: date, like: datetime) -> datetime:
    return like.replace(year=last.year, month=last.month, day=last.day, hour=12)


def test_citizens_reports_are_dealt_with_in_order(province: Province) -> None:
    for report in rows(province, "citizen_report", 20):
        steps = [report[f"{name}_at"] for name in ("received", "answered", "published")]
        happened = [step.date() for step in steps if step]
        assert happened == sorted(happened) and happened
        assert not (report["refused_at"] and report["answered_at"])
        assert (report["status"] == "TU_CHOI") == bool(report["refused_at"])


def test_numbers_that_met_were_made_anew(province: Province) -> None:
    """Both systems counted dossiers of departments for themselves; from one night on no number is there twice."""
    before, after = every(province, "dossier", REKEYED_ON - 1), every(province, "dossier", REKEYED_ON)
    shared = {c for c, n in Counter(before["local_code"].to_pylist()).items() if n > 1}
    assert shared
    assert len(set(after["local_code"].to_pylist())) == after.num_rows
    assert before["dossier_code"].equals(after["dossier_code"].slice(0, before.num_rows))
    changed = pc.not_equal(before["local_code"], after["local_code"].slice(0, before.num_rows))
    ids = before["id"].filter(changed).to_pylist()
    assert ids and set(ids) <= set(province.table("dossier").touched(REKEYED_ON).tolist())
    assert all(d["system"] == "BG" and d["commune_code"] is None for d in before.filter(changed).to_pylist())
