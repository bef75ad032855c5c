"""The innermost loop as LLVM vectors, made from the tape of a formula.

A compiler's own vectoriser stops where lanes leave at different times. Here several independent
vectors hide the latency of the arithmetic, and a block of steps runs before anybody looks which
lanes left; those replay their last block point by point.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fraktal_kernel.fractals.formulas.emit import vector as emit_tape
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.lanes.body import CARRIED, POINT, WIDTH, Body

_I64 = ir.IntType(64)
_DOUBLE = ir.DoubleType()
VECTOR = ir.VectorType(_DOUBLE, WIDTH)
_BITS = ir.IntType(WIDTH)


def splat(builder: Any, value: Any) -> Any:
    """Give a vector that holds one value in each lane."""
    one = builder.insert_element(
        ir.Constant(VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
    )
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, one, lanes)


def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Emit ``a*b + c``: rounded once where the machine has fma, still fast where it has none."""
    kind = a.type
    name = f"v{kind.count}f64" if isinstance(kind, ir.VectorType) else "f64"
    function = ir.FunctionType(kind, [kind] * 3)
    called = cgutils.get_or_insert_function(builder.module, function, f"llvm.fmuladd.{name}")
    return builder.call(called, [a, b, c])


def square(builder: Any, x: Any, y: Any) -> Any:
    """Emit ``x*x + y*y``."""
    return fma(builder, x, x, builder.fmul(y, y))


def next_of(builder: Any, body: Body, carried: list[Any], fixed: dict[str, Any]) -> list[Any]:
    """Emit one step: what is carried on from what was carried here."""
    known = dict(zip(CARRIED, carried, strict=False)) | fixed
    z = emit_tape(builder, body.step, [known[name] for name in body.step.inputs])
    return (z + carried[:2])[: len(carried)]


def numbers_at(context: Any, builder: Any, kind: Any, array: Any, names: Any) -> dict[str, Any]:
    """Load the first numbers of an array, by names."""
    data = cgutils.create_struct_proxy(kind)(context, builder, array).data
    return {
        name: builder.load(builder.gep(data, [ir.Constant(_I64, k)]))
        for k, name in enumerate(names)
    }


