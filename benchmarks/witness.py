"""Whether a count that is not a pixel's own is that of a point so near that no rounding parts them.

Where the orbits of a view are chaotic, points 1e-40 of a pixel apart have counts that differ by
hundreds, and those of float64 say which of them was followed. So a count is excused only by a
*witness*: a point within a ten-millionth of a pixel that really has it, and that keeps it when its
orbit is followed with a thousand bits more. Circles are looked at from the smallest on, and the
radius is told: the counts of float64 are those of points some 1e-12 of a pixel away.

Between two points the potential is continuous, and takes every value in between: where one has a
smaller count and one a larger one, a witness is found by halving the way between them. Where all
counts are on one side, the way to the other is looked for around the nearest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import mpfr

# ``count(dx, dy, spare)`` follows the point that lies so many pixels beside the pixel, with so many
# bits more than tell pixels apart.
Count = Callable[[Any, Any, int], int]
RADII = (1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7)
AROUND, CLIMBS, HALVINGS = 12, 12, 1500
SPARE_BITS, MORE_BITS = 1600, 1000


class Undecided(Exception):
    """Neither a witness was found in the time that was given, nor that there is none."""


def witness(
    count: Count, given: int, random: np.random.Generator, span_s: float = math.inf
) -> float | None:
    """Give the radius, in pixels, within which a point has a count; None where none was found.

    `Undecided` is raised where that takes longer than ``span_s``.
    """
    until = time.monotonic() + span_s

    def timed(dx: Any, dy: Any, spare: int) -> int:
        if time.monotonic() > until:
            raise Undecided(f"no witness was found in {span_s:g} s")
        return count(dx, dy, spare)

    if timed(0, 0, SPARE_BITS) == given:
        return 0.0
    for radius in RADII:
        if _within(timed, given, radius, random):
            return radius
    return None


def _within(count: Count, given: int, radius: float, random: np.random.Generator) -> bool:
    low: tuple[int, float, float] | None = None
    high: tuple[int, float, float] | None = None
    at, reach = (0.0, 0.0), radius
    seen: set[int] = set()
    for _ in range(CLIMBS):
        for _ in range(AROUND):
            turn, far = random.uniform(0, 2 * math.pi), reach * math.sqrt(random.random())
            dx, dy = at[0] + far * math.cos(turn), at[1] + far * math.sin(turn)
            if math.hypot(dx, dy) > radius:
                continue
            found = count(dx, dy, SPARE_BITS)
            seen.add(found)
            if found == given:
                return count(dx, dy, SPARE_BITS + MORE_BITS) == given
            if found < given and (low is None or found > low[0]):
                low = found, dx, dy
            if found > given and (high is None or found < high[0]):
                high = found, dx, dy
        if low and high:
            return _between(count, given, low[1:], high[1:])
        # Where all have one count, further out is where to look.
        if len(seen) == 1 and radius < RADII[-1]:
            return False
        nearest = low or high
        assert nearest
        at, reach = nearest[1:], reach / 2
    return False


def _between(count: Count, given: int, low: Any, high: Any) -> bool:
    """Halve the way from a smaller count to a larger one."""
    with gmpy2.context(gmpy2.get_context(), precision=SPARE_BITS):
        for _ in range(HALVINGS):
            dx, dy = ((mpfr(a) + mpfr(b)) / 2 for a, b in zip(low, high, strict=True))
            found = count(dx, dy, SPARE_BITS)
            if found == given:
                return count(dx, dy, SPARE_BITS + MORE_BITS) == given
            low, high = ((dx, dy), high) if found < given else (low, (dx, dy))
    return False
