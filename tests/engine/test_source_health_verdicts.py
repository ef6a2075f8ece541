"""Health of sources: the verdicts against plain arithmetic, and the one query against the receipts it is made of."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestration import health
from orchestration.contracts import Contract, load_all
from orchestration.contracts.model import Source

ROWS = st.lists(st.one_of(st.integers(0, 30), st.integers(0, 3_000_000)), max_size=16)
DAY = timedelta(days=1)


def twice_middle(values: list[int]) -> int:
    """Twice the median, so that it is a whole number."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]


def plain_volume(rows: list[int], whole: bool) -> str:
    """The rule in whole numbers: everything times twenty or forty."""
    if len(rows) < 4:
        return "new"
    before, last = rows[:-1], rows[-1]
    twice = twice_middle(before)
    off = 2 * last - twice
    if abs(off) <= 20:
        return "normal"
    if whole:
        four_spreads = twice_middle([abs(2 * each - twice) for each in before])
        if 10 * abs(off) <= twice or 2 * abs(off) <= 5 * four_spreads:
            return "normal"
    elif 20 * last >= twice and 2 * last <= 10 * max(twice, 2):
        return "normal"
    return "more" if off > 0 else "fewer"


@given(rows=ROWS, whole=st.booleans())
@example(rows=[100, 100, 100, 110], whole=True)
@example(rows=[100, 100, 100, 111], whole=True)
@example(rows=[1000, 1000, 1000, 899], whole=True)
@example(rows=[1000, 900, 1100, 1501], whole=True)
@example(rows=[3, 3, 3, 31], whole=False)
@example(rows=[0, 0, 0, 11], whole=False)
@example(rows=[200, 200, 200, 19], whole=False)
def test_volume_is_what_plain_arithmetic_says(rows: list[int], whole: bool) -> None:
    verdict, usual = health.volume(rows, whole=whole)
    assert verdict == plain_volume(rows, whole)
    assert usual == (None if len(rows) < 4 else twice_middle(rows[:-1]) / 2)


@given(rows=ROWS.filter(lambda rows: len(rows) > 3), whole=st.booleans(), more=st.integers(0, 1000), data=st.data())
def test_volume_does_not_depend_on_order_and_grows_with_the_distance(
    rows: list[int], whole: bool, more: int, data: st.DataObject
) -> None:
    verdict, _ = health.volume(rows, whole=whole)
    shuffled = data.draw(st.permutations(rows[:-1]))
    assert health.volume([*shuffled, rows[-1]], whole=whole)[0] == verdict
    further = rows[-1] + more if verdict == "more" else max(0, rows[-1] - more)
    if verdict != "normal":
        assert health.volume([*rows[:-1], further], whole=whole)[0] == verdict
    assert health.volume([rows[0]] * len(rows), whole=whole)[0] == "normal"


@pytest.mark.parametrize(
    ("parts", "wholes", "verdict"),
    [
        ([0, 0, 0, 0], [100, 100, 100, 0], "none"),
        ([], [], "none"),
        ([25], [100], "high"),
        ([4], [10], "normal"),  # four rows are no pattern
        ([19], [100], "normal"),  # with nothing before, nothing is usual
        ([1, 1, 1, 5], [1000, 1000, 1000, 100], "jump"),
        ([1, 1, 1, 5], [1000, 1000, 1000, 500], "normal"),  # not a point more
        ([5, 5, 5, 14], [100, 100, 100, 100], "normal"),  # not three times as much
        ([5, 5, 5, 15], [100, 100, 100, 100], "jump"),
        ([5, 0, 5, 5, 15], [100, 0, 100, 100, 100], "jump"),  # a delivery without a row says nothing
    ],
)
def test_quarantine_rates(parts: list[int], wholes: list[int], verdict: str) -> None:
    found, rate, _ = health.share(parts, wholes)
    assert found == verdict
    assert rate == (parts[-1] / wholes[-1] if wholes and wholes[-1] else None)


