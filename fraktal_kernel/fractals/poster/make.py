"""The one door to posters: from a scene to a tiled file, within a memory bound, after any stop.

A cell of some tiles is computed by all processors while the one before is painted, compressed and
stored. What decides the picture is kept beside it, so that a second call with the same goes on
where the first was stopped, and one with something else is refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.antialias import Antialias
from fraktal_kernel.fractals.colouring import Look, Survey, reach
from fraktal_kernel.fractals.fields import KINDS, checked_fields
from fraktal_kernel.fractals.lanes.crew import worker_count
from fraktal_kernel.fractals.palettes.light import gamut_of
from fraktal_kernel.fractals.planner import Request, look_of, plan_for, request_of
from fraktal_kernel.fractals.poster.cells import MAX_SIDE, TILES, Cell, Layout, layout_for
from fraktal_kernel.fractals.poster.cluster import check as check_scheduler
from fraktal_kernel.fractals.poster.cluster import spread
from fraktal_kernel.fractals.poster.painter import Cells, Made, Making, Painter
from fraktal_kernel.fractals.poster.plan import Plan, facts_of, survey_of
from fraktal_kernel.fractals.poster.points import Fields
from fraktal_kernel.fractals.poster.tiff import TiffStore
from fraktal_kernel.fractals.poster.zarrs import ZarrStore
from fraktal_kernel.fractals.progress import Cancelled, Progress, Stopped
from fraktal_kernel.fractals.scene import Scene
from fraktal_kernel.fractals.storage import local

# What painting a point takes beside its fields: planes of light, masks, pixels and tiles.
_PAINT_BYTES = 64
_PLAIN = Antialias(1)
_STOPPED = "the poster was cancelled before it was complete; the tiles are kept."


@dataclass(frozen=True, slots=True)
class Poster:
    """A poster that is complete.

    Parameters
    ----------
    place : path or URL
    size : width and height in pixels
    tiles : how many it has
    made : how many of them this call made; the others were there
    seconds : time that this call took, on the clock on the wall
    """

    place: str
    size: tuple[int, int]
    tiles: int
    made: int
    seconds: float


class Store(Protocol):
    """What takes the tiles."""

    def open(self, survey: Callable[[], Survey]) -> Survey:
        """Begin, or go on with what is there; the survey is made once and kept."""
        ...

    def done(self) -> set[int]:
        """Say which tiles are there, whole and undamaged."""
        ...

    def put(
        self,
        numbers: list[int],
        cell: Cell,
        pixels: NDArray[Any] | None,
        fields: Fields,
        cancelled: Callable[[], None],
    ) -> None:
        """Store tiles of a cell, whose pixels and fields are given."""
        ...

    def finish(self) -> None:
        """Let the whole appear in its place."""
        ...

    def close(self) -> None:
        """Let go of what is held; what is done stays."""
        ...


def poster(
    place: str | os.PathLike[str],
    what: Scene | Request,
    width: int | None = None,
    height: int | None = None,
    *,
    look: Look | None = None,
    fields: Collection[str] = (),
    bits: int = 8,
    gamut: str = "srgb",
    antialias: Antialias = _PLAIN,
    tile: int = 512,
    compression: str | None = None,
    memory_bytes: int = 1 << 30,
    threads: int | None = None,
    scheduler: str = "",
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Poster:
    """Make a picture of up to 100,000 x 100,000 pixels, or go on with one that was stopped.

    Parameters
    ----------
    place : path that ends in .tif or .tiff, or path or fsspec URL that ends in .zarr; it appears
        when it is complete
    what : a scene, which needs a width and a height in pixels, or a request, which has them
    look : how it is painted; by default as the scene says
    fields : those that a .zarr keeps beside the picture
    bits : 8 or 16 for each colour; 0 for a .zarr of fields alone
    gamut : ``"srgb"``, ``"display-p3"`` or ``"rec2020"``
    antialias : how edges are smoothed; by default not at all
    tile : side of the tiles in pixels, 128, 256, 512 or 1024
    compression : ``"deflate"``, which TIFF has by default, or ``"zstd"``, as zarr has
    memory_bytes : bounds what is computed at a time, on a cluster by each of its threads
    scheduler : address of a Dask scheduler whose workers make the tiles, such as
        ``"tcp://10.0.0.5:8786"``; empty for the processors of this machine
    threads, progress, cancelled : as `compute` takes them

    Raises
    ------
    InvalidInput
        before any work, with nothing left behind: what is no picture, or would not fit on the disk
    Conflict
        where something else is, or was begun
    """
    began = time.perf_counter()
    request, natural = _asked(what, width, height)
    geometry = request.geometry
    _check(geometry.width, geometry.height, tile, bits, memory_bytes)
    gamut_of(gamut)
    target, is_zarr = _target(place)
    kept = checked_fields(fields) if fields else ()
    if kept and not is_zarr:
        raise InvalidInput("fields are kept by zarr alone; name a place that ends in .zarr.")
    if not bits and not kept:
        raise InvalidInput("bits is 0 and there are no fields; ask for a picture or for fields.")
    painted = (look or natural) if bits else None
    needed = painted.fields if painted else ()
    names = tuple(dict.fromkeys((*needed, *kept)))
    if request.device not in ("auto", "cpu"):
        raise InvalidInput(
            f"device is {request.device!r:.60}; posters are made by the processor, give 'auto'."
        )
    threads = request.threads if threads is None else threads
    request = replace(request, fields=names, threads=threads, device="cpu")
    worker_count(threads)
    plan_for(request)  # both refuse what cannot be
    if scheduler:
        check_scheduler(scheduler)
    edge = 1 if antialias.samples > 1 else 0
    far = (reach(painted, geometry.width) if painted else 0) + edge
    point = sum(np.dtype(KINDS[name].dtype).itemsize for name in names)
    layout = layout_for(
        geometry.width,
        geometry.height,
        tile,
        far,
        (2 + edge) * (point + _PAINT_BYTES),
        memory_bytes,
    )
    smoothing = asdict(antialias) if edge and painted else {}
    scene = what if isinstance(what, Scene) else None
    facts = facts_of(request, painted, {**smoothing, "gamut": gamut}, scene)
    plan = Plan(facts, tile, bits, compression or ("zstd" if is_zarr else "deflate"), kept)
    store: Store = (
        ZarrStore(target, plan, layout) if is_zarr else TiffStore(Path(target), plan, layout, gamut)
    )
    try:
        survey = store.open(
            lambda: survey_of(request, painted, None, cancelled) if painted else Survey({})
        )
        painter = Painter(request, painted, survey, antialias, far, bits, gamut, kept)

        def ask() -> None:
            if cancelled is not None and cancelled():
                raise Stopped(_STOPPED)

        def making(cells: Cells) -> Making:
            if not scheduler:
                return _here(painter, cells, cancelled)
            return spread(scheduler, painter, cells, cancelled)

        made = _work(store, layout, making, progress, ask)
        store.finish()
    finally:
        store.close()
    seconds = time.perf_counter() - began
    return Poster(target, (geometry.width, geometry.height), layout.count, made, seconds)


def _work(
    store: Store,
    layout: Layout,
    making: Callable[[Cells], Making],
    progress: Progress | None,
    cancelled: Callable[[], None],
) -> int:
    """Store cells as they come: one is painted and stored while others are computed."""
    there = store.done()
    ready, made = len(there), 0
    if len(there) == layout.count:
        return 0
    began = time.perf_counter()
    waiting: Future[int] | None = None

    def told(done: Future[int]) -> None:
        nonlocal ready, made
        count = done.result()
        made, ready = made + count, ready + count
        if progress is not None:
            left_s = (time.perf_counter() - began) / made * (layout.count - ready)
            progress(ready / layout.count, f"tiles {ready}/{layout.count}{_shown(left_s)}")

    def end(numbers: list[int], cell: Cell, made: Callable[[], Made]) -> int:
        pixels, fields = made()
        store.put(numbers, cell, pixels, fields, cancelled)
        return len(numbers)

    with ThreadPoolExecutor(1, thread_name_prefix="poster") as pool:
        cells = making(layout.cells(there))
        try:
            for one in cells:
                done, waiting = waiting, None
                if done is not None:
                    told(done)
                waiting = pool.submit(end, *one)
                del one
        finally:
            cells.close()
            if waiting is not None:
                told(waiting)
    return made


def _here(painter: Painter, cells: Cells, cancelled: Cancelled | None) -> Making:
    """Make cells on this machine: all processors compute one while the one before is painted."""
    points = painter.points(cancelled)
    for numbers, cell in cells:
        if cancelled is not None and cancelled():
            raise Stopped(_STOPPED)
        fields = painter.fields(points, cell, cancelled)
        yield numbers, cell, partial(painter.made, points, cell, fields, cancelled)
        del fields


def _shown(left_s: float) -> str:
    """Say how long it still takes, as finely as that is known."""
    if left_s < 1:
        return ""
    for unit, length_s in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if left_s >= 2 * length_s or unit == "s":
            return f", about {left_s / length_s:.0f} {unit} left"
    return ""


def _asked(what: object, width: int | None, height: int | None) -> tuple[Request, Look]:
    if isinstance(what, Request):
        if width is not None or height is not None:
            raise InvalidInput("a request has a size of its own; leave out width and height.")
        return what, Look.default()
    if not isinstance(what, Scene):
        raise InvalidInput(f"{what!r:.60} is no scene and no request.")
    for name, value in (("width", width), ("height", height)):
        _side(name, value)
    assert width is not None and height is not None
    return request_of(what, width, height), look_of(what)


def _side(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIDE:
        raise InvalidInput(
            f"{name} is {value!r:.60}; expected a whole number of pixels from 1 to {MAX_SIDE}."
        )


def _check(width: int, height: int, tile: int, bits: int, memory_bytes: int) -> None:
    _side("width", width)
    _side("height", height)
    for name, value, choices in (("tile", tile, TILES), ("bits", bits, (0, 8, 16))):
        if isinstance(value, bool) or value not in choices:
            raise InvalidInput(
                f"{name} is {value!r:.60}; expected one of {', '.join(map(str, choices))}."
            )
    if isinstance(memory_bytes, bool) or not isinstance(memory_bytes, int):
        raise InvalidInput(f"memory_bytes is {memory_bytes!r:.60}; expected a whole number.")


def _target(place: str | os.PathLike[str]) -> tuple[str, bool]:
    text = local(os.fspath(place)).rstrip("/")
    if text.lower().endswith((".tif", ".tiff")):
        if "://" in text:
            raise InvalidInput(
                f"{text!r:.200} is a URL, where no TIFF can grow; expected a path, or a URL that "
                "ends in .zarr."
            )
        return text, False
    if text.lower().endswith(".zarr"):
        return text, True
    raise InvalidInput(f"{text!r:.200} has no known ending; expected .tif, .tiff or .zarr.")
