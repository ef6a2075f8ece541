"""Stories of one dataset: what happens at the source, what is delivered, and the comparison of warehouse and oracle after it.

Here belongs playing a story through `orchestration.landing.land`. Generating stories stays out (tests, soak).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg import sql

from orchestration import settings
from orchestration.contracts import Contract
from orchestration.landing import Receipt, confirm, land
from orchestration.landing.keep import kept_stream
from orchestration.sources import Delivery

from .cluster import rows
from .oracle import Counts, LandingOracle, Sent
from .samples import (
    NIGHT,
    START,
    Cell,
    Row,
    binary_bytes,
    blemishes,
    contract,
    csv_bytes,
    in_chunks,
    key_cells,
    keyless_cells,
    sample_columns,
    shade_cells,
)

INITIAL_KEYS = 12


@dataclass(frozen=True)
class Edit:
    """A change at the source: set, twin (identical row), rival (another row of the key), remove, keyless, tidy."""

    what: str
    key: int = 0
    shade: int = 0
    blemish: str = ""


@dataclass(frozen=True)
class Step:
    """Edits, then: deliver, again (same bytes), back (an earlier delivery's rows), older, half (most keys gone), garbage, confirm."""

    action: str = "deliver"
    edits: tuple[Edit, ...] = ()
    hash_known: bool = False
    shuffled: int = 0
    extra: bool = False


@dataclass(frozen=True)
class Story:
    cursor: bool = False
    formats: bool = False
    composite: bool = False
    binary: bool = False
    steps: tuple[Step, ...] = ()


@dataclass
class _Spec:
    """A row at the source."""

    key: int
    shade: int
    blemish: str
    stamp: int


@dataclass
class Parcel:
    """What was sent once, so that it can be sent again, also by another process."""

    sent: Sent
    encoding: str
    content: bytes
    columns: tuple[str | None, ...]
    extra: tuple[str, ...]
    keys: bytes | None
    newest: int

    def delivery(self) -> Delivery:
        """The delivery as its reader hands it over."""
        return Delivery(
            name="sample.csv",
            as_of=START + timedelta(days=self.sent.as_of),
            encoding=self.encoding,
            chunks=in_chunks(self.content),
            columns=self.columns,
            extra=self.extra,
            sha256=hashlib.sha256(self.content).hexdigest() if self.sent.hash_known else None,
            cursor_after=lambda: str(self.newest),
            keys=None if self.keys is None else in_chunks(self.keys),
        )


@dataclass
class Player:
    """Plays one story on a dataset of its own; every `play` asserts that the warehouse is what the oracle says."""

    story: Story
    made: Contract = field(init=False)
    oracle: LandingOracle = field(init=False)

    def __post_init__(self) -> None:
        story = self.story
        columns = sample_columns(composite=story.composite, formats=story.formats, cursor=story.cursor)
        self.made = contract(columns, delivery="cursor" if story.cursor else "snapshot")
        self.names = tuple(c.name for c in columns)
        self.oracle = LandingOracle(
            self.made.key,
            self.names,
            snapshot=not story.cursor,
            stamp="stamp" if story.cursor else None,
            header=0 if story.binary else 1,
        )
        self.blemishes = blemishes(formats=story.formats)
        self.source: dict[int, list[_Spec]] = {key: [_Spec(key, 0, "", 0)] for key in range(INITIAL_KEYS)}
        self.keyless: list[_Spec] = []
        self.clock = 0
        self.day = 0
        self.cursor = -1
        self.history: list[Parcel] = []
        self.waiting: tuple[int, Parcel] | None = None
        self.before: dict[tuple[Any, ...], tuple[str, str]] = {}

    def run(self) -> None:
        for step in self.story.steps:
            self.play(step)

    # -- the source -------------------------------------------------------------------------------------------------------

    def edit(self, edit: Edit) -> None:
        self.clock += 1
        spec = _Spec(edit.key, edit.shade, edit.blemish, self.clock)
        present = self.source.get(edit.key)
        if edit.what == "set":
            self.source[edit.key] = [spec]
        elif edit.what == "twin" and present:
            present.append(present[-1])
        elif edit.what == "rival" and present:
            # In a cursor feed an odd shade makes it newer than what it contradicts; an even one leaves them tied.
            present.append(replace(spec, stamp=self.clock if edit.shade % 2 else present[-1].stamp))
        elif edit.what == "remove":
            self.source.pop(edit.key, None)
        elif edit.what == "keyless":
            self.keyless.append(replace(spec, blemish=""))
        elif edit.what == "tidy":
            self.keyless.clear()
            for key, specs in self.source.items():
                self.source[key] = [replace(specs[-1], blemish="", stamp=self.clock)]

    def _row(self, spec: _Spec, *, keyless: bool) -> Row:
        story = self.story
        cells: dict[str, Cell] = dict(shade_cells(spec.shade, formats=story.formats))
        name, cell = self.blemishes.get(spec.blemish, ("", Cell(None, None)))
        if name and not (
            story.binary and cell.breaks == "type"
        ):  # a typed source cannot hold a value of the wrong type
            cells[name] = cell
        cells |= (
            keyless_cells(spec.key, composite=story.composite)
            if keyless
            else key_cells(spec.key, composite=story.composite)
        )
        if story.cursor:
            moment = START + timedelta(minutes=spec.stamp)
            cells["stamp"] = Cell(moment.isoformat(), moment)
        return cells

    def _key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name].value for name in self.made.key)

    def _make(self, step: Step) -> Parcel:
        story = self.story
        specs = [(spec, False) for specs in self.source.values() for spec in specs] + [
            (spec, True) for spec in self.keyless
        ]
        if story.cursor:
            specs = [(spec, keyless) for spec, keyless in specs if spec.stamp >= self.cursor]
        found = [self._row(spec, keyless=keyless) for spec, keyless in specs]
        random.Random(step.shuffled).shuffle(found)
        order = list(self.names)
        if not story.binary:
            random.Random(step.shuffled).shuffle(order)
        extra = ("Ghi chú thêm",) if step.extra and not story.binary else ()
        keys = None
        key_content = None
        if story.cursor and self.oracle.loaded:
            all_rows = [self._row(specs[-1], keyless=False) for specs in self.source.values()]
            keys = frozenset(self._key(row) for row in all_rows)
            key_columns = [self.made.column(name) for name in self.made.key]
            key_content = (
                binary_bytes(key_columns, all_rows)
                if story.binary
                else csv_bytes(self.made.key, all_rows, header=False)
            )
        content = binary_bytes(self.made.columns, found) if story.binary else csv_bytes(order, found, extra=extra)
        sent = Sent(found, self.day, content, keys, step.hash_known)
        newest = max((spec.stamp for spec, _ in specs), default=self.cursor)
        encoding = "binary" if story.binary else "csv"
        return Parcel(sent, encoding, content, tuple(order) + (None,) * len(extra), extra, key_content, newest)

    # -- a step -----------------------------------------------------------------------------------------------------------

    def play(self, step: Step) -> None:
        """One step, landed in this process."""
        if step.action == "confirm":
            self.day += 1
            if self.waiting is not None:
                self._confirm(*self.waiting)
            return
        parcel = self.prepare(step)
        receipt = land(self.made, parcel.delivery(), night=NIGHT)
        self.check(receipt, self.settle(parcel, receipt.delivery_id))

    def prepare(self, step: Step) -> Parcel:
        """What happens at the source, and what it hands over then."""
        for edit in step.edits:
            self.edit(edit)
        self.day += 1
        action = step.action
        if action == "again" and self.history:
            parcel = self.history[-1]
        elif action == "back" and len(self.history) > 1 and not self.story.cursor:
            parcel = self.history[step.shuffled % len(self.history)]
        elif action == "half":
            for key in list(self.source)[::2]:
                del self.source[key]
            parcel = self._make(step)
        else:
            parcel = self._make(step)
        if action == "garbage" and not self.story.binary:
            broken = parcel.content + b"mot,hai\n"
            parcel = replace(parcel, content=broken, sent=replace(parcel.sent, unreadable=True, identity=broken))
        as_of = self.day - 3 if action == "older" else self.day
        return replace(parcel, sent=replace(parcel.sent, as_of=as_of, hash_known=step.hash_known))

    def settle(self, parcel: Parcel, delivery: int) -> Counts:
        """Tell the oracle that the parcel arrived; `delivery` is the number of its receipt."""
        counts = self.oracle.land(parcel.sent, delivery)
        if counts.outcome == "applied":
            self.cursor = parcel.newest
            self.history.append(parcel)
            self.waiting = None
        elif counts.outcome == "waiting" and (self.waiting is None or self.waiting[0] != delivery):
            self.waiting = (delivery, parcel)
        return counts

    def _confirm(self, delivery: int, parcel: Parcel) -> None:
        self.waiting = None
        receipt = confirm(self.made, delivery, by="Nguyễn Văn Thử", night=NIGHT)
        counts = self.oracle.land(replace(parcel.sent, confirmed=True, hash_known=False), receipt.delivery_id)
        if counts.outcome == "applied":
            self.history.append(parcel)
        self.check(receipt, counts)

    # -- the comparison ---------------------------------------------------------------------------------------------------

    def check(self, receipt: Receipt, counts: Counts) -> None:
        """The receipt, the warehouse and the untouched rows against the oracle."""
        told = {name: getattr(receipt, name) for name in counts.__dataclass_fields__}
        assert told == vars(counts)
        if counts.outcome == "applied":
            assert receipt.received == receipt.accepted + receipt.quarantined + receipt.duplicates
        compare(self.made, self.oracle)
        self._compare_untouched(receipt.delivery_id if counts.outcome == "applied" else None)

    def _compare_untouched(self, delivery: int | None) -> None:
        """Rows that this delivery did not change are the same versions on the same places as before."""
        after = placed(self.made)
        for key, place in self.before.items():
            if self.oracle.raw[key].delivery != delivery:
                assert after[key] == place, "an unchanged row has been rewritten"
        self.before = after


