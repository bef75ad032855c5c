r"""Approximations of segments of an orbit by short series, for holomorphic formulas: compiled.

A segment begins at ``Z_j``. Its first step is done exactly, ``y = f(Z_j + z) - f(Z_j)``; the rest
is a polynomial of third degree:

.. math:: z_{j+l} = A y + D y^2 + T y^3 + B (c - C) \quad\text{where}\quad |y| < r

Every further value of the orbit puts this into the Taylor series of f there. The radius *r* keeps
``A y`` below a part of what f's own scale is there (``|Z|`` for ``z*z``) all the way, so that the
fourth power does not count; *B* holds where ``B (c - C)`` stays below a much smaller part, for all
points of the picture, because no product with it is kept. Stages join segments of the stage below.

References
----------
Zhuoran, *Another solution to perturbation glitches* (2021), and the linear approximation of
Imagina, here with two terms more; C. Heiland-Allen, *Deep zoom theory and practice* (2021).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.kinds import Map
from fraktal_kernel.fractals.deep.maps import taylor_of, times
from fraktal_kernel.fractals.deep.scaled import (
    below,
    complex_of,
    product,
    ratio,
    size_of,
    total,
)

# Columns of the tables: mantissas of A, B, D, T (two each), of the radius; their exponents.
A, B, D, T, R = 0, 2, 4, 6, 8
A_E, B_E, D_E, T_E, R_E = range(5)
WIDE, WIDE_E = 9, 5
NOWHERE = -(1 << 40)  # the exponent of a radius that none is below


def _step(kind: Map) -> Any:
    """Make the step along the orbit."""
    local = taylor_of(kind)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def step(z: Any, k: int, e: int, s: Any, near: float, near_dc: float, dc: Any) -> Any:
        """Put the series ``A, B, D, T, radius`` into f at ``Z_k``, without what c adds there."""
        f1, f2, f3, scale = local(z[k, 0], z[k, 1], e)
        a, b, d, t, r = s
        r = _narrowed(r, ratio(scale[0] * near, scale[1], 1.0, 0), a)
        if not _within(b, dc, ratio(scale[0] * near_dc, scale[1], 1.0, 0)):
            r = (0.5, NOWHERE)
        a, d, t = _composed(f1, f2, f3, a, d, t)
        return a, product(f1, b), d, t, r

    return step


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _narrowed(r: Any, reach: Any, a: Any) -> Any:
    """Narrow a radius so that ``A y`` stays within reach."""
    limit = ratio(reach[0], reach[1], *size_of(a))
    return limit if below(limit[0], limit[1], r[0], r[1]) else r


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _within(b: Any, dc: Any, reach: Any) -> bool:
    """Tell whether ``B (c - C)`` stays within reach."""
    size = ratio(size_of(b)[0] * dc[0], b[2] + dc[1], 1.0, 0)
    return below(size[0], size[1], reach[0], reach[1])  # type: ignore[no-any-return]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _composed(f1: Any, f2: Any, f3: Any, a: Any, d: Any, t: Any) -> Any:
    """Put ``A y + D y**2 + T y**3`` into ``f1 x + f2 x**2 + f3 x**3``."""
    aa, ad = product(a, a), product(a, d)
    cubic = total(product(f2, (2 * ad[0], 2 * ad[1], ad[2])), product(f3, product(aa, a)))
    return product(f1, a), total(product(f1, d), product(f2, aa)), total(product(f1, t), cubic)


def from_orbit(kind: Map) -> Callable[..., None]:
    """Make the function that fills the table of the first stage."""
    step = _step(kind)

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
        near, near_dc : how small a part of the scale of f is small, for z and for ``B (c - C)``
        dc, dc_e : the largest ``|c - C|`` of the picture
        out, out_e : the table
        """
        one, zero = (0.5, 0.0, 1), complex_of(0.0, 0.0, 0)
        # The first step is exact; the point must not leave unseen.
        widest = (0.5, 1)
        for k in range(begins.shape[0] - 1):
            s = (one, one, zero, zero, widest)
            for j in range(begins[k] + 1, begins[k + 1]):
                s = step(z, j, exponents[j], s, near, near_dc, (dc, dc_e))
                if s[4][1] == NOWHERE:
                    break
                s = (s[0], total(s[1], one), s[2], s[3], s[4])
            _store(out, out_e, k, s)

    return fill


