"""The engine on a card against the engine on the processor: on a real card, or simulated.

`test_suite` runs this in a process of its own, because numba decides at its import which of the two
it is. Simulated kernels are Python, so the pictures are tiny then.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import cuda

from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.fields import KINDS, empty_fields
from fraktal_kernel.fractals.formulas import formula_of, formulas
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.gpu.card import Card, card, simulation
from fraktal_kernel.fractals.gpu.deep import Deep
from fraktal_kernel.fractals.gpu.escape import Escape, in_single
from fraktal_kernel.fractals.gpu.rounds import in_rounds
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.perturbation import Perturbation
from fraktal_kernel.fractals.planner import Request
from fraktal_kernel.fractals.progress import Stopped
from fraktal_kernel.fractals.view import View

SIZE, MAX_ITER = ((12, 9), 40) if simulation() else ((240, 180), 1500)
EVERYTHING = tuple(KINDS)
LOCATIONS = Path(__file__).resolve().parents[3] / "benchmarks/locations.json"
VIEWS = {view["name"]: view for view in json.loads(LOCATIONS.read_text())}
PLACES: Mapping[str, tuple[str, str, str]] = {
    "burning_ship": ("-0.5", "0.5", "3.5"),
    "newton": ("0.1", "0.05", "3"),
    "magnet1": ("1.2", "0.1", "4"),
    "magnet2": ("1.5", "0.1", "5"),
    "lambda": ("1", "0.1", "7"),
}


def both(formula: str, fields: tuple[str, ...], **given: Any) -> tuple[Any, Any]:
    """Compute the same on the processor and on the card."""
    x, y, width = PLACES.get(formula, ("-0.6", "0.1", "3.3"))
    asked = {"re": x, "im": y, "width": width, "max_iter": MAX_ITER, "size": SIZE} | given
    one = compute(formula, fields=fields, device="cpu", **asked)
    other = compute(formula, fields=fields, device="cuda", **asked)
    assert other.device == card().name and "float64 on CUDA" in other.method
    return one, other


def agree(one: Any, other: Any, name: str) -> None:
    """Hold two fields to be the same, up to the last digits of functions of the library."""
    a, b = one.fields[name], other.fields[name]
    if name == "atom":  # inside it depends on how far an orbit was walked
        a, b = (np.where(np.isnan(one.fields["z"]), 0, field) for field in (a, b))
    assert np.array_equal(np.isnan(a), np.isnan(b)), name
    if name in ("z", "derivative", "angle", "normal"):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-2, err_msg=name)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", sorted(formulas))
def test_every_formula_counts_as_on_the_processor(name: str) -> None:
    """Both do the same operations in the same order, so even points at the edge agree."""
    one, other = both(name, ("iterations", "smooth"))
    assert np.array_equal(one.iterations, other.iterations)
    np.testing.assert_allclose(one.smooth, other.smooth, rtol=1e-9, atol=1e-9)
    assert len(np.unique(one.iterations)) > 3


@pytest.mark.parametrize("name", ["mandelbrot", "burning_ship", "phoenix", "magnet1"])
def test_every_field_is_that_of_the_processor(name: str) -> None:
    """Complex and real derivatives, a z before, orbits that come to rest: all that is kept."""
    one, other = both(name, EVERYTHING)
    for field in EVERYTHING:
        agree(one, other, field)


@pytest.mark.parametrize(
    ("formula", "given"),
    [
        ("z**3 + c*z", {}),
        ("z**2 + exp(c)*z", {"re": "-1", "width": "4"}),
        ("mandelbrot", {"julia": ("-0.8", "0.156")}),
        ("z**2 + c*k", {"parameters": {"k": 0.9 + 0.1j}, "rotation_deg": 30}),
    ],
)
def test_what_is_typed_is_computed_too(formula: str, given: dict[str, Any]) -> None:
    """Parameters, functions, Julia sets and turned views go through the same tapes."""
    one, other = both(formula, ("iterations", "smooth", "distance"), **given)
    differ = float(np.mean(one.iterations != other.iterations))
    assert differ == 0 if "exp" not in formula else differ <= 0.01
    for field in ("smooth", "distance"):
        agree(one, other, field)


def test_shortcuts_change_no_count() -> None:
    """Cardioid, bulb and returning orbits are inside with and without them."""
    given = {"size": SIZE, "max_iter": MAX_ITER, "device": "cuda", "fields": ("iterations",)}
    counts = [compute(**given, shortcuts=s).iterations for s in (True, False, ["period"])]
    assert np.array_equal(counts[0], counts[1]) and np.array_equal(counts[0], counts[2])


def requested(formula: str, fields: tuple[str, ...] = ("smooth",), width: str = "3.3") -> Request:
    """Ask for a view as `compute` does."""
    geometry = Geometry(View("-0.6", "0.1", width), *SIZE)
    return Request(formula_of(formula), geometry, MAX_ITER, fields)


@pytest.mark.parametrize("formula", ["mandelbrot", "z**3 + c", "tricorn", "celtic"])
def test_float32_is_within_its_bound(formula: str) -> None:
    """At most one count in fifty differs; 99 of 100 others are within a quarter of a step."""
    request = requested(formula, ("iterations", "smooth"))
    out = empty_fields(request.fields, SIZE[1], SIZE[0])
    assert "float32 on CUDA" in Escape(request, card(), single=True).fill(out)
    given = {"re": "-0.6", "im": "0.1", "width": "3.3", "max_iter": MAX_ITER, "size": SIZE}
    exact = compute(formula, device="cpu", **given)
    same = exact.iterations == out["iterations"]
    assert np.mean(~same) <= 1 / 50
    assert np.nanquantile(np.abs(exact.smooth - out["smooth"])[same], 0.99) <= 1 / 4


def test_float32_is_only_for_what_it_resolves() -> None:
    """Narrow views, wide circles, orbits at rest and exact counts stay with float64."""
    assert in_single(requested("mandelbrot"))
    for other in (
        requested("mandelbrot", width="1e-3"),
        requested("shark_fin"),
        requested("newton"),
        requested("mandelbrot", ("smooth", "iterations")),
    ):
        assert not in_single(other)
    games = Card("of a gamer", (8, 9))
    assert Escape(requested("mandelbrot"), games).single
    assert not Escape(requested("mandelbrot"), Card("of a centre", (9, 0))).single
    assert not Escape(requested("newton"), games).single


DEEP: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "segments of many stages": (
        "mandelbrot",
        {
            "re": "-1.76866786283748881262741947",
            "im": "0.00164558054682020943032590",
            "width": "1.2e-21",
            "max_iter": 9000,
        },
        "6 stages on CUDA",
    ),
    "a small copy of the set": (
        "mandelbrot",
        VIEWS["dinkydau_flake_e157"] | {"max_iter": 100_000},
        r"w\*w",
    ),
    "folds": ("burning_ship", VIEWS["burning_ship_e101"] | {"max_iter": 9000}, "stages"),
    "extended exponents": (
        "mandelbrot",
        {"re": "0", "im": "1", "width": "1e-320", "max_iter": 3000},
        "extended exponents on CUDA",
    ),
    "a Julia set": (
        "mandelbrot",
        {"re": "2", "im": "0", "width": "1e-25", "max_iter": 500, "julia": ("-2", "0")},
        "on CUDA",
    ),
}


VIEW_OF = ("re", "im", "width", "max_iter", "julia")


@pytest.mark.parametrize("name", DEEP)
def test_deep_views_are_those_of_the_processor(name: str) -> None:
    """The walks are the same code; a card may round a product and its sum together."""
    formula, given, words = DEEP[name]
    given = {key: value for key, value in given.items() if key in VIEW_OF}
    fields = ("iterations", "smooth", "distance", "z")
    asked = {"size": SIZE, "fields": fields, **given}
    one = compute(formula, device="cpu", **asked)
    other = compute(formula, device="cuda", **asked)
    assert other.device == card().name and re.search(words, other.method)
    assert one.method == other.method.replace(" on CUDA", "")
    same = one.iterations == other.iterations
    assert same.all() if simulation() else np.mean(~same) <= 1 / 1000
    assert len(np.unique(one.iterations)) > 3
    for field in ("smooth", "distance"):
        a, b = (np.where(same, done.fields[field], 0) for done in (one, other))
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_deep_work_tells_and_can_be_stopped() -> None:
    """Progress rises to the end; who looks away gets no picture."""
    _, given, _ = DEEP["extended exponents"]
    told: list[float] = []
    compute(**given, size=SIZE, device="cuda", progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told) and told[-1] == 1.0
    began = time.monotonic()

    def late() -> bool:
        return time.monotonic() > began + 0.1

    with pytest.raises(Stopped):
        compute(**given | {"max_iter": 10**9}, size=(24, 18), device="cuda", cancelled=late)


def test_a_walk_that_was_stopped_is_no_harm_to_the_next() -> None:
    """The tables stay on the card; the points of the one that was stopped do not."""
    _, given, _ = DEEP["a Julia set"]
    geometry = Geometry(View(given["re"], given["im"], given["width"]), 8, 6)
    request = Request(formula_of("mandelbrot"), geometry, 500, ("smooth",), given["julia"])
    prepared, _ = Deep(request, card()).prepared()
    with pytest.raises(Stopped):
        prepared.fill(empty_fields(("smooth",), 6, 8), crew=Crew(1, None, lambda: True))
    out = [empty_fields(("smooth",), 6, 8) for _ in range(2)]
    prepared.fill(out[0])
    Perturbation(request).fill(out[1])
    np.testing.assert_allclose(out[0]["smooth"], out[1]["smooth"], rtol=1e-6)


def test_what_goes_step_by_step_is_left_to_the_processor() -> None:
    """The result says so."""
    place = {"re": "1", "im": "0.1", "width": "1e-16", "max_iter": 100, "size": (8, 6)}
    done = compute("z**3 + c*z", device="cuda", **place)
    assert done.device == "cpu" and "by the processor, because a card" in done.method


def test_the_work_is_done_in_launches_that_tell_and_can_be_stopped() -> None:
    """Progress rises to the end; a launch after the first look away there is none."""
    told: list[float] = []
    given = {"size": SIZE, "max_iter": MAX_ITER, "device": "cuda", "fields": ("distance",)}
    compute(**given, progress=lambda fraction, text: told.append(fraction))
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 3
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    with pytest.raises(Stopped):
        compute(**given, cancelled=cancelled)
    assert asked == 3


def test_points_that_ended_are_left_out() -> None:
    """A launch gets those that the one before it left, and nothing is launched for none."""
    seen: list[int] = []

    @cuda.jit
    def halve(points: Any, many: int, onward: Any, left: Any) -> None:
        k = cuda.grid(1)
        if k < many and points[k] % 2 == 0 and points[k] > 0:
            onward[cuda.atomic.add(left, 0, 1)] = points[k] // 2

    def launch(
        grid: tuple[int, int], points: Any, many: int, onward: Any, left: Any, _: int
    ) -> None:
        seen.append(many)
        halve[grid](points, many, onward, left)

    in_rounds(launch, np.arange(16, dtype=np.int32), 1, 4, Crew())
    assert seen == [16, 7, 3, 1]  # halves of the even ones: 1 to 7; 1, 2, 3; 1
    in_rounds(launch, np.empty(0, np.int32), 1, 4, Crew())
    assert len(seen) == 4
