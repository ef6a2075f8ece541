"""A campaign of exchange: releases go up to a ministry that fails in every way, while senders, ministry and server are killed.

Belongs here: what is released, what goes wrong when, and the ministry as a process of its own. Stays out: how a sender dies
(`tests.engine.stagehand`), what must have arrived (`oracle`). Tests run twenty short campaigns, the soak hundreds.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from orchestration import exchange, release
from simulator.ministry import Fault, MinistryFaults, Record
from simulator.ministry.faults import KINDS
from simulator.ministry.services import ASK, BUCKETS, DELETE, LIST, SEND, WRITING
from tests.engine.cluster import value
from tests.engine.stagehand import Answer, Event, Stagehand, settle

from .licences import FACILITIES, SCOPES, STATUSES, STRANGER, Row, environment, licence, licences, name, obligation
from .licences import release as release_licences
from .oracle import Oracle, Violation, check

STEPS = ("exchange:planned", "exchange:claimed", "exchange:answered", "exchange:asked", "exchange:resolved")
PRELOADED = ("orchestration.exchange", "holidays.countries.vietnam", "holidays")
#: Every second one of the requests of a service at most: no batch fails so often that it is taken apart.
IN_A_ROW = 2
PATIENCE = 60
QUIET = Event()


@dataclass
class ExchangeTally:
    """Over all campaigns: what was released and what became of it, which faults struck, who was killed where."""

    sums: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)

    def table(self) -> str:
        """The tally as text."""
        lines = []
        for title, counter in (("exchange", self.sums), ("faults of the ministry", self.faults), ("kills", self.kills)):
            lines.append(f"{title:<34}{sum(counter.values()) if counter is not self.sums else '':>10}")
            lines += [f"  {key:<32}{counter[key]:>10}" for key in sorted(counter)]
        return "\n".join(lines)


class MinistryProcess:
    """The ministry in a process of its own, which can be killed and started again on its home."""

    def __init__(self, home: Path, facilities: tuple[str, ...], faults: MinistryFaults) -> None:
        self.home = home
        home.mkdir(parents=True)
        (home / "faults.json").write_text(faults.json(), encoding="utf-8")
        self.know(facilities)
        self.start()

    def know(self, facilities: tuple[str, ...]) -> None:
        """From its next start on."""
        (self.home / "facilities.txt").write_text("\n".join(facilities), encoding="utf-8")

    def start(self) -> None:
        ready = self.home / "ministry.json"
        ready.unlink(missing_ok=True)
        options = [
            "--home",
            self.home,
            "--facilities",
            self.home / "facilities.txt",
            "--faults",
            self.home / "faults.json",
        ]
        program = "from simulator.ministry.command import ministry; ministry()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, options)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the ministry does not start")
            time.sleep(0.01)
        told = json.loads(ready.read_text(encoding="utf-8"))
        self.env = environment(told["url"], told["key"], told["secret"])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def die_and_return(self) -> None:
        """SIGKILL in the middle of whatever it does; back when it answers again."""
        self.process.kill()
        self.process.wait(timeout=30)
        self.start()

    @contextmanager
    def dying(self, seconds: float | None) -> Iterator[None]:
        """What happens inside meets its death after so many seconds, and its return; None: it lives."""
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self.die_and_return)
        timer.start()
        try:
            yield
        finally:
            timer.join()

    @property
    def record(self) -> Record:
        return Record(self.home)


def dense_faults(pick: random.Random, density: float) -> MinistryFaults:
    """Faults of every kind, dealt like cards so that each has its turn, on every service."""
    faults: list[Fault] = []
    for service, share in (
        (SEND, density),
        (DELETE, density),
        (ASK, density / 2),
        (BUCKETS, density),
        (LIST, density),
        ("token", density),
    ):
        deck: list[str] = []
        row = 0
        for number in range(1, 400):
            if row < IN_A_ROW and pick.random() < share:
                deck = deck or pick.sample(KINDS, len(KINDS))
                faults.append(Fault(number, deck.pop(), service))  # type: ignore[arg-type]
                row += 1
            else:
                row = 0
    # Told to come back at once: waiting as long as one is told has a test of its own.
    return MinistryFaults(tuple(faults), retry_after_seconds=0, late_seconds=0.12, restart_seconds=0.1)


class ExchangeCampaign:
    """One campaign on an empty warehouse; `home` is an empty folder for the ministry, `hand` has PRELOADED. Raises Violation."""

    def __init__(self, hand: Stagehand, home: Path, seed: int, tally: ExchangeTally, *, size: int = 300) -> None:
        self.hand, self.pick, self.tally, self.size = hand, random.Random(seed), tally, size
        self.obligation = obligation(settle=0.2)
        self.oracle = Oracle(frozenset(FACILITIES))
        self.source: dict[str, Row] = licences(size)
        self.new = size
        self.past: list[Row] = []
        self.server_deaths = int(self.pick.random() < 0.25)
        self.ministry = MinistryProcess(home / "ministry", FACILITIES, dense_faults(self.pick, 0.3))

    def run(self, releases: int = 6) -> None:
        """Everything, from the first release to the comparison of both sides."""
        try:
            events = [self._at(step) for step in STEPS] + [
                Event("moment", seconds=self.pick.uniform(0.01, 0.5)) for _ in range(2)
            ]
            self.pick.shuffle(events)
            self._spoil(self.size // 20)
            self._release()
            self._send(0.0)  # what is owed begins with the first release
            for number in range(1, releases):
                if number == releases - 2:
                    self._roll_back()
                else:
                    self._change()
                    self._release()
                if self.pick.random() < 0.8:  # else two releases wait for the next sender
                    self._send_with(-(-len(events) // (releases - number)), events)
            self._send_with(len(events), events)
            self._finish()
            self._people_act()
            self._compare_both_sides()
        finally:
            self.ministry.stop()
        self._count(releases)

    # -- what is released -------------------------------------------------------------------------------------------------

    def _spoil(self, count: int) -> None:
        """Some licences become what cannot be written or what the ministry refuses."""
        for key in self.pick.sample(sorted(self.source), count):
            row = self.source[key]
            self.past.append(dict(row))
            spoiled = self.pick.choice([
                {"status": "CHO_CAP"}, {"facility_code": None}, {"facility_code": STRANGER}, {"facility_code": STRANGER},
                {"expires_on": row["issued_on"] - timedelta(days=1)},
            ])  # fmt: skip
            self.source[key] = row | spoiled | {"updated_at": self._later()}

    def _later(self) -> datetime:
        return datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=self.pick.randrange(10**7))

    def _change(self) -> None:
        """A day at the department: about as many changes as there are keys / 1.6."""
        pick, source, part = self.pick, self.source, self.size // 20
        for key in pick.sample(sorted(source), 6 * part):
            self.past.append(dict(source[key]))
            source[key] = source[key] | {
                "scope": pick.choice(SCOPES),
                "status": pick.choice(STATUSES),
                "updated_at": self._later(),
            }
        for key in pick.sample(sorted(source), part):
            source[key] = source[key] | {"manager_name": f"Trần Thị {pick.randrange(1000)}"}
        for key in pick.sample(sorted(source), part):
            self.past.append(source.pop(key))
        for row in pick.sample(self.past, min(2 * part, len(self.past))):  # A-B-A, and licences that come back
            source[row["licence_no"]] = dict(row)
        for _ in range(part):
            source[name(self.new)] = licence(self.new, expires_on=date(2030, 1, 1))
            self.new += 1
        for key, row in list(source.items()):
            if (row["status"] == "CHO_CAP" or row["facility_code"] in (None, STRANGER)) and pick.random() < 0.5:
                source[key] = row | {"status": STATUSES[0], "facility_code": FACILITIES[0], "updated_at": self._later()}
        self._spoil(part)

    def _release(self) -> None:
        release_licences(self.source)
        self.oracle.release(self.source)

    def _roll_back(self) -> None:
        to = self.pick.randrange(1, len(self.oracle.images) - 1)
        release.rollback("health", to, by="tests")
        self.oracle.rollback(to)
        self.source = {key: dict(row) for key, row in self.oracle.images[-1].items()}

    # -- sending ----------------------------------------------------------------------------------------------------------

    def _at(self, step: str) -> Event:
        return Event("step", step=step, nth=self.pick.choice([1, 1, 2, 3]) if step in STEPS[1:3] else 1)

    def _send(self, seconds: float, event: Event = QUIET) -> Answer:
        """One sender, perhaps struck. It may die and it may be told to wait; it may not fail by itself."""
        answer = self.hand.run("exchange", self.obligation, self.ministry.env, seconds, event=event)
        settle()
        if answer.killed or (answer.error and event.kind == "server_moment"):
            self.tally.kills[event.step or event.kind] += 1
        if answer.error and not event.kind.startswith("server"):
            raise Violation(f"the sender failed: {answer.error}")
        if answer.result is not None and answer.result.outcome == "busy":
            raise Violation("a sender that died still holds the right to send")
        return answer

    def _send_with(self, how_many: int, deck: list[Event]) -> None:
        """Senders meet events of the deck, one each, while the ministry dies now and then; what did not strike goes back into the deck."""
        deck.sort(key=lambda event: event.step == STEPS[0], reverse=True)  # it is passed right after a release only
        back = []
        for _ in range(how_many):
            event = deck.pop(0)
            if self.server_deaths and event.kind == "moment":
                self.server_deaths -= 1
                event = Event("server_moment", seconds=event.seconds)
            death = self.pick.uniform(0.01, 0.4) if self.pick.random() < 0.15 else None
            with self.ministry.dying(death):
                answer = self._send(30, event)
            self.tally.kills["ministry"] += death is not None
            if event.kind == "step" and not answer.killed:
                back.append(event)
                break
        deck += back

    def _finish(self) -> None:
        """Nothing goes wrong any more but at the ministry, which is well in the end."""
        for _ in range(PATIENCE):
            answer = self._send(30)
            if answer.result.outcome == "done":
                check(self.oracle, self.ministry.record, self.obligation.id)
                return
        raise Violation("the sender does not come to an end")

    # -- the end ----------------------------------------------------------------------------------------------------------

    def _people_act(self) -> None:
        """In every second campaign the ministry comes to know the strange facility, and what it refused is sent again."""
        if self.pick.random() < 0.5:
            known = (*FACILITIES, STRANGER)
            self.ministry.stop()
            self.ministry.know(known)
            self.ministry.start()
            again = exchange.retry(self.obligation, None, by="Nguyễn Văn Thử")
            if again != self.oracle.retried(frozenset(known)):
                raise Violation(f"{again} dead letters were sent again")
            self._finish()

    def _compare_both_sides(self) -> None:
        """Reconciliation finds nothing but what dead letters tell of, and takes back what the ministry did not let go."""
        left, letters = self.oracle.left_over(), {key for key, _, _ in self.oracle.letters}
        found = exchange.reconcile(self.obligation, env=self.ministry.env, full=True)
        if (found.missing, found.different, found.extra, found.repaired) != (0, 0, len(left), len(left)):
            raise Violation(f"the two sides differ: {found}, not by {len(left)}")
        if left:
            self.oracle.taken_back(left)
            self._finish()
            if exchange.reconcile(self.obligation, env=self.ministry.env, full=True).extra:
                raise Violation("what was taken back is still there")
        if found.known > len(letters):
            raise Violation(f"{found.known} differences are known for {len(letters)} keys with dead letters")
        (state,) = exchange.states([self.obligation], today=date(2026, 1, 1))
        expected = "rejected" if self.oracle.letters else "current"
        if (state.state, state.pending, state.uncertain, state.rejected) != (expected, 0, 0, len(self.oracle.letters)):
            raise Violation(f"the obligation is said to be {state.state}, not {expected}")
        if exchange.waiting_work([self.obligation]):
            raise Violation("there is said to be work left")
        check(self.oracle, self.ministry.record, self.obligation.id)  # what was to come late has come by now

    def _count(self, releases: int) -> None:
        record = self.ministry.record
        requests = record.requests()
        self.tally.faults.update(each.fault for each in requests if each.fault)
        self.struck = {each.fault for each in requests if each.fault and each.service in WRITING}
        self.tally.sums.update({
            "campaigns": 1, "releases": releases, "messages": self.oracle.messages, "effects": len(record.effects()), "requests": len(requests),
            "dead letters": value("select count(*) from kho.outbox where code is not null"), "still open": len(self.oracle.letters),
        })  # fmt: skip
