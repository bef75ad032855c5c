"""The colours of a film: samples are painted as late as they have to be.

The plain look, one palette along the escape time, is painted while a frame is put together, so
that its colours may change from frame to frame at little cost. Any other look is painted on the
levels: once, if it stays and has no lengths in it, else for each frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.colouring import Look, Survey, paint
from fraktal_kernel.fractals.colouring.look import LENGTHS
from fraktal_kernel.fractals.film.levels import Level
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
    fade : samples on which a finer level fades in from its edge
    survey : of the whole film, for looks that have to know it
    threads, cancelled : as `compute` takes them
    """

    def __init__(
        self,
        width: int,
        height: int,
        fade: float,
        survey: Survey,
        threads: int | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        self.size, self.fade, self.survey = (height, width), fade, survey
        self.crew = Crew(threads, None, cancelled)
        self.kept: dict[tuple[Any, ...], tuple[Level, NDArray[Any]]] = {}

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
            numbers[first + FADE_IN] = self.fade
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
            samples = [self._light(window, colours) for window in windows]
        out = np.empty((*self.size, 3), np.uint16)
        coarsest, finest = samples
        reproject(coarsest, finest, table, numbers, out, plain=plain, crew=self.crew)
        self.kept = {
            key: value
            for key, value in self.kept.items()
            if any(value[0] is window.level for window in windows)
        }
        return out

    def _entries(self, level: Level, density: float) -> NDArray[np.uint16]:
        """Give the entries of samples in the table of a palette, uint16 [h, w]."""
        key = (id(level), density)
        if key not in self.kept:
            smooth = level.fields["smooth"]
            entries = np.empty(smooth.shape, np.uint16)
            self.kept[key] = level, entries

            def work(spans: Any, stop: Any) -> int:
                for first, last in spans:
                    if not stop.is_set():
                        entries[first:last] = _entries_of(smooth[first:last], density)
                return 0

            self.crew.share(work, len(smooth))
        return self.kept[key][1]

    def _light(self, window: Window, colours: Colours) -> NDArray[np.float32]:
        light = self._painted(window, colours.look)
        if colours.other is not None and colours.share > 0:
            light = light + np.float32(colours.share) * (
                self._painted(window, colours.other) - light
            )
        return light

    def _painted(self, window: Window, look: Look) -> NDArray[np.float32]:
        """Paint a level as if the window were the whole picture: float32 [h, 4 * w]."""
        # What is told in lengths of the picture changes with the width of the window.
        width = max(1, round(window.step * self.size[1])) if has_lengths(look) else 0
        key = (id(window.level), look, width)
        if key not in self.kept:
            light = paint(
                window.level.fields,
                look,
                survey=self.survey,
                width_px=width or self.size[1],
                cancelled=self.crew.cancelled,
            )
            padded = np.zeros((*light.shape[:2], 4), np.float32)
            padded[..., :3] = light
            self.kept[key] = window.level, padded.reshape(len(light), -1)
        return self.kept[key][1]


def has_lengths(look: Look) -> bool:
    """Say whether a look has lengths in it, which count in widths of the picture."""
    relief = look.relief
    heights = relief is not None and relief.needs_height
    return heights or any(field in LENGTHS for field in look.fields)


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
    """Survey the two ends of every shot at once, so that equalised colours do not jump."""
    ranks: dict[tuple[str, str], Any] = {}
    for look in looks:
        ranks |= Survey.of(fields, look).ranks
    return Survey(ranks)
