"""A plain client of the ministry's health system, and items to send: for the tests beside it.

Belongs here: HTTP as the protocol says it, without retries. Stays out: assertions.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from urllib.parse import urlsplit

from simulator.ministry import Ministry

SEND, DELETE, ASK = "DongBoGiayPhepKCB", "HuyGiayPhepKCB", "TraCuuThongDiep"
BUCKETS, LIST = "DoiSoatGiayPhepKCB", "DanhSachGiayPhepKCB"
LOST = (ConnectionError, http.client.HTTPException)


class Client:
    """One kept connection; no retry of any kind."""

    def __init__(self, base: str, key: str, secret: str) -> None:
        where = urlsplit(base)
        self.connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=10)
        self.pair = base64.b64encode(f"{key}:{secret}".encode()).decode()
        self.headers = {"Content-Type": "application/json; charset=utf-8", "dstcode": "G17"}

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, dict]:
        try:
            self.connection.request("POST", path, body.encode(), headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except Exception:
            self.connection.close()
            raise
        self.retry_after = answer.headers.get("Retry-After")
        return answer.status, json.loads(text) if answer.headers["Content-Type"].startswith("application/json") else {}

    def login(self) -> int:
        form = {"Authorization": f"Basic {self.pair}", "Content-Type": "application/x-www-form-urlencoded"}
        status, content = self.post("/token", "grant_type=client_credentials", form)
        self.headers["Authorization"] = f"Bearer {content.get('access_token')}"
        return status

    def call(self, path: str, data: list[dict], updating: str = "False", **changed: str) -> tuple[int, dict]:
        body = {"madonvi": "H05.09", "service": path, "isUpdating": updating, "data": data, **changed}
        return self.post(f"/apiYTe/1.0/{path}", json.dumps(body), self.headers)


def client_of(ministry: Ministry) -> Client:
    client = Client(ministry.base, ministry.key, ministry.secret)
    assert client.login() == 200
    return client


def item(number: int, message: str | None = None, **other: str) -> dict[str, str]:
    return {
        "MaThongDiep": message or f"m{number}",
        "SoGiayPhep": f"{number:05d}/BN-GPHĐ",
        "MaCSKCB": "24001",
        "PhamVi": "Đa khoa, có giường bệnh nội trú",
        "NgayCap": "20200131000000",
        "NgayHetHan": "",
        "TrangThai": "1",
        "ThoiDiemCapNhat": "20261119173000",
    } | other


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
