"""Painting: today's colours by default, tiles without seams, blending, light and ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Stopped, colour, escape, palettes, scenes
from fraktal_kernel.fractals.colouring import (
    Layer,
    Light,
    Look,
    Relief,
    Scale,
    Survey,
    develop,
    looks,
    paint,
    reach,
)
from fraktal_kernel.fractals.colouring.blend import FUNCTIONS, blended
from fraktal_kernel.fractals.colouring.paint import place
from fraktal_kernel.fractals.colouring.survey import Ranks
from fraktal_kernel.fractals.palettes import Palette, linear
from fraktal_kernel.fractals.palettes.light import lab_of

Fields = dict[str, NDArray[Any]]
GREY = Palette("Grey", ((0.0, "#000000"), (1.0, "#ffffff")), cyclic=False)


def lightness(light: NDArray[Any]) -> NDArray[Any]:
    """Give OKLab's lightness of pixels."""
    return lab_of(np.clip(light, 0, None))[..., 0]


@pytest.mark.parametrize("palette", ["aurora", "ember", "graphite"])
@pytest.mark.parametrize("name", ["seahorse", "full_set", "elephant"])
def test_the_default_look_has_the_colours_of_the_explorer(name: str, palette: str) -> None:
    """Exploring and painting show the same picture, but for a last bit here and there.

    A ring is gone round once where a ramp goes there and back.
    """
    scene = replace(scenes[name], palette=palette, offset=0.7)
    field = escape(scene, 160, 120)
    shown = colour(field, scene).astype(int)
    smooth = np.where(field.nu < 0, np.nan, field.nu)
    look = Look.default(scene.palette, scene.density, scene.offset)
    painted = develop(paint({"smooth": smooth}, look)).astype(int)
    assert np.abs(painted - shown).max() <= 1
    assert (painted == shown).mean() > 0.9


def box(fields: Fields, rows: slice, columns: slice) -> Fields:
    """Cut a tile out of fields."""
    return {name: array[rows, columns] for name, array in fields.items()}


@pytest.mark.parametrize("name", list(looks))
@pytest.mark.parametrize("view", ["seahorse", "whole"])
def test_tiles_are_the_whole(name: str, view: str, request: pytest.FixtureRequest) -> None:
    """With a survey made once and their surroundings, tiles join without any difference."""
    fields, look = request.getfixturevalue(view), looks[name]
    h, w = fields["smooth"].shape
    survey, far = Survey.of(fields, look), reach(look, w)
    whole = paint(fields, look)
    assert np.isfinite(whole).all()
    for top, bottom, left, right in [(0, 31, 0, w), (31, h, 0, 50), (31, h, 50, w), (20, 21, 7, 8)]:
        y0, y1, x0, x1 = max(top - far, 0), min(bottom + far, h), max(left - far, 0), right + far
        x1 = min(x1, w)
        tile = paint(
            box(fields, slice(y0, y1), slice(x0, x1)),
            look,
            survey=survey,
            width_px=w,
            margin=(top - y0, y1 - bottom, left - x0, x1 - right),
        )
        assert np.allclose(tile, whole[top:bottom, left:right], atol=2e-6)


def test_blocks_leave_no_seam(monkeypatch: pytest.MonkeyPatch, seahorse: Fields) -> None:
    """However many rows are painted together, the picture is the same."""
    import sys

    look = looks["relief"]
    whole = paint(seahorse, look)
    module = sys.modules["fraktal_kernel.fractals.colouring.paint"]
    monkeypatch.setattr(module, "_BLOCK", 1)
    assert np.allclose(paint(seahorse, look), whole, atol=2e-6)


def test_a_survey_of_tiles_is_that_of_the_whole(seahorse: Fields) -> None:
    """Made tile by tile, or sent as text, the survey gives the same picture."""
    import json

    look = looks["histogram"]
    tiles = [box(seahorse, slice(k, k + 9), slice(None)) for k in range(0, 72, 9)]
    survey = Survey.of(iter(tiles), look)
    sent = Survey.from_dict(json.loads(json.dumps(survey.to_dict())))
    whole = paint(seahorse, look)
    for each in (survey, sent):
        assert np.allclose(paint(seahorse, look, survey=each), whole, atol=1e-6)


def test_equalised_places_are_uniform(seahorse: Fields) -> None:
    """Every colour is on as many pixels as any other, whatever the values are like."""
    rng = np.random.default_rng(5)
    outside = seahorse["smooth"][np.isfinite(seahorse["smooth"])]
    for values in (outside, rng.pareto(0.5, 700_000), 1e9 + rng.normal(size=50_000)):
        ranks = Ranks.of([values])
        counts, _ = np.histogram(ranks.rank(values), 50, (0, 1))
        assert np.abs(counts / values.size - 1 / 50).max() < 2e-3
        assert (np.diff(ranks.values) > 0).all()
        assert (np.diff(ranks.ranks) > 0).all()


