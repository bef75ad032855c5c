"""What kernels are told about one picture, and the two walks over its points."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.basins import Basin
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.lanes.body import WIDTH, Body
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.rows import (
    CURSOR,
    DISCS,
    INSIDE,
    ITERATIONS,
    PERIOD,
    Lanes,
    discs_of,
    fresh_lanes,
    interior_of,
    inward_of,
    orbit_of,
    sweep_of,
)
from fraktal_kernel.fractals.lanes.tally import Tally

# A worker looks up after so many operations: some ten milliseconds.
_BUDGET = 50_000_000
# A point of a Julia set is given so many steps to its cycle.
LONGEST_WAY = 1 << 16
_NOBODY_ASKS: NDArray[np.float64] = np.empty(0)
# Discs are looked for around points that lie so far apart, one grid after the other.
_GRIDS = (16, 4)
# Fewer steps inside than these are done before discs are found; and only a small part of all
# steps that there might be is usually done inside.
_WORTHWHILE = 60_000_000
_USUAL_PART = 1 / 40


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Everything that the points of one picture share.

    Parameters
    ----------
    body : of the formula
    centre, pixel, matrix : where the view lies, as `Geometry` says; with a ``place`` the picture
        lies so many columns to the right of it, and rows above, as `lattice.placed` says
    size : width and height of the whole picture, in pixels
    max_iter : a point that has not ended after so many steps is inside
    seed : the constant of a Julia set; None for the plane of c
    parameters : values of the body's parameters, in order
    radius, epsilon : beyond, or below, which a point has ended
    degree : power of the growth, for the continuous count; 0 for none
    skip : what may be skipped, as bits
    left, top : which pixel of the picture an array begins with, where it is a window
    """

    body: Body
    centre: complex
    pixel: float
    size: tuple[int, int]
    max_iter: int
    matrix: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    seed: complex | None = None
    parameters: tuple[float, ...] = ()
    radius: float = 1e3
    epsilon: float = 1e-6
    degree: float = 2.0
    skip: int = 0
    left: float = 0.0
    top: float = 0.0
    place: tuple[float, float] = (0.0, 0.0)

    def plane(self, row: int = 0) -> NDArray[np.float64]:
        """Tell kernels where pixel [0, 0] of an array lies that begins with some row."""
        seed = self.seed or 0j
        width, height = self.size
        corner = (self.left - (width - 1) / 2, (height - 1) / 2 - self.top - row)
        where = (self.centre.real, self.centre.imag, *corner, self.pixel)
        plane = np.array([*where, *self.matrix, seed.real, seed.imag])
        plane[2:4] += self.place
        return plane

    def ends(self) -> NDArray[np.float64]:
        """Tell kernels where a point ends, and when an orbit has come back."""
        # So near that no point of this picture can be told apart from one that came back.
        tolerance = min(1e-13, self.pixel * 1e-3)
        fold = 1 / np.log(self.degree) if self.degree > 1 else 0.0
        return np.array([self.radius**2, self.epsilon**2, fold, tolerance**2])

    def numbers(self) -> NDArray[np.float64]:
        """Give the parameters; one number at least, because an empty array has no address."""
        return np.array([*self.parameters, 0.0])

    def budget(self, points: int) -> int:
        """How many looks a worker may do before it looks up, each costing so many points' steps."""
        return max(1, _BUDGET // ((self.body.cost + 1) * points))


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows and columns of an array to do.

    Parameters
    ----------
    extent : so many from the first, by default all
    first, step : of those every ``step``-th from ``first`` on
    """

    extent: tuple[int, int] | None = None
    first: int = 0
    step: int = 1


WHOLE = Part()


def count(
    task: Task,
    counts: NDArray[np.int64],
    *,
    smooth: NDArray[np.float64] | None = None,
    last: NDArray[np.complex128] | None = None,
    row: int = 0,
    part: Part = WHOLE,
    crew: Crew,
) -> int:
    """Count the steps of all points that are `TO_DO`, and give the sum.

    Parameters
    ----------
    task : the picture
    counts, smooth, last : arrays [rows, columns], contiguous, filled in place as `build_sweep` says
    row : which row of the picture their first row is
    part : which of their rows and columns to do
    crew : who does it
    """
    steps = 0
    most = task.max_iter * counts.size
    if task.skip & DISCS and part.step == 1 and most * _USUAL_PART >= _WORTHWHILE:
        steps = _settle(task, counts, smooth, last, row, part, replace(crew, progress=None))
    return steps + _sweep(task, counts, smooth, last, row, part, crew)


def _settle(
    task: Task,
    counts: NDArray[np.int64],
    smooth: NDArray[np.float64] | None,
    last: NDArray[np.complex128] | None,
    row: int,
    part: Part,
    crew: Crew,
) -> int:
    """Walk few points, and mark as inside what lies in discs around them; give the steps."""
    kernel = discs_of()
    extent = part.extent or (counts.shape[0], counts.shape[1])
    if last is None:
        last = np.empty(counts.shape, np.complex128)
    a, b, c, d = task.matrix
    stretch = float(np.linalg.norm([[a, b], [c, d]], 2))
    limit = task.max_iter if task.skip & PERIOD else task.max_iter + 1
    flat = counts.reshape(-1), last.reshape(-1).view(np.float64)
    budget = task.budget(2)
    steps = 0

    def go(span: NDArray[np.int64], lanes: Lanes, drain: bool) -> bool:
        return drain or bool(
            kernel(*flat, span, task.plane(row), extent[0], stretch, limit, lanes[-1], budget)
        )

    for grid in _GRIDS:
        few = Part(extent, part.first + grid // 2, grid)
        steps += _sweep(task, counts, smooth, last, row, few, crew)
        if grid == _GRIDS[0]:
            known = INSIDE - counts[few.first : extent[0] : grid, few.first : extent[1] : grid]
            if known[(known > 0) & (known < limit)].sum() * grid**2 < _WORTHWHILE:
                break
        _walk(go, (1, 1), counts.shape, few, crew)
    return steps


def _sweep(
    task: Task,
    counts: NDArray[np.int64],
    smooth: NDArray[np.float64] | None,
    last: NDArray[np.complex128] | None,
    row: int,
    part: Part,
    crew: Crew,
) -> int:
    sweep = sweep_of(task.body)
    flat: list[Any] = [
        counts.reshape(-1),
        _NOBODY_ASKS if smooth is None else smooth.reshape(-1),
        _NOBODY_ASKS if last is None else last.reshape(-1).view(np.float64),
    ]
    picture = task.plane(row), task.ends(), task.numbers(), task.seed is not None
    budget = task.budget(task.body.vectors * task.body.block)

    def go(span: NDArray[np.int64], lanes: Lanes, drain: bool) -> bool:
        return bool(sweep(*flat, span, *picture, task.max_iter, task.skip, *lanes, drain, budget))

    shape = 3 * task.body.carried + 2, task.body.lanes
    return _walk(go, shape, counts.shape, part, crew)


def remember(
    task: Task,
    tally: Tally,
    counts: NDArray[np.int64],
    *,
    inside_too: bool = False,
    row: int = 0,
    part: Part = WHOLE,
    crew: Crew,
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Walk again and give what a tally keeps, by name, and the steps that it took.

    Parameters
    ----------
    counts : int64 [rows, columns], as `count` leaves them
    inside_too : whether points inside are walked too, until they were known to be
    """
    orbit = orbit_of(tally)
    kept = np.full((counts.size, max(1, len(tally.first))), np.nan)
    at_first = np.array([*tally.first.values(), 0.0])
    picture = task.plane(row), task.numbers(), task.seed is not None, inside_too, at_first
    budget = task.budget(tally.vectors * (1 + len(tally.first)))
    flat = counts.reshape(-1)

    def go(span: NDArray[np.int64], lanes: Lanes, drain: bool) -> bool:
        return bool(orbit(flat, kept, span, *picture, *lanes, drain, budget))

    shape = task.body.carried + 2 + len(tally.first), WIDTH * tally.vectors
    steps = _walk(go, shape, counts.shape, part, crew)
    return {name: kept[:, k].reshape(counts.shape) for k, name in enumerate(tally.first)}, steps


def cycles(
    task: Task,
    jacobian: Tape | None,
    curvature: Tape | None,
    counts: NDArray[np.int64],
    last: NDArray[np.complex128],
    period: NDArray[np.int64],
    edge: NDArray[np.float64] | None,
    *,
    branches: int = 1,
    row: int = 0,
    crew: Crew,
) -> None:
    """Find the periods of points inside, and how far the edge is, as `build_interior` says.

    Parameters
    ----------
    jacobian, curvature : complex, of a formula that does not remember; None for others
    counts, last : [rows, columns], as `count` leaves them
    period, edge : [rows, columns], filled in place where something is found
    branches : how often the multiplier takes each value within a component
    """
    interior = interior_of(task.body, jacobian, curvature)
    far = _NOBODY_ASKS if edge is None else edge.reshape(-1)
    flat = counts.reshape(-1), last.reshape(-1).view(np.float64), period.reshape(-1), far
    picture = task.plane(row), task.numbers(), task.seed is not None, branches
    budget = task.budget(8)

    def go(span: NDArray[np.int64], lanes: Lanes, drain: bool) -> bool:
        return drain or bool(interior(*flat, span, *picture, lanes[-1], budget))

    _walk(go, (1, 1), counts.shape, WHOLE, crew)


def inward(
    task: Task,
    basin: Basin,
    counts: NDArray[np.int64],
    edge: NDArray[np.float64],
    row: int,
    crew: Crew,
) -> None:
    """Find how far the edge of a Julia set is from points inside, as `fractals.basins` says.

    Parameters
    ----------
    counts : [rows, columns], as `count` leaves them
    edge : [rows, columns], filled in place where something is found
    """
    kernel = inward_of()
    centre = np.array([basin.critical.real, basin.critical.imag])
    known = task.plane(row), centre, basin.degree, basin.period, basin.numbers
    flat = counts.reshape(-1), edge.reshape(-1)
    budget = task.budget(8)

    def go(span: NDArray[np.int64], lanes: Lanes, drain: bool) -> bool:
        return drain or bool(kernel(*flat, span, *known, lanes[0], lanes[-1], budget))

    # What are lanes elsewhere is room for the way of one point.
    _walk(go, (LONGEST_WAY, 2), counts.shape, WHOLE, crew)


def _walk(
    go: Callable[[NDArray[np.int64], Lanes, bool], bool],
    lanes_shape: tuple[int, int],
    shape: tuple[int, ...],
    part: Part,
    crew: Crew,
) -> int:
    """Let a crew run a kernel over all spans of an array, and give the steps that it took."""
    rows, columns = part.extent or shape

    def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
        lanes = fresh_lanes(*lanes_shape)
        clock = lanes[-1]
        # No points yet.
        span = np.array([part.first, part.first, part.step, part.first, columns, shape[1]])

        def run(drain: bool) -> None:
            # The lock of the interpreter is free inside a kernel, which returns every few ms.
            while not stop.is_set() and not go(span, lanes, drain):
                pass

        for span[0], span[1] in spans:
            clock[CURSOR] = 0
            run(drain=False)
        run(drain=True)
        return int(clock[ITERATIONS])

    return crew.share(work, rows, first=part.first, step=part.step)
