"""What a film shows, as one value: scenes at times, and the file it becomes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.film.easing import EASINGS
from fraktal_kernel.fractals.scene import HOME_VIEW, Scene
from fraktal_kernel.registry import unknown_name

VERSION = 1
SIDES = (16, 8192)
MAX_FRAMES = 500_000
MAX_KEYS = 1000
MAX_FPS = 240
MAX_ANTIALIAS = 3
CODECS = ("h264", "av1", "prores")


@dataclass(frozen=True, slots=True)
class Key:
    """A scene at a time.

    Parameters
    ----------
    time_s : seconds from the beginning
    scene : what is seen then
    easing : how the way to the next key is gone, a name of `EASINGS`
    turns : whole turns of the window on the way to the next key, besides its rotations
    passes : how often the palette is passed through on the way to the next key, besides the
        offsets of the scenes
    """

    time_s: float
    scene: Scene
    easing: str = "smooth"
    turns: int = 0
    passes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_s", _number("time_s", self.time_s, 0, 1e9))
        if not isinstance(self.scene, Scene):
            raise InvalidInput(f"scene of a key is {self.scene!r:.60}; expected a Scene.")
        if not isinstance(self.easing, str) or self.easing not in EASINGS:
            raise unknown_name("easing", str(self.easing)[:60], list(EASINGS))
        for name in ("turns", "passes"):
            _whole(f"{name} of a key", getattr(self, name), -10_000, 10_000)


@dataclass(frozen=True, slots=True)
class Film:
    """Everything that decides a film.

    Parameters
    ----------
    keys : scenes at rising times, the first at 0; two at least
    width, height : size in pixels, even
    fps : frames a second
    codec : ``"h264"``, ``"av1"`` or ``"prores"``
    quality : 0 to 100; 75 is hard to tell from the original
    antialias : samples a side of each pixel, at least
    version : of this description

    Examples
    --------
    >>> from fraktal_kernel.fractals import scenes
    >>> film = zoom(scenes["seahorse"], seconds=2, fps=25)
    >>> film.frames
    50
    >>> Film.from_dict(film.to_dict()) == film
    True
    """

    keys: tuple[Key, ...]
    width: int = 1280
    height: int = 720
    fps: float = 30.0
    codec: str = "h264"
    quality: int = 75
    antialias: int = 1
    version: int = VERSION

    def __post_init__(self) -> None:
        if isinstance(self.version, bool) or self.version != VERSION:
            raise InvalidInput(
                f"film version is {self.version!r:.60}; this Fraktal reads version {VERSION}, a "
                "newer one may read it."
            )
        for name in ("width", "height"):
            side = getattr(self, name)
            _whole(name, side, *SIDES)
            if side % 2:
                raise InvalidInput(f"{name} is {side}; films have even sizes, take {side + 1}.")
        object.__setattr__(self, "fps", _number("fps", self.fps, 0.1, MAX_FPS))
        if not isinstance(self.codec, str) or self.codec not in CODECS:
            raise unknown_name("codec", str(self.codec)[:60], list(CODECS))
        _whole("quality", self.quality, 0, 100)
        _whole("antialias", self.antialias, 1, MAX_ANTIALIAS)
        self._check_keys()

    def _check_keys(self) -> None:
        keys = self.keys
        if not isinstance(keys, (tuple, list)) or not all(isinstance(key, Key) for key in keys):
            raise InvalidInput(f"keys is {keys!r:.60}; expected a list of keys.")
        object.__setattr__(self, "keys", tuple(keys))
        if not 2 <= len(keys) <= MAX_KEYS:
            raise InvalidInput(f"the film has {len(keys)} keys; expected 2 to {MAX_KEYS}.")
        if keys[0].time_s != 0:
            raise InvalidInput(f"the first key is at {keys[0].time_s:g} s; expected it at 0.")
        for before, after in pairwise(keys):
            if after.time_s <= before.time_s:
                raise InvalidInput(
                    f"a key at {after.time_s:g} s comes after one at {before.time_s:g} s; "
                    "expected rising times."
                )
            _check_pair(before, after)
        if self.seconds * self.fps > MAX_FRAMES:
            raise InvalidInput(
                f"the film has {self.seconds * self.fps:.6g} frames; expected at most "
                f"{MAX_FRAMES}, choose less seconds or fps."
            )

    @property
    def seconds(self) -> float:
        """Length of the film."""
        return self.keys[-1].time_s

    @property
    def rate(self) -> Fraction:
        """Frames a second as films count them: 29.97 is 30000/1001."""
        broadcast = Fraction(round(self.fps * 1.001) * 1000, 1001)
        if abs(broadcast - Fraction(self.fps)) < Fraction(1, 200):
            return broadcast
        return Fraction(self.fps).limit_denominator(1000)

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return max(1, round(self.seconds * self.rate))

    def time_of(self, frame: int) -> float:
        """Give the time that a frame shows: the first the first key, the last the last one."""
        return self.seconds * frame / max(self.frames - 1, 1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Film:
        """Read a film from plain data: defaults for what is left out, no for what is unknown."""
        known = _checked("film", data, cls)
        keys = known.get("keys")
        if not isinstance(keys, (list, tuple)):
            raise InvalidInput(f"keys is {keys!r:.60}; expected a list of keys.")
        if len(keys) > MAX_KEYS:
            raise InvalidInput(f"the film has {len(keys)} keys; expected 2 to {MAX_KEYS}.")
        return cls(**{**known, "keys": tuple(map(_key, keys))})

    def to_dict(self) -> dict[str, Any]:
        """Give the film as plain data that JSON can hold."""
        data = {part.name: getattr(self, part.name) for part in fields(self)}
        data["keys"] = [
            {part.name: getattr(key, part.name) for part in fields(key)}
            | {"scene": key.scene.to_dict()}
            for key in self.keys
        ]
        return data

    def digest(self) -> str:
        """Name the film by the SHA-256 of its plain data: the same on every machine."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def zoom(
    scene: Scene,
    seconds: float = 30.0,
    *,
    start: Scene | None = None,
    easing: str = "gentle",
    turns: int = 0,
    passes: int = 0,
    **options: Any,
) -> Film:
    """Make the film that zooms into a scene, by default from the whole set.

    Parameters
    ----------
    scene : where it ends
    seconds : how long it takes
    start : where it begins; by default the whole set in the colours of the scene
    easing, turns, passes : as `Key` takes them
    options : size, codec and so on, as `Film` takes them

    Raises
    ------
    InvalidInput
        where the scene does not lie inside of the start, among others
    """
    if not isinstance(scene, Scene):
        raise InvalidInput(f"scene is {scene!r:.60}; expected a Scene.")
    length = _number("seconds", seconds, 0.01, 1e9)
    if start is None:
        start = whole(scene, options.get("width", 1280), options.get("height", 720))
    target, around = scene.view, start.view
    reach = Decimal(around.width) - Decimal(target.width)
    for name in ("re", "im"):
        if 2 * abs(Decimal(getattr(target, name)) - Decimal(getattr(around, name))) > reach:
            raise InvalidInput(
                f"the scene, {target.width:.12} wide at {name} {getattr(target, name):.20}, does "
                f"not lie inside of the start, {around.width:.12} wide at "
                f"{getattr(around, name):.20}; choose a wider start, or give the film two keys."
            )
    first = Key(0.0, start, easing, turns, passes)
    return Film((first, Key(length, scene)), **options)


