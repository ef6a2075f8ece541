"""What happens after a release, by behaviour, on an ephemeral instance: exchange, reconciliation, publication, and what starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from orchestration import exchange, portal
from orchestration.automation import automation, jobs, sensors
from orchestration.components.national import (
    CHECKS,
    OUTCOME,
    exchange_asset,
    freshness_window,
    national_key,
    reconciliation_asset,
    reconciliation_key,
)
from orchestration.components.open_data import CATALOGUE, CHECK, catalogue_asset, dataset_asset, portal_key
from orchestration.errors import KhoError, Transient

RUN = exchange.Run("", 7, "done", 3, 2, 1, 0, 0, "lý do", "reason", None)
COMPARED = exchange.Reconciliation(
    obligation="", number=4, at=datetime(2026, 11, 22, tzinfo=UTC), release=5, compared=256, buckets=200, differing=2,
    missing=1, different=1, extra=0, known=3, repaired=2,
)  # fmt: skip


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture(scope="module")
def licence() -> exchange.Obligation:
    return next(o for o in exchange.load_all() if o.id == "health_system.facility_licence")


@pytest.fixture(scope="module")
def datasets() -> list[portal.OpenDataset]:
    return sorted(portal.load_all(), key=lambda dataset: dataset.id)


def _state(obligation: exchange.Obligation, **changes: Any) -> exchange.ObligationState:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    current = exchange.ObligationState(
        obligation=obligation.id, system=obligation.system, title=obligation.title, subject=obligation.subject, state="current",
        because_vi="", because_en="", released=5, planned=5, pending=0, uncertain=0, confirmed=9, rejected=0, overdue=0,
        oldest_due=None, last_run_at=now, next_at=None, owner="", reconciled_at=now, drift=0, unrepaired=0,
    )  # fmt: skip
    return replace(current, **changes)


@pytest.fixture
def send(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, licence: exchange.Obligation
) -> Callable[..., dg.ExecuteInProcessResult]:
    """Run the asset of `licence` with an engine that comes to this outcome (or raises it) and leaves this state."""

    def run(outcome: str | KhoError, **changes: Any) -> dg.ExecuteInProcessResult:
        def engine(obligation: exchange.Obligation, **_: Any) -> exchange.Run:
            if isinstance(outcome, KhoError):
                raise outcome
            return replace(RUN, obligation=obligation.id, outcome=outcome)

        monkeypatch.setattr("orchestration.exchange.run", engine)
        monkeypatch.setattr("orchestration.exchange.states", lambda owed: [_state(o, **changes) for o in owed])
        return dg.materialize([exchange_asset(licence)], instance=instance, raise_on_error=False)

    return run


def _materialised(done: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Metadata by asset key, in the order in which they were materialised."""
    found = [event.materialization for event in done.get_asset_materialization_events()]
    return {m.asset_key.to_user_string(): {name: one.value for name, one in m.metadata.items()} for m in found}


def _failed(done: dg.ExecuteInProcessResult) -> dict[str, str]:
    failures = [event for event in done.all_events if event.is_step_failure]
    return {e.step_key: str(e.step_failure_data.user_failure_data.description) for e in failures}  # type: ignore[union-attr]


# --- exchange


def test_what_is_all_confirmed_is_materialised_with_its_counts(send: Any) -> None:
    done = send("done")
    assert done.success
    facts = _materialised(done)["national/health_system/facility_licence"]
    names = (OUTCOME, "kho/planned", "kho/confirmed", "kho/rejected", "kho/pending", "kho/uncertain", "kho/release")
    assert [facts[name] for name in names] == ["done", 3, 2, 1, 0, 0, 5]
    assert {e.check_name: e.passed for e in done.get_asset_check_evaluations()} == dict.fromkeys(CHECKS, True)


def test_a_receiver_that_does_not_answer_is_red_and_its_obligation_does_not_look_fresh(send: Any) -> None:
    done = send("waiting", pending=4, overdue=4, oldest_due=date(2026, 11, 13))
    assert (_failed(done), _materialised(done)) == (
        {"national__health_system__facility_licence": "lý do / reason"},
        {},
    )
    overdue = next(e for e in done.get_asset_check_evaluations() if e.check_name == "nothing_overdue")
    assert not overdue.passed and "13/11/2026" in (overdue.description or "")  # the deadline is told even so


