"""What the warehouse shows after each of three nights, against rows computed from the generated truth, never from a run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from .conftest import FIRST, Nights

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.timeout(900)]


def _states(nights: Nights, number: int) -> dict[str, str]:
    return {subject["subject"]: subject["state"] for subject in nights.status[number]["subjects"]}


def test_the_first_night_releases_everything(nights: Nights) -> None:
    assert nights.exit[1] == 3, nights.output[1]  # released, but the ministry has refused two licences
    assert set(_states(nights, 1).values()) == {"released"}


def test_the_second_night_holds_education_and_leaves_health_stale(nights: Nights) -> None:
    assert nights.exit[2] == 3, nights.output[2]
    states = _states(nights, 2)
    assert states.pop("education") == "held"
    assert states.pop("health") == "stale"
    assert set(states.values()) == {"released"}
    education = next(s for s in nights.status[2]["subjects"] if s["subject"] == "education")
    assert education["failed_expectations"] == ["school_commune_known"]
    assert education["rows_failing"] == len(nights.truth[2].warehouse_dirt)
    assert "education" in nights.output[2]


def test_the_third_night_releases_what_was_corrected(nights: Nights) -> None:
    assert nights.exit[3] == 3, nights.output[3]  # one refused licence is still open
    assert set(_states(nights, 3).values()) == {"released"}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_receipts_count_what_was_planted(nights: Nights, number: int) -> None:
    truth = nights.truth[number]
    planted = Counter(dirt.dataset for dirt in truth.dirt)
    for dataset in nights.status[number]["datasets"]:
        name = dataset["dataset"]
        assert dataset["received"] == dataset["accepted"] + dataset["quarantined"] + dataset["duplicates"]
        if name in truth.delivered and not name.startswith("home_affairs."):
            assert dataset["quarantined"] == planted[name], name


def _today(code: str) -> str:
    from simulator.units import units

    return units().today(code)


def _released(nights: Nights, number: int, agency: str) -> Any:
    """The truth that the release of an agency's subject shows after a night: the held and the stale show the night before."""
    truth = nights.truth[number]
    return nights.truth[number - 1] if agency in truth.held or agency in truth.down else truth


@pytest.mark.parametrize("number", [1, 2, 3])
def test_released_schools_are_the_true_ones(nights: Nights, number: int) -> None:
    rows = _released(nights, number, "education").rows["education.school"]
    wanted = {
        r["school_code"]: (
            r["school_name"],
            r["commune_code"],
            r["pupil_count"],
            r["budget_million_vnd"] * 1_000_000,
            r["site_area_m2"],
        )
        for r in rows
    }
    found = {
        r["school_code"]: (r["school_name"], r["commune_code"], r["pupil_count"], r["budget_vnd"], r["site_area_m2"])
        for r in nights.live[number]["education.dim_school"]
    }
    assert found == wanted


@pytest.mark.parametrize("number", [1, 2, 3])
def test_released_facilities_and_licences_are_the_true_ones(nights: Nights, number: int) -> None:
    truth = _released(nights, number, "health")
    wanted = {
        r["facility_code"]: (r["facility_name"], _today(r["commune_code"]), r["bed_count"], r["updated_at"])
        for r in truth.rows["health.facility"]
    }
    found = {
        r["facility_code"]: (r["facility_name"], r["commune_code"], r["bed_count"], r["updated_at"])
        for r in nights.live[number]["health.dim_health_facility"]
    }
    assert found == wanted
    licences = {
        r["licence_no"]: (r["facility_code"], r["status"], r["issued_on"]) for r in truth.rows["health.licence"]
    }
    assert {
        r["licence_no"]: (r["facility_code"], r["status"], r["issued_on"])
        for r in nights.live[number]["health.fct_health_licence"]
    } == licences


