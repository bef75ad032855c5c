"""Where the functions of GMP lie in memory, so that compiled loops can call them.

gmpy2 brings its own copy of GMP; its ``mpn`` functions work on plain arrays of 64-bit limbs and
pick the processor's best code themselves. A kernel gets their addresses as numbers, so that no
Python runs between two operations.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.errors import MissingExtra

# The order in which kernels find them; see `limbs`.
FUNCTIONS = ("__gmpn_sqr", "__gmpn_mul_n", "__gmpn_add_n", "__gmpn_sub_n", "__gmpn_mul_1")


@lru_cache(maxsize=1)
def functions() -> NDArray[np.int64]:
    """Give the addresses of `FUNCTIONS`, in their order."""
    library = _library()
    found = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in FUNCTIONS]
    addresses = np.array(found, np.int64)
    addresses.flags.writeable = False
    return addresses


def _library() -> ctypes.CDLL:
    """Load GMP, gmpy2's own copy first."""
    try:
        package = import_module("gmpy2")
    except ImportError:
        raise MissingExtra("deep zooms compute with gmpy2: pip install gmpy2.") from None
    for path in _places(Path(package.__file__ or "").parent):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        # Limbs of 64 bits are what the kernels are written for.
        if all(hasattr(library, name) for name in FUNCTIONS) and _limb_bits(library) == 64:
            return library
    raise MissingExtra(
        "deep zooms compute with the GMP library, which was not found beside gmpy2; "
        "install gmpy2 anew: pip install --force-reinstall gmpy2."
    )


def _places(package: Path) -> Iterator[str]:
    """List the files that may be GMP: in a wheel, in a conda environment, of the system."""
    for folder in (package.parent / "gmpy2.libs", package / ".dylibs", package.parents[2]):
        for pattern in ("libgmp-*", "libgmp.*"):
            yield from map(str, sorted(folder.glob(pattern)))
    found = ctypes.util.find_library("gmp")
    if found:
        yield found


def _limb_bits(library: ctypes.CDLL) -> int:
    return ctypes.c_int.in_dll(library, "__gmp_bits_per_limb").value
