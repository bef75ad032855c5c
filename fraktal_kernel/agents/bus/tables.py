"""The bus's tables: what was said, who reads it, and how far each reader is with each message."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text, text
from sqlmodel import Field, SQLModel

from fraktal_kernel.core.tables import BigKey, Seconds


class BusMessage(SQLModel, table=True):
    """One message, in the order in which all see it; with a broker, its outbox as well."""

    __tablename__ = "bus_message"
    __table_args__ = (
        Index(
            "bus_outbox",
            "relay_at",
            sqlite_where=text("relay_at IS NOT NULL"),
            postgresql_where=text("relay_at IS NOT NULL"),
        ),
    )
    seq: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    id: str = Field(unique=True, max_length=200)
    owner_id: int = Field(foreign_key="user_account.id")
    topic: str = Field(max_length=100)
    body: str = Field(sa_type=Text)
    headers: str = Field(sa_type=Text)
    created_at: float = Field(sa_type=Seconds)
    #: when it may be sent to the broker (again); None: it need not be
    relay_at: float | None = Field(default=None, sa_type=Seconds)


class BusGroup(SQLModel, table=True):
    """One group of consumers that share its messages, and how far it has read.

    A name with a dot is no group: it is how far the workbench has carried its own events.
    """

    __tablename__ = "bus_group"
    name: str = Field(primary_key=True, max_length=100)
    owner_id: int = Field(foreign_key="user_account.id")
    pattern: str = Field(max_length=100)
    #: what is above it has not been looked at, unless it has a delivery
    position: int = Field(sa_type=BigInteger)
    #: whether a broker brings the messages, rather than this table's order
    fed: bool = False


class BusDelivery(SQLModel, table=True):
    """One message on its way to one group.

    ============  ============  =========================================================
    ``due_at``    ``dead_at``   the message
    ============  ============  =========================================================
    a time        None          is to be delivered (again) then; until then somebody has
                                it, or it waits after a failure
    None          a time        is a dead letter; where it has ``discarded_at``, a person has
                                put it away, and it is kept as long as its message
    None          None          was handled; kept while a broker could bring it again
    ============  ============  =========================================================
    """

    __tablename__ = "bus_delivery"
    __table_args__ = (
        Index(
            "bus_due",
            "group_name",
            "due_at",
            "seq",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "bus_dead",
            "group_name",
            "seq",
            sqlite_where=text("dead_at IS NOT NULL"),
            postgresql_where=text("dead_at IS NOT NULL"),
        ),
        Index("bus_delivery_seq", "seq"),
    )
    group_name: str = Field(primary_key=True, foreign_key="bus_group.name", max_length=100)
    seq: int = Field(sa_column=Column(BigInteger, ForeignKey("bus_message.seq"), primary_key=True))
    owner_id: int = Field(foreign_key="user_account.id")
    attempts: int = 0
    due_at: float | None = Field(default=None, sa_type=Seconds)
    dead_at: float | None = Field(default=None, sa_type=Seconds)
    error: str | None = Field(default=None, sa_type=Text)
    discarded_at: float | None = Field(default=None, sa_type=Seconds)


__all__ = ["BusDelivery", "BusGroup", "BusMessage"]
