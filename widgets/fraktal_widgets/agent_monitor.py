"""All agents at a glance: state, work, load, charts over time, and everything that they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import traitlets

from fraktal_widgets.agent_charts import AgentCharts
from fraktal_widgets.agent_feed import AgentFeed
from fraktal_widgets.assets import joined, library
from fraktal_widgets.panel import Panel

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench


class AgentMonitor(Panel):
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

    charts = traitlets.Dict().tag(sync=True)  # Python -> browser: lines over time
    tasks = traitlets.Dict().tag(sync=True)  # Python -> browser: the history

    feed: AgentFeed

    def _feed_of(self, workbench: Workbench) -> AgentFeed:
        feed = AgentFeed(workbench, self._show)
        self._charts = AgentCharts(feed)
        return feed

    def _show(self) -> None:
        super()._show()
        charts = self._charts.board()
        if charts is not None:
            self.charts = charts
        self.tasks = self.feed.task_board()
