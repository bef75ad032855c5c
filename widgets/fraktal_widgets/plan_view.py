"""One plan at work: its graph with live colours, each step in detail, stop and go on."""

from __future__ import annotations

from fraktal_widgets.assets import joined, library
from fraktal_widgets.job_board import JobBoard
from fraktal_widgets.plan_feed import PlanFeed


class PlanView(JobBoard):
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

    feed_class = PlanFeed
    feed: PlanFeed
