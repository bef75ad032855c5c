"""The way between two keys: which window each frame shows, and in which colours.

A window is known by how it lies to an *anchor*, the centre of the deeper key: its width, and how
far its centre is from there in widths, so that plain floats do at any depth. On the way down the
offset shrinks with the square of the width: soon the anchor is in the middle, and stays there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Any

from fraktal_kernel.fractals.colouring.look import Look
from fraktal_kernel.fractals.film.easing import EASINGS
from fraktal_kernel.fractals.film.script import Film, Key
from fraktal_kernel.fractals.palettes.named import palette_of
from fraktal_kernel.fractals.planner import look_of
from fraktal_kernel.fractals.scene import Scene, Seed
from fraktal_kernel.fractals.view import View, text_of

_EXACT = Context(prec=60, Emin=-(10**6), Emax=10**6)
_LN2 = Decimal(2).ln(Context(prec=40))


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame shows.

    Parameters
    ----------
    number : in the film
    share : how much of the way between the keys is gone, 0 to 1
    octave : doublings of the width from the narrowest window of the shot
    right, up : centre of the window from the anchor, in widths of this window
    turn_deg : rotation
    """

    number: int
    share: float
    octave: float
    right: float
    up: float
    turn_deg: float


@dataclass(frozen=True, slots=True)
class Colours:
    """One look, or two with how much of the second."""

    look: Look
    other: Look | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Shot:
    """The frames from one key to the next.

    Parameters
    ----------
    before, after : its keys
    first, last : its frames, from the first to the one behind the last
    film : that it is part of
    """

    before: Key
    after: Key
    first: int
    last: int
    film: Film

    @property
    def deeper(self) -> Scene:
        """The scene of the two that is the narrower."""
        a, b = self.before.scene, self.after.scene
        return b if Decimal(b.view.width) <= Decimal(a.view.width) else a

    @property
    def inwards(self) -> bool:
        """Whether it ends at the narrower scene."""
        return self.deeper is self.after.scene

    @property
    def octaves(self) -> float:
        """Doublings of the width between its two ends."""
        a, b = (Decimal(key.scene.view.width) for key in (self.before, self.after))
        wide, narrow = max(a, b), min(a, b)
        return float(_EXACT.divide(_EXACT.ln(_EXACT.divide(wide, narrow)), _LN2))

    @property
    def moves(self) -> bool:
        """Whether the window moves or changes its width."""
        a, b = self.before.scene.view, self.after.scene.view
        return (a.re, a.im, a.width) != (b.re, b.im, b.width)

    @property
    def turns(self) -> bool:
        """Whether the window turns."""
        return self.before.turns != 0 or self._turn(0) != self._turn(1)

    @property
    def morphs(self) -> str:
        """Say what changes that needs every frame computed of its own; empty if nothing does."""
        a, b = self.before.scene, self.after.scene
        if a.seed != b.seed:
            return "the seed"
        if a.parameters != b.parameters:
            return "a parameter"
        if a.max_iter != b.max_iter and not self.moves:
            return "the number of iterations"
        if self.turns and a.view.skew is not None:
            return "the rotation of a skewed view"
        reliefs = any(look_of(scene).relief is not None for scene in (a, b))
        return "the rotation under fixed light" if self.turns and reliefs else ""

    @property
    def max_iter(self) -> int:
        """The limit that serves the whole shot, so that nothing pops."""
        return max(self.before.scene.max_iter, self.after.scene.max_iter)

    def frames(self, first: int | None = None, last: int | None = None) -> Iterator[Frame]:
        """Go through its frames, or those from a first to before a last one."""
        octaves, delta = self.octaves, self._offset()
        numbers = range(self.first if first is None else first, self.last if last is None else last)
        for number in numbers:
            yield self._frame(number, octaves, delta)

    def _frame(self, number: int, octaves: float, delta: tuple[float, float]) -> Frame:
        span = self.after.time_s - self.before.time_s
        passed = min(max((self.film.time_of(number) - self.before.time_s) / span, 0.0), 1.0)
        share = EASINGS[self.before.easing](passed)
        down = share if self.inwards else 1 - share  # 1 at the anchor
        left = 1 - down
        # (w*w - n*n) / (1 - n*n) of the way, in widths of this window; n the narrowest width.
        fall = 2 * octaves * math.log(2)
        away = left
        if fall > 1e-9:
            away = math.exp(-fall * down) * -math.expm1(-fall * left) / -math.expm1(-fall)
        away *= 2.0 ** (octaves * down) if octaves * down < 1000 else 0.0
        return Frame(
            number, share, octaves * left, delta[0] * away, delta[1] * away, self._turn(share)
        )

    def _turn(self, share: float) -> float:
        a, b = self.before.scene.view.rotation_deg, self.after.scene.view.rotation_deg
        return a + share * (b - a + 360 * self.before.turns)

    def _offset(self) -> tuple[float, float]:
        """Give the centre of the wider view from that of the deeper one, in wider widths."""
        deep = self.deeper.view
        wide = (self.before if self.inwards else self.after).scene.view
        width = Decimal(wide.width)
        long = Context(prec=40 + len(deep.re) + len(deep.im), Emin=-(10**6), Emax=10**6)
        return (
            float(long.divide(long.subtract(Decimal(wide.re), Decimal(deep.re)), width)),
            float(long.divide(long.subtract(Decimal(wide.im), Decimal(deep.im)), width)),
        )

    def colours(self, share: float) -> Colours:
        """Give the colours of a frame."""
        a, b = look_of(self.before.scene), look_of(self.after.scene)
        between = _between(a, b, share)
        if between is not None:
            return Colours(_passed(between, self.before.passes * share))
        passed = self.before.passes * share
        return Colours(_passed(a, passed), _passed(b, passed), share)

    @property
    def recolours(self) -> bool:
        """Whether the colours change on the way."""
        return look_of(self.before.scene) != look_of(self.after.scene) or self.before.passes != 0

    def scene(self, frame: Frame) -> Scene:
        """Give the scene of a frame, as `render` would take it, but for its colours."""
        a, b, share = self.before.scene, self.after.scene, frame.share
        seed = a.seed
        if a.seed is not None and b.seed is not None and a.seed != b.seed:
            re, im = (
                _mixed(getattr(a.seed, part), getattr(b.seed, part), share) for part in ("re", "im")
            )
            seed = Seed(re, im)
        parameters = {
            name: value
            if value == b.parameters[name]
            else _number(value, b.parameters[name], share)
            for name, value in a.parameters.items()
        }
        steps = self.max_iter
        if not self.moves:
            steps = round(a.max_iter ** (1 - share) * b.max_iter**share)
        return replace(
            self.deeper, view=self.view(frame), seed=seed, parameters=parameters, max_iter=steps
        )

    def view(self, frame: Frame) -> View:
        """Give the window of a frame."""
        deep = self.deeper.view
        width = _EXACT.multiply(
            Decimal(deep.width), _EXACT.exp(_EXACT.multiply(_LN2, Decimal(frame.octave)))
        )
        return View(
            _moved(deep.re, width, frame.right),
            _moved(deep.im, width, frame.up),
            text_of(width),
            frame.turn_deg,
            deep.skew,
        )


