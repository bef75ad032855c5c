"""Distances inside of Julia sets: closed forms, and the edge itself."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.basins import basin_of, has_basins
from fraktal_kernel.fractals.formulas import formula_of

FAR = "interior_distance"
# Julia sets: formula, its parameters, c, period of the cycle.
SETS: list[tuple[str, dict[str, Any], tuple[str, str], int]] = [
    ("mandelbrot", {}, ("0.1", "0.1"), 1),
    ("mandelbrot", {}, ("-1", "0"), 2),
    ("mandelbrot", {}, ("-0.8", "0.1"), 2),
    ("mandelbrot", {}, ("-0.12", "0.74"), 3),
    ("mandelbrot", {}, ("0.27", "0.47"), 1),
    ("multibrot", {"power": 3}, ("0.4", "0.1"), 1),
    ("lambda", {}, ("0.4", "0.6"), 1),
]


def far_of(
    width: str, julia: tuple[str, str], size: tuple[int, int], re: str = "0", im: str = "0",
    name: str = "mandelbrot", **more: Any
) -> NDArray[np.float64]:  # fmt: skip
    """Compute the distances of a view, in pixels."""
    return compute(name, re, im, width, 5000, size, (FAR,), julia=julia, **more).interior_distance


@pytest.mark.parametrize("power", [2, 3, 5])
def test_inside_of_the_unit_circle_the_distance_has_a_closed_form(power: int) -> None:
    """The Julia set of a power is the unit circle."""
    far = far_of("2.5", ("0", "0"), (50, 50), name="multibrot", parameters={"power": power})
    at = (np.arange(50) - 24.5) * 0.05
    radius = np.hypot(*np.meshgrid(at, at))
    inside = radius < 1
    assert np.isnan(far[~inside]).all()
    np.testing.assert_allclose(far[inside] * 0.05, (1 - radius[inside] ** 2) / 2, rtol=1e-9)


@pytest.mark.parametrize(("name", "parameters", "julia", "period"), SETS)
def test_the_edge_is_half_to_twice_as_far(
    name: str, parameters: dict[str, Any], julia: tuple[str, str], period: int
) -> None:
    """Koebe's bounds hold against the points of a fine picture that lie at the edge."""
    given = name, parameters, julia
    re, width = ("0.5", 3.0) if name == "lambda" else ("0", 3.2)
    names = "iterations", FAR, "period"
    view = {"julia": julia, "parameters": parameters}
    few = compute(name, re, "0", str(width), 5000, (40, 30), names, **view)
    many = compute(name, re, "0", str(width), 1000, (1200, 900), ("distance",), **view)
    rows, columns = np.nonzero(many.distance < 1)
    edge = (columns + 0.5) / 30 + 1j * (rows + 0.5) / 30
    compared = 0
    for row, column in np.argwhere(few.iterations == 5000).tolist():
        truth = np.abs(edge - complex(column + 0.5, row + 0.5)).min()
        assert few.period[row, column] == period, given
        if truth > 0.3:  # as far as the fine picture knows it well
            assert 0.47 * truth < few.interior_distance[row, column] < 2.1 * truth, (
                given,
                row,
                column,
            )
            compared += 1
    assert compared > 60


def test_no_cycle_no_distance() -> None:
    """What has no attracting cycle, or several critical points, has distances nowhere."""
    assert basin_of(formula_of("mandelbrot"), 0.4 + 0.4j) is None
    assert basin_of(formula_of("mandelbrot"), 0.25 + 0j) is None
    assert not has_basins(formula_of("z**3 + c*z"))
    assert not has_basins(formula_of("burning_ship"))
    assert not has_basins(formula_of("magnet1"))
    assert np.isnan(far_of("2", ("0.3", "0"), (12, 9), name="z**3 + c*z")).all()


@pytest.mark.parametrize("width", ["1e-20", "1e-200", "1e-900"])
def test_deep_at_the_unit_circle_the_edge_is_a_line(width: str) -> None:
    """Where the circle is straight, half of the conformal radius is the distance itself."""
    far = far_of(width, ("0", "0"), (40, 30), "0.6", "0.8")
    x, y = np.meshgrid(np.arange(40) - 19.5, 14.5 - np.arange(30))
    expected = -(0.6 * x + 0.8 * y)
    inside = expected > 0
    assert np.isnan(far[~inside]).all()
    np.testing.assert_allclose(far[inside], expected[inside], rtol=1e-6)


def test_deep_views_are_those_of_float64_around_a_fixed_point() -> None:
    """A repelling fixed point of z*z - 1 looks the same again at each power of its multiplier."""
    steps = 320  # an even number: the multiplier is negative
    with localcontext() as context:
        context.prec = 60
        fixed = (1 - Decimal(5).sqrt()) / 2
        deep = f"{Decimal('1e-5') / abs(2 * fixed) ** steps:.20e}"
    assert float(deep) < 1e-30
    one, other = (far_of(w, ("-1", "0"), (40, 30), str(fixed)) for w in ("1e-5", deep))
    known = np.isfinite(one)
    assert 100 < known.sum() < 1100
    assert np.array_equal(known, np.isfinite(other))
    np.testing.assert_allclose(other[known], one[known], rtol=1e-3, atol=1e-3)


def test_the_map_onto_the_disc_follows_the_dynamics() -> None:
    """Half a turn is no change; the cycle and its place in the disc have closed forms."""
    julia = ("-0.3", "0.4")
    far = far_of("2", julia, (31, 31))
    np.testing.assert_allclose(far, far[::-1, ::-1], rtol=1e-5)
    basin = basin_of(formula_of("mandelbrot"), complex(-0.3, 0.4))
    assert basin is not None and basin.period == 1
    root = (1 - np.sqrt(1 - 4 * complex(-0.3, 0.4))) / 2
    assert basin.rest == pytest.approx(root, abs=1e-12)
    assert basin.multiplier == pytest.approx(2 * root, abs=1e-12)
    assert 2 * basin.fixed / (1 + basin.fixed**2) == pytest.approx(abs(2 * root), rel=1e-12)
    assert math.isfinite(abs(basin.scale))
