"""What took a job's time, live, as a page: ``panel serve apps/timeline.py`` shows it, too."""

from __future__ import annotations

from typing import Any

import panel as pn

from fraktal_widgets import Timeline
from fraktal_widgets.assets import joined
from fraktal_widgets.bridge import panel_component
from fraktal_widgets.page import asked

pn.extension(raw_css=[joined("tokens.css"), "body { background: var(--fk-surface) }"])


def page(workbench: Any = None) -> pn.viewable.Viewable:
    """Build a fresh timeline of the job that the address names, else of the newest."""
    job = asked("job") or ""
    number = int(job) if job.isdecimal() else None
    view = Timeline(number, workbench, api="/api" if workbench else "")
    return panel_component(view, margin=(12, 16))


if pn.state.served:
    page().servable(title="Timeline")
