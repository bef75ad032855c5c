"""Palettes from pictures, by median cut in OKLab."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput, MissingExtra
from fraktal_kernel.fractals.palettes.gradient import Palette, text_of_light
from fraktal_kernel.fractals.palettes.light import light_of, oklab

MAX_COLOURS = 64
# Pixels a side that are looked at: more change no colour that one could see.
_SIDE = 256


def palette_from_picture(
    picture: str | os.PathLike[str] | NDArray[Any],
    colours: int = 7,
    *,
    title: str = "From a picture",
    cyclic: bool = True,
) -> Palette:
    """Take the colours of a picture as a palette.

    The colours are halved again and again where they spread most in OKLab; each part gives its
    mean. A ring goes from the darkest colour up through every second one and down through the
    others, so that no step jumps in lightness.

    Parameters
    ----------
    picture : path of a picture file, or sRGB bytes [h, w, 3]
    colours : how many stops, 2 to 64; fewer come out of a picture that has fewer colours

    Examples
    --------
    >>> photo = np.zeros((8, 8, 3), np.uint8)
    >>> photo[:4] = 255
    >>> [colour for _, colour in palette_from_picture(photo, 2).stops]
    ['#000000', '#ffffff']
    """
    if isinstance(colours, bool) or not isinstance(colours, int) or not 2 <= colours <= MAX_COLOURS:
        raise InvalidInput(f"colours is {colours!r:.60}; expected 2 to {MAX_COLOURS}.")
    pixels = picture if isinstance(picture, np.ndarray) else _read(picture)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise InvalidInput(
            f"the picture is {pixels.dtype} {list(pixels.shape)}; expected uint8 [h, w, 3]."
        )
    step = [max(1, size // _SIDE) for size in pixels.shape[:2]]
    means = _median_cut(oklab(pixels[:: step[0], :: step[1]].reshape(-1, 3)), colours)
    means = means[np.argsort(means[:, 0], kind="stable")]
    if len(means) < 2:
        raise InvalidInput("the picture has a single colour; a palette needs two at least.")
    if cyclic:
        means = np.concatenate([means[::2], means[1::2][::-1]])
    return Palette.of([text_of_light(light_of(lab)) for lab in means], title, cyclic=cyclic)


def _median_cut(lab: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Split colours [n, 3] into boxes, always where most variance is, and give their means."""
    boxes = [lab]
    while len(boxes) < count:
        spread = [np.sqrt(len(box)) * np.ptp(box, axis=0).max() for box in boxes]
        widest = int(np.argmax(spread))
        if spread[widest] < 1e-3:
            break
        box = boxes.pop(widest)
        values = box[:, int(np.argmax(np.ptp(box, axis=0)))]
        low = values <= np.median(values)
        if low.all():  # the median is the maximum
            low = values < values.max()
        boxes += [box[low], box[~low]]
    return np.array([box.mean(axis=0) for box in boxes])


def _read(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a picture file, made small while it is read."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtra("reading pictures needs Pillow: pip install pillow") from None
    name = Path(path).name
    try:
        with Image.open(path) as image:
            image.draft("RGB", (_SIDE, _SIDE))
            small = image.convert("RGB")
            small.thumbnail((_SIDE, _SIDE))
            return np.asarray(small)
    except Image.DecompressionBombError:
        raise InvalidInput(f"{name:.100} is too large a picture; choose a smaller one.") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InvalidInput(f"{name:.100} is no picture that can be read: {error!s:.200}") from None
