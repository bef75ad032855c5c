"""For the pages: what a person put away, the steps that go on, how language models fared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add when a job or a message was put away, an index of events, and a table of models."""
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
    op.create_table(
        "model_record",
        sa.Column("model", sa.String(length=700), nullable=False),
        sa.Column("since", sa.Float(precision=53), nullable=False),
        sa.Column("answers", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("failures", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("cost", sa.Float(precision=53), nullable=True),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        sa.Column("error_at", sa.Float(precision=53), nullable=True),
        sa.Column("seconds", sa.Text(), nullable=False, server_default="[]"),
        sa.PrimaryKeyConstraint("model"),
    )
