"""From the fields of a picture, or of a tile of one, to light."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.colouring import relief as reliefs
from fraktal_kernel.fractals.colouring.blend import blended
from fraktal_kernel.fractals.colouring.look import LENGTHS, Layer, Look, Scale
from fraktal_kernel.fractals.colouring.survey import Ranks, Survey, region, surveyed
from fraktal_kernel.fractals.palettes.gradient import Palette, light_of_text
from fraktal_kernel.fractals.palettes.light import lab_planes
from fraktal_kernel.fractals.palettes.named import palette_of
from fraktal_kernel.fractals.progress import Cancelled, Stopped, apart

# So fine that neighbours differ by less than 8 of 65,536 levels.
_TABLE = 1 << 16
# Pixels that are painted together: their planes stay in the cache of a processor.
_BLOCK = 1 << 15

Fields = Mapping[str, NDArray[Any]]


def reach(look: Look, width_px: int) -> int:
    """Say how many pixels around a tile have to be known to paint it without a seam."""
    return reliefs.reach(look.relief, width_px)


def paint(
    fields: Fields,
    look: Look,
    *,
    survey: Survey | None = None,
    width_px: int | None = None,
    margin: tuple[int, int, int, int] = (0, 0, 0, 0),
    cancelled: Cancelled | None = None,
) -> NDArray[np.float32]:
    """Paint fields: linear light of the sRGB primaries, float32 [h, w, 3], before any clipping.

    Parameters
    ----------
    fields : arrays [h, w] by name; `Look.fields` says which. ``smooth`` is NaN inside.
    look : what they shall look like
    survey : of the whole picture; by default these fields are the whole picture
    width_px : width of the whole picture; by default that of these fields
    margin : rows above and below, columns left and right that are given as surroundings only and
        not painted; `reach` of them make tiles join without a seam, fewer at the picture's edge
    cancelled : asked every few milliseconds; `Stopped` is raised when it says True

    Examples
    --------
    >>> paint({"smooth": np.array([[1.0, np.nan]])}, Look.default("ember")).shape
    (1, 2, 3)
    """
    arrays = _checked(fields, look)
    rows, columns = arrays["smooth"].shape
    top, bottom, left, right = margin
    if min(margin) < 0 or top + bottom >= rows or left + right >= columns:
        raise InvalidInput(f"margin is {margin}; expected less than the {rows} x {columns} given.")
    wide = columns if width_px is None else width_px
    if survey is None:
        survey = Survey.of(arrays, look, width_px=wide)
    elif missing := [need for need in surveyed(look) if need not in survey.ranks]:
        raise InvalidInput(f"the survey lacks {missing[0][0]!r}; make it for this look.")
    far = reach(look, wide)
    out = np.empty((rows - top - bottom, columns - left - right, 3), np.float32)
    tall = max(_BLOCK // columns, 2 * far, 1)
    for first in range(top, rows - bottom, tall):
        if cancelled is not None and cancelled():
            raise Stopped("painting was cancelled before the picture was complete.")
        last = min(first + tall, rows - bottom)
        low, high = max(first - far, 0), min(last + far, rows)
        block = {name: array[low:high] for name, array in arrays.items()}
        inner = slice(first - low, last - low)
        # Tables that are made with the first block, and light that looks far, take their time.
        long = far > 0 or first == top
        planes = apart(
            partial(_painted, block, look, survey, wide, inner), cancelled if long else None
        )
        for k in range(3):
            out[first - top : last - top, :, k] = planes[k, :, left : columns - right]
    return out


def place(values: NDArray[Any], scale: Scale, ranks: Ranks | None = None) -> NDArray[np.float64]:
    """Give the places of values along a palette of which 1 is the whole, not yet repeated."""
    places: NDArray[np.float64]
    if scale.kind == "linear":
        places = values * scale.density
    elif scale.kind == "logarithm":
        places = values + 1.0
        np.maximum(places, 1.0, out=places)
        np.log2(places, out=places)
        places *= 0.5 * scale.density
    elif scale.kind == "power":
        places = np.maximum(values, 0.0) ** scale.exponent
        places *= scale.density
    else:
        assert ranks is not None
        if scale.kind == "histogram":
            places = ranks.rank(values)
        else:
            low, high = ranks.levels
            places = np.clip((values - low) / (high - low if high > low else 1.0), 0.0, 1.0)
        places *= scale.density
    places += scale.offset
    return places


def _checked(fields: Fields, look: Look) -> dict[str, NDArray[Any]]:
    """Take the fields that the look needs, each an array of the same shape."""
    arrays: dict[str, NDArray[Any]] = {}
    for name in look.fields:
        if name not in fields:
            raise InvalidInput(
                f"the look needs the field {name!r}, which was not computed; "
                f"ask for the fields {', '.join(look.fields)}."
            )
        arrays[name] = np.asarray(fields[name])
        if arrays[name].ndim != 2 or arrays[name].shape != arrays["smooth"].shape:
            raise InvalidInput(
                f"the field {name!r} is {list(arrays[name].shape)}; expected [h, w] as 'smooth'."
            )
    return arrays


def _painted(
    fields: Fields, look: Look, survey: Survey, width_px: int, rows: slice
) -> NDArray[np.float32]:
    """Paint some rows of a block: planes of light [3, rows, w]."""
    inner = {name: array[rows] for name, array in fields.items()}
    shape = inner["smooth"].shape
    ground = light_of_text(look.inside).astype(np.float32)
    planes = np.empty((3, *shape), np.float32)
    planes[:] = ground[:, None, None]
    for layer in look.layers:
        if layer.opacity > 0:
            planes = _layered(planes, inner, layer, survey, width_px)
    relief = look.relief
    if relief is None:
        return planes
    lit_here = region(inner["smooth"], relief.where)
    if not lit_here.any():
        return planes
    surface = _surface(fields, look, survey, width_px) if relief.needs_height else None
    if relief.slope == "normal" or surface is None:
        x, y = reliefs.slopes_of_normal(inner["normal"], relief.height)
    else:
        x, y = reliefs.slopes_of_height(surface, relief.height, width_px)
        x, y = x[rows], y[rows]
    shade = None
    if surface is not None and relief.occlusion > 0:
        shade = reliefs.occlusion(surface, relief, width_px)[rows]
    lit = reliefs.lit(planes, x, y, shade, relief)
    return lit if lit_here.all() else np.where(lit_here, lit, planes)


def _layered(
    planes: NDArray[np.float32], fields: Fields, layer: Layer, survey: Survey, width_px: int
) -> NDArray[np.float32]:
    """Paint one layer over the planes."""
    values, shown = _values(fields, layer.field, layer.where, width_px)
    if not shown.any():
        return planes
    palette = palette_of(layer.palette)
    places = place(values, layer.scale, survey.ranks.get((layer.field, layer.where)))
    index = _index(places, palette.cyclic, layer.scale.beyond)
    table, lightness = _table(palette)
    whole = bool(shown.all())
    plain = layer.blend == "normal" and layer.space == "light" and layer.opacity == 1.0
    if plain and whole:
        return table.take(index, axis=1, mode="clip", out=planes)
    colour = table.take(index, axis=1, mode="clip")
    if plain:
        np.copyto(planes, colour, where=shown)
        return planes
    opacity: Any = layer.opacity if whole else shown * np.float32(layer.opacity)
    tone = lightness.take(index, mode="clip") if layer.space == "lightness" else None
    return blended(planes, colour, tone, layer.blend, opacity)


def _values(
    fields: Fields, name: str, where: str, width_px: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the values of a field, 0 where it has none or does not count, and where it does."""
    values = fields[name]
    shown = np.isfinite(values)
    if where != "both" and (name != "smooth" or where == "inside"):
        shown &= region(fields["smooth"], where)
    values = np.where(shown, values, 0).astype(np.float64, copy=False)
    if name in LENGTHS:
        values *= 1000 / width_px
    return values, shown


