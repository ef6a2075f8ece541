"""All problems of all contracts, for the people who write them.

Purpose: what `kho contract check` shows: the shape ODCS prescribes, Kho's own rules, and the rules between files.
Belongs here: mapping errors of the ODCS model back to file, line and field. Stays out: the rules themselves (`parse`).
The ODCS model is imported where it is used: it and pydantic cost more than everything else here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestration.contracts.document import Document, Place
from orchestration.contracts.load import between_files, parse_all
from orchestration.contracts.model import Problem
from orchestration.settings import assets_root


def check(root: Path | None = None) -> list[Problem]:
    """Every problem below `root` (default: assets_root()), sorted by file and line; empty when all is well."""
    files = parse_all(root or assets_root())
    problems = between_files(files)
    for parsed in files:
        document = replace(parsed.document, problems=[*parsed.problems])  # what the night has read stays as it is
        _structure(document)
        problems += document.problems
    return sorted(set(problems))


def _structure(document: Document) -> None:
    """Add what ODCS itself refuses, unless a rule of Kho has already named that line."""
    if not isinstance(document.value, dict):
        return
    import pydantic
    from open_data_contract_standard.model import OpenDataContractStandard

    errors: list[tuple[Place, str]] = []
    try:
        OpenDataContractStandard.model_validate(document.value)
    except pydantic.ValidationError as exc:
        errors = [(_place(error["loc"], document.value), error["type"]) for error in exc.errors(include_input=False)]
    named = {problem.line for problem in document.problems}
    for place, kind in errors:
        if document.line(place) not in named:
            document.problem(place, f"không đúng chuẩn ODCS ({kind})", f"not as ODCS prescribes ({kind})")


def _place(loc: tuple[int | str, ...], value: Any) -> Place:
    """The part of a pydantic location that exists in the document: it inserts the names of union members."""
    place: list[int | str] = []
    for step in loc:
        if isinstance(value, dict) and (step in value or len(place) + 1 == len(loc)):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            continue
        place.append(step)
    return tuple(place)
