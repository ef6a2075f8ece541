"""What is true in the province, night by night, and what the warehouse should hold of it.

Purpose: the oracle of the tests. From a seed and a scale follow, for each of three nights, every agency's records
(`views`), the rows the warehouse's raw layer should hold when everything good is accepted (`rows`), and each planted
defect (`dirt`, `warehouse_dirt`).
Belongs here: the course of the nights and the accounting of accepted, quarantined, deleted, and refused by the ministry.
Stays out: how rows come about (`entities`, `enterprises`), which defects there are (`defects`), how they travel (one
module per agency). Nothing here reads what was delivered.

Three layers, kept apart:
1. reality: what the agency means (`Province._reality`), always clean;
2. view: what the agency's system says: reality with the defects of that night laid over it, duplicates included;
3. rows: what raw should hold: reality, but for a key whose record breaks its contract the last accepted version (or
nothing), and for
   an agency that cannot be reached everything as it was.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from simulator import datasets as ds
from simulator import defects
from simulator.clock import FIRST_NIGHT, Calendar
from simulator.defects import Dirt
from simulator.enterprises import ENTERPRISES, Enterprises, touch_enterprise
from simulator.entities import FACILITIES, LICENCES, SCHOOLS, Facilities, Licences, Schools, touch_facility
from simulator.units import reference_rows

NIGHTS = (1, 2, 3)
MIN_SCALE = 0.05  # below it there are too few schools to carry the planted defects
CHANGED_SHARE = 0.01

Row = dict[str, Any]
Key = tuple[str, ...]
Table = dict[Key, Row]

# Which files the home affairs department drops on which night; the others deliver every dataset every night.
_DROPPED = {
    1: (ds.UNIT_E0.id, ds.UNIT_E1.id, ds.UNIT_E2.id, ds.LINK_E0_E1.id, ds.LINK_E1_E2.id),
    2: (ds.UNIT_E0.id, ds.UNIT_E2.id),  # the same content under a later date; one coordinate corrected
    3: (ds.LINK_E1_E2.id,),  # the same content under a later date
}
_DOWN = {1: frozenset[str](), 2: frozenset({"health"}), 3: frozenset[str]()}
_CORRECTED = 3  # the night on which the ministry knows one more facility
_HELD = {1: frozenset[str](), 2: frozenset({"education"}), 3: frozenset[str]()}


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


class Province:
    """The province of one seed. `scale` multiplies everything but the units, which are real."""

    def __init__(self, seed: int = 24, scale: float = 1.0, first_night: date = FIRST_NIGHT) -> None:
        if scale < MIN_SCALE:
            raise ValueError(f"Tỷ lệ nhỏ nhất là {MIN_SCALE} / The smallest scale is {MIN_SCALE}")
        self.seed, self.scale, self.calendar = seed, scale, Calendar(first_night)
        last_day = self.calendar.work_day(1)
        self._facilities, self._licences = Facilities(last_day), Licences(last_day)
        self._schools, self._enterprises = Schools(self._rng("schools")), Enterprises(last_day)
        self._defects: list[Dirt] = []
        self._reality: dict[int, dict[str, Table]] = {}
        self._nights: dict[int, Night] = {}

    def night(self, number: int) -> Night:
        """The truth of night 1, 2 or 3, supposing that the warehouse ran on every night before."""
        if number not in NIGHTS:
            raise ValueError(f"Chỉ có các đêm {NIGHTS} / There are only the nights {NIGHTS}")
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
        self.night(max(NIGHTS))
        alone = self._alone()
        corrected = next(key for key in alone if self._differs(key, _CORRECTED - 1))
        others = [key for key in alone if key != corrected]
        other = next((key for key in reversed(others) if not self._differs(key, 1)), others[-1])
        return corrected[0], other[0]

    def _alone(self) -> list[Key]:
        """Good licences that are there on all nights, each the only one of its facility."""
        tables = [self._reality[number][ds.LICENCE.id] for number in NIGHTS]
        holders = Counter(f for _, f in {(key, row["facility_code"]) for table in tables for key, row in table.items()})
        spoilt = self._spoilt()
        good = [key for key in tables[0] if (ds.LICENCE.id, key) not in spoilt]
        there = [key for key in good if all(key in table for table in tables)]
        return [key for key in there if holders[tables[0][key]["facility_code"]] == 1]

    def _differs(self, licence: Key, since: int) -> bool:
        """True when the last night's version of a licence is another than that of an earlier night."""
        return self._reality[max(NIGHTS)][ds.LICENCE.id][licence] != self._reality[since][ds.LICENCE.id][licence]

    def _live_through(self, number: int) -> None:
        """Make the reality of a night out of the one before, and plant its defects."""
        reality = self._reality[number] = self._base() if number == 1 else self._evolve(number)
        avoid = self._spoilt() | self._stamp_last(number, reality)
        planted = defects.plant(number, reality, self._rng(f"defects:{number}"), self._born(number), avoid)
        if number > 1:
            for dirt in planted:
                self._touch(reality, number, dirt)
        self._defects += planted
        if number == _CORRECTED:
            self._let_one_be_corrected()

    def _let_one_be_corrected(self) -> None:
        """Change a licence whose facility has no other, if in a small province no such licence has changed by itself."""
        alone = self._alone()
        if not any(self._differs(key, _CORRECTED - 1) for key in alone):
            rng, licences = self._rng("corrected"), self._reality[_CORRECTED][ds.LICENCE.id]
            when = self.calendar.change_time(rng, _CORRECTED)
            licences[alone[0]] = self._licences.change(rng, licences[alone[0]], when)

    def _rng(self, part: str) -> random.Random:
        """An own stream for each part, so that more of one thing does not change the others."""
        return random.Random(f"{self.seed}:{part}")

    def _base(self) -> dict[str, Table]:
        facilities = self._facilities.base(self._rng("facilities"), round(FACILITIES * self.scale))
        rows = {dataset: reference_rows(dataset) for dataset in ds.DATASETS if dataset.startswith("home_affairs.")}
        rows[ds.FACILITY.id] = facilities
        rows[ds.LICENCE.id] = self._licences.base(self._rng("licences"), round(LICENCES * self.scale), facilities)
        rows[ds.SCHOOL.id] = self._schools.base(self._rng("schools:base"), round(SCHOOLS * self.scale))
        rows[ds.ENTERPRISE.id] = self._enterprises.base(self._rng("enterprises"), round(ENTERPRISES * self.scale))
        return {name: {ds.DATASETS[name].key_of(row): row for row in table} for name, table in rows.items()}

    def _stamp_last(self, number: int, reality: dict[str, Table]) -> set[tuple[str, Key]]:
        """Stamp one good row of each cursor feed with the night's last moment; returns them as (dataset, key)."""
        spoilt = self._spoilt()
        stamped = set()
        for dataset in defects.STAMPS:
            table = reality[dataset]
            key = next(k for k in reversed(table) if (dataset, k) not in spoilt)
            table[key] = self._toucher(dataset)(table[key], self.calendar.last_change_time(number))
            stamped.add((dataset, key))
        return stamped

    def _spoilt(self) -> set[tuple[str, Key]]:
        return {(dirt.dataset, dirt.record) for dirt in self._defects}

    def _born(self, number: int) -> dict[str, list[Key]]:
        if number == 1:
            return {}
        before, now = self._reality[number - 1], self._reality[number]
        return {name: [key for key in now[name] if key not in before[name]] for name in now}

    def _evolve(self, number: int) -> dict[str, Table]:
        """Reality one night later: about one row in a hundred changed, some gone, some new, corrections made."""
        reality = {name: dict(table) for name, table in self._reality[number - 1].items()}
        rng = self._rng(f"night:{number}")
        spoilt = self._spoilt()

        def when() -> datetime:
            return self.calendar.change_time(rng, number)

        def pick(dataset: str, count: int) -> list[Key]:
            return rng.sample([key for key in reality[dataset] if (dataset, key) not in spoilt], count)

        def few(dataset: str) -> int:
            return max(3, round(len(reality[dataset]) * CHANGED_SHARE))

        holders = {reality[dataset][key]["facility_code"] for dataset, key in spoilt if dataset == ds.LICENCE.id}
        spoilt |= {(ds.FACILITY.id, (code,)) for code in holders}
        for key in pick(ds.FACILITY.id, 2):  # closed for good: the record goes, its licences with it
            del reality[ds.FACILITY.id][key]
            for licence, row in list(reality[ds.LICENCE.id].items()):
                if row["facility_code"] == key[0]:
                    del reality[ds.LICENCE.id][licence]
        for dataset in (ds.LICENCE.id, ds.SCHOOL.id):
            for key in pick(dataset, 2):
                del reality[dataset][key]
        changers: dict[str, Callable[[random.Random, Row, datetime], Row]] = {
            ds.FACILITY.id: self._facilities.change,
            ds.LICENCE.id: self._licences.change,
            ds.SCHOOL.id: self._schools.change,
            ds.ENTERPRISE.id: self._enterprises.change,
        }
        for dataset, change in changers.items():
            for key in pick(dataset, few(dataset)):
                reality[dataset][key] = change(rng, reality[dataset][key], when())
        for key in pick(ds.ENTERPRISE.id, 2):
            reality[ds.ENTERPRISE.id][key] = self._enterprises.dissolve(reality[ds.ENTERPRISE.id][key], when())
        for dirt in self._defects:
            if dirt.until == number - 1:
                self._touch(reality, number, dirt)
        self._add_new(reality, number, rng, when)
        if number == 2:
            self._correct_coordinates(reality, rng)
        return reality

    def _add_new(
        self, reality: dict[str, Table], number: int, rng: random.Random, when: Callable[[], datetime]
    ) -> None:
        new_facilities = [self._facilities.new(rng, when()) for _ in range(2)]
        holders = [new_facilities[0], *(rng.sample(list(reality[ds.FACILITY.id].values()), 2))]
        new: dict[str, list[Row]] = {
            ds.FACILITY.id: new_facilities,
            ds.LICENCE.id: [self._licences.new(rng, facility, when()) for facility in holders],
            ds.SCHOOL.id: [self._schools.new(rng, when()) for _ in range(3)],
            ds.ENTERPRISE.id: [self._enterprises.new(rng, when()) for _ in range(max(4, round(10 * self.scale)))],
        }
        for dataset, rows in new.items():
            reality[dataset] |= {ds.DATASETS[dataset].key_of(row): row for row in rows}

    def _correct_coordinates(self, reality: dict[str, Table], rng: random.Random) -> None:
        table = reality[ds.UNIT_E2.id]
        key = rng.choice(list(table))
        shift = Decimal("0.00210")
        table[key] = table[key] | {
            "latitude": table[key]["latitude"] + shift,
            "longitude": table[key]["longitude"] - shift,
        }

    def _toucher(self, dataset: str) -> Callable[[Row, datetime], Row]:
        touchers = {ds.FACILITY.id: touch_facility, ds.ENTERPRISE.id: touch_enterprise}
        return touchers.get(dataset, lambda row, when: row | {"updated_at": when})

    def _touch(self, reality: dict[str, Table], number: int, dirt: Dirt) -> None:
        """A record of a cursor feed that turns wrong or right is saved anew; those of a snapshot have no stamp."""
        if dirt.dataset in defects.STAMPS and dirt.record in reality[dirt.dataset]:
            table = reality[dirt.dataset]
            when = self.calendar.change_time(self._rng(f"touch:{number}:{dirt.record}"), number)
            table[dirt.record] = self._toucher(dirt.dataset)(table[dirt.record], when)

    def _night(self, number: int) -> Night:
        down = _DOWN[number]
        delivered = frozenset(
            name
            for name, dataset in ds.DATASETS.items()
            if dataset.agency not in down and (dataset.agency != "home_affairs" or name in _DROPPED[number])
        )
        active = [dirt for dirt in self._defects if dirt.since <= number <= dirt.until]
        night = Night(
            number=number,
            date=self.calendar.night(number),
            delivered=delivered,
            down=down,
            held=_HELD[number],
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
        """A snapshot repeats a wrong row; a cursor feed sends it once, when its agency can be reached."""
        if dirt.dataset not in defects.STAMPS:
            return True
        agency = ds.DATASETS[dirt.dataset].agency
        return number == next(n for n in NIGHTS if n >= dirt.since and agency not in _DOWN[n])

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
