"""Palettes: what makes one, what is refused, where they come from and how eyes see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import palettes
from fraktal_kernel.fractals.palettes import (
    SAFE,
    Palette,
    linear,
    oklab,
    palette_from_picture,
    palette_of,
    read_palette,
    write_palette,
)
from fraktal_kernel.fractals.palettes.gradient import lab_of_text
from fraktal_kernel.fractals.palettes.light import lab_of
from fraktal_kernel.fractals.palettes.sight import APART, SIGHTS, nearest_stops, seen

BLACK_WHITE = ((0.0, "#000000"), (1.0, "#ffffff"))


@pytest.mark.parametrize(
    ("stops", "says"),
    [
        ((), "no stop"),
        (((0.0, "#000000"),), "one stop"),
        (((0.5, "#000000"), (0.2, "#ffffff")), "rising"),
        (((0.5, "#000000"), (0.5, "#ffffff")), "rising"),
        (((-0.1, "#000000"), (0.2, "#ffffff")), "from 0 to 1"),
        (((0.0, "#000000"), (float("nan"), "#ffffff")), "from 0 to 1"),
        (((0.0, "#000000"), (True, "#ffffff")), "from 0 to 1"),
        (((0.0, "#000000"), (1.0, "#ffffff")), "cyclic"),
        (((0.0, "black"), (0.5, "#ffffff")), "colour"),
        (((0.0, 7), (0.5, "#ffffff")), "colour"),
        ((0.0, "#000000"), "position and a colour"),
        ("aurora", "pairs"),
        (tuple((k / 2000, "#000000") for k in range(2000)), "at most"),
    ],
)
def test_stops_that_make_no_gradient_are_refused(stops: Any, says: str) -> None:
    """With a sentence that names what is wrong."""
    with pytest.raises(InvalidInput, match=says):
        Palette("Bad", stops)


@pytest.mark.parametrize("value", ["aurorra", 7, None, {"stopps": []}, {"title": ""}, "", []])
def test_what_names_no_palette_is_refused(value: Any) -> None:
    """Unknown names, wrong types, unknown keys."""
    with pytest.raises(InvalidInput):
        palette_of(value)


def test_a_palette_comes_from_a_name_data_a_list_or_itself() -> None:
    """Every way gives the same palette."""
    palette = palettes["ember"]
    assert palette_of("ember") == palette_of(palette.to_dict()) == palette_of(palette) == palette
    assert palette_of(["#000000", "#ff0000"]).stops == ((0.0, "#000000"), (0.5, "#ff0000"))
    assert hash(palette_of(palette.to_dict())) == hash(palette)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 0xFFFFFF)), min_size=2, max_size=9),
    st.booleans(),
)
def test_any_stops_make_a_gradient_that_meets_them(
    pairs: list[tuple[int, int]], cyclic: bool
) -> None:
    """The curve passes through its stops, never leaves their lightness, and survives its dict."""
    at = sorted({position for position, _ in pairs})
    if len(at) < 2:
        return
    colours = dict(pairs)
    palette = Palette("Any", tuple((p / 1000, f"#{colours[p]:06x}") for p in at), cyclic=cyclic)
    assert Palette.from_dict(palette.to_dict()) == palette
    light = palette.light(1000 if cyclic else 1001)
    stops = oklab(np.array([list(bytes.fromhex(colour[1:])) for _, colour in palette.stops]))
    assert np.allclose(lab_of(light[at]), stops, atol=2e-3)
    lightness = lab_of(light)[:, 0]
    # What sRGB lacks between two stops is clipped, which makes it a little lighter.
    assert lightness.min() >= stops[:, 0].min() - 0.03
    assert lightness.max() <= stops[:, 0].max() + 0.03


@pytest.mark.parametrize("name", ["graphite", "dusk", "lagoon"])
def test_ramps_get_lighter_all_the_way(name: str) -> None:
    """Where a palette is to show order, lightness rises with it, for every kind of sight."""
    light = palettes[name].light(512)
    assert (np.diff(lab_of(light)[:, 0]) > 0).all()
    for sight in SIGHTS:
        assert (np.diff(lab_of(np.clip(seen(light, sight), 0, None))[:, 0]) > -1e-6).all()


@pytest.mark.parametrize("name", SAFE)
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_safe_palettes_are_safe(name: str, sight: str) -> None:
    """Neighbouring stops stay apart for eyes that do not see green or red."""
    assert nearest_stops(palettes[name], sight) > APART


def test_red_and_green_of_one_lightness_are_not_safe() -> None:
    """The measure does find a palette that fails: it says nothing of pairs that look alike."""
    confusing = Palette.of(["oklch(0.6 0.12 140)", "oklch(0.6 0.12 50)"], cyclic=False)
    lab = np.array([lab_of_text(colour) for _, colour in confusing.stops])
    assert np.linalg.norm(lab[0] - lab[1]) > APART
    assert nearest_stops(confusing, "deuteranopia") < APART


def test_simulated_sight_keeps_grey() -> None:
    """White, grey and black look the same to everybody."""
    grey = np.linspace(0, 1, 9)[:, None] * np.ones(3)
    for sight in SIGHTS:
        assert np.allclose(seen(grey, sight), grey, atol=1e-6)


def test_a_ramp_goes_there_and_back_in_a_ring() -> None:
    """The first half of the ring is the ramp, the second its mirror image."""
    table = Palette("Ramp", BLACK_WHITE, cyclic=False).table(1024).astype(int)
    assert np.array_equal(table[1:512], table[:512:-1])
    assert table[0].tolist() == [0, 0, 0]
    assert table[512].tolist() == [255, 255, 255]


def test_wide_colours_are_beyond_srgb() -> None:
    """A stop in OKLCh may have what no sRGB colour has, and stays unclipped in light."""
    wide = Palette.of(["oklch(0.7 0.3 150)", "oklch(50% 0.3 30)"], "Wide")
    assert wide.light(2).min() < -0.05
    assert np.allclose(lab_of(wide.light(2))[0, 0], 0.7, atol=1e-3)
    for bad in ("oklch(2 0 0)", "oklch(0.5 0.9 0)", "oklch(a b c)", "oklch(0.5 0.1)"):
        with pytest.raises(InvalidInput, match="colour"):
            Palette.of([bad, "#000000"])


def test_a_picture_of_few_colours_gives_just_these(tmp_path: Path) -> None:
    """Median cut finds flat colours exactly, from an array and from a file."""
    colours = np.array([[10, 20, 80], [200, 40, 30], [240, 230, 90], [30, 160, 90]], np.uint8)
    photo = colours[np.add.outer(np.arange(40) // 10, np.zeros(50, int))]
    Image.fromarray(photo).save(tmp_path / "photo.png")
    for source in (photo, tmp_path / "photo.png"):
        palette = palette_from_picture(source, 4)
        found = {tuple(bytes.fromhex(colour[1:])) for _, colour in palette.stops}
        assert found == {tuple(map(int, colour)) for colour in colours}
    assert len(palette_from_picture(photo, 9).stops) == 4


def test_a_ramp_from_a_picture_gets_lighter() -> None:
    """Colours of a ramp are in order of their lightness; a ring rises and falls once."""
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    ramp = palette_from_picture(photo, 8, cyclic=False)
    lightness = [lab_of_text(colour)[0] for _, colour in ramp.stops]
    assert lightness == sorted(lightness)
    ring = palette_from_picture(photo, 8)
    steps = np.diff([lab_of_text(colour)[0] for _, colour in ring.stops])
    assert (np.diff(np.sign(steps)) != 0).sum() == 1


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((9, 9, 3), np.uint8),
        np.zeros((9, 9), np.uint8),
        np.zeros((0, 9, 3), np.uint8),
        np.zeros((9, 9, 3)),
    ],
    ids=["one colour", "no colours", "no pixels", "floats"],
)
def test_pictures_without_colours_are_refused(photo: np.ndarray) -> None:
    """With a sentence."""
    with pytest.raises(InvalidInput, match="picture"):
        palette_from_picture(photo)


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    """Missing ones, texts, and counts of colours that make no palette."""
    (tmp_path / "text.png").write_text("hello")
    for name in ("text.png", "missing.png"):
        with pytest.raises(InvalidInput, match="picture"):
            palette_from_picture(tmp_path / name)
    with pytest.raises(InvalidInput, match="colours"):
        palette_from_picture(np.zeros((9, 9, 3), np.uint8), 1)


@pytest.mark.parametrize("suffix", [".ggr", ".map", ".kfp"])
@pytest.mark.parametrize("name", ["aurora", "classic", "graphite"])
def test_palettes_survive_the_files_of_others(name: str, suffix: str, tmp_path: Path) -> None:
    """Written and read again, no colour is off by more than one sees."""
    palette = palettes[name]
    again = read_palette(write_palette(palette, tmp_path / f"p{suffix}"))
    if suffix == ".ggr":
        assert again.title == palette.title
        assert again.cyclic == palette.cyclic
    before, after = oklab(palette.table(512)), oklab(again.table(512))
    assert np.abs(before - after).max() < 0.03


def test_a_gimp_gradient_is_read_as_gimp_means_it(tmp_path: Path) -> None:
    """Segments, their middles, and a hard edge between two of them."""
    path = tmp_path / "two.ggr"
    path.write_text(
        "GIMP Gradient\nName: Two\n2\n"
        "0.0 0.2 0.5 1 0 0 1 0 0 0 1 0 0\n0.5 0.75 1.0 0 0 1 1 1 1 1 1 0 0\n"
    )
    palette = read_palette(path)
    assert palette.title == "Two"
    assert not palette.cyclic
    assert [colour for _, colour in palette.stops] == [
        "#ff0000",
        "#800000",
        "#000000",
        "#0000ff",
        "#ffffff",
    ]
    assert [round(at, 3) for at, _ in palette.stops] == [0.0, 0.2, 0.5, 0.5, 1.0]


def test_kalles_colours_have_blue_first(tmp_path: Path) -> None:
    """As the bitmaps of Windows do, in palettes and in whole parameter files."""
    path = tmp_path / "k.kfr"
    path.write_text("Re: 0\r\nColors: 255,0,0,0,128,0,1,2,3,\r\nSmooth: 1\r\n")
    assert [colour for _, colour in read_palette(path).stops] == ["#0000ff", "#008000", "#030201"]


BROKEN = {
    "a.ggr": ["", "GIMP", "GIMP Gradient\n", "GIMP Gradient\nName: x\n99999\n",
              "GIMP Gradient\n1\n0 0 0\n", "GIMP Gradient\n1\n1 0 0 0 0 0 0 0 0 0 0 0 0\n",
              "GIMP Gradient\n1\n0 .5 1 nan 0 0 1 0 0 0 1 0 0\n"],
    "a.map": ["", "1 2\n", "red green blue\n", "1 2 300\n1 2 3\n", "0 0 0\n"],
    "a.kfp": ["", "Colors:\n", "Colors: 1,2\n", "Colors: a,b,c,d,e,f\n", "Colors: 1,2,999,1,1,1\n"],
    "a.txt": ["0 0 0\n255 255 255\n"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BROKEN.items() for text in texts]
)
def test_broken_palette_files_are_refused(name: str, text: str, tmp_path: Path) -> None:
    """Each with a whole sentence; nothing else escapes."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        read_palette(path)
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "?"))


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([".ggr", ".map", ".kfp"]))
def test_no_bytes_break_the_readers(data: bytes, suffix: str) -> None:
    """Whatever stands in a file, it is a palette or a sentence."""
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(b"GIMP Gradient\n" * (suffix == ".ggr") + data)
        file.flush()
        try:
            assert len(read_palette(file.name).stops) >= 2
        except InvalidInput as error:
            assert "\n" not in str(error) and str(error).endswith((".", "?"))


def test_huge_and_missing_palette_files_are_refused(tmp_path: Path) -> None:
    """Before they fill the memory; and no palette is written under an unknown ending."""
    (tmp_path / "huge.map").write_bytes(b"0 0 0\n" * 300_000)
    for name in ("huge.map", "missing.map"):
        with pytest.raises(InvalidInput):
            read_palette(tmp_path / name)
    with pytest.raises(InvalidInput, match="ending"):
        write_palette(palettes["aurora"], tmp_path / "p.png")


def test_light_of_a_palette_is_its_table() -> None:
    """The bytes for browsers are the light for pictures, coded."""
    from fraktal_kernel.fractals.palettes import srgb

    for name in palettes:
        if palettes[name].cyclic:
            assert np.array_equal(srgb(palettes[name].light(256)), palettes[name].table(256))
    assert linear(np.array([255])).tolist() == [1.0]
