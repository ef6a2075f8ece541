"""What the tests of services share: contracts of the systems' views, deliveries taken whole.

Belongs here: helpers for more than one kind of service. Stays out: assertions on one kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from orchestration.contracts import Contract, assets_root, load
from orchestration.contracts.model import Column, Source
from orchestration.sources import open_source

#: The columns of `person` as `tests/simulator/systems_fakes.py` has them: name of the contract -> name in the source.
PERSON = {
    "code": "so_dinh_danh", "name": "ho_ten", "born": "ngay_sinh", "amount": "so_tien", "alive": "con_song",
    "note": "ghi_chu", "commune": "ma_xa", "changed_at": "cap_nhat_luc",
}  # fmt: skip


def column(name: str, source_name: str, pg_type: str = "text", format: str | None = None) -> Column:
    """A column that demands nothing."""
    return Column(
        name, source_name, (source_name,), pg_type, False, None, None, None, None, None, None, None, "open", format,
        None, None, None, source_name, "", 1,
    )  # fmt: skip


@cache
def _declared() -> Contract:
    return load(assets_root() / "national" / "enterprise_registry" / "enterprise.yaml")


def contract_of(
    kind: str, options: Mapping[str, str], columns: Mapping[str, str], key: str, cursor: str | None = None, **other: Any
) -> Contract:
    """A contract of text columns with one source, reached at ${KHO_SOURCE_TEST}."""
    return replace(
        _declared(), columns=tuple(column(*pair) for pair in columns.items()), key=(key,), cursor_column=cursor,
        delivery="cursor" if cursor else "snapshot", sources=(Source(kind, "${KHO_SOURCE_TEST}", dict(options)),), **other,
    )  # fmt: skip


@dataclass
class Taken:
    """One delivery as it was when it was landed."""

    name: str
    records: list[dict[str, Any]]
    cursor: str | None
    extra: tuple[str, ...]
    partial: bool


def take(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> list[Taken]:
    """Every delivery, landed: consumed, committed, told."""
    taken = []
    for delivery in open_source(contract, cursor, env):
        lines = b"".join(delivery.chunks).decode().splitlines()
        after = delivery.cursor_after()
        taken.append(
            Taken(delivery.name, [json.loads(line) for line in lines], after, delivery.extra, delivery.partial)
        )
        delivery.done()
    return taken
