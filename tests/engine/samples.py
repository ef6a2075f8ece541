"""Sample contracts and deliveries: columns of every kind of rule, cells whose meaning is known without reading them.

Here belong contracts, cells and their rendering to bytes. What the engine should make of them stays out (`oracle`).
"""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import sql

from orchestration.contracts import Column, Contract, Source
from orchestration.sources import Delivery
from orchestration.warehouse import connect

NIGHT = date(2026, 3, 1)
LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
START = datetime(2026, 3, 1, tzinfo=LOCAL)
_numbers = itertools.count(1)


def column(name: str, pg_type: str = "text", **given: Any) -> Column:
    """A column of a contract; its name in the source is the name in capitals."""
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "key_position",
            "pattern",
            "allowed",
            "minimum",
            "maximum",
            "min_length",
            "max_length",
            "format",
            "default",
            "unit",
            "identifier",
        )
    )
    fixed = {"name": name, "source_name": name.upper(), "headers": (), "pg_type": pg_type, "label_vi": f"Cột {name}"}
    rest = {"required": False, "classification": "open", "description": f"Column {name}.", "line": 1}
    return Column(**(nothing | rest | fixed | given))


def contract(columns: Sequence[Column], *, delivery: str = "snapshot", name: str = "", **given: Any) -> Contract:
    """A contract of these columns with an id of its own."""
    dataset = name or f"sample{os.getpid()}_{next(_numbers)}"
    keyed = sorted((c for c in columns if c.key_position is not None), key=lambda c: c.key_position or 0)
    found: dict[str, Any] = {
        "id": f"office.{dataset}", "agency": "office", "dataset": dataset, "subject": "health", "table": f"office__{dataset}",
        "title": "Mẫu", "version": "1.0.0", "status": "active", "columns": tuple(columns), "key": tuple(c.name for c in keyed),
        "delivery": delivery, "cursor_column": "stamp" if delivery == "cursor" else None, "cursor_lookback": timedelta(0),
        "deletions": {"snapshot": "snapshot", "cursor": "key_check", "append": "none"}[delivery],
        "sources": (Source("files", "${KHO_SOURCE_SAMPLE}", {"format": "csv", "glob": "sample_{date}.csv"}),),
        "owner_name": "Đơn vị mẫu", "owner_contact": "a@b.example",
        "agency_name": "Đơn vị mẫu", "agency_code": "X", "legal_basis": (), "classification": "shared", "latency_hours": 24.0,
        "frequency": timedelta(days=1), "retention_days": 30, "schedule": "01:00 Asia/Ho_Chi_Minh", "authoritative_for": (),
        "description": "A sample.", "granularity": "one row a key", "path": Path("sample.yaml"),
    }  # fmt: skip
    return Contract(**(found | given))


@dataclass(frozen=True)
class Cell:
    """A cell as delivered (None: nothing), what it means, and the rule it breaks (empty: none)."""

    text: str | None
    value: Any
    breaks: str = ""


Row = Mapping[str, Cell]


def plain(text: str | None) -> Cell:
    """A text that means itself."""
    return Cell(text, text)


def sample_columns(*, composite: bool, formats: bool, cursor: bool) -> list[Column]:
    """Every kind of rule; with `formats` every kind of format, so that such a contract never takes the clean way."""
    form: Callable[[str], dict[str, str]] = (lambda name: {"format": name}) if formats else (lambda name: {})
    columns = [column("code", key_position=1, required=True, pattern=r"^[A-Z]\d$")]
    if composite:
        columns.append(column("part", "integer", key_position=2, required=True, minimum=Decimal(0)))
    columns += [
        column("name", required=True),
        column("amount", "numeric(8,2)", minimum=Decimal(0), maximum=Decimal(1000), **form("decimal_comma")),
        column("opened", "date", **form("dd/MM/yyyy")),
        column("active", "boolean", **form("True/False")),
        column("kind", allowed=("A", "B"), **({"default": "A"} if formats else {})),
        column("note", classification="personal"),
    ]
    return [*columns, column("stamp", "timestamptz", required=True)] if cursor else columns


def key_cells(number: int, *, composite: bool) -> dict[str, Cell]:
    """Key number 0 … 25: `part` differs where the key is composite."""
    cells = {"code": plain(f"{'ABC'[number // 10]}{number % 10}")}
    return cells | ({"part": Cell(str(number % 3), number % 3)} if composite else {})


def shade_cells(shade: int, *, formats: bool) -> dict[str, Cell]:
    """One of ten unblemished sets of values. `amount` 10 + shade; the even ones are written in two ways."""
    number, day = Decimal(10 + shade) + Decimal("0.50"), date(2025, 1, 1 + shade)
    comma = f"{number}".replace(".", ",") if formats else f"{number:.1f}" if shade % 2 else f"{number}"
    return {
        "name": plain(f"Bệnh viện {shade}"),
        "amount": Cell(comma, number) if shade != 3 else Cell(None, None),
        "opened": Cell(f"{day:%d/%m/%Y}" if formats else day.isoformat(), day) if shade != 4 else Cell(None, None),
        "active": Cell("True" if formats else "t", True) if shade % 2 else Cell("False" if formats else "false", False),
        "kind": plain("A" if shade % 3 else "B"),
        "note": plain('dấu "nháy", xuống\ndòng' if shade == 5 else "ghi chú") if shade != 2 else Cell(None, None),
    }


