"""Far ends that several files of readers share: one server for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from orchestration.sources import wire
from simulator.systems.mariadb import Server

from .agency_database import Agency
from .registry_service import Service


@pytest.fixture(scope="session")
def maria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MariaDB with an empty database `syt`. Files whose tests use it are one group of pytest-xdist, so that it is started once."""
    if shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin") is None:
        pytest.skip("mariadbd is missing: apt-get install mariadb-server-core")
    from pymysql.connections import Connection

    server = Server(tmp_path_factory.mktemp("maria"))
    with pytest.MonkeyPatch.context() as patch:
        # The driver makes the same TLS context for each connection, which takes longer than a test.
        make = Connection._create_ssl_ctx
        patch.setattr(Connection, "_create_ssl_ctx", lambda self, given: once() if given == {} else make(self, given))
        once = cache(lambda: make(None, {}))
        server.prepare()
        try:
            with server.connect() as cursor:
                cursor.execute("create database syt")
                cursor.execute("grant select on syt.* to kho_doc@'127.0.0.1'")
            yield server
        finally:
            server.stop()


@pytest.fixture(params=["mysql", "sqlite"])
def agency(request: pytest.FixtureRequest, tmp_path: Path) -> Agency:
    """Each make in turn, with an empty database."""
    maria = request.getfixturevalue("maria") if request.param == "mysql" else None
    return Agency(request.param, maria, tmp_path / "số liệu 100% #.db")


@pytest.fixture
def mysql(maria: Server, tmp_path: Path) -> Agency:
    """An empty database of this make."""
    return Agency("mysql", maria, tmp_path / "none")


@pytest.fixture
def sqlite(tmp_path: Path) -> Agency:
    """An empty database of this make."""
    return Agency("sqlite", None, tmp_path / "a.db")


@pytest.fixture
def service() -> Iterator[Service]:
    """A register's service without a record."""
    service = Service()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the wire would have waited before it tried again."""
    waited: list[float] = []
    monkeypatch.setattr(wire.time, "sleep", waited.append)
    return waited
