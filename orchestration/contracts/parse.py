"""One contract: from its YAML document to a Contract, with every mistake of the file.

Purpose: read and judge the dataset as a whole. Belongs here: identity, source, delivery, law, service levels, owner.
Stays out: columns (`columns`), other files (`check`), the shape ODCS itself prescribes (`check`).
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from orchestration.contracts.columns import NUMBER_TYPES, read_columns
from orchestration.contracts.document import Document, Place, read
from orchestration.contracts.model import (
    CONTRACT_PROPERTIES,
    DATASET_CLASSIFICATIONS,
    DELETIONS,
    DELIVERIES,
    SUBJECTS,
    Column,
    Contract,
    LegalBasis,
    Problem,
    Source,
)
from orchestration.contracts.reader import Reader
from orchestration.contracts.servers import read_sources

# What Kho reads, and what documents without having an effect; the rest of ODCS would look as if it had one.
CONTRACT_FIELDS = frozenset(
    [
        "apiVersion",
        "kind",
        "id",
        "name",
        "version",
        "status",
        "domain",
        "tenant",
        "description",
        "servers",
        "schema",
        "slaProperties",
        "team",
        "customProperties",
        "tags",
        "dataProduct",
        "authoritativeDefinitions",
        "contractCreatedTs",
        "support",
    ]
)
DESCRIPTION_FIELDS = frozenset({"purpose", "usage", "limitations"})
SCHEMA_FIELDS = frozenset(
    [
        "id",
        "name",
        "physicalName",
        "logicalType",
        "description",
        "businessName",
        "dataGranularityDescription",
        "properties",
        "tags",
    ]
)
SLA_FIELDS = frozenset({"id", "property", "value", "unit", "description"})
TEAM_FIELDS = frozenset({"id", "name", "description", "members"})
MEMBER_FIELDS = frozenset({"id", "username", "name", "description", "role", "dateIn", "dateOut"})
STATUSES = ("proposed", "draft", "active", "deprecated", "retired")
UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=365)}
CURSOR_TYPES = rf"{NUMBER_TYPES}|timestamp|timestamptz|date"
ELEMENT = r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*"


@dataclass(frozen=True)
class Parsed:
    """A file after reading: its contract when it has no mistake, and what other files must not claim as well."""

    document: Document
    contract: Contract | None
    id: str
    claims: tuple[tuple[str, int], ...]

    @property
    def problems(self) -> list[Problem]:
        return self.document.problems


def parse_file(path: Path, label: str | None = None) -> Parsed:
    """Read one contract file. Mistakes are in `problems`; OSError if it cannot be opened."""
    return parse(read(path, label))


def parse(document: Document) -> Parsed:
    if document.value is None:
        return Parsed(document, None, "", ())
    reader = Reader(document)
    reader.only((), CONTRACT_FIELDS)
    if not isinstance(document.value, dict):
        return Parsed(document, None, "", ())
    found = reader.properties((), CONTRACT_PROPERTIES)
    reader.matching(("apiVersion",), r"v3\.\d+\.\d+", "phiên bản ODCS v3", "an ODCS v3 version")
    reader.choice(("kind",), ("DataContract",))
    identity = _identity(reader, found)
    columns = read_columns(reader, ("schema", 0, "properties"))
    sources = read_sources(reader, columns)
    rules = _delivery(reader, found, columns, sources)
    classification = (
        reader.take(found, "kho.classification", lambda at: reader.choice(at, DATASET_CLASSIFICATIONS)) or ""
    )
    claims = _claims(reader, found)
    fields: dict[str, Any] = {
        **identity,
        **rules,
        **_service_levels(reader),
        **_owner(reader),
        "columns": columns,
        "key": tuple(c.name for c in sorted((c for c in columns if c.key_position), key=lambda c: c.key_position or 0)),
        "sources": sources,
        "classification": classification or "",
        "legal_basis": _legal_basis(reader, found),
        "schedule": reader.take(found, "kho.schedule", lambda at: _schedule(reader, at)) or "",
        "authoritative_for": tuple(element for element, _ in claims),
        "path": document.path,
    }
    contract = None if document.problems else Contract(**fields)
    return Parsed(document, contract, identity["id"], claims)


def _identity(reader: Reader, found: dict[str, Place]) -> dict[str, str]:
    path = reader.document.path
    contract_id = reader.matching(("id",), ELEMENT, "<cơ quan>.<tập dữ liệu>", "<agency>.<dataset>")
    agency, _, dataset = contract_id.partition(".")
    declared = reader.take(found, "kho.agency", reader.text) or ""
    if declared and declared != path.parent.name:
        reader.problem(
            found["kho.agency"], f"khác tên thư mục {path.parent.name}", f"differs from the folder {path.parent.name}"
        )
    if contract_id and declared and agency != declared:
        reader.problem(("id",), f"phải bắt đầu bằng {declared}.", f"must start with {declared}.")
    if contract_id and dataset != path.stem:
        reader.problem(("id",), f"khác tên tệp {path.name}", f"differs from the file name {path.name}")
    if len(reader.items(("schema",))) > 1:
        reader.problem(("schema",), "chỉ được có một bảng", "exactly one table is allowed")
    reader.only(("schema", 0), SCHEMA_FIELDS)
    name = reader.text(("schema", 0, "name"))
    if name and dataset and name != dataset:
        reader.problem(("schema", 0, "name"), f"phải là {dataset}", f"must be {dataset}")
    table = reader.text(("schema", 0, "physicalName"))
    if table and contract_id and table != f"{agency}__{dataset}":
        reader.problem(("schema", 0, "physicalName"), f"phải là {agency}__{dataset}", f"must be {agency}__{dataset}")
    # PostgreSQL cuts names at 63 bytes; the longest name made of it is the one of its baseline in the journal.
    if len(table) > 40:
        reader.problem(("schema", 0, "physicalName"), "dài quá 40 ký tự", "is longer than 40 characters")
    reader.only(("description",), DESCRIPTION_FIELDS)
    return {
        "id": contract_id,
        "agency": agency,
        "dataset": dataset,
        "table": table,
        "title": reader.text(("name",)),
        "version": reader.matching(("version",), r"\d+\.\d+\.\d+", "số phiên bản x.y.z", "a version x.y.z"),
        "status": reader.choice(("status",), STATUSES),
        "subject": reader.choice(("domain",), SUBJECTS),
        "description": reader.text(("description", "purpose")),
        "granularity": reader.text(("schema", 0, "dataGranularityDescription")),
        "agency_name": reader.take(found, "kho.agencyName", reader.text) or "",
        "agency_code": reader.take(
            found,
            "kho.agencyCode",
            lambda at: reader.matching(at, r"[0-9A-Z.]{1,35}", "mã theo Quyết định 20/2020/QĐ-TTg", "an agency code"),
        )
        or "",
    }


def _delivery(
    reader: Reader, found: dict[str, Place], columns: tuple[Column, ...], sources: tuple[Source, ...]
) -> dict[str, Any]:
    delivery = reader.take(found, "kho.delivery", lambda at: reader.choice(at, DELIVERIES)) or ""
    deletions = reader.take(found, "kho.deletions", lambda at: reader.choice(at, DELETIONS)) or ""
    by_keys = delivery == "cursor" and sources[0].kind in ("postgresql", "database")
    if deletions == "key_check" and not by_keys:
        reader.problem(
            found["kho.deletions"],
            "key_check chỉ dùng khi giao theo con trỏ từ cơ sở dữ liệu",
            "key_check is only for cursor deliveries from a database",
        )
    if deletions == "snapshot" and delivery not in ("snapshot", ""):
        reader.problem(
            found["kho.deletions"], "snapshot chỉ dùng khi giao toàn bộ", "snapshot is only for snapshot deliveries"
        )
    column, lookback = None, timedelta(0)
    if "kho.cursor" in found:
        column, lookback = _cursor(reader, found["kho.cursor"], columns)
        if delivery and delivery == "snapshot":
            reader.problem(found["kho.cursor"], "không dùng khi giao toàn bộ", "not with snapshot deliveries")
    elif delivery == "cursor" and sources[0].kind in ("postgresql", "database", "json"):
        # Files, receipts and archives have a cursor of their own: what was taken.
        reader.problem(("customProperties",), "thiếu thuộc tính kho.cursor", "property kho.cursor is missing")
    return {
        "delivery": delivery,
        "deletions": deletions,
        "cursor_column": column,
        "cursor_lookback": lookback,
        **_deletions(reader, found, deletions, delivery, columns, sources),
    }


def _deletions(
    reader: Reader,
    found: dict[str, Place],
    deletions: str,
    delivery: str,
    columns: tuple[Column, ...],
    sources: tuple[Source, ...],
) -> dict[str, Any]:
    """How often keys are compared, the column of tombstones, the column by which a file is a part."""
    names = {column.name for column in columns}
    days = 0
    if "kho.keyCheck" in found:
        days = int(reader.number(found["kho.keyCheck"]) or 0)
        if deletions != "key_check":
            reader.problem(found["kho.keyCheck"], "chỉ dùng với kho.deletions key_check", "only with key_check")
    tombstone = None
    if "kho.tombstone" in found:
        place = found["kho.tombstone"]
        reader.only(place, ("column", "values"))
        tombstone = (reader.text((*place, "column")), reader.texts((*place, "values")))
        if tombstone[0] and tombstone[0] not in names:
            reader.problem((*place, "column"), "không có cột này trong hợp đồng", "the contract has no such column")
        if not tombstone[1]:
            reader.missing((*place, "values"))
    if (deletions == "tombstone") != (tombstone is not None):
        reader.problem(
            found.get("kho.tombstone", found.get("kho.deletions", ("customProperties",))),
            "kho.deletions tombstone và kho.tombstone đi cùng nhau",
            "kho.deletions tombstone and kho.tombstone go together",
        )
    partition = reader.text(found["kho.partition"]) if "kho.partition" in found else None
    if partition:
        if partition not in names:
            reader.problem(found["kho.partition"], "không có cột này trong hợp đồng", "the contract has no such column")
        if delivery != "snapshot" or deletions != "snapshot":
            reader.problem(found["kho.partition"], "chỉ dùng khi giao toàn bộ", "only with snapshot deliveries")
        if any(f"{{{partition}}}" not in source.options.get("glob", "") for source in sources):
            reader.problem(
                found["kho.partition"],
                f"tên tệp phải có {{{partition}}}",
                f"the names of files must have {{{partition}}}",
            )
    return {"key_check_days": days, "tombstone": tombstone, "partition": partition or None}


def _cursor(reader: Reader, place: Place, columns: tuple[Column, ...]) -> tuple[str | None, timedelta]:
    reader.only(place, ("column", "lookback"))
    name = reader.text((*place, "column"))
    column = next((c for c in columns if c.name == name), None)
    if name and column is None:
        reader.problem((*place, "column"), "không có cột này trong hợp đồng", "the contract has no such column")
    elif column is not None and column.pg_type and not re.fullmatch(CURSOR_TYPES, column.pg_type):
        reader.problem(
            (*place, "column"), "con trỏ phải là cột thời gian hoặc số", "a cursor must be a timestamp or a number"
        )
    elif column is not None and not column.required:
        reader.problem((*place, "column"), "cột con trỏ phải có required: true", "a cursor column must be required")
    if reader.at((*place, "lookback")) is None:
        return name or None, timedelta(0)
    text = reader.matching((*place, "lookback"), r"\d{1,4} (minute|hour|day)s?", "như 15 minutes", "like 15 minutes")
    if not text:
        return name or None, timedelta(0)
    count, unit = text.split()
    return name or None, timedelta(**{unit.rstrip("s") + "s": int(count)})


def _service_levels(reader: Reader) -> dict[str, Any]:
    levels: dict[str, timedelta] = {}
    for index, item in enumerate(reader.items(("slaProperties",))):
        place: Place = ("slaProperties", index)
        reader.only(place, SLA_FIELDS)
        name = reader.choice((*place, "property"), ("frequency", "latency", "retention", "correction"))
        value, unit = reader.number((*place, "value")), reader.choice((*place, "unit"), UNITS)
        if not isinstance(item, dict) or value is None or not unit or not name:
            continue
        if value <= 0 or (name == "correction" and value * UNITS[unit] < UNITS["d"]):
            reader.problem((*place, "value"), "phải lớn hơn 0", "must be greater than 0")
        elif name in levels:
            reader.problem(place, "khai báo hai lần", "declared twice")
        levels[name] = value * UNITS[unit]
    declared = {
        item.get("property") for item in reader.items(("slaProperties",), required=False) if isinstance(item, dict)
    }
    for name, vi in (("frequency", "tần suất"), ("latency", "độ tươi"), ("retention", "thời gian lưu")):
        if name not in declared:
            reader.problem(("slaProperties",), f"thiếu {name} ({vi})", f"{name} is missing")
    return {
        "frequency": levels.get("frequency", timedelta(0)),
        "latency_hours": levels.get("latency", timedelta(0)) / timedelta(hours=1),
        "retention_days": levels.get("retention", timedelta(0)).days,
        "correction_days": levels.get("correction", timedelta(days=5)).days,
    }


def _owner(reader: Reader) -> dict[str, str]:
    reader.only(("team",), TEAM_FIELDS)
    members = reader.items(("team", "members"))
    for index in range(len(members)):
        reader.only(("team", "members", index), MEMBER_FIELDS)
    owners = [i for i, member in enumerate(members) if isinstance(member, dict) and member.get("role") == "owner"]
    if members and not owners:
        reader.problem(("team", "members"), "không có thành viên role: owner", "no member with role: owner")
    contact = reader.text(("team", "members", owners[0], "username")) if owners else ""
    return {"owner_name": reader.text(("team", "name")), "owner_contact": contact}


def _legal_basis(reader: Reader, found: dict[str, Place]) -> tuple[LegalBasis, ...]:
    result = []
    place = found.get("kho.legalBasis")
    if place is None:
        reader.take(found, "kho.legalBasis", reader.items)
        return ()
    for index, _ in enumerate(reader.items(place)):
        inner = (*place, index)
        reader.only(inner, ("instrument", "validFrom", "validTo"))
        instrument = reader.text((*inner, "instrument"))
        dates: list[date | None] = []
        for name in ("validFrom", "validTo"):
            value = reader.at((*inner, name))
            if value is None and name == "validFrom":
                reader.missing((*inner, name))
            elif value is not None and type(value) is not date:
                reader.problem((*inner, name), "phải là ngày yyyy-mm-dd", "must be a date yyyy-mm-dd")
            dates.append(value if type(value) is date else None)
        if dates[0] is not None:
            if dates[1] is not None and dates[1] < dates[0]:
                reader.problem((*inner, "validTo"), "trước validFrom", "is before validFrom")
            result.append(LegalBasis(instrument, dates[0], dates[1]))
    return tuple(result)


def _schedule(reader: Reader, place: Place) -> str:
    vi, en = 'như "01:00 Asia/Ho_Chi_Minh"', 'like "01:00 Asia/Ho_Chi_Minh"'
    text = reader.matching(place, r"([01]\d|2[0-3]):[0-5]\d [A-Za-z_]+/[A-Za-z_/]+", vi, en)
    if text:
        try:
            zoneinfo.ZoneInfo(text.split()[1])
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            reader.problem(place, "không có múi giờ này", "no such time zone")
    return text


def _claims(reader: Reader, found: dict[str, Place]) -> tuple[tuple[str, int], ...]:
    """The data elements this contract owns, with the line of each; an empty list says: none, this is a copy."""
    place = reader.take(found, "kho.authoritativeFor", lambda at: at)
    if place is None:
        return ()
    claims: dict[str, int] = {}
    for index, element in enumerate(reader.texts(place)):
        if not re.fullmatch(ELEMENT, element):
            reader.problem((*place, index), "phải là <thực thể>.<thuộc tính>", "must be <entity>.<attribute>")
        elif element in claims:
            reader.problem((*place, index), "khai báo hai lần", "declared twice")
        claims.setdefault(element, reader.document.line((*place, index)))
    return tuple(claims.items())
