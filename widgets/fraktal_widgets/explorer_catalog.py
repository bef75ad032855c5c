"""What an explorer offers: scenes with small pictures, formulas, palettes and looks."""

from __future__ import annotations

import base64
import io
from functools import cache
from typing import Any

from PIL import Image

from fraktal_kernel.fractals import formulas, palettes, progressive, scenes
from fraktal_kernel.fractals.colouring import TABLE_SIZE, colours_of, looks

THUMBNAIL_SIZE = (144, 96)


@cache
def catalog() -> dict[str, Any]:
    """List what there is to choose from: what the registries hold, plug-ins among them."""
    return {
        "palettes": [
            {
                "name": name,
                "title": palette.title,
                "inside": palette.inside,
                "table": base64.b64encode(palette.table(TABLE_SIZE).tobytes()).decode(),
            }
            for name, palette in palettes.items()
        ],
        "looks": [{"name": name, "title": _title(name)} for name in looks],
        "scenes": [{"name": name, "title": _title(name)} for name in scenes],
        "formulas": [
            {
                "name": name,
                "title": formula.title,
                "text": formula.expression,
                "parameters": {key: _plain(value) for key, value in formula.parameters.items()},
            }
            for name, formula in formulas.items()
        ],
    }


@cache
def thumbnail(name: str) -> str:
    """Draw a scene small, as a data address; once in a process."""
    scene = scenes[name]
    *_, (_, pixels) = progressive(scene, *THUMBNAIL_SIZE, lambda: False)
    if pixels.ndim == 2:
        pixels = colours_of(palettes[scene.palette])[pixels]
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _plain(value: Any) -> int | float | str:
    return value if isinstance(value, (int, float)) else str(value)
