r"""Differences of orbits, derived from the formula so that nothing large cancels.

With a reference orbit :math:`Z_{n+1} = f(Z_n, C)` and a point nearby, only

.. math:: z_{n+1} = f(Z_n + z_n, C + c) - f(Z_n, C)

is computed. The difference is taken through the expression, part by part: where *a* and *b* differ
by *da* and *db*, their product differs by ``da*(b + db) + a*db`` and a square by ``da*(2a + da)``;
``|a|`` differs by ``diffabs(a, da)``. Each result has a small factor in every term.

References
----------
K. I. Martin, *Superfractalthing Maths* (2013); C. Heiland-Allen, *At the Helm of the Burning
Ship*, EVA London (2019), for the case distinction that is here called diffabs.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from fraktal_kernel.fractals.formulas import algebra, polynomial
from fraktal_kernel.fractals.formulas.algebra import Node, Number, Power, Product, Sum, Symbol
from fraktal_kernel.fractals.formulas.lower import Complex, Lowering, Pair, cheapest
from fraktal_kernel.fractals.formulas.tape import Body, Tape

if TYPE_CHECKING:
    from fraktal_kernel.fractals.formulas.formula import Formula


def perturbed(formula: Formula, *, same_c: bool = False) -> Tape:
    """Derive the difference of one step from the reference's.

    Parameters
    ----------
    formula : a polynomial one
    same_c : whether the point has the reference's c, as in a Julia set
    """
    moving = ("z", *(() if same_c else ("c",)), *(("previous",) if formula.remembers else ()))
    if formula.holomorphic:
        forms = [formula.deep_node, polynomial.horner(formula.deep_node, "z")]
        bodies = [_Inputs(formula, moving).complex(form) for form in forms if form is not None]
    else:
        bodies = [_Inputs(formula, moving).real(even) for even in (True, False)]
    return cheapest(*bodies)


def real_derivatives(tape: Tape, names: Sequence[str]) -> Tape:
    """Differentiate a tape ``(..., xr, xi, ...) -> re, im`` by the parts of complex inputs.

    Returns
    -------
    for each name in turn ``d re/d xr, d re/d xi, d im/d xr, d im/d xi``
    """
    body = Body(tape.inputs)
    values = [body.input(name) for name in tape.inputs]
    nodes = body.replay(Tape(tape.inputs, tape.code, tuple(range(_registers(tape)))), values)
    outputs = []
    for name in names:
        columns = [_tangents(body, tape, nodes, name + part) for part in "ri"]
        outputs += [column[k] for k in tape.outputs for column in columns]
    return body.tape(outputs)


def _registers(tape: Tape) -> int:
    return len(tape.inputs) + len(tape.code)


def _tangents(body: Body, tape: Tape, nodes: Sequence[int], by: str) -> list[int]:
    """Give the derivative of every register by one input."""
    zero, one = body.const(0), body.const(1)
    tangents = [one if name == by else zero for name in tape.inputs]
    for k, (op, *args) in enumerate(tape.code, len(tape.inputs)):
        if op == "const" or all(tangents[a] == zero for a in args):
            tangents.append(zero)
            continue
        value = nodes[k]
        a, b = (nodes[args[0]], nodes[args[1]] if len(args) > 1 else zero)
        da, db = (tangents[args[0]], tangents[args[1]] if len(args) > 1 else zero)
        if op in ("add", "sub", "neg"):
            tangent = body.call(op, *[tangents[x] for x in args])
        elif op in ("mul", "fma"):
            tangent = body.add(body.mul(da, b), body.mul(a, db))
            tangent = tangent if op == "mul" else body.add(tangent, tangents[args[2]])
        elif op == "div":
            tangent = body.div(body.sub(da, body.mul(value, db)), b)
        elif op == "abs":
            tangent = body.mul(body.call("copysign", one, a), da)
        elif op == "copysign":
            assert da == zero, "only signs are taken"
            tangent = zero
        elif op == "sqrt":
            tangent = body.div(da, body.mul(body.const(2), value))
        elif op == "exp":
            tangent = body.mul(value, da)
        elif op == "log":
            tangent = body.div(da, a)
        elif op == "sin":
            tangent = body.mul(body.call("cos", a), da)
        elif op == "cos":
            tangent = body.neg(body.mul(body.call("sin", a), da))
        else:
            assert op == "atan2", op
            turned = body.sub(body.mul(b, da), body.mul(a, db))
            tangent = body.div(turned, body.add(body.mul(a, a), body.mul(b, b)))
        tangents.append(tangent)
    return tangents


class _Inputs:
    """A body whose inputs are the reference and the difference from it."""

    def __init__(self, formula: Formula, moving: Sequence[str]) -> None:
        self._formula = formula
        names = []
        for name in formula.names:
            if name in formula.uniforms:
                names += [name + part for part in ("r", "i")[: 1 if name in formula.real else 2]]
            else:
                names += [name.upper() + part for part in "ri"]
                names += [name + part for part in "ri" if name in moving]
        if formula.drifts:
            names += ["origin()r", "origin()i"]
        self.body = Body(names)
        zero = self.body.const(0)
        self.large: dict[str, Pair] = {}
        self.small: dict[str, Pair] = {}
        for name in formula.names:
            shown = name if name in formula.uniforms else name.upper()
            im = zero if name in formula.real else self.body.input(shown + "i")
            self.large[name] = (self.body.input(shown + "r"), im)
            self.small[name] = (
                (self.body.input(name + "r"), self.body.input(name + "i"))
                if name in moving
                else (zero, zero)
            )
        if formula.drifts:
            origin = self.body.input("origin()r"), self.body.input("origin()i")
            self.large["origin()"], self.small["origin()"] = origin, (zero, zero)
            # It vanishes for the reference, so that nothing but the difference is left of it.
            slope = _Difference(self.body, self.large, self.small).of(formula.slope_node)[1]
            self.large["slope()"], self.small["slope()"] = (zero, zero), slope

    def complex(self, form: Node) -> Tape:
        """Take the difference of an expression in complex arithmetic."""
        difference = _Difference(self.body, self.large, self.small)
        return self.body.tape(difference.of(form)[1])

    def real(self, even: bool) -> Tape:
        """Take the difference of the real tape of a formula with folds."""
        from fraktal_kernel.fractals.formulas.lower import lower

        formula, body = self._formula, self.body
        step = lower([formula.deep_node], formula.names, formula.real)
        values: dict[str, tuple[int, int]] = {}
        for name in formula.names:
            values[name + "r"], values[name + "i"] = zip(
                self.large[name], self.small[name], strict=True
            )
        results = body.replay(step, [values[name][0] for name in step.inputs])
        small = {large: small for large, small in values.values()}
        differences = _real_differences(body, small, even)
        return body.tape([differences[k] for k in results])


def _real_differences(body: Body, small: dict[int, int], even: bool) -> list[int]:
    """Give the difference of every node of a body.

    With ``even``, a product differs by ``(da*(2b + db) + db*(2a + da))/2``, whose sums are those
    of the squares; else by ``da*(b + db) + a*db``.
    """
    zero, two, half = body.const(0), body.const(2), body.const(Fraction(1, 2))
    differences: list[int] = []

    def twice(a: int) -> int:
        return body.add(body.mul(two, a), differences[a])

    def product(a: int, b: int) -> int:
        da, db = differences[a], differences[b]
        if a == b:
            return body.mul(da, twice(a))
        if zero in (da, db):
            return body.add(body.mul(da, b), body.mul(a, db))
        if even:
            return body.mul(half, body.add(body.mul(da, twice(b)), body.mul(db, twice(a))))
        return body.add(body.mul(da, body.add(b, db)), body.mul(a, db))

    for node in range(body.size):  # those that the differences add come later
        op, *args = body.node(node)
        if op in ("input", "const"):
            difference = small.get(node, zero)
        elif op in ("add", "neg"):
            difference = body.call(op, *[differences[a] for a in args])
        elif op == "abs":
            difference = body.call("diffabs", args[0], differences[args[0]])
        else:
            assert op == "mul", op
            inner = body.node(args[1])
            if args[0] == two and inner[0] == "abs":  # 2|a| as |2a|: the factor is in the product
                (a,) = inner[1:]
                doubled = body.mul(two, differences[a])
                difference = body.call("diffabs", body.mul(two, a), doubled)
            else:
                difference = product(*args)
        differences.append(difference)
    return differences


class _Difference:
    """Gives expressions on the reference, and their difference from it, in complex arithmetic."""

    def __init__(self, body: Body, large: dict[str, Pair], small: dict[str, Pair]) -> None:
        self._complex = Complex(body)
        self._two = body.const(2)
        self._reference = Lowering(body, large)
        self._small = small
        self._known: dict[Node, tuple[Pair, Pair]] = {}
        self._zero = (body.const(0), body.const(0))

    def of(self, node: Node) -> tuple[Pair, Pair]:
        """Give the value on the reference and the difference from it."""
        if node not in self._known:
            self._known[node] = self._of(node)
        return self._known[node]

    def _of(self, node: Node) -> tuple[Pair, Pair]:
        if isinstance(node, (Number, algebra.Call)):  # calls are of parameters only
            return self._reference.value(node), self._zero
        if isinstance(node, Symbol):
            return self._reference.value(node), self._small[node.name]
        if isinstance(node, Power):
            return self._power(self.of(node.base), node.exponent)
        parts = [self.of(child) for child in algebra.children(node)]
        result = parts[0]
        for part in parts[1:]:
            if isinstance(node, Sum):
                result = tuple(map(self._complex.add, result, part))  # type: ignore[assignment]
            else:
                assert isinstance(node, Product)
                result = self._product(result, part)
        return result

    def _product(self, a: tuple[Pair, Pair], b: tuple[Pair, Pair]) -> tuple[Pair, Pair]:
        arithmetic, ((large_a, da), (large_b, db)) = self._complex, (a, b)
        first = arithmetic.mul(da, arithmetic.add(large_b, db))
        return arithmetic.mul(large_a, large_b), arithmetic.add(first, arithmetic.mul(large_a, db))

    def _square(self, a: tuple[Pair, Pair]) -> tuple[Pair, Pair]:
        arithmetic, (large, small) = self._complex, a
        both = arithmetic.add(arithmetic.scale(self._two, large), small)
        return arithmetic.square(large), arithmetic.mul(small, both)

    def _power(self, a: tuple[Pair, Pair], exponent: int) -> tuple[Pair, Pair]:
        if exponent == 1:
            return a
        if exponent % 2 == 0:
            return self._square(self._power(a, exponent // 2))
        return self._product(a, self._power(a, exponent - 1))
