"""Periods, nuclei and atoms against closed forms and known views."""

from __future__ import annotations

import math

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.reference import (
    atom_of,
    bits_for,
    iteration_limit,
    nucleus,
    reference_orbit,
)
from fraktal_kernel.fractals.reference.recurrences import recurrence_of

FLAKE = (
    "-1.99996619445037030418434688506350579675531241540724851511761922944801584242342684381376129"
    "778868913812287046406560949864353810575744772166485672496092803920095332",
    "-0.00000000000000000000000000000000030013824367909383240724973039775924987346831190773335270"
    "174257280120474975614823581185647299288414075519224186504978181625478529",
)
# View, its width, and the period of the nucleus in it.
KNOWN = [
    ("-1.7548776662466927", "0", "0.01", 3),
    ("-0.1225611668766536", "0.7448617666197442", "0.01", 3),
    ("-1", "0", "0.1", 2),
    ("-1.768667862837488812627419470", "0.001645580546820209430325900", "16e-22", 2123),
    (*FLAKE, "1.7e-157", 7884),
]


@pytest.mark.parametrize(("re", "im", "width", "period"), KNOWN)
def test_the_period_of_a_view_is_found_on_the_way(
    re: str, im: str, width: str, period: int
) -> None:
    """Known views have their known periods, and the orbit ends there and can go on."""
    orbit = reference_orbit("mandelbrot", re, im, radius=width)
    assert (orbit.period, orbit.ended, len(orbit)) == (period, "period", period)
    bound = max(4 * period, 100)
    on = reference_orbit("mandelbrot", re, im, bits=orbit.bits, max_iter=bound, going_on=orbit)
    assert np.array_equal(on.z[: period + 1], orbit.z)
    assert len(on) > period


def test_ball_and_frame_find_the_same_period() -> None:
    """The image under the derivative gives the period that balls give."""
    from dataclasses import replace

    for re, im, width, period in KNOWN:
        by_frame = replace(recurrence_of("mandelbrot"), power=0)
        assert reference_orbit(by_frame, re, im, radius=width).period == period


def test_other_formulas_have_periods_too() -> None:
    """The nuclei of a fold on the real axis are the Mandelbrot set's; cubes have some."""
    for name in ("burning_ship", "celtic", "tricorn"):
        assert reference_orbit(name, "-1.7548776662466927", "0", radius="0.003").period == 3
    cubic = nucleus("multibrot", "0", "0.95", 2, radius="0.1", power=3)
    assert (float(cubic.re), float(cubic.im)) == (0.0, pytest.approx(1.0))
    assert reference_orbit("multibrot", "0", "1", radius="0.01", power=3).period == 2


def test_a_view_without_a_nucleus_has_no_period() -> None:
    """Far outside of the set the orbit just escapes."""
    orbit = reference_orbit("mandelbrot", "1.5", "1.5", radius="0.01")
    assert (orbit.ended, orbit.period) == ("escaped", 0)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(KNOWN), st.integers(-90, 90), st.integers(-90, 90))
def test_newton_comes_back_from_anywhere_near(
    view: tuple[str, str, str, int], dx: int, dy: int
) -> None:
    """From points of the view around it, Newton's method finds a point of that period."""
    re, im, width, period = view
    if period > 1000:
        return
    step = gmpy2.mpq(width) / 100
    start = [str(float(gmpy2.mpq(part) + d * step)) for part, d in ((re, dx), (im, dy))]
    found = nucleus("mandelbrot", *start, period, radius=width)
    with gmpy2.context(gmpy2.get_context(), precision=200):
        z, c = gmpy2.mpc(0), gmpy2.mpc(gmpy2.mpfr(found.re), gmpy2.mpfr(found.im))
        for _ in range(period):
            z = z * z + c
        assert abs(z) < 1e-30


