"""Every source: channels, notes, code lists, tickets."""

from alembic import op

from orchestration.warehouse.schema import sql_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables, owned by kho_owner, and give the older ones their new columns."""
    op.get_bind().exec_driver_sql(sql_file("source_tables"))


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("a warehouse goes forward: restore a backup instead")
