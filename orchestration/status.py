"""How the province stands: datasets and subjects, as one query each; what it owes upstream and has published.

Belongs here: the states everyone is shown, in `kho status`, in the report and on the assets. Stays out: how they are drawn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from orchestration import exchange, health
from orchestration import portal as open_data
from orchestration.contracts import Contract
from orchestration.health import ChannelHealth
from orchestration.landing.overtaken import Unsettled, unsettled
from orchestration.warehouse import connect


@dataclass(frozen=True, slots=True)
class DatasetState:
    """One dataset after its last delivery. Counts are rows of that delivery; `quarantined_open` those still waiting for the agency.

    state: fresh, stale (source down, or nothing good within the contract's latency), waiting (confirmation), refused, never,
    not_connected (a draft whose `missing` variables nobody has set, and that never delivered). `volume` and `trend` are those of
    the deliveries so far, rates shares of the received rows; `channels` has the whole health of each source (`health`).
    """

    agency: str
    dataset: str
    subject: str
    last_delivery: int | None
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    unchanged: int
    inserted: int
    updated: int
    deleted: int
    noted: int
    quarantined_open: int
    state: str
    because_vi: str
    because_en: str
    last_good_at: datetime | None
    volume: str
    trend: str
    quarantine: str
    quarantine_rate: float | None
    tickets_open: int
    tickets_overdue: int
    missing: list[str]
    channels: list[ChannelHealth]


@dataclass(frozen=True, slots=True)
class SubjectState:
    """One subject after its last night. state: released, stale, held, blocked, failed."""

    subject: str
    release: int
    state: str
    because: str
    because_en: str
    failed_expectations: list[str]
    night: date | None
    build: int | None
    rows_failing: int


#: Counts of a delivery, as the query and DatasetState have them.
_COUNTS = (
    "received", "accepted", "quarantined", "duplicates", "unchanged", "inserted", "updated", "deleted", "noted",
)  # fmt: skip


def datasets(contracts: list[Contract], env: Mapping[str, str] | None = None) -> list[DatasetState]:
    """State of every dataset under contract, in the order of the contracts. `env` (the process's own without it) tells which
    drafts are connected."""
    counts = ", ".join(f"d.{name}" for name in _COUNTS)
    with connect("release") as connection:
        rows = {
            row[0]: row[1:]
            for row in connection.execute(
                f"""select s.dataset, d.delivery_id, {counts},
                          (select count(*) from quarantine.row q where q.dataset = s.dataset and q.state = 'open'),
                          a.outcome, coalesce(a.error_vi, ''), coalesce(a.error_en, ''), f.last_good_at,
                          extract(epoch from clock_timestamp() - f.last_good_at) / 3600
                     from (select distinct dataset from kho.attempt union select dataset from kho.dataset) s
                     left join kho.dataset f on f.dataset = s.dataset
                     left join kho.delivery d on d.delivery_id = f.last_delivery
                     left join lateral (select outcome, error_vi, error_en from kho.attempt a where a.dataset = s.dataset
                                         order by attempt_id desc limit 1) a on true"""  # type: ignore[arg-type]
            ).fetchall()
        }
    asking = {found.dataset: found for found in unsettled(contracts)}
    healths = health.datasets(contracts, os.environ if env is None else env)
    nothing = (None, *[0] * len(_COUNTS), 0, None, "", "", None, None)
    return [
        _dataset(contract, rows.get(contract.id, nothing), healths[contract.id], asking.get(contract.id))
        for contract in contracts
    ]


def _dataset(contract: Contract, row: tuple[Any, ...], found: health.Health, asking: Unsettled | None) -> DatasetState:
    delivery, still_open, outcome, vi, en, good_at, hours = row[0], *row[1 + len(_COUNTS) :]
    if found.missing and delivery is None:
        state, names = "not_connected", ", ".join(found.missing)
        vi, en = f"chưa đặt {names}", f"{names} not set"
    elif outcome == "failed":
        state = "never" if delivery is None else "stale"
    elif outcome in ("waiting", "refused"):
        state = outcome
    elif asking is not None:  # of an earlier night, and nobody has seen to it
        state, vi, en = asking.outcome, asking.reason_vi, asking.reason_en
    elif delivery is None:
        state, vi, en = "never", "chưa từng giao", "never delivered"
    elif hours is not None and float(hours) > contract.latency_hours:
        state = "stale"
        vi = f"quá {contract.latency_hours:g} giờ chưa có số liệu mới"
        en = f"nothing new for more than {contract.latency_hours:g} hours"
    else:
        state = "fresh"
    return DatasetState(
        agency=contract.agency, dataset=contract.id, subject=contract.subject, last_delivery=delivery,
        **{name: int(count or 0) for name, count in zip(_COUNTS, row[1:], strict=False)},
        quarantined_open=int(still_open), state=state, because_vi=vi, because_en=en, last_good_at=good_at,
        volume=found.volume, trend=found.main.trend, quarantine=found.main.quarantine,
        quarantine_rate=found.main.quarantine_rate, tickets_open=found.tickets_open, tickets_overdue=found.tickets_overdue,
        missing=found.missing, channels=found.channels,
    )  # fmt: skip


def subjects(night: date | None = None) -> list[SubjectState]:
    """State of every subject that ever had a night: its newest, or that of `night`."""
    with connect("release") as connection:
        rows = connection.execute(
            """select distinct on (n.subject) n.subject, n.release, n.state, n.because_vi, n.because_en,
                      coalesce((select array_agg(g.expectation_id order by g.expectation_id) from kho.gate_result g
                                 where g.build = n.build and not g.success), '{}'),
                      n.night, n.build, (select count(*) from kho.gate_failure f where f.build = n.build)
                 from kho.subject_night n where %(night)s::date is null or n.night = %(night)s order by n.subject, n.night desc""",
            {"night": night},
        ).fetchall()
    return [SubjectState(*row) for row in rows]


def obligations() -> list[exchange.ObligationState]:
    """State of every active obligation towards national systems, as of now, in the order of the declarations."""
    return exchange.states([obligation for obligation in exchange.load_all() if obligation.status == "active"])


def portal() -> list[open_data.PortalState]:
    """State of every open dataset, as of now; one whose declaration cannot be used stops no other."""
    datasets, problems = open_data.parse_all()
    return [*open_data.states(datasets), *open_data.unreadable(problems)]


def is_synthetic() -> bool:
    """Whether the warehouse was ever fed with KHO_SYNTHETIC=1: what it holds is then of a simulated province."""
    with connect("release") as connection:
        row = connection.execute("select exists (select from kho.delivery where synthetic)").fetchone()
    return row == (True,)


def is_behind(state: str, released: int, unrepaired: int | None = 0) -> bool:
    """Whether an obligation or an open dataset has something to be sent, mended, confirmed or published.

    `state` is the one it has, `released` the current release of its subject: without any release nothing is owed yet.
    `unrepaired` is the drift that waits for a person.
    """
    if state == "never":
        return released > 0
    return bool(unrepaired) or state not in ("current", "published", "unchanged")


def as_json(contracts: list[Contract], night: date | None = None) -> dict[str, Any]:
    """What `kho status --json` prints. `night` chooses the subjects' night; all else is as of now."""
    return {
        "synthetic": is_synthetic(),
        "datasets": [asdict(state) for state in datasets(contracts)],
        "subjects": [asdict(state) for state in subjects(night)],
        "obligations": [asdict(state) for state in obligations()],
        "portal": [asdict(state) for state in portal()],
    }
