"""How points lie in lanes: what the kernel and those who call it share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.machine import Kernel, processor

BLOCK = 16
RADIUS = 1e3
# AVX-512 holds six <8 x double> pairs and their constants in its 32 registers; machines with
# 16 registers of half the width (AVX2) or 32 of a quarter (NEON) do best with half as many.
WIDTH = 8 if "+avx512f" in processor() else 4
VECTORS = 6
LANES = WIDTH * VECTORS

# Rows of the float64 state [8, LANES] of the lanes.
CR, CI, ZR, ZI, OLD_R, OLD_I, SAVED_R, SAVED_I = range(8)
# Rows of the int64 state [3, LANES]: pixel (-1: lane is free), block it started, Brent's next.
PIXEL, BEGUN, SAVE_AT = range(3)
# The int64 clock [5]: blocks so far, next deadline, next look at Brent, cursor, iterations.
NOW, DEADLINE, BRENT, CURSOR, ITERATIONS = range(5)
# What may be skipped, as bits.
CARDIOID, BULB, PERIOD = 1, 2, 4

NEVER = 2**62

sweep = Kernel(
    "fraktal_kernel.fractals.kernel",
    "sweep",
    "boolean(float64[::1], int64[::1], float64[::1], boolean, int64, int64, float64, "
    "float64[:, ::1], int64[:, ::1], int64[::1], boolean, int64)",
)


def fresh_lanes() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Make the lanes of one thread, all free, and their clock, for `sweep`."""
    raw = np.zeros(8 * LANES + 8)
    start = -raw.ctypes.data % 64 // 8  # vectors that lie across two cache lines are slow
    state = raw[start : start + 8 * LANES].reshape(8, LANES)
    lanes = np.full((3, LANES), -1, np.int64)
    clock = np.zeros(5, np.int64)
    clock[DEADLINE] = NEVER
    return state, lanes, clock
