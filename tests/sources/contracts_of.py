"""Contracts for tests of formats: only what a parser looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from orchestration.contracts import Contract, assets_root, load
from orchestration.contracts.model import Column, Source

PLAIN: dict[str, Any] = {
    "headers": (), "pg_type": "text", "required": False, "pattern": None, "allowed": None, "minimum": None, "maximum": None,
    "min_length": None, "max_length": None, "classification": "open", "format": None, "default": None, "unit": None,
    "identifier": None, "description": "", "line": 1,
}  # fmt: skip


@cache
def _base() -> Contract:
    return load(assets_root() / "agencies" / "education" / "school.yaml")


def contract_of(columns: Sequence[tuple[str, str, dict[str, Any]]], **options: str) -> Contract:
    """A contract of files with these columns (name, name in the source, what is special); the first one is the key."""
    made = tuple(
        Column(
            **{
                "name": name,
                "source_name": source,
                "label_vi": source,
                "key_position": 1 if n == 0 else None,
                **PLAIN,
                **special,
            }
        )
        for n, (name, source, special) in enumerate(columns)
    )
    return replace(_base(), columns=made, key=(made[0].name,), sources=(Source("files", "/drop", options),))
