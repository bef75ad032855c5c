"""From the samples of two levels to the pixels of a frame.

A pixel is the mean, in linear light, of the samples under its square, each weighted with the part
of its own square that lies there. Where the finer level is known it takes over, fading in from its
edge and with the depth, so that neither its edge nor the change from level to level shows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.palettes.light import encoded

# Takes what ends at the edge of a sample to this side of it.
TINY = 1e-9
# Entries of the curve from light to code values.
CURVE = 1 << 14
# Numbers of one level: steps a pixel, column and row of the window's centre, how much it counts,
# and the width in samples on which it fades in from its edge.
STEP, COLUMN, ROW, COUNTS, FADE_IN, LEVEL_NUMBERS = range(6)
# Numbers of the frame behind those of its two levels: cosine and sine of its turn.
COS, SIN = range(2 * LEVEL_NUMBERS, 2 * LEVEL_NUMBERS + 2)
NUMBERS = 2 * LEVEL_NUMBERS + 2


def build_reproject(plain: bool) -> Any:
    """Build the kernel: for samples that are entries of a table, or light in four columns each."""
    from numba import njit

    one = np.float32(1)

    @njit
    def mean(samples, table, size, x, y, shares, out):  # type: ignore[no-untyped-def]
        """Put the mean of the samples in a square of some size, centred at column x and row y."""
        rows = samples.shape[0]
        columns = samples.shape[1] if plain else samples.shape[1] // 4
        half = 0.5 * size
        # Windows lie within their levels; what rounding puts beyond takes the nearest there is.
        x = min(max(x, half - 0.5), columns - 0.5 - half)
        y = min(max(y, half - 0.5), rows - 0.5 - half)
        # All of these are 0 at least, where cutting off is rounding down.
        left, right = int(x - half + 0.5), int(x + half + 0.5 - TINY)
        low, high = int(y - half + 0.5), int(y + half + 0.5 - TINY)
        wide = right - left + 1
        whole = 1 / (size * size)
        for k in range(wide):
            shares[k] = whole
        shares[0] = whole * (left + 0.5 - (x - half))
        shares[wide - 1] = whole * (x + half - (right - 0.5)) if wide > 1 else whole * size
        c0, c1, c2, c3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for row in range(low, high + 1):
            down = np.float32(min(row + 0.5, y + half) - max(row - 0.5, y - half))
            for k in range(wide):
                part = down * shares[k]
                if plain:
                    entry = samples[row, left + k]
                    c0 += part * table[entry, 0]
                    c1 += part * table[entry, 1]
                    c2 += part * table[entry, 2]
                    c3 += part * table[entry, 3]
                else:
                    c0 += part * samples[row, 4 * (left + k)]
                    c1 += part * samples[row, 4 * (left + k) + 1]
                    c2 += part * samples[row, 4 * (left + k) + 2]
                    c3 += part * samples[row, 4 * (left + k) + 3]
        out[0], out[1], out[2], out[3] = c0, c1, c2, c3

    @njit
    def fading(samples, numbers, x, y):  # type: ignore[no-untyped-def]
        """Say how much the finer level counts: nothing at its edge, all further inside."""
        columns = samples.shape[1] if plain else samples.shape[1] // 4
        near = min(min(x, columns - 1 - x), min(y, samples.shape[0] - 1 - y))
        near -= 0.5 * numbers[LEVEL_NUMBERS + STEP]
        t = min(max(near / numbers[LEVEL_NUMBERS + FADE_IN], 0.0), 1.0)
        return numbers[LEVEL_NUMBERS + COUNTS] * t * t * (3 - 2 * t)

    @njit
    def code(light, curve):  # type: ignore[no-untyped-def]
        """Give the 16-bit sRGB code of light."""
        level = min(max(light, np.float32(0)), one) * np.float32(CURVE - 1)
        entry = int(level)
        low = curve[entry]
        return np.uint16(low + (level - np.float32(entry)) * (curve[entry + 1] - low) + 0.5)

    def reproject(  # type: ignore[no-untyped-def]
        coarse, fine, table, curve, numbers, room, out, top, bottom
    ) -> int:
        """Paint rows of a frame, from ``top`` to before ``bottom``, with room for one pixel."""
        height, width = out.shape[0], out.shape[1]
        step, finer = numbers[STEP], numbers[LEVEL_NUMBERS + STEP]
        cos, sin = numbers[COS], numbers[SIN]
        column0, row0 = numbers[COLUMN], numbers[ROW]
        column1, row1 = numbers[LEVEL_NUMBERS + COLUMN], numbers[LEVEL_NUMBERS + ROW]
        counts = numbers[LEVEL_NUMBERS + COUNTS]
        light, other, shares = room[:4], room[4:8], room[8:]
        for k in range(4):
            light[k] = 0
        for row in range(top, bottom):
            v = row - (height - 1) / 2
            for column in range(width):
                u = column - (width - 1) / 2
                # Rows count downwards: a turn counter-clockwise of the window.
                right, down = cos * u + sin * v, cos * v - sin * u
                x, y, share = column1 + finer * right, row1 + finer * down, 0.0
                if counts > 0:
                    share = fading(fine, numbers, x, y)
                if share > 0:
                    mean(fine, table, finer, x, y, shares, light)
                if share < 1:
                    x, y = column0 + step * right, row0 + step * down
                    mean(coarse, table, step, x, y, shares, other)
                    part = np.float32(share)
                    for k in range(4):
                        light[k] = other[k] + part * (light[k] - other[k])
                for k in range(3):
                    out[row, column, k] = code(light[k], curve)
        return 0

    return reproject


@lru_cache(maxsize=2)
def kernel_of(plain: bool) -> Kernel:
    """Give the kernel for places on a table, or for light."""
    samples = "uint16" if plain else "float32"
    return Kernel(
        "fraktal_kernel.fractals.film.reproject",
        "build_reproject",
        f"int64({samples}[:, ::1], {samples}[:, ::1], float32[:, ::1], float32[::1], "
        "float64[::1], float32[::1], uint16[:, :, ::1], int64, int64)",
        args=(plain,),
    )


@lru_cache(maxsize=1)
def curve() -> NDArray[np.float32]:
    """Give the 16-bit sRGB codes of evenly spaced light."""
    return np.asarray(encoded(np.append(np.linspace(0, 1, CURVE), 1.0)) * 65_535, np.float32)


def reproject(
    coarse: NDArray[Any],
    fine: NDArray[Any],
    table: NDArray[np.float32],
    numbers: NDArray[np.float64],
    out: NDArray[np.uint16],
    *,
    plain: bool,
    crew: Crew,
) -> None:
    """Paint a frame: uint16 [h, w, 3], with the curve of sRGB.

    Parameters
    ----------
    coarse, fine : samples of two levels: entries of the table, uint16 [h, w], where plain; else
        light, float32 [h, 4 * w], of which every fourth is nothing
    table : colours in linear light, float32 [n, 4]
    numbers : float64 [NUMBERS], where the frame lies in the levels
    out : is filled
    crew : whose threads share the rows
    """
    kernel = kernel_of(plain)

    def work(spans: Any, stop: Any) -> int:
        room = np.zeros(32, np.float32)
        for first, last in spans:
            if stop.is_set():
                break
            kernel(coarse, fine, table, curve(), numbers, room, out, first, last)
        return 0

    crew.share(work, out.shape[0])
