"""Numbers and matrices with an exponent of their own, ``m * 2**e``, inside compiled loops.

A complex number is ``(re, im, e)``, its larger part in [0.5, 1). A 2 x 2 real matrix is a
derivative in the plane: ``(a, b, c, d, e)`` for ``[[a, b], [c, d]] * 2**e``, its largest entry in
[0.5, 1). So products need no look at the exponents. Zero has an exponent so low that it never wins.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from fraktal_kernel.fractals.reference.extended import NONE, exponent_of
from fraktal_kernel.fractals.reference.limbs import power_of_two

_FAR = 200  # what is smaller by so many bits does not count in a sum


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def power(exponent: int) -> float:
    """Give ``2**exponent``: 0 where that is too small for float64, at most ``2**1023``."""
    if exponent < -1022:
        return 0.0
    return power_of_two(exponent if exponent < 1023 else 1023)  # type: ignore[no-any-return]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def shift_of(size: float) -> int:
    """Give the exponent that brings a size to [0.5, 1), up to what one factor can do."""
    shift = exponent_of(size)
    return 1000 if shift > 1000 else -1000 if shift < -1000 else shift


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def larger(x: float, y: float) -> float:
    """Give the larger part: the size of a complex number up to a factor of 1.42."""
    x, y = abs(x), abs(y)
    return x if x > y else y


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def complex_of(x: float, y: float, e: int) -> Any:
    """Bring the larger part to [0.5, 1)."""
    size = larger(x, y)
    if size == 0.0:
        return 0.0, 0.0, NONE
    shift = shift_of(size)
    scale = power_of_two(-shift)
    return x * scale, y * scale, e + shift


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def product(a: Any, b: Any) -> Any:
    """Multiply complex numbers."""
    return complex_of(a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0], a[2] + b[2])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def total(a: Any, b: Any) -> Any:
    """Add complex numbers."""
    if a[2] < b[2]:
        a, b = b, a
    if a[2] - b[2] > _FAR:
        return a
    scale = power_of_two(b[2] - a[2])
    return complex_of(a[0] + b[0] * scale, a[1] + b[1] * scale, a[2])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def size_of(a: Any) -> Any:
    """Give the absolute value of a complex number."""
    return math.sqrt(a[0] * a[0] + a[1] * a[1]), a[2]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def settled(a: float, b: float, c: float, d: float, e: int) -> Any:
    """Bring the largest entry to [0.5, 1)."""
    size = max(max(abs(a), abs(b)), max(abs(c), abs(d)))
    if size == 0.0:
        return 0.0, 0.0, 0.0, 0.0, NONE
    shift = shift_of(size)
    scale = power_of_two(-shift)
    return a * scale, b * scale, c * scale, d * scale, e + shift


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def times(
    a: float, b: float, c: float, d: float, e: int,
    p: float, q: float, r: float, s: float, f: int,
) -> Any:  # fmt: skip
    """Multiply two matrices."""
    return settled(a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e + f)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def plus(
    a: float, b: float, c: float, d: float, e: int,
    p: float, q: float, r: float, s: float, f: int,
) -> Any:  # fmt: skip
    """Add two matrices."""
    if e < f:
        a, b, c, d, e, p, q, r, s, f = p, q, r, s, f, a, b, c, d, e
    if e - f > _FAR:
        return a, b, c, d, e
    scale = power_of_two(f - e)
    return settled(a + p * scale, b + q * scale, c + r * scale, d + s * scale, e)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def norm(a: float, b: float, c: float, d: float) -> float:
    """Give the largest singular value: how far the matrix can stretch."""
    s, t, u, v = a + d, b - c, a - d, b + c
    return 0.5 * (math.sqrt(s * s + t * t) + math.sqrt(u * u + v * v))


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def ratio(a: float, e: int, b: float, f: int) -> Any:
    """Divide numbers of ordinary size that are not negative."""
    if a == 0.0:
        return 0.5, NONE
    c = a / b
    shift = shift_of(c)
    return c * power_of_two(-shift), e - f + shift


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def below(a: float, e: int, b: float, f: int) -> bool:
    """Compare positive numbers whose mantissas lie in [0.25, 2)."""
    if e - f > 3:
        return False
    if f - e > 3:
        return True
    return a * power_of_two(e - f) < b  # type: ignore[no-any-return]
