"""Up and out: the outbox of national obligations, and the versions of open data."""

from alembic import op

from orchestration.warehouse.schema import sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables, owned by kho_owner."""
    for name in ("exchange_tables", "portal_tables"):
        op.get_bind().exec_driver_sql(sql_file(name))


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("a warehouse goes forward: restore a backup instead")
