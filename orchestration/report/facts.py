"""What the night's report tells, as dataclasses.

Belongs here: the shapes that `content` fills, and that `duties` and `page` put into words. Stays out: reading and wording.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from orchestration.exchange import ObligationState
from orchestration.portal import PortalState
from orchestration.report.quarantine import Kind


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one dataset brought in the night, in rows; `outcome` is that of the last attempt, `none` without one."""

    dataset: str
    title: str
    agency: str
    agency_name: str
    owner: str
    contact: str
    outcome: str
    reason: str
    waiting: tuple[int, ...]
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True, slots=True)
class FailingRow:
    """A row that the gate found: its key, and the delivery it came with, if one did."""

    key: dict[str, Any]
    delivery: int | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Failing:
    """One expectation that did not hold, per agency the rows came from: the first rows, and how many in all."""

    table: str
    message: str
    quality_word: str
    agency: str | None
    agency_name: str
    rows: int
    first: list[FailingRow]


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject after the night."""

    subject: str
    name: str
    state: str
    because: str
    release: int
    failing: list[Failing]
    warnings: list[Failing]


@dataclass(frozen=True, slots=True)
class Release:
    """A release made in the night."""

    subject: str
    name: str
    release: int
    restores: int | None
    released_at: datetime
    by_whom: str
    inserted: int
    updated: int
    deleted: int
    first_load: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Quarantine of one dataset at the end of the night."""

    dataset: str
    title: str
    agency: str
    agency_name: str
    rows: int
    kinds: list[Kind]


@dataclass(frozen=True, slots=True)
class Refused:
    """Messages of one obligation that the receiver refused for one reason and one owner has to mend: how many, since when.

    `due_on` is the earliest day by which one of them is owed. Keys are told by `kho exchange dead-letters` only.
    """

    obligation: str
    title: str
    owner: str
    code: str
    reason_vi: str
    reason_en: str
    messages: int
    since: datetime
    due_on: date


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to do. `urgent` means that a subject is not released until it is done."""

    who: str
    contact: str
    what: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class Content:
    """Everything the page shows. `sent`, `refused` and `published` are as of `made_at`, and empty for an earlier night."""

    night: date
    is_newest: bool
    made_at: datetime
    delivered: list[Delivered]
    subjects: list[Subject]
    quarantine: list[Waiting]
    releases: list[Release]
    sent: list[ObligationState]
    refused: list[Refused]
    published: list[PortalState]
    duties: list[Duty]
    noted: int
    tickets: int
    overdue: int
    ledger_seq: int
    ledger_mac: str
