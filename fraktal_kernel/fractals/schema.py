"""How pydantic models read, write and describe scenes; imported only when pydantic asks."""

from __future__ import annotations

from typing import Any

from pydantic_core import core_schema

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.colouring.schema import look_json_schema
from fraktal_kernel.fractals.fields import KINDS
from fraktal_kernel.fractals.formulas import formulas
from fraktal_kernel.fractals.gallery import scenes
from fraktal_kernel.fractals.palettes import palettes
from fraktal_kernel.fractals.resolve import resolve_scene
from fraktal_kernel.fractals.scene import MAX_ITER, VERSION, Scene


def _read(value: Any, info: core_schema.ValidationInfo) -> Scene:
    """Resolve whatever names a scene; files only in the folders that the context allows."""
    context = info.context if isinstance(info.context, dict) else {}
    try:
        return resolve_scene(value, context.get("roots", ()))
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def scene_core_schema() -> core_schema.CoreSchema:
    """Validate by `resolve_scene`, and write as the plain data of the scene."""
    return core_schema.with_info_plain_validator_function(
        _read,
        serialization=core_schema.plain_serializer_function_ser_schema(Scene.to_dict),
    )


def scene_json_schema() -> dict[str, Any]:
    """Describe to forms and other programs what may stand for a scene."""
    number = {"type": "string", "pattern": r"^\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*$"}
    point = {"re": number, "im": number}
    return {
        "title": "Scene",
        "examples": list(scenes),
        "anyOf": [
            {"type": "string", "title": "Name, file or JSON text"},
            {
                "type": "object",
                "title": "Scene",
                "additionalProperties": False,
                "properties": {
                    "version": {"enum": [1, VERSION]},
                    "formula": {"type": "string", "examples": list(formulas)},
                    "parameters": {
                        "type": "object",
                        "additionalProperties": {"type": ["number", "string"]},
                    },
                    "view": {
                        "type": "object",
                        "properties": {
                            **point,
                            "width": number,
                            "rotation_deg": {"type": "number"},
                            "skew": {"type": ["array", "null"]},
                        },
                        "required": ["re", "im", "width"],
                        "additionalProperties": False,
                    },
                    "seed": {
                        "type": ["object", "null"],
                        "properties": point,
                        "required": ["re", "im"],
                        "additionalProperties": False,
                    },
                    "max_iter": {"type": "integer", "minimum": 1, "maximum": MAX_ITER},
                    "palette": {"enum": list(palettes)},
                    "density": {"type": "number", "minimum": 0.001, "maximum": 1000},
                    "offset": {"type": "number", "minimum": 0, "maximum": 1},
                    "look": {"anyOf": [look_json_schema(), {"type": "null"}]},
                    "fields": {"type": "array", "items": {"enum": list(KINDS)}},
                },
            },
        ],
    }
