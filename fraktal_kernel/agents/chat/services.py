"""What a chat turn asks of its server: its place in the conversation, models, and to be kept.

Whoever only lists capabilities imports this too, so that what needs the database is imported by
the services themselves, which run where one is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fraktal_kernel.core.services import Asked, service
from fraktal_kernel.errors import InvalidInput

if TYPE_CHECKING:
    from fraktal_kernel.agents.chat.book import Book


def _book(asked: Asked) -> Book:
    from fraktal_kernel.agents.chat.book import Book

    return Book(asked.engine.database, asked.engine.events, asked.owner_id)


@service("chat.open")
def open_turn(
    asked: Asked, text: str, conversation: int | None, parent: int | None
) -> dict[str, Any]:
    """Find or make the place of a turn, and tell what was said before it."""
    if asked.job_id is None:
        raise InvalidInput("a chat turn is a job; say it with: wb.chat.send(...).")
    book = _book(asked)
    turn = book.open_turn(asked.job_id, text, conversation, parent)
    settings = asked.engine.settings
    return {
        "conversation": turn.conversation_id,
        "answer": turn.answer_id,
        "data": str(settings.data),
        "history": book.history(turn.answer_id),
        "max_requests": settings.chat_max_requests,
        "max_calls": settings.chat_max_calls,
        "max_tokens": settings.chat_max_tokens,
    }


@service("chat.before")
def before(asked: Asked, digest: str, fresh: bool) -> dict[str, Any]:
    """Say which language models may be asked, or what was answered before."""
    from fraktal_kernel.agents.models.answers import before_asking

    return before_asking(asked, digest, fresh)


@service("chat.after")
def after(
    asked: Asked,
    digest: str,
    attempts: list[dict[str, Any]],
    response: Any | None,
    tokens_in: int,
    tokens_out: int,
) -> float | None:
    """Take note of how the models fared; says what the answer cost."""
    from fraktal_kernel.agents.models.answers import after_asking

    return after_asking(asked, digest, attempts, response, tokens_in, tokens_out)


@service("chat.model")
def model(asked: Asked, model: str) -> dict[str, Any]:
    """Say where one language model of the list is, and how long it may take."""
    from fraktal_kernel.agents.models.answers import before_trying

    return before_trying(asked, model)


@service("chat.look")
def look(asked: Asked, capability: str, arguments: dict[str, Any], language: str) -> dict[str, Any]:
    """Answer what the workbench itself knows, or do to a job what its owner said."""
    from fraktal_kernel.agents.offline.questions import answer as answer_question
    from fraktal_kernel.core.local import LocalWorkbench

    settings = asked.engine.settings
    roots = [settings.data]
    workbench = LocalWorkbench(settings, engine=asked.engine, user_id=asked.owner_id, roots=roots)
    told = answer_question(capability, arguments, workbench, language)
    artifacts = [each.model_dump() for each in told.artifacts]
    return {"reply": told.reply, "data": told.data, "artifacts": artifacts}


@service("chat.outcome")
def outcome(asked: Asked, job: int) -> dict[str, Any]:
    """Tell how a call of a turn stands: its state, its files, and whether a person is asked."""
    from fraktal_kernel.core.local import LocalWorkbench

    workbench = LocalWorkbench(asked.engine.settings, engine=asked.engine, user_id=asked.owner_id)
    view = workbench.jobs.get(job)
    artifacts = [each.model_dump() for each in workbench.jobs.artifacts(job)]
    return {"state": view.state, "effect": view.effect, "artifacts": artifacts}


@service("chat.finish")
def finish(
    asked: Asked, answer: int, details: dict[str, Any], memory: list[Any], cost: float | None
) -> None:
    """Write an answer that is complete."""
    _book(asked).finish(answer, details, memory, cost)
