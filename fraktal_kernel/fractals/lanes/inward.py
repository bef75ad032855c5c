"""How far the edge is from points of a Julia set that end in its attracting cycle.

`fractals.basins` says what is known of the cycle, and why this is right; here every point walks to
the cycle, and the conformal radius there is taken back along its way.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from fraktal_kernel.fractals.lanes.rows import CURSOR, INSIDE

# So near the cycle, in the disc, its surroundings are straight; and so near the rim a square
# changes nothing of the distances between points.
_STRAIGHT, _RIM = 1e-6, 1e-6
# Nearer than that to the centre of the disc the map onto it is straight, too.
_CENTRAL = 0.02
# What a step costs, forth and back, in those that others count.
_COST = 40


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _power(z: complex, d: int) -> complex:
    w = z
    for _ in range(d - 1):
        w *= z
    return w


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def radius_of(y: complex, d: int, p: int, basin: Any, way: Any) -> Any:
    """Give the logarithm of the conformal radius around a point, and the steps to the cycle.

    Where the point does not come near the cycle in time, the logarithm is NaN.

    Parameters
    ----------
    y : the point, counted from the critical point
    d, p : degree, period
    basin : as `Basin.numbers` gives them
    way : float64 [n, 2], room for as many steps as may be taken
    """
    lead, shift = complex(basin[0], basin[1]), complex(basin[2], basin[3])
    rest, scale = complex(basin[4], basin[5]), complex(basin[6], basin[7])
    slope, turn = complex(basin[8], basin[9]), complex(basin[10], -basin[11])
    t, s = basin[12], basin[13]
    n = 0
    way[0, 0], way[0, 1] = y.real, y.imag
    while True:
        w = scale * (y - rest)
        if abs(w) <= _STRAIGHT:
            break
        n += 1
        if n == way.shape[0]:
            return math.nan, n
        y = lead * _power(y, d) + shift
        way[n, 0], way[n, 1] = y.real, y.imag
    u = (w + t) / (1.0 + t * w)
    found = math.log((1.0 - abs(w) ** 2) / abs(scale))
    step = math.log(d * abs(lead))
    member, steps = True, n
    while n > 0:
        begin = max(n - p, 0)
        for k in range(begin + (1 if member and n >= p else 0), n):
            found -= step + (d - 1) * math.log(math.hypot(way[k, 0], way[k, 1]))
        if member and n >= p:
            y = complex(way[begin, 0], way[begin, 1])
            # Which point of the disc the step sends to u: one of d around its centre.
            v = turn * (u - t) / (1.0 - t * u)
            v = (v + s) / (1.0 + s * v)
            size = abs(v) ** (1.0 / d)
            bent, far = abs(v), abs(slope * y)
            least = size * (1.0 + bent) ** (-2.0 / d)
            most = size * (1.0 - bent) ** (-2.0 / d) if bent < 1.0 else math.inf
            if far < _CENTRAL:  # where a root would have none of its digits left
                size, bent = far, far**d
            # What is so near the critical point lies in its component, by Koebe's theorem.
            member = far < 4.0 ** (-1.0 / d) or 0.99 * least <= far <= 1.01 * most
            if member:
                angle = math.atan2(v.imag, v.real)
                there = slope * y
                turns = (d * math.atan2(there.imag, there.real) - angle) / (2 * math.pi)
                whole = math.floor(turns + 0.5)
                angle = (angle + 2 * math.pi * whole) / d
                u = size * complex(math.cos(angle), math.sin(angle))
                ratio = size / abs(y) if abs(y) * abs(slope) > 1e-9 else abs(slope)
                found += (d - 1) * math.log(ratio) - math.log(abs(lead))
                found += math.log1p(-(size**2)) - math.log1p(-(bent**2)) if size < 1.0 else 0.0
                member = 1.0 - size > _RIM
            else:
                found -= step + (d - 1) * math.log(abs(y))
        n = begin
    return found, steps


def inward(
    counts: Any,
    far: Any,
    span: Any,
    plane: Any,
    centre: Any,
    degree: int,
    period: int,
    basin: Any,
    way: Any,
    clock: Any,
    budget: int,
) -> bool:
    """Find the distance to the edge in pixels of points inside, in rows of a picture.

    Parameters
    ----------
    counts, span, plane, clock : as `build_interior` takes them
    far : float64, what is found; untouched where nothing is
    centre : the critical point, two numbers
    degree, period, basin, way : as `radius_of` takes them
    budget : return after so many steps

    Returns
    -------
    whether the span is done
    """
    cursor = clock[CURSOR]
    end = span[1] * span[5]
    left = budget
    target = span[0] * span[5] + cursor
    while target < end and left > 0:
        if counts[target] <= INSIDE:
            row, column = target // span[5], target % span[5]
            u, v = plane[2] + column, plane[3] - row
            x = plane[0] + plane[4] * (plane[5] * u + plane[6] * v) - centre[0]
            y = plane[1] + plane[4] * (plane[7] * u + plane[8] * v) - centre[1]
            found, steps = radius_of(complex(x, y), degree, period, basin, way)
            if not math.isnan(found):
                far[target] = 0.5 * math.exp(found) / plane[4]
            left -= _COST * (1 + steps)
        left -= 1
        target += 1
    clock[CURSOR] = target - span[0] * span[5]
    return bool(target >= end)
