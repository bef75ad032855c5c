"""Deep zoom of any polynomial formula, step by step: every field, in float64's range."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.deep.approximation import FIELDS, NEED_SLOPE, Pixels
from fraktal_kernel.fractals.deep.table import Floats, Orbit
from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.formulas.tape import Tape, evaluate
from fraktal_kernel.fractals.lanes import finish
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.machine import Kernel

SUMS = ("stripe", "triangle", "trap_point", "trap_cross", "trap_circle", "atom")
_BUDGET = 2_000_000
DEEPEST_BITS = -900


@lru_cache(maxsize=32)
def _plain(
    perturbed: Tape, jacobian: Tape, folds: bool, parameters: tuple[str, ...], keeps: bool
) -> Kernel:
    state = "int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1]"
    return Kernel(
        "fraktal_kernel.fractals.deep.plain",
        "plain",
        "boolean(float64[:, ::1], float64[::1], float64[::1], int64, int64[::1], int64, boolean, "
        f"{state}, int64[::1], int64)",
        args=(perturbed, jacobian, folds, parameters, keeps),
    )


class Stepwise:
    """Perturbation of every single step, for formulas and fields that segments are not for.

    Parameters
    ----------
    orbit : of the reference
    c : the reference, in float64
    pixels, max_iter : as for `Approximation`
    formula : a polynomial one
    """

    fields = (*FIELDS, *SUMS)

    def __init__(
        self, orbit: Orbit, c: complex, pixels: Pixels, max_iter: int, *, formula: Formula
    ) -> None:
        if formula.perturbed is None or formula.deep_jacobian is None or formula.remembers:
            raise InvalidInput(
                f"{formula.name} is no polynomial of z and c alone, which a view beyond float64 "
                "needs; choose a wider view or fewer pixels."
            )
        if pixels.exponent < DEEPEST_BITS:
            raise InvalidInput(
                f"a pixel is 2**{pixels.exponent} wide; {formula.name} and these fields go down "
                f"to 2**{DEEPEST_BITS}, choose a wider view or other fields."
            )
        self.pixels, self.max_iter, self.formula = pixels, max_iter, formula
        beyond = np.flatnonzero(np.abs(orbit.z) > formula.escape_radius)
        last = int(beyond[0]) if len(beyond) else len(orbit.z) - 1
        self._orbit = np.ascontiguousarray(orbit.z[: last + 1]).view(np.float64).reshape(-1, 2)
        values = formula.values
        names = tuple(values)
        self._numbers = np.array([*values.values(), 0.0])
        self._tapes = formula.perturbed, formula.jacobian, not formula.holomorphic, names
        begin = formula.begin
        known = values | {"cr": c.real, "ci": c.imag}
        slope = evaluate(begin, [known[name] for name in begin.inputs])[2:]
        if len(slope) == 2:
            slope = [slope[0], -slope[1], slope[1], slope[0]]
        centre = complex(formula.centre)
        self._tail = [c.real, c.imag, centre.real, centre.imag, *slope]

    @property
    def method(self) -> str:
        """How it is computed, in words."""
        return "perturbation of each step"

    def fill(
        self, out: Mapping[str, NDArray[Any]], *, row: int = 0, crew: Crew | None = None
    ) -> int:
        """Compute fields of some rows of a picture, and give the steps that they took.

        Parameters
        ----------
        out : contiguous arrays [rows, width] by the names of their fields, filled in place
        row : which row of the picture the first is
        crew : who does it
        """
        rows, width = next(iter(out.values())).shape
        slopes = any(name in out for name in NEED_SLOPE)
        keeps = any(name in out for name in SUMS)
        pixels = self.pixels
        size = math.ldexp(pixels.size, pixels.exponent)
        radius2 = self.formula.escape_radius**2
        plane = np.array([*pixels.corner, *pixels.matrix, size, radius2, 0.0, *self._tail])
        kernel = _plain(*self._tapes, keeps)

        def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
            taken = 0
            for top, end in spans:
                many = (end - top) * width
                count, place = np.zeros((2, many), np.int64)
                value, slope = np.zeros((many, 2)), np.zeros((many, 4))
                kept = np.zeros((many if keeps else 1, 9))
                kept[:, 4:7], kept[:, 7] = np.inf, -1.0
                points = np.arange((row + top) * width, (row + end) * width)
                counters, done = np.zeros(3, np.int64), False
                while not done:
                    if stop.is_set():
                        return taken
                    counters[0] = 0
                    done = kernel(
                        *(self._orbit, plane, self._numbers, pixels.width, points, self.max_iter),
                        *(slopes, count, place, value, slope, kept, counters, _BUDGET),
                    )
                    taken += int(counters[0])
                part = {name: array[top:end].reshape(-1) for name, array in out.items()}
                self._finish(part, count, value, slope, kept)
            return taken

        return (crew or Crew()).share(work, rows)

    def _finish(
        self, out: Mapping[str, Any], count: Any, value: Floats, slope: Floats, kept: Floats
    ) -> None:
        """Make fields of what the walk left behind."""
        formula = self.formula
        inside = count < 0
        z = np.asarray(np.where(inside, np.nan, value.view(np.complex128)[:, 0]))
        with np.errstate(all="ignore"):
            folds = np.log(np.log(np.abs(z)) / math.log(2)) / math.log(formula.degree)
            smooth = np.maximum(count + (1 - folds), 0.0)
            parts = slope.T if not formula.holomorphic else slope.T[[0, 2]]
            turned = finish.complex_slope(z, list(parts))
            turned = np.asarray(np.where(inside, np.nan, turned))
            made: dict[str, Any] = {
                "iterations": np.where(inside, self.max_iter, count),
                "smooth": smooth,
                "z": z,
                "angle": finish.turns(z),
                "derivative": turned,
                "distance": finish.distance(z, turned),
                "normal": finish.normal(z, turned, self.pixels.matrix),
            }
            if any(name in out for name in SUMS):
                part = finish.part_of_step(smooth, count, formula.escape_radius, formula.degree)
                columns = kept.T
                for k, name in ((0, "stripe"), (2, "triangle")):
                    mean = finish.average(columns[k], columns[k + 1], count, part)
                    made[name] = np.where(inside, np.nan, mean)
                named = dict(
                    point2=columns[4], cross=columns[5], circle_out2=columns[6],
                    circle_in2=columns[7],
                )  # fmt: skip
                made |= finish.traps(named)
                made["atom"] = columns[8]
        for name, array in out.items():
            array[...] = made[name]
