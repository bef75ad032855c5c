"""A second judge of deep pixels: perturbation step by step, beside a reference of its own.

It shares nothing with the engine's walks: no segment is skipped, no table is made, exponents are
carried by other code, and the reference is the orbit of a pixel taken at random, not of the centre.
What it finds otherwise is decided by `benchmarks.deep_truth`, which iterates the point itself.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit

from fraktal_kernel.fractals.reference import reference_orbit

# Formulas that it knows.
SQUARE, SHARK = 0, 1
KNOWN = {"mandelbrot": SQUARE, "shark_fin": SHARK}
_ZERO = -(1 << 40)  # the exponent of 0


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def _settled(x: float, y: float, e: int) -> Any:
    """Bring the larger part to [0.5, 1)."""
    size = max(abs(x), abs(y))
    if size == 0.0:
        return 0.0, 0.0, _ZERO
    _, k = math.frexp(size)
    return math.ldexp(x, -k), math.ldexp(y, -k), e + k


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def _sum(x: float, y: float, e: int, u: float, v: float, f: int) -> Any:
    """Add two complex numbers with exponents."""
    top = max(e, f)
    a, b = math.ldexp(1.0, max(e - top, -1050)), math.ldexp(1.0, max(f - top, -1050))
    return _settled(x * a + u * b, y * a + v * b, top)


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def _step(kind: int, zx: float, zy: float, ze: int, x: float, y: float, e: int) -> Any:
    """Give ``f(Z + z) - f(Z)`` without c, all with exponents."""
    # Z + Z + z is nothing but Z + Z where z is so much smaller, and z where Z is.
    u, v, f = _sum(2 * zx, 2 * zy, ze, x, y, e)
    re, im, g = u * x - v * y, u * y + v * x, e + f
    if kind == SHARK:  # y|y| in place of y*y
        at = math.ldexp(zy, min(max(ze - e, -1050), 900))
        w = at + y
        if (at < 0) == (w < 0):
            re = u * x + v * y if w < 0 else re
        else:
            part = w * w + at * at
            r, _, h = _sum(u * x, 0.0, g, part if w < 0 else -part, 0.0, 2 * e)
            return _sum(r, 0.0, h, 0.0, im, g)
    return _settled(re, im, g)


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def _walk(
    kind: int,
    orbit: Any,
    exponents: Any,
    cx: float,
    cy: float,
    ce: int,
    most: int,
    radius2: float,
) -> int:
    """Give the first n with a z outside, or 0."""
    last = len(orbit) - 1
    x, y, e, m = 0.0, 0.0, _ZERO, 0
    for n in range(1, most + 1):
        x, y, e = _step(kind, orbit[m, 0], orbit[m, 1], exponents[m], x, y, e)
        x, y, e = _sum(x, y, e, cx, cy, ce)
        m += 1
        u, v, f = _sum(orbit[m, 0], orbit[m, 1], exponents[m], x, y, e)
        if f > -10:
            wx, wy = math.ldexp(u, f), math.ldexp(v, f)
            if wx * wx + wy * wy > radius2:
                return n
        if m == last or f < e or (f == e and u * u + v * v < x * x + y * y):
            x, y, e, m = u, v, f, 0
    return 0


class Plain:
    """The judge for one view.

    Parameters
    ----------
    truth : the view, as `benchmarks.deep_truth.Truth` has it
    row, column : of the pixel whose orbit is the reference
    """

    def __init__(self, truth: Any, row: int, column: int) -> None:
        self.kind = KNOWN[truth.location["formula"]]
        self.truth, self.place = truth, (row, column)
        orbit = reference_orbit(
            truth.formula,
            *truth.point(row, column),
            bits=truth.bits,
            max_iter=truth.steps,
            escape_radius=truth.formula.escape_radius,
        )
        parts = np.ascontiguousarray(orbit.z).view(np.float64).reshape(-1, 2).copy()
        exponents = np.zeros(len(parts), np.int64)
        small = orbit.small_index
        parts[small] = orbit.small_mantissa.view(np.float64).reshape(-1, 2)
        exponents[small] = orbit.small_exponent
        exponents[~parts.any(axis=1)] = _ZERO
        self.orbit, self.exponents = parts, exponents

    def count(self, row: int, column: int) -> int | None:
        """Give the first n with a z outside; None where there is none until the last step."""
        pairs = zip(self.truth.point(row, column), self.truth.point(*self.place), strict=True)
        dx, dy = (_parts(one - other) for one, other in pairs)
        if self.kind == SHARK:  # which adds the conjugate of c
            dy = -dy[0], dy[1]
        cx, cy, ce = _sum(dx[0], 0.0, dx[1], 0.0, dy[0], dy[1])
        radius2 = self.truth.formula.escape_radius**2
        return (
            _walk(self.kind, self.orbit, self.exponents, cx, cy, ce, self.truth.steps, radius2)
            or None
        )


def _parts(value: Fraction) -> tuple[float, int]:
    """Give a mantissa and an exponent of two."""
    if value == 0:
        return 0.0, _ZERO
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return float(value / Fraction(2) ** exponent), exponent
