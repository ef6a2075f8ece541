"""`kho portal`: what it tells, in tables and as JSON, and with which code it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestration import portal
from orchestration.portal import files

from .conftest import facility, release_facilities, release_schools, schools


def test_publish_status_and_check(home: Path, kho: Callable[..., Any]) -> None:
    release_facilities([facility(1)])
    release_schools([schools("07210", pupil_count=3)])
    done = kho("portal", "publish", "health_facilities", "schools_by_commune")
    assert done.code == 0, done.err
    assert "đã công bố / published" in done.out and "catalog.jsonld" in done.out
    again = kho("portal", "publish", "--json")
    assert again.code == 3, "the communes were never released"
    states = {one["dataset"]: one["state"] for one in again.json["datasets"]}
    assert states == {"communes": "never", "health_facilities": "unchanged", "schools_by_commune": "unchanged"}
    table, found = kho("portal", "status"), kho("portal", "status", "--json")
    assert "Cơ sở khám bệnh, chữa bệnh" in table.out and "chưa công bố / never published" in table.out
    assert [(one["dataset"], one["version"]) for one in found.json] == [
        ("communes", None), ("health_facilities", 1), ("schools_by_commune", 1),
    ]  # fmt: skip
    checked = kho("portal", "check")
    assert (checked.code, checked.err) == (0, "")


def test_a_held_dataset_and_an_altered_file_are_told(home: Path, kho: Callable[..., Any]) -> None:
    secret = "024099000111"
    release_facilities([facility(1, f"Phòng khám {secret}")])
    held = kho("portal", "publish", "health_facilities")
    assert held.code == 3
    assert "bị giữ / held" in held.out and "personal_id" in held.out and secret not in held.out + held.err
    release_facilities([facility(1)])
    assert kho("portal", "publish", "health_facilities").code == 0
    altered = files.folder("health_facilities") / "1" / "data.json"
    altered.chmod(0o644)
    altered.write_bytes(b"[]\n")
    found = kho("portal", "check")
    assert found.code == 1
    assert "health_facilities 1: data.json: tệp đã bị sửa / the file has been altered" in found.out
    as_json = kho("portal", "check", "--json").json
    assert [fault["file"] for fault in as_json["faults"]] == ["data.json"] and as_json["problems"] == []


def test_an_unknown_dataset_is_a_usage_error(home: Path, kho: Callable[..., Any]) -> None:
    ended = kho("portal", "publish", "hospitals")
    assert ended.code == 2 and "health_facilities" in ended.err
    assert portal.states(portal.load_all())[1].version is None
