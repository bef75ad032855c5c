"""How fast an NVIDIA card iterates: beside what it could do at best, and beside the processor.

The best is the number of its multiply-adds a second: arithmetic units by compute capability (CUDA
C++ Programming Guide, "Arithmetic Instructions") times multiprocessors times the highest clock. One
``z*z + c`` is four such operations. The view is heavy with interior and no shortcut is taken.
Without a card it says so and ends. The rows that it writes to the standard error are kept in
``benchmarks/gpu.md``.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from fraktal_kernel.errors import Unavailable
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.fields import empty_fields
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.gpu.card import Card, card, likely, simulation
from fraktal_kernel.fractals.lanes.crew import Crew, worker_count
from fraktal_kernel.fractals.lanes.fill import fill
from fraktal_kernel.fractals.lanes.recipe import task_of
from fraktal_kernel.fractals.lanes.task import Task
from fraktal_kernel.fractals.view import View

VIEW = View("-0.25", "0", "1.6")
SIZE, MAX_ITER, ROUNDS = (2400, 1500), 1_000_000, 5
SMALLER = 8  # as large is each side of the processor's picture
OPERATIONS = 4
PICTURE = (1600, 1200)
LOCATIONS = Path(__file__).with_name("locations.json")
DEEP = ("minibrot_e21", "burning_ship_e101", "dinkydau_flake_e157")
SEAHORSE = {"re": "-0.7436438870371587", "im": "0.13182590420531197", "width": "1e-2"}


def task_for(formula: str, width: int, height: int) -> Task:
    """Say what is counted, without shortcuts."""
    return task_of(formula_of(formula), Geometry(VIEW, width, height), MAX_ITER, None, ())


def seconds(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Give the median of some rounds, after one that compiles."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def rate_on_card(formula: str, single: bool) -> float:
    """Give the steps a second of a card."""
    from fraktal_kernel.fractals.gpu.walks import walks_of

    task, walks = task_for(formula, *SIZE), walks_of(single)
    out, steps = empty_fields(("iterations",), SIZE[1], SIZE[0]), 0

    def work() -> None:
        nonlocal steps
        steps = fill(out, task, crew=Crew(), walks=replace(walks, points=SIZE[0] * SIZE[1]))

    took = seconds(work)
    return steps / took


def rate_on_processor(formula: str) -> float:
    """Give the steps a second of all cores."""
    width, height = SIZE[0] // SMALLER, SIZE[1] // SMALLER
    task = task_for(formula, width, height)
    out, steps = empty_fields(("iterations",), height, width), 0

    def work() -> None:
        nonlocal steps
        steps = fill(out, task, crew=Crew())

    took = seconds(work)
    return steps / took


def measure(found: Card) -> list[dict[str, Any]]:
    """Measure all figures."""
    cores = f"{worker_count(None)} cores of the processor"
    figures = []
    processor = rate_on_processor("mandelbrot")
    for bits in (64, 32):
        rate = rate_on_card("mandelbrot", bits == 32)
        best = found.peak(bits == 32)
        figures.append(
            {
                "figure": f"gpu_f{bits}_limit",
                "value": rate,
                "unit": "iterations/s",
                "peer": "multiply-adds that the card can do at best",
                "ratio": OPERATIONS * rate / best if best else None,
            }
        )
        figures.append(
            {
                "figure": f"gpu_f{bits}_speed_up",
                "value": rate,
                "unit": "iterations/s",
                "peer": f"{cores}, float64",
                "ratio": rate / processor,
            }
        )
    given = {"size": PICTURE, "max_iter": 25_000, "fields": ("smooth",), **SEAHORSE}
    for name, formula in (("seahorse", "mandelbrot"), ("typed", "z**3 + c*z")):
        here, there = (
            seconds(lambda d=device, f=formula: compute(f, device=d, **given), 3)
            for device in ("cuda", "cpu")
        )
        figures.append(
            {
                "figure": f"gpu_{name}",
                "value": here,
                "unit": "s",
                "peer": f"{cores}, with the same shortcuts",
                "ratio": there / here,
            }
        )
    # Deep views are timed with their orbits kept, which the processor computes in any case.
    for name in DEEP:
        view = next(view for view in json.loads(LOCATIONS.read_text()) if view["name"] == name)
        asked = {key: view[key] for key in ("re", "im", "width", "max_iter")}
        here, there = (
            seconds(
                lambda d=device, v=view, a=asked: compute(
                    v["formula"], size=PICTURE, device=d, **a
                ),
                1,
            )
            for device in ("cuda", "cpu")
        )
        figures.append(
            {
                "figure": f"gpu_deep_{name}",
                "value": here,
                "unit": "s",
                "peer": f"{cores}, the same tables",
                "ratio": there / here,
            }
        )
    return figures


def main() -> None:
    """Measure, where there is something to measure."""
    try:
        if simulation() or not likely():
            raise Unavailable("no NVIDIA card is at hand")
        found = card()
    except Unavailable as error:
        print(f"No figures of a card: {str(error).rstrip('.')}.")
        return
    figures = measure(found)
    for figure in figures:
        print(json.dumps(figure), flush=True)
    for figure in figures:
        ratio = f"{figure['ratio']:.3g}" if figure["ratio"] else "unknown"
        value = f"{figure['value']:.4g} {figure['unit']}"
        row = (found.name, date.today(), f"`{figure['figure']}`", value, figure["peer"], ratio)
        print(f"| {' | '.join(map(str, row))} |", file=sys.stderr)


if __name__ == "__main__":
    main()
