"""Formulas as people type them, read into expressions: nothing that is typed is ever run.

A recursive-descent parser of our own grammar: numbers, names, ``+ - * / ** ^``, parentheses,
``|...|`` and the functions of `algebra.FUNCTIONS`. It is limited in length, depth and size, and
each error is one sentence that says what was given, where, and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import partial

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas import algebra
from fraktal_kernel.fractals.formulas.algebra import Node, Number, Symbol

MAX_LENGTH = 1000
MAX_TOKENS = 400
MAX_DEPTH = 40
MAX_POWER = 1024
# Expressions that grow under simplifying, such as derivatives of derivatives, end here.
MAX_NODES = 4000

PI = Fraction(
    "3.14159265358979323846264338327950288419716939937510"
    "58209749445923078164062862089986280348253421170679"
)
CONSTANTS: Mapping[str, Node] = {
    "i": algebra.number(0, 1),
    "j": algebra.number(0, 1),
    "pi": algebra.number(PI),
}
VARIABLES = ("z", "c", "previous")
DERIVATIVE = "derivative"
RESERVED = (*CONSTANTS, *VARIABLES, *algebra.FUNCTIONS, DERIVATIVE)

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<mark>\*\*|[-+*/^()|])"
    r"|(?P<end>$))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def is_name(text: str) -> bool:
    """Say whether a text can be the name of a parameter or of a formula."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]{0,39}", text, re.ASCII) is not None


