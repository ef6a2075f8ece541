"""One service behind the LGSP gateway: its pages.

Purpose: one page of records, or a KhoError that says whether to come back. Belongs here: the query and the envelope of an
answer. Stays out: which page to ask for (`lgsp`, `pages`), calls, tokens and retries (`wire`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestration.contracts.model import Source
from orchestration.errors import KhoError
from orchestration.sources.delivery import expand
from orchestration.sources.pages import Page, lines_of
from orchestration.sources.wire import Again, Wire, client_credentials, json_object, retried

OK = "00"
SYSTEM_ERROR = "99"  # the service's own failure; all other codes say that the request will never succeed


class Client:
    """A session with one service. Use as a context manager."""

    def __init__(self, source: Source, env: Mapping[str, str]) -> None:
        self.path = source.options["path"]
        self.size = int(source.options["page_size"])
        log_in = client_credentials(expand(source.options["key"], env), expand(source.options["secret"], env))
        self._wire = Wire(expand(source.location, env), log_in)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.__exit__()

    def page(self, since: str | None, number: int, size: int | None = None) -> Page:
        """Page `number` of the records changed at or after `since` (yyyyMMddHHmmss), of all records without."""
        query = {"trang": str(number), "kichThuoc": str(size or self.size)}
        if since is not None:
            query = {"tuNgay": since, **query}
        return retried(self.path, lambda: self._page(query))

    def _page(self, query: dict[str, str]) -> Page:
        reply = self._wire.ask("GET", self.path, params=query)
        body = json_object(reply.body)
        code = str(body.get("error_code", ""))
        if code == SYSTEM_ERROR:
            raise Again(f"error_code {code}")
        if code != OK:
            shown = code if re.fullmatch(r"\w{1,10}", code) else "?"
            raise KhoError(
                "service_refused",
                f"{self.path}: hệ thống từ chối yêu cầu (error_code {shown})",
                f"{self.path}: the service refused the request (error_code {shown})",
                {"file": self.path, "rule": f"error_code {shown}"},
            )
        records, total = body.get("data"), str(body.get("tongSo", ""))
        if (
            not isinstance(records, list)
            or not all(isinstance(record, dict) for record in records)
            or not total.isdecimal()
        ):
            raise KhoError(
                "protocol",
                f"{self.path}: câu trả lời không có data và tongSo như đã thống nhất",
                f"{self.path}: the answer lacks data and tongSo as agreed",
                {"file": self.path, "rule": "protocol"},
            )
        return Page(records, lines_of(records, reply.body, "data"), int(total))
