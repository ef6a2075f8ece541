"""What has something to be done is told and done again: new releases, changed rules, attempts that came to no outcome."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration import portal, status
from orchestration.contracts import LegalBasis
from orchestration.errors import KhoError
from orchestration.portal import files
from orchestration.portal.model import OpenDataset
from orchestration.settings import REPOSITORY
from orchestration.warehouse import dbt
from tests.engine.cluster import rows as ask

from .conftest import again_at_once, facility, image, release, release_facilities
from .test_publish import in_a_process

UNIT_TYPES = {"unit_code": "text", "valid_from": "date", "_delivery": "bigint"}


def waiting(dataset: OpenDataset) -> list[str]:
    return [key for _, key in portal.waiting_work([dataset])]


def state(dataset: OpenDataset) -> Any:
    (found,) = portal.states([dataset])
    return found


def done(dataset: OpenDataset) -> Any:
    """Published, with the catalogue."""
    outcome = portal.publish(dataset)
    portal.write_catalogue()
    return outcome


def test_a_failed_publication_is_told_and_tried_again_after_a_while(
    home: Path, facilities: OpenDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_facilities([facility(1)])
    done(facilities)
    release_facilities([facility(2)])
    assert (state(facilities).state, state(facilities).because_en) == ("behind", "release 2 has not been looked at")
    (first,) = waiting(facilities)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "/secret/24A02")

    with monkeypatch.context() as patch:
        patch.setattr(files, "_durable", full)
        with pytest.raises(KhoError) as failed:
            portal.publish(facilities)
    assert failed.value.code == "disk" and "ENOSPC" in failed.value.vi and "secret" not in str(failed.value.args)
    told = state(facilities)
    assert (told.state, told.version, told.because_vi) == ("failed", 1, failed.value.vi)
    assert status.is_behind(told.state, told.released)
    assert waiting(facilities) == [], "not at once"
    again_at_once()
    (second,) = waiting(facilities)
    assert second != first
    assert done(facilities).version == 2
    assert (state(facilities).state, waiting(facilities)) == ("published", [])
    assert ask("select attempts from kho.portal_dataset") == [(3,)]


@pytest.mark.parametrize("step", ["portal:written", "portal:renamed"])
def test_a_publication_that_was_killed_is_told_and_tried_again(home: Path, facilities: OpenDataset, step: str) -> None:
    release_facilities([facility(1)])
    done(facilities)
    release_facilities([facility(2)])
    (first,) = waiting(facilities)
    assert in_a_process(facilities.id, step) == -signal.SIGKILL
    assert (state(facilities).state, state(facilities).because_en) == ("behind", "the last publication did not finish")
    assert waiting(facilities) == []
    again_at_once()
    assert waiting(facilities) not in ([], [first])
    done(facilities)
    assert (state(facilities).state, waiting(facilities)) == ("published", [])


@pytest.mark.parametrize("name", ["latest.json", "catalog.jsonld"])
def test_pointers_that_are_not_current_are_written_again(home: Path, facilities: OpenDataset, name: str) -> None:
    release_facilities([facility(1)])
    done(facilities)
    path = {"latest.json": files.folder(facilities.id) / name, "catalog.jsonld": home / "portal" / name}[name]
    whole = path.read_bytes()
    path.write_bytes(b"{}")
    assert waiting(facilities) == [], "the run that wrote the version may be about to"
    again_at_once()
    assert len(waiting(facilities)) == 1
    assert done(facilities).state == "unchanged"
    assert path.read_bytes() == whole
    again_at_once()
    assert waiting(facilities) == []


def test_a_crash_after_the_commit_is_finished(home: Path, facilities: OpenDataset) -> None:
    release_facilities([facility(1)])
    assert in_a_process(facilities.id, "portal:committed") == -signal.SIGKILL
    again_at_once()
    assert len(waiting(facilities)) == 1
    assert done(facilities).state == "unchanged"
    assert portal.verify() == []


def test_a_contract_that_closes_is_looked_at_without_a_release(
    home: Path, facilities: OpenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_facilities([facility(1)])
    done(facilities)
    assets = tmp_path / "assets"
    shutil.copytree(REPOSITORY / "assets", assets)
    monkeypatch.setenv("KHO_ASSETS", str(assets))
    assert (waiting(facilities), state(facilities).state) == ([], "published"), (
        "the same bytes elsewhere change nothing"
    )
    school = assets / "agencies" / "education" / "school.yaml"
    school.write_text(school.read_text(encoding="utf-8") + "# another\n", encoding="utf-8")
    assert waiting(facilities) == [], "not a contract behind this table"
    contract = assets / "agencies" / "health" / "facility.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(text.replace("classification, value: open", "classification, value: shared"), encoding="utf-8")
    assert state(facilities).state == "behind" and "contracts or models" in state(facilities).because_en
    assert len(waiting(facilities)) == 1
    assert portal.publish(facilities).state == "held"
    assert (waiting(facilities), state(facilities).state) == ([], "held")


@pytest.mark.parametrize("name", ["dim_health_facility", "stg_health__facility"])
def test_a_release_of_other_models_waits_for_the_next_build(home: Path, facilities: OpenDataset, name: str) -> None:
    release_facilities([facility(1)], {name: "older"})
    held = portal.publish(facilities)
    assert held.state == "held"
    assert f"models {name} have changed since release 1 was built: waits for the next build" in held.because_en
    release_facilities([facility(1)], {"fct_health_licence": "older"})
    assert portal.publish(facilities).state == "published", "not a model behind this table"


def test_so_does_one_that_read_another_subject_built_by_others(home: Path, facilities: OpenDataset) -> None:
    units = {"dim_administrative_unit": (UNIT_TYPES, ["unit_code", "valid_from"], [])}
    release("governance", units, {"dim_commune_code": "older"})
    release_facilities([facility(1)])
    release("governance", units)
    held = portal.publish(facilities)
    assert held.state == "held" and "dim_commune_code" in held.because_en, (
        "health still holds what the older model made"
    )
    release_facilities([facility(1)])
    assert portal.publish(facilities).state == "published"


def test_a_rollback_is_judged_by_the_build_that_it_restores(home: Path, facilities: OpenDataset) -> None:
    from orchestration.release import rollback

    release_facilities([facility(1)])
    release_facilities([facility(2)], {"dim_health_facility": "older"})
    rollback("health", 1, by="tests")
    assert (portal.publish(facilities).state, waiting(facilities)) == ("published", [])


CHANGES: dict[str, Callable[[OpenDataset], OpenDataset]] = {
    "licence": lambda d: replace(d, licence="https://example.vn/giay-phep"),
    "coverage": lambda d: replace(d, covers_from=date(2020, 1, 1)),
    "place": lambda d: replace(d, place_from=date(2024, 12, 1)),
    "creator": lambda d: replace(d, creator=replace(d.creator, code="H05.99")),
    "publisher": lambda d: replace(d, publisher=replace(d.publisher, name_en="Somebody else")),
    "law": lambda d: replace(d, legal_basis=(*d.legal_basis, LegalBasis("Nghị định 1/2026/NĐ-CP", date(2026, 1, 1), None))),
    "label": lambda d: replace(d, columns=(replace(d.columns[0], label_en="Another"), *d.columns[1:])),
    "unit": lambda d: replace(d, columns=(*d.columns[:-1], replace(d.columns[-1], unit="yes or no"))),
    "title": lambda d: replace(d, title_en="Another title"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_said_of_the_rows_is_part_of_the_version(home: Path, facilities: OpenDataset, name: str) -> None:
    release_facilities([facility(1)])
    done(facilities)
    first = (home / "portal" / "catalog.jsonld").read_bytes()
    old = image(facilities.id)["1/metadata.json"]
    changed = replace(CHANGES[name](facilities), sha256=b"another")
    assert done(changed).version == 2
    assert image(facilities.id)["1/metadata.json"] == old
    said = json.loads((files.folder(facilities.id) / "2" / files.METADATA).read_text(encoding="utf-8"))
    assert said["previous_version"].endswith("/health_facilities/1")
    text = (home / "portal" / "catalog.jsonld").read_text(encoding="utf-8")
    assert text.encode() != first and "health_facilities/2#csv" in text and "health_facilities/1" not in text
    assert said["licence"] in text and said["coverage"]["from"] in text and said["title"]["en"] in text
    assert done(changed).state == "unchanged"


def test_the_catalogue_says_what_the_version_says_while_the_declaration_is_held(
    home: Path, facilities: OpenDataset
) -> None:
    release_facilities([facility(1)])
    done(facilities)
    text = (home / "portal" / "catalog.jsonld").read_text(encoding="utf-8")
    release_facilities([facility(1, "ĐT 0912345678")])
    held = replace(facilities, licence="https://example.vn/giay-phep", sha256=b"another")
    assert done(held).state == "held"
    assert (home / "portal" / "catalog.jsonld").read_text(encoding="utf-8") == text
    assert portal.verify() == []


def test_a_broken_declaration_stops_no_other(
    home: Path, facilities: OpenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kho: Callable[..., Any]
) -> None:
    import dagster as dg

    from orchestration.automation import sensors
    from orchestration.components.open_data import OpenData, broken_asset, portal_key

    release_facilities([facility(1)])
    done(facilities)
    assets = tmp_path / "assets"
    shutil.copytree(REPOSITORY / "assets", assets)
    monkeypatch.setenv("KHO_ASSETS", str(assets))
    spoilt = assets / "portal" / "health_facilities.yaml"
    spoilt.write_text(spoilt.read_text(encoding="utf-8").replace("licence: https", "licence: no"), encoding="utf-8")
    found = {one.dataset: one for one in status.portal()}
    assert set(found) == {"communes", "health_facilities", "schools_by_commune"}
    broken = found["health_facilities"]
    assert (broken.state, broken.version) == ("failed", 1) and "health_facilities.yaml" in broken.because_en
    assert status.is_behind(broken.state, broken.released)
    told = kho("portal", "publish", "--json")
    assert told.code == 1
    assert {one["dataset"]: one["state"] for one in told.json["datasets"]} == {
        "communes": "never", "schools_by_commune": "never", "health_facilities": "failed",
    }  # fmt: skip
    assert "health_facilities/1/data.csv" in (home / "portal" / "catalog.jsonld").read_text(encoding="utf-8")
    assert portal.verify() == [], "what was published stays as it was"
    assert kho("portal", "publish", "health_facilities").code == 1
    release(
        "education", {"mart_school_by_commune": ({"commune_code": "text", "_delivery": "bigint"}, ["commune_code"], [])}
    )
    assert [request.asset_selection[0] for request in sensors._to_publish()] == [portal_key("schools_by_commune")]
    _, problems = portal.parse_all()
    defs = OpenData().build_defs(SimpleNamespace(path=assets / "portal"))  # type: ignore[arg-type]
    assert {key.path[1] for key in defs.resolve_all_asset_keys()} >= {*found, "catalogue"}, "the code location loads"
    run = dg.materialize([broken_asset("health_facilities", problems)], raise_on_error=False)
    assert not run.success and "licence" in str(run.all_events)


def test_trouble_with_the_disk_is_told_in_words(home: Path, facilities: OpenDataset, kho: Callable[..., Any]) -> None:
    release_facilities([facility(1)])
    (home / "portal").mkdir()
    (home / "portal" / "health_facilities").write_text("in the way", encoding="utf-8")
    ended = kho("portal", "publish", "health_facilities")
    assert ended.code == 1 and "[disk]" in ended.out and "Traceback" not in ended.err
    assert dbt.graph() is not None and state(facilities).state == "failed"
