"""The language models as a page: ``panel serve apps/models.py`` shows it, too."""

from __future__ import annotations

from typing import Any

import panel as pn

from fraktal_widgets import ModelsPanel
from fraktal_widgets.assets import joined
from fraktal_widgets.bridge import panel_component

pn.extension(raw_css=[joined("tokens.css"), "body { background: var(--fk-surface) }"])


def page(workbench: Any = None) -> pn.viewable.Viewable:
    """Build a fresh list of the models of a workbench."""
    return panel_component(ModelsPanel(workbench), margin=(12, 16))


if pn.state.served:
    page().servable(title="Language models")
