"""From a formula and a view to what the kernels are told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fraktal_kernel.fractals.basins import basin_of
from fraktal_kernel.fractals.formulas.tape import Tape, evaluate, tidy
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.lanes.body import CARRIED, QUADRATIC, Body
from fraktal_kernel.fractals.lanes.fill import Slopes
from fraktal_kernel.fractals.lanes.rows import BULB, CARDIOID, DISCS, PERIOD
from fraktal_kernel.fractals.lanes.task import Task
from fraktal_kernel.fractals.lattice import placed

if TYPE_CHECKING:
    from fraktal_kernel.fractals.formulas.formula import Formula

# A step is so small, compared with the radius of the picture's orbits, that z has come to rest.
EPSILON = 1e-6
SHORTCUTS = {"cardioid": CARDIOID, "bulb": BULB, "period": PERIOD, "discs": DISCS}
# An orbit beyond the radius that grows at least so much in each step never comes back.
_GROWS = 2.0


def body_of(formula: Formula, checked: bool = False) -> Body:
    """Make the body of a formula: equal for equal arithmetic, whatever the formula's name is."""
    begin = formula.begin
    return Body(
        step=formula.step,
        start=tidy(replace(begin, outputs=begin.outputs[:2])),
        escapes=formula.ends in ("escapes", "both"),
        converges=formula.ends in ("converges", "both"),
        checked=checked,
    )


def slopes_of(formula: Formula, julia: tuple[str, str] | None = None) -> Slopes:
    """Make what derivatives follow from; of a Julia set also what is known of its basin."""
    begin = formula.begin
    start = tidy(replace(begin, outputs=begin.outputs[2:]))
    folds = not formula.holomorphic
    basin = basin_of(formula, complex(float(julia[0]), float(julia[1]))) if julia else None
    return Slopes(formula.jacobian, start, folds, formula.curvature, formula.multiplicity, basin)


def task_of(
    formula: Formula,
    geometry: Geometry,
    max_iter: int,
    julia: tuple[str, str] | None = None,
    shortcuts: Collection[str] = tuple(SHORTCUTS),
) -> Task:
    """Say how a view of a formula is computed in float64.

    Parameters
    ----------
    julia : the constant of a Julia set, decimal; None for the plane of c
    shortcuts : names of those that may be taken, where the formula has them
    """
    centre, place = placed(geometry.view, geometry.width, geometry.matrix)
    seed = complex(float(julia[0]), float(julia[1])) if julia else None
    body = body_of(formula)
    skip = sum(bit for name, bit in SHORTCUTS.items() if name in shortcuts)
    if body != QUADRATIC or seed is not None:
        skip &= ~(CARDIOID | BULB | DISCS)
    values = formula.values
    parameters = tuple(values[name] for name in body.parameters)
    if body.escapes and not _leaves_for_good(formula, parameters, _some_c(geometry, seed)):
        body = replace(body, checked=True)
    return Task(
        body=body,
        centre=centre,
        pixel=geometry.pixel,
        size=(geometry.width, geometry.height),
        max_iter=max_iter,
        matrix=geometry.matrix,
        seed=seed,
        parameters=parameters,
        radius=formula.escape_radius,
        epsilon=EPSILON,
        degree=formula.degree,
        skip=skip,
        place=place,
    )


def _some_c(geometry: Geometry, seed: complex | None) -> list[complex]:
    """Give values of c that say what the others do: the seed, or corners, centre, nearest to 0."""
    if seed is not None:
        return [seed]
    view = geometry.view
    half = float(view.width) / 2, float(view.width) / 2 * geometry.height / geometry.width
    centre = complex(float(view.re), float(view.im))
    a, b, c, d = geometry.matrix
    corners = [
        centre + (a * x + b * y) + 1j * (c * x + d * y)
        for x in (-half[0], half[0])
        for y in (-half[1], half[1])
    ]
    reach = max(abs(corner - centre) for corner in corners)
    nearest = centre * max(0.0, 1 - reach / abs(centre)) if centre else 0j
    return [*corners, centre, nearest]


def _leaves_for_good(
    formula: Formula, parameters: Sequence[float], constants: Sequence[complex]
) -> bool:
    """Say whether every z beyond the radius goes on to grow, so that a look now and then is enough.

    It is tried on circles around 0, not proved; what comes back only in between them would be
    seen at the next look as not having left.
    """
    tape: Tape = formula.step
    sizes = formula.escape_radius * np.array([1.0, 1.5, 3.0, 10.0, 1e3, 1e6])
    angles = np.exp(2j * np.pi * (np.arange(48) + 0.25) / 48)
    z = (sizes[:, None] * angles).reshape(-1, 1)
    c = np.array(constants)[None, :]
    known: dict[str, Any] = dict(zip(body_of(formula).parameters, parameters, strict=True))
    shape = z.size, c.size
    for before in (z, -z):
        given = known | {"zr": z.real, "zi": z.imag, "cr": c.real, "ci": c.imag}
        given |= {CARRIED[2]: before.real, CARRIED[3]: before.imag}
        values = [np.broadcast_to(given[name], shape) for name in tape.inputs]
        re, im = (np.broadcast_to(part, shape) for part in evaluate(tape, values))
        with np.errstate(all="ignore"):
            grown = np.hypot(re, im) >= _GROWS * np.abs(z)
        if not grown.all():
            return False
    return True
