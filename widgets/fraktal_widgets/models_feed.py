"""Keep the list of language models, how each fares, and the tries of a person, as plain JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fraktal_kernel.agents.models.keeper import ModelList, ModelView, choices_of, models_of
from fraktal_kernel.agents.models.shelf import Choice, added, changed, moved, removed
from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_widgets.feed import Feed
from fraktal_widgets.job_facts import milliseconds

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

TRY = "chat.try_model"
#: Events come in bursts: the list is read once for all of them.
GATHER_S = 0.2
#: A list that cannot be read, since somebody has written into its file, is looked at so often.
AGAIN_S = 2.0


class ModelsFeed(Feed):
    """The models of one workbench.

    Parameters
    ----------
    workbench : whose
    changed : called on a thread of the feed when something changed
    """

    about = "language models"

    def __init__(self, workbench: Workbench, changed: Callable[[], None]) -> None:
        super().__init__(workbench, changed)
        self._models = models_of(workbench)
        self.listed: ModelList | None = None
        self.unread = ""  # why the list cannot be read; that holds until it can be
        self.tries: dict[str, dict[str, Any]] = {}
        self.outcome: dict[str, Any] = {}  # of the last wish: which, and why it was refused

    def board(self) -> dict[str, Any]:
        """Give everything as JSON."""
        listed = self.listed
        return {
            "models": [self._card(each) for each in listed.models] if listed else [],
            "fixed": listed.fixed if listed else "",
            "can_undo": bool(listed and listed.can_undo and listed.may_change),
            "may_change": bool(listed and listed.may_change),
            "outcome": self.outcome,
            "loading": self.loading,
            "trouble": self.unread or self.trouble,
            "now": round(time.time() * 1000),
        }

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user wished; a refusal stands where it was wished."""
        self.do(lambda: self._grant(wish))

    def _grant(self, wish: dict[str, Any]) -> None:
        problem = ""
        try:
            self._obey(wish)
        except FraktalError as error:
            problem = str(error)
            self._look()
        self.outcome = {
            "visit": wish.get("visit"),
            "seq": wish.get("seq"),
            "do": wish.get("do"),
            "model": str(wish.get("model") or ""),
            "problem": problem,
        }

    def _obey(self, wish: dict[str, Any]) -> None:
        what, model = str(wish.get("do")), str(wish.get("model") or "")
        if what == "undo":
            self.listed = self._models.undo()
            return
        if what == "try":
            self._try(model)
            return
        if what == "stop":
            if (tried := self.tries.get(model)) is not None and "job" in tried:
                self.workbench.jobs.cancel(tried["job"])
            return
        old = self._models.list()
        choices = choices_of(old)
        match what:
            case "add":
                new = added(choices, _choice(wish))
            case "set":
                one = _choice(wish)
                new = changed(choices, model, one.timeout_s, one.key_variable)
            case "remove":
                new = removed(choices, model)
            case "move":
                new = moved(choices, model, int(wish.get("place") or 0))
            case _:
                return
        self.listed = self._models.put(new, old.version)

    def _try(self, model: str) -> None:
        if self.tries.get(model, {}).get("state") == "asking":
            return
        job = self.workbench.jobs.submit(TRY, {"model": model})
        self.tries[model] = {"state": "asking", "job": job.id, "began": round(time.time() * 1000)}
        self._hear(model, job.id)

    def _hear(self, model: str, job_id: int) -> None:
        """Take note of how a try goes."""
        job = self.workbench.jobs.get(job_id)
        if not job.ended:
            return
        found = dict(job.result or {}) if job.state == "succeeded" else {}
        reason = found.get("reason") or job.error or "it was stopped"
        self.tries[model] = {
            "state": "answered" if found.get("answered") else "failed",
            "text": found.get("text", ""),
            "reason": "" if found.get("answered") else reason,
            "seconds": found.get("seconds"),
        }
        self._look()

    def _load(self) -> None:
        self._look()
        for model, tried in list(self.tries.items()):
            if tried["state"] == "asking":
                self._hear(model, tried["job"])

    def _look(self) -> None:
        self.loading = False
        try:
            self.listed, self.unread = self._models.list(), ""
        except InvalidInput as error:
            self.listed, self.unread = None, str(error)
            self._later("look", AGAIN_S, self._look)

    def _apply(self, event: Any) -> bool:
        if event.topic == "models.state":
            self._later("look", GATHER_S, self._look)
            return False  # what is read a moment later is told then
        if event.topic != "jobs.state":
            return False
        for model, tried in list(self.tries.items()):
            if tried["state"] == "asking" and str(tried["job"]) == event.subject:
                self._hear(model, tried["job"])
                return True
        return False

    def _card(self, view: ModelView) -> dict[str, Any]:
        return {
            "model": view.model,
            "address": view.address,
            "timeout_s": view.timeout_s,
            "key_variable": view.key_variable,
            "has_key": view.has_key,
            "rests_until": round(1000 * (time.time() + view.rests_s)) if view.rests_s else None,
            "since": milliseconds(view.since),
            "answers": view.answers,
            "failures": view.failures,
            "median_s": view.median_s,
            "tokens": view.tokens_in + view.tokens_out,
            "cost": view.cost,
            "error": view.error,
            "error_at": milliseconds(view.error_at),
            "tried": self.tries.get(view.model, {}),
        }


def _choice(wish: dict[str, Any]) -> Choice:
    """Read what was typed; a field that was left empty says nothing."""
    typed = str(wish.get("timeout_s") or "").strip().replace(",", ".")
    try:
        timeout_s = float(typed) if typed else None
    except ValueError:
        raise InvalidInput(
            f"timeout_s: given {typed[:40]!r}, expected a number of seconds."
        ) from None
    return Choice(
        model=str(wish.get("model") or "").strip()[:700],
        timeout_s=timeout_s,
        key_variable=str(wish.get("key_variable") or "").strip()[:100],
    )
