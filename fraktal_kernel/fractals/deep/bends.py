"""How far a step of any polynomial formula is linear, and the segments that follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep import stages
from fraktal_kernel.fractals.deep.approximation import Pixels
from fraktal_kernel.fractals.deep.table import Floats, Integers, Orbit, linked
from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.formulas.tape import Tape, evaluate
from fraktal_kernel.fractals.machine import Kernel

# What comes into a step is so small a part of what its second derivatives allow, as a power of two.
LINEAR_BITS = 44
_NOWHERE = -(1 << 60)  # the exponent of a radius that none is below
# A fold is as far away as the rounding of the orbit lets one say, and no point crosses it.
_ROUNDED, _WITHIN = 2.0**-48, 0.4
# Powers of what is larger than this stay in the range of float64.
_RANGE_BITS = -900


def smallest_of(formula: Formula) -> int:
    """Say below which power of two numbers need exponents of their own."""
    return int(_RANGE_BITS / max(2.0, formula.degree))


@dataclass(frozen=True, slots=True, eq=False)
class Chained:
    """Segments of all orbits and stages, as `tapes` takes them.

    Parameters
    ----------
    segments : radius, A, B for the size of a pixel
    wide, wide_exponents : the same as mantissas and exponents, B for the size 1
    links : as in `walk`
    root, start : which segment is the longest that begins at the start of the first orbit, and
        which at that of the last
    stages : how many stages have segments that are used
    """

    segments: Floats
    wide: Floats
    wide_exponents: Integers
    links: Integers
    root: int = 0
    start: int = 0
    stages: int = 0

    @classmethod
    def none(cls) -> Chained:
        """Give no segments."""
        rows = (1, 1)
        return cls(
            np.zeros(rows), np.zeros(rows), np.zeros((1, 3), np.int64), np.zeros((1, 4), np.int64)
        )


@lru_cache(maxsize=1)
def _kernel() -> Kernel:
    table = "float64[:, ::1], int64[:, ::1]"
    return Kernel(
        "fraktal_kernel.fractals.deep.chains",
        "chains",
        "void(int64, float64[:, ::1], float64[:, ::1], float64[::1], int64[::1], int64[::1], "
        f"{table}, boolean, float64, int64, {table}, float64[::1])",
    )


def chained(
    formula: Formula,
    orbits: Sequence[Orbit],
    lasts: list[int],
    c: complex,
    origins: list[NDArray[np.complex128]],
    pixels: Pixels,
    julia: bool,
) -> Chained:
    """Build the segments of orbits that lie one after the other.

    Each value of an orbit has in ``origins`` where it is counted from.
    """
    order = 4 if formula.remembers else 2
    many = order * order + 2 * order
    dc, dc_e = (0.0, 0) if julia else pixels.furthest
    parts: list[Chained] = []
    used, steps = 0, 0
    for orbit, last, origin in zip(orbits, lasts, origins, strict=True):
        slopes, by_c, reach = linear_part(formula, orbit.z[: last + 1], c, origin)
        if dc_e > -1000:
            reach[reach < math.ldexp(dc, dc_e)] = 0.0
        kept = int(np.searchsorted(orbit.small_index, last, side="right"))
        small = orbit.small_index[:kept], orbit.small_mantissa[:kept], orbit.small_exponent[:kept]
        bits = stages.sizes(orbit.z[: last + 1], *small)
        begins = stages.boundaries(bits if order == 2 else np.zeros(last + 1), last)
        tables: list[tuple[Floats, Integers]] = []
        for k, begin in enumerate(begins):
            finer = tables[-1] if k else (np.zeros((1, 1)), np.zeros((1, 3), np.int64))
            out = np.zeros((len(begin) - 1, 1 + many)), np.zeros((len(begin) - 1, 3), np.int64)
            places = np.searchsorted(begins[k - 1], begin) if k else np.arange(len(begin))
            _kernel()(
                *(order, slopes, by_c, reach, begins[k - 1] if k else begin, places, *finer),
                *(k > 0, dc, dc_e, *out, np.zeros(16)),
            )
            tables.append(out)
        parts.append(_laid_out(begins, tables, order, pixels, steps))
        used = sum(bool((e[:, 0] != _NOWHERE).any()) for _, e in tables)
        steps += last + 1
    first = parts[0]
    before = len(first.links) if len(parts) > 1 else 0
    start = parts[-1].root + before
    if before:
        links = parts[1].links
        links[:, :2] += np.where(links[:, :2] >= 0, before, 0)
    return Chained(
        np.concatenate([part.segments for part in parts]),
        np.concatenate([part.wide for part in parts]),
        np.concatenate([part.wide_exponents for part in parts]),
        np.concatenate([part.links for part in parts]),
        first.root,
        start,
        used,
    )


def _laid_out(
    begins: list[Integers],
    tables: list[tuple[Floats, Integers]],
    order: int,
    pixels: Pixels,
    steps: int,
) -> Chained:
    """Put the stages of an orbit, which has so many steps before it, one after the other."""
    offsets, links = linked(begins)
    links[:, 3] += steps
    square = order * order
    wide = np.zeros((len(links), 1 + square + 2 * order))
    wide_e = np.full((len(links), 3), _NOWHERE)
    for k, (m, e) in enumerate(tables):
        own = slice(offsets[k], offsets[k + 1] - 1)
        wide[own], wide_e[own] = m, e
    radius = _power(wide[:, :1], wide_e[:, :1])
    a = _power(wide[:, 1 : 1 + square], wide_e[:, 1:2])
    b = _power(wide[:, 1 + square :] * pixels.size, wide_e[:, 2:] + pixels.exponent)
    segments = np.column_stack((radius, a, b))
    usable = np.isfinite(segments).all(axis=1) & (wide_e[:, 0] > -1000)
    segments[~usable] = 0.0
    segments[~usable, 0] = -1.0
    return Chained(segments, wide, wide_e, links, int(offsets[-2]))


def _power(m: Floats, e: Integers) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(np.ldexp(m, np.clip(e, -4000, 4000).astype(np.int32)))


def linear_part(
    formula: Formula, z: NDArray[np.complex128], c: complex, origin: NDArray[np.complex128]
) -> tuple[Floats, Floats, Floats]:
    """Give the derivatives of every step, and how far they hold.

    Parameters
    ----------
    z, origin : the orbit, and where each value is counted from

    Returns
    -------
    slopes : by the state, float64 [n, order**2]
    by_c : float64 [n, 2 * order]
    reach : how large what comes into the step may be, float64 [n]
    """
    before = np.concatenate(([0j], z[:-1]))
    known: dict[str, Any] = dict(formula.values)
    for name, value in (
        *(("z", z), ("previous", before), ("c", c), ("origin()", origin), ("slope()", 0j)),
    ):
        known |= {name + "r": np.real(value), name + "i": np.imag(value)}

    def run(tape: Tape) -> list[Floats]:
        values = evaluate(tape, [known[name] for name in tape.inputs])
        return [np.broadcast_to(np.asarray(value, float), z.shape) for value in values]

    assert formula.deep_jacobian is not None and formula.deep_bends is not None
    first, second = run(formula.deep_jacobian), run(formula.deep_bends)
    if formula.holomorphic:
        pairs = zip(first[::2], first[1::2], strict=True)
        first = [part for re, im in pairs for part in (re, -im, im, re)]
    by_z, by_c, rest = first[:4], first[4:8], first[8:12]
    zero, one = np.zeros(len(z)), np.ones(len(z))
    if formula.remembers:
        by_z = [*by_z[:2], *rest[:2], *by_z[2:], *rest[2:], one, zero, zero, zero]
        by_z += [zero, one, zero, zero]
        by_c = [*by_c, zero, zero, zero, zero]
    slopes, by_point = np.column_stack(by_z), np.column_stack(by_c)
    with np.errstate(all="ignore"):
        bend = np.sum(np.abs(second), axis=0)
        reach = np.abs(slopes).max(axis=1) / bend * 2.0**-LINEAR_BITS
        if formula.deep_folds is not None:
            values = run(formula.deep_folds)
            many = len(values) // (1 + 2 * (3 if formula.remembers else 2))
            size = np.abs(z) + np.abs(before) + 1e-300
            for k in range(many):
                # For each symbol in turn, the derivatives of each value by its two parts.
                places = range(many + 2 * k, len(values), 2 * many)
                steep = sum(np.abs(values[at]) + np.abs(values[at + 1]) for at in places)
                away = np.abs(values[k]) - _ROUNDED * steep * size
                reach = np.fmin(reach, np.maximum(away, 0.0) * _WITHIN / steep)
    reach = np.where(np.isnan(reach), 0.0, np.minimum(reach, 0.5))
    return slopes, by_point, reach
