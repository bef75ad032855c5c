"""From escape times to colours, in one mapping that Python and the browser share.

An index of 16 bits stands between the two: 0 is the inside, 1 to 65535 a place on the ring of the
palette. Whoever has a table of ``n`` colours paints index ``k`` with its entry
``(k - 1) * n // 65535``. This is what a browser shows while somebody explores; a picture with
layers and light is made by `paint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.palettes import Palette, palettes

if TYPE_CHECKING:
    from fraktal_kernel.fractals.escape import Field
    from fraktal_kernel.fractals.scene import Scene


PLACES = 65_535
TABLE_SIZE = 4096
# Turns of the ring for one doubling of the escape time, at density 1.
_TURNS = 0.5


def indices(field: Field, scene: Scene) -> NDArray[np.uint16]:
    """Give each pixel its place on the ring of colours: uint16 [h, w], 0 inside."""
    return indices_of(field.nu, scene)


def indices_of(nu: NDArray[np.float64], scene: Scene) -> NDArray[np.uint16]:
    """Do what `indices` does for bare escape times.

    The place goes with the logarithm of the escape time, because that keeps colour bands about
    equally wide from the far outside to the boundary, where the times run off to infinity.
    """
    # NaN is what nobody computed yet; it is painted like the inside.
    outside = nu >= 0
    turns = np.log2(np.where(outside, nu, 0.0) + 1.0)
    turns *= _TURNS * scene.density
    turns += scene.offset
    turns -= np.floor(turns)
    turns *= PLACES
    place = np.minimum(turns, PLACES - 1).astype(np.uint16)
    return np.where(outside, place + np.uint16(1), np.uint16(0))


def colours_of(palette: Palette) -> NDArray[np.uint8]:
    """List the colour of every index: uint8 [65536, 3]."""
    table = palette.table(TABLE_SIZE)
    ring = table[np.arange(PLACES) * TABLE_SIZE // PLACES]
    return np.concatenate([np.array([palette.inside_rgb], np.uint8), ring])


def colour(field: Field, scene: Scene) -> NDArray[np.uint8]:
    """Paint a field with the palette of its scene: sRGB, uint8 [h, w, 3]."""
    return colours_of(palettes[scene.palette])[indices(field, scene)]
