"""What the REST and SOAP systems have in common: a server, its record, and every way in which a request goes wrong.

Belongs here: HTTP, faults carried out on the wire, credentials refused. Stays out: what a service answers (one module
each), which request fails (`plan`), tokens and sockets (`simulator.gateway`).
"""

from __future__ import annotations

import secrets
import threading
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from simulator.gateway import (
    TOKEN_PATH,
    Answer,
    Gateway,
    Handler,
    bad_gateway,
    break_connection,
    free_port,
    json_answer,
    throttled,
)
from simulator.systems.plan import FaultPlan, Kind
from simulator.systems.record import Record
from simulator.systems.source import Progress, System, View

KEY = "kho-bac-ninh"
RECORD_PATH = "/__record"


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Message[str, str]
    body: bytes

    def value(self, name: str, default: str = "") -> str:
        """The first value of a parameter of the query."""
        return self.query.get(name, [default])[0]


class Web(Gateway):
    """One HTTP service with a record and a fault plan; `answer` is what it does."""

    system: ClassVar[str]

    def __init__(self, record: Path, plan: FaultPlan) -> None:
        super().__init__(_Handler, KEY, secrets.token_urlsafe(12), free_port())
        self.plan = plan
        self.record = Record(record)
        self.stopping = threading.Event()
        self._counted = 0

    def up(self) -> None:
        """Serve (again), on the same port as before."""
        self.stopping.clear()
        super().up()

    def down(self) -> None:
        """Refuse new connections and break those that are open."""
        self.stopping.set()
        super().down()

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """What to answer, faults apart that only the connection shows."""

    def strike(self) -> Kind | None:
        """Count a request that was let in; the fault that strikes it, if any."""
        with self._lock:
            self._counted += 1
            return self.plan.at(self.system, self._counted)

    def refusal(self, fault: Kind | None) -> Answer | None:
        """The answer of a fault that leaves nothing of the right one."""
        if fault == "too_many":
            return throttled(self.plan.retry_after_seconds, fault)
        if fault == "bad_gateway":
            return bad_gateway(fault)
        if fault == "expired":
            return self.expire(fault)
        return Answer(0, b"", fault=fault) if fault == "timeout" else None

    def token(self, call: Call) -> Answer:
        """The answer to a request for a token."""
        return self.answer_token(call.headers.get("Authorization", ""), parse_qs(call.body.decode()))

    def note(self, call: Call, answer: Answer) -> None:
        """Keep what was asked and answered."""
        self.record.note(
            method=call.method,
            path=call.path,
            query={name: values[0] for name, values in call.query.items() if name.lower() not in _SECRET},
            status=answer.status or None,
            fault=answer.fault,
            rows=answer.records,
            bytes=len(answer.body),
        )


_SECRET = {"token", "id_token", "password", "secretkey"}


class WebSystem(System):
    """A system that is one HTTP service."""

    web: Web

    def __init__(self, home: Path, views: Sequence[View], progress: Progress | None = None) -> None:
        super().__init__(home, views, progress)

    def start(self) -> None:
        """Answer; the record begins anew with the first start."""
        if not self.web.record.file.exists():
            self.web.record.clear()
        self.web.up()

    def stop(self) -> None:
        """Refuse connections."""
        self.web.down()

    def record(self) -> list[dict[str, Any]]:
        """What was asked."""
        return self.web.record.entries()


class _Handler(Handler):
    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.read_body())

    def _serve(self, body: bytes) -> None:
        web = self.server.gateway
        assert isinstance(web, Web)
        parts = urlsplit(self.path)
        call = Call(self.command, parts.path, parse_qs(parts.query, keep_blank_values=True), self.headers, body)
        if call.path == RECORD_PATH:
            self.send(json_answer(200, web.record.entries()))
            return
        answer = web.token(call) if call.path == TOKEN_PATH and call.method == "POST" else web.answer(call)
        web.note(call, answer)
        if answer.fault == "slow":
            web.stopping.wait(web.plan.slow_seconds)
        if answer.fault == "timeout":
            web.stopping.wait(web.plan.timeout_seconds)
            self.close_connection = True
            break_connection(self.connection)
            return
        self.send(answer, cut=answer.fault == "cut")
