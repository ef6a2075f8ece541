"""What tests of the engine need beyond the shared warehouse."""

from __future__ import annotations

import pytest

from orchestration.warehouse import connect


@pytest.fixture(scope="session", autouse=True)
def _quick_disk(warehouse: object) -> None:
    """A crash of the server needs no fsync, only one of the machine does; the tests rehearse the former."""
    with connect("admin", autocommit=True) as admin:
        admin.execute("alter system set fsync = off")
        admin.execute("select pg_reload_conf()")
