"""What each kind of fault does to a request that would apply two items, whichever system it is sent to.

Belongs here: letting every kind of a service's plan happen, one after the other. Stays out: kinds that only one system
knows what to make of (contrary, old_list, lax_order, skew, utc).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.national import TOKEN_KINDS, Fault, Service

from .national_client import Curl, Lost, wait_for

OWN = {"contrary", "old_list", "lax_order", "skew", "utc"}
#: Kind -> status answered (None: no answer), how many of two items are applied.
HAPPENS: dict[str, tuple[int | None, int]] = {
    "drop": (None, 0), "drop_after": (None, 2), "error500": (500, 0), "error500_after": (500, 2), "error502": (502, 0),
    "too_many": (429, 0), "error_code": (200, 0), "error_code_after": (200, 2), "wrong_code": (200, 2), "expired": (401, 0),
    "half": (200, 1), "half_silent": (None, 1), "miscount": (200, 2), "late": (None, 2), "late504": (504, 2), "restart": (None, 0),
    "hang": (None, 0), "expired_midway": (401, 1),
}  # fmt: skip


def all_happen(
    service: Service,
    client: Curl,
    at: str,
    send: Callable[[int], tuple[int, Any]],
    applied: Callable[[int], int],
    *,
    whole: int = 2,
    expired: int = 401,
) -> set[str]:
    """Strike one request after the other, in every kind that the plan allows for a service; returns the kinds.

    send(n): a request with two items (or `whole`) that are new for each n; applied(n): how many of them are there.
    expired: the system's own status for a dead token.
    """
    kinds = [kind for kind in type(service.plan).strikes[at] if kind not in OWN]
    for number, kind in enumerate(kinds):
        before = [r for r in service.record.requests() if r.service == at and r.number is not None]
        fault = Fault(len(before) + 1, kind, at)
        service.plan = type(service.plan)((fault,), hang_seconds=0.05, late_seconds=0.1, restart_seconds=0.05)
        status: int | None
        try:
            status, answer = send(number)
        except Lost:
            status, answer = None, None
        wait_for(lambda kind=kind: any(r.fault == kind and r.service == at for r in service.record.requests()), kind)
        wanted, count = HAPPENS[kind]
        wanted = expired if wanted == 401 else wanted
        assert (kind, status) == (kind, wanted)
        assert (kind, applied(number)) == (kind, whole if count == 2 else count)
        if kind in ("error_code", "error_code_after", "wrong_code") and "error_code" in answer:
            assert answer["error_code"] == ("A7" if kind == "wrong_code" else "99")
        if kind == "half":
            assert [line["error_code"] for line in answer["loi"]] == ["99"]
        if kind == "miscount" and "soBanGhi" in answer:
            assert answer["soBanGhi"] == "3"
        if kind in ("restart", "expired", "expired_midway") and expired == 401:
            wait_for(lambda: service.is_up, "still down")
            assert client.token() == 200
        wait_for(lambda: service.is_up, "still down")
    return set(kinds)


def token_faults_happen(service: Service, client: Curl) -> None:
    """Every kind strikes the request for a token."""
    for number, kind in enumerate(TOKEN_KINDS, sum(r.service == "token" for r in service.record.requests()) + 1):
        service.plan = type(service.plan)((Fault(number, kind, "token"),), hang_seconds=0.05, restart_seconds=0.05)
        try:
            status: int | None = client.token()
        except Lost:
            status = None
        wait_for(lambda: service.is_up, "still down")
        assert (kind, status) == (kind, HAPPENS[kind][0])
    service.plan = type(service.plan)()
    assert client.token() == 200
