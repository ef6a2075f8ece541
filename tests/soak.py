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
from functools import partial
from pathlib import Path

from orchestration.warehouse import embedded, schema
from tests.cli.test_quarantine_tickets import follow
from tests.conftest import _empty
from tests.e2e import score
from tests.engine.campaign import Campaign, Tally
from tests.engine.house import play_house
from tests.engine.kept_tools import play_kept
from tests.engine.stagehand import Stagehand
from tests.engine.story import Player
from tests.engine.strategies import examples, stories
from tests.engine.test_identifiers import play_identifiers
from tests.engine.test_landing_formats import play_formats
from tests.engine.test_landing_sources import play_parts
from tests.exchange.campaign_exchange import PRELOADED, ExchangeCampaign, ExchangeTally

#: Kills on one warehouse before the next begins with an empty one: tables and ledger stay small, and every beginning is rehearsed too.
KILLS_A_WAREHOUSE = 125
STORIES_A_WAREHOUSE = 250
EXCHANGES_A_WAREHOUSE = 10
TICKETS_A_WAREHOUSE = 25
VALUES_A_ROUND = 20_000


def main() -> int:
    """Run until the numbers are reached; 1 if anything did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--kills", type=int, default=1000, help="events: killed stages, killed servers, lost connections"
    )
    parser.add_argument(
        "--examples", type=int, default=1000, help="stories of one dataset against the oracle, and other examples"
    )
    parser.add_argument("--values", type=int, default=100_000, help="values of each identifier and each format")
    parser.add_argument("--histories", type=int, default=100, help="histories of tickets of a dataset")
    parser.add_argument("--exchanges", type=int, default=200, help="campaigns of exchange with a ministry that fails")
    parser.add_argument("--scored", type=float, default=0.002, help="scale of the province that is scored; 0: none")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()) % 1_000_000, help="the first seed; printed, to run the same again"
    )
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    tally, exchanges, failed = Tally(), ExchangeTally(), 0
    rounds: list[tuple[str, int, Callable[[int], None]]] = []
    for number, kills in enumerate(_shares(chosen.kills, KILLS_A_WAREHOUSE)):
        rounds.append((f"{kills} kills", chosen.seed + number, lambda seed, kills=kills: _kills(seed, kills, tally)))
    for number, count in enumerate(_shares(chosen.examples, STORIES_A_WAREHOUSE)):
        rounds.append((f"{count} stories", chosen.seed + number, partial(_play, _stories, count)))
        rounds.append(("releases and rollbacks", chosen.seed + number, play_house))
        for what, play in (("files of parts", play_parts), ("kept bytes", play_kept)):
            rounds.append((f"{count} {what}", chosen.seed + number, partial(_play, play, count)))
    for number, count in enumerate(_shares(chosen.values, VALUES_A_ROUND)):
        for what, play in (("identifiers", play_identifiers), ("formats", play_formats)):
            rounds.append((f"{count} values of all {what}", chosen.seed + number, partial(_play, play, count)))
    for number, count in enumerate(_shares(chosen.histories, TICKETS_A_WAREHOUSE)):
        first = chosen.seed + number * TICKETS_A_WAREHOUSE
        rounds.append((f"{count} histories of tickets", first, partial(_play, _tickets, count)))
    for number, count in enumerate(_shares(chosen.exchanges, EXCHANGES_A_WAREHOUSE)):
        first = chosen.seed + number * EXCHANGES_A_WAREHOUSE
        rounds.append((f"{count} exchanges", first, lambda seed, count=count: _exchanges(seed, count, exchanges)))
    if chosen.scored:
        what = f"every planted breach found, none invented, at scale {chosen.scored}"
        rounds.append((what, chosen.seed, lambda seed: _score(seed, chosen.scored)))
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


def _score(seed: int, scale: float) -> None:
    """Two days of every dataset, of another province with every seed."""
    home = Path(os.environ["KHO_HOME"]) / "simulated"
    os.environ["KHO_SYNTHETIC"] = "1"
    try:
        verdicts = [verdict for verdict in score.play(score.Scorer(), home, scale, 2, seed) if not verdict.holds]
    finally:
        del os.environ["KHO_SYNTHETIC"]
    if verdicts:
        raise AssertionError("\n".join(map(str, verdicts)))


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


def _play(play: Callable[[int, int], None], count: int, seed: int) -> None:
    play(seed, count)


def _tickets(seed: int, count: int) -> None:
    """Histories of the seeds from `seed` on, each on an emptied warehouse."""
    for each in range(seed, seed + count):
        for delivery in ("snapshot", "append"):
            _empty(Path(os.environ["KHO_HOME"]))
            follow(f"{each}{delivery}", delivery)


def _stories(seed: int, count: int) -> None:
    examples(seed, count, lambda story: Player(story).run(), story=stories())


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
