"""What moves the province, by behaviour, on an ephemeral instance: the chain, arrivals, retries, and what is not materialised."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRun, DagsterRunStatus

from orchestration.automation import jobs, sensors
from orchestration.components.agency import landing_asset, raw_key
from orchestration.contracts import Contract, load_all
from orchestration.errors import KhoError, Transient
from orchestration.health import Health
from orchestration.landing import Receipt


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture(scope="module")
def school() -> Contract:
    return next(contract for contract in load_all() if contract.id == "education.school")


def _run(instance: dg.DagsterInstance, status: DagsterRunStatus, **tags: str) -> str:
    run = DagsterRun(job_name="landing", status=status, tags={"kho/night": "2026-11-20", **tags})
    instance.add_run(run)
    return run.run_id


def _tick(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = sensors.after_landing(context)
    assert isinstance(result, dg.SensorResult)
    return result


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED])
def test_the_warehouse_job_follows_landing_whatever_its_outcome(
    instance: dg.DagsterInstance, status: DagsterRunStatus
) -> None:
    run_id = _run(instance, status)
    first = _tick(instance, None)
    assert [(r.run_key, r.tags["kho/night"]) for r in first.run_requests or []] == [
        (f"warehouse:{run_id}", "2026-11-20")
    ]
    assert not _tick(instance, first.cursor).run_requests


def test_the_chain_waits_for_a_landing_that_is_under_way_and_keeps_the_order(instance: dg.DagsterInstance) -> None:
    _run(instance, DagsterRunStatus.STARTED)
    _run(instance, DagsterRunStatus.SUCCESS)
    assert not _tick(instance, None).run_requests


def test_runs_of_the_night_command_are_left_alone(instance: dg.DagsterInstance) -> None:
    _run(instance, DagsterRunStatus.SUCCESS, **{jobs.DRIVER_TAG: "kho night"})
    assert not _tick(instance, None).run_requests


def test_the_night_begins_at_one_o_clock_in_the_province() -> None:
    assert (jobs.nightly.cron_schedule, jobs.nightly.execution_timezone) == ("0 1 * * *", "Asia/Ho_Chi_Minh")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 19, 18, 0, tzinfo=UTC))
    request = jobs.nightly(context)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["kho/night"] == "2026-11-20"


def test_an_arrival_is_landed_once_and_again_when_it_arrives_again(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KHO_SOURCE_EDUCATION", str(tmp_path))
    monkeypatch.delenv("KHO_SOURCE_HOME_AFFAIRS", raising=False)

    def tick(cursor: str | None) -> dg.SensorResult:
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            result = sensors.arrivals(context)
        assert isinstance(result, dg.SensorResult)
        return result

    book = tmp_path / "truong_hoc_20261120.xlsx"
    book.write_bytes(b"first")
    os.utime(book, ns=(1, 10**18))
    first = tick(None)
    assert [request.asset_selection for request in first.run_requests or []] == [[raw_key("education.school")]]
    assert not tick(first.cursor).run_requests
    os.utime(book, ns=(1, 10**18 + 1))
    again = tick(first.cursor)
    keys = [request.run_key for request in (first.run_requests or []) + (again.run_requests or [])]
    assert len(keys) == len(set(keys)) == 2


def _materialise(
    contract: Contract, outcome: Any, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> Any:
    asked: list[int] = []

    def land(*_: Any, **__: Any) -> list[Receipt]:
        asked.append(1)
        if isinstance(outcome, Exception):
            raise outcome
        return list(outcome)

    monkeypatch.setattr("orchestration.landing.land_dataset", land)
    # What a warehouse would say: nothing was ever delivered (test_source_health asks a real one).
    monkeypatch.setattr("orchestration.health.of", lambda contract, env: Health(contract.id, [], 0, 0, []))
    monkeypatch.setattr("orchestration.health.worst_rules", lambda dataset: [])
    monkeypatch.setenv("KHO_RETRY_SECONDS", "0")
    done = dg.materialize([landing_asset(contract, 2)], instance=instance, raise_on_error=False)
    return done, len(asked)


def test_a_source_that_does_not_answer_is_asked_again_and_does_not_look_fresh(
    instance: dg.DagsterInstance, school: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, asked = _materialise(school, Transient("source_down", "không trả lời", "no answer"), monkeypatch, instance)
    assert (done.success, asked, done.asset_materializations_for_node("raw__education__school")) == (False, 3, [])


def test_what_cannot_succeed_is_not_tried_again(
    instance: dg.DagsterInstance, school: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, asked = _materialise(school, KhoError("schema_drift", "thiếu cột", "missing column"), monkeypatch, instance)
    assert (done.success, asked) == (False, 1)


def test_synthetic_data_for_an_external_warehouse_are_a_failure_with_its_reason(
    instance: dg.DagsterInstance, school: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anybody is asked: neither the source nor the warehouse of this test is there."""
    monkeypatch.setenv("KHO_SYNTHETIC", "1")
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://postgres@127.0.0.1:9/kho")
    done = dg.materialize([landing_asset(school, 2)], instance=instance, raise_on_error=False)
    (failure,) = [event.step_failure_data.user_failure_data for event in done.all_events if event.is_step_failure]
    assert failure is not None and failure.metadata["kho/code"].value == "KH070"
    assert "WAREHOUSE_URL" in (failure.description or "")
    assert done.asset_materializations_for_node("raw__education__school") == []


def test_a_source_with_nothing_new_is_neither_failed_nor_fresh(
    instance: dg.DagsterInstance, school: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, _ = _materialise(school, [], monkeypatch, instance)
    assert (done.success, done.asset_materializations_for_node("raw__education__school")) == (True, [])


@pytest.mark.parametrize("outcome", ["waiting", "refused"])
def test_a_delivery_that_waits_or_is_refused_is_red(
    instance: dg.DagsterInstance, school: Contract, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    done, _ = _materialise(
        school, [Receipt(school.id, outcome, 1, reason_vi="lý do", reason_en="reason")], monkeypatch, instance
    )
    assert not done.success


def test_the_interface_tells_of_every_dataset_what_its_contract_says(school: Contract) -> None:
    for contract in load_all():
        asset = landing_asset(contract, 2)
        spec = asset.specs_by_key[raw_key(contract.id)]
        told = " ".join(spec.metadata)
        assert all(word in told for word in ("owner", "legal basis", "classification", "schedule", "freshness"))
        assert spec.owners and spec.kinds
    other = replace(school, latency_hours=7.0)
    policy = landing_asset(other, 2).specs_by_key[raw_key(other.id)].freshness_policy
    assert policy is not None and policy.fail_window.to_timedelta() == timedelta(hours=7)  # type: ignore[union-attr]


def test_the_code_location_loads_as_the_server_loads_it() -> None:
    from orchestration.definitions import defs

    graph = defs().resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {"raw/education/school", "gate/education", "release/education", "live/education/dim_school"} <= keys
    assert {key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == "gate"} == {
        key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == "release"
    }