def whole(scene: Scene, width: int, height: int) -> Scene:
    """Give the scene seen from so far that all of it is in the picture."""
    home = scene.formula == "mandelbrot" and scene.seed is None
    re, im = (HOME_VIEW.re, HOME_VIEW.im) if home else ("0", "0")
    across, down = (3.3, 2.6) if home else (4.0, 4.0)
    aspect = width / height if isinstance(width, int) and isinstance(height, int) and height else 1
    view = replace(scene.view, re=re, im=im, width=f"{max(across, down * aspect):.4g}")
    return replace(scene, view=view)


def _check_pair(before: Key, after: Key) -> None:
    """Refuse what cannot go over into one another."""
    a, b = before.scene, after.scene
    when = f"between {before.time_s:g} s and {after.time_s:g} s"
    if a.formula != b.formula:
        raise InvalidInput(
            f"{when} the formula changes from {a.formula!r:.40} to {b.formula!r:.40}; a film has "
            "one formula, cut it there."
        )
    if (a.seed is None) != (b.seed is None):
        raise InvalidInput(f"{when} a seed comes or goes; give both scenes one, or none.")
    if a.view.skew != b.view.skew:
        raise InvalidInput(f"{when} the skew changes; give both scenes the same.")
    numeric = all(
        isinstance(a.parameters.get(name), (int, float))
        and isinstance(b.parameters.get(name), (int, float))
        for name in {*a.parameters, *b.parameters}
        if a.parameters.get(name) != b.parameters.get(name)
    )
    if not numeric:
        raise InvalidInput(f"{when} a parameter changes that is no number in both scenes.")


def _key(data: object) -> Key:
    known = _checked("key", data, Key)
    if not {"time_s", "scene"} <= set(known):
        raise InvalidInput("a key lacks time_s or scene; it needs both.")
    scene = known["scene"]
    known["scene"] = scene if isinstance(scene, Scene) else Scene.from_dict(scene)
    return Key(**known)


def _checked(kind: str, data: object, of: Any) -> dict[str, Any]:
    names = [part.name for part in fields(of)]
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{kind} is {data!r:.60}; expected an object with {', '.join(names)}.")
    for name in data:
        if name not in names:
            raise InvalidInput(f"{kind} has no {str(name)[:60]!r}; expected {', '.join(names)}.")
    return dict(data)


def _number(name: str, value: object, low: float, high: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        raise InvalidInput(f"{name} is {value!r:.60}; expected a number from {low:g} to {high:g}.")
    return float(value)


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(
            f"{name} is {value!r:.60}; expected a whole number from {low} to {high}."
        )