def _surface(fields: Fields, look: Look, survey: Survey, width_px: int) -> NDArray[np.float32]:
    """Give the height of every point; the set stands as high as the highest points around it."""
    relief = look.relief
    assert relief is not None
    ranks = survey.ranks[relief.field, "outside"]
    values, known = _values(fields, relief.field, "outside", width_px)
    # The limit of a distance at the boundary is 0, that of the others their highest value.
    limit = 0.0 if relief.field in LENGTHS else ranks.value(1.0)
    np.copyto(values, limit, where=~known)
    return place(values, relief.scale, ranks).astype(np.float32)


def _index(places: NDArray[np.float64], cyclic: bool, beyond: str) -> NDArray[np.intp]:
    """Give the entry of the table for each place; ramps repeat there and back."""
    if beyond == "clamp":
        np.clip(places, 0.0, 1.0 - 1.0 / _TABLE if cyclic else 1.0, out=places)
    elif cyclic:
        places -= np.floor(places)
    else:
        places *= 0.5
        places -= np.floor(places)
        places = 1.0 - np.abs(1.0 - 2.0 * places)
    places *= _TABLE if cyclic else _TABLE - 1
    if not cyclic:
        places += 0.5
    return places.astype(np.intp)


def _table(palette: Palette) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return _tables(palette.stops, palette.cyclic)


@lru_cache(maxsize=32)
def _tables(
    stops: tuple[tuple[float, str], ...], cyclic: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the colours of a palette as planes [3, n], and their lightness in OKLab."""
    light = Palette("table", stops, cyclic=cyclic).light(_TABLE)
    planes = np.ascontiguousarray(light.T)
    return planes, lab_planes(planes)[0]