def test_the_deep_nucleus_is_a_zero_of_its_orbit() -> None:
    """The nucleus of the flake comes back to 0 as nearly as its digits allow."""
    found = nucleus("mandelbrot", *FLAKE, 7884, radius="1.7e-157")
    orbit = reference_orbit("mandelbrot", found.re, found.im, bits=1300, max_iter=7884)
    index = orbit.small_index.tolist()
    assert abs(orbit.z[-1]) < 1e-150
    assert found.atom.size_log2 == pytest.approx(-559.53, abs=0.05)
    assert not index or index[-1] == 7884


def test_sizes_of_known_atoms() -> None:
    """The largest copies have the sizes and turns that they are known for."""
    on_the_axis = reference_orbit("mandelbrot", "-1.7548776662466927", "0", radius="0.01")
    atom = atom_of("mandelbrot", on_the_axis)
    assert 2**atom.size_log2 == pytest.approx(0.019035516, rel=1e-6)
    assert atom.angle == pytest.approx(0)
    main = atom_of("mandelbrot", reference_orbit("mandelbrot", "0", "0", radius="1"))
    assert main.size_log2 == pytest.approx(0)
    ship = reference_orbit("burning_ship", "-1.7548776662466927", "0", radius="0.003")
    atom = atom_of("burning_ship", ship)
    assert 2**atom.size_log2 == pytest.approx(0.019035516, rel=1e-6)
    assert abs(np.linalg.det(atom.matrix)) == pytest.approx(1)


def test_an_atom_looks_like_the_whole_set() -> None:
    """Scaled and turned by its atom, a deep copy has its bulb where that of the set is."""
    re, im, width, period = KNOWN[3]
    found = nucleus("mandelbrot", re, im, period, radius=width)
    size = 2**found.atom.size_log2
    with gmpy2.context(gmpy2.get_context(), precision=250):
        # The point -1 of the whole set is a nucleus of period 2: here one of twice the period.
        x = gmpy2.mpfr(found.re) - size * math.cos(found.atom.angle)
        y = gmpy2.mpfr(found.im) - size * math.sin(found.atom.angle)
        twice = nucleus("mandelbrot", str(x), str(y), 2 * period, radius=str(size / 4))
        off = math.hypot(gmpy2.mpfr(twice.re) - x, gmpy2.mpfr(twice.im) - y)
    assert off < 1e-3 * size


def test_newton_works_for_folds_and_tapes() -> None:
    """The burning ship's Newton method runs in two real dimensions and ends at a zero."""
    found = nucleus("burning_ship", "-1.754", "0.0005", 3, radius="0.01")
    orbit = reference_orbit("burning_ship", found.re, found.im, bits=128, max_iter=3)
    assert abs(orbit.z[3]) < 1e-20
    by_tape = nucleus(recurrence_of("multibrot", 3), "0.01", "0.99", 2, radius="0.05")
    assert float(by_tape.im) == pytest.approx(1)


def test_what_has_no_nucleus_is_refused() -> None:
    """Wrong periods and cancels end in a sentence."""
    with pytest.raises(InvalidInput, match="no nucleus of period"):
        nucleus("mandelbrot", "0.5", "0.5", 7, radius="1e-10")
    with pytest.raises(InvalidInput, match="whole number above 0"):
        nucleus("mandelbrot", "0", "0", 0, radius="1")
    with pytest.raises(InvalidInput, match="no known period"):
        atom_of("mandelbrot", reference_orbit("mandelbrot", "0.3", "0.5", bits=64, max_iter=9))
    with pytest.raises(Stopped, match="cancelled"):
        nucleus("mandelbrot", *FLAKE, 7884, radius="1e-157", cancelled=lambda: True)


def test_deeper_views_need_more_bits_and_more_steps() -> None:
    """Precision grows with the depth, and so does what is suggested as a limit."""
    widths = ["1", "1e-10", "1e-100", "1e-1000", "1e-25000"]
    bits = [bits_for(width, 10**6) for width in widths]
    assert bits == sorted(bits)
    assert bits[-1] > 25_000 * math.log2(10) + 40
    limits = [iteration_limit(0, width) for width in widths]
    assert limits == sorted(limits)
    assert iteration_limit(57_853, "5e-433") >= 10 * 57_853
