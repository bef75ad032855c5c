"""From a cell of a poster to its pixels: all that decides them, as one value that travels."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.antialias import Antialias, smoothed
from fraktal_kernel.fractals.colouring import Look, Survey, develop, paint
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.poster.cells import Cell
from fraktal_kernel.fractals.poster.points import Fields, Points, points_of
from fraktal_kernel.fractals.progress import Cancelled

# Pixels of a cell, None where there is no picture, and the fields that are kept beside them.
Made = tuple[NDArray[Any] | None, Fields]
# Cells that are to be made: the numbers of their tiles, and where they are.
Cells = Iterable[tuple[list[int], Cell]]
# Cells as they come, in any order, with what gives their pixels and fields.
Making = Generator[tuple[list[int], Cell, Callable[[], Made]]]


@dataclass(frozen=True, slots=True, eq=False)
class Painter:
    """What makes cells: the same bytes in any order, in any process.

    Parameters
    ----------
    request : what is computed
    look : how it is painted; None for fields alone
    survey : of the whole picture
    antialias : how edges are smoothed
    far : pixels around a cell that have to be known
    bits, gamut : of the pixels
    kept : names of the fields that are kept
    """

    request: Request
    look: Look | None
    survey: Survey
    antialias: Antialias
    far: int
    bits: int
    gamut: str
    kept: tuple[str, ...]

    def points(self, cancelled: Cancelled | None = None) -> Points:
        """Prepare what all cells share, which for a deep view is its reference orbit."""
        return points_of(self.request, cancelled)

    def fields(self, points: Points, cell: Cell, cancelled: Cancelled | None = None) -> Fields:
        """Compute a cell with its surroundings: the long part of the work."""
        return points.fields(self._around(cell), cancelled=cancelled)

    def made(
        self, points: Points, cell: Cell, fields: Fields, cancelled: Cancelled | None = None
    ) -> Made:
        """Paint a cell whose fields are known with their surroundings."""
        around = self._around(cell)
        pixels = self._pixels(points, cell, around, fields, cancelled)
        top, bottom, left, right = around.margin(cell)
        rows, columns = around.shape
        inner = slice(top, rows - bottom), slice(left, columns - right)
        return pixels, {name: fields[name][inner] for name in self.kept}

    def _around(self, cell: Cell) -> Cell:
        geometry = self.request.geometry
        return cell.grown(self.far, geometry.width, geometry.height)

    def _pixels(
        self,
        points: Points,
        cell: Cell,
        around: Cell,
        fields: Fields,
        cancelled: Cancelled | None,
    ) -> NDArray[Any] | None:
        if self.look is None:
            return None
        if self.antialias.samples == 1:
            light = self._painted(fields, around.margin(cell), cancelled)
        else:
            geometry = self.request.geometry
            # One pixel more: whether a pixel is at an edge, its neighbours tell.
            wider = cell.grown(1, geometry.width, geometry.height)
            light = smoothed(
                self._painted(fields, around.margin(wider), cancelled),
                lambda right, down, mask: self._sampled(
                    points, cell, (right, down), mask, cancelled
                ),
                self.antialias,
                margin=wider.margin(cell),
                origin=(cell.top, cell.left),
                cancelled=cancelled,
            )
        return develop(
            light,
            bits=self.bits,
            gamut=self.gamut,
            origin=(cell.top, cell.left),
            cancelled=cancelled,
        )

    def _painted(
        self, fields: Fields, margin: tuple[int, int, int, int], cancelled: Cancelled | None
    ) -> NDArray[np.float32]:
        assert self.look is not None
        return paint(
            fields,
            self.look,
            survey=self.survey,
            width_px=self.request.geometry.width,
            margin=margin,
            cancelled=cancelled,
        )

    def _sampled(
        self,
        points: Points,
        cell: Cell,
        by: tuple[float, float],
        mask: NDArray[np.bool_],
        cancelled: Cancelled | None,
    ) -> NDArray[np.float32]:
        """Compute and paint more samples of some pixels."""
        assert self.look is not None
        far = self.far - 1
        if not far:
            fields = points.fields(cell, by, self.look.fields, mask, cancelled)
            chosen = {name: a[mask][None] for name, a in fields.items()}
            return self._painted(chosen, (0, 0, 0, 0), cancelled).reshape(-1, 3)
        # Light that looks at its surroundings needs them at the same places.
        geometry = self.request.geometry
        around = cell.grown(far, geometry.width, geometry.height)
        fields = points.fields(around, by, self.look.fields, None, cancelled)
        light = self._painted(fields, around.margin(cell), cancelled)
        return np.asarray(light[mask], np.float32)
