"""Reference orbits that come near a critical point other than that where they begin.

There the derivative is what is left of large terms, and float64 would lose its digits. So the
values of the orbit nearby are counted from that critical point, exactly, and the tapes, which are
expansions around a critical point, are given that one as their origin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.formulas.exact import exact_slopes
from fraktal_kernel.fractals.formulas.tape import evaluate
from fraktal_kernel.fractals.reference.decimals import fixed, gmpy2, ratio, scaled
from fraktal_kernel.fractals.reference.engines import engine_for
from fraktal_kernel.fractals.reference.orbit import Orbit, origin_of
from fraktal_kernel.fractals.reference.recurrences import recurrence_of

# Nearer than this, a derivative in float64 has fewer digits than it should.
_NEAR = 2.0**-10
_TINY = 1e-300
_NEWTON = 200


@dataclass(frozen=True, slots=True, eq=False)
class Branched:
    """An orbit whose values are each counted from the critical point that is near, if one is.

    Parameters
    ----------
    orbit : with these values
    branch : which of the origins each is counted from, int64 [n]
    origins : where z begins, then the other critical points
    """

    orbit: Orbit
    branch: NDArray[np.int64]
    origins: list[complex]


def branched(formula: Formula, orbit: Orbit) -> Branched:
    """Count values from other critical points where they come near one."""
    recurrence = recurrence_of(formula)
    plain = Branched(orbit, np.zeros(len(orbit.z), np.int64), [0j])
    if not recurrence.drifts:
        return plain
    first = origin_of(recurrence, orbit.c, orbit.bits)
    origin = complex(float(first[0]), float(first[1]))
    plain.origins[0] = origin
    if not formula.branches:
        return plain
    points = [p for p in _critical_points(formula, orbit, origin) if p is not None]
    rounded = [complex(float(x), float(y)) for x, y in points]
    branch = np.zeros(len(orbit.z), np.int64)
    for k, point in enumerate(rounded, start=1):
        branch[np.abs(orbit.z + (origin - point)) < _NEAR] = k
    places = np.flatnonzero(branch)
    if not len(places):
        return plain
    # The orbit once more, to have these values with all their digits.
    bits = orbit.bits
    state = fixed(orbit.start[0], bits), fixed(orbit.start[1], bits)
    engine = engine_for(recurrence, orbit.c, state, bits, orbit.escape_radius, first)
    z, spare, at = orbit.z.copy(), np.zeros_like(orbit.z), 1
    small: dict[int, tuple[complex, int]] = {
        int(k): (complex(m), int(e))
        for k, m, e in zip(
            orbit.small_index, orbit.small_mantissa, orbit.small_exponent, strict=True
        )
    }
    for k in places.tolist():
        while at <= k:
            at, _ = engine.advance(spare, at, k + 1)
        own = points[branch[k] - 1]
        parts = [
            Fraction(value, 1 << bits) + a - b
            for value, a, b in zip(engine.state()[:2], first, own, strict=True)
        ]
        value, exponent = _with_exponent(parts)
        z[k] = value * 2.0 ** max(exponent, -1074)
        if abs(z[k]) < _TINY:
            small[k] = value, exponent
    index = np.array(sorted(small), np.int64)
    counted = replace(
        orbit,
        z=z,
        small_index=index,
        small_mantissa=np.array([small[k][0] for k in index.tolist()], complex),
        small_exponent=np.array([small[k][1] for k in index.tolist()], np.int64),
    )
    return Branched(counted, branch, [origin, *rounded])


def _with_exponent(parts: list[Fraction]) -> tuple[complex, int]:
    pairs = [scaled(abs(part)) if part else (0.0, -(1 << 40)) for part in parts]
    top = max(e for _, e in pairs)
    if top == -(1 << 40):
        return 0j, -(1 << 40)
    x, y = (
        (m if part >= 0 else -m) * 2.0 ** max(e - top, -1074)
        for part, (m, e) in zip(parts, pairs, strict=True)
    )
    return complex(x, y), top


def _critical_points(formula: Formula, orbit: Orbit, origin: complex) -> list[Any]:
    """Give the critical points of a c but that where orbits begin, as exact fractions."""
    c = complex(float(Fraction(*map(int, ratio(orbit.c[0])))), 0) + 1j * float(
        Fraction(*map(int, ratio(orbit.c[1])))
    )
    known = formula.values | {"cr": c.real, "ci": c.imag}
    tape = formula.slope_coefficients
    values = evaluate(tape, [known[name] for name in tape.inputs])
    roots = np.roots([complex(*values[k : k + 2]) for k in range(0, len(values), 2)])
    g = gmpy2()
    found: list[Any] = []
    with g.context(g.get_context(), precision=orbit.bits + 64):
        slopes = exact_slopes(formula)
        at = [g.mpfr(g.mpq(*ratio(part))) for part in orbit.c]
        for root in roots.tolist():
            if abs(root - origin) < 1e-7 or any(abs(root - complex(*p)) < 1e-7 for p in found):
                continue
            z = g.mpc(root)
            for _ in range(_NEWTON):
                a, b, d, e = slopes(z.real, z.imag, *at)
                if not (d or e):
                    break
                move = g.mpc(a, b) / g.mpc(d, e)
                z -= move
                if abs(move) < g.mpfr(2) ** -(orbit.bits + 8):
                    found.append(
                        tuple(Fraction(*map(int, p.as_integer_ratio())) for p in (z.real, z.imag))
                    )
                    break
    return found
