"""What tests of several parts share: a real warehouse of their own, and a way to empty it.

One embedded server a test process (so one a pytest-xdist worker), in a folder of its own, with nothing of the
developer's environment.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Path]:
    """KHO_HOME of an initialised warehouse; the server stops at the end."""
    from orchestration.warehouse import connect, embedded, schema

    home = Path(tempfile.mkdtemp(prefix="kho-test-"))  # short: a socket's path has a length limit
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KHO_HOME", str(home))
        patch.delenv("WAREHOUSE_URL", raising=False)
        patch.delenv("KHO_LEDGER_KEY", raising=False)
        patch.delenv("KHO_SYNTHETIC", raising=False)
        try:
            schema.init()
            with connect("admin", autocommit=True) as admin:  # only a crash of the machine needs fsync
                admin.execute("alter system set fsync = off")
                admin.execute("select pg_reload_conf()")
            yield home
        finally:
            embedded.stop()
            shutil.rmtree(home, ignore_errors=True)


def _empty(home: Path) -> None:
    from orchestration.warehouse import connect

    with connect("admin", autocommit=True) as admin:
        admin.execute(
            """
            do $$
            declare
                found record;
            begin
                for found in select format('%I.%I', n.nspname, c.relname) as name, c.relkind
                               from pg_class c join pg_namespace n on n.oid = c.relnamespace
                              where c.relkind in ('r', 'v')
                                and n.nspname !~ '^(pg_|information_schema|kho$|quarantine$)' loop
                    execute format('drop %s if exists %s cascade',
                                   case found.relkind when 'v' then 'view' else 'table' end, found.name);
                end loop;
                execute (select format('truncate %s restart identity cascade',
                                       string_agg(format('%I.%I', n.nspname, c.relname), ', '))
                           from pg_class c join pg_namespace n on n.oid = c.relnamespace
                          where c.relkind = 'r' and n.nspname in ('kho', 'quarantine')
                            and c.relname <> 'schema_version');
                perform setval('kho.delivery_id', 1, false), setval('quarantine.quarantine_id', 1, false);
            end $$"""
        )
    for name in ("deliveries", "keys", "anchors", "reports", "portal"):
        shutil.rmtree(home / name, ignore_errors=True)


@pytest.fixture(scope="session")
def reset(warehouse: Path) -> Callable[[], Path]:
    """Call it to bring the warehouse back to how `kho init` left it, kept bytes and reports too; returns KHO_HOME."""

    def run() -> Path:
        _empty(warehouse)
        return warehouse

    return run


@pytest.fixture
def empty(reset: Callable[[], Path]) -> Path:
    """KHO_HOME of the warehouse, emptied for this test."""
    return reset()
