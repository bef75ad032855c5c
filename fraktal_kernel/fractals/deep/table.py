"""The linear approximations of an orbit for one view, built stage by stage and laid out for use."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep import stages
from fraktal_kernel.fractals.deep.kinds import Map, degree_of, is_holomorphic
from fraktal_kernel.fractals.deep.rows import (
    APPLIED,
    BEGIN,
    COLUMNS,
    DOWN,
    END,
    HALF,
    LENGTH,
    RADIUS,
    RUN,
    SCALE,
    UP,
    WHOLE,
    WIDER,
    ZI,
    ZR,
)
from fraktal_kernel.fractals.lanes.rows import aligned
from fraktal_kernel.fractals.machine import Kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# A segment is used while ``A y`` stays below this part of the orbit's values, as a power of two:
# what is left out is then 2**-33 of it. Products with c are left out, so it must be that small.
NEAR_BITS, NEAR_DC_BITS = 11, 32
# Where the map folds, squares are left out, too: as little of them, which is as if the point lay
# that part of its distance from the reference beside.
LINEAR_BITS = 33
NOWHERE = -(1 << 40)
# A radius that every z is below, and one that is hardly more than 0.
_ALWAYS, _LEAST = 1e300, 1e-300
_RUN = 8  # segments of single steps at most, before one is tried again
_FURTHEST = 1000  # exponents beyond that are not for float64
_ZERO = -(1 << 60)  # the exponent of 0, as `scaled` has it


class Orbit(Protocol):
    """What is needed of a reference orbit; see `fraktal_kernel.fractals.reference.orbit`."""

    @property
    def z(self) -> NDArray[np.complex128]:
        """Values."""

    @property
    def small_index(self) -> Integers:
        """Places of values too small for float64."""

    @property
    def small_mantissa(self) -> NDArray[np.complex128]:
        """Their mantissas."""

    @property
    def small_exponent(self) -> Integers:
        """Their exponents of two."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Segments of all stages, the finest first.

    Parameters
    ----------
    orbit, orbit_exponents : values of the orbit, mantissas [n, 2] and exponents [n]
    begins : where the segments of each stage begin, and where the last one ends
    mantissas, exponents : of each stage, as `series` has them
    """

    orbit: Floats
    orbit_exponents: Integers
    begins: list[Integers]
    mantissas: list[Floats]
    exponents: list[Integers]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Segments of all stages one after the other, as `walk` and `far` take them.

    The roots are the segments that begin at 0, the longest first. Up to its reach, z is surely
    small enough for a root.
    """

    segments: Floats
    wide: Floats
    wide_exponents: Integers
    links: Integers
    roots: Integers
    reach: Floats


@lru_cache(maxsize=16)
def _kernels(kind: Map) -> tuple[Kernel, Kernel]:
    module = "series" if is_holomorphic(kind) else "matrices"
    module = f"fraktal_kernel.fractals.deep.{module}"
    orbit, near = "float64[:, ::1], int64[::1]", "float64, float64, float64, int64"
    out = "float64[:, ::1], int64[:, ::1]"
    first = f"void({orbit}, int64[::1], {near}, {out})"
    later = f"void({orbit}, int64[::1], int64[::1], {out}, {near}, {out})"
    return (
        Kernel(module, "from_orbit", first, args=(kind,)),
        Kernel(module, "joined", later, args=(kind,)),
    )


def tabulate(kind: Map, orbit: Orbit, last: int, dc: float, dc_exponent: int) -> Table:
    """Build the segments of all stages.

    Parameters
    ----------
    kind : of map
    orbit : the reference
    last : where it ends for all purposes
    dc, dc_exponent : the largest distance of a point from the reference
    """
    mantissas, exponents, logs = _values(orbit, last)
    begins = stages.boundaries(logs, last)
    table = Table(mantissas, exponents, begins, [], [])
    first, later = _kernels(kind)
    bits = (NEAR_BITS, NEAR_DC_BITS) if is_holomorphic(kind) else (LINEAR_BITS, LINEAR_BITS)
    near = 2.0 ** -bits[0], 2.0 ** -bits[1], dc, dc_exponent
    for k, begin in enumerate(begins):
        out = np.empty((len(begin) - 1, 9)), np.empty((len(begin) - 1, 5), np.int64)
        if k == 0:
            first(mantissas, exponents, begin, *near, *out)
        else:
            places = np.searchsorted(begins[k - 1], begin)
            finer = table.mantissas[-1], table.exponents[-1]
            later(mantissas, exponents, begins[k - 1], places, *finer, *near, *out)
        table.mantissas.append(out[0])
        table.exponents.append(out[1])
    return table


