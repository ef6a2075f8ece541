"""The box: all far ends of one province, started together and moved from night to night.

Belongs here: the order in which things start, move and stop, and the environment by which others find them.
Stays out: what each system does (its own module), the command line (`__main__`), talking to a running box (`control`).

    with ProvinceInABox(home, seed=24, scale=0.1) as box:
        box.env          # KHO_SOURCE_… for whoever takes the data in, KHO_NATIONAL_… for whoever sends it up
        box.night(2)     # the next night; the health department is down in it
        box.truth        # what the warehouse should hold now
        box.refused      # which licences the ministry refuses for now
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.ministry import Ministry, MinistryFaults
from simulator.story import education, home_affairs
from simulator.story.faults import FaultPlan
from simulator.story.health import HealthSystem
from simulator.story.nights import Night, Story
from simulator.story.registry import Registry

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
        scale: float = 1.0,
        *,
        faults: FaultPlan | None = None,
        ministry_faults: MinistryFaults | None = None,
    ) -> None:
        """`faults`: the registry's faults, `ministry_faults`: the ministry's; without them those that follow from the
        seed (`FaultPlan()`, `MinistryFaults()` mean none).
        """
        self.home = Path(home).resolve()
        self.seed, self.scale = seed, scale
        self.health = HealthSystem(self.home / "health")
        plan = FaultPlan.seeded(seed) if faults is None else faults
        self.registry = Registry(self.home / "enterprise_registry" / "record.jsonl", plan)
        upstream = MinistryFaults.mild(seed) if ministry_faults is None else ministry_faults
        self.ministry = Ministry(self.home / "ministry", (), upstream)
        self.story: Story
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
        }

    @property
    def truth(self) -> Night:
        """The truth of the present night."""
        return self.story.night(self._number)

    @property
    def refused(self) -> list[str]:
        """Numbers of the licences whose last version the ministry refuses, as of the present night."""
        return self.story.refused_upstream(self._number)

    def start(self) -> None:
        """Start everything with night 1; on failure nothing is left running."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            with ThreadPoolExecutor(1) as pool:  # PostgreSQL makes its cluster while the province is being thought up
                cluster = pool.submit(self.health.prepare)
                self.story = Story(self.seed, self.scale)
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
        except BaseException:
            self.stop()
            raise

    def night(self, number: int) -> Night:
        """Move on to a night, through those between; returns its truth. The present night: nothing happens."""
        with self._lock:
            if number < self._number:
                raise ValueError(f"Không thể về đêm {number} / Cannot go to night {number} from night {self._number}")
            for coming in range(self._number + 1, number + 1):
                self._move(self.story.night(coming))
            return self.truth

    def down(self, agency: str) -> None:
        """Make one agency unreachable: one of `CAN_BE_DOWN`."""
        with self._lock:
            self._system(agency).down()

    def up(self, agency: str) -> None:
        """Make it reachable again; what changed meanwhile is there."""
        with self._lock:
            self._system(agency).up()

    def stop(self) -> None:
        """Stop everything."""
        with self._lock:
            self.ministry.stop()
            self.registry.stop()
            self.health.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _system(self, agency: str) -> HealthSystem | Registry | Ministry:
        if agency not in CAN_BE_DOWN:
            raise ValueError(f"Chỉ tắt được / Only these can be down: {', '.join(CAN_BE_DOWN)}")
        return self.health if agency == "health" else self.ministry if agency == "ministry" else self.registry

    def _move(self, night: Night) -> None:
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


def write_json(path: Path, content: object) -> None:
    """Write a JSON file that only its owner may read (it may hold passwords) and that appears whole."""
    unfinished = path.with_name(f".{path.name}.part")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
    unfinished.replace(path)
