"""Night by night: what the agencies that deliver to the warehouse say, and what it should hold of it.

Purpose: the oracle of the tests. From the province's truth follow, for each night, every agency's records (`views`), the
rows the warehouse's raw layer should hold when everything good is accepted (`rows`), and each planted defect (`dirt`,
`warehouse_dirt`). Night n takes up day n - 1 of the province; the first three have a plot, the later ones none.
Belongs here: the course of the nights and the accounting of accepted, quarantined, deleted, and refused by the ministry.
Stays out: the truth itself (`province`), which defects there are (`defects`), how they travel (one module per agency).
Nothing here reads what was delivered.

Three layers, kept apart:
1. reality: what the agency means (`Story._reality`), always clean;
2. view: what the agency's system says: reality with the defects of that night laid over it, duplicates included;
3. rows: what raw should hold: reality, but for a key whose record breaks its contract the last accepted version (or
   nothing), and for an agency that cannot be reached everything as it was.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from simulator.clock import Calendar
from simulator.province.economy import industry_version
from simulator.story import datasets as ds
from simulator.story import defects
from simulator.story.defects import Dirt
from simulator.table import Province
from simulator.units import reference_rows, units

PLOT = (1, 2, 3)  # the nights with a plot
TABLES = {
    ds.FACILITY.id: "facility",
    ds.LICENCE.id: "facility_licence",
    ds.SCHOOL.id: "school",
    ds.ENTERPRISE.id: "enterprise",
}

Row = dict[str, Any]
Key = tuple[str, ...]
Table = dict[Key, Row]

# Which files the home affairs department drops on which night; the others deliver every dataset every night.
_DROPPED = {
    1: (ds.UNIT_E0.id, ds.UNIT_E1.id, ds.UNIT_E2.id, ds.LINK_E0_E1.id, ds.LINK_E1_E2.id),
    2: (ds.UNIT_E0.id, ds.UNIT_E2.id),  # the same content under a later date; one coordinate corrected
    3: (ds.LINK_E1_E2.id,),  # the same content under a later date
}
_DOWN = {2: frozenset({"health"})}
_HELD = {2: frozenset({"education"})}
_NONE: frozenset[str] = frozenset()
_CORRECTED = 3  # the night on which the ministry knows one more facility


@dataclass(frozen=True)
class Night:
    """One night. All mappings are keyed by dataset id and hold every dataset; rows carry contract column names.

    rows: what raw should hold afterwards (live rows only), ordered by key, values in canonical Python types (aware
    datetimes).
    views: the whole content of the agency's own list that night, dirty values and duplicates included, in the agency's
    order.
    dirt: one entry for each row delivered this night that breaks its contract: as many as rows to be quarantined by it.
    warehouse_dirt: rows which keep their contract and are in `rows`, but which the gate must refuse.
    duplicates: how many identical copies were delivered beside their originals.
    inserted, updated, deleted: keys by which `rows` differs from the night before.
    """

    number: int
    date: date
    delivered: frozenset[str]
    down: frozenset[str]
    held: frozenset[str]
    rows: dict[str, list[Row]]
    views: dict[str, list[Row]]
    dirt: list[Dirt]
    warehouse_dirt: list[Dirt]
    duplicates: dict[str, int]
    inserted: dict[str, list[Key]] = field(default_factory=dict)
    updated: dict[str, list[Key]] = field(default_factory=dict)
    deleted: dict[str, list[Key]] = field(default_factory=dict)


class Story:
    """The nights of one province. `scale` multiplies everything but the units, which are real."""

    def __init__(self, seed: int = 24, scale: float = 1.0) -> None:
        self.province, self.calendar = Province(seed, scale), Calendar()
        self.seed, self.scale = seed, scale
        self._defects: list[Dirt] = []
        self._saved: dict[str, dict[Key, Row]] = {name: {} for name in defects.STAMPS}
        self._reality: dict[int, dict[str, Table]] = {}
        self._nights: dict[int, Night] = {}

    def night(self, number: int) -> Night:
        """The truth of a night from 1 on, supposing that the warehouse ran on every night before."""
        if number < 1:
            raise ValueError("Đêm đầu tiên là đêm 1 / The first night is night 1")
        for coming in range(len(self._nights) + 1, number + 1):
            self._live_through(coming)
            self._nights[coming] = self._night(coming)
        return self._nights[number]

    def refused_upstream(self, number: int) -> list[str]:
        """Numbers of the licences that the ministry refuses (unknown facility) and that stay so after a night.

        Two on night 1. One of them is changed in time for night 3, when the ministry knows its facility: that version
        is accepted.
        """
        corrected, other = self._strangers()
        return sorted([other] if number >= _CORRECTED else [corrected, other])

    def known_upstream(self, number: int) -> frozenset[str]:
        """Codes of the facilities in the ministry's list on a night; those that were closed stay in it."""
        self.night(number)
        known = {key[0] for n in range(1, number + 1) for key in self._reality[n][ds.FACILITY.id]}
        refused = set(self.refused_upstream(number))
        first = self._reality[1][ds.LICENCE.id].items()
        return frozenset(known - {row["facility_code"] for key, row in first if key[0] in refused})

    def _strangers(self) -> tuple[str, str]:
        """The licence that is refused and then corrected, and the one that stays refused."""
        self.night(max(PLOT))
        alone = self._alone()
        corrected = next(key for key in alone if self._differs(key, _CORRECTED - 1))
        others = [key for key in alone if key != corrected]
        other = next((key for key in reversed(others) if not self._differs(key, 1)), others[-1])
        return corrected[0], other[0]

    def _alone(self) -> list[Key]:
        """Good licences that are there on all nights of the plot, each the only one of its facility."""
        tables = [self._reality[number][ds.LICENCE.id] for number in PLOT]
        holders = Counter(f for _, f in {(key, row["facility_code"]) for table in tables for key, row in table.items()})
        spoilt = self._spoilt()
        good = [key for key in tables[0] if (ds.LICENCE.id, key) not in spoilt]
        there = [key for key in good if all(key in table for table in tables)]
        return [key for key in there if holders[tables[0][key]["facility_code"]] == 1]

    def _differs(self, licence: Key, since: int) -> bool:
        """True when the plot's last version of a licence is another than that of an earlier night."""
        return self._reality[max(PLOT)][ds.LICENCE.id][licence] != self._reality[since][ds.LICENCE.id][licence]

    def _live_through(self, number: int) -> None:
        """Make the reality of a night, and plant its defects."""
        reality = self._reality[number] = self._real(number)
        for dirt in self._defects:
            if dirt.until == number - 1:
                self._save(number, dirt.dataset, dirt.record)
        avoid = self._spoilt() | self._stamp_last(number) | self._leaving(number)
        planted = defects.plant(number, reality, self._rng(f"defects:{number}"), self._born(number), avoid)
        if number > 1:
            for dirt in planted:
                self._save(number, dirt.dataset, dirt.record)
        self._defects += planted
        if number == _CORRECTED:
            self._let_one_be_corrected()

    def _let_one_be_corrected(self) -> None:
        """Change a licence whose facility has no other, if in a small province no such licence has changed by itself."""
        alone = self._alone()
        if not any(self._differs(key, _CORRECTED - 1) for key in alone):
            status = self._reality[_CORRECTED][ds.LICENCE.id][alone[0]]["status"]
            change = {"status": "HIEU_LUC" if status == "TAM_DINH_CHI" else "TAM_DINH_CHI"}
            self._save(_CORRECTED, ds.LICENCE.id, alone[0], change)

    def _rng(self, part: str) -> random.Random:
        """An own stream for each part, so that more of one thing does not change the others."""
        return random.Random(f"{self.seed}:{part}")

    def _real(self, number: int) -> dict[str, Table]:
        """The province at the end of the night's working day, with what the plot had saved anew."""
        real: dict[str, Table] = {}
        for name, dataset in ds.DATASETS.items():
            if name in TABLES:
                rows = self._rows(name, number - 1)
            else:
                rows = [{c: row[c] for c in dataset.columns} for row in reference_rows(name.partition(".")[2])]
            real[name] = {dataset.key_of(row): row for row in rows}
        for name, saved in self._saved.items():
            for key, change in saved.items():
                row = real[name].get(key)
                if row is not None and row[defects.STAMPS[name]] <= change[defects.STAMPS[name]]:
                    real[name][key] = row | change
        if number > 1:
            _correct_coordinates(real[ds.UNIT_E2.id], self._rng("coordinates"))
        return real

    def _rows(self, name: str, day: int) -> list[Row]:
        """What the province holds of a dataset, under the contract's names."""
        table = self.province.table(TABLES[name])
        found: list[Row] = []
        for batch in table.batches(day):
            found += batch.select(list(ds.DATASETS[name].columns)).to_pylist()
        return found

    def _leaving(self, number: int) -> set[tuple[str, Key]]:
        """Records that leave their register in the course of the plot: a defect on them would not last."""
        last = max(*PLOT, number) - 1
        found: set[tuple[str, Key]] = set()
        for name, table_name in TABLES.items():
            table, dataset = self.province.table(table_name), ds.DATASETS[name]
            ids = np.arange(table.count(number - 1), dtype=np.int64)
            leaving = ids[table.gone(ids, last)]
            rows = table.rows(leaving, number - 1).select(list(dataset.columns)).to_pylist()
            found |= {(name, dataset.key_of(row)) for row in rows}
        return found

    def _stamp_last(self, number: int) -> set[tuple[str, Key]]:
        """Stamp one good row of each cursor feed with the night's last moment; returns them as (dataset, key)."""
        spoilt = self._spoilt() | self._leaving(number)
        stamped = set()
        for name in defects.STAMPS:
            table = self._reality[number][name]
            key = next(k for k in reversed(table) if (name, k) not in spoilt)
            self._save(number, name, key, when=self.calendar.last_change_time(number))
            stamped.add((name, key))
        return stamped

    def _spoilt(self) -> set[tuple[str, Key]]:
        return {(dirt.dataset, dirt.record) for dirt in self._defects}

    def _born(self, number: int) -> dict[str, list[Key]]:
        if number == 1:
            return {}
        before, now = self._reality[number - 1], self._reality[number]
        return {name: [key for key in now[name] if key not in before[name]] for name in now}

    def _save(self, number: int, name: str, key: Key, change: Row | None = None, when: datetime | None = None) -> None:
        """A record of a cursor feed is saved anew, changed or as it is; those of a snapshot have no stamp."""
        table = self._reality[number][name]
        if name in defects.STAMPS and key in table:
            moment = when or self.calendar.change_time(self._rng(f"touch:{number}:{key}"), number)
            moment = max(moment, table[key][defects.STAMPS[name]])
            saved = _SAVERS[name](table[key], moment) | (change or {})
            self._saved[name][key] = self._saved[name].get(key, {}) | saved | (change or {})
            table[key] = table[key] | self._saved[name][key]

    def _night(self, number: int) -> Night:
        down = _DOWN.get(number, _NONE)
        delivered = frozenset(
            name
            for name, dataset in ds.DATASETS.items()
            if dataset.agency not in down and (dataset.agency != "home_affairs" or name in _DROPPED.get(number, ()))
        )
        active = [
            dirt
            for dirt in self._defects
            if dirt.since <= number <= dirt.until and dirt.record in self._reality[number][dirt.dataset]
        ]
        night = Night(
            number=number,
            date=self.calendar.night(number),
            delivered=delivered,
            down=down,
            held=_HELD.get(number, _NONE),
            rows={name: self._expected(number, name, active, name in delivered) for name in ds.DATASETS},
            views={name: self._view(number, name, active) for name in ds.DATASETS},
            dirt=[d for d in active if d.breaks_contract and d.dataset in delivered and self._arrives(number, d)],
            warehouse_dirt=[d for d in active if d.stage == "warehouse"],
            duplicates={name: sum(d.stage == "copy" and d.dataset == name for d in active) for name in ds.DATASETS},
        )
        for name, dataset in ds.DATASETS.items():
            before = {dataset.key_of(r): r for r in self._nights[number - 1].rows[name]} if number > 1 else {}
            now = {dataset.key_of(r): r for r in night.rows[name]}
            night.inserted[name] = [key for key in now if key not in before]
            night.updated[name] = [key for key in now if key in before and now[key] != before[key]]
            night.deleted[name] = [key for key in before if key not in now]
        return night

    def _arrives(self, number: int, dirt: Dirt) -> bool:
        """A snapshot repeats a wrong row; a cursor feed sends it when it was saved since its agency was last asked."""
        if dirt.dataset not in defects.STAMPS:
            return True
        stamp, agency = defects.STAMPS[dirt.dataset], ds.DATASETS[dirt.dataset].agency
        asked = [n for n in range(1, number) if agency not in _DOWN.get(n, _NONE)]
        if not asked or asked[-1] < dirt.since:
            return True
        before = self._reality[asked[-1]][dirt.dataset].get(dirt.record)
        return before is None or before[stamp] != self._reality[number][dirt.dataset][dirt.record][stamp]

    def _expected(self, number: int, name: str, active: list[Dirt], delivered: bool) -> list[Row]:
        """What raw should hold of one dataset after a night."""
        dataset = ds.DATASETS[name]
        before = {dataset.key_of(row): row for row in self._nights[number - 1].rows[name]} if number > 1 else {}
        if not delivered:
            return list(before.values())
        table = dict(self._reality[number][name])
        for dirt in active:
            if dirt.dataset != name:
                continue
            if dirt.breaks_contract and dirt.record in before:
                table[dirt.record] = before[dirt.record]
            elif dirt.breaks_contract:
                table.pop(dirt.record, None)
            elif dirt.stage == "warehouse":
                table[dirt.record] = table[dirt.record] | {str(dirt.column): dirt.value}
        return [table[key] for key in sorted(table)]

    def _view(self, number: int, name: str, active: list[Dirt]) -> list[Row]:
        """What the agency's own list says on a night."""
        table = dict(self._reality[number][name])
        copies: list[Row] = []
        for dirt in active:
            if dirt.dataset != name:
                continue
            row = table[dirt.record]
            if dirt.stage == "copy":
                copies.append(dict(row))
            elif dirt.rule == "conflict":
                copies += [row | {str(dirt.column): dirt.value}] if dirt.value is not None else []
            else:
                table[dirt.record] = row | {str(dirt.column): dirt.value}
        return list(table.values()) + copies


def _correct_coordinates(table: Table, rng: random.Random) -> None:
    """One commune's coordinates, as they are given from night 2 on."""
    key = rng.choice(list(table))
    shift = Decimal("0.00210")
    table[key] = table[key] | {
        "latitude": table[key]["latitude"] + shift,
        "longitude": table[key]["longitude"] - shift,
    }


def _save_facility(row: Row, when: datetime) -> Row:
    return {"updated_at": when, "commune_code": units().today(str(row["commune_code"]))}


def _save_licence(row: Row, when: datetime) -> Row:
    return {"updated_at": when}


def _save_enterprise(row: Row, when: datetime) -> Row:
    code, version = units().today(str(row["commune_code"])), industry_version(when.date())
    return {"changed_at": when, "commune_code": code, "industry_version": version}


# Whoever saves a record brings it to today's codes.
_SAVERS: dict[str, Callable[[Row, datetime], Row]] = {
    ds.FACILITY.id: _save_facility,
    ds.LICENCE.id: _save_licence,
    ds.ENTERPRISE.id: _save_enterprise,
}
