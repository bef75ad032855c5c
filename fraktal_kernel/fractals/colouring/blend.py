"""How a layer joins what lies below it: planes of linear light, or of OKLab's lightness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.palettes.light import lab_planes, light_planes

Planes = NDArray[np.float32]


def _overlay(a: Planes, b: Planes) -> Planes:
    return np.where(a < 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b))


# What lies below is `a`, the layer `b`, both from 0 to 1.
FUNCTIONS: dict[str, Callable[[Planes, Planes], Planes]] = {
    "normal": lambda a, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: a + b - a * b,
    "overlay": _overlay,
    # Pegtop's: it has no edge at one half, as the older ones have.
    "soft_light": lambda a, b: a * (a + 2 * b * (1 - a)),
    "add": lambda a, b: a + b,
}


def blended(
    base: Planes,
    colour: Planes,
    lightness: NDArray[np.float32] | None,
    mode: str,
    opacity: NDArray[np.float32] | float,
) -> Planes:
    """Blend a layer over planes of light [3, ...].

    Parameters
    ----------
    base, colour : what lies below, and the layer
    lightness : OKLab's lightness of the layer, to blend that alone; None blends light
    mode : one of the `FUNCTIONS`
    opacity : one for all, or one for each pixel
    """
    function = FUNCTIONS[mode]
    if lightness is None:
        top = function(base, colour)
        if isinstance(opacity, float) and opacity == 1.0:
            return top
        return base + opacity * (top - base)
    lab = lab_planes(base)
    lab[0] += opacity * (function(lab[0], lightness) - lab[0])
    return light_planes(lab)
