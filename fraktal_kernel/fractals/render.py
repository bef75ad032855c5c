"""Pictures: scenes made visible, band by band, so that memory stays bounded."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput, unwritten
from fraktal_kernel.fractals.colouring import colours_of, develop, indices_of, paint
from fraktal_kernel.fractals.colouring.survey import Survey
from fraktal_kernel.fractals.escape import Grid, check_size, fill, method_of
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.gallery import scenes
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.palettes import linear, palettes, srgb
from fraktal_kernel.fractals.planner import EXACT, look_of, plan_for, request_of
from fraktal_kernel.fractals.png import write_png
from fraktal_kernel.fractals.progress import Cancelled, Progress, Stopped, apart
from fraktal_kernel.fractals.scene import Scene

MAX_ANTIALIAS = 4
MAX_SAMPLES = 40_000_000
_BAND_SAMPLES = 2_000_000
# What is painted between two questions whether to go on.
_PAINT_SAMPLES = 200_000
# Pixels [h, w, 3], steps, and the method in words.
Made = tuple[NDArray[np.uint8], int, str]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture, and what it shows.

    Parameters
    ----------
    pixels : sRGB, uint8 [h, w, 3]
    scene : what it shows
    iterations : steps ``z*z + c`` that were needed; 0 where the method does not count them
    seconds : time that it took, on the clock on the wall
    method : how it was computed, in words
    antialias : samples a side of each pixel
    """

    pixels: NDArray[np.uint8]
    scene: Scene
    iterations: int
    seconds: float
    method: str
    antialias: int = 1

    def png(self, cancelled: Cancelled | None = None) -> bytes:
        """Give the picture as a PNG file that carries its scene."""
        return write_png(self.pixels, self.scene, self.antialias, cancelled=cancelled)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture as PNG; the file appears whole or not at all."""
        target = Path(path)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            part.write_bytes(self.png())
            part.replace(target)
        except OSError as error:
            raise unwritten(target, error) from None
        finally:
            part.unlink(missing_ok=True)
        return target

    def _repr_png_(self) -> bytes:
        return self.png()


def render(
    scene: Scene | str,
    width: int = 1024,
    height: int = 768,
    *,
    antialias: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Picture:
    """Make a picture of a scene.

    Parameters
    ----------
    scene : a scene, or the name of one of the `scenes`
    width, height : size in pixels
    antialias : each pixel is the mean, in linear light, of so many by so many samples
    threads, progress, cancelled : as `escape` takes them

    Examples
    --------
    >>> render("full_set", 80, 60).pixels.shape
    (60, 80, 3)
    """
    began = time.perf_counter()
    if not isinstance(scene, Scene):
        scene = scenes[scene]
    check_size(width, height)
    n = antialias
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_ANTIALIAS:
        raise InvalidInput(f"antialias is {n!r:.60}; expected a whole number from 1 to 4.")
    make = _plain if is_plain(scene, width * n) else _painted
    pixels, iterations, method = make(scene, width, height, n, threads, progress, cancelled)
    return Picture(pixels, scene, iterations, time.perf_counter() - began, method, n)


def check_possible(scene: Scene, width: int, height: int, antialias: int) -> None:
    """Refuse, before any work, what `render` cannot make."""
    check_size(width, height)
    if is_plain(scene, width * antialias):
        return
    samples = width * height * antialias**2
    if samples > MAX_SAMPLES:
        raise InvalidInput(
            f"{samples} samples are more than the {MAX_SAMPLES} that such a scene can have in one "
            "picture; choose a smaller size, less antialiasing, or make a poster (fractal.poster)."
        )
    plan_for(request_of(scene, width * antialias, height * antialias))


def is_plain(scene: Scene, columns: int) -> bool:
    """Say whether the quick way serves: the Mandelbrot set or a Julia set of it, in float64."""
    plain = scene.formula == "mandelbrot" and not scene.parameters and scene.look is None
    if not plain or not scene.view.straight:
        return False
    return Geometry(scene.view, columns, 1).steps_a_value >= EXACT


def _painted(
    scene: Scene,
    width: int,
    height: int,
    n: int,
    threads: int | None,
    progress: Progress | None,
    cancelled: Cancelled | None,
) -> Made:
    """Make any scene: the planner says how, its look how it is painted."""
    check_possible(scene, width, height, n)
    request = request_of(scene, width * n, height * n, threads)
    fields = apart(lambda: empty_fields(request.fields, height * n, width * n), cancelled)
    method = plan_for(request).fill(fields, progress=progress, cancelled=cancelled)
    look = look_of(scene)
    survey = apart(lambda: Survey.of(fields, look), cancelled)
    light = paint(fields, look, survey=survey, width_px=width * n, cancelled=cancelled)
    if n > 1:
        samples = light.reshape(height, n, width, n, 3)
        light = apart(lambda: samples.mean((1, 3), dtype=np.float32), cancelled)
    return develop(light, cancelled=cancelled), 0, method


def _plain(
    scene: Scene,
    width: int,
    height: int,
    n: int,
    threads: int | None,
    progress: Progress | None,
    cancelled: Cancelled | None,
) -> Made:
    """Make a plain scene band by band, so that memory stays bounded."""
    grid = Grid.of(scene, width * n, height * n)
    table = colours_of(palettes[scene.palette])
    light = linear(table).astype(np.float32) if n > 1 else None
    pixels = np.empty((height, width, 3), np.uint8)
    iterations = 0
    tall = max(1, _BAND_SAMPLES // (width * n * n))
    for top in range(0, height, tall):
        rows = min(tall, height - top)
        nu = np.full((rows * n, width * n), np.nan)

        def report(fraction: float, text: str, top: int = top, rows: int = rows) -> None:
            if progress is not None:
                done = top + int(fraction * rows)
                progress(done / height, f"rows {done}/{height}")

        iterations += fill(
            nu, scene, grid, row=top * n, threads=threads, progress=report, cancelled=cancelled
        )
        few = max(1, _PAINT_SAMPLES // (width * n * n))
        for first in range(0, rows, few):
            if cancelled is not None and cancelled():
                raise Stopped("painting was cancelled before the picture was complete.")
            index = indices_of(nu[first * n : (first + few) * n], scene)
            part = pixels[top + first : top + min(first + few, rows)]
            if light is None:
                part[...] = table[index]
                continue
            mean = np.zeros(part.shape, np.float32)
            for y in range(n):
                for x in range(n):
                    mean += light[index[y::n, x::n]]
            part[...] = srgb(mean / (n * n))
    return pixels, iterations, method_of()
