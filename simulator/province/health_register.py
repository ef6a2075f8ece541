"""The health department's register: how facilities and their licences come about and what becomes of them.

Belongs here: which facilities there are, where, of what kind and with how many beds; their licences; the course of the
days. Stays out: the tables made of it (`health_facilities`), patients, all dirt.

The register is small and has a course: what changes on a day depends on what is left from the day before. It is lived
through once, day by day from day 1 on, and every version is kept, so a day reads the same whatever was asked before.

Codes of communes are those of the epoch of the record's last change: 15 % were last saved before 1 July 2025 and still
carry a code of e1 or e0; many were moved in one statement on that day; any later change brings today's code.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Generic, TypeVar

import numpy as np

from simulator.chance import Bools, Ids, Ints
from simulator.identifiers import phones
from simulator.scale import split
from simulator.table import Province, day_of
from simulator.units import E2_STARTS


@dataclass(frozen=True)
class Kind:
    """A kind of facility. `count`: how many there are in the whole province."""

    count: int
    ownership: str
    level: str
    beds: tuple[int, int]
    name: str


# 349 public ones [S], more than 1,000 private ones [S], 54 with beds [S]; the kinds below them are derived.
KINDS = {
    "special_hospital": Kind(7, "CONG", "CHUYEN_SAU", (300, 1200), "Bệnh viện {field} tỉnh Bắc Ninh"),
    "hospital": Kind(15, "CONG", "CO_BAN", (120, 500), "Bệnh viện Đa khoa {district}"),
    "centre": Kind(16, "CONG", "CO_BAN", (80, 350), "Trung tâm Y tế {district}"),
    "private_hospital": Kind(16, "TU", "CO_BAN", (50, 200), "Bệnh viện Đa khoa tư nhân {word}"),
    "station": Kind(311, "CONG", "BAN_DAU", (0, 0), "Trạm Y tế {village}"),
    "clinic": Kind(584, "TU", "BAN_DAU", (0, 0), "Phòng khám đa khoa {word}"),
    "specialist": Kind(460, "TU", "BAN_DAU", (0, 0), "Phòng khám chuyên khoa {word}"),
}
KIND_NAMES = tuple(KINDS)
PUBLIC, PRIVATE, WITH_EMR = 349, 1060, 56
FACILITIES, LEAST = PUBLIC + PRIVATE, 120
LICENCES_PER_FACILITY = 1.24
STALE_SHARE, MOVED_SHARE, UNLICENSED_SHARE, CHANGED_SHARE = 0.15, 0.4, 0.02, 0.01
GONE_A_DAY, NEW_A_DAY, NEW_LICENCES_A_DAY = 2, 2, 3
OPENS, CLOSES, LAST_STAMP = 27_000, 61_200, 63_000  # 07:30, 17:00 and 17:30 in seconds
WORDS = (
    "An Khang", "Hồng Phúc", "Tâm Đức", "Thiện Nhân", "Việt Mỹ", "Bình An", "Phúc Thọ", "Minh Tâm", "Hà Nội - Kinh Bắc",
    "Đông Đô", "Thành Công",
)  # fmt: skip
_FIELDS = ("Sản - Nhi", "Phổi", "Mắt", "Y học cổ truyền", "Phục hồi chức năng", "Tâm thần", "Ung bướu")
SCOPES = {
    "BAN_DAU": "Khám bệnh, chữa bệnh ban đầu",
    "CO_BAN": "Đa khoa, có giường bệnh nội trú",
    "CHUYEN_SAU": "Chuyên khoa sâu",
}
STATUSES = ("HIEU_LUC", "TAM_DINH_CHI", "THU_HOI")
_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MERGER = day_of(E2_STARTS)
_EARLY, _MIDDLE, _E1 = day_of(date(1996, 1, 1)), day_of(date(2023, 1, 3)), day_of(date(2024, 12, 1))
_BASE_OPENED, _BASE_ISSUED, _LICENCES_BEGIN = (
    day_of(date(2025, 3, 1)), day_of(date(2025, 6, 1)), day_of(date(2012, 1, 1)),
)  # fmt: skip


@dataclass(frozen=True)
class FacilityRow:
    """One version of a facility. `place`: index into `Geography`; `saved`: day and second of the last change."""

    code: str
    name: str
    kind: int
    place: int
    epoch: int
    beds: int
    phone: str | None
    opened: int
    active: bool
    saved: tuple[int, int]


@dataclass(frozen=True)
class LicenceRow:
    """One version of a licence. `person`: who is professionally responsible."""

    facility: int
    issued: int
    expires: int | None
    status: int
    person: int
    saved: tuple[int, int]


R = TypeVar("R")


class Versions(Generic[R]):
    """All versions of the records of a register; ids count up in the order in which they come."""

    def __init__(self) -> None:
        self._versions: list[list[tuple[int, R]]] = []
        self.ends: dict[int, int] = {}  # id -> the day from the end of which it is gone
        self.touched: dict[int, set[int]] = {}
        self.counts: list[int] = []  # by day

    def __len__(self) -> int:
        return len(self._versions)

    def add(self, row: R, day: int) -> int:
        """A new record; returns its id."""
        self._versions.append([(day, row)])
        self.touched.setdefault(day, set()).add(len(self) - 1)
        return len(self) - 1

    def save(self, id_: int, row: R, day: int) -> None:
        """A new version."""
        if self._versions[id_][-1][0] == day:
            self._versions[id_].pop()
        self._versions[id_].append((day, row))
        self.touched.setdefault(day, set()).add(id_)

    def end(self, id_: int, day: int) -> None:
        """The record goes for good."""
        self.ends[id_] = day
        self.touched.setdefault(day, set()).add(id_)

    def last(self, id_: int) -> R:
        """The newest version."""
        return self._versions[id_][-1][1]

    def living(self) -> Ints:
        """Ids of those that are there."""
        return np.array([id_ for id_ in range(len(self)) if id_ not in self.ends], np.int64)

    def at(self, ids: Ids, day: int) -> list[R]:
        """The version of each at the end of a day."""
        found = []
        for id_ in ids:
            versions = self._versions[int(id_)]
            found.append(versions[bisect_right(versions, max(day, 0), key=lambda version: version[0]) - 1][1])
        return found

    def gone(self, ids: Ids, day: int) -> Bools:
        """Which of them are no longer there."""
        return np.array([self.ends.get(int(id_), 1 << 30) <= day for id_ in ids], np.bool_)


class Register:
    """The health department's register, lived through as far as it was asked."""

    def __init__(self, province: Province) -> None:
        self._province = province
        self._chance, self._geo = province.chance, province.geo
        self.facilities: Versions[FacilityRow] = Versions()
        self.licences: Versions[LicenceRow] = Versions()
        self._serial = {"24": 0, "27": 0}
        self._found()
        self._close(0)
        self._day = 0

    def through(self, day: int) -> Register:
        """The register, lived through to the end of a day at least."""
        while self._day < day:
            self._day += 1
            self._live(self._day)
            self._close(self._day)
        return self

    # -- the stock ---------------------------------------------------------------------------------------------------

    def _found(self) -> None:
        total = self._province.scale.of(FACILITIES, LEAST)
        counts = split(total, np.array([kind.count for kind in KINDS.values()]))
        kinds = np.repeat(np.arange(len(KINDS)), counts)[self._chance.permutation("facility.kind", total)]
        ids = np.arange(total)
        opened = self._chance.integer("facility.opened", ids, _EARLY, _BASE_OPENED)
        stale = self._chance.uniform("facility.saved", ids)
        half = self._chance.happens("facility.stale_epoch", ids, 0.5)
        early = self._chance.integer(
            "facility.before", ids, np.maximum(np.where(half, _E1, _MIDDLE), opened), _MERGER - 1
        )
        late = self._chance.integer("facility.after", ids, _MERGER, 0)
        seconds = self._chance.integer("facility.second", ids, OPENS, CLOSES)
        moved = stale >= 1 - MOVED_SHARE * (1 - STALE_SHARE)
        saved_on = np.where(stale < STALE_SHARE, early, np.where(moved, _MERGER, late))
        seconds = np.where(moved, 0, seconds)  # one statement at midnight: equal cursor values
        for row in self._facilities(ids, kinds, self._seats(kinds), opened, saved_on, seconds):
            self.facilities.add(row, 0)
        without = max(3, round(total * UNLICENSED_SHARE))
        self._license(total - without, round(total * LICENCES_PER_FACILITY))
        stamped = total - without - 1
        self.facilities.save(stamped, self._saved(self.facilities.last(stamped), 0, LAST_STAMP), 0)
        last = len(self.licences) - 1
        self.licences.save(last, replace(self.licences.last(last), saved=(0, LAST_STAMP)), 0)

    def _seats(self, kinds: Ints) -> Ints:
        """A place for each: stations each in a village of its own, hospitals and centres each in a district of theirs."""
        drawn = self._geo.town_places(self._chance, "facility.place", np.arange(len(kinds)))
        villages = np.unique(self._geo.code_e1, return_index=True)[1]
        districts = np.unique(self._geo.district, return_index=True)[1]
        own = {"station": villages, "hospital": districts, "centre": districts}
        for name, seats in own.items():
            there = np.flatnonzero(kinds == KIND_NAMES.index(name))
            order = self._chance.permutation(f"facility.{name}", len(seats))
            drawn[there] = seats[order[: len(there)]]
        return drawn

    def _facilities(
        self, ids: Ints, kinds: Ints, places: Ints, opened: Ints, saved_on: Ints, seconds: Ints
    ) -> list[FacilityRow]:
        """Facilities as they are registered, at work; codes count up in each former province."""
        chance, geo = self._chance, self._geo
        beds = np.array([kind.beds for kind in KINDS.values()])[kinds]
        drawn = {
            "word": chance.integer("facility.word", ids, 0, len(WORDS) - 1),
            "beds": chance.integer("facility.beds", ids, beds[:, 0], beds[:, 1]),
            "epoch": geo.epoch(places, saved_on),
        }
        resting = (beds[:, 1] == 0) & chance.happens("facility.resting", ids, 0.04)
        listed = chance.happens("facility.has_phone", ids, 0.9)
        numbers = self._phones(ids, places)
        rows = []
        for i, place in enumerate(places):
            province, shape = str(geo.old_province[place]), KINDS[KIND_NAMES[kinds[i]]]
            self._serial[province] += 1
            named = {
                "village": geo.village[place],
                "district": geo.district_name[place],
                "word": WORDS[drawn["word"][i]],
                "field": _FIELDS[int((kinds[:i] == kinds[i]).sum()) % len(_FIELDS)],
            }
            rows.append(
                FacilityRow(
                    code=f"{province}{_base36(self._serial[province])}",
                    name=shape.name.format(**named),
                    kind=int(kinds[i]),
                    place=int(place),
                    epoch=int(drawn["epoch"][i]),
                    beds=int(drawn["beds"][i]),
                    phone=numbers[i] if listed[i] else None,
                    opened=int(opened[i]),
                    active=not resting[i],
                    saved=(int(saved_on[i]), int(seconds[i])),
                )
            )
        return rows

    def _phones(self, keys: Ids, places: Ids) -> list[str]:
        number = self._chance.integer("facility.phone", keys, 0, 999_999)
        return [str(each) for each in phones(number, self._geo.old_province[places]).to_pylist()]

    def _license(self, licensed: int, total: int) -> None:
        """One licence for each licensed facility, then second ones."""
        ids = np.arange(total)
        again = self._chance.integer("facility_licence.holder", ids, 0, licensed - 1)
        holders = np.where(ids < licensed, ids, again)
        opened = np.array([self.facilities.last(int(holder)).opened for holder in holders])
        first = np.maximum(_LICENCES_BEGIN, opened)
        issued = self._chance.integer("facility_licence.issued", ids, first, _BASE_ISSUED)
        saved = self._chance.integer("facility_licence.saved", ids, issued, 0)
        seconds = self._chance.integer("facility_licence.second", ids, OPENS, CLOSES)
        status = self._chance.pick("facility_licence.status", ids, (94, 4, 2))
        for i, row in enumerate(self._licences(ids, holders, issued, saved, seconds)):
            self.licences.add(replace(row, status=int(status[i])), 0)

    def _licences(self, ids: Ints, holders: Ints, issued: Ints, saved_on: Ints, seconds: Ints) -> list[LicenceRow]:
        """Licences as they are issued, in force."""
        chance = self._chance
        limited = chance.happens("facility_licence.limited", ids, 0.3)
        expires = np.maximum(issued, 0) + chance.integer("facility_licence.runs", ids, 200, 1800)
        person = self._province.people.pick_adults("facility_licence.person", ids)
        return [
            LicenceRow(
                facility=int(holders[i]),
                issued=int(issued[i]),
                expires=int(expires[i]) if limited[i] else None,
                status=0,
                person=int(person[i]),
                saved=(int(saved_on[i]), int(seconds[i])),
            )
            for i in range(len(ids))
        ]

    # -- the course of the days --------------------------------------------------------------------------------------

    def _close(self, day: int) -> None:
        """End a day: what there is now is what there was then."""
        assert len(self.facilities.counts) == day
        self.facilities.counts.append(len(self.facilities))
        self.licences.counts.append(len(self.licences))

    def _live(self, day: int) -> None:
        """Two clinics close for good, their licences with them; about one record in a hundred changes; some are new."""
        living = self.facilities.living()
        clinics = [i for i in living if KIND_NAMES[self.facilities.last(int(i)).kind] in ("clinic", "specialist")]
        closed = set(self._drawn("facility.closed", clinics, GONE_A_DAY, day))
        for id_ in closed:
            self.facilities.end(id_, day)
        for id_ in self.licences.living():
            if self.licences.last(int(id_)).facility in closed:
                self.licences.end(int(id_), day)
        living, licences = self.facilities.living(), self.licences.living()
        changed = self._drawn("facility.changed", living, max(3, round(len(living) * CHANGED_SHARE)), day)
        for id_ in changed:
            stamp = LAST_STAMP if id_ == changed[-1] else self._second("facility", id_, day)
            self.facilities.save(id_, self._changed(id_, day, stamp), day)
        altered = self._drawn("facility_licence.changed", licences, max(3, round(len(licences) * CHANGED_SHARE)), day)
        for id_ in altered:
            stamp = LAST_STAMP if id_ == altered[-1] else self._second("facility_licence", id_, day)
            self.licences.save(id_, self._altered(id_, day, stamp), day)
        new = [self._opened(day) for _ in range(NEW_A_DAY)]
        holders = [new[0], *self._drawn("facility_licence.new_holder", living, NEW_LICENCES_A_DAY - 1, day)]
        ids, today = np.arange(len(self.licences), len(self.licences) + len(holders)), np.full(len(holders), day)
        seconds = np.array([self._second("facility_licence", int(id_), day) for id_ in ids])
        for row in self._licences(ids, np.array(holders), today, today, seconds):
            self.licences.add(row, day)

    def _drawn(self, name: str, ids: Iterable[int], count: int, day: int) -> list[int]:
        """Some of them, without repetition."""
        pool = np.array(list(ids), np.int64)
        return [int(id_) for id_ in pool[np.argsort(self._chance.bits(name, pool * 4096 + day))[:count]]]

    def _second(self, name: str, id_: int, day: int) -> int:
        return int(self._chance.integer(f"{name}.change_second", np.array([id_ * 4096 + day]), OPENS, CLOSES)[0])

    def _opened(self, day: int) -> int:
        """A private clinic begins its work."""
        one, today = np.array([len(self.facilities)]), np.array([day])
        kind = ("clinic", "specialist")[int(self._chance.pick("facility.new_kind", one, (56, 44))[0])]
        place = self._geo.town_places(self._chance, "facility.place", one)
        second = np.array([self._second("facility", int(one[0]), day)])
        row = self._facilities(one, np.array([KIND_NAMES.index(kind)]), place, today, today, second)[0]
        return self.facilities.add(replace(row, active=True), day)

    def _saved(self, row: FacilityRow, day: int, second: int) -> FacilityRow:
        return replace(row, saved=(day, second), epoch=2)

    def _changed(self, id_: int, day: int, second: int) -> FacilityRow:
        """Beds where there are any, else another telephone, or a clinic rests or works again."""
        row, key = self._saved(self.facilities.last(id_), day, second), np.array([id_ * 4096 + day])
        what = self._chance.uniform("facility.change", key)[0]
        if row.beds and what < 0.6:
            return replace(row, beds=row.beds + (2, 5, 10)[int(self._chance.integer("facility.more", key, 0, 2)[0])])
        if KINDS[KIND_NAMES[row.kind]].ownership == "TU" and not row.beds and what < 0.2:
            return replace(row, active=not row.active)
        return replace(row, phone=self._phones(key, np.array([row.place]))[0])

    def _altered(self, id_: int, day: int, second: int) -> LicenceRow:
        """Suspension, reinstatement or another person in charge."""
        row, key = replace(self.licences.last(id_), saved=(day, second)), np.array([id_ * 4096 + day])
        if self._chance.uniform("facility_licence.change", key)[0] < 0.5:
            return replace(row, status=0 if row.status == 1 else 1)
        person = int(self._province.people.pick_adults("facility_licence.next", key)[0])
        return replace(row, person=person)


def _base36(number: int) -> str:
    """A number in the 36 signs of facility codes, three of them."""
    if number >= 36**3:
        raise ValueError("Hết mã cơ sở / No facility code left")
    return "".join(_SIGNS[number // 36**place % 36] for place in (2, 1, 0))
