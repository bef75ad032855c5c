"""What took the time of a job: its waits, attempts, steps and jobs as bars over time."""

from __future__ import annotations

from fraktal_widgets.assets import joined
from fraktal_widgets.job_board import JobBoard
from fraktal_widgets.timeline_feed import TimelineFeed


class Timeline(JobBoard):
    """See what took the time of one job; the newest ones can be chosen.

    Parameters
    ----------
    job : the job, or its number; None for the newest
    workbench : whose job; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = joined("dom.js", "time_scale.js", "timeline.js")
    _css = joined("tokens.css", "controls.css", "timeline.css")

    feed_class = TimelineFeed
    feed: TimelineFeed
