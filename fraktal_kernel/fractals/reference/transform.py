"""A complex Fourier transform in vectors of eight, to square long numbers: what is emitted.

Forward transforms are decimated in frequency and leave their result in a scrambled order, inverse
ones are decimated in time and take it so; squaring in between does not mind the order, so nothing
is ever sorted. Real and imaginary parts lie in two arrays. Each function here emits one pass over
the data as a loop of LLVM vectors, called by compiled code with addresses given as numbers.

The innermost transforms, of eight neighbours, are done together with the squaring, eight of them
at once after a transposition in registers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_HALF_ROOT = math.sqrt(0.5)
Pair = tuple[Any, Any]


class Emitter:
    """Writes arithmetic of vectors, complex numbers being pairs of them."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def constant(self, value: float) -> Any:
        """Give a vector of one value."""
        return ir.Constant(_VECTOR, [ir.Constant(ir.DoubleType(), value)] * LANES)

    def splat(self, value: Any) -> Any:
        """Give a vector of one value known only at run time."""
        i32 = ir.IntType(32)
        first = self.builder.insert_element(
            ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(i32, 0)
        )
        zeros = ir.Constant(ir.VectorType(i32, LANES), [ir.Constant(i32, 0)] * LANES)
        return self.builder.shuffle_vector(first, first, zeros)

    def pointer(self, base: Any, index: Any) -> Any:
        """Give the address of the vector that begins at an index."""
        place = self.builder.add(base, self.builder.shl(index, ir.Constant(_I64, 3)))
        return self.builder.inttoptr(place, _VECTOR.as_pointer())

    def load(self, base: Any, index: Any) -> Any:
        """Load a vector."""
        return self.builder.load(self.pointer(base, index), align=8)

    def store(self, value: Any, base: Any, index: Any) -> None:
        """Store a vector."""
        self.builder.store(value, self.pointer(base, index), align=8)

    def call(self, name: str, *values: Any) -> Any:
        """Call an intrinsic function of LLVM."""
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(values))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v8f64")
        return self.builder.call(function, values)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Give ``a * b + c``."""
        return self.call("fmuladd", a, b, c)

    def plus(self, a: Pair, b: Pair) -> Pair:
        """Add."""
        return self.builder.fadd(a[0], b[0]), self.builder.fadd(a[1], b[1])

    def minus(self, a: Pair, b: Pair) -> Pair:
        """Subtract."""
        return self.builder.fsub(a[0], b[0]), self.builder.fsub(a[1], b[1])

    def negative(self, a: Any) -> Any:
        """Negate a vector."""
        return self.builder.fneg(a)

    def times(self, a: Pair, b: Pair) -> Pair:
        """Multiply."""
        re = self.fma(a[0], b[0], self.negative(self.builder.fmul(a[1], b[1])))
        return re, self.fma(a[0], b[1], self.builder.fmul(a[1], b[0]))

    def times_conjugate(self, a: Pair, b: Pair) -> Pair:
        """Multiply by the conjugate of b."""
        re = self.fma(a[0], b[0], self.builder.fmul(a[1], b[1]))
        return re, self.fma(a[1], b[0], self.negative(self.builder.fmul(a[0], b[1])))

    def scaled(self, a: Pair, factor: float) -> Pair:
        """Multiply by a real constant."""
        constant = self.constant(factor)
        return self.builder.fmul(a[0], constant), self.builder.fmul(a[1], constant)

    def multiply_add(self, a: Pair, factor: float, b: Pair) -> Pair:
        """Give ``a * factor + b`` with a real constant."""
        constant = self.constant(factor)
        return self.fma(a[0], constant, b[0]), self.fma(a[1], constant, b[1])

    def turned(self, a: Pair, sign: int) -> Pair:
        """Multiply by i (sign 1) or -i (sign -1)."""
        return (self.negative(a[1]), a[0]) if sign > 0 else (a[1], self.negative(a[0]))

    def spokes(self, a: list[Pair], sign: int) -> list[Pair]:
        """Transform 2, 3, 4 or 5 complex numbers; sign -1 is forward."""
        if len(a) == 2:
            return [self.plus(a[0], a[1]), self.minus(a[0], a[1])]
        if len(a) == 3:
            total, apart = self.plus(a[1], a[2]), self.minus(a[1], a[2])
            middle = self.multiply_add(total, -0.5, a[0])
            side = self.turned(self.scaled(apart, math.sqrt(0.75)), sign)
            return [self.plus(a[0], total), self.plus(middle, side), self.minus(middle, side)]
        if len(a) == 4:
            even, odd = self.plus(a[0], a[2]), self.plus(a[1], a[3])
            left, right = self.minus(a[0], a[2]), self.turned(self.minus(a[1], a[3]), sign)
            ends = self.plus(even, odd), self.minus(even, odd)
            return [ends[0], self.plus(left, right), ends[1], self.minus(left, right)]
        (c1, s1), (c2, s2) = (
            (math.cos(angle), math.sin(angle)) for angle in (0.4 * math.pi, 0.8 * math.pi)
        )
        outer, inner = self.plus(a[1], a[4]), self.plus(a[2], a[3])
        across, along = self.minus(a[1], a[4]), self.minus(a[2], a[3])
        first = self.multiply_add(inner, c2, self.multiply_add(outer, c1, a[0]))
        second = self.multiply_add(inner, c1, self.multiply_add(outer, c2, a[0]))
        one = self.turned(self.multiply_add(along, s2, self.scaled(across, s1)), sign)
        two = self.turned(self.multiply_add(along, -s1, self.scaled(across, s2)), sign)
        whole = self.plus(a[0], self.plus(outer, inner))
        return [
            *(whole, self.plus(first, one), self.plus(second, two)),
            *(self.minus(second, two), self.minus(first, one)),
        ]

    def eighth(self, a: Pair, turns: int, sign: int) -> Pair:
        """Multiply by the eighth root of unity to a power below 4."""
        if turns == 0:
            return a
        if turns == 2:
            return self.turned(a, sign)
        b = self.turned(a, sign)
        both = self.plus(a, b) if turns == 1 else self.minus(b, a)
        return self.scaled(both, _HALF_ROOT)

    def forward8(self, a: list[Pair]) -> list[Pair]:
        """Transform a power of two of numbers, in scrambled order, by radix 2."""
        if len(a) == 1:
            return a
        half, step = len(a) // 2, LANES // len(a)
        low = [self.plus(a[j], a[j + half]) for j in range(half)]
        high = [self.eighth(self.minus(a[j], a[j + half]), j * step, -1) for j in range(half)]
        return self.forward8(low) + self.forward8(high)

    def inverse8(self, a: list[Pair]) -> list[Pair]:
        """Undo `forward8`, but for the factor."""
        if len(a) == 1:
            return a
        half, step = len(a) // 2, LANES // len(a)
        low, high = self.inverse8(a[:half]), self.inverse8(a[half:])
        high = [self.eighth(high[j], j * step, 1) for j in range(half)]
        return [self.plus(low[j], high[j]) for j in range(half)] + [
            self.minus(low[j], high[j]) for j in range(half)
        ]

    def transposed(self, rows: list[Any]) -> list[Any]:
        """Turn eight vectors into their columns."""
        i32 = ir.IntType(32)
        rows = list(rows)
        for step in (4, 2, 1):
            for k in range(LANES):
                if k & step:
                    continue
                a, b = rows[k], rows[k + step]
                for side in (0, 1):
                    order = [_pick(j, step, side) for j in range(LANES)]
                    mask = ir.Constant(
                        ir.VectorType(i32, LANES), [ir.Constant(i32, j) for j in order]
                    )
                    rows[k + side * step] = self.builder.shuffle_vector(a, b, mask)
        return rows


def _pick(lane: int, step: int, side: int) -> int:
    """Say which of the 16 lanes of two vectors goes to a lane of the exchanged pair."""
    source = (lane & ~step) | (side * step)
    return source + (LANES if lane & step else 0)


def _pass(emit: Callable[..., None], kinds: str) -> Any:
    """Make a function of whole numbers (i) and fractions (d) from what emits its body."""
    signature = types.void(*[types.int64 if kind == "i" else types.float64 for kind in kinds])

    def code(context: Any, builder: Any, _: Any, values: Any) -> Any:
        emit(Emitter(builder), *values)
        return context.get_dummy_value()

    # An intrinsic is told apart by the count of its arguments, which must be written out.
    functions: dict[int, Callable[..., Any]] = {
        3: lambda typing, a, b, c: (signature, code),
        4: lambda typing, a, b, c, d: (signature, code),
        5: lambda typing, a, b, c, d, e: (signature, code),
        7: lambda typing, a, b, c, d, e, f, g: (signature, code),
    }
    return intrinsic(functions[len(kinds)])


def _loop(e: Emitter, stop: Any, step: int) -> Any:
    zero = ir.Constant(_I64, 0)
    return cgutils.for_range_slice(e.builder, zero, stop, ir.Constant(_I64, step), _I64)


def _spread(radix: int, sign: int) -> Callable[..., None]:
    """Emit one pass of a radix over blocks of ``radix * part`` numbers."""

    def emit(e: Emitter, x: Any, y: Any, w: Any, part: Any, blocks: Any) -> None:
        b = e.builder
        length = b.mul(part, ir.Constant(_I64, radix))
        with cgutils.for_range(b, blocks, intp=_I64) as outer:
            start = b.mul(outer.index, length)
            with _loop(e, part, LANES) as (j, _):
                places = [
                    b.add(start, b.add(j, b.mul(part, ir.Constant(_I64, k)))) for k in range(radix)
                ]
                a = [(e.load(x, place), e.load(y, place)) for place in places]
                turns = []
                for k in range(1, radix):
                    at = b.add(j, b.mul(part, ir.Constant(_I64, 2 * k - 2)))
                    turns.append((e.load(w, at), e.load(w, b.add(at, part))))
                if sign < 0:
                    a = e.spokes(a, sign)
                    a[1:] = [e.times(u, v) for u, v in zip(a[1:], turns, strict=True)]
                else:
                    a[1:] = [e.times_conjugate(u, v) for u, v in zip(a[1:], turns, strict=True)]
                    a = e.spokes(a, sign)
                for place, value in zip(places, a, strict=True):
                    e.store(value[0], x, place)
                    e.store(value[1], y, place)

    return emit


def _first(radix: int) -> Callable[..., None]:
    """Emit the first forward pass where the upper half of the numbers is zero (and not read)."""

    def emit(e: Emitter, x: Any, y: Any, w: Any, part: Any) -> None:
        b = e.builder
        with _loop(e, part, LANES) as (j, _):
            places = [b.add(j, b.mul(part, ir.Constant(_I64, k))) for k in range(radix)]
            a = [(e.load(x, place), e.load(y, place)) for place in places[: radix // 2]]
            if radix == 2:
                a = [a[0], a[0]]
            else:
                side = e.turned(a[1], -1)
                a = [
                    *(e.plus(a[0], a[1]), e.plus(a[0], side)),
                    *(e.minus(a[0], a[1]), e.minus(a[0], side)),
                ]
            for k in range(1, radix):
                at = b.add(j, b.mul(part, ir.Constant(_I64, 2 * k - 2)))
                a[k] = e.times(a[k], (e.load(w, at), e.load(w, b.add(at, part))))
            for place, value in zip(places, a, strict=True):
                e.store(value[0], x, place)
                e.store(value[1], y, place)

    return emit


def _square(e: Emitter, x: Any, y: Any, count: Any) -> None:
    """Emit the innermost transforms of eight, the squaring, and the way back."""
    b = e.builder
    with _loop(e, count, LANES * LANES) as (j, _):
        places = [b.add(j, ir.Constant(_I64, LANES * k)) for k in range(LANES)]
        re = e.transposed([e.load(x, place) for place in places])
        im = e.transposed([e.load(y, place) for place in places])
        a = e.forward8(list(zip(re, im, strict=True)))
        squares = []
        for u, v in a:
            twice = b.fadd(u, u)
            squares.append((b.fmul(b.fadd(u, v), b.fsub(u, v)), b.fmul(twice, v)))
        a = e.inverse8(squares)
        re = e.transposed([u for u, _ in a])
        im = e.transposed([v for _, v in a])
        for k, place in enumerate(places):
            e.store(re[k], x, place)
            e.store(im[k], y, place)


def _split(
    e: Emitter, v: Any, low: Any, middle: Any, high: Any, count: Any, factor: Any, unit: Any
) -> None:
    """Emit the rounding of coefficients, each cut into three digits for places 0, 1 and 2.

    The vector before ``low`` gathers how far coefficients were from whole numbers.
    """
    b = e.builder
    scale, base = e.splat(factor), e.splat(unit)
    inverse = e.splat(b.fdiv(ir.Constant(ir.DoubleType(), 1.0), unit))
    minus = e.negative(base)
    with _loop(e, count, LANES) as (j, _):
        exact = b.fmul(e.load(v, j), scale)
        whole = e.call("nearbyint", exact)
        off = e.call("fabs", b.fsub(exact, whole))
        gathered = ir.Constant(_I64, -LANES)
        e.store(e.call("maxnum", e.load(low, gathered), off), low, gathered)
        quotient = e.call("nearbyint", b.fmul(whole, inverse))
        e.store(e.fma(quotient, minus, whole), low, j)
        top = e.call("nearbyint", b.fmul(quotient, inverse))
        e.store(e.fma(top, minus, quotient), middle, b.add(j, ir.Constant(_I64, 1)))
        e.store(top, high, b.add(j, ir.Constant(_I64, 2)))


def _gather(
    e: Emitter, low: Any, middle: Any, high: Any, c: Any, carry: Any, count: Any, unit: Any
) -> None:
    """Emit the sum of three digits and of c, cut into a digit and a carry of at most one or two."""
    b = e.builder
    base = e.splat(unit)
    inverse = e.splat(b.fdiv(ir.Constant(ir.DoubleType(), 1.0), unit))
    minus = e.negative(base)
    with _loop(e, count, LANES) as (j, _):
        total = b.fadd(
            b.fadd(e.load(low, j), e.load(middle, j)), b.fadd(e.load(high, j), e.load(c, j))
        )
        quotient = e.call("nearbyint", b.fmul(total, inverse))
        e.store(e.fma(quotient, minus, total), low, j)
        e.store(quotient, carry, b.add(j, ir.Constant(_I64, 1)))


def _join(e: Emitter, low: Any, carry: Any, to: Any, skip: Any, count: Any) -> None:
    """Emit the digits that result, the first few left out."""
    b = e.builder
    with _loop(e, count, LANES) as (j, _):
        at = b.add(j, skip)
        e.store(b.fadd(e.load(low, at), e.load(carry, at)), to, j)


first2 = _pass(_first(2), "iiii")
first4 = _pass(_first(4), "iiii")
forward3 = _pass(_spread(3, -1), "iiiii")
forward4 = _pass(_spread(4, -1), "iiiii")
forward5 = _pass(_spread(5, -1), "iiiii")
inverse2 = _pass(_spread(2, 1), "iiiii")
inverse3 = _pass(_spread(3, 1), "iiiii")
inverse4 = _pass(_spread(4, 1), "iiiii")
inverse5 = _pass(_spread(5, 1), "iiiii")
square = _pass(_square, "iii")
split = _pass(_split, "iiiiidd")
gather = _pass(_gather, "iiiiiid")
join = _pass(_join, "iiiii")
