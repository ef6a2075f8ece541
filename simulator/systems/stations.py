"""Files of measuring stations as Circular 10/2021/TT-BTNMT has them: one text file a station and five minutes, over SFTP.

Belongs here: the files that arrive on a day, and those that are sent twice. Stays out: what was measured and what comes
when (`province.environment_measurement`), how it is written (`views`), the SFTP server (`sftp`).

`<home>/<STATION>/<STATION>_<YYYYMMDDhhmmss>.txt`, UTF-8, one line a symbol: name, value, unit, time and status (00
measuring, 01 calibrating, 02 error of the device), divided by tabs, ended by CRLF. A view has six columns in this
order: station, time (YYYYMMDDhhmmss), symbol, value, unit, status.

While its line is out of order a station's files are missing; then its logger sends them, in order and under the names
they would have had. When a file came is when it was last changed. A file that is sent twice has the time of the second
sending in its name, and the same lines.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from simulator.chance import Chance
from simulator.clock import TZ
from simulator.systems.plan import FaultPlan
from simulator.systems.source import Progress, System, View, wire_column
from simulator.systems.texts import bounds, content
from simulator.table import date_of

#: How much rarer a file of a station is sent twice than one of an office: a logger makes fewer mistakes than a clerk.
RARER = 10
_FILES = 25_000  # at a time, about 200,000 lines
_TWICE_AFTER = 61  # seconds


class Sent(Protocol):
    """The files that arrive on a day, in the order of their arrival: arrays as long as they are many."""

    @property
    def station(self) -> Any: ...
    @property
    def slot(self) -> Any: ...  # of five minutes, from whatever beginning
    @property
    def second(self) -> Any: ...  # of the day on which the file arrives


class Measured(Protocol):
    """The table of measurements, as far as the files need it."""

    def sent(self, day: int) -> Sent: ...
    def ids(self, stations: Any, slots: Any) -> Any:
        """The rows of files, one file after the other, as many of each."""
        ...


class StationView(View, Protocol):
    """A view that says what it is of."""

    @property
    def table(self) -> str: ...


class Stations(System):
    """The views of the system `stations`. `days`: how many days of files lie there after `load`."""

    name = "stations"

    def __init__(
        self, home: Path, views: Sequence[StationView], plan: FaultPlan, days: int = 1, progress: Progress | None = None
    ) -> None:
        super().__init__(home, views, progress)
        self._measured: Sequence[StationView] = views
        self._twice = plan.rates.get("again", 0.0) / RARER
        self._chance = Chance(plan.seed)
        self._days = days
        self._aside = home.with_name(f".{home.name}")

    def load(self, province: Any, day: int) -> None:
        """The files that came on the last days, and no others."""
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self._aside, ignore_errors=True)
        for one in range(day - self._days + 1, day + 1):
            self.advance(province, one)

    def advance(self, province: Any, day: int) -> None:
        """Add the files that arrive on a day."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._aside.mkdir(parents=True, exist_ok=True)
        midnight = datetime.combine(date_of(day), datetime.min.time(), TZ).timestamp()
        for view in self._measured:
            table: Measured = province.table(view.table)
            sent = table.sent(day)
            for start in range(0, len(sent.station), _FILES):
                some = slice(start, start + _FILES)
                asked = table.ids(sent.station[some], sent.slot[some])
                said = view.rows(province, asked, day)
                file = _file_of(said.ids, asked, len(sent.station[some]))
                self._write(view, said.rows, file, midnight + sent.second[some])
                self.told(view, min(start + _FILES, len(sent.station)))

    def start(self) -> None:
        """Nothing: the SFTP server lets clients in."""

    def stop(self) -> None:
        """Nothing."""

    @property
    def env(self) -> dict[str, Any]:
        """The folder."""
        return {"folder": str(self.home)}

    def _write(self, view: View, rows: Any, file: npt.NDArray[np.int64], arrival: npt.NDArray[np.float64]) -> None:
        """Write files of measurements. `file`: of each row, ascending; `arrival`: of each file, in seconds since 1970."""
        if not rows.num_rows:
            return
        columns = [wire_column(rows.column(column.name)) for column in view.columns]
        station, moment, symbol, value, unit, status = columns
        lines = pc.binary_join_element_wise(symbol, value, unit, moment, status, "\t")
        lines = pc.binary_join_element_wise(lines, "\r\n", "")
        text, ends = content(lines), bounds(lines) - bounds(lines)[0]
        first = np.flatnonzero(np.diff(file, prepend=-1))
        begins, ends = ends[first], ends[np.append(first[1:], len(file))]
        names = station.take(first).to_pylist(), moment.take(first).to_pylist()
        came = arrival[file[first]]
        draw = came.astype(np.int64) * 65_536 + file[first]
        twice = self._chance.happens(f"systems.{view.id}.twice", draw, self._twice)
        for folder in set(names[0]):
            (self.home / folder).mkdir(exist_ok=True)
        parts = zip(*names, begins.tolist(), ends.tolist(), came.tolist(), twice.tolist(), strict=True)
        for code, at, begin, end, second, again in parts:
            self._put(f"{code}/{code}_{at}.txt", text[begin:end], second)
            if again:
                sent = second + _TWICE_AFTER
                self._put(f"{code}/{code}_{datetime.fromtimestamp(sent, TZ):%Y%m%d%H%M%S}.txt", text[begin:end], sent)

    def _put(self, name: str, text: memoryview, came: float) -> None:
        """Let a file appear whole, as of a moment. System calls only: there are 57,600 a day."""
        aside = f"{self._aside}/part"
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(file, text)
        os.utime(file, (came, came))
        os.close(file)
        os.rename(aside, f"{self.home}/{name}")  # noqa: PTH104 - a Path for each costs more than the call


def _file_of(ids: Any, asked: Any, files: int) -> npt.NDArray[np.int64]:
    """The file of each row, by its id; a record may have no row or several."""
    order = np.argsort(asked, kind="stable")
    place = order[np.searchsorted(asked, ids, sorter=order)]
    return np.asarray(place // (len(asked) // max(files, 1)), np.int64)
