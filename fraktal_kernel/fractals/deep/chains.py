r"""Linear approximations of segments of an orbit, for any polynomial formula: compiled.

A segment begins with a step that is done exactly; *y* is the state after it. The rest is linear,
with real matrices over the state (z, or z and the z before):

.. math:: x_{j+l} = A y + B (c - C) \quad\text{where}\quad |y| < r

The radius keeps what comes into each further step within its reach: on the same side of every fold,
and so small that second derivatives do not count.

References
----------
Zhuoran, *Another solution to perturbation glitches* (2021); C. Heiland-Allen, *Deep zoom theory and
practice (again)* (2022), "Non-conformal BLA".
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from fraktal_kernel.fractals.reference.extended import NONE, below, exponent_of, normal
from fraktal_kernel.fractals.reference.limbs import power_of_two


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _product(left: Any, m: Any, n: int, columns: int, spare: Any) -> int:
    """Put ``left @ m`` in place of m; returns the exponent that was taken out."""
    largest = 0.0
    for a in range(n):
        for b in range(columns):
            total = 0.0
            for k in range(n):
                total += left[a * n + k] * m[k * columns + b]
            spare[a * columns + b] = total
            largest = max(largest, abs(total))
    return _settled(m, spare, n * columns, largest)  # type: ignore[no-any-return]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _settled(m: Any, spare: Any, many: int, largest: float) -> int:
    if largest == 0.0 or not largest < math.inf:
        for k in range(many):
            m[k] = 0.0
        return 0
    e = exponent_of(largest)
    scale = power_of_two(-e)
    for k in range(many):
        m[k] = spare[k] * scale
    return e  # type: ignore[no-any-return]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _sum(m: Any, e: int, other: Any, f: int, many: int, spare: Any) -> int:
    """Add another matrix with an exponent to m; returns the exponent of the sum."""
    top = max(e, f)
    a = power_of_two(e - top) if e - top > -1000 else 0.0
    b = power_of_two(f - top) if f - top > -1000 else 0.0
    largest = 0.0
    for k in range(many):
        spare[k] = m[k] * a + other[k] * b
        largest = max(largest, abs(spare[k]))
    return top + _settled(m, spare, many, largest)  # type: ignore[no-any-return]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _norm(m: Any, n: int, columns: int) -> float:
    """Give how far the largest part of a vector can grow."""
    largest = 0.0
    for a in range(n):
        total = 0.0
        for b in range(columns):
            total += abs(m[a * columns + b])
        largest = max(largest, total)
    return largest


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _narrowed(r: Any, reach: Any, a: Any, a_e: int, b: Any, b_e: int, n: int, dc: Any) -> Any:
    """Narrow a radius so that ``A y + B (c - C)`` stays within reach."""
    half, half_e = normal(reach[0] * 0.5, reach[1])
    x, e = normal(_norm(b, n, 2) * dc[0], b_e + dc[1])
    if half == 0.0 or not below(x, e, half, half_e):
        return 0.0, NONE
    size = _norm(a, n, n)
    if size == 0.0:
        return r
    x, e = normal(half / size, half_e - a_e)
    return (x, e) if below(x, e, r[0], r[1]) else r


def chains(
    n: int,
    slopes: Any,
    by_c: Any,
    reach: Any,
    begins: Any,
    places: Any,
    finer: Any,
    finer_e: Any,
    joins: bool,
    dc: float,
    dc_e: int,
    out: Any,
    out_e: Any,
    spare: Any,
) -> None:
    """Fill the table of a stage: from the orbit, or from the stage below.

    Parameters
    ----------
    n : parts of the state, 2 or 4
    slopes, by_c, reach : of each step: derivatives by the state [n * n] and by c [n * 2], and how
        large what comes into it may be
    begins : where the segments of the stage below begin, or of this one if there is none, and where
        the last one ends
    places : which of those begin a segment of this stage, and their count
    finer, finer_e : table of the stage below, if it ``joins`` that
    dc, dc_e : the largest ``|c - C|`` of the picture
    out, out_e : radius, A, B of each segment, and their exponents
    spare : float64 [16]
    """
    nn, many = n * n, n * 2
    for s in range(places.shape[0] - 1):
        a, b = out[s, 1 : 1 + nn], out[s, 1 + nn : 1 + nn + many]
        first = places[s]
        if joins:
            for k in range(1 + nn + many):
                out[s, k] = finer[first, k]
            r, a_e, b_e = (finer[first, 0], finer_e[first, 0]), finer_e[first, 1], finer_e[first, 2]
        else:
            for k in range(nn + many):
                out[s, 1 + k] = 0.0
            for k in range(n):
                a[k * n + k] = 0.5
            # The point must not leave unseen in the first step.
            r, a_e, b_e = (0.5, 1), 1, NONE
        inner, last = (first + 1, places[s + 1]) if joins else (begins[s] + 1, begins[s + 1])
        for k in range(inner, last):
            j = begins[k] if joins else k
            r = _narrowed(r, (reach[j], 0), a, a_e, b, b_e, n, (dc, dc_e))
            if r[1] == NONE:
                break
            a_e += _product(slopes[j], a, n, n, spare)
            b_e += _product(slopes[j], b, n, 2, spare)
            b_e = _sum(b, b_e, by_c[j], 0, many, spare)
            if joins:
                r = _narrowed(r, (finer[k, 0], finer_e[k, 0]), a, a_e, b, b_e, n, (dc, dc_e))
                if r[1] == NONE:
                    break
                a_e += _product(finer[k, 1 : 1 + nn], a, n, n, spare) + finer_e[k, 1]
                b_e += _product(finer[k, 1 : 1 + nn], b, n, 2, spare) + finer_e[k, 1]
                b_e = _sum(b, b_e, finer[k, 1 + nn : 1 + nn + many], finer_e[k, 2], many, spare)
        out[s, 0] = r[0]
        out_e[s, 0], out_e[s, 1], out_e[s, 2] = r[1], a_e, b_e
