"""One plan at work: its graph with live colours, each step in detail, stop and go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fraktal_widgets.assets import joined, library
from fraktal_widgets.plan_feed import PlanFeed

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.handle import JobHandle
    from fraktal_kernel.core.workbench import Workbench


class PlanView(anywidget.AnyWidget):
    """Watch one plan; the others that there are can be chosen.

    Parameters
    ----------
    job : the plan's job, or its number; None for the newest plan
    workbench : whose plan; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = "\n".join(
        [
            library("dagre"),
            joined("dom.js", "job_card.js", "plan_graph.js", "plan_view.js"),
        ]
    )
    _css = joined("tokens.css", "controls.css", "job_card.css", "jobs_panel.css", "plan_view.css")

    board = traitlets.Dict().tag(sync=True)  # Python -> browser: head and graph
    details = traitlets.Dict().tag(sync=True)  # Python -> browser: the step that stands open
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
        self.feed = PlanFeed(workbench, number, self._show)
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
