"""Points that walk in lockstep: how they lie in lanes, and who keeps these between two calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep.rows import POINT
from fraktal_kernel.fractals.deep.table import Integers
from fraktal_kernel.fractals.lanes.body import WIDE, WIDTH
from fraktal_kernel.fractals.lanes.rows import aligned
from fraktal_kernel.fractals.machine import Kernel

# As many vectors as the registers of a machine with AVX-512 are good for, and those of others.
VECTORS = 3 if WIDTH == WIDE else 2
LANES = VECTORS * WIDE
# So many roots are told apart; what is longer is found from these, one stage after the other.
LEVELS = 8
# Rows of the float64 state: z, the point in pixels, what an orbit inside comes back to, all of the
# last value, the reach of the roots; then the derivative.
Z, D, KEPT, LAST, REACH, SLOPE, REAL_ROWS = 0, 2, 4, 6, 8, 9, 13
# Rows of the int64 state: steps so far, the row, returns until somebody looks, how often that was,
# when z is kept next; which point it is, -1 for none; the roots.
N, AT, WAIT, LOOKS, DUE, WHICH, ROOTS, WHOLE_ROWS = 0, 1, 2, 3, 4, 5, 6, 7


class Lockstep:
    """Stands in for the walk of one point after the other, and is called as that is.

    Parameters
    ----------
    together : the kernel of `abreast`
    alone : that of `walk`, for the last few points
    """

    def __init__(self, together: Kernel, alone: Kernel) -> None:
        self._together, self._alone = together, alone
        self._lanes = aligned(REAL_ROWS, LANES), np.full((WHOLE_ROWS, LANES), -1, np.int64)
        self._last: tuple[Integers, list[NDArray[Any]]] | None = None

    def __call__(self, *given: Any) -> bool:
        """Walk on; all that the orbit and the links say is in the segments, too."""
        orbit, segments, links, roots, reach, plane, width, points, max_iter, *own = given
        *own, counters, budget = own
        shared = roots, reach, plane, width
        if self._last is None:
            lanes = *self._lanes, len(links), counters, budget
            if not self._together(segments, *shared, points, max_iter, *own, *lanes):
                return False
            which = self._lanes[1][WHICH]
            last = which[which >= 0]
            self._last = last, [array[last] for array in (points, *own)]
            counters[POINT] = 0
        last, (points, *parts) = self._last
        walked = orbit, segments, links, *shared, points, max_iter, *parts
        if not self._alone(*walked, counters, budget):
            return False
        for array, part in zip(own, parts, strict=True):
            array[last] = part
        self._lanes[1][WHICH], self._last = -1, None
        return True
