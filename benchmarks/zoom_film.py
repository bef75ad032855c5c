"""How many frames a second a zoom film makes, beside rendering each frame by itself.

The last octaves of a deep zoom are filmed as they would be in a film of the whole of it, encoding
included: one octave a second, 60 frames a second. Beside it some of the same frames are rendered
directly in the same process. The film's pixels are means of one to sixteen samples; how near they
come to a picture of sixteen samples everywhere is measured before the codec takes its share, so
that it can be seen which direct rendering is as good: that of four samples is the peer. Both have
the reference orbit on the disk, and compiled code.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

LOCATION, SIZE, FPS, OCTAVES = "minibrot_e21", (1280, 720), 60, 5
SAMPLED = 3
LOCATIONS = Path(__file__).with_name("locations.json")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FRAKTAL_CACHE"] = folder
        measure(sys.argv[1] if len(sys.argv) > 1 else LOCATION, Path(folder))


@contextmanager
def clocks(spent: dict[str, float], parts: dict[str, tuple[Any, str]]) -> Iterator[None]:
    """Add up the time on the wall that calls of functions take."""

    def clocked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - began

        return call

    originals = {name: getattr(owner, attribute) for name, (owner, attribute) in parts.items()}
    for name, (owner, attribute) in parts.items():
        setattr(owner, attribute, clocked(name, originals[name]))
    try:
        yield
    finally:
        for name, (owner, attribute) in parts.items():
            setattr(owner, attribute, originals[name])


def measure(name: str, folder: Path) -> None:
    import numpy as np

    from fraktal_kernel.fractals import Scene, View, render
    from fraktal_kernel.fractals.film import film, zoom
    from fraktal_kernel.fractals.film.encode import Encoder
    from fraktal_kernel.fractals.film.levels import Grid
    from fraktal_kernel.fractals.film.painter import Painter
    from fraktal_kernel.fractals.film.path import shots

    (place,) = (place for place in json.loads(LOCATIONS.read_text()) if place["name"] == name)
    view = View(place["re"], place["im"], place["width"])
    scene = Scene(place["formula"], view, max_iter=int(place["max_iter"]))
    start = replace(scene, view=view.zoomed(0.999 / 2**OCTAVES))
    width, height = SIZE
    what = zoom(scene, OCTAVES, start=start, width=width, height=height, fps=FPS, easing="linear")
    film(folder / "small.mp4", replace(what, width=160, height=90, fps=5))  # compiles, keeps orbit
    render(scene, 160, 90, antialias=2)
    numbers = np.linspace(0, what.frames - 1, SAMPLED).round().astype(int).tolist()
    frames: dict[int, Any] = {}
    add = Encoder.add

    def seen(encoder: Encoder, codes: Any) -> None:
        number = int(encoder.path.stem.partition("-")[2]) + encoder.count
        if number in numbers:
            frames[number] = codes / 257
        add(encoder, codes)

    Encoder.add = seen  # type: ignore[method-assign]
    spent: dict[str, float] = {}
    parts = {
        "levels": (Grid, "compute"),
        "frames": (Painter, "frame"),
        "encoding": (Encoder, "add"),
        "last packets": (Encoder, "finish"),
    }
    with clocks(spent, parts):
        made = film(folder / "zoom.mp4", what)
    rate = made.frames / made.seconds
    (shot,) = shots(what)
    seconds, errors = {1: 0.0, 2: 0.0}, {0: 0.0, 1: 0.0, 2: 0.0}
    for number in numbers:
        (frame,) = shot.frames(number, number + 1)
        truth = render(shot.scene(frame), width, height, antialias=4).pixels.astype(float)
        for samples in seconds:
            picture = render(shot.scene(frame), width, height, antialias=samples)
            seconds[samples] += picture.seconds / SAMPLED
            errors[samples] += np.abs(picture.pixels - truth).mean() / SAMPLED
        errors[0] += np.abs(frames[number] - truth).mean() / SAMPLED
    print(f"{name}, {width} x {height}, {FPS} frames/s, 1 octave/s: {made.method}")
    print(f"film            {rate:6.2f} frames/s, off by {errors[0]:.2f} of 255 on average")
    for samples, taken in seconds.items():
        print(
            f"direct, {samples * samples} a pixel {1 / taken:6.2f} frames/s, "
            f"off by {errors[samples]:.2f}; the film is {taken * rate:.1f} times as fast"
        )
    for part, taken in spent.items():
        print(f"  {part}: {1000 * taken / made.frames:.1f} ms a frame")
    print("  (frames are encoded while the next ones are painted)")
    line = {
        "figure": "zoom_film",
        "value": rate,
        "unit": "frames/s",
        "peer": f"each frame rendered with 4 samples a pixel: {1 / seconds[2]:.3g} frames/s",
        "ratio": seconds[2] * rate,
        "view": name,
        "size": list(SIZE),
        "fps": FPS,
        "ratio_to_1_sample": seconds[1] * rate,
        "errors": {"film": errors[0], "1 sample": errors[1], "4 samples": errors[2]},
        "ms_a_frame": {part: 1000 * taken / made.frames for part, taken in spent.items()},
        "method": made.method,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