def test_silence_is_measured_by_the_pauses_there_were() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    daily = [start + n * DAY for n in range(5)]
    assert not health.is_silent(daily, daily[-1] + 3 * DAY, DAY)
    assert health.is_silent(daily, daily[-1] + 3 * DAY + timedelta(seconds=1), DAY)
    assert not health.is_silent(daily, daily[-1] + 20 * DAY, 7 * DAY)
    rare = [start, start + DAY, start + 2 * DAY, start + 30 * DAY]
    assert not health.is_silent(rare, rare[-1] + 60 * DAY, DAY)
    assert not health.is_silent(daily[:3], daily[2] + 100 * DAY, DAY)


@given(ROWS)
def test_sparkline_has_a_bar_a_delivery(rows: list[int]) -> None:
    bars = health.sparkline(rows)
    assert len(bars) == len(rows) and set(bars) <= set(health.BARS)
    heights = [health.BARS.index(bar) for bar in bars]
    assert all(
        (a <= b) or (x >= y) for a, x in zip(rows, heights, strict=True) for b, y in zip(rows, heights, strict=True)
    )
    assert not any(rows) or max(heights) == len(health.BARS) - 1


# -- the query --------------------------------------------------------------------------------------------------------------


def two_ways() -> list[Contract]:
    """A snapshot with a second source, changes by cursor, and a draft."""
    by_id = {contract.id: contract for contract in load_all()}
    units = by_id["home_affairs.unit_e2"]
    second = Source("files", "${KHO_SOURCE_SECOND}", units.source.options, "second")
    return [
        replace(units, sources=(units.source, second), status="active"),
        replace(by_id["health.licence"], status="active"),
        replace(by_id["education.school"], status="draft"),
    ]


def put(statement: str, rows: list[tuple[Any, ...]]) -> None:
    from orchestration.warehouse import connect

    with connect("admin") as admin:
        admin.execute("set local session_replication_role = replica")  # receipts without their links in the ledger
        admin.cursor().executemany(statement, rows)


def receive(rows: list[dict[str, Any]]) -> None:
    names = ("delivery_id", "dataset", "channel", "outcome", "received", "accepted", "quarantined", "noted", "drift")
    put(
        f"""insert into kho.delivery ({", ".join(names)}, agency, subject, night, source_name, as_of, sha256, size_bytes, kept_path, encoding)
            values ({", ".join(["%s"] * len(names))}, 'a', 's', '2026-03-01', 'f', now(), '', 1, 'p', 'csv')""",
        [tuple(row[name] for name in names) for row in rows],
    )


def test_health_is_what_the_receipts_say(empty: Path) -> None:
    contracts = two_ways()
    channels = [(c, s.name) for c in contracts[:2] for s in c.sources]
    made = []
    rng = random.Random(20260301)
    for number in range(1, 200):
        contract, channel = rng.choice([*channels, (contracts[0], "quarantine answer")])
        accepted, quarantined = rng.choice([1000, 1003, 40]), rng.choice([0, 3, 300])
        made.append(
            {
                "delivery_id": number, "dataset": contract.id, "channel": channel, "outcome": rng.choice(["applied", "applied", "refused"]),
                "received": accepted + quarantined, "accepted": accepted, "quarantined": quarantined,
                "noted": rng.choice([0, 0, 30]), "drift": f'{{"extra": ["c{number}"]}}',
            }
        )  # fmt: skip
    receive(made)
    found = health.datasets(contracts, {})
    for contract, channel in channels:
        mine = [m for m in made if (m["dataset"], m["channel"], m["outcome"]) == (contract.id, channel, "applied")][
            -14:
        ]
        (told,) = [c for c in found[contract.id].channels if c.channel == channel]
        whole = contract.delivery == "snapshot" and channel == contract.source.name
        rows = [m["accepted" if whole else "received"] for m in mine]
        assert told.deliveries == [m["delivery_id"] for m in mine] and told.rows == rows and len(rows) == 14
        assert told.volume == plain_volume(rows, whole)
        rates = [m["quarantined"] / m["received"] for m in mine]
        assert told.quarantine_rate == rates[-1] and told.noted_rate == mine[-1]["noted"] / mine[-1]["received"]
        assert told.usual_quarantine_rate == pytest.approx(sorted(rates[:-1])[6])
        assert told.drift == {"extra": [f"c{mine[-1]['delivery_id']}"]} and not told.has_drifted
        assert (told.received, told.quarantined) == (mine[-1]["received"], mine[-1]["quarantined"])
    school = found[contracts[2].id]
    assert school.missing == ["KHO_SOURCE_EDUCATION"] and school.main.connection == "not_connected"
    assert (school.main.freshness, school.main.trend, school.volume, school.main.drift) == ("never", "", "new", {})
    assert health.of(contracts[2], {"KHO_SOURCE_EDUCATION": "/x"}).main.connection == "not_asked"


