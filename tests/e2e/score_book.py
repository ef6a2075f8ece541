"""What must have become of a dataset after its deliveries: accepted rows, rows told and why, counts.

Belongs here: judging whole deliveries, duplicates and conflicts, what a later delivery does to an earlier one. Stays out: rules of
one row (`score_rules`), where rows come from (`score_said`), Kho (`score`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.score_rules import (
    UNREADABLE,
    Agreement,
    Cell,
    World,
    canonical,
    clean,
    holds,
    key_stands,
    own_rules,
    read,
    row_rules,
)
from tests.e2e.score_said import Piece

#: By what a row is known: its key, or, where that is unusable, the texts of it.
Ident = tuple[bool, tuple[Any, ...]]
#: (row, column, rule, held or noted)
Told = tuple[Ident, str, str, str]
ROW = "*"  # column of errors that concern a whole row


@dataclass
class Row:
    """A row as the judge sees it. `broken`: (column, rule); `errors`: column -> kinds planted in this row."""

    ident: Ident
    values: tuple[Any, ...]
    broken: tuple[tuple[str, str], ...]
    held: bool
    view: str
    truth: int
    planted: Mapping[str, set[str]]
    fate: str = "accepted"
    overtaken: bool = False  # by a newer row of its key that says something else


@dataclass
class Book:
    """A dataset as it must be: raw by key, what is told, and the counts of the last delivery's day."""

    agreement: Agreement
    raw: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)
    waiting: dict[Ident, set[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(set))
    rows: list[Row] = field(default_factory=list)
    received: int = 0
    accepted: int = 0
    held: int = 0
    duplicates: int = 0
    noted: int = 0
    highest: Any = None

    def take(self, pieces: Iterable[Piece], world: World, *, first: bool, whole: bool) -> None:
        """What a delivery does. `first`: of the dataset; `whole`: of a snapshot, all there is."""
        self.rows = [row for piece in pieces for row in self._judged(piece, world)]
        if not first and self.agreement.deletions == "key_check":
            self._forget({row.ident for row in self.rows})
        if not first and self.agreement.delivery == "cursor" and self.agreement.cursor is not None:
            self.rows = [row for row in self.rows if self._is_asked_for(row)]
        self.received = len(self.rows)
        settle(self.rows, self._position(self.agreement.cursor))
        for row in self.rows:
            row.overtaken &= first  # later on, an older row of a key is merely an older one
        fates = Counter(row.fate for row in self.rows)
        self.accepted, self.duplicates = fates["accepted"], fates["duplicate"]
        self.held = fates["held"]
        self.noted = sum(row.overtaken or (row.fate == "accepted" and bool(row.broken)) for row in self.rows)
        self._apply(whole and self.agreement.delivery == "snapshot")
        highest = [v for row in self.rows if (v := self._cursor_value(row)) is not None]
        self.highest = max([*highest, *([self.highest] if self.highest is not None else [])], default=None)

    @property
    def told(self) -> set[Told]:
        """Everything the agency must have been told and not mended since."""
        return {(ident, *problem) for ident, problems in self.waiting.items() for problem in problems}

    # -- one row ----------------------------------------------------------------------------------------------------------

    def _judged(self, piece: Piece, world: World) -> Iterator[Row]:
        rules = list(self.agreement.rules.values())
        planted: dict[int, dict[str, set[str]]] = defaultdict(dict)
        for (truth, column), kinds in piece.errors.items():
            planted[truth][column] = kinds
        seen: list[dict[Any, tuple[Any, Any, list[str]]]] = [{} for _ in rules]
        beyond = [
            rule
            for rule in rules
            if rule.code_list or rule.references or rule.roles or rule.identifier in ("tax_code", "dossier_code")
        ]
        columns = [piece.cells[rule.name] for rule in rules]
        for truth, cells in zip(piece.ids, zip(*columns, strict=True), strict=True):
            values: dict[str, Any] = {}
            texts: dict[str, Cell] = {}
            broken: list[tuple[str, str]] = []
            for rule, cell, known in zip(rules, cells, seen, strict=True):
                name = (type(cell), cell)
                if name not in known:
                    cleaned = clean(rule, cell)
                    value = read(rule, cleaned)
                    known[name] = cleaned, value, own_rules(rule, cleaned, value)
                cleaned, values[rule.name], alone = known[name]
                if rule.is_text:
                    texts[rule.name] = cleaned
                broken += [(rule.name, code) for code in alone]
            for rule in beyond:
                broken += [(rule.name, code) for code in row_rules(rule, values, texts, world)]
            yield self._row(piece, truth, cells, values, broken, planted[truth])

    def _row(
        self, piece: Piece, truth: int, cells: tuple[Cell, ...], values: dict[str, Any], broken: list[tuple[str, str]], planted: Mapping[str, set[str]]
    ) -> Row:  # fmt: skip
        agreement, order = self.agreement, list(self.agreement.rules)
        usable = all(
            key_stands(agreement.rules[name], {code for column, code in broken if column == name})
            for name in agreement.key
        )
        known = tuple(
            as_known(values[name], clean(agreement.rules[name], cells[order.index(name)])) for name in agreement.key
        )
        return Row(
            ident=(usable, known), values=tuple(canonical(values[name]) for name in order), broken=tuple(broken),
            held=any(holds(agreement.rules[column], code) for column, code in broken), view=piece.view.id, truth=truth, planted=planted,
        )  # fmt: skip

    def _position(self, name: str | None) -> int | None:
        return list(self.agreement.rules).index(name) if name is not None else None

    def _cursor_value(self, row: Row) -> Any:
        at = self._position(self.agreement.cursor)
        value = row.values[at] if at is not None else None
        return None if value is UNREADABLE else value

    def _is_asked_for(self, row: Row) -> bool:
        value = self._cursor_value(row)
        if value is None or self.highest is None:
            return True
        since = self.highest - self.agreement.lookback if self.agreement.lookback else self.highest
        return bool(value >= since)

    # -- a delivery -------------------------------------------------------------------------------------------------------

    def _forget(self, here: set[Ident]) -> None:
        """Rows of raw whose key the source has no more are gone, unless some row's key is unusable."""
        if all(usable for usable, _ in here):
            for key in self.raw.keys() - {key for _, key in here}:
                del self.raw[key]

    def _apply(self, whole: bool) -> None:
        if whole:
            self._forget({row.ident for row in self.rows})
            self.waiting.clear()
        for row in self.rows:
            if row.ident[0]:
                self.waiting.pop(row.ident, None)
        for row in self.rows:
            state = "open" if row.fate == "held" else "noted"
            if row.overtaken or (row.fate == "held" and not row.held):
                self.waiting[row.ident].add((", ".join(self.agreement.key), "conflict", state))
            for column, code in row.broken:
                self.waiting[row.ident].add((column, code, state))
            if row.fate == "accepted":
                self.raw[row.ident[1]] = row.values


def as_known(value: Any, cell: Any) -> Any:
    """What a part of a key is known by: its value, else its text."""
    found = canonical(value)
    return found if found is not UNREADABLE else str(cell)


def settle(rows: list[Row], cursor: int | None) -> None:
    """Decide the fate of rows of one key: alike they are one, in a feed the highest counts, else they are in conflict."""
    groups: dict[Ident, list[Row]] = defaultdict(list)
    for row in rows:
        row.fate = "held" if row.held else "accepted"
        if not row.held:
            groups[row.ident].append(row)
    for same in groups.values():
        if len(same) < 2:
            continue
        top = same
        if cursor is not None:
            highest = max((row.values[cursor] for row in same if row.values[cursor] is not None), default=None)
            top = [row for row in same if row.values[cursor] in (highest, None)]
        if len({row.values for row in top}) > 1:
            for row in same:
                row.fate = "held"
            continue
        for row in same:
            row.fate = "accepted" if row is top[0] else "duplicate"
            row.overtaken = cursor is not None and body(row, cursor) != body(top[0], cursor)


def body(row: Row, cursor: int) -> tuple[Any, ...]:
    """What a row says, but for when."""
    return row.values[:cursor] + row.values[cursor + 1 :]
