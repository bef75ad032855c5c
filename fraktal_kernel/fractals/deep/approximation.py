"""Deep zoom of one view: what is prepared once, and how the rows of a picture are filled."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.basins import Basin
from fraktal_kernel.fractals.deep import minibrot
from fraktal_kernel.fractals.deep.inside import cycles_of, shores_of
from fraktal_kernel.fractals.deep.kinds import Map, degree_of, is_holomorphic, map_of
from fraktal_kernel.fractals.deep.lockstep import Lockstep
from fraktal_kernel.fractals.deep.table import (
    NOWHERE,
    Floats,
    Integers,
    Orbit,
    chained,
    completed,
    lay_out,
    settled_orbit,
    tabulate,
)
from fraktal_kernel.fractals.formulas import Formula, formula_of
from fraktal_kernel.fractals.lanes import finish
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.reference.recurrences import Recurrence, recurrence_of

FIELDS = ("iterations", "smooth", "z", "angle", "derivative", "distance", "normal")
NEED_SLOPE = ("derivative", "distance", "normal")
INSIDE = ("interior_distance", "period")  # of powers of z plus c, and of Julia sets of them
# Pixels below that size need numbers with exponents of their own, and so does a z that falls below
# the other, whose square would have none of its digits left.
_DEEP_BITS, _SMALLEST_BITS = -900, -480
_NONE = -(1 << 50)  # the exponent of nearly nothing
_BAND_POINTS = 500_000
_BUDGET = 400_000
_MODULE = "fraktal_kernel.fractals.deep."


_POINTS = "int64, int64[::1], int64, int64[::1], int64[::1], float64[:, ::1], float64[:, ::1]"
_TABLE = "int64[::1], float64[::1], float64[::1]"


@lru_cache(maxsize=8)
def _walk(kind: Map, derivative: bool) -> Kernel:
    values = "float64[:, ::1], float64[:, ::1], int64[:, ::1]"
    signature = f"boolean({values}, {_TABLE}, {_POINTS}, int64[::1], int64)"
    return Kernel(_MODULE + "walk", "walk", signature, args=(kind, derivative))


@lru_cache(maxsize=8)
def _abreast(kind: Map, derivative: bool) -> Kernel:
    lanes = "float64[:, ::1], int64[:, ::1], int64"
    signature = f"boolean(float64[:, ::1], {_TABLE}, {_POINTS}, {lanes}, int64[::1], int64)"
    return Kernel(_MODULE + "abreast", "abreast", signature, args=(kind, derivative))


@lru_cache(maxsize=8)
def _far(kind: Map, derivative: bool) -> Kernel:
    values = "float64[:, ::1], int64[::1], float64[:, ::1], int64[:, ::1], int64[:, ::1]"
    shared = f"{values}, int64[::1], float64[::1], int64"
    signature = f"boolean({shared}, {_POINTS}, int64[:, ::1], int64[::1], int64)"
    return Kernel(_MODULE + "far", "far", signature, args=(kind, derivative))


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of a picture around its reference, at any depth.

    Parameters
    ----------
    width, height : of the picture
    size, exponent : of a pixel, ``size * 2**exponent``
    matrix : rotation and skew
    offset : of the reference from the centre of the view, in pixels
    within : of a window, where it begins in the whole picture, and how large that is: column, row,
        width and height
    """

    width: int
    height: int
    size: float
    exponent: int
    matrix: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    within: tuple[float, float, int, int] | None = None

    def conjugate(self) -> Pixels:
        """Give the pixels mirrored at the real axis."""
        a, b, c, d = self.matrix
        x, y = self.offset
        return replace(self, matrix=(a, b, -c, -d), offset=(x, -y))

    @property
    def corner(self) -> tuple[float, float]:
        """Offset of pixel [0, 0] from the reference before the matrix is applied."""
        a, b, c, d = self.matrix
        x, y = self.offset
        determinant = a * d - b * c
        u, v = (d * x - b * y) / determinant, (a * y - c * x) / determinant
        column, row, width, height = self.within or (0.0, 0.0, self.width, self.height)
        return column - (width - 1) / 2 - u, (height - 1) / 2 - row - v

    @property
    def furthest(self) -> tuple[float, int]:
        """Distance of the furthest pixel from the reference, mantissa and exponent."""
        left, top = self.corner
        a, b, c, d = self.matrix
        pixels = max(
            math.hypot(a * u + b * v, c * u + d * v)
            for u in (left, left + self.width - 1)
            for v in (top, top - self.height + 1)
        )
        mantissa, more = math.frexp(max(pixels, 1.0) * self.size)
        return mantissa, self.exponent + more


