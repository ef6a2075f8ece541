"""Connections to the warehouse, one LOGIN role a stage.

Belongs here: turning WAREHOUSE_URL or the embedded server into connection strings. Stays out: SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from orchestration import settings
from orchestration.errors import KhoError, pg_error

if TYPE_CHECKING:
    import psycopg

#: Code of the refusal of synthetic data by an external warehouse.
SYNTHETIC_OUTSIDE = "KH070"

#: Stage roles by short name; `admin` is the server's own administrator, used by init, backup and restore only.
ROLES = ("admin", "owner", "loader", "transform", "gate", "release", "exchange", "portal", "analyst", "dagster")

DATABASE = "kho"
DAGSTER_DATABASE = "kho_dagster"


def is_external() -> bool:
    """Whether the warehouse is one that WAREHOUSE_URL names, rather than the embedded server."""
    return settings.warehouse_url() is not None


def refuse_synthetic_outside() -> None:
    """KhoError KH070 when KHO_SYNTHETIC=1 meets an external warehouse: synthetic data never go there. No server is asked."""
    if settings.synthetic() and is_external():
        raise KhoError(
            SYNTHETIC_OUTSIDE,
            vi="kho ngoài (WAREHOUSE_URL) không bao giờ nhận dữ liệu mô phỏng: nhận dữ liệu thật thì bỏ KHO_SYNTHETIC, chạy thử thì bỏ WAREHOUSE_URL",
            en="an external warehouse (WAREHOUSE_URL) never takes synthetic data: unset KHO_SYNTHETIC to take real data, WAREHOUSE_URL to try things out",
            where={"variable": "KHO_SYNTHETIC"},
        )


def parts(role: str) -> dict[str, str]:
    """Connection parts of `role`: host, port, dbname, user and, where one is needed, password."""
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}")
    url = settings.warehouse_url()
    if url is None:
        from orchestration.warehouse import embedded

        user = "postgres" if role == "admin" else f"kho_{role}"
        database = DAGSTER_DATABASE if role == "dagster" else DATABASE
        return {"host": str(embedded.socket_folder()), "port": "5432", "dbname": database, "user": user}
    split = urlsplit(url)
    database = split.path.lstrip("/") or DATABASE
    found = {"host": split.hostname or "localhost", "port": str(split.port or 5432), "dbname": database}
    if role == "admin":
        found["user"] = split.username or "postgres"
        if split.password:
            found["password"] = split.password
        return found
    found["user"] = f"kho_{role}"
    if role == "dagster":
        found["dbname"] = f"{database}_dagster"
    password = settings.role_password(role)
    if password is None:
        raise KhoError(
            "password_missing",
            vi=f"thiếu biến môi trường KHO_PASSWORD_{role.upper()} cho vai trò kho_{role}",
            en=f"environment variable KHO_PASSWORD_{role.upper()} for role kho_{role} is not set",
        )
    found["password"] = password
    return found


def database_name() -> str:
    """Name of the warehouse's database; known without a connection or a password."""
    url = settings.warehouse_url()
    return DATABASE if url is None else urlsplit(url).path.lstrip("/") or DATABASE


def environment(role: str) -> dict[str, str]:
    """libpq environment variables (PGHOST …) of `role`, for psql, pg_dump and the like."""
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    return {names[key]: value for key, value in parts(role).items()}


def dsn(role: str, **override: str) -> str:
    """A libpq connection string of `role`; starts the embedded server if it is not running."""
    ensure_running()
    from psycopg.conninfo import make_conninfo

    return make_conninfo(**{**parts(role), **override})


def sqlalchemy_url(role: str) -> str:
    """A `postgresql+psycopg2://` URL of `role`.

    The driver is named because SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3, which breaks dagster-postgres.
    """
    ensure_running()
    found = parts(role)
    login = quote(found["user"], safe="") + (":" + quote(found["password"], safe="") if "password" in found else "")
    if found["host"].startswith("/"):
        return f"postgresql+psycopg2://{login}@/{found['dbname']}?host={quote(found['host'], safe='/')}&port={found['port']}"
    return f"postgresql+psycopg2://{login}@{found['host']}:{found['port']}/{found['dbname']}"


def connect(role: str, *, autocommit: bool = False, **override: str) -> psycopg.Connection:
    """A connection of `role`, READ COMMITTED.

    Raises KhoError (transient) when the server does not answer; the message carries no address and no secret.
    """
    import psycopg

    try:
        return psycopg.connect(dsn(role, **override), autocommit=autocommit, application_name=f"kho {role}")
    except psycopg.OperationalError as error:
        failure = pg_error(error, relation="warehouse")
    raise failure


def ensure_running() -> None:
    """Start the embedded server unless the warehouse is external."""
    if not is_external():
        from orchestration.warehouse import embedded

        embedded.start()
