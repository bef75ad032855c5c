"""What a picture shows, as one small value: it can be stored, hashed, sent and repeated."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.palettes import palettes
from fraktal_kernel.fractals.view import View, decimal_of, text_of
from fraktal_kernel.registry import unknown_name

VERSION = 1
FORMULAS = ("mandelbrot", "julia")
MAX_ITER = 10_000_000
HOME_VIEW = View("-0.65", "0", "3.3")


@dataclass(frozen=True, slots=True)
class Seed:
    """The constant of a Julia set, as decimal strings."""

    re: str
    im: str

    def __post_init__(self) -> None:
        for name in ("re", "im"):
            number = decimal_of(f"{name} of the seed", getattr(self, name))
            if abs(number) > 4:
                raise InvalidInput(
                    f"{name} of the seed is {number:.6g}; expected it between -4 and 4, "
                    "because every point escapes at once outside of that."
                )
            object.__setattr__(self, name, text_of(number))


def _number(name: str, value: object, low: float, high: float) -> float:
    """Take a finite number in a range; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"{name} is {value!r:.60}; expected a number from {low:g} to {high:g}.")
    if not low <= value <= high:  # NaN fails both
        raise InvalidInput(f"{name} is {value:.6g}; expected a number from {low:g} to {high:g}.")
    return float(value)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that decides a picture but its size.

    Parameters
    ----------
    formula : ``"mandelbrot"`` or ``"julia"``
    view : where one looks
    seed : the constant of a Julia set; None for Mandelbrot
    max_iter : a point that has not escaped after so many steps counts as inside
    palette : name of one of the `palettes`
    density : how fast the colours change, 1 as the palette means it
    offset : where in the palette the colours begin, from 0 to 1
    version : of this description

    Examples
    --------
    >>> Scene.from_dict({"view": {"re": "-0.75", "im": "0", "width": "3.5"}}).formula
    'mandelbrot'
    """

    formula: str = "mandelbrot"
    view: View = HOME_VIEW
    seed: Seed | None = None
    max_iter: int = 1000
    palette: str = "aurora"
    density: float = 1.0
    offset: float = 0.0
    version: int = VERSION

    def __post_init__(self) -> None:
        if isinstance(self.version, bool) or self.version != VERSION:
            raise InvalidInput(
                f"scene version is {self.version!r:.60}; this Fraktal reads version {VERSION}, "
                "a newer one may read it."
            )
        if not isinstance(self.formula, str):
            raise InvalidInput(f"formula is {self.formula!r:.60}; expected a name.")
        if self.formula not in FORMULAS:
            raise unknown_name("formula", self.formula[:60], list(FORMULAS))
        if not isinstance(self.view, View):
            raise InvalidInput(f"view is {self.view!r:.60}; expected a View.")
        if self.formula == "julia" and not isinstance(self.seed, Seed):
            raise InvalidInput("a Julia scene needs a seed with re and im, such as -0.8 and 0.156.")
        if self.formula != "julia" and self.seed is not None:
            raise InvalidInput("a Mandelbrot scene has no seed; leave it out or choose 'julia'.")
        steps = self.max_iter
        if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MAX_ITER:
            raise InvalidInput(
                f"max_iter is {steps!r:.60}; expected a whole number from 1 to {MAX_ITER}."
            )
        if not isinstance(self.palette, str):
            raise InvalidInput(f"palette is {self.palette!r:.60}; expected a name.")
        if self.palette not in palettes:
            raise unknown_name("palette", self.palette[:60], list(palettes))
        density = _number("density", self.density, 0.001, 1000)
        offset = math.fmod(_number("offset", self.offset, 0, 1), 1)
        object.__setattr__(self, "density", density)
        object.__setattr__(self, "offset", offset)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scene:
        """Read a scene from plain data: defaults for what is left out, no for what is unknown."""
        known = _checked("scene", data, [field.name for field in fields(cls)])
        if "view" in known:
            view = _checked("view", known["view"], ["re", "im", "width"], all_needed=True)
            known["view"] = View(**view)
        if known.get("seed") is not None:
            known["seed"] = Seed(**_checked("seed", known["seed"], ["re", "im"], all_needed=True))
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Give the scene as plain data that JSON can hold."""
        data: dict[str, Any] = {"version": self.version, "formula": self.formula}
        data["view"] = {"re": self.view.re, "im": self.view.im, "width": self.view.width}
        if self.seed is not None:
            data["seed"] = {"re": self.seed.re, "im": self.seed.im}
        data["max_iter"] = self.max_iter
        data |= {"palette": self.palette, "density": self.density, "offset": self.offset}
        return data

    def digest(self) -> str:
        """Name the scene by the SHA-256 of its plain data: the same on every machine."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic models have scenes; imported by pydantic only."""
        from fraktal_kernel.fractals.schema import scene_core_schema

        return scene_core_schema()

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Describe a scene to forms and other programs."""
        from fraktal_kernel.fractals.schema import scene_json_schema

        return scene_json_schema()


def _checked(
    kind: str, data: object, names: list[str], *, all_needed: bool = False
) -> dict[str, Any]:
    """Refuse what is no mapping, has keys that nobody knows, or lacks some."""
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{kind} is {data!r:.60}; expected an object with {', '.join(names)}.")
    for key in data:
        if key not in names:
            near = get_close_matches(str(key)[:60], names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(names)}."
            raise InvalidInput(f"{kind} has no {str(key)[:60]!r}; {hint}")
    if all_needed and len(data) < len(names):
        lacking = ", ".join(name for name in names if name not in data)
        raise InvalidInput(f"{kind} lacks {lacking}; it needs {', '.join(names)}.")
    return dict(data)
