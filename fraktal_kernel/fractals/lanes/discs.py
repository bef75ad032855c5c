r"""Discs that lie in the Mandelbrot set for certain, so that none of their points need be walked.

Inside a hyperbolic component the multiplier of the attracting cycle is a conformal map onto the
unit disc. By Koebe's theorem the component then holds the disc around c of the radius

.. math:: \frac{1 - |\lambda|^2}{4\,|d\lambda/dc|}

A walk around the border of a region says less: what is thinner than a pixel slips in between two
samples, and does so on every second picture with a few small copies of the set.

References
----------
Douady & Hubbard, *Étude dynamique des polynômes complexes* (1984), on the multiplier.
Milnor, *Dynamics in One Complex Variable*, appendix G, on discs inside and outside.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from fraktal_kernel.fractals.lanes.rows import CURSOR, INSIDE, TO_DO

# So near, compared with its size, a z that was found periodic comes back after one period.
_SAME = 1e-9
_LONGEST = 8192
_ROUNDS = 6
# Less than all of the radius, for what is rounded on the way.
_SURE = 0.99


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _radius(zr: float, zi: float, cr: float, ci: float, p: int) -> float:
    """Give the radius of the disc around c, from a z near its cycle; 0 where there is none."""
    settled = False
    for _ in range(_ROUNDS):
        x, y = zr, zi
        # Derivatives of the p-th z: a by z_0, d by c, b twice by z_0, e by both.
        ar, ai, dr, di = 1.0, 0.0, 0.0, 0.0
        br, bi, er, ei = 0.0, 0.0, 0.0, 0.0
        for _ in range(p):
            u, v = 2 * x, 2 * y
            if settled:
                br, bi = (
                    u * br - v * bi + 2 * (ar * ar - ai * ai),
                    u * bi + v * br + 4 * ar * ai,
                )
                er, ei = (
                    u * er - v * ei + 2 * (ar * dr - ai * di),
                    u * ei + v * er + 2 * (ar * di + ai * dr),
                )
                dr, di = u * dr - v * di + 1.0, u * di + v * dr
            ar, ai = u * ar - v * ai, u * ai + v * ar
            x, y = x * x - y * y + cr, u * y + ci
        # z - f'(z) stands still: 1 - a never vanishes where the cycle attracts.
        gr, gi = 1.0 - ar, -ai
        size = gr * gr + gi * gi
        if settled:
            if not ar * ar + ai * ai < 1.0:
                return 0.0
            # dl/dc = e + b dz/dc, and dz/dc = d / (1 - a) for the z of the cycle
            wr, wi = (dr * gr + di * gi) / size, (di * gr - dr * gi) / size
            change = math.hypot(er + br * wr - bi * wi, ei + br * wi + bi * wr)
            return _SURE * (1.0 - ar * ar - ai * ai) / (4 * change)
        sr, si = x - zr, y - zi
        mr, mi = (sr * gr + si * gi) / size, (si * gr - sr * gi) / size
        zr, zi = zr + mr, zi + mi
        settled = mr * mr + mi * mi <= 1e-24 * (1.0 + zr * zr + zi * zi)
    return 0.0


def discs(
    counts: Any,
    last: Any,
    span: Any,
    plane: Any,
    rows: int,
    stretch: float,
    limit: int,
    clock: Any,
    budget: int,
) -> bool:
    """Mark as inside what lies in discs around the points of a span that are, within a budget.

    Parameters
    ----------
    counts, last : as `build_sweep` leaves them; what is `TO_DO` within a disc becomes `INSIDE`
    span, plane : as `build_sweep` takes them
    rows : so many rows of the array may be marked
    stretch : how much longer the matrix of the view makes a pixel at most
    limit : a point that was not known to be inside after fewer steps has no disc
    clock : of which the cursor is used
    budget : return after so many steps

    Returns
    -------
    whether the span is done
    """
    first, end, stride = span[0], span[1], span[2]
    left, columns, length = span[3], span[4], span[5]
    across = (columns - left + stride - 1) // stride
    points = (end - first + stride - 1) // stride * across
    cursor = clock[CURSOR]
    rest = budget
    while cursor < points and rest > 0:
        row, column = first + cursor // across * stride, left + cursor % across * stride
        cursor += 1
        target = row * length + column
        n = INSIDE - counts[target]
        if n <= 0 or n >= limit:
            continue
        u, v = plane[2] + column, plane[3] - row
        cr = plane[0] + plane[4] * (plane[5] * u + plane[6] * v)
        ci = plane[1] + plane[4] * (plane[7] * u + plane[8] * v)
        zr, zi = last[2 * target], last[2 * target + 1]
        near = _SAME**2 * (1.0 + zr * zr + zi * zi)
        x, y = zr, zi
        longest = n if n < _LONGEST else _LONGEST
        for p in range(1, longest + 1):
            x, y = x * x - y * y + cr, 2 * x * y + ci
            if (x - zr) * (x - zr) + (y - zi) * (y - zi) <= near:
                rest -= 8 * p
                far = _radius(x, y, cr, ci, p) / (plane[4] * stretch)
                reach = int(far if far < 1e9 else 1e9)
                top, bottom = row - reach, row + reach + 1
                for k in range(top if top > 0 else 0, bottom if bottom < rows else rows):
                    half = int(math.sqrt(far * far - (k - row) * (k - row)))
                    begin, stop = column - half, column + half + 1
                    begin, stop = begin if begin > 0 else 0, stop if stop < columns else columns
                    for other in range(k * length + begin, k * length + stop):
                        if counts[other] == TO_DO:
                            counts[other] = INSIDE
                break
        else:
            rest -= longest
    clock[CURSOR] = cursor
    return bool(cursor >= points)
