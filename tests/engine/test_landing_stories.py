"""Landing against the oracle: every sequence of deliveries leaves raw, quarantine, receipts and kept bytes as the oracle says."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from .story import Player, Story
from .strategies import stories


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
@given(story=stories())
def test_every_story_ends_as_the_oracle_says(empty: Path, story: Story) -> None:
    Player(story).run()
