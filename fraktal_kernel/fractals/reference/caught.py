"""Whether an orbit has come to a cycle that attracts it, so that it need not be followed further.

From there on it says nothing new: points whose orbits are not drawn to the cycle as well are far
from the reference, and go on from its start as they do at the end of any reference. It ends where
its cycle is nearest to 0, where a small copy of the set is as large as what is left of its points.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.reference.period import NONE, Frame, sizes, together
from fraktal_kernel.fractals.reference.recurrences import Number, Recurrence

# An orbit is looked at after so many steps, and whenever it has become twice as long.
FIRST_LOOK = 512
# So often its values have to be the same, to all digits of float64.
_ROUNDS = 3
# What a round leaves of a distance from the cycle, as a power of two, at most.
_SHRINKS_BITS = -1e-3


def caught(
    recurrence: Recurrence,
    c: tuple[Number, Number],
    z: NDArray[np.complex128],
    small: tuple[NDArray[np.int64], NDArray[np.complex128], NDArray[np.int64]],
) -> int:
    """Give the place where an orbit that is caught may end; 0 where it is not.

    Only folds of ``z*z + c`` and powers of z plus c are looked at: of these, all points that go
    over do so beside the one critical point.

    Parameters
    ----------
    recurrence, c : of the orbit
    z : its values
    small : index, mantissa and exponent of those that are too small for float64
    """
    if recurrence.fold < 0 and not recurrence.power:
        return 0
    last = len(z) - 1
    same = np.flatnonzero(z[last // 2 : last] == z[last])
    if not len(same):
        return 0
    period = last - (last // 2 + int(same[-1]))
    before = last - (_ROUNDS - 1) * period
    if before - period < 0 or not np.array_equal(
        z[before - period + 1 : last - period + 1], z[before + 1 :]
    ):
        return 0
    begin = last - period + 1
    index, mantissa, exponent = small
    inner = slice(*np.searchsorted(index, (begin, last + 1)))
    # In its place 1 to p, as `sizes` takes it.
    cycle = np.concatenate((z[:1], z[begin:]))
    index, mantissa, exponent = index[inner] - begin + 1, mantissa[inner], exponent[inner]
    if _growth(recurrence, c, cycle, (index, mantissa, exponent)) > _SHRINKS_BITS:
        return 0
    with np.errstate(divide="ignore"):
        bits = np.log2(np.abs(cycle))
        bits[index] = np.log2(np.abs(mantissa)) + exponent
    return begin + int(np.argmin(bits[1:]))


def _growth(
    recurrence: Recurrence,
    c: tuple[Number, Number],
    cycle: NDArray[np.complex128],
    small: tuple[NDArray[np.int64], NDArray[np.complex128], NDArray[np.int64]],
) -> float:
    """Give ``log2`` of the largest eigenvalue of the derivative along ``cycle[1:]``."""
    frame = Frame(recurrence, c)
    place = recurrence.tape.inputs.index("zr")
    frame.put(place, 1, 1.0)
    frame.put(place + 1, 2, 1.0)
    total, exponents = np.zeros((2, 2)), np.full((2, 2), NONE, np.int64)
    singular = sizes(
        *(cycle, len(cycle), *small, frame.code, frame.places, frame.mantissas, frame.exponents),
        *(total, exponents, np.zeros(1, np.int64)),
    )
    rows = slice(place, place + 2)
    matrix, bits = together(frame.mantissas[rows, 1:], frame.exponents[rows, 1:])
    if singular:  # it stopped at a point where the map is flat, or at least in one direction
        return math.inf if matrix.any() else -math.inf
    largest = float(np.max(np.abs(np.linalg.eigvals(matrix))))
    return math.log2(largest) + bits if largest else -math.inf
