"""What is known of a picture: fields of its pixels, carried along when the view moves."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.lattice import moved_by
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.view import View

Fields = dict[str, NDArray[Any]]
# Rectangles that are computed at once are no taller: between them one may look elsewhere.
_TALL = 48


@dataclass(slots=True, eq=False)
class Sheet:
    """Fields of a picture, its edges filled up to whole coarse samples, and which are known.

    Parameters
    ----------
    key : all that decides the fields but the centre of the view
    origin : the view whose lattice the pixels are on
    at : how many pixels what is seen lies from there, to the right and downwards
    size : width and height in pixels
    fields : arrays [rows, columns] by name
    known : which pixels are, bool [rows, columns]
    """

    key: Hashable
    origin: View
    at: tuple[int, int]
    size: tuple[int, int]
    fields: Fields
    known: NDArray[np.bool_] = field(repr=False)

    @classmethod
    def blank(cls, request: Request, coarsest: int) -> Sheet:
        """Make a sheet with nothing on it."""
        geometry = request.geometry
        size = geometry.width, geometry.height
        wide, tall = (-(-side // coarsest) * coarsest for side in size)
        fields = empty_fields(request.fields, tall, wide)
        known = np.zeros((tall, wide), np.bool_)
        return cls(_key(request), geometry.view, (0, 0), size, fields, known)

    def moved(self, request: Request, coarsest: int) -> Sheet:
        """Give the sheet of another view: with what both see, where one is the other moved."""
        fresh = Sheet.blank(request, coarsest)
        if fresh.key != self.key:
            return fresh
        # Seen from the origin, so that many moves of a turned view do not add up.
        at = moved_by(fresh.origin, self.origin, self.size[0])
        if at is None:
            return fresh
        if at == self.at:
            return self
        fresh.origin, fresh.at = self.origin, at
        tall, wide = self.known.shape
        columns, rows = _overlap(wide, at[0] - self.at[0]), _overlap(tall, at[1] - self.at[1])
        here, there = (rows[0], columns[0]), (rows[1], columns[1])
        fresh.known[here] = self.known[there]
        for name, array in self.fields.items():
            fresh.fields[name][here] = array[there]
        return fresh

    @property
    def complete(self) -> bool:
        """Whether all pixels of the picture are known."""
        width, height = self.size
        return bool(self.known[:height, :width].all())

    def lacking(self, step: int) -> NDArray[np.bool_]:
        """Mark the samples of a level that are not known, of all pixels [rows, columns]."""
        todo = np.zeros_like(self.known)
        rows, columns = self.extent(step)
        part = np.s_[step // 2 : rows : step, step // 2 : columns : step]
        todo[part] = ~self.known[part]
        return todo

    def extent(self, step: int) -> tuple[int, int]:
        """Say how many rows and columns of the sheet the samples of a level stand for."""
        width, height = self.size
        return -(-height // step) * step, -(-width // step) * step

    def samples(self, step: int) -> Fields:
        """Give the fields at the samples of a level."""
        rows, columns = self.extent(step)
        part = np.s_[step // 2 : rows : step, step // 2 : columns : step]
        return {name: array[part] for name, array in self.fields.items()}


def rectangles(todo: NDArray[np.bool_]) -> Iterator[tuple[slice, slice]]:
    """Cover what is to be done with rectangles of rows and columns, from top to bottom.

    Examples
    --------
    >>> list(rectangles(np.array([[False, True], [False, True], [True, True]])))
    [(slice(0, 2, None), slice(1, 2, None)), (slice(2, 3, None), slice(0, 2, None))]
    """
    first = np.where(todo.any(1), todo.argmax(1), -1)
    last = todo.shape[1] - todo[:, ::-1].argmax(1)
    top = 0
    for row in range(1, len(todo) + 1):
        same = row < len(todo) and first[row] == first[top]
        if same and (first[top] < 0 or (last[row] == last[top] and row - top < _TALL)):
            continue
        if first[top] >= 0:
            yield slice(top, row), slice(int(first[top]), int(last[top]))
        top = row


def _key(request: Request) -> Hashable:
    geometry, formula = request.geometry, request.formula
    return (
        (formula.name, formula.expression, tuple(formula.parameters.items())),
        (geometry.view.width, geometry.matrix, geometry.width, geometry.height),
        (request.max_iter, request.julia, request.fields),
    )


def _overlap(side: int, by: int) -> tuple[slice, slice]:
    """Say which part of a side that moved by some pixels is which part of the side before."""
    here = slice(max(0, min(side, -by)), max(0, min(side, side - by)))
    return here, slice(here.start + by, here.stop + by)
