"""What an open dataset is, and what became of it.

Purpose: the frozen dataclasses that declaration, publication, catalogue and interface share.
Belongs here: fields. Stays out: reading YAML (`declaration`), whether it may be published (`lineage`, `content`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from orchestration.contracts import LegalBasis

#: Data formats of every version, in the order in which they are listed: file name -> (name, media type, EU file type).
FORMATS = {
    "data.csv": ("CSV", "text/csv", "CSV"),
    "data.json": ("JSON", "application/json", "JSON"),
    "data.parquet": ("Parquet", "application/vnd.apache.parquet", "PARQUET"),
}
#: `format` of a column that holds tax codes of enterprises.
TAX_CODE = "tax_code"


@dataclass(frozen=True, slots=True)
class OpenColumn:
    """A published column, called as in the warehouse. `counts_persons`: its cells count people, small ones are left empty.

    `format` is TAX_CODE where the column holds tax codes of enterprises.
    """

    name: str
    label_vi: str
    label_en: str
    unit: str | None
    counts_persons: bool
    format: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Body:
    """A public body: names, identification code (Decision 20/2020/QĐ-TTg)."""

    name_vi: str
    name_en: str
    code: str


@dataclass(frozen=True, slots=True)
class OpenDataset:
    """A declaration `assets/portal/<id>.yaml`. `smallest` is k: no cell that counts people shows 1 to k-1.

    `licence`, `theme`, `frequency` and `languages` are URIs of published lists. `place_from`: since when the place's code has
    the meaning that is meant. `label` is the file's name in messages, `sha256` that of its bytes.
    """

    id: str
    title_vi: str
    title_en: str
    description_vi: str
    description_en: str
    subject: str
    table: str
    columns: tuple[OpenColumn, ...]
    key: tuple[str, ...]
    smallest: int | None
    theme: str
    theme_vi: str
    keywords_vi: tuple[str, ...]
    keywords_en: tuple[str, ...]
    licence: str
    creator: Body
    publisher: Body
    contact_name: str
    contact_email: str
    frequency: str
    languages: tuple[str, ...]
    place_code: str
    place_from: date
    place_vi: str
    place_en: str
    covers_from: date
    covers_to: date | None
    legal_basis: tuple[LegalBasis, ...]
    path: Path
    label: str
    sha256: bytes
    lines: tuple[tuple[str, int], ...]

    def line(self, field: str) -> int:
        """Line of a field of the declaration."""
        return dict(self.lines).get(field, 1)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a version: its size in bytes and SHA-256 (hex)."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Published:
    """How a dataset came out. state: published, unchanged, held or never (its subject was never released).

    `version` is the one readers have, None when there is none; `release` the subject's release that was looked at;
    `rows` and `files` are those of the version.
    """

    dataset: str
    state: str
    version: int | None
    release: int
    rows: int
    because_vi: str
    because_en: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A version as the database knows it. `previous` is the version before it, None for the first."""

    dataset: str
    version: int
    previous: int | None
    subject: str
    release: int
    published_at: datetime
    first_published_at: datetime
    rows: int
    files: tuple[File, ...]
    content_sha256: bytes


@dataclass(frozen=True, slots=True)
class PortalState:
    """Where a dataset stands. `release` is the one its version was made from, `released` the newest of its subject.

    state: published, held, never (nothing to publish yet), behind (to be looked at), failed (the last attempt, or the declaration).
    """

    dataset: str
    title_vi: str
    title_en: str
    subject: str
    state: str
    version: int | None
    release: int | None
    released: int
    rows: int
    published_at: datetime | None
    because_vi: str
    because_en: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something of the published files that is not as the database says."""

    dataset: str
    version: int | None
    file: str
    vi: str
    en: str
