"""The wire to a service over HTTP: calls that are tried again, tokens that are renewed, errors that tell nothing.

Purpose: one answer with its whole body, or a KhoError that says whether to come back. Belongs here: waiting and trying
again, expiry of tokens, the meaning of a status. Stays out: paths, envelopes and paging of any one service.
httpx is imported when a wire is made. No error quotes a query, a body or a header.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import IO, TYPE_CHECKING, Any, TypeVar

from orchestration.errors import KhoError, Transient
from orchestration.sources.delivery import CHUNK

if TYPE_CHECKING:
    from ssl import SSLContext

T = TypeVar("T")

TIMEOUT = 60.0  # seconds the gateway itself allows a call; also the longest silence within an answer
LONGEST_CALL = 900.0  # seconds for one whole answer: a far end that drips must not hold a night
LARGEST_BODY = 256 * 1024 * 1024  # bytes of an answer that is held in memory
ATTEMPTS = 6  # calls made for one answer before giving up for now
BACKOFF = 0.5  # seconds before the second attempt; doubled each time, with jitter
LONGEST_WAIT = 60.0  # seconds at most between two attempts, also when Retry-After asks for more
EXPIRY_MARGIN = 0.9  # part of its life after which a token is renewed by our own clock
RETRIED = frozenset({408, 425, 500, 502, 503, 504})
TOKEN_PATH = "/token"


class Again(Exception):
    """Try again after `wait` seconds (None: by the back-off); `reason` is a status or a kind of failure, never a text received."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


@dataclass(frozen=True)
class Reply:
    """One answer, whole. `body` is empty when it went into a file."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """A session with one far end. `log_in` gives a token and the seconds it lives; without it no token is sent.

    Use as a context manager. One call at a time.
    """

    def __init__(self, base: str, log_in: Callable[[Wire], tuple[str, float]] | None = None) -> None:
        import httpx

        if not base.lower().startswith(("http://", "https://")):
            raise KhoError(
                "source_address",
                "Địa chỉ của nguồn phải bắt đầu bằng http:// hoặc https://",
                "The address of the source must begin with http:// or https://",
                {"rule": "address"},
            )
        self._http = httpx.Client(base_url=base.rstrip("/"), timeout=TIMEOUT, trust_env=False, verify=_trusted())
        self._log_in = log_in
        self._token, self._good_until = "", 0.0

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, method: str, path: str, *, into: IO[bytes] | None = None, **arguments: Any) -> Reply:
        """One call with a valid token, answered with 200. Again or KhoError otherwise; for use within `retried`."""
        reply = self._with_token(method, path, into, arguments)
        if reply.status == 401 and self._log_in is not None:
            # Expired or revoked before its time: once with a new token, then it is our right that is missing.
            self._token = ""
            reply = self._with_token(method, path, into, arguments)
        judge(reply, path)
        return reply

    def _with_token(self, method: str, path: str, into: IO[bytes] | None, arguments: Mapping[str, Any]) -> Reply:
        if self._log_in is None:
            return self.call(method, path, into=into, **arguments)
        if not self._token or time.monotonic() >= self._good_until:
            self._token = ""
            asked = time.monotonic()
            self._token, life = self._log_in(self)
            self._good_until = asked + life * EXPIRY_MARGIN
        headers = {**arguments.get("headers", {}), "Authorization": f"Bearer {self._token}"}
        return self.call(method, path, into=into, **{**arguments, "headers": headers})

    def call(self, method: str, path: str, *, into: IO[bytes] | None = None, **arguments: Any) -> Reply:
        """One call as it is, with its whole body, which goes `into` a file if the status is 200.

        Again for everything that happens below HTTP: refused, cut, timed out, longer than LONGEST_CALL.
        """
        import httpx

        reason, size, body = "", 0, bytearray()
        deadline = time.monotonic() + LONGEST_CALL
        try:
            with self._http.stream(method, path, **arguments) as response:
                target = into if into is not None and response.status_code == 200 else None
                for part in response.iter_bytes(CHUNK):
                    size += len(part)
                    if target is not None:
                        target.write(part)
                    elif size <= LARGEST_BODY:
                        body += part
                    if time.monotonic() > deadline:
                        reason = "slow"
                        break
                if not reason and (target is not None or size <= LARGEST_BODY):
                    return Reply(response.status_code, response.headers, bytes(body))
        except httpx.RequestError as exc:
            reason = type(exc).__name__
        if reason:
            raise Again(reason)
        raise KhoError(
            "protocol",
            f"{path}: câu trả lời lớn hơn {LARGEST_BODY >> 20} MB",
            f"{path}: the answer is larger than {LARGEST_BODY >> 20} MB",
            {"file": path, "rule": "size"},
        )


@cache
def _trusted() -> SSLContext:
    """Whom TLS trusts, as httpx has it: read once a process, since that takes a tenth of a second."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def retried(path: str, call: Callable[[], T]) -> T:
    """`call` until it answers, at most ATTEMPTS times. Transient naming path and last reason otherwise."""
    reason = ""
    for attempt in range(ATTEMPTS):
        wait: float | None = None
        try:
            return call()
        except Again as again:
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


def judge(reply: Reply, path: str) -> None:
    """Again for a status that may pass, KhoError for any other than 200."""
    status = reply.status
    if status == 200:
        return
    if status == 429 or status in RETRIED:
        raise Again(str(status), _seconds(reply.headers.get("Retry-After", "")))
    vi, en = {
        401: ("không chấp nhận mã truy cập", "refuses the token"),
        403: ("không cho quyền truy cập", "denies access"),
        404: ("không có dịch vụ này", "there is no such service"),
    }.get(status, ("trả lời ngoài dự kiến", "unexpected answer"))
    raise KhoError(
        "service_refused", f"{path}: {vi} ({status})", f"{path}: {en} ({status})", {"file": path, "rule": str(status)}
    )


def _seconds(after: str) -> float | None:
    """Retry-After, a number of seconds or a date; None when it is neither."""
    if after.isascii() and after.isdigit():
        return float(after)
    try:
        return max(0.0, (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def refused_login(path: str, rule: str) -> KhoError:
    """The error of credentials that are not accepted."""
    return KhoError(
        "login_refused",
        f"{path}: khóa hoặc mật khẩu kết nối bị từ chối ({rule})",
        f"{path}: consumer key or secret refused ({rule})",
        {"file": path, "rule": rule},
    )


def client_credentials(key: str, secret: str) -> Callable[[Wire], tuple[str, float]]:
    """Log in as gateways of the WSO2 kind want it: OAuth2 client credentials at /token."""

    def log_in(wire: Wire) -> tuple[str, float]:
        reply = wire.call("POST", TOKEN_PATH, auth=(key, secret), data={"grant_type": "client_credentials"})
        if reply.status in (400, 401, 403):
            raise refused_login(TOKEN_PATH, str(reply.status))
        judge(reply, TOKEN_PATH)
        body = json_object(reply.body)
        token, life = body.get("access_token"), str(body.get("expires_in"))
        if not isinstance(token, str) or not token.isascii() or not token or not life.isdigit():
            raise Again("token")
        return token, int(life)

    return log_in


def json_object(body: bytes) -> dict[str, Any]:
    """The body as an object; a body that is cut or is a page of HTML is a failure of the moment."""
    import orjson

    found = None
    try:
        found = orjson.loads(body)
    except ValueError:
        try:
            found = json.loads(body)  # lone surrogates and NaN, which orjson does not take
        except ValueError:
            found = None
    if not isinstance(found, dict):
        raise Again("body")
    return found
