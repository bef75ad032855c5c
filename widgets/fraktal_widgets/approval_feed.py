"""Follow everything that waits for a person, and keep what a screen shows of it, as plain JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fraktal_kernel.core.jobs.effects import HAPPENED
from fraktal_kernel.errors import FraktalError, InvalidInput, NotFound
from fraktal_widgets.capability_form import faults
from fraktal_widgets.feed import Feed
from fraktal_widgets.job_facts import every_fact, milliseconds

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.model import ApprovalView
    from fraktal_kernel.core.workbench import Workbench

#: so many things that wait are shown at once; the rest comes up as these are answered
SHOWN = 100
#: an answered card stays in its place so long, for whoever looks at it to see what happened
STAYS_S = 30.0
RECENT = 8
#: events come in bursts: the list is read once for all of them
GATHER_S = 0.1
OUTCOMES = {
    "approved": "Approved{by}.",
    "used": "Approved{by}.",
    "denied": "Denied{by}.",
    "expired": "Nobody answered in time.",
    "withdrawn": "Withdrawn: the job was cancelled.",
    "answered": "Answered: {choice}.",
    "gone": "Answered elsewhere.",
}
AFTERWARDS = {
    "queued": "The job is in the queue.",
    "running": "The job runs.",
    "waiting": "The job waits.",
    "succeeded": "The job has succeeded.",
    "failed": "The job has failed.",
}


@dataclass
class Item:
    """One thing that waits, or waited until a moment ago."""

    view: ApprovalView
    state: str = "open"
    outcome: str = ""
    choice: str = ""
    problem: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    tries: int = 0
    ended_at: float = 0.0


class ApprovalFeed(Feed):
    """What waits for one user: approvals, questions of jobs, effects of unknown outcome.

    Parameters
    ----------
    workbench : whose approvals
    changed : called on a thread of the feed when something changed
    """

    about = "approvals"

    def __init__(self, workbench: Workbench, changed: Callable[[], None]) -> None:
        super().__init__(workbench, changed)
        self.items: dict[str, Item] = {}
        self.recent: list[dict[str, Any]] = []

    def board(self) -> dict[str, Any]:
        """Give everything as JSON, oldest first."""
        items = sorted(self.items.values(), key=lambda item: item.view.asked_at)
        return {
            "items": [self._card(item) for item in items],
            "recent": [one for one in self.recent if one["key"] not in self.items][:RECENT],
            "loading": self.loading,
            "trouble": self.trouble,
            "now": round(time.time() * 1000),
        }

    def wish(self, wish: dict[str, Any]) -> None:
        """Answer as the user wished; a refusal stands on the card."""
        self.do(lambda: self._grant(wish))

    def _grant(self, wish: dict[str, Any]) -> None:
        item = self.items.get(str(wish.get("key")))
        if item is None or item.state != "open":
            return
        item.problem, item.faults = "", {}
        item.tries += 1
        params = wish.get("params")
        try:
            self._answer(item, str(wish.get("do")), wish)
        except FraktalError as error:
            item.problem = str(error)
            if isinstance(error, InvalidInput) and params is not None:
                known = self.workbench.capabilities[item.view.capability]
                item.faults = faults(str(error), known.schema())
        self._load()

    def _answer(self, item: Item, what: str, wish: dict[str, Any]) -> None:
        approvals, view = self.workbench.approvals, item.view
        if what == "choose":
            item.choice = str(wish.get("choice"))
            self.workbench.jobs.answer(view.job_id, item.choice)
        elif what == "approve":
            approvals.approve(view.id, params=wish.get("params"), digest=str(wish.get("digest")))
        elif what == "deny":
            approvals.deny(view.id, note=str(wish.get("note") or "").strip())

    def _load(self) -> None:
        found = {_key(view): view for view in self.workbench.approvals.list(limit=SHOWN)}
        for key, item in self.items.items():
            if key not in found and item.state in ("open", "approved"):
                self._settle(item)
        for key, view in found.items():
            if key in self.items:
                self.items[key].view = view
            else:
                self.items[key] = Item(view)
        every = self.workbench.approvals.list(every=True, limit=3 * RECENT)
        self.recent = [self._told(view) for view in every if view.state != "open"]
        self._tidy()
        self.loading = False

    def _apply(self, event: Any) -> bool:
        topic, _, _ = event.topic.partition(".")
        if topic == "approvals" or event.topic == "jobs.question":
            self._later("list", GATHER_S, self._load)
        elif event.topic == "jobs.state":
            ours = [item for item in self.items.values() if str(item.view.job_id) == event.subject]
            for item in ours:
                if item.state == "open":
                    self._later("list", GATHER_S, self._load)
                else:
                    item.outcome = self._outcome(item)
            return bool(ours)
        return False  # what is read a moment later is told then

    def _settle(self, item: Item) -> None:
        """Say what became of something that waits no longer."""
        view = item.view
        if view.id is not None:
            try:
                item.view = view = self.workbench.approvals.get(view.id)
            except NotFound:
                item.state = "gone"
            else:
                item.state = view.state
        else:
            item.state = "answered" if item.choice and not item.problem else "gone"
        item.ended_at = item.ended_at or time.monotonic()
        item.outcome = self._outcome(item)
        self._later("tidy", STAYS_S, self._tidy)

    def _outcome(self, item: Item) -> str:
        said = _said(item.view, item.state, item.choice)
        if item.state in ("denied", "withdrawn"):
            return said
        try:
            job = self.workbench.jobs.get(item.view.job_id)
        except NotFound:
            return said
        then = AFTERWARDS.get(job.state, "")
        if job.state == "failed" and job.error:
            then = f"The job has failed: {job.error}"
        return f"{said} {then}".strip()

    def _tidy(self) -> None:
        old = time.monotonic() - STAYS_S
        for key, item in list(self.items.items()):
            if item.ended_at and item.ended_at < old:
                del self.items[key]
            elif item.ended_at:
                self._later("tidy", STAYS_S, self._tidy)

    def _told(self, view: ApprovalView) -> dict[str, Any]:
        return {
            "key": _key(view),
            "job": view.job_id,
            "title": self.title(view.capability),
            "state": view.state,
            "outcome": _said(view, view.state),
        }

    def _in_order(self, view: ApprovalView) -> dict[str, Any]:
        """Give the parameters in the order in which their form has them."""
        known = self.workbench.capabilities
        names = known[view.capability].params_type.model_fields if view.capability in known else {}
        first = {name: view.params[name] for name in names if name in view.params}
        return first | view.params

    def _card(self, item: Item) -> dict[str, Any]:
        view = item.view
        choices = list(view.question.choices) if view.question else []
        kind = "doubt" if HAPPENED in choices else view.kind
        return {
            "key": _key(view),
            "kind": kind,
            "job": view.job_id,
            "capability": view.capability,
            "title": self.title(view.capability),
            "effect": view.effect,
            "text": view.question.text if view.question else "",
            "choices": choices,
            "params": every_fact(self._in_order(view)),
            "asked_by": view.asked_by,
            "reason": f"It is asked again: {view.reason}." if view.reason else "",
            "digest": view.digest,
            "asked": milliseconds(view.asked_at),
            "expires": milliseconds(view.expires_at),
            "state": item.state,
            "outcome": item.outcome,
            "problem": item.problem,
            "faults": item.faults,
            "tries": item.tries,
        }


def _key(view: ApprovalView) -> str:
    """Name a card: a job may ask one question after the other."""
    return f"a{view.id}" if view.id is not None else f"q{view.job_id}-{view.asked_at.timestamp()}"


def _said(view: ApprovalView, state: str, choice: str = "") -> str:
    by = f" by {view.answered_by}" if view.answered_by else ""
    said = OUTCOMES.get(state, state).format(by=by, choice=choice)
    return f"{said.removesuffix('.')}: {view.note}" if view.note else said
