"""Running and finished jobs with live progress, in notebooks and pages alike."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fraktal_widgets.assets import joined
from fraktal_widgets.job_feed import JobFeed

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

STATES = {"active": None, "waiting": "waiting", "succeeded": "succeeded", "failed": "failed"}


class JobsPanel(anywidget.AnyWidget):
    """All jobs of a workbench: watch, cancel, retry, answer, open what they made.

    Parameters
    ----------
    workbench : whose jobs; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    start : (capability, params) that an empty panel offers to run first
    """

    _esm = joined("dom.js", "job_card.js", "jobs_panel.js")
    _css = joined("tokens.css", "controls.css", "job_card.css", "jobs_panel.css")

    board = traitlets.Dict().tag(sync=True)  # Python -> browser: the jobs
    pictures = traitlets.Dict().tag(sync=True)  # Python -> browser: sha256 -> data URL
    download = traitlets.Dict().tag(sync=True)  # Python -> browser: one file that was asked for
    api = traitlets.Unicode().tag(sync=True)
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did
    counts = traitlets.Dict()  # how many jobs run and wait, for a top bar

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
        super().__init__(api=api, board={"jobs": [], "loading": True, "now": time.time() * 1000})
        self.feed = JobFeed(workbench, self._show)
        self.observe(self._on_wish, "wish")

    def close(self) -> None:
        """End the widget and its threads."""
        if hasattr(self, "feed"):
            self.feed.close()
        super().close()

    def _on_wish(self, change: dict[str, Any]) -> None:
        wish = dict(change["new"])
        # The first wish is "ready": what changed while a host was still setting up the other
        # end could be lost, and a page that nobody looks at needs no threads.
        self.feed.start()
        if wish.get("do") in ("older", "filter"):
            self.feed.older(STATES.get(str(wish.get("filter"))))
        elif wish.get("do") == "download":
            self.feed.do(lambda: self._download(wish))
        elif wish.get("do") == "ready":
            return
        elif wish.get("do") == "start" and self._start:
            name, params = self._start
            self.feed.do(lambda: self.feed.watch(self.feed.workbench.jobs.submit(name, params)))
        else:
            self.feed.wish(wish)

    def _download(self, wish: dict[str, Any]) -> None:
        found = self.feed.download(int(wish["job"]), str(wish["name"]))
        if found:
            self.download = found | {"seq": wish.get("seq")}

    def _show(self) -> None:
        feed = self.feed
        if feed.pictures != self.pictures:
            self.pictures = feed.pictures
        cards = feed.cards()
        self.board = {
            "jobs": cards,
            "loading": feed.loading,
            "more": feed.more,
            "trouble": feed.trouble,
            "start": feed.title(self._start[0]) if self._start else "",
            "now": round(time.time() * 1000),
        }
        states = [card["state"] for card in cards]
        self.counts = {
            "running": states.count("running") + states.count("queued"),
            "waiting": states.count("waiting"),
        }
