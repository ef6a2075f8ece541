"""A night in one process: every job in its order whatever became of the one before, and sending until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import dagster as dg
import pytest

from orchestration import night
from orchestration.automation import automation
from orchestration.components.common import failure
from orchestration.components.national import OUTCOME
from orchestration.errors import KhoError
from orchestration.landing.retention import Swept

#: What became of each run of each asset, in order; the last one stands for all later runs.
Outcomes = dict[str, list[str]]
STEPS = ("raw/agency/dataset", "release/health", "portal/communes", "national/health/licence", "national/land/parcel")


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Outcomes], tuple[night.NightResult, list[str], Any]]]:
    """Run a night of these assets: what it came to, the assets in the order in which they ran, the lines, the instance."""
    with dg.DagsterInstance.ephemeral() as instance:

        def run(outcomes: Outcomes) -> tuple[night.NightResult, list[str], Any]:
            ran: list[str] = []
            lines: list[str] = []
            assets = [_asset(key, list(outcomes.get(key, ["done"])), ran) for key in STEPS]
            definitions = dg.Definitions.merge(dg.Definitions(assets=assets), automation())
            monkeypatch.setattr("orchestration.night.prepare", lambda: None)
            monkeypatch.setattr("orchestration.definitions.defs", lambda: definitions)
            monkeypatch.setattr("dagster.DagsterInstance.get", lambda: instance)
            monkeypatch.setattr("orchestration.landing.retention.sweep_all", lambda contracts: Swept({}, ()))
            return night.run_night(date(2026, 11, 22), echo=lines.append), ran, lines

        yield run


def _asset(key: str, outcomes: list[str], ran: list[str]) -> dg.AssetsDefinition:
    @dg.asset(key=key.split("/"), output_required=False)
    def step() -> Any:
        ran.append(key)
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        if outcome == "failed":
            raise failure(KhoError("down", "không trả lời", "no answer"))
        if outcome == "done":
            yield dg.MaterializeResult()
        else:
            yield dg.AssetObservation(key.split("/"), metadata={OUTCOME: outcome})

    return step


def test_landing_warehouse_publication_and_exchange_follow_each_other(walk: Any) -> None:
    result, ran, lines = walk({})
    assert ran[:3] == list(STEPS[:3]) and sorted(ran[3:]) == list(STEPS[3:])
    assert (list(result.run_ids), result.failures) == (["landing", "warehouse", "publish", "exchange"], [])
    assert [line for line in lines if line.startswith("──")] == [
        "── landing",
        "── warehouse",
        "── publish",
        "── exchange",
    ]


def test_a_job_that_fails_is_named_and_holds_up_none_behind_it(walk: Any) -> None:
    result, ran, _ = walk({key: ["failed"] for key in STEPS})
    assert sorted(ran) == sorted(STEPS)
    assert sorted(result.failures) == sorted(f"{key.replace('/', '__')}: không trả lời / no answer" for key in STEPS)


def test_sending_goes_on_with_what_has_more_to_send_and_with_nothing_else(walk: Any) -> None:
    result, ran, lines = walk({"national/health/licence": ["more", "more", "done"], "national/land/parcel": ["failed"]})
    assert [ran.count(key) for key in STEPS] == [1, 1, 1, 3, 1]
    assert len(result.failures) == 1
    assert lines[-2].startswith("── exchange (3)")


def test_another_sender_is_left_to_its_work(walk: Any) -> None:
    result, ran, _ = walk({"national/health/licence": ["busy"]})
    assert (ran.count("national/health/licence"), result.failures) == (1, [])


def test_a_night_ends_even_if_there_is_always_more_to_send(walk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.night.MOST_ROUNDS", 4)
    result, ran, lines = walk({"national/health/licence": ["more"]})
    assert (ran.count("national/health/licence"), result.failures) == (4, [])
    assert "the next run" in lines[-1]
