"""How the warehouse's schema comes to be: databases, roles, tables by Alembic's migrations, functions. All of it idempotent.

Tables hold what was, so they change by migrations. Functions hold nothing: they are put in as this version has them.

Belongs here: what `kho init` runs. Stays out: tables made from contracts (landing makes those) and dbt's models.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.warehouse import connections
from orchestration.warehouse.connections import DAGSTER_DATABASE, DATABASE, connect, is_external, sqlalchemy_url

if TYPE_CHECKING:
    from sqlalchemy import Connection

HERE = Path(__file__).parent
#: Files of functions and their grants, in the order in which they refer to each other.
FUNCTIONS = (
    "identifiers",
    "ledger",
    "tickets",
    "delta",
    "release",
    "history",
    "exchange_plan",
    "exchange_send",
    "exchange_reconcile",
)


def sql_file(name: str) -> str:
    """Text of `sql/<name>.sql`, with % doubled for the driver."""
    return (HERE / "sql" / f"{name}.sql").read_text(encoding="utf-8").replace("%", "%%")


def init() -> list[str]:
    """Bring the warehouse to this version's schema; returns what was done, one line each. Run again at any time.

    Raises KhoError when the server is older than PostgreSQL 16 or not UTF-8.
    """
    done = []
    database = DATABASE
    with connect("admin", autocommit=True, **({} if is_external() else {"dbname": "postgres"})) as admin:
        if admin.info.server_version < 160000:
            raise KhoError("old_server", vi="cần PostgreSQL 16 trở lên", en="PostgreSQL 16 or newer is needed")
        if is_external():
            database = admin.info.dbname
        for name in (database, f"{database}_dagster" if is_external() else DAGSTER_DATABASE):
            if not admin.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
                admin.execute(f'create database "{name}" encoding UTF8 template template0')
                done.append(f"database {name}")
    with connect("admin", dbname=database) as admin:
        encoding = admin.execute("show server_encoding").fetchone()
        if encoding != ("UTF8",):
            raise KhoError("encoding", vi="cơ sở dữ liệu phải dùng UTF8", en="the database must use UTF8")
        admin.execute((HERE / "sql" / "roles.sql").read_text(encoding="utf-8"))
        for role in connections.ROLES:
            password = settings.role_password(role)
            if password and role != "admin":
                from psycopg import sql

                admin.execute(
                    sql.SQL("alter role {} password {}").format(sql.Identifier(f"kho_{role}"), sql.Literal(password))
                )
    dagster_database = f"{database}_dagster" if is_external() else DAGSTER_DATABASE
    with connect("admin", dbname=dagster_database) as admin:
        admin.execute(f'revoke all on database "{dagster_database}" from public')
        admin.execute(f'grant connect, temporary on database "{dagster_database}" to kho_dagster')
        admin.execute("grant all on schema public to kho_dagster")
    done.append("roles")
    done += _migrate()
    return done


def _migrate() -> list[str]:
    """Run the migrations that are missing and put in the functions, all in one transaction."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import create_engine, text

    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    engine = create_engine(sqlalchemy_url("admin"))
    try:
        with engine.begin() as connection:
            # Two that start at once: the second finds the work done.
            connection.execute(text("select pg_advisory_xact_lock(hashtextextended('kho.schema', 0))"))
            context = MigrationContext.configure(
                connection, opts={"version_table": "schema_version", "version_table_schema": "kho"}
            )
            before = context.get_current_revision()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            done = [f"schema {before or 'none'} -> {context.get_current_revision()}"]
            if _put_in_functions(connection):
                done.append("functions")
    finally:
        engine.dispose()
    return done


def _put_in_functions(connection: Connection) -> bool:
    """Make the functions those of this version, unless they are; returns whether anything was done.

    Old ones are dropped first: a function whose result has changed cannot be replaced. The schema's comment tells which are in.
    """
    from sqlalchemy import text

    files = [sql_file(name) for name in FUNCTIONS]
    version = f"functions {hashlib.sha256(''.join(files).encode()).hexdigest()}"
    if connection.execute(text("select obj_description('release'::regnamespace, 'pg_namespace')")).scalar() == version:
        return False
    connection.execute(text("set local role kho_owner"))
    old = connection.execute(
        text("""select string_agg(p.oid::regprocedure::text, ', ') from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                 where n.nspname in ('kho', 'delta', 'release', 'exchange', 'identifier')
                   -- A view that uses one keeps it: it is replaced where it is.
                   and not exists (select from pg_depend d where d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid and d.deptype = 'n')""")
    ).scalar()
    if old:
        connection.execute(text(f"drop function {old}"))
    for file in files:
        connection.exec_driver_sql(file)
    connection.execute(text(f"comment on schema release is '{version}'"))
    return True
