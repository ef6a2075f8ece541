"""Evidence cannot be altered, cut or rebuilt unnoticed: an administrator tries, `ledger.verify` tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestration import release, settings
from orchestration.release import ledger
from orchestration.warehouse import connect

from .cluster import rows, value
from .samples import column, contract, csv_delivery, text_rows
from .story import land
from .subjects import NIGHT, released

TYPES = {"code": "text", "_delivery": "bigint"}


@pytest.fixture
def house(empty: Path) -> Path:
    """Receipts, gates, releases and a rollback: eleven links or more; returns the anchor exported after them."""
    made = contract([column("code", key_position=1, required=True), column("name")], name="sample")
    for day in range(3):
        land(made, csv_delivery(made, text_rows(("code", "name"), ("A", str(day))), day=day), night=NIGHT)
    for code in "XYZ":
        released("health", {"facility": (TYPES, ("code",), [{"code": code}])})
    release.rollback("health", 1, by="tests")
    with connect("admin") as admin:
        return ledger.export_anchor(admin, "2026-03-01")


def tamper(*statements: str) -> None:
    """As an administrator who has switched the constraints off."""
    with connect("admin") as admin:
        admin.execute("set local session_replication_role = replica")
        for statement in statements:
            assert admin.execute(statement).rowcount > 0, statement  # type: ignore[arg-type]


def faults(anchor: Path | None = None, *, role: str = "release") -> list[ledger.Fault]:
    with connect(role) as connection:
        return ledger.verify(connection, anchor)[1]


def test_an_untouched_chain_holds(house: Path) -> None:
    with connect("release") as connection:
        head, found = ledger.verify(connection, house)
    assert (head.seq, found) == (10, [])
    kinds = rows("select kind, count(*) from kho.ledger group by 1 order by 1")
    assert kinds == [("gate", 3), ("receipt", 3), ("release", 3), ("rollback", 1)]


ALTERED = {
    "count of a receipt": "update kho.delivery set accepted = accepted + 1, received = received + 1 where delivery_id = 2",
    "time of a receipt": "update kho.delivery set received_at = received_at + interval '1 microsecond' where delivery_id = 2",
    "hash of the bytes": "update kho.delivery set sha256 = set_byte(sha256, 7, get_byte(sha256, 7) # 1) where delivery_id = 2",
    "who confirmed": "update kho.delivery set confirmed_by = 'kẻ khác' where delivery_id = 2",
    "verdict": "update kho.gate set verdict = 'fail' where build = 2",
    "result of an expectation": "update kho.gate_result set success = false where build = 2",
    "result removed": "delete from kho.gate_result where build = 2",
    "result added": "insert into kho.gate_result select build, subject, 'another', table_name, expectation_type, severity, quality_word, scope, success,"
    " element_count, unexpected_count, message_vi, message_en from kho.gate_result where build = 2",
    "frozen counts": "update kho.build_table set inserted = inserted + 1 where build = 2",
    "who released": "update kho.release set by_whom = 'kẻ khác' where release = 2",
    "what was restored": "update kho.release set restores = 2 where kind = 'rollback'",
    "evidence removed": "delete from kho.delivery where delivery_id = 2",
    "evidence without a link": "insert into kho.release select 'land', 1, 1000, 'release', null, now(), 'kẻ khác'",
    "mac": "update kho.ledger set mac = set_byte(mac, 3, get_byte(mac, 3) # 1) where seq = 5",
    "payload hash": "update kho.ledger set payload_hash = set_byte(payload_hash, 3, get_byte(payload_hash, 3) # 1) where seq = 5",
    "prev": "update kho.ledger set prev = set_byte(prev, 3, get_byte(prev, 3) # 1) where seq = 5",
    "time of a link": "update kho.ledger set at = at - interval '1 second' where seq = 5",
    "link removed": "delete from kho.ledger where seq = 5",
    "first link removed": "delete from kho.ledger where seq = 1",
    "last link removed": "delete from kho.ledger where seq = 10",
}  # fmt: skip


@pytest.mark.parametrize("what", ALTERED)
def test_any_alteration_is_found(house: Path, what: str) -> None:
    tamper(ALTERED[what])
    assert faults()


def test_links_that_change_places_are_found(house: Path) -> None:
    tamper(
        "update kho.ledger set seq = 100 where seq = 4",
        "update kho.ledger set seq = 4 where seq = 5",
        "update kho.ledger set seq = 5 where seq = 100",
    )
    assert faults()


CUT = (
    "delete from kho.ledger where seq = 10",
    "delete from kho.release where kind = 'rollback'",
)


def test_a_cut_tail_is_found_with_the_anchor(house: Path) -> None:
    """With its evidence gone too, what is left is a whole chain: only the anchor tells."""
    tamper(*CUT)
    assert faults() == []
    assert [fault.seq for fault in faults(house)] == [10]


def test_a_rebuilt_chain_is_found_with_the_anchor(house: Path) -> None:
    """By one who has the key: every link and all evidence agree again."""
    tamper("update kho.delivery set source_name = 'khác.csv' where delivery_id = 2")
    key = settings.ledger_key()
    with connect("admin") as admin:
        admin.execute("set local session_replication_role = replica")
        prev = b"\x00"
        for seq, at, kind, subject, ref in _links(admin):
            ((payload_hash,),) = admin.execute("select kho.evidence(%s, %s, %s)", (kind, subject, ref)).fetchall()
            mac = ledger._mac(key, seq, at, kind, subject, ref, payload_hash, prev)
            admin.execute(
                "update kho.ledger set payload_hash = %s, prev = %s, mac = %s where seq = %s",
                (payload_hash, prev, mac, seq),
            )
            prev = mac
    assert faults() == []
    assert [fault.seq for fault in faults(house)] == [10]


def _links(admin: psycopg.Connection[Any]) -> Sequence[tuple[Any, ...]]:
    return admin.execute(
        """select seq, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), kind, subject, ref from kho.ledger order by seq"""
    ).fetchall()


def test_another_key_does_not_make_the_same_chain(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHO_LEDGER_KEY", "khác")
    assert len(faults()) == 10


def test_the_anchor_of_yesterday_still_holds_today(house: Path) -> None:
    released("health", {"facility": (TYPES, ("code",), [{"code": "later"}])})
    assert faults(house) == []


def test_the_chain_has_one_order_whoever_writes(empty: Path) -> None:
    """Writers at the same time take their places one after the other."""
    import threading

    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            made = contract([column("code", key_position=1, required=True), column("name")], name=name)
            for day in range(6):
                land(made, csv_delivery(made, text_rows(("code", "name"), ("A", str(day))), day=day), night=NIGHT)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"writer{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert value("select count(*) from kho.ledger") == 24
    assert faults() == []
