from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.deep import LOCATIONS
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.deep import approximation
from fraktal_kernel.fractals.deep.approximation import Approximation
from fraktal_kernel.fractals.machine import Kernel

from .direct import STEPS, fixed_point, nucleus_near_minus_two, tip

SIZE = (50, 37)
SEED = ("-0.8", "0.156")
FIELDS = ("iterations", "smooth", "z", "derivative")
KNOWN = {view["name"]: view for view in json.loads(LOCATIONS.read_text())}


def known(name: str) -> dict[str, Any]:
    """Give a view that is timed."""
    return {key: KNOWN[name][key] for key in ("re", "im", "width", "max_iter")}


VIEWS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "segments of many stages": ("mandelbrot", known("double_embedded_julia_e21")),
    "a high power": (
        "z**5 + c",
        dict(zip(("re", "im"), tip(5, 64), strict=True)) | {"width": "7e-60", "max_iter": 3000},
    ),
    "folds": ("burning_ship", known("burning_ship_e101")),
    "folds of folds": (
        "buffalo",
        {"re": "-2", "im": "0", "width": "1e-25", "max_iter": 3000},
    ),
    "a folded sign": ("shark_fin", {"re": "-2", "im": "0", "width": "1e-25", "max_iter": 3000}),
    "numbers too small for float64": (
        "mandelbrot",
        {"re": "0", "im": "1", "width": "1e-320", "max_iter": 3000},
    ),
    "two orbits": (
        "mandelbrot",
        dict(zip(("re", "im"), fixed_point(STEPS["z**2 + c"], *SEED, digits=60), strict=True))
        | {"width": "1e-25", "max_iter": 500, "julia": SEED},
    ),
}


def alone(self: Approximation, slopes: bool) -> Kernel:
    """Give what walks one point after the other, as each thread of a card does."""
    return approximation._walk(self.kind, slopes)


@pytest.mark.parametrize("name", VIEWS)
def test_company_changes_no_digit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points in lockstep have the counts, last values and derivatives of points alone."""
    formula, given = VIEWS[name]
    together = compute(formula, size=SIZE, fields=FIELDS, device="cpu", **given)
    monkeypatch.setattr(Approximation, "walk_kernel", alone)
    apart = compute(formula, size=SIZE, fields=FIELDS, device="cpu", **given)
    assert "perturbation" in together.method and together.method == apart.method
    assert len(np.unique(together.iterations)) > 5
    for field in FIELDS:
        np.testing.assert_array_equal(together.fields[field], apart.fields[field])


def test_it_may_be_interrupted_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes that are left after a few rounds go on as if nothing had been."""
    formula, given = VIEWS["folds"]
    whole = compute(formula, size=SIZE, fields=FIELDS[:2], device="cpu", **given)
    monkeypatch.setattr(approximation, "_BUDGET", 1)
    parts = compute(formula, size=SIZE, fields=FIELDS[:2], device="cpu", **given)
    for field in FIELDS[:2]:
        np.testing.assert_array_equal(whole.fields[field], parts.fields[field])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_matter(threads: int) -> None:
    """Rows that are shared among any number of threads are what they are otherwise."""
    formula, given = VIEWS["segments of many stages"]
    whole = compute(formula, size=SIZE, fields=FIELDS[:2], device="cpu", **given)
    again = compute(formula, size=SIZE, fields=FIELDS[:2], device="cpu", threads=threads, **given)
    for field in FIELDS[:2]:
        np.testing.assert_array_equal(whole.fields[field], again.fields[field])


def test_points_that_never_leave_end_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a small copy all end, caught or not, and those outside are not held up."""
    re, width = nucleus_near_minus_two(40)
    find = "fraktal_kernel.fractals.deep.minibrot.find"
    expected = compute("mandelbrot", re, "0", width, 4000, SIZE, FIELDS[:1], device="cpu")
    monkeypatch.setattr(find, lambda *given: None)
    walked = compute("mandelbrot", re, "0", width, 4000, SIZE, FIELDS[:1], device="cpu")
    assert "w*w" in expected.method and "w*w" not in walked.method
    assert (walked.iterations == 4000).any() and (walked.iterations < 4000).any()
    assert (walked.iterations == expected.iterations).mean() > 0.99