def test_equal_values_have_the_rank_of_their_middle() -> None:
    """Whole numbers too are ranked, and what has no value ranks nothing."""
    ranks = Ranks.of([np.array([3, 1, 1, 3]), np.array([3, 3])])
    assert ranks.rank(np.array([1, 3])).tolist() == pytest.approx([1 / 6, 4 / 6])
    assert Ranks.of([np.array([np.nan])]).rank(np.array([5.0])).tolist() == [0.0]
    assert Ranks.of([]).rank(np.array([5.0])).tolist() == [0.0]


def test_scales_are_what_they_say() -> None:
    """Closed forms of every kind."""
    v = np.array([0.0, 1.0, 3.0, 15.0])
    ranks = Ranks.of([v])
    assert place(v, Scale("linear", 0.5, 0.25)).tolist() == [0.25, 0.75, 1.75, 7.75]
    assert place(v, Scale("logarithm")).tolist() == [0, 0.5, 1, 2]
    assert place(v, Scale("power", 2, exponent=2)).tolist() == [0, 2, 18, 450]
    assert place(v, Scale("levels"), ranks)[[0, -1]].tolist() == [0, 1]
    assert (np.diff(place(v, Scale("histogram"), ranks)) > 0).all()


def ramp(scale: Scale, palette: Palette = GREY) -> NDArray[Any]:
    """Paint places from 0 to 3 along a palette, and give their lightness."""
    values = np.linspace(0, 3, 301)[None, :]
    fields = {"smooth": np.ones_like(values), "angle": values}
    return lightness(paint(fields, Look((Layer("angle", scale, palette),))))[0]


def test_ramps_go_back_or_stay_and_rings_go_round() -> None:
    """What happens behind the end of a palette."""
    there = ramp(Scale("linear"))
    assert (np.diff(there[:100]) > 0).all()
    assert np.allclose(there[100:200], there[100:0:-1], atol=1e-3)
    assert np.allclose(there[200:300], there[:100], atol=1e-3)
    stays = ramp(Scale("linear", beyond="clamp"))
    assert np.allclose(stays[100:], 1, atol=1e-3)
    ring = ramp(Scale("linear"), palettes["aurora"])
    assert np.allclose(ring[100:200], ring[:100], atol=1e-3)


BASE = np.random.default_rng(1).random((3, 4, 5)).astype(np.float32)


def over(value: float, mode: str, opacity: float = 1.0, *, space: bool = False) -> NDArray[Any]:
    """Blend a flat grey over the base."""
    tone = np.full(BASE.shape[1:], value, np.float32) if space else None
    return blended(BASE, np.full_like(BASE, value), tone, mode, opacity)


@pytest.mark.parametrize(
    ("mode", "neutral"),
    [("multiply", 1), ("screen", 0), ("add", 0), ("soft_light", 0.5), ("overlay", 0.5)],
)
def test_each_blend_has_a_neutral_colour(mode: str, neutral: float) -> None:
    """White multiplies to nothing new, black screens to nothing new, and so on."""
    assert np.allclose(over(neutral, mode), BASE, atol=1e-6)
    assert np.allclose(over(neutral, mode, space=True), BASE, atol=1e-4)


@pytest.mark.parametrize("mode", FUNCTIONS)
def test_opacity_mixes_in_light(mode: str) -> None:
    """None is what was below, half is the mean in linear light."""
    assert np.allclose(over(0.3, mode, 0.0), BASE)
    mean = (over(0.3, mode) + BASE) / 2
    assert np.allclose(over(0.3, mode, 0.5), mean, atol=1e-6)


@pytest.mark.parametrize("mode", [mode for mode in FUNCTIONS if mode != "add"])
def test_blends_stay_between_black_and_white(mode: str) -> None:
    """No blend but adding gets brighter than white."""
    for value in (0.0, 0.2, 0.8, 1.0):
        top = over(value, mode)
        assert top.min() >= 0
        assert top.max() <= 1 + 1e-6


def test_blending_lightness_keeps_hue_and_chroma() -> None:
    """Only OKLab's lightness moves."""
    before = lab_of(np.moveaxis(BASE, 0, -1))
    after = lab_of(np.moveaxis(over(0.5, "normal", space=True), 0, -1))
    assert np.allclose(after[..., 0], 0.5, atol=1e-3)
    assert np.allclose(after[..., 1:], before[..., 1:], atol=1e-3)