def scalar_step(body: Body) -> Any:
    """Make ``step(zr, zi, pr, pi, cr, ci, parameters)`` of one point, rounded as vectors are."""
    four = types.UniTuple(types.float64, 4)

    @intrinsic  # type: ignore[untyped-decorator]
    def step(
        typingctx: Any, zr: Any, zi: Any, pr: Any, pi: Any, cr: Any, ci: Any, parameters: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            *carried, cr, ci, given = args
            fixed = {"cr": cr, "ci": ci} | numbers_at(
                context, builder, signature.args[-1], given, body.parameters
            )
            return cgutils.pack_array(builder, next_of(builder, body, carried, fixed))

        return four(*[types.float64] * 6, parameters), codegen

    return step


def scalar_slopes(body: Body, jacobian: Tape | None) -> Any:
    """Make ``slopes(zr, zi, pr, pi, cr, ci, parameters)``: the first four numbers of a jacobian."""
    four = types.UniTuple(types.float64, 4)

    @intrinsic  # type: ignore[untyped-decorator]
    def slopes(
        typingctx: Any, zr: Any, zi: Any, pr: Any, pi: Any, cr: Any, ci: Any, parameters: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            known = dict(zip((*CARRIED, *POINT), args, strict=False)) | numbers_at(
                context, builder, signature.args[-1], args[-1], body.parameters
            )
            results = [ir.Constant(_DOUBLE, 0.0)] * 4
            if jacobian is not None:
                values = [known[name] for name in jacobian.inputs]
                results = emit_tape(builder, jacobian, values)[:4]
            return cgutils.pack_array(builder, results)

        return four(*[types.float64] * 6, parameters), codegen

    return slopes


def scalar_outputs(tape: Tape, parameters: tuple[str, ...]) -> Any:
    """Make ``outputs(cr, ci, numbers)``: four results of a tape of c alone, such as z_0, or 0."""
    four = types.UniTuple(types.float64, 4)

    @intrinsic  # type: ignore[untyped-decorator]
    def outputs(typingctx: Any, cr: Any, ci: Any, numbers: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            known = {"cr": args[0], "ci": args[1]} | numbers_at(
                context, builder, signature.args[-1], args[2], parameters
            )
            values = [known[name] for name in tape.inputs]
            results = emit_tape(builder, tape, values)
            results += [ir.Constant(_DOUBLE, 0.0)] * (4 - len(results))
            return cgutils.pack_array(builder, results)

        return four(types.float64, types.float64, numbers), codegen

    return outputs


@intrinsic  # type: ignore[untyped-decorator]
def lowest(typingctx: Any, mask: Any) -> Any:
    """Index of the lowest set bit."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


_FLUSH = 0x8040
_INTEL = platform.machine().lower() in ("x86_64", "amd64")


def _control(builder: Any, name: str, place: Any) -> None:
    """Emit the reading or writing of how floating-point numbers are treated."""
    byte = ir.IntType(8).as_pointer()
    function = ir.FunctionType(ir.VoidType(), [byte])
    called = cgutils.get_or_insert_function(builder.module, function, f"llvm.x86.sse.{name}mxcsr")
    builder.call(called, [builder.bitcast(place, byte)])


@intrinsic  # type: ignore[untyped-decorator]
def flush_small(typingctx: Any) -> Any:
    """Let numbers below 1e-308 count as 0, on processors of Intel's kind; give how it was.

    An orbit that tends to 0 ends there, and each operation on such numbers would take as long as
    a hundred others.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.IntType(32)
        if not _INTEL:
            return ir.Constant(_I64, 0)
        place = cgutils.alloca_once(builder, kind)
        _control(builder, "st", place)
        before = builder.load(place)
        builder.store(builder.or_(before, ir.Constant(kind, _FLUSH)), place)
        _control(builder, "ld", place)
        return builder.zext(before, _I64)

    return types.int64(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def restore_small(typingctx: Any, before: Any) -> Any:
    """Let small numbers be what they were before `flush_small`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if _INTEL:
            kind = ir.IntType(32)
            place = cgutils.alloca_once(builder, kind)
            builder.store(builder.trunc(args[0], kind), place)
            _control(builder, "ld", place)
        return context.get_dummy_value()

    return types.void(types.int64), codegen


class Rows:
    """Rows of the state in memory, as vectors."""

    def __init__(self, builder: Any, data: Any, lanes: int) -> None:
        self._builder, self._data, self._lanes = builder, data, lanes

    def _place(self, row: int, index: int) -> Any:
        at = ir.Constant(_I64, row * self._lanes + index * WIDTH)
        return self._builder.bitcast(self._builder.gep(self._data, [at]), VECTOR.as_pointer())

    def load(self, row: int, index: int) -> Any:
        """Load one vector of a row."""
        return self._builder.load(self._place(row, index), align=8)

    def store(self, row: int, index: int, value: Any) -> None:
        """Store one vector of a row."""
        self._builder.store(value, self._place(row, index), align=8)


def advance_of(body: Body) -> Any:
    """Make ``advance(state, parameters, blocks, active, tolerance2, radius2, epsilon2)``.

    It runs up to ``blocks`` blocks, until one of the ``active`` lanes (one bit each) ended or came
    back to its saved point, and returns the blocks done, the lanes that ended and those that came
    back. A negative ``tolerance2`` looks for no return. The rows of the state are what is carried,
    c, what was carried before the last block, what is saved.
    """
    many, vectors = body.carried, body.vectors
    point, old, saved = many, many + 2, 2 * many + 2
    three = types.UniTuple(types.int64, 3)
    unrolled = 2

    @intrinsic  # type: ignore[untyped-decorator]
    def advance(
        typingctx: Any,
        state: Any,
        parameters: Any,
        blocks: Any,
        active: Any,
        tolerance2: Any,
        radius2: Any,
        epsilon2: Any,
    ) -> Any:
        signature = three(state, parameters, *[types.int64] * 2, *[types.float64] * 3)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
            rows = Rows(builder, array.data, body.lanes)
            blocks, active, tolerance2 = args[2], args[3], args[4]
            loop = _Loop(builder)

            def ended(before: list[Any], after: list[Any]) -> Any:
                """Emit the mask of the lanes that a step ended; NaN is an end, too."""
                gone = None
                if body.escapes:
                    size = square(builder, after[0], after[1])
                    gone = builder.fcmp_unordered(">", size, radius2)
                if body.converges:
                    x = builder.fsub(after[0], before[0])
                    y = builder.fsub(after[1], before[1])
                    still = builder.fcmp_unordered("<", square(builder, x, y), epsilon2)
                    gone = still if gone is None else builder.or_(gone, still)
                return gone

            radius2, epsilon2 = splat(builder, args[5]), splat(builder, args[6])
            near = splat(builder, tolerance2)
            brent = builder.fcmp_ordered(">=", tolerance2, ir.Constant(_DOUBLE, 0.0))
            given = numbers_at(context, builder, signature.args[1], args[1], body.parameters)
            uniform = {name: splat(builder, value) for name, value in given.items()}
            fixed = [
                uniform | {name: rows.load(point + k, v) for k, name in enumerate(POINT)}
                for v in range(vectors)
            ]
            start = [rows.load(row, v) for v in range(vectors) for row in range(many)]
            entry = builder.block
            outer, inner, test, plain, look, onward, which, leave = (
                builder.append_basic_block(name)
                for name in ("block", "steps", "test", "plain", "look", "onward", "which", "leave")
            )
            builder.branch(outer)

            builder.position_at_end(outer)
            done = builder.phi(_I64)
            done.add_incoming(ir.Constant(_I64, 0), entry)
            z = loop.phis(start, entry)
            for v in range(vectors):
                for row in range(many):
                    rows.store(old + row, v, z[v * many + row])
            # No instruction; it keeps LLVM from carrying all of these on the stack to the end.
            builder.fence("acq_rel", "singlethread")
            builder.branch(inner)

            builder.position_at_end(inner)
            count = builder.phi(_I64)
            count.add_incoming(ir.Constant(_I64, 0), outer)
            w = loop.phis(z, outer)
            none = ir.Constant(ir.VectorType(ir.IntType(1), WIDTH), [0] * WIDTH)
            so_far = loop.phis([none] * vectors if body.checked else [], outer)
            moved = [w[v * many : (v + 1) * many] for v in range(vectors)]
            before = moved
            gone = list(so_far)
            for _ in range(unrolled):
                before = moved
                moved = [next_of(builder, body, moved[v], fixed[v]) for v in range(vectors)]
                if body.checked:
                    gone = [
                        builder.or_(mask, ended(before[v], moved[v])) for v, mask in enumerate(gone)
                    ]
            flat = [value for vector in moved for value in vector]
            loop.close(w, flat, inner)
            loop.close(so_far, gone, inner)
            counted = builder.add(count, ir.Constant(_I64, unrolled))
            count.add_incoming(counted, inner)
            more = builder.icmp_signed("<", counted, ir.Constant(_I64, body.block))
            builder.cbranch(more, inner, test)

            builder.position_at_end(test)
            after = builder.add(done, ir.Constant(_I64, 1))
            if not body.checked:
                gone = [ended(before[v], moved[v]) for v in range(vectors)]
            more = builder.icmp_signed("<", after, blocks)
            builder.cbranch(brent, look, plain)

            builder.position_at_end(plain)
            builder.cbranch(loop.quiet(gone), onward, which)

            builder.position_at_end(look)
            back = []
            for v in range(vectors):
                apart = None
                for row in range(many):
                    d = builder.fsub(moved[v][row], rows.load(saved + row, v))
                    apart = builder.fmul(d, d) if apart is None else fma(builder, d, d, apart)
                back.append(builder.fcmp_ordered("<=", apart, near))
            either = [builder.or_(a, b) for a, b in zip(gone, back, strict=True)]
            builder.cbranch(loop.quiet(either), onward, which)

            builder.position_at_end(onward)
            builder.cbranch(more, outer, leave)
            done.add_incoming(after, onward)
            loop.close(z, flat, onward)

            builder.position_at_end(which)
            returned = loop.phis([none] * vectors, plain)
            loop.close(returned, back, look)
            # Lanes that nobody uses any more may run to anywhere; they stop nobody.
            gone_bits = builder.and_(loop.bits(gone), active)
            back_bits = builder.and_(loop.bits(returned), active)
            empty = builder.icmp_unsigned(
                "==", builder.or_(gone_bits, back_bits), ir.Constant(_I64, 0)
            )
            builder.cbranch(builder.and_(empty, more), outer, leave)
            done.add_incoming(after, which)
            loop.close(z, flat, which)

            builder.position_at_end(leave)
            zero = ir.Constant(_I64, 0)
            results = []
            for value in (gone_bits, back_bits):
                phi = builder.phi(_I64)
                phi.add_incoming(zero, onward)
                phi.add_incoming(value, which)
                results.append(phi)
            for v in range(vectors):
                for row in range(many):
                    rows.store(row, v, moved[v][row])
            return cgutils.pack_array(builder, [after, *results])

        return signature, codegen

    return advance


class _Loop:
    """Small words of the loop above."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def phis(self, values: list[Any], block: Any) -> list[Any]:
        """Emit what takes these values when one comes from a block."""
        out = []
        for value in values:
            phi = self._builder.phi(value.type)
            phi.add_incoming(value, block)
            out.append(phi)
        return out

    def close(self, phis: list[Any], values: list[Any], block: Any) -> None:
        """Say what they take when one comes from another block."""
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(value, block)

    def quiet(self, masks: list[Any]) -> Any:
        """Emit whether no mask has anything set."""
        union = self._builder.bitcast(self.either(masks), _BITS)
        return self._builder.icmp_unsigned("==", union, ir.Constant(_BITS, 0))

    def either(self, masks: list[Any]) -> Any:
        """Emit the union of masks."""
        total = masks[0]
        for mask in masks[1:]:
            total = self._builder.or_(total, mask)
        return total

    def bits(self, masks: list[Any]) -> Any:
        """Emit one whole number with a bit for each lane."""
        parts = []
        for k, mask in enumerate(masks):
            wide = self._builder.zext(self._builder.bitcast(mask, _BITS), _I64)
            parts.append(self._builder.shl(wide, ir.Constant(_I64, k * WIDTH)))
        return self.either(parts)
