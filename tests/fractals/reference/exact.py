"""The same orbits from gmpy2's floating point, step by step in Python: slow, and independent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gmpy2


def stepped(name: str, x: Any, y: Any, a: Any, b: Any, power: int = 2) -> tuple[Any, Any]:
    """Make one step of a formula on mpfr numbers."""
    if name == "multibrot":
        z = gmpy2.mpc(x, y) ** power + gmpy2.mpc(a, b)
        return z.real, z.imag
    if name in ("burning_ship", "perpendicular_burning_ship", "buffalo", "shark_fin"):
        b = -b  # these have the axis the other way round
    re, im = x * x - y * y, 2 * x * y
    if name == "burning_ship":
        im = abs(im)
    elif name == "perpendicular_burning_ship":
        im = 2 * x * abs(y)
    elif name == "celtic":
        re = abs(re)
    elif name == "buffalo":
        re, im = abs(re), abs(im)
    elif name == "tricorn":
        im = -im
    elif name == "shark_fin":
        re = x * x - y * abs(y)
    return re + a, im + b


def orbit(name: str, re: str, im: str, bits: int, power: int = 2) -> Iterator[tuple[Any, Any]]:
    """Give z_1, z_2, ... as pairs of mpfr numbers."""
    with gmpy2.context(gmpy2.get_context(), precision=bits):
        x = y = gmpy2.mpfr(0)
        a, b = gmpy2.mpfr(re), gmpy2.mpfr(im)
    while True:
        with gmpy2.context(gmpy2.get_context(), precision=bits):
            x, y = stepped(name, x, y, a, b, power)
        yield x, y
