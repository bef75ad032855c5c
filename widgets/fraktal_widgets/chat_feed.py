"""Follow a person's conversations, and keep what a screen shows of one of them, as plain JSON.

Besides the messages these are the jobs that answers called, as cards, and what of them waits for a
yes. What is being said right now is put together from the events of its turn, so that it stands
there as it comes; what is kept in the end is read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from fraktal_kernel.agents.chat.transcript import add
from fraktal_kernel.agents.models.keeper import models_of
from fraktal_kernel.errors import InvalidInput, NotFound
from fraktal_widgets.approval_feed import ApprovalFeed
from fraktal_widgets.job_facts import facts, milliseconds
from fraktal_widgets.job_feed import JobFeed
from fraktal_widgets.models_feed import AGAIN_S

if TYPE_CHECKING:
    from fraktal_kernel.agents.chat.book import ConversationView, MessageView
    from fraktal_kernel.core.workbench import Workbench

PAGE = 40
#: events come in bursts: what they tell of is read once for all of them
GATHER_S = 0.05
#: what an empty conversation offers to say
SUGGESTIONS = (
    "Render the seahorse valley at 1920x1080 with the fire palette",
    "How many jobs failed today?",
    "Wyrenderuj dolinę słoni w 4K",
    "What can you do?",
)


class ChatFeed(JobFeed):
    """One conversation, the list of all, and the jobs that belong to it.

    Parameters
    ----------
    workbench : whose conversations
    changed : called on a thread of the feed when something changed
    said : called there with the parts of the answer that is being written, and its number
    """

    about = "conversations"
    topics = "*"
    rate_per_s = 8.0

    def __init__(
        self,
        workbench: Workbench,
        changed: Callable[[], None],
        said: Callable[[int, list[dict[str, Any]]], None],
    ) -> None:
        super().__init__(workbench, changed, everything=False)
        self.asking = ApprovalFeed(workbench, lambda: self.do(lambda: None))
        self.conversations: list[ConversationView] = []
        self.messages: list[MessageView] = []
        self.models: list[str] = []
        self.unread = ""  # why the list of models cannot be read; that holds until it can be
        self.here: int | None = None
        self.search = ""
        self.older_ones = False
        self._said = said
        self._live: list[dict[str, Any]] = []
        self._heard = 0  # the last event that was in there when the messages were read

    @override
    def start(self) -> None:
        super().start()
        self.asking.start()

    @override
    def close(self) -> None:
        self.asking.close()
        super().close()

    # what a screen shows -----------------------------------------------------------------

    def board(self) -> dict[str, Any]:
        """Give everything but the words that are just being said as JSON."""
        answering = self._answering()
        approvals = self.asking.board()["items"]
        self.waiting = {item["job"]: item["kind"] for item in approvals}
        return {
            "conversations": [
                {"id": each.id, "title": each.title, "changed": milliseconds(each.changed_at)}
                for each in self.conversations
            ],
            "older": self.older_ones,
            "search": self.search,
            "here": self.here,
            "messages": [self._message(each) for each in self.messages],
            "busy": answering.id if answering else None,
            "jobs": {str(job.id): self.card(job) for job in self.jobs.values()},
            "approvals": {str(item["job"]): item for item in approvals if item["job"] in self.jobs},
            "suggestions": list(SUGGESTIONS),
            "models": self.models,
            "loading": self.loading,
            "trouble": self.trouble or self.unread,
            "now": round(time.time() * 1000),
        }

    def _message(self, message: MessageView) -> dict[str, Any]:
        details = message.details
        return {
            "id": message.id,
            "role": message.role,
            "state": message.state,
            "text": message.text,
            "error": message.error,
            "branches": message.branches,
            "created": milliseconds(message.created_at),
            "parts": [self._part(part) for part in details.parts],
            "model": details.model,
            "cached": details.cached,
            "tokens": details.tokens_in + details.tokens_out,
            "cost": details.cost,
            "seconds": details.seconds,
            "job": message.job_id,
        }

    def _part(self, part: dict[str, Any]) -> dict[str, Any]:
        if part["say"] != "call":
            return {"say": part["say"], "text": part["text"]}
        arguments = part.get("arguments")
        return {
            "say": "call",
            "id": part["id"],
            "job": part.get("job"),
            "title": self.title(part["capability"]),
            "state": part["state"],
            "error": part.get("error") or "",
            "arguments": facts(arguments) if isinstance(arguments, dict) else [],
        }

    def _answering(self) -> MessageView | None:
        return next((each for each in self.messages if each.state == "open"), None)

    # what the user wishes ----------------------------------------------------------------

    @override
    def wish(self, wish: dict[str, Any]) -> None:
        self.do(lambda: self._chat(wish))

    def _chat(self, wish: dict[str, Any]) -> None:
        chat, text = self.workbench.chat, str(wish.get("text") or "")
        match wish.get("do"):
            case "send":
                self._go_to(chat.send(text, self.here).conversation_id)
            case "edit":
                self._go_to(chat.edit(int(wish["message"]), text).conversation_id)
            case "stop":
                if (answering := self._answering()) is not None:
                    chat.stop(answering.id)
            case "branch":
                if self.here is not None:
                    chat.show(self.here, int(wish["message"]))
                    self._read_messages()
            case "open":
                self._go_to(int(wish["conversation"]))
            case "new":
                self._go_to(None)
            case "remove":
                chat.delete(int(wish["conversation"]))
                if int(wish["conversation"]) == self.here:
                    self._go_to(None)
            case "restore":
                chat.restore(int(wish["conversation"]))
                self._go_to(int(wish["conversation"]))
            case "search":
                self.search = text
                self._read_conversations()
            case "older":
                last = self.conversations[-1].id if self.conversations else None
                more = chat.conversations(self.search, PAGE, last)
                self.conversations += more
                self.older_ones = len(more) == PAGE
            case "approve" | "deny" | "choose":
                self.asking.wish(wish)
            case _:
                self._grant(wish)

    def _go_to(self, conversation: int | None) -> None:
        if conversation != self.here:
            for job_id in list(self.jobs):
                self.forget(job_id)
            self.here = conversation
        self._read_messages()
        self._read_conversations()

    # what happened -----------------------------------------------------------------------

    @override
    def _load(self) -> None:
        self._read_conversations()
        self._read_messages()
        super()._load()
        self._read_models()

    def _read_conversations(self) -> None:
        found = self.workbench.chat.conversations(self.search, PAGE)
        self.conversations, self.older_ones = found, len(found) == PAGE

    def _read_models(self) -> None:
        try:
            listed = models_of(self.workbench).list().models
        except InvalidInput as error:  # somebody has written into its file
            self.models, self.unread = [], str(error)
            self._later("models", AGAIN_S, self._read_models)
        else:
            self.models, self.unread = [each.model for each in listed], ""

    def _read_messages(self) -> None:
        if self.here is None:
            self.messages = []
            return
        try:
            self.messages = self.workbench.chat.messages(self.here)
        except NotFound:
            self.here, self.messages = None, []
            return
        for message in self.messages:
            for part in message.details.parts:
                self._know(part)
        answering = self._answering()
        if answering is None:
            self._live, self._heard = [], 0
        else:  # what was said before we came is in there, what comes later is heard
            said = answering.details
            self._live, self._heard = [dict(part) for part in said.parts], said.seq
            self._tell_live(answering)

    def _know(self, part: dict[str, Any]) -> None:
        """Show the card of a job that an answer called."""
        job_id = part.get("job")
        if job_id and job_id not in self.jobs:
            try:
                self._take([self.workbench.jobs.get(job_id)])
            except NotFound:
                return

    @override
    def _apply(self, event: Any) -> None:
        if event.topic == "jobs.said":
            self._hear(event)
        elif event.topic == "chat.message" and event.subject == str(self.here):
            self._later("messages", GATHER_S, self._read_messages)
        elif event.topic == "chat.conversation":
            self._later("conversations", GATHER_S, self._read_conversations)
            self._later("models", GATHER_S, self._read_models)
        elif event.topic == "jobs.state":
            answering = self._answering()
            if answering is not None and event.subject == str(answering.job_id):
                self._later("messages", GATHER_S, self._read_messages)
            super()._apply(event)
        elif event.topic.startswith("jobs."):
            super()._apply(event)

    def _hear(self, event: Any) -> None:
        answering = self._answering()
        if answering is None or event.subject != str(answering.job_id):
            return
        if event.seq <= self._heard:
            return
        add(self._live, event.payload)
        for part in self._live:
            self._know(part)
        self._tell_live(answering)

    def _tell_live(self, answering: MessageView) -> None:
        self._said(answering.id, [self._part(part) for part in self._live])
