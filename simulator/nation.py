"""The nation around one province: its national systems, told what they know of it.

Belongs here: which lists each system has (procedures, agencies, persons, firms, stations, units), made from the truth;
starting and stopping them together. Stays out: the systems themselves (`national`), which know nothing of the truth.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simulator.clock import TZ
from simulator.national.command import system
from simulator.national.ndxp import Ndxp
from simulator.national.population import Population
from simulator.national.service import Service
from simulator.systems.process import write_private
from simulator.table import Province, date_of
from simulator.views import catalogue
from simulator.views.view import Said

ORDER = ("population",)  # the exchange platform asks where it is
ENV = "national.json"  # addresses, keys and secrets of those that run, readable by their owner only
EVENING = time(23, 30)
MISBEHAVIOUR = 0.05  # share of the requests that go wrong
FIRMS = "enterprise_registry.enterprise"
PERSON = {"so_dinh_danh": "person_id", "ho_ten": "full_name", "ngay_sinh": "born_on", "do_chinh_xac": "born_precision"}


class Nation:
    """National systems of one province. Steps: `start`, then each at will, `stop`.

    They keep their record below `home`, a folder each: started again, they go on where they stopped, with lists anew.
    """

    def __init__(self, home: Path, province: Province, wanted: Collection[str], misbehave: bool = False) -> None:
        """`wanted`: some of `national.command.names()`; ValueError for another. `misbehave`: one request in twenty goes
        wrong, in any of the ways that make sense for it, decided by the province's seed.
        """
        self.home, self.province, self.day = home, province, 0
        first = sorted(wanted, key=lambda name: (name not in ORDER, name))
        self.systems: dict[str, Service] = {}
        for name in first:
            made = system(name)
            kinds = made.plan_type.kinds()
            rates = dict.fromkeys(kinds, MISBEHAVIOUR / len(kinds)) if misbehave else {}
            self.systems[name] = made(home / name, made.plan_type(probabilities=rates, seed=province.seed))

    @property
    def env(self) -> dict[str, dict[str, str]]:
        """System -> url, key, secret; never to be printed."""
        return {
            name: {"url": service.base, "key": service.key, "secret": service.secret}
            for name, service in self.systems.items()
        }

    def start(self, day: int = 0) -> None:
        """Tell each its lists as of a day and let it answer; on failure nothing is left running."""
        self.day = day
        try:
            for name, service in self.systems.items():
                lists = self.home / name / "lists"
                lists.mkdir(parents=True, exist_ok=True)
                if name in LISTS:
                    LISTS[name](self, lists)
                    service.load(lists)
                service.start()
            self._set_clocks()
            write_private(self.home / ENV, self.env)
        except BaseException:
            self.stop()
            raise

    def advance(self, day: int) -> None:
        """Move on to a day: clocks, persons and firms; nothing for the present one."""
        for each in range(self.day + 1, day + 1):
            self.day = each
            if isinstance(population := self.systems.get("population"), Population):
                for batch in self.province.table("person").changes(each):
                    population.persons.change(_persons(self.province, batch))
            if isinstance(platform := self.systems.get("ndxp"), Ndxp):
                for said in catalogue.view(FIRMS).changes(self.province, each):
                    platform.change(_texts(said))
        self._set_clocks()

    def _set_clocks(self) -> None:
        """Every clock shows the evening of the day: what is sent of it is not of the future."""
        for service in self.systems.values():
            service.record.set_clock(datetime.combine(date_of(self.day), EVENING, TZ))

    def stop(self) -> None:
        """Stop everything."""
        (self.home / ENV).unlink(missing_ok=True)
        with ExitStack() as stack:
            for service in self.systems.values():
                stack.callback(service.stop)

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The truth of a small table."""
        for batch in self.province.table(table).batches(self.day):
            yield from batch.to_pylist()


def _csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _dvcqg(nation: Nation, folder: Path) -> None:
    """Procedures of the national list, agencies of both styles."""
    _csv(
        folder / "procedures.csv",
        ("MATTHC", "TENTTHC", "MALINHVUC", "TENLINHVUC"),
        ((r["procedure_code"], r["name_vi"], r["field_code"], r["field_name"]) for r in nation.rows("procedure")),
    )
    _csv(
        folder / "agencies.csv",
        ("MaCoQuan", "HieuLucTu", "HieuLucDen"),
        ((r["agency_code"], r["valid_from"], r["valid_to"] or "") for r in nation.rows("agency")),
    )


def _persons(province: Province, batch: Any) -> Any:
    """Persons of the truth as the national database holds them."""
    alive = pc.if_else(pc.equal(batch["status"], "SONG"), "1", "2")
    # One in two hundred entries is being put right with the police.
    unsettled = province.chance.happens("population.unsettled", batch["person"].to_numpy(), 0.005)
    return pa.table({new: batch[old] for new, old in PERSON.items()} | {"trang_thai": alive, "can_lam_ro": unsettled})


def _texts(said: Said) -> Iterator[dict[str, str]]:
    """Rows as they go over the wire: nothing is an empty text."""
    return ({name: value or "" for name, value in row.items()} for row in said.rows.to_pylist())


def _population(nation: Nation, folder: Path) -> None:
    """Everybody ever known."""
    writer: Any = None
    for batch in nation.province.table("person").batches(nation.day):
        held = _persons(nation.province, batch)
        writer = writer or pq.ParquetWriter(folder / "persons.parquet", held.schema)
        writer.write_table(held)
    if writer is not None:
        writer.close()


def _ndxp(nation: Nation, folder: Path) -> None:
    """Firms as the registry hands them out, and where the population database stands."""
    view = catalogue.view(FIRMS)
    with open(folder / "enterprises.jsonl", "w", encoding="utf-8") as file:
        for said in view.batches(nation.province, nation.day):
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in _texts(said))
    if (behind := nation.systems.get("population")) is not None:
        content = {"url": behind.base, "key": behind.key, "secret": behind.secret}
        (folder / "population.json").write_text(json.dumps(content), encoding="utf-8")


def _environment(nation: Nation, folder: Path) -> None:
    """Stations and their symbols."""
    _csv(
        folder / "stations.csv",
        ("ma_tram", "thong_so"),
        ((r["station_code"], r["symbols"]) for r in nation.rows("station")),
    )


def _reporting(nation: Nation, folder: Path) -> None:
    """Units and those above them."""
    today = [r for r in nation.rows("agency") if r["valid_to"] is None]
    codes = {r["agency_code"] for r in today}
    above = ((r["agency_code"], r["parent_code"] if r["parent_code"] in codes else "") for r in today)
    _csv(folder / "units.csv", ("code", "parent"), above)


LISTS: dict[str, Callable[[Nation, Path], None]] = {
    "dvcqg": _dvcqg,
    "population": _population,
    "ndxp": _ndxp,
    "environment": _environment,
    "reporting": _reporting,
}
