"""Samples of a picture, computed where they are lacking: in float64, or beside a reference."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.float64 import Float64
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.fill import fill
from fraktal_kernel.fractals.live.sheet import Fields, Sheet, rectangles
from fraktal_kernel.fractals.planner import Method, Request, plan_for
from fraktal_kernel.fractals.progress import Cancelled, Progress, part_of

if TYPE_CHECKING:
    from fraktal_kernel.fractals.nearby import Reference
    from fraktal_kernel.fractals.perturbation import Prepared

# Bits beyond what a view needs, so that its reference serves much narrower ones.
_SPARE_BITS = 32
_REFERENCE = 0.3


class Samples(Protocol):
    """A way to come by the samples of a level."""

    def fill(
        self, sheet: Sheet, step: int, progress: Progress | None, cancelled: Cancelled | None
    ) -> Fields:
        """Compute what a level of the sheet lacks; give the fields of all its samples."""
        ...


def words_of(method: Method) -> str:
    """Name a method in a word."""
    return "float64" if isinstance(method, Float64) else "perturbation"


def samples_of(
    request: Request,
    near: Reference | None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> tuple[Samples, Reference | None, Progress | None]:
    """Prepare the samples of a picture, beside the reference that is there if it serves.

    Gives them, the reference to try for the next picture, and whom to tell of the rest.
    """
    method = plan_for(request)
    if isinstance(method, Float64):
        return _Lanes(method), near, progress
    from fraktal_kernel.fractals.perturbation import Perturbation, radius_of

    assert isinstance(method, Perturbation)
    if near is None or not near.serves(request, radius_of(request.geometry)):
        first = part_of(progress, 0.0, _REFERENCE)
        near = method.reference(first, cancelled, spare_bits=_SPARE_BITS)
        progress = part_of(progress, _REFERENCE, 1.0)
    return _Deep(request, method.beside(near)), near, progress


class _Lanes:
    """Samples in float64; coarse ones are fine ones, too."""

    def __init__(self, method: Float64) -> None:
        self.threads, self.task, self.slopes = method.request.threads, method.task, method.slopes

    def fill(
        self, sheet: Sheet, step: int, progress: Progress | None, cancelled: Cancelled | None
    ) -> Fields:
        todo = sheet.lacking(step)
        if todo.any():
            # The rectangle around what is lacking; after a pan it is a narrow one.
            part = rows, columns = _span(todo, 1), _span(todo, 0)
            todo = np.ascontiguousarray(todo[part])
            task = replace(self.task, left=float(columns.start), top=float(rows.start))
            out = empty_fields(sheet.fields, *todo.shape)
            fill(out, task, self.slopes, todo=todo, crew=Crew(self.threads, progress, cancelled))
            for name, array in out.items():
                np.copyto(sheet.fields[name][part], array, where=todo)
            sheet.known[part] |= todo
        return sheet.samples(step)


def _told(progress: Progress | None, done: int, more: int, whole: int) -> Progress | None:
    """Let a rectangle of pixels tell of itself as of all that are lacking."""
    if progress is None:
        return None

    def tell(fraction: float, text: str) -> None:
        count = min(whole, done + int(fraction * more))
        progress(count / whole, f"{count:,} of {whole:,} pixels")

    return tell


def _span(todo: NDArray[np.bool_], across: int) -> slice:
    """Give the rows (across axis 1) or columns from the first to the last with something to do."""
    places = np.flatnonzero(todo.any(axis=across))
    return slice(int(places[0]), int(places[-1]) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Deep:
    """Samples as small differences from a reference, rectangle by rectangle."""

    request: Request
    whole: Prepared

    def fill(
        self, sheet: Sheet, step: int, progress: Progress | None, cancelled: Cancelled | None
    ) -> Fields:
        todo = sheet.lacking(step)[step // 2 :: step, step // 2 :: step]
        rows, columns = (side // step for side in sheet.extent(step))
        todo = todo[:rows, :columns]
        # Coarse samples are not kept: their places are rounded otherwise than those of fine ones.
        target = sheet.samples(step)
        if step > 1:
            target = {name: array.copy() for name, array in target.items()}
        all_of_it, done = max(1, int(todo.sum())), 0
        for part in rectangles(todo):
            tall, wide = (side.stop - side.start for side in part)
            crew = Crew(
                self.request.threads, _told(progress, done, tall * wide, all_of_it), cancelled
            )
            out = empty_fields(target, tall, wide)
            self._window(part, step).fill(out, crew=crew)
            for name, array in out.items():
                target[name][part] = array
            if step == 1:
                sheet.known[part] = True
            done += tall * wide
        return target

    def _window(self, part: tuple[slice, slice], step: int) -> Prepared:
        """See a rectangle of every so many pixels of the picture."""
        pixels = self.whole.pixels
        rows, columns = part
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        # The middle of the window from the middle of the picture, before the matrix.
        u = step * (columns.start + (wide - 1) / 2) + step // 2 - (pixels.width - 1) / 2
        v = (pixels.height - 1) / 2 - step * (rows.start + (tall - 1) / 2) - step // 2
        a, b, c, d = pixels.matrix
        offset = pixels.offset[0] - (a * u + b * v), pixels.offset[1] - (c * u + d * v)
        window = copy.copy(self.whole)
        window.pixels = replace(
            pixels,
            width=wide,
            height=tall,
            matrix=(a * step, b * step, c * step, d * step),
            offset=offset,
        )
        return window
