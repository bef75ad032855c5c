"""What a timeline needs beyond the journal: trace contexts, times of steps, recorded spans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SECONDS = sa.Float(precision=53)
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make room for them, and a short way to the states of a job."""
    for table, column in (
        ("job", sa.Column("traceparent", sa.String(), nullable=False, server_default="")),
        ("job_step", sa.Column("seconds", SECONDS, nullable=True)),
        ("job_step", sa.Column("cost", SECONDS, nullable=False, server_default="0")),
    ):
        op.add_column(table, column)
    op.create_index(
        "event_state",
        "event",
        ["subject", "seq"],
        unique=False,
        sqlite_where=sa.text("topic = 'jobs.state'"),
        postgresql_where=sa.text("topic = 'jobs.state'"),
    )
    op.create_table(
        "span",
        sa.Column("id", KEY, nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("span_id", sa.String(length=16), nullable=False),
        sa.Column("parent_id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("began_at", SECONDS, nullable=False),
        sa.Column("ended_at", SECONDS, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.ForeignKeyConstraint(["owner_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("span_job", "span", ["job_id"], unique=False)
    op.create_index("span_ended", "span", ["ended_at"], unique=False)
    op.create_table(
        "span_export",
        sa.Column("endpoint", sa.String(length=400), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint"),
    )
