"""Which values of an orbit have to be kept, and how the others follow from them: what is compiled.

See `compression`. Choosing runs what following will run, so that it knows where that goes wrong.
"""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _power(z: complex, power: int) -> complex:
    value = z
    for _ in range(1, power):
        value = value * z
    return value


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _next(out: Any, n: int, delta: complex, m: int, power: int, c: complex) -> Any:
    """Give z, the difference and the place that it is from, one step after ``out[n]``.

    ``m`` is -1 as long as the orbit has not yet come near 0, and is iterated as it is.
    """
    if m < 0:
        return _power(out[n], power) + c, delta, m
    old = out[m]
    if power == 2:
        delta = delta * (old + old + delta)
    else:
        whole, factor, low = old + delta, complex(0.0, 0.0), complex(1.0, 0.0)
        for _ in range(power):  # sum of whole**j * old**(power-1-j)
            factor = factor * whole + low
            low = low * old
        delta = delta * factor
    return out[m + 1] + delta, delta, m + 1


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _size(z: complex) -> float:
    """Give the larger part: for comparing, without overflow or square roots."""
    return max(abs(z.real), abs(z.imag))


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _nearer(z: complex, delta: complex, m: int, n: int) -> bool:
    """Whether it is better to begin again at ``out[0] = 0`` with the whole z as difference."""
    return (m < 0 and _size(z) < 0.1) or (m >= 0 and (_size(z) < _size(delta) or m + 1 >= n))


def choose(
    z: Any,
    out: Any,
    count: int,
    power: int,
    cr: float,
    ci: float,
    tolerance: float,
    index: Any,
    value: Any,
) -> int:
    """Write the waypoints of ``z[:count]``; returns how many there are, even if not all fit.

    ``out`` is as long as z and is filled with what following will give.
    """
    c, delta, m, kept = complex(cr, ci), complex(0.0, 0.0), -1, 0
    out[0] = z[0]
    for n in range(1, count):
        guess, delta, m = _next(out, n - 1, delta, m, power, c)
        if not _size(guess - z[n]) <= tolerance * _size(z[n]):
            guess = z[n]
            if m >= 0:
                delta = guess - out[m]
            if kept < index.shape[0]:
                index[kept], value[kept] = n, guess
            kept += 1
        out[n] = guess
        if _nearer(guess, delta, m, n):
            delta, m = guess, 0
    return kept


def follow(out: Any, count: int, power: int, cr: float, ci: float, index: Any, value: Any) -> int:
    """Fill ``out[:count]`` from waypoints; returns how many were met."""
    c, delta, m, kept = complex(cr, ci), complex(0.0, 0.0), -1, 0
    for n in range(1, count):
        guess, delta, m = _next(out, n - 1, delta, m, power, c)
        if kept < index.shape[0] and index[kept] == n:
            guess = value[kept]
            if m >= 0:
                delta = guess - out[m]
            kept += 1
        out[n] = guess
        if _nearer(guess, delta, m, n):
            delta, m = guess, 0
    return kept
