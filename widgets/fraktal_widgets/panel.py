"""What every panel shares: a feed in Python that keeps a board, and wishes from the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import anywidget
import traitlets

if TYPE_CHECKING:
    from collections.abc import Callable

    from fraktal_kernel.core.workbench import Workbench


class PanelFeed(Protocol):
    """Keeps what a panel shows, and says when it has changed."""

    def board(self) -> dict[str, Any]:
        """Return what stands there; ``now`` alone is no change."""

    def start(self) -> None:
        """Begin to follow, once somebody looks."""

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user did."""

    def close(self) -> None:
        """End its threads."""


class Panel(anywidget.AnyWidget):
    """Show something of a workbench as its feed tells it.

    Parameters
    ----------
    workbench : whose; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    #: makes the feed of a workbench, which calls back after each change
    feed_class: ClassVar[Callable[..., PanelFeed]]
    feed: PanelFeed

    board = traitlets.Dict().tag(sync=True)  # Python -> browser
    api = traitlets.Unicode().tag(sync=True)
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did

    def __init__(self, workbench: Workbench | None = None, *, api: str = "") -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self.feed = self._feed_of(workbench)
        super().__init__(api=api, board=self.feed.board())
        self.observe(self._on_wish, "wish")

    def close(self) -> None:
        """End the widget and its threads."""
        if hasattr(self, "feed"):
            self.feed.close()
        super().close()

    def _feed_of(self, workbench: Workbench) -> PanelFeed:
        return type(self).feed_class(workbench, self._show)

    def _show(self) -> None:
        board = self.feed.board()
        if board | {"now": 0} != self.board | {"now": 0}:
            self.board = board

    def _on_wish(self, change: dict[str, Any]) -> None:
        wish = dict(change["new"])
        self.feed.start()
        if wish.get("do") != "ready":
            self._grant(wish)

    def _grant(self, wish: dict[str, Any]) -> None:
        self.feed.wish(wish)
