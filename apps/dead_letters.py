"""What could not be handled, as a page: ``panel serve apps/dead_letters.py`` shows it, too."""

from __future__ import annotations

from typing import Any

import panel as pn

from fraktal_widgets import DeadLetters
from fraktal_widgets.assets import joined
from fraktal_widgets.bridge import panel_component

pn.extension(raw_css=[joined("tokens.css"), "body { background: var(--fk-surface) }"])


def page(workbench: Any = None) -> pn.viewable.Viewable:
    """Build a fresh panel of what a workbench gave up."""
    panel = DeadLetters(workbench, api="/api" if workbench else "")
    return panel_component(panel, margin=(12, 16))


if pn.state.served:
    page().servable(title="Dead letters")
