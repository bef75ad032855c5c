"""Which NVIDIA card computes, and why none does where none does.

The driver is asked before numba's CUDA part is loaded, which takes half a second; nothing is
loaded at all where there is no driver.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from dataclasses import dataclass
from functools import lru_cache

from fraktal_kernel.errors import MissingExtra, Unavailable

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
# Arithmetic units of one multiprocessor by compute capability: float32, float64 (CUDA C++
# Programming Guide, "Arithmetic Instructions": results per clock cycle per multiprocessor).
UNITS = {
    (6, 0): (64, 32), (6, 1): (128, 4), (7, 0): (64, 32), (7, 5): (64, 2), (8, 0): (64, 32),
    (8, 6): (128, 2), (8, 9): (128, 2), (9, 0): (128, 64), (10, 0): (128, 64), (10, 3): (128, 2),
    (12, 0): (128, 2),
}  # fmt: skip
# A card whose float64 is so much slower than its float32 is one for games.
_SLOW = 16


@dataclass(frozen=True, slots=True)
class Card:
    """A card that computes.

    Parameters
    ----------
    name : as its maker calls it
    capability : of computing, such as (9, 0)
    multiprocessors : how many it has
    clock_hz : highest of its clocks; 0 unknown
    """

    name: str
    capability: tuple[int, int] = (0, 0)
    multiprocessors: int = 0
    clock_hz: float = 0.0

    @property
    def slow_float64(self) -> bool:
        """Whether float32 is worth a look, because float64 is much slower."""
        single, double = UNITS.get(self.capability, (1, 1))
        return single >= _SLOW * double

    def peak(self, single: bool = False) -> float:
        """Give the multiply-adds a second that it could do at best; 0 unknown."""
        units = UNITS.get(self.capability, (0, 0))[0 if single else 1]
        return units * self.multiprocessors * self.clock_hz


def simulation() -> bool:
    """Say whether the user told numba to simulate CUDA."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def likely() -> bool:
    """Say whether it is worth asking for a card: what the package and the driver need is there."""
    return _installed() and _driver() is not None


@lru_cache
def card() -> Card:
    """Give the card that computes; the first that the driver names.

    Raises
    ------
    MissingExtra, Unavailable
        one sentence that says why there is none and what to do
    """
    if simulation():
        return Card("CUDA simulator")
    if not _installed():
        raise MissingExtra("computing on a GPU needs: pip install 'fraktal[gpu]'")
    driver = _driver()
    if driver is None:
        raise Unavailable(
            "no NVIDIA driver answers on this machine; install it, or choose device='cpu'."
        )
    code, many = driver.cuInit(0), ctypes.c_int()
    if code or driver.cuDeviceGetCount(ctypes.byref(many)) or not many.value:
        raise Unavailable(
            f"the NVIDIA driver finds no GPU (it answers {code}); see what nvidia-smi says, or "
            "choose device='cpu'."
        )
    return _asked()


def _asked() -> Card:
    """Ask numba for the card, and whether what it compiles runs there."""
    from numba import cuda

    try:
        from numba.cuda.core import config

        config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # the last of the points fill no card
        cuda.jit(_nothing)[1, 1]()  # whose code an old driver may refuse
        cuda.synchronize()
        found = cuda.get_current_device()
    except Exception as error:  # of several packages, each with a tree of its own
        raise Unavailable(
            f"numba-cuda cannot use the GPU: {str(error).splitlines()[0]:.200}; see `fraktal "
            "doctor`, or choose device='cpu'."
        ) from error
    name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
    return Card(
        name,
        tuple(found.compute_capability),
        int(found.MULTIPROCESSOR_COUNT),
        1e3 * float(found.CLOCK_RATE),
    )


def _nothing() -> None:
    """Do nothing: the smallest kernel there is."""


def _installed() -> bool:
    return importlib.util.find_spec("numba_cuda") is not None


@lru_cache
def _driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(_DRIVER)
    except OSError:
        return None
