"""The same walk where numbers are too small for float64: the first few segments of deep views.

Every number carries its own exponent (`scaled`). A point that has grown enough is left at the
beginning of a segment, where `walk` takes over; one that fell back comes here again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fraktal_kernel.fractals.deep.scaled import below, complex_of, product, size_of, total
from fraktal_kernel.fractals.deep.walk import (
    BEGIN,
    DONE,
    DOWN,
    INSIDE,
    LENGTH,
    POINT,
    SEGMENTS,
    STEPS,
    UP,
)

# Columns of the mantissas, each two but the radius, and of the exponents.
Z, R, A, B, D, T = 0, 2, 3, 5, 7, 9
WIDE = 11
Z_E, R_E, A_E, B_E, D_E, T_E = range(6)
WIDE_E = 6
# Beyond 2**ENOUGH, squares are far from the end of float64's range.
ENOUGH = -450


def far(derivative: bool) -> Callable[..., bool]:
    """Make the function that walks points of ``z*z + c`` while they are tiny."""

    def run(
        orbit: Any,
        orbit_e: Any,
        segments: Any,
        segments_e: Any,
        links: Any,
        roots: Any,
        plane: Any,
        pixel_e: int,
        width: int,
        points: Any,
        max_iter: int,
        count: Any,
        place: Any,
        value: Any,
        slope: Any,
        power: Any,
        counters: Any,
        budget: int,
    ) -> bool:
        """Walk points until they are large enough, or ``max_iter`` steps are done.

        Parameters
        ----------
        orbit, orbit_e : Z, mantissas and exponents
        segments, segments_e : the segments of all stages, mantissas and exponents
        pixel_e : exponent of the size of a pixel, whose mantissa is in ``plane``
        power : for each point, the exponents of z and of its derivative; 0 after the walk
        links, roots, plane, width, points, max_iter, count, place, value, slope, counters, budget :
            as in `walk`

        Returns
        -------
        whether all points are done
        """
        last = orbit.shape[0] - 1
        steps, taken = counters[STEPS], counters[SEGMENTS]
        while counters[POINT] < points.shape[0]:
            i = counters[POINT]
            point = points[i]
            if place[i] < 0:
                counters[POINT] += 1
                continue
            row, column = point // width, point % width
            u, v = column + plane[0], plane[1] - row
            dc = complex_of(plane[2] * u + plane[3] * v, plane[4] * u + plane[5] * v, 0)
            pixel = complex_of(plane[6], 0.0, pixel_e)
            c = product(dc, pixel)
            n, at = count[i], place[i]
            z = complex_of(value[i, 0], value[i, 1], power[i, 0])
            s = complex_of(slope[i, 0], slope[i, 1], power[i, 1])
            while n <= max_iter and z[2] < ENOUGH:
                if steps + taken >= budget:
                    break
                j = links[at, BEGIN]
                y, w, chosen = z, z, -1
                while at >= 0:
                    twice = (segments[at, Z], segments[at, Z + 1], segments_e[at, Z_E])
                    w = total(twice, z)
                    y = product(z, w)
                    size = size_of(y)
                    if size[0] == 0.0 or below(size[0], size[1], segments[at, R], segments_e[at, R_E]):
                        chosen = at
                        at = links[at, UP]
                    elif chosen >= 0:
                        break
                    elif links[at, DOWN] < 0:
                        break
                    else:
                        at = links[at, DOWN]
                if chosen >= 0:
                    at = chosen
                    if n + links[at, LENGTH] > max_iter:
                        n = max_iter + 1
                        break
                    twice = (segments[at, Z], segments[at, Z + 1], segments_e[at, Z_E])
                    w = total(twice, z)
                    y = product(z, w)
                    a = (segments[at, A], segments[at, A + 1], segments_e[at, A_E])
                    b = (segments[at, B], segments[at, B + 1], segments_e[at, B_E])
                    d = (segments[at, D], segments[at, D + 1], segments_e[at, D_E])
                    t = (segments[at, T], segments[at, T + 1], segments_e[at, T_E])
                    ty = product(t, y)
                    dy = product(total(d, ty), y)
                    if derivative:
                        inner = product(total(w, z), s)
                        more = total(product(total(d, total(ty, ty)), y), dy)
                        s = total(product(total(a, more), inner), b)
                    z = total(product(total(a, dy), y), product(b, dc))
                    n += links[at, LENGTH]
                    taken += 1
                    at += 1
                    j = links[at, BEGIN]
                else:
                    end = j + links[at, LENGTH]
                    at += 1
                    while j < end:
                        w = total((orbit[j, 0], orbit[j, 1], orbit_e[j] + 1), z)
                        if derivative:
                            s = total(product(total(w, z), s), pixel)
                        z = total(product(z, w), c)
                        j += 1
                        n += 1
                        steps += 1
                near = total((orbit[j, 0], orbit[j, 1], orbit_e[j]), z)
                a_size, z_size = size_of(near), size_of(z)
                if j == last or (near[0] == 0.0 and near[1] == 0.0) or below(*a_size, *z_size):
                    z = near
                    at = roots[0]
            if n > max_iter:
                count[i], place[i] = INSIDE, DONE
            else:
                count[i], place[i] = n, at
                value[i, 0], value[i, 1] = z[0], z[1]
                power[i, 0] = z[2]
                slope[i, 0], slope[i, 1] = s[0], s[1]
                power[i, 1] = s[2]
            counters[STEPS], counters[SEGMENTS] = steps, taken
            if steps + taken >= budget:
                return False
            counters[POINT] += 1
        return True

    return run
