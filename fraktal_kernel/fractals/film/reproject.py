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


def _build_mean(plain: bool) -> Any:
    """Build what both kernels do for a pixel: samples are table entries, or light in fours."""
    from numba import njit

    @njit
    def mean(samples, table, left, wide, across, low, tall, down):  # type: ignore[no-untyped-def]
        """Give the weighted mean of samples under a pixel."""
        # Light has a fourth part, which is nothing, so that four are added at a time.
        c0, c1, c2, c3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for j in range(tall):
            row = low + j
            for k in range(wide):
                part = down[j] * across[k]
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
        return c0, c1, c2, c3

    return mean


def _build_code() -> Any:
    from numba import njit

    @njit
    def code(light, curve):  # type: ignore[no-untyped-def]
        """Give the 16-bit sRGB code of light."""
        level = min(max(light, np.float32(0)), np.float32(1)) * np.float32(CURVE - 1)
        entry = int(level)
        low = curve[entry]
        return np.uint16(low + (level - np.float32(entry)) * (curve[entry + 1] - low) + 0.5)

    return code


def build_straight(plain: bool) -> Any:
    """Build the kernel for windows that are not turned: columns and rows weigh by themselves."""
    from numba import njit

    code = _build_code()

    @njit
    def weigh_down(samples, table, spans, at, down, columns):  # type: ignore[no-untyped-def]
        """Give the weighted sums down the columns of samples under a row of pixels, in fours."""
        width = spans.shape[0] - down.shape[0]
        left, low, tall = spans[0, 0], spans[width + at, 0], spans[width + at, 1]
        count = spans[width - 1, 0] + spans[width - 1, 1] - left
        columns[: 4 * count] = 0
        for j in range(tall):
            row, part = low + j, down[at, j]
            for k in range(count):
                if plain:
                    entry = samples[row, left + k]
                    columns[4 * k] += part * table[entry, 0]
                    columns[4 * k + 1] += part * table[entry, 1]
                    columns[4 * k + 2] += part * table[entry, 2]
                    columns[4 * k + 3] += part * table[entry, 3]
                else:
                    for c in range(4 * k, 4 * k + 4):
                        columns[c] += part * samples[row, 4 * left + c]

    @njit
    def weigh_across(columns, first, wide, across):  # type: ignore[no-untyped-def]
        """Give the weighted mean of the columns under a pixel."""
        c0, c1, c2, c3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for k in range(wide):
            part, at = across[k], 4 * (first + k)
            c0 += part * columns[at]
            c1 += part * columns[at + 1]
            c2 += part * columns[at + 2]
            c3 += part * columns[at + 3]
        return c0, c1, c2, c3

    def straight(  # type: ignore[no-untyped-def]
        coarse, fine, table, curve, counts, spans, across, down, near, room, out, top, bottom
    ) -> int:
        """Paint rows of a frame, from ``top`` to before ``bottom``, with room for one row."""
        width = out.shape[1]
        first, second = room[0], room[1]
        inside = counts >= 1 and min(near[0], near[width - 1]) >= 1
        for row in range(top, bottom):
            at = width + row
            if counts > 0 and near[at] > 0:
                weigh_down(fine, table, spans[1], row, down[1], second)
            if not (inside and near[at] >= 1):
                weigh_down(coarse, table, spans[0], row, down[0], first)
            for column in range(width):
                t = min(near[column], near[at])
                share = np.float32(counts * t * t * (3 - 2 * t))
                red, green, blue = np.float32(0), np.float32(0), np.float32(0)
                if share > 0:
                    left, wide = spans[1, column, 0] - spans[1, 0, 0], spans[1, column, 1]
                    red, green, blue, _ = weigh_across(second, left, wide, across[1, column])
                if share < 1:
                    left, wide = spans[0, column, 0] - spans[0, 0, 0], spans[0, column, 1]
                    r, g, b, _ = weigh_across(first, left, wide, across[0, column])
                    red = r + share * (red - r)
                    green = g + share * (green - g)
                    blue = b + share * (blue - b)
                out[row, column, 0] = code(red, curve)
                out[row, column, 1] = code(green, curve)
                out[row, column, 2] = code(blue, curve)
        return 0

    return straight


