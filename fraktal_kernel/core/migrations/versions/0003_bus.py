"""The bus: messages in their order, the groups that read them, and what is on its way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SECONDS = sa.Float(precision=53)
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _owner() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["owner_id"], ["user_account.id"])


def _index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=False, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    """Make the tables of the bus."""
    op.create_table(
        "bus_message",
        sa.Column("seq", KEY, nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=100), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("relay_at", SECONDS, nullable=True),
        _owner(),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    _index("bus_outbox", "bus_message", ["relay_at"], "relay_at IS NOT NULL")
    op.create_table(
        "bus_group",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("pattern", sa.String(length=100), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("fed", sa.Boolean(), nullable=False),
        _owner(),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "bus_delivery",
        sa.Column("group_name", sa.String(length=100), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", SECONDS, nullable=True),
        sa.Column("dead_at", SECONDS, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["group_name"], ["bus_group.name"]),
        sa.ForeignKeyConstraint(["seq"], ["bus_message.seq"]),
        _owner(),
        sa.PrimaryKeyConstraint("group_name", "seq"),
    )
    _index("bus_due", "bus_delivery", ["group_name", "due_at", "seq"], "due_at IS NOT NULL")
    _index("bus_dead", "bus_delivery", ["group_name", "seq"], "dead_at IS NOT NULL")
    op.create_index("bus_delivery_seq", "bus_delivery", ["seq"], unique=False)
