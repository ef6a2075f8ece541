"""Files of views: CSV in any encoding, workbooks, one for everything or one for each group.

Belongs here: bytes of a view's rows, names of files, files that appear whole. Stays out: which system puts them where
(`systems`), the shape of a workbook (`workbook`).

A file is written under another name (`.part`) and renamed. The same seed, scale and day give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Ints
from simulator.table import BATCH, Province, date_of
from simulator.views import encodings, forms
from simulator.views.dirt import RATES
from simulator.views.view import Said, View
from simulator.views.workbook import Csv, Head, Sheet, Workbooks, content_of

_ZERO_LOST = ("id_zero_lost", "commune_zero_lost")  # a workbook has made numbers of them
NAMELESS = "khong_ro"  # in names of files: the group of those without one
AGAIN = "_gui_lai"  # at the end of the name of a file that is sent a second time


@dataclass(frozen=True)
class Delivery:
    """One file. group: None where there are no groups; rows: in it; again: it is an old one, sent a second time."""

    path: Path
    group: str | None
    rows: int
    again: bool = False


def deliver(view: View, province: Province, day: int, folder: Path, *, changes: bool = False) -> list[Delivery]:
    """Write the files of a day, all rows of the view or its changes only, named by `view.place`.

    Now and then a file of the day before is sent again beside the new one (`dirt.RATES["resent_file"]`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = _files(view, province, day, folder, parts(view, province, day, changes=changes), "")
    again = resent(view, province, day, [d.group or "" for d in made]) if day > 0 else []
    if again:
        old = parts(view, province, day - 1, changes=changes, only=set(again))
        made += _files(view, province, day - 1, folder, old, AGAIN)
    return made


def parts(
    view: View, province: Province, day: int, *, changes: bool = False, only: set[str] | None = None
) -> Iterator[tuple[str | None, Iterator[Said]]]:
    """What goes into each file of a day: its group (None where the view has none) and the rows in pieces.

    only: these groups.
    """
    if view.group is None:
        yield None, view.changes(province, day) if changes else view.batches(province, day)
        return
    for group, said in grouped(view, province, day, changes=changes, only=only):
        yield group, iter([said])


def grouped(
    view: View, province: Province, day: int, *, changes: bool = False, only: set[str] | None = None, size: int = BATCH
) -> Iterator[tuple[str, Said]]:
    """Each group's rows, in the order of the groups' names; records without a group have the name «».

    Groups are those of the truth: a wrong code in the column makes no file of its own. The ids are put in the order of
    groups first, then asked for in batches of about `size`, so memory holds a batch and the ids.
    """
    ids, codes, names = _in_order_of_groups(view, province, day, changes)
    bounds = np.append(np.flatnonzero(np.diff(codes, prepend=-1)), len(codes))
    wanted = [at for at in range(len(bounds) - 1) if only is None or names[codes[bounds[at]]] in only]
    batch: list[int] = []
    for at in wanted:
        if batch and sum(bounds[g + 1] - bounds[g] for g in batch) + bounds[at + 1] - bounds[at] > size:
            yield from _said_by_group(view, province, day, ids, bounds, batch, names, codes)
            batch = []
        batch.append(at)
    if batch:
        yield from _said_by_group(view, province, day, ids, bounds, batch, names, codes)


def _in_order_of_groups(view: View, province: Province, day: int, changes: bool) -> tuple[Ints, Ints, list[str]]:
    """Ids in the order of their groups, the number of each one's group, the groups' names in order."""
    found = [view.groups(province, some, day) for some in view.ids(province, day, changes=changes)]
    ids = np.concatenate([held for held, _ in found]) if found else np.zeros(0, np.int64)
    coded = pc.dictionary_encode(
        pa.chunked_array([pc.fill_null(g, "") for _, g in found], pa.string()).combine_chunks()
    )
    texts = coded.dictionary.to_pylist()
    rank = np.argsort(np.argsort(np.array(texts, np.str_)))
    codes = rank[coded.indices.to_numpy()].astype(np.int64) if len(texts) else np.zeros(0, np.int64)
    order = np.lexsort((ids, codes))
    return ids[order], codes[order], sorted(texts)


def _said_by_group(
    view: View, province: Province, day: int, ids: Ints, bounds: Ints, batch: list[int], names: list[str], codes: Ints
) -> Iterator[tuple[str, Said]]:
    asked = np.concatenate([ids[bounds[g] : bounds[g + 1]] for g in batch])
    of = np.repeat(np.arange(len(batch)), [bounds[g + 1] - bounds[g] for g in batch])
    said = view.rows(province, asked, day)
    sorter = np.argsort(asked, kind="stable")
    group = of[sorter[np.searchsorted(asked, said.ids, sorter=sorter)]]
    wrong = of[sorter[np.searchsorted(asked, said.errors.column("truth_id").to_numpy(), sorter=sorter)]]
    ends = np.searchsorted(group, np.arange(len(batch) + 1))
    for at, number in enumerate(batch):
        rows = slice(ends[at], ends[at + 1])
        errors = said.errors.filter(pa.array(wrong == at))
        part = Said(said.rows.slice(ends[at], ends[at + 1] - ends[at]), said.ids[rows], errors)
        yield names[codes[bounds[number]]], part


def resent(view: View, province: Province, day: int, groups: list[str]) -> list[str]:
    """Those of the groups whose file of the day before is sent again; "" stands for a view without groups."""
    keys = [int.from_bytes(hashlib.blake2b(group.encode(), digest_size=7).digest(), "big") for group in groups]
    name, rate = f"file.{view.id}.{day}.again", RATES["resent_file"].rate
    again = province.chance.happens(name, np.array(keys, np.int64), rate)
    return [group for group, yes in zip(groups, again, strict=True) if yes]


def file_name(view: View, day: int, group: str | None, rows: Any) -> str:
    """The name after the pattern of the view: {day:…}, {group} (`NAMELESS` for «»), {column} of the first row."""
    first = {name: rows.column(name)[0].as_py() for name in rows.column_names} if rows.num_rows else {}
    said = {name: str(value).replace("/", "-") for name, value in {**first, "group": group or NAMELESS}.items()}
    return Path(view.place).name.format_map(said | {"day": date_of(day)})


# -- CSV ---------------------------------------------------------------------------------------------------------------


def csv_header(view: View) -> bytes:
    """The first line, behind the mark of UTF-8 if there is one."""
    names = pa.table({column.name: pa.array([column.name], pa.string()) for column in view.columns})
    mark = "\ufeff".encode() if view.csv.bom and view.encoding in ("utf-8", "nfd", "mixed") else b""
    return mark + csv_bytes(names, view.csv, view.encoding)


def csv_bytes(rows: Any, style: Csv, encoding: str = "utf-8") -> bytes:
    """Rows as lines; an empty cell is empty."""
    cells = [_csv_cells(column.combine_chunks(), style) for column in rows.columns]
    if encoding == "mixed":
        cells = [encodings.column(column, encoding) for column in cells]
    cells[-1] = pc.binary_join_element_wise(cells[-1], "\r\n" if style.crlf else "\n", "")
    content = content_of(pc.binary_join_element_wise(*cells, style.delimiter))
    return content if encoding in ("utf-8", "mixed") else encodings.encode(content.decode(), encoding)


def _csv_cells(values: Any, style: Csv) -> Any:
    """One column as it stands between the delimiters: in quotes where it has to be, or everywhere."""
    texts = pc.fill_null(forms.plain(values), "")
    content = content_of(texts)
    special = [sign for sign in ('"', style.delimiter, "\n", "\r") if sign.encode() in content]
    if not special and not style.quote_all:
        return texts
    quoted = pc.is_valid(values)
    if not style.quote_all:
        quoted = reduce(pc.or_, [pc.match_substring(texts, sign) for sign in special])
    inside = pc.replace_substring(texts, '"', '""') if '"' in special else texts
    return pc.if_else(quoted, pc.binary_join_element_wise('"', inside, '"', ""), texts)


# -- workbooks ---------------------------------------------------------------------------------------------------------


def workbooks(view: View, day: int, on: date) -> Workbooks:
    """The writer of a view's workbooks on a day."""
    heads = [
        Head(c.name, "date" if c.form == "excel" else "number" if forms.is_number(c.form) else "text", c.unit)
        for c in view.columns
    ]
    return Workbooks(view.sheet or Sheet(), tuple(heads), day, on, view.encoding)


def write_workbook(writer: Workbooks, view: View, said: Said, target: Any) -> None:
    """One workbook of what is said; where a zero was lost the cell is a number."""
    lost = said.errors.filter(pc.is_in(said.errors.column("kind"), pa.array(_ZERO_LOST)))
    numbers = {}
    for name in pc.unique(lost.column("column")).to_pylist():
        ids = lost.filter(pc.equal(lost.column("column"), name)).column("truth_id").to_numpy()
        numbers[name] = pa.array(np.isin(said.ids, ids))
    writer.write(target, encodings.columns(said.rows, view.encoding), numbers)


# -- files -------------------------------------------------------------------------------------------------------------


def _files(
    view: View,
    province: Province,
    day: int,
    folder: Path,
    found: Iterator[tuple[str | None, Iterator[Said]]],
    mark: str,
) -> list[Delivery]:
    """One file for each group that has anything to say."""
    writer = workbooks(view, day, date_of(day)) if view.format == "xlsx" else None
    made = []
    for group, pieces in found:
        first = next(pieces, None)
        if first is None:
            continue
        path = folder / file_name(view, day, group, first.rows)
        path = path.with_stem(path.stem + mark)
        part = path.with_name(path.name + ".part")
        with open(part, "wb") as file:
            if writer is None:
                count = _write_csv(view, file, first, pieces)
            else:
                whole = _put_together([first, *pieces])
                write_workbook(writer, view, whole, file)
                count = whole.rows.num_rows
        part.replace(path)
        made.append(Delivery(path, group, count, bool(mark)))
    return made


def _write_csv(view: View, file: BinaryIO, first: Said, others: Iterator[Said]) -> int:
    file.write(csv_header(view))
    count = 0
    for said in chain([first], others):
        file.write(csv_bytes(said.rows, view.csv, view.encoding))
        count += said.rows.num_rows
    return count


def _put_together(pieces: list[Said]) -> Said:
    rows, errors = (pa.concat_tables([getattr(piece, what) for piece in pieces]) for what in ("rows", "errors"))
    return Said(rows, np.concatenate([piece.ids for piece in pieces]), errors)
