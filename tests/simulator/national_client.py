"""A client of the national systems that is none of ours: curl; and the committed messages, sent one by one.

Belongs here: what the tests of single systems share. Stays out: assertions on one system.

An example file is a conversation: {"about", "clock", "steps": [{"name", "method", "path", "headers", "body", "status",
"answer"}]}. In requests `{session}` (or `{token}`), `{key}`, `{secret}` and `{basic}` are filled in, the first from the
last answer that brought one; in answers `{any}` stands for any text.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from simulator.clock import TZ
from simulator.national import Service

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "simulator" / "national" / "examples"
CLOCK = datetime(2026, 11, 19, 17, 30, tzinfo=TZ)
_NO_ANSWER = {7, 18, 28, 52, 55, 56}  # curl: refused, cut, timed out, empty, send and receive errors


class Lost(Exception):
    """No answer came."""


@dataclass
class Curl:
    """One national system as curl sees it; remembers the session or token it was last given."""

    base: str
    key: str
    secret: str
    session: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # of the last answer, names in lower case
    timeout: float = 20.0

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and content (JSON, or the text where it is none). Raises Lost."""
        text = body if isinstance(body, str) or body is None else json.dumps(body, ensure_ascii=False)
        command = ["curl", "-sS", "-g", "-X", method, "-i", "--max-time", str(self.timeout), "-H", "Expect:"]
        for name, value in (headers or {}).items():
            command += ["-H", f"{name}: {value}"]
        if text is not None:
            command += ["--data-binary", "@-"]
        done = subprocess.run(
            [*command, self.base + quote(path, safe="/?&=%:+,-_.~")],
            input=(text or "").encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode in _NO_ANSWER:
            raise Lost(done.stderr.decode())
        assert done.returncode == 0, done.stderr.decode()
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if not self.headers.get("content-type", "").startswith("application/json"):
            return status, answer.decode()
        content = json.loads(answer)
        if isinstance(content, dict):
            self.session = content.get("session") or content.get("access_token") or self.session
        return status, content

    def token(self) -> int:
        """Client credentials, as of the gateway; the token is remembered."""
        headers = {"Authorization": f"Basic {self.basic}", "Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", "/token", "grant_type=client_credentials", headers)[0]

    @property
    def basic(self) -> str:
        return base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()

    def fill(self, text: str) -> str:
        """Fill in what is between braces."""
        known = {"session": self.session, "token": self.session, "key": self.key, "secret": self.secret}
        for name, value in (known | {"basic": self.basic}).items():
            text = text.replace(f"{{{name}}}", value)
        return text


def curl_of(service: Service) -> Curl:
    return Curl(service.base, service.key, service.secret)


def play(service: Service, name: str) -> int:
    """Hold the conversation of an example file with a system that has just been started; the number of its steps."""
    script = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    if "clock" in script:
        service.record.set_clock(datetime.fromisoformat(script["clock"]))
    client = curl_of(service)
    for step in script["steps"]:
        body = step.get("body")
        text = None if body is None else body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        headers = {name: client.fill(value) for name, value in step.get("headers", {}).items()}
        status, answer = client.send(step["method"], client.fill(step["path"]), text and client.fill(text), headers)
        assert status == step["status"], f"{name}: {step['name']}: {status} {answer}"
        assert same(step["answer"], answer), f"{name}: {step['name']}: {json.dumps(answer, ensure_ascii=False)}"
    return len(script["steps"])


def same(expected: Any, found: Any) -> bool:
    """Equal, but for `{any}`."""
    if expected == "{any}":
        return isinstance(found, str) and bool(found)
    if isinstance(expected, dict):
        return isinstance(found, dict) and expected.keys() == found.keys() and all(
            same(value, found[name]) for name, value in expected.items()
        )  # fmt: skip
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and all(map(same, expected, found))
    return bool(expected == found)


def serve(name: str, home: Path, *options: object) -> tuple[subprocess.Popen[bytes], Curl]:
    """A system in a process of its own, ready to answer."""
    ready = home / f"{name}.json"
    ready.unlink(missing_ok=True)
    program = "from simulator.national.command import national; national()"
    command = [sys.executable, "-c", program, name, "--home", str(home), *map(str, options)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONUTF8": "1"})
    wait_for(lambda: ready.exists() or process.poll() is not None, "not ready")
    told = json.loads(ready.read_text(encoding="utf-8"))
    return process, Curl(told["url"], told["key"], told["secret"])


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
