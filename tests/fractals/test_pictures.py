"""Colours, pictures, files and references: what people see and pass on."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fraktal_kernel.errors import InvalidInput, Unavailable
from fraktal_kernel.fractals import (
    Picture,
    Scene,
    View,
    colour,
    escape,
    indices,
    palettes,
    progressive,
    read_scene,
    render,
    resolve_scene,
    scenes,
)
from fraktal_kernel.fractals.colouring import PLACES, TABLE_SIZE
from fraktal_kernel.fractals.colouring.looks import looks
from fraktal_kernel.fractals.palettes import from_oklab, linear, oklab, srgb


@pytest.mark.parametrize("name", list(palettes))
def test_every_palette_is_a_smooth_ring(name: str) -> None:
    """No step of the table is visible, the last colour meets the first, stops are hit exactly."""
    palette = palettes[name]
    table = palette.table(4096).astype(int)
    steps = np.abs(np.diff(table, axis=0, append=table[:1]))
    assert steps.max() <= 4
    for position, text in palette.stops:
        at = int(position * (4096 if palette.cyclic else 2048))  # a ramp goes there and back
        assert np.abs(table[at] - list(bytes.fromhex(text[1:]))).max() <= 3


@pytest.mark.parametrize("name", list(palettes))
def test_every_palette_uses_dark_and_light(name: str) -> None:
    """A picture needs contrast: each ring spans most of the lightness that OKLab has."""
    lightness = oklab(palettes[name].table(256))[:, 0]
    assert lightness.max() - lightness.min() > 0.5


def test_beacon_can_be_told_apart_without_red_and_green() -> None:
    """Seen by a deuteranope, colours that differ in lightness order keep that order."""
    light = linear(palettes["beacon"].table(64))
    # Viénot, Brettel & Mollon (1999), deuteranopia in linear RGB.
    seen = (
        light @ np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]).T
    )
    before, after = oklab(srgb(light))[:, 0], oklab(srgb(seen))[:, 0]
    assert np.corrcoef(before, after)[0, 1] > 0.99


def test_colour_spaces_are_there_and_back() -> None:
    """OKLab and linear light lose no byte."""
    rgb = np.random.default_rng(1).integers(0, 256, (1000, 3)).astype(np.uint8)
    assert np.array_equal(srgb(linear(rgb)), rgb)
    assert np.array_equal(from_oklab(oklab(rgb)), rgb)
    assert np.allclose(oklab(np.array([255, 255, 255])), [1, 0, 0], atol=1e-4)


def test_colour_is_the_table_at_the_index() -> None:
    """Python paints exactly what a browser paints that has the indices and a table."""
    scene = scenes["seahorse"]
    field = escape(scene, 120, 90)
    index = indices(field, scene).astype(int)
    palette = palettes[scene.palette]
    painted = palette.table(TABLE_SIZE)[np.maximum(index - 1, 0) * TABLE_SIZE // PLACES]
    painted[index == 0] = palette.inside_rgb
    assert np.array_equal(painted, colour(field, scene))
    assert np.array_equal(index == 0, field.nu < 0)


def test_offset_turns_the_ring() -> None:
    """Half a turn more moves every index by half of the places."""
    scene = scenes["full_set"]
    field = escape(scene, 80, 60)
    a = indices(field, scene).astype(int)
    b = indices(field, replace(scene, offset=0.5)).astype(int)
    moved = (b - a)[a > 0] % PLACES
    assert np.abs(moved - PLACES / 2).max() <= 1


@pytest.mark.parametrize("name", ["full_set", "seahorse"])
@pytest.mark.parametrize("size", [(80, 60), (81, 59), (5, 4), (1, 1), (100, 3)])
def test_the_last_level_is_the_picture(name: str, size: tuple[int, int]) -> None:
    """Coarse samples are samples of the fine picture, and the last level is all of it."""
    scene = replace(scenes[name], max_iter=300)
    width, height = size
    whole = indices(escape(scene, width, height), scene)
    levels = list(progressive(scene, width, height))
    assert [step for step, _ in levels] == [9, 3, 1]
    for step, level in levels:
        assert level.dtype == np.uint16
        assert level.shape == (-(-height // step), -(-width // step))
        centres = whole[step // 2 :: step, step // 2 :: step]
        assert np.array_equal(level[: centres.shape[0], : centres.shape[1]], centres)
    assert np.array_equal(levels[-1][1], whole)


def test_a_superseded_picture_ends() -> None:
    """Nothing more comes once a newer view is wanted."""
    done: list[int] = []
    for step, _ in progressive(scenes["seahorse"], 300, 200, lambda: bool(done)):
        done.append(step)
    assert done == [9]


def test_render_takes_names_and_scenes() -> None:
    """A name is as good as its scene."""
    a, b = render("elephant", 60, 40), render(scenes["elephant"], 60, 40)
    assert np.array_equal(a.pixels, b.pixels)
    assert a.pixels.shape == (40, 60, 3)
    assert a.iterations == b.iterations > 0


def test_antialias_is_the_mean_in_linear_light() -> None:
    """Four samples a pixel give the mean of the picture of twice the size."""
    fine = linear(render("seahorse", 80, 60).pixels)
    mean = srgb(fine.reshape(30, 2, 40, 2, 3).mean(axis=(1, 3))).astype(int)
    assert np.abs(mean - render("seahorse", 40, 30, antialias=2).pixels).max() <= 1


def test_bands_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture made in many bands is the same as one made at once."""
    import sys

    from fraktal_kernel.fractals import render as _  # noqa: F401

    module = sys.modules["fraktal_kernel.fractals.render"]
    whole = render("seahorse", 64, 48, antialias=3).pixels
    told: list[str] = []
    monkeypatch.setattr(module, "_BAND_SAMPLES", 64 * 9 * 5)
    bands = render("seahorse", 64, 48, antialias=3, progress=lambda f, text: told.append(text))
    assert np.array_equal(whole, bands.pixels)
    assert told[-1] == "rows 48/48"


