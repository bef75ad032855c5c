"""What is iterated, in the form that the kernels of orbits take.

A recurrence is straight-line arithmetic over real numbers: the exact tape of a formula. Those that
are a fold of ``z*z + c`` (Mandelbrot set, burning ship and their like, however they are written)
are recognised, for they have faster kernels of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas import Formula, Tape, formula_of

# What a fold does to z*z before c is added; the last one turns c into its conjugate.
ABS_X, ABS_Y, NEGATE_IM, ABS_RE, ABS_IM, SHARK, CONJUGATE_C = 1, 2, 4, 8, 16, 32, 64
# What has a meaning in fixed point; the place here is how compiled code knows it.
OPERATIONS = ("const", "add", "sub", "mul", "fma", "neg", "abs", "copysign", "max", "min")
# Points that tell folds apart: all quadrants, each part once the larger one.
_PROBES = [
    (x, y, 10_007, 20_011)
    for a, b in ((101, 37), (53, 211))
    for x, y in ((a, b), (-a, b), (a, -b), (-a, -b))
]
_MAX_POWER = 64

Number = str | float | Fraction
_Values = tuple[tuple[Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A formula as the kernels of orbits take it.

    Parameters
    ----------
    name : what it is called, in messages
    tape : from ``zr zi cr ci``, perhaps ``previousr previousi``, to the next z
    fold : what it does to ``z*z``, or -1 where it is no fold of that
    power : d where it is ``z**d + c``, else 0
    start : z_0, where it is the same for every c
    begin : gives z_0 for a c in gmpy2's numbers, where it is not
    centre : where z is counted from
    drifts : whether z is counted from z_0, which is then an input of the tape
    """

    name: str
    tape: Tape
    fold: int = -1
    power: int = 0
    start: tuple[Number, Number] = (0.0, 0.0)
    begin: Callable[..., tuple[Any, Any]] | None = field(default=None, compare=False)
    centre: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    drifts: bool = False

    def __post_init__(self) -> None:
        for op, *_ in self.tape.code:
            if op not in OPERATIONS:
                raise InvalidInput(
                    f"the formula {self.name} contains {op}, which has no orbit in arbitrary "
                    "precision; deep zooms are for polynomials, absolute values and conjugates."
                )


def recurrence_of(formula: str | Formula | Recurrence, power: int | None = None) -> Recurrence:
    """Give the recurrence of a formula, of its name or of its text.

    Examples
    --------
    >>> recurrence_of("burning_ship").fold == ABS_X | ABS_Y | CONJUGATE_C
    True
    >>> recurrence_of("multibrot", 5).power, recurrence_of("c + z*z").fold
    (5, 0)
    """
    if isinstance(formula, Recurrence):
        return formula
    if isinstance(formula, str):
        formula = formula_of(formula, None if power is None else {"power": power})
    return _recurrence(formula)


def _recurrence(formula: Formula) -> Recurrence:
    from fraktal_kernel.fractals.formulas.exact import exact_start

    tape, begin = formula.exact, formula.exact_begin
    depends = any(op != "const" for op, *_ in begin.code) or min(begin.outputs) < len(begin.inputs)
    constants = dict(enumerate((args[0] for op, *args in begin.code), start=len(begin.inputs)))
    first = (0.0, 0.0) if depends else tuple(constants[k] for k in begin.outputs)
    fold, power = _recognised(tape)
    return Recurrence(
        formula.called,
        tape,
        fold=fold,
        power=power,
        start=(first[0], first[1]),
        # Made when it is called: its constants have the precision of that moment.
        begin=(lambda *c: exact_start(formula)(*c)) if depends else None,
        centre=(formula.centre.re, formula.centre.im),
        drifts=formula.drifts,
    )


def _recognised(tape: Tape) -> tuple[int, int]:
    """Give fold and power of a tape: equal at enough points is equal, for such formulas."""
    if tape.inputs != ("zr", "zi", "cr", "ci"):
        return -1, 0
    try:
        values = tuple(_run(tape, probe) for probe in _PROBES)
    except (TypeError, ValueError):  # an operation that whole numbers do not have
        return -1, 0
    fold = _folds().get(values, -1)
    return fold, 2 if fold == 0 else _powers().get(values, 0)


def _run(tape: Tape, values: tuple[int, ...]) -> tuple[Fraction, Fraction]:
    """Run a tape on exact numbers."""
    registers = [Fraction(value) for value in values]
    for op, *args in tape.code:
        if op == "const":
            registers.append(Fraction(args[0]))
            continue
        a, b, c = (registers[k] for k in (*args, 0, 0)[:3])
        registers.append(_OPERATORS[op](a, b, c) if op in _OPERATORS else _unknown(op))
    re, im = tape.outputs
    return registers[re], registers[im]


def _unknown(op: str) -> Fraction:
    raise ValueError(f"{op} is no operation on exact numbers.")


_OPERATORS: dict[str, Callable[[Fraction, Fraction, Fraction], Fraction]] = {
    "add": lambda a, b, c: a + b,
    "sub": lambda a, b, c: a - b,
    "mul": lambda a, b, c: a * b,
    "fma": lambda a, b, c: a * b + c,
    "neg": lambda a, b, c: -a,
    "abs": lambda a, b, c: abs(a),
    "copysign": lambda a, b, c: -abs(a) if b < 0 else abs(a),
    "max": lambda a, b, c: max(a, b),
    "min": lambda a, b, c: min(a, b),
}


def folded(fold: int, x: int, y: int, a: int, b: int) -> tuple[int, int]:
    """Make one step of a fold in whole numbers: what its bits mean.

    Examples
    --------
    >>> folded(ABS_X | ABS_Y | CONJUGATE_C, -3, 2, 10, 20)
    (15, -8)
    """
    re = x * x - (y * abs(y) if fold & SHARK else y * y)
    im = 2 * (abs(x) if fold & ABS_X else x) * (abs(y) if fold & ABS_Y else y)
    re = abs(re) if fold & ABS_RE else re
    im = abs(im) if fold & ABS_IM else im
    im = -im if fold & NEGATE_IM else im
    return re + a, im - b if fold & CONJUGATE_C else im + b


@lru_cache(maxsize=1)
def _folds() -> dict[_Values, int]:
    """List what every fold gives at the probes; the simplest of equal ones."""
    found: dict[_Values, int] = {}
    bases = [*range(ABS_IM * 2), SHARK]
    for fold in [*bases, *(base | CONJUGATE_C for base in bases)]:
        found.setdefault(tuple(folded(fold, *probe) for probe in _PROBES), fold)
    return found


@lru_cache(maxsize=1)
def _powers() -> dict[_Values, int]:
    """List what ``z**d + c`` gives at the probes."""
    found: dict[_Values, int] = {}
    parts = [(x, y) for x, y, _, _ in _PROBES]
    for power in range(2, _MAX_POWER + 1):
        parts = [
            (u * x - v * y, u * y + v * x)
            for (u, v), (x, y, _, _) in zip(parts, _PROBES, strict=True)
        ]
        values = tuple((u + a, v + b) for (u, v), (_, _, a, b) in zip(parts, _PROBES, strict=True))
        found[values] = power
    return found
