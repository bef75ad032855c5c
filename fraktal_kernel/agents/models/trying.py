"""A greeting to one language model: whether it answers, what, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from fraktal_kernel.agents.models.asking import Attempt, NoneAnswered, ask
from fraktal_kernel.agents.models.loop import wait_for
from fraktal_kernel.agents.models.spec import ModelSpec
from fraktal_kernel.core.run import Run

GREETING = "Hello. In one short sentence: what can you help with?"
#: So much of the answer is kept.
SHOWN_CHARS = 600


def greet(model: str, run: Run) -> dict[str, Any]:
    """Greet a model of the list and tell how it went; no other one is asked."""
    known = run.request("chat.model", model=model)
    message = ModelRequest(parts=[UserPromptPart(GREETING)])
    limits = ModelSettings(
        request_timeout=known["timeout_s"], first_event_timeout=known["first_token_s"]
    )
    run.progress(0.0, f"waiting for {model}")

    def begun(_model: str, _failed: Sequence[Attempt]) -> None:
        run.progress(0.5, f"{model} is answering")

    work = ask(
        [ModelSpec(**known["model"])],
        [message],
        ModelRequestParameters(),
        limits,
        begun,
        lambda _text: None,
        known["prices"],
    )
    text, tokens = "", (0, 0)
    try:
        asked = wait_for(work, run.check_cancelled)
    except NoneAnswered as error:
        attempts = error.attempts
    else:
        attempts, usage = asked.attempts, asked.response.usage
        text = (asked.response.text or "").strip()
        tokens = usage.input_tokens, usage.output_tokens
    cost: float | None = run.request(
        "chat.after",
        digest="",
        attempts=[asdict(each) for each in attempts],
        response=None,
        tokens_in=tokens[0],
        tokens_out=tokens[1],
    )
    if cost:
        run.spend(cost)
    return {
        "model": model,
        "answered": not attempts[-1].reason,
        "text": text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + " ...",
        "reason": attempts[-1].reason,
        "seconds": attempts[-1].seconds,
        "tokens_in": tokens[0],
        "tokens_out": tokens[1],
        "cost": cost,
    }
