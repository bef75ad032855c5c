"""Linear approximations of segments of an orbit: what is compiled.

A segment begins at ``Z_j``. The first step is done exactly, ``y = f(Z_j + z) - f(Z_j)``; the rest
is linear:

.. math:: z_{j+l} = A y + B (c - C) \\quad\\text{where}\\quad |y| < r

Every further value of the orbit multiplies both matrices by the derivative of f there. The radius
*r* keeps the small value below ``reach``, a small part of ``|Z|``, all the way, so that what is
left out of the square does not count; *B* holds where ``B (c - C)`` stays below it too, for all
points of the picture. Segments of a stage join those of the stage below.

References
----------
Zhuoran, *Another solution to perturbation glitches* (2021) and the linear approximation of
Imagina; C. Heiland-Allen, *Deep zoom theory and practice* (2021 to 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.scaled import below, norm, plus, ratio, settled, times

# Columns of the tables of segments: mantissas of A, of B, of the radius; their exponents.
A, B, R = 0, 4, 8
A_E, B_E, R_E = 0, 1, 2
WIDE, WIDE_E = 9, 3
EVERYWHERE, NOWHERE = 1 << 40, -(1 << 40)  # exponents of radii that all, or none, are below


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _square(x: float, y: float, e: int, tolerance: float) -> Any:
    """Give the derivative of ``z*z`` (a matrix) and the reach."""
    a, b, c, d, f = settled(2 * x, -2 * y, 2 * y, 2 * x, e)
    reach, g = ratio(math.sqrt(x * x + y * y) * tolerance, e, 1.0, 0)
    return a, b, c, d, f, reach, g


def _local(formula: str) -> Any:
    """Give what there is to know of a formula near one value of its orbit."""
    return {"square": _square}[formula]


def from_orbit(formula: str) -> Callable[..., None]:
    """Make the function that fills the table of the first stage."""
    local = _local(formula)

    def fill(
        z: Any,
        exponents: Any,
        begins: Any,
        tolerance: float,
        dc: float,
        dc_e: int,
        out: Any,
        out_e: Any,
    ) -> None:
        """Go along each segment of the orbit.

        Parameters
        ----------
        z, exponents : mantissas [n, 2] and exponents [n] of the orbit
        begins : where segments begin, and where the last one ends
        tolerance : how small a part of ``|Z|`` is small
        dc, dc_e : the largest ``|c - C|`` of the picture
        out, out_e : the table
        """
        for s in range(begins.shape[0] - 1):
            a0, a1, a2, a3, ae = 0.5, 0.0, 0.0, 0.5, 1
            b0, b1, b2, b3, be = 0.5, 0.0, 0.0, 0.5, 1
            r, re = 0.5, EVERYWHERE  # the first step alone is exact
            for k in range(begins[s] + 1, begins[s + 1]):
                j0, j1, j2, j3, je, reach, reach_e = local(z[k, 0], z[k, 1], exponents[k], tolerance)
                if not below(*ratio(norm(b0, b1, b2, b3) * dc, be + dc_e, 1.0, 0), reach, reach_e):
                    re = NOWHERE
                    break
                limit, limit_e = ratio(reach, reach_e, norm(a0, a1, a2, a3), ae)
                if below(limit, limit_e, r, re):
                    r, re = limit, limit_e
                a0, a1, a2, a3, ae = times(j0, j1, j2, j3, je, a0, a1, a2, a3, ae)
                b0, b1, b2, b3, be = times(j0, j1, j2, j3, je, b0, b1, b2, b3, be)
                b0, b1, b2, b3, be = plus(b0, b1, b2, b3, be, 0.5, 0.0, 0.0, 0.5, 1)
            out[s, 0], out[s, 1], out[s, 2], out[s, 3] = a0, a1, a2, a3
            out[s, 4], out[s, 5], out[s, 6], out[s, 7], out[s, 8] = b0, b1, b2, b3, r
            out_e[s, 0], out_e[s, 1], out_e[s, 2] = ae, be, re

    return fill


def joined(formula: str) -> Callable[..., None]:
    """Make the function that fills the table of a stage from the one below."""
    local = _local(formula)

    def fill(
        z: Any,
        exponents: Any,
        begins: Any,
        places: Any,
        finer: Any,
        finer_e: Any,
        tolerance: float,
        dc: float,
        dc_e: int,
        out: Any,
        out_e: Any,
    ) -> None:
        """Join the segments of the stage below.

        Parameters
        ----------
        z, exponents : mantissas [n, 2] and exponents [n] of the orbit
        begins : where the segments of the stage below begin, and where the last one ends
        places : which of those begin a segment of this stage, and their count
        finer, finer_e : table of the stage below
        tolerance, dc, dc_e, out, out_e : as for the first stage
        """
        for s in range(places.shape[0] - 1):
            k = places[s]
            a0, a1, a2, a3 = finer[k, 0], finer[k, 1], finer[k, 2], finer[k, 3]
            b0, b1, b2, b3, r = finer[k, 4], finer[k, 5], finer[k, 6], finer[k, 7], finer[k, 8]
            ae, be, re = finer_e[k, 0], finer_e[k, 1], finer_e[k, 2]
            for k in range(places[s] + 1, places[s + 1]):
                r2, r2e = finer[k, 8], finer_e[k, 2]
                if re == NOWHERE or r2e == NOWHERE:
                    re = NOWHERE
                    break
                j = begins[k]
                j0, j1, j2, j3, je, reach, reach_e = local(z[j, 0], z[j, 1], exponents[j], tolerance)
                if not below(*ratio(norm(b0, b1, b2, b3) * dc, be + dc_e, 1.0, 0), reach, reach_e):
                    re = NOWHERE
                    break
                limit, limit_e = ratio(reach, reach_e, norm(a0, a1, a2, a3), ae)
                if below(limit, limit_e, r, re):
                    r, re = limit, limit_e
                a0, a1, a2, a3, ae = times(j0, j1, j2, j3, je, a0, a1, a2, a3, ae)
                b0, b1, b2, b3, be = times(j0, j1, j2, j3, je, b0, b1, b2, b3, be)
                # Both are now what comes into the linear part of the next segment.
                if not below(*ratio(norm(b0, b1, b2, b3) * dc, be + dc_e, 1.0, 0), r2, r2e):
                    re = NOWHERE
                    break
                limit, limit_e = ratio(r2, r2e, norm(a0, a1, a2, a3), ae)
                if below(limit, limit_e, r, re):
                    r, re = limit, limit_e
                p0, p1, p2, p3, pe = finer[k, 0], finer[k, 1], finer[k, 2], finer[k, 3], finer_e[k, 0]
                a0, a1, a2, a3, ae = times(p0, p1, p2, p3, pe, a0, a1, a2, a3, ae)
                b0, b1, b2, b3, be = times(p0, p1, p2, p3, pe, b0, b1, b2, b3, be)
                b0, b1, b2, b3, be = plus(
                    b0, b1, b2, b3, be, finer[k, 4], finer[k, 5], finer[k, 6], finer[k, 7], finer_e[k, 1]
                )
            out[s, 0], out[s, 1], out[s, 2], out[s, 3] = a0, a1, a2, a3
            out[s, 4], out[s, 5], out[s, 6], out[s, 7], out[s, 8] = b0, b1, b2, b3, r
            out_e[s, 0], out_e[s, 1], out_e[s, 2] = ae, be, re

    return fill