class Approximation:
    """All that the points of a deep view share: the tables of linear approximation.

    Parameters
    ----------
    orbit : of the reference
    pixels : of the picture
    max_iter : give up after so many steps
    formula : what is iterated, as `reference_orbit` takes it
    escape_radius : beyond which a point has left; by default the formula's
    critical : of a Julia set the orbit of 0, to which points go over that come near 0; ``orbit``
        is then that of the centre of the view
    basin : of a Julia set, where it has one
    """

    # Whether points walk in lockstep, for which each single step has a row in the table.
    lockstep = True

    def __init__(
        self,
        orbit: Orbit,
        pixels: Pixels,
        max_iter: int,
        *,
        formula: str | Formula | Recurrence = "mandelbrot",
        escape_radius: float | None = None,
        critical: Orbit | None = None,
        basin: Basin | None = None,
    ) -> None:
        self.basin = basin
        self._centre = orbit.z.view(np.float64).reshape(-1, 2)
        self.kind, self._conjugate = map_of(recurrence_of(formula))
        if escape_radius is None:
            if isinstance(formula, str):
                formula = formula_of(formula)
            escape_radius = formula.escape_radius if isinstance(formula, Formula) else 1e3
        self._view = pixels.matrix
        if self._conjugate and critical is None:
            pixels = pixels.conjugate()
        self.pixels, self.max_iter, self.radius = pixels, max_iter, escape_radius
        self.deep = pixels.exponent < _DEEP_BITS
        self.julia = critical is not None
        if critical is None:
            orbits, apart, size = [orbit], pixels.furthest, pixels.size
        else:
            orbits, apart, size = [critical, orbit], (0.5, _NONE), 0.0
        self._tables = []
        for one in orbits:
            # No segment goes beyond half of the radius, so that no point leaves unseen.
            beyond = np.flatnonzero(np.abs(one.z) > escape_radius / 2)
            last = int(beyond[0]) - 1 if len(beyond) else len(one.z) - 1
            self._tables.append(tabulate(self.kind, one, max(1, last), *apart))
        layouts = [lay_out(self.kind, table, size, pixels.exponent) for table in self._tables]
        lengths = [len(table.orbit) for table in self._tables]
        self._layout = layouts[0]
        self._start = int(layouts[-1].roots[0])
        if critical is not None:
            self._start += len(layouts[0].links)
            self._layout = chained(layouts[0], layouts[1], lengths[0])
        values = [one.z[:length] for one, length in zip(orbits, lengths, strict=True)]
        self._orbit = np.concatenate(values).view(np.float64).reshape(-1, 2)
        shared = self._orbit, self._pixel, self.lockstep
        self._layout = completed(self.kind, self._layout, *shared)
        self._far_orbit = settled_orbit(*self._tables) if self.deep else None
        self.minibrot = None
        if self.kind == ("power", 2) and critical is None:
            self.minibrot = minibrot.find(self._tables[0], pixels, max_iter)

    @property
    def method(self) -> str:
        """How it is computed, in words."""
        held = sum(bool((e[:, 4] != NOWHERE).any()) for e in self._tables[-1].exponents)
        words = ["perturbation"]
        if held:
            words.append(f"linear approximation in {held} stage{'s' if held > 1 else ''}")
        if self.minibrot:
            words.append(f"w*w + c for each period of {self.minibrot.period:,}")
        if self.deep:
            words.append("extended exponents")
        return ", ".join(words)

    def fill(
        self, out: Mapping[str, NDArray[Any]], *, row: int = 0, crew: Crew | None = None
    ) -> int:
        """Compute fields of some rows of a picture, and give the steps and segments they took.

        Parameters
        ----------
        out : contiguous arrays [rows, width] by the names of their fields, filled in place
        row : which row of the picture the first is
        crew : who does it
        """
        crew = crew or Crew()
        rows, width = next(iter(out.values())).shape
        tall = max(1, _BAND_POINTS // width)
        taken = 0
        for top in range(0, rows, tall):
            end = min(top + tall, rows)
            band = {name: array[top:end] for name, array in out.items()}
            taken += self._band(band, row + top, _part_of(crew, top, end, rows))
        return taken

    def _band(self, out: Mapping[str, NDArray[Any]], row: int, crew: Crew) -> int:
        rows, width = next(iter(out.values())).shape
        slopes = any(name in out for name in NEED_SLOPE)
        inside = any(name in out for name in INSIDE)
        pixels = self.pixels
        holomorphic = is_holomorphic(self.kind)
        begun = None
        if self.minibrot:
            begun = self.minibrot.begin(pixels, row, rows, slopes, inside, crew)

        def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
            taken = 0
            for top, end in spans:
                state = _State.fresh((end - top) * width, self._start, 2 if holomorphic else 4)
                if self.julia:
                    self._spread(state, row + top, row + end)
                if begun is not None:
                    begun.put(state, slice(top * width, end * width))
                points = np.arange((row + top) * width, (row + end) * width)
                taken += self._walk(state, points, slopes, stop)
                if stop.is_set():
                    break
                part = {name: array[top:end].reshape(-1) for name, array in out.items()}
                self._finish(part, state)
                if inside:
                    period, far = np.zeros(len(points), np.int64), np.full(len(points), np.nan)
                    if begun is not None:
                        here = slice(top * width, end * width)
                        period, far = begun.period[here], begun.far[here]
                    unknown = np.flatnonzero((state.count < 0) & (period == 0))
                    period[unknown], far[unknown] = self._inside(points[unknown], stop)
                    for name, values in zip(INSIDE, (far, period), strict=True):
                        if name in part:
                            part[name][...] = values
            return taken

        return crew.share(work, rows)

    def _inside(self, points: Integers, stop: threading.Event) -> tuple[Integers, Floats]:
        """Find the cycles of points that are inside, and how far the edge is."""
        degree = degree_of(self.kind)
        if self.basin:
            return shores_of(self.basin, self._centre, self.pixels, points, stop)
        if self.julia or self.pixels.exponent * degree < 2 * _SMALLEST_BITS:
            return np.zeros(len(points), np.int64), np.full(len(points), np.nan)
        return cycles_of(degree, self._orbit, self.pixels, points, self.max_iter, stop)

    def _spread(self, state: _State, row: int, end: int) -> None:
        """Put the points of a Julia set where they begin: beside the start of its orbit."""
        pixels = self.pixels
        left, top = pixels.corner
        a, b, c, d = pixels.matrix
        u = left + np.arange(pixels.width)
        v = top - np.arange(row, end)[:, None]
        state.value[:, 0] = (a * u + b * v).ravel() * pixels.size
        state.value[:, 1] = (c * u + d * v).ravel() * pixels.size
        state.slope[:, 0] = pixels.size
        if state.slope.shape[1] == 4:
            state.slope[:, 3] = pixels.size
        state.power[...] = pixels.exponent

    @property
    def _pixel(self) -> float:
        """The size of a pixel in c, 0 in a Julia set and where float64 has no such number."""
        pixels = self.pixels
        if self.julia or pixels.exponent <= -1070:
            return 0.0
        return math.ldexp(pixels.size, pixels.exponent)

    def walk_kernel(self, slopes: bool) -> Callable[..., bool]:
        """Give what walks points of ordinary size."""
        return Lockstep(_abreast(self.kind, slopes), _walk(self.kind, slopes))

    def far_kernel(self, slopes: bool) -> Callable[..., bool]:
        """Give what walks points that are too small for float64."""
        return _far(self.kind, slopes)

    def _walk(self, state: _State, points: Integers, slopes: bool, stop: threading.Event) -> int:
        pixels, layout = self.pixels, self._layout
        smallest = 2.0**_SMALLEST_BITS if self.deep else 0.0
        plane = np.array([*pixels.corner, *pixels.matrix, self._pixel, self.radius**2, smallest])
        if self.julia:
            plane[2:6] = 0.0  # c is the same for all
        taken = 0
        far_plane = plane.copy()
        far_plane[6] = 0.0 if self.julia else pixels.size

        def finish(kernel: Callable[..., bool], *table: Any) -> None:
            nonlocal taken
            counters, done = np.zeros(3, np.int64), False
            while not done and not stop.is_set():
                # The lock of the interpreter is free inside, for a few milliseconds at a time.
                counters[:2] = 0
                done = kernel(*table, counters, _BUDGET)
                taken += int(counters[:2].sum())

        while not stop.is_set() and (state.place >= 0).any():
            common = pixels.width, points, self.max_iter, *state.arrays
            if self._far_orbit is not None:
                finish(
                    *(
                        self.far_kernel(slopes),
                        *self._far_orbit,
                        layout.wide,
                        layout.wide_exponents,
                    ),
                    *(layout.links, layout.roots, far_plane, pixels.exponent, *common, state.power),
                )
            state.land()
            walked = self._orbit, layout.segments, layout.links, layout.roots, layout.reach, plane
            finish(self.walk_kernel(slopes), *walked, *common)
        return taken

    def _finish(self, out: Mapping[str, NDArray[Any]], state: _State) -> None:
        """Make fields of what the walk left behind."""
        inside = state.count < 0
        z = np.asarray(np.where(inside, np.nan, state.value.view(np.complex128)[:, 0]))
        with np.errstate(all="ignore"):
            if "iterations" in out:
                out["iterations"][...] = np.where(inside, self.max_iter, state.count)
            if "smooth" in out:
                folds = np.log(np.log(np.abs(z)) / math.log(2)) / math.log(degree_of(self.kind))
                out["smooth"][...] = np.maximum(state.count + (1 - folds), 0.0)
            if "z" in out:
                out["z"][...] = z
            if "angle" in out:
                out["angle"][...] = finish.turns(z)
            parts = list(state.slope.T)
            if self._conjugate and not self.julia and len(parts) == 4:
                parts[1], parts[3] = -parts[1], -parts[3]
            slope = np.asarray(np.where(inside, np.nan, finish.complex_slope(z, parts)))
            if "derivative" in out:
                out["derivative"][...] = slope
            if "distance" in out:
                out["distance"][...] = finish.distance(z, slope)
            if "normal" in out:
                out["normal"][...] = finish.normal(z, slope, self._view)


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Where points are; see `walk` and `far`."""

    count: Integers
    place: Integers
    value: Floats
    slope: Floats
    power: Integers

    @classmethod
    def fresh(cls, points: int, place: int, slopes: int) -> _State:
        """Put points at the start of the orbit."""
        integers = np.zeros(points, np.int64), np.full(points, place)
        power = np.zeros((points, 2), np.int64)
        return cls(*integers, np.zeros((points, 2)), np.zeros((points, slopes)), power)

    @property
    def arrays(self) -> tuple[Integers, Integers, Floats, Floats]:
        """What both walks take."""
        return self.count, self.place, self.value, self.slope

    def land(self) -> None:
        """Bring all numbers to float64."""
        power = np.maximum(self.power, -4000).astype(np.int32)
        np.ldexp(self.value, power[:, :1], out=self.value)
        np.ldexp(self.slope, power[:, 1:], out=self.slope)
        self.power[...] = 0


def _part_of(crew: Crew, top: int, end: int, rows: int) -> Crew:
    """Let the rows of a band tell of themselves as a part of the whole."""
    tell: Callable[[float, str], object] | None = crew.progress
    if tell is None:
        return crew

    def progress(fraction: float, text: str) -> None:
        done = top + (end - top) * fraction
        tell(done / rows, f"rows {int(done)}/{rows}")

    return replace(crew, progress=progress)
