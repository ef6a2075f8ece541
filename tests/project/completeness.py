"""What an agency's dataset and a subject's table need, and what of it a project lacks.

Purpose: one list of messages, each naming a file and what to write into it.
Belongs here: rules between the contracts, the dbt project and the suites. Stays out: what is wrong within one contract
(`kho contract check`) or within one suite (its reader).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from expectations import suites
from expectations.failing import COMPOUND_UNIQUE, UNEXPECTED_ROWS, UNIQUE, columns_of
from orchestration.contracts import Contract, load_all
from orchestration.contracts.load import GROUPS

TECHNICAL = {"_delivery", "_deleted"}
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
#: Names in an expression that are columns: not a type behind `::`, not a function, not within quotes.
_USED = re.compile(r"'[^']*'|(?<![:\w.])([a-z_][a-z0-9_]*)\b(?!\s*\()")
_WORDS = {"and", "as", "between", "case", "cast", "distinct", "else", "end", "false", "from", "in", "is", "like", "not"}
_WORDS |= {"null", "or", "then", "true", "when"}
_NOT_SQL = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_AGENCY, _SYSTEM = "orchestration.components.Agency", "orchestration.components.NationalSystem"
#: Component -> the attribute that names its folder.
_COMPONENTS = {_AGENCY: "agency", _SYSTEM: "system"}
#: Kind of identifier -> values of its form: a pattern that takes them, and not just any text, is of that kind.
_FORMS = {"personal_id": ("024099000111",), "enterprise_code": ("2300000001", "2300000001-001")}
#: Kinds that take in such identifiers among others.
_ALSO = {"personal_id": ("citizen_id", "tax_code", "health_card", "household_code"), "enterprise_code": ("tax_code",)}
_PRESENT = "expect_column_values_to_not_be_null"


@dataclass
class Described:
    """A dbt model or source table as its YAML describes it; paths are below the project's root."""

    file: str
    description: str
    columns: dict[str, str]
    meta: dict[str, Any] = field(default_factory=dict)
    schema: str = ""
    identifier: str = ""


@dataclass
class Project:
    """The dbt project's files: SQL by model, descriptions by model, sources by (source, table)."""

    sql: dict[str, Path] = field(default_factory=dict)
    models: dict[str, Described] = field(default_factory=dict)
    sources: dict[tuple[str, str], Described] = field(default_factory=dict)


def problems(root: Path) -> list[str]:
    """Everything that is missing or has drifted apart, by file; an empty list when the project is complete."""
    contracts = load_all(root / "assets")
    project = _project(root)
    found = [
        *_folders(root),
        *(message for contract in contracts for message in _dataset(root, project, contract)),
        *_without_contract(root, project, contracts),
        *_subjects(root, project),
    ]
    return sorted(found)


def _project(root: Path) -> Project:
    project = Project()
    models = root / "dbt_project" / "models"
    for path in sorted(models.rglob("*.sql")):
        project.sql[path.stem] = path
    for path in sorted(models.rglob("*.yml")):
        content = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) or {}
        file = _below(root, path)
        for model in content.get("models", ()):
            meta = (model.get("config") or {}).get("meta") or {}
            project.models[model["name"]] = Described(file, model.get("description") or "", _columns(model), meta)
        for source in content.get("sources", ()):
            for table in source.get("tables", ()):
                key = (source["name"], table["name"])
                identifier = table.get("identifier", table["name"])
                described = Described(file, table.get("description") or "", _columns(table))
                described.schema, described.identifier = source.get("schema", source["name"]), identifier
                project.sources[key] = described
    return project


def _columns(node: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column.get("description") or "" for column in node.get("columns") or ()}


def _below(root: Path, path: Path) -> str:
    path = path.resolve()
    return path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else str(path)


# -- agencies and national systems -------------------------------------------------------------------------------------


def _folders(root: Path) -> Iterator[str]:
    for group in GROUPS:
        for folder in sorted(path for path in (root / "assets" / group).glob("*") if path.is_dir()):
            name, defs = _below(root, folder), folder / "defs.yaml"
            kinds = {_component(path) for path in folder.glob("*.yaml") if path != defs}
            if not kinds:
                yield f"{name}: no contract: write {name}/<dataset>.yaml"
            if not defs.exists():
                yield f"{name}/defs.yaml: missing: dg scaffold defs {_AGENCY} {group}/{folder.name}"
                continue
            documents = list(yaml.load_all(defs.read_text(encoding="utf-8"), yaml.CSafeLoader))
            declared = {d.get("type"): d.get("attributes") or {} for d in documents if d}
            for component in sorted(kinds or {_AGENCY}):
                attribute = _COMPONENTS[component]
                if component not in declared:
                    yield f"{name}/defs.yaml: declares no {attribute}: set type: {component}"
                elif declared[component].get(attribute) != folder.name:
                    found = declared[component].get(attribute)
                    yield f"{name}/defs.yaml: {attribute} is {found}: set it to {folder.name}, the folder"


