"""Kernels for deep views: the walks of `fractals.deep`, the same code, one point a thread."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep.far import far
from fraktal_kernel.fractals.deep.kinds import Map
from fraktal_kernel.fractals.deep.rows import SEGMENTS, STEPS
from fraktal_kernel.fractals.deep.walk import walk
from fraktal_kernel.fractals.gpu.port import ported
from fraktal_kernel.fractals.gpu.rounds import Rounds

# Steps and segments that are the unit of work of a launch.
BUDGET = 16
# What the walks are given, by names: tables, what all points share, what is each point's own.
_POINTS = ("pixels", "max_iter", "count", "place", "value", "slope")
NEAR = ("orbit", "segments", "links", "roots", "reach", "plane", "width", *_POINTS)
_WIDE = ("orbit", "orbit_e", "segments", "segments_e")
FAR = (*_WIDE, "links", "roots", "plane", "pixel_e", "width", *_POINTS, "powers")
_OWN = ("pixels", "count", "place", "value", "slope", "powers")


@lru_cache(maxsize=16)
def walk_of(kind: Map, derivative: bool) -> Any:
    """Make the kernel of `deep.walk`."""
    return _one_a_thread(ported(walk(kind, derivative)), NEAR)


@lru_cache(maxsize=16)
def far_of(kind: Map, derivative: bool) -> Any:
    """Make the kernel of `deep.far`."""
    return _one_a_thread(ported(far(kind, derivative)), FAR)


def _one_a_thread(run: Any, names: tuple[str, ...]) -> Any:
    """Make the kernel that lets a walk over points see one point only.

    It takes ``points, many, onward, left, blocks`` as `sweep_of` does, then what the walk takes but
    for its counters and budget, and ``taken``, to which steps and segments are added.
    """
    asked = ", ".join(f"{name}[one]" if name in _OWN else name for name in names)
    source = f"""
def kernel(points, many, onward, left, blocks, {", ".join(names)}, taken):
    k = cuda.grid(1)
    if k >= many:
        return
    i = points[k]
    one = slice(i, i + 1)
    counters = cuda.local.array(3, number)
    counters[0] = counters[1] = counters[2] = 0
    done = run({asked}, counters, blocks * {BUDGET})
    cuda.atomic.add(taken, 0, counters[{STEPS}] + counters[{SEGMENTS}])
    if not done:
        onward[cuda.atomic.add(left, 0, 1)] = i
"""
    namespace: dict[str, Any] = {"cuda": cuda, "number": np.int64, "run": run}
    # The number of arguments is the walk's, which a plain definition cannot say to numba.
    exec(source, namespace)
    return cuda.jit(namespace["kernel"])


class Walk:
    """Stands in for a kernel of the processor, and is called as that is, by one thread.

    Each call is one launch, so that the caller can look up in between. What belongs to the points
    stays on the card from the first call with it to the one that says that all are done.

    Parameters
    ----------
    kernel : of the card
    names : of what it takes, `NEAR` or `FAR`; what comes before the plane is brought to the card
        once
    """

    def __init__(self, kernel: Any, names: tuple[str, ...]) -> None:
        self._kernel, self._tables, self._count = kernel, names.index("plane"), names.index("count")
        self._there: dict[int, tuple[Any, Any]] = {}
        self._rounds: Rounds | None = None
        self._held: list[tuple[Any, Any]] = []
        self._taken: Any = None

    def __call__(self, *values: Any) -> bool:
        """Walk on; the last two are the counters and a budget, in place of which is the launch."""
        *given, counters, _ = values
        # Other points than those that are there: whoever walked these was stopped.
        if self._rounds is None or self._held[0][0] is not given[self._count]:
            self._rounds = self._begin(given)
        if self._rounds.many:
            self._rounds.go()
        if self._rounds.many:
            return False
        for array, place in self._held:
            place.copy_to_host(array)
        counters[STEPS] = self._taken.copy_to_host()[0]
        self._rounds, self._held = None, []
        return True

    def _begin(self, given: list[Any]) -> Rounds:
        """Bring what is given to the card."""
        there = [self._known(value) for value in given[: self._tables]]
        self._held = []
        for value in given[self._tables :]:
            if isinstance(value, np.ndarray):
                self._held.append((value, cuda.to_device(value)))
                there.append(self._held[-1][1])
            else:
                there.append(value)
        self._taken = cuda.to_device(np.zeros(1, np.int64))
        # The plane, which pixels, their counts, their places; then what is written, too.
        place: NDArray[np.int64] = self._held[3][0]
        del self._held[:2]
        todo = np.flatnonzero(place >= 0).astype(np.int32)
        kernel, taken = self._kernel, self._taken

        def launch(grid: tuple[int, int], *asked: Any) -> None:
            kernel[grid](*asked, *there, taken)

        return Rounds(launch, todo)

    def _known(self, value: Any) -> Any:
        """Give a table on the card; the table is kept, so that its id stays its own."""
        if not isinstance(value, np.ndarray):
            return value
        if id(value) not in self._there:
            self._there[id(value)] = value, cuda.to_device(value)
        return self._there[id(value)][1]
