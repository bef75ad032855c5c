"""Points of ``z**d + c`` named by random words: centres of small copies, and Misiurewicz points.

The ray of an external angle whose digits in base d repeat ends beside a copy of the set whose
period is the length of the word. Where other digits come first, it ends in a Misiurewicz point: its
orbit is caught on a cycle that repels, and the set looks there like itself at every scale. The ray
is followed inwards by Newton's method (Jungreis 1985; Kawahira 2009), then the point is solved for.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import gmpy2
from gmpy2 import mpc, mpfr

_SHARPNESS, _FAR, _NEWTON = 4, 2.0**16, 60


def _word(random: Any, degree: int, length: int) -> int:
    word = 0
    for _ in range(length):
        word = word * degree + int(random.integers(degree))
    return word


def _newton(function: Any, c: Any, most: int, bits: int) -> Any:
    for _ in range(most):
        value, slope = function(c)
        if not slope:
            return None
        move = value / slope
        c = c - move
        if abs(move) <= abs(c) * mpfr(2) ** -bits:
            return c
    return None


def _orbit(c: Any, degree: int, steps: int) -> Any:
    """Give z after so many steps, and its derivative by c."""
    z, slope = mpc(0), mpc(0)
    for _ in range(steps):
        power = z
        for _ in range(degree - 2):
            power = power * z
        slope = degree * power * slope + 1
        z = power * z + c
    return z, slope


def _ray(angle: Fraction, degree: int, depth: int) -> Any:
    """Follow a ray to where its points need so many steps to leave."""
    begin = 2 * gmpy2.const_pi() * mpfr(gmpy2.mpq(angle))
    c = _FAR * gmpy2.exp(mpc(0, begin))
    for steps in range(1, depth + 1):
        gmpy2.get_context().precision = 64 + 3 * steps * degree.bit_length()
        turned = angle * degree ** (steps - 1) % 1
        turn = gmpy2.exp(mpc(0, 2 * gmpy2.const_pi() * mpfr(gmpy2.mpq(turned))))
        for part in range(1, _SHARPNESS + 1):
            target = turn * mpfr(_FAR) ** (mpfr(degree) ** (mpfr(-part) / _SHARPNESS))

            def off(c: Any, steps: int = steps, target: Any = target) -> Any:
                z, slope = _orbit(c, degree, steps)
                return z - target, slope

            c = _newton(off, c, _NEWTON, 30 + 2 * steps)
            if c is None:
                return None
    return c


def copy_of_word(random: Any, degree: int, period: int) -> tuple[str, str, int] | None:
    """Give a point beside a copy of the set, from which Newton's method finds its centre.

    Returns
    -------
    the real part, the imaginary part, the period
    """
    angle = Fraction(_word(random, degree, period), degree**period - 1)
    bits = 6 * period * degree.bit_length() + 100
    with gmpy2.context(gmpy2.get_context(), precision=bits):
        c = _ray(angle, degree, period + 4)
        gmpy2.get_context().precision = bits
        c = c and _newton(lambda c: _orbit(c, degree, period), c, _NEWTON, bits // 2)
        return _texts(c, bits * 3 // 10, period) if c else None


def caught_of_word(random: Any, degree: int, digits: int) -> tuple[str, str] | None:
    """Give a Misiurewicz point to so many digits."""
    before, period = int(random.integers(1, 20)), int(random.integers(1, 12))
    head, word = _word(random, degree, before), _word(random, degree, period)
    angle = (head + Fraction(word, degree**period - 1)) / degree**before
    with gmpy2.context(gmpy2.get_context(), precision=100):
        c = _ray(angle, degree, 3 * (before + period))
    if c is None:
        return None
    bits = int(digits * 3.33) + 200

    def caught(c: Any) -> Any:
        (late, late_slope), (early, early_slope) = (
            _orbit(c, degree, before + 1 + further) for further in (period, 0)
        )
        return late - early, late_slope - early_slope

    with gmpy2.context(gmpy2.get_context(), precision=bits + 200):
        c = _newton(caught, c, _NEWTON, bits)
        return _texts(c, digits + 20, period)[:2] if c else None


def _texts(c: Any, digits: int, period: int) -> tuple[str, str, int]:
    return f"{c.real:.{digits}f}", f"{c.imag:.{digits}f}", period
