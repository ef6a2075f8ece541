"""Receipts say whether synthetic data were let in."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """One column."""
    op.execute("alter table kho.delivery add column synthetic boolean not null default false")
    op.execute(
        "comment on column kho.delivery.synthetic is"
        " 'Nhận khi KHO_SYNTHETIC=1: dữ liệu mô phỏng. Taken in with KHO_SYNTHETIC=1: synthetic data.'"
    )


def downgrade() -> None:
    """Not offered."""
    raise NotImplementedError("a warehouse goes forward: restore a backup instead")
