"""Kept bytes, later: what was to be forgotten cannot be read from any copy, and nothing plain outlives the process that needed it."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts import Contract
from orchestration.errors import KhoError
from orchestration.landing import confirm, keep, land, vault
from orchestration.landing.keep import kept_file, place, sweep
from orchestration.landing.retention import standing, sweep_all, unreadable
from orchestration.settings import home, kept_folder, keys_folder
from orchestration.warehouse import connect

from .cluster import rows, value
from .kept_tools import (
    MARK,
    NAMES,
    OPEN,
    changed,
    die_landing,
    die_reading,
    elsewhere,
    found,
    lines,
    personal,
    put,
    refusal,
    whole,
)  # fmt: skip
from .oracle import Sent
from .samples import NIGHT, START, contract, csv_delivery, text_rows
from .stagehand import Answer, Event, Stagehand, at_step
from .story import Parcel

#: One process that forks the others.
pytestmark = pytest.mark.xdist_group("kept_retention")
UNHARMED = Event()


@pytest.fixture
def alone() -> Iterator[Path]:
    with elsewhere() as folder:
        yield folder


@pytest.fixture(scope="module")
def hand() -> Iterator[Stagehand]:
    with Stagehand() as hand:
        yield hand


def age(made: Contract, days: int = 31) -> None:
    rows(
        "update kho.delivery set received_at = received_at - make_interval(days => %s) where dataset = %s",
        (days, made.id),
    )


def kept_paths(made: Contract) -> list[Path]:
    return [
        home() / path
        for (path,) in rows("select kept_path from kho.delivery where dataset = %s order by delivery_id", (made.id,))
    ]


def test_what_has_expired_cannot_be_read_from_a_copy(empty: Path, tmp_path: Path) -> None:
    """Also of a dataset that delivers nothing any more: nobody lands it, the nightly sweep does."""
    made, quiet, other = personal(), contract(OPEN), personal()
    for day in range(3):
        land(made, csv_delivery(made, lines(3, f"{MARK} {day}"), day=day), night=NIGHT)
        opened = text_rows(("code", "name"), ("A", f"{MARK} {day}"))
        land(quiet, csv_delivery(quiet, opened, day=day), night=NIGHT)
    land(other, csv_delivery(other, lines(2)), night=NIGHT)
    assert {whole(path)[:11] for path in kept_paths(made)} == {b"CODE,PERSON"}
    shutil.copytree(empty / "deliveries", tmp_path / "copy")
    age(made)
    assert sweep_all([made, quiet, other]).removed == {made.id: 2}
    first, second, last = kept_paths(made)
    assert not first.exists() and not second.exists()
    assert whole(last).startswith(b"CODE,PERSON"), "what stands in raw keeps its origin"
    assert [path.name for path in vault.key_path(place(last)).parent.iterdir()] == [f"{last.name[:9]}.key"]
    # From the copy: neither without a key, nor with that of another, nor with one made anew.
    shutil.copy(tmp_path / "copy" / place(first), first)
    assert refusal(first) == "key_gone"
    shutil.copy(vault.key_path(place(last)), vault.key_path(place(first)))
    assert refusal(first) == "kept_damaged"
    vault.make_key(place(first))
    assert refusal(first) == "kept_damaged"
    said = standing(str(first.relative_to(empty)), START, retention_days=30, is_last_applied=False)
    assert said["kept"] and said["encrypted"] and f"{said['kept_until']}" == "2026-03-31"
    assert sweep_all([made, quiet, other]).removed == {made.id: 1}
    assert standing(str(first.relative_to(empty)), START, retention_days=None, is_last_applied=False) == {
        "kept": False, "kept_until": None, "encrypted": True, "stored_bytes": None,
    }  # fmt: skip
    assert len(kept_paths(quiet)) == 3 and all(path.exists() for path in kept_paths(quiet))
    assert value("select count(*) from kho.delivery") == 7, "receipts stay"


def test_the_sweep_leaves_alone_what_is_being_landed_and_what_nobody_speaks_for(empty: Path) -> None:
    made, orphan = personal(), personal()
    for each in (made, orphan):
        for day in range(2):
            land(each, csv_delivery(each, lines(2, f"x{day}"), day=day), night=NIGHT)
        age(each)
    unfinished = keep.folder(orphan) / "000000099.csv.zst.enc.part"
    unfinished.write_bytes(b"")
    with connect("loader") as landing:
        landing.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"kho.dataset:{made.id}",))
        swept = sweep_all([made])
        assert not swept.removed and swept.without_contract == (orphan.id,)
        assert all(path.exists() for path in kept_paths(made))
    assert not unfinished.exists() and all(path.exists() for path in kept_paths(orphan))
    assert sweep_all([made]).removed == {made.id: 1}
    assert [path.exists() for path in kept_paths(made)] == [False, True]


# -- crashes --------------------------------------------------------------------------------------------------------------


def run(hand: Stagehand, function: Any, *arguments: Any, event: Event = UNHARMED) -> Answer:
    """In a process of its own, with today's KHO_HOME."""
    return hand.run("call", function, home(), arguments, event=event)


