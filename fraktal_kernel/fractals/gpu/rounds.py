"""Work on a card in short launches: none holds the screen, and whoever waits can stop it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.progress import Stopped

# A launch is to take so long: an answer to a cancel may take two, and drivers end those that hold
# a screen for seconds.
LAUNCH_S = 0.010
_GROWTH = 4
_MOST_BLOCKS = 1 << 24
THREADS = 128

# ``launch(grid, points, many, onward, left, blocks)`` walks the first ``many`` of the points so
# many blocks on, and puts those that are not done into ``onward``, their number into ``left``.
Launch = Callable[[tuple[int, int], Any, int, Any, Any, int], None]


def in_rounds(
    launch: Launch, points: NDArray[np.int32], block: int, longest: int, crew: Crew
) -> None:
    """Launch again and again until all points are done.

    Parameters
    ----------
    launch : what walks on, see `Launch`
    points : which points
    block : steps in a block
    longest : most steps that a point can take
    crew : whom to tell how far it is, and who may stop it

    Raises
    ------
    Stopped
        when the crew's ``cancelled`` says so, after the launch that is running
    """
    if not len(points):
        return
    here, onward = cuda.to_device(points), cuda.to_device(points)
    left, nothing = cuda.to_device(np.zeros(1, np.int32)), np.zeros(1, np.int32)
    total = many = len(points)
    blocks, reached = 1, 0
    while many:
        if crew.cancelled is not None and crew.cancelled():
            raise Stopped("the computation was cancelled before the picture was complete.")
        began = time.perf_counter()
        left.copy_to_device(nothing)
        launch((-(-many // THREADS), THREADS), here, many, onward, left, blocks)
        many = int(left.copy_to_host()[0])  # which waits for the launch
        reached += blocks * block
        blocks = paced(blocks, time.perf_counter() - began)
        here, onward = onward, here
        if crew.progress is not None:
            done = total - many * (1 - min(1.0, reached / max(1, longest)))
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
