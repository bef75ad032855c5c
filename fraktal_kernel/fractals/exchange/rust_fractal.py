"""rust-fractal's TOML files: ``real``, ``imag``, ``zoom`` and ``iterations`` of the Mandelbrot set.

Its zoom 1 is a height of 4, and its imaginary axis points down.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fraktal_kernel.fractals.exchange.frame import (
    ASPECT,
    MIRRORED,
    Frame,
    left_out,
    real,
    steps_of,
    view_of,
)
from fraktal_kernel.fractals.scene import Scene

_READ = ("real", "imag", "zoom", "iterations", "rotate", "image_width", "image_height")


def is_rust_fractal(data: Mapping[str, Any]) -> bool:
    """Say whether a TOML table is one of these files."""
    return {"real", "imag", "zoom"} <= data.keys()


def read_rust_fractal(data: Mapping[str, Any], name: str) -> tuple[Scene, tuple[str, ...]]:
    """Read a location from its table."""
    notes = [MIRRORED]
    aspect = ASPECT
    if "image_width" in data and "image_height" in data:
        sides = [
            Decimal(real(side, data[side], 1, 1e6)) for side in ("image_width", "image_height")
        ]
        aspect = sides[0] / sides[1]
    frame = Frame(real("rotate", data.get("rotate", 0)))
    view = view_of(data["real"], data["imag"], data["zoom"], frame, aspect=aspect)
    left_out([key for key in data if key not in _READ], notes)
    steps = steps_of(data.get("iterations", 1000), notes)
    return Scene(view=view, max_iter=steps), tuple(notes)
