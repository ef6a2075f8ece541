"""What hangs on a firm in the registry: its lines of business and the log of its changes.

Belongs here: the tables `enterprise_industry` and `enterprise_change`. Stays out: the firms (`economy_enterprise`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.chance import Ids, Ints
from simulator.province import economy_enterprise as registry
from simulator.province.economy_course import BIG, CLOSE, OPEN
from simulator.province.economy_firm import DAY
from simulator.province.economy_words import OTHER_INDUSTRIES, TRADES
from simulator.table import Table, Total, padded, to_date32, to_timestamp, words

if TYPE_CHECKING:
    from simulator.table import Province

_FEWEST, _MOST = 3, 13  # lines of business of a firm when it is founded: 8 on average
_MAIN = [code for pair in TRADES.values() for code in pair]


class _Lines(NamedTuple):
    owner: Ints  # enterprise
    position: Ints  # 0 is the main one
    since: Ints  # the day it was added, for those added after day 0 to a firm known before; 0 for the others


class EnterpriseIndustry(Table):
    """Lines of business, n to m."""

    name = "enterprise_industry"
    key = ("enterprise_code", "position")
    doc = "One row per firm and registered line of business, about eight each; Decree 168/2025/NĐ-CP, VSIC."
    columns = {
        "enterprise": "id of the firm",
        "enterprise_code": "code of the firm or branch",
        "position": "number within the firm, from 1 on",
        "industry_code": "VSIC, four or five digits",
        "industry_version": "VSIC2018 or VSIC2025, by the last change of the firm",
        "is_main": "the main line",
        "registered_on": "day on which the line was entered",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.firms: registry.Enterprise = province.table("enterprise")
        self._ends: list[int] = []  # lines up to day 0, 1, 2 …

    def _at_first(self, low: int, high: int) -> tuple[Ints, Ints]:
        """Owner and position of the lines that firms from one id to another were founded with."""
        ids = np.arange(low, high)
        size = self.chance.integer("enterprise_industry.count", ids, _FEWEST, _MOST)
        owner = np.repeat(ids, size)
        return owner, np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size)

    @lru_cache(maxsize=3)  # noqa: B019 (one province lives as long as its tables)
    def _lines(self, day: int) -> _Lines:
        """Every line known by the end of a day: of the stock, then day by day of new firms and those added."""
        owner, position = self._at_first(0, self.firms.stock)
        owners, positions, since = [owner], [position], [np.zeros(len(owner), np.int64)]
        size = np.bincount(owner, minlength=self.firms.count(day))
        for each in range(1, day + 1):
            new, at = self._at_first(self.firms.count(each - 1), self.firms.count(each))
            change = self.firms.changes_of(each)
            added = change.ids[change.kind == registry.INDUSTRY]
            owners += [new, added]
            positions += [at, size[added]]
            since += [np.zeros(len(new), np.int64), np.full(len(added), each)]
            size[added] += 1
            size[self.firms.count(each - 1) : self.firms.count(each)] = np.bincount(new)[self.firms.count(each - 1) :]
        return _Lines(*(np.concatenate(parts) for parts in (owners, positions, since)))

    def count(self, day: int) -> int:
        """Lines ever entered."""
        while len(self._ends) <= max(day, 0):
            each = len(self._ends)
            known = self.firms.count(each - 1) if each else 0
            added = int(np.sum(self.firms.changes_of(each).kind == registry.INDUSTRY)) if each else 0
            new = len(self._at_first(known, self.firms.count(each))[0]) + added
            self._ends.append((self._ends[-1] if self._ends else 0) + new)
        return self._ends[max(day, 0)]

    def touched(self, day: int) -> Ints:
        """The day's new lines, and those of firms that changed (their version may)."""
        if day < 1:
            return np.empty(0, np.int64)
        known = self.count(day - 1)
        changed = np.isin(self._lines(day).owner[:known], self.firms.changes_of(day).ids)
        return np.concatenate([np.flatnonzero(changed), np.arange(known, self.count(day))])

    def rows(self, ids: Ids, day: int) -> Any:
        """Lines of business as they stand in the registry."""
        lines, ids = self._lines(max(day, 0)), np.asarray(ids, np.int64)
        owner, position, since = (column[ids] for column in lines)
        firm = self.firms.parents(owner)
        start = self.chance.integer("enterprise_industry.start", owner, 0, len(OTHER_INDUSTRIES) - 1)
        step = self.chance.integer("enterprise_industry.step", owner, 1, len(OTHER_INDUSTRIES) - 1)
        other = (start + step * position) % len(OTHER_INDUSTRIES)
        main = self.firms.trade_of(firm) * 2 + self.chance.integer("enterprise.industry", firm, 0, 1)
        changed = self.firms.state(max(day, 0)).changed[owner] // DAY
        entered = np.where(since > 0, since, self.firms.registered(owner) // DAY)
        every = [*_MAIN, *OTHER_INDUSTRIES]
        return pa.table(
            {
                "id": ids,
                "enterprise": owner,
                "enterprise_code": _by_firm(self.firms, owner),
                "position": position + 1,
                "industry_code": words(every, np.where(position == 0, main, len(_MAIN) + other)),
                "industry_version": words(("VSIC2018", "VSIC2025"), (changed >= registry.VSIC2025).astype(np.int64)),
                "is_main": position == 0,
                "registered_on": to_date32(entered),
            }
        )

    def totals(self, day: int) -> list[Total]:
        """Lines, and lines a firm."""
        count, firms = self.count(day), self.firms.count(day)
        return [
            Total("enterprise_industry.count", count, "line"),
            Total("enterprise_industry.per_firm", round(count / firms, 3), "line/enterprise", "about 8: 7.2 of domain"),
        ]


class _Log(NamedTuple):
    """The log as arrays, an entry each."""

    owner: Ints
    number: Ints  # of the change within the firm, from 1 on
    kind: Ints
    moment: Ints  # seconds since the beginning of day 0
    before: Ints
    after: Ints


class EnterpriseChange(Table):
    """The log of registered changes: those before day 0 by kind only, later ones with what was and what is."""

    name = "enterprise_change"
    key = ("enterprise_code", "change_no")
    doc = "One row per registered change of a firm; Decree 168/2025/NĐ-CP."
    columns = {
        "enterprise": "id of the firm",
        "enterprise_code": "code of the firm or branch",
        "change_no": "number of the change within the firm, from 1 on",
        "changed_at": "moment of the change",
        "kind": "VON_DIEU_LE, NGUOI_DAI_DIEN, DIA_CHI, NGANH_NGHE, TAM_NGUNG, HOAT_DONG_LAI, GIAI_THE",
        "representative_person": "person id of the new representative, null for other kinds and before day 1",
        "value_before": "capital in VND, name or status before; null where the log does not say",
        "value_after": "the same afterwards",
    }

    def __init__(self, province: Province) -> None:
        super().__init__(province)
        self.firms: registry.Enterprise = province.table("enterprise")

    @lru_cache(maxsize=3)  # noqa: B019
    def _log(self, day: int) -> _Log:
        """All entries up to the end of a day: history by firm, then day by day."""
        parts = [self._history()]
        number = self.firms.state(0).changes
        number = np.concatenate([number, np.zeros(self.firms.count(day) - len(number), np.int64)])
        for each in range(1, day + 1):
            change = self.firms.changes_of(each)
            number[change.ids] += 1
            moment = each * DAY + change.second
            parts.append(_Log(change.ids, number[change.ids], change.kind, moment, change.before, change.after))
        return _Log(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _history(self) -> _Log:
        """Changes up to day 0: spread evenly between the first registration and the last change of each firm."""
        state = self.firms.state(0)
        ids = np.arange(self.firms.stock)
        owner = np.repeat(ids, state.changes)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(state.changes) - state.changes, state.changes) + 1
        registered, changed = self.firms.registered(ids)[owner], state.changed[owner]
        # Records moved on 1 July 2025 were not changed then: their last change lies before it.
        moved = changed == registry.MERGER * DAY
        part = number / (state.changes[owner] + moved)
        day = (registered + ((changed - registered) * part).astype(np.int64)) // DAY
        mixed = owner * BIG + number
        moment = day * DAY + self.chance.integer("enterprise_change.second", mixed, OPEN, CLOSE)
        moment = np.where((number == state.changes[owner]) & ~moved, changed, np.clip(moment, registered, changed))
        kind = self.chance.pick("enterprise_change.kind", mixed, (25, 20, 25, 30))
        nothing = np.full(len(owner), -1)
        return _Log(owner, number, kind, moment, nothing, nothing)

    def count(self, day: int) -> int:
        """Entries up to a day."""
        return len(self._log(max(day, 0)).owner)

    def touched(self, day: int) -> Ints:
        """The day's entries; what is entered is never changed."""
        return np.arange(self.count(day - 1), self.count(day)) if day > 0 else np.empty(0, np.int64)

    def rows(self, ids: Ids, day: int) -> Any:
        """Entries of the log."""
        ids = np.asarray(ids, np.int64)
        owner, number, kind, moment, before, after = (column[ids] for column in self._log(max(day, 0)))
        told = (kind == registry.REPRESENTATIVE) & (after >= 0)
        return pa.table(
            {
                "id": ids,
                "enterprise": owner,
                "enterprise_code": _by_firm(self.firms, owner),
                "change_no": number,
                "changed_at": to_timestamp(moment // DAY, moment % DAY),
                "kind": words(registry.KINDS, kind),
                "representative_person": pa.array(after, mask=~told),
                "value_before": self._text(kind, before),
                "value_after": self._text(kind, after),
            }
        )

    def _text(self, kind: Ints, value: Ints) -> Any:
        known = value >= 0
        capital, person = known & (kind == registry.CAPITAL), known & (kind == registry.REPRESENTATIVE)
        status = known & ~capital & ~person
        named = self.province.people.names(np.where(person, value, 0))
        return pc.case_when(
            pc.make_struct(capital, person, status),
            padded(np.maximum(value, 0), 0),
            named,
            words(registry.STATUSES, np.where(status, value, 0)),
        )


def _by_firm(firms: registry.Enterprise, owner: Ints) -> Any:
    """Enterprise codes of many rows, each firm's made once."""
    distinct, at = np.unique(owner, return_inverse=True)
    return firms.codes(distinct).take(pa.array(at))
