"""Files dropped into folders, one folder for each agency: for readers on the same machine, or over SFTP (`sftp`).

Belongs here: when a file appears, whole or not yet, once or twice. Stays out: what is in it and how it is called
(`views.writers`), the SFTP server (`sftp`).

A file appears whole under its name. Faults of the plan: it is still being written for a while (half of it under its
name with `.part`), or the same file is dropped again a day later. That a file is sent again under a new name is the
views' doing.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

from simulator.systems.plan import FaultPlan
from simulator.systems.source import Progress, System, View

_AGENCY = "commune_"


class Delivery(Protocol):
    """One file that a view was written to."""

    @property
    def path(self) -> Path: ...
    @property
    def group(self) -> str | None: ...
    @property
    def rows(self) -> int: ...


#: (view, province, day, folder, changes=…) -> the files it wrote into the folder
Deliver = Callable[..., Sequence[Delivery]]


class Folders(System):
    """Views that are files. Steps: `load`, then `advance` day by day; `finish` what is still being written, `stop`.

    The files of a view lie in `home / agency`; those of a `commune_folder` that is grouped by commune in the folders
    `commune_<code>`. `name`: folder, commune_folder or sftp. `daily`: views that drop what changed on a day; others drop all they have.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        views: Sequence[View],
        plan: FaultPlan,
        deliver: Deliver,
        daily: Collection[str] = (),
        progress: Progress | None = None,
    ) -> None:
        super().__init__(home, views, progress)
        self.name = name
        self.plan = plan
        self._deliver, self._daily = deliver, frozenset(daily)
        self._aside = home.with_name(f".{home.name}")  # files on their way, and those that will come again
        self._writing: dict[Path, tuple[Path, threading.Timer]] = {}  # target below home -> whole file, timer
        self._again: list[tuple[Path, Path]] = []
        self._lock = threading.Lock()

    @property
    def root(self) -> Path:
        """Where the folders of the agencies are, within reach or not."""
        hidden = self.home.with_name(f"{self.home.name}.down")
        return hidden if hidden.exists() else self.home

    def load(self, province: Any, day: int) -> None:
        """Drop the files of one day into empty folders."""
        self.finish()
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self._aside, ignore_errors=True)
        for agency in {view.agency for view in self.views if not _by_commune(view)}:
            (self.root / agency).mkdir(parents=True, exist_ok=True)
        self._again = []
        self._drop_all(province, day, first=True)

    def advance(self, province: Any, day: int) -> None:
        """Drop the files of one more day; what nobody took still lies there."""
        self.finish()
        again, self._again = self._again, []
        for copy, target in again:
            self._into_place(copy, target)
        self._drop_all(province, day)

    def start(self) -> None:
        """Nothing: a folder is there or it is not."""

    def stop(self) -> None:
        """Let no file half written behind."""
        self.finish()

    def down(self) -> None:
        """Be out of reach: the folder is not mounted."""
        if self.root == self.home and self.home.exists():
            self.home.rename(self.home.with_name(f"{self.home.name}.down"))

    def up(self) -> None:
        """Be within reach again."""
        if self.root != self.home:
            self.root.rename(self.home)

    @property
    def env(self) -> dict[str, Any]:
        """Agency -> folder."""
        folders = sorted(path.name for path in self.root.glob("*"))
        return {agency: {"folder": str(self.home / agency)} for agency in folders}

    def finish(self) -> None:
        """Make whole, at once, all files that are still being written."""
        with self._lock:
            writing, self._writing = self._writing, {}
        for target, (whole, timer) in writing.items():
            timer.cancel()
            self._complete(whole, target)

    def _drop_all(self, province: Any, day: int, first: bool = False) -> None:
        for view in self.views:
            changes = not first and view.id in self._daily
            folder = self._aside / view.id
            rows = 0
            for delivery in self._deliver(view, province, day, folder, changes=changes):
                agency = f"{_AGENCY}{delivery.group}" if _by_commune(view) else view.agency
                self._drop(delivery.path, Path(agency) / delivery.path.name)
                rows += delivery.rows
                self.told(view, rows)
            shutil.rmtree(folder, ignore_errors=True)

    def _drop(self, file: Path, target: Path) -> None:
        """Let a file appear, in its own way. `target`: below the root."""
        fault = self.plan.of_file(f"{self.name}/{target}")
        if fault == "again":
            copy = self._put_aside("again", target)
            shutil.copyfile(file, copy)
            self._again.append((copy, target))
        if fault != "part":
            self._into_place(file, target)
            return
        whole = self._put_aside("whole", target)
        file.rename(whole)
        part = _part(self.root / target)
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(whole, "rb") as source:
            part.write_bytes(source.read(whole.stat().st_size // 2))
        timer = threading.Timer(self.plan.part_seconds, self._completed, (target,))
        timer.daemon = True
        with self._lock:
            self._writing[target] = whole, timer
        timer.start()

    def _put_aside(self, what: str, target: Path) -> Path:
        aside = self._aside / what / target
        aside.parent.mkdir(parents=True, exist_ok=True)
        return aside

    def _completed(self, target: Path) -> None:
        with self._lock:
            found = self._writing.pop(target, None)
        if found is not None:
            self._complete(found[0], target)

    def _complete(self, whole: Path, target: Path) -> None:
        """Finish a file: its `.part` becomes whole, then gets its name."""
        part = _part(self.root / target)
        whole.replace(part)
        part.replace(self.root / target)

    def _into_place(self, file: Path, target: Path) -> None:
        place = self.root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        os.utime(file)
        file.replace(place)


def _by_commune(view: View) -> bool:
    return view.system == "commune_folder" and view.group is not None


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")
