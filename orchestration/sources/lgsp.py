"""National services behind the LGSP gateway: JSON records, page by page, changes since a moment.

Purpose: hand over every record changed since the cursor, exactly as received, one per line, and read the kept lines
into text for COPY. Belongs here: paging that loses nothing while the data move, and the reading of records.
Stays out: HTTP, tokens and retries (`lgsp_client`), any judgement on a value.

Paging. The service orders records by moment of change, and a record that changes moves to the end: with plain page
numbers every such move shifts another record over a page border, and it is never seen. So the next page is asked for by
moment instead of by number: the window starts again at the last moment seen, and what was already received there is
skipped. Page numbers are used only within one moment that fills more than a page; such a window is read again until it
brings nothing new.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.contracts.columns import fold
from orchestration.contracts.model import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import LOCAL, Delivery, copy_columns, copy_text, header_index, joined
from orchestration.sources.lgsp_client import Client

BEGINNING = "19000101000000"  # `tuNgay` of a first load
MOMENT = "%Y%m%d%H%M%S"
RESTARTS = 5  # times one window is read again before the data are called too restless


def open_lgsp(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """One delivery of encoding json (NDJSON). The cursor is the greatest moment of change seen, yyyyMMddHHmmss."""
    with Client(contract.source, env) as client:
        feed = _Feed(contract, client, cursor)
        delivery = Delivery(
            name=client.path,
            as_of=datetime.now(LOCAL),
            encoding="json",
            chunks=(),
            columns=copy_columns(contract, ()),
            cursor_after=lambda: feed.latest,
        )

        def records() -> Iterator[bytes]:
            yield from joined(f"{line}\n".encode("utf-8", "replace") for line in feed.lines())
            delivery.extra = feed.extra()

        delivery.chunks = records()
        yield delivery


def probe_lgsp(contract: Contract, env: Mapping[str, str]) -> list[str]:
    with Client(contract.source, env) as client:
        page = client.page(BEGINNING, 1, 1)
        lines = [f"Cổng {contract.source.location}: đăng nhập được", f"{client.path}: {page.total} bản ghi"]
        if page.records:
            index = header_index(contract)
            found = {index.get(fold(name)) for name in page.records[0]}
            missing = [column.source_name for column in contract.columns if column.name not in found]
            if missing:
                raise KhoError(
                    "schema_drift",
                    f"{client.path}: thiếu trường {', '.join(missing)}",
                    f"{client.path}: missing fields {', '.join(missing)}",
                    {"file": client.path, "column": ", ".join(missing), "rule": "schema_drift"},
                )
            lines.append(f"Đủ {len(contract.columns)} trường của hợp đồng")
        return lines


@dataclass
class _Feed:
    """The records since the cursor, each once, and what was learnt on the way."""

    contract: Contract
    client: Client
    cursor: str | None
    latest: str | None = None
    fields: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.latest = self.cursor
        name = self.contract.cursor_column or ""
        self.moment_field = self.contract.column(name).source_name

    def lines(self) -> Iterator[str]:
        since = self._start()
        known: Counter[tuple[str, str]] = Counter()  # (moment, record) of this window already handed over
        handed, announced, restarts = 0, 0, 0
        while True:
            window = _Window(since)
            for records, total in self._pages(window):
                announced = announced or total
                for record in records:
                    window.seen[record] += 1
                    if window.seen[record] > known[record]:
                        known[record] += 1
                        window.fresh += 1
                        handed += 1
                        moment, line = record
                        self._remember(moment)
                        yield line
            unsettled = window.pages > 1 and window.fresh > 0
            if window.incomplete or unsettled:
                restarts += 1
                if restarts > RESTARTS:
                    raise self._restless()
                continue
            if window.next_since is None:
                break
            since, restarts = window.next_since, 0
            # Only what lies at the new start, or has no moment, can come again.
            known = Counter({record: n for record, n in known.items() if not record[0] or record[0] >= since})
        if handed < announced:
            raise self._restless()

    def extra(self) -> tuple[str, ...]:
        """Fields the contract does not have."""
        index = header_index(self.contract)
        return tuple(sorted(name for name in self.fields if fold(name) not in index))

    def _pages(self, window: _Window) -> Iterator[tuple[list[tuple[str, str]], int]]:
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
            records = []
            for record in page.records:
                self.fields.update(record)
                line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
                records.append((self._moment(record), line))
            yield records, page.total
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
        if not isinstance(value, str) or len(value) != 14 or not value.isdigit():
            return ""
        try:
            datetime.strptime(value, MOMENT)
        except ValueError:
            return ""
        return value

    def _remember(self, moment: str) -> None:
        if moment and (self.latest is None or moment > self.latest):
            self.latest = moment

    def _restless(self) -> Transient:
        return Transient(
            "count",
            f"{self.client.path}: số bản ghi nhận được không khớp tổng số hệ thống báo",
            f"{self.client.path}: the records received do not add up to the total the service tells",
            {"file": self.client.path, "rule": "count"},
        )


@dataclass
class _Window:
    """One reading of the records since a moment."""

    since: str
    pages: int = 0
    fresh: int = 0
    total: int | None = None
    incomplete: bool = False
    next_since: str | None = None
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)


def parse_records(contract: Contract, path: Path) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """(`_row`, the contract columns and the fields it does not have, CSV text).

    A field that a record lacks is empty, so that the required rule tells it. KhoError `file_format` with the line.
    """
    fields: dict[str, None] = {}
    for record in _records(path):
        fields.update(dict.fromkeys(record))
    index = header_index(contract)
    extra = [name for name in fields if fold(name) not in index]
    positions = {column.name: n for n, column in enumerate(contract.columns, 1)}
    targets = {name: positions[index[fold(name)]] for name in fields if fold(name) in index}
    targets.update((name, n) for n, name in enumerate(extra, 1 + len(contract.columns)))
    return copy_columns(contract, extra), copy_text(
        _rows(contract, path, targets, 1 + len(contract.columns) + len(extra))
    )


def _rows(contract: Contract, path: Path, targets: Mapping[str, int], width: int) -> Iterator[list[str]]:
    booleans = {n for n, column in enumerate(contract.columns, 1) if column.format == "True/False"}
    for number, record in enumerate(_records(path), 1):
        row = [str(number)] + [""] * (width - 1)
        for name, value in record.items():
            position = targets[name]
            row[position] = value.strip() if isinstance(value, str) else _text(value, position in booleans)
        yield row


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """The kept records; numbers stay the text they were."""
    decode = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str).decode
    with path.open(encoding="utf-8", newline="\n") as stream:
        for number, line in enumerate(stream, 1):
            yield _record(decode, line, path, number)


def _record(decode: Any, line: str, path: Path, number: int) -> dict[str, Any]:
    record = None
    try:
        record = decode(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise KhoError(
            "file_format",
            f"{path.name}: dòng {number} không phải một bản ghi JSON",
            f"{path.name}: line {number} is not a JSON record",
            {"file": path.name, "row": number},
        )
    return record


def _text(value: Any, is_true_false: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value) if is_true_false else str(value).lower()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
