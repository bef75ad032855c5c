"""Fixed-point numbers of 64-bit limbs inside compiled loops: what every kernel of orbits shares.

A number is ``sign * magnitude / 2**(64 * fraction)``: the magnitude lies in ``count`` limbs of one
work array, lowest first, at an offset; the sign is 0 or 1 beside it. Sums and products are GMP's,
called by address (`gmp`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

# Positions in the array of addresses.
SQUARE, MULTIPLY, ADD, SUBTRACT, SCALE = range(5)

_I64 = ir.IntType(64)
_TWO64 = 18446744073709551616.0
# Below this, the exponent of a float64 is nearly used up, and the value is kept beside it.
SMALLEST = 1e-300


@intrinsic  # type: ignore[untyped-decorator]
def call3(typing: Any, address: Any, result: Any, a: Any, count: Any) -> Any:
    """Call ``f(result, a, count)``, pointers given as numbers."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_I64] * 3)
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), emit


@intrinsic  # type: ignore[untyped-decorator]
def call4(typing: Any, address: Any, result: Any, a: Any, b: Any, count: Any) -> Any:
    """Call ``f(result, a, b, count)``, pointers given as numbers; returns the carry."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_I64, [_I64] * 4)
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])

    return types.int64(*[types.int64] * 5), emit


@intrinsic  # type: ignore[untyped-decorator]
def power_of_two(typing: Any, exponent: Any) -> Any:
    """Give ``2.0**exponent`` for -1022 <= exponent <= 1023."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        biased = builder.add(values[0], ir.Constant(_I64, 1023))
        return builder.bitcast(builder.shl(biased, ir.Constant(_I64, 52)), ir.DoubleType())

    return types.float64(types.int64), emit


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def compare(w: Any, a: int, b: int, count: int) -> Any:
    """Compare magnitudes: -1, 0 or 1; the first limbs nearly always decide."""
    for k in range(count - 1, -1, -1):
        if w[a + k] != w[b + k]:
            return 1 if w[a + k] > w[b + k] else -1
    return 0


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def difference(calls: Any, w: Any, base: int, to: int, a: int, b: int, count: int) -> Any:
    """Store ``| |a| - |b| |`` and return its sign; ``to`` may be ``a`` or ``b``."""
    sign = compare(w, a, b, count)
    if sign >= 0:
        call4(calls[SUBTRACT], base + 8 * to, base + 8 * a, base + 8 * b, count)
    else:
        call4(calls[SUBTRACT], base + 8 * to, base + 8 * b, base + 8 * a, count)
    return 1 if sign < 0 else 0


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def add(
    calls: Any, w: Any, base: int, to: int, a: int, minus_a: int, b: int, minus_b: int, count: int
) -> Any:
    """Store ``a + b`` with signs and return the sign; ``to`` may be ``a`` or ``b``."""
    if minus_a == minus_b:
        call4(calls[ADD], base + 8 * to, base + 8 * a, base + 8 * b, count)
        return minus_a
    return minus_a ^ difference(calls, w, base, to, a, b, count)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def rounded(w: Any, a: int, count: int, fraction: int) -> Any:
    """Round a magnitude to ``float64 * 2**exponent``, the float64 below 2**128 or zero."""
    top = count - 1
    while top > 0 and w[a + top] == 0:
        top -= 1
    value = np.float64(w[a + top]) * _TWO64
    if top > 0:
        value += np.float64(w[a + top - 1])
        if top > 1:
            value += np.float64(w[a + top - 2]) / _TWO64
    return value, 64 * (top - 1 - fraction)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _halved(x: float, e: int) -> Any:
    """Bring a mantissa to [0.5, 1)."""
    while abs(x) >= 1.0:
        x, e = x * 0.5, e + 1
    while 0.0 < abs(x) < 0.5:
        x, e = x * 2.0, e - 1
    return x, e


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _shifted(x: float, e: int) -> Any:
    """Give ``x * 2**e``; what is too small for float64 keeps its sign, which folds have to know."""
    least = power_of_two(-1021)
    if e >= -1021 or x == 0.0:
        return x * power_of_two(max(e, -1021))
    return -least if x < 0.0 else least


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def settle(
    x: float, ex: int, y: float, ey: int, z: Any, k: int, small: Any, exponents: Any, kept: int
) -> int:
    """Store ``z[k]``; where float64 cannot hold it well, also beside it; returns how many are."""
    if ex >= -960 and ey >= -960:
        z[k] = complex(x * power_of_two(ex), y * power_of_two(ey))
        if abs(z[k].real) >= SMALLEST or abs(z[k].imag) >= SMALLEST:
            return kept
    x, ex = _halved(x, ex)
    y, ey = _halved(y, ey)
    # One exponent for both parts: that of the larger one.
    e = ex if (y == 0.0 or (x != 0.0 and ex >= ey)) else ey
    a, b = _shifted(x, ex - e), _shifted(y, ey - e)
    scale = max(abs(a), abs(b))
    if scale == 0.0:
        e = 0
    if e >= -1021:
        z[k] = complex(a * power_of_two(e), b * power_of_two(e))
    elif e >= -1074:
        z[k] = complex(
            a * power_of_two(e + 600) * power_of_two(-600),
            b * power_of_two(e + 600) * power_of_two(-600),
        )
    else:
        z[k] = complex(0.0, 0.0)
    if scale == 0.0 or scale * power_of_two(max(e, -1022)) >= SMALLEST:
        return kept
    small[kept] = complex(a, b)
    exponents[2 * kept] = k
    exponents[2 * kept + 1] = e
    return kept + 1