@pytest.mark.parametrize("antialias", [0, 5, 1.5, True, "2"])
def test_bad_antialias_is_refused(antialias: int) -> None:
    """Whole numbers from 1 to 4."""
    with pytest.raises(InvalidInput, match="antialias"):
        render("full_set", 8, 8, antialias=antialias)


@pytest.mark.parametrize("size", [(0, 9), (9, -9), (10**9, 10**9)])
def test_bad_sizes_are_refused(size: tuple[int, int]) -> None:
    """With a sentence, before any work."""
    with pytest.raises(InvalidInput, match="pixels"):
        render("full_set", *size)


@pytest.fixture(scope="module")
def picture() -> Picture:
    """Render a small picture of a view with many digits."""
    return render(Scene(view=View("-0.7436438870371587123", "0.13182590420531197", "1e-4")), 32, 24)


def test_a_saved_picture_can_be_made_again(picture: Picture, tmp_path: Path) -> None:
    """The PNG carries the scene with every digit, and shows the pixels."""
    path = picture.save(tmp_path / "p.png")
    assert read_scene(path) == picture.scene
    assert read_scene(picture.png()) == picture.scene
    assert np.array_equal(np.asarray(Image.open(path)), picture.pixels)
    assert os.listdir(tmp_path) == ["p.png"]
    assert picture._repr_png_() == picture.png()


def test_a_failed_save_leaves_nothing(picture: Picture, tmp_path: Path) -> None:
    """Neither a half picture nor a leftover."""
    (tmp_path / "p.png").mkdir()
    with pytest.raises(Unavailable, match="cannot be written"):
        picture.save(tmp_path / "p.png")
    assert os.listdir(tmp_path) == ["p.png"]


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


HEAD = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
END = chunk(b"IEND", b"")


def with_scene(text: bytes) -> bytes:
    """Make a PNG with our chunk and no pixels."""
    return HEAD + chunk(b"tEXt", b"fraktal:scene\0" + text) + END


