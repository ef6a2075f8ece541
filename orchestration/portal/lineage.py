"""Denied unless it is public: whether contracts and models let a declared dataset be published.

Belongs here: the way from a published table back to the contracts it is made of, and every reason to refuse.
Stays out: what the values say (`content`). The way is dbt's graph of the project (`warehouse.dbt.graph`), read from the cache that
each night leaves, so that nothing has to be declared a second time and dbt itself is not loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.contracts import Contract, Problem
from orchestration.portal import sqltext
from orchestration.portal.model import OpenDataset
from orchestration.warehouse import dbt

if TYPE_CHECKING:
    from orchestration.contracts.model import Column
    from orchestration.warehouse.dbt import Graph, Model

_INTEGER = ("smallint", "integer", "bigint")


def refusals(
    dataset: OpenDataset, graph: Graph, contracts: Sequence[Contract], project: Path | None = None
) -> list[Problem]:
    """Why law or contract forbids to publish the dataset, each with file, line, field and rule; empty when nothing does."""
    model = graph.models.get(dataset.table)
    if model is None or model.layer != "warehouse" or model.subject != dataset.subject:
        vi = f"không có bảng kho {dataset.subject}.{dataset.table}"
        en = f"there is no warehouse table {dataset.subject}.{dataset.table}"
        return [_problem(dataset, "table", vi, en)]
    return [
        *_of_model(dataset, model),
        *_of_columns(dataset, model),
        *_of_contracts(dataset, graph, contracts, project or dbt.project_folder()),
    ]


def sources(dataset: OpenDataset, graph: Graph) -> list[str]:
    """Datasets under contract (`agency.dataset`) that the table is made of, other subjects' released tables followed to their own."""
    return sorted({source for model in ancestry(dataset, graph) for source in model.sources})


def rules_sha256(dataset: OpenDataset, graph: Graph, contracts: Sequence[Contract]) -> bytes:
    """Changes when the declaration does, a model behind the table, or a contract that it is made from."""
    digest = hashlib.sha256(dataset.sha256)
    for model in ancestry(dataset, graph):
        said = [model.name, model.version, model.subject, model.meta, model.columns, model.sources]
        digest.update(json.dumps(said, sort_keys=True, ensure_ascii=False).encode())
    behind = sources(dataset, graph)
    for contract in sorted(contracts, key=lambda contract: contract.id):
        if contract.id in behind:
            digest.update(contract.path.read_bytes())
    return digest.digest()


def ancestry(dataset: OpenDataset, graph: Graph) -> list[Model]:
    """The table's model and all that it is made from, by name."""
    found: dict[str, Model] = {}
    waiting = [dataset.table]
    while waiting:
        name = waiting.pop()
        if name in found or name not in graph.models:
            continue
        found[name] = graph.models[name]
        waiting += found[name].depends_on
    return [found[name] for name in sorted(found)]


def _problem(dataset: OpenDataset, field: str, vi: str, en: str, line: int | None = None) -> Problem:
    return Problem(dataset.label, line or dataset.line(field), field, vi, en)


def _of_model(dataset: OpenDataset, model: Model) -> Iterator[Problem]:
    classification = model.meta.get("classification")
    if classification != "open":
        vi = f"mô hình {model.name} là {classification}: chỉ công bố mô hình open"
        en = f"model {model.name} is {classification}: only an open model is published"
        yield _problem(dataset, "table", vi, en)
    key = model.meta.get("key") or []
    if set(key) != set(dataset.key):
        names = ", ".join(key)
        yield _problem(dataset, "key", f"khóa của {model.name} là {names}", f"the key of {model.name} is {names}")