def build_turned(plain: bool) -> Any:
    """Build the kernel for windows that are turned, where every pixel weighs by itself."""
    from numba import njit

    average, code = _build_mean(plain), _build_code()

    @njit
    def weigh(centre, size, count, shares):  # type: ignore[no-untyped-def]
        """Say which samples lie under a pixel along one axis, and how much of each."""
        half = 0.5 * size
        # Windows lie within their levels; what rounding puts beyond takes the nearest there is.
        centre = min(max(centre, half - 0.5), count - 0.5 - half)
        # Both are 0 at least, where cutting off is rounding down.
        first, last = int(centre - half + 0.5), int(centre + half + 0.5 - TINY)
        taken = last - first + 1
        for k in range(taken):
            shares[k] = 1 / size
        shares[0] = (first + 0.5 - (centre - half)) / size
        shares[taken - 1] = (centre + half - (last - 0.5)) / size if taken > 1 else 1.0
        return first, taken

    @njit
    def mean(samples, table, size, x, y, room):  # type: ignore[no-untyped-def]
        """Give the mean of the samples in a square of some size, centred at column x and row y."""
        across, down = room[:16], room[16:]
        columns = samples.shape[1] if plain else samples.shape[1] // 4
        left, wide = weigh(x, size, columns, across)
        low, tall = weigh(y, size, samples.shape[0], down)
        return average(samples, table, left, wide, across, low, tall, down)

    @njit
    def fading(samples, numbers, x, y):  # type: ignore[no-untyped-def]
        """Say how much the finer level counts: nothing at its edge, all further inside."""
        columns = samples.shape[1] if plain else samples.shape[1] // 4
        near = min(min(x, columns - 1 - x), min(y, samples.shape[0] - 1 - y))
        near -= 0.5 * numbers[LEVEL_NUMBERS + STEP]
        t = min(max(near / numbers[LEVEL_NUMBERS + FADE_IN], 0.0), 1.0)
        return np.float32(numbers[LEVEL_NUMBERS + COUNTS] * t * t * (3 - 2 * t))

    def turned(  # type: ignore[no-untyped-def]
        coarse, fine, table, curve, numbers, room, out, top, bottom
    ) -> int:
        """Paint rows of a frame, from ``top`` to before ``bottom``, with room for one pixel."""
        height, width = out.shape[0], out.shape[1]
        step, finer = numbers[STEP], numbers[LEVEL_NUMBERS + STEP]
        cos, sin = numbers[COS], numbers[SIN]
        column0, row0 = numbers[COLUMN], numbers[ROW]
        column1, row1 = numbers[LEVEL_NUMBERS + COLUMN], numbers[LEVEL_NUMBERS + ROW]
        counts = numbers[LEVEL_NUMBERS + COUNTS]
        for row in range(top, bottom):
            v = row - (height - 1) / 2
            for column in range(width):
                u = column - (width - 1) / 2
                # Rows count downwards: a turn counter-clockwise of the window.
                right, down = cos * u + sin * v, cos * v - sin * u
                x, y, share = column1 + finer * right, row1 + finer * down, np.float32(0)
                red, green, blue = np.float32(0), np.float32(0), np.float32(0)
                if counts > 0:
                    share = fading(fine, numbers, x, y)
                if share > 0:
                    red, green, blue, _ = mean(fine, table, finer, x, y, room)
                if share < 1:
                    x, y = column0 + step * right, row0 + step * down
                    r, g, b, _ = mean(coarse, table, step, x, y, room)
                    red = r + share * (red - r)
                    green = g + share * (green - g)
                    blue = b + share * (blue - b)
                out[row, column, 0] = code(red, curve)
                out[row, column, 1] = code(green, curve)
                out[row, column, 2] = code(blue, curve)
        return 0

    return turned


