"""The same numbers every time: whoever computes them, and in whatever pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fraktal_kernel.fractals.deep.approximation import FIELDS
from fraktal_kernel.fractals.deep.approximation import INSIDE as CYCLES
from fraktal_kernel.fractals.deep.stepwise import Stepwise
from fraktal_kernel.fractals.fields import KINDS, empty_fields
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.planner import Request, plan_for
from fraktal_kernel.fractals.poster.cells import Cell
from fraktal_kernel.fractals.poster.points import points_of
from fraktal_kernel.fractals.view import View

SIZE = (61, 47)
TURNED = matrix_of(30, ((1, 0.3), (0, 1)))
MINIBROT = "-1.768667862837488812627419470", "0.001645580546820209430325900"
EVERY = tuple(KINDS)
INSIDE = ("iterations", "smooth", "z", "period", "interior_distance")


def asked(
    formula: str, re: str, im: str, width: str, max_iter: int, fields: tuple[str, ...] = EVERY,
    julia: tuple[str, str] | None = None,
) -> Request:  # fmt: skip
    """Make a request of a turned and stretched view, so that every product is rounded."""
    geometry = Geometry(View(re, im, width), *SIZE, TURNED)
    return Request(formula_of(formula), geometry, max_iter, fields, julia)


REQUESTS = {
    "mandelbrot": asked("mandelbrot", "-0.7", "0.2", "0.9", 3000),
    "newton": asked("newton", "0.1", "0", "3", 200, INSIDE),
    "julia": asked("z**3 + c", "0", "0", "3", 300, INSIDE, julia=("0.4", "0.3")),
    "deep": asked("mandelbrot", *MINIBROT, "1e-19", 20_000, (*FIELDS, *CYCLES)),
    "minibrot": asked("mandelbrot", *MINIBROT, "1e-22", 20_000, (*FIELDS, *CYCLES)),
    "every step": asked("mandelbrot", "0", "1", "1e-20", 900, Stepwise.fields),
    "deep ship": asked("burning_ship", "-2", "0", "1e-330", 900, FIELDS),
    "deep julia": asked("mandelbrot", "0", "1", "1e-20", 900, FIELDS, julia=("0", "1")),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_threads_and_tiles_change_no_bit(name: str) -> None:
    """One thread, three, and tiles computed one by one give every field to the last bit."""
    request = REQUESTS[name]
    width, height = SIZE
    made = []
    for threads in (1, 3):
        out = empty_fields(request.fields, height, width)
        plan_for(replace(request, threads=threads)).fill(out)
        made.append(out)
    points = points_of(replace(request, threads=2))
    tiled = empty_fields(request.fields, height, width)
    for top, bottom in ((0, 17), (17, height)):
        for left, right in ((0, 23), (23, 40), (40, width)):
            cell = points.fields(Cell(top, left, bottom, right))
            for field, array in cell.items():
                tiled[field][top:bottom, left:right] = array
    for field in request.fields:
        assert np.array_equal(made[0][field], made[1][field], equal_nan=True), field
        assert np.array_equal(made[0][field], tiled[field], equal_nan=True), field
    varied = made[0]["iterations"]
    assert len(np.unique(varied)) > 3
