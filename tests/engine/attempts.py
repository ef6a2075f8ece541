"""Deliveries of a small made-up contract, for the tests of attempts: lines, what is sent and taken, what is there.

Belongs here: the contract, its content and looking at raw. Stays out: what should come of it (the tests).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestration.contracts import Contract, Source
from orchestration.landing import Receipt, land
from orchestration.sources import Delivery

from .cluster import rows
from .samples import NIGHT, column, csv_delivery, text_rows

NAMES = ("code", "part", "name")
COLUMNS = [column("code", key_position=1, required=True), column("part"), column("name")]
WHO = "Nguyễn Văn Thử"
DATABASE = Source("database", "${KHO_SOURCE_SAMPLE}", {"table": "t", "dialect": "sqlite"})
Line = tuple[str | None, ...]


def lines(count: int, name: str = "x", part: str = "a", start: int = 0) -> list[Line]:
    return [(f"{part.upper()}{n:03}", part, name) for n in range(start, start + count)]


def sent(made: Contract, content: Sequence[Line], day: int = 0, **given: Any) -> Delivery:
    return csv_delivery(made, text_rows(tuple(c.name for c in made.columns), *content), day=day, **given)


def take(made: Contract, content: Sequence[Line], day: int = 0, **given: Any) -> Receipt:
    return land(made, sent(made, content, day, **given), night=NIGHT)


def present(made: Contract) -> set[tuple[Any, ...]]:
    names = ", ".join(c.name for c in made.columns)
    return set(rows(f"select {names} from raw.{made.table} where not _deleted"))


def outcomes() -> list[str]:
    return [row[0] for row in rows("select outcome from kho.delivery order by delivery_id")]
