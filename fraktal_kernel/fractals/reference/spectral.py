"""The orbit of ``z*z + c`` for long numbers, squared by a Fourier transform: what is compiled.

x and y are the real and imaginary parts of one array of digits, so that one complex transform,
a squaring of its values and the way back give ``x**2 - y**2`` and ``2 x y`` together: far less
work than three squarings. Digits are whole float64 numbers from about ``-base/2`` to ``base/2``,
so small that the rounding of the transform cannot move a coefficient to the next whole number;
how far each was off is watched all the same. Carries never run through the number: digits may
leave their range by one or two, so that two rounds of local carries suffice.

The folds that change signs only come for free. `engines` chooses the base and the length.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from fraktal_kernel.fractals.reference.limbs import settle
from fraktal_kernel.fractals.reference.recurrences import (
    ABS_IM,
    ABS_RE,
    ABS_X,
    ABS_Y,
    NEGATE_IM,
)
from fraktal_kernel.fractals.reference.transform import (
    first2,
    first4,
    forward3,
    forward4,
    forward5,
    gather,
    inverse2,
    inverse3,
    inverse4,
    inverse5,
    join,
    split,
    square,
)

# Digits below the last one kept that take part in the carries.
BELOW = 3
# Beyond this, a coefficient may have been rounded to the wrong whole number.
WORST = 0.375


def orbit(
    work: Any,
    base: int,
    plan: Any,
    places: Any,
    shape: Any,
    unit: float,
    fold: int,
    z: Any,
    first: int,
    last: int,
    radius2: float,
    small: Any,
    exponents: Any,
    info: Any,
) -> int:
    """Go on from ``z[first - 1]``, whose digits are in ``work``; returns the first index not done.

    Parameters
    ----------
    work, base : the work array, float64, and its address
    plan : [radix, length of a part, count of blocks, place of its turns] of each pass
    places : where in ``work`` are x, y, a, b, and four rooms for carries
    shape : [digits of a number, length of the transform, bits of a digit]
    unit : two to the bits of a digit
    fold : see `recurrences`

    The rest is as in `quadratic.orbit`; ``info[2]`` is 1 where rounding was not safe.
    """
    digits, length, bits = shape[0], shape[1], shape[2]
    px, py = places[0], places[1]
    x, y = base + 8 * px, base + 8 * py
    count = (digits + BELOW + 2 + 7) // 8 * 8
    for k in range(first, last):
        if info[0] >= small.shape[0]:
            return k
        sign_re, sign_im = _signs(work, px, py, digits, unit, fold)
        _transform(x, y, base, plan, length)
        half, factor = length // 2, sign_re / length
        _carry(work, base, places, 0, digits, count, half, factor, unit)
        factor = sign_im / length
        _carry(work, base, places, 1, digits, count, half, factor, unit)
        if _worst(work, places[4]) > WORST:
            info[2] = 1
            return k
        re, re_exponent = _rounded(work, px, digits, unit, bits)
        im, im_exponent = _rounded(work, py, digits, unit, bits)
        info[0] = settle(re, re_exponent, im, im_exponent, z, k, small, exponents, info[0])
        if z[k].real * z[k].real + z[k].imag * z[k].imag > radius2:
            info[1] = k
            return k + 1
    return last


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _transform(x: int, y: int, base: int, plan: Any, length: int) -> None:
    """Square the number in x and y, but for the factor ``length``."""
    for j in range(plan.shape[0]):
        radix, part, blocks, turns = plan[j, 0], plan[j, 1], plan[j, 2], base + 8 * plan[j, 3]
        if j == 0:
            if radix == 2:
                first2(x, y, turns, part)
            else:
                first4(x, y, turns, part)
        elif radix == 3:
            forward3(x, y, turns, part, blocks)
        elif radix == 4:
            forward4(x, y, turns, part, blocks)
        else:
            forward5(x, y, turns, part, blocks)
    square(x, y, length)
    for j in range(plan.shape[0] - 1, -1, -1):
        radix, part, blocks, turns = plan[j, 0], plan[j, 1], plan[j, 2], base + 8 * plan[j, 3]
        if radix == 2:
            inverse2(x, y, turns, part, blocks)
        elif radix == 3:
            inverse3(x, y, turns, part, blocks)
        elif radix == 4:
            inverse4(x, y, turns, part, blocks)
        else:
            inverse5(x, y, turns, part, blocks)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _carry(
    work: Any,
    base: int,
    places: Any,
    part: int,
    digits: int,
    count: int,
    half: int,
    factor: float,
    unit: float,
) -> None:
    """Make digits again of the upper half of the coefficients, and add c."""
    at = places[part]
    low, middle, high, carry = (
        base + 8 * places[4],
        base + 8 * places[5],
        base + 8 * places[6],
        base + 8 * places[7],
    )
    value = base + 8 * at
    split(value + 8 * (digits - 1 - BELOW), low, middle, high, count, factor, unit)
    gather(low, middle, high, base + 8 * places[2 + part], carry, count, unit)
    join(low, carry, value, BELOW, count - BELOW)
    # Nothing is above the first digit: what was carried there comes back.
    top = at + digits
    work[top - 1] += unit * (work[top] + unit * work[top + 1])
    for k in range(top, at + max(half, count)):
        work[k] = 0.0


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _worst(work: Any, low: int) -> float:
    """Give how far a coefficient was from a whole number, and begin anew."""
    worst = 0.0
    for k in range(low - 8, low):
        worst = max(worst, work[k])
        work[k] = 0.0
    return worst


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _rounded(work: Any, at: int, digits: int, unit: float, bits: int) -> Any:
    """Round a number to ``float64 * 2**exponent``."""
    top = digits - 1
    while top > 0 and work[at + top] == 0.0:
        top -= 1
    low = max(0, top - 6)
    value = 0.0
    for k in range(low, top):
        value = (value + work[at + k]) / unit
    return value + work[at + top], bits * (top - digits + 1)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _sign(work: Any, a: int, b: int, minus: float, digits: int, unit: float) -> float:
    """Give the sign of ``a + minus * b``, 1 for zero; b is not read where ``minus`` is 0."""
    value = 0.0
    for k in range(digits - 1, -1, -1):
        value = value * unit + work[a + k]
        if minus != 0.0:
            value += minus * work[b + k]
        if abs(value) > 4.0:  # all that follows is less
            break
    return -1.0 if value < 0.0 else 1.0


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _signs(work: Any, px: int, py: int, digits: int, unit: float, fold: int) -> Any:
    """Give the factors by which a fold turns ``x**2 - y**2`` and ``2 x y``."""
    re = im = 1.0
    if fold & (ABS_X | ABS_Y | ABS_RE | ABS_IM):
        x = _sign(work, px, py, 0.0, digits, unit)
        y = _sign(work, py, px, 0.0, digits, unit)
        if fold & (ABS_X | ABS_IM):
            im *= x
        if fold & (ABS_Y | ABS_IM):
            im *= y
        if fold & ABS_RE:  # (|x| - |y|) and (|x| + |y|)
            re = x * _sign(work, px, py, -x * y, digits, unit)
    if fold & NEGATE_IM:
        im = -im
    return re, im
