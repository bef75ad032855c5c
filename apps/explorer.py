"""The fractal explorer as a page of its own: ``panel serve apps/explorer.py`` shows it, too."""

from __future__ import annotations

from typing import Any

import panel as pn

from fraktal_kernel.fractals import scenes
from fraktal_widgets import FractalExplorer
from fraktal_widgets.assets import joined
from fraktal_widgets.bridge import panel_component
from fraktal_widgets.page import asked

pn.extension(raw_css=[joined("tokens.css"), "body { background: var(--fk-surface) }"])


def page(workbench: Any = None) -> pn.viewable.Viewable:
    """Build a fresh explorer; pictures are saved as jobs where there is a workbench."""
    scene = asked("scene")
    known = scene if scene in scenes else "full_set"
    explorer = FractalExplorer(scene=known, workbench=workbench, api="/api" if workbench else "")
    return panel_component(explorer, margin=(12, 16))


if pn.state.served:
    page().servable(title="Fractal explorer")
