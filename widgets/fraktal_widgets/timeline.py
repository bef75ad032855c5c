"""What took the time of a job: its waits, attempts, steps and jobs as bars over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fraktal_widgets.assets import joined
from fraktal_widgets.timeline_feed import TimelineFeed

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.handle import JobHandle
    from fraktal_kernel.core.workbench import Workbench


class Timeline(anywidget.AnyWidget):
    """See what took the time of one job; the newest ones can be chosen.

    Parameters
    ----------
    job : the job, or its number; None for the newest
    workbench : whose job; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = joined("dom.js", "time_scale.js", "timeline.js")
    _css = joined("tokens.css", "controls.css", "timeline.css")

    board = traitlets.Dict().tag(sync=True)  # Python -> browser: head and rows
    details = traitlets.Dict().tag(sync=True)  # Python -> browser: the span that stands open
    api = traitlets.Unicode().tag(sync=True)
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did

    def __init__(
        self,
        job: JobHandle | int | None = None,
        workbench: Workbench | None = None,
        *,
        api: str = "",
    ) -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        number = job if job is None or isinstance(job, int) else job.id
        self.feed = TimelineFeed(workbench, number, self._show)
        super().__init__(api=api, board=self.feed.board())
        self.observe(self._on_wish, "wish")

    def close(self) -> None:
        """End the widget and its threads."""
        if hasattr(self, "feed"):
            self.feed.close()
        super().close()

    def _show(self) -> None:
        board = self.feed.board()
        if board | {"now": 0} != self.board | {"now": 0}:
            self.board = board
        self.details = self.feed.details()

    def _on_wish(self, change: dict[str, Any]) -> None:
        wish = dict(change["new"])
        self.feed.start()
        if wish.get("do") != "ready":
            self.feed.wish(wish)