@pytest.mark.parametrize("encoding", ["csv", "xlsx"])
def test_nothing_plain_outlives_a_killed_landing(alone: Path, hand: Stagehand, encoding: str) -> None:
    made = personal()
    assert run(hand, die_landing, made, encoding, [MARK.encode(), b"x" * 400_000]).killed
    left = keep.folder(made) / f"000000005.{encoding}.plain"
    assert found(alone) == [str(left.relative_to(alone))], "a parser needs it, and it is nobody else's"
    assert left.stat().st_mode & 0o777 == 0o600 and left.parent.stat().st_mode & 0o777 == 0o700
    sweep(made, set(), set())
    assert found(alone) == []
    assert [path for path in alone.rglob("*") if path.is_file()] == [alone / "secrets" / "kept.key"]


def test_nothing_plain_outlives_a_killed_reader_and_no_reader_is_disturbed(alone: Path, hand: Stagehand) -> None:
    made = personal()
    kept = put(made, 1, [MARK.encode()])
    assert run(hand, die_reading, kept.path).killed
    assert len(found(alone)) == 1
    with kept_file(kept.path) as plain:
        sweep(made, {1}, set())
        assert found(alone) == [str(plain.relative_to(alone))]
    assert found(alone) == [] and whole(kept.path) == MARK.encode()


def test_a_sweep_that_dies_has_forgotten_all_the_same(alone: Path, hand: Stagehand) -> None:
    made = personal()
    kept = [put(made, number, [MARK.encode()]) for number in (1, 2)]
    assert run(hand, sweep, made, {1, 2}, {1}, event=at_step("retention:keys-gone")).killed
    assert kept[0].path.exists() and refusal(kept[0].path) == "key_gone"
    assert not run(hand, sweep, made, {1, 2}, {1}).killed
    assert not kept[0].path.exists() and whole(kept[1].path) == MARK.encode()


def test_a_landing_killed_anywhere_leaves_bytes_with_their_key_or_nothing(empty: Path, hand: Stagehand) -> None:
    made = personal()
    land(made, csv_delivery(made, lines(5, "first")), night=NIGHT)
    for day, name in enumerate(("keyed", "copied", "kept", "before-commit", "committed"), 1):
        sent = csv_delivery(made, lines(5, f"{MARK} {day}"), day=day)
        said = Sent((), day, None, None, True, False)
        parcel = Parcel(said, "csv", b"".join(sent.chunks), NAMES, (), None, 0)
        answer = hand.run("land", made, parcel, event=at_step(f"landing:{name}"))
        assert answer.killed, name
        for path in kept_paths(made):
            assert whole(path).startswith(b"CODE,PERSON")
        assert found(empty) == []
        land(made, parcel.delivery(), night=NIGHT)
        numbers = {path.name[:9] for path in kept_paths(made)}
        for root in (kept_folder(), keys_folder()):
            there = {path.name.split(".")[0] for path in (root / made.agency / made.dataset).iterdir()}
            assert there == numbers, (name, root)
    assert unreadable() == []


def test_no_plain_personal_byte_is_on_disk_after_landing(empty: Path) -> None:
    """Clean, dirty (read twice), refused, unchanged, waiting, confirmed."""
    made = personal()
    broken = text_rows(NAMES, ("K1", MARK), ("K2", None), (f"{MARK}", MARK))
    outcomes = [
        land(made, csv_delivery(made, content, day=day), night=NIGHT).outcome
        for day, content in enumerate((lines(5), lines(5), [*lines(5, f"{MARK} b"), *broken], lines(1)))
    ]
    assert outcomes == ["applied", "unchanged", "applied", "waiting"]
    assert land(made, csv_delivery(made, lines(1), day=-1), night=NIGHT).outcome == "refused"
    waiting = value("select delivery_id from kho.delivery where outcome = 'waiting'")
    assert confirm(made, waiting, by="Nguyễn Văn Thử", night=NIGHT).deleted > 0
    assert found(empty) == []
    assert b"".join(whole(path) for path in kept_paths(made)).count(MARK.encode()) > 10, (
        "the mark was there to be found"
    )


