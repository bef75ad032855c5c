"""The tables of language models: answers that they gave before, and how each fared."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel

from fraktal_kernel.core.tables import Seconds


class ModelAnswer(SQLModel, table=True):
    """What one model answered to one question, kept for whoever asks just the same."""

    __tablename__ = "model_answer"
    __table_args__ = (Index("model_answer_age", "owner_id", "created_at"),)
    #: SHA-256 of model, messages, tools and settings
    digest: str = Field(primary_key=True, max_length=64)
    owner_id: int = Field(foreign_key="user_account.id", primary_key=True)
    model: str
    response: str = Field(sa_type=Text)
    size_bytes: int
    created_at: float = Field(sa_type=Seconds)


class ModelRecord(SQLModel, table=True):
    """How one model fared; it is the workspace's, not a person's, as the list of models is."""

    __tablename__ = "model_record"
    #: as the list names it
    model: str = Field(primary_key=True, max_length=700)
    since: float = Field(sa_type=Seconds)
    answers: int = Field(default=0, sa_type=BigInteger)
    failures: int = Field(default=0, sa_type=BigInteger)
    tokens_in: int = Field(default=0, sa_type=BigInteger)
    tokens_out: int = Field(default=0, sa_type=BigInteger)
    #: None until an answer had a price
    cost: float | None = Field(default=None, sa_type=Seconds)
    error: str = Field(default="", sa_type=Text)
    error_at: float | None = Field(default=None, sa_type=Seconds)
    #: how long the newest answers took, as JSON
    seconds: str = Field(default="[]", sa_type=Text)
