"""Views: exact centres at any depth."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import View


@pytest.mark.parametrize(
    "bad",
    ["NaN", "inf", "-inf", "home", "", "1e999999999999", "0x10", None, True, [], "1" * 50_001],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_no_finite_number_is_refused(bad: object, place: int) -> None:
    """Words, NaN, infinities and endless texts are refused with a sentence."""
    values: list[object] = ["0", "0", "1"]
    values[place] = bad
    with pytest.raises(InvalidInput):
        View(*values)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", ["0", "-1", "1e7", "0e5"])
def test_widths_must_be_above_zero_and_sane(width: str) -> None:
    """There is no picture without width, and none of everything."""
    with pytest.raises(InvalidInput, match="width"):
        View("0", "0", width)


def test_equal_numbers_are_equal_views() -> None:
    """Texts are written one way, so that stored views compare."""
    assert View("-0.750", "0.0", "3.50") == View("-75e-2", "-0", "3.5")
    assert View("0", "0", "0.0000000000175").width == "1.75e-11"


def test_numbers_come_as_they_are_at_hand() -> None:
    """Numbers of numpy, of decimal and with the minus of web pages mean what they say."""
    wanted = View("-0.1", "3", "0.5", 30)
    assert View("\N{MINUS SIGN}0.1", np.int64(3), Decimal("0.5"), np.int64(30)) == wanted
    assert View(np.float32(-0.1), np.float64(3), np.float64(0.5), np.float32(30)) == wanted
    assert View(np.longdouble("-0.1000000000000000005"), "3", "1").re == "-0.1000000000000000005"


def test_digits_are_kept() -> None:
    """A centre of hundreds of digits stays as it is, also through a zoom on it."""
    centre = "-1." + "7548776662" * 40 + "1"
    view = View(centre, "0", "1e-390")
    assert view.re == centre
    assert view.zoomed(2).re == centre


def test_a_zoom_comes_back() -> None:
    """In and out by the same factor round the same point is where one was."""
    view = View("-0.743643887037151", "0.131825904205330", "0.00005")
    there = view.zoomed(8, at=(0.25, -0.125)).zoomed(1 / 8, at=(0.25, -0.125))
    assert float(there.re) == pytest.approx(float(view.re), abs=1e-11)
    assert float(there.width) == pytest.approx(float(view.width))


def test_digits_grow_with_depth() -> None:
    """Two hundred steps towards a point off the centre still separate its neighbours."""
    view = View("-0.75", "0.1", "3.5")
    for _ in range(200):
        view = view.zoomed(10, at=(0.3, 0.2))
    assert float(view.width) == pytest.approx(3.5e-200)
    assert 200 < len(view.re) < 220


def test_panning_about_does_not_pile_up_digits() -> None:
    """A thousand small moves at one depth need no more digits than one."""
    view = View("0", "0", "0.01")
    for step in range(1000):
        view = view.panned(math.sin(step), math.cos(step))
    assert len(view.re) < 20


def test_panning_goes_right_and_up() -> None:
    """Fractions of the width; y points up."""
    assert View("0", "0", "4").panned(0.25, 0.5) == View("1", "2", "4")


@given(
    st.floats(0.01, 100),
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
)
def test_the_point_under_the_pointer_stays(factor: float, at: tuple[float, float]) -> None:
    """Whatever the factor, the point of the plane at ``at`` is where it was."""
    old = View("-0.6", "0.2", "0.5")
    new = old.zoomed(factor, at=at)
    for name, fraction in zip(("re", "im"), at, strict=True):
        before = float(getattr(old, name)) + fraction * float(old.width)
        after = float(getattr(new, name)) + fraction * float(new.width)
        assert after == pytest.approx(before, abs=1e-6 * max(float(new.width), 0.5))


@pytest.mark.parametrize("factor", [0, -2, math.nan, math.inf, True])
def test_impossible_zooms_are_refused(factor: float) -> None:
    """A factor is a number above 0."""
    with pytest.raises(InvalidInput, match="zoom"):
        View("0", "0", "1").zoomed(factor)


def test_impossible_moves_are_refused() -> None:
    """A move is finite."""
    with pytest.raises(InvalidInput, match="move"):
        View("0", "0", "1").panned(math.nan, 0)


def test_the_end_of_float64_is_known() -> None:
    """Neighbouring pixels are told apart down to some 1e-13, nearer to 0 much further."""
    assert View("-0.75", "0", "1e-12").resolvable(1000)
    assert not View("-0.75", "0", "1e-14").resolvable(1000)
    assert View("0", "0", "1e-14").resolvable(1000)
    assert not View("0.3", "0", "1e-400").resolvable(1)
