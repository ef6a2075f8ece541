"""What a version says of itself: `metadata.json` in its folder, `latest.json` beside it.

Belongs here: their content, with the elements that TCVN 7980 and Circular 24/2011/TT-BTTTT ask for. Stays out: DCAT (`catalogue`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.portal.model import Body, File, OpenDataset, Version

if TYPE_CHECKING:
    from orchestration.portal.content import Content


def identifier(url: str, dataset: str) -> str:
    """The IRI of a dataset, the same for all its versions."""
    return f"{url}/{dataset}"


def version_identifier(url: str, dataset: str, version: int) -> str:
    """The IRI of a version, under which its files lie."""
    return f"{url}/{dataset}/{version}"


def of_version(
    dataset: OpenDataset, content: Content, version: int, at: datetime, listed: Sequence[File], sources: Sequence[str],
    sha256: bytes, url: str,
) -> dict[str, Any]:  # fmt: skip
    """`metadata.json`: a person, or a program that knows no DCAT, understands the version by it alone."""
    types = {field.name: str(field.type) for field in content.typed.schema}
    return {
        "identifier": version_identifier(url, dataset.id, version),
        "dataset": dataset.id,
        "version": version,
        "date": at.isoformat(),
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
            "place": {"code": dataset.place_code, "vi": dataset.place_vi, "en": dataset.place_en},
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
        "release": {"subject": dataset.subject, "table": dataset.table, "number": content.release},
        "rows": content.texts.num_rows,
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
        "content_sha256": sha256.hex(),
        "files": [asdict(file) for file in listed],
    }


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
