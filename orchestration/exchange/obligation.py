"""What the province owes a national system, and the terms that hold on one day.

Purpose: the frozen dataclasses that planning, sending and reconciling read instead of YAML.
Belongs here: fields, vocabularies, and which entry is in force when. Stays out: reading YAML (`declaration`), SQL, HTTP.
Everything that law or agreement may change is a list of dated entries; `Obligation.on` picks those of a day.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Generic, TypeVar

from orchestration import calendar
from orchestration.errors import KhoError

#: How a value is written in a message -> types of the released column that may be written so.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "varchar", "char"),
    "date14": ("date",),  # yyyyMMdd000000
    "timestamp14": ("timestamptz",),  # yyyyMMddHHmmss, local time of Asia/Ho_Chi_Minh
    "date8": ("date",),  # yyyyMMdd
    "number": ("smallint", "integer", "bigint", "numeric"),
    "bool_true_false": ("boolean",),  # True, False
    "bool_1_0": ("boolean",),  # 1, 0
}
STATUSES = ("draft", "active", "retired")
CHANNEL_KINDS = ("ndxp",)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """A value and the days on which it holds, both included; `valid_to` None means still."""

    value: T
    valid_from: date
    valid_to: date | None

    def holds(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


def in_force(entries: Sequence[Dated[T]], day: date) -> tuple[T, ...]:
    """The values that hold on the day, in the order of their declaration."""
    return tuple(entry.value for entry in entries if entry.holds(day))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the message: a column of the released table, or a constant, and how it is written.

    `format` is one of FORMATS. `codes` maps the table's codes to the receiver's; None when the field is not coded.
    `key_position` counts from 1 in the order of the table's key; None when the field is not part of it.
    """

    name: str
    column: str | None
    constant: str | None
    format: str
    codes: Mapping[str, str] | None
    required: bool
    key_position: int | None


@dataclass(frozen=True, slots=True)
class CodedField:
    """A field as declared: `codes` are pairs (ours, the receiver's), each with its days; None when not coded."""

    field: Field
    codes: tuple[Dated[tuple[str, str]], ...] | None

    def on(self, day: date) -> Field:
        return self.field if self.codes is None else replace(self.field, codes=dict(in_force(self.codes, day)))


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a code of the receiver means, and who must mend it."""

    code: str
    vi: str
    en: str
    owner: str


@dataclass(frozen=True, slots=True)
class Services:
    """Names of the receiver's services: sending, deleting, asking after messages, bucket sums, listing records."""

    send: str
    delete: str
    ask: str
    buckets: str
    list: str


@dataclass(frozen=True, slots=True)
class Channel:
    """How the receiver is reached. `location`, `key` and `secret` are unexpanded (`${KHO_…}`); times are in seconds.

    `settle_seconds` is the time after which a request whose answer was lost is certainly over.
    """

    kind: str
    location: str
    key: str
    secret: str
    path: str
    sender: str
    receiver: str
    services: Services
    timeout_seconds: float
    settle_seconds: float
    backoff_seconds: float
    backoff_limit_seconds: float


@dataclass(frozen=True, slots=True)
class Terms:
    """Everything that holds on one day. `fields` are in byte order of their names, `refusals` are by code."""

    day: date
    channel: Channel
    fields: tuple[Field, ...]
    batch_size: int
    working_days: int
    legal_basis: tuple[str, ...]
    refusals: Mapping[str, Refusal]

    def rendering(self) -> list[dict[str, Any]]:
        """The fields for the SQL that renders messages, in byte order of their names; plain values, fit for JSON."""
        return [
            {
                "field": field.name,
                "column": field.column,
                "constant": field.constant,
                "format": field.format,
                "codes": None if field.codes is None else dict(field.codes),
                "required": field.required,
                "key_position": field.key_position,
            }
            for field in self.fields
        ]

    def due(self, released_on: date) -> date:
        """The day by which what was released on that day must be confirmed. KhoError as `calendar.due`."""
        return calendar.due(released_on, self.working_days)


@dataclass(frozen=True, slots=True)
class Obligation:
    """What is owed. `id` is `<system>.<name>`; `key` is the table's key in key order; `label` names the file in messages."""

    id: str
    system: str
    name: str
    title: str
    status: str
    subject: str
    table: str
    key: tuple[str, ...]
    receiver_name: str
    owner_name: str
    owner_contact: str
    description: str
    channels: tuple[Dated[Channel], ...]
    fields: tuple[Dated[CodedField], ...]
    batch_sizes: tuple[Dated[int], ...]
    deadlines: tuple[Dated[int], ...]
    legal_basis: tuple[Dated[str], ...]
    refusals: tuple[Dated[Refusal], ...]
    label: str
    path: Path

    def on(self, day: date) -> Terms:
        """What holds on the day. KhoError `no_terms`, naming file and section, when a section says nothing of that day."""
        settle = _rehearsal_settle()
        channel = self._required("channel", self.channels, day)[0]
        fields = self._required("fields", self.fields, day)
        return Terms(
            day=day,
            channel=channel if settle is None else replace(channel, settle_seconds=settle),
            # Code points and UTF-8 bytes sort alike.
            fields=tuple(sorted((coded.on(day) for coded in fields), key=lambda field: field.name)),
            batch_size=self._required("batch_size", self.batch_sizes, day)[0],
            working_days=self._required("deadline", self.deadlines, day)[0],
            legal_basis=self._required("legal_basis", self.legal_basis, day),
            refusals={refusal.code: refusal for refusal in in_force(self.refusals, day)},
        )

    def _required(self, section: str, entries: Sequence[Dated[T]], day: date) -> tuple[T, ...]:
        found = in_force(entries, day)
        if not found:
            where = {"file": self.label, "section": section, "day": day.isoformat()}
            raise KhoError(
                "no_terms",
                f"{self.label}: mục {section} không có quy định nào có hiệu lực ngày {day:%d/%m/%Y}",
                f"{self.label}: nothing in section {section} is in force on {day.isoformat()}",
                where,
            )
        return found


def _rehearsal_settle() -> float | None:
    """KHO_EXCHANGE_SETTLE: seconds in place of every channel's settle_seconds, for rehearsals with the simulator."""
    given = os.environ.get("KHO_EXCHANGE_SETTLE")
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 86400:  # which also refuses nan
        raise KhoError(
            "settings",
            "KHO_EXCHANGE_SETTLE phải là số giây từ 0,1 đến 86400",
            "KHO_EXCHANGE_SETTLE must be a number of seconds from 0.1 to 86400",
            {"variable": "KHO_EXCHANGE_SETTLE"},
        )
    return seconds
