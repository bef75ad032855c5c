"""Work on a card in short launches: none holds the screen, and whoever waits can stop it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from fraktal_kernel.fractals.gpu.tapes import simulated
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.progress import apart

# A launch is to take so long: an answer to a cancel may take two, and drivers end those that hold
# a screen for seconds.
LAUNCH_S = 0.010
_GROWTH = 4
_MOST_BLOCKS = 1 << 24
THREADS = 128
_NONE = np.zeros(1, np.int32)

# ``launch(grid, points, many, onward, left, blocks)`` walks the first ``many`` of the points so
# many blocks on, and puts those that are not done into ``onward``, their number into ``left``.
Launch = Callable[[tuple[int, int], Any, int, Any, Any, int], None]


class Rounds:
    """Launches one after the other, each with the points that the one before it left.

    Parameters
    ----------
    launch : what walks on, see `Launch`
    points : which points
    """

    def __init__(self, launch: Launch, points: NDArray[np.int32]) -> None:
        self.many, self.blocks, self.reached = len(points), 1, 0
        self._launch = launch
        if self.many:
            self._here, self._onward = cuda.to_device(points), cuda.to_device(points)
            self._left = cuda.to_device(_NONE)

    def go(self) -> None:
        """Launch once, and wait for it."""
        began = time.perf_counter()
        self._left.copy_to_device(_NONE)
        grid = -(-self.many // THREADS), THREADS
        self._launch(grid, self._here, self.many, self._onward, self._left, self.blocks)
        self.many = int(self._left.copy_to_host()[0])
        self.reached += self.blocks
        self.blocks = paced(self.blocks, time.perf_counter() - began)
        self._here, self._onward = self._onward, self._here


def in_rounds(
    launch: Launch, points: NDArray[np.int32], block: int, longest: int, crew: Crew
) -> None:
    """Launch again and again until all points are done.

    Parameters
    ----------
    launch, points : as `Rounds` takes them
    block : steps in a block
    longest : most steps that a point can take
    crew : whom to tell how far it is, and who may stop it

    Raises
    ------
    Stopped
        when the crew's ``cancelled`` says so, after the launch that is running
    """
    rounds, total = Rounds(launch, points), len(points)
    # Nobody waits for the first launch, which may compile; the simulator does one thing at a time.
    asked = None if simulated() else crew.cancelled
    while rounds.many:
        crew.ask()
        if rounds.reached:
            rounds.go()
        else:
            apart(rounds.go, asked)
        if crew.progress is not None:
            part = min(1.0, rounds.reached * block / max(1, longest))
            done = total - rounds.many * (1 - part)
            crew.progress(done / total, f"points {int(done)}/{total}")


def paced(blocks: int, took_s: float) -> int:
    """Give the blocks of the next launch from what the last one took.

    Examples
    --------
    >>> paced(8, LAUNCH_S / 100), paced(8, LAUNCH_S), paced(8, LAUNCH_S * 100)
    (32, 8, 2)
    """
    factor = min(_GROWTH, max(1 / _GROWTH, LAUNCH_S / max(took_s, 1e-9)))
    return max(1, min(_MOST_BLOCKS, int(blocks * factor)))
