"""What one system of an agency says of one table of the truth: late, in part, under its own names, and wrong in places.

Belongs here: `View` and `Column` as the agencies' modules declare them, and the engine that turns truth into what is
said. Stays out: which views there are (one module per agency), how values are written (`forms`), dirt (`dirt`,
`spoil`), files (`writers`).

What is said of a record is a pure function of province, view, id and day: the same in whatever batch it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Ids, Ints
from simulator.table import BATCH, Province
from simulator.views import forms, spoil
from simulator.views.dirt import IDENTITY, ROW_KINDS, Dirt
from simulator.views.workbook import Csv, Sheet

Encoding = Literal["utf-8", "nfd", "mixed", "cp1258", "tcvn3", "vni"]


@dataclass(frozen=True)
class Context:
    """What a computed column may want to know. day: of the delivery; seen: the day whose truth the system knows."""

    province: Province
    day: int
    seen: int


@dataclass(frozen=True)
class Column:
    """One column of a source.

    name: in the source. of: a column of the truth, or a function of (truth rows, context) that gives an Arrow array as
    long. form: how it is written (see `forms`). words: code of the truth -> the source's own word, before `form`. unit: of
    numbers, «đồng», «m²» …: workbooks print it in the header, dirt puts it into cells.
    """

    name: str
    of: str | Callable[[Any, Context], Any]
    form: str = "text"
    words: Mapping[Any, str] | None = None
    unit: str = ""


@dataclass(frozen=True)
class Said:
    """What is said of some records: `rows` as written (Unicode, before any file encoding), the id of each row, the errors.

    A duplicate stands behind its original and has the same id. errors: see `spoil.ERRORS`.
    """

    rows: Any
    ids: Ints
    errors: Any


@dataclass(frozen=True)
class View:
    """What one system of an agency says of one table.

    id: `agency.table`, unique. system: where it stands (postgres, mariadb, folder, sftp, lgsp, xroad, xml130, stations,
    commune_folder, commune_rest). key: source names of the key columns. place: where in the system: schema.table, the
    pattern of a file's name («hoc_sinh_{group}_{day:%Y%m%d}.xlsx»; also {name} for each column of the group's first row),
    a path, a service.
    lag: it knows the truth of so many days ago. share: the part of the records it holds. where: which rows of the truth
    it is about (a boolean array as long as the rows). person: the source column that holds the personal number of truth column
    `person`; of several, {source column: truth column}; dirt of identity falls on them by itself (`dirt.sound_ids` keeps
    it off). group: source column by which files are split. stamp: the source column that says when a row last changed (a
    date or a moment): a late correction moves it, so that who reads by it sees the correction. encoding, csv, sheet: of
    files (see `writers`).
    """

    id: str
    agency: str
    table: str
    title_vi: str
    system: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    place: str
    format: str = "rows"
    encoding: Encoding = "utf-8"
    lag: int = 0
    share: float = 1.0
    where: Callable[[Any], Any] | None = None
    dirt: tuple[Dirt, ...] = ()
    person: str | Mapping[str, str] | None = None
    group: str | None = None
    stamp: str | None = None
    csv: Csv = field(default_factory=Csv)
    sheet: Sheet | None = None

    def __post_init__(self) -> None:
        """Refuses a declaration that cannot be meant; ValueError says which view and why."""
        names = [column.name for column in self.columns]
        self._refuse("tên cột lặp lại / column named twice", {n for n in names if names.count(n) > 1})
        named = {*self.key, *self.persons, *filter(None, (self.group, self.stamp))}
        named |= {column for dirt in self.dirt for column in dirt.columns}
        self._refuse("cột không có / no such column", named - set(names))
        much = {column for column, kinds in self.kinds.items() if sum(rate for _, rate in kinds) > 1}
        self._refuse("tổng tỷ lệ trên 1 / rates add up to more than 1", much)
        # Files and messages repeat rows; a table with a key cannot.
        doubling = {each.kind for each in self.dirt if each.kind in ("duplicate", "conflict") and each.rate}
        keyed = self.system in ("postgres", "mariadb") and self.key
        self._refuse("bảng có khóa không lặp dòng / a table with a key repeats no row", doubling if keyed else set())
        unreadable = {column.form for column in self.columns if not forms.known(column.form)}
        self._refuse("cách ghi không có / no such form", unreadable)

    def _refuse(self, why: str, what: set[str]) -> None:
        if what:
            raise ValueError(f"{self.id}: {why}: {', '.join(sorted(what))}")

    @property
    def persons(self) -> dict[str, str]:
        """Source column of a personal number -> the truth's column of person ids."""
        if self.person is None:
            return {}
        return {self.person: "person"} if isinstance(self.person, str) else dict(self.person)

    @cached_property
    def kinds(self) -> dict[str, list[tuple[str, float]]]:
        """Column -> its kinds of dirt with their rates. What doubles rows is under `spoil.ROWS`, a conflict as
        `conflict:column`. Decomposed text is no error of a cell where the whole file has an encoding of its own.
        """
        found = {(column, kind): Dirt(kind, column).rate for column in self.persons for kind in IDENTITY}
        for dirt in self.dirt:
            if dirt.kind in ROW_KINDS:
                found |= {(spoil.ROWS, f"{dirt.kind}:{c}".rstrip(":")): dirt.rate for c in dirt.columns or ("",)}
            else:
                found |= {(column, dirt.kind): dirt.rate for column in dirt.columns}
        order: dict[str, list[tuple[str, float]]] = {}
        for (column, kind), rate in found.items():
            if rate and (kind != "text_nfd" or self.encoding == "utf-8"):
                order.setdefault(column, []).append((kind, rate))
        return order

    # -- what is said ------------------------------------------------------------------------------------------------

    def rows(self, province: Province, ids: Ids, day: int, *, clean: bool = False) -> Said:
        """What the system says on a day of those records (by ids of the truth) that it holds, in their order.

        clean: as it would be without dirt.
        """
        return self._say(province, np.asarray(ids, np.int64), day, None if clean else day)

    def check(self, province: Province) -> None:
        """Tries every column and kind of dirt on no rows; TypeError or ValueError for one that cannot stand where it is."""
        self.rows(province, np.zeros(0, np.int64), 0)

    def ids(self, province: Province, day: int, size: int = BATCH, *, changes: bool = False) -> Iterator[Ints]:
        """Ids of the truth to ask for, batch by batch: all, or those with something new, changed or put right on a day."""
        if not changes:
            count = province.table(self.table).count(day - self.lag)
            yield from (np.arange(start, min(start + size, count)) for start in range(0, count, size))
            return
        touched = province.table(self.table).touched(day - self.lag)
        ids = np.union1d(np.asarray(touched, np.int64), self._corrected(province, day, size))
        yield from (ids[start : start + size] for start in range(0, len(ids), size))

    def batches(self, province: Province, day: int, size: int = BATCH, *, clean: bool = False) -> Iterator[Said]:
        """Everything the system says on a day, batch by batch."""
        for ids in self.ids(province, day, size):
            yield self.rows(province, ids, day, clean=clean)

    def changes(self, province: Province, day: int, size: int = BATCH) -> Iterator[Said]:
        """What is new, changed or put right since the day before, batch by batch."""
        for ids in self.ids(province, day, size, changes=True):
            yield self.rows(province, ids, day)

    def groups(self, province: Province, ids: Ids, day: int) -> tuple[Ints, Any]:
        """Those of the records that the system holds, and the value (without dirt) of the column that files are split by."""
        context = Context(province, day, day - self.lag)
        held, truth = self._held(context, np.asarray(ids, np.int64))
        column = next(column for column in self.columns if column.name == self.group)
        written = forms.write(self._value(column, truth, context), column.form, column.words)
        return held, forms.plain(written)

    def errors(self, province: Province, day: int, size: int = BATCH) -> Iterator[Any]:
        """Every wrong cell of a day (`spoil.ERRORS`), batch by batch."""
        for said in self.batches(province, day, size):
            yield said.errors

    def identity(self, province: Province, day: int, size: int = BATCH) -> Iterator[Any]:
        """Who each delivered row is really about, batch by batch, to score matching.

        Columns: view, key (as delivered, parts joined by «|»), table, truth_id, copy (it is a duplicate), then the ids of
        the truth: `person`, `enterprise` and those that end in `_person`, `_enterprise`, as far as the table has them.
        """
        table = province.table(self.table)
        for said in self.batches(province, day, size):
            copy = np.zeros(len(said.ids), np.bool_)
            copy[1:] = said.ids[1:] == said.ids[:-1]
            truth = table.rows(said.ids, day - self.lag)
            whole = {
                "view": pa.array([self.id] * len(copy), pa.string()),
                "key": spoil.joined_key([said.rows.column(name) for name in self.key]),
                "table": pa.array([self.table] * len(copy), pa.string()),
                "truth_id": pa.array(said.ids),
                "copy": pa.array(copy),
            }
            roles = [n for n in truth.column_names if n.rpartition("_")[2] in ("person", "enterprise")]
            yield pa.table(whole | {name: truth.column(name) for name in roles})

    def properties(self) -> list[tuple[str, str, str]]:
        """What is odd about the whole, and is therefore no error of a cell: (view, what, how)."""
        odd = [(self.id, f"form:{c.name}", c.form) for c in self.columns if forms.odd(c.form)]
        odd += [(self.id, f"unit:{c.name}", c.unit) for c in self.columns if c.unit]
        if self.encoding != "utf-8":
            odd.append((self.id, "encoding", self.encoding))
        if self.lag:
            odd.append((self.id, "lag", f"{self.lag}"))
        if self.share < 1:
            odd.append((self.id, "share", f"{self.share}"))
        return odd

    # -- how ---------------------------------------------------------------------------------------------------------

    def _say(self, province: Province, ids: Ints, day: int, dirt_day: int | None) -> Said:
        """What is said on `day`, with the dirt as it is on `dirt_day`; without any when that is None."""
        context = Context(province, day, day - self.lag)
        ids, truth = self._held(context, ids)
        values = {column.name: self._value(column, truth, context) for column in self.columns}
        if self.stamp and dirt_day is not None:
            values[self.stamp] = spoil.stamped(self, province, ids, values[self.stamp], context.seen, dirt_day)
        clean = {column.name: forms.write(values[column.name], column.form, column.words) for column in self.columns}
        if dirt_day is None:
            return Said(pa.table(clean), ids, spoil.ERRORS.empty_table())
        written, ids, errors = spoil.Spoiler(self, context, ids, truth, values, clean, dirt_day).spoilt()
        return Said(pa.table(written), ids, pa.concat_tables([spoil.ERRORS.empty_table(), *errors]))

    def _held(self, context: Context, ids: Ints) -> tuple[Ints, Any]:
        """Those of the records that the system holds, and the truth about them."""
        table = context.province.table(self.table)
        ids = ids[ids < table.count(context.seen)]
        if self.share < 1:
            ids = ids[context.province.chance.happens(f"{self.id}.held", ids, self.share)]
        ids = ids[~table.gone(ids, context.seen)]
        truth = table.rows(ids, context.seen)
        if self.where is None:
            return ids, truth
        about = np.asarray(self.where(truth), np.bool_)
        return ids[about], truth.filter(pa.array(about))

    def _value(self, column: Column, truth: Any, context: Context) -> Any:
        value = truth.column(column.of) if isinstance(column.of, str) else column.of(truth, context)
        return value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value

    def _corrected(self, province: Province, day: int, size: int) -> Ints:
        """Records of which an error is put right on this day."""
        count = province.table(self.table).count(day - self.lag)
        found = [np.zeros(0, np.int64)]
        for start in range(0, count if self.kinds else 0, size):
            ids = np.arange(start, min(start + size, count))
            drawn = spoil.put_right_on(self, province, ids, day)
            if self.stamp:  # the row was saved anew, whatever was in it
                found.append(drawn)
                continue
            before = self._say(province, drawn, day, day - 1).errors
            after = self._say(province, drawn, day, day).errors
            cells = [[f"{i}/{c}" for i, c in zip(e["truth_id"].to_pylist(), e["column"].to_pylist(), strict=True)]
                     for e in (before, after)]  # fmt: skip
            found.append(np.array([int(cell.partition("/")[0]) for cell in set(cells[0]) - set(cells[1])], np.int64))
        return np.unique(np.concatenate(found))


def constant(text: str | None) -> Callable[[Any, Context], Any]:
    """A column that says the same in every row: `Column("ma_tinh", constant("24"))`."""
    return lambda truth, context: pa.array([text], pa.string()).take(pa.array(np.zeros(truth.num_rows, np.int64)))


def of_person(what: str, role: str = "person") -> Callable[[Any, Context], Any]:
    """A column about the person of a truth column: `names`, `personal_ids`, `cmnd`, `phones`, `sex`, `birth_dates`, `ethnic`.

    Null where no person is named.
    """

    def values(truth: Any, context: Context) -> Any:
        ids = truth.column(role).combine_chunks()
        if ids.null_count == 0:
            return getattr(context.province.people, what)(ids.to_numpy())
        some = getattr(context.province.people, what)(pc.drop_null(ids).to_numpy())
        place = np.cumsum(np.asarray(ids.is_valid())) - 1
        return some.take(pa.array(place, mask=np.asarray(ids.is_null())))

    return values
