"""What failed for good and was put away by a person: when, so that it can be taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it with jobs and with messages."""
    for table in ("job", "bus_delivery"):
        op.add_column(table, sa.Column("discarded_at", sa.Float(precision=53), nullable=True))
