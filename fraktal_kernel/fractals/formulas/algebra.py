"""Expressions as trees of our own: built simplified, differentiated, never evaluated.

Numbers are exact fractions (real and imaginary part), so that a formula means the same to
float64 and to ten thousand digits. `add`, `mul`, `power` and `call` build a tree and simplify as
they go: equal terms and factors are collected, numbers are folded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from types import MappingProxyType

# Numbers beyond this many bits are refused: far outside float64 and slow to carry along.
MAX_BITS = 4096


class Node:
    """Any expression."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Number(Node):
    """An exact complex number."""

    re: Fraction
    im: Fraction = Fraction(0)

    def __complex__(self) -> complex:
        return complex(float(self.re), float(self.im))


@dataclass(frozen=True, slots=True)
class Symbol(Node):
    """A variable or parameter; ``real`` promises that it has no imaginary part."""

    name: str
    real: bool = False


@dataclass(frozen=True, slots=True)
class Sum(Node):
    """A sum of two or more terms."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Product(Node):
    """A product of two or more factors, a number first if there is one."""

    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Power(Node):
    """A whole power, negative for a division."""

    base: Node
    exponent: int


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function; ``pow`` has a base and an exponent that is no whole number, the others one."""

    name: str
    arguments: tuple[Node, ...]


