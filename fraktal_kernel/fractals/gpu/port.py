"""Functions that were compiled for the processor, compiled for a card: one body for both.

What is compiled with ``njit`` is taken back to its Python, together with all that it calls, and
compiled anew. Only what is made of LLVM's own instructions is exchanged: the parts of a float64.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import cuda

from fraktal_kernel.fractals.gpu.tapes import device, simulated
from fraktal_kernel.fractals.reference.extended import exponent_of
from fraktal_kernel.fractals.reference.limbs import power_of_two


def ported(function: Any) -> Any:
    """Compile a function, and what it calls, for kernels.

    Parameters
    ----------
    function : compiled with ``njit``, or plain Python that such functions are called from
    """
    exchanged = {id(power_of_two): _power_of_two(), id(exponent_of): _exponent_of()}
    return _ported(function, exchanged)


def _ported(value: Any, known: dict[int, Any]) -> Any:
    """Give what stands in place of a value that a function refers to."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, types.FunctionType) or hasattr(value, "py_func"):
        known[id(value)] = device(_rebuilt(getattr(value, "py_func", value), known))
        return known[id(value)]
    return value


def _rebuilt(function: types.FunctionType, known: dict[int, Any]) -> Callable[..., Any]:
    """Copy a function; the copy refers to what was compiled for kernels."""
    scope = dict(function.__globals__)
    for name in _names(function.__code__):
        if name in scope:
            scope[name] = _ported(scope[name], known)
    cells = tuple(
        types.CellType(_ported(cell.cell_contents, known)) for cell in function.__closure__ or ()
    )
    copy = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, cells
    )
    return copy


def _names(code: types.CodeType) -> Iterator[str]:
    """List the global names that a function uses."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


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
