"""A small released province to publish: rows as the warehouse has them, released by the engine's own functions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestration import portal
from orchestration import release as engine
from orchestration.portal.files import folder
from orchestration.portal.model import OpenDataset
from orchestration.release import builds
from orchestration.warehouse import dbt
from tests.cli.conftest import kho
from tests.engine import cluster
from tests.engine.subjects import NIGHT, judge, put_candidate

__all__ = ["kho"]

FACILITY_TYPES = {
    "facility_code": "text",
    "facility_name": "text",
    "ownership": "text",
    "professional_level": "text",
    "bed_count": "integer",
    "commune_code": "text",
    "phone": "text",
    "opened_on": "date",
    "is_active": "boolean",
    "_delivery": "bigint",
}
SCHOOL_TYPES = {
    "commune_code": "text",
    "school_level": "text",
    "school_count": "integer",
    "national_standard_school_count": "integer",
    "class_count": "integer",
    "pupil_count": "integer",
    "teacher_count": "integer",
    "pupils_per_class": "numeric(8,2)",
    "_delivery": "bigint",
}


def facility(number: int, name: str = "Trạm y tế xã Thử", **values: Any) -> dict[str, Any]:
    """A facility; its telephone is a mobile, which is not published and must not hold it back."""
    return {
        "facility_code": f"24A{number:02}", "facility_name": name, "ownership": "CONG", "professional_level": "BAN_DAU", "bed_count": number,
        "commune_code": "07210", "phone": "0912345678", "opened_on": "2001-02-03", "is_active": True, "_delivery": 1,
    } | values  # fmt: skip


def schools(commune: str, level: str = "MN", **values: Any) -> dict[str, Any]:
    return {
        "commune_code": commune, "school_level": level, "school_count": 2, "national_standard_school_count": 1, "class_count": 12,
        "pupil_count": 330, "teacher_count": 25, "pupils_per_class": "27.50", "_delivery": 1,
    } | values  # fmt: skip


def release(subject: str, tables: Mapping[str, Any], versions: Mapping[str, str] | None = None) -> int:
    """Release tables as built by the models of today, or by those `versions`; the number of the release."""
    build = engine.begin(subject, NIGHT)
    for table, (types, key, rows) in tables.items():
        put_candidate(subject, table, types, key, rows)
    made_by = {model.name: model.version for model in dbt.graph().nodes(subject)}
    builds.built(build, made_by | dict(versions or {}))
    engine.diff(subject, build)
    judge(subject, build)
    return engine.promote(subject, build).release


def release_facilities(rows: Iterable[Mapping[str, Any]], versions: Mapping[str, str] | None = None) -> int:
    """Release these facilities; the number of the release."""
    return release("health", {"dim_health_facility": (FACILITY_TYPES, ["facility_code"], rows)}, versions)


def release_schools(rows: Iterable[Mapping[str, Any]]) -> int:
    return release("education", {"mart_school_by_commune": (SCHOOL_TYPES, ["commune_code", "school_level"], rows)})


def again_at_once() -> None:
    """Let what was tried be tried again now."""
    cluster.rows(
        "update kho.portal_dataset set attempted_at = attempted_at - interval '1 hour', looked_at = looked_at - interval '1 hour'"
    )


@pytest.fixture
def home(empty: Path) -> Path:
    """KHO_HOME of the emptied warehouse, nothing published."""
    for name in ("portal", "portal.staging"):
        shutil.rmtree(empty / name, ignore_errors=True)
    return empty


@pytest.fixture
def dataset() -> Callable[[str], OpenDataset]:
    """A declaration of this repository, by id."""
    found = {dataset.id: dataset for dataset in portal.load_all()}
    return found.__getitem__


@pytest.fixture
def facilities(dataset: Callable[[str], OpenDataset]) -> OpenDataset:
    return dataset("health_facilities")


def image(name: str) -> dict[str, tuple[int, bytes]]:
    """Everything that lies in a dataset's folder: path -> (time of change, bytes)."""
    return {
        str(path.relative_to(folder(name))): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder(name).rglob("*"))
        if path.is_file()
    }
