"""Counts in lanes, against a walk in plain complex numbers, for every kind of formula."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from fraktal_kernel.fractals import Stopped
from fraktal_kernel.fractals.formulas.families import formula_of, formulas
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.lanes.body import QUADRATIC
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.recipe import body_of, task_of
from fraktal_kernel.fractals.lanes.rows import INSIDE, PERIOD, TO_DO
from fraktal_kernel.fractals.lanes.task import Part, Task, count
from fraktal_kernel.fractals.view import View
from tests.fractals.lanes.plain import FORMULAS, Plain, counted, points_of

SIZE = (41, 29)
# Orbits of these wander for long before they leave: rounding decides when.
CHAOTIC = {"ship", "inverse square"}


def walked(task: Task, **options: object) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Count a picture: counts, continuous counts, last z, steps."""
    shape = task.size[::-1]
    counts = np.full(shape, TO_DO, np.int64)
    smooth, last = np.full(shape, np.nan), np.full(shape, np.nan, np.complex128)
    steps = count(task, counts, smooth=smooth, last=last, crew=Crew(2), **options)  # type: ignore[arg-type]
    return counts, smooth, last, steps


@pytest.mark.parametrize("seed", [None, 0.31 - 0.17j])
@pytest.mark.parametrize("name", FORMULAS)
def test_counts_agree_with_a_plain_walk(name: str, seed: complex | None) -> None:
    """Escaping, converging, remembering, folding and dividing formulas count as definitions say."""
    plain: Plain = FORMULAS[name]
    task = plain.task(SIZE, max_iter=40 if name in CHAOTIC else 150, seed=seed)
    counts, smooth, last, _ = walked(task)
    n, expected, orbits = counted(plain, task)
    same = np.where(counts <= INSIDE, -1, counts) == n
    assert same.mean() > (0.995 if name in CHAOTIC else 0.999)
    # Later, rounding may have grown so much that walks part, though they end together.
    known = same & (n >= 0) & (n < 80) & np.isfinite(expected)
    accuracy = 1e-3 if plain.body.converges else 1e-7
    assert np.allclose(smooth[known], expected[known], rtol=0, atol=accuracy)
    assert np.isnan(smooth[same & (n < 0)]).all()
    early = known & (n < 12) & (np.abs(last) < 1e7)
    ends = np.array(
        [[zs[k] for zs, k in zip(*pair, strict=True)] for pair in zip(orbits, n, strict=True)]
    )
    assert np.allclose(last[early], ends[early], rtol=1e-8, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("max_iter", [1, 2, 7, 8, 9, 15, 16, 17, 33])
@pytest.mark.parametrize("name", ["cubic", "newton", "lambda"])
def test_every_limit_is_kept_exactly(name: str, max_iter: int) -> None:
    """A point is inside if and only if it needs more steps than allowed, at block edges too."""
    task = FORMULAS[name].task(SIZE, max_iter=max_iter)
    n, _, _ = counted(FORMULAS[name], task)
    assert np.array_equal(np.where(walked(task)[0] <= INSIDE, -1, walked(task)[0]), n)


@pytest.mark.parametrize("name", FORMULAS)
def test_looking_for_cycles_changes_no_count(name: str) -> None:
    """Points whose orbit came back are those that never end, found with less work."""
    task = FORMULAS[name].task((61, 43), max_iter=1500)
    without, smooth, _, steps = walked(task)
    counts, again, _, fewer = walked(replace(task, skip=PERIOD))
    assert np.array_equal(counts <= INSIDE, without <= INSIDE)
    outside = counts >= 0
    assert np.array_equal(counts[outside], without[outside])
    assert np.array_equal(smooth, again, equal_nan=True)
    assert fewer <= steps


@pytest.mark.parametrize("name", ["quadratic", "newton", "phoenix"])
def test_parts_bands_and_threads_are_the_whole(name: str) -> None:
    """Every third point first, rows on their own, one thread or five: always the same counts."""
    task = FORMULAS[name].task((40, 31), skip=PERIOD)
    whole = walked(task)[0]
    ends = np.where(whole <= INSIDE, INSIDE, whole)
    counts = np.full((31, 40), TO_DO, np.int64)
    count(task, counts, part=Part(first=1, step=3), crew=Crew(1))
    assert (counts[1::3, 1::3] != TO_DO).all()
    assert (counts[::3] == TO_DO).all()
    count(task, counts, crew=Crew(5))
    assert np.array_equal(np.where(counts <= INSIDE, INSIDE, counts), ends)
    band = np.full((7, 40), TO_DO, np.int64)
    count(task, band, row=11, crew=Crew(1))
    assert np.array_equal(np.where(band <= INSIDE, INSIDE, band), ends[11:18])


def test_the_matrix_turns_the_picture_counter_clockwise() -> None:
    """A quarter turn of a square picture turns its array; points follow the geometry."""
    geometry = Geometry(View("-0.4", "0.3", "2.5"), 40, 40, matrix_of(90))
    task = task_of(formulas["mandelbrot"], geometry, 100)
    assert np.allclose(points_of(task), geometry.points(), atol=1e-15)
    turned = walked(task)[0]
    straight = walked(replace(task, matrix=(1.0, 0.0, 0.0, 1.0)))[0]
    # What lies in the direction of the picture's right lies upwards in the plane.
    assert (np.rot90(turned) == straight).mean() > 0.99


def test_points_of_a_skewed_view_are_those_of_the_geometry() -> None:
    """The counts of a skewed picture are the counts of its points, one by one."""
    geometry = Geometry(View("-0.4", "0.3", "2.5"), 31, 23, matrix_of(20, ((1, 0.4), (0, 1))))
    task = task_of(formulas["mandelbrot"], geometry, 100)
    n, _, _ = counted(FORMULAS["quadratic"], task)
    counts = walked(task)[0]
    assert (np.where(counts <= INSIDE, -1, counts) == n).mean() > 0.998


def test_numbers_below_all_others_cost_nothing() -> None:
    """An orbit that tends to 0 goes on at full speed when its z can hardly be written any more."""
    cubic = formula_of("z**3 + c*z", start="0.1")
    geometry = Geometry(View("0", "0", "0.5"), 64, 64)

    def seconds(max_iter: int) -> float:
        began = time.process_time()
        walked(task_of(cubic, geometry, max_iter, shortcuts=()))
        return time.process_time() - began

    seconds(10)
    short = min(seconds(200) for _ in range(3))
    assert min(seconds(4000) for _ in range(3)) < 200 * short


def test_the_named_mandelbrot_is_the_kernel_that_pictures_use() -> None:
    """One compiled kernel serves the explorer and everything else."""
    assert body_of(formulas["mandelbrot"]) == QUADRATIC


@pytest.mark.parametrize("text", [*formulas, "z**3 + c*z", "z**-2 + c", "c*sin(z)", "c*exp(z)"])
def test_every_formula_has_a_task_that_runs(text: str) -> None:
    """Named or typed: it compiles, counts, and the whole range of counts makes sense."""
    geometry = Geometry(View("0.1", "0.2", "4"), 20, 15)
    task = task_of(formula_of(text), geometry, 60)
    counts, smooth, last, _ = walked(task)
    assert (counts != TO_DO).all()
    assert counts.max() <= 60
    assert not np.isnan(smooth[counts >= 0]).any()
    assert (smooth[counts >= 0] >= 0).all()
    left = np.abs(last[(counts >= 0)]) > task.radius
    assert task.body.converges or left.mean() > 0.9 or text in ("z**-2 + c",)


def test_what_may_come_back_is_tested_at_every_step() -> None:
    """Where a large z may shrink again no step goes untested."""
    view = Geometry(View("0.2", "0.1", "4"), 20, 15)
    for text, checked in [("z**2 + c", False), ("z**-2 + c", True), ("c*sin(z)", True)]:
        assert task_of(formula_of(text), view, 50).body.checked is checked
    assert task_of(formula_of("lambda"), view, 50).body.checked
    away = Geometry(View("2", "0", "1"), 20, 15)
    assert not task_of(formula_of("lambda"), away, 50).body.checked


def test_parameters_compile_nothing_anew() -> None:
    """Another value of a parameter is another number, not another kernel."""
    view = Geometry(View("0", "0", "3"), 20, 15)
    a, b = (task_of(formula_of("phoenix", {"p": p}), view, 80) for p in (-0.5, -0.45))
    assert a.body == b.body
    assert not np.array_equal(walked(a)[0], walked(b)[0])


def test_a_long_walk_stops_when_asked() -> None:
    """Cancelling takes effect at once, also where functions of the library are called."""
    task = task_of(formula_of("c*sin(z)"), Geometry(View("0", "0", "1"), 300, 300), 10**7, None, ())
    asked: list[float] = []

    def cancelled() -> bool:
        if time.monotonic() > began + 0.2:
            asked.append(time.monotonic())
        return bool(asked)

    counts = np.full((300, 300), TO_DO, np.int64)
    count(replace(task, max_iter=1), counts.copy(), crew=Crew())  # compiled before time counts
    began = time.monotonic()
    with pytest.raises(Stopped):
        count(task, counts, crew=Crew(cancelled=cancelled))
    assert math.isfinite(asked[0])
