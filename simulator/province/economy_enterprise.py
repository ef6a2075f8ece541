"""Enterprises: how they are registered, changed and dissolved.

Belongs here: the table `enterprise` and the course of its changes, day by day.
Stays out: what hangs on a firm (`economy_register`), what systems make of it (`views`).

Ids: firms, then their branches (one record in twenty), then the firms of each day after day 0. Commune codes are those
of the epoch of the record's last change: about 11 % still carry a code of e1 and 14 % one of e0; about 27 % were moved to
today's codes by the registry in one statement on 1 July 2025 and share that NgayThayDoi; the others were changed or
registered since. The industry code follows VSIC 2025 in records changed from 15 November 2025 on, VSIC 2018 before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Ids, Ints
from simulator.province import economy_words as vocabulary
from simulator.province.economy_course import BIG, CLOSE, OPEN, codes, full_names
from simulator.province.economy_firm import DAY, FORMS, LAST, OLD_BAC_NINH, ZONES, Firms
from simulator.table import Total, day_of, joined, numbered, to_timestamp, words
from simulator.units import E2_STARTS

if TYPE_CHECKING:
    from simulator.table import Province

GONE_A_DAY = 5
CHANGED_SHARE = 0.01  # of all records, every day
TOUCHED_SINCE_MERGER_SHARE = 0.45  # among those registered before it
CONVERTED_SHARE = 0.55  # among the untouched ones
MERGER = day_of(E2_STARTS)
VSIC2025 = day_of(date(2025, 11, 15))
STATUSES = ("HOAT_DONG", "TAM_NGUNG", "GIAI_THE", "KHONG_TAI_DIA_CHI")
ACTIVE, SUSPENDED, DISSOLVED, ABSENT = range(4)
KINDS = ("VON_DIEU_LE", "NGUOI_DAI_DIEN", "DIA_CHI", "NGANH_NGHE", "TAM_NGUNG", "HOAT_DONG_LAI", "GIAI_THE")
CAPITAL, REPRESENTATIVE, ADDRESS, INDUSTRY, SUSPENSION, RETURN, DISSOLUTION = range(7)
_KIND_WEIGHTS = (28, 20, 20, 24, 8)


@dataclass(frozen=True)
class Changes:
    """What was registered of known firms on one day: arrays in ascending order of `ids`.

    `before`, `after`: the capital in VND, the representative's person id or the index of the status; -1 for the others.
    """

    ids: Ints
    kind: Ints
    second: Ints
    before: Ints
    after: Ints


@dataclass(frozen=True)
class State:
    """Everything about all records at the end of a day that may change: arrays by id."""

    changed: Ints  # seconds since the beginning of day 0
    changes: Ints
    capital: Ints
    person: Ints
    status: Ints
    epoch: Ints  # of the commune code
    moved: Ints  # the day of the last change of address; 0: none since day 0


class Enterprise(Firms):
    """The registry of enterprises."""

    name = "enterprise"
    key = ("enterprise_code",)
    doc = "One row per enterprise or branch: national registry of enterprises, Decree 168/2025/NĐ-CP."
    columns = {
        "place": "index of the place of the head office",
        "representative_person": "person id of the legal representative",
        "enterprise_code": "ten digits with check digit, or with -NNN for a branch",
        "name_vi": "Vietnamese name, upper case",
        "name_short": "short name, or null",
        "legal_form": "TNHH1, TNHH2, CP, DNTN, HD",
        "registered_at": "first registration",
        "changed_at": "last registered change",
        "change_count": "registered changes so far",
        "charter_capital_vnd": "charter capital, VND; 0 of a branch",
        "address": "address of the head office as written when it was registered",
        "commune_code": "code of the epoch of the last change",
        "representative_name": "full name of the representative",
        "industry_code": "main industry, VSIC",
        "industry_version": "VSIC2018 or VSIC2025",
        "status": "HOAT_DONG, TAM_NGUNG, GIAI_THE, KHONG_TAI_DIA_CHI",
        "industrial_zone": "name of the industrial zone, null outside",
        "is_fdi": "foreign capital is invested",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self._log: list[Changes] = []  # of days 1, 2, 3 …; drawn once
        self._latest: State | None = None  # at the end of the last of them

    def touched(self, day: int) -> Ints:
        """The day's changes and new firms."""
        if day < 1:
            return np.empty(0, np.int64)
        return np.concatenate([self.changes_of(day).ids, np.arange(self.count(day - 1), self.count(day))])

    def totals(self, day: int) -> list[Total]:
        """Records, firms at work, foreign ones."""
        status, fdi = self.state(day).status, self.is_fdi(np.arange(self.count(day)))
        return [
            Total(
                "enterprise.count", self.count(day), "enterprise", "derived: 23,165 of old Bắc Ninh (4/2024) + ~20,000"
            ),
            Total(
                "enterprise.old_bac_ninh", self.scale.of(OLD_BAC_NINH), "firm", "registered by April 2024", exact=True
            ),
            Total("enterprise.active", int(np.sum(status == ACTIVE)), "enterprise"),
            Total("enterprise.fdi", int(np.sum(fdi)), "enterprise"),
        ]

    # -- the course of changes ---------------------------------------------------------------------------------------

    @cached_property
    def _born(self) -> State:
        """The register at the end of day 0; branches as their firms."""
        chance, ids = self.chance, np.arange(self.stock)
        firm, registered = self.parents(ids), self.registered(ids)
        day = registered // DAY
        since = day >= MERGER

        def office(name: str, low: Ids | int, high: int) -> Ints:
            days = chance.integer(f"enterprise.{name}_day", firm, np.minimum(low, high), high)
            return np.asarray(days * DAY + chance.integer(f"enterprise.{name}", firm, OPEN, CLOSE), np.int64)

        young = np.where(chance.happens("enterprise.changed_young", firm, 0.3), office("young", day, 0), registered)
        touched = chance.happens("enterprise.touched", firm, TOUCHED_SINCE_MERGER_SHARE) & ~since
        late = chance.happens("enterprise.half", firm, 0.5)
        first = np.where(late, day_of(date(2024, 12, 1)), day_of(date(2023, 1, 3)))
        before = office("old", np.maximum(first, day), MERGER - 1)
        old = np.where(chance.happens("enterprise.changed_old", firm, 0.8), before, registered)
        changed = np.where(since, young, np.where(touched, office("touched", MERGER, 0), old))
        changed = np.maximum(changed, registered)
        few, many = (chance.integer(f"enterprise.changes_{n}", firm, 1, n) for n in (6, 9))
        changes = np.where(touched, many, np.where(since, 1, few)) * (changed > registered)
        converted = chance.happens("enterprise.converted", firm, CONVERTED_SHARE) & ~since & ~touched
        changed = np.where(converted, MERGER * DAY, changed)
        last = self.firms - 1  # has no branch; one record is the day's last
        changed[last], changes[last] = LAST, max(1, int(changes[last]))
        place = self.place_of(ids)
        capital = np.array([1, 2, 5, 9, 18, 50, 120])[chance.integer("enterprise.size", firm, 0, 6)]
        capital = capital * chance.integer("enterprise.capital", firm, 2, 40) * 50_000_000
        capital = capital * np.where(self.zone_of(ids) >= 0, 20, 1) * ~self.is_branch(ids)
        status = chance.pick("enterprise.status", firm, (84, 8, 5, 3))
        status[last] = ACTIVE
        return State(
            changed, changes, capital, self._representative(ids, 0), status,
            self.geo.epoch(place, changed // DAY), np.zeros(self.stock, np.int64),
        )  # fmt: skip

    def _representative(self, ids: Ids, day: int) -> Ints:
        return self.province.people.pick_from(self._elders, "enterprise.representative", np.asarray(ids) * BIG + day)

    @cached_property
    def _elders(self) -> Ints:
        return self.province.people.aged(24, 68)

    def _new(self, first: int, last: int) -> State:
        """The records made from one count to another, as they were made."""
        ids = np.arange(first, last)
        registered = self.registered(ids)
        changed = registered.copy()
        closing = (ids - self.stock) % self.new_a_day == self.new_a_day - 1  # the day's last record
        changed[closing] = registered[closing] // DAY * DAY + LAST
        capital = np.array([1, 2, 5, 9, 18, 50, 120])[self.chance.integer("enterprise.size", ids, 0, 6)]
        capital = capital * self.chance.integer("enterprise.capital", ids, 2, 40) * 50_000_000
        capital = capital * np.where(self.zone_of(ids) >= 0, 20, 1)
        none = np.zeros(len(ids), np.int64)
        return State(changed, none, capital, self._representative(ids, 0), none + ACTIVE, none + 2, none)

    def changes_of(self, day: int) -> Changes:
        """What was registered of known firms on a day (from day 1 on)."""
        while len(self._log) < day:
            each, state = len(self._log) + 1, self._latest or self._born
            self._log.append(self._change(each, state))
            self._latest = self._next(state, each)
        return self._log[day - 1]

    def _change(self, day: int, state: State) -> Changes:
        """Draw one day: about 1 % changed, a few firms without branches dissolved, none twice and none of the dissolved."""
        chance = self.chance
        some, few = max(3, round(len(state.status) * CHANGED_SHARE)), self.scale.of(GONE_A_DAY, least=2)
        known = np.flatnonzero(state.status != DISSOLVED)
        drawn = chance.bits("enterprise.drawn", known * BIG + day)
        most = min(len(known), 3 * (some + few))  # enough to find some without branches among them
        first = np.argpartition(drawn, most - 1)[:most]
        known = known[first[np.argsort(drawn[first], kind="stable")]]
        gone = known[~np.isin(known, self.holders)][:few]
        ids = np.sort(np.concatenate([gone, np.setdiff1d(known[: some + len(gone)], gone)[:some]]))
        mixed = ids * BIG + day
        kind = chance.pick("enterprise.kind", mixed, _KIND_WEIGHTS)
        kind = np.where(self.is_branch(ids) & (kind == CAPITAL), REPRESENTATIVE, kind)
        idle = state.status[ids] != ACTIVE
        back = chance.happens("enterprise.back", mixed, 0.5) | (kind == SUSPENSION)
        kind = np.where(idle & back, RETURN, kind)
        kind = np.where(np.isin(ids, gone), DISSOLUTION, kind)
        more = chance.integer("enterprise.more", mixed, 1, 50) * 100_000_000
        before, after = np.full(len(ids), -1), np.full(len(ids), -1)
        for which, was, becomes in (
            (CAPITAL, state.capital[ids], state.capital[ids] + more),
            (REPRESENTATIVE, state.person[ids], self._representative(ids, day)),
            (SUSPENSION, state.status[ids], np.full(len(ids), SUSPENDED)),
            (RETURN, state.status[ids], np.full(len(ids), ACTIVE)),
            (DISSOLUTION, state.status[ids], np.full(len(ids), DISSOLVED)),
        ):
            here = kind == which
            before[here], after[here] = was[here], becomes[here]
        return Changes(ids, kind, chance.integer("enterprise.second", mixed, OPEN, CLOSE), before, after)

    def _next(self, state: State, day: int) -> State:
        """The register one day later."""
        made, change = self._new(self.count(day - 1), self.count(day)), self._log[day - 1]
        now = State(*(np.concatenate([getattr(state, f), getattr(made, f)]) for f in State.__dataclass_fields__))
        now.changed[change.ids] = day * DAY + change.second
        now.changes[change.ids] += 1
        now.epoch[change.ids] = 2
        for column, kinds in (
            (now.capital, (CAPITAL,)),
            (now.person, (REPRESENTATIVE,)),
            (now.status, (SUSPENSION, RETURN, DISSOLUTION)),
        ):
            here = np.isin(change.kind, kinds)
            column[change.ids[here]] = change.after[here]
        now.moved[change.ids[change.kind == ADDRESS]] = day
        return now

    @lru_cache(maxsize=4)  # noqa: B019 (one province lives as long as its tables)
    def state(self, day: int) -> State:
        """All that may change of all records at the end of a day."""
        if self._latest and day == len(self._log):
            return self._latest
        state = self._born
        for each in range(1, day + 1):
            self.changes_of(each)
            state = self._next(state, each)
        return state

    # -- rows --------------------------------------------------------------------------------------------------------

    def _addresses(self, ids: Ids, state: State) -> Any:
        place, zone, moved = self.place_of(ids), self.zone_of(ids), state.moved[ids]
        firm = np.where(moved > 0, np.asarray(ids), self.parents(ids)) * BIG + moved
        lot = numbered("Lô CN{}", self.chance.integer("enterprise.lot", firm, 1, 60))
        house = numbered("Số {}", self.chance.integer("enterprise.house", firm, 1, 480))
        street = self.chance.integer("enterprise.street", firm, 0, len(vocabulary.STREETS) - 1)
        where = pc.if_else(
            pa.array(zone >= 0),
            joined(lot, ", ", words(ZONES, np.maximum(zone, 0))),
            joined(house, ", đường ", words(vocabulary.STREETS, street)),
        )
        written = np.where(moved > 0, 2, self._born.epoch[np.minimum(ids, self.stock - 1)])
        written = np.where(np.asarray(ids) >= self.stock, 2, written)
        return joined(where, ", ", full_names(self.geo, place, written))

    def rows(self, ids: Ids, day: int) -> Any:
        """The registry's rows."""
        ids = np.asarray(ids, np.int64)
        state, place, zone = self.state(day), self.place_of(ids), self.zone_of(ids)
        changed, registered = state.changed[ids], self.registered(ids)
        industries = [code for pair in vocabulary.TRADES.values() for code in pair]
        main = self.trade_of(ids) * 2 + self.chance.integer("enterprise.industry", self.parents(ids), 0, 1)
        return pa.table(
            {
                "id": ids,
                "place": place,
                "representative_person": state.person[ids],
                "enterprise_code": self.codes(ids),
                "name_vi": self.names(ids),
                "name_short": self.short_names(ids),
                "legal_form": words(FORMS, self.form_of(ids)),
                "registered_at": to_timestamp(registered // DAY, registered % DAY),
                "changed_at": to_timestamp(changed // DAY, changed % DAY),
                "change_count": state.changes[ids],
                "charter_capital_vnd": state.capital[ids],
                "address": self._addresses(ids, state),
                "commune_code": codes(self.geo, place, state.epoch[ids]),
                "representative_name": self.province.people.names(state.person[ids]),
                "industry_code": words(industries, main),
                "industry_version": words(("VSIC2018", "VSIC2025"), (changed // DAY >= VSIC2025).astype(np.int64)),
                "status": words(STATUSES, state.status[ids]),
                "industrial_zone": words(ZONES, zone, valid=zone >= 0),
                "is_fdi": self.is_fdi(ids),
            }
        )


def industry_version(on: date) -> str:
    """The version of the industry classification (VSIC) in force on a date; Decision 36/2025/QĐ-TTg."""
    return "VSIC2025" if day_of(on) >= VSIC2025 else "VSIC2018"
