"""The body of a formula for one point: straight-line real arithmetic as plain data.

A `Tape` says what is computed, not on what: `evaluate` runs it on numpy arrays, `emit` turns it
into LLVM vectors and into source for numba, `exact` into arithmetic of any precision. `Body`
builds one: a value that is asked for twice stands there once, constants are folded exactly, and
sums of products become fused multiply-adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

# How many registers each instruction reads.
ARITY = {
    **dict.fromkeys(("neg", "abs", "sqrt", "exp", "log", "sin", "cos"), 1),
    **dict.fromkeys(("add", "sub", "mul", "div", "copysign", "atan2", "max", "min", "diffabs"), 2),
    "fma": 3,
}
_FREE = ("const", "neg")  # constants are loaded once, signs are part of a multiply-add


@dataclass(frozen=True, slots=True)
class Tape:
    """Instructions in single assignment; instruction k writes register ``len(inputs) + k``.

    Parameters
    ----------
    inputs : names of the first registers, such as ``("zr", "zi", "cr", "ci")``
    code : instructions such as ``("const", 1.5)``, ``("add", a, b)``, ``("fma", a, b, c)`` for
        ``a*b + c`` and ``("diffabs", X, x)`` for ``|X + x| - |X|``; `ARITY` has them all
    outputs : the registers that are the results

    Examples
    --------
    >>> twice = Tape(("x",), (("add", 0, 0),), (1,))
    >>> evaluate(twice, [4.0])
    [8.0]
    """

    inputs: tuple[str, ...]
    code: tuple[tuple[Any, ...], ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        for k, (op, *args) in enumerate(self.code):
            if op == "const":
                continue
            before = len(self.inputs) + k
            if ARITY.get(op) != len(args) or not all(0 <= a < before for a in args):
                raise ValueError(f"instruction {k} is {(op, *args)}, which reads what is not yet.")

    @property
    def operations(self) -> int:
        """How many operations of the machine a point costs."""
        return sum(op not in _FREE for op, *_ in self.code)


def diffabs(reference: Any, small: Any) -> Any:
    """Give ``|X + x| - |X|`` without the cancellation: exact where no sign changes."""
    turned = small * np.copysign(1.0, reference)
    return np.maximum(turned, -(2.0 * np.abs(reference) + turned))


_NUMPY: Mapping[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "fma": lambda a, b, c: a * b + c,
    "neg": np.negative,
    "abs": np.abs,
    "copysign": np.copysign,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "atan2": np.arctan2,
    "max": np.maximum,
    "min": np.minimum,
    "diffabs": diffabs,
}


def evaluate(tape: Tape, values: Sequence[Any]) -> list[Any]:
    """Run a tape on float64 numbers or arrays of them; a multiply-add is rounded twice here."""
    registers: list[Any] = [np.asarray(value, np.float64)[()] for value in values]
    with np.errstate(all="ignore"):
        for op, *args in tape.code:
            if op == "const":
                registers.append(np.float64(args[0]))
            else:
                registers.append(_NUMPY[op](*[registers[a] for a in args]))
    return [registers[k] if np.ndim(registers[k]) else float(registers[k]) for k in tape.outputs]


def merge(*tapes: Tape) -> Tape:
    """Join tapes into one that gives all their outputs in turn and shares what is common.

    Inputs are told apart by name: those of the first tape, then what the others add.
    """
    names = dict.fromkeys(name for tape in tapes for name in tape.inputs)
    body = Body(names)
    outputs = []
    for tape in tapes:
        outputs += body.replay(tape, [body.input(name) for name in tape.inputs])
    return body.tape(outputs)


def tidy(tape: Tape) -> Tape:
    """Drop what no output needs, share what is common, fuse multiply-adds."""
    return merge(tape)


class Body:
    """A tape in the making: methods take and give nodes, plain numbers that stay valid.

    Nodes are ``input, const, add, neg, mul`` and the other instructions but ``sub`` and ``fma``,
    which arise in `tape` from sums. Constants are fractions until then.

    Parameters
    ----------
    inputs : names of the inputs, in order

    Examples
    --------
    >>> body = Body(["x", "y"])
    >>> x, y = body.input("x"), body.input("y")
    >>> body.tape([body.add(body.mul(x, x), y)]).code
    (('fma', 0, 0, 1),)
    """

    def __init__(self, inputs: Sequence[str] | Mapping[str, Any]) -> None:
        self.inputs = tuple(inputs)
        self._nodes: list[tuple[Any, ...]] = []
        self._known: dict[tuple[Any, ...], int] = {}
        self._input = {name: self._node("input", k) for k, name in enumerate(self.inputs)}

    def _node(self, *node: Any) -> int:
        if node not in self._known:
            self._known[node] = len(self._nodes)
            self._nodes.append(node)
        return self._known[node]

    def _op(self, a: int) -> str:
        return str(self._nodes[a][0])

    def _number(self, a: int) -> Fraction | None:
        node = self._nodes[a]
        return node[1] if node[0] == "const" else None

    def input(self, name: str) -> int:
        """Give the node of an input."""
        return self._input[name]

    def node(self, a: int) -> tuple[Any, ...]:
        """Give what a node is: an instruction on nodes, or ``("input", k)``."""
        return self._nodes[a]

    @property
    def size(self) -> int:
        """How many nodes there are; each reads only nodes before it."""
        return len(self._nodes)

    def const(self, value: Fraction | float) -> int:
        """Give a constant, kept as the fraction that it is."""
        return self._node("const", Fraction(value))

    def add(self, a: int, b: int) -> int:
        """Give ``a + b``."""
        x, y = self._number(a), self._number(b)
        if x is not None and y is not None:
            return self.const(x + y)
        if x == 0:
            return b
        if y == 0:
            return a
        if a == b:
            return self.mul(self.const(2), a)
        if self.neg(a) == b:
            return self.const(0)
        return self._node("add", a, b)

    def sub(self, a: int, b: int) -> int:
        """Give ``a - b``."""
        return self.add(a, self.neg(b))

    def neg(self, a: int) -> int:
        """Give ``-a``."""
        op, *args = self._nodes[a]
        if op == "const":
            return self.const(-args[0])
        return int(args[0]) if op == "neg" else self._node("neg", a)

    def mul(self, a: int, b: int) -> int:
        """Give ``a * b``; signs and constants come to the front, so that equals are recognised."""
        if self._number(b) is not None:
            a, b = b, a
        (op_a, *of_a), (op_b, *of_b) = self._nodes[a], self._nodes[b]
        if op_a == "const":
            k = of_a[0]
            if op_b == "const":
                return self.const(k * of_b[0])
            if k in (0, 1, -1):
                return a if k == 0 else b if k == 1 else self.neg(b)
            if op_b == "neg":
                return self.mul(self.const(-k), of_b[0])
            if op_b == "mul" and self._number(of_b[0]) is not None:
                return self.mul(self.mul(a, of_b[0]), of_b[1])
            return (
                self.neg(self._node("mul", self.const(-k), b)) if k < 0 else self._node("mul", a, b)
            )
        if op_a == "neg":
            return self.neg(self.mul(of_a[0], b))
        if op_b == "neg":
            return self.neg(self.mul(a, of_b[0]))
        if op_a == op_b == "abs":
            (x,), (y,) = of_a, of_b
            return self.mul(x, y) if x == y else self.abs(self.mul(x, y))
        if op_a == "sqrt" and a == b:
            return int(of_a[0])
        for (op, *of), other in (((op_a, *of_a), b), ((op_b, *of_b), a)):
            if op == "mul" and self._number(of[0]) is not None:
                return self.mul(of[0], self.mul(of[1], other))
        return self._node("mul", *sorted((a, b)))

    def div(self, a: int, b: int) -> int:
        """Give ``a / b``; a division by a constant is a multiplication."""
        k = self._number(b)
        if k is not None and k != 0:
            return self.mul(self.const(1 / k), a)
        if self._number(a) == 0:
            return a
        if self._op(a) == "neg":
            return self.neg(self.div(self.neg(a), b))
        if self._op(b) == "neg":
            return self.neg(self.div(a, self.neg(b)))
        return self._node("div", a, b)

    def abs(self, a: int) -> int:
        """Give ``|a|``."""
        op, *args = self._nodes[a]
        if op == "const":
            return self.const(abs(args[0]))
        if op == "neg":
            return self.abs(args[0])
        if op == "mul" and self._number(args[0]) is not None:
            return self.mul(args[0], self.abs(args[1]))
        if op in ("abs", "sqrt", "exp") or (op == "mul" and args[0] == args[1]):
            return a
        return self._node("abs", a)

    def call(self, op: str, *args: int) -> int:
        """Give the value of any instruction by its name."""
        if op == "fma":
            return self.add(self.mul(args[0], args[1]), args[2])
        if op in ("add", "sub", "neg", "mul", "div", "abs"):
            return int(getattr(self, op)(*args))
        if op == "diffabs" and self._number(args[1]) == 0:
            return args[1]
        return self._node(op, *args)

    def replay(self, tape: Tape, values: Sequence[int]) -> list[int]:
        """Give the outputs of a tape on nodes of this body."""
        registers = list(values)
        for op, *args in tape.code:
            if op == "const":
                registers.append(self.const(args[0]))
            else:
                registers.append(self.call(op, *[registers[a] for a in args]))
        return [registers[k] for k in tape.outputs]

    def tape(self, outputs: Sequence[int], *, exact: bool = False) -> Tape:
        """Write down what the outputs need; with ``exact``, constants stay fractions."""
        return _Writer(self._nodes, self.inputs, outputs, exact).written


class _Writer:
    """Writes nodes as instructions: sums become chains of multiply-adds, the plain terms first."""

    def __init__(
        self,
        nodes: list[tuple[Any, ...]],
        inputs: tuple[str, ...],
        outputs: Sequence[int],
        exact: bool,
    ) -> None:
        self._nodes, self._first, self._exact = nodes, len(inputs), exact
        self._uses = [0] * len(nodes)
        wanted = list(outputs)
        while wanted:
            node = wanted.pop()
            self._uses[node] += 1
            if self._uses[node] == 1 and nodes[node][0] not in ("input", "const"):
                wanted += nodes[node][1:]
        self._code: dict[tuple[Any, ...], int] = {}
        self._done: dict[int, int] = {}
        # From the bottom up, so that no depth of nesting is too deep; shared nodes only, the
        # others are written where they are used.
        for node, uses in enumerate(self._uses):
            if uses > 1 and nodes[node][0] != "const":
                self._value(node)
        registers = tuple(self._value(node) for node in outputs)
        self.written = Tape(inputs, tuple(self._code), registers)

    def _instruction(self, *instruction: Any) -> int:
        return self._code.setdefault(instruction, self._first + len(self._code))

    def _value(self, node: int) -> int:
        """Give the register that holds a node."""
        if node not in self._done:
            self._done[node] = self._write(node)
        return self._done[node]

    def _write(self, node: int) -> int:
        op, *args = self._nodes[node]
        if op == "input":
            return int(args[0])
        if op == "const":
            return self._constant(args[0])
        if op == "add":
            return self._sum(node)
        if op == "mul":
            a, b = self._factors(node)
            return self._instruction("mul", a, b)
        return self._instruction(op, *[self._value(a) for a in args])

    def _constant(self, value: Fraction) -> int:
        return self._instruction("const", value if self._exact else float(value))

    def _factors(self, node: int) -> tuple[int, int]:
        """Give the two registers whose product a node is; a factor 2 is an addition."""
        _, a, b = self._nodes[node]
        if self._nodes[a] != ("const", 2):
            return self._value(a), self._value(b)
        if self._nodes[b][0] == "mul" and self._uses[b] == 1:
            x, y = self._factors(b)
            return self._instruction("add", x, x), y
        return self._constant(Fraction(2)), self._value(b)

    def _sum(self, node: int) -> int:
        plain: list[tuple[bool, int]] = []
        products: list[tuple[bool, int]] = []
        waiting = [(False, node)]
        while waiting:
            minus, term = waiting.pop()
            op, *args = self._nodes[term]
            own = term == node or (self._uses[term] == 1 and term not in self._done)
            if op == "neg":
                waiting.append((not minus, args[0]))
            elif op == "add" and own:
                waiting += [(minus, args[1]), (minus, args[0])]
            elif op == "mul" and own:
                products.append((minus, term))
            else:
                plain.append((minus, term))
        plain.sort(key=lambda term: term[0])  # what is subtracted comes after what it is taken from
        total = None
        for minus, term in plain:
            value = self._value(term)
            if total is None:
                total = self._instruction("neg", value) if minus else value
            else:
                total = self._instruction("sub" if minus else "add", total, value)
        for minus, term in reversed(products):
            a, b = self._factors(term)
            if minus:
                a = self._instruction("neg", a)
            total = (
                self._instruction("mul", a, b)
                if total is None
                else self._instruction("fma", a, b, total)
            )
        assert total is not None
        return total
