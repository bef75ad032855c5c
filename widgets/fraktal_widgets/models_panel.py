"""Which language models the chat asks, in what order, in notebooks and pages alike."""

from __future__ import annotations

from fraktal_widgets.assets import joined
from fraktal_widgets.models_feed import ModelsFeed
from fraktal_widgets.panel import Panel


class ModelsPanel(Panel):
    """Add, order, limit, try and remove language models, and see how each fares.

    Parameters
    ----------
    workbench : whose models; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = joined("dom.js", "model_card.js", "models_panel.js")
    _css = joined("tokens.css", "controls.css", "capability_form.css", "models_panel.css")

    feed_class = ModelsFeed
    feed: ModelsFeed
