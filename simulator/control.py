"""Talking to a running box: a small HTTP endpoint on 127.0.0.1, and its client.

Belongs here: the orders `night`, `down`, `up` on their way from one process to the other.
Stays out: carrying them out (`run`).

The endpoint's address stands in `<home>/control.json`, beside seed and scale. Orders are POST {"order": "night", "value":
2}; GET answers with the state.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from simulator.run import ProvinceInABox

FILE = "control.json"


class ControlError(Exception):
    """An order that could not be given or was refused; the message is for people."""


class ControlServer:
    """Serves the orders of one box until `close`."""

    def __init__(self, box: ProvinceInABox) -> None:
        class Handler(_Handler):
            the_box = box

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="control").start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def read(home: Path) -> dict[str, Any]:
    """url, seed and scale of the box of a home."""
    try:
        return dict(json.loads((home / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ControlError(f"Không có mô phỏng nào đang chạy ở {home} / No simulator is running at {home}") from None


def send(home: Path, order: str | None = None, value: Any = None) -> dict[str, Any]:
    """Give an order to the box of a home (none: ask for its state); returns its state afterwards.

    A whole province takes minutes for a day: an order is waited for as long as it takes.
    """
    url = read(home)["url"]
    data = None if order is None else json.dumps({"order": order, "value": value}).encode()
    try:
        patience = 60 if order is None else None
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=patience) as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        raise ControlError(json.load(error)["error"]) from None
    except (OSError, http.client.HTTPException):  # refused, too late, or gone in the middle of it
        raise ControlError(f"Mô phỏng ở {home} không trả lời / The simulator at {home} does not answer") from None


def running(home: Path) -> bool:
    """True when a box of this home answers; one that was killed leaves its address behind."""
    if not (home / FILE).exists():
        return False
    try:
        send(home)
    except ControlError:
        return False
    return True


def state(box: ProvinceInABox) -> dict[str, Any]:
    """Where the box stands."""
    night = box.truth
    return {
        "night": night.number,
        "date": night.date.isoformat(),
        "delivered": sorted(night.delivered),
        "health": "up" if box.health.is_up else "down",
        "enterprise_registry": "up" if box.registry.is_up else "down",
        "ministry": "up" if box.ministry.is_up else "down",
    }


class _Handler(BaseHTTPRequestHandler):
    the_box: ProvinceInABox

    def do_GET(self) -> None:
        self._send(200, state(self.the_box))

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        orders: dict[str, Callable[[Any], object]] = {
            "night": self.the_box.night,
            "down": self.the_box.down,
            "up": self.the_box.up,
        }
        try:
            orders[content["order"]](content["value"])
        except ValueError as error:
            self._send(400, {"error": str(error)})
        except Exception as error:
            kind = type(error).__name__
            self._send(500, {"error": f"Lỗi {kind}, xem nơi mô phỏng đang chạy / {kind}: see where the simulator runs"})
            raise
        else:
            self._send(200, state(self.the_box))

    def _send(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The command that gave the order reports it."""
