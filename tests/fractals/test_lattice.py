"""The lattice of pixels: moves by whole pixels, exactly, at any depth."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.fractals import View
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lattice import moved_by, pixel_of, shifted, snapped
from fraktal_kernel.fractals.view import Skew

widths = st.one_of(
    st.decimals("1e-6", "8", allow_nan=False, places=9).filter(bool).map(str),
    st.integers(1, 3000).map(lambda power: f"1.7e-{power}"),
)
steps = st.integers(-3000, 3000)


@given(widths, st.integers(1, 4000), steps, steps)
def test_a_move_is_known_as_what_it_was(width: str, width_px: int, columns: int, rows: int) -> None:
    """Whole pixels there are found again, and the same back ends at the same digits."""
    view = View("-0.743643887", "0.131825904", width)
    moved = shifted(view, columns, rows, width_px)
    assert moved_by(moved, view, width_px) == (columns, rows)
    assert shifted(moved, -columns, -rows, width_px) == view


@pytest.mark.parametrize("skew", [None, ((1, 0.4), (0, 1)), ((1, 0.4), (0, -1))])
@pytest.mark.parametrize("degrees", [30, 90, -137.5])
def test_a_turned_view_moves_along_its_own_sides(degrees: float, skew: Skew | None) -> None:
    """Pixels of a turned, stretched or mirrored view are found; another turn has other ones."""
    view = View("0.3", "0.1", "0.01", rotation_deg=degrees, skew=skew)
    moved = shifted(view, 21, -8, 640)
    assert moved_by(moved, view, 640) == (21, -8)
    assert moved_by(replace(moved, rotation_deg=degrees + 1), view, 640) is None


def test_half_a_pixel_is_none() -> None:
    """Neither a part of a pixel, nor a place beyond all pictures, nor another width is a move."""
    view = View("0.1", "0", "3.2")
    assert moved_by(replace(view, re="0.102"), view, 800) is None
    assert moved_by(replace(view, width="1e-300"), replace(view, re="1", width="1e-300"), 8) is None
    assert moved_by(view.zoomed(2), view, 800) is None


@given(widths, st.integers(1, 4000))
def test_a_snapped_view_is_short_and_nearly_the_same(width: str, width_px: int) -> None:
    """The width changes by a millionth at most, the centre by a millionth of a pixel."""
    view = View("-0.74364388703715101234", "0.1318259042053", width)
    short = snapped(view, width_px)
    ratio = Decimal(short.width) / Decimal(view.width)
    assert abs(ratio - 1) < Decimal("1e-5")
    assert len(pixel_of(short, width_px).normalize().as_tuple().digits) <= 6
    apart = abs(Decimal(short.re) - Decimal(view.re)) / pixel_of(view, width_px)
    assert apart < Decimal("1e-5")


@given(st.sampled_from(["3.3", "0.0065", "1e-5"]), steps, steps)
def test_points_do_not_depend_on_the_view_they_are_seen_through(
    width: str, columns: int, rows: int
) -> None:
    """Points of float64 that two views share are the same to the last bit."""
    view = View("-0.743643887", "0.131825904", width)
    size = 41, 30
    before = Geometry(view, *size).points()
    after = Geometry(shifted(view, columns % 20, rows % 15, 41), *size).points()
    across, down = columns % 20, rows % 15
    assert np.array_equal(after[: 30 - down, : 41 - across], before[down:, across:])


@given(widths)
def test_points_lie_where_they_should(width: str) -> None:
    """A point is off from the exact one by less than float64 rounds its parts."""
    view = View("-0.743643887", "0.131825904", width)
    points = Geometry(view, 5, 3).points()
    pixel = Decimal(view.width) / 5
    for row, column in ((0, 0), (2, 4), (1, 2)):
        x = Decimal(view.re) + (column - 2) * pixel
        y = Decimal(view.im) + (1 - row) * pixel
        tolerance = 5e-16 * max(1.0, float(view.width))
        assert abs(points[row, column].real - float(x)) <= tolerance
        assert abs(points[row, column].imag - float(y)) <= tolerance
