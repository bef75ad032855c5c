"""What the second walk keeps of an orbit besides z: derivatives, sums and nearest approaches.

Each tally is a few numbers a point and the vector code that brings them from one step to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.lanes.body import Body

# What is kept, in this order: names of the numbers of each tally, and what they are at first.
_NUMBERS: Mapping[str, Mapping[str, float]] = {
    "stripe": {"stripe_sum": 0.0, "stripe_term": 0.0},
    "triangle": {"triangle_sum": 0.0, "triangle_term": 0.0},
    "point": {"point2": float("inf")},
    "cross": {"cross": float("inf")},
    "circle": {"circle_out2": float("inf"), "circle_in2": -1.0},
    "atom": {"atom2": float("inf"), "atom": 0.0, "step": 0.0},
}
_DERIVATIVE = ("dxx", "dxy", "dyx", "dyy")


@dataclass(frozen=True, slots=True)
class Tally:
    """What one second walk is compiled for.

    Parameters
    ----------
    body : of the formula
    kinds : which of ``derivative, stripe, triangle, point, cross, circle, atom`` are kept
    jacobian : from the inputs of the step to its derivatives, one after the other by z, by c and,
        for formulas that remember, by the z before: a complex number each, or, where ``folds``,
        the rows of a real matrix
    start_slope : from the inputs of the start to the derivative of z_0 by c, likewise; None for 0
    folds : whether the formula has no complex derivative
    """

    body: Body
    kinds: tuple[str, ...]
    jacobian: Tape | None = None
    start_slope: Tape | None = None
    folds: bool = False

    @property
    def slope(self) -> tuple[str, ...]:
        """Names of the numbers that a derivative has: two, or a matrix of four."""
        if "derivative" not in self.kinds:
            return ()
        return _DERIVATIVE if self.folds else _DERIVATIVE[::2]

    @property
    def remembered(self) -> tuple[str, ...]:
        """Names of the derivative of the z before, where a formula needs that."""
        return tuple(f"before_{name}" for name in self.slope) if self.body.remembers else ()

    @property
    def first(self) -> dict[str, float]:
        """All numbers by name, with what they are at first."""
        numbers = dict.fromkeys((*self.slope, *self.remembered), 0.0)
        for kind, kept in _NUMBERS.items():
            if kind in self.kinds:
                numbers |= kept
        return numbers

    @property
    def vectors(self) -> int:
        """How many vectors are in flight; more numbers a point leave room for fewer."""
        return 2 if len(self.first) > 2 or self.body.step.operations > 12 else 3


def emit_tally(
    tally: Tally,
    arithmetic: Any,
    kept: dict[str, Any],
    before: dict[str, Any],
    after: dict[str, Any],
    jacobian: list[Any],
    scale: Any,
) -> dict[str, Any]:
    """Emit one step of what is kept.

    Parameters
    ----------
    arithmetic : `Arithmetic` on the lanes
    kept : the numbers as they are
    before, after : z and c by name (``zr, zi, cr, ci``) before and after the step
    jacobian : outputs of the jacobian before the step
    scale : what the derivative by c is multiplied with
    """
    new: dict[str, Any] = {}
    if tally.slope:
        new |= _chained(tally, arithmetic, kept, jacobian, scale)
    x, y = after["zr"], after["zi"]
    m = arithmetic
    size = m.square(x, y)
    if "stripe" in tally.kinds:
        inverse = m.div(m.number(1.0), size)
        sin2 = m.mul(m.mul(m.add(x, x), y), inverse)
        cos2 = m.mul(m.fma(x, x, m.neg(m.mul(y, y))), inverse)
        term = m.fma(sin2, cos2, m.number(0.5))  # (1 + sin 4 arg z) / 2
        new |= _summed("stripe", m, kept, m.where(m.above(size, m.number(0.0)), term, 0.5))
    if "triangle" in tally.kinds:
        # With w = z - c: (|z| - low) / (high - low), where nothing large cancels.
        u, v, cr, ci = m.sub(x, after["cr"]), m.sub(y, after["ci"]), after["cr"], after["ci"]
        rest, c = m.sqrt(m.square(u, v)), m.sqrt(m.square(cr, ci))
        above = m.fma(u, cr, m.fma(v, ci, m.mul(rest, c)))
        wide = m.mul(m.add(m.sqrt(size), m.abs(m.sub(rest, c))), m.lower(rest, c))
        term = m.where(m.above(wide, m.number(0.0)), m.div(above, wide), 0.0)
        new |= _summed("triangle", m, kept, term)
    if "point" in tally.kinds:
        new["point2"] = m.lower(size, kept["point2"])
    if "cross" in tally.kinds:
        new["cross"] = m.lower(m.lower(m.abs(x), m.abs(y)), kept["cross"])
    if "circle" in tally.kinds:
        outside = m.above(size, m.number(1.0))
        outer, inner = kept["circle_out2"], kept["circle_in2"]
        new["circle_out2"] = m.where(outside, m.lower(size, outer), outer)
        new["circle_in2"] = m.where(outside, inner, m.higher(size, inner))
    if "atom" in tally.kinds:
        step = m.add(kept["step"], m.number(1.0))
        nearer = m.above(kept["atom2"], size)
        new["step"] = step
        new["atom2"] = m.where(nearer, size, kept["atom2"])
        new["atom"] = m.where(nearer, step, kept["atom"])
    return new


def _summed(kind: str, m: Any, kept: dict[str, Any], term: Any) -> dict[str, Any]:
    return {f"{kind}_sum": m.add(kept[f"{kind}_sum"], term), f"{kind}_term": term}


def _chained(
    tally: Tally, m: Any, kept: dict[str, Any], jacobian: list[Any], scale: Any
) -> dict[str, Any]:
    """Emit ``d' = f_z d + f_c scale (+ f_p d_before)``, complex or as matrices."""
    count = 4 if tally.folds else 2
    by_z, by_c, by_before = (jacobian[k * count : (k + 1) * count] for k in range(3))
    times = m.matrix_times if tally.folds else m.complex_times
    total = times(by_z, [kept[name] for name in tally.slope], [m.mul(a, scale) for a in by_c])
    new = dict(zip(tally.remembered, (kept[name] for name in tally.slope), strict=False))
    if tally.remembered:
        total = times(by_before, [kept[name] for name in tally.remembered], total)
    return new | dict(zip(tally.slope, total, strict=True))


