"""curl, for the tests of the systems that speak HTTP.

Belongs here: one request, and what came back. Stays out: assertions.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from .systems_fakes import client

FAILED = {"empty": 52, "partial": 18, "refused": 7, "late": 28}  # curl's codes


@dataclass(frozen=True)
class Reply:
    """`code`: curl's own, 0 when a whole answer came."""

    code: int
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def curl(url: str, *options: str, headers: dict[str, str] | None = None, seconds: float = 20) -> Reply:
    command = [
        client("curl", "curl"),
        "--silent",
        "--include",
        "--noproxy",
        "*",
        "--max-time",
        str(seconds),
        *options,
        url,
    ]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run(command, capture_output=True, check=False)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    return Reply(done.returncode, int(lines[0].split()[1]) if lines[0] else 0, fields, body)


def bearer(base: str, key: str, secret: str) -> dict[str, str]:
    """The header of a new token."""
    reply = curl(f"{base}/token", "--user", f"{key}:{secret}", "--data", "grant_type=client_credentials")
    return {"Authorization": f"Bearer {reply.json['access_token']}"}