def _of_columns(dataset: OpenDataset, model: Model) -> Iterator[Problem]:
    for column in dataset.columns:
        field = f"columns[{column.name}]"
        described = model.columns.get(column.name)
        if described is None:
            vi, en = f"bảng {model.name} không có cột này", f"table {model.name} has no such column"
            yield _problem(dataset, field, vi, en, column.line)
            continue
        classification = described["meta"].get("classification")
        if classification != "open":
            vi = f"cột là {classification} ở mô hình {model.name}: chỉ công bố cột open"
            en = f"the column is {classification} in model {model.name}: only an open column is published"
            yield _problem(dataset, field, vi, en, column.line)
        if described["meta"].get("counts") == "persons" and not column.counts_persons:
            vi = f"cột đếm người ở mô hình {model.name}: phải khai counts: persons"
            en = f"the column counts people in model {model.name}: it must say counts: persons"
            yield _problem(dataset, field, vi, en, column.line)
        if column.counts_persons and described["type"] not in _INTEGER:
            vi, en = "cột đếm người phải là số nguyên", "a column that counts people must be an integer"
            yield _problem(dataset, field, vi, en, column.line)


def _of_contracts(
    dataset: OpenDataset, graph: Graph, contracts: Sequence[Contract], project: Path
) -> Iterator[Problem]:
    known = {contract.id: contract for contract in contracts}
    behind = sources(dataset, graph)
    if not behind:
        yield _problem(dataset, "table", "không rõ nguồn của bảng", "nothing is known of the table's sources")
    for name in behind:
        contract = known.get(name)
        if contract is None:
            vi, en = f"nguồn {name} không có hợp đồng", f"source {name} has no contract"
            yield _problem(dataset, "table", vi, en)
        elif contract.classification != "open":
            vi = f"hợp đồng {name} là {contract.classification}: chỉ công bố từ hợp đồng open"
            en = f"contract {name} is {contract.classification}: only what comes from open contracts is published"
            yield _problem(dataset, "table", vi, en)
        else:
            yield from _of_its_columns(dataset, contract)
    yield from _on_the_way(dataset, graph, known, project)


def _of_its_columns(dataset: OpenDataset, contract: Contract) -> Iterator[Problem]:
    """A column that kept its name on the way keeps its classification: a model cannot open what the contract does not."""
    kept = {column.name: column.classification for column in contract.columns if column.classification != "open"}
    for column in dataset.columns:
        if column.name in kept:
            vi = f"cột là {kept[column.name]} ở hợp đồng {contract.id}: chỉ công bố cột open"
            en = f"the column is {kept[column.name]} in contract {contract.id}: only an open column is published"
            yield _problem(dataset, f"columns[{column.name}]", vi, en, column.line)


def _on_the_way(
    dataset: OpenDataset, graph: Graph, contracts: Mapping[str, Contract], project: Path
) -> Iterator[Problem]:
    """A column that is not open keeps its name in every model, so that the name alone tells: else the model is refused.

    Columns that a model does not mention end there; personal ones must end in raw.
    """
    carried: dict[str, dict[str, Column]] = {}

    def follow(name: str) -> Iterator[Problem]:
        if name in carried or name not in graph.models:
            return
        model = graph.models[name]
        closed: dict[str, Column] = {}
        carried[name] = closed
        for source in model.sources:
            if source in contracts:
                closed |= {c.name: c for c in contracts[source].columns if c.classification != "open"}
        for upstream in model.depends_on:
            yield from follow(upstream)
            closed |= carried.get(upstream, {})
        text = (project / model.path).read_text(encoding="utf-8")
        personal = {column.name for column in closed.values() if column.is_personal}
        for use in sqltext.uses(text, closed, personal):
            vi, en = sqltext.RULES[use.rule]
            yield Problem(f"{project.name}/{model.path}", use.line, use.what, vi, en)
        carried[name] = {column: closed[column] for column in sqltext.mentioned(text, closed)}

    yield from follow(dataset.table)
    everywhere = {name for closed in carried.values() for name in closed}
    for path in sorted((project / "macros").glob("**/*.sql")):
        for name in sorted(sqltext.mentioned(path.read_text(encoding="utf-8"), everywhere)):
            vi, en = sqltext.RULES["jinja"]
            yield Problem(f"{project.name}/{path.relative_to(project)}", 1, name, vi, en)
