"""How far the edge of a Julia set is in deep views: ``z**d + c``.

As long as its difference from the reference is small, a point near the edge is far from the
critical point, where a step is one to one and so only scales the distance to the edge; from where
the difference is not small any more, `lanes.inward` knows the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fraktal_kernel.fractals.deep.maps import first_of
from fraktal_kernel.fractals.lanes.inward import radius_of

# Differences of that size have all their digits as whole values, too.
_LARGE = 1e-4


def ashore(degree: int) -> Callable[..., bool]:
    """Make the function that finds distances to the edge, for a power of z."""
    first = first_of(("power", degree))

    def run(
        orbit: Any,
        begin: int,
        plane: Any,
        scale: Any,
        width: int,
        points: Any,
        far: Any,
        period: int,
        basin: Any,
        way: Any,
        counters: Any,
        budget: int,
    ) -> bool:
        """Find the distances of points, as far as a budget goes.

        Parameters
        ----------
        orbit : Z of the centre of the view, float64 [n, 2]
        begin : from which of them on points walk
        plane : column and row of pixel [0, 0] from the reference, the matrix
        scale : the complex number that a difference of one pixel has become there, and the
            logarithm of its size, which may be too small for the number
        width : of the array that the points are numbered in, row after row
        points : int64, numbers of the points
        far : for each point, the distance in pixels; untouched where it is not found
        period, basin, way : as `radius_of` takes them
        counters : which point is next
        budget : return after so many steps

        Returns
        -------
        whether all points are done
        """
        left = budget
        at_first = complex(scale[0], scale[1])
        while counters[0] < points.shape[0]:
            if left <= 0:
                return False
            i = counters[0]
            row, column = points[i] // width, points[i] % width
            u, v = column + plane[0], plane[1] - row
            z = at_first * complex(plane[2] * u + plane[3] * v, plane[4] * u + plane[5] * v)
            grown, j = scale[2], begin
            w = complex(orbit[j, 0], orbit[j, 1]) + z
            while j < orbit.shape[0] - 1 and abs(z) < _LARGE:
                grown += math.log(degree) + (degree - 1) * math.log(abs(w))
                x, y = first(orbit[j, 0], orbit[j, 1], z.real, z.imag)
                z = complex(x, y)
                j += 1
                w = complex(orbit[j, 0], orbit[j, 1]) + z
            found, steps = radius_of(w, degree, period, basin, way)
            if not math.isnan(found):
                far[i] = 0.5 * math.exp(found - grown)
            left -= 10 * (1 + steps + j - begin)
            counters[0] += 1
        return True

    return run
