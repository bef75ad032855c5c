"""What could not be handled, of the bus and of jobs, in notebooks and pages alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fraktal_widgets.assets import joined
from fraktal_widgets.dead_letters_feed import DeadLettersFeed

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench


class DeadLetters(anywidget.AnyWidget):
    """Messages and jobs that were given up: why, what they held; again, or away with undo.

    Parameters
    ----------
    workbench : whose; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    _esm = joined("dom.js", "dead_letter_card.js", "dead_letters.js")
    _css = joined("tokens.css", "controls.css", "job_card.css", "dead_letters.css")

    board = traitlets.Dict().tag(sync=True)  # Python -> browser: what died
    api = traitlets.Unicode().tag(sync=True)
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did

    def __init__(self, workbench: Workbench | None = None, *, api: str = "") -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self.feed = DeadLettersFeed(workbench, self._show)
        super().__init__(api=api, board=self.feed.board())
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
