"""The questions of a turn to a language model: their tools, and the digest that names each."""

from __future__ import annotations

import hashlib
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


class Questioning:
    """The questions of one turn, each with the messages of the one before it and some more.

    What was said before is read once, however often is asked.
    """

    def __init__(self) -> None:
        self._told = hashlib.sha256()
        self._count = 0
        self._tools: list[Tool] = []
        self._tools_digest = ""
        self._parameters = ModelRequestParameters()

    def ask(
        self, messages: Sequence[ModelMessage], tools: Sequence[Tool]
    ) -> tuple[str, ModelRequestParameters]:
        """Make what a model is asked beside the messages, and the digest of all of it."""
        for message in _dumped(messages[self._count :]):
            self._told.update(digest_of(_told(message)).encode())
        self._count = len(messages)
        if not self._tools_digest or list(tools) != self._tools:
            self._tools = list(tools)
            self._tools_digest = digest_of([[t.name, t.description, t.schema] for t in tools])
            self._parameters = parameters_for(tools)
        return digest_of([self._told.hexdigest(), self._tools_digest]), self._parameters


def parameters_for(tools: Sequence[Tool]) -> ModelRequestParameters:
    """Make what a model is asked beside the messages."""
    return ModelRequestParameters(
        function_tools=[
            ToolDefinition(
                name=tool.name,
                description=tool.description,
                parameters_json_schema=tool.schema,
                strict=False,
            )
            for tool in tools
        ]
    )


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
