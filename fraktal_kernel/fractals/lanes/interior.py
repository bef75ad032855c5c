"""What is known of points that never end: the period of their cycle and how far the edge is.

An orbit that stays comes near a cycle. Newton's method finds the cycle itself, its multiplier
says whether it attracts, and how fast the multiplier changes with c says how far the edge is.

References
----------
Heiland-Allen, *Interior coordinates in the Mandelbrot set* (2013), for the derivatives by z and c.
"""

from __future__ import annotations

import math
from typing import Any

from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.lanes.body import Body
from fraktal_kernel.fractals.lanes.rows import CURSOR, INSIDE
from fraktal_kernel.fractals.lanes.vectors import scalar_slopes, scalar_step

# So near, compared with its size, a z has to come back before a cycle is looked for; and so near
# where only that is known.
_NEAR, _SAME = 1e-4, 1e-9
_LONGEST = 8192
_ROUNDS = 12
# A search along p steps costs about so many of them; and a point at most so many, because one that
# creeps towards a cycle looks near it again and again.
_SEARCH = 8
_MOST = _SEARCH * _LONGEST


def build_interior(body: Body, jacobian: Tape | None, curvature: Tape | None) -> Any:
    """Make the kernel for one formula; without a complex jacobian it only compares z with z."""
    from numba import njit

    step = scalar_step(body)
    slopes, bends = scalar_slopes(body, jacobian), scalar_slopes(body, curvature)
    exact, remembers = jacobian is not None, body.remembers

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def cycle(zr: float, zi: float, cr: float, ci: float, p: int, parameters: Any) -> Any:
        """Find a cycle by Newton's method: whether there is one, its z and its multiplier."""
        lr = li = 0.0
        before = math.inf
        for _ in range(_ROUNDS):
            x, y, lr, li = zr, zi, 1.0, 0.0
            for _ in range(p):
                a, b, _, _ = slopes(x, y, x, y, cr, ci, parameters)
                lr, li = a * lr - b * li, a * li + b * lr
                x, y, _, _ = step(x, y, x, y, cr, ci, parameters)
            # z - (f(z) - z) / (f'(z) - 1)
            ar, ai, br, bi = x - zr, y - zi, lr - 1.0, li
            size = br * br + bi * bi
            dr, di = (ar * br + ai * bi) / size, (ai * br - ar * bi) / size
            zr, zi = zr - dr, zi - di
            moved = (dr * dr + di * di) / (1.0 + zr * zr + zi * zi)
            # Long cycles never come to rest: what is rounded on their way moves them on and on.
            if moved <= 1e-30 or (moved <= 1e-18 and moved >= 0.25 * before):
                return True, zr, zi, lr, li
            before = moved
        return False, zr, zi, lr, li

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def shortest(zr: float, zi: float, cr: float, ci: float, p: int, parameters: Any) -> int:
        """Give the period of a cycle that is known to close after p steps: a divisor of p."""
        near = _SAME**2 * (1.0 + zr * zr + zi * zi)
        x, y = zr, zi
        for q in range(1, p // 2 + 1):
            x, y, _, _ = step(x, y, x, y, cr, ci, parameters)
            if p % q == 0 and (x - zr) * (x - zr) + (y - zi) * (y - zi) <= near:
                return q
        return p

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def edge(
        zr: float, zi: float, cr: float, ci: float, p: int, branches: int, parameters: Any
    ) -> float:
        """Estimate the distance to the edge: half of ``(1 - |l|^2) / |dl/dc|``.

        Of the p-th z, a is the derivative by z_0, d by c, b twice by z_0, e by both; as the cycle
        moves with c, ``dl/dc = e + b d / (1 - a)``. Where l takes each value several times, its
        root does so once and stands in its place.
        """
        ar, ai, dr, di = 1.0, 0.0, 0.0, 0.0
        br, bi, er, ei = 0.0, 0.0, 0.0, 0.0
        x, y = zr, zi
        for _ in range(p):
            ur, ui, vr, vi = slopes(x, y, x, y, cr, ci, parameters)
            hr, hi, kr, ki = bends(x, y, x, y, cr, ci, parameters)
            # What f_zz and f_zc make of a and d together.
            gr, gi = hr * dr - hi * di + kr, hr * di + hi * dr + ki
            er, ei = (
                ur * er - ui * ei + gr * ar - gi * ai,
                ur * ei + ui * er + gr * ai + gi * ar,
            )
            gr, gi = ar * ar - ai * ai, 2 * ar * ai
            br, bi = (
                ur * br - ui * bi + hr * gr - hi * gi,
                ur * bi + ui * br + hr * gi + hi * gr,
            )
            dr, di = ur * dr - ui * di + vr, ur * di + ui * dr + vi
            ar, ai = ur * ar - ui * ai, ur * ai + ui * ar
            x, y, _, _ = step(x, y, x, y, cr, ci, parameters)
        gr, gi = 1.0 - ar, -ai
        size = gr * gr + gi * gi
        wr, wi = (dr * gr + di * gi) / size, (di * gr - dr * gi) / size
        change = math.hypot(er + br * wr - bi * wi, ei + br * wi + bi * wr)
        multiplier = math.hypot(ar, ai)
        if branches > 1:
            root = math.exp(math.log(multiplier) / branches)
            change *= root / (branches * multiplier)
            multiplier = root
        return (1.0 - multiplier * multiplier) / (2 * change)

    def interior(
        counts: Any,
        last: Any,
        period: Any,
        far: Any,
        span: Any,
        plane: Any,
        parameters: Any,
        julia: bool,
        branches: int,
        clock: Any,
        budget: int,
    ) -> bool:
        """Find the cycles of the points inside, in rows of a picture, as far as a budget goes.

        Parameters
        ----------
        counts, last : as `build_sweep` leaves them
        period : int64, what is found; untouched where nothing is
        far : float64, estimate of the distance to the edge in pixels, likewise; or empty
        span, plane, parameters, julia : as `build_sweep` takes them
        branches : how often the multiplier takes each value within a component
        clock : of which the cursor is used
        budget : return after so many steps

        Returns
        -------
        whether the span is done
        """
        cursor = clock[CURSOR]
        end = span[1] * span[5]
        left = budget
        target = span[0] * span[5] + cursor
        while target < end and left > 0:
            if counts[target] > INSIDE:
                target += 1
                continue
            row, column = target // span[5], target % span[5]
            u, v = plane[2] + column, plane[3] - row
            cr = plane[0] + plane[4] * (plane[5] * u + plane[6] * v)
            ci = plane[1] + plane[4] * (plane[7] * u + plane[8] * v)
            if julia:
                cr, ci = plane[9], plane[10]
            zr, zi = last[2 * target], last[2 * target + 1]
            x, y, pr, pi = zr, zi, zr, zi
            if remembers:  # the z before was not kept: walk on until it matters no more
                for _ in range(_LONGEST):
                    x, y, pr, pi = step(x, y, pr, pi, cr, ci, parameters)
                zr, zi = x, y
                left -= _LONGEST
            size = 1.0 + zr * zr + zi * zi
            longest = INSIDE - counts[target]
            longest = longest if longest < _LONGEST else _LONGEST
            near = (_NEAR if exact else _SAME) ** 2 * size
            spent = 0
            for p in range(1, longest + 1):
                x, y, pr, pi = step(x, y, pr, pi, cr, ci, parameters)
                left -= 1
                if not (x - zr) * (x - zr) + (y - zi) * (y - zi) <= near:
                    continue
                if not exact:
                    period[target] = p
                    break
                left -= _SEARCH * p
                spent += _SEARCH * p
                if spent > _MOST:
                    break
                there, wr, wi, lr, li = cycle(x, y, cr, ci, p, parameters)
                away = (wr - zr) * (wr - zr) + (wi - zi) * (wi - zi)
                if there and lr * lr + li * li < 1.0 and away <= 1e-4 * size:
                    q = shortest(wr, wi, cr, ci, p, parameters)
                    period[target] = q
                    if far.shape[0] > 0 and not julia:
                        found = edge(wr, wi, cr, ci, q, branches, parameters)
                        if branches > 1 and not found < math.inf:
                            # In the very centre, where l and its change are 0: from beside it.
                            x, y = cr + 1e-3 * plane[4], ci
                            _, wr, wi, _, _ = cycle(wr, wi, x, y, q, parameters)
                            found = edge(wr, wi, x, y, q, branches, parameters)
                        far[target] = found / plane[4]
                    break
            target += 1
        clock[CURSOR] = target - span[0] * span[5]
        return bool(target >= end)

    return interior
