"""The tables of the chat: conversations, and their messages as a tree."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from fraktal_kernel.core.tables import BigKey, Seconds


class Conversation(SQLModel, table=True):
    """A row of questions and answers; deleted ones are kept for a while, to be brought back."""

    __tablename__ = "conversation"
    __table_args__ = (Index("conversation_owner", "owner_id", "changed_at"),)
    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    owner_id: int = Field(foreign_key="user_account.id")
    title: str = Field(max_length=200)
    #: the newest message of the branch that is shown
    tip_id: int | None = Field(default=None, sa_type=BigInteger)
    created_at: float = Field(sa_type=Seconds)
    changed_at: float = Field(sa_type=Seconds)
    deleted_at: float | None = Field(default=None, sa_type=Seconds)


class ChatMessage(SQLModel, table=True):
    """One message; several with one parent are branches, and none is ever overwritten."""

    __tablename__ = "chat_message"
    __table_args__ = (
        UniqueConstraint("job_id", "role"),
        Index("chat_message_conversation", "conversation_id", "id"),
    )
    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    owner_id: int = Field(foreign_key="user_account.id")
    conversation_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("conversation.id"), nullable=False)
    )
    parent_id: int | None = Field(
        default=None, sa_column=Column(BigInteger, ForeignKey("chat_message.id"), nullable=True)
    )
    #: the turn that asked and answered
    job_id: int = Field(sa_column=Column(BigInteger, ForeignKey("job.id"), nullable=False))
    #: ``user`` or ``assistant``
    role: str
    #: ``open`` while the turn goes on, then ``done``, ``stopped`` or ``failed``
    state: str
    text: str = Field(sa_type=Text)
    error: str = Field(default="", sa_type=Text)
    #: calls, notes and numbers of an answer, for people; JSON
    details: str = Field(default="{}", sa_type=Text)
    #: what a language model is shown of it later; JSON
    memory: str = Field(default="[]", sa_type=Text)
    created_at: float = Field(sa_type=Seconds)
