"""One database for the dbt models: stand-ins for landing (raw rows) and promotion (live tables), and dbt in process.

Here belongs what the tests do to that database; its server is in conftest.py. The engine is not used: these tests
show that the models are right whatever moves the data.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "dbt_project"
ADMIN_UNITS = ROOT / "simulator" / "data" / "admin_units"
SUBJECTS = ("governance", "health", "education", "enterprises", "smart_city")

RAW_FILES = {
    "unit_e0": "units_e0_before_2024-12.csv",
    "unit_e1": "units_e1_2025-01-01.csv",
    "unit_e2": "units_e2_2025-07-01.csv",
    "link_e0_e1": "xwalk_e0_e1.csv",
    "link_e1_e2": "xwalk_e1_e2.csv",
}


def subject_selection(subject: str) -> list[str]:
    """Arguments that select every node of one subject: its own folders and the staging models they read directly."""
    folders = [f"path:models/{layer}/{subject}" for layer in ("intermediate", "warehouse")]
    folders = [folder for folder in folders if (PROJECT / folder.removeprefix("path:")).is_dir()]
    return ["--select", *folders, *(f"1+{folder},path:models/staging" for folder in folders)]


@dataclass
class Warehouse:
    """One database with raw tables, and dbt bound to it. `built`: subject -> models that its selection ran."""

    connection: psycopg.Connection[Any]
    work: Path
    manifest: Any = field(default=None, repr=False)
    built: dict[str, set[str]] = field(default_factory=dict)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), parameters or None).fetchall()

    def execute(self, query: str, *parameters: object) -> None:
        self.connection.execute(query.encode(), parameters or None)

    def dbt(self, *arguments: str) -> Any:
        """Run dbt in process on the manifest parsed first; the result, whether it succeeded or not."""
        from dbt.cli.main import dbtRunner

        result = dbtRunner(manifest=self.manifest).invoke(
            [
                *arguments,
                *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
                *("--target-path", str(self.work / "target"), "--log-path", str(self.work / "logs")),
                *("--log-level-file", "none", "--quiet", "--no-use-colors"),
            ]
        )
        if arguments[0] == "parse" and result.success:
            self.manifest = result.result
        return result

    def run(self, *arguments: str) -> set[str]:
        """Run models; the names of those that ran."""
        result = self.dbt("run", *arguments)
        results = getattr(result.result, "results", [])
        failed = [(r.node.name, r.message) for r in results if r.status != "success"]
        assert result.success and not failed, failed or result.exception
        return {r.node.name for r in results}

    def build_subject(self, subject: str) -> None:
        self.built[subject] = self.run(*subject_selection(subject))

    def promote(self, subject: str) -> None:
        """Stand-in for a release: live tables equal the candidate, without tombstones and their columns."""
        self.execute(f"drop schema if exists {subject} cascade; create schema {subject}")
        for model, watermark in self.rows("select model, watermark from release.declared where subject = %s", subject):
            self.execute(f"create table {subject}.{model} as select * from candidate_{subject}.{model}")
            if watermark:
                self.execute(
                    f"delete from {subject}.{model} where _deleted;"
                    f"alter table {subject}.{model} drop column _build, drop column _deleted"
                )

    def land(self, table: str, rows: list[dict[str, Any]], delivery: int) -> None:
        """Stand-in for landing: rows given whole, by key; `_deleted` true makes a tombstone."""
        for row in rows:
            full = {"_deleted": False, **row, "_delivery": delivery}
            key = next(iter(row))
            columns = sql.SQL(", ").join(map(sql.Identifier, full))
            updates = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c)) for c in full)
            self.connection.execute(
                sql.SQL("insert into raw.{} ({}) values ({}) on conflict ({}) do update set {}").format(
                    sql.Identifier(table),
                    columns,
                    sql.SQL(", ").join(sql.Placeholder() * len(full)),
                    sql.Identifier(key),
                    updates,
                ),
                list(full.values()),
            )


def load_admin_units(warehouse: Warehouse) -> None:
    """The province's real units; file columns stand in the order of the raw columns."""
    for table, file in RAW_FILES.items():
        with (ADMIN_UNITS / file).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines))[1:]
        marks = ", ".join(["%s"] * len(rows[0]))
        with warehouse.connection.cursor() as cursor:
            cursor.executemany(f"insert into raw.home_affairs__{table} values ({marks}, 1, false)".encode(), rows)