def shots(film: Film) -> list[Shot]:
    """Cut a film at its keys; a frame at a key belongs to the shot that begins there."""
    cuts = [0]
    for key in film.keys[1:-1]:
        share = key.time_s / film.seconds
        cuts.append(math.ceil(share * max(film.frames - 1, 1) - 1e-9))
    cuts.append(film.frames)
    pairs = zip(film.keys, film.keys[1:], cuts, cuts[1:], strict=False)
    return [Shot(a, b, first, last, film) for a, b, first, last in pairs if first < last]


def _moved(centre: str, width: Decimal, by: float) -> str:
    if not by:
        return centre
    long = Context(prec=40 + len(centre) + abs(width.adjusted()), Emin=-(10**6), Emax=10**6)
    return text_of(long.add(Decimal(centre), _EXACT.multiply(width, Decimal(by))))


def _mixed(a: str, b: str, share: float) -> str:
    """Go from one decimal number to another."""
    way = _EXACT.subtract(Decimal(b), Decimal(a))
    return text_of(_EXACT.add(Decimal(a), _EXACT.multiply(way, Decimal(share))))


def _number(a: Any, b: Any, share: float) -> float:
    return float(a + share * (b - a))


def _passed(look: Look, passes: float) -> Look:
    """Move the colours of the lowest layer along its palette, a ramp there and back."""
    if not passes:
        return look
    first = look.layers[0]
    way = passes if palette_of(first.palette).cyclic else 2 * passes
    scale = replace(first.scale, offset=(first.scale.offset + way) % 2.0)
    return replace(look, layers=(replace(first, scale=scale), *look.layers[1:]))


def _between(a: Look, b: Look, share: float) -> Look | None:
    """Give the look between two that differ in numbers of their scales alone; None for others."""
    if a == b:
        return a
    if len(a.layers) != len(b.layers) or a.relief != b.relief or a.inside != b.inside:
        return None
    layers = []
    for one, two in zip(a.layers, b.layers, strict=True):
        mixed: dict[str, Any] = {
            name: _number(getattr(one.scale, name), getattr(two.scale, name), share)
            for name in ("density", "offset", "exponent")
        }
        scale = replace(one.scale, **mixed)
        opacity = _number(one.opacity, two.opacity, share)
        layer = replace(one, scale=scale, opacity=opacity)
        if replace(two, scale=replace(two.scale, **mixed), opacity=opacity) != layer:
            return None
        layers.append(layer)
    return replace(a, layers=tuple(layers))
