"""Follow one job and keep what a screen shows of its timeline, as plain JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fraktal_kernel.core.tracing.model import COST, TOKENS
from fraktal_kernel.errors import NotFound
from fraktal_widgets.feed import Feed
from fraktal_widgets.job_facts import facts

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.model import JobView
    from fraktal_kernel.core.tracing.model import SpanView, Timeline
    from fraktal_kernel.core.workbench import Workbench

#: so many of the newest jobs are offered, so many spans are drawn
OFFERED, DRAWN = 8, 1000
GATHER_S = 0.3
#: what the conventions of OpenTelemetry and we call a thing, in words
PLAIN = {
    **dict(zip(TOKENS, ("tokens_in", "tokens_out"), strict=True)),
    COST: "cost",
    "gen_ai.request.model": "model",
}
#: reading a timeline takes at most this share of the time, however large it is
SHARE = 0.25


class TimelineFeed(Feed):
    """The timeline of one job of a workbench.

    Parameters
    ----------
    workbench : whose job
    job : its number; None for the newest
    changed : called on a thread of the feed when something changed
    """

    about = "timeline"
    topics = "jobs.*"

    def __init__(self, workbench: Workbench, job: int | None, changed: Callable[[], None]) -> None:
        super().__init__(workbench, changed)
        self.job = job
        self.view: JobView | None = None
        self.timeline: Timeline | None = None
        self.recent: list[JobView] = []
        self.missing = ""
        self.open = ""
        self._jobs: set[int] = set()
        self._cost_s = 0.0

    def board(self) -> dict[str, Any]:
        """Give the head and the rows as JSON."""
        view, found = self.view, self.timeline
        spans = [] if found is None else found.spans
        return {
            "job": None
            if view is None
            else {"id": view.id, "title": self.title(view.capability), "state": view.state},
            "trace": "" if found is None else found.trace_id,
            "spans": [_row(span) for span in spans[:DRAWN]],
            "left_out": max(0, len(spans) - DRAWN),
            "jobs_left_out": 0 if found is None else found.jobs_left_out,
            "recent": [
                {"id": one.id, "title": self.title(one.capability), "state": one.state}
                for one in self.recent
            ],
            "missing": self.missing,
            "loading": self.loading,
            "trouble": self.trouble,
            "now": round(time.time() * 1000),
        }

    def details(self) -> dict[str, Any]:
        """Give the span that stands open as JSON; empty where none does."""
        spans = [] if self.timeline is None else self.timeline.spans
        span = next((one for one in spans if one.id == self.open), None)
        if span is None:
            return {}
        return {
            "id": span.id,
            "name": span.name,
            "job": span.job_id,
            "error": span.error,
            "facts": facts({PLAIN.get(name, name): it for name, it in span.attributes.items()}),
        }

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user wished: another job, or one span in detail."""
        self.do(lambda: self._grant(wish))

    def _grant(self, wish: dict[str, Any]) -> None:
        if wish.get("do") == "open":
            self.open = str(wish.get("span") or "")
        elif wish.get("do") == "job":
            self.job, self.open = int(wish["job"]), ""
            self._read_spans()

    def _load(self) -> None:
        self.recent = self.workbench.jobs.list(limit=OFFERED)
        if self.job is None and self.recent:
            self.job = self.recent[0].id
        self._read_spans()
        self.loading = False

    def _read_spans(self) -> None:
        if self.job is None:
            return
        began = time.monotonic()
        try:
            self.view = self.workbench.jobs.get(self.job)
            self.timeline, self.missing = self.workbench.jobs.spans(self.job), ""
        except NotFound as error:
            self.view = self.timeline = None
            self.missing = str(error)
            return
        self._jobs = {span.job_id for span in self.timeline.spans} | {self.job}
        self._cost_s = time.monotonic() - began

    def _apply(self, event: Any) -> bool:
        if event.topic not in ("jobs.log", "jobs.progress"):
            ours = event.subject.isdecimal() and int(event.subject) in self._jobs
            if ours or event.payload.get("state") == "queued":  # a child of one of them, perhaps
                self._later("read", max(GATHER_S, self._cost_s / SHARE), self._load)
        return False  # what is read a moment later is told then


def _row(span: SpanView) -> dict[str, Any]:
    began = span.began_at.timestamp() * 1000
    return {
        "id": span.id,
        "parent": span.parent_id,
        "depth": span.depth,
        "job": span.job_id,
        "kind": span.kind,
        "name": span.name,
        "state": span.state,
        "began": began,
        "ended": None if span.ended_at is None else span.ended_at.timestamp() * 1000,
        "error": span.error,
    }
