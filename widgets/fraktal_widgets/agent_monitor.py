"""All agents at a glance: state, work, load, charts over time, and everything that they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fraktal_widgets.agent_charts import AgentCharts
from fraktal_widgets.agent_feed import AgentFeed
from fraktal_widgets.assets import joined, library

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench


class AgentMonitor(anywidget.AnyWidget):
    """Watch agents, drain them, and look up what each of them did.

    Parameters
    ----------
    workbench : whose agents; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = "\n".join(
        [
            library("uPlot"),
            joined(
                *("dom.js", "job_card.js", "charts.js"),
                *("agent_card.js", "agent_tasks.js", "agent_monitor.js"),
            ),
        ]
    )
    _css = joined(
        *("vendor/uPlot.css", "tokens.css", "controls.css", "job_card.css"),
        *("jobs_panel.css", "agent_monitor.css"),
    )

    board = traitlets.Dict().tag(sync=True)  # Python -> browser: one page of agents
    charts = traitlets.Dict().tag(sync=True)  # Python -> browser: lines over time
    tasks = traitlets.Dict().tag(sync=True)  # Python -> browser: the history
    api = traitlets.Unicode().tag(sync=True)
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did

    def __init__(self, workbench: Workbench | None = None, *, api: str = "") -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self.feed = AgentFeed(workbench, self._show)
        self._charts = AgentCharts(self.feed)
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
        charts = self._charts.board()
        if charts is not None:
            self.charts = charts
        self.tasks = self.feed.task_board()

    def _on_wish(self, change: dict[str, Any]) -> None:
        wish = dict(change["new"])
        self.feed.start()
        if wish.get("do") != "ready":
            self.feed.wish(wish)
