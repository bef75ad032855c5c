"""What is iterated, in the form that the kernels of orbits take.

A recurrence is either a fold of ``z*z + c`` (Mandelbrot set, burning ship and their like), which
has kernels of its own, or straight-line arithmetic over real numbers: a tape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas.tape import Body, Tape

# What a fold does to z*z before c is added.
ABS_X, ABS_Y, NEGATE_IM, ABS_RE, ABS_IM, SHARK = 1, 2, 4, 8, 16, 32
FOLDS = {
    "mandelbrot": 0,
    "burning_ship": ABS_X | ABS_Y,
    "perpendicular_burning_ship": ABS_Y | NEGATE_IM,
    "celtic": ABS_RE,
    "buffalo": ABS_RE | ABS_IM,
    "tricorn": NEGATE_IM,
    "shark_fin": SHARK,
}
# What has a meaning in fixed point; the number is how the compiled machine knows it.
OPERATIONS = ("const", "add", "sub", "mul", "fma", "neg", "abs", "copysign", "max", "min")

Number = str | float | Fraction


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A formula as the kernels of orbits take it.

    Parameters
    ----------
    name : what it is called, with its parameters: part of the name of a saved orbit
    tape : from ``zr zi cr ci``, perhaps ``pr pi`` (the z before), and constants, to the next z
    fold : what it does to ``z*z``, or -1 where it is no fold of that
    power : d where it is ``z**d + c``, else 0
    start : z_0
    constants : values of the other inputs
    """

    name: str
    tape: Tape
    fold: int = -1
    power: int = 0
    start: tuple[Number, Number] = (0.0, 0.0)
    constants: Mapping[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for op, *_ in self.tape.code:
            if op not in OPERATIONS:
                raise InvalidInput(
                    f"{self.name} contains {op}, which has no orbit in arbitrary precision; "
                    "deep zooms are for polynomials, absolute values and conjugates."
                )


def power(exponent: int) -> Recurrence:
    """Give ``z**exponent + c``.

    Examples
    --------
    >>> power(3).power
    3
    """
    if isinstance(exponent, bool) or not isinstance(exponent, int) or not 2 <= exponent <= 64:
        raise InvalidInput(
            f"power is {exponent!r:.40}; orbits are computed for whole powers from 2 to 64."
        )
    if exponent == 2:
        return folded("mandelbrot")
    body = Body(("zr", "zi", "cr", "ci"))
    value = (0, 1)
    for digit in bin(exponent)[3:]:
        value = _product(body, value, value)
        if digit == "1":
            value = _product(body, value, (0, 1))
    tape = body.tape((body.add(value[0], 2), body.add(value[1], 3)), exact=True)
    return Recurrence(f"multibrot {exponent}", tape, power=exponent)


def folded(name: str) -> Recurrence:
    """Give a fold of ``z*z + c`` by its name in `FOLDS`.

    Examples
    --------
    >>> folded("burning_ship").fold
    3
    """
    fold = FOLDS[name]
    body = Body(("zr", "zi", "cr", "ci"))
    x = body.abs(0) if fold & ABS_X else 0
    y = body.abs(1) if fold & ABS_Y else 1
    re = body.sub(body.mul(0, 0), body.mul(1, body.abs(1) if fold & SHARK else 1))
    im = body.mul(body.const(2), body.mul(x, y))
    re = body.abs(re) if fold & ABS_RE else re
    im = body.abs(im) if fold & ABS_IM else im
    im = body.neg(im) if fold & NEGATE_IM else im
    tape = body.tape((body.add(re, 2), body.add(im, 3)), exact=True)
    return Recurrence(name, tape, fold, 0 if fold else 2)


def recurrence_of(formula: str | Recurrence, exponent: int = 2) -> Recurrence:
    """Give the recurrence of a formula's name."""
    if isinstance(formula, Recurrence):
        return formula
    name = formula
    if name in FOLDS:
        return folded(name)
    if name == "multibrot":
        return power(exponent)
    known = ", ".join([*FOLDS, "multibrot"])
    raise InvalidInput(f"no orbit is known for the formula {name!r:.60}; there are {known}.")


def _product(body: Body, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    re = body.sub(body.mul(a[0], b[0]), body.mul(a[1], b[1]))
    return re, body.add(body.mul(a[0], b[1]), body.mul(a[1], b[0]))
