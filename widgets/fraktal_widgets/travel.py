"""From one scene to the next: moves of the hand, choices, and how long to iterate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

import numpy as np

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene, Seed, View, formulas, scenes
from fraktal_kernel.fractals.colouring import looks
from fraktal_kernel.fractals.gallery import home_view
from fraktal_kernel.fractals.lattice import shifted, snapped
from fraktal_kernel.fractals.view import Skew, text_of
from fraktal_widgets.scene_text import read_scene

Size = tuple[int, int]
# Of a pixel: a pan that is nearer to whole pixels than this is one by whole pixels.
_WHOLE = 0.01
_SHORT = Context(prec=4)


def iterations_for(view: View) -> int:
    """Choose an iteration limit by the depth of a view: a thousand, and more the deeper it lies.

    Examples
    --------
    >>> iterations_for(View("-0.65", "0", "3.3")), iterations_for(View("0", "0", "1e-500"))
    (1000, 3324900)
    """
    width = Decimal(view.width)
    exponent = width.adjusted()
    doublings = max(0.0, 1 - (math.log2(float(width.scaleb(-exponent))) + exponent * math.log2(10)))
    # Far down, what surrounds a copy of the set needs some multiple of its period, which grows
    # with the depth and no faster.
    return 1000 + 100 * round(min(0.6 * doublings**1.5, 20 * doublings))


def moved(view: View, size: Size, scale: float, x: float, y: float, turn: float = 0.0) -> View:
    """Move a view as the browser did.

    Parameters
    ----------
    view : from where
    size : of the picture in pixels
    scale : of the width; below 1 comes nearer
    x, y : of the centre, in widths, y downwards
    turn : counter-clockwise, in degrees
    """
    width = size[0]
    if scale == 1 and turn == 0:
        columns, rows = round(x * width), round(y * width)
        if max(abs(x * width - columns), abs(y * width - rows)) < _WHOLE:
            return shifted(view, columns, rows, width) if columns or rows else view
        return view.panned(x, -y)
    view = view if x == y == 0 else view.panned(x, -y)
    if turn:
        skew = view.skew and _turned(view.skew, turn)
        view = replace(view, rotation_deg=round(view.rotation_deg + turn, 6), skew=skew)
    if scale == 1:
        return view
    return snapped(view.zoomed(1 / scale), width)


def _turned(skew: Skew, degrees: float) -> Skew:
    """Turn the directions of a stretch back, so that what is seen turns as a whole with it."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    (a, b), (c, d) = (turn.T @ np.array(skew) @ turn).tolist()
    return ((a, b), (c, d))


def fitted(scene: Scene, size: Size | None) -> Scene:
    """Widen a view that was composed for 4:3 so that a wider canvas cuts nothing off."""
    if size is None or 3 * size[0] <= 4 * size[1]:
        return scene
    part = Decimal(3 * size[0]) / Decimal(4 * size[1])
    wider = _SHORT.multiply(Decimal(scene.view.width), part)
    return replace(scene, view=replace(scene.view, width=text_of(wider)))


def julia_of(scene: Scene, x: float, y: float) -> Scene:
    """Give the Julia set of a point of the picture, in widths from its centre, y downwards."""
    point = scene.view.panned(x, -y)
    view = home_view(scene.formula, julia=True)
    return replace(scene, seed=Seed(point.re, point.im), view=view)


def painted(scene: Scene, name: str) -> Scene:
    """Give the scene the look of a name; none where the name is empty."""
    return replace(scene, look=looks[name] if name else None)


def ring_of(scene: Scene) -> str:
    """Name the palette that is seen: of the lowest layer; empty where that has one of its own."""
    palette = scene.look.layers[0].palette if scene.look else scene.palette
    return palette if isinstance(palette, str) else ""


def look_name(scene: Scene) -> str:
    """Say which look a scene has, whatever palette it was given; empty for none."""
    if scene.look is None:
        return ""
    bare = scene.look.painted("aurora")
    return next((name for name, look in looks.items() if look.painted("aurora") == bare), "own")


def same_place(one: Scene, other: Scene) -> bool:
    """Say whether ``other`` is the scene ``one``, perhaps widened to fit."""
    if (one.formula, one.parameters, one.seed) != (other.formula, other.parameters, other.seed):
        return False
    if replace(one.view, width=other.view.width) != other.view:
        return False
    wider = Decimal(other.view.width) / Decimal(one.view.width)
    return 1 <= wider < 3 and look_name(one) == look_name(other)


def changed(scene: Scene, change: Mapping[str, Any], size: Size | None) -> Scene:
    """Apply what the user chose; what only moved the view is not here.

    Parameters
    ----------
    change : by name. ``scene``, ``paste``: another scene; ``formula``: a name or a text;
        ``parameters``: some of its values; ``home``: the formula as a whole, with ``plane`` the
        plane of c and no Julia set; ``julia``: a point, in widths from the centre; ``upright``;
        ``palette``, ``look``: names; ``density``
    """
    if "scene" in change:
        scene = fitted(scenes[change["scene"]], size)
    if "paste" in change:
        scene = read_scene(change["paste"])
    if "formula" in change:
        scene = fitted(_with_formula(scene, change["formula"]), size)
    if "parameters" in change:
        known = formulas[scene.formula].parameters if scene.formula in formulas else {}
        given = {**scene.parameters, **change["parameters"]}
        kept = {name: value for name, value in given.items() if value != known.get(name)}
        scene = replace(scene, parameters=kept)
    if "home" in change:
        seed = None if change.get("plane") else scene.seed
        view = home_view(scene.formula, julia=seed is not None)
        scene = fitted(replace(scene, seed=seed, view=view), size)
    if "julia" in change:
        scene = fitted(julia_of(scene, *change["julia"]), size)
    if "upright" in change:
        scene = replace(scene, view=replace(scene.view, rotation_deg=0.0, skew=None))
    if "palette" in change:
        scene = scene.coloured(change["palette"])
    if "look" in change:
        scene = painted(scene, change["look"])
    if "density" in change:
        scene = replace(scene, density=change["density"])
    return scene


def _with_formula(scene: Scene, formula: object) -> Scene:
    """Go to another formula: seen as a whole, unless one typed formula follows another."""
    if not isinstance(formula, str) or not formula.strip():
        raise InvalidInput("the formula is empty; expected one such as 'z**3 + c*z'.")
    text = formula.strip()
    stays = text not in formulas and scene.formula not in formulas
    view = scene.view if stays else home_view(text)
    seed = scene.seed if stays else None
    return replace(scene, formula=text, parameters={}, seed=seed, view=view)
