"""Scenes as text: what somebody copied, and the command that draws one."""

from __future__ import annotations

import json
import shlex
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals import Scene, View, resolve_scene, scenes
from fraktal_kernel.fractals.view import MAX_DIGITS, text_of

_SHORT = Context(prec=4, Emin=MIN_EMIN, Emax=MAX_EMAX)
_EXACT = Context(prec=2 * MAX_DIGITS, Emin=MIN_EMIN, Emax=MAX_EMAX)
# Digits of the centre that are shown below those of the width: a tenth of a pixel.
_SHOWN = 5


def read_scene(text: str) -> Scene:
    """Read a scene that somebody copied: its JSON, the command that draws it, or its name.

    Examples
    --------
    >>> read_scene("fraktal run fractal.render --scene seahorse") == scenes["seahorse"]
    True
    """
    text = text.strip()
    if text.startswith("fraktal "):
        try:
            words = shlex.split(text)
            text = words[words.index("--scene") + 1]
        except (ValueError, IndexError):
            raise InvalidInput("the command that was pasted has no --scene with a value.") from None
    elif not text.startswith("{") and (len(text) > 60 or "\n" in text):
        raise InvalidInput("what was pasted is no view; copy one with Copy view first.")
    return resolve_scene(text, [])


def command_for(scene: Scene) -> str:
    """Write the command that draws this scene in a terminal."""
    name = next((name for name in scenes if scenes[name] == scene), None)
    text = name or json.dumps(scene.to_dict(), separators=(",", ":"))
    return f"fraktal run fractal.render --scene {shlex.quote(text)} --out picture.png"


def centre_for(view: View) -> tuple[str, str]:
    """Write the centre with the digits that tell pixels apart.

    Examples
    --------
    >>> centre_for(View("-0.74364388703715101", "0.1", "0.01"))
    ('-0.7436439', '0.1')
    """
    grain = Decimal((0, (1,), Decimal(view.width).adjusted() - _SHOWN))
    re, im = (text_of(Decimal(part).quantize(grain, context=_EXACT)) for part in (view.re, view.im))
    return re, im


def depth_for(view: View) -> str:
    """Write the width in four digits, at any depth.

    Examples
    --------
    >>> depth_for(View("0", "0", "1.70004e-157")), depth_for(View("0", "0", "3.3"))
    ('1.7e-157', '3.3')
    """
    return text_of(_SHORT.plus(Decimal(view.width)))


def short(number: str) -> str:
    """Write a number of any length in ten digits."""
    return f"{float(number):.10g}"
