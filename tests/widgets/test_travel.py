"""Tests of `fraktal_widgets.travel` and `scene_text`: from one scene to the next."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from fraktal_kernel.fractals import Scene, View, scenes
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.view import Skew
from fraktal_widgets.scene_text import centre_for, depth_for
from fraktal_widgets.travel import changed, fitted, iterations_for, look_name, moved, same_place

SIZE = (160, 120)


def test_iterations_never_fall_with_depth() -> None:
    """Deeper views get at least as many iterations, far below what float64 can hold as well."""
    limits = [iterations_for(View("0", "0", f"1e{power}")) for power in range(2, -2000, -7)]
    assert limits == sorted(limits)
    assert limits[-1] < 20_000_000


def test_a_zoom_keeps_views_short() -> None:
    """After many wheel turns the width has the digits of a pixel, the centre those of the depth."""
    view = View("-0.7436438870371", "0.1318259042053", "3.3")
    for _ in range(200):
        view = moved(view, SIZE, 0.8, 0.0131, -0.0127)
    assert len(Decimal(view.width).as_tuple().digits) <= 9
    assert len(view.re) < 3 - Decimal(view.width).adjusted() + 12


@pytest.mark.parametrize("width", ["3.3", "1e-12", "1.7e-157", "1e-5000"])
def test_a_pan_by_whole_pixels_is_exact(width: str) -> None:
    """There and back, in any order of steps, ends where it began to the last digit."""
    start = moved(View("-0.7436", "0.1318", width), SIZE, 0.77, 0, 0)
    view = start
    for columns, rows in ((16, 3), (-7, 12), (-9, -15)):
        view = moved(view, SIZE, 1, columns / SIZE[0], rows / SIZE[0])
    assert view == start


def test_a_turned_pan_follows_the_screen() -> None:
    """Turned by a quarter, the right of the screen is up in the plane."""
    view = moved(View("0", "0", "1.6", rotation_deg=90), SIZE, 1, 0.25, 0)
    assert float(view.im) == pytest.approx(0.4)
    assert abs(float(view.re)) < 1e-9


def test_what_is_shown_of_a_view_is_short() -> None:
    """The line of facts has the digits that count, and a width at any depth."""
    deep = scenes["deep_flake"].view
    assert depth_for(deep) == "1.7e-157"
    assert centre_for(deep)[0] == deep.re[:165]
    assert depth_for(View("0", "0", "1e-5000")) == "1e-5000"


@pytest.mark.parametrize("name", list(scenes))
def test_a_scene_is_known_again_when_it_was_widened(name: str) -> None:
    """A scene that was fitted to a wide canvas is still that scene, and no other."""
    shown = fitted(scenes[name], (1000, 400))
    assert [other for other in scenes if same_place(scenes[other], shown)] == [name]


def test_a_look_is_known_again_under_another_palette() -> None:
    """The palette changes the lowest layer and not the name; a look of one's own has none."""
    scene = changed(Scene(), {"look": "relief"}, SIZE)
    assert look_name(changed(scene, {"palette": "glacier"}, SIZE)) == "relief"
    assert look_name(Scene()) == ""
    assert look_name(Scene(look={"layers": [{"field": "angle"}]})) == "own"  # type: ignore[arg-type]


@pytest.mark.parametrize("skew", [None, ((1, 0.4), (0, 1)), ((2, 0.3), (0, -1))])
def test_a_turn_turns_what_is_seen(skew: Skew | None) -> None:
    """A quarter turn of a stretched or mirrored view shows the old points, each turned."""
    view = View("0.3", "0.1", "2", rotation_deg=20, skew=skew)
    before = Geometry(view, 9, 9, view.matrix).points()
    turned = moved(view, (9, 9), 1, 0, 0, 90)
    after = Geometry(turned, 9, 9, turned.matrix).points()
    np.testing.assert_allclose(np.rot90(after), before, atol=1e-12)
