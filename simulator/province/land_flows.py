"""What happens to parcels: transfers, mortgages, splits, mergers, and which parcel came out of which.

Belongs here: tables `land_transaction`, `parcel_lineage`, `land_year`. Stays out: the parcels themselves (`land`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.chance import Bools, Ids, Ints
from simulator.scale import PARCELS
from simulator.table import FLOW_DAYS, Arrivals, Province, Table, Total, to_date32, words

TRANSACTIONS_A_YEAR = 250_000  # little known: an estimate
SPLITS_A_YEAR, MERGERS_A_YEAR = 12_000, 3_000
KINDS = ("CHUYEN_NHUONG", "THE_CHAP", "XOA_THE_CHAP", "TANG_CHO", "THUA_KE", "TACH_THUA", "HOP_THUA")
_WEIGHTS = (0.38, 0.30, 0.18, 0.08, 0.06)
INHERITED, SPLIT, MERGER = 4, 5, 6
_NEW_USER = (0, 3, 4)  # kinds that bring another user
YEARS = range(2015, 2026)


@dataclass(frozen=True)
class _Log:
    """All transactions up to a day, as arrays; and the parcels made by them, in the order in which they were made."""

    day: Ints
    kind: Ints
    parcel: Ints
    second: Ints  # of a merger: the other parent; -1 otherwise
    giver: Ints  # who used it before
    taker: Ints  # who uses it from then on
    parent: Ints  # by parcel made: its (first) parent
    made: Ints  # by parcel made: the day
    part: Ints  # by parcel made: 0 or 1 of a split, 2 of a merger


@dataclass(frozen=True)
class State:
    """Of some parcels at the end of a day. changed: day of the last change (0: none); user: -1 for the first one; ended: 0
    in force, 1 split, 2 merged; made: the day (0: always there)."""

    changed: Ints
    user: Ints
    ended: Ints
    made: Ints


class LandTransaction(Table):
    """Registered changes of land: those up to day 0 changed users only, later ones also parcels."""

    name = "land_transaction"
    key = ("id",)
    doc = "One row a registered change since day -29; about 250,000 a year"
    columns = {
        "kind": "CHUYEN_NHUONG sale, THE_CHAP mortgage, XOA_THE_CHAP its end, TANG_CHO gift, THUA_KE inheritance, TACH_THUA split, HOP_THUA merger",
        "parcel": "id of the parcel",
        "second_parcel": "id of the other parcel of a merger",
        "registered_on": "date of registration",
        "giver_person": "id of the person who used it",
        "giver_paper": "personal identifier of that person",
        "giver_name": "name of that person",
        "taker_person": "id of the person who uses it from then on",
        "taker_paper": "personal identifier of that person",
        "taker_name": "name of that person",
        "value_vnd": "price or amount in VND; none for inheritance, splits and mergers",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        factor, first = province.scale.factor, 1 - FLOW_DAYS
        self._stock = province.scale.of(PARCELS)
        self._plain = Arrivals(TRANSACTIONS_A_YEAR * factor / 365, first)
        self._splits = Arrivals(SPLITS_A_YEAR * factor / 365, 1)
        self._mergers = Arrivals(MERGERS_A_YEAR * factor / 365, 1)

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def log(self, day: int) -> _Log:
        """Everything up to a day. A parcel that was divided or merged once is left alone afterwards."""
        chance, people = self.chance, self.province.people
        days, kinds, parcels, seconds, parents, made, parts = ([] for _ in range(7))  # type: ignore[var-annotated]
        for each in range(1 - FLOW_DAYS, day + 1):
            numbers = self._plain.ids(each)
            plain = 2 * chance.integer("land_transaction.parcel", numbers, 0, self._stock // 2 - 1) + 1
            split_no, merger_no = self._splits.ids(each), self._mergers.ids(each)
            # Even parcels have no certificate and no other transaction: of eight one may be divided, two others merged.
            divided = 8 * _distinct(split_no, self._stock // 8)
            merged = 8 * _distinct(merger_no, self._stock // 8) + 2
            new = (plain, divided, merged)
            count = [len(n) for n in new]
            days.append(np.full(sum(count), each))
            kinds += [chance.pick("land_transaction.kind", numbers, _WEIGHTS), np.full(count[1], SPLIT), np.full(count[2], MERGER)]  # fmt: skip
            parcels += new
            seconds += [np.full(count[0] + count[1], -1), merged + 2]
            parents += [np.repeat(divided, 2), merged]
            made.append(np.full(2 * count[1] + count[2], each))
            parts += [np.tile(np.arange(2), count[1]), np.full(count[2], 2)]
        on, kind, parcel = _whole(days), _whole(kinds), _whole(parcels)
        ids = np.arange(len(kind))
        seller, buyer = (people.pick_adults(f"land_transaction.{who}", ids) for who in ("giver", "taker"))
        dead = people.died_on(buyer) <= on
        buyer[dead] = people.pick_adults("land_transaction.taker_again", ids[dead])
        giver, taker = self._users(on, np.isin(kind, _NEW_USER), parcel, seller, buyer)
        # What a dead person used can only be inherited.
        kind = np.where(np.isin(kind, _NEW_USER) & (people.died_on(giver) < on), INHERITED, kind)
        return _Log(on, kind, parcel, _whole(seconds), giver, taker, _whole(parents), _whole(made), _whole(parts))

    def _users(self, on: Ints, changes: Bools, parcel: Ints, seller: Ints, buyer: Ints) -> tuple[Ints, Ints]:
        """Who uses the parcel before and after each transaction: one hands it on to the next.

        Up to day 0 the course leads to the user of that day: the last buyer is that user, each seller is drawn. From then
        on it sets out from there, and each buyer is drawn.
        """
        users, order = self.province.table("parcel").first_user(parcel), np.argsort(parcel, kind="stable")
        position = np.empty(len(order), np.int64)
        position[order] = np.arange(len(order))
        at, early = np.arange(len(order)), on[order] <= 0
        late_sale = np.maximum.accumulate(np.where(changes[order] & ~early, at, -1))
        last = np.concatenate([[-1], late_sale[:-1]])[position] if len(order) else late_sale
        early_sale = np.minimum.accumulate(np.where(changes[order] & early, at, len(order))[::-1])[::-1]
        following = np.concatenate([early_sale[1:], [len(order)]])[position] if len(order) else early_sale
        before, after = (
            order[np.clip(each, 0, max(len(order) - 1, 0))] if len(order) else each for each in (last, following)
        )
        bought = (last >= 0) & (parcel[before] == parcel)
        sold = (following < len(order)) & (parcel[after] == parcel)
        now = np.where(on > 0, np.where(bought, buyer[before], users), np.where(sold, seller[after], users))
        return np.where(changes & (on <= 0), seller, now), np.where(changes & (on > 0), buyer, now)

    def count(self, day: int) -> int:
        day = max(day, 1 - FLOW_DAYS)
        return sum(arrivals.through(day) for arrivals in (self._plain, self._splits, self._mergers))

    def touched(self, day: int) -> Ints:
        return np.flatnonzero(self.log(day).day == day).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        # Who had a parcel before day 0 depends on who has it then.
        ids, log, people = np.asarray(ids, np.int64), self.log(max(day, 0)), self.province.people
        kind, second, giver, taker = log.kind[ids], log.second[ids], log.giver[ids], log.taker[ids]
        amount = self.chance.integer("land_transaction.value", ids, 80, 9_000) * 1_000_000
        return pa.table(
            {
                "id": ids,
                "kind": words(KINDS, kind),
                "parcel": log.parcel[ids],
                "second_parcel": pa.array(second, mask=second < 0),
                "registered_on": to_date32(log.day[ids]),
                "giver_person": giver,
                "giver_paper": people.personal_ids(giver),
                "giver_name": people.names(giver),
                "taker_person": taker,
                "taker_paper": people.personal_ids(taker),
                "taker_name": people.names(taker),
                "value_vnd": pa.array(amount, mask=kind > 3),
            }
        )

    # -- what parcels ask --------------------------------------------------------------------------------------------

    def parcels_made(self, day: int) -> int:
        """How many parcels were made by splits and mergers."""
        return 2 * self._splits.through(day) + self._mergers.through(day)

    def _made(self, numbers: Ids) -> _Log:
        """All transactions up to the day on which the last of the parcels made, by their numbers, was made."""
        day = 1
        while self.parcels_made(day) <= int(np.max(numbers)):
            day += 1
        return self.log(day)

    def parents(self, numbers: Ids) -> Ints:
        """The (first) parent of each parcel made, by its number."""
        return np.asarray(self._made(numbers).parent[np.asarray(numbers)], np.int64)

    def parts(self, numbers: Ids) -> Any:
        """Of each parcel made, by its number: its share of its (first) parent's area; of a merger all of both."""
        log, numbers = self._made(numbers), np.asarray(numbers)
        part, parent = log.part[numbers], log.parent[numbers]
        first = 0.3 + 0.4 * self.chance.uniform("parcel.split", parent)
        return np.where(part == 0, first, np.where(part == 1, 1 - first, 1.0)), np.where(part == 2, parent + 2, -1)

    def parcels_touched(self, day: int) -> Ints:
        """Parcels new or changed on a day from 1 on."""
        if day < 1:
            return np.arange(0, dtype=np.int64)
        log = self.log(day)
        today = log.day == day
        changed = today & (np.isin(log.kind, (*_NEW_USER, SPLIT, MERGER)))
        seconds = log.second[changed]
        new = np.arange(self.parcels_made(day - 1), self.parcels_made(day)) + self._stock
        return np.unique(np.concatenate([log.parcel[changed], seconds[seconds >= 0], new])).astype(np.int64)

    @lru_cache(maxsize=3)  # noqa: B019
    def _states(self, day: int) -> tuple[Ints, Ints, Ints, Ints]:
        """The parcels of the stock that changed, ascending, with day, user and end of each."""
        log = self.log(day)
        late = (log.day > 0) & np.isin(log.kind, (*_NEW_USER, SPLIT, MERGER))
        seconds = late & (log.second >= 0)
        parcel = np.concatenate([log.parcel[late], log.second[seconds]])
        when = np.concatenate([log.day[late], log.day[seconds]])
        kind = np.concatenate([log.kind[late], log.kind[seconds]])
        user = np.where(np.isin(kind, _NEW_USER), np.concatenate([log.taker[late], log.taker[seconds]]), -1)
        ended = np.where(kind == SPLIT, 1, np.where(kind == MERGER, 2, 0))
        order = np.lexsort((np.arange(len(parcel)), parcel))
        parcel, when, user, ended = parcel[order], when[order], user[order], ended[order]
        last = np.ones(len(parcel), np.bool_)
        last[:-1] = parcel[1:] != parcel[:-1]
        return parcel[last], when[last], user[last], ended[last]

    def state(self, ids: Ids, day: int) -> State:
        """What became of some parcels by the end of a day."""
        ids = np.asarray(ids, np.int64)
        zero = np.zeros(len(ids), np.int64)
        found = State(zero.copy(), np.full(len(ids), -1, np.int64), zero.copy(), zero.copy())
        if day < 1:
            return found
        parcel, when, user, ended = self._states(day)
        if len(parcel):
            at = np.minimum(np.searchsorted(parcel, ids), len(parcel) - 1)
            hit = parcel[at] == ids
            found.changed[hit], found.user[hit], found.ended[hit] = when[at[hit]], user[at[hit]], ended[at[hit]]
        new = ids >= self._stock
        found.made[new] = self.log(day).made[ids[new] - self._stock]
        found.changed[new] = found.made[new]
        return found

    def totals(self, day: int) -> list[Total]:
        kinds = self.log(day).kind
        return [Total(f"land_transaction.{name}", int((kinds == i).sum()), "entry") for i, name in enumerate(KINDS)]


