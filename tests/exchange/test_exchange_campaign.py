"""One effect upstream per version, whatever is dropped, repeated, reordered or answered wrongly, and whoever dies meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import exchange
from tests.engine.stagehand import Stagehand

from .campaign_exchange import PRELOADED, STEPS, ExchangeCampaign, ExchangeTally


@pytest.fixture(scope="module")
def hand(warehouse: Path) -> Iterator[Stagehand]:
    with Stagehand() as stagehand:
        stagehand.run("preload", *PRELOADED)
        yield stagehand


def test_every_step_in_the_code_is_rehearsed() -> None:
    """Those of the sender here, those of the comparison in test_reconcile."""
    code = Path(exchange.__file__).parent.glob("*.py")
    found = {step for path in code for step in re.findall(r'\bstep\("([^"]+)"\)', path.read_text(encoding="utf-8"))}
    assert found == {*STEPS, "exchange:compared", "exchange:repaired"}


@pytest.mark.parametrize("seed", range(1, 21))
def test_every_version_arrives_once(empty: Path, tmp_path: Path, hand: Stagehand, seed: int) -> None:
    tally = ExchangeTally()
    campaign = ExchangeCampaign(hand, tmp_path, seed, tally)
    campaign.run()
    print(tally.table())
    assert tally.sums["messages"] >= 800
    assert len(campaign.struck) >= 8, "the ministry was too well"
    assert sum(tally.kills.values()) >= 5, "nobody was killed"
