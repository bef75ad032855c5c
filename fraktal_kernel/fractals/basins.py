r"""Julia sets with an attracting cycle: how far the edge is from a point that ends in it.

Of a polynomial with one critical point, :math:`y \mapsto A y^d + E` when counted from there, the
component of the basin around it is mapped to itself by the p-th iterate, d to one, with the
critical point 0 as its only one. A conformal map u onto the unit disc that sends 0 to 0 so makes
this iterate

.. math:: B(u) = N(u^d), \qquad N \text{ a Möbius map of the disc},

and the multiplier :math:`\lambda` of the cycle says which: the fixed point t of B, taken positive,
has :math:`d\,t^{d-1}(1-t^2)/(1-t^{2d}) = |\lambda|`, and N turns by :math:`\arg\lambda` around it.
Near the cycle u is linear; its slope there follows from the orbit of the critical point, whose u is
known throughout. From there both u and the conformal radius

.. math:: r = \frac{1 - |u|^2}{|u'|}

are taken back along the orbit of any point (the inverse of N, a d-th root). In other components of
the basin every further step is one to one. The edge is at least r/4 and at most r away, by Koebe's
theorem; r/2 is given, which is right within half to twice.

References
----------
Milnor, *Dynamics in One Complex Variable* (2006), sections 8, 9 and 15 and appendix G.
Pommerenke, *Boundary Behaviour of Conformal Maps* (1992), section 1.3: how fast u may grow.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.formulas.formula import Formula
from fraktal_kernel.fractals.formulas.tape import evaluate

_LONGEST = 8192
_STEPS = 100_000
# So near its next visit an orbit is when a cycle is looked for.
_NEAR = 1e-4
# A slower approach takes more steps than a point is given; a faster one ends in the critical point.
_SLOWEST, _FASTEST = 0.9995, 1e-12
# So near the fixed point of the disc the map onto it is straight.
_STRAIGHT = 1e-6


@dataclass(frozen=True, slots=True)
class Basin:
    """The attracting cycle of ``y -> lead * y**degree + shift``, y counted from the critical point.

    Parameters
    ----------
    critical : the critical point
    degree, lead, shift : of the map
    period, multiplier : of the cycle
    rest : the point of the cycle nearest to which the critical point lies, in its component
    scale : slope at ``rest`` of the map onto the disc that sends it to 0
    slope : slope in the critical point of the map onto the disc that sends it to 0
    fixed : where that map sends ``rest``
    """

    critical: complex
    degree: int
    lead: complex
    shift: complex
    period: int
    multiplier: complex
    rest: complex
    scale: complex
    slope: complex
    fixed: float

    @property
    def numbers(self) -> NDArray[np.float64]:
        """What `lanes.inward` is told."""
        size = abs(self.multiplier)
        turn = self.multiplier / size if self.fixed else 1.0
        pairs = self.lead, self.shift, self.rest, self.scale, self.slope, complex(turn)
        parts = [part for pair in pairs for part in (pair.real, pair.imag)]
        return np.array([*parts, self.fixed, self.fixed**self.degree])


@lru_cache(maxsize=16)
def basin_of(formula: Formula, c: complex) -> Basin | None:
    """Find the attracting cycle of a Julia set; None where none is found, or no such polynomial."""
    power = _power_of(formula, c)
    if power is None:
        return None
    critical, degree, lead, shift = power
    cycle = _cycle_of(degree, lead, shift)
    if cycle is None:
        return None
    period, rest, multiplier = cycle
    if not abs(multiplier) <= _SLOWEST:
        return None
    if abs(multiplier) < _FASTEST:
        fixed, rest, multiplier = 0.0, 0j, 0j
        y, growth = shift, lead
        for _ in range(period - 1):
            growth *= degree * lead * y ** (degree - 1)
            y = lead * y**degree + shift
        scale = slope = growth ** (1 / (degree - 1))
    else:
        fixed = _fixed_of(abs(multiplier), degree)
        scale, slope = _slopes(degree, lead, shift, period, rest, multiplier, fixed)
    return Basin(
        *(critical, degree, lead, shift, period, multiplier, rest, scale, slope),
        fixed,
    )


def has_basins(formula: Formula) -> bool:
    """Say whether a formula is a polynomial with one critical point, but for what c makes of it."""
    return _power_of(formula, 0.3 + 0.2j) is not None


def _power_of(formula: Formula, c: complex) -> tuple[complex, int, complex, complex] | None:
    """Write a formula as ``critical + y -> critical + lead * y**degree + shift``."""
    if not (formula.polynomial and formula.holomorphic) or formula.remembers:
        return None
    known = {"cr": c.real, "ci": c.imag} | formula.values
    tape = formula.slope_coefficients
    parts = evaluate(tape, [known[name] for name in tape.inputs])
    slope = [complex(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    while slope and slope[0] == 0:
        slope.pop(0)
    degree = len(slope)
    if degree < 2:
        return None
    critical = -slope[1] / ((degree - 1) * slope[0])
    same = slope[0] * np.poly([critical] * (degree - 1))
    if np.abs(same - slope).max() > 1e-12 * np.abs(slope).max():
        return None
    known |= {"zr": critical.real, "zi": critical.imag}
    image = complex(*evaluate(formula.step, [known[name] for name in formula.step.inputs])[:2])
    return critical, degree, slope[0] / degree, image - critical


def _cycle_of(degree: int, lead: complex, shift: complex) -> tuple[int, complex, complex] | None:
    """Find the cycle that the critical point ends in: period, its point near there, multiplier."""
    y, orbit = 0j, [0j]
    largest = 2 + 2 * abs(shift) + 4 * abs(lead) ** (-1 / (degree - 1))
    for _ in range(_STEPS):
        y = lead * y**degree + shift
        if not abs(y) < largest:
            return None
        orbit.append(y)
    values = np.array(orbit)
    # In the order of their length, multiples of the period among them.
    back = np.abs(values[-1] - values[-2 : -_LONGEST - 2 : -1])
    for period in (np.flatnonzero(back <= _NEAR * (1 + abs(y))) + 1).tolist():
        begin = values[_STEPS - _STEPS % period]
        found = _closed(degree, lead, shift, period, complex(begin))
        if found is not None:
            return period, *found
    return None


def _closed(
    degree: int, lead: complex, shift: complex, period: int, y: complex
) -> tuple[complex, complex] | None:
    """Find the point of a cycle near a point by Newton's method, and its multiplier."""
    begin = y
    for _ in range(12):
        z, slope = y, 1 + 0j
        for _ in range(period):
            slope *= degree * lead * z ** (degree - 1)
            z = lead * z**degree + shift
        if slope == 1:
            return None
        moved = (z - y) / (1 - slope)
        y += moved
        if abs(moved) <= 1e-12 * (1 + abs(y)):
            near = abs(y - begin) <= 10 * _NEAR * (1 + abs(y))
            return (y, slope) if near and abs(slope) < 1 else None
    return None


