"""How long a cancel takes: from the moment at which it is asked for to the end of the work.

A picture, fields of a typed formula with a slow function, the deepest view of `locations.json` and
a poster are computed and stopped at moments
drawn at random, each in a process whose code is compiled and whose orbits are not kept. The figures
are the worst of them. ``python -m benchmarks.cancel render`` measures one alone.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fraktal_kernel.fractals import Stopped, render, scenes
from fraktal_kernel.fractals.cache import cache_folder
from fraktal_kernel.fractals.colouring import looks
from fraktal_kernel.fractals.compute import compute
from fraktal_kernel.fractals.poster import Antialias, poster
from fraktal_kernel.fractals.progress import Cancelled
from fraktal_kernel.fractals.scene import Scene
from fraktal_kernel.fractals.view import View

BOUND_MS = 50
MOMENTS, LONGEST_S = 8, 20.0
LOCATIONS = Path(__file__).with_name("locations.json")

Work = Callable[..., object]


def picture(cancelled: Cancelled, size: tuple[int, int] = (4000, 3000)) -> None:
    """Render and encode one with light, whose fields are walked for twice."""
    scene = replace(scenes["seahorse_valley"], look=looks["relief"])
    render(scene, *size, cancelled=cancelled).png(cancelled)


def typed(cancelled: Cancelled, size: tuple[int, int] = (1200, 900)) -> None:
    """Compute fields of a formula whose steps take long, derivatives and cycles among them."""
    fields = ("smooth", "distance", "interior_distance")
    compute("sin(z) + c", width="6", max_iter=2000, size=size, fields=fields, cancelled=cancelled)


def deepest(cancelled: Cancelled, size: tuple[int, int] = (960, 540)) -> None:
    """Render the deepest view, orbit included."""
    known = {item["name"]: item for item in json.loads(LOCATIONS.read_text())}
    place = known["perturbdeep_e2608"]
    view = View(place["re"], place["im"], place["width"])
    render(Scene(view=view, max_iter=place["max_iter"]), *size, cancelled=cancelled)


def large(cancelled: Cancelled, size: tuple[int, int] = (6000, 6000)) -> None:
    """Make a poster with all that takes time: light, smooth edges, 16 bits."""
    place = Path(os.environ["FRAKTAL_CACHE"], f"{secrets.token_hex(8)}.tif")
    poster(
        *(place, scenes["seahorse_valley"], *size),
        look=looks["relief"],
        bits=16,
        antialias=Antialias(2),
        cancelled=cancelled,
    )


WORKS = {"render": picture, "typed": typed, "deep": deepest, "poster": large}


def latency_ms(work: Work, after_s: float) -> float | None:
    """Cancel some work after a while; None where it was done before."""
    orbits = cache_folder("orbits")
    if orbits is not None:
        shutil.rmtree(orbits)
    asked: list[float] = []
    timer = threading.Timer(after_s, lambda: asked.append(time.perf_counter()))
    timer.start()
    try:
        work(lambda: bool(asked))
    except Stopped:
        return 1e3 * (time.perf_counter() - asked[0])
    finally:
        timer.cancel()
    return None


def main() -> None:
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = random.Random(1)
    kept = cache_folder("kernels")
    with tempfile.TemporaryDirectory(prefix="cancel") as folder:
        if kept is not None:  # compiled once on this machine, but orbits of our own
            shutil.copytree(kept, Path(folder) / "kernels")
        os.environ["FRAKTAL_CACHE"] = folder
        for name, work in WORKS.items():
            if only not in ("", name):
                continue
            work(lambda: False, (64, 48))
            began = time.perf_counter()
            latency_ms(work, LONGEST_S)
            whole_s = min(time.perf_counter() - began, LONGEST_S)
            took: list[float] = []
            while len(took) < MOMENTS:
                found = latency_ms(work, chosen.uniform(0, whole_s))
                took += [] if found is None else [found]
            print(f"{name}, {whole_s:.3g} s: {', '.join(f'{ms:.0f}' for ms in sorted(took))} ms")
            line = {
                "figure": f"cancel_{name}",
                "value": max(took),
                "unit": "ms",
                "peer": f"bound {BOUND_MS} ms; worst of {MOMENTS} moments",
                "ratio": BOUND_MS / max(took),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
