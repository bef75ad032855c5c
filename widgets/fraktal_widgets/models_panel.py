"""Which language models the chat asks, in what order, in notebooks and pages alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fraktal_widgets.assets import joined
from fraktal_widgets.models_feed import ModelsFeed

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench


class ModelsPanel(anywidget.AnyWidget):
    """Add, order, limit, try and remove language models, and see how each fares.

    Parameters
    ----------
    workbench : whose models; None opens the default workbench
    """

    _esm = joined("dom.js", "model_card.js", "models_panel.js")
    _css = joined("tokens.css", "controls.css", "capability_form.css", "models_panel.css")

    board = traitlets.Dict().tag(sync=True)  # Python -> browser: the list
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did

    def __init__(self, workbench: Workbench | None = None) -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self.feed = ModelsFeed(workbench, self._show)
        super().__init__(board=self.feed.board())
        self.observe(self._on_wish, "wish")

    def close(self) -> None:
        """End the widget and its threads."""
        if hasattr(self, "feed"):
            self.feed.close()
        super().close()

    def _show(self) -> None:
        self.board = self.feed.board()

    def _on_wish(self, change: dict[str, Any]) -> None:
        wish = dict(change["new"])
        self.feed.start()
        if wish.get("do") != "ready":
            self.feed.wish(wish)
