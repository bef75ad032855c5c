"""Machines that advance an orbit in arbitrary precision, one for each kind of arithmetic.

An engine holds the exact state between two slices of work; `orbit` decides how long a slice is.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.reference import gmp
from fraktal_kernel.fractals.reference.decimals import fixed
from fraktal_kernel.fractals.reference.recurrences import (
    CONJUGATE_C,
    OPERATIONS,
    Number,
    Recurrence,
)

Complex = NDArray[np.complex128]
Whole = NDArray[np.int64]
_MODULE = "fraktal_kernel.fractals.reference"
_OUT = "complex128[::1], int64, int64, float64, complex128[::1], int64[::1], int64[::1]"
_quadratic = Kernel(
    f"{_MODULE}.quadratic",
    "orbit",
    f"int64(int64[::1], uint64[::1], int64, int64, int64, int64[::1], int64, {_OUT})",
)
_program = Kernel(
    f"{_MODULE}.program",
    "orbit",
    "int64(int64[::1], uint64[::1], int64, int64, int64, int64[::1], int64[::1], "
    f"int64[:, ::1], int64[::1], {_OUT})",
)
# As in `quadratic` and `program`, which import numba.
_QUADRATIC_SPAN = 11
SCALED, SCALED_PLUS = 10, 11
_ROOM = 256  # values below float64 in one go


class Engine(Protocol):
    """An orbit that can go on."""

    bits: int
    small: Small

    def advance(self, z: Complex, first: int, last: int) -> tuple[int, bool]:
        """Fill ``z[first:last]``; returns where it stopped, and whether the orbit escaped."""

    def mark(self) -> None:
        """Remember this place of the orbit."""

    def back(self) -> None:
        """Go back to the place marked last."""

    def state(self) -> tuple[int, ...]:
        """Give the exact last value (and the one before, if that matters) times 2**bits."""


class Small:
    """Values whose magnitude is below what float64 holds well.

    ``index[k]`` is where, and ``mantissa[k] * 2**exponent[k]`` the value.
    """

    def __init__(self) -> None:
        self.room = np.zeros(_ROOM, np.complex128)
        self.room_exponents = np.zeros(2 * _ROOM, np.int64)
        self.info = np.array([0, -1], np.int64)
        self._parts: list[tuple[Whole, Complex, Whole]] = []
        self._mark = self.arrays()

    def flush(self) -> None:
        """Put aside what a kernel left in the room."""
        count = int(self.info[0])
        if count:
            places = self.room_exponents[: 2 * count].reshape(count, 2)
            part = (places[:, 0].copy(), self.room[:count].copy(), places[:, 1].copy())
            self._parts.append(part)
            self.info[0] = 0

    def mark(self) -> None:
        """Remember how many there are."""
        self._mark = self.arrays()

    def back(self) -> None:
        """Forget what came after the mark."""
        self._parts = [self._mark]
        self.info[1] = -1

    def known(self, index: Whole, mantissa: Complex, exponent: Whole) -> None:
        """Begin with values that were found before."""
        self._parts = [(index, mantissa, exponent)]

    def arrays(self) -> tuple[Whole, Complex, Whole]:
        """Give index, mantissa and exponent of all."""
        empty = (np.zeros(0, np.int64), np.zeros(0, np.complex128), np.zeros(0, np.int64))
        if len(self._parts) != 1:
            index, mantissa, exponent = zip(empty, *self._parts, strict=True)
            whole = (np.concatenate(index), np.concatenate(mantissa), np.concatenate(exponent))
            self._parts = [whole]
        return self._parts[0]


class QuadraticEngine:
    """A fold of ``z*z + c`` in limbs, with GMP's squarings."""

    def __init__(
        self,
        recurrence: Recurrence,
        c: tuple[Number, Number],
        state: tuple[int, ...],
        bits: int,
        radius: float,
    ) -> None:
        self._fold, self._radius2 = recurrence.fold, radius * radius
        self._fraction = bits // 64
        whole = _whole_limbs(2.0 * math.log2(radius) + 2)
        self._count = self._fraction + whole
        self.bits = bits
        self.small = Small()
        self._w = np.zeros(_QUADRATIC_SPAN * self._count, np.uint64)
        self._signs = np.zeros(4, np.int64)
        for k, value in enumerate((*state, *fixed_c(recurrence, c, bits))):
            _put(self._w, self._signs, k, value, self._count)

    def advance(self, z: Complex, first: int, last: int) -> tuple[int, bool]:
        """Fill ``z[first:last]``; returns where it stopped, and whether the orbit escaped."""
        small, w = self.small, self._w
        at = _quadratic(
            *(gmp.functions(), w, w.ctypes.data, self._count, self._fraction, self._signs),
            *(self._fold, z, first, last, self._radius2),
            *(small.room, small.room_exponents, small.info),
        )
        small.flush()
        return at, small.info[1] >= 0

    def mark(self) -> None:
        """Remember this place of the orbit."""
        self.small.mark()
        self._mark = self._w[: 2 * self._count].copy(), self._signs[:2].copy()

    def back(self) -> None:
        """Go back to the place marked last."""
        self.small.back()
        self._w[: 2 * self._count], self._signs[:2] = self._mark

    def state(self) -> tuple[int, ...]:
        """Give the exact last value times 2**bits."""
        return tuple(_get(self._w, self._signs, k, self._count) for k in range(2))


