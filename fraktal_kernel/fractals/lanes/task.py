"""What a kernel is told about one picture, and the walk that counts its steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.escape import Progress
from fraktal_kernel.fractals.lanes.body import Body
from fraktal_kernel.fractals.lanes.crew import share
from fraktal_kernel.fractals.lanes.rows import CURSOR, ITERATIONS, fresh_lanes, sweep_of

# A worker looks up after so many steps of its lanes: a few milliseconds for short bodies.
_BUDGET_OPERATIONS = 1_000_000
_NOBODY_ASKS: NDArray[np.float64] = np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Everything that the points of one picture share.

    Parameters
    ----------
    body : of the formula
    centre, pixel, matrix : where the view lies, as `Geometry` says
    size : width and height of the whole picture, in pixels
    max_iter : a point that has not ended after so many steps is inside
    seed : the constant of a Julia set; None for the plane of c
    parameters : values of the body's parameters, in order
    radius, epsilon : beyond, or below, which a point has ended
    degree : power of the growth, for the continuous count; 0 for none
    skip : what may be skipped, as bits
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
    epsilon: float = 1e-10
    degree: float = 2.0
    skip: int = 0

    def plane(self, row: int = 0) -> NDArray[np.float64]:
        """Tell kernels where pixel [0, 0] of an array lies that begins with some row."""
        seed = self.seed or 0j
        width, height = self.size
        corner = (-(width - 1) / 2, (height - 1) / 2 - row)
        where = (self.centre.real, self.centre.imag, *corner, self.pixel)
        return np.array([*where, *self.matrix, seed.real, seed.imag])

    def ends(self) -> NDArray[np.float64]:
        """Tell kernels where a point ends, and when an orbit has come back."""
        # So near that no point of this picture can be told apart from one that came back.
        tolerance = min(1e-13, self.pixel * 1e-3)
        fold = 1 / np.log(self.degree) if self.degree > 1 else 0.0
        return np.array([self.radius**2, self.epsilon**2, fold, tolerance**2])

    def numbers(self) -> NDArray[np.float64]:
        """Give the parameters; one number at least, because an empty array has no address."""
        return np.array([*self.parameters, 0.0])

    @property
    def budget(self) -> int:
        """How many blocks a worker may run before it looks up."""
        cost = (self.body.step.operations + 1) * self.body.vectors * self.body.block
        return max(1, _BUDGET_OPERATIONS * 8 // cost)


def count(
    task: Task,
    counts: NDArray[np.int64],
    *,
    smooth: NDArray[np.float64] | None = None,
    last: NDArray[np.complex128] | None = None,
    row: int = 0,
    extent: tuple[int, int] | None = None,
    first: int = 0,
    step: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> int:
    """Count the steps of all points that are `TO_DO`, and give the sum.

    Parameters
    ----------
    task : the picture
    counts, smooth, last : arrays [rows, columns], contiguous, filled in place as `build_sweep` says
    row : which row of the picture their first row is
    extent : rows and columns of them to do, by default all
    first, step : every ``step``-th row and column from ``first`` on is done
    """
    rows, columns = extent or counts.shape
    sweep = sweep_of(task.body)
    flat: list[Any] = [
        counts.reshape(-1),
        _NOBODY_ASKS if smooth is None else smooth.reshape(-1),
        _NOBODY_ASKS if last is None else last.reshape(-1).view(np.float64),
    ]
    picture = task.plane(row), task.ends(), task.numbers(), task.seed is not None
    length, budget = counts.shape[1], task.budget

    def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
        lanes = fresh_lanes(task.body)
        clock = lanes[-1]
        span = np.array([first, first, step, first, columns, length])  # no points yet

        def run(drain: bool) -> None:
            # The lock of the interpreter is free inside sweep, which returns every few ms.
            while not stop.is_set() and not sweep(
                *flat, span, *picture, task.max_iter, task.skip, *lanes, drain, budget
            ):
                pass

        for span[0], span[1] in spans:
            clock[CURSOR] = 0
            run(drain=False)
        run(drain=True)
        return int(clock[ITERATIONS])

    options: dict[str, Any] = {"first": first, "step": step, "threads": threads}
    return share(work, rows, **options, progress=progress, cancelled=cancelled)
