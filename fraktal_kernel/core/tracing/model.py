"""A timeline as everybody sees it: what took the time of a job, and of the jobs below it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

Kind = Literal[
    "job", "queue", "start", "attempt", "step", "model", "tool", "person", "children", "work"
]
#: What a question to a language model cost, in the currency of the settings.
COST = "fraktal.cost"
#: What went into it and came out.
TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
SpanState = Literal["open", "ok", "error", "cancelled"]


class SpanView(BaseModel):
    """One thing that took time."""

    id: str = Field(description="Its 16 digits, the same in every trace viewer.")
    parent_id: str | None = Field(description="The span that it is a part of.")
    depth: int = Field(0, description="How many spans of this timeline stand above it.")
    job_id: int
    kind: Kind
    name: str
    state: SpanState
    began_at: datetime
    ended_at: datetime | None = Field(description="None while it goes on.")
    error: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)


class Timeline(BaseModel):
    """The spans of a job, each behind the one that it is a part of, the earliest first."""

    job_id: int
    trace_id: str
    now: datetime
    spans: list[SpanView]
    jobs_left_out: int = Field(0, description="Jobs below this one that are too many to be shown.")
