"""Dead letters sent again by a person: the same bytes, once, and never past a later version."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestration import exchange
from simulator.ministry.services import ASK, SEND
from tests.engine.cluster import value

from .desk import Desk
from .licences import FACILITIES, STRANGER, name

NewDesk = Callable[..., Desk]


def _bodies(one: Desk, key: str) -> list[str]:
    """The bytes of the items of a licence, in the order of the requests."""
    found = []
    for request in one.requests(SEND):
        start = (request.body or "").find(f'"SoGiayPhep":"{key}"')
        if start >= 0:
            body = request.body or ""
            found.append(body[body.rindex("{", 0, start) : body.index("}", start) + 1])
    return found


def test_a_dead_letter_is_sent_again_as_it_was(desk: NewDesk) -> None:
    one = desk(6, facilities=FACILITIES)
    one.set(2, facility_code=STRANGER)
    one.set(3, facility_code=STRANGER)
    one.set(4, status="CHO_CAP")
    one.release()
    one.finish()
    letters = {each.key: each.seq for each in one.letters()}
    assert letters.keys() == {name(2), name(3), name(4)}
    one.ministry.know(None)
    assert exchange.retry(one.obligation, [letters[name(2)]], by="Nguyễn Văn Thử") == 1
    assert value("select retried_by from kho.message where seq = %s", (letters[name(2)],)) == "Nguyễn Văn Thử"
    one.finish()
    assert {each.key for each in one.letters()} == {name(3), name(4)}
    assert exchange.retry(one.obligation, None, by="Nguyễn Văn Thử") == 1  # what was never written has no bytes
    one.finish()
    one.oracle.retried(None)
    one.check()
    for key in (name(2), name(3)):
        first, second = _bodies(one, key)
        assert first == second and "MaThongDiep" in first
    assert exchange.retry(one.obligation, None, by="Nguyễn Văn Thử") == 0


@pytest.mark.parametrize("kind", ["drop", "error500", "drop_after", "half_silent"])
def test_a_code_from_before_the_retry_is_no_answer(desk: NewDesk, kind: str) -> None:
    one = desk(4, facilities=FACILITIES)
    one.set(2, facility_code=STRANGER)
    one.release()
    one.finish()
    one.ministry.know(None)
    one.strike(kind, SEND)
    assert exchange.retry(one.obligation, None, by="tests") == 1
    one.finish()
    one.oracle.retried(None)
    one.check()
    assert one.requests(ASK)


def test_a_retry_never_overtakes_a_later_version(desk: NewDesk) -> None:
    """The later version has arrived, but the answer is lost: sent now, the older one would be what the ministry keeps."""
    one = desk(4, facilities=FACILITIES)
    one.set(2, facility_code=STRANGER)
    one.release()
    one.finish()
    one.set(2, facility_code=FACILITIES[0])
    one.release()
    one.ministry.know(None)
    one.strike("drop_after", SEND)
    run = one.send(0.05)
    assert run.uncertain == 1
    assert exchange.retry(one.obligation, None, by="tests") == 0
    one.finish()
    one.check()
    assert one.letters() == []
