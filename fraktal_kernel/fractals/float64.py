"""The method for views that float64 resolves: lockstep lanes, for every formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from fraktal_kernel.fractals.escape import shortcut_names
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.fill import fields_that_need_slopes, fill, skipped
from fraktal_kernel.fractals.lanes.recipe import SHORTCUTS, slopes_of, task_of
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.progress import Cancelled, Progress


class Float64:
    """Compute in float64 on all cores."""

    device = "cpu"

    def __init__(self, request: Request) -> None:
        self.request = request
        self.task = task_of(
            request.formula,
            request.geometry,
            request.max_iter,
            request.julia,
            shortcut_names(request.shortcuts),
        )
        wanted = fields_that_need_slopes(request.fields)
        self.slopes = slopes_of(request.formula, request.julia) if wanted else None

    def fill(
        self,
        out: Mapping[str, NDArray[Any]],
        *,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> str:
        """Fill arrays [h, w] by the names of their fields, and say in words how."""
        crew = Crew(self.request.threads, progress, cancelled)
        fill(out, self.task, self.slopes, crew=crew)
        skip = skipped(self.task, out)
        taken = [name for name, bit in SHORTCUTS.items() if skip & bit]
        return f"float64 in lockstep lanes, shortcuts: {', '.join(taken) or 'none'}"
