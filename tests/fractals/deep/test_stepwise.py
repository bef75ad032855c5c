from __future__ import annotations

from decimal import Decimal
from typing import Any

import gmpy2
import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.compute import Computed
from fraktal_kernel.fractals.deep.approximation import Approximation, Pixels
from fraktal_kernel.fractals.deep.stepwise import SUMS, Stepwise
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.formulas.exact import exact_start, exact_step
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.reference.orbit import reference_orbit
from fraktal_kernel.fractals.view import View

from .direct import Plane, nucleus_near_minus_two

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


@pytest.mark.parametrize("field", ["interior_distance", "period"])
@pytest.mark.parametrize(("name", "julia"), [("lambda", None), ("burning_ship", ("-0.5", "0.1"))])
def test_cycles_that_are_not_looked_for_are_refused(
    name: str, julia: tuple[str, str] | None, field: str
) -> None:
    """What is inside of other formulas and of their Julia sets is not known in deep views."""
    with pytest.raises(InvalidInput, match=f"cycles, for {field}, are found of powers of z plus c"):
        compute(name, "0.1", "0.2", "1e-30", 100, (W, H), ("iterations", field), julia=julia)


def check(name: str, re: str, im: str, width: str, max_iter: int, **given: Any) -> Computed:
    """Hold some counts of a view against full precision."""
    done = compute(name, re, im, width, max_iter, (W, H), **given)
    formula = formula_of(name)
    bits = int(-Decimal(width).adjusted() * 3.4) + 160
    with gmpy2.context(gmpy2.get_context(), precision=bits):
        step, start = exact_step(formula), exact_start(formula)
        pixel, radius2 = gmpy2.mpfr(width) / W, gmpy2.mpfr(formula.escape_radius) ** 2
        for row, column in ((0, 0), (14, 3), (15, 20), (22, 31), (29, 20)):
            x = gmpy2.mpfr(re) + pixel * (column - (W - 1) / 2)
            y = gmpy2.mpfr(im) + pixel * ((H - 1) / 2 - row)
            julia = given.get("julia")
            c = [gmpy2.mpfr(part) for part in julia] if julia else [x, y]
            centre = [gmpy2.mpfr(gmpy2.mpq(p)) for p in (formula.centre.re, formula.centre.im)]
            begin = list(start(*c))
            at = begin if formula.drifts else centre
            z = [gmpy2.mpfr(0)] * 2 if formula.drifts else begin
            if julia:
                z = [x - at[0], y - at[1]]
            before, n = [gmpy2.mpfr(0)] * 2, 0
            while n < max_iter and (z[0] + at[0]) ** 2 + (z[1] + at[1]) ** 2 <= radius2:
                more = before if formula.remembers else at if formula.drifts else []
                before, z, n = z, step(*z, *c, *more), n + 1
            assert done.iterations[row, column] == n, (row, column)
    return done


def test_sums_go_as_deep() -> None:
    """The map c z (1 - z) at c = 4, 1e-400 wide, has its counts and averages step by step."""
    done = check("lambda", "4", "0", "1e-400", 2000, fields=("iterations", "stripe"))
    assert "each step, extended exponents" in done.method
    assert len(np.unique(done.iterations)) > 3
    assert np.isfinite(done.stripe[done.iterations < 2000]).all()


def test_a_copy_where_both_critical_points_meet() -> None:
    """In z**3 + c*z the orbit of one critical point runs into the other; no digit is lost there."""
    period = 20
    with gmpy2.context(gmpy2.get_context(), precision=500):

        def beside(d: gmpy2.mpfr) -> gmpy2.mpfr:
            c = d - 3
            z = start = gmpy2.sqrt(-c / 3)
            for _ in range(period):
                z = z**3 + c * z
            return z + start

        d = gmpy2.mpfr("0.9") * gmpy2.mpfr(9) ** (1 - period)
        for _ in range(40):
            h = d * gmpy2.mpfr(10) ** -50
            d -= beside(d) * h / (beside(d + h) - beside(d))
        assert 0 < d < 1e-15 and abs(beside(d)) < 1e-40
        re = f"{d - 3:.120f}"
    done = check("z**3 + c*z", re, "0", "1e-34", 1000)
    assert "linear approximation" in done.method
    assert len(np.unique(done.iterations)) > 5


def test_twice_a_step_is_every_second_count() -> None:
    """Two steps of z*z + c taken as one leave at half the count, also in a copy of odd period."""
    re, width = nucleus_near_minus_two(61)
    fields = ("iterations", "distance")
    once = compute("mandelbrot", re, "0", width, 2400, (W, H), fields)
    twice = compute("(z**2 + c)**2 + c", re, "0", width, 1200, (W, H), fields)
    assert "period 61" in twice.method and "linear approximation" in twice.method
    assert "extended exponents" in twice.method
    np.testing.assert_array_equal((once.iterations + 1) // 2, twice.iterations)
    np.testing.assert_allclose(once.distance, twice.distance, rtol=0.02)


@pytest.mark.parametrize("fields", [("iterations",), ("iterations", "trap_cross")])
@pytest.mark.parametrize(("period", "up"), [(252, 0.25), (700, -0.4), (700, 2**21)])
def test_folds_at_the_needle_are_where_they_are(
    period: int, up: float, fields: tuple[str, ...]
) -> None:
    """Where the ship's needle crosses a deep view, both sides of its fold have their counts."""
    re, width = nucleus_near_minus_two(period)
    im = str(Decimal(width) * Decimal(up) / (W if up > 1 else 1))
    done = check("burning_ship", re, im, width, 9000, fields=fields)
    assert len(np.unique(done.iterations)) > 3 or up > 1
    assert "extended exponents" in done.method


def test_folds_that_no_number_tells_are_refused() -> None:
    """A view far from an axis that folds, but not far enough for float64, is refused at once."""
    for name in ("burning_ship", "abs(re(z**3)) + i*im(z**3) + c"):
        with pytest.raises(InvalidInput, match="beside an axis, which"):
            compute(name, "-1.5", "1e-500", "1e-600", 9000, (W, H))
    compute("celtic", "-2.1", "1e-500", "1e-600", 30, (W, H))  # which folds no axis


@pytest.mark.parametrize(
    ("name", "re", "im", "width", "julia"),
    [
        ("phoenix", "-0.4594055", "0.68", "1e-60", None),
        ("lambda", "0.75", "0", "1e-40", ("4", "0.001")),
        ("z**3 + c*z", "0.3", "0.2", "1e-30", ("-2.7", "0.4")),
    ],
)
def test_whatever_is_a_polynomial_goes_deep(
    name: str, re: str, im: str, width: str, julia: tuple[str, str] | None
) -> None:
    """What remembers, and Julia sets of any formula, have the counts of full precision."""
    check(name, re, im, width, 700, julia=julia)
