"""A campaign of kills: stages die at every named step and at random moments, run again, and nothing is lost, doubled or mixed.

Here belongs the choice of events and what must hold after each. How a stage dies stays out (`stagehand`). Tests run a small
campaign, the soak a long one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestration.release import ledger
from orchestration.warehouse import connect

from .cluster import rows
from .stagehand import Answer, Event, Stagehand, at_step, settle
from .story import Edit, Player, Step, Story, compare
from .subjects import Image, live

SUBJECT = "health"
LANDING_STEPS = ("landing:keyed", "landing:copied", "landing:kept", "landing:before-commit", "landing:committed")
RELEASE_STEPS = {
    "build": (),
    "diff": ("diff:before-commit", "diff:committed"),
    "gate": ("gate:before", "gate:committed"),
    "promote": ("promote:applied", "promote:before-commit", "promote:committed"),
    "rollback": (),
}
TYPES = {
    "facility": {"code": "text", "beds": "integer", "name": "text", "_delivery": "bigint"},
    "licence": {"code": "text", "part": "integer", "status": "text", "_delivery": "bigint"},
}
KEYS = {"facility": ("code",), "licence": ("code", "part")}
SUITE = """\
table: {table}
subject: health
meta: {{owner: office, title: Mẫu}}
expectations:
  - id: {table}_code_present
    type: expect_column_values_to_not_be_null
    kwargs: {{column: code}}
    severity: critical
    meta:
      quality_word: đủ
      message: {{vi: Thiếu mã, en: The code is missing}}
