"""What waits for a person, as a page: ``panel serve apps/approvals.py`` shows it, too."""

from __future__ import annotations

from typing import Any

import panel as pn

from fraktal_widgets import ApprovalsPanel
from fraktal_widgets.assets import joined
from fraktal_widgets.bridge import panel_component

pn.extension(raw_css=[joined("tokens.css"), "body { background: var(--fk-surface) }"])


def page(workbench: Any = None) -> pn.viewable.Viewable:
    """Build a fresh panel of what waits for the user of a workbench."""
    panel = ApprovalsPanel(workbench, api="/api" if workbench else "")
    return panel_component(panel, margin=(12, 16))


if pn.state.served:
    page().servable(title="Approvals")
