"""The chat of one person, as notebooks, pages and programs use it: ``wb.chat``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from fraktal_kernel.agents.chat.book import BEGINNING, Book
from fraktal_kernel.agents.chat.model import ConversationView, MessageView, Turn
from fraktal_kernel.core.jobs.model import JobView
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.core.workbench import Workbench
from fraktal_kernel.errors import InvalidInput

CAPABILITY = "chat.turn"


class Chat(Protocol):
    """One person's conversations, here or on a server.

    All methods raise :class:`~fraktal_kernel.errors.NotFound` for a number that is none of theirs.
    """

    def conversations(
        self, search: str = "", limit: int = 50, before: int | None = None, deleted: bool = False
    ) -> list[ConversationView]:
        """List conversations, newest first; ``search`` looks for words in titles and messages."""

    def rename(self, conversation: int, title: str) -> ConversationView:
        """Give a conversation another title."""

    def delete(self, conversation: int) -> ConversationView:
        """Put a conversation away."""

    def restore(self, conversation: int) -> ConversationView:
        """Bring a deleted conversation back."""

    def show(self, conversation: int, message: int) -> ConversationView:
        """Show the branch that a message belongs to."""

    def messages(self, conversation: int, tip: int | None = None) -> list[MessageView]:
        """Return one branch of a conversation, the first message first."""

    def send(
        self,
        text: str,
        conversation: int | None = None,
        parent: int | None = None,
        fresh: bool = False,
    ) -> Turn:
        """Say something; the answer is on its way, and what happens is told as ``jobs.said``.

        Parameters
        ----------
        conversation : where, None for a new conversation
        parent : the answer that this follows, 0 for none; by default the newest one
        fresh : ask anew even where an answer was kept
        """

    def edit(self, message: int, text: str) -> Turn:
        """Ask a question otherwise: a branch beside it, and nothing is lost."""

    def stop(self, answer: int) -> JobView:
        """Stop an answer; what has come of it stays."""


class LocalChat:
    """The chat where the database is at hand; see :class:`Chat`."""

    def __init__(self, workbench: LocalWorkbench) -> None:
        self._workbench = workbench
        engine = workbench.engine
        book = Book(engine.database, engine.events, workbench.user.user_id)
        self._book = book
        self.conversations = book.conversations
        self.rename = book.rename
        self.delete = book.delete
        self.restore = book.restore
        self.show = book.show
        self.messages = book.messages
        self.message = book.message

    def send(
        self,
        text: str,
        conversation: int | None = None,
        parent: int | None = None,
        fresh: bool = False,
    ) -> Turn:
        """Say something."""
        self._book.check(
            text, conversation, parent
        )  # or a job would be there with no place to answer
        said = {"text": text, "conversation": conversation, "parent": parent, "fresh": fresh}
        job = self._workbench.jobs.submit(CAPABILITY, said)
        return self._book.open_turn(job.id, text, conversation, parent)

    def edit(self, message: int, text: str) -> Turn:
        """Ask a question otherwise."""
        old = self._book.message(message)
        return self.send(text, old.conversation_id, _beside(old))

    def stop(self, answer: int) -> JobView:
        """Stop an answer."""
        return self._workbench.jobs.cancel(self._book.message(answer).job_id)


class RemoteChat:
    """The chat on a server; see :class:`Chat`."""

    def __init__(self, workbench: RemoteWorkbench) -> None:
        self._ask = workbench.jobs.ask

    def conversations(
        self, search: str = "", limit: int = 50, before: int | None = None, deleted: bool = False
    ) -> list[ConversationView]:
        """List conversations, newest first."""
        wanted: dict[str, Any] = {"search": search, "limit": limit, "deleted": deleted}
        if before is not None:
            wanted["before"] = before
        found = self._ask("GET", "/api/chat/conversations", params=wanted)
        return [ConversationView(**each) for each in found["conversations"]]

    def rename(self, conversation: int, title: str) -> ConversationView:
        """Give a conversation another title."""
        return self._change("PATCH", conversation, "", {"title": title})

    def delete(self, conversation: int) -> ConversationView:
        """Put a conversation away."""
        return self._change("DELETE", conversation, "", None)

    def restore(self, conversation: int) -> ConversationView:
        """Bring a deleted conversation back."""
        return self._change("POST", conversation, "/restore", None)

    def show(self, conversation: int, message: int) -> ConversationView:
        """Show the branch that a message belongs to."""
        return self._change("POST", conversation, "/show", {"message": message})

    def _change(
        self, method: str, conversation: int, what: str, body: Mapping[str, Any] | None
    ) -> ConversationView:
        path = f"/api/chat/conversations/{conversation}{what}"
        return ConversationView(**self._ask(method, path, **({"json": body} if body else {})))

    def messages(self, conversation: int, tip: int | None = None) -> list[MessageView]:
        """Return one branch of a conversation, the first message first."""
        wanted = {} if tip is None else {"tip": tip}
        path = f"/api/chat/conversations/{conversation}/messages"
        return [MessageView(**each) for each in self._ask("GET", path, params=wanted)["messages"]]

    def message(self, message: int) -> MessageView:
        """Return one message."""
        return MessageView(**self._ask("GET", f"/api/chat/messages/{message}"))

    def send(
        self,
        text: str,
        conversation: int | None = None,
        parent: int | None = None,
        fresh: bool = False,
    ) -> Turn:
        """Say something."""
        body = {"text": text, "conversation": conversation, "parent": parent, "fresh": fresh}
        return Turn(**self._ask("POST", "/api/chat/messages", json=body))

    def edit(self, message: int, text: str) -> Turn:
        """Ask a question otherwise."""
        old = self.message(message)
        return self.send(text, old.conversation_id, _beside(old))

    def stop(self, answer: int) -> JobView:
        """Stop an answer."""
        return JobView(**self._ask("POST", f"/api/chat/messages/{answer}/stop"))


def _beside(old: MessageView) -> int:
    """Return the parent of what stands beside a question."""
    if old.role != "user":
        raise InvalidInput(
            f"message {old.id} is an answer; only a question can be asked otherwise."
        )
    return old.parent_id or BEGINNING


def open_chat(workbench: Workbench) -> LocalChat | RemoteChat:
    """Open the chat of a workbench, here or on its server."""
    if isinstance(workbench, LocalWorkbench):
        return LocalChat(workbench)
    if isinstance(workbench, RemoteWorkbench):
        return RemoteChat(workbench)
    raise InvalidInput(f"no chat is known for a {type(workbench).__name__}.")