def _component(path: Path) -> str:
    """The component that makes assets of a declaration."""
    content = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return _SYSTEM if isinstance(content, dict) and content.get("kind") == "Obligation" else _AGENCY


# -- contract <-> source <-> staging -----------------------------------------------------------------------------------


def _dataset(root: Path, project: Project, contract: Contract) -> Iterator[str]:
    yield from _identifiers(root, contract)
    folder = f"dbt_project/models/staging/{contract.agency}"
    model = f"stg_{contract.agency}__{contract.dataset}"
    sources = f"{folder}/_{contract.agency}__sources.yml"
    source = project.sources.get((contract.agency, contract.dataset))
    if contract.status == "draft" and source is None and model not in project.sql:
        return  # taken in and checked; what it means to the warehouse is still to be written
    if source is None:
        yield (
            f"{sources}: no source of {contract.id}: add to source {contract.agency} (schema raw) "
            f"the table {contract.dataset}, identifier {contract.table}"
        )
    else:
        yield from _source(contract, source, sources)
    listed = set(source.columns) if source else set()
    sql = project.sql.get(model)
    if sql is None:
        source_call = f"source('{contract.agency}', '{contract.dataset}')"
        yield f"{folder}/{model}.sql: missing: select the columns of {contract.id} from {source_call}"
    else:
        yield from _staging_sql(root, contract, sql, listed)
        if contract.status == "active" and not _readers(project, model):
            yield (
                f"{_below(root, sql)}: nothing reads it, so {contract.id} is never released: write a model of "
                f"subject {contract.subject}, or set the contract's status to draft"
            )
    described = project.models.get(model)
    if described is None:
        yield f"{folder}/{model}.yml: missing: describe the model {model} and each of its columns"
        return
    if not described.description:
        yield f"{described.file}: {model} has no description: write what a row is"
    for column, description in described.columns.items():
        if not description:
            yield f"{described.file}: {model}.{column} has no description: write one"
    if sql is not None:
        produced = {name for name, _ in _select(sql)}
        for column in sorted(produced - described.columns.keys()):
            yield f"{described.file}: {model}.{column} is not described: describe it"
        for column in sorted(described.columns.keys() - produced):
            yield f"{described.file}: {model}.{column} is not selected: take it out, or select it in {model}.sql"


def _identifiers(root: Path, contract: Contract) -> Iterator[str]:
    """A column of identifiers that does not say so would let simulated ones pass for real."""
    for column in contract.columns:
        for kind, forms in _FORMS.items():
            taken = [bool(column.pattern and re.fullmatch(column.pattern, text)) for text in (*forms, "Tên")]
            of_persons = column.is_personal or kind != "personal_id"
            declared = column.identifier in (kind, *_ALSO[kind])
            if taken == [True] * len(forms) + [False] and of_persons and not declared:
                place = f"{_below(root, contract.path)}:{column.line}"
                yield f"{place}: {column.name} takes identifiers of kind {kind}: declare kho.identifier: {kind}"


def _source(contract: Contract, source: Described, expected_file: str) -> Iterator[str]:
    where = f"{source.file}: table {contract.dataset}"
    if Path(source.file).parent != Path(expected_file).parent:
        yield f"{where}: move it to {expected_file}, so that an agency shares no file with another"
    if source.schema != "raw":
        yield f"{where}: schema is {source.schema}: set it to raw"
    if source.identifier != contract.table:
        yield f"{where}: identifier is {source.identifier}: set it to {contract.table}"
    if not source.description:
        yield f"{where}: no description: write one"
    for column in sorted(source.columns.keys() - {c.name for c in contract.columns} - TECHNICAL):
        yield f"{where}: column {column} is not in the contract {contract.id}: take it out, or add it to the contract"


def _staging_sql(root: Path, contract: Contract, sql: Path, listed: set[str]) -> Iterator[str]:
    file, text = _below(root, sql), sql.read_text(encoding="utf-8")
    if not re.search(rf"source\(\s*'{contract.agency}'\s*,\s*'{contract.dataset}'\s*\)", text):
        yield f"{file}: does not read source('{contract.agency}', '{contract.dataset}'): read it"
    read = {name for _, used in _select(sql) for name in used}
    known = {column.name: column for column in contract.columns}
    contract_file = _below(root, contract.path)
    for column in sorted(read - known.keys() - TECHNICAL):
        yield f"{file}: reads {column}, which the contract lacks: take it out, or add it to {contract_file}"
    for column in sorted(TECHNICAL - read):
        yield f"{file}: {column} is missing: select it, later models need it"
    for name, column in known.items():
        if column.is_personal and name in read:
            yield f"{file}: {name} is {column.classification}: take it out, personal data stay in raw"
        elif not column.is_personal and name not in read | listed:
            yield (
                f"{file}: {name} of {contract_file}:{column.line} is not selected: select it, "
                f"or list it under the source's columns to leave it in raw"
            )


