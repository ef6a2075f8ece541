"""Landing against the oracle: every sequence of deliveries leaves raw, quarantine, receipts and kept bytes as the oracle says."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from orchestration.landing import raw_table
from orchestration.landing.raw_table import RawTable

from .story import Edit, Player, Step, Story
from .strategies import stories

landing = importlib.import_module("orchestration.landing.land")  # the package gives its name to the function
_QUICK: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=25, **_QUICK)
@given(story=stories())
def test_every_story_ends_as_the_oracle_says(empty: Path, story: Story) -> None:
    Player(story).run()


def _nothing(*_: Any, **__: Any) -> int:
    return 0


@pytest.mark.parametrize("left_out", ["_refuse_older", "_guard", "_close_quarantine", "missing_keys"])
def test_the_oracle_notices_a_step_left_out(empty: Path, monkeypatch: pytest.MonkeyPatch, left_out: str) -> None:
    (owner,) = (each for each in (landing._Landing, RawTable, raw_table) if left_out in vars(each))
    monkeypatch.setattr(owner, left_out, _nothing)

    @settings(max_examples=25, phases=[Phase.generate], **_QUICK)
    @given(story=stories())
    def every_story(story: Story) -> None:
        Player(story).run()

    with pytest.raises(AssertionError):
        every_story()


def test_the_oracle_notices_rows_that_are_rewritten(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = RawTable.apply

    def rewriting(self: Any, loaded: Any, guard: Any) -> dict[str, int]:
        counts = apply(self, loaded, guard)
        self.connection.execute(f"update raw.{self.contract.table} set name = name")
        return counts

    monkeypatch.setattr(RawTable, "apply", rewriting)
    with pytest.raises(AssertionError, match="rewritten"):
        Player(Story(steps=(Step(), Step(edits=(Edit("set", 1, 5),))))).run()