def _values(orbit: Orbit, last: int) -> tuple[Floats, Integers, Floats]:
    """Give the values of an orbit as mantissas [n, 2] and exponents, and their ``log2 |Z|``."""
    values = orbit.z[: last + 1]
    mantissas = np.ascontiguousarray(values).view(np.float64).reshape(-1, 2)
    exponents = np.zeros(len(values), np.int64)
    kept = int(np.searchsorted(orbit.small_index, last, side="right"))
    small = orbit.small_index[:kept]
    if kept:
        mantissas = mantissas.copy()
        mantissas[small] = orbit.small_mantissa[:kept].view(np.float64).reshape(-1, 2)
        exponents[small] = orbit.small_exponent[:kept]
    logs = stages.sizes(values, small, orbit.small_mantissa[:kept], orbit.small_exponent[:kept])
    return mantissas, exponents, logs


def lay_out(kind: Map, table: Table, pixel: float, pixel_exponent: int) -> Layout:
    """Put the stages one after the other, with B for the size of a pixel, 0 in a Julia set."""
    offsets, links = linked(table.begins)
    links = np.column_stack((links, np.zeros(len(links), np.int64)))
    links[: offsets[1], RUN] = _runs(links[: offsets[1]])
    many = int(offsets[-1])
    segments, wide = np.zeros((many, COLUMNS)), np.zeros((many, 11))
    wide_e = np.zeros((many, 6), np.int64)
    ends = offsets[1:] - 1
    segments[ends, SCALE], segments[ends, RADIUS], wide_e[ends, 1] = 1.0, -1.0, NOWHERE
    for k, begin in enumerate(table.begins):
        own = slice(offsets[k], offsets[k + 1] - 1)
        m, e = table.mantissas[k].copy(), table.exponents[k].copy()
        m[:, slice(2, 4) if is_holomorphic(kind) else slice(4, 8)] *= pixel
        e[:, 1] = e[:, 1] + pixel_exponent if pixel else _ZERO
        start = begin[:-1]
        start_z, start_e = _settled(table.orbit[start], table.orbit_exponents[start])
        wide[own] = np.column_stack((start_z, m[:, 8], m[:, :8]))
        wide_e[own] = np.column_stack((start_e, e[:, 4], e[:, :4]))
        segments[own] = _in_float64(kind, start_z, start_e, m, e)
    segments[:, WIDER] = _wider(degree_of(kind), segments, links[:, UP])
    roots = np.ascontiguousarray(offsets[:-1][::-1])
    with np.errstate(all="ignore"):
        reach = np.maximum(segments[roots, RADIUS], 0.0) ** (1 / degree_of(kind))
        reach = np.nan_to_num(reach / (math.sqrt(2) * segments[roots, SCALE]))
    return Layout(segments, wide, wide_e, links, roots, reach)


def _runs(finest: Integers) -> Integers:
    """Say where single steps end that begin with each segment of the finest stage.

    That is where longer segments begin, too: until then the next hardly ever holds again.
    """
    index = np.arange(len(finest))
    ends = (finest[:, UP] >= 0) | (finest[:, LENGTH] == 0) | (index % _RUN == 0)
    nearest = np.where(ends, index, len(finest) - 1)
    return np.append(np.minimum.accumulate(nearest[::-1])[::-1][1:], len(finest) - 1)


def _wider(degree: int, segments: Floats, up: Integers) -> Floats:
    """Give the radius of the longer segment that begins at the same place, in the scale of this."""
    own, longer = segments[:, SCALE], segments[up, SCALE]
    more = degree * (np.frexp(own)[1] - np.frexp(longer)[1])
    found = (up >= 0) & (own > 0) & (longer > 0)
    out = np.where(found, np.ldexp(segments[up, RADIUS], np.where(found, more, 0)), -1.0)
    return np.where(out > _LEAST, np.minimum(out, _ALWAYS), -1.0)


def completed(kind: Map, layout: Layout, orbit: Floats, pixel: float, steps: bool) -> Layout:
    """Complete the segments by what follows from the orbit; rows begin with a line of the cache.

    Parameters
    ----------
    kind, layout, orbit : of map, its segments, and the values of all orbits
    pixel : its size, 0 in a Julia set
    steps : whether rows of all single steps are to stand behind the segments
    """
    links, many = layout.links, len(layout.links)
    up, down, length, begin, run = links.T
    ends = length == 0
    rows = len(orbit) if steps else 0
    out = aligned(many + rows, COLUMNS)
    own, step = out[:many], out[many:]
    own[...] = layout.segments
    own[:, END : END + 2] = orbit[begin + length]
    low = (1 << HALF) - 1
    for column, whole in ((RADIUS, length), (WIDER, np.where(own[:, WIDER] > 0, up, 0))):
        bits = np.ascontiguousarray(own[:, column]).view(np.int64)
        own[:, column] = ((bits & ~low) | whole).view(np.float64)
    single = np.zeros(COLUMNS)
    single[SCALE], single[RADIUS], single[WIDER] = 1.0, _ALWAYS, -1.0
    radius = single.view(np.int64)[RADIUS : RADIUS + 1]
    radius[0] = (radius[0] & ~low) | 1
    applied = (1, 0, pixel) if is_holomorphic(kind) else (1, 0, 0, 1, pixel, 0, 0, pixel)
    single[APPLIED : APPLIED + len(applied)] = applied
    # What follows: the next segment, or the next step, and behind a run of steps a segment again.
    after = np.arange(1, many + rows + 1)
    if steps:
        behind = np.unique(run[(down < 0) & ~ends])
        after[many + begin[behind] - 1] = behind
        step[...] = single
        step[:, ZR : ZI + 1], step[:-1, END : END + 2] = orbit, orbit[1:]
    at_end = np.zeros(many + rows + 1, bool)
    at_end[:many] = ends
    after[at_end[after]] = -1
    after <<= HALF
    after[:many] |= np.where(down >= 0, down, many + begin)
    out[:, WHOLE] = after.view(np.float64)
    return replace(layout, segments=out)


