r"""Linear approximations of segments of an orbit, for maps that fold the plane: compiled.

A segment begins at ``Z_j``. Its first step is done exactly, ``y = f(Z_j + z) - f(Z_j)``; the rest
is linear, with real 2 x 2 matrices:

.. math:: z_{j+l} = A y + B (c - C) \quad\text{where}\quad |y| < r

The radius *r* keeps ``A y`` on the same side of every fold as the orbit, and below a small part of
``|Z|``, all the way; *B* holds where ``B (c - C)`` does so for all points of the picture.

References
----------
C. Heiland-Allen, *Deep zoom theory and practice (again)* (2022), "Non-conformal BLA".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.kinds import Map
from fraktal_kernel.fractals.deep.maps import matrix_of
from fraktal_kernel.fractals.deep.scaled import (
    below,
    complex_of,
    norm,
    plus,
    ratio,
    times,
    total,
)
from fraktal_kernel.fractals.deep.series import NOWHERE

# The columns of the tables are those of `series`: mantissas of A, of B, of the radius; exponents.
A_E, B_E, R_E = 0, 1, 4
# What stays within so large a part of the way to a fold does not cross it with its B.
_WITHIN = 0.4


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _reach(away: Any, size: Any, near: float) -> Any:
    """Give how far a small value may go: to the fold, or to where squares count."""
    straight = ratio(size[0] * near, size[1], 1.0, 0)
    fold = ratio(away[0] * _WITHIN, away[1], 1.0, 0)
    return fold if below(fold[0], fold[1], straight[0], straight[1]) else straight


def from_orbit(kind: Map) -> Callable[..., None]:
    """Make the function that fills the table of the first stage."""
    local = matrix_of(kind)

    def fill(
        z: Any,
        exponents: Any,
        begins: Any,
        near: float,
        near_dc: float,
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
        near, near_dc : how small a part of ``|Z|`` is small, for z and for ``B (c - C)``
        dc, dc_e : the largest ``|c - C|`` of the picture
        out, out_e : the table
        """
        for s in range(begins.shape[0] - 1):
            a0, a1, a2, a3, ae = 0.5, 0.0, 0.0, 0.5, 1
            b0, b1, b2, b3, be = 0.5, 0.0, 0.0, 0.5, 1
            r, re = 0.5, 1  # the first step is exact; the point must not leave unseen
            for k in range(begins[s] + 1, begins[s + 1]):
                (j0, j1, j2, j3, je), away, size = local(z[k, 0], z[k, 1], exponents[k])
                reach, reach_e = _reach(away, size, near)
                part, part_e = _reach(away, size, near_dc)
                if not below(*ratio(norm(b0, b1, b2, b3) * dc, be + dc_e, 1.0, 0), part, part_e):
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
            out_e[s, A_E], out_e[s, B_E], out_e[s, R_E] = ae, be, re

    return fill