def parse(text: str, names: Mapping[str, Node] | None = None) -> Node:
    """Read an expression in ``z``, ``c``, ``previous`` and further names.

    Parameters
    ----------
    text : such as ``"z**3 + c*z"``, ``"(abs(re(z)) + i*abs(im(z)))^2 + c"`` or ``"|z| + c"``
    names : what other names stand for, such as parameters

    Examples
    --------
    >>> algebra.text(parse("z*z + 0.5 + c"))
    'z**2 + 1/2 + c'
    >>> parse("z**2 + k")
    Traceback (most recent call last):
    fraktal_kernel.errors.InvalidInput: the formula has the unknown name 'k' at position 8; \
expected z, c or a parameter that is given a value.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"the formula is {text!r:.60}; expected a text such as 'z**2 + c'.")
    if len(text) > MAX_LENGTH:
        raise InvalidInput(
            f"the formula is {len(text)} characters long; at most {MAX_LENGTH} can be read."
        )
    parser = _Parser(text, {name: Symbol(name) for name in VARIABLES} | dict(names or {}))
    try:
        node = parser.whole()
    except RecursionError:  # pragma: no cover - the depth is limited far below
        raise InvalidInput("the formula is nested too deeply; write it in fewer levels.") from None
    return node


class _Parser:
    """One text on its way to an expression."""

    def __init__(self, text: str, names: Mapping[str, Node]) -> None:
        self._names = names
        self._tokens = list(self._split(text.replace("\N{MINUS SIGN}", "-")))
        self._next = 0
        self._depth = 0

    def _split(self, text: str) -> Iterator[_Token]:
        at = 0
        for _ in range(MAX_TOKENS + 1):
            match = _TOKEN.match(text, at)
            if match is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise InvalidInput(
                    f"the formula has {text[at]!r} at position {at + 1}; expected numbers, names, "
                    "+ - * / ** ^, parentheses or bars."
                )
            kind = str(match.lastgroup)
            yield _Token(kind, match[kind], match.start(kind) + 1)
            if kind == "end":
                return
            at = match.end()
        raise InvalidInput(
            f"the formula has more than {MAX_TOKENS} numbers, names and signs; write a shorter one."
        )

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> _Token | None:
        token = self._token
        if token.kind == "mark" and token.text in texts:
            self._next += 1
            return token
        return None

    def _wrong(self, expected: str) -> InvalidInput:
        token = self._token
        given = "ends" if token.kind == "end" else f"has {token.text!r:.50}"
        return InvalidInput(f"the formula {given} at position {token.at}; expected {expected}.")

    def whole(self) -> Node:
        """Read the whole text."""
        if self._token.kind == "end":
            raise InvalidInput("the formula is empty; expected a text such as 'z**2 + c'.")
        node = self._sum()
        if self._token.kind != "end":
            number = self._next and self._tokens[self._next - 1].kind == "number"
            hint = f" such as {self._tokens[self._next - 1].text}*{self._token.text:.20}"
            raise self._wrong(f"an operator{hint if number and self._token.kind == 'name' else ''}")
        return node

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidInput(
                f"the formula is nested more than {MAX_DEPTH} deep at position {self._token.at}; "
                "write it in fewer levels."
            )
        terms = [self._product()]
        while sign := self._take("+", "-"):
            term = self._product()
            terms.append(term if sign.text == "+" else algebra.neg(term))
        self._depth -= 1
        return self._made(lambda: algebra.add(*terms), self._token)

    def _product(self) -> Node:
        node = self._signed()
        while sign := self._take("*", "/"):
            combine = algebra.mul if sign.text == "*" else algebra.divide
            node = self._made(partial(combine, node, self._signed()), sign)
        return node

    def _signed(self) -> Node:
        minus = False
        while sign := self._take("+", "-"):
            minus ^= sign.text == "-"
        node = self._power()
        return algebra.neg(node) if minus else node

    def _power(self) -> Node:
        base = self._atom()
        sign = self._take("**", "^")
        if sign is None:
            return base
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"powers of powers at most {MAX_DEPTH} deep")
        exponent = self._signed()
        self._depth -= 1
        if isinstance(exponent, Number) and not (
            abs(exponent.re) <= MAX_POWER and abs(exponent.im) <= MAX_POWER
        ):
            raise InvalidInput(
                f"the formula has a power beyond {MAX_POWER} at position {sign.at}; expected a "
                f"power from -{MAX_POWER} to {MAX_POWER}."
            )
        made = self._made(lambda: algebra.raised(base, exponent), sign)
        if any(
            isinstance(p, algebra.Power) and abs(p.exponent) > MAX_POWER for p in algebra.walk(made)
        ):
            raise InvalidInput(
                f"the formula has powers of powers beyond {MAX_POWER} in all at position "
                f"{sign.at}; expected at most {MAX_POWER}."
            )
        return made

    def _made(self, make: Callable[[], Node], where: _Token) -> Node:
        try:
            node = make()
        except ZeroDivisionError as error:
            what = "takes the logarithm of zero" if "logarithm" in str(error) else "divides by zero"
            raise InvalidInput(
                f"the formula {what} at position {where.at}, whatever z and c are; expected "
                "another number there."
            ) from None
        except OverflowError:
            raise InvalidInput(
                f"the formula has a number that is too large or too long at position {where.at}; "
                "expected numbers below 1e308."
            ) from None
        if any(count > MAX_NODES for count, _ in enumerate(algebra.walk(node))):
            raise InvalidInput(
                f"the formula grows too large at position {where.at} when it is written out; "
                "expected a smaller one."
            )
        return node

    def _atom(self) -> Node:
        token = self._token
        if token.kind == "number":
            self._next += 1
            value = self._number(token)
            unit = self._token
            if (
                unit.kind == "name"
                and unit.text in ("i", "j")
                and unit.at == token.at + len(token.text)
            ):
                self._next += 1
                return algebra.mul(value, CONSTANTS["i"])
            return value
        if token.kind == "name":
            self._next += 1
            return self._named(token)
        if self._take("("):
            return self._closed(")", token)
        if self._take("|"):
            inner = self._closed("|", token)
            return algebra.call("abs", inner)
        raise self._wrong("a number, a name or '('")

    def _closed(self, mark: str, opened: _Token) -> Node:
        node = self._sum()
        if not self._take(mark):
            raise self._wrong(f"{mark!r} to close the {opened.text!r} at position {opened.at}")
        return node

    def _number(self, token: _Token) -> Node:
        _, _, exponent = token.text.lower().partition("e")
        if len(exponent) > 5 or abs(int(exponent or 0)) > 400:
            raise InvalidInput(
                f"the formula has {token.text!r:.50} at position {token.at}; expected a number "
                "from 1e-300 to 1e300."
            )
        return self._made(lambda: algebra.number(Fraction(token.text)), token)

    def _named(self, token: _Token) -> Node:
        name = token.text
        opening = self._token if self._take("(") else None
        if opening is not None:
            if name not in (*algebra.FUNCTIONS, DERIVATIVE):
                raise self._unknown(token, "function", (*algebra.FUNCTIONS, DERIVATIVE))
            inner = self._closed(")", opening)
            if name == DERIVATIVE:
                if not algebra.is_holomorphic(inner):
                    raise InvalidInput(
                        f"the formula asks for the derivative of abs, conj, re or im at position "
                        f"{token.at}, which do not have one; expected a function of z alone."
                    )
                return self._made(lambda: algebra.differentiate(inner, "z"), token)
            return self._made(lambda: algebra.call(name, inner), token)
        if name in self._names:
            return self._names[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in algebra.FUNCTIONS or name == DERIVATIVE:
            raise self._wrong(f"'(' after the function {name}")
        raise self._unknown(token, "name", (*self._names, *CONSTANTS))

    def _unknown(self, token: _Token, kind: str, known: tuple[str, ...]) -> InvalidInput:
        near = get_close_matches(token.text, known, n=1)
        if near:
            hint = f"did you mean {near[0]!r}?"
        elif kind == "function":
            hint = f"expected one of {', '.join(algebra.FUNCTIONS)}."
        else:
            given = sorted(set(known) - set(CONSTANTS) - set(VARIABLES))
            parameters = (
                f"the parameters {', '.join(given)}"
                if given
                else "a parameter that is given a value"
            )
            hint = f"expected z, c or {parameters}."
        return InvalidInput(
            f"the formula has the unknown {kind} {token.text!r:.50} at position {token.at}; {hint}"
        )
