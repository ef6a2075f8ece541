"""The box: all far ends of one province, started together and moved from night to night.

Belongs here: the order in which things start, move and stop, and the environment by which others find them.
Stays out: what each system does (its own module), the command line (`__main__`), talking to a running box (`control`).

Always there are the systems whose data the warehouse takes in today and the ministry that it sends to (`story`); all
the others (`systems`, `national`) are started when they are asked for. Night n takes up day n - 1.

    with ProvinceInABox(home, seed=24, scale=0.01) as box:
        box.env          # KHO_SOURCE_… for whoever takes the data in, KHO_NATIONAL_… for whoever sends it up
        box.night(2)     # the next night; the health department is down in it
        box.truth        # what the warehouse should hold now
        box.refused      # which licences the ministry refuses for now
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simulator.ministry import Ministry, MinistryFaults
from simulator.nation import Nation
from simulator.story import education, home_affairs
from simulator.story.faults import FaultPlan
from simulator.story.health import HealthSystem
from simulator.story.nights import Night, Story
from simulator.story.registry import Registry
from simulator.systems.box import Systems
from simulator.systems.plan import FaultPlan as SystemFaults
from simulator.systems.source import Progress
from simulator.systems.variables import variables
from simulator.views import catalogue

SEED = 24
CAN_BE_DOWN = ("health", "enterprise_registry", "ministry")


class ProvinceInABox:
    """One province with its systems. Everything it writes is below `home`, but for the database (see `health`).

    Nights go forwards only, one by one: skipping to night 3 makes night 2 happen on the way, files and all. `truth`
    supposes that the warehouse ran on every night and took in what that night brought.
    """

    def __init__(
        self,
        home: Path | str,
        seed: int = SEED,
        scale: float = 0.01,
        *,
        faults: FaultPlan | None = None,
        ministry_faults: MinistryFaults | None = None,
        systems: Collection[str] = (),
        national: Collection[str] = (),
        misbehave: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """`faults`: the registry's faults, `ministry_faults`: the ministry's; without them those that follow from the
        seed (`FaultPlan()`, `MinistryFaults()` mean none). `systems`, `national`: which of the others to start (see
        `systems.box.SYSTEMS`, `national.command.names`). `misbehave`: these fail as their seeded
        plans want it.
        """
        self.home = Path(home).resolve()
        self.seed, self.scale = seed, scale
        self.health = HealthSystem(self.home / "health")
        plan = FaultPlan.seeded(seed) if faults is None else faults
        self.registry = Registry(self.home / "enterprise_registry" / "record.jsonl", plan)
        upstream = MinistryFaults.mild(seed) if ministry_faults is None else ministry_faults
        self.ministry = Ministry(self.home / "ministry", (), upstream)
        self.story = Story(seed, scale)
        self.agencies = self._agencies(systems, misbehave, progress) if systems else None
        self.nation = Nation(self.home / "national", self.story.province, national, misbehave) if national else None
        self._home_affairs = self.home / "home_affairs"
        self._education = self.home / "education"
        self._number = 0
        self._lock = threading.RLock()

    @property
    def env(self) -> dict[str, str]:
        """Where each far end is, by the names of the environment variables in the declarations."""
        return {
            "KHO_SOURCE_HOME_AFFAIRS": str(self._home_affairs),
            "KHO_SOURCE_HEALTH": self.health.url,
            "KHO_SOURCE_EDUCATION": str(self._education),
            "KHO_SOURCE_ENTERPRISES": self.registry.base,
            "KHO_SOURCE_ENTERPRISES_KEY": self.registry.key,
            "KHO_SOURCE_ENTERPRISES_SECRET": self.registry.secret,
            "KHO_NATIONAL_HEALTH": self.ministry.base,
            "KHO_NATIONAL_HEALTH_KEY": self.ministry.key,
            "KHO_NATIONAL_HEALTH_SECRET": self.ministry.secret,
            "KHO_EXCHANGE_SETTLE": "0.5",
            "KHO_SYNTHETIC": "1",
            **(variables(self.agencies.env) if self.agencies is not None else {}),
        }

    @property
    def truth(self) -> Night:
        """The truth of the present night."""
        return self.story.night(self._number)

    @property
    def refused(self) -> list[str]:
        """Numbers of the licences whose last version the ministry refuses, as of the present night."""
        return self.story.refused_upstream(self._number)

    def start(self, night: int = 1) -> None:
        """Start everything with a night, to which the plot comes through those before; on failure nothing is left running."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            with ThreadPoolExecutor(1) as pool:  # PostgreSQL makes its cluster while the province is being thought up
                cluster = pool.submit(self.health.prepare)
                first = self.story.night(1)
                home_affairs.clear(self._home_affairs)
                education.clear(self._education)
                shutil.rmtree(self.ministry.home, ignore_errors=True)
                self._deliver(first)
                cluster.result()
            self.health.load(first)
            self.registry.start()
            self.ministry.start()
            self._number = 1
            for coming in range(2, night + 1):
                self._play(self.story.night(coming))
            if self.agencies is not None:
                self.agencies.load(night - 1)
                self.agencies.start()
            if self.nation is not None:
                self.nation.start(night - 1)
        except BaseException:
            self.stop()
            raise

    def night(self, number: int) -> Night:
        """Move on to a night, through those between; returns its truth. The present night: nothing happens."""
        with self._lock:
            if number < self._number:
                raise ValueError(f"Không thể về đêm {number} / Cannot go to night {number} from night {self._number}")
            for coming in range(self._number + 1, number + 1):
                self._play(self.story.night(coming))
                if self.agencies is not None:
                    self.agencies.advance(coming - 1)
                if self.nation is not None:
                    self.nation.advance(coming - 1)
            return self.truth

    def down(self, name: str) -> None:
        """Put one system out of reach: one of `can_be_down`."""
        with self._lock:
            self._turn(name, up=False)

    def up(self, name: str) -> None:
        """Put it within reach again; what changed meanwhile is there."""
        with self._lock:
            self._turn(name, up=True)

    def stop(self) -> None:
        """Stop everything."""
        with self._lock, ExitStack() as stack:  # each is told to stop, whatever the others say
            if self.nation is not None:
                stack.callback(self.nation.stop)
            if self.agencies is not None:
                stack.callback(self.agencies.stop)
            stack.callback(self.health.stop)
            stack.callback(self.registry.stop)
            stack.callback(self.ministry.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _agencies(self, systems: Collection[str], misbehave: bool, progress: Progress | None) -> Systems:
        views, daily = catalogue.all_views(), catalogue.daily()
        plan = SystemFaults.seeded(self.seed) if misbehave else None
        home, province = self.home / "systems", self.story.province
        return Systems(home, views, province, only=systems, plan=plan, daily=daily, progress=progress)

    @property
    def can_be_down(self) -> tuple[str, ...]:
        """Names of the systems that can be put out of reach."""
        others = self.agencies.names if self.agencies is not None else ()
        return CAN_BE_DOWN + others + tuple(self.nation.systems if self.nation is not None else ())

    def _turn(self, name: str, *, up: bool) -> None:
        if name not in self.can_be_down:
            raise ValueError(f"Chỉ tắt được / Only these can be down: {', '.join(self.can_be_down)}")
        if name in CAN_BE_DOWN:
            system: Any = {"health": self.health, "ministry": self.ministry, "enterprise_registry": self.registry}[name]
        elif self.nation is not None and name in self.nation.systems:
            system = self.nation.systems[name]
        else:
            assert self.agencies is not None
            (self.agencies.up if up else self.agencies.down)(name)
            return
        (system.up if up else system.down)()

    def _play(self, night: Night) -> None:
        """One night of the plot in the systems that the warehouse takes in."""
        was_up = self.health.is_up
        self.health.up()
        self.health.apply(night)
        if "health" in night.down:
            self.health.down()
        elif not was_up and "health" not in self.truth.down:
            self.health.down()  # somebody took it down by hand: only they bring it up
        self._deliver(night)
        self._number = night.number

    def _deliver(self, night: Night) -> None:
        home_affairs.deliver(self._home_affairs, night)
        education.deliver(self._education, night)
        self.registry.show(night)
        self.ministry.know(self.story.known_upstream(night.number))
