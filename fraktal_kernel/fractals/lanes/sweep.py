"""How many steps each point of a picture takes: the first walk, in lockstep lanes.

A free lane takes the next point at once, so that slow and fast neighbours do not wait for each
other. What a point is, which rows to do and how many threads there are is decided in `fill`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fraktal_kernel.fractals.lanes.body import Body
from fraktal_kernel.fractals.lanes.rows import (
    BEGUN,
    BRENT,
    BULB,
    CARDIOID,
    CURSOR,
    DEADLINE,
    INSIDE,
    ITERATIONS,
    NEVER,
    NOW,
    PERIOD,
    PIXEL,
    SAVE_AT,
    TO_DO,
)
from fraktal_kernel.fractals.lanes.vectors import (
    advance_of,
    flush_small,
    lowest,
    restore_small,
    scalar_outputs,
    scalar_step,
)

# Brent's finder saves a point's z after so many steps, and whenever twice as many are done.
_FIRST_SAVED = 64


def build_sweep(body: Body) -> Any:
    """Make the kernel that counts the steps of one formula's points."""
    advance, step, start = (
        advance_of(body),
        scalar_step(body),
        scalar_outputs(body.start, body.parameters),
    )
    many, lane_count, block = body.carried, body.lanes, body.block
    has_before = many == 4
    escapes, converges = body.escapes, body.converges
    point, old, saved, rows = many, many + 2, 2 * many + 2, 3 * many + 2
    first_saved = _FIRST_SAVED // block

    def sweep(
        counts: Any,
        smooth: Any,
        last: Any,
        span: Any,
        plane: Any,
        ends: Any,
        parameters: Any,
        julia: bool,
        max_iter: int,
        skip: int,
        state: Any,
        lanes: Any,
        clock: Any,
        drain: bool,
        budget: int,
    ) -> bool:
        r"""Count the steps of the points of one span, as far as a budget goes.

        Parameters
        ----------
        counts : int64, row after row; only what is `TO_DO` is done. The first n with
            ``|z_n|`` beyond the radius or with ``|z_n - z_{n-1}|`` below epsilon; where there is
            none up to ``max_iter``, `INSIDE` less the steps after which that was known
        smooth : float64, continuous count; or empty if nobody asks
        last : float64, both parts of the last z, one point after the other; or empty
        span : first row, row after the last, step between rows and columns, first column,
            column after the last, length of a row
        plane : coordinates of the centre; of pixel [0, 0] from there, in pixels; size of a pixel;
            the matrix of the view; the constant of a Julia set
        ends : squares of the radius and of epsilon; 1 / log(degree), or 0 for no degree;
            square of the distance at which an orbit is said to have come back
        parameters : of the formula
        julia : whether the point is z_0 and c is fixed
        max_iter : a point that has not ended after so many steps is inside
        skip : bits of ``CARDIOID | BULB | PERIOD``
        state, lanes, clock : the lanes, kept between calls
        drain : whether to finish all lanes; else return as soon as the span has no more points
        budget : return after so many blocks, finished or not

        Returns
        -------
        whether the span (and with ``drain`` every lane) is done

        References
        ----------
        Peitgen & Richter, *The Beauty of Fractals* (1986); R. P. Brent, *An improved Monte Carlo
        factorization algorithm* (1980), for the cycle finder.
        """
        first, end, stride = span[0], span[1], span[2]
        left, columns, length = span[3], span[4], span[5]
        across = (columns - left + stride - 1) // stride
        points = (end - first + stride - 1) // stride * across
        radius2, epsilon2, per_fold, tolerance2 = ends[0], ends[1], ends[2], ends[3]
        # The last block may run past max_iter; who ends only then is inside all the same.
        limit = (max_iter + block - 1) // block
        half_log2 = 0.5 / math.log(2.0)
        log_epsilon2 = math.log(epsilon2)
        if skip & PERIOD == 0:
            tolerance2 = -1.0
        # The clock in registers; no calls of min and max, which numba compiles one by one.
        now, deadline, brent = clock[NOW], clock[DEADLINE], clock[BRENT]
        cursor, iterations = clock[CURSOR], clock[ITERATIONS]
        # Where the cursor is; divisions are slow.
        at_row, at_column = first + cursor // across * stride, left + cursor % across * stride
        stop_at = now + budget
        treated = flush_small()
        active = 0
        for lane in range(lane_count):
            if lanes[PIXEL, lane] >= 0:
                active |= 1 << lane
        # All lanes are looked at on entry; later, those that ended, came back or are due.
        mask, gone, back = (1 << lane_count) - 1, 0, 0
        while True:
            while mask != 0:
                lane = lowest(mask)
                bit = mask & -mask
                mask ^= bit
                pixel = lanes[PIXEL, lane]
                if pixel >= 0:
                    zr, zi = state[0, lane], state[1, lane]
                    blocks = now - lanes[BEGUN, lane]
                    n = blocks * block
                    settled = back & bit != 0 or blocks >= limit
                    nu, inside = math.nan, True
                    if gone & bit:
                        # It ended during the last block: replay that, point by point.
                        k = n - block
                        cr, ci = state[point, lane], state[point + 1, lane]
                        zr, zi = state[old, lane], state[old + 1, lane]
                        pr, pi = zr, zi
                        if has_before:
                            pr, pi = state[old + 2, lane], state[old + 3, lane]
                        far, near = False, False
                        moved2 = (zr - pr) * (zr - pr) + (zi - pi) * (zi - pi)
                        before2 = math.inf
                        if k == 0:
                            moved2 = math.inf
                        while True:
                            size = zr * zr + zi * zi
                            far = escapes and not size <= radius2
                            if far or near or k >= n:
                                break
                            before2 = moved2
                            zr, zi, pr, pi = step(zr, zi, pr, pi, cr, ci, parameters)
                            k += 1
                            if converges:
                                moved2 = (zr - pr) * (zr - pr) + (zi - pi) * (zi - pi)
                                near = moved2 < epsilon2
                        if far or near:
                            n, settled, inside = k, True, k > max_iter
                            nu = n
                            if smooth.shape[0] == 0:
                                pass
                            elif far:
                                if size < math.inf and per_fold > 0.0:
                                    nu = n + 1 - math.log(math.log(size) * half_log2) * per_fold
                            elif before2 < 1.0:
                                part = math.log(log_epsilon2 / math.log(before2))
                                whole = math.log(math.log(moved2) / math.log(before2))
                                nu = n - 1 + part / whole
                            nu = nu if nu > 0.0 else 0.0
                        else:
                            # Not a number at the end of a block, and never far: it stays so.
                            settled = settled or not size < math.inf
                    if not settled:
                        continue
                    if inside:
                        nu = math.nan
                        n = n if n < max_iter else max_iter
                    iterations += n
                    counts[pixel] = INSIDE - n if inside else n
                    if smooth.shape[0] > 0:
                        smooth[pixel] = nu
                    if last.shape[0] > 0:
                        last[2 * pixel], last[2 * pixel + 1] = zr, zi
                    lanes[PIXEL, lane] = -1
                    lanes[SAVE_AT, lane] = NEVER
                    active &= ~bit
                # The lane is free: give it the next point that needs work.
                while cursor < points:
                    row, column = at_row, at_column
                    cursor += 1
                    at_column += stride
                    if at_column >= columns:
                        at_row, at_column = at_row + stride, left
                    target = row * length + column
                    if counts[target] != TO_DO:
                        continue
                    u, v = plane[2] + column, plane[3] - row
                    x = plane[0] + plane[4] * (plane[5] * u + plane[6] * v)
                    y = plane[1] + plane[4] * (plane[7] * u + plane[8] * v)
                    if skip & (CARDIOID | BULB):
                        y2, u, v = y * y, x - 0.25, x + 1.0
                        q = u * u + y2
                        if (skip & CARDIOID and q * (q + u) < 0.25 * y2) or (
                            skip & BULB and v * v + y2 < 0.0625
                        ):
                            counts[target] = INSIDE
                            if smooth.shape[0] > 0:
                                smooth[target] = math.nan
                            continue
                    cr, ci = x, y
                    if julia:
                        cr, ci = plane[9], plane[10]
                        state[0, lane], state[1, lane] = x, y
                    else:
                        zr, zi, _, _ = start(cr, ci, parameters)
                        state[0, lane], state[1, lane] = zr, zi
                    state[point, lane], state[point + 1, lane] = cr, ci
                    for row in range(2, many):
                        state[row, lane] = 0.0
                    for row in range(saved, rows):
                        state[row, lane] = np.inf
                    lanes[PIXEL, lane] = target
                    lanes[BEGUN, lane] = now
                    lanes[SAVE_AT, lane] = now + first_saved
                    if now + first_saved < brent:
                        brent = now + first_saved
                    if now + limit < deadline:
                        deadline = now + limit
                    active |= bit
                    break
                else:
                    # Nothing is left for it: park it where many a formula stands still.
                    for row in range(rows):
                        state[row, lane] = 0.0
            gone = back = 0
            complete = active == 0 or (active != (1 << lane_count) - 1 and not drain)
            if complete or now >= stop_at:
                break
            if now >= deadline:
                deadline = NEVER
                for lane in range(lane_count):
                    if lanes[PIXEL, lane] >= 0:
                        due = lanes[BEGUN, lane] + limit
                        if due <= now:
                            mask |= 1 << lane
                        elif due < deadline:
                            deadline = due
                if mask != 0:
                    continue
            blocks = (deadline if deadline < stop_at else stop_at) - now
            if skip & PERIOD:
                if now >= brent:
                    # At an age of its own, not when others are looked at: what is known of a
                    # point shall not depend on its company.
                    brent = NEVER
                    for lane in range(lane_count):
                        due = lanes[SAVE_AT, lane]
                        if due <= now:
                            for row in range(many):
                                state[saved + row, lane] = state[row, lane]
                            due = lanes[SAVE_AT, lane] = 2 * now - lanes[BEGUN, lane]
                        if due < brent:
                            brent = due
                if brent - now < blocks:
                    blocks = brent - now
            done, gone, back = advance(
                state, parameters, blocks, active, tolerance2, radius2, epsilon2
            )
            mask = gone | back
            now += done
        restore_small(treated)
        clock[NOW], clock[DEADLINE], clock[BRENT] = now, deadline, brent
        clock[CURSOR], clock[ITERATIONS] = cursor, iterations
        return complete

    return sweep