def attempt(dataset: str, channel: str, outcomes: list[str]) -> None:
    start = datetime(2026, 3, 1, 1, tzinfo=UTC)
    put(
        """insert into kho.attempt (dataset, channel, agency, subject, night, started_at, outcome, error_code, error_vi, error_en)
           values (%s, %s, 'a', 's', '2026-03-01', %s, %s, %s, %s, %s)""",
        [
            (
                dataset,
                channel,
                start + n * DAY,
                outcome,
                *((f"e{n}", f"vi {n}", f"en {n}") if outcome == "failed" else (None,) * 3),
            )
            for n, outcome in enumerate(outcomes)
        ],
    )


def test_a_source_fails_since_its_first_failure_after_the_last_answer(empty: Path) -> None:
    units, licences, school = two_ways()
    attempt(units.id, "source", ["failed", "applied", "nothing", "failed", "failed", "failed"])
    attempt(units.id, "second", ["failed", "failed", "unchanged"])
    attempt(licences.id, "source", ["failed"])
    found = health.datasets([units, licences, school], {})
    main, second = found[units.id].channels
    assert (main.connection, main.failing_since) == ("failing", datetime(2026, 3, 4, 1, tzinfo=UTC))
    assert (main.error_code, main.error_vi, main.error_en) == ("e5", "vi 5", "en 5")
    assert (second.connection, second.failing_since, second.error_code) == ("connected", None, None)
    assert found[licences.id].main.failing_since == datetime(2026, 3, 1, 1, tzinfo=UTC)


def test_freshness_is_the_contract_s_and_tickets_are_counted(empty: Path) -> None:
    units = two_ways()[0]
    receive(
        [
            {"delivery_id": 1, "dataset": units.id, "channel": "source", "outcome": "applied", "received": 9, "accepted": 4,
             "quarantined": 5, "noted": 0, "drift": '{"removed": ["x"]}'}
        ]
    )  # fmt: skip
    put(
        "insert into kho.channel (dataset, channel, last_good_at) values (%s, %s, now() - make_interval(secs => %s))",
        [
            (units.id, "source", 3600 * units.latency_hours + 60),
            (units.id, "second", 3600 * units.latency_hours - 60),
        ],
    )
    today = date.today()
    put(
        """insert into kho.ticket (dataset, agency, column_name, rule, owner, opened_by, opened_on, due_on, second_due_on, open_rows,
                                   last_delivery, closed_by, closed_on)
           values (%s, 'a', %s, 'pattern', 'o', 1, %s, %s, %s, %s, 1, %s, %s)""",
        [
            (units.id, "ward_code", today - 9 * DAY, today - 2 * DAY, today + DAY, 3, None, None),
            (units.id, "latitude", today - 9 * DAY, today + 2 * DAY, today + 3 * DAY, 7, None, None),
            (units.id, "longitude", today - 9 * DAY, today - 2 * DAY, today + DAY, 0, 2, today),
        ],
    )
    found = health.of(units, {})
    assert [c.freshness for c in found.channels] == ["stale", "fresh"]
    assert (found.tickets_open, found.tickets_overdue, found.main.has_drifted) == (2, 1, True)
    assert [(r.column, r.rule, r.rows) for r in health.worst_rules(units.id)] == [
        ("latitude", "pattern", 7),
        ("ward_code", "pattern", 3),
    ]
    assert len(health.worst_rules(units.id, 1)) == 1