def blemishes(*, formats: bool) -> dict[str, tuple[str, Cell]]:
    """Name -> (column, cell): harmless ones that Kho mends, and one breach of every rule."""
    decomposed = unicodedata.normalize("NFD", "Trạm y tế")
    found = {
        "nfd": ("name", Cell(decomposed, "Trạm y tế")),
        "padded": ("name", Cell(" \u00a0An ", "An")),
        "blank_note": ("note", Cell(" ", None)),
        "quoted_nothing": ("note", Cell("", None)),
        "no_name": ("name", Cell(None, None, "required")),
        "blank_name": ("name", Cell(" \t", None, "required")),
        "unknown_kind": ("kind", Cell("C", None, "allowed")),
        "no_kind": ("kind", Cell(None, "A" if formats else None)),
        "too_much": ("amount", Cell("1.000,01" if formats else "1000.01", None, "maximum")),
        "too_little": ("amount", Cell("-0,01" if formats else "-0.01", None, "minimum")),
        "rounded": ("amount", Cell("12,345" if formats else "12.345", Decimal("12.35"))),
        "no_number": ("amount", Cell("12.5" if formats else "mười", None, "type")),
        "no_day": ("opened", Cell("30/02/2025" if formats else "2025-02-30", None, "type")),
        "no_boolean": ("active", Cell("yes" if formats else "có", None, "type")),
    }
    return found


def keyless_cells(which: int, *, composite: bool) -> dict[str, Cell]:
    """Keys that cannot be used."""
    choices = [{"code": Cell("zz", None, "pattern")}, {"code": Cell(None, None, "required")}]
    if composite:
        choices += [{"part": Cell("-1", None, "minimum")}, {"part": Cell(None, None, "required")}]
    return key_cells(9, composite=composite) | choices[which % len(choices)]


# -- rendering ------------------------------------------------------------------------------------------------------------


def csv_field(text: str | None) -> str:
    if text is None:
        return ""
    if text == "" or any(mark in text for mark in ',"\r\n') or text == "\\.":
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_bytes(
    names: Sequence[str], rows: Iterable[Row], *, header: bool = True, extra: Sequence[str] = (), end: str = "\n"
) -> bytes:
    """CSV as an agency writes it; `extra` columns (titles) stand last and hold the title itself."""
    lines = [[name.upper() for name in names] + list(extra)] if header else []
    lines += [[csv_field(row[name].text) for name in names] + list(extra) for row in rows]
    return "".join(",".join(line) + end for line in lines).encode()


def binary_bytes(columns: Sequence[Column], rows: Sequence[Row]) -> bytes:
    """Binary COPY of the rows, as another PostgreSQL sends it."""
    types = [sql.SQL(c.pg_type) for c in columns]  # type: ignore[arg-type]
    names = [sql.Identifier(c.name) for c in columns]
    empty = sql.SQL("select {} where false").format(
        sql.SQL(", ").join(sql.SQL("null::{} as {}").format(t, n) for t, n in zip(types, names, strict=True))
    )
    lines = [
        sql.SQL("select {}").format(
            sql.SQL(", ").join(
                sql.SQL("{}::{}").format(sql.Literal(row[c.name].text), t) for c, t in zip(columns, types, strict=True)
            )
        )
        for row in rows
    ]
    query = sql.SQL("copy ({}) to stdout (format binary)").format(sql.SQL(" union all ").join([empty, *lines]))
    with connect("admin") as connection, connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(part) for part in copy)


def in_chunks(content: bytes, size: int = 200) -> Iterable[bytes]:
    """Small chunks, as if from a network."""
    return (content[start : start + size] for start in range(0, len(content), size))


def csv_delivery(
    made: Contract,
    rows: Sequence[Row],
    *,
    day: int = 0,
    name: str = "sample.csv",
    names: Sequence[str] = (),
    extra: Sequence[str] = (),
    **given: Any,
) -> Delivery:
    """A CSV delivery of the contract `made`, `day` days after START; `names` gives another order of columns."""
    order = tuple(names) or tuple(c.name for c in made.columns)
    content = csv_bytes(order, rows, extra=extra)
    found = Delivery(
        name, START + timedelta(days=day), "csv", in_chunks(content), order + (None,) * len(extra), tuple(extra)
    )
    return replace(found, **given)


def text_rows(names: Sequence[str], *lines: Sequence[str | None]) -> list[Row]:
    """Rows of texts that mean themselves."""
    return [{name: plain(text) for name, text in zip(names, line, strict=True)} for line in lines]
