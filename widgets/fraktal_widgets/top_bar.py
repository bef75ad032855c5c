"""The right side of a page's top bar: what runs, what waits, who is here, light or dark."""

from __future__ import annotations

import anywidget
import traitlets

from fraktal_widgets.assets import joined


class TopBar(anywidget.AnyWidget):
    """Counts of running and waiting jobs, the user's name, and the switch of colours."""

    _esm = joined("dom.js", "top_bar.js")
    _css = joined("tokens.css", "controls.css", "top_bar.css")

    counts = traitlets.Dict().tag(sync=True)  # as JobsPanel.counts has them
    user = traitlets.Unicode().tag(sync=True)
