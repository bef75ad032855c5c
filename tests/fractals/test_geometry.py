"""Where pixels lie: centres, turns, skews, and sizes that float64 cannot hold."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.view import View


def test_pixels_are_known_by_their_centres() -> None:
    """A picture lies evenly over its view, its first row on top."""
    points = Geometry(View("1", "2", "8"), 4, 3).points()
    assert points.shape == (3, 4)
    assert points[0, 0] == complex(-2, 4)
    assert points[2, 3] == complex(4, 0)
    assert points.mean() == complex(1, 2)


@pytest.mark.parametrize("angle", [0, 30, -75.5, 180, 400])
def test_a_turned_window_is_turned_about_its_centre(angle: float) -> None:
    """Each point is the straight one, turned counter-clockwise."""
    view = View("-0.7", "0.3", "0.1")
    straight = Geometry(view, 5, 4).points()
    turned = Geometry(view, 5, 4, matrix_of(angle)).points()
    centre = complex(-0.7, 0.3)
    expected = centre + (straight - centre) * np.exp(1j * math.radians(angle))
    np.testing.assert_allclose(turned, expected, atol=1e-15)


def test_a_skew_keeps_the_area() -> None:
    """The matrix is scaled to determinant 1, and is applied before the turn."""
    a, b, c, d = matrix_of(20, ((2, 1), (0, 3)))
    assert a * d - b * c == pytest.approx(1)
    turn = np.array([[math.cos(math.radians(20)), -math.sin(math.radians(20))], [0, 0]])
    turn[1] = -turn[0, 1], turn[0, 0]
    np.testing.assert_allclose([[a, b], [c, d]], turn @ [[2, 1], [0, 3]] / math.sqrt(6))
    a, b, c, d = matrix_of(0, ((1, 0), (0, -1)))  # a mirror stays a mirror
    assert a * d - b * c == pytest.approx(-1)


@pytest.mark.parametrize("width", ["3.5", "1e-15", "4.7e-309", "2e-2608", "7e-19999", "1e-49999"])
def test_the_size_of_a_pixel_has_parts_at_any_depth(width: str) -> None:
    """Mantissa and exponent are the size, where float64 has long become 0."""
    mantissa, exponent = Geometry(View("0", "0", width), 800, 600).pixel_parts
    assert 0.5 <= mantissa < 1
    from decimal import Context

    context = Context(prec=60, Emin=-(10**6), Emax=10**6)
    size = context.multiply(Decimal(mantissa), context.power(Decimal(2), Decimal(exponent)))
    ratio = context.divide(size, context.divide(Decimal(width), Decimal(800)))
    assert abs(ratio - 1) < Decimal("1e-15")


def test_float64_tells_pixels_apart_down_to_some_depth() -> None:
    """How well follows from the numbers that it has there."""
    assert Geometry(View("-0.75", "0.1", "1e-9"), 800, 600).steps_a_pixel > 1000
    assert Geometry(View("-0.75", "0.1", "1e-14"), 800, 600).steps_a_pixel < 1
    assert Geometry(View("0", "0", "1e-300"), 800, 600).steps_a_pixel > 1e12


@pytest.mark.parametrize(
    ("rotation", "skew"),
    [
        ("x", None),
        (float("nan"), None),
        (True, None),
        (0, ((1, 2), (2, 4))),
        (0, ((0, 0), (0, 0))),
        (0, ((1, float("nan")), (0, 1))),
        (0, (1, 2)),
        (0, "abcd"),
        (0, ((1, "x"), (0, 1))),
    ],
)
def test_what_is_no_turn_and_no_skew_is_refused(rotation: object, skew: object) -> None:
    """One sentence each."""
    with pytest.raises(InvalidInput):
        matrix_of(rotation, skew)
