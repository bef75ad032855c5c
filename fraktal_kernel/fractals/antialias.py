"""Antialiasing where it shows: more samples for pixels whose neighbours have another colour.

A first sample of every pixel tells where the colours change faster than the pixels. Only there a
pixel becomes the mean, in linear light, of ``n x n`` samples, one in each of as many equal squares,
at a place in it that depends on nothing but the pixel: the same picture every time, and the same in
tiles as in one piece. What is thinner than a pixel and was missed by the first samples of all its
neighbours stays missed.

References
----------
Cook, *Stochastic sampling in computer graphics* (1986), on jittered samples.
Whitted, *An improved illumination model for shaded display* (1980), on samples where they differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.palettes.light import lab_planes
from fraktal_kernel.fractals.progress import Cancelled, apart

MAX_SAMPLES = 8
Mask = NDArray[np.bool_]
Light = NDArray[np.float32]
# Gives the light of the chosen pixels, [count, 3] row after row, with the picture's points moved by
# so many pixels to the right and downwards.
Sampler = Callable[[float, float, Mask], Light]
# Sets of places for the samples; a pixel takes one of them, so that no pattern repeats.
_PATTERNS = 2


@dataclass(frozen=True, slots=True)
class Antialias:
    """How edges are smoothed.

    Parameters
    ----------
    samples : so many by so many samples in a pixel where colours change; 1 for none
    threshold : difference in OKLab from which on colours change; below 0 every pixel is sampled

    Examples
    --------
    >>> Antialias(samples=4).threshold
    0.03
    """

    samples: int = 3
    threshold: float = 0.03

    def __post_init__(self) -> None:
        n = self.samples
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_SAMPLES:
            raise InvalidInput(
                f"samples is {n!r:.60}; expected a whole number from 1 to {MAX_SAMPLES}."
            )
        given = self.threshold
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not -1 <= given <= 1:
            raise InvalidInput(f"threshold is {given!r:.60}; expected a number from -1 to 1.")


def edges(light: Light, threshold: float) -> Mask:
    """Mark pixels [h, w] of light [h, w, 3] that one of their eight neighbours differs from.

    Examples
    --------
    >>> row = np.zeros((1, 5, 3), np.float32)
    >>> row[0, 4] = 1
    >>> edges(row, 0.1).tolist()
    [[False, False, False, True, True]]
    """
    seen = np.clip(np.nan_to_num(np.moveaxis(light, -1, 0)), 0, 1).astype(np.float32)
    lab = lab_planes(seen)
    marked: Mask = np.full(light.shape[:2], threshold < 0)
    limit = np.float32(threshold * abs(threshold))
    rows, columns = marked.shape
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = slice(0, rows - down), slice(max(-right, 0), columns - max(right, 0))
        there = slice(down, rows), slice(max(right, 0), columns - max(-right, 0))
        apart = lab[(slice(None), *here)] - lab[(slice(None), *there)]
        differs = (apart * apart).sum(axis=0) > limit
        marked[here] |= differs
        marked[there] |= differs
    return marked


def smoothed(
    light: Light,
    sample: Sampler,
    antialias: Antialias,
    *,
    margin: tuple[int, int, int, int] = (0, 0, 0, 0),
    origin: tuple[int, int] = (0, 0),
    cancelled: Cancelled | None = None,
) -> Light:
    """Give light [h, w, 3] with the pixels at edges sampled anew; all others stay as they are.

    Parameters
    ----------
    light : one sample of each pixel, at its centre
    sample : gives more of them, for masks [h, w] of the picture without its margin
    antialias : how many, and where
    margin : rows above and below, columns left and right that are given as neighbours only; one
        of each, fewer at the picture's edge, makes tiles join without a seam
    origin : row and column of the first pixel behind the margin in the whole picture
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True
    """
    top, bottom, left, right = margin
    inner = slice(top, light.shape[0] - bottom), slice(left, light.shape[1] - right)
    out = light[inner].copy()
    n = antialias.samples
    if n == 1:
        return out
    chosen = apart(lambda: edges(light, antialias.threshold), cancelled)[inner]
    pattern = apart(lambda: _patterns(out.shape[0], out.shape[1], origin), cancelled)
    for number in range(_PATTERNS):
        mask = chosen & (pattern == number)
        if not mask.any():
            continue
        total = np.zeros((int(mask.sum()), 3), np.float32)
        for right_by, down_by in places(n, number):
            total += sample(right_by, down_by, mask)
        out[mask] = total / np.float32(n * n)
    return out


def places(n: int, pattern: int = 0) -> list[tuple[float, float]]:
    """Give the places of a pixel's samples, right and down of its centre, in pixels.

    Examples
    --------
    >>> all(max(map(abs, place)) <= 0.5 for place in places(4))
    True
    """
    numbers = _hashed(np.arange(2 * n * n, dtype=np.uint64) + np.uint64(2 * n * n * pattern))
    jitter = (numbers >> np.uint64(11)) * 2.0**-53
    found = []
    for k in range(n * n):
        down, right = divmod(k, n)
        x, y = float(jitter[2 * k]), float(jitter[2 * k + 1])
        found.append((_short((right + x) / n - 0.5), _short((down + y) / n - 0.5)))
    return found


def _short(place: float) -> float:
    """Round to so few bits that adding the pixel's number is exact, from whichever corner."""
    return round(place * 2**20) / 2**20


def _patterns(rows: int, columns: int, origin: tuple[int, int]) -> NDArray[np.uint8]:
    """Give each pixel one of the patterns, by where it lies in the whole picture."""
    row = np.arange(origin[0], origin[0] + rows, dtype=np.uint64)[:, None]
    column = np.arange(origin[1], origin[1] + columns, dtype=np.uint64)
    bits = _hashed(_hashed(row) + column) >> np.uint64(32)
    return (bits % np.uint64(_PATTERNS)).astype(np.uint8)


def _hashed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of whole numbers (Steele, Lea & Flood, *Fast splittable generators*, 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
