"""The wire to a national system behind the NDXP gateway: client credentials, the envelope, and what each answer means.

Purpose: one call in, one of three outcomes out: an answer, certainly not processed (`NotProcessed`), or nobody knows (`Unknown`).
Belongs here: HTTP, tokens, the envelope's error codes (domain practice: WSO2 gateway, `error_code "00"`, values as strings).
Stays out: what to do next (`run`). http.client, because a sender has to know whether a byte had left when a call failed, and a batch
of 500 costs a fraction of what a larger client takes. No error quotes a body, a header or an address.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orchestration.errors import KhoError
from orchestration.exchange.obligation import Channel
from orchestration.sources.delivery import expand

OK = "00"
SYSTEM_ERROR = "99"  # the receiver's own failure, of a message or of a call
EXISTS = "11"  # an insert of what the receiver already has
NOT_FOUND = "12"  # an update or a deletion of what it does not have
ENVELOPE = frozenset(f"0{n}" for n in range(1, 10))  # the call as such is refused: unit, service, size
EXPIRY_MARGIN = 0.9  # part of its life after which a token is renewed by our own clock
ASKED_AT_ONCE = 1000  # messages in one question
PAGE = 500  # records in one page of a listing

_BEHIND_THE_GATEWAY = frozenset({502, 503, 504})  # the gateway has given up; the service behind it may still be at work
_REFUSED_BY_GATEWAY = {403: "không cho quyền / no right", 404: "không có dịch vụ / no such service"}


class NotProcessed(Exception):
    """The receiver has certainly done nothing. `wait`: seconds it asks for; `reason`: a status or a kind of failure, no values."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


