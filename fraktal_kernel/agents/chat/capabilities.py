"""The chat as a capability: a turn is a job, so that it is durable, watched and can be stopped."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fraktal_kernel.agents.chat import services as _services  # noqa: F401  they answer a turn
from fraktal_kernel.agents.chat.model import TEXT_MAX_CHARS
from fraktal_kernel.core.capability import Run, capability


class ChatTurn(BaseModel):
    """What a person says, and where in which conversation."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=TEXT_MAX_CHARS, description="What is said.")
    conversation: int | None = Field(
        None, ge=1, le=2**63 - 1, description="Number of the conversation; a new one by default."
    )
    parent: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        description="Answer that this follows, 0 for none; by default the newest one.",
    )
    fresh: bool = Field(False, description="Ask anew even where an answer was kept.")


class ChatAnswer(BaseModel):
    """What came of a turn."""

    conversation: int
    message: int
    text: str
    model: str
    cached: bool
    tokens_in: int
    tokens_out: int
    cost: float | None


class TryModel(BaseModel):
    """Which language model is tried."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=700, description="One of the list of models.")


class Tried(BaseModel):
    """What came of it; ``reason`` says why there is no answer."""

    model: str
    answered: bool
    text: str
    reason: str
    seconds: float
    tokens_in: int
    tokens_out: int
    cost: float | None


@capability("chat.try_model", title="Try a language model", examples=[{"model": "offline"}])
def try_model(params: TryModel, run: Run) -> Tried:
    """Greet one language model of the list and tell what it answered, and how fast.

    No other model is asked where it does not answer, and one that rests is asked as well: its
    answer ends the rest.
    """
    from fraktal_kernel.agents.models.trying import greet  # takes seconds to import

    done: dict[str, Any] = greet(params.model, run)
    return Tried(**done)


@capability(
    "chat.turn",
    title="Say something to the chat",
    examples=[{"text": "Render the seahorse valley with the fire palette."}],
)
def take_turn(params: ChatTurn, run: Run) -> ChatAnswer:
    """Let a language model answer, with the capabilities as its tools.

    What has no effect on the world is done at once, as a child job; what has one waits for a
    person's yes. Without any language model the offline one understands commands.
    """
    from fraktal_kernel.agents.chat.turn import Turn  # takes seconds to import

    done: dict[str, Any] = Turn(params, run).take()
    return ChatAnswer(**done)
