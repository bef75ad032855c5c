from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.deep.approximation import Approximation, Pixels
from fraktal_kernel.fractals.deep.stepwise import SUMS, Stepwise
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.reference.orbit import reference_orbit
from fraktal_kernel.fractals.view import View

from .direct import Plane

W, H = 40, 30
KINDS = {"iterations": np.int64, "atom": np.int64, "z": complex, "derivative": complex}


def stepwise(name: str, re: str, im: str, width: str, max_iter: int) -> Stepwise:
    """Make the stepwise perturbation of a view, by the orbit of its centre."""
    formula = formula_of(name)
    size, exponent = Geometry(View(re, im, width), W, H).pixel_parts
    orbit = reference_orbit(formula, re, im, radius=width, max_iter=max_iter, until_period=False)
    c = complex(float(re), float(im))
    return Stepwise(orbit, c, Pixels(W, H, size, exponent), max_iter, formula=formula)


@pytest.mark.parametrize(
    ("name", "re", "im"),
    [("mandelbrot", "0", "1"), ("lambda", "4", "0"), ("z**3 + c*z**2 + c", "-1.2", "0.9")],
)
def test_formulas_agree_with_float64_where_both_can(name: str, re: str, im: str) -> None:
    """In a view that float64 resolves, small differences give the same fields."""
    width, max_iter = "1e-4", 300
    names = ("iterations", "smooth", "distance", *SUMS)
    direct = compute(name, re, im, width, max_iter, (W, H), names)
    out = {key: np.zeros((H, W), KINDS.get(key, float)) for key in names}
    stepwise(name, re, im, width, max_iter).fill(out)
    same = out["iterations"] == direct.iterations
    assert same.mean() > 0.99
    for key in names[1:]:
        a, b = out[key][same], direct.fields[key][same]
        close = np.isclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
        assert close.mean() > 0.97, key


def test_depth_is_that_of_full_precision() -> None:
    """The map c z (1 - z) at c = 4, 1e-60 wide, has the counts of full precision."""
    out = {"iterations": np.zeros((H, W), np.int64)}
    stepwise("lambda", "4", "0", "1e-60", 2000).fill(out)

    def step(x, y, a, b):  # type: ignore[no-untyped-def]
        u, v = x - (x * x - y * y), y - 2 * x * y
        return a * u - b * v, a * v + b * u

    plane = Plane(step, "4", "0", str(Decimal("1e-60") / W), (W, H), start=0.5)
    for row, column in ((0, 0), (14, 3), (22, 31), (29, 20)):
        assert out["iterations"][row, column] == plane.escape(row, column, 2000)[0]


def test_segments_and_steps_give_the_same() -> None:
    """What segments skip is what single steps would have done."""
    re, im, width = "0", "1", "1e-80"
    size, exponent = Geometry(View(re, im, width), W, H).pixel_parts
    orbit = reference_orbit("mandelbrot", re, im, radius=width, max_iter=900)
    fast = Approximation(orbit, Pixels(W, H, size, exponent), 900)
    names = ("iterations", "smooth", "distance")
    first = {key: np.zeros((H, W), KINDS.get(key, float)) for key in names}
    second = {key: np.zeros((H, W), KINDS.get(key, float)) for key in names}
    fast.fill(first)
    stepwise("mandelbrot", re, im, width, 900).fill(second)
    np.testing.assert_array_equal(first["iterations"], second["iterations"])
    np.testing.assert_allclose(first["distance"], second["distance"], rtol=1e-3)


def test_what_cannot_be_is_refused() -> None:
    """A formula that is no polynomial is told before any work."""
    orbit = reference_orbit("mandelbrot", "-2", "0", bits=64, max_iter=10)
    with pytest.raises(InvalidInput, match="magnet1 is no polynomial"):
        Stepwise(orbit, -2 + 0j, Pixels(W, H, 0.5, -200), 100, formula=formula_of("magnet1"))