def linked(begins: list[Integers]) -> tuple[Integers, Integers]:
    """Say where each stage lies, one after the other, and link their segments as `walk` has it."""
    offsets = np.concatenate(([0], np.cumsum([len(begin) for begin in begins])))
    links = np.full((int(offsets[-1]), 4), -1, np.int64)
    for k, begin in enumerate(begins):
        all_of_it = slice(offsets[k], offsets[k + 1])
        links[all_of_it, LENGTH] = np.append(np.diff(begin), 0)
        links[all_of_it, BEGIN] = begin
        if k:
            below = offsets[k - 1] + np.searchsorted(begins[k - 1], begin)
            links[all_of_it, DOWN] = below
            links[below, UP] = np.arange(offsets[k], offsets[k + 1])
    return offsets, links


# For each column of mantissas, its exponent, and how often y is a factor of what it multiplies.
_SERIES = ((0, 1), (0, 1), (1, 0), (1, 0), (2, 2), (2, 2), (3, 3), (3, 3))
_MATRICES = ((0, 1),) * 4 + ((1, 0),) * 4


def _in_float64(kind: Map, z: Floats, z_e: Integers, m: Floats, e: Integers) -> Floats:
    """Scale segments so that the radius is about 1; what does not fit then is never used."""
    degree = degree_of(kind)
    scale = -(e[:, 4] // degree)
    usable = np.abs(scale) < _FURTHEST
    scale = np.where(usable, scale, 0)
    columns = _SERIES if is_holomorphic(kind) else _MATRICES
    powers = [e[:, part] - times * degree * scale for part, times in columns]
    out = np.zeros((len(m), COLUMNS))
    out[:, ZR : ZI + 1] = _power(z, (z_e + scale)[:, None])
    out[:, SCALE] = _power(np.ones(len(m)), scale)
    out[:, RADIUS] = _power(m[:, 8], e[:, 4] + degree * scale)
    out[:, APPLIED:] = _power(m[:, :8], np.column_stack(powers))
    usable &= np.isfinite(out).all(axis=1)
    out[~usable] = 0.0
    out[~usable, RADIUS] = -1.0
    return out


def _power(m: Floats, e: Integers) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(np.ldexp(m, np.clip(e, -4000, 4000).astype(np.int32)))


def settled_orbit(*tables: Table) -> tuple[Floats, Integers]:
    """Give orbits one after the other, mantissas brought to [0.5, 1), as `far` takes them."""
    settled = [_settled(table.orbit, table.orbit_exponents) for table in tables]
    return np.concatenate([m for m, _ in settled]), np.concatenate([e for _, e in settled])


def settled_values(orbit: Orbit, last: int) -> tuple[Floats, Integers]:
    """Give an orbit up to ``last`` as mantissas in [0.5, 1) and exponents."""
    m, e, _ = _values(orbit, last)
    return _settled(m, e)


def chained(first: Layout, second: Layout, steps: int) -> Layout:
    """Put the segments of another orbit behind those of the first, which has so many values.

    Whoever comes to the end of the second, or near 0 there, goes on from the start of the first.
    """
    links = second.links.copy()
    links[:, : DOWN + 1] += np.where(links[:, : DOWN + 1] >= 0, len(first.links), 0)
    links[:, BEGIN] += steps
    links[:, RUN] += len(first.links)
    return Layout(
        np.concatenate((first.segments, second.segments)),
        np.concatenate((first.wide, second.wide)),
        np.concatenate((first.wide_exponents, second.wide_exponents)),
        np.concatenate((first.links, links)),
        first.roots,
        first.reach,
    )


def _settled(m: Floats, e: Integers) -> tuple[Floats, Integers]:
    size = np.max(np.abs(m), axis=1)
    shift = np.frexp(size)[1].astype(np.int64)
    return _power(m, -shift[:, None]), np.where(size == 0, _ZERO, e + shift)
