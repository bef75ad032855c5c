"""How colours look to people who do not see red or green, and whether a palette serves them.

References
----------
Viénot, Brettel & Mollon, *Digital video colourmaps for checking the legibility of displays by
dichromats*, Color Research and Application 24 (1999).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.palettes.gradient import Palette, lab_of_text
from fraktal_kernel.fractals.palettes.light import lab_of, light_of
from fraktal_kernel.registry import unknown_name

# Linear sRGB light to the linear sRGB light that looks the same.
SIGHTS = {
    "deuteranopia": np.array(
        [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]
    ),
    "protanopia": np.array(
        [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]
    ),
}
# A difference in OKLab that one sees at a glance between two fields side by side.
APART = 0.1


def seen(light: NDArray[Any], sight: str) -> NDArray[np.float64]:
    """Turn linear light [..., 3] into light that looks alike to a person with that sight."""
    if sight not in SIGHTS:
        raise unknown_name("sight", sight, list(SIGHTS))
    return np.asarray(np.clip(light, 0.0, 1.0) @ SIGHTS[sight].T)


def nearest_stops(palette: Palette, sight: str) -> float:
    """Measure how far apart the two most alike neighbouring stops look, in OKLab.

    Examples
    --------
    >>> from fraktal_kernel.fractals import palettes
    >>> nearest_stops(palettes["beacon"], "protanopia") > APART
    True
    """
    lab = np.array([lab_of_text(colour) for _, colour in palette.stops])
    looks = lab_of(np.clip(seen(light_of(lab), sight), 0.0, None))
    steps = np.diff(looks, axis=0, append=looks[:1] if palette.cyclic else looks[-2:-1])
    return float(np.linalg.norm(steps, axis=1).min())
