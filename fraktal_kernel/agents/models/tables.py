"""The table of answers that language models gave before."""

from __future__ import annotations

from sqlalchemy import Index, Text
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
