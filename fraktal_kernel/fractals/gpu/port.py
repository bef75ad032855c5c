"""Functions that were compiled for the processor, compiled for a card: one body for both.

Only what is made of LLVM's own instructions is exchanged: the parts of a float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from fraktal_kernel.fractals.bodies import remade
from fraktal_kernel.fractals.gpu.tapes import device, simulated
from fraktal_kernel.fractals.reference.extended import exponent_of
from fraktal_kernel.fractals.reference.limbs import power_of_two


def ported(function: Any) -> Any:
    """Compile a function, and what it calls, for kernels.

    Parameters
    ----------
    function : compiled with ``njit``, or plain Python that such functions are called from
    """
    exchanged = {power_of_two: _power_of_two(), exponent_of: _exponent_of()}
    return remade(function, exchanged, device)


def _power_of_two() -> Any:
    """Make ``2.0**exponent`` for -1022 <= exponent <= 1023."""
    if simulated():
        return device(lambda exponent: math.ldexp(1.0, int(exponent)))
    number = cuda.libdevice.longlong_as_double
    return device(lambda exponent: number((exponent + 1023) << 52))


def _exponent_of() -> Any:
    """Make what gives e with ``0.5 <= |value| / 2**e < 1`` for an ordinary float64."""
    if simulated():
        return device(lambda value: (int(np.float64(value).view(np.int64)) >> 52 & 0x7FF) - 1022)
    bits = cuda.libdevice.double_as_longlong
    return device(lambda value: ((bits(value) >> 52) & 0x7FF) - 1022)
