"""The service behind the gateway, when network, token or service fail: tried again or told, and nothing told that must not be."""

from __future__ import annotations

import pytest

from orchestration.contracts import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources import wire

from .registry_service import (
    MARK,
    Fault,
    Service,
    cut,
    days,
    drain,
    enterprises,
    env,
    hang_up,
    refused_with,
    revoke,
    status,
    take,
)  # fmt: skip


@pytest.fixture
def contract() -> Contract:
    return enterprises()


def test_a_total_that_is_never_reached(contract: Contract, service: Service, waits: list[float]) -> None:
    service.records = days(4)
    service.total_is = lambda n: n + 1
    with pytest.raises(Transient) as refused:
        take(contract, service)
    assert refused.value.code == "count"


@pytest.mark.parametrize(
    "fault",
    [status(502), status(503), status(500), refused_with("99"), cut, hang_up, revoke, status(200), status(429)],
    ids=["502", "503", "500", "code 99", "cut", "hang up", "token revoked", "html", "429"],
)
def test_faults_of_the_moment_lose_nothing(
    contract: Contract, service: Service, waits: list[float], fault: Fault
) -> None:
    service.records = days(10)
    service.faults = {2: fault, 4: fault}
    records, _ = take(contract, service)
    assert records == service.records
    assert all(wait <= wire.LONGEST_WAIT for wait in waits)


def test_retry_after_is_honoured_within_bounds(contract: Contract, service: Service, waits: list[float]) -> None:
    service.records = days(2)
    service.faults = {1: status(429, Retry_After="7"), 2: status(429, Retry_After="86400")}
    take(contract, service)
    assert waits == [7.0, wire.LONGEST_WAIT]


def test_retry_after_may_be_a_date(contract: Contract, service: Service, waits: list[float]) -> None:
    service.records = days(2)
    service.faults = {1: status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), 2: status(503, Retry_After="soon")}
    take(contract, service)
    assert waits[0] == 0.0 and waits[1] > 0.0


def test_the_token_is_renewed_by_our_own_clock(contract: Contract, service: Service) -> None:
    service.records, service.life = days(10), 0
    take(contract, service)
    assert service.logins == len(service.questions)


@pytest.mark.parametrize("fault", [status(502), cut, refused_with("99")], ids=["502", "cut", "code 99"])
def test_a_source_that_stays_down(contract: Contract, service: Service, waits: list[float], fault: Fault) -> None:
    service.records = days(2)
    service.faults = dict.fromkeys(range(1, 20), fault)
    with pytest.raises(Transient) as refused:
        take(contract, service)
    assert len(service.questions) == wire.ATTEMPTS
    assert len(waits) == wire.ATTEMPTS - 1
    assert "/apiCSDLDKDN/1.0/danhSachDoanhNghiep" in str(refused.value)
    tells_nothing(refused.value)


@pytest.mark.parametrize(
    "fault",
    [
        status(403),
        status(404),
        refused_with("01"),
        refused_with(MARK),
        lambda h: h.json(200, {"error_code": "00"}) is None,
    ],
    ids=["403", "404", "code 01", "code unreadable", "no data"],
)
def test_a_refusal_is_not_repeated(contract: Contract, service: Service, waits: list[float], fault: Fault) -> None:
    service.faults = {1: fault}
    with pytest.raises(KhoError) as refused:
        take(contract, service)
    assert not refused.value.transient
    assert (len(service.questions), waits) == (1, [])
    tells_nothing(refused.value)


def test_a_token_that_is_never_accepted(contract: Contract, service: Service) -> None:
    service.faults = dict.fromkeys((1, 2), revoke)
    with pytest.raises(KhoError) as refused:
        take(contract, service)
    assert refused.value.where["rule"] == "401"
    assert len(service.questions) == 2


def test_wrong_credentials_and_missing_variable(contract: Contract, service: Service) -> None:
    with pytest.raises(KhoError) as refused:
        drain(contract, env(service) | {"KHO_SOURCE_ENTERPRISES_SECRET": "wrong"})
    assert refused.value.code == "login_refused"
    tells_nothing(refused.value)
    with pytest.raises(KhoError) as missing:
        drain(contract, {"KHO_SOURCE_ENTERPRISES": service.base})
    assert missing.value.where == {"variable": "KHO_SOURCE_ENTERPRISES_KEY"}


def test_nobody_listens(contract: Contract, service: Service, waits: list[float]) -> None:
    with pytest.raises(Transient) as refused:
        drain(contract, env(service) | {"KHO_SOURCE_ENTERPRISES": "http://127.0.0.1:9"})
    assert refused.value.where["rule"] == "ConnectError"


def test_a_far_end_that_drips_is_left(
    contract: Contract, service: Service, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "LONGEST_CALL", 0.0)
    service.records = days(2)
    with pytest.raises(Transient) as refused:
        take(contract, service)
    assert refused.value.where["rule"] == "slow"
    monkeypatch.setattr(wire, "LONGEST_CALL", 60.0)
    monkeypatch.setattr(wire, "LARGEST_BODY", 10)
    with pytest.raises(KhoError) as large:
        take(contract, service)
    assert large.value.where["rule"] == "size" and not large.value.transient


def tells_nothing(error: KhoError) -> None:
    seen: BaseException | None = error
    while seen is not None:
        for secret in (MARK, "s3cret", "tuNgay"):
            assert secret not in str(seen) and secret not in repr(seen)
        seen = seen.__context__
