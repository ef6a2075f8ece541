"""The long run: kills and exchanges by the hundred, stories by the thousand, on warehouses of their own. `python -m tests.soak --help`.

Here belong the loop, the seeds and the tables at the end; what happens and what must hold is in `tests.engine` and `tests.exchange`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from orchestration.warehouse import embedded, schema
from tests.conftest import _empty
from tests.engine.campaign import Campaign, Tally
from tests.engine.house import play_house
from tests.engine.stagehand import Stagehand
from tests.engine.story import Player, Story
from tests.engine.strategies import stories
from tests.exchange.campaign_exchange import PRELOADED, ExchangeCampaign, ExchangeTally

#: Kills on one warehouse before the next begins with an empty one: tables and ledger stay small, and every beginning is rehearsed too.
KILLS_A_WAREHOUSE = 125
STORIES_A_WAREHOUSE = 250
EXCHANGES_A_WAREHOUSE = 10


def main() -> int:
    """Run until the numbers are reached; 1 if anything did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--kills", type=int, default=1000, help="events: killed stages, killed servers, lost connections"
    )
    parser.add_argument("--examples", type=int, default=1000, help="stories of one dataset against the oracle")
    parser.add_argument("--exchanges", type=int, default=200, help="campaigns of exchange with a ministry that fails")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()) % 1_000_000, help="the first seed; printed, to run the same again"
    )
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    tally, exchanges, failed = Tally(), ExchangeTally(), 0
    rounds: list[tuple[str, int, Callable[[int], None]]] = []
    for number, kills in enumerate(_shares(chosen.kills, KILLS_A_WAREHOUSE)):
        rounds.append((f"{kills} kills", chosen.seed + number, lambda seed, kills=kills: _kills(seed, kills, tally)))
    for number, examples in enumerate(_shares(chosen.examples, STORIES_A_WAREHOUSE)):
        rounds.append(
            (f"{examples} stories", chosen.seed + number, lambda seed, examples=examples: _stories(seed, examples))
        )
        rounds.append(("releases and rollbacks", chosen.seed + number, play_house))
    for number, count in enumerate(_shares(chosen.exchanges, EXCHANGES_A_WAREHOUSE)):
        first = chosen.seed + number * EXCHANGES_A_WAREHOUSE
        rounds.append((f"{count} exchanges", first, lambda seed, count=count: _exchanges(seed, count, exchanges)))
    for what, seed, work in rounds:
        started = time.monotonic()
        try:
            _in_a_warehouse_of_its_own(work, seed)
            outcome = "held"
        except Exception:
            traceback.print_exc()
            failed += 1
            outcome = "DID NOT HOLD"
        print(f"{what}, seed {seed}: {outcome} ({time.monotonic() - started:.0f} s)", flush=True)
    print(tally.table())
    print(exchanges.table())
    print(f"seed {chosen.seed}: {failed} of {len(rounds)} rounds did not hold")
    return 1 if failed else 0


def _shares(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]


def _kills(seed: int, kills: int, tally: Tally) -> None:
    with Stagehand() as hand:
        Campaign(hand, seed, tally).run(kills)


def _exchanges(seed: int, count: int, tally: ExchangeTally) -> None:
    """Campaigns of the seeds from `seed` on, each on an emptied warehouse; all are run, whatever happens in one of them."""
    failed = []
    with Stagehand() as hand:
        hand.run("preload", *PRELOADED)
        for each in range(seed, seed + count):
            home = Path(os.environ["KHO_HOME"])
            _empty(home)
            try:
                ExchangeCampaign(hand, home / f"campaign-{each}", each, tally).run()
            except Exception:
                traceback.print_exc()
                failed.append(each)
    if failed:
        raise AssertionError(f"exchanges of these seeds did not hold: {failed}")


def _stories(seed: int, examples: int) -> None:
    @seeded(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(story=stories())
    def every_story(story: Story) -> None:
        Player(story).run()

    every_story()


def _in_a_warehouse_of_its_own(work: Callable[[int], None], seed: int) -> None:
    home = Path(tempfile.mkdtemp(prefix="kho-soak-"))
    os.environ["KHO_HOME"] = str(home)
    for name in ("WAREHOUSE_URL", "KHO_LEDGER_KEY", "KHO_KILL_AT"):
        os.environ.pop(name, None)
    try:
        schema.init()
        work(seed)
    finally:
        embedded.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
