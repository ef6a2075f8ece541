"""The wire to a service behind the LGSP gateway.

Purpose: one page of records, or a KhoError that says whether to come back. Belongs here: client credentials, expiry of
tokens, waiting and trying again, the envelope of an answer. Stays out: which page to ask for (`lgsp`).
httpx is imported when a client is made. No error quotes a query, a body or a header.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.contracts.model import Source
from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import expand

if TYPE_CHECKING:
    import httpx

TIMEOUT = 60.0  # seconds the gateway itself allows a call
ATTEMPTS = 6  # calls made for one page before giving up for now
BACKOFF = 0.5  # seconds before the second attempt; doubled each time, with jitter
LONGEST_WAIT = 60.0  # seconds at most between two attempts, also when Retry-After asks for more
EXPIRY_MARGIN = 0.9  # part of its life after which a token is renewed by our own clock
RETRIED = frozenset({408, 425, 500, 502, 503, 504})
OK = "00"
SYSTEM_ERROR = "99"  # the service's own failure; all other codes say that the request will never succeed


@dataclass(frozen=True)
class Page:
    """Records as received, and the number of all records the question has at this moment."""

    records: list[dict[str, Any]]
    total: int


class _Again(Exception):
    """Try again after `wait` seconds (None: by the back-off); `reason` is a status or a kind of failure."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


class Client:
    """A session with one service. Use as a context manager."""

    def __init__(self, source: Source, env: Mapping[str, str]) -> None:
        import httpx

        self.path = source.options["path"]
        self._size = int(source.options["page_size"])
        self._credentials = (expand(source.options["key"], env), expand(source.options["secret"], env))
        self._http = httpx.Client(base_url=expand(source.location, env).rstrip("/"), timeout=TIMEOUT, trust_env=False)
        self._token, self._good_until = "", 0.0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def page(self, since: str, number: int, size: int | None = None) -> Page:
        """Page `number` of the records changed at or after `since` (yyyyMMddHHmmss)."""
        query = {"tuNgay": since, "trang": str(number), "kichThuoc": str(size or self._size)}
        return self._retried(self.path, lambda: self._page(query))

    def _page(self, query: dict[str, str]) -> Page:
        if not self._token or time.monotonic() >= self._good_until:
            self._log_in()
        response = self._call("GET", self.path, params=query, headers={"Authorization": f"Bearer {self._token}"})
        if response.status_code == 401:
            # Expired or revoked before its time: once with a new token, then it is our right that is missing.
            self._log_in()
            response = self._call("GET", self.path, params=query, headers={"Authorization": f"Bearer {self._token}"})
        self._judge_status(response, self.path)
        body = _json(response)
        code = str(body.get("error_code", ""))
        if code == SYSTEM_ERROR:
            raise _Again(f"error_code {code}")
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
            or not total.isdigit()
        ):
            raise KhoError(
                "protocol",
                f"{self.path}: câu trả lời không có data và tongSo như đã thống nhất",
                f"{self.path}: the answer lacks data and tongSo as agreed",
                {"file": self.path, "rule": "protocol"},
            )
        return Page(records, int(total))

    def _log_in(self) -> None:
        self._token = ""
        asked = time.monotonic()
        response = self._call("POST", "/token", auth=self._credentials, data={"grant_type": "client_credentials"})
        if response.status_code in (400, 401, 403):
            raise KhoError(
                "login_refused",
                f"/token: khóa hoặc mật khẩu kết nối bị từ chối ({response.status_code})",
                f"/token: consumer key or secret refused ({response.status_code})",
                {"file": "/token", "rule": str(response.status_code)},
            )
        self._judge_status(response, "/token")
        body = _json(response)
        token, life = body.get("access_token"), body.get("expires_in")
        if not isinstance(token, str) or not token or not str(life).isdigit():
            raise _Again("token")
        self._token, self._good_until = token, asked + int(str(life)) * EXPIRY_MARGIN

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One call with its whole body. _Again for everything that happens below HTTP: refused, cut, timed out."""
        import httpx

        reason = ""
        try:
            return self._http.request(method, path, **arguments)
        except httpx.RequestError as exc:
            reason = type(exc).__name__
        raise _Again(reason)

    def _judge_status(self, response: httpx.Response, path: str) -> None:
        status = response.status_code
        if status == 200:
            return
        if status == 429:
            after = response.headers.get("Retry-After", "")
            raise _Again("429", float(after) if after.isdigit() else None)
        if status in RETRIED:
            raise _Again(str(status))
        vi, en = {
            401: ("không chấp nhận mã truy cập mới cấp", "refuses a token just issued"),
            403: ("không cho quyền truy cập", "denies access"),
            404: ("không có dịch vụ này", "there is no such service"),
        }.get(status, ("trả lời ngoài dự kiến", "unexpected answer"))
        raise KhoError(
            "service_refused",
            f"{path}: {vi} ({status})",
            f"{path}: {en} ({status})",
            {"file": path, "rule": str(status)},
        )

    def _retried(self, path: str, call: Callable[[], Page]) -> Page:
        """`call` until it answers, at most ATTEMPTS times. Transient naming path and last reason otherwise."""
        reason = ""
        for attempt in range(ATTEMPTS):
            wait: float | None = None
            try:
                return call()
            except _Again as again:
                reason, wait = again.reason, again.wait
            if attempt + 1 < ATTEMPTS:
                backoff = BACKOFF * 2**attempt * random.uniform(0.5, 1.5)
                time.sleep(min(LONGEST_WAIT, backoff if wait is None else wait))
        raise Transient(
            "source_down",
            f"{path}: không trả lời được sau {ATTEMPTS} lần gọi ({reason})",
            f"{path}: no usable answer after {ATTEMPTS} calls ({reason})",
            {"file": path, "rule": reason},
        )


def _json(response: httpx.Response) -> dict[str, Any]:
    """The body as an object; a body that is cut or is a page of HTML is a failure of the moment."""
    body = None
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _Again("body")
    return body