class Unknown(Exception):
    """Nobody knows what the receiver has done. `over`: the call has ended, so what was to happen has happened; `configuration`: by its
    code the receiver objects to the envelope, so no message is at fault."""

    def __init__(self, reason: str, *, over: bool, configuration: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.over, self.configuration = reason, over, configuration


@dataclass(frozen=True, slots=True)
class Answer:
    """A clean answer to a sent batch: messages applied, and the code of each one refused, by id."""

    applied: int
    refused: dict[str, str]


class Gateway:
    """A session with one receiver. Use as a context manager; not for several threads."""

    def __init__(self, channel: Channel, env: Mapping[str, str]) -> None:
        self.channel = channel
        split = urlsplit(expand(channel.location, env))
        if split.scheme not in ("http", "https") or not split.hostname:
            raise KhoError(
                "configuration",
                "địa chỉ hệ thống nhận phải bắt đầu bằng http:// hoặc https://",
                "the receiver's address must start with http:// or https://",
                {"variable": channel.location},
            )
        self._base = split.path.rstrip("/")
        kind = http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
        self._http = kind(split.hostname, split.port, timeout=channel.timeout_seconds)
        pair = f"{expand(channel.key, env)}:{expand(channel.secret, env)}"
        self._login = base64.b64encode(pair.encode()).decode()
        self._token, self._good_until = "", 0.0

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    # -- services ---------------------------------------------------------------------------------------------------------

    def envelope(self, service: str, updating: bool, items: str | bytes) -> bytes:
        """The bytes of a call; `items` is the inside of the list, as stored (bytes: UTF-8)."""
        head = (
            f'{{"madonvi":{json.dumps(self.channel.sender)},"service":{json.dumps(service)},'
            f'"isUpdating":"{updating}","data":['
        )
        inside = items.encode() if isinstance(items, str) else items
        return b"".join((head.encode(), inside, b"]}"))

    def send(self, operation: str, body: bytes, count: int, good_until: float = math.inf) -> Answer:
        """Send a batch of `count` messages made by `envelope`. Raises NotProcessed, Unknown, or KhoError for configuration.

        `good_until` (time.monotonic): nothing is sent later, however long a login or a connection takes.
        """
        services = self.channel.services
        answer = self._call(services.delete if operation == "delete" else services.send, body, good_until)
        applied, refused = str(answer.get("soBanGhi", "")), answer.get("loi", [])
        if not applied.isdigit() or not isinstance(refused, list):
            raise Unknown("protocol", over=True)
        codes = {str(r.get("MaThongDiep")): _code(r.get("maLoi")) for r in refused if isinstance(r, dict)}
        if int(applied) + len(codes) != count or OK in codes.values():
            raise Unknown("counts", over=True)
        return Answer(int(applied), codes)

    def ask(self, ids: list[str]) -> dict[str, str]:
        """Code of each message that the receiver has processed (`OK` when applied); one it has never processed is absent."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), ASKED_AT_ONCE):
            wanted = ids[start : start + ASKED_AT_ONCE]
            items = ",".join(f'{{"MaThongDiep":"{each}"}}' for each in wanted)
            for told in self._list(self.channel.services.ask, items):
                name = told.get("MaThongDiep")
                if name not in wanted:
                    raise Unknown("protocol", over=True)
                found[name] = _code(told.get("maLoi"))
        return found

    def buckets(self) -> dict[str, tuple[int, str]]:
        """Bucket -> (records, hash) of what the receiver holds."""
        result = {}
        for told in self._list(self.channel.services.buckets, ""):
            if not str(told.get("soBanGhi")).isdigit():
                raise Unknown("protocol", over=True)
            result[str(told.get("nhom"))] = (int(told["soBanGhi"]), str(told.get("maBam")))
        return result

    def records(self, bucket: str | None) -> Iterator[list[dict[str, str]]]:
        """Pages of the records the receiver holds, of one bucket or all."""
        page, seen, promised = 1, 0, ""
        while True:
            question = {"trang": str(page), "kichThuoc": str(PAGE)} | ({"nhom": bucket} if bucket else {})
            service = self.channel.services.list
            answer = self._call(service, self.envelope(service, False, json.dumps(question)))
            data, total = answer.get("data"), str(answer.get("tongSo", ""))
            if not isinstance(data, list) or not total.isdigit():
                raise Unknown("protocol", over=True)
            yield data
            seen, promised = seen + len(data), promised or total
            # A listing that changes while it is read, or ends early, is none.
            if total != promised or seen > int(total) or (not data and seen < int(total)):
                raise Unknown("counts", over=True)
            if seen == int(total):
                return
            page += 1

    def _list(self, service: str, items: str) -> Iterable[dict[str, Any]]:
        data = self._call(service, self.envelope(service, False, items)).get("data")
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            raise Unknown("protocol", over=True)
        return data

    # -- HTTP -------------------------------------------------------------------------------------------------------------

    def _call(self, service: str, body: bytes, good_until: float = math.inf) -> dict[str, Any]:
        """The answer's object when its error_code is OK."""
        path = f"{self._base}{self.channel.path}/{service}"
        for attempt in (1, 2):
            if not self._token or time.monotonic() >= self._good_until:
                self._log_in()
            headers = {
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json; charset=utf-8",
                "dstcode": self.channel.receiver,
            }
            status, answer, wait = self._post(path, body, headers, good_until)
            if status == 401 and attempt == 1:
                self._token = ""  # expired or revoked before its time: once with a new token
                continue
            break
        if status == 401:
            raise NotProcessed("401")
        if status == 429 or (status == 503 and wait is not None):
            raise NotProcessed(str(status), wait)
        if status in _REFUSED_BY_GATEWAY:
            raise NotProcessed(f"{status} {_REFUSED_BY_GATEWAY[status]}")
        if status != 200:
            raise Unknown(str(status), over=status not in _BEHIND_THE_GATEWAY)
        content = _object(answer)
        code = _code(content.get("error_code"))
        if code != OK:
            raise Unknown(f"error_code {code}", over=True, configuration=code in ENVELOPE)
        return content

    def _log_in(self) -> None:
        self._token = ""
        asked = time.monotonic()
        headers = {"Authorization": f"Basic {self._login}", "Content-Type": "application/x-www-form-urlencoded"}
        lost = ""
        try:
            status, answer, wait = self._post(f"{self._base}/token", b"grant_type=client_credentials", headers)
        except Unknown as unknown:
            lost = unknown.reason
        if lost:
            raise NotProcessed(f"token: {lost}")
        if status in (400, 401, 403):
            raise KhoError(
                "login_refused",
                f"/token: khóa hoặc mật khẩu kết nối bị từ chối ({status})",
                f"/token: consumer key or secret refused ({status})",
                {"file": "/token", "rule": str(status)},
            )
        try:
            content = _object(answer) if status == 200 else {}
        except Unknown:
            content = {}
        token, life = content.get("access_token"), str(content.get("expires_in"))
        if not isinstance(token, str) or not token or not life.isdigit():
            raise NotProcessed(f"token: {status}", wait)
        self._token, self._good_until = token, asked + int(life) * EXPIRY_MARGIN

    def _post(
        self, path: str, body: bytes, headers: dict[str, str], good_until: float = math.inf
    ) -> tuple[int, bytes, float | None]:
        """(status, body, seconds to wait). NotProcessed when no connection came about, Unknown when one was lost."""
        reason = ""
        if self._http.sock is None:
            try:
                self._http.connect()  # which also sends small packets at once (TCP_NODELAY)
            except OSError as error:
                reason = type(error).__name__
            if reason:
                self._http.close()
                raise NotProcessed(reason)
        if time.monotonic() > good_until:
            raise NotProcessed("lease")
        try:
            self._http.request("POST", path, body, headers)
            response = self._http.getresponse()
            content = response.read()
            after = response.headers.get("Retry-After", "")
            return response.status, content, float(after) if after.isdigit() else None
        except (OSError, http.client.HTTPException) as error:
            reason = type(error).__name__
        self._http.close()
        raise Unknown(reason, over=False)


def _object(body: bytes) -> dict[str, Any]:
    content = None
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Unknown("body", over=True)
    return content


def _code(value: object) -> str:
    """A code as the receiver gave it, when it looks like one: anything longer may hold values."""
    text = str(value)
    return text if text.isalnum() and len(text) <= 10 else "?"
