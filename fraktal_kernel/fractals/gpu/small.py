"""Kernels for deep views: the walks of `fractals.deep`, the same code, one point a thread."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep.far import far
from fraktal_kernel.fractals.deep.kinds import Map
from fraktal_kernel.fractals.deep.walk import SEGMENTS, STEPS, walk
from fraktal_kernel.fractals.gpu.port import ported
from fraktal_kernel.fractals.gpu.rounds import Rounds

# Steps and segments that are the unit of work of a launch.
BUDGET = 16


@lru_cache(maxsize=16)
def walk_of(kind: Map, derivative: bool) -> Any:
    """Make the kernel of `deep.walk`."""
    run = ported(walk(kind, derivative))

    def kernel(
        points: Any,
        many: int,
        onward: Any,
        left: Any,
        blocks: int,
        orbit: Any,
        segments: Any,
        links: Any,
        roots: Any,
        plane: Any,
        width: int,
        pixels: Any,
        max_iter: int,
        count: Any,
        place: Any,
        value: Any,
        slope: Any,
        taken: Any,
    ) -> None:
        """Walk on; ``taken`` adds up the steps and segments."""
        k = cuda.grid(1)
        if k >= many:
            return
        i = points[k]
        one = slice(i, i + 1)
        counters = cuda.local.array(3, np.int64)
        for m in range(3):
            counters[m] = 0
        done = run(
            orbit, segments, links, roots, plane, width, pixels[one], max_iter, count[one],
            place[one], value[one], slope[one], counters, blocks * BUDGET,
        )  # fmt: skip
        cuda.atomic.add(taken, 0, counters[STEPS] + counters[SEGMENTS])
        if not done:
            onward[cuda.atomic.add(left, 0, 1)] = i

    return cuda.jit(kernel)


@lru_cache(maxsize=16)
def far_of(kind: Map, derivative: bool) -> Any:
    """Make the kernel of `deep.far`."""
    run = ported(far(kind, derivative))

    def kernel(
        points: Any,
        many: int,
        onward: Any,
        left: Any,
        blocks: int,
        orbit: Any,
        orbit_e: Any,
        segments: Any,
        segments_e: Any,
        links: Any,
        roots: Any,
        plane: Any,
        pixel_e: int,
        width: int,
        pixels: Any,
        max_iter: int,
        count: Any,
        place: Any,
        value: Any,
        slope: Any,
        powers: Any,
        taken: Any,
    ) -> None:
        """Walk on, as `walk_of` does."""
        k = cuda.grid(1)
        if k >= many:
            return
        i = points[k]
        one = slice(i, i + 1)
        counters = cuda.local.array(3, np.int64)
        for m in range(3):
            counters[m] = 0
        done = run(
            orbit, orbit_e, segments, segments_e, links, roots, plane, pixel_e, width,
            pixels[one], max_iter, count[one], place[one], value[one], slope[one], powers[one],
            counters, blocks * BUDGET,
        )  # fmt: skip
        cuda.atomic.add(taken, 0, counters[STEPS] + counters[SEGMENTS])
        if not done:
            onward[cuda.atomic.add(left, 0, 1)] = i

    return cuda.jit(kernel)


class Walk:
    """Stands in for a kernel of the processor, and is called as that is, by one thread.

    Each call is one launch, so that the caller can look up in between. What belongs to the points
    stays on the card from the first call with it to the one that says that all are done.

    Parameters
    ----------
    kernel : of the card
    tables : how many arguments come first that are the same for all points; arrays among them are
        brought to the card once
    """

    def __init__(self, kernel: Any, tables: int) -> None:
        self._kernel, self._tables = kernel, tables
        self._there: dict[int, tuple[Any, Any]] = {}
        self._rounds: Rounds | None = None
        self._held: list[tuple[Any, Any]] = []
        self._taken: Any = None

    def __call__(self, *values: Any) -> bool:
        """Walk on; the last two are the counters and a budget, in place of which is the launch."""
        *given, counters, _ = values
        rounds = self._rounds or self._begin(given)
        if rounds.many:
            rounds.go()
        if rounds.many:
            self._rounds = rounds
            return False
        for array, place in self._held:
            place.copy_to_host(array)
        counters[STEPS] = self._taken.copy_to_host()[0]
        self._rounds, self._held = None, []
        return True

    def _begin(self, given: list[Any]) -> Rounds:
        """Bring what is given to the card."""
        there = [self._known(value) for value in given[: self._tables]]
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
