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

# Columns of the segments: 2**s * Z, 2**s, radius; then what `series` or `matrices` apply.
ZR, ZI, SCALE, RADIUS = range(4)
# Columns of their links: the segment of the next stage that begins here, of the stage below,
# length, where it begins.
UP, DOWN, LENGTH, BEGIN = range(4)
# Places in the array of counters.
STEPS, SEGMENTS, POINT = range(3)
# What stands in place of a segment, and of a count, when a point is done.
DONE, INSIDE = -1, -1
# An orbit that comes back so near, compared with its size, has been caught.
_SAME = 1e-13


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _larger(x: float, y: float) -> float:
    x, y = abs(x), abs(y)
    return x if x > y else y


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
        roots : for each stage, the coarsest first, which segment begins at 0
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
            kept_r, kept_i, returns, due = float("inf"), 0.0, 0, 1
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
                    if not _larger(yr, yi) < segments[at, RADIUS]:
                        if links[at, DOWN] < 0:
                            break
                        at = links[at, DOWN]
                        continue
                    # Longer ones that begin here may hold as well.
                    up = links[at, UP]
                    while up >= 0:
                        scale = segments[up, SCALE]
                        xr, xi = first(segments[up, ZR], segments[up, ZI], scale * zr, scale * zi)
                        if not _larger(xr, xi) < segments[up, RADIUS]:
                            break
                        at = up
                        yr, yi = xr, xi
                        up = links[at, UP]
                    if n + links[at, LENGTH] > max_iter:
                        n = max_iter + 1
                        break
                    n += links[at, LENGTH]
                    taken += 1
                    if derivative:
                        # The derivative of the first step is at the scale of the segment.
                        scale = segments[at, SCALE]
                        pr, pi = segments[at, ZR] + scale * zr, segments[at, ZI] + scale * zi
                        s = sloped(segments, at, yr, yi, turned(pr, pi, enlarged(s, scale)))
                    zr, zi = applied(segments, at, yr, yi, dr, di)
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
                        j = 0
                        at = roots[0]
                        small = _larger(zr, zi) < smallest
                        if _larger(zr - kept_r, zi - kept_i) <= _SAME * _larger(zr, zi):
                            n = max_iter + 1
                        returns += 1
                        if returns == due:
                            kept_r, kept_i, due = zr, zi, 2 * due
                        if small or n > max_iter:
                            break
                if left or small or n > max_iter:
                    break
                # Single steps to where the next segment begins.
                end = j + links[at, LENGTH]
                at += 1
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
                        j, at = 0, roots[0]
                        small = _larger(zr, zi) < smallest
                        if _larger(zr - kept_r, zi - kept_i) <= _SAME * _larger(zr, zi):
                            n = max_iter + 1
                        returns += 1
                        if returns == due:
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
