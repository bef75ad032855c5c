r"""The orbit of ``z*z + c`` and of its folds in limbs: what is compiled.

.. math::

    x' = [\,x^2 \mp y^2\,] + a, \qquad y' = \pm 2 |x| |y| + b

Three squarings a step, because a squaring costs two thirds of a product:
``2 |x| |y| = x**2 + y**2 - (|x| - |y|)**2``. The folds of the burning-ship kind change only signs,
so they cost nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fraktal_kernel.fractals.reference.limbs import (
    ADD,
    SQUARE,
    SUBTRACT,
    add,
    call3,
    call4,
    difference,
    rounded,
    settle,
)
from fraktal_kernel.fractals.reference.recurrences import (
    ABS_IM,
    ABS_RE,
    ABS_X,
    ABS_Y,
    NEGATE_IM,
    SHARK,
)

# Where the numbers lie in the work array, in multiples of their count of limbs.
X, Y, A, B, XX, YY, DD, D = 0, 1, 2, 3, 4, 6, 8, 10
SPAN = 11


def orbit(
    calls: Any,
    w: Any,
    base: int,
    count: int,
    fraction: int,
    signs: Any,
    fold: int,
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
    calls : addresses of GMP's functions
    w, base : the work array and its address
    count, fraction : limbs of a number, and those behind the point
    signs : of x, y, a, b
    z : filled from ``first`` up to ``last``
    small, exponents : values too small for float64, with their index and exponent
    info : [how many of those there are, the index of the escape or -1]
    """
    x, y, a, b = X * count, Y * count, A * count, B * count
    xx, yy, dd, d = XX * count, YY * count, DD * count, D * count
    for k in range(first, last):
        if info[0] >= small.shape[0]:
            return k
        call3(calls[SQUARE], base + 8 * xx, base + 8 * x, count)
        call3(calls[SQUARE], base + 8 * yy, base + 8 * y, count)
        difference(calls, w, base, d, x, y, count)
        call3(calls[SQUARE], base + 8 * dd, base + 8 * d, count)
        # From here on, the products are cut to the limbs that stay.
        p, q, r = xx + fraction, yy + fraction, dd + fraction
        call4(calls[ADD], base + 8 * d, base + 8 * p, base + 8 * q, count)
        if call4(calls[SUBTRACT], base + 8 * r, base + 8 * d, base + 8 * r, count) != 0:
            for j in range(count):  # nothing but rounding
                w[r + j] = np.uint64(0)
        minus_y = 0 if fold & ABS_Y else signs[1]
        minus_im = (0 if fold & ABS_X else signs[0]) ^ minus_y
        if fold & ABS_IM:
            minus_im = 0
        if fold & NEGATE_IM:
            minus_im ^= 1
        if fold & SHARK and minus_y:
            signs[0] = add(calls, w, base, x, d, 0, a, signs[2], count)
        else:
            minus_re = difference(calls, w, base, p, p, q, count)
            if fold & ABS_RE:
                minus_re = 0
            signs[0] = add(calls, w, base, x, p, minus_re, a, signs[2], count)
        signs[1] = add(calls, w, base, y, r, minus_im, b, signs[3], count)
        re, re_exponent = rounded(w, x, count, fraction)
        im, im_exponent = rounded(w, y, count, fraction)
        re = -re if signs[0] else re
        im = -im if signs[1] else im
        info[0] = settle(re, re_exponent, im, im_exponent, z, k, small, exponents, info[0])
        if z[k].real * z[k].real + z[k].imag * z[k].imag > radius2:
            info[1] = k
            return k + 1
    return last