BROKEN = {
    "empty": b"",
    "text": b"hello",
    "jpeg": b"\xff\xd8\xff\xe0" + b"\0" * 100,
    "signature only": HEAD[:8],
    "no scene": HEAD + END,
    "cut off": with_scene(b"{}")[:-5],
    "cut in a length": HEAD + b"\0\0",
    "length beyond the end": HEAD + b"\x7f\xff\xff\xff" + b"IDAT" + b"\0" * 100,
    "length too large": HEAD + b"\xff\xff\xff\xff" + b"tEXt",
    "no header": HEAD[:8] + END,
    "wrong checksum": with_scene(b"{}").replace(b"fraktal:scene\0{}", b"fraktal:scene\0[]"),
    "no JSON": with_scene(b"{"),
    "no UTF-8": with_scene(b'{"palette": "\xff"}'),
    "deep JSON": with_scene(b"[" * 100_000),
    "wrong scene": with_scene(b'{"max_iter": 0}'),
    "compressed bomb": HEAD
    + chunk(b"zTXt", b"fraktal:scene\0\0" + zlib.compress(b" " * 10**7))
    + END,
    "huge text": with_scene(b" " * 2_000_000),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_pictures_are_refused(data: bytes, tmp_path: Path) -> None:
    """From bytes and from a file, each with a sentence."""
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(InvalidInput):
            read_scene(source)


def test_every_cut_of_a_picture_is_refused(picture: Picture) -> None:
    """Wherever a file ends too early, it is refused and nothing else happens."""
    data = picture.png()
    for end in range(len(data)):
        with pytest.raises(InvalidInput):
            read_scene(data[:end])


def test_a_text_chunk_that_another_program_rewrote_is_read() -> None:
    """Some editors turn tEXt into iTXt."""
    body = b"fraktal:scene\0\0\0\0\0" + json.dumps(scenes["elephant"].to_dict()).encode()
    assert read_scene(HEAD + chunk(b"iTXt", body) + END) == scenes["elephant"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Missing files, folders and pipes."""
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("missing.png", "", "pipe.png"):
        with pytest.raises(InvalidInput):
            read_scene(tmp_path / name)


def test_references_of_every_kind_are_resolved(picture: Picture, tmp_path: Path) -> None:
    """A scene, a dict, JSON text, a name, a picture and a JSON file."""
    scene = picture.scene
    data = scene.to_dict()
    picture.save(tmp_path / "p.png")
    (tmp_path / "s.json").write_text(json.dumps(data))
    for reference in (scene, data, json.dumps(data), str(tmp_path / "p.png")):
        assert resolve_scene(reference, None) == scene
    for reference in ("p.png", "s.json", str(tmp_path / "s.json"), "./sub/../p.png"):
        assert resolve_scene(reference, [tmp_path]) == scene
    assert resolve_scene("seahorse", []) == scenes["seahorse"]


def test_no_way_leads_out_of_the_folders(picture: Picture, tmp_path: Path) -> None:
    """Dots, absolute paths and links that point outside are refused, and so is every path."""
    inside = tmp_path / "in"
    inside.mkdir()
    outside = picture.save(tmp_path / "out.png")
    (inside / "link.png").symlink_to(outside)
    (inside / "folder").symlink_to(tmp_path)
    for reference in ("../out.png", str(outside), "link.png", "folder/out.png", "/etc/passwd"):
        with pytest.raises(InvalidInput):
            resolve_scene(reference, [inside])
        with pytest.raises(InvalidInput):
            resolve_scene(reference, [])


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "seahrose",
        "a.png",
        "\0.png",
        "x" * 10_000 + ".png",
        "/" + "x" * 300 + ".png",
        "{",
        '{"max_iter": NaN}',
        "[1]",
        "/dev/zero",
        "/dev/zero/x.json",
        "~nobody_here/x.png",
        7,
        None,
    ],
)
def test_bad_references_are_refused(bad: object, tmp_path: Path) -> None:
    """Whatever it is, the answer is one sentence of ours."""
    for roots in (None, [], [tmp_path]):
        with pytest.raises(InvalidInput):
            resolve_scene(bad, roots)  # type: ignore[arg-type]


def test_png_bytes_are_what_pillow_reads(picture: Picture) -> None:
    """Other programs see an ordinary picture."""
    with Image.open(io.BytesIO(picture.png())) as image:
        image.load()
        assert image.size == (32, 24)


@pytest.mark.parametrize(
    "scene",
    [
        Scene("burning_ship", View("-0.5", "0.5", "3.6"), max_iter=200),
        Scene("z**3 + c*z", View("0", "0", "3.2", rotation_deg=30), max_iter=100),
        Scene(view=View("-1.76866786283748881262741947", "0.0016455805468202094", "1e-19")),
        Scene(view=View("-0.65", "0", "3.3"), look=looks["relief"], max_iter=200),
    ],
)
@pytest.mark.parametrize("antialias", [1, 2])
def test_any_scene_becomes_a_picture_that_makes_itself_again(scene: Scene, antialias: int) -> None:
    """Other formulas, turned and deep views, and looks are drawn, and stand in the PNG."""
    picture = render(scene, 48, 36, antialias=antialias)
    assert picture.pixels.shape == (36, 48, 3)
    assert picture.pixels.std() > 0 or scene.view.width == "1e-19"
    again = read_scene(picture.png())
    assert again == scene
    assert (render(again, 48, 36, antialias=antialias).pixels == picture.pixels).all()


def test_a_picture_that_cannot_be_written_leaves_nothing(picture: Picture, tmp_path: Path) -> None:
    """A folder that is none, or a disk that takes no more, is told in a sentence."""
    with pytest.raises(Unavailable, match="cannot be written"):
        picture.save(tmp_path / "nowhere" / "a.png")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal that goes with it, so that writing fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(Unavailable, match="make room"):
            picture.save(tmp_path / "a.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_drawn_is_refused_before_any_work() -> None:
    """Too deep for its formula, or too many samples for memory."""
    with pytest.raises(InvalidInput, match="too deep"):
        render(Scene("newton", View("0.5", "0.1", "1e-30")), 48, 36)
    with pytest.raises(InvalidInput, match="poster"):
        render(Scene("burning_ship"), 9000, 9000)