@pytest.mark.parametrize("outcome", ["more", "busy"])
def test_what_goes_on_elsewhere_is_neither_failed_nor_fresh(send: Any, outcome: str) -> None:
    done = send(outcome, pending=4)
    observed = [e.asset_observation_data.asset_observation for e in done.all_events if e.is_asset_observation]
    assert (done.success, _materialised(done)) == (True, {})
    assert [found.metadata[OUTCOME].value for found in observed] == [outcome]


def test_what_cannot_be_sent_at_all_is_red(send: Any) -> None:
    done = send(KhoError("no_terms", "không có quy định", "nothing is in force"))
    assert (list(_failed(done).values()), _materialised(done)) == (["không có quy định / nothing is in force"], {})


@pytest.mark.parametrize(
    ("changes", "check", "severity", "told"),
    [
        ({"rejected": 3}, "nothing_rejected", "WARN", "3 refused messages"),
        ({"overdue": 2, "oldest_due": date(2026, 11, 13)}, "nothing_overdue", "ERROR", "2 messages are overdue"),
        ({"drift": 6, "pending": 1}, "both_sides_equal", "ERROR", "6 records differed on 22/11/2026"),
        ({"drift": 6, "uncertain": 1}, "both_sides_equal", "ERROR", "6 records differed on 22/11/2026"),
        ({"drift": 6, "unrepaired": 6}, "both_sides_equal", "ERROR", "6 wait for a person"),
        ({"drift": None, "reconciled_at": None}, "both_sides_equal", "WARN", "never compared"),
    ],
)
def test_each_check_fails_for_its_own_reason_and_says_how_bad_it_is(
    send: Any, changes: dict[str, Any], check: str, severity: str, told: str
) -> None:
    done = send("done", **changes)
    failing = [e for e in done.get_asset_check_evaluations() if not e.passed]
    assert [(e.check_name, e.severity.value) for e in failing] == [(check, severity)]
    assert told in (failing[0].description or "")
    assert done.success  # a check reports; it stops nothing


@pytest.mark.parametrize("changes", [{"drift": 6}, {"drift": 0, "pending": 4}])
def test_what_differed_and_was_mended_or_is_merely_on_its_way_is_no_difference(
    send: Any, changes: dict[str, Any]
) -> None:
    assert all(e.passed for e in send("more", **changes).get_asset_check_evaluations())


def test_the_interface_tells_what_is_owed_and_neither_address_nor_secret(licence: exchange.Obligation) -> None:
    spec = exchange_asset(licence).specs_by_key[national_key(licence)]
    assert {key.to_user_string() for key in (dep.asset_key for dep in spec.deps)} == {
        f"live/{licence.subject}/{licence.table}"
    }
    told = [f"{name}: {getattr(value, 'value', value)}" for name, value in spec.metadata.items()]
    text = " ".join([*told, spec.description or ""])
    words = ("owner", "legal basis", "deadline", "channel", "batch size", "field mapping")
    assert [word for word in words if word not in text] == []
    assert all(entry.value in text and f"{entry.valid_from:%d/%m/%Y}" in text for entry in licence.legal_basis)
    assert [entry.value.field.name for entry in licence.fields if f"| {entry.value.field.name} |" not in text] == []
    assert "${" not in text and "KHO_" not in text and "http" not in text
    assert spec.owners == [licence.owner_contact, f"team:{licence.system}"]


def test_no_deadline_is_longer_than_an_obligation_may_go_without_news(licence: exchange.Obligation) -> None:
    policy = exchange_asset(licence).specs_by_key[national_key(licence)].freshness_policy
    assert policy is not None
    window = policy.fail_window.to_timedelta()  # type: ignore[union-attr]
    assert window == freshness_window(licence)
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    longest = max(licence.on(date(2026, 11, 20)).due(day) - day for day in year)
    assert timedelta(days=7) < longest < window  # the week of Tết is in that year


def test_both_sides_are_compared_before_anything_is_sent_and_counts_are_told(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, send: Any, licence: exchange.Obligation
) -> None:
    send("done")  # leaves the fake engine in place
    monkeypatch.setattr("orchestration.exchange.reconcile", lambda o, **_: replace(COMPARED, obligation=o.id))
    done = _job("reconcile", [exchange_asset(licence), reconciliation_asset(licence)], instance)
    facts = _materialised(done)
    assert list(facts) == [key(licence).to_user_string() for key in (reconciliation_key, national_key)]
    first = facts[reconciliation_key(licence).to_user_string()]
    assert {"kho/differing": 2, "kho/missing": 1, "kho/repaired": 2, "kho/known": 3}.items() <= first.items()


