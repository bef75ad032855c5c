"""What failed for good and was put away by a person; a short way to the steps that go on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room with jobs and messages for when that was, and an index of events."""
    for table in ("job", "bus_delivery"):
        op.add_column(table, sa.Column("discarded_at", sa.Float(precision=53), nullable=True))
    op.create_index(
        "event_step",
        "event",
        ["subject", "seq"],
        unique=False,
        sqlite_where=sa.text("topic = 'jobs.step'"),
        postgresql_where=sa.text("topic = 'jobs.step'"),
    )
