"""The offline model behind the same interface as every other: it understands commands.

What a person said becomes a call or a sentence; what a call gave becomes a sentence. It reads
nothing that a tool gave back but whether that went well, so nothing in there can talk it round.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls

from fraktal_kernel.agents.chat.tools import offered, tool_name
from fraktal_kernel.agents.offline import Understanding, understand

#: How many earlier questions an answer to what was asked back may refer to.
LOOKS_BACK = 3


async def stream_offline(
    messages: list[ModelMessage], info: AgentInfo
) -> AsyncIterator[str | DeltaToolCalls]:
    """Answer the last message."""
    last = messages[-1]
    returns = [part for part in last.parts if isinstance(part, ToolReturnPart)]
    if returns:
        yield " ".join(_told(part) for part in returns)
        return
    meaning = meaning_of(_questions(messages))
    name = meaning.capability or ""
    if meaning.kind in ("call", "question"):
        yield {
            0: DeltaToolCall(
                name=tool_name(name),
                json_args=json.dumps(dict(meaning.arguments), default=str),
                tool_call_id=f"offline-{len(messages)}",
            )
        }
    else:
        yield meaning.reply


def meaning_of(texts: Sequence[str]) -> Understanding:
    """Say what the last of several sentences means, in the light of those before."""
    found = offered()
    meaning: Understanding | None = None
    for text in texts[-LOOKS_BACK:]:
        meaning = understand(text, found, context=meaning)
    assert meaning is not None
    return meaning


def _questions(messages: Sequence[ModelMessage]) -> list[str]:
    return [
        part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, UserPromptPart) and isinstance(part.content, str)
    ]


def _told(part: ToolReturnPart) -> str:
    """Say how a call went; the facts are in the part's metadata, beside what a model is shown."""
    outcome: dict[str, Any] = part.metadata or {}
    return str(outcome.get("sentence") or "It is done.")
