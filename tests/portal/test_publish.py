"""Publishing: what changes nothing writes nothing, what betrays a person is held, and a version is whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration import portal
from orchestration.portal import files
from orchestration.portal.model import OpenDataset
from orchestration.release import ledger
from orchestration.settings import REPOSITORY
from orchestration.warehouse import connect
from tests.engine.cluster import rows as ask
from tests.engine.subjects import frozen, judge

from .conftest import FACILITY_TYPES, facility, image, release_facilities, release_schools, schools

STEPS = ("portal:written", "portal:renamed", "portal:committed")


def cells(name: str, version: int) -> list[dict[str, object]]:
    text = (files.folder(name) / str(version) / "data.json").read_text(encoding="utf-8")
    found: list[dict[str, object]] = json.loads(text)
    return found


def intact() -> None:
    """Files, database and ledger agree."""
    assert portal.verify() == []
    with connect("release") as connection:
        assert ledger.verify(connection)[1] == []


def test_a_release_becomes_a_version_and_then_nothing_is_written(home: Path, facilities: OpenDataset) -> None:
    assert portal.publish(facilities).state == "never"
    assert portal.waiting_work([facilities]) == []
    release = release_facilities([facility(2), facility(1, 'Bệnh viện "A", số 1\nBắc Ninh', bed_count=None)])
    ((name, key),) = portal.waiting_work([facilities])
    assert name == facilities.id
    first = portal.publish(facilities)
    assert (first.state, first.version, first.release, first.rows) == ("published", 1, release, 2)
    assert portal.waiting_work([facilities]) == []
    catalogue = portal.write_catalogue()
    before, catalogue_before = image(facilities.id), catalogue.stat().st_mtime_ns
    release_facilities([facility(1, 'Bệnh viện "A", số 1\nBắc Ninh', bed_count=None, phone="0987654321"), facility(2)])
    ((_, again),) = portal.waiting_work([facilities])
    assert again != key
    second = portal.publish(facilities)
    assert (second.state, second.version, second.release) == ("unchanged", 1, release + 1)
    portal.write_catalogue()
    assert (image(facilities.id), catalogue.stat().st_mtime_ns) == (before, catalogue_before)
    assert portal.waiting_work([facilities]) == []
    (state,) = portal.states([facilities])
    assert (state.state, state.version, state.release, state.released, state.rows) == ("published", 1, 1, 2, 2)
    intact()


def test_a_change_makes_a_version_and_leaves_the_old_one(home: Path, facilities: OpenDataset) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    old = image(facilities.id)
    release_facilities([facility(1, bed_count=7)])
    done = portal.publish(facilities)
    assert (done.state, done.version) == ("published", 2)
    now = image(facilities.id)
    assert {name: seen for name, seen in old.items() if name.startswith("1/")}.items() <= now.items()
    assert json.loads(now["latest.json"][1])["version"] == 2
    assert cells(facilities.id, 2)[0]["bed_count"] == 7
    for file in done.files:
        data = now[f"2/{file.name}"][1]
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (files.folder(facilities.id) / "2" / file.name).stat().st_mode & 0o222 == 0
    sums = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=files.folder(facilities.id) / "2", capture_output=True
    )
    assert sums.returncode == 0 and sums.stdout.count(b": OK") == 4
    evidence = ask("select subject, ref from kho.ledger where kind = 'publication' order by seq")
    assert evidence == [(facilities.id, 1), (facilities.id, 2)]
    portal.write_catalogue()
    intact()


def test_rows_come_in_key_order_and_nfc_and_without_what_is_not_declared(home: Path, facilities: OpenDataset) -> None:
    name = "Trạm y tế phường Ệch Ố"
    rows = [facility(n, unicodedata.normalize("NFD", name)) for n in (30, 4, 12)]
    rows += [facility(1, facility_code="24Z01"), facility(1, facility_code="24a01")]
    release_facilities(rows)
    portal.publish(facilities)
    found = cells(facilities.id, 1)
    codes = [row["facility_code"] for row in found]
    assert codes == sorted(row["facility_code"] for row in rows)  # type: ignore[type-var]
    assert found[0]["facility_name"] == unicodedata.normalize("NFC", name)
    assert list(found[0]) == [column.name for column in facilities.columns]
    everything = b"".join(data for _, data in image(facilities.id).values())
    assert b"0912345678" not in everything and b"_delivery" not in everything


PLANTS = [
    ("personal_id", "024 099 000 111"),
    ("identity_card", "125123456"),
    ("mobile_phone", "0912.345.678"),
    ("individual_tax_code", "8012345678"),
    ("health_card", "DN4272700012345"),
    ("e_mail", "nguoi.mau@vidu.vn"),
]


def test_what_betrays_a_person_is_held_and_the_version_stays(home: Path, facilities: OpenDataset) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    portal.write_catalogue()
    before = image(facilities.id)
    for number, (rule, text) in enumerate(PLANTS, start=2):
        release_facilities([facility(1), facility(2, f"Cơ sở {text}"), facility(3, text), facility(4)])
        done = portal.publish(facilities)
        assert (done.state, done.version, done.release) == ("held", 1, number), (rule, text)
        for because in (done.because_vi, done.because_en):
            assert "facility_name: 2 " in because and f"({rule})" in because, (text, because)
            assert text not in because
        (state,) = portal.states([facilities])
        assert (state.state, state.version, state.because_vi) == ("held", 1, done.because_vi)
        assert image(facilities.id) == before
    told = str(ask("select * from kho.portal_dataset"))
    assert not any(text in told for _, text in PLANTS)
    release_facilities([facility(1), facility(2)])
    assert portal.publish(facilities).version == 2
    portal.write_catalogue()
    intact()


def test_small_counts_of_people_are_left_empty(home: Path, dataset: Callable[[str], OpenDataset]) -> None:
    declared = dataset("schools_by_commune")
    counts = [0, 1, 4, 5, 330, None]
    release_schools(
        schools(f"0721{n}", pupil_count=count, teacher_count=1, class_count=1) for n, count in enumerate(counts)
    )
    portal.publish(declared)
    found = cells(declared.id, 1)
    assert [row["pupil_count"] for row in found] == [0, None, None, 5, 330, None]
    assert {row["teacher_count"] for row in found} == {None}
    assert {row["class_count"] for row in found} == {1}, "classes are no people"
    described = json.loads((files.folder(declared.id) / "1" / files.METADATA).read_text(encoding="utf-8"))
    empty = {c["name"]: c.get("cells_left_empty") for c in described["columns"]}
    assert (empty["pupil_count"], empty["teacher_count"], empty["class_count"]) == (2, 6, None)
    assert described["smallest_count"] == 5
    assert "pupils_per_class" not in found[0], "a ratio would give the empty cell away"


def test_a_contract_that_is_no_longer_open_holds_the_dataset(
    home: Path, facilities: OpenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    before = image(facilities.id)
    assets = tmp_path / "assets"
    shutil.copytree(REPOSITORY / "assets", assets)
    contract = assets / "agencies" / "health" / "facility.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("classification, value: open", "classification, value: shared"), encoding="utf-8")
    monkeypatch.setenv("KHO_ASSETS", str(assets))
    release_facilities([facility(1), facility(2)])
    done = portal.publish(facilities)
    assert (done.state, done.version) == ("held", 1)
    assert (
        f"{facilities.label}:{facilities.line('table')}: table: contract health.facility is shared" in done.because_en
    )
    assert image(facilities.id) == before


def test_a_subject_that_is_held_changes_nothing(home: Path, facilities: OpenDataset) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    before = image(facilities.id)
    build = frozen("health", {"dim_health_facility": (FACILITY_TYPES, ["facility_code"], [facility(1, bed_count=99)])})
    judge("health", build, "fail")
    assert portal.waiting_work([facilities]) == []
    assert portal.publish(facilities).state == "unchanged"
    assert image(facilities.id) == before


def test_a_column_that_is_not_released_yet_is_told(home: Path, facilities: OpenDataset) -> None:
    from tests.engine.subjects import released

    types = {name: kind for name, kind in FACILITY_TYPES.items() if name != "opened_on"}
    released("health", {"dim_health_facility": (types, ["facility_code"], [facility(1)])})
    done = portal.publish(facilities)
    assert (done.state, done.version) == ("held", None)
    assert "no column opened_on" in done.because_en


def test_a_changed_declaration_is_looked_at_again(home: Path, facilities: OpenDataset) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    changed = replace(facilities, columns=facilities.columns[:-1], sha256=b"another")
    assert len(portal.waiting_work([changed])) == 1
    assert portal.publish(changed).version == 2
    assert "is_active" not in cells(facilities.id, 2)[0]


def test_every_step_in_the_code_is_rehearsed() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path(portal.__file__).parent.glob("*.py"))
    assert set(re.findall(r'\bstep\("([^"]+)"\)', code)) == set(STEPS)


def in_a_process(dataset: str, kill_at: str = "") -> int:
    """`publish` in a process of its own; its exit code."""
    code = (
        f"from orchestration import portal; portal.publish(next(d for d in portal.load_all() if d.id == {dataset!r}))"
    )
    env = {**os.environ, "KHO_KILL_AT": kill_at}
    return subprocess.run([sys.executable, "-c", code], env=env, cwd=REPOSITORY, check=False).returncode


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_leaves_the_old_or_the_new_version(home: Path, facilities: OpenDataset, step: str) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    portal.write_catalogue()
    old = {name: seen for name, seen in image(facilities.id).items() if name.startswith("1/")}
    release_facilities([facility(1), facility(2)])
    assert in_a_process(facilities.id, step) == -signal.SIGKILL
    pointed = json.loads((files.folder(facilities.id) / files.LATEST).read_text(encoding="utf-8"))
    assert pointed["version"] == 1, "nobody is pointed to a version before it is whole and known"
    known = ask("select version from kho.portal_version order by 1")
    assert known == ([(1,), (2,)] if step == "portal:committed" else [(1,)])
    assert (step == "portal:written") == any(
        fault.en == "left unfinished in portal.staging" for fault in portal.verify()
    )
    # What the crash left is not what comes next: another release, with other rows.
    rows = [facility(1), facility(2)] if step == "portal:committed" else [facility(1), facility(3)]
    release_facilities(rows)
    assert in_a_process(facilities.id) == 0
    portal.write_catalogue()
    # A whole folder that the database does not know may be one that readers know: its number is not used again.
    kept = step == "portal:renamed"
    number = 3 if kept else 2
    assert [row["facility_code"] for row in cells(facilities.id, number)] == [row["facility_code"] for row in rows]
    assert {name: seen for name, seen in image(facilities.id).items() if name.startswith("1/")} == old
    there = {path.name for path in files.folder(facilities.id).iterdir()}
    assert there == {*map(str, range(1, number + 1)), files.LATEST}
    assert not files.staging(facilities.id).exists()
    assert [(fault.file, fault.version) for fault in portal.verify()] == ([("2", None)] if kept else [])


def test_a_kill_in_the_first_publication_shows_nothing(home: Path, facilities: OpenDataset) -> None:
    release_facilities([facility(1)])
    assert in_a_process(facilities.id, "portal:renamed") == -signal.SIGKILL
    assert not (files.folder(facilities.id) / files.LATEST).exists()
    assert b"health_facilities" not in portal.write_catalogue().read_bytes()
    faults = portal.verify()
    assert [(fault.dataset, fault.file) for fault in faults] == [("health_facilities", "-")]
    (files.folder(facilities.id) / "1" / "data.csv").unlink()  # not whole: nobody can have taken it
    assert portal.publish(facilities).version == 1
    portal.write_catalogue()
    intact()


def test_a_version_that_was_lost_is_followed_by_one_with_the_same_rows(home: Path, facilities: OpenDataset) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    shutil.rmtree(files.folder(facilities.id))
    done = portal.publish(facilities)
    assert (done.state, done.version) == ("published", 2)
    portal.write_catalogue()
    assert [(fault.version, fault.en) for fault in portal.verify()] == [(1, "the version's folder is gone")]


def test_two_at_once_write_one_version(home: Path, facilities: OpenDataset) -> None:
    from concurrent.futures import ThreadPoolExecutor

    release_facilities([facility(1)])
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: portal.publish(facilities), range(4)))
    assert sorted(one.state for one in done) == ["published", "unchanged", "unchanged", "unchanged"]
    portal.write_catalogue()
    intact()


def test_the_portal_role_cannot_rewrite_what_was_published(home: Path, facilities: OpenDataset) -> None:
    from tests.engine.cluster import sqlstate

    release_facilities([facility(1)])
    portal.publish(facilities)
    for statement in (
        "update kho.portal_version set row_count = 9",
        "delete from kho.portal_version",
        "insert into health.dim_health_facility (facility_code) values ('x')",
        "select * from raw.health__facility",
        "select * from quarantine.row",
    ):
        assert sqlstate("portal", statement) in ("42501", "42P01"), statement
    unlinked = (
        "insert into kho.portal_version select dataset, 2, subject, release, published_at, 0, files, content_sha256,"
        " declaration_sha256 from kho.portal_version"
    )
    assert sqlstate("portal", unlinked) == "23503", "no version without its link in the ledger"
