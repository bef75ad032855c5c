"""How much less a pan by a tenth of the picture takes than the whole of it, at 800 x 600.

A picture is drawn to its finest level, then the view moved by 80 pixels, as a hand would, and drawn
again: what stays in sight is not computed again. Beside it stands a fresh picture of the same view.
In float64 both must be equal to the bit. The scenes are one in float64 with much detail and two by
perturbation; the figure is the first.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import replace

import numpy as np

from fraktal_kernel.fractals import Scene, View, scenes
from fraktal_kernel.fractals.lattice import shifted, snapped
from fraktal_kernel.fractals.live import Sight

SIZE = (800, 600)
COLUMNS = 80
ROUNDS = 7
SCENES = {
    "pan_reuse": Scene(
        view=View("-0.743643887037151", "0.13182590420533", "5e-5"), max_iter=20_000
    ),
    "pan_reuse_1e-21": replace(scenes["deep_wheel"], look=None),
    "pan_reuse_1e-157": replace(scenes["deep_flake"], look=None),
}


def drawn(sight: Sight, scene: Scene) -> tuple[float, np.ndarray]:
    """Draw a scene to the finest level; seconds and the picture."""
    began = time.perf_counter()
    *_, (_, pixels) = sight.levels(scene, *SIZE)
    return time.perf_counter() - began, pixels


def main() -> None:
    """Measure, print a table and one line of JSON a figure."""
    print(f"a pan by {COLUMNS} of {SIZE[0]} pixels, median of {ROUNDS}")
    lines = []
    for figure, scene in SCENES.items():
        scene = replace(scene, view=snapped(scene.view, SIZE[0]))
        sight = Sight()
        drawn(sight, scene)
        pans, fresh = [], []
        for count in range(ROUNDS):
            step = COLUMNS if count % 2 == 0 else -COLUMNS
            scene = replace(scene, view=shifted(scene.view, step, 0, SIZE[0]))
            took, pixels = drawn(sight, scene)
            pans.append(took)
            took, expected = drawn(Sight(), scene)
            fresh.append(took)
            if figure == "pan_reuse" and not np.array_equal(pixels, expected):
                raise SystemExit("a pan is not what a fresh picture is.")
        pan, whole = statistics.median(pans), statistics.median(fresh)
        print(f"{figure:18} pan {1000 * pan:6.0f} ms, whole {1000 * whole:6.0f} ms")
        line = {"figure": figure, "value": round(1000 * pan, 1), "unit": "ms"}
        lines.append(line | {"peer": "whole picture", "ratio": round(whole / pan, 2)})
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main()
