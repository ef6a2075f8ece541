"""The warehouse: connections by role, the embedded server, schema migrations, backup and dbt's runner.

Belongs here: how one reaches PostgreSQL and how its schema comes to be. Stays out: what any stage does with it.
"""

from orchestration.warehouse.connections import (
    ROLES,
    connect,
    dsn,
    is_external,
    refuse_synthetic_outside,
    sqlalchemy_url,
)

__all__ = ["ROLES", "connect", "dsn", "is_external", "refuse_synthetic_outside", "sqlalchemy_url"]
