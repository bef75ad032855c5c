"""Deep zoom of any polynomial formula, at any depth, and of every field."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.deep.approximation import FIELDS, NEED_SLOPE, Pixels
from fraktal_kernel.fractals.deep.bends import Chained, chained, smallest_of
from fraktal_kernel.fractals.deep.branches import branched
from fraktal_kernel.fractals.deep.table import settled_values
from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.formulas.tape import Tape, evaluate
from fraktal_kernel.fractals.lanes import finish
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.reference.orbit import Orbit

SUMS = ("stripe", "triangle", "trap_point", "trap_cross", "trap_circle", "atom")
_BUDGET = 400_000


@lru_cache(maxsize=32)
def _walk(
    perturbed: Tape,
    jacobian: Tape,
    order: int,
    folds: bool,
    parameters: tuple[str, ...],
    keeps: bool,
    deep: bool,
) -> Kernel:
    orbit = "float64[:, ::1], float64[:, ::1], int64[::1], int64[::1], float64[:, ::1]"
    table = "float64[:, ::1], float64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1]"
    state = "int64[::1], int64[::1], float64[:, ::1], float64[:, ::1], int64[:, ::1]"
    return Kernel(
        "fraktal_kernel.fractals.deep.tapes",
        "tapes",
        f"boolean({orbit}, {table}, float64[::1], float64[::1], int64, int64, int64, int64[::1], "
        f"int64, boolean, {state}, float64[:, ::1], int64[::1], int64)",
        args=(perturbed, jacobian, order, folds, parameters, keeps, deep),
    )


class Stepwise:
    """Perturbation by the tapes of a formula, for formulas and fields that `Approximation` is not.

    Segments of the orbit are skipped where they are linear, unless a field sums over every step.

    Parameters
    ----------
    orbit : of the reference
    c : the reference, in float64; of a Julia set, its constant
    pixels, max_iter : as for `Approximation`
    formula : a polynomial one
    critical : of a Julia set the orbit of the critical point, to which points go over that come
        near it; ``orbit`` is then that of the centre of the view
    """

    fields = (*FIELDS, *SUMS)

    def __init__(
        self,
        orbit: Orbit,
        c: complex,
        pixels: Pixels,
        max_iter: int,
        *,
        formula: Formula,
        critical: Orbit | None = None,
    ) -> None:
        if formula.perturbed is None or formula.deep_jacobian is None:
            raise InvalidInput(
                f"{formula.called:.60} is no polynomial, which a view beyond float64 needs; choose "
                "a wider view or fewer pixels."
            )
        self.pixels, self.max_iter, self.formula = pixels, max_iter, formula
        self.julia = critical is not None
        # An orbit that remembers goes on beside its own start, for no other state is like it.
        both = critical is not None and not formula.remembers
        self._orbits = [critical, orbit] if both and critical is not None else [orbit]
        self._c, self._order = c, 4 if formula.remembers else 2
        known = formula.values | {"cr": c.real, "ci": c.imag}
        begin = evaluate(formula.begin, [known[name] for name in formula.begin.inputs])
        self._origin = complex(*begin[:2]) if formula.drifts else complex(formula.centre)
        near = [branched(formula, one) for one in self._orbits]
        self._origins = [self._origin, *max((one.origins for one in near), key=len)[1:]]
        slope = [1.0, 0.0, 0.0, 1.0] if self.julia else begin[2:]
        if len(slope) == 2:
            slope = [slope[0], -slope[1], slope[1], slope[0]]
        self._begins = slope
        self._smallest_bits = smallest_of(formula)
        self.deep = pixels.exponent < self._smallest_bits
        self._lasts = []
        for one in self._orbits:
            # No segment goes beyond half of the radius, so that no point leaves unseen.
            beyond = np.flatnonzero(np.abs(one.z + self._origin) > formula.escape_radius / 2)
            last = int(beyond[0]) - 1 if len(beyond) else len(one.z) - 1
            self._lasts.append(max(1, last))
        self._branches = [one.branch[: k + 1] for one, k in zip(near, self._lasts, strict=True)]
        self._orbits = [one.orbit for one in near]
        values = [one.z[: k + 1] for one, k in zip(self._orbits, self._lasts, strict=True)]
        self._orbit = np.concatenate(values).view(np.float64).reshape(-1, 2)
        self._far_orbit = np.zeros((1, 2)), np.zeros(1, np.int64)
        if self.deep:
            pairs = zip(self._orbits, self._lasts, strict=True)
            far = [settled_values(one, last) for one, last in pairs]
            self._far_orbit = (
                np.concatenate([m for m, _ in far]),
                np.concatenate([e for _, e in far]),
            )

    @cached_property
    def _segments(self) -> Chained:
        """The segments of the orbits, for fields that allow to skip some."""
        return chained(
            *(self.formula, self._orbits, self._lasts, self._c),
            [np.array(self._origins)[branch] for branch in self._branches],
            self.pixels,
            self.julia,
        )

    @property
    def method(self) -> str:
        """How it is computed, in words."""
        words = ["perturbation of each step"]
        if "_segments" in self.__dict__ and self._segments.stages:
            many = self._segments.stages
            words = ["perturbation", f"linear approximation in {many} stage{'s' * (many > 1)}"]
        return ", ".join(words + ["extended exponents"] * self.deep)

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
        rows, width = next(iter(out.values())).shape
        slopes = any(name in out for name in NEED_SLOPE)
        keeps = any(name in out for name in SUMS)
        pixels, formula = self.pixels, self.formula
        size, exponent = pixels.size, pixels.exponent
        if not self.deep:
            size, exponent = math.ldexp(size, exponent), 0
        table = Chained.none() if keeps else self._segments
        starts = [0, *np.cumsum([last + 1 for last in self._lasts])[:-1].tolist()]
        ends = [start + last for start, last in zip(starts, self._lasts, strict=True)]
        marks = np.array([0, table.root, ends[0], ends[-1], starts[0], starts[-1]])
        place = starts[-1] if keeps else table.start
        bends = [self._bend_at(origin) for origin in self._origins]
        origins = np.array([[z.real, z.imag, k.real, k.imag]
                            for z, k in zip(self._origins, bends, strict=True)])  # fmt: skip
        plane = np.array(
            [
                *(*pixels.corner, *pixels.matrix, 0.0 if self.julia else size, size),
                *(formula.escape_radius**2, self._c.real, self._c.imag),
                *self._begins,
            ]
        )
        values = formula.values
        numbers = np.array([*values.values(), 0.0])
        kernel = _walk(
            *(formula.perturbed, formula.deep_jacobian, self._order, not formula.holomorphic),
            *(tuple(values), keeps, self.deep),
        )
        fixed = (
            *(self._orbit, *self._far_orbit, np.concatenate(self._branches), origins),
            *(table.segments, table.wide, table.wide_exponents),
            *(table.links, marks, plane, numbers, exponent, self._smallest_bits, pixels.width),
        )

        def work(spans: Iterator[tuple[int, int]], stop: threading.Event) -> int:
            taken = 0
            for top, end in spans:
                many = (end - top) * width
                count, places = np.zeros(many, np.int64), np.full(many, place)
                value, slope = np.zeros((many, 4)), np.zeros((many, 8))
                powers = np.zeros((many, 2), np.int64)
                kept = np.zeros((many if keeps else 1, 9))
                kept[:, 4:7], kept[:, 7] = np.inf, -1.0
                points = np.arange((row + top) * width, (row + end) * width)
                counters, done = np.zeros(3, np.int64), False
                while not done:
                    if stop.is_set():
                        return taken
                    counters[:2] = 0
                    done = kernel(
                        *(*fixed, points, self.max_iter, slopes, count, places),
                        *(value, slope, powers, kept, counters, _BUDGET),
                    )
                    taken += int(counters[:2].sum())
                part = {name: array[top:end].reshape(-1) for name, array in out.items()}
                z = np.ascontiguousarray(value[:, :2])
                self._finish(part, count, z, slope[:, :4], kept)
            return taken

        return (crew or Crew()).share(work, rows)

    def _bend_at(self, origin: complex) -> complex:
        """Say how the derivative by z, which vanishes there for the reference, follows c."""
        formula = self.formula
        if not formula.drifts or self.julia or formula.slope_tape is None:
            return 0j
        tape, c = formula.slope_tape, self._c
        known = formula.values | {"cr": c.real, "ci": c.imag}
        known |= {"origin()r": origin.real, "origin()i": origin.imag}
        return complex(*evaluate(tape, [known[name] for name in tape.inputs]))

    def _finish(
        self, out: Mapping[str, Any], count: Any, value: Any, slope: Any, kept: Any
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
