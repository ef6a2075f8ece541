"""What the simulator's systems really say for a contract: rows as cells, as its files, tables and messages hold them.

Belongs here: which views a contract is about, the forms of each system (texts on a wire, numbers and dates of workbooks, legacy charsets),
what is handed over on a day. Stays out: judging (`score_rules`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from simulator.systems.source import wire_table
from simulator.table import Province
from simulator.views import catalogue, encodings, forms, writers
from simulator.views.view import Said, View
from tests.e2e.score_rules import VIETNAM, Agreement, Cell, fold

DAILY = catalogue.daily()
_FILES = ("folder", "commune_folder", "sftp")
_WIRE = ("lgsp", "xroad", "commune_rest", "xml130", "stations")
_FLAT = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
_EXCEL = datetime(1899, 12, 30)


@dataclass
class Piece:
    """Rows of one view: cells by contract column, the id of each row in the truth, errors by (id, column): kinds."""

    view: View
    cells: dict[str, list[Cell]]
    ids: list[int]
    errors: dict[tuple[int, str], set[str]] = field(default_factory=dict)


def views_of(agreement: Agreement) -> list[View]:
    """The views whose rows come through a contract: those that stand where it says."""
    return [view for view in catalogue.all_views() if _place(view) in _places(agreement)]


def _places(agreement: Agreement) -> set[tuple[str, ...]]:
    server, said = agreement.server, agreement.properties
    where = str(server.get("location") or server.get("path") or "")
    if "kho.table" in said:
        system = "mariadb" if said.get("kho.dialect") == "mysql" else "postgres"
        return {(system, agreement.agency, said["kho.table"])}
    if said.get("kho.protocol") == "xroad":
        return {("xroad", agreement.agency, said["kho.service"].split("/")[-2])}
    if said.get("kho.protocol") == "receipts":
        return {("commune_rest", agreement.agency, said["kho.path"].partition("BoDuLieu=")[2])}
    if said.get("kho.protocol") == "xml130":
        return {("xml130", agreement.agency, "")}
    if server.get("format") == "stations":
        return {("stations", agreement.agency, "")}
    if "kho.path" in said:
        return {("lgsp", "", said["kho.path"])}
    name = _masked(str(said["kho.glob"]).rpartition("/")[2])
    systems = ("sftp",) if where.startswith("${") and "SFTP" in where else ("folder", "commune_folder")
    return {(system, agreement.agency, name) for system in systems}


def _place(view: View) -> tuple[str, ...]:
    if view.system in _FILES:
        return view.system, view.agency, _masked(view.place.rpartition("/")[2])
    if view.system in ("xml130", "stations"):
        return view.system, view.agency, ""
    if view.system == "commune_rest":
        return view.system, view.agency, view.id.partition(".")[2]
    return (view.system, "" if view.system == "lgsp" else view.agency, view.place)


def _masked(pattern: str) -> str:
    return re.sub(r"\*+", "*", re.sub(r"\{[^}]*\}", "*", pattern))


def handed_over(agreement: Agreement, province: Province, day: int, first: bool) -> Iterator[list[Piece]]:
    """What is handed over on a day, `first` on the first one: files of the day before that are sent again, then those of the day."""
    views = views_of(agreement)
    again: list[Piece] = []
    now: list[Piece] = []
    for view in views:
        changes = not first and (
            view.system == "xml130" or (view.id in DAILY and view.system in (*_FILES, "commune_rest"))
        )
        if view.system == "stations":
            now += [_piece(agreement, view, said, None) for said in _sent(view, province, day)]
            continue
        found = list(_parts(view, province, day, changes))
        now += [_piece(agreement, view, said, name) for name, said in found]
        if view.system in _FILES and day > 0:
            names = set(writers.resent(view, province, day, list({name or "" for name, _ in found})))
            old = _parts(view, province, day - 1, changes) if names else ()
            again += [_piece(agreement, view, said, name) for name, said in old if (name or "") in names]
    if again:
        yield again
    yield now


def _parts(view: View, province: Province, day: int, changes: bool) -> Iterator[tuple[str | None, Said]]:
    """(group, rows); the group is None where files are not split by one."""
    if view.group is not None and view.system in (*_FILES, "commune_rest"):
        yield from writers.grouped(view, province, day, changes=changes)
        return
    yield from ((None, said) for said in (view.changes(province, day) if changes else view.batches(province, day)))


def _sent(view: View, province: Province, day: int) -> Iterator[Said]:
    """The measurements whose files arrive on a day."""
    table: Any = province.table(view.table)
    sent = table.sent(day)
    for start in range(0, len(sent.station), 20_000):
        some = slice(start, start + 20_000)
        yield view.rows(province, table.ids(sent.station[some], sent.slot[some]), day)


def _piece(agreement: Agreement, view: View, said: Said, group: str | None) -> Piece:
    rows = _written(view, said)
    titles = {fold(name): name for name in rows}
    count = len(said.ids)
    cells: dict[str, list[Cell]] = {}
    of: dict[str, str] = {}
    for rule in agreement.rules.values():
        source = next((titles[title] for title in rule.titles if title in titles), None)
        if source is not None:
            cells[rule.name], of[source] = rows[source], rule.name
        elif f"{{{rule.name}}}" in str(agreement.properties.get("kho.glob", "")):
            cells[rule.name] = [group or writers.NAMELESS] * count
        else:
            cells[rule.name] = [None] * count
    piece = Piece(view, cells, said.ids.tolist())
    errors = said.errors
    for at, column, kind in zip(*(errors.column(n).to_pylist() for n in ("truth_id", "column", "kind")), strict=True):
        piece.errors.setdefault((at, of.get(column, column)), set()).add(kind)
    return piece


# -- forms of the systems -------------------------------------------------------------------------------------------------


def _written(view: View, said: Said) -> dict[str, list[Cell]]:
    rows = said.rows
    if view.system in _WIRE:
        rows = wire_table(rows)
    found: dict[str, list[Cell]] = {}
    kinds = {column.name: column.form for column in view.columns}
    for name in rows.column_names:
        values = rows.column(name).combine_chunks()
        if view.system in ("postgres", "mariadb"):
            cells = [_typed(value) for value in values.to_pylist()]
        elif view.format == "xlsx" and view.system in _FILES:
            cells = _workbook(values, kinds[name], _numbers(said, name))
        else:
            cells = list(forms.plain(values).to_pylist())
        found[name] = [_through(view.encoding, cell) for cell in cells]
    return found


def _typed(value: Any) -> Cell:
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(VIETNAM)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(repr(value))
    return value  # type: ignore[no-any-return]


def _numbers(said: Said, name: str) -> Any:
    """Which cells of a column stand as numbers because a zero was lost."""
    lost = [
        at for at, column, kind in zip(*(said.errors.column(n).to_pylist() for n in ("truth_id", "column", "kind")), strict=True)
        if column == name and kind in ("id_zero_lost", "commune_zero_lost")
    ]  # fmt: skip
    return np.isin(said.ids, lost) if lost else np.zeros(len(said.ids), np.bool_)


def _workbook(values: Any, form: str, lost: Any) -> list[Cell]:
    found: list[Cell] = []
    for value, number in zip(values.to_pylist(), lost.tolist(), strict=True):
        if not isinstance(value, str):
            found.append(_typed(value))
        elif not _FLAT.fullmatch(value) or not (number or form == "excel" or forms.is_number(form)):
            found.append(value)
        elif form == "excel" and not number:
            found.append(_serial(value))
        else:
            found.append(Decimal(repr(float(value))) if "." in value else Decimal(value))
    return found


def _serial(text: str) -> date | datetime:
    moment = _EXCEL + timedelta(seconds=round(float(text) * 86_400))
    return moment if "." in text else moment.date()


def _through(encoding: str, cell: Cell) -> Cell:
    """A text as it is when its file is read again: what the encoding lacks is lost."""
    if not isinstance(cell, str) or encoding not in encodings.LEGACY or cell.isascii():
        return cell
    letters = _letters(encoding)
    return "".join(letters.get(letter, "?") for letter in cell)


@cache
def _letters(encoding: str) -> dict[str, str]:
    table = encodings.table(encoding)
    back: dict[bytes, str] = {}
    for letter, content in table.items():
        if content not in back or letter.islower() or content == letter.encode("ascii", "replace"):
            back[content] = letter
    return {letter: back[content] for letter, content in table.items()}
