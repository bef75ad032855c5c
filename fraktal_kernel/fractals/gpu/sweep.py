"""How many steps each point takes, on a card: one thread a point, some blocks of steps a launch.

Between two launches the points that have ended are left out, so that slow and fast neighbours do
not wait for each other, and whoever waits can stop. A launch remembers where each point began, and
again after 1, 2, 4, ... blocks: an orbit that comes back there never ends. One point a thread is
enough: a multiprocessor holds so many threads that each operation's latency is hidden by others.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numba import cuda

from fraktal_kernel.fractals.gpu.tapes import adapted, device, functions
from fraktal_kernel.fractals.lanes.body import CARRIED, POINT, Body
from fraktal_kernel.fractals.lanes.rows import BULB, CARDIOID, INSIDE, PERIOD

Z = CARRIED + POINT


@lru_cache
def place() -> Any:
    """Make ``placed(plane, row, column)``, the point of a pixel, rounded as everywhere else."""
    times = functions()["times"]

    def placed(plane: Any, row: int, column: int) -> Any:
        u, v = plane[2] + column, plane[3] - row
        x = plane[0] + times(plane[4], times(plane[5], u) + times(plane[6], v))
        y = plane[1] + times(plane[4], times(plane[7], u) + times(plane[8], v))
        return x, y

    return device(placed)


@lru_cache(maxsize=64)
def sweep_of(body: Body, single: bool = False) -> Any:
    """Make the kernel that counts the steps of one formula's points."""
    number = functions(single)["number"]
    moved = adapted(body.step, Z, body.parameters, single)
    start = adapted(body.start, POINT, body.parameters, single)
    placed = place()
    zero, infinite = number(0.0), number(np.inf)
    block, escapes, converges, checked = body.block, body.escapes, body.converges, body.checked
    four = body.carried == 4

    @device
    def ended(zr: Any, zi: Any, pr: Any, pi: Any, radius2: Any, epsilon2: Any) -> bool:
        """Say whether a step ended a point; what is no number has ended, too."""
        gone = False
        if escapes:
            gone = not zr * zr + zi * zi <= radius2
        if converges:
            x, y = zr - pr, zi - pi
            gone = gone or not x * x + y * y >= epsilon2
        return gone

    def sweep(
        points: Any,
        many: int,
        onward: Any,
        left: Any,
        blocks: int,
        z: Any,
        steps: Any,
        found: Any,
        plane: Any,
        ends: Any,
        numbers: Any,
        julia: bool,
        skip: int,
        width: int,
        max_iter: int,
    ) -> None:
        """Walk so many blocks.

        Parameters
        ----------
        points, many : which points, ``row * width + column``, and how many
        onward, left : what is not done after this launch, and how many, added up from 0
        blocks : of steps, in this launch
        z : what is carried, [numbers, points]; of a point that came to rest, the squares of its
            last two moves stand in place of the z before
        steps : so far, by point; 0 for none yet
        found : int64, as ``counts`` in `lanes.sweep`
        plane, ends, julia, skip, max_iter : as `lanes.sweep` takes them
        numbers : parameters of the formula
        width : of a row
        """
        k = cuda.grid(1)
        if k >= many:
            return
        i = points[k]
        n = steps[i]
        x, y = placed(plane, i // width, i % width)
        cr, ci = number(x), number(y)
        if julia:
            cr, ci = number(plane[9]), number(plane[10])
        zr, zi, pr, pi = zero, zero, zero, zero
        if n > 0:
            zr, zi = z[0, i], z[1, i]
            if four:
                pr, pi = z[2, i], z[3, i]
        else:
            if skip & (CARDIOID | BULB):
                y2, u, v = y * y, x - 0.25, x + 1.0
                q = u * u + y2
                if (skip & CARDIOID and q * (q + u) < 0.25 * y2) or (
                    skip & BULB and v * v + y2 < 0.0625
                ):
                    found[i] = INSIDE
                    return
            if julia:
                zr, zi = number(x), number(y)
            else:
                begun = start(cr, ci, numbers)
                zr, zi = begun[0], begun[1]
        radius2, epsilon2, tolerance2 = number(ends[0]), number(ends[1]), number(ends[3])
        brent = skip & PERIOD != 0
        sr, si, sp, sq = zr, zi, pr, pi
        done, due = 0, 1
        settled = False
        while done < blocks:
            br, bi, bp, bq = zr, zi, pr, pi
            gone = False
            for _ in range(block):
                after = moved(zr, zi, pr, pi, cr, ci, numbers)
                pr, pi = zr, zi
                zr, zi = after[0], after[1]
                if checked:
                    gone = gone or ended(zr, zi, pr, pi, radius2, epsilon2)
            if not checked:
                gone = ended(zr, zi, pr, pi, radius2, epsilon2)
            n += block
            done += 1
            if gone:
                # It ended during this block: replay that, step by step.
                k = n - block
                zr, zi, pr, pi = br, bi, bp, bq
                if not four:
                    pr, pi = zr, zi
                moved2 = (zr - pr) * (zr - pr) + (zi - pi) * (zi - pi)
                before2 = infinite
                if k == 0:
                    moved2 = infinite
                far, near = False, False
                while True:
                    size = zr * zr + zi * zi
                    far = escapes and not size <= radius2
                    if far or near or k >= n:
                        break
                    before2 = moved2
                    after = moved(zr, zi, pr, pi, cr, ci, numbers)
                    pr, pi = zr, zi
                    zr, zi = after[0], after[1]
                    k += 1
                    if converges:
                        moved2 = (zr - pr) * (zr - pr) + (zi - pi) * (zi - pi)
                        near = moved2 < epsilon2
                if far or near:
                    settled = True
                    found[i] = k if k <= max_iter else INSIDE - max_iter
                    if four:
                        pr, pi = before2, moved2
                    break
                if not size < infinite:
                    # Not a number, and never far: it stays so.
                    settled = True
                    found[i] = INSIDE - (n if n < max_iter else max_iter)
                    break
            if n >= max_iter:
                settled = True
                found[i] = INSIDE - max_iter
                break
            if brent:
                apart = (zr - sr) * (zr - sr) + (zi - si) * (zi - si)
                if four:
                    apart += (pr - sp) * (pr - sp) + (pi - sq) * (pi - sq)
                if apart <= tolerance2:
                    settled = True
                    found[i] = INSIDE - n
                    break
                if done == due:
                    sr, si, sp, sq = zr, zi, pr, pi
                    due += due
        steps[i] = n
        z[0, i], z[1, i] = zr, zi
        if four:
            z[2, i], z[3, i] = pr, pi
        if not settled:
            onward[cuda.atomic.add(left, 0, 1)] = i

    return cuda.jit(sweep)


@lru_cache(maxsize=64)
def smooth_of(escapes: bool, converges: bool) -> Any:
    """Make the kernel that gives the continuous counts, always in float64."""
    log, nan, infinite = functions()["log"], math.nan, math.inf
    half_log2 = 0.5 / math.log(2.0)

    def smooth(z: Any, found: Any, ends: Any, out: Any) -> None:
        """Turn counts and last z into continuous counts: NaN inside.

        Parameters
        ----------
        z, found, ends : as `sweep_of` takes and leaves them
        out : float64, by point
        """
        i = cuda.grid(1)
        if i >= found.shape[0]:
            return
        n, nu = found[i], nan
        if n >= 0:
            x, y = np.float64(z[0, i]), np.float64(z[1, i])
            size = x * x + y * y
            nu = np.float64(n)
            if escapes and not size <= ends[0]:
                if size < infinite and ends[2] > 0.0:
                    nu = n + 1 - log(log(size) * half_log2) * ends[2]
            elif converges and z[2, i] < 1.0:
                before = log(np.float64(z[2, i]))
                part = log(log(ends[1]) / before)
                nu = n - 1 + part / log(log(np.float64(z[3, i])) / before)
            nu = nu if nu > 0.0 else 0.0
        out[i] = nu

    return cuda.jit(smooth)
