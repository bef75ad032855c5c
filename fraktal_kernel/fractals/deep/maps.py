"""What is iterated, as the walks need it: differences without cancellation, derivatives, scales.

Two kinds of map have all that a deep zoom needs: powers, ``z**d + c``, and folds of the square, by
the bits of `recurrences` (burning ship, celtic, buffalo, perpendicular, tricorn, shark fin). Both
are homogeneous: what they do to ``s*z`` is ``s**d`` times what they do to z, so that a power of two
can be put aside.

For each map there is ``first(X, Y, x, y)``, the exact ``f(Z + z) - f(Z)``; ``turned(X, Y, s)``, the
derivative at Z applied to that of the point; and ``local(X, Y, e)``, what approximations are made
from: Taylor coefficients for powers, a matrix for folds. The first two are plain arithmetic whose
choices are `where`, so that `abreast` makes vectors of them.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.kinds import Map
from fraktal_kernel.fractals.deep.scaled import (
    complex_of,
    larger,
    product,
    ratio,
    settled,
    size_of,
)
from fraktal_kernel.fractals.reference.recurrences import (
    ABS_IM,
    ABS_RE,
    ABS_X,
    ABS_Y,
    NEGATE_IM,
    SHARK,
)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def where(condition: bool, one: float, two: float) -> float:
    """Give one where a condition holds, and else two."""
    return one if condition else two


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def times(a: float, b: float, x: float, y: float) -> Any:
    """Multiply complex numbers."""
    return a * x - b * y, a * y + b * x


def first_of(kind: Map) -> Any:
    """Make ``first(X, Y, x, y)``."""
    name, bits = kind
    if name == "fold":
        return _fold_first(bits)
    if bits == 2:

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def square(zr: float, zi: float, x: float, y: float) -> Any:
            u, v = 2 * zr + x, 2 * zi + y
            return u * x - v * y, u * y + v * x

        return square

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def power(zr: float, zi: float, x: float, y: float) -> Any:
        # (Z + z)**d - Z**d = z * sum of (Z + z)**k Z**(d - 1 - k), by Horner's rule.
        wr, wi = zr + x, zi + y
        a, b, p, q = wr + zr, wi + zi, zr, zi
        for _ in range(bits - 2):
            p, q = times(p, q, zr, zi)
            a, b = times(a, b, wr, wi)
            a, b = a + p, b + q
        return times(a, b, x, y)

    return power


def turned_of(kind: Map) -> Any:
    """Make ``turned(X, Y, s)``: s is a complex number, or a matrix row by row."""
    name, bits = kind
    if name == "fold":
        matrix = _fold_matrix(bits)

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def fold(zr: float, zi: float, s: Any) -> Any:
            a, b, c, d = matrix(zr, zi)
            return (
                a * s[0] + b * s[2],
                a * s[1] + b * s[3],
                c * s[0] + d * s[2],
                c * s[1] + d * s[3],
            )

        return fold

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def power(zr: float, zi: float, s: Any) -> Any:
        a, b = zr, zi
        for _ in range(bits - 2):
            a, b = times(a, b, zr, zi)
        return times(bits * a, bits * b, s[0], s[1])

    return power


def taylor_of(kind: Map) -> Any:
    """Make ``local(X, Y, e)`` of a power: three Taylor coefficients, and the scale of f."""
    d = kind[1]

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def local(x: float, y: float, e: int) -> Any:
        z = complex_of(x, y, e)
        # z**(d-3), z**(d-2), z**(d-1) with binomial coefficients.
        lower = complex_of(0.0, 0.0, 0)
        power = complex_of(1.0, 0.0, 0)
        if d > 2:
            lower = power
            for _ in range(d - 3):
                lower = product(lower, z)
            power = product(lower, z)
        c3, c2 = d * (d - 1) * (d - 2) / 6.0, d * (d - 1) / 2.0
        f3 = complex_of(lower[0] * c3, lower[1] * c3, lower[2])
        f2 = complex_of(power[0] * c2, power[1] * c2, power[2])
        top = product(power, z)
        f1 = complex_of(top[0] * d, top[1] * d, top[2])
        size = size_of(z)
        # How far the next coefficient is from counting.
        return f1, f2, f3, ratio(2.0 * size[0] / d, size[1], 1.0, 0)

    return local


def matrix_of(kind: Map) -> Any:
    """Make ``local(X, Y, e)`` of a fold: its matrix, how near the fold is, and the scale of f."""
    bits = kind[1]
    matrix = _fold_matrix(bits)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def local(x: float, y: float, e: int) -> Any:
        x, y, e = complex_of(x, y, e)
        m = settled(*matrix(x, y), e)
        away = larger(x, y)
        if bits & (ABS_X | ABS_IM) and abs(x) < away:
            away = abs(x)
        if bits & (ABS_Y | ABS_IM | SHARK) and abs(y) < away:
            away = abs(y)
        if bits & ABS_RE:
            corner = 0.7 * abs(abs(x) - abs(y))
            away = corner if corner < away else away
        return m, ratio(away, e, 1.0, 0), ratio(*size_of((x, y, e)), 1.0, 0)

    return local


def _fold_matrix(bits: int) -> Any:
    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def matrix(x: float, y: float) -> Any:
        u, v = abs(x) if bits & ABS_X else x, abs(y) if bits & ABS_Y else y
        a, b = 2 * x, -2 * (abs(y) if bits & SHARK else y)
        c, d = 2 * v, 2 * u
        if bits & ABS_X:
            c = where(x < 0, -c, c)
        if bits & ABS_Y:
            d = where(y < 0, -d, d)
        if bits & ABS_RE:
            turned = x * x < y * y
            a, b = where(turned, -a, a), where(turned, -b, b)
        if bits & ABS_IM:
            turned = u * v < 0
            c, d = where(turned, -c, c), where(turned, -d, d)
        if bits & NEGATE_IM:
            c, d = -c, -d
        return a, b, c, d

    return matrix


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _diffabs(x: float, d: float) -> float:
    """Give ``|x + d| - |x|`` without cancellation."""
    x, d = abs(x), where(x < 0, -d, d)
    return where(x + d >= 0, d, -(2 * x + d))  # type: ignore[no-any-return]


def _fold_first(bits: int) -> Any:
    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def first(zr: float, zi: float, x: float, y: float) -> Any:
        re = (2 * zr + x) * x
        w = zi + y
        if bits & SHARK:
            part = where((zi < 0) == (w < 0), (2 * zi + y) * y, w * w + zi * zi)
            re -= where(w < 0, -part, part)
        else:
            re -= (2 * zi + y) * y
        if bits & ABS_RE:
            re = _diffabs(zr * zr - zi * zi, re)
        if bits & ABS_X and bits & ABS_Y:
            im = _diffabs(zr * zi, zr * y + x * w)
        elif bits & ABS_Y:
            im = zr * _diffabs(zi, y) + x * abs(w)
        elif bits & ABS_X:
            im = _diffabs(zr, x) * w + abs(zr) * y
        else:
            im = zr * y + x * w
        im *= 2
        if bits & ABS_IM:
            im = _diffabs(2 * zr * zi, im)
        if bits & NEGATE_IM:
            im = -im
        return re, im

    return first
