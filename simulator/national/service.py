"""A national system on the wire: who is let in, what is asked, and every way in which it fails.

Belongs here: HTTP, the order of checks (route, token or session, fault, envelope), what a fault does to a request and
its connection, starting, stopping and coming back.
Stays out: the services themselves and their refusals (one module per system), storage (`record`), which request fails
(`faults`), the gateway's own answers (`simulator.gateway`).
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from simulator.gateway import (
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
from simulator.national.call import Call, bad_request, faulty, parse
from simulator.national.faults import TOKEN, FaultPlan, Kind
from simulator.national.record import Record, Writer, Writing

KEY = "kho-bac-ninh"
UNKNOWN_CODE = "A7"
_REFUSING: tuple[Kind, ...] = ("drop", "restart", "error500", "error502", "too_many", "error_code")
_SILENT: tuple[Kind, ...] = ("drop_after", "half_silent", "late")
_HALVING: tuple[Kind, ...] = ("half", "half_silent", "expired_midway")
_WRONG_AFTER: tuple[Kind, ...] = ("error500_after", "error_code_after", "late504")
_UTC_SECONDS = -7 * 3600


class Service(Gateway):
    """One national system. Steps: `start`, then `down`, `up`, `alter` at will, `stop`; started again on the same home
    (also after the process was killed) it goes on with the same record, key, secret and port, and a new token.

    A system says what `route`, `malformed` and `perform` are, and whatever else it does in its own way.
    """

    name: ClassVar[str]
    plan_type: ClassVar[type[FaultPlan]]
    #: The fields of an answer that hold its code and the number of records applied.
    code_field: ClassVar[str] = "error_code"
    count_field: ClassVar[str] = "soBanGhi"
    failed_message: ClassVar[str] = "Lỗi hệ thống, vui lòng thử lại sau"

    def __init__(
        self,
        home: Path | str,
        faults: FaultPlan | None = None,
        port: int = 0,
        *,
        key: str | None = None,
        secret: str | None = None,
    ) -> None:
        """`faults`: none without. `port`: 0 for that of the earlier run on this home, or else a free one."""
        super().__init__(_Handler, key or "", secret or "", port)
        self.home = Path(home)
        self.plan = faults or self.plan_type()
        if not isinstance(self.plan, self.plan_type):
            raise TypeError(f"{self.name} takes faults of {self.plan_type.__name__}")
        self._given = (key, secret)
        self._writer: Writer | None = None
        self._counted: Counter[str] = Counter()
        self._up_again = False
        self._stopping = threading.Event()
        self._token_born = 0.0

    # -- what a system says of itself -----------------------------------------------------------------------------------

    def load(self, folder: Path) -> None:
        """Read what the system knows (code lists, persons …) from the files of a folder; nothing here."""

    def route(self, call: Call) -> str | None:
        """Which service is asked for (TOKEN for the token itself), by path or by content; None: there is none."""
        raise NotImplementedError

    def malformed(self, call: Call) -> Answer | None:
        """The answer to a request that is none of this service's; None when it is one."""
        raise NotImplementedError

    def perform(self, call: Call, writing: Writing) -> dict[str, Any] | Answer:
        """Do what is asked; returns the content of the answer (HTTP 200), or the whole answer. It looks at no item that
        is `call.unseen`, and heeds those `call.fault` that change what it does (see `faults`). All that it does to the
        record is one transaction.
        """
        raise NotImplementedError

    def prepare(self, call: Call) -> Any:
        """What takes long and changes nothing here, done before the transaction; `perform` finds it in `call.prepared`."""
        return None

    def grant(self, call: Call) -> Answer:
        """The answer to who asks for a token: client credentials, as of the gateway."""
        form = parse_qs(call.body.decode(errors="replace"))
        with self._lock:
            answer = self.answer_token(call.headers.get("Authorization", ""), form)
            if self._token_uses == 0:
                self._token_born = monotonic()
        return answer

    def admit(self, call: Call) -> Answer | None:
        """None when the request is let in (and counts as a use of the token); the refusal otherwise."""
        return self.authorise(call.headers.get("Authorization", "")) or self.worn()

    def fail(self, fault: Kind, call: Call) -> Answer:
        """What is answered when something goes wrong in that way."""
        if fault == "too_many":
            return throttled(self.plan.retry_after_seconds, fault)
        if fault == "error502":
            return bad_gateway(fault)
        if fault == "late504":
            return faulty(504, 101504, "Gateway Timeout", "Send timeout", fault)
        if fault in ("error500", "error500_after"):
            return faulty(500, 500, "Internal Server Error", "Unexpected error", fault)
        return json_answer(200, self.failed(call), fault=fault)

    def failed(self, call: Call) -> dict[str, Any]:
        """The content that says: HTTP went well, the system did not."""
        return {self.code_field: "99", "message": self.failed_message}

    def miscount(self, content: dict[str, Any]) -> None:
        """Make the number that is told one too high, if there is one."""
        told = content.get(self.count_field)
        if told is not None:
            content[self.count_field] = type(told)(int(told) + 1)

    def kept(self, call: Call) -> str | None:
        """The body as it is kept in the record: without passwords."""
        return None if call.service == TOKEN else call.body.decode(errors="replace")

    def poisoned(self, call: Call) -> bool:
        """True when an item brings a key of the plan's `poison`, in whatever field."""
        poison = set(self.plan.poison)
        values = (value for item in call.items if isinstance(item, dict) for value in item.values())
        return any(isinstance(value, str) and value in poison for value in values)

    # -- life -----------------------------------------------------------------------------------------------------------

    @property
    def record(self) -> Record:
        """What it was told, applied and answered; can be read at any time after `start`, after `stop` too."""
        return Record(self.home)

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

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- sessions -------------------------------------------------------------------------------------------------------

    def session(self) -> str:
        """The living session (the same thing as a token), a new one when there is none: for systems with a login."""
        with self._lock:
            if self._token is None:
                self._token, self._token_uses, self._token_born = secrets.token_hex(16), 0, monotonic()
            return self._token

    def in_session(self, given: object) -> bool:
        """True when this is the living session; it counts as a use of it."""
        with self._lock:
            if self._token is None or given != self._token:
                return False
            self._token_uses += 1
            return True

    def worn(self) -> Answer | None:
        """The refusal of a token that has been used too often or too long, which then is dead."""
        uses, age = self.plan.token_requests, monotonic() - self._token_born
        worn = age > self.plan.token_seconds or (uses is not None and self._token_uses > uses)
        return self.expire("expired") if worn else None

    # -- one request ----------------------------------------------------------------------------------------------------

    def handle(self, call: Call, hang_up: Callable[[], None]) -> Answer | None:
        """One request from its route to its answer; None: hang up (`hang_up` does it at once)."""
        service = self.route(call)
        if service is None:
            return not_found()
        call.service, call.now = service, self._hold().now()
        with self._lock:
            if service != TOKEN and (refused := self.admit(call)):
                return self._note(call, refused)
            call.fault, call.number = self._strike(service), self._counted[service]
            if call.fault == "expired":
                return self._note(call, self.expire(call.fault))
        if call.fault in ("skew", "utc"):
            call.now += timedelta(seconds=_UTC_SECONDS if call.fault == "utc" else self.plan.skew_seconds)
        if service != TOKEN and (refused := self.malformed(call)):
            call.fault = None
            return self._note(call, refused)
        if call.fault == "late504":
            self._later(call)
            return self.fail(call.fault, call)
        if call.fault == "hang":
            self._stopping.wait(self.plan.hang_seconds)
            return None if self._stopping.is_set() else self._note(call, None)
        if call.fault == "late":
            self._stopping.wait(self.plan.late_seconds / 2)
            hang_up()
            self._stopping.wait(self.plan.late_seconds / 2)
            if self._stopping.is_set():
                return None
        if call.fault in _REFUSING:
            answer = self._note(call, None if call.fault in ("drop", "restart") else self.fail(call.fault, call))
            if call.fault == "restart":
                self._restart()
            return answer
        if service == TOKEN:
            return self._note(call, self.grant(call))
        if self.plan.poison and self.poisoned(call):
            call.fault = "error500"
            return self._note(call, self.fail(call.fault, call))
        return self._work(call)

    def _work(self, call: Call) -> Answer | None:
        """Do what is asked and answer as the fault wants it, in one transaction with the line in the log."""
        call.first = len(call.items) // 2 if call.fault in _HALVING else None
        call.prepared = self.prepare(call)
        with self._hold().request(call.service, call.number, call.fault, self.kept(call)) as writing:
            done = self.perform(call, writing)
            answer: Answer | None
            if call.fault in _SILENT:
                answer = None
            elif call.fault in _WRONG_AFTER:
                answer = self.fail(call.fault, call)
            elif call.fault == "expired_midway":
                answer = self.expire(call.fault)
            elif isinstance(done, Answer):
                answer = done
            else:
                if call.fault == "wrong_code":
                    done[self.code_field] = UNKNOWN_CODE
                elif call.fault == "miscount" and done.get(self.code_field, "00") == "00":
                    self.miscount(done)
                answer = json_answer(200, done, fault=call.fault)
            writing.count = len(call.items)
            writing.status, writing.code = self._told(answer)
        return answer

    def _later(self, call: Call) -> None:
        """Do what is asked after late_seconds, unless the system is gone by then."""

        def work() -> None:
            if not self._stopping.wait(self.plan.late_seconds):
                with suppress(ConnectionAbortedError):
                    self._work(call)

        threading.Thread(target=work, daemon=True, name=call.fault).start()

    def _strike(self, service: str) -> Kind | None:
        """Count a request; returns the fault that strikes it."""
        self._counted[service] += 1
        overall = sum(count for name, count in self._counted.items() if name != TOKEN) if service != TOKEN else 0
        return self.plan.at(service, self._counted[service], overall)

    def _note(self, call: Call, answer: Answer | None) -> Answer | None:
        """A request that changes nothing, in the log; returns its answer."""
        with self._hold().request(call.service, call.number, call.fault, self.kept(call)) as writing:
            writing.count = len(call.items)
            writing.status, writing.code = self._told(answer)
        return answer

    def _told(self, answer: Answer | None) -> tuple[int | None, str | None]:
        """Status and code of an answer, for the log."""
        if answer is None:
            return None, None
        content = parse(answer.body)
        return answer.status, content.get(self.code_field) if isinstance(content, dict) else None

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


class _Handler(Handler):
    def _answer(self) -> None:
        service = self.server.gateway
        assert isinstance(service, Service)
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            self.close_connection = True
            self.send(bad_request())
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True  # the client went away in the middle: no request
            return
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        call = Call(self.command, parts.path, query, self.headers, body, parse(body))
        answer = service.handle(call, self._hang_up)
        if answer is None:
            self._hang_up()
        else:
            self.send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _hang_up(self) -> None:
        self.close_connection = True
        break_connection(self.connection)
