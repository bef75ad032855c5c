"""What the language models of the settings would do, without doing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.settings import ModelSettings

from fraktal_kernel.agents.chat.instructions import INSTRUCTIONS
from fraktal_kernel.agents.chat.questioning import parameters_for
from fraktal_kernel.agents.chat.tools import offered, tool_name, tools_for
from fraktal_kernel.agents.models.asking import Attempt, ask
from fraktal_kernel.agents.models.loop import wait_for
from fraktal_kernel.agents.models.shelf import read_specs
from fraktal_kernel.core.settings import Settings


def choose(text: str, settings: Settings) -> dict[str, Any]:
    """Ask once, in this process, and tell what was chosen.

    Returns
    -------
    ``capability`` and ``arguments`` of the first call, None and empty where there is none;
    ``reply``: what was said; ``model``: who chose; ``failed``: who did not answer, and why
    """
    found = offered()
    message = ModelRequest(parts=[UserPromptPart(text)], instructions=INSTRUCTIONS)
    parameters = parameters_for(tools_for([text], found))
    limits = ModelSettings(
        request_timeout=settings.model_timeout_s, first_event_timeout=settings.model_first_token_s
    )

    def begun(_model: str, _failed: Sequence[Attempt]) -> None:
        """Nobody is watching."""

    asked = wait_for(
        ask(read_specs(settings), [message], parameters, limits, begun, lambda _text: None),
        lambda: None,
    )
    calls = asked.response.tool_calls
    names = {tool_name(name): name for name in found}
    return {
        "capability": names.get(calls[0].tool_name, calls[0].tool_name) if calls else None,
        "arguments": calls[0].args_as_dict() if calls else {},
        "reply": asked.response.text or "",
        "model": asked.model,
        "failed": {each.model: each.reason for each in asked.attempts[:-1]},
    }
