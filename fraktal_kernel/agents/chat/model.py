"""Conversations and messages as everybody sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

#: How long one message may be, in characters.
TEXT_MAX_CHARS = 100_000
Role = Literal["user", "assistant"]
MessageState = Literal["open", "done", "stopped", "failed"]


class ConversationView(BaseModel):
    """A conversation as everybody sees it."""

    id: int
    title: str
    tip_id: int | None = Field(description="The newest message of the branch that is shown.")
    created_at: datetime
    changed_at: datetime
    deleted: bool = False


class AnswerDetails(BaseModel):
    """How an answer came about; all empty for a question."""

    parts: list[dict[str, Any]] = Field(
        default_factory=list, description="Texts, notes and calls in their order."
    )
    model: str = Field("", description="The model that answered last.")
    cached: bool = Field(False, description="Whether every answer was one that had been kept.")
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = Field(None, description="None where no price is known.")
    seconds: float = 0.0
    seq: int = Field(0, description="Of an open answer: the last event that its parts tell of.")


class MessageView(BaseModel):
    """A message as everybody sees it."""

    id: int
    conversation_id: int
    parent_id: int | None
    job_id: int
    role: Role
    state: MessageState
    text: str
    error: str
    details: AnswerDetails
    created_at: datetime
    branches: list[int] = Field(description="This message and those that stand in its place.")


class Turn(BaseModel):
    """A question that was asked, and the answer that is on its way."""

    conversation_id: int
    question_id: int
    answer_id: int
    job_id: int
