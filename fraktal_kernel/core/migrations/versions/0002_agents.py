"""Agents and what they do, approvals, effects, and who asked for what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SECONDS = sa.Float(precision=53)
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _owner() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["owner_id"], ["user_account.id"])


def upgrade() -> None:
    """Give jobs their agent and their effect; make the tables of agents and approvals."""
    for column in (
        sa.Column("agent", sa.String(), nullable=False, server_default=""),
        sa.Column("avoid", sa.String(), nullable=False, server_default="[]"),
        sa.Column("ran_on", sa.String(), nullable=False, server_default=""),
        sa.Column("asked_by", sa.String(), nullable=False, server_default=""),
        sa.Column("effect", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("effect_started_at", SECONDS, nullable=True),
        sa.Column("wake_at", SECONDS, nullable=True),
        sa.Column("cost", SECONDS, nullable=False, server_default="0"),
    ):
        op.add_column("job", column)
    op.drop_index("job_queue", "job")
    op.create_index(
        "job_queue",
        "job",
        ["agent", sa.text("priority DESC"), "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "job_ended",
        "job",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "job_alarm",
        "job",
        ["wake_at"],
        unique=False,
        sqlite_where=sa.text("wake_at IS NOT NULL"),
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.create_table(
        "approval",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("capability", sa.String(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("asked_at", SECONDS, nullable=False),
        sa.Column("expires_at", SECONDS, nullable=False),
        sa.Column("answered_at", SECONDS, nullable=True),
        sa.Column("answered_by", sa.Integer(), nullable=True),
        sa.Column("used_at", SECONDS, nullable=True),
        _owner(),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.ForeignKeyConstraint(["answered_by"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("approval_job", "approval", ["job_id"], unique=False)
    op.create_index(
        "approval_open",
        "approval",
        ["owner_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "agent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("offers", sa.Text(), nullable=False),
        sa.Column("capabilities", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("registered_at", SECONDS, nullable=False),
        sa.Column("last_beat", SECONDS, nullable=False),
        sa.Column("connections", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        _owner(),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner_id", "name"),
    )
    op.create_table(
        "agent_sample",
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("time", SECONDS, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("cpu_share", SECONDS, nullable=True),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("gpu_share", SECONDS, nullable=True),
        sa.Column("busy", sa.Integer(), nullable=False),
        _owner(),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("agent_id", "time"),
    )
    op.create_table(
        "agent_task",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("capability", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_at", SECONDS, nullable=False),
        sa.Column("ended_at", SECONDS, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        _owner(),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("agent_task_agent", "agent_task", ["agent_id", "id"], unique=False)
    op.create_index("agent_task_job", "agent_task", ["job_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("time", SECONDS, nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        _owner(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_owner", "audit", ["owner_id", "id"], unique=False)
