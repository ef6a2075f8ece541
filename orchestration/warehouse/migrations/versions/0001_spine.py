"""The spine: receipts, quarantine, builds, gates, releases, the ledger."""

from alembic import op

from orchestration.warehouse.schema import sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables, owned by kho_owner."""
    op.get_bind().exec_driver_sql(sql_file("tables"))


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("a warehouse goes forward: restore a backup instead")
