"""Key frames of a shot: grids of samples, each twice as fine as the one above, computed once.

Level 0 is the finest. The samples of level ``j`` lie at whole multiples of its step from the
anchor, so that every second sample of a finer level *is* one of the coarser: of each level only
the ring around the finer one is computed. A frame takes its samples from the level whose step is
between a pixel and half of one, and in its middle, where there is more, from the finer level too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.colouring.look import LENGTHS
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.film.path import Frame, Shot
from fraktal_kernel.fractals.geometry import Geometry, inverse_of, matrix_of
from fraktal_kernel.fractals.planner import Request, request_of
from fraktal_kernel.fractals.poster.cells import Cell
from fraktal_kernel.fractals.poster.points import points_of
from fraktal_kernel.fractals.progress import Cancelled, Stopped, apart
from fraktal_kernel.fractals.view import text_of

Fields = dict[str, NDArray[Any]]
# Share of a window's width on which a finer level fades in from its edge.
FADE = 0.1
# Samples that are computed, or bytes that are written, in one piece: there is a look-up between.
_PIECE = 1 << 21
_DIGEST_BYTES = 16
_CONTEXT = Context(prec=50, Emin=-(10**6), Emax=10**6)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole multiples of a level's step: x to the right, y upwards, both ends in."""

    left: int
    bottom: int
    right: int
    top: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.top - self.bottom + 1, self.right - self.left + 1

    @property
    def size(self) -> int:
        """How many samples it has."""
        return self.shape[0] * self.shape[1]

    def halved(self) -> Box:
        """Give what the next coarser level has of it."""
        return Box(-(-self.left // 2), -(-self.bottom // 2), self.right // 2, self.top // 2)

    def common(self, other: Box) -> Box | None:
        """Give what two boxes share."""
        box = Box(
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            min(self.right, other.right),
            min(self.top, other.top),
        )
        return box if box.left <= box.right and box.bottom <= box.top else None

    def without(self, inner: Box | None) -> list[Box]:
        """Cut what lies around an inner box into rectangles."""
        if inner is None:
            return [self]
        parts = [
            replace(self, bottom=inner.top + 1),
            replace(self, top=inner.bottom - 1),
            Box(self.left, inner.bottom, inner.left - 1, inner.top),
            Box(inner.right + 1, inner.bottom, self.right, inner.top),
        ]
        return [part for part in parts if part.left <= part.right and part.bottom <= part.top]

    def within(self, outer: Box) -> tuple[slice, slice]:
        """Give the rows and columns of this box in the array of one around it."""
        top, left = outer.top - self.top, self.left - outer.left
        rows, columns = self.shape
        return slice(top, top + rows), slice(left, left + columns)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Samples that are computed: arrays by the names of their fields, rows from the top."""

    number: int
    box: Box
    fields: Fields


@dataclass(frozen=True, slots=True)
class Grid:
    """Which levels a shot has, and how large each is.

    Parameters
    ----------
    shot : what is shown
    boxes : by the number of the level
    names : of the fields that are computed
    """

    shot: Shot
    boxes: dict[int, Box]
    names: tuple[str, ...]

    @classmethod
    def of(cls, shot: Shot, names: Iterable[str]) -> Grid:
        """Lay the levels under the frames of a shot."""
        film = shot.film
        turn = shot.deeper.view.rotation_deg
        back = inverse_of(matrix_of(turn, shot.deeper.view.skew))
        edges: dict[int, list[float]] = {}
        for frame in shot.frames():
            base, scale = place(frame, film.antialias)
            around = _around(frame, film.width, film.height, turn, back)
            for level, zoom in ((base, scale), (base - 1, 2.0 * film.antialias)):
                # The finer one serves the middle of the frame, as far as it is twice as fine.
                reach = zoom * (FADE * film.width + 1) + 2
                corners = [zoom * value for value in around]
                found = edges.setdefault(level, [math.inf, math.inf, -math.inf, -math.inf])
                found[0] = min(found[0], corners[0] - reach / 2)
                found[1] = min(found[1], corners[1] - reach / 2)
                found[2] = max(found[2], corners[2] + reach / 2)
                found[3] = max(found[3], corners[3] + reach / 2)
        boxes = {
            level: Box(*map(math.floor, found[:2]), *map(math.ceil, found[2:]))
            for level, found in sorted(edges.items())
        }
        return cls(shot, boxes, tuple(names))

    @property
    def samples(self) -> int:
        """How many samples all levels take."""
        return sum(self.new_samples(level) for level in self.boxes)

    def new_samples(self, level: int) -> int:
        """How many samples a level takes beside those of the finer one."""
        return sum(part.size for part in self.boxes[level].without(self._inner(level)))

    def _inner(self, level: int) -> Box | None:
        finer = self.boxes.get(level - 1)
        return finer.halved().common(self.boxes[level]) if finer else None

    def request(self, level: int) -> Request:
        """Ask for a level as a picture around the anchor, of which its box is a part."""
        shot, box = self.shot, self.boxes[level]
        across = 2 * max(-box.left, box.right, 1) + 1
        down = 2 * max(-box.bottom, box.top, 1) + 1
        pixel = _CONTEXT.divide(
            Decimal(shot.deeper.view.width), Decimal(2 * shot.film.antialias * shot.film.width)
        )
        width = _CONTEXT.multiply(
            _CONTEXT.multiply(pixel, _CONTEXT.power(Decimal(2), Decimal(level))), Decimal(across)
        )
        scene = replace(shot.deeper, max_iter=shot.max_iter)
        scene = replace(scene, view=replace(scene.view, width=text_of(width)))
        request = request_of(scene, across, down)
        geometry = Geometry(scene.view, across, down, request.geometry.matrix)
        return replace(request, geometry=geometry, fields=self.names)

    def compute(
        self,
        level: int,
        finer: Level | None,
        threads: int | None,
        told: Callable[[int], None],
        cancelled: Cancelled | None,
    ) -> Level:
        """Compute a level, or the ring around a finer one that is there.

        Parameters
        ----------
        level : its number
        finer : the next finer level, if it is known
        threads, cancelled : as `compute` takes them
        told : called with the number of samples that were made, piece by piece
        """
        request = replace(self.request(level), threads=threads)
        box, geometry = self.boxes[level], request.geometry
        fields = apart(lambda: empty_fields(self.names, *box.shape), cancelled)
        inner = None
        if finer is not None:
            inner = finer.box.halved().common(box)
        if finer is not None and inner is not None:
            rows, columns = inner.within(box)
            doubled = Box(
                *(2 * side for side in (inner.left, inner.bottom, inner.right, inner.top))
            )
            own = tuple(slice(part.start, part.stop, 2) for part in doubled.within(finer.box))
            for name, values in finer.fields.items():
                part = values[own]
                fields[name][rows, columns] = part / 2 if name in LENGTHS else part
        points = points_of(request, cancelled)
        for piece in _pieces(box.without(inner)):
            top = (geometry.height - 1) // 2 - piece.top
            left = (geometry.width - 1) // 2 + piece.left
            tall, wide = piece.shape
            cell = Cell(top, left, top + tall, left + wide)
            for name, values in points.fields(cell, cancelled=cancelled).items():
                fields[name][piece.within(box)] = values
            told(piece.size)
        return Level(level, box, fields)


def place(frame: Frame, antialias: int) -> tuple[int, float]:
    """Give the coarsest level that serves a frame, and how many of its steps a pixel has.

    Examples
    --------
    >>> place(Frame(0, 1.0, 0.5, 0.0, 0.0, 0.0), 1)
    (1, 1.4142135623730951)
    """
    whole = math.floor(frame.octave + 1e-9)
    return 1 + whole, antialias * 2.0 ** (frame.octave - whole)


class Store:
    """The levels of a shot that are at hand, in memory and on disk.

    Parameters
    ----------
    grid : of the shot
    folder : where they are kept, so that a film that was stopped goes on; or None
    """

    def __init__(self, grid: Grid, folder: Path | None) -> None:
        self.grid, self.folder = grid, folder
        self.levels: dict[int, Level] = {}

    def get(
        self,
        level: int,
        threads: int | None,
        told: Callable[[int], None],
        cancelled: Cancelled | None,
    ) -> Level | None:
        """Give a level, computed where it is not at hand; None where the shot has none such."""
        if level not in self.grid.boxes:
            return None
        known = self.levels.get(level) or self._read(level)
        if known is None:
            finer = self.levels.get(level - 1)
            if finer is None and level - 1 in self.grid.boxes:
                finer = self._read(level - 1)
            known = self.grid.compute(level, finer, threads, told, cancelled)
            self._keep(known, cancelled)
        self.levels[level] = known
        return known

    def forget_below(self, level: int) -> None:
        """Let go of finer levels, which no frame needs any more."""
        for number in [number for number in self.levels if number < level]:
            del self.levels[number]
            if self.folder is not None:
                self._path(number).unlink(missing_ok=True)

    def _path(self, level: int) -> Path:
        assert self.folder is not None
        return self.folder / f"shot-{self.grid.shot.first:06d}-level-{level:05d}.fields"

    def _keep(self, level: Level, cancelled: Cancelled | None) -> None:
        """Write a level piece by piece, so that a cancel need not wait; a full disk costs it."""
        if self.folder is None:
            return
        path = self._path(level.number)
        part, digest = path.with_suffix(".part"), blake2b(digest_size=_DIGEST_BYTES)
        try:
            with part.open("wb") as file:
                for name in self.grid.names:
                    values = level.fields[name].reshape(-1).view(np.uint8)
                    for first in range(0, values.size, _PIECE):
                        piece = values[first : first + _PIECE]
                        digest.update(piece.data)
                        file.write(piece.data)
                        if cancelled is not None and cancelled():
                            raise Stopped("the film was cancelled before it was complete.")
                file.write(digest.digest())
            part.replace(path)
        except OSError:
            return
        finally:
            part.unlink(missing_ok=True)

    def _read(self, level: int) -> Level | None:
        """Read a level; one that is damaged is as good as none."""
        if self.folder is None:
            return None
        box, digest = self.grid.boxes[level], blake2b(digest_size=_DIGEST_BYTES)
        fields = empty_fields(self.grid.names, *box.shape)
        try:
            with self._path(level).open("rb") as file:
                for values in fields.values():
                    file.readinto(values.reshape(-1).view(np.uint8).data)
                    digest.update(values.data)
                if file.read() != digest.digest():
                    return None
        except OSError:
            return None
        return Level(level, box, fields)


def _around(
    frame: Frame, width: int, height: int, turn: float, back: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Give the left, lower, right and upper end of a window, in its pixels from the anchor."""
    a, b, c, d = back
    x = width * (a * frame.right + b * frame.up)
    y = width * (c * frame.right + d * frame.up)
    angle = math.radians(frame.turn_deg - turn)
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    across, down = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    return x - across, y - down, x + across, y + down


def offset(frame: Frame, shot: Shot) -> tuple[float, float]:
    """Give the centre of a window from the anchor, in its widths along the rows of the levels."""
    view = shot.deeper.view
    a, b, c, d = inverse_of(matrix_of(view.rotation_deg, view.skew))
    return a * frame.right + b * frame.up, c * frame.right + d * frame.up


def _pieces(boxes: list[Box]) -> Iterator[Box]:
    """Cut boxes into pieces of so many rows that none is too large."""
    for box in boxes:
        rows, columns = box.shape
        tall = max(1, _PIECE // columns)
        for top in range(box.top, box.top - rows, -tall):
            yield replace(box, top=top, bottom=max(box.bottom, top - tall + 1))
