"""Escape times in float64, many points in lockstep: what is compiled.

The loop ``z -> z**2 + c`` is emitted as LLVM vectors, because a compiler's own vectoriser
stops where lanes leave at different times. Several independent vectors hide the latency of
the multiply-adds; a block of `BLOCK` steps runs without any test, then one mask finds the
lanes that left, and only those replay their last block point by point. A free lane takes the
next point at once, so that slow and fast neighbours do not wait for each other.

What a point is, which rows to do and how many threads there are is decided in `escape`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fraktal_kernel.fractals.lanes import (
    BEGUN,
    BLOCK,
    BRENT,
    BULB,
    CARDIOID,
    CI,
    CR,
    CURSOR,
    DEADLINE,
    ITERATIONS,
    LANES,
    NEVER,
    NOW,
    OLD_I,
    OLD_R,
    PERIOD,
    PIXEL,
    RADIUS,
    SAVE_AT,
    SAVED_I,
    SAVED_R,
    VECTORS,
    WIDTH,
    ZI,
    ZR,
)

_BRENT_EVERY = 4


def _emit_fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Emit ``a*b + c``: rounded once where the machine has fma, still fast where it has none."""
    kind = a.type
    name = f"v{kind.count}f64" if isinstance(kind, ir.VectorType) else "f64"
    function = ir.FunctionType(kind, [kind] * 3)
    fma = cgutils.get_or_insert_function(builder.module, function, f"llvm.fmuladd.{name}")
    return builder.call(fma, [a, b, c])


def _emit_step(builder: Any, zr: Any, zi: Any, cr: Any, ci: Any) -> tuple[Any, Any]:
    """Emit ``z*z + c`` for one point or one vector of points: the body that all formulas share."""
    real = _emit_fma(builder, builder.fneg(zi), zi, cr)
    imag = _emit_fma(builder, builder.fadd(zr, zr), zi, ci)
    return _emit_fma(builder, zr, zr, real), imag


