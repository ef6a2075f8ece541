"""Contracts of files for tests: columns and options as they are asked for, and servers that misbehave."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts import Contract, assets_root, load
from orchestration.contracts.model import Source
from orchestration.errors import KhoError
from orchestration.sources import Delivery, open_source, parse

PLACE = {"location": "${KHO_SOURCE_TEST}"}
_BASE: list[Contract] = []
PASSWORD = "p@ss/wörd"
LARGE = 5_000_000  # bytes: more than one window of SFTP reads


def contract(*columns: str | dict[str, Any], key: tuple[str, ...] | None = None, **options: str) -> Contract:
    """Text columns by name (the last part after `=` is the header); `options` are those of its source of kind files."""
    if not _BASE:
        _BASE.append(load(assets_root() / "agencies" / "home_affairs" / "unit_e0.yaml"))
    base = _BASE[0]
    made = []
    for column in columns:
        given = {"name": column} if isinstance(column, str) else column
        name, _, header = given["name"].partition("=")
        made.append(
            dataclasses.replace(
                base.columns[0], headers=(), pattern=None, allowed=None, **{**given, "name": name, "source_name": header or name}
            )
        )  # fmt: skip
    source = Source("files", PLACE["location"], {"format": "csv", **options})
    return dataclasses.replace(
        base, columns=tuple(made), key=key if key is not None else (made[0].name,), sources=(source,)
    )


def parsed(contract: Contract, delivery: Delivery, folder: Path) -> list[dict[str, str]]:
    """The rows of a delivery that has to be parsed."""
    path = folder / "kept"
    path.write_bytes(b"".join(delivery.chunks))
    columns, stream = parse(contract, delivery.encoding, path, delivery.name)
    text = b"".join(stream).decode()
    return [dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text))]


def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does `answer` with each connection; gives its port. As a fixture's or a context manager's body."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()


def put(drop: Path, name: str, content: str | bytes, age: float = 3600) -> Path:
    path = drop / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (time.time() - age,) * 2)
    return path


def opened(
    asked: Contract, drop: Path, cursor: str | None = None
) -> tuple[list[Delivery], list[bytes], KhoError | None]:
    """Every delivery, its bytes, and the error at the end."""
    found, contents, error = [], [], None
    try:
        for delivery in open_source(asked, cursor, {"KHO_SOURCE_TEST": str(drop)}):
            found.append(delivery)
            contents.append(b"".join(delivery.chunks))
            delivery.chunks = [contents[-1]]
    except KhoError as exc:
        error = exc
    return found, contents, error


def cells(rows: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def large_text() -> str:
    line = "0123456789,abcdefghijklmnopqrstuvwxyz\n"
    return "a,b\n" + line * (LARGE // len(line))


def taken(asked: Contract, env: dict[str, str], cursor: str | None = None) -> tuple[dict[str, bytes], str | None]:
    """Content of every delivery by name, and the cursor of the last."""
    found = {}
    for delivery in open_source(asked, cursor, env):
        found[delivery.name] = b"".join(delivery.chunks)
        cursor = delivery.cursor_after()
        delivery.done()
    return found, cursor


def refusal(asked: Contract, env: dict[str, str]) -> KhoError:
    """The error that a visit ends with; it tells no secret, in its text or behind it."""
    with pytest.raises(KhoError) as refused:
        taken(asked, env)
    text = f"{refused.value} {refused.value.where} {refused.value.__context__!r}"
    assert "p%40ss" not in text and PASSWORD not in text and "127.0.0.1" not in text
    assert refused.value.__context__ is None
    return refused.value
