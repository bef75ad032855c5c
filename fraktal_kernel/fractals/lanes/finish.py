"""From what the walks leave behind to fields: formulas on arrays, the same for every method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Matrix = tuple[float, float, float, float]

STRAIGHT: Matrix = (1.0, 0.0, 0.0, 1.0)


def turns(z: Complexes) -> Floats:
    """Give the angle of each z in turns, above -0.5 and up to 0.5."""
    angle: Floats = np.arctan2(z.imag, z.real) / (2 * math.pi)
    return np.where(angle == -0.5, 0.5, angle)


def complex_slope(z: Complexes, slope: Sequence[Floats]) -> Complexes:
    """Give the derivative of z by the point, per pixel, as one complex number.

    Parameters
    ----------
    z : the last z
    slope : its two parts, or, of a formula that folds the plane, the rows of a real matrix; then
        the result is the number that moves ``|z|`` as the matrix does
    """
    if len(slope) == 2:
        return np.asarray(slope[0] + 1j * slope[1])
    xx, xy, yx, yy = slope
    size = np.hypot(z.real, z.imag)
    along_x = (z.real * xx + z.imag * yx) / size
    along_y = (z.real * xy + z.imag * yy) / size
    return np.asarray((along_x - 1j * along_y) * z / size)


def distance(z: Complexes, slope: Complexes) -> Floats:
    r"""Estimate how far the set is, in pixels: ``|z| ln|z| / |dz|``.

    The true distance is at least half of that and at most twice, where the set is connected; it
    tends to it where the boundary is smooth (Milnor, *Dynamics in One Complex Variable*, app. G).
    """
    size = np.hypot(z.real, z.imag)
    return np.asarray(size * np.log(size) / np.hypot(slope.real, slope.imag))


def normal(z: Complexes, slope: Complexes, matrix: Matrix = STRAIGHT) -> Complexes:
    """Give the unit vector in which ``|z|`` grows, in the picture: x to the right, y upwards."""
    towards = np.asarray(_unit(z) * _unit(slope).conj())
    if matrix == STRAIGHT:
        return towards
    a, b, c, d = matrix
    x = a * towards.real + c * towards.imag
    y = b * towards.real + d * towards.imag
    return np.asarray((x + 1j * y) / np.hypot(x, y))


def _unit(numbers: Complexes) -> Complexes:
    """Give numbers of size 1 in the same direction, of those near the end of float64, too."""
    small = numbers / np.maximum(np.abs(numbers.real), np.abs(numbers.imag))
    return np.asarray(small / np.hypot(small.real, small.imag))


def part_of_step(smooth: Floats, n: NDArray[np.int64], radius: float, degree: float) -> Floats:
    """Say how much of the last step was needed to leave, from 0 to 1."""
    if not degree > 1:
        return np.ones_like(smooth)
    shift = math.log(math.log(radius) / math.log(2)) / math.log(degree)
    return np.clip(smooth - n + shift, 0.0, 1.0)


def average(total: Floats, term: Floats, n: NDArray[np.int64], part: Floats) -> Floats:
    """Average the terms of an orbit, the last one taken in only so far as its step was needed."""
    whole = total / np.maximum(n, 1)
    before = (total - term) / np.maximum(n - 1, 1)
    return np.asarray(before + part * (whole - before))


def traps(kept: Mapping[str, Floats]) -> dict[str, Any]:
    """Give the nearest approaches that a tally kept, as fields by name."""
    out: dict[str, Any] = {}
    if "point2" in kept:
        out["trap_point"] = np.sqrt(kept["point2"])
    if "cross" in kept:
        out["trap_cross"] = kept["cross"]
    if "circle_out2" in kept:
        # The nearest from outside, and from inside, where the orbit ever was there.
        outside, inside = np.sqrt(kept["circle_out2"]) - 1, kept["circle_in2"]
        inside = np.where(inside < 0, np.inf, 1 - np.sqrt(np.abs(inside)))
        out["trap_circle"] = np.minimum(outside, inside)
    return out