def test_a_comparison_that_fails_is_asked_again_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, send: Any, licence: exchange.Obligation
) -> None:
    asked: list[str] = []

    def down(obligation: exchange.Obligation, **_: Any) -> exchange.Reconciliation:
        asked.append(obligation.id)
        raise Transient("receiver_down", "không trả lời", "no answer")

    send("done")
    monkeypatch.setattr("orchestration.exchange.reconcile", down)
    monkeypatch.setenv("KHO_RETRY_SECONDS", "0")
    done = _job("reconcile", [exchange_asset(licence), reconciliation_asset(licence)], instance)
    assert (done.success, len(asked)) == (False, 3)
    assert list(_materialised(done)) == [national_key(licence).to_user_string()]


# --- portal


def _published(dataset: portal.OpenDataset, state: str) -> portal.Published:
    files = (portal.File("data.csv", 12, "ab" * 32),)
    return portal.Published(dataset.id, state, 2, 5, 99, "lý do", "reason", files)


@pytest.fixture
def publish(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, datasets: list[portal.OpenDataset]
) -> Callable[[dict[str, str]], tuple[dg.ExecuteInProcessResult, list[str]]]:
    """Run the job `publish` with an engine that brings these datasets into these states; what was done, in order."""

    def run(states: dict[str, str]) -> tuple[dg.ExecuteInProcessResult, list[str]]:
        acts: list[str] = []

        def engine(dataset: portal.OpenDataset, **_: Any) -> portal.Published:
            acts.append(dataset.id)
            return _published(dataset, states.get(dataset.id, "published"))

        def catalogue() -> Path:
            acts.append("catalogue")
            return Path("catalogue.jsonld")

        monkeypatch.setattr("orchestration.portal.publish", engine)
        monkeypatch.setattr("orchestration.portal.write_catalogue", catalogue)
        assets = [catalogue_asset(datasets), *map(dataset_asset, datasets)]
        return _job("publish", assets, instance), acts

    return run


def test_a_dataset_that_is_held_is_red_and_the_others_and_the_catalogue_are_published(
    publish: Any, datasets: list[portal.OpenDataset]
) -> None:
    held, *others = [dataset.id for dataset in datasets]
    done, acts = publish({held: "held"})
    assert _failed(done) == {f"portal__{held}": "lý do / reason"}
    assert set(_materialised(done)) == {f"portal/{name}" for name in [*others, "catalogue"]}
    assert (sorted(acts[:-1]), acts[-1]) == ([held, *others], "catalogue")
    checks = {e.asset_key.path[1]: (e.passed, e.severity.value) for e in done.get_asset_check_evaluations()}
    assert checks == {held: (False, "ERROR"), **dict.fromkeys(others, (True, "ERROR"))}


@pytest.mark.parametrize(("state", "passed"), [("unchanged", True), ("never", False)])
def test_where_nothing_was_written_nothing_is_materialised(
    publish: Any, datasets: list[portal.OpenDataset], state: str, passed: bool
) -> None:
    done, _ = publish({dataset.id: state for dataset in datasets})
    assert (done.success, list(_materialised(done))) == (True, ["portal/catalogue"])
    found = {(e.check_name, e.passed, e.passed or e.severity.value) for e in done.get_asset_check_evaluations()}
    assert found == {(CHECK, passed, passed or "WARN")}


def test_the_interface_tells_which_files_were_published(publish: Any, datasets: list[portal.OpenDataset]) -> None:
    done, _ = publish({})
    facts = _materialised(done)[f"portal/{datasets[0].id}"]
    assert [facts[n] for n in ("kho/version", "kho/release", "dagster/row_count")] == [2, 5, 99]
    assert [record.data for record in facts["Tệp / files"].records] == [
        {"name": "data.csv", "bytes": 12, "sha256": "ab" * 32}
    ]
    assert datasets[0].licence in facts["Giấy phép / licence"]


# --- jobs


def _job(name: str, assets: list[Any], instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions.merge(dg.Definitions(assets=[*assets, *_ROUND]), automation())
    return definitions.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)


