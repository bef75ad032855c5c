"""Conversations with their messages, and answers of language models that are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SECONDS = sa.Float(precision=53)
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _owner() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["owner_id"], ["user_account.id"])


def upgrade() -> None:
    """Make the tables of the chat, and a short way to what a job said."""
    op.create_index(
        "event_said",
        "event",
        ["subject", "seq"],
        unique=False,
        sqlite_where=sa.text("topic = 'jobs.said'"),
        postgresql_where=sa.text("topic = 'jobs.said'"),
    )
    op.create_table(
        "conversation",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("tip_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("changed_at", SECONDS, nullable=False),
        sa.Column("deleted_at", SECONDS, nullable=True),
        _owner(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("conversation_owner", "conversation", ["owner_id", "changed_at"], unique=False)
    op.create_table(
        "chat_message",
        sa.Column("id", KEY, nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("memory", sa.Text(), nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        _owner(),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"]),
        sa.ForeignKeyConstraint(["parent_id"], ["chat_message.id"]),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "role"),
    )
    op.create_index(
        "chat_message_conversation", "chat_message", ["conversation_id", "id"], unique=False
    )
    op.create_table(
        "model_answer",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        _owner(),
        sa.PrimaryKeyConstraint("digest", "owner_id"),
    )
    op.create_index("model_answer_age", "model_answer", ["owner_id", "created_at"], unique=False)
