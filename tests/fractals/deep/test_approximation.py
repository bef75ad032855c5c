from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fraktal_kernel.errors import FraktalError
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.deep.approximation import Approximation, Pixels
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.reference.orbit import reference_orbit
from fraktal_kernel.fractals.view import View

from .direct import FOLDS, STEPS, Plane, fixed_point, nucleus_near_minus_two, tip

W, H = 60, 40
DTYPES = {"iterations": np.int64, "z": complex, "derivative": complex, "normal": complex}


def prepared(
    formula: str, re: str, im: str, width: str, max_iter: int, at: tuple[float, float] = (0, 0)
) -> Approximation:
    """Make the approximation of a view around the orbit of a point, given in pixels."""
    geometry = Geometry(View(re, im, width), W, H)
    size, exponent = geometry.pixel_parts
    with localcontext() as context:
        context.prec = 800
        pixel = Decimal(width) / W
        centre = (
            str(Decimal(re) + pixel * Decimal(at[0])),
            str(Decimal(im) + pixel * Decimal(at[1])),
        )
        radius = str(pixel * 45)
    orbit = reference_orbit(formula, *centre, radius=radius, max_iter=max_iter)
    return Approximation(orbit, Pixels(W, H, size, exponent, offset=at), max_iter, formula=formula)


def filled(approximation: Approximation, *names: str) -> dict[str, NDArray[Any]]:
    """Compute fields of all rows."""
    out = {name: np.zeros((H, W), DTYPES.get(name, float)) for name in names}
    approximation.fill(out, crew=Crew(2))
    return out


def check(
    approximation: Approximation,
    plane: Plane,
    count: int = 25,
    max_iter: int = 3000,
    radius: float = 1e3,
) -> dict[str, NDArray[Any]]:
    """Hold counts and last values of some pixels against the truth."""
    out = filled(approximation, "iterations", "z", "smooth", "derivative")
    picks = np.random.default_rng(7).integers((0, 0), (H, W), (count, 2))
    for row, column in picks.tolist():
        n, z = plane.escape(row, column, max_iter, radius)
        assert out["iterations"][row, column] == n, (row, column)
        if n == max_iter:
            assert np.isnan(out["z"][row, column])
            continue
        # As if the point lay a hundred-thousandth of a pixel beside.
        slope = abs(out["derivative"][row, column])
        assert out["z"][row, column] == pytest.approx(z, rel=1e-6, abs=1e-5 * slope)
    return out


# A burning ship inside a burning ship, 7e-101 wide, from the examples of Fractalshades.
SHIP = (
    "0.5335515935770385617697211614917025559627756801365954153063151895249708189688179000683552"
    "27861158570104764433694",
    "1.2617507457887031154772122387195536899025551305415518635103436345985290093356689184976405"
    "0954410207620093433856",
)


def place(formula: str, digits: int) -> tuple[str, str]:
    """Give a point with detail at any depth; the ship's is known to 1e-101."""
    if formula == "burning_ship":
        return SHIP
    degree = int(formula[3])
    return ("0", "1") if degree == 2 else tip(degree, digits)


@pytest.mark.parametrize("formula", STEPS)
def test_counts_at_the_boundary_are_those_of_full_precision(formula: str) -> None:
    """At a point of the boundary, every count is what full precision says."""
    width = "7e-101"
    re, im = place(formula, 104)
    approximation = prepared(formula, re, im, width, 5000)
    assert "linear approximation" in approximation.method
    plane = Plane(STEPS[formula], re, im, str(Decimal(width) / W), (W, H))
    out = check(approximation, plane, max_iter=5000)
    assert len(np.unique(out["iterations"])) > 5


@pytest.mark.parametrize("width", ["1e-12", "1e-250", "1e-400", "1e-700"])
def test_depth_changes_nothing_of_the_truth(width: str) -> None:
    """Around the tip at -2 all depths agree with full precision, extended exponents or not."""
    approximation = prepared("z**2 + c", "-2", "0", width, 3000)
    assert ("extended" in approximation.method) == (float(width) == 0 or float(width) < 1e-270)
    check(approximation, Plane(STEPS["z**2 + c"], "-2", "0", str(Decimal(width) / W), (W, H)), 10)


@pytest.mark.parametrize("width", ["1e-25", "1e-330"])
@pytest.mark.parametrize("formula", FOLDS)
def test_every_fold_is_walked_exactly(formula: str, width: str) -> None:
    """Around -2, where orbits run along folds, each kind of fold agrees with full precision."""
    approximation = prepared(formula, "-2", "0", width, 3000)
    plane = Plane(FOLDS[formula], "-2", "0", str(Decimal(width) / W), (W, H))
    check(approximation, plane, 15, radius=approximation.radius)


