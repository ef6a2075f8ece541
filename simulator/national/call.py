"""One request to a national system as it came, and the answers that every system has in common.

Belongs here: what a request holds, reading its JSON, the gateway's own errors. Stays out: what is done about it (`service`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from email.message import Message
from typing import Any

from simulator.clock import TZ
from simulator.gateway import Answer, json_answer
from simulator.national.codes import LAST_DAY_OF_E1
from simulator.national.faults import Kind

STAMP = "%Y%m%d%H%M%S"  # how a moment is written nearly everywhere, in local time


@dataclass
class Call:
    """One request as it came. `content`: its JSON, None when it is none; `first`: only so many items are to be looked
    at, the rest is answered with the item code 99; `now`: what the far end's clock shows; `prepared`: see
    `Service.prepare`.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Message
    body: bytes
    content: Any
    service: str = ""
    number: int | None = None
    fault: Kind | None = None
    first: int | None = None
    now: datetime = field(default_factory=lambda: datetime.now(TZ))
    prepared: Any = None

    @property
    def items(self) -> list[Any]:
        """The list `data` of the envelope; empty when there is none."""
        items = self.content.get("data") if isinstance(self.content, dict) else None
        return items if isinstance(items, list) else []

    @property
    def list_day(self) -> date:
        """The day as of which the far end's code lists are: today, but for the fault "old_list"."""
        return LAST_DAY_OF_E1 if self.fault == "old_list" else self.now.date()

    def value(self, name: str, default: str = "") -> str:
        """The first value of a parameter of the query."""
        return self.query.get(name, [default])[0]

    def unseen(self, position: int) -> bool:
        """True for an item that is not to be looked at any more."""
        return self.first is not None and position >= self.first


def parse(body: bytes) -> Any:
    """The content of a JSON body; None when it is none."""
    try:
        return json.loads(body)
    except ValueError:  # neither JSON nor UTF-8
        return None


def faulty(status: int, code: int, message: str, description: str, fault: Kind | None = None) -> Answer:
    """An error of the gateway itself, as those of the WSO2 kind tell it."""
    body = {"fault": {"code": code, "message": message, "description": description}}
    return json_answer(status, body, fault=fault)


def bad_request() -> Answer:
    """A body that is no request of this service."""
    return faulty(400, 400, "Bad Request", "Malformed")
