"""What a poster is made from, as data: a stopped one goes on only if this is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fraktal_kernel.errors import Conflict
from fraktal_kernel.fractals.colouring import Look, Survey
from fraktal_kernel.fractals.colouring.survey import surveyed
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.planner import Request, plan_for
from fraktal_kernel.fractals.progress import Cancelled, Progress
from fraktal_kernel.fractals.scene import Scene

# The small version of the picture that tells how often each value occurs.
_SURVEY_SIDE = 512


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides the bytes of a poster.

    Parameters
    ----------
    facts : what is computed, as JSON can hold it
    tile, bits : side of a tile in pixels; 8 or 16, or 0 where no picture is painted
    compression : of the tiles
    fields : names of the fields that are kept beside the picture
    """

    facts: Mapping[str, Any]
    tile: int
    bits: int
    compression: str
    fields: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data."""
        return {
            **self.facts,
            "tile": self.tile,
            "bits": self.bits,
            "compression": self.compression,
            "kept": list(self.fields),
        }

    @property
    def text(self) -> str:
        """The facts as JSON, which travels in the file."""
        return json.dumps(self.facts, sort_keys=True, ensure_ascii=True)

    def check(self, begun: Mapping[str, Any], place: str, part: str) -> None:
        """Refuse to go on with what was begun otherwise."""
        mine = json.loads(json.dumps(self.to_dict()))
        others = [name for name in mine if mine[name] != begun.get(name)]
        if others or set(begun) - set(mine):
            raise Conflict(
                f"{place!r:.200} was begun with another {others[0] if others else 'version'}; "
                f"go on with what it was begun with, or remove {part!r:.200}."
            )


def facts_of(
    request: Request, look: Look | None, antialias: Mapping[str, Any], scene: Scene | None
) -> dict[str, Any]:
    """Say what is computed and painted, as JSON can hold it."""
    geometry = request.geometry
    facts: dict[str, Any] = {
        "formula": request.formula.name,
        "expression": request.formula.expression,
        "parameters": {name: str(value) for name, value in request.formula.parameters.items()},
        "view": {name: getattr(geometry.view, name) for name in ("re", "im", "width")},
        "matrix": list(geometry.matrix),
        "julia": list(request.julia) if request.julia else None,
        "max_iter": request.max_iter,
        "size": [geometry.width, geometry.height],
        "look": look.to_dict() if look else None,
        "antialias": dict(antialias),
    }
    return facts | ({"scene": scene.to_dict()} if scene else {})


def digest_of(data: bytes | memoryview) -> str:
    """Name bytes by 128 bits that tell damage."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def survey_of(
    request: Request, look: Look, progress: Progress | None, cancelled: Cancelled | None
) -> Survey:
    """Survey a small version of the picture, once for all of its tiles."""
    if not surveyed(look):
        return Survey({})
    geometry = request.geometry
    by = min(1.0, _SURVEY_SIDE / max(geometry.width, geometry.height))
    width, height = (max(1, round(by * side)) for side in (geometry.width, geometry.height))
    small = replace(geometry, width=width, height=height)
    small_request = replace(request, geometry=small, fields=look.fields)
    fields = empty_fields(look.fields, height, width)
    plan_for(small_request).fill(fields, progress=progress, cancelled=cancelled)
    return Survey.of(fields, look)
