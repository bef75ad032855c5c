"""From decimal texts of any length to fixed point and back, and how many bits a view needs."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

from fraktal_kernel.errors import InvalidInput, MissingExtra

MAX_DIGITS = 200_000
_NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?")
# Bits beyond the size of a pixel: places within a pixel, and roundings that pile up.
_GUARD_BITS = 40
_PIXELS_ACROSS_LOG2 = 14
# Fewer steps than this need no fewer bits, so that a short orbit can be continued.
_STEPS_LOG2 = 24


def gmpy2() -> Any:
    """Import gmpy2, or say what to install."""
    try:
        import gmpy2 as module
    except ImportError:
        raise MissingExtra("deep zooms compute with gmpy2: pip install gmpy2.") from None
    return module


def ratio(number: str | float | Fraction) -> tuple[Any, Any]:
    """Give a finite number as an exact ratio of two whole ones.

    Examples
    --------
    >>> ratio("-1.25e-1")
    (mpz(-125), mpz(1000))
    """
    mpz = gmpy2().mpz
    if not isinstance(number, str):
        if isinstance(number, bool) or not math.isfinite(number):
            raise InvalidInput(f"{number!r} is given as a coordinate; expected a finite number.")
        above, below = number.as_integer_ratio()
        return mpz(above), mpz(below)
    text = number.strip()
    if len(text) > MAX_DIGITS:
        raise InvalidInput(
            f"a coordinate of {len(text)} characters is given; at most {MAX_DIGITS} can be used."
        )
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise InvalidInput(f"{text!r:.60} is given as a coordinate; expected a decimal number.")
    sign, whole, fraction, exponent = match[1], match[2] or "", match[3] or "", int(match[4] or 0)
    if abs(exponent) > MAX_DIGITS:
        raise InvalidInput(
            f"{text!r:.60} is given as a coordinate; its exponent must lie within {MAX_DIGITS}."
        )
    value = mpz(f"{sign}{whole}{fraction}".lstrip("+"))
    exponent -= len(fraction)
    return value * mpz(10) ** max(exponent, 0), mpz(10) ** max(-exponent, 0)


def fixed(number: str | float | Fraction, bits: int) -> int:
    """Round a number to a whole multiple of ``2**-bits`` and give that multiple.

    Examples
    --------
    >>> fixed("0.3", 4)
    5
    """
    above, below = ratio(number)
    return int(((above << (bits + 1)) // below + 1) >> 1)


def log2(number: str | float | Fraction) -> float:
    """Give the binary logarithm of a number above 0, however small.

    Examples
    --------
    >>> round(log2("1e-1000"), 6)
    -3321.928095
    """
    above, below = ratio(number)
    if above <= 0:
        raise InvalidInput(f"{number!r:.60} is given as a size; expected a number above 0.")
    return float(_log2_whole(above) - _log2_whole(below))


def _log2_whole(value: Any) -> float:
    shift = max(0, value.bit_length() - 64)
    return math.log2(int(value >> shift)) + int(shift)


def scaled(number: str | float | Fraction) -> tuple[float, int]:
    """Give a number above 0 as ``mantissa * 2**exponent`` with the mantissa in [1, 2)."""
    size = log2(number)
    exponent = math.floor(size)
    return min(2.0 ** (size - exponent), math.nextafter(2.0, 0.0)), exponent


def decimal_of(value: int, bits: int) -> str:
    """Write ``value / 2**bits`` in decimal, with as many digits as tell it from its neighbours.

    Examples
    --------
    >>> decimal_of(-5, 4)
    '-0.31'
    """
    digits = max(1, math.ceil(bits * math.log10(2)))
    mpz = gmpy2().mpz
    number = ((abs(mpz(value)) * mpz(10) ** digits * 2 >> bits) + 1) >> 1
    text = str(number).rjust(digits + 1, "0")
    fraction = text[-digits:].rstrip("0") or "0"
    return f"{'-' if value < 0 else ''}{text[:-digits]}.{fraction}"


def bits_for(width: str | float | Fraction, iterations: int = 1) -> int:
    """Say how many bits behind the point a view of this width needs.

    Rounding each step by ``2**-bits`` moves the orbit as if the point itself had moved by about
    ``iterations * 2**-bits``; that has to stay far below the distance of neighbouring pixels.

    Examples
    --------
    >>> bits_for("1e-100", 10_000)
    411
    """
    steps = max(_STEPS_LOG2, math.log2(max(iterations, 1)))
    return max(64, math.ceil(-log2(width) + _PIXELS_ACROSS_LOG2 + _GUARD_BITS + steps))


def iteration_limit(period: int, width: str | float | Fraction) -> int:
    """Suggest how long to iterate: what a view of this width and this period makes visible.

    What surrounds a nucleus escapes within some multiples of its period; without a period, the
    limit grows with the depth.

    Examples
    --------
    >>> iteration_limit(0, "3"), iteration_limit(57_853, "5e-433") > 57_853
    (1000, True)
    """
    depth = max(0.0, -log2(width))
    if period:
        return max(1000, period * (10 + int(depth / 16)))
    return max(1000, int(1000 * (1 + depth / 2)))
