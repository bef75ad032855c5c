"""From complex expressions to real tapes with few operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from fraktal_kernel.fractals.formulas import algebra
from fraktal_kernel.fractals.formulas.algebra import Call, Node, Number, Power, Product, Sum, Symbol
from fraktal_kernel.fractals.formulas.tape import Body, Tape

Pair = tuple[int, int]


class Complex:
    """Complex arithmetic on pairs of nodes of a body; what is real has the constant 0 beside it."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.zero = body.const(0)

    def number(self, value: Number) -> Pair:
        """Give a constant."""
        return self.body.const(value.re), self.body.const(value.im)

    def add(self, a: Pair, b: Pair) -> Pair:
        """Give ``a + b``."""
        return self.body.add(a[0], b[0]), self.body.add(a[1], b[1])

    def scale(self, k: int, a: Pair) -> Pair:
        """Give a real node times ``a``."""
        return self.body.mul(k, a[0]), self.body.mul(k, a[1])

    def mul(self, a: Pair, b: Pair) -> Pair:
        """Give ``a * b``."""
        body = self.body
        if a == b:
            return self.square(a)
        re = body.sub(body.mul(a[0], b[0]), body.mul(a[1], b[1]))
        return re, body.add(body.mul(a[0], b[1]), body.mul(a[1], b[0]))

    def square(self, a: Pair) -> Pair:
        """Give ``a**2`` by three products."""
        body = self.body
        re = body.sub(body.mul(a[0], a[0]), body.mul(a[1], a[1]))
        return re, body.mul(body.const(2), body.mul(a[0], a[1]))

    def cube(self, a: Pair) -> Pair:
        """Give ``a**3`` as ``x*(x*x - 3*y*y) + i*y*(3*x*x - y*y)``."""
        body, (x, y) = self.body, a
        xx, yy, three = body.mul(x, x), body.mul(y, y), body.const(3)
        re = body.mul(x, body.sub(xx, body.mul(three, yy)))
        return re, body.mul(y, body.sub(body.mul(three, xx), yy))

    def power(self, a: Pair, exponent: int) -> Pair:
        """Give a whole power above 0."""
        if exponent == 1:
            return a
        how = _cheapest(exponent)[1]
        if how == "square":
            return self.square(self.power(a, exponent // 2))
        if how == "cube":
            return self.cube(self.power(a, exponent // 3))
        return self.mul(a, self.power(a, exponent - 1))

    def divide(self, a: Pair, b: Pair) -> Pair:
        """Give ``a / b`` with a single division."""
        body = self.body
        if b[1] == self.zero:
            if a[1] == self.zero:
                return body.div(a[0], b[0]), self.zero
            return self.scale(body.div(body.const(1), b[0]), a)
        inverse = body.div(body.const(1), self.size2(b))
        return self.scale(inverse, self.mul(a, (b[0], body.neg(b[1]))))

    def size2(self, a: Pair) -> int:
        """Give ``|a|**2``."""
        return self.body.add(self.body.mul(a[0], a[0]), self.body.mul(a[1], a[1]))

    def raised(self, a: Pair, exponent: Pair) -> Pair:
        """Give any power, on the principal branch."""
        body = self.body
        log = self.function("log", a)
        if exponent[1] == self.zero:
            size = body.call("exp", body.mul(exponent[0], log[0]))
            return self._polar(size, body.mul(exponent[0], log[1]))
        return self.function("exp", self.mul(exponent, log))

    def _polar(self, size: int, angle: int) -> Pair:
        body = self.body
        if angle == self.zero:
            return size, angle
        return body.mul(size, body.call("cos", angle)), body.mul(size, body.call("sin", angle))

    def function(self, name: str, a: Pair) -> Pair:
        """Apply a function by its name."""
        body, (x, y), zero = self.body, a, self.zero
        real = y == zero
        if name in ("re", "im"):
            return (x if name == "re" else y), zero
        if name == "conj":
            return x, body.neg(y)
        if name == "abs":
            return (body.abs(x) if real else body.call("sqrt", self.size2(a))), zero
        if name == "exp":
            return self._polar(body.call("exp", x), y)
        if name == "log":
            half = body.mul(body.const(0.5), body.call("log", self.size2(a)))
            return half, body.call("atan2", y, x)
        if name == "sqrt":
            # Half the angle: sqrt((|z| + x)/2) would lose half of its digits left of 0.
            size = body.call("sqrt", body.call("sqrt", self.size2(a)))
            return self._polar(size, body.mul(body.const(0.5), body.call("atan2", y, x)))
        assert name in ("sin", "cos"), name
        sin, cos = body.call("sin", x), body.call("cos", x)
        if real:
            return (sin if name == "sin" else cos), zero
        grown, half = body.call("exp", y), body.const(0.5)
        shrunk = body.div(body.const(1), grown)
        cosh = body.mul(half, body.add(grown, shrunk))
        sinh = body.mul(half, body.sub(grown, shrunk))
        if name == "sin":
            return body.mul(sin, cosh), body.mul(cos, sinh)
        return body.mul(cos, cosh), body.neg(body.mul(sin, sinh))


@cache
def _cheapest(exponent: int) -> tuple[int, str]:
    """Give the cost of a power in real operations, and its last step."""
    if exponent == 1:
        return 0, "nothing"
    choices = []  # of equals the first is taken: a square as the last step fuses best
    if exponent % 2 == 0:
        choices.append((_cheapest(exponent // 2)[0] + 4, "square"))
    if exponent % 3 == 0:
        choices.append((_cheapest(exponent // 3)[0] + 6, "cube"))
    if exponent % 2:
        choices.append((_cheapest(exponent - 1)[0] + 4, "multiply"))
    return min(choices, key=lambda choice: choice[0])


class Lowering:
    """Gives the nodes of expressions, each part once.

    Parameters
    ----------
    body : where the instructions go
    values : the pair of nodes of each symbol
    """

    def __init__(self, body: Body, values: Mapping[str, Pair]) -> None:
        self.complex = Complex(body)
        self._values = values
        self._known: dict[Node, Pair] = {}

    def value(self, node: Node) -> Pair:
        """Give the pair of nodes that holds an expression."""
        if node not in self._known:
            self._known[node] = self._value(node)
        return self._known[node]

    def _value(self, node: Node) -> Pair:
        if isinstance(node, Number):
            return self.complex.number(node)
        if isinstance(node, Symbol):
            return self._values[node.name]
        if isinstance(node, Sum):
            total, *terms = map(self.value, node.terms)
            for term in terms:
                total = self.complex.add(total, term)
            return total
        if isinstance(node, (Product, Power)):
            return self._fraction(node.factors if isinstance(node, Product) else (node,))
        assert isinstance(node, Call)
        arguments = [self.value(argument) for argument in node.arguments]
        if node.name == "pow":
            return self.complex.raised(*arguments)
        return self.complex.function(node.name, arguments[0])

    def _fraction(self, factors: Sequence[Node]) -> Pair:
        above: Pair | None = None
        below: Pair | None = None
        for factor in factors:
            if isinstance(factor, Power):
                value = self.complex.power(self.value(factor.base), abs(factor.exponent))
            else:
                value = self.value(factor)
            if isinstance(factor, Power) and factor.exponent < 0:
                below = value if below is None else self.complex.mul(below, value)
            else:
                above = value if above is None else self.complex.mul(above, value)
        if above is None:
            above = self.complex.number(algebra.ONE)
        return above if below is None else self.complex.divide(above, below)


def input_names(names: Sequence[str], real: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the real inputs of complex symbols: ``z`` is ``zr, zi``; a real one has no ``i``."""
    return tuple(name + part for name in names for part in (("r",) if name in real else ("r", "i")))


def pairs(body: Body, names: Sequence[str], real: Sequence[str] = ()) -> dict[str, Pair]:
    """Give the nodes of symbols whose inputs are named as `input_names` says."""
    return {
        name: (body.input(name + "r"), body.const(0) if name in real else body.input(name + "i"))
        for name in names
    }


def lower(
    expressions: Sequence[Node],
    names: Sequence[str],
    real: Sequence[str] = (),
    *,
    exact: bool = False,
) -> Tape:
    """Write complex expressions as one real tape; the outputs are ``re, im`` of each in turn.

    Examples
    --------
    >>> z, c = Symbol("z"), Symbol("c")
    >>> lower([algebra.add(algebra.power(z, 2), c)], ["z", "c"]).operations
    4
    """
    body = Body(input_names(names, real))
    lowering = Lowering(body, pairs(body, names, real))
    return body.tape([part for e in expressions for part in lowering.value(e)], exact=exact)


def cheapest(*tapes: Tape | None) -> Tape:
    """Give the tape with the fewest operations, the first of equals."""
    return min((tape for tape in tapes if tape is not None), key=lambda tape: tape.operations)