def joined(kind: Map) -> Callable[..., None]:
    """Make the function that fills the table of a stage from the one below."""
    step = _step(kind)

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
        for k in range(places.shape[0] - 1):
            s = _load(finer, finer_e, places[k])
            for i in range(places[k] + 1, places[k + 1]):
                g = _load(finer, finer_e, i)
                # What comes out of the first step of the next segment goes into its series.
                s = step(z, begins[i], exponents[begins[i]], s, near, near_dc, (dc, dc_e))
                a, b, d, t, r = s
                r = _narrowed(r, g[4], a)
                reach = ratio(g[4][0] * (near_dc / near), g[4][1], 1.0, 0)
                if r[1] == NOWHERE or g[4][1] == NOWHERE or not _within(b, (dc, dc_e), reach):
                    s = (a, b, d, t, (0.5, NOWHERE))
                    break
                a, d, t = _composed(g[0], g[2], g[3], a, d, t)
                s = (a, total(product(g[0], b), g[1]), d, t, r)
            _store(out, out_e, k, s)

    return fill


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def applied(k: Any, yr: float, yi: float, dr: float, di: float) -> Any:
    """Give ``A y + D y**2 + T y**3 + B d``, for A, B, D, T in two numbers each."""
    pr, pi = times(k[6], k[7], yr, yi)
    qr, qi = times(k[4] + pr, k[5] + pi, yr, yi)
    ar, ai = times(k[0] + qr, k[1] + qi, yr, yi)
    br, bi = times(k[2], k[3], dr, di)
    return ar + br, ai + bi


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def sloped(k: Any, yr: float, yi: float, s: Any) -> Any:
    """Give ``(A + 2 D y + 3 T y**2) s + B``."""
    pr, pi = times(3 * k[6], 3 * k[7], yr, yi)
    qr, qi = times(2 * k[4] + pr, 2 * k[5] + pi, yr, yi)
    ar, ai = times(k[0] + qr, k[1] + qi, s[0], s[1])
    return ar + k[2], ai + k[3]


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def applied_far(g: Any, e: Any, at: int, y: Any, d: Any) -> Any:
    """Give the same as `applied` in extended exponents: mantissas from column 3 on."""
    return total(
        product(total((g[at, 3], g[at, 4], e[at, 2]), _bent(g, e, at, y)), y),
        product((g[at, 5], g[at, 6], e[at, 3]), d),
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _bent(g: Any, e: Any, at: int, y: Any) -> Any:
    """Give ``D y + T y**2``."""
    d, t = (g[at, 7], g[at, 8], e[at, 4]), (g[at, 9], g[at, 10], e[at, 5])
    return product(total(d, product(t, y)), y)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def sloped_far(g: Any, e: Any, at: int, y: Any, s: Any, s_e: int) -> Any:
    """Give the same as `sloped` in extended exponents."""
    d, t = (g[at, 7], g[at, 8], e[at, 4]), (g[at, 9], g[at, 10], e[at, 5])
    ty = product(t, y)
    bent = product(total(total(d, d), total(ty, total(ty, ty))), y)
    slope = total((g[at, 3], g[at, 4], e[at, 2]), bent)
    u, v, f = total(product(slope, (s[0], s[1], s_e)), (g[at, 5], g[at, 6], e[at, 3]))
    return (u, v), f


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _load(table: Any, exponents: Any, k: int) -> Any:
    return (
        (table[k, 0], table[k, 1], exponents[k, A_E]),
        (table[k, 2], table[k, 3], exponents[k, B_E]),
        (table[k, 4], table[k, 5], exponents[k, D_E]),
        (table[k, 6], table[k, 7], exponents[k, T_E]),
        (table[k, 8], exponents[k, R_E]),
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _store(table: Any, exponents: Any, k: int, s: Any) -> None:
    a, b, d, t, r = s
    table[k, 0], table[k, 1], exponents[k, A_E] = a
    table[k, 2], table[k, 3], exponents[k, B_E] = b
    table[k, 4], table[k, 5], exponents[k, D_E] = d
    table[k, 6], table[k, 7], exponents[k, T_E] = t
    table[k, 8], exponents[k, R_E] = r
