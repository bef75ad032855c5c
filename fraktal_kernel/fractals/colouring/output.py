"""From linear light to what files and screens take: 8 or 16 bits, sRGB or wider, or float."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.palettes.light import (
    SLACK,
    Gamut,
    encoded,
    gamut_of,
    into_gamut,
    mixed,
)
from fraktal_kernel.fractals.progress import Cancelled

BITS = (8, 16, 32)
_BLOCK = 1 << 16
_LEVELS = 65_535
_BRIGHTEST = 1e6


def develop(
    light: NDArray[np.float32],
    *,
    bits: int = 8,
    gamut: str = "srgb",
    dither: bool = False,
    origin: tuple[int, int] = (0, 0),
    cancelled: Cancelled | None = None,
) -> NDArray[Any]:
    """Turn linear light [h, w, 3] of the sRGB primaries into pixels of a file.

    Parameters
    ----------
    light : as `paint` gives it
    bits : 8 or 16 give uint8 or uint16 with the curve of sRGB, in gamut; 32 gives float32,
        linear and unclipped, as EXR files have it
    gamut : ``"srgb"``, ``"display-p3"`` or ``"rec2020"``
    dither : hide the steps of 8 bits in a fine grain that stays where it is; 16 bits need none
    origin : row and column of these pixels in the whole picture, where the grain continues
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Examples
    --------
    >>> develop(np.full((1, 1, 3), 0.5, np.float32)).tolist()
    [[[188, 188, 188]]]
    """
    if bits not in BITS or isinstance(bits, bool):
        raise InvalidInput(f"bits is {bits!r:.60}; expected 8, 16 or 32.")
    if light.ndim != 3 or light.shape[2] != 3:
        raise InvalidInput(f"the light is {list(light.shape)}; expected [h, w, 3].")
    target = gamut_of(gamut)
    kind: Any = {8: np.uint8, 16: np.uint16, 32: np.float32}[bits]
    out = np.empty(light.shape, kind)
    rows, columns = light.shape[:2]
    tall = max(_BLOCK // max(columns, 1), 1)
    for first in range(0, rows, tall):
        if cancelled is not None and cancelled():
            from fraktal_kernel.fractals.progress import Stopped

            raise Stopped("the picture was cancelled before it was complete.")
        part = light[first : first + tall]
        if bits == 8 and not dither and target.code == 1 and _fits(part):
            level = part * np.float32(_LEVELS)
            level += np.float32(0.5)
            np.clip(level, 0, _LEVELS, out=level)
            _bytes().take(level.astype(np.intp), out=out[first : first + tall], mode="clip")
            continue
        planes = np.ascontiguousarray(np.moveaxis(part, -1, 0), np.float32)
        done = _developed(planes, bits, target, dither, (origin[0] + first, origin[1]))
        for k in range(3):
            out[first : first + tall, :, k] = done[k]
    return out


def _developed(
    planes: NDArray[np.float32], bits: int, gamut: Gamut, dither: bool, origin: tuple[int, int]
) -> NDArray[np.float32]:
    if bits == 32:
        return planes if gamut.code == 1 else mixed(gamut.from_srgb(), planes)
    planes = np.nan_to_num(planes, nan=0.0, posinf=_BRIGHTEST, neginf=-_BRIGHTEST)
    values = encoded(into_gamut(planes, gamut)) * np.float32(255 if bits == 8 else _LEVELS)
    if dither and bits == 8:
        # Whole levels, black and white among them, stay as they are.
        values += _grain(planes.shape[1], planes.shape[2], origin)
        np.clip(values, 0, 255, out=values)
    return np.rint(values)


def _fits(light: NDArray[np.float32]) -> bool:
    """Whether sRGB has all of these colours, as nearly as anybody sees."""
    return bool(light.min() >= -SLACK and light.max() <= 1 + SLACK)


@lru_cache(maxsize=1)
def _bytes() -> NDArray[np.uint8]:
    """Give the sRGB byte of every level of light."""
    return np.asarray(np.rint(encoded(np.arange(_LEVELS + 1) / _LEVELS) * 255), np.uint8)


def _grain(rows: int, columns: int, origin: tuple[int, int]) -> NDArray[np.float32]:
    """Give noise below half a level that looks even at any size.

    References
    ----------
    Jimenez, *Next generation post processing in Call of Duty: Advanced Warfare* (2014), on
    interleaved gradient noise.
    """
    y = np.arange(origin[0], origin[0] + rows) * 0.00583715 % 1.0
    x = np.arange(origin[1], origin[1] + columns) * 0.06711056 % 1.0
    noise = (y[:, None] + x[None, :]) % 1.0 * 52.9829189 % 1.0
    return ((noise - 0.5) * 0.998).astype(np.float32)
