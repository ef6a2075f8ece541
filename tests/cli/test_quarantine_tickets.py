"""The life of tickets against an oracle: random deliveries and answers, and after each what a table of dates would say."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

FIRST = date(2026, 2, 9)  # the week before Tết
#: What can be wrong with a unit: name -> (place in the row, text, column, rule).
FLAWS = {
    "no name": (1, "", "ward_name", "required"),
    "area": (2, "0", "area_km2", "minimum"),
    "north": (3, "30", "latitude", "maximum"),
    "south": (3, "1", "latitude", "minimum"),
    "word": (4, "x", "longitude", "type"),
}
OFF = {date(2026, 2, 16) + timedelta(days=n) for n in range(5)}  # Tết 2026; 14 and 15 February are a weekend


def working_days_on(day: date, count: int) -> date:
    """The oracle's own calendar: weekends and Tết of that month, nothing else comes up."""
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5 and day not in OFF
    return day


@dataclass
class Told:
    """A ticket as it should be."""

    kind: tuple[str, str]
    opened_by: int
    opened_on: date
    rows: int
    reopens: int | None
    closed_by: int | None = None
    closed_on: date | None = None


class Oracle:
    """Tickets kept in Python: one open one for each kind of problem that any waiting row has."""

    def __init__(self) -> None:
        self.tickets: list[Told] = []

    def after(self, delivery: int, night: date, waiting: list[tuple[str, str]]) -> None:
        counts = {kind: waiting.count(kind) for kind in set(waiting)}
        for ticket in self.tickets:
            if ticket.closed_by is None:
                ticket.rows = counts.pop(ticket.kind, 0)
                if not ticket.rows:
                    ticket.closed_by, ticket.closed_on = delivery, night
        for kind in sorted(counts):
            former = [n for n, t in enumerate(self.tickets, 1) if t.kind == kind]
            self.tickets.append(Told(kind, delivery, night, counts[kind], max(former, default=None)))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("delivery", ["snapshot", "append"])
def test_tickets_follow_the_deliveries(empty: Path, seed: int, delivery: str) -> None:
    tickets = follow(f"{seed}{delivery}", delivery)
    assert any(t.closed_by for t in tickets) and any(t.reopens for t in tickets)


def follow(seed: str, delivery: str) -> list[Told]:
    """Nine nights of one dataset in a warehouse without tickets; the tickets there have been, which those of the warehouse equal."""
    from orchestration.contracts import load_all
    from orchestration.landing import land
    from orchestration.settings import TIMEZONE
    from orchestration.sources import Delivery
    from orchestration.warehouse import connect

    pick = random.Random(seed)
    unit = next(c for c in load_all() if c.id == "home_affairs.unit_e2")
    made = replace(
        unit,
        delivery=delivery,
        deletions="snapshot" if delivery == "snapshot" else "none",
        correction_days=pick.randint(1, 6),
    )
    oracle, flawed, last = Oracle(), dict[int, frozenset[str]](), ""
    for step in range(9):
        night = FIRST + timedelta(days=step)
        rows: dict[int, list[str]] = {}
        for n in range(8):
            if delivery == "snapshot" or pick.random() < 0.5:
                rows[n] = [f"0000{n}", f"Phường {n} {step}", "1.5", "21.1", "106.1"]
                flaws = frozenset(name for name in FLAWS if pick.random() < (0.15 if step % 3 else 0.0))
                flaws -= {"south"} if "north" in flaws else set()
                for name in flaws:
                    place, text, _, _ = FLAWS[name]
                    rows[n][place] = text
                if flaws:
                    flawed[n] = flaws
                else:
                    flawed.pop(n, None)
        content = "".join(
            ",".join(row) + "\n" for row in [["ward_code", "ward", "area_km2", "lat", "lon"], *rows.values()]
        )
        assert content != last
        last = content
        as_of = datetime(night.year, night.month, night.day, tzinfo=TIMEZONE)
        receipt = land(
            made,
            Delivery(f"{step}.csv", as_of, "csv", iter([content.encode()]), tuple(c.name for c in made.columns)),
            night=night,
        )
        if receipt.outcome == "applied":
            oracle.after(
                receipt.delivery_id, night, [(FLAWS[f][2], FLAWS[f][3]) for flaws in flawed.values() for f in flaws]
            )
        with connect("release") as connection:
            found: list[Any] = connection.execute(
                """select column_name, rule, opened_by, opened_on, open_rows, reopens, closed_by, closed_on, due_on, second_due_on, owner
                     from kho.ticket order by ticket"""
            ).fetchall()
        days = made.correction_days
        assert found == [
            (*t.kind, t.opened_by, t.opened_on, t.rows, t.reopens, t.closed_by, t.closed_on, working_days_on(t.opened_on, days),
             working_days_on(working_days_on(t.opened_on, days), days), made.owner_contact)
            for t in oracle.tickets
        ]  # fmt: skip
    return oracle.tickets
