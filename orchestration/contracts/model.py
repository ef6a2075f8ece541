"""The typed contract: what one agency promises about one dataset.

Purpose: the frozen dataclasses every stage reads instead of YAML, and the closed vocabularies they draw from.
Belongs here: fields, vocabularies, and what follows from them alone. Stays out: reading YAML (`document`, `parse`),
finding and judging files (`check`, `load`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
DELETIONS = ("snapshot", "key_check", "tombstone", "none")
BREACHES = ("hold", "note")

# How a text of the source is read. Times without a zone are Asia/Ho_Chi_Minh.
FORMATS = {
    "yyyyMMddHHmmss": "14 digits, local time of Asia/Ho_Chi_Minh",
    "yyyyMMddHHmm": "12 digits, local time of Asia/Ho_Chi_Minh",
    "yyyyMMdd": "8 digits",
    "dd/MM/yyyy": "day first date",
    "dd/MM/yyyy HH:mm": "day first moment, local time of Asia/Ho_Chi_Minh",
    "dd/MM/yyyy HH:mm:ss": "day first moment with seconds, local time of Asia/Ho_Chi_Minh",
    "MM/yyyy": "month, read as its first day",
    "decimal_comma": "comma before the decimals, dots between thousands",
    "partial_date": "dd/MM/yyyy, MM/yyyy, yyyy, 00/MM/yyyy or 00/00/yyyy, kept as the text it is",
    "True/False": "boolean written as the words True and False",
}
# Any two words may stand for true and false, one of them perhaps empty: Có/Không, x/.
BOOLEAN_WORDS = r"(?=.)[^/]*/(?<=.)[^/]*"
SOURCE_TIME_ZONE = "Asia/Ho_Chi_Minh"
# Charsets of files and of columns that hold legacy text; auto: found out from enough of it.
CHARSETS = ("utf-8", "cp1258", "tcvn3", "vni", "viscii", "vps", "viqr", "auto")

# Kinds of identifier (rules: SQL schema `identifier`) -> roles that other columns of the row may play in the check.
IDENTIFIERS: dict[str, tuple[str, ...]] = {
    "personal_id": ("born", "sex"),
    "citizen_id": ("born", "sex"),
    "enterprise_code": (),
    "tax_code": ("on",),
    "household_code": (),
    "insurance_number": (),
    "health_card": (),
    "facility_code": (),
    "dossier_code": ("received",),
    "procedure_code": (),
    "agency_code": (),
    "phone": (),
}
# Kinds of identifier -> beginnings that are assigned to nobody, which simulated data use: provinces of Circular 07/2016/TT-BCA
# have the codes 001 to 096, and no tax office is 99. A row with such a value is taken in only where KHO_SYNTHETIC=1 is set.
UNASSIGNED = {
    "personal_id": ("097", "098", "099"),
    "citizen_id": ("097", "098", "099"),
    "household_code": ("097", "098", "099"),
    "enterprise_code": ("99",),
    "tax_code": ("097", "098", "099", "99"),
}

# Kind of source -> options (`kho.*` of the server, and its `format`) it must have, and those it may have.
SOURCE_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "postgresql": (("table",), ()),
    "database": (("table", "dialect"), ()),
    "files": (
        ("format", "glob"),
        ("delimiter", "charset", "member", "after", "host_key", "private_key", "record", "payload", "header"),
    ),
    "json": (("path", "key", "secret", "page_size"), ()),
    "receipts": (("path", "token"), ()),
    "xroad": (("service", "client"), ("page_size",)),
    "xml130": (("path", "key", "secret"), ()),
}
DIALECTS = ("mysql", "sqlite", "oracle", "mssql")
FILE_FORMATS = ("csv", "fixed", "xlsx", "xls", "ods", "dbf", "jsonl", "xml", "parquet", "stations")
# Protocol of an API (`kho.protocol`) -> kind of source.
PROTOCOLS = {"ndxp": "json", "receipts": "receipts", "xroad": "xroad", "xml130": "xml130"}

# Every custom property a contract may carry; anything else under `kho.` is a spelling mistake.
CONTRACT_PROPERTIES = {
    "kho.agency": "folder name of the agency",
    "kho.agencyName": "name of the agency, Vietnamese",
    "kho.agencyCode": "identification code of the agency (Decision 20/2020/QĐ-TTg)",
    "kho.legalBasis": "instruments that oblige or allow the delivery, each with validFrom and perhaps validTo",
    "kho.delivery": "snapshot, cursor or append",
    "kho.cursor": "column and lookback of a cursor delivery",
    "kho.deletions": "how a deletion at the source is known: snapshot, key_check, tombstone or none",
    "kho.keyCheck": "days between two key checks; every delivery has one without it",
    "kho.tombstone": "column whose values say that the row is deleted at the source, and these values",
    "kho.partition": "column: a file is the whole of one value of it, and says nothing of the others",
    "kho.authoritativeFor": "data elements (entity.attribute) this contract alone owns",
    "kho.classification": "open, shared or restricted",
    "kho.schedule": "HH:MM and time zone of the nightly landing",
}
COLUMN_PROPERTIES = {
    "kho.headers": "other texts the header of this column may have",
    "kho.format": "how the text of the source is read",
    "kho.default": "value taken when the cell of the source is empty",
    "kho.unit": "unit of the number",
    "kho.missing": "words that stand for no value, compared without case",
    "kho.charset": "charset of legacy text in this column",
    "kho.onBreach": "hold: a row in breach goes to quarantine; note: the agency is told, the row is taken in",
    "kho.identifier": "kind of identifier, perhaps with the columns it must agree with",
    "kho.codeList": "list of assets/code_lists the value must be in, perhaps with the date column at which",
    "kho.references": "agency.dataset.column that must have the value",
    "kho.position": "first and last character of the column in a line of fixed width",
    "kho.optional": "the source may lack the column",
}
SERVER_PROPERTIES = {
    "kho.protocol": "of an API: ndxp, receipts, xroad or xml130",
    "kho.table": "schema.table in the database of the agency",
    "kho.dialect": "of a database that is no PostgreSQL: mysql, sqlite, oracle or mssql",
    "kho.glob": "names of files below the address: {date} yyyyMMdd, {moment} yyyyMMddHHmmss, {column} its value, * anything",
    "kho.delimiter": "of CSV: the character between two cells, or tab; a comma without it",
    "kho.charset": "charset of the files, utf-8 without it",
    "kho.member": "the files are zips: names of the files in them",
    "kho.after": "what becomes of a file that was taken in: move or leave",
    "kho.host_key": "variable with the known_hosts line of an SFTP server",
    "kho.private_key": "variable with the path of the key file for an SFTP server",
    "kho.header": "of fixed width: whether the first line tells the columns",
    "kho.record": "XML element that is one record",
    "kho.payload": "XML element whose text is Base64 of further XML",
    "kho.path": "path of the service below the base URL",
    "kho.key": "variable that holds the consumer key",
    "kho.secret": "variable that holds the consumer secret",
    "kho.token": "variable that holds the access token, or key:secret to ask for one",
    "kho.service": "X-Road service: instance/class/member/subsystem/service or its code",
    "kho.client": "X-Road client: instance/class/member/subsystem",
    "kho.page_size": "records asked for at a time",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the raw table. `allowed` and `default` are texts, also for numbers; limits are inclusive.

    `identifier` is one of IDENTIFIERS, `identifier_with` the columns it must agree with, by role. `code_list_at` is the date
    column at which a code must be in force, None the day of the delivery. `references` is `agency.dataset.column`.
    `on_breach` note: problems of pattern, range, list, reference and identifier are told, and the row is taken in.
    `position`: first and last character, from 1, in lines of fixed width. `missing`: words for no value.
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
    identifier_with: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    charset: str | None = None
    on_breach: str = "hold"
    code_list: str | None = None
    code_list_at: str | None = None
    references: str | None = None
    position: tuple[int, int] | None = None
    optional: bool = False

    @property
    def is_personal(self) -> bool:
        return self.classification in PERSONAL_CLASSIFICATIONS


@dataclass(frozen=True, slots=True)
class Source:
    """Where the data come from. `kind` is one of SOURCE_OPTIONS; `location` is unexpanded (`${NAME}`), and so are options that name variables."""

    kind: str
    location: str
    options: Mapping[str, str]
    name: str = "source"

    @property
    def format(self) -> str:
        """What the data look like: the format of files, else the kind."""
        return self.options.get("format", self.kind)


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """An instrument and the days on which it is in force; `valid_to` None means still in force."""

    instrument: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Contract:
    """A dataset as agreed with its owner. `id` is `<agency>.<dataset>`, `table` is `<agency>__<dataset>` in schema raw.

    `key` is in key order, `columns` in the order of declaration. `cursor_lookback` is zero without one. `partition`: a file is
    the whole of one value of this column. `tombstone`: the column that says a row is deleted, and the values that say so.
    `key_check_days`: days from one key check to the next, 0 with every delivery. `correction_days`: working days to correct.
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
    sources: tuple[Source, ...]
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
    partition: str | None = None
    tombstone: tuple[str, tuple[str, ...]] | None = None
    key_check_days: int = 0
    correction_days: int = 5

    @property
    def source(self) -> Source:
        """The first source: the one that counts where two say different things."""
        return self.sources[0]

    def through(self, source: Source) -> Contract:
        """The contract as it is for one of its sources."""
        return replace(self, sources=(source,))

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that say where its sources are and who asks."""
        texts = [text for s in self.sources for text in (s.location, *s.options.values())]
        return tuple(dict.fromkeys(name for text in texts for name in re.findall(r"\$\{(\w+)\}", text)))

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