@pytest.mark.parametrize("number", [1, 2, 3])
def test_released_enterprises_are_the_true_ones(nights: Nights, number: int) -> None:
    rows = nights.truth[number].rows["enterprise_registry.enterprise"]
    wanted = {
        r["enterprise_code"]: (
            r["name_vi"],
            _today(r["commune_code"]),
            r["charter_capital_vnd"],
            r["status"],
            r["is_fdi"],
        )
        for r in rows
    }
    found = {
        r["enterprise_code"]: (
            r["enterprise_name"],
            r["commune_code"],
            r["charter_capital_vnd"],
            r["status"],
            r["is_fdi"],
        )
        for r in nights.live[number]["enterprises.dim_enterprise"]
    }
    assert found == wanted


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_commune_profile_adds_up(nights: Nights, number: int) -> None:
    beds: dict[str, int] = defaultdict(int)
    pupils: dict[str, int] = defaultdict(int)
    firms: dict[str, int] = defaultdict(int)
    for row in _released(nights, number, "health").rows["health.facility"]:
        beds[_today(row["commune_code"])] += (row["bed_count"] or 0) if row["is_active"] else 0
    for row in _released(nights, number, "education").rows["education.school"]:
        pupils[row["commune_code"]] += row["pupil_count"]
    for row in nights.truth[number].rows["enterprise_registry.enterprise"]:
        firms[_today(row["commune_code"])] += row["status"] == "HOAT_DONG"
    profile = nights.live[number]["smart_city.mart_commune_profile"]
    assert len(profile) == 99
    for row in profile:
        code = row["commune_code"]
        assert (row["bed_count"], row["pupil_count"], row["active_enterprise_count"]) == (
            beds[code],
            pupils[code],
            firms[code],
        ), code


def test_no_personal_value_leaves_the_warehouse(nights: Nights) -> None:
    """Names and numbers of persons of the whole province, looked for in everything Kho writes but raw, quarantine and kept bytes."""
    import psycopg

    marks = set()
    for number in (1, 2, 3):
        for dataset, columns in (
            ("health.licence", ("responsible_person", "responsible_id")),
            ("education.school", ("principal_name",)),
            ("enterprise_registry.enterprise", ("representative_name",)),
        ):
            for row in nights.truth[number].views[dataset]:
                marks |= {str(row[c]) for c in columns if row.get(c) and len(str(row[c])) >= 12}
    assert len(marks) > 100
    written = {f"output of night {n}": text for n, text in nights.output.items()}
    for path in nights.home.rglob("*"):
        inside = path.relative_to(nights.home).parts[0]
        if path.is_file() and inside in ("dagster", "dbt", "reports", "anchors", "portal"):
            written[str(path)] = path.read_text(encoding="utf-8", errors="replace")
    written["server log"] = (nights.home / "postgres" / "server.log").read_text(encoding="utf-8", errors="replace")
    with psycopg.connect(host=str(nights.home / "postgres"), dbname="kho_dagster", user="kho_dagster") as connection:
        events = connection.execute("select event from event_logs").fetchall()
        assert len(events) > 200
        written["event log"] = "\n".join(row[0] for row in events)
        written["runs"] = "\n".join(str(row[0]) for row in connection.execute("select run_body from runs").fetchall())
    with psycopg.connect(host=str(nights.home / "postgres"), dbname="kho", user="kho_release") as connection:
        for table in (
            "attempt",
            "delivery",
            "gate_result",
            "gate_failure",
            "subject_night",
            "build",
            "release",
            "outbox",
        ):
            written[f"kho.{table}"] = "\n".join(
                str(row) for row in connection.execute(f"select t::text from kho.{table} t").fetchall()
            )
    for name, tables in nights.live.items():
        written[f"live tables of night {name}"] = json.dumps(tables, default=str, ensure_ascii=False)
    for name, text in written.items():
        leaked = [mark for mark in marks if mark in text]
        assert not leaked, f"{name} holds {len(leaked)} personal values"


