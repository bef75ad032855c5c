"""The parser: what it reads, what it refuses, and that nothing else ever happens."""

from __future__ import annotations

import cmath
import math
import random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas import algebra, formula_of, polynomial
from fraktal_kernel.fractals.formulas.algebra import Symbol
from fraktal_kernel.fractals.formulas.lower import lower
from fraktal_kernel.fractals.formulas.parse import MAX_DEPTH, MAX_LENGTH, parse
from fraktal_kernel.fractals.formulas.tape import evaluate

ALPHABET = "zc0123456789.+-*/^()| eijxabsqrtcoplgmuvdn_'\"\\[]{}@#:;,<>=!\n\té²∂"


def value(node: algebra.Node, z: complex, c: complex) -> complex:
    """Compute an expression at one point."""
    tape = lower([node], ["z", "c"])
    return complex(*evaluate(tape, [z.real, z.imag, c.real, c.imag]))


@pytest.mark.parametrize(
    "text, same",
    [
        ("z^2 + c", "z**2 + c"),
        ("z*z+c", "z**2 + c"),
        (" z ** 2\n+ c ", "z**2 + c"),
        ("-z^2 + c", "-(z**2) + c"),
        ("z^2 \N{MINUS SIGN} c", "z**2 - c"),
        ("z^2^3 + c", "z**8 + c"),
        ("z^-2 + c", "1/z/z + c"),
        ("2i*z + 3j", "2*i*z + 3*i"),
        (".5*z + 1.*c + 1e-1", "z/2 + c + 1/10"),
        ("||z|-1|*z + c", "abs(abs(z) - 1)*z + c"),
        ("|re(z)|*z", "abs(re(z))*z"),
        ("(z + c)*(z + c)", "(z + c)^2"),
        ("z - z + z", "z"),
        ("z*c + c*z", "2*z*c"),
        ("--z", "z"),
        ("z/2/3", "z/6"),
        ("derivative(z**3 + c*z)", "3*z**2 + c"),
        ("derivative(exp(z**2))*z", "2*exp(z**2)*z**2"),
        ("conj(conj(z))", "z"),
        ("z**0.5", "sqrt(z)"),
    ],
)
def test_what_is_typed_is_what_is_meant(text: str, same: str) -> None:
    """Both ways to write a formula give the same expression."""
    assert parse(text) == parse(same)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is empty"),
        ("z**2 +", "ends at position 7; expected a number, a name or '('"),
        ("z**2 c", "'c' at position 6; expected an operato"),
        ("2z", "such as 2*z"),
        ("(z + c", "expected ')' to close the '(' at position 1"),
        ("|z + c", "to close the '|'"),
        ("z + c)", "has ')' at position 6"),
        ("z**2 + k", "unknown name 'k' at position 8"),
        ("coss(z)", "did you mean 'cos'"),
        ("sin z", "after the function sin"),
        ("z(2)", "unknown function 'z'"),
        ("1/0 + z", "divides by zero at position 2"),
        ("z/(c - c)", "divides by zero"),
        ("z + 0**-1", "divides by zero"),
        ("log(0)*z", "logarithm of zero"),
        ("__import__('os').system('ls')", "at position 12"),
        ("__import__(z)", "unknown function '__import__'"),
        ("import os", "unknown name 'import'"),
        ("lambda: z", "has ':'"),
        ("z.real", "has '.'"),
        ("z = 2", "has '='"),
        ("z[0]", "has '['"),
        ("z**1000000", "power beyond 1024"),
        ("((z**9)**9)**9**9", "beyond"),
        ("9**999**9*z", "beyond or too large"),
        ("9**1000*9**1000*z", "too large"),
        ("1e999 + z", "'1e999'"),
        ("1e99999999999 + z", "expected a numbe"),
        ("derivative(abs(z))", "derivative of abs"),
        ("z" + "+z" * MAX_LENGTH, "characters long"),
        ("(" * (MAX_DEPTH + 1) + "z", "nested more than"),
        ("z+" * 250 + "z", "more than 400"),
        ("z^" * 60 + "z", "deep"),
        ("(" * 60, "nested"),
        ("-" * 300 + "z", None),
    ],
)
def test_what_is_no_formula_is_refused(text: str, words: str | None) -> None:
    """The error is one sentence: what was given, where, what was expected."""
    if words is None:
        parse(text)
        return
    with pytest.raises(InvalidInput) as raised:
        parse(text)
    message = str(raised.value)
    assert any(part in message for part in words.split(" or "))
    assert message.endswith((".", "?")) and "\n" not in message and len(message) < 300


@pytest.mark.parametrize("thing", [None, 3, b"z", ["z"]])
def test_only_texts_are_formulas(thing: Any) -> None:
    """What is no text is refused in a sentence, too."""
    with pytest.raises(InvalidInput, match="expected a"):
        parse(thing)
    with pytest.raises(InvalidInput, match="expected a"):
        formula_of(thing)


