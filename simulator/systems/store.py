"""Rows of a view on disk, in the order of the moment they were last written: what a service reads its pages from.

Belongs here: one Arrow file for each view, memory mapped, so that millions of rows cost a service no memory; pages and
ranges of moments. Stays out: what is asked and how it is answered (`lgsp`, `xroad`).

All values are texts as they go over the wire. Rows of one moment are in the order of their ids, so the order does not
depend on how the store came about. A row is replaced by its id, which the source's own numbering stands for: its key may
be what was wrong with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulator.systems.source import Change, Said, View, cursor_of, moments, wire_table
from simulator.views import encodings

_MOMENT, _ID = "\x1fmoment", "\x1fid"  # names that no source has
_CHUNK = 65_536


class Store:
    """One view's rows. Steps: `load`, then `update` at will; readers may read all the while."""

    def __init__(self, folder: Path, view: View) -> None:
        self.view = view
        self.cursor = cursor_of(view)
        self._folder = folder
        self._number = 0
        self._file: Path | None = None
        self._lock = threading.Lock()
        self._rows: Any = None
        self._moments: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def load(self, batches: Iterator[Said]) -> Iterator[int]:
        """Hold these rows and no others; yields how many have been taken so far."""
        parts = []
        for said in batches:
            parts.append(self._part(said))
            yield sum(part.num_rows for part in parts)
        self._write(parts)

    def update(self, changes: Iterator[Change]) -> int:
        """Take out the rows of records that something happened to, and put in what is said of them now; returns how many."""
        parts, touched = [], []
        for change in changes:
            parts.append(self._part(change.now))
            touched.append(np.asarray(change.ids, np.int64))
        if touched:
            stays = pc.invert(pc.is_in(self._rows.column(_ID), pa.array(np.concatenate(touched))))
            self._write([self._rows.filter(stays), *parts])
        return sum(part.num_rows for part in parts)

    def __len__(self) -> int:
        return len(self._moments)

    def find(self, first: int, last: int = 99991231235959) -> range:
        """The positions of rows of these moments (yyyyMMddHHmmss, both included)."""
        with self._lock:
            at = self._moments
        return range(int(np.searchsorted(at, first)), int(np.searchsorted(at, last, side="right")))

    def rows(self, positions: range) -> list[dict[str, str]]:
        """Rows by their positions."""
        with self._lock:
            rows = self._rows
        some: list[dict[str, str]] = rows.slice(positions.start, len(positions)).drop([_MOMENT, _ID]).to_pylist()
        return some

    def _part(self, said: Said) -> Any:
        rows = encodings.columns(said.rows, self.view.encoding)
        part = wire_table(rows).append_column(_MOMENT, pa.array(moments(said.rows, self.cursor)))
        return part.append_column(_ID, pa.array(said.ids, pa.int64()))

    def _write(self, parts: list[Any]) -> None:
        """Put rows in order and into a new file, from which readers read from now on."""
        texts = [(column.name, pa.string()) for column in self.view.columns]
        empty = pa.schema([*texts, (_MOMENT, pa.int64()), (_ID, pa.int64())]).empty_table()
        rows = pa.concat_tables([empty, *parts]).combine_chunks()
        order = pc.sort_indices(rows, [(_MOMENT, "ascending"), (_ID, "ascending")])
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        file = self._folder / f"{self.view.id}.{self._number}.arrow"
        with pa.OSFile(str(file), "wb") as out, pa.ipc.new_file(out, rows.schema) as writer:
            for start in range(0, len(order), _CHUNK):
                writer.write_table(rows.take(order.slice(start, _CHUNK)))
        mapped = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
        # One array of moments: sixteen megabytes for two million rows, all that stays in memory.
        at = np.array(mapped.column(_MOMENT).to_numpy(), np.int64)
        with self._lock:
            self._rows, self._moments = mapped, at
            old, self._file = self._file, file
        del rows, parts
        pa.default_memory_pool().release_unused()
        if old is not None:
            old.unlink()  # readers in the middle of a page keep their mapping