def test_multiply_and_screen_are_mirror_images() -> None:
    """De Morgan's law of light."""
    a, b = BASE, BASE[::-1]
    screen, multiply = FUNCTIONS["screen"], FUNCTIONS["multiply"]
    assert np.allclose(screen(a, b), 1 - multiply(1 - a, 1 - b), atol=1e-6)


def test_layers_paint_where_they_are_told(whole: Fields) -> None:
    """Inside, outside or both; elsewhere the colour of the inside shows."""
    inside = np.isnan(whole["smooth"])
    for where, shown in (("inside", inside), ("outside", ~inside), ("both", inside | True)):
        layer = Layer(
            "trap_point", Scale("linear"), Palette.of(["#808080", "#ffffff"]), where=where
        )
        light = paint(whole, Look((layer,), inside="#000000"))
        assert np.array_equal(light.min(axis=-1) > 0.1, shown)


def test_a_layer_without_a_value_lets_through(whole: Fields) -> None:
    """Where a field is not finite, what lies below is seen."""
    stripe = whole["stripe"].copy()
    stripe[:, ::2] = np.nan
    below = Look.default("ember")
    above = replace(below, layers=(*below.layers, Layer("stripe", palette=GREY)))
    light = paint({**whole, "stripe": stripe}, above)
    assert np.array_equal(light[:, ::2], paint(whole, below)[:, ::2])


def hill(size: int = 65) -> Fields:
    """Make a round hill with its true normals; the level ground around it is outside as well."""
    y, x = np.mgrid[0:size, 0:size].astype(float)
    x, y = x - size // 2, size // 2 - y
    away = np.hypot(x, y)
    unit = np.where(away > 0, (x + 1j * y) / np.maximum(away, 1e-9), np.nan)
    return {"smooth": np.maximum(20 - away, 0) + 1, "normal": unit}


FLAT = Look((Layer("smooth", Scale("linear", 0), Palette.of(["#808080", "#808081"])),))
LEFT = (Light(azimuth_deg=180, elevation_deg=45),)


@pytest.mark.parametrize("slope", ["normal", "height"])
def test_light_falls_on_the_side_that_faces_it(slope: str) -> None:
    """A hill lit from the left is light on its left, dark on its right; a hole the reverse."""
    scale = Scale("linear", 0.2)
    for height, side in ((1.0, 1), (-1.0, -1)):
        relief = Relief(slope, "smooth", scale, height=height, lights=LEFT, specular=0.3)
        light = paint(hill(), replace(FLAT, relief=relief), width_px=1000)[..., 0]
        assert np.sign(light[32, 20] - light[32, 44]) == side
        assert np.allclose(light[12:53], light[52:11:-1], atol=1e-5)


def test_a_level_spot_keeps_its_colour() -> None:
    """Whatever the lights, shine and occlusion, where there is no slope nothing changes."""
    fields = {"smooth": np.full((9, 9), 7.0)}
    relief = Relief("height", occlusion=1.0, specular=1.0, lights=(Light(), Light(10, 80)))
    flat = paint(fields, FLAT)
    assert np.allclose(paint(fields, replace(FLAT, relief=relief)), flat, atol=1e-5)


def test_light_never_burns_out(whole: Fields) -> None:
    """Colours within the gamut stay within it under the strongest light."""
    relief = Relief(ambient=0, specular=1, height=5, lights=(Light(strength=5),) * 3)
    light = paint(whole, Look((Layer(palette=GREY),), relief))
    assert light.min() >= 0
    assert light.max() <= 1 + 1e-6


def test_valleys_are_occluded() -> None:
    """A pit is darker than the ground around it, a peak is not."""
    pit = np.full((41, 41), 5.0)
    pit[18:23, 18:23] = 3.0
    relief = Relief("height", "smooth", Scale("linear", 1), occlusion=0.9, lights=(Light(0, 90),))
    fields = {"smooth": pit, "normal": np.zeros((41, 41), complex)}
    light = paint(fields, replace(FLAT, relief=replace(relief, slope="normal")), width_px=1000)
    assert light[20, 20, 0] < 0.6 * light[2, 2, 0]
    fields["smooth"] = 8 - pit
    light = paint(fields, replace(FLAT, relief=replace(relief, slope="normal")), width_px=1000)
    assert light[20, 20, 0] == pytest.approx(light[2, 2, 0], rel=0.01)


