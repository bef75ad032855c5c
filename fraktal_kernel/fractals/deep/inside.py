"""The cycles of points inside, where no copy of the set in which all points lie knows them."""

from __future__ import annotations

import math
import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fraktal_kernel.fractals.basins import Basin
from fraktal_kernel.fractals.deep.table import Floats, Integers
from fraktal_kernel.fractals.lanes.task import LONGEST_WAY
from fraktal_kernel.fractals.machine import Kernel

if TYPE_CHECKING:
    from fraktal_kernel.fractals.deep.approximation import Pixels

_BUDGET = 400_000
# Periods are looked for up to so many times the length of the reference orbit.
_TIMES = 64
# Differences smaller than that power of two are straight, and the same for all points but a factor.
_STRAIGHT_BITS = -600


@lru_cache(maxsize=8)
def _cycles(degree: int) -> Kernel:
    state = "int64[::1], int64[::1], float64[:, ::1], float64[::1], int64[::1], float64[::1]"
    return Kernel(
        "fraktal_kernel.fractals.deep.cycles",
        "cycles",
        f"boolean(float64[:, ::1], float64[::1], int64, int64[::1], int64, {state}, int64[::1], "
        "int64)",
        args=(degree,),
    )


@lru_cache(maxsize=8)
def _ashore(degree: int) -> Kernel:
    return Kernel(
        "fraktal_kernel.fractals.deep.ashore",
        "ashore",
        "boolean(float64[:, ::1], int64, float64[::1], float64[::1], int64, int64[::1], "
        "float64[::1], int64, float64[::1], float64[:, ::1], int64[::1], int64)",
        args=(degree,),
    )


def shores_of(
    basin: Basin, orbit: Floats, pixels: Pixels, points: Integers, stop: threading.Event
) -> tuple[Integers, Floats]:
    """Give period and distance to the edge in pixels of points of a Julia set; 0, NaN if unknown.

    Parameters
    ----------
    basin : of its attracting cycle
    orbit : of the reference, float64 [n + 1, 2]
    pixels, points, stop : as `cycles_of` takes them
    """
    many = len(points)
    far = np.full(many, np.nan)
    plane = np.array([*pixels.corner, *pixels.matrix])
    begin, scale = _straight(basin.degree, orbit, pixels)
    common = orbit, begin, plane, scale, pixels.width, points, far, basin.period, basin.numbers
    way, counters = np.empty((LONGEST_WAY, 2)), np.zeros(1, np.int64)
    kernel = _ashore(basin.degree)
    while many and not stop.is_set():
        if kernel(*common, way, counters, _BUDGET):
            break
    return np.where(np.isnan(far), 0, basin.period), far


def _straight(degree: int, orbit: Floats, pixels: Pixels) -> tuple[int, Floats]:
    """Follow the difference of one pixel until it is large enough for float64."""
    reach, more = pixels.furthest
    value, bits = complex(pixels.size), pixels.exponent
    wider = more + math.log2(reach) - bits - math.log2(pixels.size)
    j = 0
    while j < len(orbit) - 1 and bits + math.log2(abs(value)) + wider < _STRAIGHT_BITS:
        value *= degree * complex(*orbit[j]) ** (degree - 1)
        if value == 0:
            break
        _, power = math.frexp(abs(value))
        value *= 2.0**-power
        bits += power
        j += 1
    size = bits * math.log(2) + (math.log(abs(value)) if value else -math.inf)
    plain = value * 2.0 ** max(bits, -1070)
    return j, np.array([plain.real, plain.imag, size])


def cycles_of(
    degree: int,
    orbit: Floats,
    pixels: Pixels,
    points: Integers,
    max_iter: int,
    stop: threading.Event,
) -> tuple[Integers, Floats]:
    """Give periods and distances to the edge in pixels of points inside; 0 and NaN if unknown.

    Parameters
    ----------
    degree : d of ``z**d + c``
    orbit : of the reference, float64 [n + 1, 2]
    pixels : of the picture, whose power of d float64 must be able to hold
    points : int64, numbers of the points, row after row
    max_iter : longer periods are not looked for
    stop : set by whoever wants no more of it
    """
    many = len(points)
    found = np.zeros(many, np.int64), np.full(many, np.nan)
    plane = np.array([*pixels.corner, *pixels.matrix, math.ldexp(pixels.size, pixels.exponent)])
    most = min(max_iter, _TIMES * len(orbit))
    common = orbit, plane, pixels.width, points, most
    state = np.zeros(many, np.int64), np.zeros(many, np.int64), np.zeros((many, 2))
    nearest, counters = np.full(many, np.inf), np.zeros(1, np.int64)
    kernel = _cycles(degree)
    while many and not stop.is_set():
        if kernel(*common, *state, nearest, *found, counters, _BUDGET):
            break
    return found
