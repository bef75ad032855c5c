"""Running and finished jobs with live progress, in notebooks and pages alike."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import traitlets

from fraktal_widgets.assets import joined
from fraktal_widgets.job_feed import JobFeed
from fraktal_widgets.job_widget import SCRIPTS, JobWidget

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

STATES = {"active": None, "waiting": "waiting", "succeeded": "succeeded", "failed": "failed"}


class JobsPanel(JobWidget):
    """All jobs of a workbench: watch, cancel, retry, answer, open what they made.

    Parameters
    ----------
    workbench : whose jobs; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    start : (capability, params) that an empty panel offers to run first
    """

    _esm = joined(*SCRIPTS, "jobs_panel.js")
    _css = joined("tokens.css", "controls.css", "job_card.css", "jobs_panel.css")

    counts = traitlets.Dict()  # how many jobs run, and wait for a person, for a top bar

    def __init__(
        self,
        workbench: Workbench | None = None,
        *,
        api: str = "",
        start: tuple[str, dict[str, Any]] | None = None,
    ) -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self._start = start
        board = {"jobs": [], "loading": True, "now": time.time() * 1000}
        super().__init__(JobFeed(workbench, self._show_jobs), api=api, board=board)

    def _grant(self, wish: dict[str, Any]) -> None:
        if wish.get("do") in ("older", "filter"):
            self.feed.older(STATES.get(str(wish.get("filter"))))
        elif wish.get("do") == "ready":
            # What changed while a host was still setting up the other end could be lost: the
            # feed begins with this wish, and a page that nobody looks at needs no threads.
            return
        elif wish.get("do") == "start" and self._start:
            name, params = self._start
            self.feed.do(lambda: self.feed.watch(self.feed.workbench.jobs.submit(name, params)))
        else:
            super()._grant(wish)

    def _board(self) -> dict[str, Any]:
        feed = self.feed
        return super()._board() | {
            "loading": feed.loading,
            "more": feed.more,
            "trouble": feed.trouble,
            "start": feed.title(self._start[0]) if self._start else "",
        }

    def _show_jobs(self) -> None:
        super()._show_jobs()
        states = [card["state"] for card in self.board["jobs"]]
        self.counts = {
            "running": states.count("running") + states.count("queued"),
            "waiting": len(self.feed.waiting),
        }
