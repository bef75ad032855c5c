"""What a picture shows, as one small value: it can be stored, hashed, sent and repeated."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from dataclasses import fields as parts_of
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.fields import checked_fields
from fraktal_kernel.fractals.palettes import palettes
from fraktal_kernel.fractals.view import View, decimal_of, text_of
from fraktal_kernel.registry import unknown_name

if TYPE_CHECKING:
    from fraktal_kernel.fractals.colouring.look import Look

VERSION = 2
MAX_ITER = 1_000_000_000
# Of either part.
LARGEST_SEED = 1000
HOME_VIEW = View("-0.65", "0", "3.3")
# Whole numbers up to here are the same in JSON, TOML and float64.
_LARGEST_WHOLE = 2**53


@dataclass(frozen=True, slots=True)
class Seed:
    """The constant of a Julia set, as decimal strings."""

    re: str
    im: str

    def __post_init__(self) -> None:
        for name in ("re", "im"):
            number = decimal_of(f"{name} of the seed", getattr(self, name))
            if abs(number) > LARGEST_SEED:
                raise InvalidInput(
                    f"{name} of the seed is {number:.6g}; expected it between -{LARGEST_SEED} and "
                    f"{LARGEST_SEED}."
                )
            object.__setattr__(self, name, text_of(number))


def _number(name: str, value: object, low: float, high: float) -> float:
    """Take a finite number in a range; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidInput(f"{name} is {value!r:.60}; expected a number from {low:g} to {high:g}.")
    return float(value)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that decides a picture but its size.

    Parameters
    ----------
    formula : name of one of the `formulas`, or a formula as text, such as ``"z**3 + c*z"``
    view : where one looks, and how the window is turned
    seed : the constant of a Julia set; None for the plane of c
    max_iter : a point that has not ended after so many steps counts as inside
    palette : name of one of the `palettes`
    density : how fast the colours change, 1 as the palette means it
    offset : where in the palette the colours begin, from 0 to 1
    parameters : values of the formula's parameters by name, numbers or texts such as ``"i/3"``
    look : layers of colour and light instead of the plain palette, or None
    fields : names of further fields to compute and keep
    version : of this description

    Examples
    --------
    >>> Scene.from_dict({"view": {"re": "-0.75", "im": "0", "width": "3.5"}}).formula
    'mandelbrot'
    >>> Scene("multibrot", parameters={"power": 5}).to_dict()["parameters"]
    {'power': 5}
    """

    formula: str = "mandelbrot"
    view: View = HOME_VIEW
    seed: Seed | None = None
    max_iter: int = 1000
    palette: str = "aurora"
    density: float = 1.0
    offset: float = 0.0
    parameters: Mapping[str, int | float | str] = field(default_factory=dict, hash=False)
    look: Look | None = None
    fields: tuple[str, ...] = ()
    version: int = VERSION

    def __post_init__(self) -> None:
        if isinstance(self.version, bool) or self.version != VERSION:
            raise InvalidInput(
                f"scene version is {self.version!r:.60}; this Fraktal reads versions 1 to "
                f"{VERSION}, a newer one may read it."
            )
        if not isinstance(self.view, View):
            raise InvalidInput(f"view is {self.view!r:.60}; expected a View.")
        if self.seed is not None and not isinstance(self.seed, Seed):
            raise InvalidInput(f"seed is {self.seed!r:.60}; expected a Seed, or None.")
        self._check_formula()
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
        offset = math.fmod(_number("offset", self.offset, 0, 1), 1) + 0.0
        object.__setattr__(self, "density", density)
        object.__setattr__(self, "offset", offset)
        if self.look is not None:
            object.__setattr__(self, "look", _look_of(self.look))
        object.__setattr__(self, "fields", checked_fields(self.fields) if self.fields else ())

    def _check_formula(self) -> None:
        """Refuse formulas and parameters that are none; a name alone is looked up, not parsed."""
        if not isinstance(self.formula, str):
            raise InvalidInput(f"formula is {self.formula!r:.60}; expected a name or a text.")
        text, given = self.formula.strip(), _parameters(self.parameters)
        object.__setattr__(self, "formula", text)
        object.__setattr__(self, "parameters", given)
        if given or text != "mandelbrot":
            _checked_formula(text, tuple((name, type(v), v) for name, v in given.items()))
        if text == "mandelbrot" and self.seed is not None:
            for name in ("re", "im"):
                number = float(getattr(self.seed, name))
                if abs(number) > 4:
                    raise InvalidInput(
                        f"{name} of the seed is {number:.6g}; expected it between -4 and 4, "
                        "because every point escapes at once outside of that."
                    )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scene:
        """Read a scene from plain data: defaults for what is left out, no for what is unknown.

        Scenes of version 1, whose Julia sets were a formula of their own, are read as well.
        """
        known = _migrated(_checked("scene", data, [part.name for part in parts_of(cls)]))
        if "view" in known:
            names = ["re", "im", "width", "rotation_deg", "skew"]
            known["view"] = View(**_checked("view", known["view"], names, needed=3))
        if known.get("seed") is not None:
            known["seed"] = Seed(**_checked("seed", known["seed"], ["re", "im"], needed=2))
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Give the scene as plain data that JSON can hold, without parts that it does not have."""
        data: dict[str, Any] = {"version": self.version, "formula": self.formula}
        if self.parameters:
            data["parameters"] = dict(self.parameters)
        view: dict[str, Any] = {"re": self.view.re, "im": self.view.im, "width": self.view.width}
        if self.view.rotation_deg:
            view["rotation_deg"] = self.view.rotation_deg
        if self.view.skew is not None:
            view["skew"] = [list(row) for row in self.view.skew]
        data["view"] = view
        if self.seed is not None:
            data["seed"] = {"re": self.seed.re, "im": self.seed.im}
        data["max_iter"] = self.max_iter
        data |= {"palette": self.palette, "density": self.density, "offset": self.offset}
        if self.look is not None:
            data["look"] = self.look.to_dict()
        if self.fields:
            data["fields"] = list(self.fields)
        return data

    def coloured(self, palette: str) -> Scene:
        """Give the scene another palette, in the lowest layer of its look where it has one."""
        look = self.look.painted(palette) if self.look else None
        return replace(self, palette=palette, look=look)

    def digest(self) -> str:
        """Name the scene by the SHA-256 of its plain data: the same on every machine."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def kind(self) -> str:
        """What it shows in a word that file names can have: ``"julia"``, a name, ``"formula"``."""
        from fraktal_kernel.fractals.formulas.parse import is_name

        if self.seed is not None:
            return "julia"
        return self.formula if is_name(self.formula) else "formula"

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


def _parameters(given: object) -> dict[str, int | float | str]:
    """Take parameters as a dict of our own, in the order of their names."""
    if not isinstance(given, Mapping):
        raise InvalidInput(f"parameters is {given!r:.60}; expected an object such as {{'p': 0.5}}.")
    for name, value in given.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        finite = isinstance(value, float) and math.isfinite(value)
        if not isinstance(name, str):
            raise InvalidInput(f"a parameter is named {name!r:.50}; expected a text such as 'p'.")
        if not (finite or isinstance(value, str) or (whole and abs(value) <= _LARGEST_WHOLE)):
            raise InvalidInput(
                f"the parameter {name!r:.50} is {value!r:.60}; expected a finite number, or a text "
                "such as '0.3 - 0.5*i'."
            )
    return {name: given[name] for name in sorted(given)}


@lru_cache(maxsize=256)
def _checked_formula(text: str, parameters: tuple[tuple[str, type, Any], ...]) -> None:
    """Refuse what is no formula; the types keep 1 and 1.0 apart, which hash alike."""
    from fraktal_kernel.fractals.formulas import formula_of, formulas
    from fraktal_kernel.fractals.formulas.parse import is_name

    if parameters or not is_name(text) or text in ("z", "c"):
        formula_of(text, {name: value for name, _, value in parameters})
    else:
        formulas[text]


def _look_of(given: object) -> Look:
    from fraktal_kernel.fractals.colouring.look import Look

    return given if isinstance(given, Look) else Look.from_dict(given)  # type: ignore[arg-type]


def _migrated(data: dict[str, Any]) -> dict[str, Any]:
    """Bring what was written by version 1, or by hand without a version, to this version."""
    version = data.get("version", 1)
    if isinstance(version, bool) or version != 1:
        return data
    data = {**data, "version": VERSION}
    if data.get("formula") == "julia":
        if data.get("seed") is None:
            raise InvalidInput("a Julia scene needs a seed with re and im, such as -0.8 and 0.156.")
        data["formula"] = "mandelbrot"
    return data


def _checked(kind: str, data: object, names: list[str], *, needed: int = 0) -> dict[str, Any]:
    """Refuse what is no mapping, has keys that nobody knows, or lacks some of the first."""
    if not isinstance(data, Mapping):
        raise InvalidInput(f"{kind} is {data!r:.60}; expected an object with {', '.join(names)}.")
    for key in data:
        if key not in names:
            near = get_close_matches(str(key)[:60], names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(names)}."
            raise InvalidInput(f"{kind} has no {str(key)[:60]!r}; {hint}")
    lacking = [name for name in names[:needed] if name not in data]
    if lacking:
        raise InvalidInput(
            f"{kind} lacks {', '.join(lacking)}; it needs {', '.join(names[:needed])}."
        )
    return dict(data)
