"""A receiver that costs next to nothing: it speaks the protocol, counts the messages of a batch, and keeps nothing.

Purpose: the same other side for the sender and its floor, in a process of its own (`python -m benchmarks.sink` prints its port).
Belongs here: tokens and clean answers. Stays out: looking at records; they are counted by their ids, without reading JSON.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

TOKEN = {"access_token": "sink", "scope": "default", "token_type": "Bearer", "expires_in": 3600}


@contextmanager
def sink() -> Iterator[dict[str, str]]:
    """The server as a process; yields the environment in which the health system's obligation reaches it."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield {
            "KHO_NATIONAL_HEALTH": f"http://127.0.0.1:{port}",
            "KHO_NATIONAL_HEALTH_KEY": "key",
            "KHO_NATIONAL_HEALTH_SECRET": "secret",
        }
    finally:
        process.terminate()
        process.wait()


def serve(connection: socket.socket) -> None:
    """Answer requests until the client leaves."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb", buffering=1 << 18) as stream:
        while request := stream.readline():
            answer = _answer(request, stream.read(_length(stream)))
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
            connection.sendall(head.encode() + answer)


def _length(stream: BinaryIO) -> int:
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return length


def _answer(request: bytes, body: bytes) -> bytes:
    if request.split()[1].endswith(b"/token"):
        return json.dumps(TOKEN).encode()
    applied = body.count(b'"MaThongDiep"')
    return json.dumps({"error_code": "00", "message": "", "soBanGhi": str(applied), "loi": []}).encode()


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
