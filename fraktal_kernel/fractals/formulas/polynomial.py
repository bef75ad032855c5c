"""Expressions as polynomials: expanded to coefficients, and written with few multiplications."""

from __future__ import annotations

from math import comb

from fraktal_kernel.fractals.formulas.algebra import (
    ONE,
    ZERO,
    Node,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    add,
    mul,
    number,
    power,
    symbols,
    times,
    walk,
)

# Polynomials with more terms than this are left as they were typed.
MAX_TERMS = 200
Polynomial = dict[tuple[int, ...], Number]


def expand(node: Node, names: tuple[str, ...]) -> Polynomial | None:
    """Expand to a polynomial in some symbols: exponents to coefficients; None where it is none."""
    try:
        return _expanded(node, names)
    except (_NoPolynomialError, OverflowError):
        return None


class _NoPolynomialError(Exception):
    pass


def _expanded(node: Node, names: tuple[str, ...]) -> Polynomial:
    one = (0,) * len(names)
    if isinstance(node, Number):
        return {one: node} if node != ZERO else {}
    if isinstance(node, Symbol) and node.name in names:
        return {tuple(int(name == node.name) for name in names): ONE}
    if isinstance(node, Sum):
        total: Polynomial = {}
        for term in node.terms:
            for key, value in _expanded(term, names).items():
                known = total.get(key, ZERO)
                total[key] = number(known.re + value.re, known.im + value.im)
        return {key: value for key, value in total.items() if value != ZERO}
    if isinstance(node, Product):
        product: Polynomial = {one: ONE}
        for factor in node.factors:
            product = _product(product, _expanded(factor, names))
        return product
    if isinstance(node, Power) and node.exponent > 0:
        base = _expanded(node.base, names)
        if len(base) > 1 and comb(node.exponent + len(base) - 1, len(base) - 1) > MAX_TERMS:
            raise _NoPolynomialError
        result: Polynomial = {one: ONE}
        for bit in bin(node.exponent)[2:]:
            result = _product(result, result)
            if bit == "1":
                result = _product(result, base)
        return result
    raise _NoPolynomialError


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    if len(a) * len(b) > 50 * MAX_TERMS:
        raise _NoPolynomialError
    product: Polynomial = {}
    for key_a, value_a in a.items():
        for key_b, value_b in b.items():
            key = tuple(x + y for x, y in zip(key_a, key_b, strict=True))
            known, value = product.get(key, ZERO), times(value_a, value_b)
            product[key] = number(known.re + value.re, known.im + value.im)
    product = {key: value for key, value in product.items() if value != ZERO}
    if len(product) > MAX_TERMS:
        raise _NoPolynomialError
    return product


def coefficients(node: Node, name: str) -> dict[int, Node] | None:
    """Give the coefficients of a polynomial in one symbol, expressions in the others."""
    every = tuple(sorted(symbols(node) | {name}))
    real = {part.name: part.real for part in walk(node) if isinstance(part, Symbol)}
    polynomial = expand(node, every)
    if polynomial is None:
        return None
    at = every.index(name)
    collected: dict[int, list[Node]] = {}
    for key, value in polynomial.items():
        others = [
            power(Symbol(other, real.get(other, False)), exponent)
            for other, exponent in zip(every, key, strict=True)
            if other != name
        ]
        collected.setdefault(key[at], []).append(mul(value, *others))
    return {exponent: add(*terms) for exponent, terms in collected.items()}


def horner(node: Node, name: str) -> Node | None:
    """Write a polynomial with few multiplications: powers of the symbol that all terms share out.

    ``z**3 + c*z`` becomes ``z*(z**2 + c)``; None where the expression is no polynomial.
    """
    found = coefficients(node, name)
    if found is None:
        return None
    symbol = next((p for p in walk(node) if isinstance(p, Symbol) and p.name == name), None)
    if symbol is None or not found:
        return node
    exponents = sorted(found, reverse=True)
    result = found[exponents[0]]
    for high, low in zip(exponents, [*exponents[1:], 0], strict=True):
        result = mul(power(symbol, high - low), result)
        if low != high and low in found:
            result = add(result, found[low])
    return result
