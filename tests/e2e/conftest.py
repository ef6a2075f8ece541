"""Three nights as a scheduler runs them, played once for all tests of this folder.

The province's agency systems and the ministry's are real (a database, folders, HTTP services with faults); `kho` is called as a
command; what is compared is read with the analyst's role, or is the ministry's own record.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

FIRST = date(2026, 11, 20)


class Nights:
    """What a scheduler and an analyst saw after each night."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home, self.environment = home, environment
        self.exit: dict[int, int] = {}
        self.output: dict[int, str] = {}
        self.status: dict[int, dict[str, Any]] = {}
        self.live: dict[int, dict[str, list[dict[str, Any]]]] = {}
        self.truth: dict[int, Any] = {}
        self.refused: dict[int, set[str]] = {}  # licences that the ministry should have refused, as of each night
        self.upstream: dict[int, dict[str, dict[str, str]]] = {}  # what the ministry holds after each night
        self.reconciled: Any = None
        self.effects: list[Any] = []  # everything the ministry ever did, in order
        self.requests: list[Any] = []
        self.published: dict[int, dict[str, tuple[int, str]]] = {}  # file of the portal -> (mtime in ns, SHA-256)

    def kho(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "kho"), *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def read(self, query: str) -> list[dict[str, Any]]:
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(
            host=str(self.home / "postgres"), dbname="kho", user="kho_analyst", row_factory=dict_row
        ) as connection:
            return connection.execute(query).fetchall()

    def portal(self) -> dict[str, tuple[int, str]]:
        folder = self.home / "portal"
        return {
            str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        names = self.read(
            "select schemaname || '.' || tablename as name from pg_tables where schemaname in "
            "('governance', 'health', 'education', 'enterprises', 'smart_city')"
        )
        return {row["name"]: self.read(f"select * from {row['name']}") for row in names}


@pytest.fixture(scope="session")
def nights() -> Iterator[Nights]:
    from simulator.run import ProvinceInABox

    home = Path(tempfile.mkdtemp(prefix="kho-e2e-"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KHO_", "WAREHOUSE_URL", "DAGSTER"))}
    environment |= {"KHO_HOME": str(home), "KHO_RETRY_SECONDS": "0.2"}
    # Every process of these nights sees a network that ends at this machine.
    environment |= {
        "PYTHONPATH": str(Path(__file__).parent / "no_network"),
        "KHO_TEST_NETWORK_LOG": str(home / "network.log"),
    }
    seen = Nights(home, environment)
    with ProvinceInABox(home / "box", seed=7, scale=0.01) as box:
        environment |= box.env
        assert seen.kho("init").returncode == 0
        for number in (1, 2, 3):
            if number > 1:
                box.night(number)
            done = seen.kho("night", "--date", (FIRST + timedelta(days=number - 1)).isoformat())
            seen.exit[number], seen.output[number] = done.returncode, done.stdout + done.stderr
            seen.status[number] = json.loads(seen.kho("status", "--json").stdout)
            seen.live[number] = seen.tables()
            seen.truth[number] = box.story.night(number)
            seen.refused[number] = set(box.refused)
            seen.upstream[number] = box.ministry.record.licences()
            seen.published[number] = seen.portal()
        seen.reconciled = json.loads(seen.kho("exchange", "reconcile", "--full", "--json").stdout)
        seen.effects, seen.requests = box.ministry.record.effects(), box.ministry.record.requests()
        yield seen
    seen.kho("stop")
    shutil.rmtree(home, ignore_errors=True)
