"""Services behind the LGSP gateway: JSON records, page by page, changes since a moment or everything.

Purpose: hand over every record changed since the cursor, or every record there is, exactly as received, one per line.
Belongs here: paging by moment, which loses nothing while the data move. Stays out: paging by number (`pages`), HTTP,
tokens and retries (`wire`), the reading of kept lines (`jsonl`), any judgement on a value.

Paging. The service orders records by moment of change, and a record that changes moves to the end: with plain page
numbers every such move shifts another record over a page border, and it is never seen. So the next page is asked for by
moment instead of by number: the window starts again at the last moment seen, and what was already received there is
skipped. Page numbers are used only within one moment that fills more than a page; such a window is read again until it
brings nothing new. Where the contract names no moment, all pages are read by number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import IO, Any

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import LOCAL, Delivery, Seen, joined
from orchestration.sources.lgsp_client import Client
from orchestration.sources.pages import RESTARTS, Page, Pages, extra_fields, key_of, refuse_missing, restless, spooled

BEGINNING = "19000101000000"  # `tuNgay` of a first load
MOMENT = "%Y%m%d%H%M%S"
#: A moment further ahead of our clock is a mistake: as a cursor it would hide all that really changes until then.
AHEAD = timedelta(days=366)


def open_lgsp(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """One delivery of encoding json (NDJSON): the records changed since the cursor, or all where the contract has none.

    The cursor is the greatest moment of change seen, yyyyMMddHHmmss.
    """
    with Client(contract.source, env) as client:
        delivery = Delivery(client.path, datetime.now(LOCAL), "json", (), ())
        if contract.cursor_column is None:
            delivery.chunks = spooled(lambda out: _everything(contract, client, delivery, out))
        else:
            feed = _Feed(contract, client, cursor)

            def records() -> Iterator[bytes]:
                yield from joined(feed.lines())
                delivery.extra = extra_fields(contract, feed.fields)

            delivery.chunks, delivery.cursor_after = records(), lambda: feed.latest
        yield delivery


def probe_lgsp(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Log in, ask for one record and compare its fields with the contract."""
    with Client(contract.source, env) as client:
        page = client.page(BEGINNING if contract.cursor_column else None, 1, 1)
        lines = [f"Cổng {contract.source.location}: đăng nhập được", f"{client.path}: {page.total} bản ghi"]
        if page.records:
            refuse_missing(contract, tuple(page.records[0]), client.path)
            lines.append(Seen(f"Đủ {len(contract.columns)} trường của hợp đồng"))
        return lines


def _everything(contract: Contract, client: Client, delivery: Delivery, out: IO[bytes]) -> None:
    """All records of all pages as lines."""
    fields: set[str] = set()

    def take(page: Page) -> None:
        fields.update(*page.records)
        out.writelines(page.lines)

    def forget() -> None:
        out.seek(0)
        out.truncate()

    Pages(lambda number, size: client.page(None, number, size), client.size, key_of(contract), client.path).read(
        take, forget
    )
    delivery.extra = extra_fields(contract, fields)


@dataclass
class _Feed:
    """The records since the cursor, each once, and what was learnt on the way."""

    contract: Contract
    client: Client
    cursor: str | None
    latest: str | None = None
    fields: set[str] = field(default_factory=set)
    horizon: str = ""

    def __post_init__(self) -> None:
        self.latest = self.cursor
        self.horizon = (datetime.now(LOCAL) + AHEAD).strftime(MOMENT)
        name = self.contract.cursor_column or ""
        self.moment_field = self.contract.column(name).source_name

    def lines(self) -> Iterator[bytes]:
        """The lines of the records, those of a page together."""
        since = self._start()
        known: dict[tuple[str, bytes], int] = {}  # (moment, hash) of this window already handed over
        handed, announced, restarts = 0, 0, 0
        while True:
            window = _Window(since)
            for records, page in self._pages(window):
                announced = announced or page.total
                fresh, seen = [], window.seen
                for record, line in zip(records, page.lines, strict=True):
                    seen[record] = times = seen.get(record, 0) + 1
                    if times > known.get(record, 0):
                        known[record] = times
                        fresh.append(line)
                        self._remember(record[0])
                window.fresh += len(fresh)
                handed += len(fresh)
                yield b"".join(fresh)
            unsettled = window.pages > 1 and window.fresh > 0
            if window.incomplete or unsettled:
                restarts += 1
                if restarts > RESTARTS:
                    raise restless(self.client.path)
                continue
            if window.next_since is None:
                break
            since, restarts = window.next_since, 0
            # Only what lies at the new start, or has no moment, can come again.
            known = {record: n for record, n in known.items() if not record[0] or record[0] >= since}
        if handed < announced:
            raise restless(self.client.path)

    def _pages(self, window: _Window) -> Iterator[tuple[list[tuple[str, bytes]], Page]]:
        """The pages of one window, until it is complete or a later moment is reached, which the window remembers."""
        received = 0
        while True:
            window.pages += 1
            page = self.client.page(window.since, window.pages)
            window.incomplete = window.total not in (None, page.total) or (not page.records and received < page.total)
            window.total = page.total
            if window.incomplete or not page.records:
                return
            received += len(page.records)
            self.fields.update(*page.records)
            records = [
                (self._moment(record), blake2b(line, digest_size=16).digest())
                for record, line in zip(page.records, page.lines, strict=True)
            ]
            yield records, page
            if received >= page.total:
                return
            moments = [moment for moment, _ in records if moment]
            if moments != sorted(moments):
                raise KhoError(
                    "protocol",
                    f"{self.client.path}: bản ghi không xếp theo {self.moment_field}",
                    f"{self.client.path}: records are not ordered by {self.moment_field}",
                    {"file": self.client.path, "column": self.moment_field},
                )
            if moments and moments[-1] > window.since:
                window.next_since = moments[-1]
                return

    def _start(self) -> str:
        if self.cursor is None:
            return BEGINNING
        return (datetime.strptime(self.cursor, MOMENT) - self.contract.cursor_lookback).strftime(MOMENT)

    def _moment(self, record: Mapping[str, Any]) -> str:
        """The moment of change of a record, "" when it is not one: such a record is handed on but moves no cursor."""
        value = record.get(self.moment_field)
        if not isinstance(value, str) or len(value) != 14 or not value.isdecimal() or value > self.horizon:
            return ""
        try:
            datetime.fromisoformat(f"{value[:8]}T{value[8:]}")  # forty times as fast as strptime
        except ValueError:
            return ""
        return value

    def _remember(self, moment: str) -> None:
        if moment and (self.latest is None or moment > self.latest):
            self.latest = moment


@dataclass
class _Window:
    """One reading of the records since a moment."""

    since: str
    pages: int = 0
    fresh: int = 0
    total: int | None = None
    incomplete: bool = False
    next_since: str | None = None
    seen: dict[tuple[str, bytes], int] = field(default_factory=dict)
