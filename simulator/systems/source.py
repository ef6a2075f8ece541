"""What the systems ask of a view, and what a source column is to them.

Belongs here: the little that is known of a view and a system, moments and values on a wire.
Stays out: how a view says what it says (`views`), every protocol (one module each).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulator.table import DAY0
from simulator.views import forms

#: (system, view, rows or files so far)
Progress = Callable[[str, str, int], None]
#: How sources call the moment a record was last written, in this order; compared without case and underscores.
CHANGED = ("thoidiemcapnhat", "capnhatluc", "ngaycapnhat", "ngaythaydoi", "thoidiemthaydoi", "ngaycapnhatcuoi")
#: How they call the day something happened: stands in where nothing says when it was written.
HAPPENED = ("ngaydangky", "ngaytiepnhan", "ngaylap", "ngaycap")
UNREADABLE = f"{DAY0:%Y%m%d}173000"  # the moment of a record whose own cannot be read: the evening of day 0

_DATES = (
    (r"^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2}).*$", r"\1\2\3\4\5\6"),
    (r"^(\d{4})-(\d{2})-(\d{2})$", r"\1\2\3"),
    (r"^(\d{2})/(\d{2})/(\d{4})$", r"\3\2\1"),
)
_MOMENT = r"^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d$"
_T = TypeVar("_T")


class Column(Protocol):
    """A column of a source."""

    @property
    def name(self) -> str: ...


class Said(Protocol):
    """Some records as a source writes them: an Arrow table of its columns, and the id of each row."""

    @property
    def rows(self) -> Any: ...
    @property
    def ids(self) -> Any: ...


class View(Protocol):
    """What one system of an agency says of one table."""

    @property
    def id(self) -> str: ...
    @property
    def agency(self) -> str: ...
    @property
    def title_vi(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def columns(self) -> Sequence[Column]: ...
    @property
    def key(self) -> Sequence[str]: ...
    @property
    def place(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def group(self) -> str | None: ...
    @property
    def lag(self) -> int: ...
    @property
    def stamp(self) -> str | None: ...
    def batches(self, province: Any, day: int) -> Iterator[Said]:
        """Everything the source holds at the end of a day."""
        ...

    def changes(self, province: Any, day: int) -> Iterator[Said]:
        """What is new or changed in it on a day."""
        ...

    def ids(self, province: Any, day: int, *, changes: bool = False) -> Iterator[Any]:
        """Ids of all records, or of those that something happened to on a day, batch by batch."""
        ...

    def rows(self, province: Any, ids: Any, day: int) -> Said:
        """What the source says on a day of those records that it holds."""
        ...


@dataclass(frozen=True)
class Change:
    """What happened to some records on a day. `ids`: theirs; `now`: what is said of those that are held; `before`: what was
    said of them on the day before. A record may have left in between, or have got another key.
    """

    ids: Any
    now: Said
    before: Said


def changes_of(view: View, province: Any, day: int) -> Iterator[Change]:
    """What happened to a view's records on a day, batch by batch."""
    for ids in view.ids(province, day, changes=True):
        yield Change(ids, view.rows(province, ids, day), view.rows(province, ids, day - 1))


class System(ABC):
    """One kind of system with all its views. Steps: `load` a day, `start`, then `advance` day by day, `down` and `up`
    at will, `stop`.
    """

    name: str

    def __init__(self, home: Path, views: Sequence[View], progress: Progress | None = None) -> None:
        """`home`: a folder of the system's own; all that lies there is its, and goes when it loads."""
        self.home = home
        self.views = tuple(views)
        self._progress = progress or (lambda system, view, rows: None)

    def prepare(self) -> None:
        """Do what takes time and needs no data; `load` does it when nobody has."""
        self.home.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def load(self, province: Any, day: int) -> None:
        """Hold what is held at the end of a day, whatever was there before."""

    @abstractmethod
    def advance(self, province: Any, day: int) -> None:
        """Move on by one day, to this one, by what changed on it."""

    @abstractmethod
    def start(self) -> None:
        """Let readers in."""

    @abstractmethod
    def stop(self) -> None:
        """Leave nothing running; may be called at any time, and twice."""

    @property
    @abstractmethod
    def env(self) -> dict[str, Any]:
        """How to reach it: addresses, accounts, passwords."""

    def down(self) -> None:
        """Be out of reach."""
        self.stop()

    def up(self) -> None:
        """Be within reach again, at the same address."""
        self.start()

    def record(self) -> list[dict[str, Any]]:
        """What was asked of it, in order; for a folder nobody knows."""
        return []

    def told(self, view: View, rows: int) -> None:
        """Report progress."""
        self._progress(self.name, view.id, rows)


def cursor_of(view: View) -> str | None:
    """The source column by which changes are asked for: the view's stamp, else the first of a usual name; or None."""
    if view.stamp is not None:
        return view.stamp
    bare = {column.name.lower().replace("_", ""): column.name for column in reversed(view.columns)}
    return next((bare[name] for name in (*CHANGED, *HAPPENED) if name in bare), None)


def moments(table: Any, column: str | None) -> npt.NDArray[np.int64]:
    """yyyyMMddHHmmss of each row by a column of whatever type; the evening of day 0 where it tells none, 0 without a column."""
    if column is None:
        return np.zeros(table.num_rows, np.int64)
    texts = wire_column(table.column(column))
    for pattern, stamp in _DATES:
        texts = pc.replace_substring_regex(texts, pattern, stamp)
    texts = pc.utf8_rpad(texts, 14, "0")
    good = pc.match_substring_regex(texts, _MOMENT)
    numbers = pc.cast(pc.if_else(good, texts, pa.scalar(UNREADABLE)), pa.int64())
    return np.asarray(numbers.to_numpy(), np.int64)


def wire_column(column: Any) -> Any:
    """A column as REST and SOAP write it: all texts, nothing is an empty text, moments yyyyMMddHHmmss, `True`, `False`."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = forms.write(column, "stamp14")
    elif pa.types.is_date(column.type):
        column = forms.write(column, "date:%Y%m%d000000")
    elif pa.types.is_boolean(column.type):
        column = forms.write(column, "bool:True/False")
    return pc.fill_null(forms.write(column, "text"), "")


def wire_table(table: Any) -> Any:
    """A table as REST and SOAP write it."""
    return pa.table({name: wire_column(table.column(name)) for name in table.column_names})


def share_out(items: Iterator[_T], workers: int, work: Callable[[Iterator[_T]], None]) -> None:
    """Let several threads take items in turn, each with a `work` of its own; an item is made while others are in use.

    The first error of any of them is raised when all have ended; nobody takes a new item after it.
    """
    lock = threading.Lock()
    failed = threading.Event()

    def taken() -> Iterator[_T]:
        while not failed.is_set():
            with lock:
                try:
                    item = next(items)
                except StopIteration:
                    return
                except BaseException:
                    failed.set()
                    raise
            yield item

    def run() -> None:
        try:
            work(taken())
        except BaseException:
            failed.set()
            raise

    pool = ThreadPoolExecutor(workers)
    try:
        for future in [pool.submit(run) for _ in range(workers)]:
            future.result()
    finally:
        failed.set()  # also when this thread is told to end
        pool.shutdown()
