"""The desk that owes licences: what is released, one sender at a time in this process, and the comparison with what had to arrive.

Belongs here: what the tests of single rules share. Stays out: the long campaign (`campaign_exchange`).
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Container
from typing import Any

import pytest

from orchestration import exchange
from orchestration.exchange import DeadLetter, ObligationState, Run
from orchestration.exchange.gateway import Gateway
from orchestration.warehouse import connect
from simulator.ministry import Fault, Ministry, MinistryFaults, Request
from tests.engine.cluster import rows

from .licences import Row, env_of, licence, licences, name, obligation, release
from .oracle import Oracle, check, violations


class Died(BaseException):
    """The sender ends here, as by SIGKILL: nothing is written down any more."""


def die_after_sending(patch: pytest.MonkeyPatch, service: str) -> None:
    """The sender dies when the first request to the service has left, before any answer."""
    request = http.client.HTTPConnection.request

    def last(self: http.client.HTTPConnection, method: str, url: str, *rest: Any) -> None:
        request(self, method, url, *rest)
        if url.endswith(service):
            raise Died

    patch.setattr(http.client.HTTPConnection, "request", last)


class Desk:
    """`count` licences, not released yet; `facilities`: those the ministry knows; `terms`: see `licences.obligation`."""

    def __init__(
        self, ministry: Ministry, count: int = 10, facilities: Container[str] | None = None, **terms: Any
    ) -> None:
        self.ministry, self.rows = ministry, licences(count)
        self.oracle, self.obligation = Oracle(facilities), obligation(**terms)

    # -- releasing --------------------------------------------------------------------------------------------------------

    def set(self, number: int, **values: Any) -> Row:
        """Change a licence, or make it."""
        row = self.rows.get(name(number)) or licence(number)
        self.rows[name(number)] = row | values
        return self.rows[name(number)]

    def remove(self, *numbers: int) -> None:
        for number in numbers:
            del self.rows[name(number)]

    def change_all(self, scope: str) -> None:
        for key, row in self.rows.items():
            self.rows[key] = row | {"scope": scope}

    def release(self) -> int:
        number = release(self.rows)
        self.oracle.release(self.rows)
        return number

    # -- sending ----------------------------------------------------------------------------------------------------------

    @property
    def env(self) -> dict[str, str]:
        return env_of(self.ministry)

    def send(self, seconds: float = 20.0) -> Run:
        return exchange.run(self.obligation, env=self.env, seconds=seconds)

    def finish(self) -> Run:
        """Send until nothing is left."""
        for _ in range(20):
            run = self.send()
            if run.outcome == "done":
                return run
        raise AssertionError("the sender does not come to an end")

    def strike(self, kind: str, service: str, *others: str) -> None:
        """The next request of the service goes wrong, and those after it in these ways."""
        count = max((each.number or 0 for each in self.requests(service)), default=0)
        faults = (Fault(count + i, each, service) for i, each in enumerate((kind, *others), start=1))  # type: ignore[arg-type]
        plan = self.ministry.plan
        self.ministry.plan = MinistryFaults(
            tuple(faults), retry_after_seconds=plan.retry_after_seconds, late_seconds=plan.late_seconds, restart_seconds=plan.restart_seconds
        )  # fmt: skip

    # -- looking ----------------------------------------------------------------------------------------------------------

    def requests(self, service: str) -> list[Request]:
        return [each for each in self.ministry.record.requests() if each.service == service]

    def come_to_rest(self) -> None:
        """Nothing is on its way inside the ministry any more: what was to come late has come."""
        deadline = time.monotonic() + 30
        while any(
            count > sum(each.number is not None for each in self.requests(service))
            for service, count in self._counted()
        ):
            assert time.monotonic() < deadline, "a request is never dealt with"
            time.sleep(0.01)

    def _counted(self) -> list[tuple[str, int]]:
        return list(self.ministry._counted.items())

    def check(self) -> None:
        """Every version has arrived once, in order, and nothing is left."""
        self.come_to_rest()
        check(self.oracle, self.ministry.record, self.obligation.id)

    def violations(self) -> list[str]:
        self.come_to_rest()
        return violations(self.oracle, self.ministry.record, self.obligation.id)

    def state(self) -> ObligationState:
        (found,) = exchange.states([self.obligation])
        return found

    def letters(self, *, closed: bool = False) -> list[DeadLetter]:
        return exchange.dead_letters(self.obligation.id, closed=closed)

    def outbox(self) -> dict[tuple[str, int], str]:
        """(key, release) -> state of every message."""
        found = rows("select key, release, state from kho.outbox where obligation = %s", (self.obligation.id,))
        return {(key, release): state for key, release, state in found}


def lose_session_while_sending(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    """On its third batch the sender loses its connection to the warehouse, and another one does all the work before it goes on."""
    send, sent = Gateway.send, []

    def losing(self: Gateway, *args: Any, **options: Any) -> Any:
        answer = send(self, *args, **options)
        sent.append(answer)
        if len(sent) == 3:
            patch.setattr(Gateway, "send", send)
            with connect("admin", autocommit=True) as admin:
                admin.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'kho exchange'"
                )
            desk.finish()
        return answer

    patch.setattr(Gateway, "send", losing)
