"""All fields of a picture: which walks they need, band by band, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.basins import Basin
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.lanes import finish
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.rows import BULB, CARDIOID, DISCS, INSIDE, TO_DO
from fraktal_kernel.fractals.lanes.tally import Tally
from fraktal_kernel.fractals.lanes.task import Task, count, cycles, inward, remember
from fraktal_kernel.fractals.progress import apart

# Fields that need the second walk, and what it has to keep for them.
KEPT = {
    "distance": "derivative",
    "normal": "derivative",
    "derivative": "derivative",
    "stripe": "stripe",
    "triangle": "triangle",
    "trap_point": "point",
    "trap_cross": "cross",
    "trap_circle": "circle",
    "atom": "atom",
}
_EVERYWHERE = ("trap_point", "trap_cross", "trap_circle", "atom")
_INSIDE = ("period", "interior_distance")
_LAST = ("z", "angle", "distance", "normal", "derivative", "stripe", "triangle", *_INSIDE)


@dataclass(frozen=True, slots=True)
class Walks:
    """Who walks over the points of a picture, and how many of them at a time.

    Parameters
    ----------
    count, remember : called as those of `lanes.task` are, by name from the row on
    points : memory is held for so many
    """

    count: Callable[..., int]
    remember: Callable[..., tuple[dict[str, NDArray[np.float64]], int]]
    points: int


LANES = Walks(count, remember, 500_000)


@dataclass(frozen=True, slots=True)
class Slopes:
    """How a formula's values change: what derivatives are made from.

    Parameters
    ----------
    jacobian, start, folds : as `Tally` takes them
    curvature : from the inputs of the step to the derivatives of its slope by z, by z and by c;
        None where there are none, and then no distance inside is known
    branches : how often the multiplier takes each value within a component: for ``z**d + c``, in
        whose critical point d - 1 meet, as often
    """

    jacobian: Tape
    start: Tape | None = None
    folds: bool = False
    curvature: Tape | None = None
    branches: int = 1
    basin: Basin | None = None


def fill(
    out: Mapping[str, NDArray[Any]],
    task: Task,
    slopes: Slopes | None = None,
    *,
    row: int = 0,
    todo: NDArray[np.bool_] | None = None,
    crew: Crew | None = None,
    walks: Walks = LANES,
) -> int:
    """Compute fields of some rows of a picture, and give the steps that they took.

    Parameters
    ----------
    out : contiguous arrays [rows, width] by the names of their fields, filled in place
    task : the picture
    slopes : needed for distance, normal, derivative and interior distance
    row : which row of the picture the first is
    todo : which points to do, [rows, width], by default all; the others mean nothing afterwards
    walks : who walks; by default the lanes of the processor
    """
    crew = crew or Crew()
    rows, width = next(iter(out.values())).shape
    tall = max(1, walks.points // width)
    steps = 0
    for top in range(0, rows, tall):
        end = min(top + tall, rows)
        band = {name: array[top:end] for name, array in out.items()}
        chosen = None if todo is None else todo[top:end]
        share = _share_of(crew, top, end, rows)
        steps += _Band(band, task, slopes, row + top, share, walks).fill(chosen)
    return steps


def _share_of(crew: Crew, top: int, end: int, rows: int) -> Callable[[float, float], Crew]:
    """Let the walks of a band tell of it as a part of the whole."""

    def part(since: float, until: float) -> Crew:
        tell = crew.progress
        if tell is None:
            return crew

        def progress(fraction: float, text: str) -> None:
            done = top + (end - top) * (since + fraction * (until - since))
            tell(done / rows, f"rows {int(done)}/{rows}")

        return replace(crew, progress=progress)

    return part


class _Band:
    """Some rows: arrays that live no longer than them."""

    def __init__(
        self,
        out: Mapping[str, NDArray[Any]],
        task: Task,
        slopes: Slopes | None,
        row: int,
        crew: Callable[[float, float], Crew],
        walks: Walks,
    ) -> None:
        self.walks = walks
        self.out, self.slopes, self.row, self.crew = out, slopes, row, crew
        self.inside_too = any(name in out for name in _EVERYWHERE)
        self.task = replace(task, skip=skipped(task, out))
        self.kinds = tuple(dict.fromkeys(KEPT[name] for name in out if name in KEPT))

    def fill(self, todo: NDArray[np.bool_] | None = None) -> int:
        """Walk as often as the fields need it."""
        out, task = self.out, self.task
        shape = next(iter(out.values())).shape
        averages = "stripe" in out or "triangle" in out
        counts = np.full(shape, TO_DO, np.int64)
        if todo is not None:
            counts[~todo] = 0
        smooth = out.get("smooth")
        if smooth is None and averages:
            smooth = np.full(shape, np.nan)
        last = np.full(shape, np.nan, np.complex128) if set(_LAST) & set(out) else None
        more = bool(self.kinds) or any(name in out for name in _INSIDE)
        first = self.crew(0.0, 0.5 if more else 1.0)
        steps = self.walks.count(task, counts, smooth=smooth, last=last, row=self.row, crew=first)
        first.ask()
        inside = counts <= INSIDE
        if "iterations" in out:
            out["iterations"][...] = np.where(inside, task.max_iter, counts)
        if last is not None:
            self._cycles(counts, last)
        outside = None if last is None else np.where(inside, np.nan, last)
        kept: dict[str, Any] = {}
        if self.kinds:
            kept, again = self._again(counts)
            steps += again
        with np.errstate(all="ignore"):
            if outside is not None:
                self._of_the_last(outside, kept)
                if averages:
                    assert smooth is not None
                    self._averages(counts, smooth, outside, kept)
            for name, values in finish.traps(kept).items():
                out[name][...] = values
            if "atom" in kept:
                out["atom"][...] = kept["atom"]
        return steps

    def _again(self, counts: NDArray[np.int64]) -> tuple[dict[str, Any], int]:
        slopes = self.slopes
        if "derivative" in self.kinds and slopes is None:
            raise ValueError("derivatives were asked for, but not how the formula's values change.")
        tally = Tally(
            self.task.body,
            tuple(sorted(self.kinds)),
            slopes.jacobian if slopes and "derivative" in self.kinds else None,
            slopes.start if slopes and "derivative" in self.kinds else None,
            bool(slopes and slopes.folds and "derivative" in self.kinds),
        )
        self.slope_names = tally.slope
        crew = self.crew(0.5, 1.0)
        return self.walks.remember(
            self.task, tally, counts, inside_too=self.inside_too, row=self.row, crew=crew
        )

    def _cycles(self, counts: NDArray[np.int64], last: NDArray[np.complex128]) -> None:
        out = self.out
        if not any(name in out for name in _INSIDE):
            return
        slopes = self.slopes
        jacobian = curvature = None
        if slopes and not slopes.folds and not self.task.body.remembers:
            jacobian, curvature = slopes.jacobian, slopes.curvature
        period = out.get("period")
        if period is None:
            period = np.zeros(counts.shape, np.int64)
        edge = out.get("interior_distance") if curvature and self.task.seed is None else None
        cycles(
            *(self.task, jacobian, curvature, counts, last, period, edge),
            branches=slopes.branches if slopes else 1,
            row=self.row,
            crew=self.crew(0.5, 1),
        )
        if slopes and slopes.basin and "interior_distance" in out:
            far = out["interior_distance"]
            inward(self.task, slopes.basin, counts, far, self.row, self.crew(0.5, 1))

    def _of_the_last(self, z: NDArray[np.complex128], kept: Mapping[str, Any]) -> None:
        """Make the fields that follow from the last z and its derivative."""
        out, task = self.out, self.task
        if "z" in out:
            out["z"][...] = z
        if "angle" in out:
            out["angle"][...] = self._apart(lambda: finish.turns(z))
        if "derivative" not in self.kinds:
            return
        parts = [kept[name] for name in self.slope_names]
        slope = self._apart(lambda: finish.complex_slope(z, parts))
        if "derivative" in out:
            out["derivative"][...] = np.where(np.isnan(z), np.nan, slope)
        # Where a point came to rest there is no way out, along which these are measured.
        left = self._apart(lambda: np.where(np.abs(z) > task.radius, z, np.nan))
        if "distance" in out:
            out["distance"][...] = self._apart(lambda: finish.distance(left, slope))
        if "normal" in out:
            out["normal"][...] = self._apart(lambda: finish.normal(left, slope, task.matrix))

    def _apart(self, work: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Work on all points at once, which takes longer than a cancel may."""
        return apart(work, self.crew(0.5, 1.0).cancelled)

    def _averages(
        self,
        counts: NDArray[np.int64],
        smooth: NDArray[np.float64],
        z: NDArray[np.complex128],
        kept: Mapping[str, Any],
    ) -> None:
        task = self.task
        part = finish.part_of_step(smooth, counts, task.radius, task.degree)
        if task.body.converges:
            part = np.where(np.abs(z) > task.radius, part, np.clip(smooth - counts + 1, 0, 1))
        for name in ("stripe", "triangle"):
            if name in self.out:
                found = kept[f"{name}_sum"], kept[f"{name}_term"], counts, part
                mean = self._apart(partial(finish.average, *found))
                self.out[name][...] = np.where(counts >= 0, mean, np.nan)


def skipped(task: Task, names: Collection[str]) -> int:
    """Say what may be skipped for some fields: what is known without a step has no orbit."""
    needed = any(name in names for name in (*_EVERYWHERE, *_INSIDE))
    return task.skip & ~(CARDIOID | BULB | DISCS) if needed else task.skip


def fields_that_need_slopes(names: Collection[str]) -> bool:
    """Say whether any of these fields is made from derivatives."""
    return any(KEPT.get(name) == "derivative" or name == "interior_distance" for name in names)
