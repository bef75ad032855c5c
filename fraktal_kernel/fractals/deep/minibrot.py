"""Where one segment holds for the whole picture, each period is one step of ``w*w + c'``.

With ``w = A z``, the segment ``z' = Z_p + A z**2 + B (c - C)`` becomes ``w' = w**2 + c'`` where
``c' = A Z_p + A B (c - C)``: the picture is a small copy of the Mandelbrot set, and is computed
like the large one, in float64 lanes, until a point leaves the disc in which the segment holds.
Imagina calls this AT.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.deep.table import NEAR_BITS, NOWHERE, Table
from fraktal_kernel.fractals.formulas import formulas
from fraktal_kernel.fractals.lanes.body import QUADRATIC
from fraktal_kernel.fractals.lanes.fill import LANES, Walks
from fraktal_kernel.fractals.lanes.rows import BULB, CARDIOID, DISCS, INSIDE, PERIOD, TO_DO
from fraktal_kernel.fractals.lanes.tally import Tally
from fraktal_kernel.fractals.lanes.task import Task, cycles

if TYPE_CHECKING:
    from fraktal_kernel.fractals.deep.approximation import Pixels
    from fraktal_kernel.fractals.lanes.crew import Crew

# The square of the first power that is left out may be so small a part of what is kept.
_LEFT_OUT_BITS = 32
# Neighbours must be so far apart in c' that float64 tells them well apart.
_SPACING_BITS = -40
_WIDEST = 1e50
_FAR_OUT = 8.0


@dataclass(frozen=True, slots=True)
class Minibrot:
    """A small copy of the set that the whole picture lies in.

    Parameters
    ----------
    period : steps of ``z*z + c`` in one of ``w*w + c'``
    centre, stretch : c' at the reference, and how much of c' a pixel is
    radius : of the disc in which w may lie
    scale, scale_exponent : A
    slope, slope_exponent : B for the size of a pixel
    steps : at most so many of ``w*w + c'``
    skip : what may be skipped, as bits
    walks : who does them
    """

    period: int
    centre: complex
    stretch: complex
    radius: float
    scale: complex
    scale_exponent: int
    slope: complex
    slope_exponent: int
    steps: int
    skip: int = CARDIOID | BULB | PERIOD | DISCS
    walks: Walks = LANES

    def begin(
        self, pixels: Pixels, row: int, rows: int, slopes: bool, inside: bool, crew: Crew
    ) -> Begun:
        """Iterate w for some rows of a picture; say whether derivatives, or cycles, are wanted."""
        a, b, c, d = pixels.matrix
        turn = np.array([[self.stretch.real, -self.stretch.imag],
                         [self.stretch.imag, self.stretch.real]])  # fmt: skip
        matrix = turn @ np.array([[a, b], [c, d]])
        shift = self.stretch * complex(*pixels.offset)
        left, top, width, height = pixels.within or (0.0, 0.0, pixels.width, pixels.height)
        task = Task(
            body=QUADRATIC,
            centre=self.centre - shift,
            pixel=1.0,
            size=(width, height),
            max_iter=self.steps,
            matrix=tuple(map(float, matrix.ravel())),  # type: ignore[arg-type]
            radius=self.radius,
            skip=self.skip & PERIOD if inside else self.skip,
            left=left,
            top=top,
        )
        counts = np.full((rows, pixels.width), TO_DO, np.int64)
        last = np.zeros((rows, pixels.width), np.complex128)
        self.walks.count(task, counts, last=last, row=row, crew=crew)
        slope = np.zeros_like(last)
        period, far = np.zeros(counts.shape, np.int64), np.full(counts.shape, np.nan)
        if inside:
            known = formulas["mandelbrot"]
            tapes = known.jacobian, known.curvature
            cycles(task, *tapes, counts, last, period, far, row=row, crew=crew)
            period *= self.period
            far /= abs(self.stretch)
        if slopes:
            tally = Tally(QUADRATIC, ("derivative",), formulas["mandelbrot"].jacobian, None, False)
            kept, _ = self.walks.remember(task, tally, counts, row=row, crew=crew)
            slope = kept[tally.slope[0]] + 1j * kept[tally.slope[1]]
        started = counts.reshape(-1), last.reshape(-1), slope.reshape(-1)
        return Begun(self, *started, period.reshape(-1), far.reshape(-1))


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """Points that have left the disc, or are inside: where the walk goes on.

    Parameters
    ----------
    minibrot : of which they are points
    counts, last, slope : steps, w and its derivative where they left
    period, far : of the cycles of those inside, 0 and NaN where unknown; distances in pixels
    """

    minibrot: Minibrot
    counts: NDArray[np.int64]
    last: NDArray[np.complex128]
    slope: NDArray[np.complex128]
    period: NDArray[np.int64]
    far: NDArray[np.float64]

    def put(self, state: Any, points: slice) -> None:
        """Write some of them into a state."""
        own = self.minibrot
        counts = self.counts[points]
        inside = counts <= INSIDE
        state.count[...] = np.where(inside, -1, counts * own.period)
        state.place[inside] = -1
        state.value.view(np.complex128)[:, 0] = self.last[points] / own.scale
        state.slope.view(np.complex128)[:, 0] = self.slope[points] * own.slope
        state.power[...] = -own.scale_exponent, own.slope_exponent


def find(table: Table, pixels: Pixels, max_iter: int) -> Minibrot | None:
    """Find the longest segment from the start of the orbit that holds for the whole picture."""
    reach = math.ldexp(pixels.furthest[0] / pixels.size, pixels.furthest[1] - pixels.exponent)
    for begin, m, e in zip(table.begins[::-1], table.mantissas[::-1], table.exponents[::-1],
                           strict=True):  # fmt: skip
        period = int(begin[1])
        if e[0, 4] == NOWHERE or period > max_iter:
            continue
        a, b = complex(*m[0, 0:2]), complex(*m[0, 2:4]) * pixels.size
        a_e, b_e = int(e[0, 0]), int(e[0, 1]) + pixels.exponent
        end, end_e = complex(*table.orbit[period]), int(table.orbit_exponents[period])
        stretch, centre = _ordinary(a * b, a_e + b_e), _ordinary(a * end, a_e + end_e)
        if stretch is None or centre is None or abs(stretch) < 2.0**_SPACING_BITS:
            continue
        bits = 2 * (math.log2(abs(a)) + a_e) + math.log2(m[0, 8]) + int(e[0, 4])
        radius = 2.0 ** min((bits - (_LEFT_OUT_BITS - NEAR_BITS)) / 2, math.log2(_WIDEST))
        if abs(centre) - abs(stretch) * reach > _FAR_OUT:
            continue  # the copy itself is not in view, and all points would leave at once
        if radius < max(8.0, 2 * (abs(centre) + abs(stretch) * reach)):
            continue
        return Minibrot(period, centre, stretch, radius, a, a_e, b, b_e, max_iter // period)
    return None


def _ordinary(value: complex, exponent: int) -> complex | None:
    """Give ``value * 2**exponent`` if float64 can hold it well."""
    if value == 0:
        return 0j
    if not -900 < exponent < 900 or not cmath.isfinite(value):
        return None
    return value * 2.0**exponent
