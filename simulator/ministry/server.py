"""The ministry's health system on the wire: tokens, the five services, and every way in which they fail.

Belongs here: HTTP, the order of checks (token, fault, envelope), what a fault does to a request and its connection.
Stays out: the services themselves (`services`), storage (`record`), which request fails (`faults`).

    POST {base}/token                     Basic key:secret, grant_type=client_credentials
    POST {base}/apiYTe/1.0/<service>      Bearer; dstcode: G17; {"madonvi", "service", "isUpdating", "data": […]}
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from simulator.gateway import (
    TOKEN_PATH,
    Answer,
    Gateway,
    Handler,
    bad_gateway,
    break_connection,
    free_port,
    json_answer,
    not_found,
    throttled,
)
from simulator.ministry import services
from simulator.ministry.faults import TOKEN, Kind, MinistryFaults
from simulator.ministry.record import KEY as LICENCE
from simulator.ministry.record import Record, Writer

UNIT, DESTINATION = "H05.09", "G17"
KEY = "kho-bac-ninh"
UNKNOWN_CODE = "A7"


class Ministry(Gateway):
    """The service. Steps: `start`, then `down`, `up`, `know`, `tamper` at will, `stop`; started again on the same home
    (also after the process was killed) it goes on with the same record, key, secret and port, and a new token.
    """

    api = "/apiYTe/1.0"

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
        """`facilities`: codes that the ministry knows, None for any. `faults`: none without. `port`: 0 for that of the
        earlier run on this home, or else a free one.
        """
        super().__init__(_Handler, key or "", secret or "", port)
        self.home = Path(home)
        self.plan = faults or MinistryFaults()
        self._given = (key, secret)
        self._facilities: frozenset[str] | None = None
        self._writer: Writer | None = None
        self._counted: Counter[str] = Counter()
        self._up_again = False
        self._stopping = threading.Event()
        self.know(facilities)

    @property
    def record(self) -> Record:
        """What it was told, applied and answered; can be read at any time after `start`, after `stop` too."""
        return Record(self.home)

    def know(self, facilities: Iterable[str] | None) -> None:
        """From now on these facilities are in the ministry's list; None: any."""
        self._facilities = None if facilities is None else frozenset(facilities)

    def start(self) -> None:
        """Open the record and serve."""
        self._writer = writer = Writer(self.home)
        self.key = writer.setting("key", self._given[0], KEY)
        self.secret = writer.setting("secret", self._given[1], secrets.token_urlsafe(12))
        self._port = int(writer.setting("port", str(self._port) if self._port else None, "0")) or free_port()
        writer.setting("port", str(self._port), "")
        self._counted = Counter(writer.counted())
        self._stopping.clear()
        self.up()

    def up(self) -> None:
        """Serve (again)."""
        with self._lock:
            self._up_again = True
            super().up()

    def down(self) -> None:
        """Refuse connections, break those that are open, forget the token."""
        with self._lock:
            self._up_again = False
            self._break_off()

    def stop(self) -> None:
        """Take it down for good; requests still to be applied late are lost."""
        self._stopping.set()
        self.down()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def tamper(self, **changes: Any) -> None:
        """Change what the ministry holds behind everybody's back: see `Record.tamper`."""
        self.record.tamper(**changes)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def token(self, authorization: str, form: dict[str, list[str]]) -> Answer | None:
        """The token endpoint, with its faults; None: hang up."""
        with self._lock:
            fault, number = self._strike(TOKEN), self._counted[TOKEN]
        answer: Answer | None = None
        if fault is None:
            answer = self.answer_token(authorization, form)
        elif fault not in ("drop", "restart"):
            answer = self._fail(fault, TOKEN)
        self._note(TOKEN, answer, number, fault)
        if fault == "restart":
            self._restart()
        return answer

    def service(
        self, service: str, authorization: str, destination: str | None, body: bytes, hang_up: Callable[[], None]
    ) -> Answer | None:
        """One of the five services, with its faults; None: hang up (`hang_up` does it at once)."""
        with self._lock:
            if refused := self.authorise(authorization):
                self._note(service, refused, None, None, body)
                return refused
            fault, number = self._strike(service), self._counted[service]
            if fault == "expired":
                refused = self.expire(fault)
                self._note(service, refused, number, fault, body)
                return refused
        envelope = _parse(body)
        if destination != DESTINATION or services.malformed(envelope):
            refused = json_answer(400, {"fault": {"code": 400, "message": "Bad Request", "description": "Malformed"}})
            self._note(service, refused, number, None, body)
            return refused
        if fault == "late504":
            self._later(service, envelope, number, fault, body)
            return self._fail(fault, service)
        if fault == "late":
            self._stopping.wait(self.plan.late_seconds / 2)
            hang_up()
            self._stopping.wait(self.plan.late_seconds / 2)
            if self._stopping.is_set():
                return None
        if fault in ("drop", "restart", "error500", "error502", "too_many", "error_code"):
            answer = None if fault in ("drop", "restart") else self._fail(fault, service)
            self._note(service, answer, number, fault, body, len(envelope["data"]))
            if fault == "restart":
                self._restart()
            return answer
        if service in services.WRITING and any(item.get(LICENCE) in self.plan.poison for item in envelope["data"]):
            answer = self._fail("error500", service)
            self._note(service, answer, number, "error500", body, len(envelope["data"]))
            return answer
        return self._work(service, envelope, number, fault, body)

    def _work(
        self, service: str, envelope: dict[str, Any], number: int, fault: Kind | None, body: bytes
    ) -> Answer | None:
        """Do what is asked and answer as the fault wants it, in one transaction with the line in the log."""
        first = len(envelope["data"]) // 2 if fault in ("half", "half_silent") else None
        with self._hold().request(service, number, fault, body.decode(errors="replace")) as writing:
            content = services.answer(service, envelope, UNIT, self._facilities, writing, first=first)
            answer: Answer | None
            if fault in ("drop_after", "half_silent", "late"):
                answer = None
            elif fault in ("error500_after", "error_code_after", "late504"):
                answer = self._fail(fault, service)
            else:
                if fault == "wrong_code":
                    content["error_code"] = UNKNOWN_CODE
                elif fault == "miscount" and content["error_code"] == "00":
                    content["soBanGhi"] = str(int(content["soBanGhi"]) + 1)
                answer = json_answer(200, content, fault=fault)
            writing.count = len(envelope["data"])
            writing.status, writing.code = _told(answer)
        return answer

    def _later(self, service: str, envelope: dict[str, Any], number: int, fault: Kind, body: bytes) -> None:
        """Do what is asked after late_seconds, unless the ministry is gone by then."""

        def work() -> None:
            if not self._stopping.wait(self.plan.late_seconds):
                with suppress(ConnectionAbortedError):
                    self._work(service, envelope, number, fault, body)

        threading.Thread(target=work, daemon=True, name=fault).start()

    def _strike(self, service: str) -> Kind | None:
        """Count a request; returns the fault that strikes it."""
        self._counted[service] += 1
        overall = sum(self._counted[name] for name in services.SERVICES) if service != TOKEN else 0
        return self.plan.at(service, self._counted[service], overall)

    def _fail(self, fault: Kind, service: str) -> Answer:
        if fault == "too_many":
            return throttled(self.plan.retry_after_seconds, fault)
        if fault == "error502":
            return bad_gateway(fault)
        if fault == "late504":
            body = {"fault": {"code": 101504, "message": "Gateway Timeout", "description": "Send timeout"}}
            return json_answer(504, body, fault=fault)
        if fault in ("error500", "error500_after"):
            body = {"fault": {"code": 500, "message": "Internal Server Error", "description": "Unexpected error"}}
            return json_answer(500, body, fault=fault)
        return json_answer(200, services.refusal(service, "99"), fault=fault)

    def _note(
        self, service: str, answer: Answer | None, number: int | None, fault: Kind | None, body: bytes = b"", count: int = 0
    ) -> None:  # fmt: skip
        """A request that changes nothing, in the log."""
        text = None if service == TOKEN else body.decode(errors="replace")
        with self._hold().request(service, number, fault, text) as writing:
            writing.count = count
            writing.status, writing.code = _told(answer)

    def _hold(self) -> Writer:
        if self._writer is None:
            raise ConnectionAbortedError  # stopped in the middle of a request
        return self._writer

    def _restart(self) -> None:
        """Break off at once, and come back a while later unless somebody takes it down for good meanwhile."""
        with self._lock:
            self._break_off()
        threading.Thread(target=self._return, daemon=True, name="restart").start()

    def _return(self) -> None:
        self._stopping.wait(self.plan.restart_seconds)
        with self._lock:
            if self._up_again and not self._stopping.is_set():
                super().up()

    def _break_off(self) -> None:
        super().down()
        self._token = None


