"""Services behind X-Road security servers: records of a range of days, page by page, or all of them.

Purpose: hand over every record since the day of the cursor, or every record there is, one per line. Belongs here: ranges of
days, pages, what the service's own codes mean. Stays out: messages (`xroad_messages`), paging (`pages`), retries (`wire`).

A first load may be millions of records and days long, so a range is halved by days until it is small: what moves meanwhile
goes to a later day, and only the range it left is read anew.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import IO
from urllib.parse import urlsplit

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError
from orchestration.sources.delivery import LOCAL, Delivery, Seen, expand
from orchestration.sources.pages import (
    Page,
    Pages,
    extra_fields,
    key_of,
    lines_of,
    refuse_missing,
    spooled,
    unusable_cursor,
)
from orchestration.sources.wire import Again, Wire, judge, retried
from orchestration.sources.xroad_messages import answer, described, parties, request

PAGE_SIZE = 500  # as much as services of the agencies allow
SMALL = 20_000  # records of a range of days that is read in one go
FIRST, LAST = date(1900, 1, 1), date(2199, 12, 31)
#: A day further ahead of our clock is a mistake: as a cursor it would hide all that really changes until then.
AHEAD = timedelta(days=366)
OK, BUSY = "00", "99"
_XML = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
_YEAR_FIRST = re.compile(r"((?:19|2\d)\d\d)-?(\d\d)-?(\d\d)")
_DAY_FIRST = re.compile(r"(\d\d?)/(\d\d?)/((?:19|2\d)\d\d)")

Days = tuple[date, date]


def open_xroad(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """One delivery of encoding json (NDJSON). The cursor is the last day of change seen, yyyyMMdd; that day is asked for again.

    Without a cursor column in the contract all records there are.
    """
    with _Client(contract, env) as client:
        client.describe()
        delivery = Delivery(client.code, datetime.now(LOCAL), "json", (), ())
        reading = _Reading(contract, client, cursor)

        def fill(out: IO[bytes]) -> None:
            reading.read(out)
            delivery.extra = extra_fields(contract, reading.fields)

        delivery.chunks = spooled(fill)
        if contract.cursor_column is not None:
            delivery.cursor_after = lambda: reading.latest
        yield delivery


def probe_xroad(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """Read the description, ask for one record, compare the fields with the contract."""
    with _Client(contract, env) as client:
        fields = client.describe()
        page = client.page(None, 1, 1)
        refuse_missing(contract, tuple(page.records[0]) if page.records else fields, client.code)
        return [
            f"Máy chủ an ninh {contract.source.location}: trả lời",
            f"{client.code}: {page.total} bản ghi",
            Seen(f"Đủ {len(contract.columns)} trường của hợp đồng"),
        ]


class _Client:
    """A session with one service."""

    def __init__(self, contract: Contract, env: Mapping[str, str]) -> None:
        options = contract.source.options
        address = expand(contract.source.location, env)
        self._between = parties(expand(options["client"], env), expand(options["service"], env), address)
        self.code = self._between.code
        self.size = int(options.get("page_size", PAGE_SIZE))
        parts = urlsplit(address)
        self._wire, self._path = Wire(f"{parts.scheme}://{parts.netloc}"), parts.path or "/"
        self._namespace = ""

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.__exit__()

    def describe(self) -> tuple[str, ...]:
        """Learn from the description in which namespace the service's messages are; the fields of a record."""

        def ask() -> tuple[str, tuple[str, ...]]:
            return described(self._wire.ask("GET", f"{self._path}?wsdl").body, self.code, self.code)

        self._namespace, fields = retried(self.code, ask)
        return fields

    def page(self, days: Days | None, number: int, size: int) -> Page:
        """Page `number` of the records of some days (both included), of all records without."""
        values = {"Trang": str(number), "KichThuoc": str(size)}
        if days is not None:
            values = {"TuNgay": f"{days[0]:%Y%m%d}", "DenNgay": f"{days[1]:%Y%m%d}", **values}
        return retried(self.code, lambda: self._page(values))

    def _page(self, values: Mapping[str, str]) -> Page:
        number = str(uuid.uuid4())
        sent = request(self._between, number, self._namespace, values)
        reply = self._wire.call("POST", self._path, content=sent, headers=_XML)
        if reply.status != 500 or "xml" not in reply.headers.get("Content-Type", ""):
            judge(reply, self.code)  # technical errors of X-Road itself are SOAP faults with 500
        found = answer(reply.body, sent, self._between, number, self.code)
        code, total = found.values.get("MaLoi", ""), found.values.get("TongSo", "")
        if code == BUSY:
            raise Again(f"MaLoi {code}")
        if code != OK:
            shown = code if re.fullmatch(r"\w{1,10}", code) else "?"
            raise KhoError(
                "service_refused",
                f"{self.code}: hệ thống từ chối yêu cầu (MaLoi {shown})",
                f"{self.code}: the service refused the request (MaLoi {shown})",
                {"file": self.code, "rule": f"MaLoi {shown}"},
            )
        if not total.isdecimal():
            raise KhoError(
                "protocol",
                f"{self.code}: câu trả lời không có TongSo như đã thống nhất",
                f"{self.code}: the answer lacks TongSo as agreed",
                {"file": self.code, "rule": "protocol"},
            )
        return Page(found.records, lines_of(found.records, b"", ""), int(total))