@pytest.mark.parametrize("width", ["1e-30", "1e-400"])
def test_reference_may_be_anywhere(width: str) -> None:
    """The reference need not be the centre, nor inside the set, nor of any period."""
    here = prepared("z**2 + c", "0", "1", width, 3000)
    there = prepared("z**2 + c", "0", "1", width, 3000, at=(17.25, -9.5))
    first, second = (filled(a, "iterations", "smooth") for a in (here, there))
    assert (first["iterations"] == second["iterations"]).mean() > 0.999
    assert np.nanmedian(np.abs(first["smooth"] - second["smooth"])) < 1e-6


@pytest.mark.parametrize("period", [40, 340])
def test_small_copy_of_the_set_is_iterated_as_one(period: int) -> None:
    """Where the view is a small copy, a period is one step; the counts are still the truth."""
    re, width = nucleus_near_minus_two(period)
    approximation = prepared("z**2 + c", re, "0", width, 40 * period)
    assert f"w*w + c for each period of {period}" in approximation.method
    plane = Plane(STEPS["z**2 + c"], re, "0", str(Decimal(width) / W), (W, H))
    out = check(approximation, plane, 12, 40 * period)
    inside = out["iterations"] == 40 * period
    assert inside.any() and not inside.all()
    mirrored = out["iterations"][::-1] == out["iterations"]
    assert mirrored.mean() > 0.99


def test_points_inside_are_caught_and_not_walked_to_the_end() -> None:
    """An orbit that comes back is inside, however many steps it might be given."""
    re, width = nucleus_near_minus_two(40)
    few, many = (prepared("z**2 + c", re, "0", width, n) for n in (4000, 400_000_000))
    few.minibrot = many.minibrot = None
    first, second = filled(few, "iterations"), filled(many, "iterations")
    inside = second["iterations"] == 400_000_000
    assert inside.any()
    still = first["iterations"] == 4000
    assert not (inside & ~still).any() and inside.sum() > 0.9 * still.sum()
    assert many.fill({"smooth": np.zeros((H, W))}) < 5000 * W * H


@pytest.mark.parametrize(
    ("formula", "width"),
    [
        ("z**2 + c", "1e-40"),
        ("z**2 + c", "1e-330"),
        ("z**3 + c", "1e-90"),
        ("z**3 + c", "1e-330"),
        ("burning_ship", "7e-101"),
    ],
)
def test_derivatives_are_those_of_finite_differences(formula: str, width: str) -> None:
    """Distances follow from how z moves with the point, which small steps measure as well."""
    re, im = place(formula, 334)
    approximation = prepared(formula, re, im, width, 5000)
    out = filled(approximation, "iterations", "z", "derivative")
    plane = Plane(STEPS[formula], re, im, str(Decimal(width) / W), (W, H))
    checked = 0
    for row, column in ((3, 5), (20, 31), (33, 50), (11, 44)):
        n = int(out["iterations"][row, column])
        if n == 5000:
            continue
        h = 1e-7
        z = plane.moved(row, column, n)
        right = (plane.moved(row, column + h, n) - plane.moved(row, column - h, n)) / (2 * h)
        up = (plane.moved(row - h, column, n) - plane.moved(row + h, column, n)) / (2 * h)
        # What the derivative stands for: how fast |z| grows, in all directions.
        growth = [(z.conjugate() * part).real / abs(z) for part in (right, up)]
        slope = out["derivative"][row, column]
        turned = (z.conjugate() * slope) / abs(z)
        assert [turned.real, -turned.imag] == pytest.approx(growth, rel=1e-3, abs=1e-6 * abs(slope))
        checked += 1
    assert checked


def test_rows_may_be_filled_apart() -> None:
    """Bands of a picture are what the whole picture has there."""
    approximation = prepared("z**2 + c", "0", "1", "1e-50", 2000)
    whole = filled(approximation, "smooth")["smooth"]
    part = np.zeros((7, W))
    approximation.fill({"smooth": part}, row=11)
    np.testing.assert_array_equal(part, whole[11:18])


def test_a_cancel_ends_it() -> None:
    """Whoever says that it is cancelled gets no picture."""
    approximation = prepared("z**2 + c", "0", "1", "1e-50", 2000)
    with pytest.raises(FraktalError):
        approximation.fill({"smooth": np.zeros((H, W))}, crew=Crew(2, cancelled=lambda: True))