"""


class Violation(AssertionError):
    """An invariant does not hold; says after which event."""


@dataclass
class Tally:
    """Events by place: how many, how many went off, how many ended the stage, how many restarts of the server, and how the stage had come out."""

    kills: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, place: str, event: Event, answer: Answer, outcome: str) -> None:
        self.kills[place] += 1
        self.struck[place] += answer.struck
        self.ended[place] += answer.killed or bool(answer.error)
        self.restarts[place] += event.kind.startswith("server")
        self.outcomes.setdefault(place, Counter())[outcome] += 1

    def table(self) -> str:
        """The tally as text, one line a place."""
        lines = [f"{'place':<34}{'events':>8}{'ended':>8}{'restarts':>10}  outcomes"]
        for place in sorted(self.kills):
            how = ", ".join(f"{name} {n}" for name, n in sorted(self.outcomes[place].items()))
            lines.append(f"{place:<34}{self.kills[place]:>8}{self.ended[place]:>8}{self.restarts[place]:>10}  {how}")
        total = sum(self.kills.values())
        lines.append(f"{'all':<34}{total:>8}{sum(self.ended.values()):>8}{sum(self.restarts.values()):>10}")
        return "\n".join(lines)


class Campaign:
    """Plays nights on two datasets and one subject of an empty warehouse, an event in every stage. Raises Violation."""

    def __init__(self, hand: Stagehand, seed: int, tally: Tally, *, suites: Path | None = None) -> None:
        self.hand, self.random, self.tally, self.suites = hand, random.Random(seed), tally, suites
        self.feeds = {"snapshot": Player(Story(composite=True)), "cursor": Player(Story(cursor=True, formats=True))}
        for player in self.feeds.values():
            player.play(Step())
        self.source: dict[str, Image] = {"facility": {}, "licence": {}}
        for number in range(30):
            self._change(number)
        self.releases: dict[int, dict[str, Image]] = {0: {"facility": {}, "licence": {}}}
        self.current = 0
        self.number = 0
        if suites is not None:
            (suites / SUBJECT).mkdir(parents=True)
            for table in TYPES:
                (suites / SUBJECT / f"{table}.yaml").write_text(SUITE.format(table=table), encoding="utf-8")
            hand.run("preload")

    # -- events -----------------------------------------------------------------------------------------------------------

    def run(self, kills: int) -> None:
        """Rounds over all places until there have been at least `kills` events."""
        start = sum(self.tally.kills.values())
        while sum(self.tally.kills.values()) - start < kills:
            self._round()

    def _round(self) -> None:
        """Every named step once, and every stage at a random moment and with both kinds of lost connections."""
        landings = [(feed, event) for feed in self.feeds for event in self._events(LANDING_STEPS, 0.12)]
        nights = {stage: self._events(steps, 0.06) for stage, steps in RELEASE_STEPS.items()}
        self.random.shuffle(landings)
        for events in nights.values():
            self.random.shuffle(events)
        while landings or any(nights.values()):
            for _ in range(3):
                if landings:
                    self.landing(*landings.pop())
            if any(nights.values()):
                events = {stage: events.pop() for stage, events in nights.items() if events}
                self.night(events, red="promote" not in events and self.random.random() < 0.5)

    def _events(self, steps: tuple[str, ...], longest: float) -> list[Event]:
        events = [at_step(name) for name in steps]
        events += [Event("moment", seconds=self.random.uniform(0, longest)), Event("lost_before"), Event("lost_after")]
        # One in ten takes the server along.
        return [
            replace(event, kind=f"server_{event.kind}")
            if event.kind in ("step", "moment") and self.random.random() < 0.14
            else event
            for event in events
        ]

    @contextmanager
    def _told(self, stage: str, event: Event) -> Iterator[None]:
        try:
            yield
        except AssertionError as failure:
            raise Violation(f"{stage} after {event}: {failure}") from failure

    def _strike(
        self, stage: str, arguments: tuple[Any, ...], event: Event, outcome: Callable[[Answer], str], *, where: str = ""
    ) -> Answer:
        answer = self.hand.run(stage, *arguments, event=event)
        settle()
        place = event.step or f"{where or stage} {event.kind.removeprefix('server_')}"
        with self._told(stage, event):
            self.tally.add(place, event, answer, outcome(answer))
            self._ledger_holds()
        return answer

    def _ledger_holds(self) -> None:
        with connect("admin") as admin:
            _, faults = ledger.verify(admin)
        assert not faults, faults

    # -- landing ----------------------------------------------------------------------------------------------------------

    def landing(self, feed: str, event: Event) -> None:
        """One delivery, struck, then handed over again."""
        player = self.feeds[feed]
        pick = self.random
        if (
            player.waiting is not None and pick.random() < 0.7
        ):  # or the feed would wait for ever, and rehearse little else
            player.play(Step("confirm"))
        edits = [
            Edit(
                pick.choice(["set"] * 5 + ["remove", "twin", "rival", "keyless", "tidy"]),
                pick.randrange(15),
                pick.randrange(10),
                pick.choice(["", "", "nfd", "no_name", "too_much"]),
            )
            for _ in range(pick.randrange(1, 4))
        ]  # fmt: skip
        action = pick.choice(["deliver"] * 6 + ["again", "half"])
        if event.step:  # a step is passed only by a delivery that brings something
            key, action = pick.randrange(8), "deliver"
            shades = [spec.shade for spec in player.source.get(key, [])]
            edits.append(Edit("set", key, ((shades or [0])[-1] + 1) % 10))
        parcel = player.prepare(Step(action, tuple(edits), hash_known=pick.random() < 0.5, shuffled=pick.randrange(9)))
        before = self._newest(player)

        def outcome(answer: Answer) -> str:
            newest = self._newest(player)
            acknowledged = not answer.killed and not answer.error
            if newest > before:
                # Whether told or not: it is in, whole, and once.
                counts = player.settle(parcel, newest)
            elif acknowledged:
                counts = player.settle(parcel, answer.result.delivery_id)
            else:
                counts = None
            compare(player.made, player.oracle, orphans=counts is None)
            if acknowledged:
                assert counts is not None and counts.outcome == answer.result.outcome
            return "nothing landed" if counts is None else counts.outcome

        self._strike("land", (player.made, parcel), event, outcome, where=f"land {feed}")
        with self._told("land again", event):
            again = self._answered(self.hand.run("land", player.made, parcel))
            player.before = {}
            player.check(again, player.settle(parcel, again.delivery_id))

    def _newest(self, player: Player) -> int:
        ((newest,),) = rows(
            "select coalesce(max(delivery_id), 0) from kho.delivery where dataset = %s", (player.made.id,)
        )
        return int(newest)

    def _answered(self, answer: Answer) -> Any:
        assert not answer.killed and not answer.error, answer.error
        return answer.result

    # -- release ----------------------------------------------------------------------------------------------------------

    def _change(self, number: int) -> None:
        self.source["facility"][f"F{number % 40}",] = {
            "code": f"F{number % 40}",
            "beds": number,
            "name": f"tên {number}",
            "_delivery": number,
        }
        key = (f"F{number % 40}", number % 3)
        self.source["licence"][key] = {"code": key[0], "part": key[1], "status": f"s{number}", "_delivery": number}

    def night(self, events: dict[str, Event], *, red: bool = False) -> None:
        """From build to release, with at most one event a stage; the gate of a `red` night holds it."""
        for _ in range(3):
            self.number += 1
            self._change(self.random.randrange(40) + 40 * self.number)
            for image in self.source.values():
                if len(image) > 10 and self.random.random() < 0.4:
                    del image[self.random.choice(sorted(image))]
        new = {table: dict(image) for table, image in self.source.items()}
        tables = {table: (TYPES[table], KEYS[table], list(new[table].values())) for table in TYPES}
        build = self._stage("build", (SUBJECT, tables), events)
        if self.suites is None:
            self._stage("diff", (SUBJECT, build), events, done=lambda: self._state(build) == "frozen")
            verdict = "fail" if red else "pass"
            self._stage("gate", (SUBJECT, build, verdict), events, done=lambda: self._judged(build))
        else:
            verdict = "pass"
            build = self._real(build, tables, events)
        if verdict == "fail":
            assert self.hand.run("promote", SUBJECT, build).error == "KH043"
            assert self._images() == self.releases[self.current]
        else:
            self.releases[self.current + 1] = new
            release = self._stage("promote", (SUBJECT, build), events, to=self.current + 1)
            assert release == self.current + 1, "a promotion answered again is the same release"
            self.current = release
        if "rollback" in events and self.current > 1:
            back = self.random.randrange(1, self.current)
            self.releases[self.current + 1] = self.releases[back]
            self._stage(
                "rollback",
                (SUBJECT, back),
                events,
                to=self.current + 1,
                done=lambda: self._release() == self.current + 1,
            )
            self.current += 1

    def _real(self, build: int, tables: Any, events: dict[str, Event]) -> int:
        """Diff and gate through the pipeline. It gives a build up when it hears of a failure; then the night is begun again."""
        for event in (events.get("gate", Event()), Event()):
            if self._state(build) != "building":
                if self._judged(build) and self._state(build) == "frozen":
                    return build
                build = self._answered(self.hand.run("build", SUBJECT, tables))
            arguments = (SUBJECT, build, self.suites)
            self._strike("real_gate", arguments, event, lambda _: "judged" if self._judged(build) else "not judged")  # noqa: B023
        assert self._judged(build)
        return build

    def _stage(
        self,
        stage: str,
        arguments: tuple[Any, ...],
        events: dict[str, Event],
        *,
        to: int | None = None,
        done: Callable[[], bool] | None = None,
    ) -> Any:
        """Run a stage, perhaps struck; then run it again unless the database says that it is done. `to`: the release it makes."""
        event = events.get(stage, Event())

        def outcome(answer: Answer) -> str:
            moved = to is not None and self._release() == to
            assert self._images() == self.releases[to if moved and to is not None else self.current], (
                "live is neither the last release nor the new one"
            )
            if to is not None and not answer.killed and not answer.error:
                assert moved, "a release that was answered for is not there"
            if to is not None:
                return "released" if moved else "as before"
            return "done" if done is not None and done() else "not done"

        if event.kind != "none":
            answer = self._strike(stage, arguments, event, outcome)
            if not answer.killed and not answer.error:
                return answer.result
            if done is not None and done():
                return None
        with self._told(f"{stage} again", event):
            again = self._answered(self.hand.run(stage, *arguments))
            outcome(Answer(again))
            self._ledger_holds()
        return again

    def _images(self) -> dict[str, Image]:
        if self._release() == 0:
            there = rows("select to_regclass('health.facility') is null and to_regclass('health.licence') is null")
            assert there == [(True,)], "a table is readable before its release"
            return self.releases[0]
        return {table: live(SUBJECT, table, KEYS[table]) for table in TYPES}

    def _release(self) -> int:
        ((number,),) = rows("select coalesce(max(release), 0) from kho.release where subject = %s", (SUBJECT,))
        return int(number)

    def _state(self, build: int) -> str:
        ((state,),) = rows("select state from kho.build where build = %s", (build,))
        return str(state)

    def _judged(self, build: int) -> bool:
        return rows("select 1 from kho.gate where build = %s", (build,)) != []
