"""The way of a film: windows and colours between keys."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest

from fraktal_kernel.fractals import Scene, View, scenes
from fraktal_kernel.fractals.film import Film, Key, zoom
from fraktal_kernel.fractals.film.path import shots

DEEP = scenes["seahorse_tail"]
FAR = replace(DEEP, view=View("-1.7485854655029", "0.0003", "1e-90"), max_iter=3000)


@pytest.mark.parametrize("scene", [DEEP, FAR])
def test_a_zoom_shows_its_ends(scene: Scene) -> None:
    """The first frame is the start, the last the scene itself, to the last digit."""
    film = zoom(scene, 2)
    (shot,) = shots(film)
    first, *_, last = shot.frames()
    start = film.keys[0].scene.view
    assert shot.view(last) == scene.view
    seen = shot.view(first)
    for name in ("re", "im", "width"):
        away = abs(Decimal(getattr(seen, name)) - Decimal(getattr(start, name)))
        assert away < Decimal("1e-12")


def test_every_window_lies_in_the_one_before() -> None:
    """On the way down nothing new comes into the picture, and the width shrinks evenly."""
    film = zoom(DEEP, 4, easing="linear", width=64, height=64)
    (shot,) = shots(film)
    views = [shot.view(frame) for frame in shot.frames()]
    for wide, narrow in itertools.pairwise(views):
        reach = Decimal(wide.width) - Decimal(narrow.width)
        for name in ("re", "im"):
            away = abs(Decimal(getattr(wide, name)) - Decimal(getattr(narrow, name)))
            assert 2 * away <= reach * Decimal("1.000001")
    factors = [float(Decimal(b.width) / Decimal(a.width)) for a, b in itertools.pairwise(views)]
    assert max(factors) - min(factors) < 1e-9


def test_out_is_in_backwards() -> None:
    """A film that leaves a scene shows the windows of one that goes there, in reverse."""
    inwards = zoom(DEEP, 2, easing="smooth")
    start, end = inwards.keys
    outwards = replace(inwards, keys=(Key(0, end.scene), Key(2, start.scene)))
    there = [f for shot in shots(inwards) for f in shot.frames()]
    back = [f for shot in shots(outwards) for f in shot.frames()]
    for a, b in zip(there, reversed(back), strict=True):
        assert (a.octave, a.right, a.up) == pytest.approx((b.octave, b.right, b.up), abs=1e-9)


def test_every_frame_belongs_to_one_shot() -> None:
    """Shots join at the keys, without a gap and without a frame twice."""
    film = Film(tuple(Key(time, DEEP) for time in (0, 0.13, 0.5, 0.501, 2.0)), fps=24)
    numbers = [frame.number for shot in shots(film) for frame in shot.frames()]
    assert numbers == list(range(48))


def test_colours_glide() -> None:
    """Between two keys density and offset lie between theirs; other palettes are mixed."""
    other = replace(DEEP, density=3.0, offset=0.5)
    (shot,) = shots(Film((Key(0, DEEP, passes=1), Key(1, other))))
    colours = shot.colours(0.5)
    scale = colours.look.layers[0].scale
    assert colours.other is None
    assert scale.density == pytest.approx((DEEP.density + 3) / 2)
    assert scale.offset == pytest.approx(((DEEP.offset + 0.5) / 2 + 0.5) % 1)
    (shot,) = shots(Film((Key(0, DEEP), Key(1, replace(DEEP, palette="ember")))))
    assert shot.colours(0.25).other is not None
    assert shot.colours(0.25).share == 0.25
