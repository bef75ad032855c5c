"""Functions for CUDA kernels: made from tapes, in float64 or in float32, real or simulated.

Every multiply-add is one that a tape asks for, and no other product is fused with a sum, so that
a card rounds as the lanes of a processor do. numba's simulator (``NUMBA_ENABLE_CUDASIM=1``) runs
the same source in Python; there a multiply-add is worked out with whole numbers and rounded once,
too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numba import config, cuda

from fraktal_kernel.fractals.formulas.emit import defined
from fraktal_kernel.fractals.formulas.tape import Tape

_LIBRARY = ("exp", "log", "sin", "cos")
_NUMPY = {"fabs": np.fabs, "copysign": np.copysign, "sqrt": np.sqrt, "atan2": np.arctan2} | {
    name: getattr(np, name) for name in _LIBRARY
}


def simulated() -> bool:
    """Say whether numba runs CUDA kernels in Python, without a card."""
    return bool(config.ENABLE_CUDASIM)


def device(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels call; it stands within them, not beside them."""
    if simulated():
        return cuda.jit(device=True)(function)
    return cuda.jit(device=True, forceinline=True)(function)


@lru_cache
def functions(single: bool = False) -> dict[str, Any]:
    """Give what the source of tapes calls, by name: in float32 if ``single``."""
    kind = np.float32 if single else np.float64
    one, two = kind(1.0), kind(2.0)

    if simulated():
        known: dict[str, Any] = {name: _quiet(f, kind) for name, f in _NUMPY.items()}
        known |= {"fma": _fma_single if single else _fma, "times": _times}
    else:
        known = {name: getattr(math, name) for name in _NUMPY}
        known["fma"] = device(lambda a, b, c: cuda.fma(a, b, c))
        known["times"] = device(_single_times() if single else _double_times())
    fabs, copysign = known["fabs"], known["copysign"]

    def diffabs(reference: Any, small: Any) -> Any:
        turned = small * copysign(one, reference)
        across = -(two * fabs(reference) + turned)
        return turned if turned > across else across

    return known | {"diffabs": device(diffabs), "number": kind}


def adapted(
    tape: Tape, names: tuple[str, ...], parameters: tuple[str, ...], single: bool = False
) -> Any:
    """Make a function of the named numbers and an array of parameters that runs a tape."""
    inputs = [
        f"p[{parameters.index(name)}]" if name in parameters else name for name in tape.inputs
    ]
    source = f"def called({', '.join(names)}, p):\n    return body({', '.join(inputs)})"
    namespace: dict[str, Any] = {"body": device_tape(tape, single)}
    exec(source, namespace)
    return device(namespace["called"])


def device_tape(tape: Tape, single: bool = False) -> Any:
    """Make a function for kernels that runs a tape on one point.

    Its arguments are the inputs of the tape, all float64, or float32 if ``single``; it gives a
    tuple of the outputs.
    """
    forms = {"mul": "times({}, {})"} | ({"const": "number({})"} if single else {})
    return device(defined(tape, "body", functions(single), forms))


def _times(a: Any, b: Any) -> Any:
    """Give ``a*b``, which the simulator fuses with nothing."""
    return a * b


def _double_times() -> Callable[..., Any]:
    """Give a product that the compiler does not fuse with a sum that it goes into."""
    product = cuda.libdevice.dmul_rn
    return lambda a, b: product(a, b)


def _single_times() -> Callable[..., Any]:
    """Give the same in float32."""
    product = cuda.libdevice.fmul_rn
    return lambda a, b: product(a, b)


def _quiet(function: Callable[..., Any], kind: Any) -> Callable[..., Any]:
    """Let a function of numpy give infinity and NaN without a word, as a card does."""

    def called(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return kind(function(*args))

    return called


def _fma(a: Any, b: Any, c: Any) -> Any:
    """Give ``a*b + c`` rounded once."""
    try:
        (p, x), (q, y), (r, z) = (float(number).as_integer_ratio() for number in (a, b, c))
        return np.float64((p * q * z + r * x * y) / (x * y * z))
    except (OverflowError, ValueError):  # not finite, or no longer
        with np.errstate(all="ignore"):
            return np.float64(a) * np.float64(b) + np.float64(c)


def _fma_single(a: Any, b: Any, c: Any) -> Any:
    """Give ``a*b + c`` rounded to float32; the product is exact in float64."""
    with np.errstate(all="ignore"):
        return np.float32(np.float64(a) * np.float64(b) + np.float64(c))
