"""A palette: colours at positions, joined in OKLab so that steps look even."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.palettes.light import from_oklab, light_of, linear, oklab, srgb

MAX_STOPS = 1024
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_NUMBER = r"\s*([+-]?[0-9]*\.?[0-9]+)"
_OKLCH = re.compile(rf"oklch\({_NUMBER}(%?)\s{_NUMBER}\s{_NUMBER}\s*\)")


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours at rising positions from 0 to 1.

    Parameters
    ----------
    title : what a person reads in a list
    stops : positions, each with its colour: ``"#rrggbb"``, or ``"oklch(0.7 0.25 150)"`` for
        what only a wide screen shows
    inside : colour of points that do not escape, ``"#rrggbb"``
    cyclic : whether the last colour leads back to the first; such a ring has its positions below
        1. What is not cyclic is a ramp, which goes there and back where it has to repeat.

    Examples
    --------
    >>> Palette("Ink", ((0.0, "#000000"), (1.0, "#ffffff")), cyclic=False).light(2).tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    title: str
    stops: tuple[tuple[float, str], ...]
    inside: str = "#000000"
    cyclic: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.title, str) or not self.title or len(self.title) > 200:
            raise InvalidInput(f"palette title is {self.title!r:.60}; expected a short text.")
        if not isinstance(self.cyclic, bool):
            raise InvalidInput(f"cyclic is {self.cyclic!r:.60}; expected true or false.")
        if not isinstance(self.inside, str) or not _HEX.fullmatch(self.inside):
            raise InvalidInput(f"inside is {self.inside!r:.60}; expected a colour such as #102030.")
        object.__setattr__(self, "stops", _checked(self.stops, self.cyclic))

    def light(self, n: int) -> NDArray[np.float32]:
        """Give the palette once along as ``n`` colours of linear light, float32 [n, 3].

        A ring is sampled evenly without its end, which is its beginning; a ramp with both ends.
        What lies between stops of sRGB is kept within sRGB; between wider ones nothing is clipped.
        """
        t = np.arange(n) / (n if self.cyclic else max(n - 1, 1))
        light = light_of(_curve(self.stops, self.cyclic, t))
        if all(_HEX.fullmatch(colour) for _, colour in self.stops):
            light = np.clip(light, 0.0, 1.0)
        return light.astype(np.float32)

    def table(self, n: int) -> NDArray[np.uint8]:
        """Give a ring of ``n`` evenly spaced colours, uint8 [n, 3]; the last meets the first.

        Examples
        --------
        >>> from fraktal_kernel.fractals import palettes
        >>> palettes["aurora"].table(256).shape
        (256, 3)
        """
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 65_536:
            raise InvalidInput(f"a palette table of {n!r:.60} colours; expected 1 to 65536.")
        return _table(self.stops, self.cyclic, n).copy()

    @property
    def inside_rgb(self) -> tuple[int, int, int]:
        """Colour of the inside as three bytes."""
        red, green, blue = bytes.fromhex(self.inside[1:])
        return red, green, blue

    @classmethod
    def of(cls, colours: Sequence[Any], title: str = "Untitled", **options: Any) -> Palette:
        """Make a palette of colours evenly apart, or of pairs of a position and a colour.

        Examples
        --------
        >>> Palette.of(["#000000", "#ffffff"]).stops
        ((0.0, '#000000'), (0.5, '#ffffff'))
        """
        if isinstance(colours, (str, bytes)) or not isinstance(colours, Sequence):
            raise InvalidInput(f"palette is {colours!r:.60}; expected a list of colours.")
        if colours and all(isinstance(colour, str) for colour in colours):
            last = len(colours) if options.get("cyclic", True) else max(len(colours) - 1, 1)
            colours = [(k / last, colour) for k, colour in enumerate(colours)]
        return cls(title, tuple(colours), **options)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Palette:
        """Read a palette from plain data."""
        if not isinstance(data, Mapping):
            raise InvalidInput(f"palette is {data!r:.60}; expected an object with title and stops.")
        options = dict(data)
        for key in options:
            if key not in cls.__dataclass_fields__:
                names = ", ".join(cls.__dataclass_fields__)
                raise InvalidInput(f"palette has no {str(key)[:60]!r}; expected {names}.")
        return cls.of(options.pop("stops", ()), options.pop("title", "Untitled"), **options)

    def to_dict(self) -> dict[str, Any]:
        """Give the palette as plain data that JSON can hold."""
        stops = [[position, colour] for position, colour in self.stops]
        return {
            "title": self.title,
            "stops": stops,
            "inside": self.inside,
            "cyclic": self.cyclic,
        }


def lab_of_text(text: str) -> NDArray[np.float64]:
    """Read a colour as OKLab: ``"#rrggbb"`` or ``"oklch(lightness chroma degrees)"``."""
    if _HEX.fullmatch(text):
        return oklab(np.frombuffer(bytes.fromhex(text[1:]), np.uint8))
    match = _OKLCH.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(
            f"colour is {text!r:.60}; expected one such as '#1f77b4' or 'oklch(0.7 0.25 150)'."
        )
    lightness, percent, chroma, hue = match.groups()
    high = float(lightness) / (100 if percent else 1)
    if not (0 <= high <= 1 and 0 <= float(chroma) <= 0.5):
        raise InvalidInput(
            f"colour is {text!r:.60}; expected a lightness from 0 to 1 and a chroma from 0 to 0.5."
        )
    angle = math.radians(float(hue))
    return np.array([high, float(chroma) * math.cos(angle), float(chroma) * math.sin(angle)])


def text_of_light(light: NDArray[Any]) -> str:
    """Write linear light as ``"#rrggbb"``."""
    return "#" + bytes(srgb(light).tolist()).hex()


def light_of_text(text: str) -> NDArray[np.float64]:
    """Read a colour as linear light of the sRGB primaries."""
    if _HEX.fullmatch(text):
        return linear(np.frombuffer(bytes.fromhex(text[1:]), np.uint8))
    return light_of(lab_of_text(text))


def _checked(stops: object, cyclic: bool) -> tuple[tuple[float, str], ...]:
    """Refuse stops that make no gradient, and make plain tuples of those that do."""
    if not isinstance(stops, Sequence) or isinstance(stops, (str, bytes)):
        raise InvalidInput(f"stops are {stops!r:.60}; expected pairs of a position and a colour.")
    if len(stops) < 2:
        have = "has no stop" if not stops else "has one stop"
        raise InvalidInput(f"the palette {have}; expected two at least, each with its position.")
    if len(stops) > MAX_STOPS:
        raise InvalidInput(f"the palette has {len(stops)} stops; expected {MAX_STOPS} at most.")
    checked: list[tuple[float, str]] = []
    for stop in stops:
        pair = not isinstance(stop, (str, bytes)) and isinstance(stop, Sequence) and len(stop) == 2
        if not pair:
            raise InvalidInput(f"a stop is {stop!r:.60}; expected a position and a colour.")
        at, colour = stop
        if isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at <= 1:
            raise InvalidInput(f"a stop is at {at!r:.60}; expected a position from 0 to 1.")
        if cyclic and at == 1:
            raise InvalidInput(
                "a stop of a cyclic palette is at 1, which is 0 again; leave it out, or say that "
                "the palette is not cyclic."
            )
        if checked and at <= checked[-1][0]:
            raise InvalidInput(
                f"a stop at {at:g} comes after one at {checked[-1][0]:g}; "
                "expected rising positions."
            )
        if not isinstance(colour, str):
            raise InvalidInput(f"colour is {colour!r:.60}; expected one such as '#1f77b4'.")
        lab_of_text(colour)
        checked.append((float(at), colour))
    return tuple(checked)


@lru_cache(maxsize=32)
def _table(stops: tuple[tuple[float, str], ...], cyclic: bool, n: int) -> NDArray[np.uint8]:
    t = np.arange(n) / n
    return from_oklab(_curve(stops, cyclic, t if cyclic else 1 - np.abs(1 - 2 * t)))


def _curve(
    stops: tuple[tuple[float, str], ...], cyclic: bool, t: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Run a Hermite spline through the stops: no kinks that the eye takes for bands."""
    at = np.array([position for position, _ in stops])
    lab = np.array([lab_of_text(colour) for _, colour in stops])
    if cyclic:
        right = np.searchsorted(at, t, side="right") % len(at)
        left = right - 1
        gaps = np.diff(at, append=at[0] + 1.0)
        slopes = np.diff(lab, axis=0, append=lab[:1]) / gaps[:, None]
        u = ((t - at[left]) % 1.0) / gaps[left]
    else:
        # Beyond the outer stops the colour stays; there the spline lies flat.
        left = np.clip(np.searchsorted(at, t, side="right") - 1, 0, len(at) - 2)
        right = left + 1
        gaps = np.diff(at, append=at[-1] + 1.0)
        slopes = np.diff(lab, axis=0, append=lab[-1:]) / gaps[:, None]
        u = np.clip((t - at[left]) / gaps[left], 0.0, 1.0)
    before = np.roll(slopes, 1, axis=0)
    if not cyclic:
        # One-sided at the ends, so that the first and the last step are as even as the others.
        before[0], slopes[-1] = slopes[0], slopes[-2]
    # Harmonic means where both sides rise or both fall, else flat: it never overshoots a stop.
    same = slopes * before > 0
    both = np.where(same, slopes + before, 1.0)
    tangents = np.where(same, 2 * slopes * before / both, 0.0)
    u = u[:, None]
    gap = gaps[left][:, None]
    a, b = lab[left], lab[right]
    da, db = tangents[left] * gap, tangents[right] * gap
    return np.asarray(
        (2 * u**3 - 3 * u**2 + 1) * a
        + (u**3 - 2 * u**2 + u) * da
        + (3 * u**2 - 2 * u**3) * b
        + (u**3 - u**2) * db
    )
