"""Throw bytes at scenes as JSON, TOML and PNG: ``-m tests.fuzz.fuzz_scenes``.

What is read must come back from JSON, TOML and PNG as it was, with the same digest.
"""

from __future__ import annotations

import json

import atheris
import numpy as np

with atheris.instrument_imports(
    include=[f"fraktal_kernel.fractals.{name}" for name in ("scene", "png", "colouring")]
):
    from fraktal_kernel.fractals.png import read_raster, read_scene, scene_of_text, write_png

from fraktal_kernel.fractals import Scene, scenes
from fraktal_kernel.fractals.colouring import looks
from fraktal_kernel.fractals.exchange import location_of, toml_of
from tests.fuzz.harness import fuzz

PIXELS = np.zeros((1, 1, 3), np.uint8)
FULL = {
    "version": 2,
    "formula": "multibrot",
    "parameters": {"power": 3},
    "view": {"re": "0", "im": "1", "width": "3", "rotation_deg": 30, "skew": [[1, 0.2], [0, 1]]},
    "seed": {"re": "-0.8", "im": "0.156"},
    "max_iter": 2000,
    "palette": "porcelain",
    "density": 1.0,
    "offset": 0.25,
    "look": looks["relief"].to_dict(),
    "fields": ["distance", "period"],
}
OLD = {"version": 1, "formula": "julia", "seed": {"re": "-0.8", "im": "0.156"}}


def same(scene: Scene) -> None:
    """Hold a scene to what each way of writing it gives back."""
    data = scene.to_dict()
    for again in (
        Scene.from_dict(json.loads(json.dumps(data))),
        location_of(toml_of(data), "scene.toml")[0],
        read_scene(write_png(PIXELS, scene)),
    ):
        assert again == scene and again.digest() == scene.digest(), data


def read(data: bytes) -> None:
    """Read a scene from a picture, or from text."""
    if data[:4] == b"\x89PNG":
        scene = read_scene(data)
        read_raster(data)
    else:
        scene = scene_of_text(data, "the text")
    same(scene)


if __name__ == "__main__":
    seeds = {f"json{k}": json.dumps(data).encode() for k, data in enumerate((FULL, OLD, {}))}
    fuzz(read, seeds | {"png": write_png(PIXELS, scenes["seahorse"])})
