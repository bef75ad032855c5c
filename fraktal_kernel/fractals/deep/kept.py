"""What is kept of each step of an orbit, for averages, traps and atoms: compiled."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

# What is kept of each point: sums and last terms of averages, nearest approaches, its step.
STRIPE, STRIPE_TERM, TRIANGLE, TRIANGLE_TERM, POINT2, CROSS, OUT2, IN2, ATOM = range(9)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def keep(kept: Any, i: int, n: int, x: float, y: float, size: float, cr: float, ci: float) -> None:
    """Take one value of an orbit into what is kept; the terms are those of `lanes.tally`."""
    term = 0.5
    if size > 0.0:
        term += 2 * x * y / size * ((x * x - y * y) / size)
    kept[i, STRIPE] += term
    kept[i, STRIPE_TERM] = term
    u, v = x - cr, y - ci
    rest, c = math.sqrt(u * u + v * v), math.sqrt(cr * cr + ci * ci)
    wide = (math.sqrt(size) + abs(rest - c)) * min(rest, c)
    term = (u * cr + v * ci + rest * c) / wide if wide > 0.0 else 0.0
    kept[i, TRIANGLE] += term
    kept[i, TRIANGLE_TERM] = term
    if size < kept[i, POINT2]:
        kept[i, POINT2] = size
        kept[i, ATOM] = n
    cross = min(abs(x), abs(y))
    if cross < kept[i, CROSS]:
        kept[i, CROSS] = cross
    if size > 1.0:
        if size < kept[i, OUT2]:
            kept[i, OUT2] = size
    elif size > kept[i, IN2]:
        kept[i, IN2] = size