def test_a_waiting_delivery_that_cannot_be_opened_is_said_so_and_stays_waiting(empty: Path) -> None:
    made = personal()
    land(made, csv_delivery(made, lines(10)), night=NIGHT)
    waiting = land(made, csv_delivery(made, lines(1), day=1), night=NIGHT)
    path = kept_paths(made)[-1]
    content = path.read_bytes()
    for wrong in (content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        with changed(path, wrong), pytest.raises(KhoError) as raised:
            confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT)
        assert raised.value.code == "kept_damaged"
    key = vault.key_path(place(path))
    key.rename(key.with_suffix(".away"))
    with pytest.raises(KhoError) as raised:
        confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT)
    assert raised.value.code == "key_gone"
    assert value("select count(*) from kho.delivery") == 2
    key.with_suffix(".away").rename(key)
    assert confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT).outcome == "applied"


# -- backups --------------------------------------------------------------------------------------------------------------


def test_an_old_backup_does_not_bring_back_what_was_forgotten(empty: Path, tmp_path: Path) -> None:
    """Two backups in one folder share the newest keys; where only these are, what waits is confirmed, and what expired stays closed."""
    from orchestration.warehouse.archive import KEYS
    from orchestration.warehouse.backup import backup, restore

    made = personal()
    for day in range(2):
        land(made, csv_delivery(made, lines(10, f"{MARK} {day}"), day=day), night=NIGHT)
    waiting = land(made, csv_delivery(made, lines(1, f"{MARK} 2"), day=2), night=NIGHT)
    (empty / "deliveries" / made.agency / made.dataset / "000000001.csv.plain").write_text(MARK)
    backup(tmp_path / "old.tar")
    shutil.copy(tmp_path / KEYS, tmp_path / "old-keys")
    with tarfile.open(tmp_path / "old.tar") as tar:
        names = tar.getnames()
    assert f"deliveries/{place(kept_paths(made)[0])}" in names
    assert not [name for name in names if "key" in name or name.endswith(".plain")]
    assert (tmp_path / KEYS).stat().st_mode & 0o777 == 0o600
    rows("update kho.delivery set received_at = received_at - interval '31 days' where delivery_id = 1")
    assert sweep_all([made]).removed == {made.id: 1}
    backup(tmp_path / "new.tar")
    first, second, _ = kept_paths(made)
    ring = (tmp_path / KEYS).read_bytes()

    # Another warehouse's keys are not overwritten, nor taken for this one's.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KHO_LEDGER_KEY", "another")
        with pytest.raises(KhoError) as raised:
            backup(tmp_path / "new.tar")
    assert raised.value.code == "keys_of_another" and (tmp_path / KEYS).read_bytes() == ring

    for kept in (kept_folder(), keys_folder()):  # as on a machine where nothing was ever run
        shutil.rmtree(kept)
    (tmp_path / "cut").write_bytes(ring[:-20])
    with pytest.raises(KhoError) as raised:
        restore(tmp_path / "old.tar", replace=True, check=None, keys=tmp_path / "cut")
    assert raised.value.code == "backup_damaged" and not kept_folder().exists()
    assert value(
        "select kept_path is null or received_at < now() - interval '30 days' from kho.delivery where delivery_id = 1"
    )
    restore(tmp_path / "old.tar", replace=True, check=None)
    assert refusal(first) == "key_gone", "forgotten, though this backup is older"
    assert unreadable() == [place(first)]
    assert MARK.encode() in whole(second)
    modes = {path.stat().st_mode & 0o777 for path in keys_folder().rglob("*")}
    assert modes == {0o600, 0o700} and found(empty) == []
    assert confirm(made, waiting.delivery_id, by="Nguyễn Văn Thử", night=NIGHT).deleted == 9
    # With the keys of that time it is still there: that is why older copies of them are to be deleted.
    restore(tmp_path / "old.tar", replace=True, check=None, keys=tmp_path / "old-keys")
    assert MARK.encode() in whole(first) and unreadable() == []
