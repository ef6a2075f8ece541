"""One cluster a worker, one empty warehouse a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The worker's server; `warehouse` is what tests ask for."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("KHO_HOME", "WAREHOUSE_URL", "KHO_LEDGER_KEY", "KHO_KILL_AT"):
            patch.setenv(name, "")  # to be put back at the end
        found = Cluster().start()
        yield found
        found.stop()


@pytest.fixture
def warehouse(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """An empty warehouse; KHO_HOME points at it for the length of the test."""
    monkeypatch.setenv("KHO_HOME", str(cluster.home))
    for name in ("WAREHOUSE_URL", "KHO_LEDGER_KEY", "KHO_KILL_AT"):
        monkeypatch.delenv(name, raising=False)
    cluster.fresh()
    return cluster