FUNCTIONS = (
    *("re", "im", "conj", "abs", "sqrt", "exp", "log"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh"),
)
# A real-linear function of a complex number, or the size of a real one, keeps a formula
# polynomial but makes it no function of z alone.
FOLDS = ("re", "im", "conj", "abs")

ZERO, ONE = Number(Fraction(0)), Number(Fraction(1))


def number(re: Fraction | int, im: Fraction | int = 0) -> Number:
    """Make a number; one that float64 could never hold is an `OverflowError`."""
    parts = (Fraction(re), Fraction(im))
    if any(max(p.numerator.bit_length(), p.denominator.bit_length()) > MAX_BITS for p in parts):
        raise OverflowError("the number has too many digits")
    for part in parts:
        float(part)
    return Number(*parts)


def times(a: Number, b: Number) -> Number:
    """Multiply two numbers."""
    return number(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)


def _split(term: Node) -> tuple[Number, Node]:
    """Split a term into its number and the rest."""
    if isinstance(term, Number):
        return term, ONE
    if isinstance(term, Product) and isinstance(term.factors[0], Number):
        rest = term.factors[1:]
        return term.factors[0], rest[0] if len(rest) == 1 else Product(rest)
    return ONE, term


def add(*terms: Node) -> Node:
    """Add terms; equal ones are collected, in the order in which they appear first."""
    collected: dict[Node | frozenset[Node], tuple[Number, Node]] = {}
    for term in terms:
        for one in term.terms if isinstance(term, Sum) else (term,):
            count, rest = _split(one)
            key = frozenset(rest.factors) if isinstance(rest, Product) else rest
            known, first = collected.get(key, (ZERO, rest))
            collected[key] = (number(known.re + count.re, known.im + count.im), first)
    kept = [mul(count, rest) for count, rest in collected.values() if count != ZERO]
    return ZERO if not kept else kept[0] if len(kept) == 1 else Sum(tuple(kept))


def mul(*factors: Node) -> Node:
    """Multiply factors; powers of equal bases are collected, numbers come to the front."""
    total = ONE
    collected: dict[Node, int] = {}
    for factor in factors:
        for one in factor.factors if isinstance(factor, Product) else (factor,):
            if isinstance(one, Number):
                total = times(total, one)
            elif isinstance(one, Power):
                collected[one.base] = collected.get(one.base, 0) + one.exponent
            else:
                collected[one] = collected.get(one, 0) + 1
    if total == ZERO:
        return ZERO
    kept = [power(base, exponent) for base, exponent in collected.items() if exponent]
    if total != ONE or not kept:
        kept.insert(0, total)
    return kept[0] if len(kept) == 1 else Product(tuple(kept))


def power(base: Node, exponent: int) -> Node:
    """Raise to a whole power; `ZeroDivisionError` for zero to a negative one."""
    if exponent == 0:
        return ONE
    if exponent == 1:
        return base
    if isinstance(base, Number):
        return _number_power(base, exponent)
    if isinstance(base, Power):
        return power(base.base, base.exponent * exponent)
    count, rest = _split(base)
    if count != ONE:
        return mul(_number_power(count, exponent), power(rest, exponent))
    if isinstance(base, Product):
        return mul(*(power(factor, exponent) for factor in base.factors))
    return Power(base, exponent)


def _number_power(base: Number, exponent: int) -> Number:
    if exponent < 0:
        size = base.re * base.re + base.im * base.im
        if size == 0:
            raise ZeroDivisionError("division by zero")
        return _number_power(number(base.re / size, -base.im / size), -exponent)
    result = ONE
    while exponent:
        if exponent & 1:
            result = times(result, base)
        exponent >>= 1
        if exponent:
            base = times(base, base)
    return result


def neg(a: Node) -> Node:
    """Turn the sign."""
    return mul(Number(Fraction(-1)), a)


def sub(a: Node, b: Node) -> Node:
    """Subtract."""
    return add(a, neg(b))


def divide(a: Node, b: Node) -> Node:
    """Divide; `ZeroDivisionError` when the divisor is zero whatever z is."""
    return mul(a, power(b, -1))


def raised(base: Node, exponent: Node) -> Node:
    """Raise to any power."""
    if isinstance(exponent, Number) and exponent.im == 0 and exponent.re.denominator == 1:
        return power(base, int(exponent.re))
    if exponent == Number(Fraction(1, 2)):
        return call("sqrt", base)
    if base == ZERO:
        if not isinstance(exponent, Number):
            raise ZeroDivisionError("the logarithm of zero")
        if exponent.re <= 0:
            raise ZeroDivisionError("division by zero")
        return ZERO
    return Call("pow", (base, exponent))


def call(name: str, a: Node) -> Node:
    """Apply a function by its name."""
    if name == "tan":
        return divide(call("sin", a), call("cos", a))
    if name == "tanh":
        return divide(call("sinh", a), call("cosh", a))
    if name in ("sinh", "cosh"):
        plus, minus = call("exp", a), call("exp", neg(a))
        return mul(Number(Fraction(1, 2)), add(plus, minus if name == "cosh" else neg(minus)))
    if name in ("re", "conj") and is_real(a):
        return a
    if name == "im" and is_real(a):
        return ZERO
    if name == "conj" and isinstance(a, Call) and a.name == "conj":
        return a.arguments[0]
    if isinstance(a, Number):
        if name in ("re", "im", "conj"):
            parts = {"re": (a.re,), "im": (a.im,), "conj": (a.re, -a.im)}
            return number(*parts[name])
        if name == "abs" and a.im == 0:
            return number(abs(a.re))
        if name == "log" and a == ZERO:
            raise ZeroDivisionError("the logarithm of zero")
    if name in ("sqrt", "sin") and a == ZERO:
        return ZERO
    if name in ("exp", "cos") and a == ZERO:
        return ONE
    return Call(name, (a,))


def children(node: Node) -> tuple[Node, ...]:
    """Give the parts of an expression."""
    if isinstance(node, Sum):
        return node.terms
    if isinstance(node, Product):
        return node.factors
    if isinstance(node, Power):
        return (node.base,)
    return node.arguments if isinstance(node, Call) else ()


def walk(node: Node) -> Iterator[Node]:
    """Give an expression and all its parts."""
    yield node
    for child in children(node):
        yield from walk(child)


def symbols(node: Node) -> frozenset[str]:
    """Name the symbols of an expression."""
    return frozenset(part.name for part in walk(node) if isinstance(part, Symbol))


def is_real(node: Node) -> bool:
    """Say whether an expression is real whatever the complex symbols are."""
    if isinstance(node, Number):
        return node.im == 0
    if isinstance(node, Symbol):
        return node.real
    if isinstance(node, Call):
        return node.name in ("re", "im", "abs") or (
            node.name in ("exp", "sin", "cos") and is_real(node.arguments[0])
        )
    return all(is_real(child) for child in children(node))


def is_polynomial(node: Node) -> bool:
    """Say whether only sums, products, whole powers and folds are used."""
    for part in walk(node):
        if isinstance(part, Power) and part.exponent < 0:
            return False
        if isinstance(part, Call) and not (
            part.name in ("re", "im", "conj") or (part.name == "abs" and is_real(part.arguments[0]))
        ):
            return False
    return True


def is_holomorphic(node: Node, variables: Iterable[str] = ("z", "c", "previous")) -> bool:
    """Say whether no fold touches a variable, so that complex derivatives exist."""
    names = set(variables)
    return not any(
        isinstance(part, Call) and part.name in FOLDS and names & symbols(part)
        for part in walk(node)
    )


def substitute(node: Node, values: Mapping[str, Node]) -> Node:
    """Put expressions in the place of symbols."""
    return _rebuilt(node, lambda symbol: values.get(symbol.name, symbol))


def _rebuilt(node: Node, leaf: Callable[[Symbol], Node]) -> Node:
    if isinstance(node, Symbol):
        return leaf(node)
    parts = [_rebuilt(child, leaf) for child in children(node)]
    if isinstance(node, Sum):
        return add(*parts)
    if isinstance(node, Product):
        return mul(*parts)
    if isinstance(node, Power):
        return power(parts[0], node.exponent)
    if isinstance(node, Call):
        return raised(*parts) if node.name == "pow" else call(node.name, parts[0])
    return node


def differentiate(node: Node, name: str) -> Node:
    """Differentiate by a symbol, as a holomorphic function (of a real symbol: re and conj, too)."""
    if name not in symbols(node):
        return ZERO
    if isinstance(node, Symbol):
        return ONE
    if isinstance(node, Sum):
        return add(*(differentiate(term, name) for term in node.terms))
    if isinstance(node, Product):
        return add(
            *(
                mul(*node.factors[:k], differentiate(factor, name), *node.factors[k + 1 :])
                for k, factor in enumerate(node.factors)
            )
        )
    if isinstance(node, Power):
        outer = mul(Number(Fraction(node.exponent)), power(node.base, node.exponent - 1))
        return mul(outer, differentiate(node.base, name))
    assert isinstance(node, Call)
    a, *more = node.arguments
    if node.name == "pow":
        (e,) = more
        by_base = mul(e, raised(a, sub(e, ONE)), differentiate(a, name))
        if name not in symbols(e):
            return by_base
        return add(by_base, mul(node, call("log", a), differentiate(e, name)))
    outers: dict[str, Callable[[], Node]] = {
        "sqrt": lambda: divide(Number(Fraction(1, 2)), node),
        "exp": lambda: node,
        "log": lambda: power(a, -1),
        "sin": lambda: call("cos", a),
        "cos": lambda: neg(call("sin", a)),
    }
    outer = outers[node.name]()
    return mul(outer, differentiate(a, name))


def growth(node: Node, exponents: Mapping[str, float] = MappingProxyType({})) -> float:
    """Give the power of ``|z|`` with which an expression grows, infinite beyond all powers.

    Parameters
    ----------
    exponents : values of symbols that stand for real powers
    """
    if isinstance(node, Number):
        return 0.0 if node != ZERO else -inf
    if isinstance(node, Symbol):
        return 1.0 if node.name == "z" else 0.0
    if isinstance(node, Sum):
        return max(growth(term, exponents) for term in node.terms)
    if isinstance(node, Product):
        powers = [growth(factor, exponents) for factor in node.factors]
        return inf if inf in powers else sum(powers)
    if isinstance(node, Power):
        return growth(node.base, exponents) * node.exponent
    assert isinstance(node, Call)
    inner = growth(node.arguments[0], exponents)
    if node.name in FOLDS or inner == 0:
        return inner
    if node.name == "sqrt":
        return inner / 2
    if node.name == "log":
        return 0.0
    exponent = node.arguments[-1]
    if node.name == "pow" and isinstance(exponent, Number):
        return inner * float(exponent.re)
    if node.name == "pow" and isinstance(exponent, Symbol) and exponent.name in exponents:
        return inner * exponents[exponent.name]
    return inf


def text(node: Node) -> str:
    """Write an expression so that it can be read, and parsed again."""
    return _text(node, 0)


def _text(node: Node, above: int) -> str:
    if isinstance(node, Number):
        return _number_text(node, above)
    if isinstance(node, Symbol):
        return node.name
    if isinstance(node, Call):
        if node.name == "pow":
            inner, mine = "**".join(_text(a, 4) for a in node.arguments), 3
        else:
            return f"{node.name}({_text(node.arguments[0], 0)})"
    elif isinstance(node, Sum):
        inner, mine = " + ".join(_text(term, 1) for term in node.terms), 1
        inner = inner.replace("+ -", "- ")
    elif isinstance(node, Product):
        inner, mine = "*".join(_text(factor, 2) for factor in node.factors), 2
        inner = "-" + inner.removeprefix("-1*") if inner.startswith("-1*") else inner
    else:
        assert isinstance(node, Power)
        inner, mine = f"{_text(node.base, 4)}**{_signed(node.exponent)}", 3
    return f"({inner})" if above >= mine and not (above == mine == 1) else inner


def _signed(exponent: int) -> str:
    return str(exponent) if exponent > 0 else f"({exponent})"


def _number_text(value: Number, above: int) -> str:
    parts = []
    if value.re or not value.im:
        parts.append(_fraction_text(value.re))
    if value.im:
        parts.append(
            f"{_fraction_text(value.im)}*i"
            if value.im not in (1, -1)
            else "i"
            if value.im == 1
            else "-i"
        )
    inner = " + ".join(parts).replace("+ -", "- ")
    plain = len(parts) == 1 and "/" not in inner and "*" not in inner and not inner.startswith("-")
    return inner if plain or above <= 1 or (above == 2 and inner == "-1") else f"({inner})"


def _fraction_text(value: Fraction) -> str:
    return str(value)