def _select(path: Path) -> list[tuple[str, set[str]]]:
    """(name, columns used) of each item of a staging model's select list."""
    text = _NOT_SQL.sub(" ", path.read_text(encoding="utf-8"))
    found = re.search(r"\bselect\b(.*?)\bfrom\b\s*$", text.strip(), flags=re.DOTALL | re.IGNORECASE)
    if found is None:
        return []
    items = []
    for item in _split(found[1]):
        expression, _, alias = item.rpartition(" as ")
        name = alias if expression and _NAME.fullmatch(alias.strip()) else item
        used = {word for word in _USED.findall(expression if expression and name is alias else item) if word}
        items.append((name.strip(), used - _WORDS))
    return items


def _split(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield text[start:position].strip()
            start = position + 1
    yield text[start:].strip()


def _readers(project: Project, model: str) -> list[str]:
    pattern = re.compile(rf"ref\(\s*'{model}'\s*\)")
    return [name for name, path in project.sql.items() if pattern.search(path.read_text(encoding="utf-8"))]


def _without_contract(root: Path, project: Project, contracts: Iterable[Contract]) -> Iterator[str]:
    known = {(c.agency, c.dataset) for c in contracts}
    for (agency, dataset), source in project.sources.items():
        if (agency, dataset) not in known:
            fix = f"take it out, or write assets/…/{agency}/{dataset}.yaml"
            yield f"{source.file}: source {agency}.{dataset} has no contract: {fix}"
    names = {f"stg_{agency}__{dataset}" for agency, dataset in known}
    staged = {name for name, path in project.sql.items() if _place(root, path)[0] == "staging"}
    for name in sorted(staged - names):
        yield f"{_below(root, project.sql[name])}: no contract of this name: call it stg_<agency>__<dataset>"


def _place(root: Path, path: Path) -> tuple[str, ...]:
    """Layer, agency or subject, and file of a model."""
    return path.relative_to(root / "dbt_project" / "models").parts


# -- subjects ----------------------------------------------------------------------------------------------------------


def _subjects(root: Path, project: Project) -> Iterator[str]:
    tables: dict[str, set[str]] = {}
    for name, path in project.sql.items():
        layer, subject = _place(root, path)[:2]
        if layer == "warehouse":
            tables.setdefault(subject, set()).add(name)
    folders = {path.name for path in (root / "expectations").iterdir() if path.is_dir() and any(path.glob("*.yaml"))}
    for subject in sorted(folders | tables.keys()):
        yield from _suites(root, project, subject, tables.get(subject, set()))


def _suites(root: Path, project: Project, subject: str, tables: set[str]) -> Iterator[str]:
    try:
        found = {suite.table: suite for suite in suites.load(root / "expectations", subject)}
    except suites.SuiteError as error:
        yield error.en
        return
    for table in sorted(tables - found.keys()):
        yield f"expectations/{subject}/{table}.yaml: missing: write what must be true of {subject}.{table}"
    for table in sorted(found.keys() - tables):
        folder = f"dbt_project/models/warehouse/{subject}"
        yield f"expectations/{subject}/{table}.yaml: {folder} has no such model: remove the suite, or write the model"
    for table in sorted(tables):
        described = project.models.get(table)
        if described is None or not described.description or not described.meta.get("key"):
            file = f"dbt_project/models/warehouse/{subject}/{table}.yml"
            yield f"{file}: describe the model {table}, its config.meta.key and its columns"
        elif table in found:
            yield from _suite(found[table], described)


def _suite(suite: suites.Suite, described: Described) -> Iterator[str]:
    file = f"expectations/{suite.subject}/{suite.table}.yaml"
    key = list(described.meta["key"])
    critical = [e for e in suite.expectations if e.severity == "critical"]
    if not any(e.type in (UNIQUE, COMPOUND_UNIQUE) and set(columns_of(e.kwargs)) == set(key) for e in critical):
        yield f"{file}: no critical rule that the key ({', '.join(key)}) is unique: add one"
    present = {name for e in critical if e.type == _PRESENT for name in columns_of(e.kwargs)}
    for column in (name for name in key if name not in present):
        yield f"{file}: no critical rule that {column} (of the key) is present: add {_PRESENT}"
    # An empty table passes every rule about rows.
    if not any(
        e.type.startswith("expect_table_row_count") or (e.type == UNEXPECTED_ROWS and e.declared_scope == "set")
        for e in critical
    ):
        yield f"{file}: an empty table would pass: add a critical row count, or a critical rule of scope set"
    for rule in suite.expectations:
        for column in (name for name in columns_of(rule.kwargs) if name not in described.columns):
            yield f"{rule.file}:{rule.line}: {rule.id}: {described.file} has no column {column}: correct the rule"
