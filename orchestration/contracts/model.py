"""The typed contract: what one agency promises about one dataset.

Purpose: the frozen dataclasses every stage reads instead of YAML, and the closed vocabularies they draw from.
Belongs here: fields, vocabularies, and what follows from them alone. Stays out: reading YAML (`document`, `parse`),
finding and judging files (`check`, `load`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from orchestration.errors import KhoError

# The twelve subjects: the units of gating and release.
SUBJECTS = (
    "population",
    "enterprises",
    "land",
    "procedures",
    "education",
    "health",
    "environment",
    "science_technology",
    "industry_investment",
    "budget",
    "smart_city",
    "governance",
)
COLUMN_CLASSIFICATIONS = ("open", "shared", "restricted", "personal", "sensitive")
PERSONAL_CLASSIFICATIONS = ("personal", "sensitive")
DATASET_CLASSIFICATIONS = ("open", "shared", "restricted")
DELIVERIES = ("snapshot", "cursor", "append")
DELETIONS = ("snapshot", "key_check", "none")

# How a text of the source is read. Times without a zone are Asia/Ho_Chi_Minh.
FORMATS = {
    "yyyyMMddHHmmss": "14 digits, local time of Asia/Ho_Chi_Minh",
    "dd/MM/yyyy": "day first date",
    "decimal_comma": "comma before the decimals, dots between thousands",
    "True/False": "boolean written as the words True and False",
}
SOURCE_TIME_ZONE = "Asia/Ho_Chi_Minh"

# Kinds of identifier -> beginnings that are assigned to nobody, which simulated data use: provinces of Circular 07/2016/TT-BCA
# have the codes 001 to 096, and no tax office is 99. A row with such a value is taken in only where KHO_SYNTHETIC=1 is set.
IDENTIFIERS = {"personal_id": ("097", "098", "099"), "enterprise_code": ("99",)}

# ODCS format of the server -> kind of source, with the options (`kho.*` of the server) each kind needs.
SOURCE_KINDS = {"table": "postgresql", "csv": "csv", "xlsx": "xlsx", "json": "json"}
SOURCE_OPTIONS = {
    "postgresql": ("table",),
    "csv": ("glob",),
    "xlsx": ("glob",),
    "json": ("path", "key", "secret", "page_size"),
}

# Every custom property a contract may carry; anything else under `kho.` is a spelling mistake.
CONTRACT_PROPERTIES = {
    "kho.agency": "folder name of the agency",
    "kho.agencyName": "name of the agency, Vietnamese",
    "kho.agencyCode": "identification code of the agency (Decision 20/2020/QĐ-TTg)",
    "kho.legalBasis": "instruments that oblige or allow the delivery, each with validFrom and perhaps validTo",
    "kho.delivery": "snapshot, cursor or append",
    "kho.cursor": "column and lookback of a cursor delivery",
    "kho.deletions": "how a deletion at the source is known: snapshot, key_check or none",
    "kho.authoritativeFor": "data elements (entity.attribute) this contract alone owns",
    "kho.classification": "open, shared or restricted",
    "kho.schedule": "HH:MM and time zone of the nightly landing",
}
COLUMN_PROPERTIES = {
    "kho.headers": "other texts the header of this column may have",
    "kho.format": "how the text of the source is read",
    "kho.default": "value taken when the cell of the source is empty",
    "kho.unit": "unit of the number",
    "kho.identifier": "kind of identifier: personal_id (số định danh cá nhân) or enterprise_code (mã số doanh nghiệp)",
}
SERVER_PROPERTIES = {
    "kho.table": "schema.table in the database of the agency",
    "kho.glob": "file names in the drop folder, the as-of date as yyyyMMdd in place of *",
    "kho.path": "path of the service below the base URL",
    "kho.key": "variable that holds the consumer key",
    "kho.secret": "variable that holds the consumer secret",
    "kho.page_size": "records asked for at a time",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the raw table. `allowed` and `default` are texts, also for numbers; limits are inclusive.

    `identifier` is one of IDENTIFIERS.
    `required` holds for a key column too. `line` is the line of its declaration in the contract's file.
    """

    name: str
    source_name: str
    headers: tuple[str, ...]
    pg_type: str
    required: bool
    key_position: int | None
    pattern: str | None
    allowed: tuple[str, ...] | None
    minimum: Decimal | None
    maximum: Decimal | None
    min_length: int | None
    max_length: int | None
    classification: str
    format: str | None
    default: str | None
    unit: str | None
    identifier: str | None
    label_vi: str
    description: str
    line: int

    @property
    def is_personal(self) -> bool:
        return self.classification in PERSONAL_CLASSIFICATIONS


@dataclass(frozen=True, slots=True)
class Source:
    """Where the data come from. `kind` is postgresql, csv, xlsx or json; `location` is unexpanded (`${NAME}`).

    `options` per kind: postgresql table; csv and xlsx glob; json path, page_size, key and secret (both unexpanded).
    """

    kind: str
    location: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """An instrument and the days on which it is in force; `valid_to` None means still in force."""

    instrument: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Contract:
    """A dataset as agreed with its owner. `id` is `<agency>.<dataset>`, `table` is `<agency>__<dataset>` in schema raw.

    `key` is in key order, `columns` in the order of declaration. `cursor_lookback` is zero without one.
    """

    id: str
    agency: str
    dataset: str
    subject: str
    table: str
    title: str
    version: str
    status: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    delivery: str
    cursor_column: str | None
    cursor_lookback: timedelta
    deletions: str
    source: Source
    owner_name: str
    owner_contact: str
    agency_name: str
    agency_code: str
    legal_basis: tuple[LegalBasis, ...]
    classification: str
    latency_hours: float
    frequency: timedelta
    retention_days: int
    schedule: str
    authoritative_for: tuple[str, ...]
    description: str
    granularity: str
    path: Path

    @property
    def is_personal(self) -> bool:
        """Whether any column is personal or sensitive."""
        return any(column.is_personal for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in one contract file: where, which field (dotted path), and what to do, in both languages."""

    file: str
    line: int
    field: str
    vi: str
    en: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.vi} / {self.en}"


class DeclarationErrors(KhoError):
    """Declarations that cannot be used, with every problem found in all of them. Each kind of declaration names itself in `kind`."""

    #: (code of the error, Vietnamese, English)
    kind: tuple[str, str, str]

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        code, vi, en = self.kind
        listing = "\n".join(str(problem) for problem in problems)
        super().__init__(
            code,
            f"{vi} có {len(problems)} lỗi:\n{listing}",
            f"{len(problems)} problems in {en}",
            {"file": problems[0].file, "row": problems[0].line} if problems else None,
        )

    def __reduce__(self) -> tuple[type[DeclarationErrors], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class ContractErrors(DeclarationErrors):
    """Contracts that cannot be used."""

    kind = ("contract", "Hợp đồng dữ liệu", "the data contracts")
