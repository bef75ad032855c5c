"""How fields become a picture, as data: layers of colour, light, and what the inside shows.

A `Look` says nothing of the place that is seen, so that one look serves many scenes. Lengths in
it, distances among them, are in thousandths of the picture's width: a poster looks like its
preview.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.colouring import checks
from fraktal_kernel.fractals.palettes.gradient import Palette
from fraktal_kernel.fractals.palettes.named import palette_of

VERSION = 1
MAX_LAYERS = 16
MAX_LIGHTS = 8
FIELDS = (
    "smooth", "iterations", "distance", "angle", "stripe", "triangle", "trap_point", "trap_cross",
    "trap_circle", "atom", "interior_distance", "period",
)  # fmt: skip
LENGTHS = ("distance", "interior_distance")
SCALES = ("linear", "logarithm", "power", "histogram", "levels")
BEYOND = ("repeat", "clamp")
BLENDS = ("normal", "multiply", "screen", "overlay", "soft_light", "add")
SPACES = ("light", "lightness")
REGIONS = ("outside", "inside", "both")
SLOPES = ("normal", "height")
RELIEF_RANGES = (
    ("height", -20, 20),
    ("ambient", 0, 1),
    ("specular", 0, 1),
    ("shininess", 1, 500),
    ("metal", 0, 1),
    ("occlusion", 0, 1),
    ("radius", 0.5, 50),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """From the value of a field to a place along a palette, of which 1 is the whole.

    Parameters
    ----------
    kind : ``"linear"``: density times the value; ``"logarithm"``: a whole palette for each factor
        of four of 1 + value, at density 1; ``"power"``: density times value to the exponent;
        ``"histogram"``: each colour on as many pixels as any other; ``"levels"``: from the
        lowest to the highest value of the picture, without the extreme hundredth at each end
    density : how often the palette is passed through
    offset : where in the palette the colours begin, from 0 to 1; up to 2 on the way back of a ramp
    exponent : of the kind ``"power"``
    beyond : behind the end of the palette it may ``"repeat"`` (a ramp goes back) or ``"clamp"``
    """

    kind: str = "logarithm"
    density: float = 1.0
    offset: float = 0.0
    exponent: float = 0.5
    beyond: str = "repeat"

    def __post_init__(self) -> None:
        checks.choice("scale", self.kind, SCALES)
        checks.choice("beyond", self.beyond, BEYOND)
        checks.put(self, "density", checks.number("density", self.density, -2000, 2000))
        checks.put(self, "offset", checks.number("offset", self.offset, 0, 2))
        checks.put(self, "exponent", checks.number("exponent", self.exponent, 0.01, 10))


@dataclass(frozen=True, slots=True)
class Layer:
    """One field, painted with one palette over what the layers before it made.

    Parameters
    ----------
    field : one of `FIELDS`
    scale : how its values go along the palette
    palette : name of a palette, or a palette of its own
    blend : one of `BLENDS`
    space : ``"light"`` blends linear light, ``"lightness"`` only OKLab's lightness and keeps hue
        and chroma of what lies below
    opacity : from 0, nothing, to 1
    where : ``"outside"`` of the set, ``"inside"`` or ``"both"``
    """

    field: str = "smooth"
    scale: Scale = Scale()
    palette: str | Palette = "aurora"
    blend: str = "normal"
    space: str = "light"
    opacity: float = 1.0
    where: str = "outside"

    def __post_init__(self) -> None:
        checks.choice("field", self.field, FIELDS)
        checks.choice("blend", self.blend, BLENDS)
        checks.choice("space", self.space, SPACES)
        checks.choice("where", self.where, REGIONS)
        if not isinstance(self.scale, Scale):
            raise InvalidInput(f"scale is {self.scale!r:.60}; expected a Scale.")
        checks.put(self, "opacity", checks.number("opacity", self.opacity, 0, 1))
        if not isinstance(self.palette, str):
            checks.put(self, "palette", palette_of(self.palette))
        palette_of(self.palette)


@dataclass(frozen=True, slots=True)
class Light:
    """A light so far away that it shines alike on every point.

    Parameters
    ----------
    azimuth_deg : where it stands, counter-clockwise from the right; 135 is the upper left
    elevation_deg : how high it stands, 90 is overhead
    colour : ``"#rrggbb"``
    strength : its share among several lights
    """

    azimuth_deg: float = 135.0
    elevation_deg: float = 45.0
    colour: str = "#ffffff"
    strength: float = 1.0

    def __post_init__(self) -> None:
        checks.put(self, "azimuth_deg", checks.number("azimuth_deg", self.azimuth_deg, -360, 360))
        checks.put(self, "elevation_deg", checks.number("elevation_deg", self.elevation_deg, 5, 90))
        checks.put(self, "strength", checks.number("strength", self.strength, 0.01, 10))
        checks.colour("colour", self.colour)


@dataclass(frozen=True, slots=True)
class Relief:
    """The picture as a surface that lights shine on. A level spot keeps its colour.

    Parameters
    ----------
    slope : ``"normal"`` takes the field of that name, which leans alike everywhere;
        ``"height"`` takes the slope of the height field
    field, scale : what gives the height, for slopes and occlusion
    height : how steep; below 0, heights become depths
    lights : one or more
    ambient : share of the light that comes from everywhere
    specular, shininess : strength and sharpness of highlights (Blinn and Phong)
    metal : how far highlights take the colour of the surface instead of the light's, 0 to 1
    occlusion : how much darker it gets where the surroundings stand higher, 0 to 1
    radius : how far these surroundings reach, in thousandths of the picture's width
    where : what is lit, as in `Layer`
    """

    slope: str = "normal"
    field: str = "smooth"
    scale: Scale = Scale()
    height: float = 1.0
    lights: tuple[Light, ...] = (Light(),)
    ambient: float = 0.3
    specular: float = 0.2
    shininess: float = 24.0
    metal: float = 0.0
    occlusion: float = 0.0
    radius: float = 8.0
    where: str = "outside"

    def __post_init__(self) -> None:
        checks.choice("slope", self.slope, SLOPES)
        checks.choice("field", self.field, FIELDS)
        checks.choice("where", self.where, REGIONS)
        if not isinstance(self.scale, Scale):
            raise InvalidInput(f"scale is {self.scale!r:.60}; expected a Scale.")
        lights = checks.items("lights", self.lights, Light, 1, MAX_LIGHTS)
        checks.put(self, "lights", lights)
        for name, low, high in RELIEF_RANGES:
            checks.put(self, name, checks.number(name, getattr(self, name), low, high))

    @property
    def needs_height(self) -> bool:
        """Whether the height field is used at all."""
        return self.slope == "height" or self.occlusion > 0


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that decides the colours of a picture whose fields are known.

    Parameters
    ----------
    layers : from the lowest to the highest
    relief : light on the picture, or None
    inside : colour of the set where no layer paints it
    version : of this description

    Examples
    --------
    >>> look = Look.default("ember")
    >>> Look.from_dict(look.to_dict()) == look
    True
    """

    layers: tuple[Layer, ...] = (Layer(),)
    relief: Relief | None = None
    inside: str = "#000000"
    version: int = VERSION

    def __post_init__(self) -> None:
        if isinstance(self.version, bool) or self.version != VERSION:
            raise InvalidInput(
                f"look version is {self.version!r:.60}; this Fraktal reads version {VERSION}, "
                "a newer one may read it."
            )
        checks.put(self, "layers", checks.items("layers", self.layers, Layer, 1, MAX_LAYERS))
        if self.relief is not None and not isinstance(self.relief, Relief):
            raise InvalidInput(f"relief is {self.relief!r:.60}; expected a Relief, or null.")
        checks.colour("inside", self.inside)

    @classmethod
    def default(
        cls, palette: str | Palette = "aurora", density: float = 1.0, offset: float = 0.0
    ) -> Look:
        """Give the plain look: one palette along the logarithm of the escape time.

        Once round is a whole ring, or a ramp there and back, as `indices` has it.
        """
        chosen = palette_of(palette)
        passes = 1 if chosen.cyclic else 2
        scale = Scale(density=passes * density, offset=passes * offset)
        return cls((Layer(scale=scale, palette=palette),), inside=chosen.inside)

    def painted(self, palette: str | Palette) -> Look:
        """Give this look with another palette in its lowest layer."""
        first = replace(self.layers[0], palette=palette)
        return replace(self, layers=(first, *self.layers[1:]))

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of all fields that it takes to paint this look."""
        names = {"smooth": None}  # tells the inside from the outside
        names |= {layer.field: None for layer in self.layers if layer.opacity > 0}
        if self.relief is not None:
            if self.relief.slope == "normal":
                names["normal"] = None
            if self.relief.needs_height:
                names[self.relief.field] = None
        return tuple(names)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Look:
        """Read a look from plain data: defaults for what is left out, no for what is unknown."""
        known = checks.known_keys("look", data, cls)
        if "layers" in known:
            known["layers"] = tuple(
                map(_layer, checks.listed("layers", known["layers"], MAX_LAYERS))
            )
        if known.get("relief") is not None:
            known["relief"] = _relief(known["relief"])
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Give the look as plain data that JSON can hold, without what stands at its default."""
        data: dict[str, Any] = {"version": self.version, "inside": self.inside}
        data["layers"] = [_plain(layer, keep=("field",)) for layer in self.layers]
        if self.relief is not None:
            data["relief"] = _plain(self.relief, keep=("slope",))
        return data

    def digest(self) -> str:
        """Name the look by the SHA-256 of its plain data: the same on every machine."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _layer(data: object) -> Layer:
    known = checks.known_keys("layer", data, Layer)
    if "scale" in known:
        known["scale"] = Scale(**checks.known_keys("scale", known["scale"], Scale))
    if "palette" in known:
        name = known["palette"]
        known["palette"] = name if isinstance(name, str) else palette_of(name)
    return Layer(**known)


def _relief(data: object) -> Relief:
    known = checks.known_keys("relief", data, Relief)
    if "scale" in known:
        known["scale"] = Scale(**checks.known_keys("scale", known["scale"], Scale))
    if "lights" in known:
        lights = checks.listed("lights", known["lights"], MAX_LIGHTS)
        known["lights"] = tuple(
            Light(**checks.known_keys("light", light, Light)) for light in lights
        )
    return Relief(**known)


def _plain(value: Any, keep: tuple[str, ...] = ()) -> Any:
    """Turn a dataclass of ours into plain data, without what stands at its default."""
    if isinstance(value, Palette):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, (Scale, Layer, Light, Relief)):
        return value
    data = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if field.name in keep or item != field.default:
            data[field.name] = _plain(item)
    return data
