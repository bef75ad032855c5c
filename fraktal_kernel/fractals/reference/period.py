"""Finds the period of the nucleus in view from an orbit, as far as it has come."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.reference.decimals import fixed, scaled
from fraktal_kernel.fractals.reference.recurrences import OPERATIONS, Number, Recurrence

_MODULE = "fraktal_kernel.fractals.reference.balls"
_ORBIT = "complex128[::1], int64, int64, int64[::1], complex128[::1], int64[::1]"
_by_ball = Kernel(
    _MODULE, "by_ball", f"int64({_ORBIT}, int64, float64, int64, float64[::1], int64[::1])"
)
_by_frame = Kernel(
    _MODULE,
    "by_frame",
    f"int64({_ORBIT}, int64[:, ::1], int64[::1], float64, int64, "
    "float64[:, ::1], int64[:, ::1], int64[::1])",
)
sizes = Kernel(
    _MODULE,
    "sizes",
    "int64(complex128[::1], int64, int64[::1], complex128[::1], int64[::1], int64[:, ::1], "
    "int64[::1], float64[:, ::1], int64[:, ::1], float64[:, ::1], int64[:, ::1], int64[::1])",
)
NONE = -(1 << 60)  # as in `extended`


class SmallValues(Protocol):
    """The values of an orbit below what float64 holds."""

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.complex128], NDArray[np.int64]]:
        """Give index, mantissa and exponent of all."""


class Frame:
    """The registers of a tape, each a value and two derivatives, for compiled code.

    Parameters
    ----------
    recurrence : whose tape it is
    c : its value
    origin : where z is counted from, for a recurrence that drifts
    """

    def __init__(
        self,
        recurrence: Recurrence,
        c: tuple[Number, Number],
        origin: tuple[Number, Number] | None = None,
    ) -> None:
        tape = recurrence.tape
        count, inputs = len(tape.inputs) + len(tape.code), len(tape.inputs)
        self.mantissas = np.zeros((count, 3))
        self.exponents = np.full((count, 3), NONE, np.int64)
        self.code = np.zeros((len(tape.code), 4), np.int64)
        values: dict[str, Number] = {"cr": c[0], "ci": c[1]}
        if origin is not None:
            values |= {"origin()r": origin[0], "origin()i": origin[1]}
        for k, (op, *args) in enumerate(tape.code):
            self.code[k, 0] = OPERATIONS.index(op)
            if op == "const":
                self.put(inputs + k, 0, args[0])
            else:
                self.code[k, 1 : 1 + len(args)] = args
        for k, name in enumerate(tape.inputs):
            if name in values:
                self.put(k, 0, values[name])
        before = tape.inputs.index("previousr") if "previousr" in tape.inputs else -1
        places = (inputs, tape.inputs.index("zr"), before, *tape.outputs)
        self.places = np.array(places, np.int64)

    def put(self, row: int, column: int, value: Number) -> None:
        """Set a value (column 0) or a derivative."""
        whole = fixed(value, 1100)
        if whole:
            shift = max(0, abs(whole).bit_length() - 60)
            mantissa, exponent = np.frexp(float(whole >> shift))
            self.mantissas[row, column] = mantissa
            self.exponents[row, column] = int(exponent) + shift - 1100


def together(
    mantissas: NDArray[np.float64], exponents: NDArray[np.int64]
) -> tuple[NDArray[np.float64], int]:
    """Bring a matrix to one exponent."""
    top = int(exponents.max())
    return np.ldexp(mantissas, np.maximum(exponents - top, -2000).astype(np.int32)), top


class PeriodFinder:
    """Carries the disk of the view along an orbit.

    Parameters
    ----------
    recurrence : what is iterated
    c : the middle of the view
    radius : of the disk that contains the view
    origin : where z is counted from, for a recurrence that drifts; the same for every c
    """

    def __init__(
        self,
        recurrence: Recurrence,
        c: tuple[Number, Number],
        radius: Number,
        origin: tuple[Number, Number] | None = None,
    ) -> None:
        self._power = recurrence.power
        self._size, self._exponent = scaled(radius)
        self._next = 1 if self._power else 0
        self._state = np.array([0, self._exponent + 1], np.int64)
        self._ball = np.array([self._size / 2])
        if not self._power:
            self._frame = Frame(recurrence, c, origin)
            for column, name in enumerate(("cr", "ci"), start=1):
                self._frame.put(recurrence.tape.inputs.index(name), column, 1.0)

    def look(self, z: NDArray[np.complex128], last: int, small: SmallValues) -> int:
        """Go on up to ``z[last - 1]``; returns the period once it is found, else 0."""
        index, mantissa, exponent = small.arrays()
        first = self._next
        if first >= last:
            return 0
        self._next = last
        if self._power:
            found = _by_ball(
                *(z, first, last, index, mantissa, exponent, self._power),
                *(self._size, self._exponent, self._ball, self._state),
            )
        else:
            found = _by_frame(
                *(z, first, last, index, mantissa, exponent, self._frame.code),
                *(self._frame.places, self._size, self._exponent),
                *(self._frame.mantissas, self._frame.exponents, self._state),
            )
        return max(int(found), 0)
