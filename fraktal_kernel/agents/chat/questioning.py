"""A question to a language model: its messages and tools, and the digest that names both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from fraktal_kernel.agents.chat.tools import Tool
from fraktal_kernel.agents.models.cache import digest_of

#: What of a message changes the answer; times, numbers of runs and bills do not.
TOLD = ("part_kind", "content", "tool_name", "args")


def question_of(
    messages: Sequence[ModelMessage], tools: Sequence[Tool]
) -> tuple[str, ModelRequestParameters]:
    """Make what a model is asked beside the messages, and the digest of all of it."""
    definitions = [
        ToolDefinition(
            name=tool.name,
            description=tool.description,
            parameters_json_schema=tool.schema,
            strict=False,
        )
        for tool in tools
    ]
    plain = {
        "messages": [_told(each) for each in _dumped(messages)],
        "tools": [[tool.name, tool.description, tool.schema] for tool in tools],
    }
    return digest_of(plain), ModelRequestParameters(function_tools=definitions)


def _dumped(messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
    dumped: list[dict[str, Any]] = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    return dumped


def _told(message: dict[str, Any]) -> list[Any]:
    """Return what a model sees of a message, its calls numbered instead of named at random."""
    names: dict[str, int] = {}
    told: list[Any] = [message.get("instructions")]
    for part in message["parts"]:
        seen = {key: part[key] for key in TOLD if part.get(key) is not None}
        if isinstance(seen.get("args"), str):
            try:
                seen["args"] = json.loads(seen["args"])
            except ValueError:
                pass  # what is no JSON is told as it stands
        if "tool_call_id" in part:
            seen["call"] = names.setdefault(part["tool_call_id"], len(names))
        told.append(seen)
    return told
