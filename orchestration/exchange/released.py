"""An obligation against the table it reads: what dbt, the contracts and the suites say of its columns and codes.

Purpose: what `kho contract check` adds to `declaration`: a mapped column must exist, be allowed out, and a coded one must
have every code translated, before a night finds out. Belongs here: reading dbt's files for that; no manifest, no database.
Stays out: the rules of the declaration alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from expectations import suites
from orchestration.contracts import Contract, Problem, assets_root
from orchestration.contracts.load import parse_all
from orchestration.errors import KhoError
from orchestration.exchange.declaration import Parsed, changes, parse_obligations
from orchestration.exchange.obligation import FORMATS, CodedField, Dated, Obligation
from orchestration.warehouse.dbt import project_folder

#: Only these may leave the province; a column without a classification may not.
MAY_LEAVE = ("open", "shared")
_REF = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")
_SOURCE = re.compile(r"""\bsource\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]\s*\)""")


@dataclass(frozen=True)
class Column:
    """A column of a released table; `pg_type` without its precision, `classification` empty when none is given."""

    pg_type: str
    classification: str


@dataclass(frozen=True)
class Table:
    """A warehouse model as its YAML describes it."""

    key: tuple[str, ...]
    columns: Mapping[str, Column]


def check(root: Path | None = None) -> tuple[list[Problem], int]:
    """Every problem of every obligation below `root`, sorted by file and line, and how many obligations there are."""
    root = Path(root or assets_root())
    found = parse_obligations(root)
    if found:
        contracts = {parsed.contract.id: parsed.contract for parsed in parse_all(root) if parsed.contract is not None}
        for parsed in found:
            against_table(parsed, contracts)
    return sorted({problem for parsed in found for problem in parsed.document.problems}), len(found)


def may_leave(obligation: Obligation) -> None:
    """KhoError `not_allowed` when a column that is sent is not classified open or shared, or is no column of the table.

    Asked before every run: `kho contract check` may not have been, since the model changed.
    """
    table = read_table(project_folder(), obligation.subject, obligation.table)
    known = table.columns if table is not None else {}
    wrong = sorted(
        {
            entry.value.field.column
            for entry in obligation.fields
            if entry.value.field.column is not None
            and (
                entry.value.field.column not in known or known[entry.value.field.column].classification not in MAY_LEAVE
            )
        }
    )
    if wrong:
        names = ", ".join(wrong)
        raise KhoError(
            "not_allowed",
            f"{obligation.label}: cột {names} không được phép gửi đi (chỉ cột open hoặc shared của {obligation.subject}.{obligation.table})",
            f"{obligation.label}: {names} may not be sent (only open or shared columns of {obligation.subject}.{obligation.table})",
            {"file": obligation.label, "column": names},
        )


def against_table(parsed: Parsed, contracts: Mapping[str, Contract]) -> None:
    """Add to the document what the released table does not bear out."""
    if not (parsed.table and parsed.subject):
        return
    document = parsed.document
    folder = project_folder()
    table = read_table(folder, parsed.subject, parsed.table)
    if table is None:
        vi = f"không có bảng này trong models/warehouse/{parsed.subject}"
        document.problem(("table",), vi, f"there is no such table in models/warehouse/{parsed.subject}")
        return
    if parsed.key and parsed.key != table.key:
        names = ", ".join(table.key)
        document.problem(("key",), f"khóa của bảng là: {names}", f"the table's key is: {names}")
    allowed = allowed_codes(folder, parsed.subject, parsed.table, contracts)
    for place, entry in parsed.fields:
        field = entry.value.field
        if field.column is None:
            continue
        at = (*place, "column")
        column = table.columns.get(field.column)
        if column is None:
            document.problem(at, f"bảng {parsed.table} không có cột này", f"table {parsed.table} has no such column")
            continue
        if column.classification not in MAY_LEAVE:
            known = column.classification or "-"
            document.problem(
                at,
                f"cột được phân loại {known}; chỉ cột open hoặc shared được gửi đi",
                f"the column is classified {known}; only open or shared columns may be sent",
            )
        if column.pg_type not in FORMATS[field.format]:
            document.problem(
                (*place, "format"),
                f"không dùng cho cột kiểu {column.pg_type}",
                f"not for a column of type {column.pg_type}",
            )
        untranslated = _untranslated(entry, allowed.get(field.column, frozenset()))
        if untranslated is not None:
            day, missing = untranslated
            names = ", ".join(missing)
            document.problem(
                (*place, "codes"),
                f"ngày {day:%d/%m/%Y} thiếu mã: {names}",
                f"on {day.isoformat()} these codes are not translated: {names}",
            )


def _untranslated(entry: Dated[CodedField], allowed: frozenset[str]) -> tuple[date, list[str]] | None:
    """The first day of the field on which the column may hold codes that have no translation, and those codes."""
    pairs = entry.value.codes or ()
    for day in sorted({entry.valid_from, *(day for day in changes(pairs) if entry.holds(day))}):
        missing = sorted(allowed - set(entry.value.on(day).codes or ()))
        if missing:
            return day, missing
    return None


def read_table(folder: Path, subject: str, table: str) -> Table | None:
    """The table as the YAML file of its model describes it; None when there is no such model."""
    path = folder / "models" / "warehouse" / subject / f"{table}.yml"
    if not path.is_file():
        return None
    value = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    model = next((model for model in value.get("models", ()) if model.get("name") == table), None)
    if model is None:
        return None
    columns = {
        column["name"]: Column(
            str(column.get("data_type") or "").partition("(")[0], str(_meta(column).get("classification") or "")
        )
        for column in model.get("columns", ())
    }
    return Table(tuple(_meta(model).get("key") or ()), columns)


def _meta(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return (item.get("config") or {}).get("meta") or {}


def allowed_codes(
    folder: Path, subject: str, table: str, contracts: Mapping[str, Contract]
) -> Mapping[str, frozenset[str]]:
    """Column -> every code it may hold: what the table's suite allows, and the contracts behind it by the same name.

    A column that is not here is not coded. SuiteError when the subject's suites cannot be read.
    """
    found: dict[str, frozenset[str]] = {}
    for dataset in _datasets(folder, table):
        contract = contracts.get(dataset)
        for column in contract.columns if contract else ():
            if column.allowed:
                found[column.name] = found.get(column.name, frozenset()) | set(column.allowed)
    for suite in suites.load(Path(suites.__file__).parent, subject):
        for rule in suite.expectations if suite.table == table else ():
            if rule.type == "expect_column_values_to_be_in_set":
                name = rule.kwargs["column"]
                found[name] = found.get(name, frozenset()) | {str(code) for code in rule.kwargs["value_set"]}
    return found


def _datasets(folder: Path, table: str) -> set[str]:
    """The datasets (`agency.dataset`) a model is made of, through whatever models lie between."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (folder / "models").rglob("*.sql")}
    seen: set[str] = set()
    found: set[str] = set()
    waiting = [table]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in texts:
            seen.add(name)
            waiting += _REF.findall(texts[name])
            found |= {f"{agency}.{dataset}" for agency, dataset in _SOURCE.findall(texts[name])}
    return found
