"""Cyclic colour gradients, interpolated in OKLab so that steps look even.

References
----------
Björn Ottosson, *A perceptual color space for image processing* (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.registry import Registry

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(srgb: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sRGB bytes into linear light from 0 to 1."""
    value = np.asarray(srgb, np.float64) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def srgb(light: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn linear light into sRGB bytes, rounded; what no screen shows is clipped."""
    value = np.clip(light, 0.0, 1.0)
    curve = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(curve * 255), np.uint8)


def oklab(colour: NDArray[Any]) -> NDArray[np.float64]:
    """Turn sRGB bytes [..., 3] into OKLab."""
    return np.asarray(np.cbrt(linear(colour) @ _TO_LMS.T) @ _TO_LAB.T)


def from_oklab(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Turn OKLab [..., 3] into sRGB bytes."""
    lms = (lab @ np.linalg.inv(_TO_LAB).T) ** 3
    return srgb(lms @ np.linalg.inv(_TO_LMS).T)


@dataclass(frozen=True, slots=True)
class Palette:
    """A closed ring of colours.

    Parameters
    ----------
    title : what a person reads in a list
    stops : positions from 0 (incl.) to 1 (excl.), rising, each with its colour ``"#rrggbb"``
    inside : colour of points that do not escape
    """

    title: str
    stops: tuple[tuple[float, str], ...]
    inside: str = "#000000"

    def table(self, n: int) -> NDArray[np.uint8]:
        """Give the ring as ``n`` evenly spaced colours, uint8 [n, 3]; the last meets the first.

        Examples
        --------
        >>> palettes["aurora"].table(256).shape
        (256, 3)
        """
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 65_536:
            raise InvalidInput(f"a palette table of {n!r:.60} colours; expected 1 to 65536.")
        return _table(self.stops, n).copy()

    @property
    def inside_rgb(self) -> tuple[int, int, int]:
        """Colour of the inside as three bytes."""
        red, green, blue = bytes.fromhex(self.inside[1:])
        return red, green, blue


@lru_cache(maxsize=32)
def _table(stops: tuple[tuple[float, str], ...], n: int) -> NDArray[np.uint8]:
    """Run a periodic Hermite spline through the stops: no kinks that the eye takes for bands."""
    at = np.array([position for position, _ in stops])
    lab = oklab(np.array([list(bytes.fromhex(colour[1:])) for _, colour in stops]))
    t = np.arange(n) / n
    right = np.searchsorted(at, t, side="right") % len(at)
    left = right - 1
    gaps = np.diff(at, append=at[0] + 1.0)
    slopes = np.diff(lab, axis=0, append=lab[:1]) / gaps[:, None]
    before = np.roll(slopes, 1, axis=0)
    # Harmonic means where both sides rise or both fall, else flat: it never overshoots a stop.
    same = slopes * before > 0
    both = np.where(same, slopes + before, 1.0)
    tangents = np.where(same, 2 * slopes * before / both, 0.0)
    gap = gaps[left][:, None]
    u = (((t - at[left]) % 1.0) / gaps[left])[:, None]
    a, b = lab[left], lab[right]
    da, db = tangents[left] * gap, tangents[right] * gap
    curve = (
        (2 * u**3 - 3 * u**2 + 1) * a
        + (u**3 - 2 * u**2 + u) * da
        + (3 * u**2 - 2 * u**3) * b
        + (u**3 - u**2) * db
    )
    return from_oklab(curve)


def _ring(title: str, *colours: str) -> Palette:
    """Space colours evenly round the ring."""
    return Palette(title, tuple((k / len(colours), c) for k, c in enumerate(colours)))


palettes: Registry[Palette] = Registry("palette", group="fraktal.palettes")
palettes.add(
    "aurora", _ring("Aurora", "#071330", "#0c5a6b", "#2fc19c", "#e9f7cf", "#9b6fc4", "#33235f")
)
palettes.add(
    "ember",
    _ring("Ember", "#120608", "#6a1016", "#d9481c", "#fbb13c", "#fff3d0", "#8a4a5c", "#2b1226"),
)
palettes.add(
    "glacier",
    _ring("Glacier", "#06121f", "#114a77", "#3fa0cf", "#c9ecf5", "#ffffff", "#8fa8c4", "#2c3f5e"),
)
palettes.add(
    "classic",
    Palette(
        "Classic",
        (
            (0.0, "#000764"),
            (0.16, "#206bcb"),
            (0.42, "#edffff"),
            (0.6425, "#ffaa00"),
            (0.8575, "#1a0f04"),
        ),
    ),
)
palettes.add(
    "beacon",
    _ring(
        "Beacon, for every eye",
        "#00204d",
        "#31518a",
        "#8aa0bd",
        "#f5f0dc",
        "#fee838",
        "#a8912a",
        "#3b3a3c",
    ),
)
palettes.add(
    "porcelain",
    _ring("Porcelain", "#f7f2e8", "#d8c9b0", "#8c6f5a", "#1f2f4a", "#35618f", "#a9c6da"),
)
