"""The linear approximations of an orbit for one view, built stage by stage and laid out for use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep import stages
from fraktal_kernel.fractals.deep.kinds import Map, degree_of, is_holomorphic
from fraktal_kernel.fractals.machine import Kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# A segment is used while ``A y`` stays below this part of the orbit's values, as a power of two:
# what is left out is then 2**-33 of it. Products with c are left out, so it must be that small.
NEAR_BITS, NEAR_DC_BITS = 11, 32
# Where the map folds, squares are left out, too.
LINEAR_BITS = 30
NOWHERE = -(1 << 40)
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
    """Segments of all stages one after the other, as `walk` and `far` take them."""

    segments: Floats
    wide: Floats
    wide_exponents: Integers
    links: Integers
    roots: Integers


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
    many = int(offsets[-1])
    segments, wide = np.zeros((many, 12)), np.zeros((many, 11))
    wide_e = np.zeros((many, 6), np.int64)
    ends = offsets[1:] - 1
    segments[ends, 3], wide_e[ends, 1] = -1.0, NOWHERE
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
    return Layout(segments, wide, wide_e, links, np.ascontiguousarray(offsets[:-1][::-1]))


def linked(begins: list[Integers]) -> tuple[Integers, Integers]:
    """Say where each stage lies, one after the other, and link their segments as `walk` has it."""
    offsets = np.concatenate(([0], np.cumsum([len(begin) for begin in begins])))
    links = np.full((int(offsets[-1]), 4), -1, np.int64)
    for k, begin in enumerate(begins):
        all_of_it = slice(offsets[k], offsets[k + 1])
        links[all_of_it, 2] = np.append(np.diff(begin), 0)
        links[all_of_it, 3] = begin
        if k:
            below = offsets[k - 1] + np.searchsorted(begins[k - 1], begin)
            links[all_of_it, 1] = below
            links[below, 0] = np.arange(offsets[k], offsets[k + 1])
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
    head = (
        _power(z, (z_e + scale)[:, None]),
        _power(np.ones(len(m)), scale),
        _power(m[:, 8], e[:, 4] + degree * scale),
    )
    out = np.column_stack((*head, _power(m[:, :8], np.column_stack(powers))))
    usable &= np.isfinite(out).all(axis=1)
    out[~usable] = 0.0
    out[~usable, 3] = -1.0
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
    links[:, :2] += np.where(links[:, :2] >= 0, len(first.links), 0)
    links[:, 3] += steps
    return Layout(
        np.concatenate((first.segments, second.segments)),
        np.concatenate((first.wide, second.wide)),
        np.concatenate((first.wide_exponents, second.wide_exponents)),
        np.concatenate((first.links, links)),
        first.roots,
    )


def _settled(m: Floats, e: Integers) -> tuple[Floats, Integers]:
    size = np.max(np.abs(m), axis=1)
    shift = np.frexp(size)[1].astype(np.int64)
    return _power(m, -shift[:, None]), np.where(size == 0, _ZERO, e + shift)