class _Reading:
    """The records since the cursor, each once, and what was learnt on the way."""

    def __init__(self, contract: Contract, client: _Client, cursor: str | None) -> None:
        self.contract, self.client, self.latest = contract, client, cursor
        self.fields: set[str] = set()
        self._moment = contract.column(contract.cursor_column).source_name if contract.cursor_column else None
        self._horizon = f"{datetime.now(LOCAL) + AHEAD:%Y%m%d}"

    def read(self, out: IO[bytes]) -> None:
        """All of it as lines."""
        if self._moment is None:
            self._pages(None, out)
            return
        first = FIRST
        if self.latest is not None:
            # The lookback in whole days: what was entered late on the day of the cursor is asked for in any case.
            back = -(-self.contract.cursor_lookback // timedelta(days=1))
            if not day_of(self.latest):
                raise unusable_cursor("xroad")
            first = datetime.strptime(self.latest, "%Y%m%d").date() - timedelta(days=back)
        self._range((first, LAST), out)

    def _range(self, days: Days, out: IO[bytes]) -> None:
        first, last = days
        if first < last and self.client.page(days, 1, 1).total > SMALL:
            middle = first + (last - first) // 2
            self._range((first, middle), out)
            self._range((middle + timedelta(days=1), last), out)
        else:
            self._pages(days, out)

    def _pages(self, days: Days | None, out: IO[bytes]) -> None:
        begin, latest = out.tell(), self.latest

        def take(page: Page) -> None:
            self.fields.update(*page.records)
            self._remember(page)
            out.writelines(page.lines)

        def forget() -> None:
            out.seek(begin)
            out.truncate()
            self.latest = latest

        client = self.client
        pages = Pages(lambda n, size: client.page(days, n, size), client.size, key_of(self.contract), client.code)
        pages.read(take, forget)

    def _remember(self, page: Page) -> None:
        """The last day of change, by what can be read; a record without one is handed on and moves no cursor."""
        if self._moment is None:
            return
        days = [day_of(str(record.get(self._moment) or "")) for record in page.records]
        self.latest = max((day for day in (*days, self.latest) if day and day <= self._horizon), default=None)


def day_of(moment: str) -> str:
    """The day of a moment as services write it (yyyyMMdd…, yyyy-MM-dd…, dd/MM/yyyy…) as yyyyMMdd; "" where it tells none."""
    try:
        if found := _YEAR_FIRST.match(moment):
            return f"{date(int(found[1]), int(found[2]), int(found[3])):%Y%m%d}"
        if found := _DAY_FIRST.match(moment):
            return f"{date(int(found[3]), int(found[2]), int(found[1])):%Y%m%d}"
    except ValueError:
        return ""
    return ""
