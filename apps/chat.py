"""The chat as a page: ``panel serve apps/chat.py`` shows it, too."""

from __future__ import annotations

from typing import Any

import panel as pn

from fraktal_widgets import ChatPanel
from fraktal_widgets.assets import joined
from fraktal_widgets.bridge import panel_component

pn.extension(raw_css=[joined("tokens.css"), "body { background: var(--fk-surface) }"])


def page(workbench: Any = None) -> pn.viewable.Viewable:
    """Build a fresh chat with the workbench of a user."""
    panel = ChatPanel(workbench, api="/api" if workbench else "")
    return panel_component(panel, margin=(12, 16))


if pn.state.served:
    page().servable(title="Chat")
