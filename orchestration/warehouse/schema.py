"""How the warehouse's schema comes to be: databases, roles, then Alembic's migrations. All of it idempotent.

Belongs here: what `kho init` runs. Stays out: tables made from contracts (landing makes those) and dbt's models.
"""

from __future__ import annotations

from pathlib import Path

from orchestration import settings
from orchestration.errors import KhoError
from orchestration.warehouse import connections
from orchestration.warehouse.connections import DAGSTER_DATABASE, DATABASE, connect, is_external, sqlalchemy_url

HERE = Path(__file__).parent


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
    """Run the migrations that are missing, in one transaction each."""
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
            after = context.get_current_revision()
    finally:
        engine.dispose()
    return [f"schema {before or 'none'} -> {after}"]
