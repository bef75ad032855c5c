"""How fast formulas that somebody typed iterate, beside the limit of this processor.

The limit is `mandelbrot_f64`'s C by hand: three multiply-adds and an addition for one ``z*z + c``,
which are seven floating-point operations. A typed formula does more of them a step; what counts is
how many it does in a second.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.mandelbrot_f64 import AVX512_C, HAND, compiled, has_avx512, rates
from fraktal_kernel.fractals.formulas.families import formula_of
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.recipe import task_of
from fraktal_kernel.fractals.lanes.rows import TO_DO
from fraktal_kernel.fractals.lanes.task import Task, count
from fraktal_kernel.fractals.view import View

# Heavy with interior, so that the arithmetic counts; no shortcut is taken.
TYPED = {
    "z**3 + c*z": View("0", "0", "3"),
    "z**4 + z + c": View("-0.3", "0", "1.6"),
    "z**5 + c": View("0", "0", "2"),
}
MAX_ITER = 2000
LIMIT_OPERATIONS = 7


def operations(tape: Tape) -> int:
    """Count what a step does: a multiply-add is two operations, a sign is none."""
    return sum(2 if op == "fma" else op not in ("const", "neg") for op, *_ in tape.code)


def runner(task: Task) -> Callable[[], int]:
    """Give what counts a picture once and tells the steps."""
    width, height = task.size

    def run() -> int:
        return count(task, np.full((height, width), TO_DO, np.int64), crew=Crew(1))

    return run


def main() -> None:
    tasks = {
        text: task_of(formula_of(text), Geometry(view, 480, 300), MAX_ITER, None, ())
        for text, view in TYPED.items()
    }
    runners = {text: runner(task) for text, task in tasks.items()}
    with tempfile.TemporaryDirectory() as name:
        hand = compiled(AVX512_C, Path(name), "hand") if has_avx512() else None
        measured = rates(runners | ({HAND: hand} if hand else {}))
    ratios = []
    for text, task in tasks.items():
        work = operations(task.body.step)
        done = statistics.median(measured[text]) * work
        line = f"{text:16} {work:3} operations a step, {done / 1e9:5.1f}e9 a second"
        if hand:
            pairs = zip(measured[text], measured[HAND], strict=True)
            ratios.append(statistics.median(a * work / (b * LIMIT_OPERATIONS) for a, b in pairs))
            line += f", {ratios[-1]:.2f} of the limit"
        print(line)
    first = next(iter(TYPED))
    value = statistics.median(measured[first]) * operations(tasks[first].body.step)
    figure = {"figure": "typed_formula", "value": value, "unit": "operations/s", "peer": HAND}
    print(json.dumps(figure | {"ratio": ratios[0] if ratios else None}))


if __name__ == "__main__":
    main()
