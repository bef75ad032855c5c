"""The orbit of any polynomial formula in limbs: a small machine that runs its tape.

Each instruction is one or two calls into GMP, so that reading instructions costs little beside
them. Signs and the places of registers are changed without moving limbs.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from fraktal_kernel.fractals.reference.limbs import (
    MULTIPLY,
    SCALE,
    SQUARE,
    add,
    call3,
    call4,
    compare,
    rounded,
    settle,
)

CONST, PLUS, MINUS, TIMES, FMA, NEG, ABS, COPYSIGN, MAX, MIN = range(10)
# Beyond what tapes have: a product with a whole number that is written in the instruction itself,
# and the same with a register added.
SCALED, SCALED_PLUS = 10, 11


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _order(w: Any, places: Any, signs: Any, a: int, b: int, count: int) -> Any:
    """Compare two registers with their signs."""
    if signs[a] != signs[b]:
        return -1 if signs[a] else 1
    order = compare(w, places[a], places[b], count)
    return -order if signs[a] else order


def orbit(
    calls: Any,
    w: Any,
    base: int,
    count: int,
    fraction: int,
    signs: Any,
    places: Any,
    code: Any,
    state: Any,
    z: Any,
    first: int,
    last: int,
    radius2: float,
    small: Any,
    exponents: Any,
    info: Any,
) -> int:
    """Go on from ``z[first - 1]``, whose limbs are in ``w``; returns the first index not done.

    Parameters
    ----------
    signs, places : of each register; a place is an offset in ``w``, those of inputs are homes
    code : [operation, a, b, c] of each instruction, registers but for the b of `SCALED`
    state : [inputs, z, the z before or -1, registers of the two results, scratch], registers
        except the scratch, which is an offset of room for two numbers

    The rest is as in `quadratic.orbit`.
    """
    inputs, zr, before = state[0], state[1], state[2]
    scratch = state[5]
    homes = inputs * count  # results of instruction j live at homes + j * count
    for k in range(first, last):
        if info[0] >= small.shape[0]:
            return k
        for j in range(code.shape[0]):
            operation, a, b = code[j, 0], code[j, 1], code[j, 2]
            to = inputs + j
            if operation == CONST:
                continue
            if operation == NEG:
                places[to], signs[to] = places[a], 1 - signs[a]
                continue
            if operation == ABS:
                places[to], signs[to] = places[a], 0
                continue
            if operation == COPYSIGN:
                places[to], signs[to] = places[a], signs[b]
                continue
            if operation == MAX or operation == MIN:
                order = _order(w, places, signs, a, b, count)
                chosen = a if (order >= 0) == (operation == MAX) else b
                places[to], signs[to] = places[chosen], signs[chosen]
                continue
            home = homes + j * count
            places[to] = home
            if operation == PLUS or operation == MINUS:
                minus = signs[b] ^ 1 if operation == MINUS else signs[b]
                signs[to] = add(
                    *(calls, w, base, home, places[a], signs[a], places[b], minus, count)
                )
                continue
            if operation == SCALED or operation == SCALED_PLUS:
                minus = signs[a] ^ (1 if b < 0 else 0)
                call4(calls[SCALE], base + 8 * home, base + 8 * places[a], count, abs(b))
                signs[to] = minus
                if operation == SCALED_PLUS:
                    c = code[j, 3]
                    signs[to] = add(
                        *(calls, w, base, home, home, minus, places[c], signs[c], count)
                    )
                continue
            if places[a] == places[b]:
                call3(calls[SQUARE], base + 8 * scratch, base + 8 * places[a], count)
            else:
                call4(
                    *(calls[MULTIPLY], base + 8 * scratch),
                    *(base + 8 * places[a], base + 8 * places[b], count),
                )
            minus = signs[a] ^ signs[b]
            if operation == TIMES:
                for i in range(count):
                    w[home + i] = w[scratch + fraction + i]
                signs[to] = minus
            else:
                c = code[j, 3]
                signs[to] = add(
                    *(calls, w, base, home, scratch + fraction, minus),
                    *(places[c], signs[c], count),
                )
        re_sign, im_sign = signs[state[3]], signs[state[4]]
        # By way of the scratch, for a result may lie where z was.
        for i in range(count):
            w[scratch + i] = w[places[state[3]] + i]
            w[scratch + count + i] = w[places[state[4]] + i]
        if before >= 0:
            for i in range(2 * count):
                w[before * count + i] = w[zr * count + i]
            signs[before], signs[before + 1] = signs[zr], signs[zr + 1]
        for i in range(2 * count):
            w[zr * count + i] = w[scratch + i]
        signs[zr], signs[zr + 1] = re_sign, im_sign
        re, re_exponent = rounded(w, zr * count, count, fraction)
        im, im_exponent = rounded(w, (zr + 1) * count, count, fraction)
        re = -re if re_sign else re
        im = -im if im_sign else im
        info[0] = settle(re, re_exponent, im, im_exponent, z, k, small, exponents, info[0])
        if z[k].real * z[k].real + z[k].imag * z[k].imag > radius2:
            info[1] = k
            return k + 1
    return last
