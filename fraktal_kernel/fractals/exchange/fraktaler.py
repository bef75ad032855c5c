"""Fraktaler-3's TOML files: a location, a limit, a transform, and lines of a formula.

Its zoom 1 is a height of 4, as in Kalles Fraktaler, and its imaginary axis points down unless
``transform.reflect`` is set. A line of its formula folds, negates, raises and adds c.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.exchange.frame import (
    ASPECT,
    MIRRORED,
    Frame,
    check_plane,
    frame_of,
    left_out,
    real,
    steps_of,
    view_of,
    zoom_of,
)
from fraktal_kernel.fractals.exchange.tables import toml_of
from fraktal_kernel.fractals.scene import Scene
from fraktal_kernel.fractals.view import decimal_of, text_of

PROGRAM = "Fraktaler-3"
_FLAGS = ("abs_x", "abs_y", "neg_x", "neg_y")
# What has a name here, by the flags that are set, squared; the conjugate of their c.
_NAMED: dict[tuple[str, ...], tuple[str, bool]] = {
    (): ("mandelbrot", False),
    ("abs_x", "abs_y"): ("burning_ship", True),
    ("abs_y",): ("perpendicular_burning_ship", True),
    ("neg_y",): ("tricorn", False),
}
_MOST_POWER = 64
_READ: Mapping[str, tuple[str, ...]] = {
    "location": ("real", "imag", "zoom"),
    "bailout": ("iterations",),
    "image": ("width", "height"),
    "transform": ("reflect", "rotate", "stretch_angle", "stretch_amount"),
}


def is_fraktaler(data: Mapping[str, Any]) -> bool:
    """Say whether a TOML table is one of these files."""
    return data.get("program") == "fraktaler-3" or "location" in data


def read_fraktaler(data: Mapping[str, Any], name: str) -> tuple[Scene, tuple[str, ...]]:
    """Read a location from its table; ``name`` says in errors where it came from."""
    parts = {key: data.get(key, {}) for key in _READ}
    for key, part in parts.items():
        if not isinstance(part, Mapping):
            raise InvalidInput(f"{key} in {name} is {part!r:.60}; expected a table.")
    place, picture, transform = parts["location"], parts["image"], parts["transform"]
    notes: list[str] = []
    formula, power, conjugate = _formula(data.get("formula", [{}]), name)
    reflected = transform.get("reflect", False) is True
    turn = real("transform.rotate", transform.get("rotate", 0))
    frame = Frame(
        -turn if reflected else turn,
        real("transform.stretch_angle", transform.get("stretch_angle", 0)),
        real("transform.stretch_amount", transform.get("stretch_amount", 0)) / 100,
    )
    aspect = ASPECT
    if "width" in picture and "height" in picture:
        sides = [
            Decimal(real(f"image.{side}", picture[side], 1, 1e6)) for side in ("width", "height")
        ]
        aspect = sides[0] / sides[1]
    re, im, zoom = (place.get(k, d) for k, d in (("real", "0"), ("imag", "0"), ("zoom", "1")))
    view = view_of(_joined(re), _joined(im), zoom, frame, conjugate=conjugate, aspect=aspect)
    if conjugate == reflected:
        notes.append(MIRRORED)
    known = {*_READ, "formula", "program", "version"}
    unknown = [key for key in data if key not in known]
    for key, part in parts.items():
        unknown += [f"{key}.{inner}" for inner in part if inner not in _READ[key]]
    left_out(unknown, notes)
    steps = steps_of(parts["bailout"].get("iterations", 1024), notes)
    scene = Scene(
        formula,
        view,
        max_iter=steps,
        parameters={"power": power} if formula == "multibrot" else {},
    )
    return scene, tuple(notes)


def write_fraktaler(scene: Scene) -> str:
    """Write the location of a scene: its formula, view and limit."""
    check_plane(scene, PROGRAM)
    flags, power, conjugate = _flags(scene)
    view, frame = scene.view, frame_of(scene.view)
    im = decimal_of("im of the view", view.im)
    if conjugate:
        im, frame = im.copy_negate(), frame.mirrored()
    text = toml_of(
        {
            "program": "fraktaler-3",
            "location": {"real": view.re, "imag": text_of(im), "zoom": zoom_of(view)},
            "bailout": {
                "iterations": scene.max_iter,
                "maximum_reference_iterations": scene.max_iter,
            },
            "transform": {
                "reflect": not conjugate,
                "rotate": frame.turn_deg if conjugate else -frame.turn_deg,
                "stretch_angle": frame.stretch_deg,
                "stretch_amount": 100 * frame.doublings,
            },
        }
    )
    return text + "\n[[formula]]\n" + toml_of({f: f in flags for f in _FLAGS} | {"power": power})


def _joined(value: object) -> object:
    """Join the digits of a number that was broken into lines."""
    return "".join(value.split()) if isinstance(value, str) else value


def _formula(lines: object, name: str) -> tuple[str, int, bool]:
    """Give our formula, its power, and whether its c is the conjugate of theirs."""
    if not isinstance(lines, list) or len(lines) != 1 or not isinstance(lines[0], Mapping):
        raise InvalidInput(f"{name} has a formula of several lines, which cannot be read yet.")
    line = lines[0]
    power = line.get("power", 2)
    if isinstance(power, bool) or not isinstance(power, int) or not 2 <= power <= _MOST_POWER:
        raise InvalidInput(
            f"the power of the formula is {power!r:.60}; expected a whole number from 2 to "
            f"{_MOST_POWER}."
        )
    for key, value in line.items():
        if key != "power" and (key not in _FLAGS or not isinstance(value, bool)):
            raise InvalidInput(
                f"the formula has {key[:40]!r} = {value!r:.40}, which cannot be read; expected "
                f"{', '.join(_FLAGS)} and power."
            )
    flags = tuple(flag for flag in _FLAGS if line.get(flag))
    if power == 2 and flags in _NAMED:
        return (_NAMED[flags][0], 2, _NAMED[flags][1])
    return ("multibrot" if not flags else _text(flags, power)), power, False


def _text(flags: tuple[str, ...], power: int) -> str:
    x = "abs(re(z))" if "abs_x" in flags else "re(z)"
    y = "abs(im(z))" if "abs_y" in flags else "im(z)"
    left, sign = "-" if "neg_x" in flags else "", "-" if "neg_y" in flags else "+"
    return f"({left}{x} {sign} i*{y})**{power} + c"


def _flags(scene: Scene) -> tuple[tuple[str, ...], int, bool]:
    """Find the line that is a scene's formula."""
    power = scene.parameters.get("power", 3)
    if scene.formula == "multibrot" and isinstance(power, int) and 2 <= power <= _MOST_POWER:
        return (), power, False
    for flags, (formula, conjugate) in _NAMED.items():
        if scene.formula == formula:
            return flags, 2, conjugate
    for mask in range(1, 16):
        flags = tuple(flag for bit, flag in enumerate(_FLAGS) if mask >> bit & 1)
        for power in range(2, _MOST_POWER + 1):
            if scene.formula == _text(flags, power):
                return flags, power, False
    raise InvalidInput(
        f"the formula {scene.formula!r:.60} is none that {PROGRAM} has; expected mandelbrot, "
        "multibrot, burning_ship, perpendicular_burning_ship or tricorn."
    )