def shares_of(
    centres: NDArray[np.float64], size: float, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Say which samples lie under pixels along one axis, and how much of each.

    Parameters
    ----------
    centres : of the pixels, in samples
    size : of a pixel, in samples
    count : how many samples there are

    Returns
    -------
    spans : the first sample and how many, int64 [n, 2]
    shares : that add up to 1, float32 [n, most]

    Examples
    --------
    >>> spans, shares = shares_of(np.array([1.0]), 2.0, 4)
    >>> spans.tolist(), shares[0, :3].tolist()
    ([[0, 3]], [0.25, 0.5, 0.25])
    """
    half = size / 2
    centres = np.clip(centres, half - 0.5, max(count - 0.5 - half, half - 0.5))[:, None]
    first = np.floor(centres - half + 0.5).astype(np.int64)
    taken = first + np.arange(int(size) + 3)
    shares = np.minimum(taken + 0.5, centres + half) - np.maximum(taken - 0.5, centres - half)
    shares = np.maximum(shares, 0.0) * (taken < count)
    spans = np.concatenate([first, (shares > TINY).sum(axis=1, keepdims=True)], axis=1)
    return spans, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=4)
def kernel_of(plain: bool, turned: bool) -> Kernel:
    """Give the kernel for entries of a table or for light, for windows that turn or do not."""
    samples = "uint16" if plain else "float32"
    where = (
        "float64[::1], float32[::1]"
        if turned
        else "float64, int64[:, :, ::1], float32[:, :, ::1], float32[:, :, ::1], float32[::1], "
        "float32[:, ::1]"
    )
    return Kernel(
        "fraktal_kernel.fractals.film.reproject",
        "build_turned" if turned else "build_straight",
        f"int64({samples}[:, ::1], {samples}[:, ::1], float32[:, ::1], float32[::1], "
        f"{where}, uint16[:, :, ::1], int64, int64)",
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
    turned = numbers[SIN] != 0 or numbers[COS] != 1
    kernel = kernel_of(plain, turned)
    where = [numbers] if turned else _straight(coarse, fine, numbers, out.shape, plain)

    # Room for one pixel, or for the columns of both levels under one row.
    most = max(coarse.shape[1], fine.shape[1]) * (4 if plain else 1)
    room = (32,) if turned else (2, most)

    def work(spans: Any, stop: Any) -> int:
        own = np.zeros(room, np.float32)
        for first, last in spans:
            if stop.is_set():
                break
            kernel(coarse, fine, table, curve(), *where, own, out, first, last)
        return 0

    crew.share(work, out.shape[0])


def _straight(
    coarse: NDArray[Any],
    fine: NDArray[Any],
    numbers: NDArray[np.float64],
    shape: tuple[int, ...],
    plain: bool,
) -> list[Any]:
    """Weigh the columns and rows of a window that is not turned, for both levels."""
    height, width = shape[:2]
    u, v = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2
    sides = []
    for first, samples in ((0, coarse), (LEVEL_NUMBERS, fine)):
        step, counted = numbers[first + STEP], samples.shape[1] // (1 if plain else 4)
        x, y = numbers[first + COLUMN] + step * u, numbers[first + ROW] + step * v
        sides.append((shares_of(x, step, counted), shares_of(y, step, len(samples))))
        near = np.concatenate([np.minimum(x, counted - 1 - x), np.minimum(y, len(samples) - 1 - y)])
    near = (near - step / 2) / numbers[LEVEL_NUMBERS + FADE_IN]
    most = max(side[k][1].shape[1] for side in sides for k in (0, 1))

    def padded(k: int) -> NDArray[np.float32]:
        arrays = [side[k][1] for side in sides]
        return np.stack([np.pad(a, ((0, 0), (0, most - a.shape[1]))) for a in arrays])

    spans = np.stack([np.concatenate([side[0][0], side[1][0]]) for side in sides])
    counts = numbers[LEVEL_NUMBERS + COUNTS]
    return [counts, spans, padded(0), padded(1), np.clip(near, 0, 1).astype(np.float32)]