def placed(made: Contract) -> dict[tuple[Any, ...], tuple[str, str]]:
    """Key -> (ctid, xmin) of every row of raw."""
    if not _exists(made):
        return {}
    key = sql.SQL(", ").join(map(sql.Identifier, made.key))
    found = rows(sql.SQL("select ctid::text, xmin::text, {} from {}").format(key, sql.Identifier("raw", made.table)))
    return {tuple(row[2:]): (row[0], row[1]) for row in found}


def _exists(made: Contract) -> bool:
    return rows("select to_regclass(%s)", (f"raw.{made.table}",)) != [(None,)]


def raw_rows(made: Contract) -> dict[tuple[Any, ...], tuple[tuple[Any, ...], int, bool]]:
    """Key -> (values in the order of the contract, _delivery, _deleted)."""
    if not _exists(made):
        return {}
    names = [c.name for c in made.columns]
    columns = sql.SQL(", ").join(map(sql.Identifier, [*made.key, *names, "_delivery", "_deleted"]))
    size = len(made.key)
    found = rows(sql.SQL("select {} from {}").format(columns, sql.Identifier("raw", made.table)))
    return {tuple(row[:size]): (tuple(row[size:-2]), row[-2], row[-1]) for row in found}


def compare(made: Contract, oracle: LandingOracle, *, orphans: bool = False) -> None:
    """Raw, quarantine, receipts and kept bytes against the oracle; `orphans` allows kept bytes without a receipt."""
    assert raw_rows(made) == {key: (held.values, held.delivery, held.deleted) for key, held in oracle.raw.items()}
    assert _quarantine(made) == _expected_quarantine(made, oracle)
    receipts = rows(
        "select delivery_id, outcome, received, accepted, quarantined, duplicates, inserted, updated, deleted, unchanged, kept_path, sha256, size_bytes"
        " from kho.delivery where dataset = %s order by 1",
        (made.id,),
    )
    assert [row[:10] for row in receipts] == [
        (number, *vars(counts).values()) for number, counts in sorted(oracle.receipts.items())
    ]
    for row in receipts:
        content = b"".join(kept_stream(settings.home() / row[10]))
        assert (hashlib.sha256(content).digest(), len(content)) == (row[11], row[12])
    folder = settings.kept_folder() / made.agency / made.dataset
    kept = {path.name.split(".")[0] for path in folder.iterdir()} if folder.exists() else set()
    named = {Path(row[10]).name.split(".")[0] for row in receipts}
    assert kept >= named if orphans else kept == named
    scratch = rows(
        "select relname from pg_class where relnamespace = 'raw'::regnamespace and relname ~ '^_' and relkind = 'r'"
    )
    assert scratch == []


def _quarantine(made: Contract) -> list[tuple[Any, ...]]:
    found = rows(
        "select r.delivery_id, r.row_number, r.key, r.state, r.closed_by,"
        " array(select row(p.code, p.column_name)::text from quarantine.problem p where p.quarantine_id = r.quarantine_id)"
        " from quarantine.row r where r.dataset = %s",
        (made.id,),
    )
    return sorted(
        (d, n, _sorted(key), state, by or 0, tuple(sorted(problems))) for d, n, key, state, by, problems in found
    )


def _expected_quarantine(made: Contract, oracle: LandingOracle) -> list[tuple[Any, ...]]:
    found = []
    for row in oracle.quarantine:
        key = None if row.key is None else {name: str(part) for name, part in zip(made.key, row.key, strict=True)}
        problems = tuple(
            sorted(f'({code},"{name}")' if "," in name else f"({code},{name})" for code, name in row.problems)
        )
        found.append((row.delivery, row.row_number, _sorted(key), row.state, row.closed_by or 0, problems))
    return sorted(found)


def _sorted(key: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(key.items())) if key else ()
