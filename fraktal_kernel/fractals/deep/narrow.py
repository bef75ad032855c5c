"""How many more bits the orbit of a Julia set needs where pixels come nearer to one another.

In the plane of c every step adds the difference of the pixels anew. In a Julia set it only grows or
shrinks with the derivative along the orbit, and beside a critical point it becomes its own square:
a reference is as precise as the view only if it tells pixels apart there, too.
"""

from __future__ import annotations

import math

import numpy as np

from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.formulas.tape import evaluate
from fraktal_kernel.fractals.reference.orbit import Orbit

# So much is covered by the bits that every orbit has to spare.
_SPARE_BITS = 16


def lacking_bits(
    formula: Formula, seed: complex, origin: complex, orbit: Orbit, pixel_bits: int
) -> int:
    """Give by how many bits pixels come nearer to one another along an orbit; 0 for hardly any.

    Parameters
    ----------
    formula, seed : of the Julia set
    origin : where z is counted from
    orbit : of the centre of the view
    pixel_bits : the exponent of the size of a pixel
    """
    tape = formula.deep_jacobian
    if tape is None or pixel_bits >= 0:
        return 0
    z = orbit.z[:-1]
    before = np.append(z[:1] * 0, z[:-1])
    known = formula.values | {
        **{"zr": z.real, "zi": z.imag, "previousr": before.real, "previousi": before.imag},
        **{"cr": seed.real, "ci": seed.imag, "slope()r": 0.0, "slope()i": 0.0},
        **{"origin()r": origin.real, "origin()i": origin.imag},
    }
    parts = [
        np.abs(part) + np.zeros(len(z))
        for part in evaluate(tape, [known[name] for name in tape.inputs])
    ]
    wide = 2 if formula.holomorphic else 4
    by_z = np.max(parts[:wide] + (parts[2 * wide :] if formula.remembers else []), axis=0)
    # At a critical point, what a pixel is raised to.
    least = (formula.degree - 1) * pixel_bits
    with np.errstate(divide="ignore"):
        growth = np.cumsum(np.maximum(np.log2(by_z), least))
    most = float(-growth.min()) if len(growth) else 0.0
    if not most > _SPARE_BITS:
        return 0
    return math.ceil(min(most, -least))
