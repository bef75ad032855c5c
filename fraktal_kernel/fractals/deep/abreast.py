"""The walk of `walk` for many points in lockstep: what is compiled for the processor.

Each point does what it would do alone, in the same order, so that its company changes no digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.kinds import Map, is_holomorphic
from fraktal_kernel.fractals.deep.lockstep import (
    AT,
    DUE,
    KEPT,
    LANES,
    LAST,
    LEVELS,
    LOOKS,
    REACH,
    ROOTS,
    SLOPE,
    WAIT,
    WHICH,
    D,
    N,
    Z,
)
from fraktal_kernel.fractals.deep.rounds import advance_of
from fraktal_kernel.fractals.deep.rows import (
    DONE,
    FIRST_LOOK,
    INSIDE,
    NEXT_LOOK,
    POINT,
    SAME,
    SEGMENTS,
)
from fraktal_kernel.fractals.deep.scaled import larger
from fraktal_kernel.fractals.lanes.vectors import lowest

# Rounds between two looks at who has done all steps.
_STRETCH = 64
# When so few are left, each is faster alone.
_FEW = LANES // 3


def abreast(kind: Map, derivative: bool) -> Callable[..., bool]:
    """Make the function that walks points of a map, with or without their derivative."""
    advance = advance_of(kind, derivative)
    slopes = (2 if is_holomorphic(kind) else 4) if derivative else 0

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def begin(
        state: Any, whole: Any, lane: int, i: int, plane: Any, point: int, width: int,
        count: Any, place: Any, value: Any, slope: Any,
    ) -> None:  # fmt: skip
        """Put a point into a lane."""
        u, v = point % width + plane[0], plane[1] - point // width
        state[D, lane] = plane[2] * u + plane[3] * v
        state[D + 1, lane] = plane[4] * u + plane[5] * v
        state[Z, lane], state[Z + 1, lane] = value[i, 0], value[i, 1]
        state[KEPT, lane], state[KEPT + 1, lane] = float("inf"), 0.0
        for k in range(slopes):
            state[SLOPE + k, lane] = slope[i, k]
        whole[N, lane], whole[AT, lane] = count[i], place[i]
        whole[WAIT, lane], whole[LOOKS, lane] = FIRST_LOOK, 0
        whole[DUE, lane], whole[WHICH, lane] = 1, i

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def returned(state: Any, whole: Any, lane: int, size: float) -> bool:
        """Say whether the orbit of a lane is where it was at an earlier look (Brent)."""
        zr, zi = state[Z, lane], state[Z + 1, lane]
        caught = larger(zr - state[KEPT, lane], zi - state[KEPT + 1, lane]) <= SAME * size
        whole[WAIT, lane] = NEXT_LOOK
        whole[LOOKS, lane] += 1
        if whole[LOOKS, lane] == whole[DUE, lane]:
            whole[DUE, lane] *= 2
            state[KEPT, lane], state[KEPT + 1, lane] = zr, zi
        return caught  # type: ignore[no-any-return]

    def run(
        segments: Any,
        roots: Any,
        reach: Any,
        plane: Any,
        width: int,
        points: Any,
        max_iter: int,
        count: Any,
        place: Any,
        value: Any,
        slope: Any,
        state: Any,
        whole: Any,
        single: int,
        counters: Any,
        budget: int,
    ) -> bool:
        """Walk points as `walk.walk` does, which says what is given; but for the last few.

        These are left at the beginning of a segment, and stay in their lanes.

        Parameters
        ----------
        segments : with the single steps behind them
        state, whole : of the lanes, as `lockstep` has them; kept from one call to the next, at
            first no lane has a point
        single : the row of the first single step
        counters : rounds of each lane take the place of steps and segments
        """
        radius2, smallest = plane[7], plane[8]
        large = 0.7 * radius2**0.5
        taken, cursor = counters[SEGMENTS], counters[POINT]
        first = LEVELS - roots.shape[0]
        for k in range(LEVELS):
            whole[ROOTS, k], state[REACH, k] = roots[0], 0.0
            if k >= first:
                whole[ROOTS, k], state[REACH, k] = roots[k - first], reach[k - first]
        active = busy = 0
        for lane in range(LANES):
            if whole[WHICH, lane] >= 0:
                active |= 1 << lane
                busy += 1
        free = ((1 << LANES) - 1) ^ active
        rest = _STRETCH
        while True:
            while free != 0:
                lane = lowest(free)
                free &= free - 1
                while cursor < points.shape[0] and place[cursor] < 0:
                    cursor += 1
                if cursor == points.shape[0]:
                    # Nothing is left for it: it goes along with the reference.
                    whole[WHICH, lane], whole[N, lane], whole[AT, lane] = -1, 0, roots[0]
                    state[Z, lane] = state[Z + 1, lane] = 0.0
                    state[D, lane] = state[D + 1, lane] = 0.0
                else:
                    begin(
                        *(state, whole, lane, cursor, plane, points[cursor], width),
                        *(count, place, value, slope),
                    )
                    active |= 1 << lane
                    busy += 1
                    cursor += 1
            rounds = rest
            if cursor == points.shape[0] and busy <= _FEW:
                rounds = 0
                for lane in range(LANES):
                    if active >> lane & 1 and whole[AT, lane] >= single:
                        rounds = 1
            if rounds == 0 or taken >= budget:
                break
            rounds, far, others = advance(state, whole, segments, active, large, smallest, rounds)
            taken += rounds * busy
            rest -= rounds
            asks = far | others
            if rest == 0:
                rest, asks = _STRETCH, active
            while asks != 0:
                lane = lowest(asks)
                bit = asks & -asks
                asks ^= bit
                i, n = whole[WHICH, lane], whole[N, lane]
                pr, pi = state[LAST, lane], state[LAST + 1, lane]
                size = larger(pr, pi)
                left = far & bit != 0 and pr * pr + pi * pi > radius2
                home = others & bit != 0 and not left
                small = home and size < smallest
                # What is no number would never end.
                inside = n > max_iter or state[Z, lane] != state[Z, lane]
                if home and whole[WAIT, lane] == 0 and returned(state, whole, lane, size):
                    inside = not small
                if not (left or small or inside):
                    continue
                active ^= bit
                busy -= 1
                free |= bit
                whole[WHICH, lane] = -1
                count[i], place[i] = n, DONE
                if inside:
                    count[i] = INSIDE
                elif small:
                    place[i] = whole[AT, lane]
                value[i, 0], value[i, 1] = pr, pi
                for k in range(slopes):
                    slope[i, k] = state[SLOPE + k, lane]
        counters[SEGMENTS], counters[POINT] = taken, cursor
        if rounds != 0:
            return False
        for lane in range(LANES):
            i = whole[WHICH, lane]
            if i >= 0:
                count[i], place[i] = whole[N, lane], whole[AT, lane]
                value[i, 0], value[i, 1] = state[Z, lane], state[Z + 1, lane]
                for k in range(slopes):
                    slope[i, k] = state[SLOPE + k, lane]
        return True

    return run
