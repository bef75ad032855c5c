"""What widgets about one job share: a feed in Python, a board and details in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import anywidget
import traitlets

if TYPE_CHECKING:
    from collections.abc import Callable

    from fraktal_kernel.core.jobs.handle import JobHandle
    from fraktal_kernel.core.workbench import Workbench


class JobFeed(Protocol):
    """Keeps what such a widget shows, and says when it has changed."""

    def board(self) -> dict[str, Any]:
        """Return what always stands there; ``now`` alone is no change."""

    def details(self) -> dict[str, Any]:
        """Return what stands open."""

    def start(self) -> None:
        """Begin to follow, once somebody looks."""

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user did."""

    def close(self) -> None:
        """End its threads."""


class JobBoard(anywidget.AnyWidget):
    """Show one job as its feed tells it; others can be chosen.

    Parameters
    ----------
    job : the job, or its number; None for the newest that the feed knows
    workbench : whose job; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    #: makes the feed of a workbench and a job's number, and calls back after each change
    feed_class: ClassVar[Callable[[Workbench, int | None, Callable[[], None]], JobFeed]]
    feed: JobFeed

    board = traitlets.Dict().tag(sync=True)  # Python -> browser
    details = traitlets.Dict().tag(sync=True)  # Python -> browser: what stands open
    api = traitlets.Unicode().tag(sync=True)
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did

    def __init__(
        self,
        job: JobHandle | int | None = None,
        workbench: Workbench | None = None,
        *,
        api: str = "",
    ) -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        number = job if job is None or isinstance(job, int) else job.id
        self.feed = type(self).feed_class(workbench, number, self._show)
        super().__init__(api=api, board=self.feed.board())
        self.observe(self._on_wish, "wish")

    def close(self) -> None:
        """End the widget and its threads."""
        if hasattr(self, "feed"):
            self.feed.close()
        super().close()

    def _show(self) -> None:
        board = self.feed.board()
        if board | {"now": 0} != self.board | {"now": 0}:
            self.board = board
        self.details = self.feed.details()

    def _on_wish(self, change: dict[str, Any]) -> None:
        wish = dict(change["new"])
        self.feed.start()
        if wish.get("do") != "ready":
            self.feed.wish(wish)
