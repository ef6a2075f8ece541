"""What a version says of itself: `metadata.json` in its folder, `latest.json` beside it.

Belongs here: their content, with the elements that TCVN 7980 and Circular 24/2011/TT-BTTTT ask for; which version is to be taken.
Stays out: DCAT (`catalogue`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.portal import files
from orchestration.portal.model import Body, File, OpenDataset, Version

if TYPE_CHECKING:
    from orchestration.portal.content import Content


def identifier(url: str, dataset: str) -> str:
    """The IRI of a dataset, the same for all its versions."""
    return f"{url}/{dataset}"


def version_identifier(url: str, dataset: str, version: int) -> str:
    """The IRI of a version, under which its files lie."""
    return f"{url}/{dataset}/{version}"


def terms(dataset: OpenDataset, content: Content, sources: Sequence[str]) -> dict[str, Any]:
    """What is said of the rows, whichever version they are in: it is part of what a version is, as the rows are."""
    types = {field.name: str(field.type) for field in content.typed.schema}
    return {
        "title": {"vi": dataset.title_vi, "en": dataset.title_en},
        "description": {"vi": dataset.description_vi, "en": dataset.description_en},
        "creator": _body(dataset.creator),
        "publisher": _body(dataset.publisher),
        "contact": {"name": dataset.contact_name, "email": dataset.contact_email},
        "subject": {"kho": dataset.subject, "vi": dataset.theme_vi, "eu": dataset.theme},
        "keywords": {"vi": list(dataset.keywords_vi), "en": list(dataset.keywords_en)},
        "languages": list(dataset.languages),
        "licence": dataset.licence,
        "frequency": dataset.frequency,
        "coverage": {
            "place": {
                "code": dataset.place_code,
                "valid_from": dataset.place_from.isoformat(),
                "vi": dataset.place_vi,
                "en": dataset.place_en,
            },
            "from": dataset.covers_from.isoformat(),
            "to": dataset.covers_to.isoformat() if dataset.covers_to else None,
        },
        "legal_basis": [
            {
                "instrument": basis.instrument,
                "valid_from": basis.valid_from.isoformat(),
                "valid_to": basis.valid_to.isoformat() if basis.valid_to else None,
            }
            for basis in dataset.legal_basis
        ],
        "sources": list(sources),
        "table": dataset.table,
        "key": list(dataset.key),
        "columns": [
            {
                "name": column.name,
                "label": {"vi": column.label_vi, "en": column.label_en},
                "type": types[column.name],
                "unit": column.unit,
                **({"cells_left_empty": content.suppressed[column.name]} if column.counts_persons else {}),
            }
            for column in dataset.columns
        ],
        "smallest_count": dataset.smallest,
    }


def of_version(
    dataset: OpenDataset, said: dict[str, Any], content: Content, version: int, last: Version | None, at: datetime,
    listed: Sequence[File], sha256: bytes, url: str,
) -> dict[str, Any]:  # fmt: skip
    """`metadata.json`: a person, or a program that knows no DCAT, understands the version by it alone. `said` is of `terms`."""
    return {
        "identifier": version_identifier(url, dataset.id, version),
        "dataset": dataset.id,
        "version": version,
        "previous_version": version_identifier(url, dataset.id, last.version) if last else None,
        "date": at.isoformat(),
        **said,
        "release": content.release,
        "rows": content.texts.num_rows,
        "content_sha256": sha256.hex(),
        "files": [asdict(file) for file in listed],
    }


def read(version: Version) -> dict[str, Any] | None:
    """`metadata.json` of a version; None when it is not there as it was published."""
    path = files.folder(version.dataset) / str(version.version) / files.METADATA
    data = path.read_bytes() if path.is_file() else b""
    wanted = next((file.sha256 for file in version.files if file.name == files.METADATA), None)
    if hashlib.sha256(data).hexdigest() != wanted:
        return None
    found: dict[str, Any] = json.loads(data)
    return found


def current(known: Sequence[Version]) -> tuple[Version, dict[str, Any]] | None:
    """The version to take, and what it says of itself: the newest that is there. None when none is."""
    for version in reversed(known):
        said = read(version)
        if said is not None:
            return version, said
    return None


def is_pointed(dataset: str, known: Sequence[Version]) -> bool:
    """Whether `latest.json` points to the version to take."""
    found, latest = current(known), files.folder(dataset) / files.LATEST
    if found is None:
        return not latest.exists()
    return latest.is_file() and latest.read_bytes() == files.json_text(pointer(found[0]))


def point(dataset: str, known: Sequence[Version]) -> None:
    """Write `latest.json`, or remove it when there is nothing to take. Call it under the dataset's lock."""
    found, latest = current(known), files.folder(dataset) / files.LATEST
    if found is None:
        latest.unlink(missing_ok=True)
    else:
        files.write_if_changed(latest, files.json_text(pointer(found[0])), dataset)


def pointer(version: Version) -> dict[str, Any]:
    """`latest.json`: the version to take, and its files."""
    return {
        "dataset": version.dataset,
        "version": version.version,
        "release": version.release,
        "date": version.published_at.isoformat(),
        "folder": str(version.version),
        "files": [asdict(file) for file in version.files],
    }


def _body(body: Body) -> dict[str, str]:
    return {"vi": body.name_vi, "en": body.name_en, "code": body.code}