@dg.asset(key=["raw", "agency", "dataset"])
def landed() -> None:
    """Stands for landing."""


@dg.asset(key=["release", "health"])
def released() -> None:
    """Stands for the warehouse."""


_ROUND = [landed, released]


def test_every_asset_is_in_the_job_of_its_stage_and_in_no_other() -> None:
    from orchestration.definitions import defs

    loaded = defs()
    keys = {
        name: {key.to_user_string() for key in loaded.resolve_job_def(name).asset_layer.selected_asset_keys}
        for name in ("landing", "warehouse", "publish", "exchange", "reconcile")
    }
    owed = {key.to_user_string() for o in exchange.load_all() for key in [national_key(o)]}
    assert keys["exchange"] == owed
    assert keys["reconcile"] == owed | {f"{key}_reconciliation" for key in owed}
    assert keys["publish"] == {"portal/catalogue", *(f"portal/{dataset.id}" for dataset in portal.load_all())}
    assert {key.split("/")[0] for key in keys["warehouse"]} == {
        "staging",
        "intermediate",
        "candidate",
        "gate",
        "release",
    }
    assert {key.split("/")[0] for key in keys["landing"]} == {"raw", "kho"}


def test_both_sides_are_compared_on_sunday_at_three() -> None:
    assert (jobs.weekly.cron_schedule, jobs.weekly.execution_timezone) == ("0 3 * * 0", "Asia/Ho_Chi_Minh")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 21, 20, 0, tzinfo=UTC))
    request = jobs.weekly(context)
    assert isinstance(request, dg.RunRequest) and request.run_key == "reconcile:2026-11-22"


# --- the sensor


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> Callable[..., Any]:
    """One tick of `after_release` with this work waiting; an error is what asking for it comes to."""

    def run(owed: Any = (), to_publish: Any = ()) -> Any:
        def waiting(work: Any) -> Callable[[Any], Any]:
            def ask(declared: Any) -> Any:
                if isinstance(work, Exception):
                    raise work
                return list(work)

            return ask

        monkeypatch.setattr("orchestration.exchange.waiting_work", waiting(owed))
        monkeypatch.setattr("orchestration.portal.waiting_work", waiting(to_publish))
        with dg.build_sensor_context(instance=instance) as context:
            return sensors.after_release(context)

    return run


def test_what_is_waiting_is_sent_and_published_each_in_a_run_of_its_own(
    tick: Any, licence: exchange.Obligation
) -> None:
    found = tick([(licence.id, "a:1")], [("communes", "b:1"), ("schools", "c:1")]).run_requests
    assert [(r.job_name, r.asset_selection) for r in found] == [
        ("publish", [portal_key("communes"), CATALOGUE]),
        ("publish", [portal_key("schools"), CATALOGUE]),
        ("exchange", [national_key(licence)]),
    ]


def test_run_keys_name_the_work_so_that_none_is_started_twice(tick: Any, licence: exchange.Obligation) -> None:
    found = tick([(licence.id, "exchange:a:1")], [("communes", "communes:5")]).run_requests
    assert [request.run_key for request in found] == ["communes:5", "exchange:a:1"]


def test_nothing_waiting_starts_nothing(tick: Any) -> None:
    assert not tick().run_requests


@pytest.mark.parametrize(
    "down", [Transient("database", "Không kết nối được", "no connection"), psycopg.OperationalError("host=secret")]
)
def test_a_warehouse_that_is_down_is_a_reason_and_not_a_traceback(tick: Any, down: Exception) -> None:
    skipped = tick(down, down)
    assert isinstance(skipped, dg.SkipReason) and skipped.skip_message is not None
    assert skipped.skip_message.startswith("Không kết nối được") and "secret" not in skipped.skip_message


def test_one_that_cannot_be_asked_does_not_hold_up_the_other(tick: Any, licence: exchange.Obligation) -> None:
    found = tick([(licence.id, "1")], KhoError("password_missing", "thiếu biến", "variable not set"))
    assert [request.job_name for request in found.run_requests] == ["exchange"]


def test_the_sensor_runs_from_the_start_and_every_fifteen_seconds() -> None:
    sensor = sensors.after_release
    assert (sensor.minimum_interval_seconds, sensor.default_status) == (15, dg.DefaultSensorStatus.RUNNING)
    assert {target.job_name for target in sensor.targets} == {"exchange", "publish"}
