"""The register of licences, made up and released: what is owed to the health system, in any number.

Belongs here: rows, their way to release without dbt and suites, and emptying the outbox. Stays out: measuring.
"""

from __future__ import annotations

from benchmarks import parcels
from orchestration import exchange, release
from orchestration.exchange import Obligation
from orchestration.release import ledger
from orchestration.warehouse import connect

SUBJECT = "health"
TABLE = "fct_health_licence"
# About as long as real ones: a message of this register has 310 bytes.
_ROWS = """
    select lpad(g::text, 7, '0') || '/BN-GPHĐ' as licence_no,
           '24' || lpad((g % 900)::text, 3, '0') as facility_code,
           (array['Phòng khám đa khoa', 'Phòng khám chuyên khoa "Nội"', 'Cơ sở dịch vụ y tế', 'Nhà thuốc gia đình'])[1 + g % 4]
               || ', phường Kinh Bắc' as scope,
           date '2014-01-01' + (g % 4000)::int as issued_on,
           case when g % 3 = 0 then date '2027-01-01' + (g % 900)::int end as expires_on,
           (array['HIEU_LUC', 'HIEU_LUC', 'TAM_DINH_CHI', 'THU_HOI'])[1 + g % 4] as status,
           timestamptz '2026-01-01' + make_interval(secs => g % 8000000) as updated_at
      from generate_series(1, {count}) g"""


def obligation() -> Obligation:
    """What is owed, as the province declares it."""
    (found,) = [each for each in exchange.load_all() if each.id == "health_system.facility_licence"]
    return found


def release_rows(count: int) -> None:
    """`count` licences as the first release of a warehouse that has none."""
    build = release.begin(SUBJECT, parcels.day(0))
    with connect("transform") as connection:
        connection.execute(f"create table candidate_{SUBJECT}.{TABLE} as {_ROWS.format(count=count)}")
        connection.execute("select release.declare(%s, %s, %s, false)", (SUBJECT, TABLE, ["licence_no"]))
    release.diff(SUBJECT, build)
    with connect("gate") as connection:  # a verdict as the gate writes it; what the gate costs is measured elsewhere
        connection.execute(
            "insert into kho.gate (build, subject, verdict, rules_hash, full_scan) values (%s, %s, 'pass', 'none', true)",
            (build, SUBJECT),
        )
        ledger.append(connection, "gate", SUBJECT, build)
    release.promote(SUBJECT, build)
    with connect("admin", autocommit=True) as admin:
        admin.execute(f"vacuum analyze {SUBJECT}.{TABLE}")


def forget_release() -> None:
    """No released licences any more; for use after `ground.reset`."""
    with connect("admin") as admin:
        admin.execute(f"drop table if exists {SUBJECT}.{TABLE} cascade")


def empty_outbox() -> None:
    """As if nothing had ever been planned, on a disk that owes nothing."""
    with connect("admin", autocommit=True) as admin:
        admin.execute(
            "truncate kho.obligation, kho.batch, kho.message, kho.exchange_run, kho.reconciliation restart identity"
        )
        admin.execute("delete from kho.ledger where kind = 'exchange'")
        admin.execute("checkpoint")
