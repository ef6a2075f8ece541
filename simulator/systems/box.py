"""All systems of all agencies together: filled, started, moved on from day to day, stopped.

Belongs here: which system holds which views, the order of things, how they are reached, clean ends. Stays out: what a
system does (one module each), the national systems (`national`), commands.

    with Systems(home, all_views(), province) as box:
        box.load(0)
        box.start()
        box.env["postgres"]["police"]["url"]
        box.advance(1)

Below `home`: a folder for each system; `record/` with what was asked of each; `systems.json`, readable by its owner only,
with addresses, accounts and passwords of the systems that run; `sftp/` and `folder/` with the dropped files.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from simulator.systems.plan import FaultPlan
from simulator.systems.process import write_private
from simulator.systems.source import Progress, System, View

ENV = "systems.json"
#: Every system, in the order in which they are filled: the databases last, since their servers must be made first.
SYSTEMS = (
    *("lgsp", "xroad", "commune_rest", "xml130", "stations", "folder", "commune_folder", "sftp"),
    *("postgres", "mariadb"),
)
STATION_ACCOUNT = "quan_trac"


class Stopped(Exception):
    """Told to stop in the middle of filling."""


class Systems:
    """The box. Steps: `load` a day, `start`, then `advance`, `down`, `up` at will, `stop`; or as a context."""

    def __init__(
        self,
        home: Path,
        views: Sequence[View],
        province: Any,
        *,
        only: Collection[str] | None = None,
        plan: FaultPlan | None = None,
        daily: Collection[str] = (),
        progress: Progress | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        """`views`: of any systems; those of others than `SYSTEMS` are left alone. `only`: these systems; ValueError for an
        unknown one. `plan`: no faults without. `daily`: views that deliver, as files, what changed on a day and not all they have.
        `stopping`: once it is set, `load` and `advance` end with `Stopped` at their next batch. (A handler of signals should set
        it and not raise: an exception in the middle of starting a thread leaves that thread behind.)
        """
        if unknown := set(only or ()) - set(SYSTEMS):
            raise ValueError(f"Không có hệ thống / No such system: {', '.join(sorted(unknown))}")
        self.home, self.province, self.day = home, province, -1
        self.plan = plan or FaultPlan()
        self._daily, self._told, self._stopping = frozenset(daily), progress, stopping or threading.Event()
        wanted = {view.system for view in views} & set(SYSTEMS if only is None else only)
        self._systems: dict[str, System] = {}
        self._sftp: Any = None
        self._loaded = False
        self._lock = threading.RLock()
        self._owned: IO[str] | None = None
        for name in SYSTEMS:
            if name in wanted:
                self._systems[name] = self._make(name, [view for view in views if view.system == name])
        self._unmade = dict(self._systems)  # whose `prepare` is still to come

    @property
    def names(self) -> tuple[str, ...]:
        """The systems in this box."""
        return tuple(self._systems)

    def system(self, name: str) -> Any:
        """One of them; ValueError when it is not in this box."""
        if name not in self._systems:
            raise ValueError(f"Không có trong hộp / Not in this box: {name}; {', '.join(self.names)}")
        return self._systems[name]

    def load(self, day: int) -> None:
        """Let every system hold what it holds at the end of a day; when one fails, nothing is left running."""
        with self._lock:
            self._own()
            try:
                with ThreadPoolExecutor() as pool:  # servers are made while others are being filled
                    made = {name: pool.submit(system.prepare) for name, system in self._unmade.items()}
                    for name, system in self._systems.items():
                        if name in made:
                            made[name].result()
                        system.load(self.province, day)
                self._unmade = {}
            except BaseException:
                self.stop()
                raise
            self._loaded, self.day = True, day
            self._write_env()

    def start(self) -> None:
        """Let readers in."""
        with self._lock:
            if not self._loaded:
                raise RuntimeError("Chưa nạp dữ liệu / Nothing has been loaded")
            for system in self._systems.values():
                system.start()
            if self._sftp is not None:
                self._sftp.up()
            self._write_env()

    def advance(self, day: int) -> None:
        """Move on to a day: by what changed when it is the next one, anew when it is a later one; the present one: nothing."""
        with self._lock:
            if not self._loaded or day < self.day:
                raise ValueError(f"Không thể về ngày {day} / Cannot go to day {day} from day {self.day}")
            if day == self.day + 1:
                for system in self._systems.values():
                    system.advance(self.province, day)
                self.day = day
                self._write_env()
            elif day > self.day:
                self.load(day)

    def down(self, name: str) -> None:
        """Put one system out of reach; SFTP takes the stations with it."""
        with self._lock:
            self._sftp.down() if name in ("sftp", "stations") else self.system(name).down()

    def up(self, name: str) -> None:
        """Put it within reach again; what changed meanwhile is there."""
        with self._lock:
            self._sftp.up() if name in ("sftp", "stations") else self.system(name).up()

    def stop(self) -> None:
        """Stop everything, whatever happened before; the first error is raised when all have been told."""
        if self._owned is None:
            return
        errors = []
        stops: list[Callable[[], None]] = [system.stop for system in self._systems.values()]
        for stop in [*stops, *([self._sftp.down] if self._sftp is not None else [])]:
            try:
                stop()
            except Exception as error:  # noqa: BLE001 - the others must be stopped all the same
                errors.append(error)
        (self.home / ENV).unlink(missing_ok=True)
        self._owned.close()
        self._owned, self._loaded, self._unmade = None, False, dict(self._systems)
        if errors:
            raise errors[0]

    @property
    def env(self) -> dict[str, Any]:
        """System -> how to reach it; passwords included, so never to be printed."""
        found = {name: system.env for name, system in self._systems.items()}
        if self._sftp is not None:
            if "sftp" in found:
                found["sftp"] = {name: self._sftp.env(name) for name in self._sftp.accounts if name != STATION_ACCOUNT}
            if "stations" in found:
                found["stations"] |= self._sftp.env(STATION_ACCOUNT)
        return found

    def record(self, name: str) -> list[dict[str, Any]]:
        """What was asked of a system, in order."""
        if name in ("sftp", "stations") and self._sftp is not None:
            of_stations = name == "stations"
            return [e for e in self._sftp.record.entries() if (e["account"] == STATION_ACCOUNT) == of_stations]
        entries: list[dict[str, Any]] = self.system(name).record()
        return entries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _progress(self, system: str, view: str, rows: int) -> None:
        if self._stopping.is_set():
            raise Stopped(f"Dừng khi đang nạp / Stopped in the middle of filling: {system}")
        if self._told is not None:
            self._told(system, view, rows)

    def _own(self) -> None:
        """Keep others off this home while this box lives, and remove what a run that was killed has left.

        RuntimeError when another run uses it.
        """
        if self._owned is not None:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        file = open(self.home / ".lock", "w", encoding="utf-8")  # noqa: SIM115 - open as long as the box lives
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise RuntimeError(f"Thư mục đang được dùng / Another run uses this folder: {self.home}") from None
        self._owned = file
        from simulator.systems import mariadb, postgres

        postgres.den(self.home / "postgres").clear()
        mariadb.den(self.home / "mariadb").clear()
        shutil.rmtree(self.home / "record", ignore_errors=True)
        (self.home / ENV).unlink(missing_ok=True)

    def _make(self, name: str, views: list[View]) -> System:
        """Modules come in when their system is wanted: some need a library or a program that others do not."""
        home, record, progress = self.home / name, self.home / "record" / f"{name}.jsonl", self._progress
        if name == "postgres":
            from simulator.systems.postgres import Postgres

            return Postgres(home, views, progress)
        if name == "mariadb":
            from simulator.systems.mariadb import MariaDb

            return MariaDb(home, views, progress)
        if name == "lgsp":
            from simulator.systems.lgsp import Lgsp

            return Lgsp(home, views, self.plan, record, progress)
        if name == "xroad":
            from simulator.systems.xroad import XRoad

            return XRoad(home, views, self.plan, record, progress)
        if name == "xml130":
            from simulator.systems.insurance import Insurance

            return Insurance(home, views, self.plan, record, progress)
        from simulator.views import writers

        if name == "commune_rest":
            from simulator.systems.commune_rest import CommuneRest

            return CommuneRest(home, views, self.plan, record, writers.grouped, self._daily, progress)
        if name == "stations":
            from simulator.systems.stations import Stations, StationView

            self._serve({STATION_ACCOUNT: home})
            return Stations(home, cast("list[StationView]", views), self.plan, progress=progress)
        from simulator.systems.folders import Folders

        if name == "sftp":
            self._serve({view.agency: home / view.agency for view in views})
        return Folders(name, home, views, self.plan, writers.deliver, self._daily, progress)

    def _serve(self, roots: dict[str, Path]) -> None:
        """Serve folders over SFTP, all by one server."""
        from simulator.systems.sftp import SftpServer

        if self._sftp is None:
            self._sftp = SftpServer(self.home / "keys", self.home / "record" / "sftp.jsonl", self.plan)
        for account, root in roots.items():
            self._sftp.add(account, root)

    def _write_env(self) -> None:
        write_private(self.home / ENV, self.env | {"day": self.day})
