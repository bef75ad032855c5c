r"""Periods of points inside of deep views, and how far the edge is: ``z**d + c``, step by step.

Whenever an orbit comes nearer to 0 than ever before, the number of steps may be its period; of the
true one Newton's method finds a cycle that attracts. What is near 0 is a small number of its own
there, beside the start of the reference, so that nothing is lost to the size of the others.

References
----------
Heiland-Allen, *Interior coordinates in the Mandelbrot set* (2013).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.maps import first_of

_ROUNDS = 24
# So small a part of the change over one pixel is nothing.
_STILL = 1e-11
# In the very centre of an atom the multiplier and its change are 0; so many pixels beside it not.
_BESIDE = 1e-3


def cycles(degree: int) -> Callable[..., bool]:
    """Make the function that finds the cycles of points that are inside, for a power of z."""
    first = first_of(("power", degree))

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def following(orbit: Any, j: int, z: complex, c: complex) -> Any:
        """Take one step: place, difference from the reference there, and the whole value."""
        x, y = first(orbit[j, 0], orbit[j, 1], z.real, z.imag)
        z = complex(x, y) + c
        j += 1
        w = complex(orbit[j, 0], orbit[j, 1]) + z
        if j == orbit.shape[0] - 1 or (
            w.real * w.real + w.imag * w.imag < z.real * z.real + z.imag * z.imag
        ):
            return 0, w, w
        return j, z, w

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def cycle(orbit: Any, z: complex, c: complex, p: int, pixel: float) -> Any:
        """Find the attracting cycle of p steps near a z: its period, 0 for none, and the distance.

        Where the multiplier takes each value ``d - 1`` times, its root does so once and stands in
        its place.
        """
        settled, before = False, math.inf
        for _ in range(_ROUNDS):
            # Of the p-th z: a is its derivative by z_0, d by c, b twice by z_0, e by both.
            a, d, b, e = complex(1.0, 0.0), complex(0.0, 0.0), complex(0.0, 0.0), complex(0.0, 0.0)
            j, x, w = 0, z, z
            steps = 0
            for k in range(1, p + 1):
                lower = complex(1.0, 0.0)
                for _ in range(degree - 2):
                    lower *= w
                slope = degree * lower * w
                if settled:
                    bend = degree * (degree - 1) * lower
                    b, e = slope * b + bend * a * a, slope * e + bend * a * d
                d, a = slope * d + pixel, slope * a
                j, x, w = following(orbit, j, x, c)
                steps = k
                if settled and p % k == 0 and abs(w - z) <= 1e-6 * (abs(z) + abs(d)):
                    break
            if settled:
                size = abs(a)
                if not size < 1.0:
                    return 0, math.nan
                # dl/dc = e + b dz/dc, and dz/dc = d / (1 - a) for the z of the cycle
                change = abs(e + b * d / (1.0 - a))
                if degree > 2:
                    root = size ** (1.0 / (degree - 1))
                    change *= root / ((degree - 1) * size)
                    size = root
                return steps, (1.0 - size * size) / (2 * change)
            move = (w - z) / (1.0 - a)
            z += move
            moved = abs(move) / (abs(z) + abs(d))
            if not moved < 1e6:
                return 0, math.nan
            settled = moved <= _STILL or (moved <= 1e-7 and moved >= 0.5 * before)
            before = moved
        return 0, math.nan

    def run(
        orbit: Any,
        plane: Any,
        width: int,
        points: Any,
        max_iter: int,
        count: Any,
        place: Any,
        value: Any,
        nearest: Any,
        period: Any,
        far: Any,
        counters: Any,
        budget: int,
    ) -> bool:
        """Find the cycles of points, as far as a budget goes.

        Parameters
        ----------
        orbit : Z, float64 [n + 1, 2], from 0 to the end or to where Z comes back to it
        plane : column and row of pixel [0, 0] from the reference, the matrix, size of a pixel
        width : of the array that the points are numbered in, row after row
        points : int64, numbers of the points
        max_iter : the period is at most so long
        count, place, value, nearest : steps so far, place in the orbit, difference from it and
            square of the nearest approach to 0, of each point; kept between calls
        period, far : for each point, what is found; untouched where nothing is
        counters : which point is next
        budget : return after so many steps

        Returns
        -------
        whether all points are done
        """
        pixel = plane[6]
        left = budget
        while counters[0] < points.shape[0]:
            i = counters[0]
            row, column = points[i] // width, points[i] % width
            u, v = column + plane[0], plane[1] - row
            c = pixel * complex(plane[2] * u + plane[3] * v, plane[4] * u + plane[5] * v)
            n, j, z, low = count[i], place[i], complex(value[i, 0], value[i, 1]), nearest[i]
            while n < max_iter and period[i] == 0:
                if left <= 0:
                    count[i], place[i], nearest[i] = n, j, low
                    value[i, 0], value[i, 1] = z.real, z.imag
                    return False
                j, z, w = following(orbit, j, z, c)
                n += 1
                left -= 1
                size = w.real * w.real + w.imag * w.imag
                if size < low:
                    low = size
                    left -= 8 * n
                    period[i], far[i] = cycle(orbit, w, c, n, pixel)
                    if degree > 2 and period[i] > 0 and not far[i] < math.inf:
                        _, far[i] = cycle(orbit, w, c + _BESIDE * pixel, n, pixel)
            counters[0] += 1
        return True

    return run
