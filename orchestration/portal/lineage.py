"""Denied unless it is public: whether contracts and models let a declared dataset be published.

Belongs here: the way from a published table back to the contracts it is made of, and every reason to refuse.
Stays out: what the values say (`content`). The way is dbt's graph of the project (`warehouse.dbt.graph`), read from the cache that
each night leaves, so that nothing has to be declared a second time and dbt itself is not loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.contracts import Contract, Problem
from orchestration.portal.model import OpenDataset
from orchestration.warehouse import dbt

if TYPE_CHECKING:
    from orchestration.warehouse.dbt import Graph, Model

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)
#: `select *`, `t.*`: everything of the source, personal columns too. `count(*)` is none.
_EVERYTHING = re.compile(r"\bselect\s+(?:distinct\s+)?\*|\.\s*\*|,\s*\*")
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
    return sorted({source for model in _ancestry(dataset.table, graph) for source in model.sources})


def _ancestry(table: str, graph: Graph) -> list[Model]:
    found: dict[str, Model] = {}
    waiting = [table]
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
        if column.counts_persons and described["type"] not in _INTEGER:
            vi, en = "cột đếm người phải là số nguyên", "a column that counts people must be an integer"
            yield _problem(dataset, field, vi, en, column.line)


def _of_contracts(
    dataset: OpenDataset, graph: Graph, contracts: Sequence[Contract], project: Path
) -> Iterator[Problem]:
    known = {contract.id: contract for contract in contracts}
    ancestry = _ancestry(dataset.table, graph)
    if not any(model.sources for model in ancestry):
        yield _problem(dataset, "table", "không rõ nguồn của bảng", "nothing is known of the table's sources")
    for name in sources(dataset, graph):
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
    for model in ancestry:
        personal = {c.name for s in model.sources if s in known for c in known[s].columns if c.is_personal}
        if personal:
            yield from _left_in_raw(dataset, model, personal, project)


def _of_its_columns(dataset: OpenDataset, contract: Contract) -> Iterator[Problem]:
    """A column that kept its name on the way keeps its classification: a model cannot open what the contract does not."""
    kept = {column.name: column.classification for column in contract.columns if column.classification != "open"}
    for column in dataset.columns:
        if column.name in kept:
            vi = f"cột là {kept[column.name]} ở hợp đồng {contract.id}: chỉ công bố cột open"
            en = f"the column is {kept[column.name]} in contract {contract.id}: only an open column is published"
            yield _problem(dataset, f"columns[{column.name}]", vi, en, column.line)


def _left_in_raw(dataset: OpenDataset, model: Model, personal: set[str], project: Path) -> Iterator[Problem]:
    """An open contract may name personal columns, for they stay in raw: refused when a model reads one of them."""
    text = _COMMENT.sub(" ", (project / model.path).read_text(encoding="utf-8")).lower()
    read = sorted(name for name in personal if re.search(rf"\b{re.escape(name)}\b", text))
    if _EVERYTHING.search(text):
        read = sorted(personal)
    if read:
        names = ", ".join(read)
        vi = f"mô hình {model.name} đọc cột dữ liệu cá nhân {names}"
        en = f"model {model.name} reads personal columns {names}"
        yield _problem(dataset, "table", vi, en)
