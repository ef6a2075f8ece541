"""What left the warehouse in three nights: to the ministry, by its own record, and to the public, by the files.

The expected rows come from the generated truth; the ministry's system dropped an answer, failed, asked to wait and forgot a token.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from datetime import date
from typing import Any

import pytest

from .conftest import Nights
from .test_three_nights import _released, _today

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.timeout(900)]
STATUS = {"HIEU_LUC": "1", "TAM_DINH_CHI": "2", "THU_HOI": "3"}


def _licences(nights: Nights, number: int) -> dict[str, dict[str, str]]:
    """What the ministry should hold: the true licences as its messages write them, by number."""

    def day(value: date | None) -> str:
        return f"{value:%Y%m%d}000000" if value else ""

    return {
        row["licence_no"]: {
            "SoGiayPhep": row["licence_no"],
            "MaCSKCB": row["facility_code"],
            "PhamVi": row["scope"] or "",
            "NgayCap": day(row["issued_on"]),
            "NgayHetHan": day(row["expires_on"]),
            "TrangThai": STATUS[row["status"]],
            "ThoiDiemCapNhat": f"{row['updated_at']:%Y%m%d%H%M%S}",
        }
        for row in _released(nights, number, "health").rows["health.licence"]
    }


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_ministry_holds_the_released_licences_but_for_those_it_refused(nights: Nights, number: int) -> None:
    refused = nights.refused[number]
    assert refused
    wanted = {key: row for key, row in _licences(nights, number).items() if key not in refused}
    assert nights.upstream[number] == wanted


def test_the_ministry_saw_each_version_once_and_in_order(nights: Nights) -> None:
    """By its own record: for each licence the versions that differ from the one before, refused ones left out, no more."""
    seen: dict[str, list[Any]] = defaultdict(list)
    for effect in nights.effects:
        content = {k: v for k, v in effect.content.items() if k != "MaThongDiep"}
        seen[effect.key].append(None if effect.operation == "delete" else content)
    wanted: dict[str, list[Any]] = defaultdict(list)
    for number in (1, 2, 3):
        now = _licences(nights, number)
        for key in now.keys() | wanted.keys():
            held = wanted[key][-1] if wanted[key] else None
            version = now.get(key)
            if version != held and not (version is not None and key in nights.refused[number]):
                wanted[key].append(version)
    assert seen == {key: versions for key, versions in wanted.items() if versions}


def test_the_ministry_did_misbehave(nights: Nights) -> None:
    faults = {request.fault for request in nights.requests if request.fault}
    assert {"too_many", "drop_after", "error500", "expired"} <= faults


def test_dead_letters_have_a_reason_and_an_owner_and_one_was_closed_by_its_source(nights: Nights) -> None:
    for number in (1, 2, 3):
        (obligation,) = nights.status[number]["obligations"]
        assert obligation["state"] == "rejected"
        assert obligation["rejected"] == len(nights.refused[number])
        assert obligation["pending"] == obligation["uncertain"] == obligation["overdue"] == 0
    assert nights.refused[3] < nights.refused[2] == nights.refused[1]
    letters = json.loads(nights.kho("exchange", "dead-letters", "--all", "--json").stdout)
    assert {letter["key"] for letter in letters if letter["closed_by"] is None} == nights.refused[3]
    assert {letter["key"] for letter in letters} == nights.refused[1]
    assert all(
        letter["code"] == "23" and letter["owner"] and "danh mục của Bộ" in letter["reason_vi"] for letter in letters
    )


def test_both_sides_agree_but_for_the_dead_letter(nights: Nights) -> None:
    (found,) = nights.reconciled
    assert found["missing"] == found["different"] == found["extra"] == found["repaired"] == 0
    assert found["known"] == len(nights.refused[3])
    assert found["compared"] == len(_licences(nights, 3))


def _csv(nights: Nights, dataset: str) -> list[dict[str, str]]:
    latest = json.loads((nights.home / "portal" / dataset / "latest.json").read_text(encoding="utf-8"))
    path = nights.home / "portal" / dataset / str(latest["version"]) / "data.csv"
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))


def test_the_published_facilities_are_the_true_ones(nights: Nights) -> None:
    wanted = {
        row["facility_code"]: (row["facility_name"], _today(row["commune_code"]), str(row["bed_count"] or ""))
        for row in _released(nights, 3, "health").rows["health.facility"]
    }
    found = {
        row["facility_code"]: (row["facility_name"], row["commune_code"], row["bed_count"])
        for row in _csv(nights, "health_facilities")
    }
    assert {key: (name, commune, beds if beds != "0" else "") for key, (name, commune, beds) in found.items()} == wanted
    assert not {"phone", "updated_at"} & _csv(nights, "health_facilities")[0].keys()


def test_the_published_schools_add_up(nights: Nights) -> None:
    pupils: dict[tuple[str, str], int] = defaultdict(int)
    for row in _released(nights, 3, "education").rows["education.school"]:
        pupils[row["commune_code"], row["level"]] += row["pupil_count"]
    found = {
        (row["commune_code"], row["school_level"]): row["pupil_count"] for row in _csv(nights, "schools_by_commune")
    }
    assert found == {key: "" if 0 < count < 5 else str(count) for key, count in pupils.items()}


def test_the_published_communes_are_of_three_epochs(nights: Nights) -> None:
    rows = _csv(nights, "communes")
    assert len(rows) == len(nights.live[3]["governance.dim_administrative_unit"])
    assert len({(row["unit_code"], row["valid_from"]) for row in rows if not row["valid_to"]}) >= 99


def test_a_version_never_changes_and_a_held_dataset_keeps_its_own(nights: Nights) -> None:
    """Files of a version are the same bytes, written once; what nothing changed has no new version."""
    for before, after in ((1, 2), (2, 3)):
        old = {name: seen for name, seen in nights.published[before].items() if name.count("/") == 2}
        assert old and all(nights.published[after][name] == seen for name, seen in old.items())

    def version(number: int, dataset: str) -> Any:
        return next(d["version"] for d in nights.status[number]["portal"] if d["dataset"] == dataset)

    assert version(2, "schools_by_commune") == version(1, "schools_by_commune") == 1  # held: release 1 stays
    assert version(2, "health_facilities") == version(1, "health_facilities") == 1  # stale: nothing new
    assert version(3, "health_facilities") == 2
    changed = nights.live[1]["education.mart_school_by_commune"] != nights.live[3]["education.mart_school_by_commune"]
    assert version(3, "schools_by_commune") == (2 if changed else 1)


def test_the_files_are_what_the_database_says(nights: Nights) -> None:
    assert nights.kho("portal", "check").returncode == 0
    catalogue = json.loads((nights.home / "portal" / "catalog.jsonld").read_text(encoding="utf-8"))
    listed = next(node for node in catalogue["@graph"] if node["@type"] == "dcat:Catalog")["dcat:dataset"]
    nodes = {node["@id"]: node for node in catalogue["@graph"] if "@id" in node}
    assert [len(nodes[each["@id"]]["dcat:distribution"]) for each in listed] == [3, 3, 3]