class ParcelLineage(Table):
    """Which parcel came out of which."""

    name = "parcel_lineage"
    key = ("parent_parcel", "child_parcel")
    doc = "One row a parent and child, splits and mergers since day 1"
    columns = {
        "parent_parcel": "id of the parcel that ended",
        "child_parcel": "id of the parcel made",
        "kind": "TACH_THUA, HOP_THUA",
        "since": "date",
    }

    @lru_cache(maxsize=3)  # noqa: B019
    def _links(self, day: int) -> tuple[Ints, Ints, Ints, Ints]:
        log = self.province.table("land_transaction").log(max(day, 1))
        stock = self.province.table("parcel").stock
        child = stock + np.arange(len(log.parent))
        mergers = log.kind == MERGER
        merged = log.part == 2
        parent = np.concatenate([log.parent, log.second[mergers]])
        child = np.concatenate([child, child[merged]])
        when = np.concatenate([log.made, log.made[merged]])
        kind = np.concatenate([merged, np.ones(int(merged.sum()))]).astype(np.int64)
        order = np.lexsort((parent, child, when))
        return parent[order], child[order], kind[order], when[order]

    def count(self, day: int) -> int:
        return int((self._links(day)[3] <= day).sum())

    def touched(self, day: int) -> Ints:
        return np.flatnonzero(self._links(day)[3] == day).astype(np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        parent, child, kind, when = (part[ids] for part in self._links(day))
        return pa.table(
            {
                "id": ids,
                "parent_parcel": parent,
                "child_parcel": child,
                "kind": words(("TACH_THUA", "HOP_THUA"), kind),
                "since": to_date32(when),
            }
        )


class LandYear(Table):
    """Older years, as totals by commune."""

    name = "land_year"
    key = ("commune_code", "year")
    doc = "One row a commune of today and year from 2015 to 2025"
    columns = {
        "commune_code": "commune code of today",
        "year": "calendar year",
        "transactions": "changes registered",
        "certificates": "certificates issued",
    }

    def count(self, day: int) -> int:
        return len(self.geo.commune_codes) * len(YEARS)

    def touched(self, day: int) -> Ints:
        return np.arange(0, dtype=np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        ids = np.asarray(ids, np.int64)
        commune, year = ids // len(YEARS), ids % len(YEARS)
        usual = TRANSACTIONS_A_YEAR * self.scale.factor / len(self.geo.commune_codes) * 1.04 ** (year - 10.0)
        drift = np.exp(0.2 * self.chance.normal("land_year.drift", ids))
        transactions = np.round(usual * drift).astype(np.int64)
        return pa.table(
            {
                "id": ids,
                "commune_code": words(list(self.geo.commune_codes), commune),
                "year": YEARS.start + year,
                "transactions": transactions,
                "certificates": np.round(transactions * 0.7).astype(np.int64),
            }
        )


def _whole(parts: list[Any]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def _distinct(numbers: Ids, size: int) -> Ints:
    """Each number dealt to another one below `size`."""
    factor = next(f for f in (1_000_003, 999_983, 999_979, 1) if np.gcd(f, size) == 1)
    return np.asarray((np.asarray(numbers, np.int64) * factor) % size, np.int64)


TABLES = (LandTransaction, ParcelLineage, LandYear)
