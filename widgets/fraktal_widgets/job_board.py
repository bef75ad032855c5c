"""What widgets about one job share: the job that is shown, and details of what stands open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import traitlets

from fraktal_widgets.panel import Panel, PanelFeed

if TYPE_CHECKING:
    from fraktal_kernel.core.jobs.handle import JobHandle
    from fraktal_kernel.core.workbench import Workbench


class JobFeed(PanelFeed, Protocol):
    """Keeps what such a widget shows, and says when it has changed."""

    def details(self) -> dict[str, Any]:
        """Return what stands open."""


class JobBoard(Panel):
    """Show one job as its feed tells it; others can be chosen.

    Parameters
    ----------
    job : the job, or its number; None for the newest that the feed knows
    workbench : whose job; None opens the default workbench
    api : where this page's own server answers REST, such as ``"/api"``; empty in notebooks
    """

    feed: JobFeed

    details = traitlets.Dict().tag(sync=True)  # Python -> browser: what stands open

    def __init__(
        self,
        job: JobHandle | int | None = None,
        workbench: Workbench | None = None,
        *,
        api: str = "",
    ) -> None:
        self._job = job if job is None or isinstance(job, int) else job.id
        super().__init__(workbench, api=api)

    def _feed_of(self, workbench: Workbench) -> PanelFeed:
        return type(self).feed_class(workbench, self._job, self._show)

    def _show(self) -> None:
        super()._show()
        self.details = self.feed.details()
