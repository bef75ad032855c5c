"""The one door to what can be computed: the right method, one truth on both sides of a seam."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import gmpy2
import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import compute, formulas
from fraktal_kernel.fractals.fields import KINDS, empty_fields
from fraktal_kernel.fractals.float64 import Float64
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.formulas.exact import exact_start, exact_step
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.perturbation import Perturbation
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.view import View

FLAKE = {
    "re": "-1.76866786283748881262741947",
    "im": "0.00164558054682020943032590",
    "width": "1.2e-21",
}


def count_exactly(
    formula: str,
    place: dict[str, str],
    size: tuple[int, int],
    pixel: tuple[float, float],
    most: int,
) -> int:
    """Count the steps of one pixel in arithmetic of 256 bits."""
    known = formula_of(formula)
    with gmpy2.context(precision=256):
        step = gmpy2.mpfr(place["width"]) / size[0]
        u = gmpy2.mpfr(pixel[1]) - gmpy2.mpfr(size[0] - 1) / 2
        v = gmpy2.mpfr(size[1] - 1) / 2 - gmpy2.mpfr(pixel[0])
        c = gmpy2.mpfr(place["re"]) + step * u, gmpy2.mpfr(place["im"]) + step * v
        walk, z = exact_step(known), exact_start(known)(*c)
        for n in range(most + 1):
            if z[0] ** 2 + z[1] ** 2 > known.escape_radius**2:
                return n
            z = walk(*z, *c)
    return most


@pytest.mark.parametrize(
    ("formula", "place", "most"),
    [
        ("mandelbrot", {"re": "-0.7453", "im": "0.1127", "width": "0.0065"}, 2000),
        ("mandelbrot", {"re": "-1.94158", "im": "0.00065", "width": "2e-14"}, 2000),
        ("mandelbrot", FLAKE, 9000),
        ("burning_ship", {"re": "-1.7548776662", "im": "-0.0283", "width": "0.02"}, 500),
        ("burning_ship", {"re": "-1.76293", "im": "-0.02832", "width": "3e-13"}, 800),
        ("z**3 + c", {"re": "-0.1", "im": "1.1", "width": "0.5"}, 500),
    ],
)
def test_counts_are_those_of_arithmetic_that_does_not_round(
    formula: str, place: dict[str, str], most: int
) -> None:
    """Pixels taken at random count as they do in 256 bits, at any depth, but on the boundary."""
    size = (80, 60)
    done = compute(formula, **place, max_iter=most, size=size)
    chance = np.random.default_rng(5)
    wrong = 0
    for _ in range(25):
        pixel = int(chance.integers(size[1])), int(chance.integers(size[0]))
        wrong += count_exactly(formula, place, size, pixel, most) != done.iterations[pixel]
    assert wrong <= 1


def test_where_float64_miscounts_the_boundary_is_nearer_than_a_millionth_of_a_pixel() -> None:
    """Of the longest orbits of a dense view many count otherwise, none beyond boundary rounding."""
    place, size, most = {"re": "-0.7462", "im": "-0.0959", "width": "1e-3"}, (200, 150), 2000
    counts = compute(**place, max_iter=most, size=size, fields=("iterations",)).iterations
    longest = np.argsort(np.where(counts < most, counts, 0), axis=None)[-40:]
    wrong = 0
    for row, column in np.stack(np.unravel_index(longest, counts.shape), 1).tolist():
        true = count_exactly("mandelbrot", place, size, (row, column), most)
        if true == counts[row, column]:
            continue
        wrong += 1
        near = [(row, column + 1e-6), (row, column - 1e-6), (row + 1e-6, column)]
        assert any(count_exactly("mandelbrot", place, size, at, most) != true for at in near)
    assert wrong > 5  # else the view would say nothing


def test_both_methods_agree_where_both_can() -> None:
    """On a view that float64 still resolves, differences from an orbit give the same picture."""
    view = View("-1.7687788", "0.0017389", "1e-8")
    request = Request(
        formula=formula_of("mandelbrot"),
        geometry=Geometry(view, 64, 48, matrix_of(25, ((1, 0.3), (0, 1)))),
        max_iter=5000,
        fields=("iterations", "smooth", "distance", "normal", "z"),
    )
    deep = empty_fields(request.fields, 48, 64)
    Perturbation(request).fill(deep)
    shallow = empty_fields(request.fields, 48, 64)
    Float64(request).fill(shallow)
    same = shallow["iterations"] == deep["iterations"]
    assert same.mean() > 0.99
    for name in ("smooth", "distance", "normal"):
        near = np.isclose(shallow[name], deep[name], rtol=1e-3, equal_nan=True)
        assert near[same].mean() > 0.95, name


def test_every_formula_gives_every_field_of_the_plane_and_of_a_julia_set() -> None:
    """Whatever is asked for comes in its own type, with values where it has a meaning."""
    assert "mandelbrot" in formulas and len(formulas) >= 14
    wanted = tuple(KINDS)
    for julia in (None, (-0.4, 0.6)):
        done = compute(size=(24, 18), max_iter=200, fields=wanted, julia=julia)
        for name, kind in KINDS.items():
            array = done.fields[name]
            assert array.shape == (18, 24) and array.dtype == kind.dtype
            # Nobody attracts the points inside this Julia set: there is no such set.
            assert np.isfinite(array).any() or julia, name
        assert (done.iterations == done.fields["iterations"]).all()
        assert done.device == "cpu" and "float64" in done.method
        outside = done.iterations < 200
        assert np.isfinite(done.smooth[outside]).all() and np.isnan(done.smooth[~outside]).all()


def test_the_method_follows_from_depth() -> None:
    """Nobody chooses it, and the result says which it was."""
    assert "float64" in compute(size=(16, 12), max_iter=50).method
    assert "perturbation" in compute(**FLAKE, size=(16, 12), max_iter=500).method
    with pytest.raises(InvalidInput, match="newton is no polynomial"):
        compute("newton", "0.5", "0.1", "1e-30", size=(16, 12))


def test_what_was_not_asked_for_is_not_there() -> None:
    """An attribute that is a field says how to get it; any other is none."""
    done = compute(size=(8, 6), max_iter=50, fields=["smooth"])
    with pytest.raises(AttributeError, match=r"name it in fields"):
        _ = done.iterations
    with pytest.raises(AttributeError):
        _ = done.colour


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"julia": ("-0.8", "0.156"), "re": "0.1", "im": "0.2"}, "linear approximation"),
        ({"formula": "lambda", "re": "3.2", "im": "0.3"}, "linear approximation"),
        ({"fields": ("iterations", "stripe", "trap_point"), **FLAKE}, "each step"),
    ],
)
def test_whatever_can_go_deep_does(given: dict[str, Any], word: str) -> None:
    """Julia sets, any polynomial and sums over the orbit, each by the method that is for them."""
    done = compute(**{"width": "1e-20", "size": (16, 12), "max_iter": 400, **given})
    assert "perturbation" in done.method and word in done.method
    assert (done.iterations >= 1).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"formula": "import os"}, "formula"),
        ({"formula": "z**2 + c/0"}, "zero"),
        ({"formula": "mandelbrott"}, "mandelbrot"),
        ({"formula": ""}, "formula"),
        ({"re": "NaN"}, "re"),
        ({"re": "1" * 1_000_000}, "50000"),
        ({"im": None}, "im"),
        ({"width": "0"}, "width"),
        ({"width": "-1"}, "width"),
        ({"width": "1e-60000"}, "width"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_iter": 2.5}, "max_iter"),
        ({"size": (0, 10)}, "width"),
        ({"size": (10**6, 10**6)}, "pixels"),
        ({"size": 10}, "size"),
        ({"fields": ()}, "fields"),
        ({"fields": "smooth"}, "fields"),
        ({"fields": ["smoth"]}, "smooth"),
        ({"julia": "x"}, "julia"),
        ({"julia": complex("nan")}, "julia"),
        ({"julia": ("1e999", "0")}, "1000"),
        ({"rotation_deg": float("inf")}, "rotation_deg"),
        ({"skew": ((0, 0), (0, 0))}, "skew"),
        ({"device": "abacus"}, "device"),
        ({"threads": 0}, "threads"),
        ({"shortcuts": ["magic"]}, "magic"),
        ({"shortcuts": "period"}, "shortcuts is 'period'"),
        ({"shortcuts": None}, "shortcuts is None"),
        ({"parameters": {"power": 3}}, "power"),
        ({"parameters": 3}, "parameters"),
        ({"formula": "sin(z) + c", "re": "1", "width": "1e-30"}, r"sin\(z\) \+ c"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(given: dict[str, Any], said: str) -> None:
    """It says what was given, what was expected, or what to do."""
    with pytest.raises(InvalidInput, match=said) as caught:
        compute(**{"size": (8, 6), **given})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("formula", "re", "width"), [("z**2 - 1/2", "0", "3"), ("z**2 - 3/4", "1.5", "1e-25")]
)
def test_a_formula_without_c_shows_its_julia_set(formula: str, re: str, width: str) -> None:
    """Shallow or deep, its orbits begin at the points of the picture; none has an edge in c."""
    seed = str(-float(Fraction(formula[-3:])))
    view: dict[str, Any] = {"re": re, "width": width, "size": (24, 18), "max_iter": 500}
    typed = compute(formula, **view)
    julia = compute("mandelbrot", **view, julia=(seed, "0"))
    assert np.array_equal(typed.iterations, julia.iterations)
    assert len(np.unique(typed.iterations)) > 5
    if width == "3":
        inside = compute(formula, **view, fields=("interior_distance", "period"))
        assert np.isnan(inside.interior_distance).all() and inside.period.max() == 1


@pytest.mark.parametrize("formula", ["z**3 + c*z", "burning_ship"])
def test_facts_name_what_can_be_asked_for_again(formula: str) -> None:
    """A typed formula is named by its text, so that saved fields say what they show."""
    first = compute(formula, size=(8, 6), max_iter=50, fields=("smooth",))
    again = compute(first.facts["formula"], size=(8, 6), max_iter=50, fields=("smooth",))
    assert np.array_equal(first.smooth, again.smooth, equal_nan=True)


@pytest.mark.parametrize("place", [{"width": "1e-3"}, FLAKE])
def test_cancelling_stops_the_work(place: dict[str, str]) -> None:
    """Shallow or deep, whoever looks away gets no picture."""
    with pytest.raises(Stopped):
        compute(**place, size=(400, 300), max_iter=100_000, cancelled=lambda: True)


def _noted(seen: list[float]) -> Any:
    return lambda fraction, text: seen.append(fraction)


def test_what_is_cancelled_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of gigabytes take a second to make; no cancel waits for them."""
    module = sys.modules["fraktal_kernel.fractals.compute"]  # the package has the function
    monkeypatch.setattr(module, "empty_fields", lambda *_: 1 / 0)
    with pytest.raises(Stopped):
        compute(size=(10_000, 10_000), cancelled=lambda: True)


def test_progress_goes_up_to_the_whole(tmp_path: Path) -> None:
    """Fractions grow and words come along, whichever method it is."""
    for place in ({}, FLAKE):
        seen: list[float] = []
        compute(**place, size=(64, 48), max_iter=3000, progress=_noted(seen))
        assert seen == sorted(seen) and 0 <= seen[0] and seen[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("formula", "seed"), [("z**2 + c", ("0", "1")), ("z**3 - 2 + c", None)])
def test_points_beside_zero_are_soon_far_from_it(formula: str, seed: Any) -> None:
    """Float64 holds points beside 0 to all digits, but not what they become: it is not taken."""
    done = compute(formula, "0", "0", "1e-20", 500, (8, 6), ("iterations",), julia=seed)
    assert done.method.startswith("perturbation")
