"""Fields of any rectangle of a large picture, at its pixels or a part of a pixel beside them.

The numbers are those that the whole picture would have: every point is computed from its place in
the whole, not from a small view of its own.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Protocol

from numpy.typing import NDArray

from fraktal_kernel.fractals.antialias import Mask
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.float64 import Float64
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.fill import Slopes, fill
from fraktal_kernel.fractals.lanes.task import Task
from fraktal_kernel.fractals.perturbation import Perturbation
from fraktal_kernel.fractals.planner import Request, on_processor
from fraktal_kernel.fractals.poster.cells import Cell
from fraktal_kernel.fractals.progress import Cancelled

Fields = dict[str, NDArray[Any]]


class Points(Protocol):
    """Something that knows the points of a picture."""

    def fields(
        self,
        cell: Cell,
        by: tuple[float, float] = (0.0, 0.0),
        names: tuple[str, ...] = (),
        todo: Mask | None = None,
        cancelled: Cancelled | None = None,
    ) -> Fields:
        """Compute the fields of a rectangle, moved by a part of a pixel.

        Parameters
        ----------
        cell : rows and columns
        by : how far they are moved to the right and down, in pixels
        names : of the fields; by default those of the request
        todo : which of its points are wanted; the others need not mean anything
        """
        ...


def points_of(request: Request, cancelled: Cancelled | None = None) -> Points:
    """Prepare the points of a picture by the method that the planner chooses for the processor."""
    method = on_processor(request)
    if isinstance(method, Float64):
        return _Lanes(request, method.task, method.slopes)
    assert isinstance(method, Perturbation)
    return _Deep(method, cancelled)


class _Lanes:
    """Points in float64."""

    def __init__(self, request: Request, task: Task, slopes: Slopes | None) -> None:
        self.request, self.task, self.slopes = request, task, slopes

    def fields(
        self,
        cell: Cell,
        by: tuple[float, float] = (0.0, 0.0),
        names: tuple[str, ...] = (),
        todo: Mask | None = None,
        cancelled: Cancelled | None = None,
    ) -> Fields:
        out = empty_fields(names or self.request.fields, *cell.shape)
        window = replace(self.task, left=cell.left + by[0], top=cell.top + by[1])
        crew = Crew(self.request.threads, None, cancelled)
        fill(out, window, self.slopes, todo=todo, crew=crew)
        return out


class _Deep:
    """Points as small differences from one orbit in arbitrary precision."""

    def __init__(self, method: Perturbation, cancelled: Cancelled | None) -> None:
        self.request = method.request
        self.whole, _ = method.prepared(cancelled=cancelled)

    def fields(
        self,
        cell: Cell,
        by: tuple[float, float] = (0.0, 0.0),
        names: tuple[str, ...] = (),
        todo: Mask | None = None,
        cancelled: Cancelled | None = None,
    ) -> Fields:
        rows, columns = cell.shape
        pixels = self.whole.pixels
        within = (cell.left + by[0], cell.top + by[1], pixels.width, pixels.height)
        window = copy.copy(self.whole)
        window.pixels = replace(pixels, width=columns, height=rows, within=within)
        out = empty_fields(names or self.request.fields, rows, columns)
        window.fill(out, crew=Crew(self.request.threads, None, cancelled))
        return out
