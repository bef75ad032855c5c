"""From pixels to points: where each pixel of a picture lies in the plane, at any depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.view import View

_MOST_STRETCH = 1e6
# Orbits of points beside 0 are soon so far from it, however near they begin.
_ORDINARY = 0.25


@dataclass(frozen=True, slots=True)
class Geometry:
    """The pixels of a picture over a view.

    The point of pixel [row, column] is ``centre + pixel * (matrix @ (u, v))`` with ``u = column -
    (width - 1) / 2`` and ``v = (height - 1) / 2 - row``: pixels are known by their centres.

    Parameters
    ----------
    view : centre and width, decimal
    width, height : size in pixels
    matrix : rotation and skew, rows of a 2 x 2 matrix of determinant 1, or -1 where it mirrors

    Examples
    --------
    >>> Geometry(View("-0.5", "0", "4"), 4, 3).points()[1].real.tolist()
    [-2.0, -1.0, 0.0, 1.0]
    """

    view: View
    width: int
    height: int
    matrix: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)

    @property
    def pixel(self) -> float:
        """Size of a pixel in the plane; 0.0 where float64 has no number so small."""
        return float(Decimal(self.view.width) / self.width)

    @property
    def pixel_parts(self) -> tuple[float, int]:
        """Size of a pixel as a mantissa from 0.5 to 1 and an exponent of two, at any depth."""
        size = Decimal(self.view.width) / self.width
        exponent = math.floor(size.adjusted() * math.log2(10))
        # 2**exponent as a Decimal of some 30 digits: enough for a float64 mantissa.
        mantissa, more = math.frexp(float(size / _power_of_two(exponent)))
        return mantissa, exponent + more

    @property
    def furthest(self) -> float:
        """How far from 0 the points lie, at most."""
        centre = max(abs(float(self.view.re)), abs(float(self.view.im)))
        return centre + float(self.view.width)

    @property
    def steps_a_pixel(self) -> float:
        """How many numbers of float64 lie between neighbouring pixels."""
        return self.pixel / math.ulp(self.furthest)

    @property
    def steps_a_value(self) -> float:
        """How many lie between them as soon as something of ordinary size is added to both."""
        return self.pixel / math.ulp(max(self.furthest, _ORDINARY))

    def points(self) -> NDArray[np.complex128]:
        """Give the points of all pixels in float64: complex128 [h, w]."""
        from fraktal_kernel.fractals.lattice import placed

        origin, (columns, rows) = placed(self.view, self.width, self.matrix)
        u = np.arange(self.width) - (self.width - 1) / 2 + columns
        v = ((self.height - 1) / 2 - np.arange(self.height))[:, None] + rows
        a, b, c, d = self.matrix
        x = origin.real + self.pixel * (a * u + b * v)
        y = origin.imag + self.pixel * (c * u + d * v)
        return np.asarray(x + 1j * y)


def _power_of_two(exponent: int) -> Decimal:
    from decimal import Context

    return Context(prec=40).power(Decimal(2), Decimal(exponent))


def matrix_of(rotation_deg: object = 0, skew: object = None) -> tuple[float, float, float, float]:
    """Make the matrix of a turned and stretched view.

    Parameters
    ----------
    rotation_deg : turns the window on the plane counter-clockwise, in degrees
    skew : rows of a 2 x 2 matrix that stretches the plane before; its determinant is scaled to 1,
        or to -1 where it mirrors
    """
    if isinstance(rotation_deg, bool) or not isinstance(rotation_deg, Real):
        raise InvalidInput(f"rotation_deg is {rotation_deg!r:.60}; expected a number of degrees.")
    if not math.isfinite(rotation_deg):
        raise InvalidInput(f"rotation_deg is {rotation_deg}; expected a finite number of degrees.")
    turn = math.radians(math.fmod(rotation_deg, 360))
    cos, sin = math.cos(turn), math.sin(turn)
    if skew is None:
        return (cos, -sin, sin, cos) if turn else (1.0, 0.0, 0.0, 1.0)
    try:
        a, b, c, d = (float(value) for row in _rows(skew) for value in row)
    except (TypeError, ValueError):
        raise InvalidInput(
            f"skew is {skew!r:.60}; expected the rows of a 2 x 2 matrix, such as "
            "((1, 0.5), (0, 1))."
        ) from None
    determinant = a * d - b * c
    largest = max(abs(a), abs(b), abs(c), abs(d))
    # Written so that NaN, infinity and zeros fail.
    if not 0 < largest * largest <= abs(determinant) * _MOST_STRETCH < math.inf:
        raise InvalidInput(
            f"skew is {skew!r:.60}; it flattens the plane, expected a matrix whose determinant "
            "is not near 0."
        )
    scale = 1 / math.sqrt(abs(determinant))
    a, b, c, d = a * scale, b * scale, c * scale, d * scale
    return (cos * a - sin * c, cos * b - sin * d, sin * a + cos * c, sin * b + cos * d)


def inverse_of(
    matrix: tuple[float, float, float, float],
) -> tuple[float, float, float, float]:
    """Invert a matrix that `matrix_of` made.

    Examples
    --------
    >>> inverse_of(matrix_of(0, ((1, 3), (0, -1))))
    (1.0, 3.0, 0.0, -1.0)
    """
    a, b, c, d = matrix
    sign = 1.0 if a * d > b * c else -1.0
    return sign * d, -sign * b, -sign * c + 0.0, sign * a


def _rows(skew: object) -> Sequence[Sequence[float]]:
    if isinstance(skew, (list, tuple, np.ndarray)) and np.shape(skew) == (2, 2):
        return [[float(value) for value in row] for row in skew]
    raise ValueError
