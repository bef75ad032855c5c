"""Fields, each against its definition on plain complex numbers, and against closed forms."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fraktal_kernel.fractals.fields import KINDS, empty_fields
from fraktal_kernel.fractals.formulas.families import formula_of, formulas
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.lanes import finish
from fraktal_kernel.fractals.lanes.crew import Crew
from fraktal_kernel.fractals.lanes.fill import LANES, Slopes, fill
from fraktal_kernel.fractals.lanes.recipe import slopes_of, task_of
from fraktal_kernel.fractals.lanes.rows import PERIOD
from fraktal_kernel.fractals.lanes.task import Task
from fraktal_kernel.fractals.view import View
from tests.fractals.lanes.plain import (
    FORMULAS,
    averages_of,
    fields_of,
    orbit,
    points_of,
    slope_of,
)

SIZE = (37, 27)


def filled(task: Task, slopes: Slopes | None = None, names: Any = tuple(KINDS)) -> dict[str, Any]:
    """Compute fields of a picture."""
    out = empty_fields(names, task.size[1], task.size[0])
    fill(out, task, slopes, crew=Crew(2))
    return out


@pytest.mark.parametrize("seed", [None, 0.3 + 0.2j])
@pytest.mark.parametrize("name", ["quadratic", "cubic", "lambda", "start in c", "phoenix", "ship"])
def test_fields_outside_are_what_their_definitions_say(name: str, seed: complex | None) -> None:
    """Last z, angle, traps, atom, averages and derivatives of points that left."""
    plain = FORMULAS[name]
    task = plain.task(SIZE, max_iter=60, seed=seed, skip=PERIOD)
    holomorphic = plain.partial is not None
    names = [k for k in KINDS if holomorphic or k not in ("distance", "normal", "derivative")]
    out = filled(task, plain.slopes if holomorphic else None, [*names[:-3], "atom"])
    points, compared = points_of(task), 0
    for at in np.ndindex(points.shape):
        point = complex(points[at])
        n, zs = orbit(plain, point, task)
        assert (n is None) == math.isnan(out["smooth"][at])
        # Beyond, rounding has grown so much that walks part.
        if n is None or n > 25:
            continue
        compared += 1
        c = point if seed is None else seed
        expected = fields_of(zs, n) | averages_of(task, c, zs, n) | {"iterations": n}
        if holomorphic:
            d, z = slope_of(plain, task, point, zs, n), zs[n]
            expected["derivative"] = d
            if d:
                expected["distance"] = abs(z) * math.log(abs(z)) / abs(d)
                expected["normal"] = z / d / abs(z / d)
        for field, value in expected.items():
            assert out[field][at] == pytest.approx(value, rel=1e-7, abs=1e-7), (field, at)
    assert compared > 200


def test_averages_stay_right_far_outside() -> None:
    """Where z is beyond 1e20, as shark fins need it, its sum with c has no digit of c left."""
    plain = FORMULAS["ship"]
    task = replace(plain.task(SIZE, max_iter=60, skip=PERIOD), radius=1e20)
    out = filled(task, None, ["iterations", "triangle"])
    points, compared = points_of(task), 0
    for at in np.ndindex(points.shape):
        n, zs = orbit(plain, complex(points[at]), task)
        if n is not None and n <= 25:
            expected = averages_of(task, complex(points[at]), zs, n)
            assert out["triangle"][at] == pytest.approx(expected["triangle"], abs=1e-6)
            compared += 1
    assert compared > 200


def test_fields_that_nobody_asked_for_change_nothing() -> None:
    """Each field alone is the same as with all others."""
    task = task_of(formulas["mandelbrot"], Geometry(View("-0.6", "0.1", "3"), 40, 30), 300)
    slopes = slopes_of(formulas["mandelbrot"])
    together = filled(task, slopes)
    for name in KINDS:
        alone = filled(task, slopes, [name])[name]
        assert np.array_equal(alone, together[name], equal_nan=True), name


def test_bands_are_the_whole() -> None:
    """A picture that is made in bands, to save memory, is the same picture."""
    task = task_of(formulas["mandelbrot"], Geometry(View("-0.6", "0.1", "3"), 40, 30), 200)
    slopes = slopes_of(formulas["mandelbrot"])
    whole = filled(task, slopes)
    told: list[float] = []
    out = empty_fields(KINDS, 30, 40)
    crew = Crew(2, lambda fraction, text: told.append(fraction))
    fill(out, task, slopes, crew=crew, walks=replace(LANES, points=40 * 7))
    for name in KINDS:
        assert np.array_equal(out[name], whole[name], equal_nan=True), name
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    band = empty_fields(KINDS, 10, 40)
    fill(band, task, slopes, row=12, crew=Crew(1))
    for name in KINDS:
        assert np.array_equal(band[name], whole[name][12:22], equal_nan=True), name


def test_shortcuts_change_no_field_outside() -> None:
    """What is skipped inside leaves the outside as it is, and the inside as nearly."""
    formula = formulas["mandelbrot"]
    geometry = Geometry(View("-0.6", "0.1", "3"), 60, 45)
    names = [name for name in KINDS if name not in ("period", "interior_distance")]
    quick = filled(task_of(formula, geometry, 2000), slopes_of(formula), names)
    slow = filled(task_of(formula, geometry, 2000, None, ()), slopes_of(formula), names)
    outside = ~np.isnan(slow["smooth"])
    for name in names:
        assert np.array_equal(quick[name][outside], slow[name][outside])
        assert np.allclose(quick[name], slow[name], rtol=1e-6, equal_nan=True) or name == "atom"


def test_the_distance_to_a_disc_is_known() -> None:
    """The Julia set of 0 is the unit disc: the estimate is |z| ln|z|, near it the true distance."""
    formula = formulas["mandelbrot"]
    geometry = Geometry(View("0", "0", "4"), 81, 81)
    task = task_of(formula, geometry, 5000, ("0", "0"))
    out = filled(task, slopes_of(formula), ["distance", "normal"])
    points = geometry.points()
    radius = np.abs(points)
    outside = radius > 1
    expected = radius * np.log(np.where(outside, radius, np.nan)) / geometry.pixel
    assert np.allclose(out["distance"], expected, rtol=1e-9, equal_nan=True)
    assert np.allclose(out["normal"][outside], points[outside] / radius[outside], atol=1e-9)
    assert np.isnan(out["normal"][~outside]).all()


def test_normals_belong_to_the_picture() -> None:
    """However the view is turned, the normal points where the count falls, as one sees it."""
    formula = formulas["mandelbrot"]
    straight = Geometry(View("0", "0", "4"), 41, 41)
    for matrix in (matrix_of(30), matrix_of(-75, ((1, 0.3), (0, 1)))):
        geometry = replace(straight, matrix=matrix)
        out = filled(task_of(formula, geometry, 300, ("0", "0")), slopes_of(formula), ["normal"])
        points = geometry.points()
        outside = np.abs(points) > 1.05
        a, b, c, d = matrix
        # The size of the point as a function of the pixel grows along the normal.
        x = a * points.real + c * points.imag
        y = b * points.real + d * points.imag
        grown = (x + 1j * y)[outside]
        assert np.allclose(out["normal"][outside], grown / np.abs(grown), atol=1e-9)


def test_folding_formulas_have_distances_and_normals() -> None:
    """The matrix of a folding formula gives what differences of the smooth count give."""
    for name in ("burning_ship", "tricorn", "celtic"):
        formula = formulas[name]
        geometry = Geometry(View("1.2", "1.1", "1e-6"), 3, 3)
        names = ["distance", "normal", "smooth", "derivative"]
        out = filled(task_of(formula, geometry, 200), slopes_of(formula), names)
        nu = out["smooth"]
        # smooth = const - log2 G and distance = G / |grad G|.
        gradient = complex(nu[1, 2] - nu[1, 0], nu[0, 1] - nu[2, 1]) / 2
        assert out["normal"][1, 1] == pytest.approx(-gradient / abs(gradient), abs=1e-4)
        assert out["distance"][1, 1] == pytest.approx(1 / (abs(gradient) * math.log(2)), rel=1e-3)


@pytest.mark.parametrize("name", ["mandelbrot", "multibrot", "lambda", "phoenix", "z**3 + c*z"])
def test_distances_agree_with_differences_of_smooth_counts(name: str) -> None:
    """G falls by its gradient: the distance is 1 / (ln d |grad smooth|), whatever the formula."""
    formula = formula_of(name)
    geometry = Geometry(View("1.7", "1.3", "1e-6"), 3, 3)
    names = ["distance", "normal", "smooth"]
    out = filled(task_of(formula, geometry, 200), slopes_of(formula), names)
    nu = out["smooth"]
    gradient = complex(nu[1, 2] - nu[1, 0], nu[0, 1] - nu[2, 1]) / 2
    expected = 1 / (abs(gradient) * math.log(formula.degree))
    assert out["distance"][1, 1] == pytest.approx(expected, rel=1e-3)
    assert out["normal"][1, 1] == pytest.approx(-gradient / abs(gradient), abs=1e-3)


def at(formula: str, point: complex, names: Any, pixel: float = 1e-3) -> dict[str, Any]:
    """Compute fields of one point."""
    view = View(repr(point.real), repr(point.imag), repr(pixel))
    f = formulas[formula]
    task = task_of(f, Geometry(view, 1, 1), 100_000)
    return {name: array[0, 0] for name, array in filled(task, slopes_of(f), names).items()}


@pytest.mark.parametrize(
    ("c", "period"),
    [(0.1 + 0.1j, 1), (-1 + 0.1j, 2), (-0.12 + 0.75j, 3), (-1.7548776662466927 + 0j, 3),
     (0.2822713907669139 + 0.5300606175785253j, 4), (-1.3107026 + 0j, 4)],
)  # fmt: skip
def test_points_inside_know_their_period(c: complex, period: int) -> None:
    """Components of known period, their centres and points off them."""
    assert at("mandelbrot", c, ["period"])["period"] == period


def test_periods_are_the_shortest() -> None:
    """Where an orbit has not yet come near its cycle twice, no multiple of the period is taken."""
    view = View("-0.746223962861", "-0.0959468433527", "0.00745")
    formula = formulas["mandelbrot"]
    task = task_of(formula, Geometry(view, 160, 120), 25_000)
    found = filled(task, slopes_of(formula), ["period", "interior_distance"])
    checked = 0
    for row, column in np.argwhere(found["period"] > 0)[::60]:
        period, c = int(found["period"][row, column]), points_of(task)[row, column]
        z = 0j
        for _ in range(60_000):
            z = z * z + c
        first, k = z, 0
        while k == 0 or abs(z - first) > 1e-6:
            z, k = z * z + c, k + 1
        assert period <= k, (row, column)
        checked += 1
    assert checked > 10


@pytest.mark.parametrize("c", [0.1 + 0.1j, -0.3 + 0.4j, 0.2 - 0.1j, 0.24 + 0j, 0j])
def test_the_edge_of_the_cardioid_is_as_far_as_its_formula_says(c: complex) -> None:
    """There the multiplier is 1 - sqrt(1 - 4c), which makes the estimate a closed form."""
    multiplier = 1 - cmath.sqrt(1 - 4 * c)
    expected = (1 - abs(multiplier) ** 2) / abs(2 / cmath.sqrt(1 - 4 * c)) / 2
    found = at("mandelbrot", c, ["interior_distance"])["interior_distance"]
    assert found * 1e-3 == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("z", [0j, 1e-4j, 0.2 + 0.1j, -0.3j, 0.5 + 0.1j])
def test_the_edge_of_the_main_component_of_the_cubic_set(z: complex) -> None:
    """The fixed point z of c = z - z**3 has the multiplier 3 z**2; its root is conformal."""
    expected = (1 - 3 * abs(z) ** 2) / (2 * math.sqrt(3) / abs(1 - 3 * z * z))
    found = at("multibrot", z - z**3, ["interior_distance"])["interior_distance"]
    assert found * 1e-3 == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("c", [-1 + 0j, -1.1 + 0.1j, -0.9 - 0.1j])
def test_the_edge_of_the_disc_of_period_two(c: complex) -> None:
    """The multiplier is 4 (c + 1), the component a disc of radius 1/4."""
    expected = (1 - abs(4 * (c + 1)) ** 2) / 4 / 2
    found = at("mandelbrot", c, ["interior_distance"])["interior_distance"]
    assert found * 1e-3 == pytest.approx(expected, rel=1e-5)


def test_inside_and_outside_have_the_fields_that_they_should() -> None:
    """Outside fields are NaN inside, inside fields are NaN or 0 outside."""
    formula = formulas["mandelbrot"]
    task = task_of(formula, Geometry(View("-0.6", "0", "3"), 60, 45), 500)
    out = filled(task, slopes_of(formula))
    inside = np.isnan(out["smooth"])
    for name, kind in KINDS.items():
        lacking = np.isnan(out[name]) if kind.dtype != "int64" else out[name] == 0
        if kind.where == "outside":
            assert np.array_equal(lacking, inside), name
        elif kind.where == "inside":
            assert lacking[~inside].all(), name
            assert lacking[inside].mean() < 0.1, name
        else:
            assert not lacking.any(), name


def test_newton_knows_its_roots() -> None:
    """The last z of a point is the root that it fell to."""
    task = task_of(formulas["newton"], Geometry(View("0.05", "0.02", "4"), 40, 30), 200)
    out = filled(task, None, ["z", "angle", "smooth", "iterations"])
    known = ~np.isnan(out["smooth"])
    assert known.mean() > 0.99
    assert np.allclose(out["z"][known] ** 3, 1, atol=1e-9)
    assert set(np.round(3 * out["angle"][known]).astype(int)) == {-1, 0, 1}


def test_normals_of_huge_numbers_are_unit_vectors() -> None:
    """Near the end of float64 the size of a number is beyond it, but not its direction."""
    z = np.array([1e308 + 1.7e308j, 1e308 - 1.7e308j, 3 + 4j])
    slope = np.array([2 + 0j, -1.7e308 + 1e308j, 1.7e308 + 1.7e308j])
    found = finish.normal(z, slope)
    small = finish.normal(z * 1e-300, slope * 1e-300)
    assert np.abs(found) == pytest.approx(1)
    assert found == pytest.approx(small)
