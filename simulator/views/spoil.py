"""Which cells are wrong, until when, and the record of it.

Belongs here: drawing the cells of each kind, laying the dirt over a column, corrections, doubled rows, `ERRORS`.
Stays out: what each kind makes of a cell (`dirt_identity`, `dirt_text`, `dirt_value`), the rates (`dirt`).

One number is drawn for each cell of a column with dirt, by view, column and id; the kinds of the column lie side by
side on [0, 1). So a cell is wrong in one way at most, in the same way every day, and whoever asks for it. A quarter of
the records is mended, with all that is wrong in them: 1 to 45 days after they were first said (on day 0 at the earliest).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Bools, Ids, Ints
from simulator.table import Province, Table, to_date32, to_timestamp
from simulator.views import dirt_identity, dirt_text, dirt_value, forms
from simulator.views.dirt import CORRECTED_WITHIN, RATES, Cells

if TYPE_CHECKING:
    from simulator.views.view import Context, View

NEVER = 1 << 30
ROWS = "*"  # stands for the column of what happens to whole rows
KINDS = dirt_identity.KINDS | dirt_text.KINDS | dirt_value.KINDS
# One row for each wrong cell. key: as it would be without dirt, parts joined by «|»; column: source name, `ROWS` for a
# row that is there twice; found and meant: as text, null for an empty cell. A wrong cell of a row that is there twice
# is wrong in both and is listed once; a conflict is about the second row alone.
ERRORS = pa.schema(
    [("view", pa.string()), ("truth_id", pa.int64()), ("key", pa.string()), ("column", pa.string()),
     ("kind", pa.string()), ("found", pa.string()), ("meant", pa.string())]
)  # fmt: skip
_counts: WeakKeyDictionary[Table, dict[int, int]] = WeakKeyDictionary()


def joined_key(columns: list[Any]) -> Any:
    """Key columns as one text each row, parts joined by «|»; an empty part is empty."""
    parts = [forms.plain(c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c) for c in columns]
    return pc.binary_join_element_wise(*parts, "|", null_handling="replace", null_replacement="")


def differs(left: Any, right: Any) -> Bools:
    """Where two arrays hold different things; two nulls are alike."""
    unlike = pc.fill_null(pc.not_equal(left, right), False)
    return np.asarray(pc.or_(unlike, pc.xor(pc.is_null(left), pc.is_null(right))), np.bool_)


def first_said(table: Table, ids: Ids, seen: int, lag: int) -> Ints:
    """The day on which each record was first said; 0 for those that were said then already."""
    counts = _counts.setdefault(table, {})
    days = range(-lag, seen + 1)
    counts |= {day: table.count(day) for day in days if day not in counts}
    return np.searchsorted(np.array([counts[day] for day in days]), ids, side="right").astype(np.int64)


def right_from(view: View, province: Province, ids: Ids, seen: int) -> Ints:
    """The day from which all is right in a record; far in the future for those that nobody mends."""
    rate = RATES["late_correction"].rate
    drawn = province.chance.uniform(f"dirt.{view.id}.mended", ids)
    mended = drawn < rate
    days = np.full(len(ids), NEVER, np.int64)
    delay = 1 + np.floor(drawn[mended] / rate * CORRECTED_WITHIN).astype(np.int64)
    days[mended] = first_said(province.table(view.table), ids[mended], seen, view.lag) + delay
    return days


def drawn_for_dirt(view: View, province: Province, ids: Ids) -> Bools:
    """Records of which at least one cell was drawn to be wrong, whether it can be spoilt or not."""
    found = np.zeros(len(ids), np.bool_)
    for column, kinds in view.kinds.items():
        found |= province.chance.happens(f"dirt.{view.id}.{column}", ids, sum(rate for _, rate in kinds))
    return found


def put_right_on(view: View, province: Province, ids: Ids, day: int) -> Ints:
    """Those of the ids that were drawn for dirt and are right from this day on."""
    mended = ids[right_from(view, province, ids, day - view.lag) == day]
    return np.asarray(mended[drawn_for_dirt(view, province, mended)], np.int64)


def stamped(view: View, province: Province, ids: Ids, stamps: Any, seen: int, day: int) -> Any:
    """When each row last changed (Arrow dates or moments), late corrections up to a day included."""
    mended = right_from(view, province, ids, seen)
    moved = (mended <= day) & drawn_for_dirt(view, province, ids)
    days = np.where(moved, mended - view.lag, 0)
    if pa.types.is_date(stamps.type):
        mends = to_date32(days, moved)
    else:
        seconds = province.chance.integer(f"dirt.{view.id}.hour", ids, 27_000, 61_200)  # in office hours
        mends = to_timestamp(days, seconds, moved)
    later = pc.fill_null(pc.greater(pc.cast(mends, stamps.type), stamps), False)
    return pc.if_else(later, pc.cast(mends, stamps.type), stamps)


class Spoiler:
    """Lays the dirt of a view over some of its rows, as it is on a day."""

    def __init__(
        self,
        view: View,
        context: Context,
        ids: Ints,
        truth: Any,
        values: dict[str, Any],
        clean: dict[str, Any],
        day: int,
    ) -> None:
        self._view, self._province, self._day = view, context.province, day
        self._ids, self._truth, self._values, self._clean = ids, truth, values, clean
        self._wrong = right_from(view, self._province, ids, context.seen) > day  # as long as nobody has mended the row
        self._columns = {column.name: column for column in view.columns}
        self._errors: list[Any] = []

    def spoilt(self) -> tuple[dict[str, Any], Ints, list[Any]]:
        """Columns as written, the id of each row (doubled rows are in), and the errors."""
        written = dict(self._clean)
        for name, kinds in self._view.kinds.items():
            if name != ROWS:
                written[name] = self._column(name, kinds)
        return self._doubled(written) if ROWS in self._view.kinds else (written, self._ids, self._errors)

    def _drawn(self, stream: str, kinds: list[tuple[str, float]]) -> list[tuple[str, Ints]]:
        """Kind -> numbers of the rows drawn for it that are still wrong."""
        drawn = self._province.chance.uniform(f"dirt.{self._view.id}.{stream}", self._ids)
        ends = np.cumsum([rate for _, rate in kinds])
        hit = np.flatnonzero((drawn < ends[-1]) & self._wrong)
        band = np.searchsorted(ends, drawn[hit], side="right")
        return [(kind, hit[band == at]) for at, (kind, _) in enumerate(kinds)]

    def _column(self, name: str, kinds: list[tuple[str, float]]) -> Any:
        meant = self._clean[name]
        places, wrongs = [], []
        for kind, rows in self._drawn(name, kinds):
            at = rows[np.asarray(pc.is_valid(meant.take(pa.array(rows))), np.bool_)]
            if kind in dirt_identity.KINDS:
                at = self._of_somebody(name, kind, at)
            if not len(at) and len(self._ids):  # of no rows at all, every kind shows what it would write
                continue
            cells = self._cells(name, kind, at)
            wrong = KINDS[kind](cells)
            if wrong.type != meant.type:
                raise TypeError(f"{self._view.id}.{name}: «{kind}» writes {wrong.type}, the column is {meant.type}")
            spoilt = differs(wrong, cells.meant)
            at, wrong = at[spoilt], wrong.filter(pa.array(spoilt))
            self._note(at, name, kind, wrong, cells.meant.filter(pa.array(spoilt)))
            places.append(at)
            wrongs.append(wrong)
        return _replaced(meant, places, wrongs)

    def _of_somebody(self, name: str, kind: str, at: Ints) -> Ints:
        """Those of the rows that name a person."""
        role = self._view.persons.get(name)
        if role is None:
            raise ValueError(f"{self._view.id}.{name}: «{kind}»: không phải số định danh / not declared as `person`")
        return at[np.asarray(pc.is_valid(self._truth.column(role).take(pa.array(at))), np.bool_)]

    def _cells(self, name: str, kind: str, at: Ints) -> Cells:
        column, taken = self._columns[name], pa.array(at)
        role = self._view.persons.get(name)

        def of(what: str) -> Any:
            known = what in self._truth.column_names
            return self._truth.column(what).take(taken).combine_chunks() if known else None

        return Cells(
            province=self._province,
            stream=f"dirt.{self._view.id}.{name}.{kind}",
            form=column.form,
            unit=column.unit,
            ids=self._ids[at],
            meant=self._clean[name].take(taken),
            value=self._values[name].take(taken),
            person=of(role).to_numpy() if role and kind in dirt_identity.KINDS else None,
            of=of,
        )

    def _note(self, at: Ints, column: str, kind: str, found: Any, meant: Any) -> None:
        """Writes down what was spoilt."""
        if not len(at):
            return
        key = joined_key([self._clean[name].take(pa.array(at)) for name in self._view.key])
        view, where, what = (pa.repeat(pa.scalar(text, pa.string()), len(at)) for text in (self._view.id, column, kind))
        cells = [view, pa.array(self._ids[at]), key, where, what, forms.plain(found), forms.plain(meant)]
        self._errors.append(pa.Table.from_arrays(cells, schema=ERRORS))

    def _doubled(self, written: dict[str, Any]) -> tuple[dict[str, Any], Ints, list[Any]]:
        """A second row behind each that is drawn for one; in a conflicting one a cell differs."""
        twice = np.zeros(len(self._ids), np.bool_)
        others: list[tuple[str, Ints, Any]] = []
        for kind, at in self._drawn(ROWS, self._view.kinds[ROWS]):
            if column := kind.partition(":")[2]:
                at, other = self._other(column, at)
                others.append((column, at, other))
            else:
                key = joined_key([self._clean[name].take(pa.array(at)) for name in self._view.key])
                self._note(at, ROWS, kind, key, pa.nulls(len(at), pa.string()))
            twice[at] = True
        order = np.repeat(np.arange(len(twice)), 1 + twice)
        rows = {name: array.take(pa.array(order)) for name, array in written.items()}
        for column, at, other in others:
            # the copy stands right behind its original
            rows[column] = _replaced(rows[column], [at + np.cumsum(twice)[at]], [other])
        return rows, self._ids[order], self._errors

    def _other(self, column: str, at: Ints) -> tuple[Ints, Any]:
        """The rows of which the second can have another value, and that value."""
        at = at[np.asarray(pc.is_valid(self._clean[column].take(pa.array(at))), np.bool_)]
        cells = self._cells(column, "conflict", at)
        other = dirt_value.another_value(cells)
        unlike = differs(other, cells.meant)
        at, other = at[unlike], other.filter(pa.array(unlike))
        self._note(at, column, "conflict", other, cells.meant.filter(pa.array(unlike)))
        return at, other


def _replaced(array: Any, places: list[Ints], values: list[Any]) -> Any:
    """An array with other values at some places."""
    at = np.concatenate([*places, np.zeros(0, np.int64)])
    if not len(at):
        return array
    mask = np.zeros(len(array), np.bool_)
    mask[at] = True
    new = pa.concat_arrays(values).take(pa.array(np.argsort(at, kind="stable")))
    return pc.replace_with_mask(array, pa.array(mask), new)