class ProgramEngine:
    """Any polynomial formula in limbs: its tape, run with GMP's sums and products."""

    def __init__(
        self,
        recurrence: Recurrence,
        c: tuple[Number, Number],
        state: tuple[int, ...],
        bits: int,
        radius: float,
        origin: tuple[Number, Number] | None = None,
    ) -> None:
        tape = recurrence.tape
        values: dict[str, Number] = {"cr": c[0], "ci": c[1]}
        if origin is not None:
            values |= {"origin()r": origin[0], "origin()i": origin[1]}
        inputs = len(tape.inputs)
        self._radius2 = radius * radius
        self._fraction = bits // 64
        largest = _largest_log2(recurrence, values, radius)
        self._count = count = self._fraction + _whole_limbs(largest)
        self.bits = bits
        self.small = Small()
        registers = inputs + len(tape.code)
        self._w = np.zeros((registers + 2) * count, np.uint64)
        self._signs = np.zeros(registers, np.int64)
        self._places = np.arange(registers, dtype=np.int64) * count
        self._code = _instructions(tape)
        for k, (op, *args) in enumerate(tape.code):
            if op == "const":
                _put(self._w, self._signs, inputs + k, fixed(args[0], bits), count)
        z = tape.inputs.index("zr")
        self._before = tape.inputs.index("previousr") if "previousr" in tape.inputs else -1
        self._z = z
        self._state = np.array(
            [inputs, z, self._before, *tape.outputs, registers * count], np.int64
        )
        places = [z, z + 1] + ([self._before, self._before + 1] if self._before >= 0 else [])
        for place, value in zip(places, (*state, 0, 0), strict=False):
            _put(self._w, self._signs, place, value, count)
        for k, name in enumerate(tape.inputs):
            if name not in ("zr", "zi", "previousr", "previousi"):
                _put(self._w, self._signs, k, fixed(values[name], bits), count)

    def advance(self, z: Complex, first: int, last: int) -> tuple[int, bool]:
        """Fill ``z[first:last]``; returns where it stopped, and whether the orbit escaped."""
        small, w = self.small, self._w
        at = _program(
            *(gmp.functions(), w, w.ctypes.data, self._count, self._fraction, self._signs),
            *(self._places, self._code, self._state, z, first, last, self._radius2),
            *(small.room, small.room_exponents, small.info),
        )
        small.flush()
        return at, small.info[1] >= 0

    def mark(self) -> None:
        """Remember this place of the orbit."""
        self.small.mark()
        inputs = int(self._state[0])
        self._mark = self._w[: inputs * self._count].copy(), self._signs[:inputs].copy()

    def back(self) -> None:
        """Go back to the place marked last."""
        self.small.back()
        inputs = int(self._state[0])
        self._w[: inputs * self._count], self._signs[:inputs] = self._mark

    def state(self) -> tuple[int, ...]:
        """Give the exact last value, and the one before where it matters, times 2**bits."""
        places = [self._z, self._z + 1]
        if self._before >= 0:
            places += [self._before, self._before + 1]
        return tuple(_get(self._w, self._signs, k, self._count) for k in places)


