"""The colours of a film: samples are painted as late as they have to be.

The plain look, one palette along the escape time, is painted while a frame is put together, so
that its colours may change from frame to frame at little cost. Any other look is painted on the
levels: once, if it stays, else for each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.colouring import Look, Survey, paint
from fraktal_kernel.fractals.film.levels import FADE, Level
from fraktal_kernel.fractals.film.path import Colours
from fraktal_kernel.fractals.film.reproject import (
    COLUMN,
    COS,
    COUNTS,
    FADE_IN,
    LEVEL_NUMBERS,
    NUMBERS,
    ROW,
    SIN,
    STEP,
    reproject,
)
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.palettes.gradient import light_of_text
from fraktal_kernel.fractals.palettes.named import palette_of
from fraktal_kernel.fractals.progress import Cancelled

# Colours of a palette once along.
_TABLE = 4096


@dataclass(frozen=True, slots=True)
class Window:
    """Where the window of a frame lies in one level.

    Parameters
    ----------
    level : its samples
    step : steps of the level in a pixel
    column, row : centre of the window in the level's array
    counts : how much the level counts, beside a coarser one
    """

    level: Level
    step: float
    column: float
    row: float
    counts: float = 1.0


def is_plain(colours: Colours) -> bool:
    """Say whether samples can be painted while a frame is put together."""
    looks = [look for look in (colours.look, colours.other) if look is not None]
    return all(map(_plain, looks)) and len({look.layers[0].scale.density for look in looks}) == 1


def _plain(look: Look) -> bool:
    first = look.layers[0]
    return (
        look.relief is None
        and len(look.layers) == 1
        and (first.field, first.blend, first.space, first.where)
        == ("smooth", "normal", "light", "outside")
        and first.opacity == 1
        and (first.scale.kind, first.scale.beyond) == ("logarithm", "repeat")
    )


class Painter:
    """Paints frames, and remembers what levels look like.

    Parameters
    ----------
    width, height : of the frames
    antialias : samples a side of each pixel, at least
    survey : of the whole film, for looks that have to know it
    threads, cancelled : as `compute` takes them
    """

    def __init__(
        self,
        width: int,
        height: int,
        antialias: int,
        survey: Survey,
        threads: int | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        self.size, self.antialias, self.survey = (height, width), antialias, survey
        self.crew = Crew(threads, None, cancelled)
        # What the last frame and this one took: levels in colours, by level and colours.
        self.kept: dict[tuple[Any, ...], tuple[Level, NDArray[Any]]] = {}
        self.used: dict[tuple[Any, ...], tuple[Level, NDArray[Any]]] = {}

    def frame(
        self, colours: Colours, coarse: Window, fine: Window | None, turn_rad: float = 0.0
    ) -> NDArray[np.uint16]:
        """Paint one frame: uint16 [h, w, 3] with the curve of sRGB."""
        plain = is_plain(colours)
        windows = [coarse, fine or coarse]
        numbers = np.zeros(NUMBERS)
        for first, window in zip((0, LEVEL_NUMBERS), windows, strict=True):
            numbers[first + STEP] = window.step
            numbers[first + COLUMN], numbers[first + ROW] = window.column, window.row
            numbers[first + COUNTS] = window.counts
            numbers[first + FADE_IN] = FADE * self.antialias * self.size[1]
        if fine is None:
            numbers[LEVEL_NUMBERS + COUNTS] = 0.0
        numbers[COS], numbers[SIN] = np.cos(turn_rad), np.sin(turn_rad)
        table = np.zeros((1, 4), np.float32)
        samples: list[NDArray[Any]]
        if plain:
            scale = colours.look.layers[0].scale
            table = _mixed_table(colours)
            samples = [self._entries(window.level, scale.density) for window in windows]
        else:
            samples = [self._light(window.level, colours) for window in windows]
        out = np.empty((*self.size, 3), np.uint16)
        coarsest, finest = samples
        reproject(coarsest, finest, table, numbers, out, plain=plain, crew=self.crew)
        self.kept, self.used = self.used, {}
        return out

    def _known(
        self, level: Level, colours: object, make: Callable[[], NDArray[Any]]
    ) -> NDArray[Any]:
        """Give a level in some colours, made where the last frame did not need it."""
        key = (id(level), colours)
        found = self.used.get(key) or self.kept.get(key) or (level, make())
        self.used[key] = found
        return found[1]

    def _entries(self, level: Level, density: float) -> NDArray[np.uint16]:
        """Give the entries of samples in the table of a palette, uint16 [h, w]."""
        smooth = level.fields["smooth"]

        def make() -> NDArray[np.uint16]:
            entries = np.empty(smooth.shape, np.uint16)

            def work(spans: Any, stop: Any) -> int:
                for first, last in spans:
                    if not stop.is_set():
                        entries[first:last] = _entries_of(smooth[first:last], density)
                return 0

            self.crew.share(work, len(smooth))
            return entries

        return self._known(level, density, make)

    def _light(self, level: Level, colours: Colours) -> NDArray[np.float32]:
        light = self._painted(level, colours.look)
        if colours.other is not None and colours.share > 0:
            light = light + np.float32(colours.share) * (
                self._painted(level, colours.other) - light
            )
        return light

    def _painted(self, level: Level, look: Look) -> NDArray[np.float32]:
        """Paint a level: float32 [h, 4 * w].

        Lengths in the look count in widths of the picture. Those of a level are right for a frame
        that has two steps of it in a pixel, where it counts alone; in between two levels mix.
        """

        def make() -> NDArray[np.float32]:
            light = paint(
                level.fields,
                look,
                survey=self.survey,
                width_px=2 * self.antialias * self.size[1],
                cancelled=self.crew.cancelled,
            )
            padded = np.zeros((*light.shape[:2], 4), np.float32)
            padded[..., :3] = light
            return padded.reshape(len(light), -1)

        return self._known(level, look, make)


def _mixed_table(colours: Colours) -> NDArray[np.float32]:
    table = _table(colours.look)
    if colours.other is not None and colours.share > 0:
        table = table + np.float32(colours.share) * (_table(colours.other) - table)
    return table


def _table(look: Look) -> NDArray[np.float32]:
    """Give two passes of a look's palette from its offset on, and the colour of the inside."""
    first = look.layers[0]
    palette = palette_of(first.palette)
    ring = _ring(palette.stops, palette.cyclic)
    # Between two entries, so that colours glide when the offset does.
    at = (np.arange(2 * _TABLE) / _TABLE + first.scale.offset) * _TABLE
    low = np.floor(at).astype(np.intp)
    part = (at - low).astype(np.float32)[:, None]
    passes = ring[low % len(ring)] * (1 - part) + ring[(low + 1) % len(ring)] * part
    inside = light_of_text(look.inside).astype(np.float32)
    table = np.zeros((2 * _TABLE + 1, 4), np.float32)
    table[:-1, :3], table[-1, :3] = passes, inside
    return table


