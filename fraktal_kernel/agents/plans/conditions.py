"""Conditions of steps, such as ``fit.result.loss < 0.5 and inputs.deploy``: read, then decided.

The language is a small part of Python's expressions, walked here and never handed to Python:
and, or, not, comparisons, ``in``, ``+ - * /`` of numbers, ``len()``, lists, numbers, texts,
``true false null``, and paths of inputs and steps.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fraktal_kernel.agents.plans.paths import Path, look_up
from fraktal_kernel.errors import InvalidInput

MAX_CHARS = 500
#: A text in quotes, which stays as it is, or a reference.
_PIECE = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\$\{([^{}]*)\}""")
_WORDS = {"true": True, "false": False, "null": None}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_NUMBERS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read, and the paths that it looks at."""

    text: str
    tree: ast.expr
    paths: tuple[Path, ...]

    def holds(self, scope: Mapping[str, Any]) -> bool:
        """Decide it.

        Raises
        ------
        InvalidInput
            a path names nothing, or values do not go together
        """
        try:
            return bool(_value(self.tree, scope))
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            raise InvalidInput(f"when {self.text!r} cannot be decided: {error}.") from None


@lru_cache(maxsize=4096)
def read(text: str) -> Condition:
    """Read a condition.

    Raises
    ------
    InvalidInput
        it is none, or says more than conditions may

    Examples
    --------
    >>> read("fit.result.loss < 0.5").holds({"fit": {"result": {"loss": 0.1}}})
    True
    """
    if len(text) > MAX_CHARS:
        raise InvalidInput(f"when: given {len(text)} characters, expected at most {MAX_CHARS}.")
    plain = _PIECE.sub(lambda piece: piece[0] if piece[1] is None else f" {piece[1]} ", text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of an odd comparison
            tree = ast.parse(plain.strip(), mode="eval").body
        paths = tuple(_paths(tree, text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(text) from None
    return Condition(text, tree, paths)


def _refused(text: str) -> InvalidInput:
    return InvalidInput(
        f"when {text!r:.80} is not understood; expected a condition such as "
        "'fit.result.loss < 0.5 and inputs.deploy'."
    )


def _paths(node: ast.expr, text: str) -> list[Path]:
    """Find the paths of an expression, all of whose parts are checked on the way."""
    match node:
        case ast.Constant(value=str(said)) if "${" in said:
            raise InvalidInput(
                f"when {text!r:.80}: {said!r:.40} stands in quotes and is a text there; take the "
                "quotes off."
            )
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return []
        case ast.Name(id=name) if name in _WORDS:
            return []
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return [_path(node, text)]
        case ast.BoolOp(values=values) | ast.List(elts=values):
            return [path for inner in values for path in _paths(inner, text)]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=inner):
            return _paths(inner, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _NUMBERS:
            return _paths(left, text) + _paths(right, text)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARE for op in ops
        ):
            return [path for inner in (left, *others) for path in _paths(inner, text)]
        case ast.Call(func=ast.Name(id="len"), args=[inner], keywords=[]):
            return _paths(inner, text)
    raise _refused(text)


def _path(node: ast.expr, text: str) -> Path:
    match node:
        case ast.Name(id=name):
            return Path(name)
        case ast.Attribute(value=inner, attr=part):
            below = _path(inner, text)
            return Path(below.root, (*below.parts, part))
        case ast.Subscript(value=inner, slice=ast.Constant(value=int() | str() as part)):
            below = _path(inner, text)
            return Path(below.root, (*below.parts, part))
    raise _refused(text)


def _value(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in _WORDS:
            return _WORDS[name]
        case ast.List(elts=values):
            return [_value(inner, scope) for inner in values]
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(inner, scope) for inner in values)
        case ast.BoolOp(values=values):
            return any(_value(inner, scope) for inner in values)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, scope)
        case ast.UnaryOp(operand=inner):
            return -_number(_value(inner, scope))
        case ast.BinOp(left=left, op=op, right=right):
            first, second = _value(left, scope), _value(right, scope)
            return _NUMBERS[type(op)](_number(first), _number(second))
        case ast.Compare(left=left, ops=ops, comparators=others):
            first = _value(left, scope)
            for sign, inner in zip(ops, others, strict=True):
                second = _value(inner, scope)
                if not _COMPARE[type(sign)](first, second):
                    return False
                first = second
            return True
        case ast.Call(args=[inner]):
            return len(_value(inner, scope))
        case _:
            return look_up(_path(node, ""), scope)


def _number(value: Any) -> int | float:
    """Let numbers alone through: texts and lists would grow without an end."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40} is no number")
    return value