def _fixed_of(size: float, degree: int) -> float:
    """Solve ``d t**(d-1) (1 - t**2) / (1 - t**(2 d)) = |multiplier|`` for t."""
    low, high = 0.0, 1.0
    for _ in range(200):
        t = (low + high) / 2
        # (1 - t**(2 d)) / (1 - t**2) is a sum of powers.
        if degree * t ** (degree - 1) < size * sum(t ** (2 * k) for k in range(degree)):
            low = t
        else:
            high = t
    return (low + high) / 2


def _slopes(
    degree: int,
    lead: complex,
    shift: complex,
    period: int,
    rest: complex,
    multiplier: complex,
    t: float,
) -> tuple[complex, complex]:
    """Give the slopes of the maps onto the disc, from the orbit of the critical point."""
    turn, s = multiplier / abs(multiplier), t**degree
    y, u, w = 0j, 0j, complex(-t)
    # Of the iterate at the critical value, and of B at its u.
    walked, mapped, growth = 1 + 0j, 1 + 0j, lead
    visits = 0
    while abs(w) > _STRAIGHT:
        factor = 1 + 0j
        for k in range(period):
            if visits or k:
                factor *= degree * lead * y ** (degree - 1)
            y = lead * y**degree + shift
        if visits:
            walked *= factor
            mapped *= _slope_of_moebius(u**degree, turn, s, t) * degree * u ** (degree - 1)
        else:
            growth *= factor
        v = turn * (u**degree - s) / (1 - s * u**degree)
        u, w = (v + t) / (1 + t * v), v
        visits += 1
    scale = w / (y - rest)
    if not visits:
        return scale, scale
    # u' at the critical value; then u**d is what N makes it, and the orbit leaves 0 by growth y**d.
    at_value = (1 - t * t) * scale / (1 + t * w) ** 2 * walked / mapped
    power = at_value * growth / _slope_of_moebius(0j, turn, s, t)
    first = power ** (1 / degree)
    turns = cmath.exp(2j * math.pi / degree)
    roots = [first * turns**k for k in range(degree)]
    return scale, max(roots, key=lambda root: (root * rest / abs(root * rest)).real)


def _slope_of_moebius(x: complex, turn: complex, s: float, t: float) -> complex:
    """Give the derivative of N, which sends s to t."""
    v = turn * (x - s) / (1 - s * x)
    return turn * (1 - s * s) / (1 - s * x) ** 2 * (1 - t * t) / (1 + t * v) ** 2
