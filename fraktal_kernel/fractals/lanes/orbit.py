"""The second walk: points whose steps are known go the same way again, and more is kept.

Nothing is tested on the way. All lanes go on together until the first of them has done its steps;
then that one makes room for the next point.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fraktal_kernel.fractals.formulas.emit import vector as emit_tape
from fraktal_kernel.fractals.lanes.body import CARRIED, POINT, WIDTH
from fraktal_kernel.fractals.lanes.rows import (
    BEGUN,
    CURSOR,
    INSIDE,
    ITERATIONS,
    NEVER,
    NOW,
    PIXEL,
)
from fraktal_kernel.fractals.lanes.tally import Arithmetic, Tally, emit_tally
from fraktal_kernel.fractals.lanes.vectors import (
    VECTOR,
    Rows,
    flush_small,
    next_of,
    numbers_at,
    restore_small,
    scalar_outputs,
    splat,
)

ENDS_AT = BEGUN


def advance_of(tally: Tally) -> Any:
    """Make ``advance(state, parameters, steps, scale)``: so many steps of all lanes."""
    body, names = tally.body, tuple(tally.first)
    many, vectors = body.carried, tally.vectors
    kept_at = many + len(POINT)

    @intrinsic  # type: ignore[untyped-decorator]
    def advance(typingctx: Any, state: Any, parameters: Any, steps: Any, scale: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
            rows = Rows(builder, array.data, WIDTH * vectors)
            arithmetic = Arithmetic(builder, VECTOR)
            given = numbers_at(context, builder, signature.args[1], args[1], body.parameters)
            uniform = {name: splat(builder, value) for name, value in given.items()}
            scale = splat(builder, args[3])
            fixed = [
                uniform | {name: rows.load(many + k, v) for k, name in enumerate(POINT)}
                for v in range(vectors)
            ]
            moving = [*range(many), *range(kept_at, kept_at + len(names))]
            start = [[rows.load(row, v) for row in moving] for v in range(vectors)]
            entry = builder.block
            loop, leave = builder.append_basic_block("step"), builder.append_basic_block("leave")
            builder.branch(loop)

            builder.position_at_end(loop)
            one = ir.IntType(64)
            left = builder.phi(one)
            left.add_incoming(args[2], entry)
            phis = []
            for vector in start:
                phis.append([builder.phi(VECTOR) for _ in vector])
                for phi, value in zip(phis[-1], vector, strict=True):
                    phi.add_incoming(value, entry)
            for v in range(vectors):
                carried = phis[v][:many]
                kept = dict(zip(names, phis[v][many:], strict=True))
                before = dict(zip(CARRIED, carried, strict=False)) | fixed[v]
                moved = next_of(builder, body, carried, fixed[v])
                jacobian = []
                if tally.jacobian is not None and tally.slope:
                    values = [before[name] for name in tally.jacobian.inputs]
                    jacobian = emit_tape(builder, tally.jacobian, values)
                after = fixed[v] | {"zr": moved[0], "zi": moved[1]}
                new = emit_tally(tally, arithmetic, kept, before, after, jacobian, scale)
                new_values = [*moved, *[new[name] for name in names]]
                for row, phi, value in zip(moving, phis[v], new_values, strict=True):
                    phi.add_incoming(value, loop)
                    start[v][moving.index(row)] = value
            fewer = builder.sub(left, ir.Constant(one, 1))
            left.add_incoming(fewer, loop)
            more = builder.icmp_signed(">", fewer, ir.Constant(one, 0))
            builder.cbranch(more, loop, leave)

            builder.position_at_end(leave)
            for v in range(vectors):
                for row, value in zip(moving, start[v], strict=True):
                    rows.store(row, v, value)
            return context.get_dummy_value()

        return types.void(state, parameters, types.int64, types.float64), codegen

    return advance


def build_orbit(tally: Tally) -> Any:
    """Make the kernel that walks again for what one tally keeps."""
    body = tally.body
    advance, start = advance_of(tally), scalar_outputs(body.start, body.parameters)
    slope = scalar_outputs(tally.start_slope or body.start, body.parameters)
    has_slope = tally.start_slope is not None
    many, lane_count = body.carried, WIDTH * tally.vectors
    kept_at = many + len(POINT)
    numbers, slopes, folds = len(tally.first), len(tally.slope), tally.folds

    def orbit(
        counts: Any,
        out: Any,
        span: Any,
        plane: Any,
        parameters: Any,
        julia: bool,
        inside_too: bool,
        at_first: Any,
        state: Any,
        lanes: Any,
        clock: Any,
        drain: bool,
        budget: int,
    ) -> bool:
        """Walk the points of one span again, as far as a budget goes.

        Parameters
        ----------
        counts : int64, as `build_sweep` leaves them
        out : float64 [points, numbers], what is kept of each point
        span, plane, parameters, julia : as `build_sweep` takes them
        inside_too : whether points inside are walked, until they were known to be
        at_first : the numbers of a point before its first step
        state, lanes, clock : the lanes, kept between calls
        drain : whether to finish all lanes
        budget : return after so many steps of all lanes, finished or not

        Returns
        -------
        whether the span (and with ``drain`` every lane) is done
        """
        top, end, stride = span[0], span[1], span[2]
        left, columns, length = span[3], span[4], span[5]
        across = (columns - left + stride - 1) // stride
        points = (end - top + stride - 1) // stride * across
        now, cursor, iterations = clock[NOW], clock[CURSOR], clock[ITERATIONS]
        at_row, at_column = top + cursor // across * stride, left + cursor % across * stride
        stop_at = now + budget
        scale = 0.0 if julia else plane[4]
        treated = flush_small()
        while True:
            busy = 0
            nearest = NEVER
            for lane in range(lane_count):
                pixel = lanes[PIXEL, lane]
                if pixel >= 0 and lanes[ENDS_AT, lane] <= now:
                    for k in range(numbers):
                        out[pixel, k] = state[kept_at + k, lane]
                    pixel = lanes[PIXEL, lane] = -1
                while pixel < 0 and cursor < points:
                    row, column = at_row, at_column
                    cursor += 1
                    at_column += stride
                    if at_column >= columns:
                        at_row, at_column = at_row + stride, left
                    target = row * length + column
                    n = counts[target]
                    if n <= INSIDE:
                        n = INSIDE - n if inside_too else -1
                    if n < 0:
                        continue
                    u, v = plane[2] + column, plane[3] - row
                    cr = plane[0] + plane[4] * (plane[5] * u + plane[6] * v)
                    ci = plane[1] + plane[4] * (plane[7] * u + plane[8] * v)
                    zr, zi = cr, ci
                    if julia:
                        cr, ci = plane[9], plane[10]
                    else:
                        zr, zi, _, _ = start(cr, ci, parameters)
                    state[0, lane], state[1, lane] = zr, zi
                    for k in range(2, many):
                        state[k, lane] = 0.0
                    state[many, lane], state[many + 1, lane] = cr, ci
                    for k in range(numbers):
                        state[kept_at + k, lane] = at_first[k]
                    if slopes and julia:
                        state[kept_at, lane] = plane[4]
                        if folds:
                            state[kept_at + 3, lane] = plane[4]
                    elif slopes and has_slope:
                        d = slope(cr, ci, parameters)
                        state[kept_at, lane] = d[0] * plane[4]
                        state[kept_at + 1, lane] = d[1] * plane[4]
                        if folds:
                            state[kept_at + 2, lane] = d[2] * plane[4]
                            state[kept_at + 3, lane] = d[3] * plane[4]
                    iterations += n
                    if n == 0:
                        for k in range(numbers):
                            out[target, k] = state[kept_at + k, lane]
                        continue
                    pixel = lanes[PIXEL, lane] = target
                    lanes[ENDS_AT, lane] = now + n
                if pixel >= 0:
                    busy += 1
                    if lanes[ENDS_AT, lane] < nearest:
                        nearest = lanes[ENDS_AT, lane]
            complete = busy == 0 or (busy < lane_count and not drain)
            if complete or now >= stop_at:
                break
            steps = (nearest if nearest < stop_at else stop_at) - now
            advance(state, parameters, steps, scale)
            now += steps
        restore_small(treated)
        clock[NOW], clock[CURSOR], clock[ITERATIONS] = now, cursor, iterations
        return complete

    return orbit
