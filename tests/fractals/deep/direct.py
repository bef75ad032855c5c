"""What deep zooms are held against: each point by itself, in arbitrary precision."""

from __future__ import annotations

import math
from collections.abc import Callable

import gmpy2
from gmpy2 import mpc, mpfr

Step = Callable[[mpfr, mpfr, mpfr, mpfr], tuple[mpfr, mpfr]]


def _square(x: mpfr, y: mpfr) -> tuple[mpfr, mpfr]:
    return x * x - y * y, 2 * x * y


def _cube(x: mpfr, y: mpfr, a: mpfr, b: mpfr) -> tuple[mpfr, mpfr]:
    return x * x * x - 3 * x * y * y + a, 3 * x * x * y - y * y * y + b


def _fifth(x: mpfr, y: mpfr, a: mpfr, b: mpfr) -> tuple[mpfr, mpfr]:
    u, v = _square(*_square(x, y))
    return u * x - v * y + a, u * y + v * x + b


# Written out here anew, so that they say what is meant; burning ships and their like grow
# downwards, which is what minus b stands for.
STEPS: dict[str, Step] = {
    "z**2 + c": lambda x, y, a, b: (x * x - y * y + a, 2 * x * y + b),
    "z**3 + c": _cube,
    "z**5 + c": _fifth,
    "burning_ship": lambda x, y, a, b: (x * x - y * y + a, 2 * abs(x * y) - b),
}
FOLDS: dict[str, Step] = {
    "burning_ship": STEPS["burning_ship"],
    "perpendicular_burning_ship": lambda x, y, a, b: (x * x - y * y + a, 2 * x * abs(y) - b),
    "celtic": lambda x, y, a, b: (abs(x * x - y * y) + a, 2 * x * y + b),
    "buffalo": lambda x, y, a, b: (abs(x * x - y * y) + a, 2 * abs(x * y) - b),
    "tricorn": lambda x, y, a, b: (x * x - y * y + a, b - 2 * x * y),
    "shark_fin": lambda x, y, a, b: (x * x - y * abs(y) + a, 2 * x * y - b),
}


class Plane:
    """A view of one formula whose points are iterated in full precision.

    Parameters
    ----------
    step : one step
    re, im, pixel : centre and size of a pixel, texts or numbers
    size : width and height in pixels
    start : z_0
    """

    def __init__(
        self, step: Step, re: str, im: str, pixel: str, size: tuple[int, int], start: float = 0.0
    ) -> None:
        self.step, self.size, self.start = step, size, start
        self.bits = int(-math.log2(10) * int(f"{gmpy2.mpfr(pixel):.3e}".split("e")[1])) + 120
        with gmpy2.context(gmpy2.get_context(), precision=self.bits):
            self.re, self.im, self.pixel = mpfr(re), mpfr(im), mpfr(pixel)

    def point(self, row: float, column: float) -> tuple[mpfr, mpfr]:
        """Give the coordinates of a pixel."""
        width, height = self.size
        u, v = column - (width - 1) / 2, (height - 1) / 2 - row
        return self.re + self.pixel * u, self.im + self.pixel * v

    def escape(
        self, row: float, column: float, max_iter: int, radius: float = 1e3
    ) -> tuple[int, complex]:
        """Give the first n with ``|z_n| > radius`` and that z, or max_iter and NaN."""
        with gmpy2.context(gmpy2.get_context(), precision=self.bits):
            a, b = self.point(row, column)
            x, y = mpfr(self.start), mpfr(0)
            for n in range(1, max_iter + 1):
                x, y = self.step(x, y, a, b)
                if x * x + y * y > radius * radius:
                    return n, complex(x, y)
        return max_iter, complex(math.nan, math.nan)

    def julia(
        self, row: float, column: float, seed: tuple[str, str], max_iter: int
    ) -> tuple[int, complex]:
        """Give the same as `escape` for the point as z_0 and a fixed c."""
        with gmpy2.context(gmpy2.get_context(), precision=self.bits):
            x, y = self.point(row, column)
            a, b = mpfr(seed[0]), mpfr(seed[1])
            for n in range(1, max_iter + 1):
                x, y = self.step(x, y, a, b)
                if x * x + y * y > 1e6:
                    return n, complex(x, y)
        return max_iter, complex(math.nan, math.nan)

    def moved(self, row: float, column: float, steps: int) -> complex:
        """Give z after so many steps."""
        with gmpy2.context(gmpy2.get_context(), precision=self.bits):
            a, b = self.point(row, column)
            x, y = mpfr(self.start), mpfr(0)
            for _ in range(steps):
                x, y = self.step(x, y, a, b)
            return complex(x, y)


def tip(degree: int, digits: int) -> tuple[str, str]:
    """Give a c of ``z**d + c`` whose orbit is caught on a fixed point: it lies on the boundary.

    If ``z_2 = w z_1`` with ``w**d = 1``, then ``z_3 = z_2``; this holds for ``c**(d-1) = w - 1``.
    """
    with gmpy2.context(gmpy2.get_context(), precision=int(digits * 3.33) + 60):
        turn = gmpy2.exp(mpc(0, 2 * gmpy2.const_pi() / degree))
        c = gmpy2.exp(gmpy2.log(turn - 1) / (degree - 1))
        return f"{c.real:.{digits + 8}f}", f"{c.imag:.{digits + 8}f}"


def nucleus_near_minus_two(period: int) -> tuple[str, str]:
    """Give the leftmost centre of a small copy of the Mandelbrot set, and its width.

    Near -2, ``z_k`` follows ``2 cos(2**(k-2) t)``, which tells where the period-th one is 0.
    """
    digits = int(period * 1.3) + 30
    with gmpy2.context(gmpy2.get_context(), precision=int(digits * 3.33)):
        c = -2 + 3 * gmpy2.const_pi() ** 2 / 8 * mpfr(4) ** (1 - period)
        for _ in range(12):
            z, d = mpfr(0), mpfr(0)
            for _ in range(period):
                z, d = z * z + c, 2 * z * d + 1
            c -= z / d
        return f"{c:.{digits}f}", f"{150 * mpfr(16) ** -period:.3e}"


def fixed_point(step: Step, re: str, im: str, digits: int) -> tuple[str, str]:
    """Find a repelling fixed point of a map with a given c, by Newton's method."""
    with gmpy2.context(gmpy2.get_context(), precision=int(digits * 3.33) + 60):
        a, b = mpfr(re), mpfr(im)
        x, y = mpfr("1.2"), mpfr("0.9")
        h = mpfr(10) ** (-digits // 2)
        for _ in range(60):
            u, v = step(x, y, a, b)
            ux, vx = step(x + h, y, a, b)
            uy, vy = step(x, y + h, a, b)
            p, q, r, s = (ux - u) / h - 1, (uy - u) / h, (vx - v) / h, (vy - v) / h - 1
            area = p * s - q * r
            x, y = x - (s * (u - x) - q * (v - y)) / area, y - (p * (v - y) - r * (u - x)) / area
        return f"{x:.{digits}f}", f"{y:.{digits}f}"
