"""The same walk where numbers are too small for float64: the first few segments of deep views.

Every number carries its own exponent (`scaled`). A point that has grown enough is left at the
beginning of a segment, where `walk` takes over; one that fell back comes here again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep import matrices, series
from fraktal_kernel.fractals.deep.kinds import Map, degree_of, is_holomorphic
from fraktal_kernel.fractals.deep.maps import first_of, turned_of
from fraktal_kernel.fractals.deep.rows import (
    BEGIN,
    DONE,
    DOWN,
    FIRST_LOOK,
    INSIDE,
    LENGTH,
    NEXT_LOOK,
    POINT,
    SAME,
    SEGMENTS,
    STEPS,
    UP,
)
from fraktal_kernel.fractals.deep.scaled import (
    below,
    complex_of,
    power,
    product,
    shift_of,
    size_of,
    total,
)
from fraktal_kernel.fractals.deep.series import NOWHERE
from fraktal_kernel.fractals.deep.walk import slopes_of

# Columns of the mantissas and of the exponents; further ones as `series` or `matrices` have them.
Z, R = 0, 2
Z_E, R_E = 0, 1
# Beyond 2**ENOUGH, squares are far from the end of float64's range.
ENOUGH = -450
# A small value is brought so near to the large one that float64 holds both: far enough for all
# but its first power not to count.
_APART = 500
_SAME_BITS = -round(math.log2(SAME))


def far(kind: Map, derivative: bool) -> Callable[..., bool]:
    """Make the function that walks points of a map while they are tiny."""
    degree = degree_of(kind)
    first, turned = first_of(kind), turned_of(kind)
    tables = series if is_holomorphic(kind) else matrices
    applied, sloped = tables.applied_far, tables.sloped_far
    load, store, plus_pixel, enlarged = slopes_of(kind)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def difference(large: Any, small: Any) -> Any:
        """Give ``f(Z + z) - f(Z)``: the map scales, so a power of two can be put aside."""
        apart = small[2] - large[2]
        if small[2] >= large[2]:
            scale = power(-apart)
            x, y = first(large[0] * scale, large[1] * scale, small[0], small[1])
            return complex_of(x, y, degree * small[2])
        near = apart if apart > -_APART else -_APART
        scale = power(near)
        x, y = first(large[0], large[1], small[0] * scale, small[1] * scale)
        return complex_of(x, y, degree * large[2] + (apart - near))

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def turned_far(w: Any, s: Any, e: int) -> Any:
        """Apply the derivative at w to that of the point."""
        return turned(w[0], w[1], s), e + (degree - 1) * w[2]

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def settled(s: Any, e: int) -> Any:
        size = 0.0
        for part in s:
            size = abs(part) if abs(part) > size else size
        if size == 0.0:
            return s, 0
        shift = shift_of(size)
        return enlarged(s, power(-shift)), e + shift

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def same(z: Any, held: Any) -> bool:
        """Say whether z is where it was, to `SAME` of its size."""
        off = total(z, (-held[0], -held[1], held[2]))
        if off[0] == 0.0 and off[1] == 0.0:
            return True
        return below(*size_of(off), *size_of((z[0], z[1], z[2] - _SAME_BITS)))  # type: ignore[no-any-return]

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
        powers: Any,
        counters: Any,
        budget: int,
    ) -> bool:
        """Walk points until they are large enough, or ``max_iter`` steps are done.

        Parameters
        ----------
        orbit, orbit_e : Z, mantissas and exponents
        segments, segments_e : the segments of all stages, mantissas and exponents
        pixel_e : exponent of the size of a pixel, whose mantissa is in ``plane``
        powers : for each point, the exponents of z and of its derivative; 0 after the walk
        links, roots, plane, width, points, max_iter, count, place, value, slope, counters, budget :
            as in `walk`

        Returns
        -------
        whether all points are done
        """
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
            c = product(dc, complex_of(plane[6], 0.0, pixel_e))
            n, at = count[i], place[i]
            z = complex_of(value[i, 0], value[i, 1], powers[i, 0])
            s, s_e = load(slope, i), powers[i, 1]
            # What an orbit inside comes back to, as in `walk`: z beside the nucleus of the view
            # may stay that small for ever.
            held, wait, looks, due = complex_of(0.0, 0.0, 0), FIRST_LOOK, 0, 1
            while n <= max_iter and z[2] < ENOUGH:
                if steps + taken >= budget:
                    break
                j = links[at, BEGIN]
                y, chosen = z, -1
                while at >= 0:
                    large = (segments[at, Z], segments[at, Z + 1], segments_e[at, Z_E])
                    tried = difference(large, z)
                    x, e = size_of(tried)
                    r, r_e = segments[at, R], segments_e[at, R_E]
                    if r_e != NOWHERE and (x == 0.0 or below(x, e, r, r_e)):
                        y, chosen = tried, at
                        at = links[at, UP]
                    elif chosen >= 0 or links[at, DOWN] < 0:
                        break
                    else:
                        at = links[at, DOWN]
                if chosen >= 0:
                    at = chosen
                    if n + links[at, LENGTH] > max_iter:
                        n = max_iter + 1
                        break
                    if derivative:
                        large = (segments[at, Z], segments[at, Z + 1], segments_e[at, Z_E])
                        s, s_e = turned_far(total(large, z), s, s_e)
                        s, s_e = settled(*sloped(segments, segments_e, at, y, s, s_e))
                    z = applied(segments, segments_e, at, y, dc)
                    n += links[at, LENGTH]
                    taken += 1
                    at += 1
                    j = links[at, BEGIN]
                else:
                    end = j + links[at, LENGTH]
                    at += 1
                    while j < end:
                        large = complex_of(orbit[j, 0], orbit[j, 1], orbit_e[j])
                        if derivative:
                            s, s_e = turned_far(total(large, z), s, s_e)
                            s, s_e = settled(s, s_e)
                            e = s_e if s_e > pixel_e else pixel_e
                            s = plus_pixel(
                                enlarged(s, power(s_e - e)), plane[6] * power(pixel_e - e)
                            )
                            s_e = e
                        z = total(difference(large, z), c)
                        j += 1
                        n += 1
                        steps += 1
                near = total(complex_of(orbit[j, 0], orbit[j, 1], orbit_e[j]), z)
                a_size, z_size = size_of(near), size_of(z)
                if (
                    links[at, LENGTH] == 0
                    or (near[0] == 0.0 and near[1] == 0.0)
                    or below(*a_size, *z_size)
                ):
                    z = near
                    at = roots[0]
                    wait -= 1
                    if wait == 0:
                        wait = NEXT_LOOK
                        if same(z, held):
                            n = max_iter + 1
                        looks += 1
                        if looks == due:
                            held, due = z, 2 * due
            if n > max_iter:
                count[i], place[i] = INSIDE, DONE
            else:
                count[i], place[i] = n, at
                value[i, 0], value[i, 1] = z[0], z[1]
                powers[i, 0] = z[2]
                store(slope, i, s)
                powers[i, 1] = s_e
            counters[STEPS], counters[SEGMENTS] = steps, taken
            if steps + taken >= budget:
                return False
            counters[POINT] += 1
        return True

    return run
