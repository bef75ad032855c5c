"""Rounds in which many points go on by one segment or one step each, as LLVM vectors.

What a point waits for is its own last result: its next segment, and then each product after the
other. So points go in lockstep, eight in a vector and several vectors in turn. In each round every
lane reads one row and does the same with it: a row is a segment, or a single step, which is a
segment of length 1 that holds for any z. Where a lane goes next, it chooses without branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fraktal_kernel.fractals.bodies import remade
from fraktal_kernel.fractals.deep import maps, matrices, series
from fraktal_kernel.fractals.deep.kinds import Map, is_holomorphic
from fraktal_kernel.fractals.deep.lockstep import (
    AT,
    LANES,
    LAST,
    LEVELS,
    REACH,
    ROOTS,
    SLOPE,
    VECTORS,
    WAIT,
    D,
    N,
    Z,
)
from fraktal_kernel.fractals.deep.rows import APPLIED, COLUMNS, HALF
from fraktal_kernel.fractals.lanes.body import WIDE
from fraktal_kernel.fractals.lanes.numbers import (
    I64,
    REAL,
    WHOLE,
    Lanes,
    columns,
    larger,
    splat,
    where,
)


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """What all lanes share."""

    segments: Lanes
    roots: list[Lanes]
    reach: list[Lanes]
    large: Lanes
    smallest: Lanes


def advance_of(kind: Map, derivative: bool) -> Any:
    """Make ``advance(state, whole, segments, active, large, smallest, rounds)``.

    It does so many rounds at most, and stops where one of the ``active`` lanes (one bit each) needs
    somebody: its value has a part beyond ``large``, it returned and is below ``smallest``, or is to
    be looked at. It gives the rounds done, the lanes that are far out, and those of the others.
    """
    three = types.UniTuple(types.int64, 3)
    slopes = (2 if is_holomorphic(kind) else 4) if derivative else 0
    go_on = _round_of(kind, slopes)
    reals, wholes = [Z, Z + 1, *range(SLOPE, SLOPE + slopes)], [N, AT, WAIT]

    @intrinsic  # type: ignore[untyped-decorator]
    def advance(
        typingctx: Any,
        state: Any,
        whole: Any,
        segments: Any,
        active: Any,
        large: Any,
        smallest: Any,
        rounds: Any,
    ) -> Any:
        taken = state, whole, segments, types.int64, types.float64, types.float64, types.int64

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            real_at, whole_at, table = (
                builder.ptrtoint(
                    cgutils.create_struct_proxy(kind)(context, builder, array).data, I64
                )
                for kind, array in zip(signature.args[:3], args[:3], strict=True)
            )
            active, large, smallest, rounds = args[3:]

            def place(vector: int, row: int, kind: Any) -> Any:
                offset = ir.Constant(I64, 8 * (row * LANES + vector * WIDE))
                base = real_at if kind == REAL else whole_at
                return builder.inttoptr(builder.add(base, offset), kind.as_pointer())

            def load(vector: int, row: int, kind: Any) -> Lanes:
                return Lanes(builder, builder.load(place(vector, row, kind), align=8))

            def store(vector: int, row: int, lanes: Lanes) -> None:
                builder.store(lanes.value, place(vector, row, lanes.value.type), align=8)

            def numbers(row: int, kind: Any) -> list[Lanes]:
                first = builder.bitcast(place(0, row, kind), kind.element.as_pointer())
                at = (builder.gep(first, [ir.Constant(I64, k)]) for k in range(LEVELS))
                return [splat(builder, builder.load(one)) for one in at]

            given = _Given(
                *(splat(builder, table), numbers(ROOTS, WHOLE), numbers(REACH, REAL)),
                *(splat(builder, large), splat(builder, smallest)),
            )
            begun = [
                [load(v, row, REAL) for row in reals] + [load(v, row, WHOLE) for row in wholes]
                for v in range(VECTORS)
            ]
            entry = builder.block
            loop, leave = (builder.append_basic_block(name) for name in ("round", "leave"))
            builder.branch(loop)
            builder.position_at_end(loop)
            done = builder.phi(I64)
            done.add_incoming(ir.Constant(I64, 0), entry)
            phis = [[builder.phi(one.value.type) for one in vector] for vector in begun]
            # The instructions of all vectors in turn: a processor looks no further ahead than one
            # round, and they are to wait side by side.
            going = [
                go_on(builder, given, [Lanes(builder, phi) for phi in vector], partial(load, v))
                for v, vector in enumerate(phis)
            ]
            moved = list(zip(*going, strict=True))[-1]
            far = others = ir.Constant(I64, 0)
            for v, one in enumerate(moved):
                far = builder.or_(far, one.far.bits(v * WIDE))
                others = builder.or_(others, one.waits.bits(v * WIDE))
            far, others = builder.and_(active, far), builder.and_(active, others)
            counted = builder.add(done, ir.Constant(I64, 1))
            quiet = builder.icmp_signed("==", builder.or_(far, others), ir.Constant(I64, 0))
            more = builder.icmp_signed("<", counted, rounds)
            builder.cbranch(builder.and_(quiet, more), loop, leave)
            done.add_incoming(counted, loop)
            for vector, first, after in zip(phis, begun, moved, strict=True):
                for phi, one, two in zip(vector, first, after.lanes, strict=True):
                    phi.add_incoming(one.value, entry)
                    phi.add_incoming(two.value, loop)
            builder.position_at_end(leave)
            for v, after in enumerate(moved):
                kept = [*after.lanes, *after.last]
                for row, one in zip([*reals, *wholes, LAST, LAST + 1], kept, strict=True):
                    store(v, row, one)
            return cgutils.pack_array(builder, [counted, far, others])

        return three(*taken), codegen

    return advance


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """Lanes after a round: as they are carried, all of the last value, and who needs somebody."""

    lanes: list[Lanes]
    last: tuple[Lanes, Lanes]
    far: Lanes
    waits: Lanes


def _round_of(kind: Map, slopes: int) -> Any:
    """Make what emits one round of one vector."""

    def traced(function: Any) -> Any:
        return remade(function, {maps.where: where}, lambda one: one)

    tables = series if is_holomorphic(kind) else matrices
    first, turned = traced(maps.first_of(kind)), traced(maps.turned_of(kind))
    applied, sloped = traced(tables.applied), traced(tables.sloped)

    def go_on(builder: Any, given: _Given, lanes: list[Lanes], load: Any) -> Any:
        """Emit a round in stages, the last of which gives what has moved.

        Parameters
        ----------
        lanes : z, the derivative, and whole numbers, as they are carried
        load : of rows of the state of this vector
        """
        zr, zi, *s = lanes[: 2 + slopes]
        n, at, wait = lanes[2 + slopes :]
        places = (at * (8 * COLUMNS) + given.segments).each()
        yield None
        begin_r, begin_i, end_r, end_i, scale, radius, wider, whole = columns(builder, places)
        yield None
        xr, xi = scale * zr, scale * zi
        yr, yi = first(begin_r, begin_i, xr, xi)
        yield None
        k = columns(builder, places, APPLIED)
        yield None
        size = larger(yr, yi)
        # What is too large for the scale may be no number, and does not hold.
        holds, longer = size < radius, size < wider
        goes = holds & ~longer
        onward = whole.as_whole() >> HALF
        # Where it does not hold, a shorter one is tried, or single steps begin.
        instead = where(longer, wider.as_whole(), whole.as_whole()) & ((1 << HALF) - 1)
        length = radius.as_whole() & ((1 << HALF) - 1)
        yield None
        wr, wi = applied(k, yr, yi, load(D, REAL), load(D + 1, REAL))
        yield None
        if slopes:
            scaled = tuple(part * scale for part in s)
            t = sloped(k, yr, yi, turned(begin_r + xr, begin_i + xi, scaled))
            s = [where(goes, new, old) for new, old in zip(t, s, strict=True)]
        pr, pi = end_r + wr, end_i + wi
        size = larger(pr, pi)
        # At the end of the orbit all go home.
        home = goes & ((size < larger(wr, wi)) | (onward < 0))
        root = given.roots[-1]
        for level, reach in reversed(list(zip(given.roots, given.reach, strict=True))[:-1]):
            root = where(size < reach, level, root)
        yield None
        next_z = (where(home, p, where(goes, w, z)) for p, w, z in ((pr, wr, zr), (pi, wi, zi)))
        next_wait = where(home, wait - 1, wait)
        next_at = where(home, root, where(goes, onward, instead))
        yield _Moved(
            [*next_z, *s, where(goes, n + length, n), next_at, next_wait],
            (pr, pi),
            goes & (size > given.large),
            home & ((size < given.smallest) | (next_wait == 0)),
        )

    return go_on
