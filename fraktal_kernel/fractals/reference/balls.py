"""The period of the nucleus in view, found beside the orbit: what is compiled.

The disk of all points in view is carried along. The first n at which its image contains 0 is the
period of a nucleus in view. For ``z**d + c`` the image is bounded by a ball (`by_ball`),

.. math:: r' = (|z| + r)^d - |z|^d + r_0,

for every other formula it is the image under the derivative, a real 2x2 matrix (`by_frame`).
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from fraktal_kernel.fractals.reference.extended import below, normal, plus, times

CONST, PLUS, MINUS, TIMES, FMA, NEG, ABS, COPYSIGN, MAX, MIN = range(10)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def value_at(z: Any, k: int, index: Any, small: Any, exponents: Any, cursor: Any) -> Any:
    """Give ``z[k]`` and an exponent; the cursor walks along the small values."""
    while cursor[0] < index.shape[0] and index[cursor[0]] < k:
        cursor[0] += 1
    if cursor[0] < index.shape[0] and index[cursor[0]] == k:
        return small[cursor[0]], exponents[cursor[0]]
    return z[k], 0


def by_ball(
    z: Any,
    first: int,
    last: int,
    index: Any,
    small: Any,
    exponents: Any,
    power: int,
    size: float,
    size_exponent: int,
    ball: Any,
    state: Any,
) -> int:
    """Return the first n in [first, last) where the ball round ``z[n]`` contains 0, or -1.

    ``ball[0] * 2**state[1]`` is the radius at ``first``; ``state[0]`` the cursor of small values.
    """
    r0, e0 = normal(size, size_exponent)
    r, e = ball[0], state[1]
    found = -1
    for k in range(first, last):
        value, scale = value_at(z, k, index, small, exponents, state)
        if abs(value.real) + abs(value.imag) < 1e-140:  # the squares would be 0
            value, scale = value * 2.0**500, scale - 500
        m, em = normal(math.sqrt(value.real * value.real + value.imag * value.imag), scale)
        if below(m, em, r, e):
            found = k
            break
        # q = (m + r)**j - m**j and p = m**j, without cancellation
        s, es = plus(m, em, r, e)
        p, ep, q, eq = m, em, r, e
        for _ in range(1, power):
            u, eu = times(q, eq, s, es)
            v, ev = times(p, ep, r, e)
            q, eq = plus(u, eu, v, ev)
            p, ep = times(p, ep, m, em)
        r, e = plus(q, eq, r0, e0)
    ball[0], state[1] = r, e
    return found


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _load(m: Any, e: Any, row: int, column: int, value: float, exponent: int) -> None:
    m[row, column], e[row, column] = normal(value, exponent)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _step(m: Any, e: Any, code: Any, places: Any) -> None:
    """Run the tape once on values and derivatives, and put the result where z was."""
    inputs, zr, before = places[0], places[1], places[2]
    for j in range(code.shape[0]):
        operation, a, b, c = code[j, 0], code[j, 1], code[j, 2], code[j, 3]
        to = inputs + j
        if operation == CONST:
            continue
        if operation == TIMES or operation == FMA:
            for i in range(2, -1, -1):
                u, eu = times(m[a, i], e[a, i], m[b, 0], e[b, 0])
                if i > 0:
                    v, ev = times(m[a, 0], e[a, 0], m[b, i], e[b, i])
                    u, eu = plus(u, eu, v, ev)
                if operation == FMA:
                    u, eu = plus(u, eu, m[c, i], e[c, i])
                m[to, i], e[to, i] = u, eu
            continue
        sign, source = 1.0, a
        if operation == NEG:
            sign = -1.0
        elif operation == ABS:
            sign = -1.0 if m[a, 0] < 0.0 else 1.0
        elif operation == COPYSIGN:
            sign = -1.0 if (m[a, 0] < 0.0) != (m[b, 0] < 0.0) else 1.0
        elif operation == MAX or operation == MIN:
            u, _ = plus(m[a, 0], e[a, 0], -m[b, 0], e[b, 0])
            source = a if (u >= 0.0) == (operation == MAX) else b
        for i in range(3):
            u, eu = sign * m[source, i], e[source, i]
            if operation == PLUS:
                u, eu = plus(u, eu, m[b, i], e[b, i])
            elif operation == MINUS:
                u, eu = plus(u, eu, -m[b, i], e[b, i])
            m[to, i], e[to, i] = u, eu
    for i in range(3):
        if before >= 0:
            m[before, i], e[before, i] = m[zr, i], e[zr, i]
            m[before + 1, i], e[before + 1, i] = m[zr + 1, i], e[zr + 1, i]
        u, eu = m[places[3], i], e[places[3], i]
        v, ev = m[places[4], i], e[places[4], i]
        m[zr, i], e[zr, i] = u, eu
        m[zr + 1, i], e[zr + 1, i] = v, ev


def by_frame(
    z: Any,
    first: int,
    last: int,
    index: Any,
    small: Any,
    exponents: Any,
    code: Any,
    places: Any,
    size: float,
    size_exponent: int,
    m: Any,
    e: Any,
    state: Any,
) -> int:
    """Return the first n in [first, last) where the image of the view round ``z[n]`` contains 0.

    Parameters
    ----------
    code : the tape, as in `program`, all operands registers
    places : [registers that are inputs, z, the z before or -1, the two results]
    m, e : value and derivatives by the two parts of c of each register, with exponents; on entry
        the row of z holds the derivatives at ``first``
    """
    zr = places[1]
    r0, e0 = normal(size, size_exponent)
    for k in range(first, last):
        value, scale = value_at(z, k, index, small, exponents, state)
        _load(m, e, zr, 0, value.real, scale)
        _load(m, e, zr + 1, 0, value.imag, scale)
        if k > 0 and _contains_zero(m, e, zr, r0, e0):
            return k
        _step(m, e, code, places)
    return -1


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _contains_zero(m: Any, e: Any, row: int, r0: float, e0: int) -> Any:
    """Whether ``|D**-1 z| <= r0``, written without the division."""
    x, ex, y, ey = m[row, 0], e[row, 0], m[row + 1, 0], e[row + 1, 0]
    a, ea, b, eb = m[row, 1], e[row, 1], m[row, 2], e[row, 2]
    c, ec, d, ed = m[row + 1, 1], e[row + 1, 1], m[row + 1, 2], e[row + 1, 2]
    u, eu = times(a, ea, d, ed)
    v, ev = times(b, eb, c, ec)
    area, area_e = plus(u, eu, -v, ev)
    u, eu = times(d, ed, x, ex)
    v, ev = times(b, eb, y, ey)
    p, ep = plus(u, eu, -v, ev)
    u, eu = times(a, ea, y, ey)
    v, ev = times(c, ec, x, ex)
    q, eq = plus(u, eu, -v, ev)
    p, ep = times(p, ep, p, ep)
    q, eq = times(q, eq, q, eq)
    p, ep = plus(p, ep, q, eq)
    q, eq = times(area, area_e, r0, e0)
    q, eq = times(q, eq, q, eq)
    return area != 0.0 and below(p, ep, q, eq)


def sizes(
    z: Any,
    period: int,
    index: Any,
    small: Any,
    exponents: Any,
    code: Any,
    places: Any,
    m: Any,
    e: Any,
    total: Any,
    total_e: Any,
    state: Any,
) -> int:
    """Follow ``L = dz[n]/dz[1]`` and the sum of its inverses up to the period.

    On entry the row of z holds the unit matrix, as does ``total``; on return L and the sum.
    The rest is as in `by_frame`; derivatives by c are not wanted, so those of c are zero.
    """
    zr = places[1]
    for k in range(1, period):
        value, scale = value_at(z, k, index, small, exponents, state)
        _load(m, e, zr, 0, value.real, scale)
        _load(m, e, zr + 1, 0, value.imag, scale)
        _step(m, e, code, places)
        a, ea, b, eb = m[zr, 1], e[zr, 1], m[zr, 2], e[zr, 2]
        c, ec, d, ed = m[zr + 1, 1], e[zr + 1, 1], m[zr + 1, 2], e[zr + 1, 2]
        u, eu = times(a, ea, d, ed)
        v, ev = times(b, eb, c, ec)
        area, area_e = plus(u, eu, -v, ev)
        if area == 0.0:
            return k
        area, area_e = normal(1.0 / area, -area_e)
        u, eu = times(d, ed, area, area_e)
        total[0, 0], total_e[0, 0] = plus(total[0, 0], total_e[0, 0], u, eu)
        u, eu = times(-b, eb, area, area_e)
        total[0, 1], total_e[0, 1] = plus(total[0, 1], total_e[0, 1], u, eu)
        u, eu = times(-c, ec, area, area_e)
        total[1, 0], total_e[1, 0] = plus(total[1, 0], total_e[1, 0], u, eu)
        u, eu = times(a, ea, area, area_e)
        total[1, 1], total_e[1, 1] = plus(total[1, 1], total_e[1, 1], u, eu)
    return 0
