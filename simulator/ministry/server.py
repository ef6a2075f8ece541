"""The ministry's health system on the wire.

Belongs here: its address, its envelope's outer form, which facilities it knows.
Stays out: the services themselves (`services`), HTTP, tokens and what a fault does (`simulator.national.service`).

    POST {base}/token                     Basic key:secret, grant_type=client_credentials
    POST {base}/apiYTe/1.0/<service>      Bearer; dstcode: G17; {"madonvi", "service", "isUpdating", "data": […]}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simulator.gateway import TOKEN_PATH, Answer
from simulator.ministry import services
from simulator.ministry.faults import TOKEN, MinistryFaults
from simulator.ministry.record import Record
from simulator.national.call import Call, bad_request
from simulator.national.record import Writing
from simulator.national.service import Service

UNIT, DESTINATION = "H05.09", "G17"


class Ministry(Service):
    """The service: see `Service` for its life; beside that `know` and `tamper` at will."""

    name, api, plan_type = "ministry", "/apiYTe/1.0", MinistryFaults

    def __init__(
        self,
        home: Path | str,
        facilities: Iterable[str] | None,
        faults: MinistryFaults | None = None,
        port: int = 0,
        *,
        key: str | None = None,
        secret: str | None = None,
    ) -> None:
        """`facilities`: codes that the ministry knows, None for any. The others as of `Service`."""
        super().__init__(home, faults, port, key=key, secret=secret)
        self._facilities: frozenset[str] | None = None
        self.know(facilities)

    @property
    def record(self) -> Record:
        """What it was told, applied and answered; can be read at any time after `start`, after `stop` too."""
        return Record(self.home)

    def know(self, facilities: Iterable[str] | None) -> None:
        """From now on these facilities are in the ministry's list; None: any."""
        self._facilities = None if facilities is None else frozenset(facilities)

    def tamper(self, **changes: Any) -> None:
        """Change what the ministry holds behind everybody's back: see `Record.tamper`."""
        self.record.tamper(**changes)

    def route(self, call: Call) -> str | None:
        """The token's path, or one of the five services."""
        prefix, _, service = call.path.rpartition("/")
        if call.method != "POST":
            return None
        if call.path == TOKEN_PATH:
            return TOKEN
        return service if prefix == self.api and service in services.SERVICES else None

    def malformed(self, call: Call) -> Answer | None:
        """The wrong destination, or no envelope."""
        wrong = call.headers.get("dstcode") != DESTINATION or services.malformed(call.content)
        return bad_request() if wrong else None

    def perform(self, call: Call, writing: Writing) -> dict[str, Any]:
        """One of the five services."""
        return services.answer(call.service, call.content, UNIT, self._facilities, writing, first=call.first)

    def failed(self, call: Call) -> dict[str, Any]:
        """The refusal of a whole request, in the form of its service."""
        return services.refusal(call.service, "99")
