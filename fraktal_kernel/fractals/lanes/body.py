"""What a kernel is made for: the tape of a formula, and how its points lie in lanes."""

from __future__ import annotations

from dataclasses import dataclass

from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.machine import processor

# z, the z before it (for formulas that remember), and c; all other inputs of a tape are
# parameters, the same for all points.
CARRIED = ("zr", "zi", "previousr", "previousi")
POINT = ("cr", "ci")

_AVX512 = "+avx512f" in processor()
WIDTH = 8 if _AVX512 else 4
# Lanes of the vectors of `numbers`, whatever the machine is: narrower ones do each half in turn.
WIDE = 8
# AVX-512 has 32 registers; narrower machines have 16, and read the rest from their nearest cache.
_REGISTERS = 32
_MOST_VECTORS = 6
# As measured beside multiplications; functions of the library are called lane by lane.
_COST = {"div": 8, "sqrt": 8} | dict.fromkeys(("exp", "log", "sin", "cos", "atan2"), 150)


@dataclass(frozen=True, slots=True)
class Body:
    """What one kernel is compiled for; equal bodies share their machine code.

    Parameters
    ----------
    step : from ``zr, zi, cr, ci``, perhaps ``previousr, previousi`` and parameters to the next z
    start : from ``cr, ci`` and parameters to z_0 in the plane of c
    escapes : whether a point ends where ``|z|`` grows beyond the radius
    converges : whether it ends where z stops moving
    checked : whether every step is tested; else only the last of a block, which is enough where
        nothing that left comes back
    """

    step: Tape
    start: Tape
    escapes: bool = True
    converges: bool = False
    checked: bool = False

    def __post_init__(self) -> None:
        if not self.start.inputs:
            raise ValueError(
                "the start of a body needs an input, such as cr, if only for its type."
            )

    @property
    def remembers(self) -> bool:
        """Whether a step reads the z before."""
        return bool(set(CARRIED[2:]) & set(self.step.inputs))

    @property
    def carried(self) -> int:
        """How many numbers a point carries on: z, and where it matters the z before."""
        return 4 if self.remembers or self.converges else 2

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the inputs that are the same for all points, in order."""
        names = dict.fromkeys((*self.step.inputs, *self.start.inputs))
        return tuple(name for name in names if name not in CARRIED + POINT)

    @property
    def cost(self) -> int:
        """How many multiplications a step is worth, about."""
        return sum(_COST.get(op, 1) for op, *_ in self.step.code)

    @property
    def block(self) -> int:
        """How many steps are done between two looks: long ones are dear to repeat."""
        return 16 if self.step.operations <= 12 else 8

    @property
    def vectors(self) -> int:
        """How many vectors are in flight: as many as the registers hold, to hide latencies."""
        held = self.carried + len(POINT) + _most_alive(self.step) / 4
        return max(2, min(_MOST_VECTORS, int(_REGISTERS / held)))

    @property
    def lanes(self) -> int:
        """How many points are in flight."""
        return WIDTH * self.vectors


def _most_alive(tape: Tape) -> int:
    """Count the values that are alive at once within a tape, beyond its inputs."""
    last = {a: k for k, (op, *args) in enumerate(tape.code) if op != "const" for a in args}
    for register in tape.outputs:
        last[register] = len(tape.code)
    first = len(tape.inputs)
    alive = most = 0
    ends = [0] * (len(tape.code) + 1)
    for k, (op, *_) in enumerate(tape.code):
        if op != "const":
            alive += 1
            ends[last.get(first + k, k)] += 1
        most = max(most, alive)
        alive -= ends[k]
    return most


QUADRATIC = Body(
    step=Tape(
        ("zr", "zi", "cr", "ci"),
        (("neg", 1), ("fma", 4, 1, 2), ("fma", 0, 0, 5), ("add", 0, 0), ("fma", 7, 1, 3)),
        (6, 8),
    ),
    start=Tape(("cr", "ci"), (("const", 0.0),), (2, 2)),
)
