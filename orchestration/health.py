"""Health of the sources: how fresh they are, whether volume and quarantine are as usual, what has drifted, who does not answer.

Belongs here: one query over receipts and attempts, and the verdicts with their thresholds. Stays out: how they are drawn
(`kho status`, asset checks), the state of a dataset (`status`), what lands (`landing`).

Everything is compared with the deliveries before it, by medians: one odd delivery changes no verdict on the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Any

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.contracts.model import Source
from orchestration.sources import is_connected, missing_variables
from orchestration.warehouse import connect

#: Applied deliveries of a channel that are looked at, the last one included.
LAST = 14
#: Earlier deliveries without which nothing can be called usual.
EARLIER = 3
#: A snapshot is out of the usual when it is further from the median than all three: so many times the median distance, …
DISTANCES = 5
#: … this share of the median, …
SHARE = Fraction(1, 10)
#: … and so many rows. What arrives in parts must differ by more rows than this, too.
ROWS = 10
#: Changes and additions come as they come: only so many times more, or less, than the median is told.
TIMES = 10
#: Nothing for so many times what is usual, which is the contract's frequency or the longest pause so far.
SILENT = 3
#: Quarantine (or rows taken in with a note) has jumped when it has so many times its usual share, …
JUMP = 3
#: … this much of the rows more than that, …
POINTS = Fraction(1, 100)
#: … and at least so many rows.
JUMP_ROWS = 5
#: A share that is told whatever is usual.
HIGH = Fraction(1, 5)
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """One source of a dataset over its last deliveries, oldest first. Rates are shares of received rows, None without any.

    connection: connected, failing (since `failing_since`), not_connected (a draft), not_asked. freshness: never, stale, fresh.
    volume: new (too few to compare), normal, fewer, more, silent; `rows` are accepted ones of a snapshot, else received ones,
    `usual` the median of those before the last. quarantine, noted: none (nothing received), normal, jump, high.
    drift: of the last delivery, as on its receipt: added, removed, retyped, extra, unchecked.
    """

    channel: str
    format: str
    connection: str
    failing_since: datetime | None
    error_code: str | None
    error_vi: str
    error_en: str
    freshness: str
    last_good_at: datetime | None
    age_hours: float | None
    deliveries: list[int]
    rows: list[int]
    usual: float | None
    volume: str
    trend: str
    received: int
    quarantined: int
    quarantine: str
    quarantine_rate: float | None
    usual_quarantine_rate: float | None
    noted_rows: int
    noted: str
    noted_rate: float | None
    usual_noted_rate: float | None
    drift: dict[str, Any]

    @property
    def has_drifted(self) -> bool:
        """Whether the source has changed, or a rule could not be checked. Columns the contract lacks are told, no more."""
        return any(self.drift.get(what) for what in ("added", "removed", "retyped", "unchecked"))


@dataclass(frozen=True, slots=True)
class Health:
    """One dataset: its channels, the one that counts first, and its tickets. `missing`: variables of a draft not connected."""

    dataset: str
    missing: list[str]
    tickets_open: int
    tickets_overdue: int
    channels: list[ChannelHealth]

    @property
    def main(self) -> ChannelHealth:
        """The source that counts."""
        return self.channels[0]

    @property
    def volume(self) -> str:
        """The verdict of the first channel that is not as usual, else that of the main one."""
        return next((c.volume for c in self.channels if c.volume in ("fewer", "more", "silent")), self.main.volume)


@dataclass(frozen=True, slots=True)
class Rule:
    """What waits for the agency: a column ("" for the row as a whole), a rule, how many rows, until when."""

    column: str
    rule: str
    rows: int
    due_on: date


def volume(rows: Sequence[int], *, whole: bool) -> tuple[str, float | None]:
    """(verdict, median of the earlier ones) on the last of `rows`. `whole`: each is all there is, so that it hardly moves."""
    *earlier, last = rows or [0]
    if len(earlier) < EARLIER:
        return "new", None
    usual = median(earlier)
    distance = abs(last - usual)
    if whole:
        spread = median(abs(each - usual) for each in earlier)
        odd = distance > DISTANCES * spread and distance > SHARE * Fraction(usual) and distance > ROWS
    else:
        odd = distance > ROWS and (last > TIMES * max(usual, 1) or TIMES * last < usual)
    return ("normal" if not odd else "more" if last > usual else "fewer"), float(usual)


def is_silent(arrivals: Sequence[datetime], now: datetime, frequency: timedelta) -> bool:
    """Whether nothing has come for far longer than usual. `arrivals` of what was new, oldest first."""
    if len(arrivals) <= EARLIER:
        return False
    pauses = [later - earlier for earlier, later in pairwise(arrivals)]
    return now - arrivals[-1] > SILENT * max(frequency, *pauses)


def share(parts: Sequence[int], wholes: Sequence[int]) -> tuple[str, float | None, float | None]:
    """(verdict, last rate, usual rate) of parts of wholes, oldest first; deliveries without a row have no rate."""
    if not wholes or not wholes[-1]:
        return "none", None, None
    *earlier, last = [Fraction(part, whole) for part, whole in zip(parts, wholes, strict=True) if whole]
    usual = median(earlier) if len(earlier) >= EARLIER else None
    rate, known = float(last), None if usual is None else float(usual)
    if parts[-1] >= JUMP_ROWS and last >= HIGH:
        return "high", rate, known
    if usual is not None and parts[-1] >= JUMP_ROWS and last >= JUMP * usual and last > usual + POINTS:
        return "jump", rate, known
    return "normal", rate, known


def sparkline(rows: Sequence[int]) -> str:
    """Bars from nothing to the most there was: `▇▇█▂`."""
    most = max(rows, default=0)
    return "".join(BARS[(len(BARS) - 1) * max(each, 0) // most if most else 0] for each in rows)


def of(contract: Contract, env: Mapping[str, str]) -> Health:
    """Health of one dataset."""
    return datasets([contract], env)[contract.id]


def datasets(contracts: Sequence[Contract], env: Mapping[str, str]) -> dict[str, Health]:
    """dataset -> its health as of now. `env` tells which drafts somebody has connected."""
    pairs = [(contract, source) for contract in contracts for source in contract.sources]
    with connect("release") as connection:
        rows = connection.execute(
            """select a.outcome, case when a.outcome = 'failed' then f.since end, a.error_code, coalesce(a.error_vi, ''), coalesce(a.error_en, ''),
                      c.last_good_at, clock_timestamp(), d.ids, d.received, d.accepted, d.quarantined, d.noted, d.arrivals, d.drift,
                      t.waiting, t.overdue
                 from unnest(%(datasets)s::text[], %(channels)s::text[]) with ordinality s(dataset, channel, place)
                 left join kho.channel c on c.dataset = s.dataset and c.channel = s.channel
                 left join lateral (
                        select array_agg(delivery_id order by delivery_id) as ids, array_agg(received order by delivery_id) as received,
                               array_agg(accepted order by delivery_id) as accepted, array_agg(quarantined order by delivery_id) as quarantined,
                               array_agg(noted order by delivery_id) as noted, array_agg(received_at order by delivery_id) as arrivals,
                               (array_agg(drift order by delivery_id desc))[1] as drift
                          from (select * from kho.delivery k where k.dataset = s.dataset and k.channel = s.channel and k.outcome = 'applied'
                                 order by k.delivery_id desc limit %(last)s) k) d on true
                 left join lateral (select * from kho.attempt k where k.dataset = s.dataset and k.channel = s.channel
                                     order by k.attempt_id desc limit 1) a on true
                 left join lateral (
                        select min(k.started_at) as since from kho.attempt k
                         where k.dataset = s.dataset and k.channel = s.channel and a.outcome = 'failed' and k.attempt_id > coalesce((
                               select max(g.attempt_id) from kho.attempt g
                                where g.dataset = s.dataset and g.channel = s.channel and g.outcome <> 'failed'), 0)) f on true
                 left join lateral (select count(*) as waiting, count(*) filter (where k.due_on < %(today)s) as overdue
                                      from kho.ticket k where k.dataset = s.dataset and k.closed_by is null) t on true
                order by s.place""",
            {
                "datasets": [contract.id for contract, _ in pairs],
                "channels": [source.name for _, source in pairs],
                "last": LAST,
                "today": settings.now().date(),
            },
        ).fetchall()
    found: dict[str, Health] = {}
    for (contract, source), (*row, waiting, overdue) in zip(pairs, rows, strict=True):
        asked = is_connected(contract, env)
        if contract.id not in found:
            missing = [] if asked else missing_variables(contract, env)
            found[contract.id] = Health(contract.id, missing, int(waiting), int(overdue), [])
        found[contract.id].channels.append(_channel(contract, source, asked, row))
    return found


def _channel(contract: Contract, source: Source, asked: bool, row: Sequence[Any]) -> ChannelHealth:
    outcome, since, code, vi, en, good_at, now, *columns = row
    ids, received, accepted, quarantined, noted, arrivals = (list(values or []) for values in columns[:-1])
    age = None if good_at is None else now - good_at
    is_late = age is not None and age > timedelta(hours=contract.latency_hours)
    # A further source, or one file a part, brings as much as there is to bring; so does every change.
    whole = contract.delivery == "snapshot" and contract.partition is None and source is contract.source
    rows = [int(each) for each in (accepted if whole else received)]
    verdict, usual = volume(rows, whole=whole)
    if not whole and is_silent(arrivals, now, contract.frequency):
        verdict = "silent"
    held, held_rate, held_usual = share(quarantined, received)
    told, told_rate, told_usual = share(noted, received)
    failing = outcome == "failed"
    return ChannelHealth(
        channel=source.name,
        format=source.format,
        connection="failing" if failing else "connected" if outcome else "not_asked" if asked else "not_connected",
        failing_since=since,
        error_code=code if failing else None,
        error_vi=vi if failing else "",
        error_en=en if failing else "",
        freshness="never" if age is None else "stale" if is_late else "fresh",
        last_good_at=good_at,
        age_hours=None if age is None else round(age / timedelta(hours=1), 2),
        deliveries=ids,
        rows=rows,
        usual=usual,
        volume=verdict,
        trend=sparkline(rows),
        received=int(received[-1]) if received else 0,
        quarantined=int(quarantined[-1]) if quarantined else 0,
        quarantine=held,
        quarantine_rate=held_rate,
        usual_quarantine_rate=held_usual,
        noted_rows=int(noted[-1]) if noted else 0,
        noted=told,
        noted_rate=told_rate,
        usual_noted_rate=told_usual,
        drift=columns[-1] or {},
    )


def worst_rules(dataset: str, limit: int = 10) -> list[Rule]:
    """What most rows of a dataset wait for, as its open tickets say: no values, no keys."""
    with connect("release") as connection:
        rows = connection.execute(
            """select column_name, rule, open_rows, due_on from kho.ticket where dataset = %s and closed_by is null
                order by open_rows desc, column_name, rule limit %s""",
            (dataset, limit),
        ).fetchall()
    return [Rule(*row) for row in rows]
