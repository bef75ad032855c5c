"""How points lie in lanes: what kernels and those who call them share."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.lanes.body import Body
from fraktal_kernel.fractals.lanes.tally import Tally
from fraktal_kernel.fractals.machine import Kernel

# Rows of the int64 state [3, lanes]: pixel (-1: lane is free), block it started, Brent's next.
PIXEL, BEGUN, SAVE_AT = range(3)
# The int64 clock [5]: blocks so far, next deadline, next save for Brent, cursor, iterations.
NOW, DEADLINE, BRENT, CURSOR, ITERATIONS = range(5)
# What may be skipped, as bits.
CARDIOID, BULB, PERIOD, DISCS = 1, 2, 4, 8
# Counts that are none: still to be done; inside (less the steps after which that was known).
TO_DO, INSIDE = -1, -2

NEVER = 2**62

Lanes = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


@lru_cache(maxsize=64)
def sweep_of(body: Body) -> Kernel:
    """Give the kernel that counts, for one body."""
    return Kernel(
        "fraktal_kernel.fractals.lanes.sweep",
        "build_sweep",
        "boolean(int64[::1], float64[::1], float64[::1], int64[::1], float64[::1], float64[::1], "
        "float64[::1], boolean, int64, int64, float64[:, ::1], int64[:, ::1], int64[::1], "
        "boolean, int64)",
        args=(body,),
    )


@lru_cache(maxsize=64)
def orbit_of(tally: Tally) -> Kernel:
    """Give the kernel that walks again, for one tally."""
    return Kernel(
        "fraktal_kernel.fractals.lanes.orbit",
        "build_orbit",
        "boolean(int64[::1], float64[:, ::1], int64[::1], float64[::1], float64[::1], boolean, "
        "boolean, float64[::1], float64[:, ::1], int64[:, ::1], int64[::1], boolean, int64)",
        args=(tally,),
    )


@lru_cache(maxsize=64)
def interior_of(body: Body, jacobian: Tape | None, curvature: Tape | None) -> Kernel:
    """Give the kernel that finds cycles, for one body."""
    return Kernel(
        "fraktal_kernel.fractals.lanes.interior",
        "build_interior",
        "boolean(int64[::1], float64[::1], int64[::1], float64[::1], int64[::1], float64[::1], "
        "float64[::1], boolean, int64, int64[::1], int64)",
        args=(body, jacobian, curvature),
    )


@lru_cache(maxsize=1)
def inward_of() -> Kernel:
    """Give the kernel that finds how far the edge of a Julia set is from points inside."""
    return Kernel(
        "fraktal_kernel.fractals.lanes.inward",
        "inward",
        "boolean(int64[::1], float64[::1], int64[::1], float64[::1], float64[::1], int64, int64, "
        "float64[::1], float64[:, ::1], int64[::1], int64)",
    )


@lru_cache(maxsize=1)
def discs_of() -> Kernel:
    """Give the kernel that marks discs which lie inside."""
    return Kernel(
        "fraktal_kernel.fractals.lanes.discs",
        "discs",
        "boolean(int64[::1], float64[::1], int64[::1], float64[::1], int64, float64, int64, "
        "int64[::1], int64)",
    )


def aligned(rows: int, columns: int) -> NDArray[np.float64]:
    """Make a state whose vectors lie within cache lines; those across two are slow."""
    raw = np.zeros(rows * columns + 8)
    start = -raw.ctypes.data % 64 // 8
    return raw[start : start + rows * columns].reshape(rows, columns)


def fresh_lanes(rows: int, lanes: int) -> Lanes:
    """Make the lanes of one thread, all free, and their clock."""
    clock = np.zeros(5, np.int64)
    clock[DEADLINE] = clock[BRENT] = NEVER
    held = np.full((3, lanes), -1, np.int64)
    held[SAVE_AT] = NEVER
    return aligned(rows, lanes), held, clock
