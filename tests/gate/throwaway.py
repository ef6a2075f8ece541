"""A throwaway database with the tables the gate needs, and how tests stage builds in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from expectations import gate


@dataclass
class Warehouse:
    """The database as an administrator sees it, and the URL the gate's role gets."""

    admin: psycopg.Connection[Any]
    gate_url: str
    _builds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def execute(
        self, statement: str | sql.Composable, parameters: Sequence[Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run as administrator; rows, if any."""
        cursor = self.admin.execute(statement, parameters)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []

    def relation(self, subject: str, table: str, part: str, select: str) -> None:
        """Put `select` behind the view of this name that the gate reads."""
        name = sql.Identifier("journal", f"{subject}__{table}__{part}")
        self.admin.execute(sql.SQL("create or replace view {} as {}").format(name, sql.SQL(select)))
        self.admin.execute(sql.SQL("grant select on {} to kho_gate").format(name))

    def build(self, subject: str, tables: Mapping[str, Sequence[str]], *, baseline: bool = True, base: int = 0) -> int:
        """A frozen build of `subject` with these tables and keys."""
        build = next(self._builds)
        self.execute("insert into kho.build values (%s, %s, %s, 'frozen')", (build, subject, base))
        for table, key in tables.items():
            self.execute(
                "insert into kho.build_table values (%s, %s, %s, %s, '{}', %s, 0, 0, 0)",
                (build, subject, table, list(key), baseline),
            )
        return build

    def promote(self, subject: str, build: int, release: int, kind: str = "release") -> None:
        """Record that `build` became release number `release`."""
        self.execute("insert into kho.release values (%s, %s, %s, %s)", (subject, release, build, kind))

    def run(self, subject: str, build: int, root: Path, **options: Any) -> gate.GateResult:
        """Run the gate as the engine does."""
        return gate.run(subject, build, conn_url=self.gate_url, root=root, **options)

    def failing_keys(self, build: int, expectation_id: str) -> list[Any]:
        """The failing keys that the gate listed, as JSON objects."""
        rows = self.execute(
            "select key from kho.gate_failure where build = %s and expectation_id = %s order by key::text",
            (build, expectation_id),
        )
        return [key for (key,) in rows]