def test_coloured_lights_colour() -> None:
    """A red light from one side makes that side redder."""
    relief = Relief(lights=(Light(180, 30, "#ff4040"), Light(0, 30, "#4040ff")), specular=0)
    light = paint(hill(), replace(FLAT, relief=relief))
    assert light[32, 20, 0] > light[32, 20, 2]
    assert light[32, 44, 0] < light[32, 44, 2]


def test_a_poster_looks_like_its_preview(compute: Callable[..., Fields]) -> None:
    """Lengths go with the picture: at three times the size the colours are the same."""
    small = compute(-0.65, 0.0, 3.3, (60, 45), 100)
    large = compute(-0.65, 0.0, 3.3, (180, 135), 100)
    light = [paint(fields, looks["ink"]) for fields in (small, large)]
    far = (small["distance"] > 2) & np.isfinite(small["distance"])
    assert np.abs(light[0] - light[1][1::3, 1::3])[far].max() < 0.06


@pytest.mark.parametrize("kind", ["histogram", "levels"])
def test_equalised_lengths_go_with_the_picture(kind: str, compute: Callable[..., Fields]) -> None:
    """Distances are ranked as they are painted: at any size, by any survey, in the same colours."""
    scale = Scale(kind, beyond="clamp")
    look = Look(layers=(Layer("distance", scale, "graphite"),))
    small = compute(-0.65, 0.0, 3.3, (60, 45), 100)
    large = compute(-0.65, 0.0, 3.3, (180, 135), 100)
    survey = Survey.of(small, look)
    tiles = [box(large, slice(k, k + 45), slice(None)) for k in range(0, 135, 45)]
    by_tiles = Survey.of(tiles, look, width_px=180)
    pictures = [paint(large, look, survey=each) for each in (None, survey, by_tiles)]
    outside = np.isfinite(large["distance"])
    for light in pictures:
        # The whole ramp is there, from black to white, and not its ends alone.
        assert len(np.unique(light[outside, 0])) > 1000
        assert np.abs(light - pictures[0]).max() < 0.05
    one = paint(small, look)
    far = (small["distance"] > 2) & np.isfinite(small["distance"])
    assert np.abs(one - pictures[0][1::3, 1::3])[far].max() < 0.05
    with pytest.raises(InvalidInput, match="width_px"):
        Survey.of(tiles, look)


def test_a_cancel_stops_the_painting(seahorse: Fields) -> None:
    """Painting and developing end with the error that all work ends with."""
    with pytest.raises(Stopped):
        paint(seahorse, looks["relief"], cancelled=lambda: True)
    with pytest.raises(Stopped):
        develop(paint(seahorse, looks["smooth"]), cancelled=lambda: True)


def test_missing_fields_are_named(seahorse: Fields) -> None:
    """And shapes that do not fit, margins that leave nothing, surveys of other looks."""
    smooth = seahorse["smooth"]
    with pytest.raises(InvalidInput, match="stripe"):
        paint({"smooth": smooth}, looks["stripes"])
    with pytest.raises(InvalidInput, match="smooth"):
        paint({"distance": smooth}, Look.default())
    with pytest.raises(InvalidInput, match=r"\[h, w\]"):
        paint({"smooth": smooth, "stripe": smooth[1:]}, looks["stripes"])
    with pytest.raises(InvalidInput, match="margin"):
        paint({"smooth": smooth}, Look.default(), margin=(40, 40, 0, 0))
    with pytest.raises(InvalidInput, match="survey"):
        paint({"smooth": smooth}, looks["histogram"], survey=Survey({}))
    with pytest.raises(InvalidInput, match="stripe"):
        Survey.of({"smooth": smooth}, looks["stripes"])
    with pytest.raises(InvalidInput, match="damaged"):
        Survey.from_dict({"smooth/there": [[0], [0]]})


def test_an_all_inside_picture_is_its_inside() -> None:
    """Every look paints a picture that has nothing but inside, and one of a single pixel."""
    for look in looks.values():
        fields: Fields = {name: np.full((5, 7), np.nan) for name in look.fields}
        light = paint(fields, look)
        ground = linear(np.frombuffer(bytes.fromhex(look.inside[1:]), np.uint8))
        assert np.allclose(light, ground, atol=1e-6)
        assert paint(box(fields, slice(1), slice(1)), look).shape == (1, 1, 3)


def test_fields_are_not_changed(seahorse: Fields) -> None:
    """Painting reads what it is given."""
    before = {name: array.copy() for name, array in seahorse.items()}
    for look in looks.values():
        paint(seahorse, look)
    for name, array in before.items():
        assert np.array_equal(array, seahorse[name], equal_nan=True)
