"""The two walks over the points of a picture, on a card: what `lanes.task` does with lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from fraktal_kernel.fractals.gpu.orbit import STRIDE, orbit_of
from fraktal_kernel.fractals.gpu.rounds import THREADS, in_rounds
from fraktal_kernel.fractals.gpu.sweep import smooth_of, sweep_of
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.fill import Walks
from fraktal_kernel.fractals.lanes.rows import INSIDE, TO_DO
from fraktal_kernel.fractals.lanes.tally import Tally
from fraktal_kernel.fractals.lanes.task import Task

_BAND_POINTS = 2_000_000


def walks_of(single: bool = False) -> Walks:
    """Give the walks in float64, or the first of them in float32."""

    def in_kind(*args: Any, **more: Any) -> int:
        return count(*args, single=single, **more)

    return Walks(in_kind, remember, _BAND_POINTS)


def count(
    task: Task,
    counts: NDArray[np.int64],
    *,
    smooth: NDArray[np.float64] | None = None,
    last: NDArray[np.complex128] | None = None,
    row: int = 0,
    crew: Crew,
    single: bool = False,
) -> int:
    """Count the steps of all points that are `TO_DO`, and give the sum.

    Parameters
    ----------
    task, counts, smooth, last, row : as in `lanes.task.count`
    crew : whom to tell, and who may stop it
    single : whether to compute in float32; continuous counts follow in float64
    """
    kind = np.float32 if single else np.float64
    body, flat = task.body, counts.reshape(-1)
    sweep = sweep_of(body, single)
    z = cuda.device_array((body.carried, flat.size), kind)
    steps = cuda.to_device(np.zeros(flat.size, np.int32))
    found = cuda.to_device(flat)
    ends = cuda.to_device(task.ends())
    plane, numbers = cuda.to_device(task.plane(row)), cuda.to_device(task.numbers().astype(kind))
    told = task.seed is not None, task.skip, counts.shape[1], task.max_iter

    def launch(grid: Any, *given: Any) -> None:
        sweep[grid](*given, z, steps, found, plane, ends, numbers, *told)

    todo = np.flatnonzero(flat == TO_DO)
    in_rounds(launch, todo.astype(np.int32), body.block, task.max_iter, crew)
    found.copy_to_host(flat)
    if smooth is not None:
        nu = cuda.device_array(flat.size, np.float64)
        grid = -(-flat.size // THREADS), THREADS
        smooth_of(body.escapes, body.converges)[grid](z, found, ends, nu)
        nu.copy_to_host(smooth.reshape(-1))
    if last is not None:
        parts = z.copy_to_host()
        last.reshape(-1)[todo] = parts[0, todo] + 1j * parts[1, todo]
    known = flat[todo]
    return int(np.where(known >= 0, known, INSIDE - known).sum())


def remember(
    task: Task,
    tally: Tally,
    counts: NDArray[np.int64],
    *,
    inside_too: bool = False,
    row: int = 0,
    crew: Crew,
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Walk again and give what a tally keeps, by name, and the steps that it took.

    Parameters
    ----------
    task, tally, counts, inside_too, row : as in `lanes.task.remember`
    crew : whom to tell, and who may stop it
    """
    orbit, flat = orbit_of(tally), counts.reshape(-1)
    ends = np.where(flat <= INSIDE, INSIDE - flat if inside_too else -1, flat)
    todo = np.flatnonzero(ends >= 0)
    at_first = np.array([*tally.first.values()])
    kept = cuda.to_device(np.repeat(at_first[:, None], flat.size, axis=1))
    z = cuda.device_array((task.body.carried, flat.size), np.float64)
    steps = cuda.to_device(np.zeros(flat.size, np.int32))
    given = cuda.to_device(ends), cuda.to_device(task.plane(row)), cuda.to_device(task.numbers())
    told = task.seed is not None, counts.shape[1]

    def launch(grid: Any, *asked: Any) -> None:
        orbit[grid](*asked, z, kept, steps, *given, *told)

    longest = int(ends.max(initial=0))
    in_rounds(launch, todo.astype(np.int32), STRIDE, longest, crew)
    values = np.full((len(at_first), flat.size), np.nan)
    values[:, todo] = kept.copy_to_host()[:, todo]
    parts = {name: values[k].reshape(counts.shape) for k, name in enumerate(tally.first)}
    return parts, int(ends[todo].sum())
