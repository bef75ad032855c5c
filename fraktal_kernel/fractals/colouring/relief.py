"""Light on the picture as on a surface: slopes, Blinn's and Phong's model, ambient occlusion.

References
----------
Blinn, *Models of light reflection for computer synthesized pictures* (1977).
Luft, Colditz & Deussen, *Image enhancement by unsharp masking the depth buffer* (2006).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.colouring.look import Relief
from fraktal_kernel.fractals.palettes.gradient import light_of_text

Plane = NDArray[np.float32]
# The steepest slope, as a tangent: beyond it a boundary would be lit by noise alone.
_STEEPEST = 2.5
# How soon higher surroundings darken: at this difference of heights by two thirds.
_DEEP = 0.25


def reach(relief: Relief | None, width_px: int) -> int:
    """Say how many pixels around a tile the light needs to know."""
    if relief is None or not relief.needs_height:
        return 0
    slope = 1 if relief.slope == "height" else 0
    return max(slope, sum(_spacings(relief, width_px)) if relief.occlusion > 0 else 0)


def slopes_of_normal(normal: NDArray[Any], height: float) -> tuple[Plane, Plane]:
    """Give the slopes along x and y; the surface falls where the unit vectors point."""
    known = np.isfinite(normal)
    unit = np.where(known, normal, 0)
    return (-height * unit.real).astype(np.float32), (-height * unit.imag).astype(np.float32)


def slopes_of_height(surface: Plane, height: float, width_px: int) -> tuple[Plane, Plane]:
    """Give the slopes along x (right) and y (up) by central differences, none too steep."""
    by = np.float32(height * width_px / 1000 / 2)
    x = by * (_shifted(surface, 1, 1) - _shifted(surface, 1, -1))
    y = by * (_shifted(surface, 0, -1) - _shifted(surface, 0, 1))
    softer = 1 / (1 + np.sqrt(x * x + y * y) / np.float32(_STEEPEST))
    return x * softer, y * softer


def occlusion(surface: Plane, relief: Relief, width_px: int) -> Plane:
    """Say how dark it is where the surroundings stand higher, from 0 to the relief's occlusion.

    The surface is smoothed step by step; at each step what stands above a point darkens it, so
    near edges cast narrow shade and wide slopes a wide one.
    """
    surface = surface * np.float32(relief.height)
    smooth, above = surface, np.zeros_like(surface)
    spacings = _spacings(relief, width_px)
    for spacing in spacings:
        for axis in (0, 1):
            both = _shifted(smooth, axis, spacing) + _shifted(smooth, axis, -spacing)
            smooth = np.float32(0.5) * smooth + np.float32(0.25) * both
        above += np.maximum(smooth - surface, 0)
    above *= np.float32(-1 / (_DEEP * len(spacings)))
    return np.float32(relief.occlusion) * (1 - np.exp(above))


def lit(light: Plane, slope_x: Plane, slope_y: Plane, shade: Plane | None, relief: Relief) -> Plane:
    """Light planes of colour [3, ...]; a level spot keeps its colour, and none gets too bright.

    A facet that is turned to the lights gets lighter as a photograph does, towards white and
    never beyond it.
    """
    up = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    level = sum(one.strength * math.sin(math.radians(one.elevation_deg)) for one in relief.lights)
    diffuse = np.full_like(light, relief.ambient)
    gloss = np.zeros_like(light) if relief.specular > 0 else None
    for one in relief.lights:
        colour = light_of_text(one.colour).astype(np.float32) * np.float32(one.strength)
        high, turn = math.radians(one.elevation_deg), math.radians(one.azimuth_deg)
        x, y, z = (
            math.cos(high) * math.cos(turn),
            math.cos(high) * math.sin(turn),
            math.sin(high),
        )
        facing = np.maximum(up * (np.float32(z) - x * slope_x - y * slope_y), 0)
        facing *= np.float32((1 - relief.ambient) / level)
        for k in range(3):
            diffuse[k] += colour[k] * facing
        if gloss is not None:
            half = math.sqrt(2 * (1 + z))  # length of the light's direction plus the eye's
            mirror = up * np.float32(1 / half) * (np.float32(1 + z) - x * slope_x - y * slope_y)
            sharp = np.maximum(mirror, 0) ** np.float32(relief.shininess)
            flat = (half / 2) ** relief.shininess  # what a level spot would mirror is left out
            sharp = np.maximum(sharp - np.float32(flat), 0)
            sharp *= np.float32(relief.specular / max(1 - flat, 1e-3))
            for k in range(3):
                gloss[k] += colour[k] * sharp
    if shade is not None:
        diffuse *= 1 - shade
    out = light * diffuse / (1 + np.maximum(diffuse - 1, 0) * light)
    if gloss is None:
        return out
    if shade is not None:
        gloss *= 1 - shade
    if relief.metal > 0:
        gloss *= np.float32(1 - relief.metal) + np.float32(relief.metal) * light
    np.minimum(gloss, 1, out=gloss)
    return out + gloss - out * gloss


def _spacings(relief: Relief, width_px: int) -> list[int]:
    """Double the spacing until the smoothing is as wide as the radius."""
    spacings = [1]
    while 3 * spacings[-1] < relief.radius * width_px / 1000:
        spacings.append(2 * spacings[-1])
    return spacings


def _shifted(plane: Plane, axis: int, by: int) -> Plane:
    """Give the plane read ``by`` places further along an axis; at its edge it goes on level."""
    n = plane.shape[axis]
    places = np.clip(np.arange(by, n + by), 0, n - 1)
    if abs(by) >= n:
        return plane.take(places, axis=axis)
    out = np.empty_like(plane)
    here, there, edge = (
        (slice(0, n - by), slice(by, n), slice(n - by, n))
        if by > 0
        else (slice(-by, n), slice(0, n + by), slice(0, -by))
    )
    last = slice(n - 1, n) if by > 0 else slice(0, 1)
    if axis == 0:
        out[here], out[edge] = plane[there], plane[last]
    else:
        out[:, here], out[:, edge] = plane[:, there], plane[:, last]
    return out