@intrinsic  # type: ignore[untyped-decorator]
def _step(typingctx: Any, zr: Any, zi: Any, cr: Any, ci: Any) -> Any:
    """One step of one point, rounded exactly as the vectors are."""
    pair = types.UniTuple(types.float64, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.pack_array(builder, _emit_step(builder, *args))

    return pair(*[types.float64] * 4), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _advance(typingctx: Any, state: Any, blocks: Any, tolerance2: Any) -> Any:
    """Run up to ``blocks`` blocks, until a lane left the disc or came back to its saved point.

    Returns the blocks done and one bit for each such lane. A negative ``tolerance2`` looks
    for no return. Rows ``OLD_*`` then hold the points as they were before the last block.
    """
    signature = types.UniTuple(types.int64, 2)(state, types.int64, types.float64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
        blocks, tolerance2 = args[1], args[2]
        vector = ir.VectorType(ir.DoubleType(), WIDTH)
        i64, bits = ir.IntType(64), ir.IntType(WIDTH)

        def splat(value: Any) -> Any:
            one = builder.insert_element(
                ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
            )
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
            return builder.shuffle_vector(one, one, lanes)

        def place(row: int, index: int) -> Any:
            at = ir.Constant(i64, row * LANES + index * WIDTH)
            return builder.bitcast(builder.gep(array.data, [at]), vector.as_pointer())

        def load(row: int) -> list[Any]:
            return [builder.load(place(row, k), align=8) for k in range(VECTORS)]

        def store(row: int, values: list[Any]) -> None:
            for k, value in enumerate(values):
                builder.store(value, place(row, k), align=8)

        def phis(values: list[Any], block: Any) -> list[Any]:
            out = []
            for value in values:
                phi = builder.phi(value.type)
                phi.add_incoming(value, block)
                out.append(phi)
            return out

        def reduce_or(values: list[Any]) -> Any:
            total = values[0]
            for value in values[1:]:
                total = builder.or_(total, value)
            return total

        limit = splat(ir.Constant(ir.DoubleType(), RADIUS * RADIUS))
        near = splat(tolerance2)
        brent = builder.fcmp_ordered(">=", tolerance2, ir.Constant(ir.DoubleType(), 0.0))
        cr, ci = load(CR), load(CI)
        start = load(ZR) + load(ZI)
        entry = builder.block
        outer = builder.append_basic_block("block")
        inner = builder.append_basic_block("steps")
        test = builder.append_basic_block("test")
        look = builder.append_basic_block("look")
        decide = builder.append_basic_block("decide")
        leave = builder.append_basic_block("leave")
        builder.branch(outer)

        builder.position_at_end(outer)
        done = builder.phi(i64)
        done.add_incoming(ir.Constant(i64, 0), entry)
        z = phis(start, entry)
        store(OLD_R, z[:VECTORS])
        store(OLD_I, z[VECTORS:])
        # No instruction; it keeps LLVM from carrying these twelve on the stack to the end.
        builder.fence("acq_rel", "singlethread")
        builder.branch(inner)

        builder.position_at_end(inner)
        count = builder.phi(i64)
        count.add_incoming(ir.Constant(i64, 0), outer)
        w = phis(z, outer)
        moved = list(w)
        unrolled = 2
        for _ in range(unrolled):
            for k in range(VECTORS):
                moved[k], moved[VECTORS + k] = _emit_step(
                    builder, moved[k], moved[VECTORS + k], cr[k], ci[k]
                )
        for phi, value in zip(w, moved, strict=True):
            phi.add_incoming(value, inner)
        counted = builder.add(count, ir.Constant(i64, unrolled))
        count.add_incoming(counted, inner)
        builder.cbranch(builder.icmp_signed("<", counted, ir.Constant(i64, BLOCK)), inner, test)

        builder.position_at_end(test)
        after = builder.add(done, ir.Constant(i64, 1))
        out = []
        for k in range(VECTORS):
            x, y = moved[k], moved[VECTORS + k]
            size = _emit_fma(builder, x, x, builder.fmul(y, y))
            out.append(builder.fcmp_unordered(">", size, limit))  # lanes that are NaN left too
        builder.cbranch(brent, look, decide)

        builder.position_at_end(look)
        saved_r, saved_i = load(SAVED_R), load(SAVED_I)
        back = []
        for k in range(VECTORS):
            x = builder.fsub(moved[k], saved_r[k])
            y = builder.fsub(moved[VECTORS + k], saved_i[k])
            apart = _emit_fma(builder, x, x, builder.fmul(y, y))
            back.append(builder.or_(out[k], builder.fcmp_ordered("<=", apart, near)))
        builder.branch(decide)

        builder.position_at_end(decide)
        hits = phis(out, test)
        for phi, value in zip(hits, back, strict=True):
            phi.add_incoming(value, look)
        none = builder.icmp_unsigned(
            "==", builder.bitcast(reduce_or(hits), bits), ir.Constant(bits, 0)
        )
        more = builder.and_(none, builder.icmp_signed("<", after, blocks))
        done.add_incoming(after, decide)
        for phi, value in zip(z, moved, strict=True):
            phi.add_incoming(value, decide)
        builder.cbranch(more, outer, leave)

        builder.position_at_end(leave)
        store(ZR, moved[:VECTORS])
        store(ZI, moved[VECTORS:])
        masks = []
        for k, hit in enumerate(hits):
            wide = builder.zext(builder.bitcast(hit, bits), i64)
            masks.append(builder.shl(wide, ir.Constant(i64, k * WIDTH)))
        return cgutils.pack_array(builder, [after, reduce_or(masks)])

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def _lowest(typingctx: Any, mask: Any) -> Any:
    """Index of the lowest set bit."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


def sweep(
    out: Any,
    span: Any,
    plane: Any,
    julia: bool,
    max_iter: int,
    skip: int,
    tolerance2: float,
    state: Any,
    lanes: Any,
    clock: Any,
    drain: bool,
    budget: int,
) -> bool:
    r"""Fill the points of one span with their smooth escape time, as far as a budget goes.

    .. math:: \nu = n + 1 - \log_2 \frac{\ln|z_n|}{\ln 2}

    where *n* is the first index with ``|z_n| > RADIUS``; ``z_0 = 0`` and ``c`` the point for
    Mandelbrot, ``z_0`` the point and ``c`` the seed for Julia.

    Parameters
    ----------
    out : float64, row after row; NaN where still to be done, ``nu >= 0`` outside, ``-1`` inside
    span : first row, row after the last, step between rows and columns, first column, column
        after the last, length of a row of ``out``
    plane : coordinates of the centre, of pixel [0, 0] from there in pixels, size of a pixel, seed
        of a Julia set
    julia : whether the formula is Julia's
    max_iter : a point that has not left after so many steps is inside
    skip : bits of ``CARDIOID | BULB | PERIOD``
    tolerance2 : square of the distance at which an orbit is said to have come back
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
    first, last, step = span[0], span[1], span[2]
    left, columns, stride = span[3], span[4], span[5]
    across = (columns - left + step - 1) // step
    points = (last - first + step - 1) // step * across
    # The last block may run past max_iter; who leaves only then is inside all the same.
    limit = (max_iter + BLOCK - 1) // BLOCK
    half_log2 = 0.5 / math.log(2.0)
    if skip & PERIOD == 0:
        tolerance2 = -1.0
    # The clock in registers; no calls of min and max, which numba compiles one by one.
    now, deadline, brent = clock[NOW], clock[DEADLINE], clock[BRENT]
    cursor, iterations = clock[CURSOR], clock[ITERATIONS]
    stop_at = now + budget
    busy = 0
    for lane in range(LANES):
        if lanes[PIXEL, lane] >= 0:
            busy += 1
    # All lanes are looked at on entry; later, those that left, came back or reached max_iter.
    mask = (1 << LANES) - 1
    while True:
        while mask != 0:
            lane = _lowest(mask)
            mask &= mask - 1
            pixel = lanes[PIXEL, lane]
            if pixel >= 0:
                zr, zi = state[ZR, lane], state[ZI, lane]
                size = zr * zr + zi * zi
                blocks = now - lanes[BEGUN, lane]
                n = blocks * BLOCK
                nu = -1.0
                if blocks > 0 and not size <= RADIUS * RADIUS:
                    # It left during the last block: replay that, point by point.
                    n -= BLOCK
                    cr, ci = state[CR, lane], state[CI, lane]
                    zr, zi = state[OLD_R, lane], state[OLD_I, lane]
                    size = zr * zr + zi * zi
                    while size <= RADIUS * RADIUS:
                        zr, zi = _step(zr, zi, cr, ci)
                        size = zr * zr + zi * zi
                        n += 1
                    if n <= max_iter:
                        nu = n + 1 - math.log2(math.log(size) * half_log2)
                        nu = nu if nu > 0.0 else 0.0
                elif blocks < limit:
                    dr, di = zr - state[SAVED_R, lane], zi - state[SAVED_I, lane]
                    if blocks == 0 or not dr * dr + di * di <= tolerance2:
                        continue
                iterations += n if n < max_iter else max_iter
                out[pixel] = nu
                lanes[PIXEL, lane] = -1
                busy -= 1
            # The lane is free: give it the next point that needs work.
            while cursor < points:
                row = first + cursor // across * step
                column = left + cursor % across * step
                cursor += 1
                target = row * stride + column
                if not math.isnan(out[target]):
                    continue
                x = plane[0] + (plane[2] + column) * plane[4]
                y = plane[1] + (plane[3] - row) * plane[4]
                if not julia:
                    y2, u, v = y * y, x - 0.25, x + 1.0
                    q = u * u + y2
                    if (skip & CARDIOID and q * (q + u) < 0.25 * y2) or (
                        skip & BULB and v * v + y2 < 0.0625
                    ):
                        out[target] = -1.0
                        continue
                state[CR, lane] = plane[5] if julia else x
                state[CI, lane] = plane[6] if julia else y
                state[ZR, lane] = x if julia else 0.0
                state[ZI, lane] = y if julia else 0.0
                state[SAVED_R, lane] = np.inf
                state[SAVED_I, lane] = np.inf
                lanes[PIXEL, lane] = target
                lanes[BEGUN, lane] = now
                lanes[SAVE_AT, lane] = now + _BRENT_EVERY
                if now + limit < deadline:
                    deadline = now + limit
                busy += 1
                break
            else:
                # Nothing is left for it: park it on the fixed point 0.
                for value in range(8):
                    state[value, lane] = 0.0
                state[SAVED_R, lane] = np.inf
        complete = busy == 0 or (busy < LANES and not drain)
        if complete or now >= stop_at:
            break
        if now >= deadline:
            deadline = NEVER
            for lane in range(LANES):
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
                brent = now + _BRENT_EVERY
                for lane in range(LANES):
                    if lanes[PIXEL, lane] >= 0 and now >= lanes[SAVE_AT, lane]:
                        state[SAVED_R, lane] = state[ZR, lane]
                        state[SAVED_I, lane] = state[ZI, lane]
                        lanes[SAVE_AT, lane] = 2 * now - lanes[BEGUN, lane]
            if brent - now < blocks:
                blocks = brent - now
        done, mask = _advance(state, blocks, tolerance2)
        now += done
    clock[NOW], clock[DEADLINE], clock[BRENT] = now, deadline, brent
    clock[CURSOR], clock[ITERATIONS] = cursor, iterations
    return complete
