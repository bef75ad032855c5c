"""Tables of linear approximation of one orbit for one view, laid out for the walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep import stages
from fraktal_kernel.fractals.machine import Kernel

# A segment is linear as long as the small value is below this part of the orbit's: what is left
# out is half of it a step, relative to the small value.
NEAR_BITS, NEAR_DC_BITS = 12, 36
_EVERYWHERE, _NOWHERE = 1 << 40, -(1 << 40)
_FURTHEST = 1000  # exponents beyond that are not for float64


class Orbit(Protocol):
    """What is needed of a reference orbit."""

    z: NDArray[np.complex128]
    small_index: NDArray[np.int64]
    small_mantissa: NDArray[np.complex128]
    small_exponent: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Linear approximations of all stages, the finest first, with their exponents."""

    begins: list[NDArray[np.int64]]
    mantissas: list[NDArray[np.float64]]
    exponents: list[NDArray[np.int64]]
    orbit: NDArray[np.float64]
    orbit_exponents: NDArray[np.int64]


_from_orbit = Kernel(
    "fraktal_kernel.fractals.deep.series",
    "from_orbit",
    "void(float64[:, ::1], int64[::1], int64[::1], float64, float64, float64, int64, float64[:, ::1], "
    "int64[:, ::1])",
    args=("square",),
)
_joined = Kernel(
    "fraktal_kernel.fractals.deep.series",
    "joined",
    "void(float64[:, ::1], int64[::1], int64[::1], int64[::1], float64[:, ::1], int64[:, ::1], "
    "float64, float64, float64, int64, float64[:, ::1], int64[:, ::1])",
    args=("square",),
)


def tabulate(orbit: Orbit, dc: float, dc_exponent: int, last: int) -> Table:
    """Build the linear approximations of all stages.

    Parameters
    ----------
    orbit : the reference
    dc, dc_exponent : the largest distance of a point from the reference
    last : where the orbit ends for all purposes
    """
    bits = stages.sizes(
        orbit.z, orbit.small_index, orbit.small_mantissa, orbit.small_exponent
    )
    z = np.ascontiguousarray(orbit.z).view(np.float64).reshape(-1, 2)
    exponents = np.zeros(len(z), np.int64)
    if len(orbit.small_index):
        z = z.copy()
        small = np.ascontiguousarray(orbit.small_mantissa).view(np.float64).reshape(-1, 2)
        z[orbit.small_index] = small
        exponents[orbit.small_index] = orbit.small_exponent
    near = (2.0**-NEAR_BITS, 2.0**-NEAR_DC_BITS)
    begins = stages.boundaries(bits, last)
    table = Table(begins, [], [], z, exponents)
    for k, begin in enumerate(begins):
        mantissas = np.empty((len(begin) - 1, 9))
        powers = np.empty((len(begin) - 1, 5), np.int64)
        if k == 0:
            _from_orbit(z, exponents, begin, *near, dc, dc_exponent, mantissas, powers)
        else:
            places = np.searchsorted(begins[k - 1], begin)
            _joined(
                *(z, exponents, begins[k - 1], places, table.mantissas[-1], table.exponents[-1]),
                *(*near, dc, dc_exponent, mantissas, powers),
            )
        table.mantissas.append(mantissas)
        table.exponents.append(powers)
    return table


def segments_of(
    table: Table, pixel: float, pixel_exponent: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Lay out a table for the walk in float64: segments, links, roots."""
    lengths = [len(begin) for begin in table.begins]
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    segments = np.zeros((offsets[-1], 12))
    links = np.full((offsets[-1], 4), -1, np.int64)
    for k, begin in enumerate(table.begins):
        own = slice(offsets[k], offsets[k + 1] - 1)
        m, e = table.mantissas[k], table.exponents[k]
        radius = e[:, 4]
        scale = np.where(radius == _EVERYWHERE, 0, -(radius // 2))
        usable = (radius != _NOWHERE) & (scale < _FURTHEST) & (scale > -_FURTHEST)
        scale = np.where(usable, scale, 0)
        start = begin[:-1]
        here = table.orbit_exponents[start] + scale
        segments[own, 0] = _power(2 * table.orbit[start, 0], here)
        segments[own, 1] = _power(2 * table.orbit[start, 1], here)
        segments[own, 2] = _power(np.ones(len(start)), scale)
        inside = np.where(radius == _EVERYWHERE, 1e300, _power(m[:, 8], radius + 2 * scale))
        segments[own, 3] = np.where(usable, inside, -1)
        for part in range(2):
            segments[own, 4 + part] = _power(m[:, part], e[:, 0] - 2 * scale)
            segments[own, 6 + part] = _power(m[:, 2 + part] * pixel, e[:, 1] + pixel_exponent)
            segments[own, 8 + part] = _power(m[:, 4 + part], e[:, 2] - 4 * scale)
            segments[own, 10 + part] = _power(m[:, 6 + part], e[:, 3] - 6 * scale)
        broken = ~np.isfinite(segments[own]).all(axis=1)
        segments[own][broken] = 0.0
        segments[own, 3][broken] = -1.0
        links[own, 2] = np.diff(begin)
        links[offsets[k] : offsets[k + 1], 3] = begin
        segments[offsets[k + 1] - 1, 3] = -1.0
        links[offsets[k + 1] - 1, 2] = 0
        if k:
            below = offsets[k - 1] + np.searchsorted(table.begins[k - 1], begin)
            links[offsets[k] : offsets[k + 1], 1] = below
            links[below, 0] = np.arange(offsets[k], offsets[k + 1])
    return segments, links, np.ascontiguousarray(offsets[:-1][::-1])


def _power(m: NDArray[np.float64], e: NDArray[np.int64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        return np.asarray(np.ldexp(m, np.clip(e, -4000, 4000).astype(np.int32)))


walks = {
    derivative: Kernel(
        "fraktal_kernel.fractals.deep.walk",
        "walk",
        "boolean(float64[:, ::1], float64[:, ::1], int64[:, ::1], int64[::1], float64[::1], "
        "int64, int64[::1], int64, int64[::1], float64[:, ::1], float64[:, ::1], int64[::1], "
        "int64[::1])",
        args=(derivative,),
    )
    for derivative in (False, True)
}
