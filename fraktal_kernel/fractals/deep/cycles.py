r"""Periods of points inside of deep views, and how far the edge is: ``z*z + c``, step by step.

Whenever an orbit comes nearer to 0 than ever before, the number of steps may be its period; of the
true one Newton's method finds a cycle that attracts. What is near 0 is a small number of its own
there, beside the start of the reference, so that nothing is lost to the size of the others.

References
----------
Heiland-Allen, *Interior coordinates in the Mandelbrot set* (2013).
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

_ROUNDS = 24
# So small a part of the change over one pixel is nothing.
_STILL = 1e-11


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _next(orbit: Any, j: int, zr: float, zi: float, cr: float, ci: float) -> Any:
    """Take one step: place, difference from the reference there, and the whole value."""
    ur, ui = 2 * orbit[j, 0] + zr, 2 * orbit[j, 1] + zi
    zr, zi = ur * zr - ui * zi + cr, ur * zi + ui * zr + ci
    j += 1
    wr, wi = orbit[j, 0] + zr, orbit[j, 1] + zi
    if j == orbit.shape[0] - 1 or wr * wr + wi * wi < zr * zr + zi * zi:
        return 0, wr, wi, wr, wi
    return j, zr, zi, wr, wi


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _cycle(orbit: Any, zr: float, zi: float, cr: float, ci: float, p: int, pixel: float) -> Any:
    """Find the attracting cycle of p steps near a z: its period, 0 for none, and the distance."""
    settled, before = False, math.inf
    for _ in range(_ROUNDS):
        # Derivatives of the p-th z (by c: a pixel): a by z_0, d by c, b by z_0 twice, e by both.
        ar, ai, dr, di = 1.0, 0.0, 0.0, 0.0
        br, bi, er, ei = 0.0, 0.0, 0.0, 0.0
        j, x, y, wr, wi = 0, zr, zi, zr, zi
        steps = 0
        for k in range(1, p + 1):
            u, v = 2 * wr, 2 * wi
            if settled:
                br, bi = u * br - v * bi + 2 * (ar * ar - ai * ai), u * bi + v * br + 4 * ar * ai
                er, ei = (
                    u * er - v * ei + 2 * (ar * dr - ai * di),
                    u * ei + v * er + 2 * (ar * di + ai * dr),
                )
            dr, di = u * dr - v * di + pixel, u * di + v * dr
            ar, ai = u * ar - v * ai, u * ai + v * ar
            j, x, y, wr, wi = _next(orbit, j, x, y, cr, ci)
            steps = k
            if settled and p % k == 0:
                near = 1e-6 * (math.hypot(zr, zi) + math.hypot(dr, di))
                if math.hypot(wr - zr, wi - zi) <= near:
                    break
        gr, gi = 1.0 - ar, -ai
        size = gr * gr + gi * gi
        if settled:
            if not ar * ar + ai * ai < 1.0:
                return 0, math.nan
            # dl/dc = e + b dz/dc, and dz/dc = d / (1 - a) for the z of the cycle
            tr, ti = (dr * gr + di * gi) / size, (di * gr - dr * gi) / size
            change = math.hypot(er + br * tr - bi * ti, ei + br * ti + bi * tr)
            return steps, (1.0 - ar * ar - ai * ai) / (2 * change)
        sr, si = wr - zr, wi - zi
        mr, mi = (sr * gr + si * gi) / size, (si * gr - sr * gi) / size
        zr, zi = zr + mr, zi + mi
        moved = math.hypot(mr, mi) / (math.hypot(zr, zi) + math.hypot(dr, di))
        if not moved < 1e6:
            return 0, math.nan
        settled = moved <= _STILL or (moved <= 1e-7 and moved >= 0.5 * before)
        before = moved
    return 0, math.nan


def cycles(
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
    """Find the cycles of points that are inside, as far as a budget goes.

    Parameters
    ----------
    orbit : Z, float64 [n + 1, 2], from 0 to the end or to where Z comes back to it
    plane : column and row of pixel [0, 0] from the reference, the matrix, size of a pixel
    width : of the array that the points are numbered in, row after row
    points : int64, numbers of the points
    max_iter : the period is at most so long
    count, place, value, nearest : steps so far, place in the orbit, difference from it and square
        of the nearest approach to 0, of each point; kept between calls
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
        cr = pixel * (plane[2] * u + plane[3] * v)
        ci = pixel * (plane[4] * u + plane[5] * v)
        n, j, zr, zi, low = count[i], place[i], value[i, 0], value[i, 1], nearest[i]
        while n < max_iter and period[i] == 0:
            if left <= 0:
                count[i], place[i], value[i, 0], value[i, 1], nearest[i] = n, j, zr, zi, low
                return False
            j, zr, zi, wr, wi = _next(orbit, j, zr, zi, cr, ci)
            n += 1
            left -= 1
            size = wr * wr + wi * wi
            if size < low:
                low = size
                left -= 8 * n
                period[i], far[i] = _cycle(orbit, wr, wi, cr, ci, n, pixel)
        counters[0] += 1
    return True