def joined(kind: Map) -> Callable[..., None]:
    """Make the function that fills the table of a stage from the one below."""
    local = matrix_of(kind)

    def fill(
        z: Any,
        exponents: Any,
        begins: Any,
        places: Any,
        finer: Any,
        finer_e: Any,
        near: float,
        near_dc: float,
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
        near, near_dc, dc, dc_e, out, out_e : as for the first stage
        """
        for s in range(places.shape[0] - 1):
            k = places[s]
            a0, a1, a2, a3 = finer[k, 0], finer[k, 1], finer[k, 2], finer[k, 3]
            b0, b1, b2, b3, r = finer[k, 4], finer[k, 5], finer[k, 6], finer[k, 7], finer[k, 8]
            ae, be, re = finer_e[k, A_E], finer_e[k, B_E], finer_e[k, R_E]
            for k in range(places[s] + 1, places[s + 1]):
                r2, r2e = finer[k, 8], finer_e[k, R_E]
                if re == NOWHERE or r2e == NOWHERE:
                    re = NOWHERE
                    break
                j = begins[k]
                (j0, j1, j2, j3, je), away, size = local(z[j, 0], z[j, 1], exponents[j])
                reach, reach_e = _reach(away, size, near)
                part, part_e = _reach(away, size, near_dc)
                if not below(*ratio(norm(b0, b1, b2, b3) * dc, be + dc_e, 1.0, 0), part, part_e):
                    re = NOWHERE
                    break
                limit, limit_e = ratio(reach, reach_e, norm(a0, a1, a2, a3), ae)
                if below(limit, limit_e, r, re):
                    r, re = limit, limit_e
                a0, a1, a2, a3, ae = times(j0, j1, j2, j3, je, a0, a1, a2, a3, ae)
                b0, b1, b2, b3, be = times(j0, j1, j2, j3, je, b0, b1, b2, b3, be)
                # Both are now what comes into the linear part of the next segment.
                if not below(
                    *ratio(norm(b0, b1, b2, b3) * dc, be + dc_e, 1.0, 0),
                    *ratio(r2 * (near_dc / near), r2e, 1.0, 0),
                ):
                    re = NOWHERE
                    break
                limit, limit_e = ratio(r2, r2e, norm(a0, a1, a2, a3), ae)
                if below(limit, limit_e, r, re):
                    r, re = limit, limit_e
                p0, p1, p2, p3, pe = (
                    finer[k, 0],
                    finer[k, 1],
                    finer[k, 2],
                    finer[k, 3],
                    finer_e[k, 0],
                )
                a0, a1, a2, a3, ae = times(p0, p1, p2, p3, pe, a0, a1, a2, a3, ae)
                b0, b1, b2, b3, be = times(p0, p1, p2, p3, pe, b0, b1, b2, b3, be)
                b0, b1, b2, b3, be = plus(
                    b0,
                    b1,
                    b2,
                    b3,
                    be,
                    finer[k, 4],
                    finer[k, 5],
                    finer[k, 6],
                    finer[k, 7],
                    finer_e[k, 1],
                )
            out[s, 0], out[s, 1], out[s, 2], out[s, 3] = a0, a1, a2, a3
            out[s, 4], out[s, 5], out[s, 6], out[s, 7], out[s, 8] = b0, b1, b2, b3, r
            out_e[s, A_E], out_e[s, B_E], out_e[s, R_E] = ae, be, re

    return fill


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def applied(k: Any, yr: float, yi: float, dr: float, di: float) -> Any:
    """Give ``A y + B d``, for A and B row by row."""
    return (
        k[0] * yr + k[1] * yi + (k[4] * dr + k[5] * di),
        k[2] * yr + k[3] * yi + (k[6] * dr + k[7] * di),
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def sloped(k: Any, yr: float, yi: float, s: Any) -> Any:
    """Give ``A s + B``."""
    return (
        k[0] * s[0] + k[1] * s[2] + k[4],
        k[0] * s[1] + k[1] * s[3] + k[5],
        k[2] * s[0] + k[3] * s[2] + k[6],
        k[2] * s[1] + k[3] * s[3] + k[7],
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def applied_far(g: Any, e: Any, at: int, y: Any, d: Any) -> Any:
    """Give the same as `applied` in extended exponents: mantissas from column 3 on."""
    return total(
        complex_of(
            g[at, 3] * y[0] + g[at, 4] * y[1], g[at, 5] * y[0] + g[at, 6] * y[1], e[at, 2] + y[2]
        ),
        complex_of(
            g[at, 7] * d[0] + g[at, 8] * d[1], g[at, 9] * d[0] + g[at, 10] * d[1], e[at, 3] + d[2]
        ),
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def sloped_far(g: Any, e: Any, at: int, y: Any, s: Any, s_e: int) -> Any:
    """Give the same as `sloped` in extended exponents."""
    inner = times(g[at, 3], g[at, 4], g[at, 5], g[at, 6], e[at, 2], s[0], s[1], s[2], s[3], s_e)
    p, q, r, t, f = plus(*inner, g[at, 7], g[at, 8], g[at, 9], g[at, 10], e[at, 3])
    return (p, q, r, t), f
