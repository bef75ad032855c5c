"""The engine for long numbers: digits and lengths for the Fourier transform of `spectral`."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.machine import Kernel
from fraktal_kernel.fractals.reference.decimals import gmpy2
from fraktal_kernel.fractals.reference.engines import (
    Complex,
    QuadraticEngine,
    Small,
    fixed_c,
)
from fraktal_kernel.fractals.reference.recurrences import SHARK, Number, Recurrence

_orbit = Kernel(
    "fraktal_kernel.fractals.reference.spectral",
    "orbit",
    "int64(float64[::1], int64, int64[:, ::1], int64[::1], int64[::1], float64, int64, "
    "complex128[::1], int64, int64, float64, complex128[::1], int64[::1], int64[::1])",
)
# Fewer bits than this are squared faster limb by limb.
FROM_BITS = 1_600
_PAD = 24
_ALIGNED = 8  # float64 numbers in a line of the cache
_LENGTHS = sorted(factor << power for factor in (1, 3, 5) for power in range(6, 21))


@lru_cache(maxsize=64)
def layout(bits: int) -> tuple[int, int, int]:
    """Choose length of the transform, bits of a digit, count of digits for so many bits.

    The error of a coefficient is below the norm of the digits squared, times the rounding of
    float64, times a few roundings for each level. A sum of many roundings stays far below that
    bound: with digits chosen so that it is 1, errors of 0.04 are the largest ones seen, where 0.5
    would do harm. `spectral` watches them.

    Examples
    --------
    >>> length, digit_bits, digits = layout(8_750)
    >>> (digits - 1) * digit_bits >= 8_750 and 2 * digits <= length
    True
    """
    for length in _LENGTHS:
        for digit_bits in range(22, 9, -1):
            digits = -(-bits // digit_bits) + 1
            norm = 2 * digits * 4.0**digit_bits / 12
            if norm * 2 * math.log2(length) * 2.0**-53 <= 1.0:
                if 2 * digits <= length:
                    return length, digit_bits, digits
                break
    raise ValueError(f"no transform is long enough for {bits} bits.")


def wide(recurrence: Recurrence, bits: int) -> bool:
    """Say whether this engine can do it and is the faster one."""
    return bits >= FROM_BITS and recurrence.fold >= 0 and not recurrence.fold & SHARK


class SpectralEngine:
    """A fold of ``z*z + c`` in digits, squared by a Fourier transform.

    Where rounding comes out unsafe, which digits that look random do not do, the orbit goes on
    from the last slice with GMP's squarings.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        c: tuple[Number, Number],
        state: tuple[int, ...],
        bits: int,
        radius: float,
    ) -> None:
        self._given = (recurrence, c, bits, radius)
        self._fold, self._radius2 = recurrence.fold, radius * radius
        self.bits = bits
        self.small = Small()
        self.small.info = np.array([0, -1, 0], np.int64)
        self._narrow: QuadraticEngine | None = None
        self._mark: list[NDArray[np.float64]] = []
        length, digit_bits, digits = layout(bits)
        self._bits, self._unit = digit_bits, 2.0**digit_bits
        self._shape = np.array([length, 0, 0], np.int64)
        self._shape[:] = digits, length, digit_bits
        room = digits + _PAD
        sizes = [length + _PAD, length + _PAD, room, room, room, room, room, room]
        places, at = [], 0
        for k, size in enumerate(sizes):
            if k == 4:
                at += _ALIGNED  # what `split` gathers lies before
            places.append(at)
            at += -(-size // _ALIGNED) * _ALIGNED
        self._places = np.array(places, np.int64)
        self._plan, turns = _plan(length, at)
        self._work = _aligned(at + len(turns))
        self._work[at:] = turns
        for k, value in enumerate((*state, *fixed_c(recurrence, c, bits))):
            offset = places[k] + (3 if k > 1 else 0)
            self._work[offset : offset + digits] = self._digits(value)

    def advance(self, z: Complex, first: int, last: int) -> tuple[int, bool]:
        """Fill ``z[first:last]``; returns where it stopped, and whether the orbit escaped."""
        if self._narrow is not None:
            return self._narrow.advance(z, first, last)
        small, work = self.small, self._work
        before = self._copied()
        at = _orbit(
            *(work, work.ctypes.data, self._plan, self._places, self._shape, self._unit),
            *(self._fold, z, first, last, self._radius2),
            *(small.room, small.room_exponents, small.info),
        )
        if small.info[2]:
            small.info[0] = 0
            self._restore(before)
            recurrence, c, bits, radius = self._given
            self._narrow = QuadraticEngine(recurrence, c, self.state(), bits, radius)
            self._narrow.small = small
            return self._narrow.advance(z, first, last)
        small.flush()
        return at, small.info[1] >= 0

    def _copied(self) -> list[NDArray[np.float64]]:
        digits = self._shape[0]
        return [self._work[place : place + digits].copy() for place in self._places[:2]]

    def _restore(self, parts: list[NDArray[np.float64]]) -> None:
        for place, part in zip(self._places[:2], parts, strict=True):
            self._work[place : place + len(part)] = part

    def mark(self) -> None:
        """Remember this place of the orbit."""
        if self._narrow is not None:
            self._narrow.mark()
            self._mark = []
            return
        self.small.mark()
        self._mark = self._copied()

    def back(self) -> None:
        """Go back to the place marked last."""
        if self._narrow is not None and not self._mark:
            self._narrow.back()
            return
        self._narrow = None
        self.small.back()
        self.small.info[2] = 0
        self._restore(self._mark)

    def state(self) -> tuple[int, ...]:
        """Give the last value times 2**bits."""
        if self._narrow is not None:
            return self._narrow.state()
        digits, bits, pack = int(self._shape[0]), self._bits, gmpy2().pack
        values = []
        for place in self._places[:2]:
            row = self._work[place : place + digits].astype(np.int64)
            # Digits of both signs: what is above zero less what is below.
            above, below = (pack(np.maximum(part, 0)[:-1].tolist(), bits) for part in (row, -row))
            value = int(above - below) + (int(row[-1]) << (bits * (digits - 1)))
            values.append(value >> (bits * (digits - 1) - self.bits))
        return tuple(values)

    def _digits(self, value: int) -> NDArray[np.float64]:
        """Cut a whole number, times 2**bits, into digits, none much more than half a unit."""
        count, bits = int(self._shape[0]), self._bits
        g = gmpy2()
        cut = g.unpack(g.mpz(abs(value)) << (bits * (count - 1) - self.bits), bits)
        digits = np.zeros(max(count, len(cut)))
        digits[: len(cut)] = [int(digit) for digit in cut]
        digits[count - 1] += sum(d * self._unit**k for k, d in enumerate(digits[count:], start=1))
        digits = digits[:count]
        carries = digits[:-1] > self._unit / 2
        digits[:-1] -= self._unit * carries
        digits[1:] += carries
        return -digits if value < 0 else digits


def _plan(length: int, at: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Lay out the passes from the whole length down to blocks of eight, and their roots of unity.

    The first pass has radix 2 or 4, so that radix 4 does for the rest.
    """
    odd = length >> ((length & -length).bit_length() - 1)
    levels = (length // odd).bit_length() - 1 - 3
    radices = [4 if levels % 2 == 0 else 2] + ([odd] if odd > 1 else [])
    radices += [4] * ((levels - 1) // 2)
    passes, turns, block = [], [], length
    for radix in radices:
        part = block // radix
        passes.append((radix, part, length // block, at))
        for k in range(1, radix):
            # In extended precision, where the machine has it, so that they are rounded once.
            angle = np.arange(part, dtype=np.longdouble) * k * (2 * _pi() / block)
            turns += [np.cos(angle).astype(float), -np.sin(angle).astype(float)]
            at += 2 * part
        block = part
    return np.array(passes, np.int64), np.concatenate(turns)


def _pi() -> Any:
    return np.longdouble(4) * np.arctan(np.longdouble(1))


def _aligned(size: int) -> NDArray[np.float64]:
    """Make an array that begins at a line of the cache."""
    whole = np.zeros(size + _ALIGNED)
    skip = (-whole.ctypes.data // 8) % _ALIGNED
    return whole[skip : skip + size]