def _entries_of(smooth: NDArray[np.float64], density: float) -> NDArray[np.float32]:
    """Give the entries of escape times; two passes of the palette, because ramps go back."""
    places = np.maximum(smooth, 0.0).astype(np.float32)
    places += 1
    np.log2(places, out=places)
    places *= np.float32(0.25 * density)
    places -= np.floor(places)
    places *= 2 * _TABLE
    np.minimum(places, 2 * _TABLE - 1, out=places)
    return np.nan_to_num(places, copy=False, nan=2 * _TABLE)


@lru_cache(maxsize=32)
def _ring(stops: tuple[tuple[float, str], ...], cyclic: bool) -> NDArray[np.float32]:
    """Give a palette as a ring of colours in linear light: once along, or there and back."""
    from fraktal_kernel.fractals.palettes.gradient import Palette

    light = Palette("table", stops, cyclic=cyclic).light(_TABLE + (not cyclic))
    return light if cyclic else np.vstack([light[:-1], light[:0:-1]])


def survey_of(fields: Sequence[Mapping[str, NDArray[Any]]], looks: list[Look]) -> Survey:
    """Survey pictures of one size, the ends of shots, at once: equalised colours do not jump."""
    width_px = fields[0]["smooth"].shape[1]
    ranks: dict[tuple[str, str], Any] = {}
    for look in looks:
        ranks |= Survey.of(fields, look, width_px=width_px).ranks
    return Survey(ranks)
