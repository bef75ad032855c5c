"""From the samples of two levels to the pixels of a frame.

A pixel is the mean, in linear light, of the samples under its square, each weighted with the part
of its own square that lies there. Where the finer level is known it takes over, fading in from its
edge and with the depth, so that neither its edge nor the change from level to level shows.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.palettes.light import encoded

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
    def mean(samples, table, size, x, y):  # type: ignore[no-untyped-def]
        """Give the mean of the samples in a square of some size, centred at column x and row y."""
        rows = samples.shape[0]
        columns = samples.shape[1] if plain else samples.shape[1] // 4
        half = 0.5 * size
        # Windows lie within their levels; what rounding puts beyond takes the nearest there is.
        x = min(max(x, half - 0.5), columns - 0.5 - half)
        y = min(max(y, half - 0.5), rows - 0.5 - half)
        left, right = math.floor(x - half + 0.5), math.ceil(x + half - 0.5)
        low, high = math.floor(y - half + 0.5), math.ceil(y + half - 0.5)
        first = np.float32(left + 0.5 - (x - half))
        last = np.float32(x + half - (right - 0.5))
        if right == left:
            first, last = np.float32(size), np.float32(0)
        c0, c1, c2, c3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for row in range(low, high + 1):
            down = one
            if row == low:
                down = np.float32(low + 0.5 - (y - half))
            elif row == high:
                down = np.float32(y + half - (high - 0.5))
            if low == high:
                down = np.float32(size)
            for column in range(left, right + 1):
                part = down
                if column == left:
                    part = down * first
                elif column == right:
                    part = down * last
                if plain:
                    entry = samples[row, column]
                    c0 += part * table[entry, 0]
                    c1 += part * table[entry, 1]
                    c2 += part * table[entry, 2]
                    c3 += part * table[entry, 3]
                else:
                    c0 += part * samples[row, 4 * column]
                    c1 += part * samples[row, 4 * column + 1]
                    c2 += part * samples[row, 4 * column + 2]
                    c3 += part * samples[row, 4 * column + 3]
        whole = np.float32(1 / (size * size))
        return c0 * whole, c1 * whole, c2 * whole

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
        coarse, fine, table, curve, numbers, out, top, bottom
    ) -> int:
        """Paint rows of a frame, from ``top`` to before ``bottom``."""
        height, width = out.shape[0], out.shape[1]
        step, finer = numbers[STEP], numbers[LEVEL_NUMBERS + STEP]
        for row in range(top, bottom):
            v = row - (height - 1) / 2
            for column in range(width):
                u = column - (width - 1) / 2
                # Rows count downwards: a turn counter-clockwise of the window.
                right = numbers[COS] * u + numbers[SIN] * v
                down = numbers[COS] * v - numbers[SIN] * u
                share = 0.0
                x = numbers[LEVEL_NUMBERS + COLUMN] + finer * right
                y = numbers[LEVEL_NUMBERS + ROW] + finer * down
                if numbers[LEVEL_NUMBERS + COUNTS] > 0:
                    share = fading(fine, numbers, x, y)
                red, green, blue = np.float32(0), np.float32(0), np.float32(0)
                if share > 0:
                    red, green, blue = mean(fine, table, finer, x, y)
                if share < 1:
                    x = numbers[COLUMN] + step * right
                    y = numbers[ROW] + step * down
                    r, g, b = mean(coarse, table, step, x, y)
                    part = np.float32(share)
                    red = r + part * (red - r)
                    green = g + part * (green - g)
                    blue = b + part * (blue - b)
                out[row, column, 0] = code(red, curve)
                out[row, column, 1] = code(green, curve)
                out[row, column, 2] = code(blue, curve)
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
        "float64[::1], uint16[:, :, ::1], int64, int64)",
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
        for first, last in spans:
            if stop.is_set():
                break
            kernel(coarse, fine, table, curve(), numbers, out, first, last)
        return 0

    crew.share(work, out.shape[0])