@pytest.mark.parametrize(
    ("formula", "width"),
    [
        ("z**2 + c", "1e-25"),
        ("z**2 + c", "1e-400"),
        ("z**3 + c", "1e-90"),
        ("burning_ship", "1e-30"),
    ],
)
def test_julia_sets_go_as_deep(formula: str, width: str) -> None:
    """Points of a Julia set beside one of its own have the counts of full precision."""
    seed = ("-0.8", "0.156")
    # A point that is caught on the repelling fixed point to all digits lies on the boundary.
    re, im = fixed_point(STEPS[formula], *seed, digits=440)
    size, exponent = Geometry(View(re, im, width), W, H).pixel_parts
    orbits = [
        reference_orbit(formula, *point, bits=1600, max_iter=2000, julia=seed)
        for point in ((re, im), ("0", "0"))
    ]
    approximation = Approximation(
        orbits[0], Pixels(W, H, size, exponent), 2000, formula=formula, critical=orbits[1]
    )
    out = filled(approximation, "iterations", "z", "derivative")
    plane = Plane(STEPS[formula], re, im, str(Decimal(width) / W), (W, H))
    for row, column in ((0, 0), (7, 31), (39, 59), (22, 8)):
        n, z = plane.julia(row, column, seed, 2000)
        assert out["iterations"][row, column] == n
        if n < 2000:
            slope = abs(out["derivative"][row, column])
            assert out["z"][row, column] == pytest.approx(z, rel=1e-6, abs=1e-5 * slope)


@pytest.mark.parametrize("digits", [25_000, 30_000])
def test_deepest_views_are_what_the_closed_form_says(digits: int) -> None:
    """Beside -2 the orbit is 2 minus 8/3 of the distance times 4 each step, however deep."""
    size = (4, 2)
    done = compute("mandelbrot", "-2", "0", f"4e-{digits}", 60_000, size, ("iterations", "smooth"))
    for row in range(2):
        for column in range(4):
            # Take so many steps by the closed form that float64 can do the rest.
            quick = math.floor((digits - 12) * math.log(10, 4))
            shift = 10.0 ** (quick * math.log10(4) - digits)
            w = -8 / 3 * complex(column - 1.5, 0.5 - row) * shift  # the distance from 2
            n = quick + 2
            while abs(2 + w) <= 1e3:
                w, n = 4 * w + w * w, n + 1
            assert done.iterations[row, column] == n
            smooth = n + 1 - math.log2(math.log2(abs(2 + w)))
            assert done.smooth[row, column] == pytest.approx(smooth, abs=1e-6)


def test_views_inside_end_however_long_they_may_take() -> None:
    """A hundred million steps are not walked where everything stays, on a nucleus or beside."""
    for re, im, width in (("0", "0", "1e-600"), ("-1", "0", "1e-40"), ("-0.1", "0.1", "1e-400")):
        done = compute("mandelbrot", re, im, width, 100_000_000, (W, H), ("iterations",))
        assert (done.iterations == 100_000_000).all()


@pytest.mark.parametrize(("re", "im"), [("-1.754", "0.0101"), ("-0.125", "0.83")])
def test_a_reference_that_was_caught_gives_the_same_counts(re: str, im: str) -> None:
    """Beside a reference that ends on its cycle, points outside have the counts they have."""
    counts = []
    for caught in (False, True):
        orbit = reference_orbit("mandelbrot", re, im, bits=128, max_iter=6000, until_caught=caught)
        assert (orbit.ended == "caught") is caught
        approximation = Approximation(orbit, Pixels(W, H, 0.04 / W, 0), 6000)
        counts.append(filled(approximation, "iterations")["iterations"])
    assert counts[0].min() < 100 and counts[0].max() == 6000
    np.testing.assert_array_equal(*counts)


def test_a_julia_set_at_its_critical_point_needs_more_digits() -> None:
    """There a difference becomes its own power, and c is taken with as many digits as that."""
    formula = "z**3 + c"
    size, width = (W, H), f"{W}e-60"
    seed = tip(3, 220)
    done = compute(formula, "0", "0", width, 5000, size, ("iterations",), julia=seed)
    plane = Plane(STEPS[formula], "0", "0", "1e-60", size)
    plane.bits = 900
    places = [(row, 7 * row % W) for row in range(0, H, 3)]
    counts = [plane.julia(row, column, seed, 5000)[0] for row, column in places]
    assert len(set(counts)) > 3
    assert counts == [int(done.iterations[place]) for place in places]
