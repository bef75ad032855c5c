"""Where orbits begin: the critical point of an expression, where it has a closed form."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from fraktal_kernel.fractals.formulas import algebra, polynomial
from fraktal_kernel.fractals.formulas.algebra import Call, Node, Number, Symbol


def critical_point(node: Node) -> Node:
    """Find where an orbit tells most: a critical point, else 0, else c where 0 leads nowhere.

    Without a c in it, all orbits from one point are the same: they begin at c then, too.
    """
    c = Symbol("c")
    if "c" not in algebra.symbols(node):
        return c
    nothing = {"z": algebra.ZERO}
    try:
        # Nothing comes before the first step.
        node = algebra.substitute(node, {"previous": algebra.ZERO})
        if algebra.is_holomorphic(node, ("z",)) and algebra.is_polynomial(node):
            slope = polynomial.coefficients(algebra.differentiate(node, "z"), "z") or {}
            if slope and 0 not in slope:
                return algebra.ZERO
            root = _root(slope)
            if root is not None:
                return root
        first = algebra.substitute(node, nothing)
        for part in algebra.walk(node):
            # Powers that vary are taken by the logarithm, which 0 has none of, though 0**0 be 1.
            if isinstance(part, Call) and part.name == "pow":
                base, exponent = (algebra.substitute(a, nothing) for a in part.arguments)
                if base == algebra.ZERO == exponent:
                    return c
    except (ZeroDivisionError, OverflowError):
        return c
    return c if first == algebra.ZERO else algebra.ZERO


def _root(found: Mapping[int, Node]) -> Node | None:
    """Give a root in closed form: of ``a*z**k + b``, or of a quadratic."""
    high = max(found, default=0)
    if high == 0:
        return None
    a, b = found[high], found[0]
    if len(found) == 2:
        ratio = algebra.divide(algebra.neg(b), a)
        return algebra.raised(ratio, Number(Fraction(1, high)))
    if high != 2:
        return None
    middle, two = found[1], algebra.number(2)
    inner = algebra.sub(algebra.power(middle, 2), algebra.mul(algebra.number(4), a, b))
    above = algebra.add(algebra.neg(middle), algebra.call("sqrt", inner))
    return algebra.divide(above, algebra.mul(two, a))
