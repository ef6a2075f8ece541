"""A stage that dies anywhere, alone or with the server, leaves everything or nothing, and running it again finishes the work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import orchestration
from orchestration.warehouse import connect

from .campaign import LANDING_STEPS, RELEASE_STEPS, Campaign, Tally, Violation
from .cluster import rows
from .stagehand import Event, Stagehand
from .story import Step

ELSEWHERE = {"retention:keys-gone"}  # rehearsed in test_kept
NAMED = {*LANDING_STEPS, *(step for steps in RELEASE_STEPS.values() for step in steps)}


def test_every_step_in_the_code_is_rehearsed() -> None:
    rooms = [Path(orchestration.__file__).parent / room for room in ("landing", "release")]
    code = [path for room in rooms for path in room.rglob("*.py")]
    found = {name for path in code for name in re.findall(r'\bstep\("([^"]+)"\)', path.read_text(encoding="utf-8"))}
    assert found == NAMED | ELSEWHERE


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_every_step(empty: Path, seed: int) -> None:
    tally = Tally()
    with Stagehand() as hand:
        Campaign(hand, seed, tally).run(30)
    print(tally.table())
    for step in NAMED:
        assert tally.struck[step], f"nothing was struck at {step}"
    assert sum(tally.kills.values()) >= 30
    assert sum(tally.restarts.values()) >= 1


def test_kills_around_the_real_gate(empty: Path, tmp_path: Path) -> None:
    tally = Tally()
    with Stagehand() as hand:
        campaign = Campaign(hand, 3, tally, suites=tmp_path)
        for event in (Event("step", "gate:committed"), Event("step", "gate:before"), Event("lost_after")):
            campaign.night({"gate": event})
    print(tally.table())
    assert campaign.current == 3


def test_the_campaign_notices_a_lost_row(empty: Path) -> None:
    """The check itself: a row that goes behind the engine's back is a violation."""
    with Stagehand() as hand:
        campaign = Campaign(hand, 4, Tally())
        with connect("admin") as admin:
            admin.execute(f"delete from raw.{campaign.feeds['snapshot'].made.table} where code = 'A1'")
        with pytest.raises(Violation):
            campaign.landing("snapshot", Event("step", "landing:before-commit"))


def test_the_campaign_notices_a_mixed_release(empty: Path) -> None:
    with Stagehand() as hand:
        campaign = Campaign(hand, 5, Tally())
        campaign.night({})
        rows("update health.licence set status = 'khác' where ctid = (select min(ctid) from health.licence)")
        with pytest.raises(Violation):
            campaign.night({"diff": Event("step", "diff:committed")})


def test_the_campaign_notices_orphaned_bytes(empty: Path) -> None:
    with Stagehand() as hand:
        campaign = Campaign(hand, 6, Tally())
        player = campaign.feeds["cursor"]
        hand.run("land", player.made, player.prepare(Step("half")), event=Event("step", "landing:kept"))
        with pytest.raises(AssertionError):
            player.oracle.receipts.clear()
            player.play(Step())
