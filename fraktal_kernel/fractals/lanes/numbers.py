"""Numbers of several lanes at once: what Python calculates with them becomes LLVM vectors.

A function of plain arithmetic, whose choices are `where` and no branches, so serves one point,
compiled by numba, and eight of them, emitted as vectors; both round alike.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from fraktal_kernel.fractals.lanes.body import WIDE

I64 = ir.IntType(64)
_DOUBLE = ir.DoubleType()
REAL, WHOLE = ir.VectorType(_DOUBLE, WIDE), ir.VectorType(I64, WIDE)
_BITS = ir.IntType(WIDE)


class Lanes:
    """Numbers, whole numbers or truths, one a lane.

    Parameters
    ----------
    builder : of the function that is being made
    value : a vector of ``double``, ``i64`` or ``i1``
    """

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @property
    def _is_real(self) -> bool:
        return bool(self.value.type == REAL)

    def other(self, number: Any) -> Any:
        """Give the vector of other lanes, or that which has one number in all of them."""
        if isinstance(number, Lanes):
            return number.value
        kind = float if self._is_real else int
        return ir.Constant(self.value.type, [kind(number)] * WIDE)

    def _made(self, real: str, whole: str, one: Any, two: Any) -> Lanes:
        name = real if self._is_real else whole
        return Lanes(self.builder, getattr(self.builder, name)(one, two))

    def _compared(self, sign: str, number: Any) -> Lanes:
        compare = self.builder.fcmp_ordered if self._is_real else self.builder.icmp_signed
        return Lanes(self.builder, compare(sign, self.value, self.other(number)))

    def __add__(self, number: Any) -> Lanes:
        return self._made("fadd", "add", self.value, self.other(number))

    def __radd__(self, number: Any) -> Lanes:
        return self._made("fadd", "add", self.other(number), self.value)

    def __sub__(self, number: Any) -> Lanes:
        return self._made("fsub", "sub", self.value, self.other(number))

    def __rsub__(self, number: Any) -> Lanes:
        return self._made("fsub", "sub", self.other(number), self.value)

    def __mul__(self, number: Any) -> Lanes:
        return self._made("fmul", "mul", self.value, self.other(number))

    def __rmul__(self, number: Any) -> Lanes:
        return self._made("fmul", "mul", self.other(number), self.value)

    def __lshift__(self, number: int) -> Lanes:
        return Lanes(self.builder, self.builder.shl(self.value, self.other(number)))

    def __rshift__(self, number: int) -> Lanes:
        return Lanes(self.builder, self.builder.ashr(self.value, self.other(number)))

    def __and__(self, number: Any) -> Lanes:
        return Lanes(self.builder, self.builder.and_(self.value, self.other(number)))

    def __or__(self, number: Any) -> Lanes:
        return Lanes(self.builder, self.builder.or_(self.value, self.other(number)))

    def __neg__(self) -> Lanes:
        return Lanes(self.builder, self.builder.fneg(self.value))

    def __invert__(self) -> Lanes:
        return Lanes(self.builder, self.builder.not_(self.value))

    def __abs__(self) -> Lanes:
        function = ir.FunctionType(REAL, [REAL])
        name = f"llvm.fabs.v{WIDE}f64"
        called = cgutils.get_or_insert_function(self.builder.module, function, name)
        return Lanes(self.builder, self.builder.call(called, [self.value]))

    def __lt__(self, number: Any) -> Lanes:
        return self._compared("<", number)

    def __le__(self, number: Any) -> Lanes:
        return self._compared("<=", number)

    def __gt__(self, number: Any) -> Lanes:
        return self._compared(">", number)

    def __ge__(self, number: Any) -> Lanes:
        return self._compared(">=", number)

    def __eq__(self, number: Any) -> Lanes:  # type: ignore[override]
        return self._compared("==", number)

    def each(self) -> list[Any]:
        """Give the number of each lane."""
        places = (ir.Constant(ir.IntType(32), lane) for lane in range(WIDE))
        return [self.builder.extract_element(self.value, place) for place in places]

    def bits(self, shift: int = 0) -> Any:
        """Give truths as one whole number with a bit for each lane, the first at ``shift``."""
        wide = self.builder.zext(self.builder.bitcast(self.value, _BITS), I64)
        return self.builder.shl(wide, ir.Constant(I64, shift))

    def as_whole(self) -> Lanes:
        """Give the bits of numbers as whole numbers."""
        return Lanes(self.builder, self.builder.bitcast(self.value, WHOLE))


def where(condition: Lanes, one: Any, two: Any) -> Lanes:
    """Give one where a condition holds, and else two; at least one of them has lanes."""
    builder, kind = condition.builder, one if isinstance(one, Lanes) else two
    return Lanes(builder, builder.select(condition.value, kind.other(one), kind.other(two)))


def larger(x: Lanes, y: Lanes) -> Lanes:
    """Give the larger absolute value."""
    x, y = abs(x), abs(y)
    return where(x > y, x, y)


def _shuffled(builder: Any, one: Any, two: Any, order: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
    return builder.shuffle_vector(one, two, mask)


def splat(builder: Any, number: Any) -> Lanes:
    """Give lanes that all have one number."""
    kind = ir.VectorType(number.type, WIDE)
    first = ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), number, first)
    return Lanes(builder, _shuffled(builder, one, one, [0] * WIDE))


def columns(builder: Any, places: list[Any], begin: int = 0) -> list[Lanes]:
    """Load 8 numbers from the place of each lane, an ``i64``; give them number by number.

    Whole rows are loaded and turned: gathering number by number takes several times as long.
    """
    pointer, offset = REAL.as_pointer(), ir.Constant(I64, 8 * begin)
    at = [builder.inttoptr(builder.add(place, offset), pointer) for place in places]
    rows = [builder.load(one, align=8) for one in at]
    even, odd = [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]
    first, second = [0, 1, 4, 5, 8, 9, 12, 13], [2, 3, 6, 7, 10, 11, 14, 15]
    turned: list[Any] = [None] * WIDE
    for column, order in enumerate((even, odd)):
        parts = [_shuffled(builder, rows[k], rows[k + 1], order) for k in range(0, WIDE, 2)]
        for k, pick in enumerate((first, second)):
            low, high = (_shuffled(builder, parts[i], parts[i + 1], pick) for i in (0, 2))
            turned[column + 2 * k] = _shuffled(builder, low, high, first)
            turned[column + 2 * k + 4] = _shuffled(builder, low, high, second)
    return [Lanes(builder, value) for value in turned]