def _parse(body: bytes) -> Any:
    """The content of a JSON body; None when it is none."""
    try:
        return json.loads(body)
    except ValueError:  # neither JSON nor UTF-8
        return None


def _told(answer: Answer | None) -> tuple[int | None, str | None]:
    """Status and error_code of an answer, for the log."""
    if answer is None:
        return None, None
    content = _parse(answer.body)
    return answer.status, content.get("error_code") if isinstance(content, dict) else None


class _Handler(Handler):
    def do_POST(self) -> None:
        ministry = self.server.gateway
        assert isinstance(ministry, Ministry)
        length = int(self.headers.get("Content-Length", "0"))
        body = self.read_body()
        if len(body) < length:
            self.close_connection = True  # the client went away in the middle: no request
            return
        authorization = self.headers.get("Authorization", "")
        prefix, _, service = self.path.rpartition("/")
        answer: Answer | None
        if self.path == TOKEN_PATH:
            answer = ministry.token(authorization, parse_qs(body.decode(errors="replace")))
        elif prefix == ministry.api and service in services.SERVICES:
            answer = ministry.service(service, authorization, self.headers.get("dstcode"), body, self._hang_up)
        else:
            answer = not_found()
        if answer is None:
            self._hang_up()
        else:
            self.send(answer)

    def do_GET(self) -> None:
        self.send(not_found())

    def _hang_up(self) -> None:
        self.close_connection = True
        break_connection(self.connection)
