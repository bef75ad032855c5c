"""How forms and other programs are told what a look is made of: JSON Schema."""

from __future__ import annotations

from typing import Any

from fraktal_kernel.fractals.colouring import look as parts
from fraktal_kernel.fractals.palettes.gradient import MAX_STOPS
from fraktal_kernel.fractals.palettes.named import palettes

_HEX = {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"}


def look_json_schema() -> dict[str, Any]:
    """Describe a `Look` as JSON Schema, with the ranges and choices that are accepted."""
    palette = {
        "anyOf": [
            {"enum": list(palettes)},
            {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "stops": {"type": "array", "minItems": 2, "maxItems": MAX_STOPS},
                    "inside": _HEX,
                    "cyclic": {"type": "boolean", "default": True},
                },
                "required": ["stops"],
                "additionalProperties": False,
            },
        ]
    }
    scale = _object(
        parts.Scale(),
        {
            "kind": _choice(parts.SCALES),
            "density": _number(-2000, 2000),
            "offset": _number(0, 2),
            "exponent": _number(0.01, 10),
            "beyond": _choice(parts.BEYOND),
        },
    )
    layer = _object(
        parts.Layer(),
        {
            "field": _choice(parts.FIELDS),
            "scale": scale,
            "palette": palette,
            "blend": _choice(parts.BLENDS),
            "space": _choice(parts.SPACES),
            "opacity": _number(0, 1),
            "where": _choice(parts.REGIONS),
        },
    )
    light = _object(
        parts.Light(),
        {
            "azimuth_deg": _number(-360, 360),
            "elevation_deg": _number(5, 90),
            "colour": dict(_HEX),
            "strength": _number(0.01, 10),
        },
    )
    numbers = {name: _number(low, high) for name, low, high in parts.RELIEF_RANGES}
    relief = _object(
        parts.Relief(),
        {
            "slope": _choice(parts.SLOPES),
            "field": _choice(parts.FIELDS),
            "scale": scale,
            "lights": _list(light, parts.MAX_LIGHTS),
            **numbers,
            "where": _choice(parts.REGIONS),
        },
    )
    return _object(
        parts.Look(),
        {
            "layers": _list(layer, parts.MAX_LAYERS),
            "relief": {"anyOf": [relief, {"type": "null"}]},
            "inside": dict(_HEX),
            "version": {"const": parts.VERSION},
        },
    )


def _number(low: float, high: float) -> dict[str, Any]:
    return {"type": "number", "minimum": low, "maximum": high}


def _choice(names: tuple[str, ...]) -> dict[str, Any]:
    return {"enum": list(names)}


def _list(item: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": most}


def _object(example: Any, properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe a value of ours, with the defaults that it has."""
    for name, schema in properties.items():
        default = getattr(example, name)
        if isinstance(default, (str, int, float)) and "const" not in schema:
            schema["default"] = default
    return {"type": "object", "properties": properties, "additionalProperties": False}
