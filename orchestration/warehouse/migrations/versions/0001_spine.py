"""The spine: receipts, quarantine, builds, gates, releases, the ledger and the functions that move the delta."""

from alembic import op

from orchestration.warehouse.schema import sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create tables and functions, owned by kho_owner."""
    for name in ("tables", "ledger", "delta", "release", "history"):
        op.get_bind().exec_driver_sql(sql_file(name))


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("a warehouse goes forward: restore a backup instead")
