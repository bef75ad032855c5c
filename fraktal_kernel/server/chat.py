"""The chat over HTTP: conversations, their messages, and turns, which are jobs.

What a turn says while it goes on comes over the event socket: topic ``jobs.said``, with the number
of its job as subject.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from fraktal_kernel.agents.chat.chat import CAPABILITY, LocalChat
from fraktal_kernel.agents.chat.model import (
    TEXT_MAX_CHARS,
    ConversationView,
    MessageView,
    Turn,
)
from fraktal_kernel.core.jobs.model import JobView
from fraktal_kernel.server.body import INT64, StrictRoute
from fraktal_kernel.server.callers import (
    Caller,
    Limit,
    Number,
    ServedWorkbench,
    allowed,
    errors,
    require,
)

router = APIRouter(prefix="/api/chat", tags=["chat"], route_class=StrictRoute)
MAX = INT64.stop - 1


def own_chat(who: Caller, workbench: ServedWorkbench) -> LocalChat:
    """Return the caller's chat; nobody sees that of others."""
    return LocalChat(workbench.as_user(who.user_id))


def may_say(who: Caller) -> None:
    """Let only those through who may submit chat turns."""
    require(who, f"jobs:{CAPABILITY}")


OwnChat = Annotated[LocalChat, Depends(own_chat)]
READ, SAY = [Depends(allowed("read"))], [Depends(may_say)]


class Conversations(BaseModel):
    """Conversations, newest first."""

    conversations: list[ConversationView]


class Messages(BaseModel):
    """One branch of a conversation, the first message first."""

    messages: list[MessageView]


class Title(BaseModel):
    """What a conversation is to be called."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"title": "Posters for the hall"}]}
    )

    title: str = Field(min_length=1, max_length=400, description="The new title.")


class Shown(BaseModel):
    """Which branch is to be shown."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"message": 1}]})

    message: int = Field(ge=1, le=MAX, description="A message of that branch.")


class Said(BaseModel):
    """What a person says."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "How many jobs failed today?"}]},
    )

    text: str = Field(min_length=1, max_length=TEXT_MAX_CHARS, description="What is said.")
    conversation: int | None = Field(
        None, ge=1, le=MAX, description="Where; a new conversation by default."
    )
    parent: int | None = Field(
        None,
        ge=0,
        le=MAX,
        description="Answer that this follows, 0 for none; by default the newest one.",
    )
    fresh: bool = Field(False, description="Ask anew even where an answer was kept.")


@router.get(
    "/conversations", summary="List conversations", responses=errors(422), dependencies=READ
)
def conversations(
    chat: OwnChat,
    search: Annotated[
        str, Query(max_length=200, description="Words in the title or in a message.")
    ] = "",
    limit: Limit = 50,
    before: Annotated[
        int | None, Query(ge=1, le=MAX, description="Only those older than this number.")
    ] = None,
    deleted: Annotated[bool, Query(description="Those that were deleted instead.")] = False,
) -> Conversations:
    """List one's conversations, newest first."""
    return Conversations(conversations=chat.conversations(search, limit, before, deleted))


@router.patch(
    "/conversations/{number}",
    summary="Rename a conversation",
    responses=errors(404, 413, 422),
    dependencies=SAY,
)
def rename(number: Number, given: Title, chat: OwnChat) -> ConversationView:
    """Give a conversation another title."""
    return chat.rename(number, given.title)


@router.delete(
    "/conversations/{number}",
    summary="Delete a conversation",
    responses=errors(404, 422),
    dependencies=SAY,
)
def delete(number: Number, chat: OwnChat) -> ConversationView:
    """Put a conversation away; it can be restored."""
    return chat.delete(number)


@router.post(
    "/conversations/{number}/restore",
    summary="Restore a conversation",
    responses=errors(404, 422),
    dependencies=SAY,
)
def restore(number: Number, chat: OwnChat) -> ConversationView:
    """Bring a deleted conversation back."""
    return chat.restore(number)


@router.post(
    "/conversations/{number}/show",
    summary="Show another branch",
    responses=errors(404, 413, 422),
    dependencies=SAY,
)
def show(number: Number, given: Shown, chat: OwnChat) -> ConversationView:
    """Show the branch of a conversation that a message belongs to."""
    return chat.show(number, given.message)


@router.get(
    "/conversations/{number}/messages",
    summary="Read a conversation",
    responses=errors(404, 422),
    dependencies=READ,
)
def messages(
    number: Number,
    chat: OwnChat,
    tip: Annotated[
        int | None,
        Query(ge=1, le=MAX, description="Last message of a branch; by default the one shown."),
    ] = None,
) -> Messages:
    """Return one branch, the first message first."""
    return Messages(messages=chat.messages(number, tip))


@router.post(
    "/messages",
    status_code=201,
    summary="Say something",
    responses=errors(404, 409, 413, 422),
    dependencies=SAY,
)
def send(given: Said, chat: OwnChat) -> Turn:
    """Ask a question; the answer is a job, which is told of by events."""
    return chat.send(given.text, given.conversation, given.parent, given.fresh)


@router.get(
    "/messages/{number}", summary="Read a message", responses=errors(404, 422), dependencies=READ
)
def message(number: Number, chat: OwnChat) -> MessageView:
    """Return one message with how it came about."""
    return chat.message(number)


@router.post(
    "/messages/{number}/stop",
    summary="Stop an answer",
    responses=errors(404, 409, 422),
    dependencies=SAY,
)
def stop(number: Number, chat: OwnChat) -> JobView:
    """Stop the turn of an answer; what has come stays."""
    return chat.stop(number)
