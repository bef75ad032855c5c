"""Perturbation of one point after another, with linear approximation: what is compiled.

A point is its small distance *z* from the value ``Z_j`` of the reference orbit. Where a segment
begins at *j*, the longest one is taken whose radius allows it; else single steps go on to the next
segment. Where the point itself is nearer to the start of the orbit than to ``Z_j``, or the orbit
ends, it goes on from the start of the orbit. So nothing cancels, and no reference is a bad one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep import matrices, series
from fraktal_kernel.fractals.deep.kinds import Map, is_holomorphic
from fraktal_kernel.fractals.deep.maps import first_of, turned_of
from fraktal_kernel.fractals.deep.rows import (
    APPLIED,
    BEGIN,
    DONE,
    DOWN,
    FIRST_LOOK,
    INSIDE,
    LENGTH,
    NEXT_LOOK,
    POINT,
    RADIUS,
    RUN,
    SAME,
    SCALE,
    SEGMENTS,
    STEPS,
    UP,
    WIDER,
    ZI,
    ZR,
)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _larger(x: float, y: float) -> float:
    x, y = abs(x), abs(y)
    return x if x > y else y


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _part(g: Any, at: int) -> Any:
    """Load what is applied."""
    k = APPLIED
    return (
        *(g[at, k], g[at, k + 1], g[at, k + 2], g[at, k + 3]),
        *(g[at, k + 4], g[at, k + 5], g[at, k + 6], g[at, k + 7]),
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _root(roots: Any, reach: Any, size: float) -> Any:
    """Give the longest root that surely holds, or else the shortest; a longer one may hold, too."""
    last = roots.shape[0] - 1
    k = 0
    while k < last and not size < reach[k]:
        k += 1
    return roots[k]


def slopes_of(kind: Map) -> Any:
    """Make what loads and stores a derivative, adds that of c to it, and enlarges it."""
    if is_holomorphic(kind):

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def load(a: Any, i: int) -> Any:
            return a[i, 0], a[i, 1]

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def store(a: Any, i: int, s: Any) -> None:
            a[i, 0], a[i, 1] = s[0], s[1]

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def plus_pixel(s: Any, p: float) -> Any:
            return s[0] + p, s[1]

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def enlarged(s: Any, f: float) -> Any:
            return s[0] * f, s[1] * f

    else:

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def load(a: Any, i: int) -> Any:
            return a[i, 0], a[i, 1], a[i, 2], a[i, 3]

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def store(a: Any, i: int, s: Any) -> None:
            a[i, 0], a[i, 1], a[i, 2], a[i, 3] = s[0], s[1], s[2], s[3]

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def plus_pixel(s: Any, p: float) -> Any:
            return s[0] + p, s[1], s[2], s[3] + p

        @njit(error_model="numpy")  # type: ignore[untyped-decorator]
        def enlarged(s: Any, f: float) -> Any:
            return s[0] * f, s[1] * f, s[2] * f, s[3] * f

    return load, store, plus_pixel, enlarged


def walk(kind: Map, derivative: bool) -> Callable[..., bool]:
    """Make the function that walks points of a map, with or without their derivative."""
    first, turned = first_of(kind), turned_of(kind)
    tables = series if is_holomorphic(kind) else matrices
    applied, sloped = tables.applied, tables.sloped
    load, store, plus_pixel, enlarged = slopes_of(kind)

    def run(
        orbit: Any,
        segments: Any,
        links: Any,
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
        counters: Any,
        budget: int,
    ) -> bool:
        """Walk points until they have left or ``max_iter`` steps are done.

        Parameters
        ----------
        orbit : Z, float64 [n + 1, 2]
        segments, links : the segments of all stages
        roots, reach : for each stage, the coarsest first, which segment begins at 0, and up to
            which size of z it surely holds
        plane : of pixel [0, 0] from the reference in pixels; matrix of the view; size of a pixel;
            square of the escape radius; size of z below which `far` takes over
        width : of the picture in pixels
        points : which pixels, ``row * width + column``
        max_iter : give up after so many steps
        count, place : for each point: steps so far, and the segment where it goes on. After the
            walk `DONE` stands there, and `INSIDE` as the count if it never left; else the point
            is too small for this walk
        value, slope : for each point: z (the difference from the orbit before the walk, all of
            it after), and its derivative by the point, per pixel
        counters : steps, segments, points done so far
        budget : return after so many steps and segments, done or not

        Returns
        -------
        whether all points are done
        """
        pixel, radius2, smallest = plane[6], plane[7], plane[8]
        steps, taken = counters[STEPS], counters[SEGMENTS]
        while counters[POINT] < points.shape[0]:
            i = counters[POINT]
            point = points[i]
            at = place[i]
            if at < 0:
                counters[POINT] += 1
                continue
            row, column = point // width, point % width
            u, v = column + plane[0], plane[1] - row
            dr = plane[2] * u + plane[3] * v
            di = plane[4] * u + plane[5] * v
            cr, ci = pixel * dr, pixel * di
            n = count[i]
            zr, zi = value[i, 0], value[i, 1]
            pr, pi = zr, zi
            s = load(slope, i)
            left = small = False
            # What an orbit inside comes back to; it is looked at where it is near 0 (Brent).
            kept_r, kept_i, wait, looks, due = float("inf"), 0.0, FIRST_LOOK, 0, 1
            j = links[at, BEGIN]
            while True:
                if steps + taken >= budget:
                    count[i], place[i] = n, at
                    value[i, 0], value[i, 1] = zr, zi
                    store(slope, i, s)
                    counters[STEPS], counters[SEGMENTS] = steps, taken
                    return False
                # Take the longest segment that holds, and go on while one holds.
                while True:
                    scale = segments[at, SCALE]
                    yr, yi = first(segments[at, ZR], segments[at, ZI], scale * zr, scale * zi)
                    size = _larger(yr, yi)
                    if not size < segments[at, RADIUS]:
                        if links[at, DOWN] < 0:
                            break
                        at = links[at, DOWN]
                        continue
                    if size < segments[at, WIDER]:
                        at = links[at, UP]
                        continue
                    if n + links[at, LENGTH] > max_iter:
                        n = max_iter + 1
                        break
                    n += links[at, LENGTH]
                    taken += 1
                    if derivative:
                        # The derivative of the first step is at the scale of the segment.
                        pr, pi = segments[at, ZR] + scale * zr, segments[at, ZI] + scale * zi
                        s = sloped(_part(segments, at), yr, yi, turned(pr, pi, enlarged(s, scale)))
                    zr, zi = applied(_part(segments, at), yr, yi, dr, di)
                    at += 1
                    j = links[at, BEGIN]
                    pr, pi = orbit[j, 0] + zr, orbit[j, 1] + zi
                    ended = links[at, LENGTH] == 0
                    if ended or _larger(pr, pi) < _larger(zr, zi):
                        # Only at its last value may the orbit itself be so far out.
                        left = pr * pr + pi * pi > radius2
                        if left:
                            break
                        zr, zi = pr, pi
                        size = _larger(zr, zi)
                        j, at = 0, _root(roots, reach, size)
                        small = size < smallest
                        wait -= 1
                        if wait == 0:
                            wait = NEXT_LOOK
                            if _larger(zr - kept_r, zi - kept_i) <= SAME * size:
                                n = max_iter + 1
                            looks += 1
                            if looks == due:
                                kept_r, kept_i, due = zr, zi, 2 * due
                        if small or n > max_iter:
                            break
                if left or small or n > max_iter:
                    break
                # Single steps to where longer segments begin, too: until then none hardly holds.
                at = links[at, RUN]
                end = links[at, BEGIN]
                while j < end:
                    if n >= max_iter:
                        n = max_iter + 1
                        break
                    if derivative:
                        s = plus_pixel(turned(orbit[j, 0] + zr, orbit[j, 1] + zi, s), pixel)
                    yr, yi = first(orbit[j, 0], orbit[j, 1], zr, zi)
                    zr, zi = yr + cr, yi + ci
                    j += 1
                    n += 1
                    steps += 1
                    pr, pi = orbit[j, 0] + zr, orbit[j, 1] + zi
                    if pr * pr + pi * pi > radius2:
                        left = True
                        break
                    ended = j == end and links[at, LENGTH] == 0
                    if ended or _larger(pr, pi) < _larger(zr, zi):
                        zr, zi = pr, pi
                        size = _larger(zr, zi)
                        j, at = 0, _root(roots, reach, size)
                        small = size < smallest
                        wait -= 1
                        if wait == 0:
                            wait = NEXT_LOOK
                            if _larger(zr - kept_r, zi - kept_i) <= SAME * size:
                                n = max_iter + 1
                            looks += 1
                            if looks == due:
                                kept_r, kept_i, due = zr, zi, 2 * due
                        break
                if left or small or n > max_iter:
                    break
            count[i] = n
            value[i, 0], value[i, 1] = pr, pi  # after a return to the start, z itself
            store(slope, i, s)
            if left:
                place[i] = DONE
            elif small:
                place[i] = at
            else:
                count[i], place[i] = INSIDE, DONE
            counters[POINT] += 1
            counters[STEPS], counters[SEGMENTS] = steps, taken
        return True

    return run