class Arithmetic:
    """Arithmetic on lanes, as LLVM has it."""

    def __init__(self, builder: Any, kind: Any) -> None:
        self._builder, self._kind = builder, kind
        self.add, self.sub, self.mul = builder.fadd, builder.fsub, builder.fmul
        self.div, self.neg = builder.fdiv, builder.fneg

    def _call(self, name: str, *args: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        function = ir.FunctionType(self._kind, [self._kind] * len(args))
        full = f"llvm.{name}.v{self._kind.count}f64"
        called = cgutils.get_or_insert_function(self._builder.module, function, full)
        return self._builder.call(called, args)

    def number(self, value: float) -> Any:
        """Emit a constant in all lanes."""
        from llvmlite import ir

        return ir.Constant(self._kind, [value] * self._kind.count)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Emit ``a*b + c``."""
        return self._call("fmuladd", a, b, c)

    def square(self, x: Any, y: Any) -> Any:
        """Emit ``x*x + y*y``."""
        return self.fma(x, x, self.mul(y, y))

    def sqrt(self, a: Any) -> Any:
        """Emit the root."""
        return self._call("sqrt", a)

    def abs(self, a: Any) -> Any:
        """Emit ``|a|``."""
        return self._call("fabs", a)

    def above(self, a: Any, b: Any) -> Any:
        """Emit the mask ``a > b``; NaN is above nothing."""
        return self._builder.fcmp_ordered(">", a, b)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Emit ``a`` where the mask is set, else ``b``."""
        return self._builder.select(mask, a, self.number(b) if isinstance(b, float) else b)

    def lower(self, new: Any, kept: Any) -> Any:
        """Emit the lower one; what is kept stays where the new one is no number."""
        return self.where(self.above(kept, new), new, kept)

    def higher(self, new: Any, kept: Any) -> Any:
        """Emit the higher one; what is kept stays where the new one is no number."""
        return self.where(self.above(new, kept), new, kept)

    def complex_times(self, a: list[Any], b: list[Any], c: list[Any]) -> list[Any]:
        """Emit ``a*b + c`` of complex numbers."""
        real = self.fma(self.neg(a[1]), b[1], self.fma(a[0], b[0], c[0]))
        return [real, self.fma(a[1], b[0], self.fma(a[0], b[1], c[1]))]

    def matrix_times(self, a: list[Any], b: list[Any], c: list[Any]) -> list[Any]:
        """Emit ``a@b + c`` of 2 x 2 matrices, row by row."""
        return [
            self.fma(a[2 * i + 1], b[2 + j], self.fma(a[2 * i], b[j], c[2 * i + j]))
            for i in range(2)
            for j in range(2)
        ]
