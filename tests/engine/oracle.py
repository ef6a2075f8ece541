"""What landing must do, said once more in Python over dictionaries: an oracle that shares no code with the engine.

Here belongs the meaning of a delivery: accepted, quarantined, duplicate, inserted, updated, deleted, waiting, refused.
How bytes look stays out (`samples`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .samples import Row

Key = tuple[Any, ...]


@dataclass
class Held:
    """A row of raw: its values, the delivery that last changed it, whether it is a tombstone."""

    values: tuple[Any, ...]
    delivery: int
    deleted: bool = False


@dataclass
class Locked:
    """A row in quarantine. `problems` are (code, column); key None: unusable."""

    delivery: int
    row_number: int
    key: Key | None
    problems: frozenset[tuple[str, str]]
    state: str = "open"
    closed_by: int | None = None


@dataclass
class Sent:
    """A delivery as the source means it. `identity` stands for the bytes; `as_of` is a day number; keys None: no key check."""

    rows: Sequence[Row]
    as_of: int
    identity: object
    keys: frozenset[Key] | None = None
    hash_known: bool = False
    unreadable: bool = False
    confirmed: bool = False


@dataclass
class Counts:
    """Outcome and counts of a receipt, in rows."""

    outcome: str
    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0


@dataclass
class _Split:
    good: dict[Key, tuple[Any, ...]] = field(default_factory=dict)
    locked: list[Locked] = field(default_factory=list)
    duplicates: int = 0


class LandingOracle:
    """State of one dataset. `stamp` names the cursor column of a cursor feed; `header` is the number of header rows."""

    def __init__(
        self, key: Sequence[str], names: Sequence[str], *, snapshot: bool, stamp: str | None = None, header: int = 1
    ) -> None:
        self.key, self.names, self.snapshot, self.stamp, self.header = tuple(key), tuple(names), snapshot, stamp, header
        self.raw: dict[Key, Held] = {}
        self.quarantine: list[Locked] = []
        self.receipts: dict[int, Counts] = {}
        self.loaded = False
        self.last_identity: object = None
        self.last_as_of: int | None = None

    @property
    def live(self) -> dict[Key, Held]:
        return {key: held for key, held in self.raw.items() if not held.deleted}

    def land(self, sent: Sent, delivery: int) -> Counts:
        """What becomes of `sent`; `delivery` is the number of its receipt, should it get one."""
        same = self.loaded and sent.identity == self.last_identity and sent.keys is None and not sent.confirmed
        if same and sent.hash_known:
            return self._unchanged(sent, 0)
        if self.snapshot and self.last_as_of is not None and sent.as_of < self.last_as_of:
            return self._receipt(delivery, Counts("refused"))
        if sent.unreadable:
            return self._receipt(delivery, Counts("refused"))
        if same:
            return self._unchanged(sent, 0)
        split = self._split(sent.rows, delivery)
        counts, gone = self._count(sent, split)
        if gone and not sent.confirmed and 5 * len(gone) > len(self.live):
            return self._receipt(delivery, Counts("waiting", received=counts.received))
        leaves = self._leaving(split)
        still = (
            self.loaded
            and not self.snapshot
            and not (counts.inserted or counts.updated or counts.deleted or split.locked or leaves)
        )
        if still:
            return self._unchanged(sent, counts.received)
        self._apply(split, gone, leaves, delivery)
        self.loaded, self.last_identity, self.last_as_of = True, sent.identity, sent.as_of
        return self._receipt(delivery, counts)

    def _unchanged(self, sent: Sent, received: int) -> Counts:
        if self.snapshot and self.last_as_of is not None:
            self.last_as_of = max(self.last_as_of, sent.as_of)
        return Counts("unchanged", received=received, unchanged=received)

    def _receipt(self, delivery: int, counts: Counts) -> Counts:
        self.receipts[delivery] = counts
        return counts

    def _split(self, rows: Sequence[Row], delivery: int) -> _Split:
        split = _Split()
        groups: dict[Key, list[tuple[int, Row]]] = defaultdict(list)
        for number, row in enumerate(rows, 1 + self.header):
            broken = frozenset((cell.breaks, name) for name, cell in row.items() if cell.breaks)
            key = tuple(row[name].value for name in self.key)
            if broken:
                usable = not any(row[name].breaks for name in self.key)
                split.locked.append(Locked(delivery, number, key if usable else None, broken))
            else:
                groups[key].append((number, row))
        for key, group in groups.items():
            top = group
            if self.stamp is not None:
                newest = max(row[self.stamp].value for _, row in group)
                top = [(number, row) for number, row in group if row[self.stamp].value == newest]
            contents = [tuple(row[name].value for name in self.names) for _, row in top]
            if any(content != contents[0] for content in contents):
                conflict = frozenset({("conflict", ", ".join(self.key))})
                split.locked += [Locked(delivery, number, key, conflict) for number, _ in group]
            else:
                split.good[key] = contents[0]
                split.duplicates += len(group) - 1
        return split

    def _count(self, sent: Sent, split: _Split) -> tuple[Counts, set[Key]]:
        live = self.live
        kept = {locked.key for locked in split.locked if locked.key is not None}
        withheld = any(locked.key is None for locked in split.locked)
        gone: set[Key] = set()
        if not self.loaded:
            pass
        elif self.snapshot:
            gone = set() if withheld else live.keys() - split.good.keys() - kept
        elif sent.keys is not None:
            gone = live.keys() - sent.keys - split.good.keys() - kept
        inserted = sum(key not in live for key in split.good)
        updated = sum(key in live and live[key].values != values for key, values in split.good.items())
        accepted, quarantined = len(split.good), len(split.locked)
        counts = Counts(
            "applied", accepted + quarantined + split.duplicates, accepted, quarantined, split.duplicates, inserted, updated, len(gone),
            accepted - inserted - updated,
        )  # fmt: skip
        return counts, gone

    def _leaving(self, split: _Split) -> list[tuple[Locked, str]]:
        """Rows that leave quarantine, and how."""
        again = {locked.key for locked in split.locked}
        leaving = []
        for old in self.quarantine:
            if old.state == "open" and old.key is not None and old.key in split.good:
                leaving.append((old, "resolved"))
            elif old.state == "open" and (self.snapshot or (old.key is not None and old.key in again)):
                leaving.append((old, "superseded"))
        return leaving

    def _apply(self, split: _Split, gone: set[Key], leaves: list[tuple[Locked, str]], delivery: int) -> None:
        for old, state in leaves:
            old.state, old.closed_by = state, delivery
        self.quarantine += split.locked
        for key in gone:
            self.raw[key].deleted, self.raw[key].delivery = True, delivery
        for key, values in split.good.items():
            held = self.raw.get(key)
            if held is None or held.deleted or held.values != values:
                self.raw[key] = Held(values, delivery)
