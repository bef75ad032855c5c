"""Numbers with an exponent of their own, ``mantissa * 2**exponent``, inside compiled loops.

Zero is the mantissa 0 with an exponent so low that it never wins.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fraktal_kernel.fractals.reference.limbs import power_of_two

NONE = -(1 << 60)  # the exponent of zero


@intrinsic  # type: ignore[untyped-decorator]
def exponent_of(typing: Any, value: Any) -> Any:
    """Give e with ``0.5 <= |value| / 2**e < 1`` for an ordinary float64."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        i64 = ir.IntType(64)
        bits = builder.lshr(builder.bitcast(values[0], i64), ir.Constant(i64, 52))
        return builder.sub(builder.and_(bits, ir.Constant(i64, 0x7FF)), ir.Constant(i64, 1022))

    return types.int64(types.float64), emit


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def normal(mantissa: float, exponent: int) -> Any:
    """Bring the mantissa to [0.5, 1)."""
    if mantissa == 0.0:
        return 0.0, NONE
    if abs(mantissa) < 1e-300:
        mantissa, exponent = mantissa * power_of_two(600), exponent - 600
    e = exponent_of(mantissa)
    return mantissa * power_of_two(-e), exponent + e


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def times(a: float, ea: int, b: float, eb: int) -> Any:
    """Multiply."""
    c = a * b
    if c == 0.0:
        return 0.0, NONE
    e = exponent_of(c)
    return c * power_of_two(-e), ea + eb + e


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def plus(a: float, ea: int, b: float, eb: int) -> Any:
    """Add."""
    if ea < eb:
        a, ea, b, eb = b, eb, a, ea
    if ea - eb > 120:
        return a, ea
    c = a + b * power_of_two(eb - ea)
    if c == 0.0:
        return 0.0, NONE
    e = exponent_of(c)
    return c * power_of_two(-e), ea + e


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def below(a: float, ea: int, b: float, eb: int) -> bool:
    """Compare numbers that are not negative: ``a <= b``."""
    if a == 0.0:
        return True
    return b != 0.0 and (ea < eb or (ea == eb and a <= b))