def engine_for(
    recurrence: Recurrence,
    c: tuple[Number, Number],
    state: tuple[int, ...],
    bits: int,
    radius: float,
    origin: tuple[Number, Number] | None = None,
) -> Engine:
    """Choose the fastest engine for a recurrence and a precision, a multiple of 64 bits.

    ``origin`` is where z is counted from, for a recurrence that drifts.
    """
    from fraktal_kernel.fractals.reference.wide import SpectralEngine, wide

    if wide(recurrence, bits):
        return SpectralEngine(recurrence, c, state, bits, radius)
    if recurrence.fold >= 0:
        return QuadraticEngine(recurrence, c, state, bits, radius)
    return ProgramEngine(recurrence, c, state, bits, radius, origin)


def fixed_c(recurrence: Recurrence, c: tuple[Number, Number], bits: int) -> tuple[int, int]:
    """Give the c that a fold adds, times 2**bits."""
    im = fixed(c[1], bits)
    return fixed(c[0], bits), -im if recurrence.fold & CONJUGATE_C else im


def _instructions(tape: Tape) -> Whole:
    """Write a tape as numbers; products with whole numbers become instructions of one pass."""
    code = np.zeros((len(tape.code), 4), np.int64)
    constants = {}
    for k, (op, *args) in enumerate(tape.code):
        code[k, 0] = OPERATIONS.index(op)
        if op == "const":
            constants[len(tape.inputs) + k] = Fraction(args[0])
            continue
        code[k, 1 : 1 + len(args)] = args
        if op not in ("mul", "fma"):
            continue
        for register, other in ((args[0], args[1]), (args[1], args[0])):
            factor = constants.get(register, Fraction(1, 2))
            if factor.denominator == 1 and abs(factor) < 2**62:
                code[k, :3] = SCALED if op == "mul" else SCALED_PLUS, other, int(factor)
                break
    return code


def _whole_limbs(bits: float) -> int:
    """Limbs before the point for values of so many bits, with room for a sum or two."""
    return 1 + int((bits + 4) // 64)


def _largest_log2(recurrence: Recurrence, values: dict[str, Number], radius: float) -> float:
    """Bound every value on the way from a z within the radius, as a power of two."""
    size: list[float] = []
    for name in recurrence.tape.inputs:
        known = values.get(name)
        if known is None:
            size.append(radius)
        else:
            size.append(abs(fixed(known, 8)) / 256 + 1)
    try:
        for op, *args in recurrence.tape.code:
            if op == "const":
                size.append(abs(float(args[0])))
                continue
            given = [size[k] for k in args]
            if op in ("add", "sub"):
                size.append(given[0] + given[1])
            elif op == "mul":
                size.append(given[0] * given[1])
            elif op == "fma":
                size.append(given[0] * given[1] + given[2])
            else:
                size.append(max(given))
        largest = math.log2(max(*size, 1.0))
    except OverflowError:
        largest = math.inf
    if largest > 4096:
        raise InvalidInput(
            f"{recurrence.name} grows beyond every bound within an escape radius of {radius:.3g}; "
            "choose a smaller escape radius."
        )
    return largest


def _put(w: NDArray[np.uint64], signs: Whole, k: int, value: int, count: int) -> None:
    """Write a whole number to place k of a work array."""
    if abs(value) >> (64 * count):
        raise InvalidInput(
            "a coordinate is far outside of every picture of this formula; expected a point "
            "near the set."
        )
    w[k * count : (k + 1) * count] = np.frombuffer(
        abs(value).to_bytes(8 * count, "little"), np.uint64
    )
    signs[k] = int(value < 0)


def _get(w: NDArray[np.uint64], signs: Whole, k: int, count: int) -> int:
    value = int.from_bytes(w[k * count : (k + 1) * count].tobytes(), "little")
    return -value if signs[k] else value