def test_nothing_outside_was_asked_for(nights: Nights) -> None:
    asked = nights.home / "network.log"
    assert not asked.exists(), asked.read_text()


def test_a_release_made_by_hand_after_a_red_gate_is_refused(nights: Nights) -> None:
    """As an engineer would in the UI: materialise only the release asset. The database looks at the newest build."""
    code = """
import os
from orchestration.automation.instance import prepare
prepare()
import dagster as dg
from orchestration import release
from orchestration.warehouse import connect
from orchestration.release import ledger
import datetime
# A red build: begun, frozen, judged.
build = release.begin("education", datetime.date(2026, 11, 23))
release.diff("education", build)
with connect("gate") as c:
    c.execute("insert into kho.gate (build, subject, verdict, rules_hash, full_scan) values (%s, 'education', 'fail', 'x', true)", (build,))
    ledger.append(c, "gate", "education", build)
from orchestration.definitions import defs
job = defs().resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.get() as instance:
    done = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=[dg.AssetKey(["release", "education"])])
assert not done.success
print([e.step_failure_data.user_failure_data.description for e in done.all_events if e.is_step_failure])
"""
    before = nights.read("select max(release) as release from kho.release where subject = 'education'")
    done = subprocess.run(
        [sys.executable, "-c", code], env=nights.environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "cổng chất lượng giữ bản dự tuyển" in done.stdout
    assert nights.read("select max(release) as release from kho.release where subject = 'education'") == before


def test_two_nights_at_once_do_not_mix(nights: Nights) -> None:
    import psycopg

    with psycopg.connect(
        host=str(nights.home / "postgres"), dbname="kho", user="kho_release", autocommit=True
    ) as other:
        other.execute("select pg_advisory_lock(hashtextextended('kho.night', 0))")
        refused = nights.kho("night", "--no-wait")
    assert refused.returncode == 1
    assert "một đêm khác đang chạy" in refused.stderr


def test_the_ledger_holds_and_its_exported_heads_are_in_it(nights: Nights) -> None:
    anchors = sorted((nights.home / "anchors").glob("*.json"))
    assert len(anchors) == 3
    for anchor in anchors:
        assert nights.kho("ledger", "verify", "--anchor", str(anchor)).returncode == 0


def test_the_report_names_what_is_held_and_who_must_act(nights: Nights) -> None:
    page = (nights.home / "reports" / f"{FIRST + timedelta(days=1)}.html").read_text(encoding="utf-8")
    assert "Sở Giáo dục và Đào tạo" in page
    assert "Mã xã của trường không có trong danh mục đơn vị hành chính" in page


def test_the_interface_comes_up_with_every_asset_and_ctrl_c_stops_all_of_it(nights: Nights) -> None:
    """Last in this file: it stops the embedded server too."""
    import signal
    import socket
    import time
    import urllib.request

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "kho"), "up", "--port", str(port)]
    query = json.dumps(
        {
            "query": "{ assetNodes { assetKey { path } } workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"
        }
    )
    with subprocess.Popen(command, env=nights.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
        try:
            keys: set[str] = set()
            for _ in range(120):
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}/graphql", query.encode(), {"Content-Type": "application/json"}
                )
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        keys = {"/".join(node["assetKey"]["path"]) for node in json.load(answer)["data"]["assetNodes"]}
                except OSError:
                    pass
                if keys:
                    break
                time.sleep(0.5)
            assert {
                "raw/health/facility",
                "gate/education",
                "release/education",
                "live/smart_city/mart_commune_profile",
                "national/health_system/facility_licence",
                "portal/communes",
            } <= keys
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0
    left = subprocess.run(["pgrep", "-f", str(nights.home)], capture_output=True, text=True, check=False).stdout.split()
    still = [
        Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:80]
        for pid in left
        if Path(f"/proc/{pid}/cmdline").exists()
    ]
    assert not [line for line in still if "dagster" in line or "postgres -D" in line], still