@settings(deadline=None, max_examples=400)
@given(text=st.one_of(st.text(ALPHABET, max_size=80), st.text(max_size=40)))
def test_any_text_is_a_formula_or_a_sentence(text: str) -> None:
    """Whatever is typed, the parser answers with an expression or with one sentence."""
    try:
        formula = formula_of(text)
    except InvalidInput as error:
        message = str(error)
        assert message.endswith((".", "?")) and len(message) < 600
    else:
        assert formula.step.outputs


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """Draw an expression that Python reads as we do."""
    leaf = st.sampled_from(["z", "c", "z", "c", "2", "0.5", "3", "1j", "(1-2j)"])
    if depth == 0:
        return draw(leaf)
    kind = draw(st.integers(0, 7))
    inner = expressions(depth - 1)
    if kind <= 1:
        return draw(leaf)
    if kind <= 4:
        return f"({draw(inner)}) {draw(st.sampled_from('+-*'))} ({draw(inner)})"
    if kind == 5:
        return f"({draw(inner)})**{draw(st.sampled_from(['2', '3', '5']))}"
    if kind == 6:
        return f"{draw(st.sampled_from(['conj', 'abs', 're', 'im']))}({draw(inner)})"
    return f"-({draw(inner)})"


@settings(deadline=None, max_examples=200)
@given(text=expressions(), seed=st.integers(0, 2**20))
def test_expressions_mean_what_python_means(text: str, seed: int) -> None:
    """Simplified, written out and read again, an expression keeps its value."""
    random_ = random.Random(seed)
    z, c = (complex(random_.uniform(-1, 1), random_.uniform(-1, 1)) for _ in range(2))
    scope = {"z": z, "c": c, "abs": abs, "conj": lambda x: complex(x).conjugate()}
    scope |= {"re": lambda x: complex(x).real, "im": lambda x: complex(x).imag}
    try:
        plain = complex(eval(text, {"__builtins__": {}}, scope))
        node = parse(text)
    except (OverflowError, InvalidInput):
        assume(False)
    assume(abs(plain) < 1e12)
    # The largest number on the way bounds what roundings can do.
    bound = 1e-9 * (1 + abs(plain)) + 1e-12 * magnitude(text)
    assert abs(value(node, z, c) - plain) <= bound
    again = parse(algebra.text(node))
    assert abs(value(again, z, c) - plain) <= bound
    if algebra.is_polynomial(node) and algebra.is_holomorphic(node):
        short = polynomial.horner(node, "z")
        if short is not None:
            assert abs(value(short, z, c) - plain) <= bound


def magnitude(text: str) -> float:
    """Bound the size of the terms of an expression, as if nothing cancelled."""
    node = parse(text)

    def size(node: algebra.Node) -> float:
        parts = [size(child) for child in algebra.children(node)]
        if isinstance(node, algebra.Number):
            return abs(complex(node))
        if isinstance(node, algebra.Sum):
            return sum(parts)
        if isinstance(node, algebra.Product):
            return math.prod(parts)
        if isinstance(node, algebra.Power):
            return float(parts[0] ** node.exponent)
        return parts[0] if parts else 1.5

    try:
        expanded = polynomial.expand(node, ("z", "c")) or {}
        terms = sum(abs(complex(v)) * 1.5 ** sum(k) for k, v in expanded.items())
        return size(node) + terms
    except OverflowError:
        return math.inf


def test_the_symbolic_derivative_of_functions() -> None:
    """Chain rule, products and quotients, at a point."""
    z = 0.3 + 0.2j
    node = algebra.differentiate(parse("sin(z**2)*exp(z)/(1 + z) + log(z)*sqrt(z)"), "z")

    def f(z: complex) -> complex:
        return cmath.sin(z**2) * cmath.exp(z) / (1 + z) + cmath.log(z) * cmath.sqrt(z)

    rise = (f(z + 1e-6) - f(z - 1e-6)) / 2e-6
    assert value(node, z, 0j) == pytest.approx(rise, rel=1e-8)


def test_polynomials_are_expanded() -> None:
    """``(z + c)**2`` has its three coefficients; Horner's form is the shorter one."""
    assert polynomial.expand(parse("(z + c)**2"), ("z", "c")) == {
        (2, 0): algebra.ONE,
        (1, 1): algebra.number(2),
        (0, 2): algebra.ONE,
    }
    short = polynomial.horner(parse("z**3 + c*z"), "z")
    assert short == algebra.mul(Symbol("z"), parse("z**2 + c"))
    assert polynomial.expand(parse("1/z"), ("z",)) is None
    assert polynomial.expand(parse("(z + c + 1)**500"), ("z", "c")) is None
