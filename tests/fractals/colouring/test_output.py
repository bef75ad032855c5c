"""What files get: bytes, 16 bits, wide gamuts, and PNG that other programs read."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Stopped, read_scene, scenes
from fraktal_kernel.fractals.colouring import develop, looks, paint
from fraktal_kernel.fractals.deflate import _joined, deflated
from fraktal_kernel.fractals.palettes import linear, srgb
from fraktal_kernel.fractals.palettes.light import GAMUTS, decoded, lab_of, mixed
from fraktal_kernel.fractals.palettes.profile import icc_profile
from fraktal_kernel.fractals.png import encoded, write_png

RNG = np.random.default_rng(7)
BYTES = RNG.integers(0, 256, (40, 50, 3)).astype(np.uint8)
LIGHT = linear(BYTES).astype(np.float32)


def png(pixels: NDArray[Any], **options: Any) -> bytes:
    """Encode pixels in one go."""
    return b"".join(encoded(pixels, **options))


def test_bytes_come_back_as_they_were() -> None:
    """Light made of sRGB bytes develops into just these, with grain and without."""
    assert np.array_equal(develop(LIGHT), BYTES)
    assert np.array_equal(develop(LIGHT, dither=True), BYTES)
    sixteen = develop(LIGHT, bits=16)
    assert sixteen.dtype == np.uint16
    assert np.array_equal(sixteen, BYTES.astype(np.uint16) * 257)
    assert np.array_equal(develop(LIGHT, bits=32), LIGHT)


def test_bytes_are_rounded_as_everywhere() -> None:
    """The quick table gives what the exact curve gives, but for a last bit on the edge."""
    light = RNG.random((200, 100, 3)).astype(np.float32) ** 3
    difference = develop(light).astype(int) - srgb(light)
    assert np.abs(difference).max() <= 1
    assert (difference == 0).mean() > 0.99


def test_grain_keeps_the_mean_and_stays_where_it_is() -> None:
    """A level between two bytes becomes a mixture of them; tiles continue it without a seam."""
    flat = decoded(np.full((64, 200, 3), 100.3 / 255)).astype(np.float32)
    grainy = develop(flat, dither=True)
    assert set(np.unique(grainy)) == {100, 101}
    assert grainy.mean() == pytest.approx(100.3, abs=0.02)
    tile = develop(flat[20:30, 50:90], dither=True, origin=(20, 50))
    assert np.array_equal(tile, grainy[20:30, 50:90])


@pytest.mark.parametrize("gamut", ["display-p3", "rec2020"])
def test_wide_gamuts_have_all_of_srgb(gamut: str) -> None:
    """Every sRGB colour is inside of the wider gamut, and means the same light there."""
    pixels = develop(LIGHT, bits=16, gamut=gamut)
    back = decoded(pixels / 65_535).reshape(-1, 3).T
    light = np.linalg.inv(GAMUTS[gamut].from_srgb()) @ back
    assert np.allclose(light.T, LIGHT.reshape(-1, 3), atol=2e-4)


def test_the_matrices_are_those_of_the_standards() -> None:
    """Published values of sRGB in XYZ, P3 and Rec. 2020."""
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    assert np.allclose(GAMUTS["srgb"].to_xyz(), xyz, atol=2e-4)
    p3 = [[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]]
    assert np.allclose(GAMUTS["display-p3"].from_srgb(), p3, atol=1e-4)
    rec = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    assert np.allclose(GAMUTS["rec2020"].from_srgb(), rec, atol=1e-4)


@pytest.mark.parametrize("gamut", GAMUTS)
def test_colours_out_of_gamut_keep_hue_and_lightness(gamut: str) -> None:
    """Only their chroma gets lower, and no channel is cut off."""
    hue = np.linspace(0, 2 * np.pi, 73)
    lab = np.stack([np.full(73, 0.65), 0.45 * np.cos(hue), 0.45 * np.sin(hue)], axis=-1)
    from fraktal_kernel.fractals.palettes.light import light_of

    light = light_of(lab).astype(np.float32)[None]
    pixels = decoded(develop(light, bits=16, gamut=gamut) / 65_535)[0]
    seen = lab_of((np.linalg.inv(GAMUTS[gamut].from_srgb()) @ pixels.T).T)
    turned = np.angle(np.exp(1j * (np.arctan2(seen[:, 2], seen[:, 1]) - hue)))
    assert np.abs(turned).max() < 0.05
    assert np.allclose(seen[:, 0], 0.65, atol=0.01)
    assert np.hypot(seen[:, 1], seen[:, 2]).max() < 0.45


def test_a_wider_gamut_keeps_more_chroma() -> None:
    """The same green is less dull on a wide screen; float files keep all of it."""
    light = np.array([[[-0.3, 0.9, -0.1]]], np.float32)
    chroma = []
    for gamut in ("srgb", "display-p3", "rec2020"):
        pixels = decoded(develop(light, bits=16, gamut=gamut) / 65_535)[0]
        seen = lab_of((np.linalg.inv(GAMUTS[gamut].from_srgb()) @ pixels.T).T)
        chroma.append(float(np.hypot(*seen[0, 1:])))
    assert chroma[0] < chroma[1] < chroma[2]
    assert np.array_equal(develop(light, bits=32), light)


def test_extreme_light_is_white_or_black() -> None:
    """Whatever an addition of layers gives, pixels come out."""
    light = np.array([[[1e9, 1e9, 1e9], [-5, -5, -5], [np.inf, 1, 1], [np.nan] * 3]], np.float32)
    pixels = develop(light)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bits": 10}, "bits"),
        ({"bits": True}, "bits"),
        ({"gamut": "p3"}, "gamut"),
        ({"gamut": None}, "gamut"),
    ],
)
def test_unknown_outputs_are_refused(options: dict[str, Any], says: str) -> None:
    """With a sentence."""
    with pytest.raises(InvalidInput, match=says):
        develop(LIGHT, **options)
    with pytest.raises(InvalidInput, match=r"\[h, w, 3\]"):
        develop(LIGHT[..., 0])


@pytest.mark.parametrize("gamut", GAMUTS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (97, 61)])
def test_png_is_what_other_programs_read(gamut: str, bits: int, size: tuple[int, int]) -> None:
    """An independent decoder gives every pixel of every depth back, all filters included."""
    from imagecodecs import png_decode

    kind: Any = np.uint8 if bits == 8 else np.uint16
    noise = RNG.integers(0, np.iinfo(kind).max + 1, (*size, 3)).astype(kind)
    flow = np.cumsum(RNG.integers(0, 3, (*size, 3)), axis=1).astype(kind)
    few = (RNG.integers(0, 2, (*size, 1)) * np.ones(3)).astype(kind)
    for pixels in (noise, flow, few):
        data = png(pixels, gamut=gamut)
        assert np.array_equal(np.asarray(png_decode(data)).reshape(pixels.shape), pixels)
        if bits == 8:
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)


def test_a_png_of_many_pieces_is_whole(seahorse: dict[str, NDArray[Any]]) -> None:
    """Real pictures, taller than a piece, as a view of a larger array, with few threads or many."""
    pixels = np.tile(develop(paint(seahorse, looks["relief"])), (12, 6, 1))[3:, 5:]
    told: list[str] = []
    data = png(pixels, threads=1)
    again = png(pixels, threads=5, progress=lambda fraction, text: told.append(text))
    assert data == again
    assert told[-1] == f"rows {len(pixels)}/{len(pixels)}"
    assert len(told) > 3
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)


def test_the_stream_is_zlib_and_its_checksum_right() -> None:
    """Any zlib reads the stream; joined checksums are those of the whole."""
    pixels = RNG.integers(0, 4, (700, 300, 3)).astype(np.uint8)
    assert len(zlib.decompress(b"".join(deflated(pixels)))) == 700 * 901
    a, b = RNG.bytes(70_001), RNG.bytes(123_456)
    assert _joined(zlib.adler32(a), zlib.adler32(b), len(b)) == zlib.adler32(a + b)


def test_a_png_carries_its_scene_at_any_depth() -> None:
    """16 bits and wide gamuts are read like others."""
    pixels = BYTES.astype(np.uint16) * 257
    data = write_png(pixels, scenes["elephant"], 2, gamut="rec2020")
    assert read_scene(data) == scenes["elephant"]


@pytest.mark.parametrize("gamut", ["display-p3", "rec2020"])
def test_the_profile_means_what_the_matrices_say(gamut: str) -> None:
    """Little CMS, reading the profile from the file, turns the pixels back into sRGB."""
    data = png(develop(LIGHT, gamut=gamut), gamut=gamut)
    image = Image.open(io.BytesIO(data))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert GAMUTS[gamut].title in ImageCms.getProfileDescription(profile)
    back = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
    assert back is not None
    # Eight bits of a wide gamut are coarser than those of sRGB, most of all in the shadows.
    difference = np.abs(np.asarray(back).astype(int) - BYTES)
    assert difference.mean() < 1
    assert difference[BYTES.min(axis=-1) > 60].max() <= 3
    assert bytes([GAMUTS[gamut].code, 13, 0, 1]) in data[data.index(b"cICP") :][:8]


def test_a_profile_says_its_length_and_is_aligned() -> None:
    """The header and the table of tags agree with the bytes."""
    for gamut in GAMUTS.values():
        data = icc_profile(gamut)
        assert int.from_bytes(data[:4], "big") == len(data)
        for k in range(int.from_bytes(data[128:132], "big")):
            start, size = (int.from_bytes(data[132 + 12 * k + at :][:4], "big") for at in (4, 8))
            assert start % 4 == 0
            assert start + size <= len(data)


def test_what_is_no_picture_is_not_encoded() -> None:
    """Floats, grey, nothing: with a sentence, before any byte."""
    for pixels in (LIGHT, BYTES[..., 0], BYTES[:0]):
        with pytest.raises(InvalidInput):
            png(pixels)
    with pytest.raises(InvalidInput, match="gamut"):
        png(BYTES, gamut="wide")


def test_a_cancel_ends_the_encoding() -> None:
    """At once, after some pieces, and with no thread left behind."""
    import threading

    pixels = RNG.integers(0, 256, (3000, 1000, 3)).astype(np.uint8)
    with pytest.raises(Stopped):
        png(pixels, cancelled=lambda: True)
    told: list[float] = []
    before = threading.active_count()
    with pytest.raises(Stopped):
        png(
            pixels,
            progress=lambda fraction, text: told.append(fraction),
            cancelled=lambda: len(told) >= 2,
        )
    assert len(told) == 2
    assert threading.active_count() == before


def test_planes_and_pixels_are_mixed_alike() -> None:
    """The quick form for planes is the plain product of matrices."""
    matrix = GAMUTS["display-p3"].from_srgb()
    planes = np.ascontiguousarray(np.moveaxis(LIGHT, -1, 0))
    assert np.allclose(np.moveaxis(mixed(matrix, planes), 0, -1), LIGHT @ matrix.T, atol=1e-6)
