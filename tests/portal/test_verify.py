"""`kho portal check` names whatever lies below the served folder and is not as the database says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration import portal
from orchestration.portal import files, record
from orchestration.portal.model import OpenDataset
from orchestration.warehouse import backup, connect
from tests.engine.cluster import rows as ask

from .conftest import facility, release_facilities
from .test_publish import cells


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda home: _write(home / "1" / "data.csv", b"x"), ("health_facilities", 1, "data.csv", "altered")),
        (lambda home: (home / "1" / "data.parquet").unlink(), ("health_facilities", 1, "data.parquet", "gone")),
        (lambda home: _write(home / "1" / "more.csv", b"x"), ("health_facilities", 1, "more.csv", "not of the version")),
        (lambda home: _write(home / "latest.json", b"{}"), ("health_facilities", None, "latest.json", "newest version")),
        (lambda home: (home / "2").mkdir(), ("health_facilities", None, "2", "does not know")),
        (lambda home: (home / "1").rename(home.parent.parent / "away"), ("health_facilities", 1, "-", "folder is gone")),
        (lambda home: _write(home.parent / "catalog.jsonld", b"{}"), ("-", None, "catalog.jsonld", "catalogue")),
        (lambda home: (home.parent / "catalog.jsonld").unlink(), ("-", None, "catalog.jsonld", "missing")),
        (lambda home: (home.parent / "other").mkdir(), ("other", None, "-", "does not know")),
        (lambda home: _write(home.parent / "dump.sql", b"x"), ("-", None, "dump.sql", "does not know")),
        (lambda home: _write(home / ".hidden", b"x"), ("health_facilities", None, ".hidden", "does not know")),
        (lambda home: files.made(files.staging("health_facilities")), ("health_facilities", None, "-", "unfinished")),
        (lambda home: (home / "1" / "data.csv").chmod(0o644), ("health_facilities", 1, "data.csv", "mode 644")),
        (lambda home: (home / "1").chmod(0o700), ("health_facilities", 1, "-", "mode 700")),
        (lambda home: home.chmod(0o775), ("health_facilities", None, "-", "mode 775")),
        (lambda home: (home / "latest.json").chmod(0o600), ("health_facilities", None, "latest.json", "mode 600")),
        (lambda home: (home.parent / "catalog.jsonld").chmod(0o600), ("-", None, "catalog.jsonld", "mode 600")),
        (lambda home: home.parent.chmod(0o700), ("-", None, "-", "mode 700")),
        (
            lambda home: ask("update kho.portal_version set files = jsonb_set(files, '{0,bytes}', '1')"),
            ("health_facilities", 1, "data.csv", "altered"),
        ),
    ],
)  # fmt: skip
def test_whatever_is_altered_is_named(
    home: Path, facilities: OpenDataset, spoil: Callable[[Path], object], said: tuple[str, int | None, str, str]
) -> None:
    shutil.rmtree(home / "away", ignore_errors=True)
    release_facilities([facility(1)])
    portal.publish(facilities)
    portal.write_catalogue()
    assert portal.verify() == []
    spoil(files.folder(facilities.id))
    faults = portal.verify()
    assert any((f.dataset, f.version, f.file) == said[:3] and said[3] in f.en for f in faults), faults


def _write(path: Path, data: bytes) -> None:
    if path.exists():
        path.chmod(0o644)
    path.write_bytes(data)


def test_what_is_under_way_is_no_fault(home: Path, facilities: OpenDataset) -> None:
    files.made(files.staging(facilities.id))
    with connect("portal", autocommit=True) as connection, record.alone(connection, facilities.id):
        assert portal.verify() == []
    assert [fault.dataset for fault in portal.verify()] == [facilities.id]


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_modes_are_the_same_whatever_the_umask(home: Path, facilities: OpenDataset, umask: int) -> None:
    before = os.umask(umask)
    try:
        release_facilities([facility(1)])
        portal.publish(facilities)
        portal.write_catalogue()
    finally:
        os.umask(before)
    assert portal.verify() == []


def test_a_restored_older_backup_uses_no_number_again(home: Path, facilities: OpenDataset, tmp_path: Path) -> None:
    release_facilities([facility(1)])
    portal.publish(facilities)
    portal.write_catalogue()
    backup.backup(tmp_path / "kho.tar")
    release_facilities([facility(2)])
    assert portal.publish(facilities).version == 2
    portal.write_catalogue()
    shutil.copytree(files.folder(facilities.id) / "2", tmp_path / "two")
    before = os.umask(0o077)
    try:
        backup.restore(tmp_path / "kho.tar", replace=True, check=None)
    finally:
        os.umask(before)
    faults = portal.verify()
    assert [(fault.dataset, fault.file) for fault in faults] == [(facilities.id, "2")], "and every mode is right"
    release_facilities([facility(3)])
    assert portal.publish(facilities).version == 3
    portal.write_catalogue()
    assert [row["facility_code"] for row in cells(facilities.id, 3)] == ["24A03"]
    for path in (tmp_path / "two").iterdir():
        assert (files.folder(facilities.id) / "2" / path.name).read_bytes() == path.read_bytes()
    assert [fault.file for fault in portal.verify()] == ["2"]


def test_a_version_that_was_taken_off_is_told_of_nowhere(home: Path, facilities: OpenDataset) -> None:
    """What an operator does about a version that must not be seen: its folder goes, and readers are pointed to the one before."""
    for number in (1, 2):
        release_facilities([facility(number)])
        portal.publish(facilities)
    shutil.rmtree(files.folder(facilities.id) / "2")
    release_facilities([facility(1, "ĐT 0912345678")])
    assert portal.publish(facilities).state == "held"
    text = portal.write_catalogue().read_text(encoding="utf-8")
    assert "health_facilities/1/data.csv" in text and "health_facilities/2" not in text
    assert '"version": 1' in (files.folder(facilities.id) / files.LATEST).read_text(encoding="utf-8")
    shutil.rmtree(files.folder(facilities.id) / "1")
    portal.publish(facilities)
    assert "health_facilities" not in portal.write_catalogue().read_text(encoding="utf-8")
    assert not (files.folder(facilities.id) / files.LATEST).exists()
    release_facilities([facility(1)])
    assert portal.publish(facilities).version == 3
