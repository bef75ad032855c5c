"""Perturbation of any polynomial formula: what is compiled from its tapes.

The state of a point is its small distance from the reference orbit: z alone, or z and the z before
where the formula reads that, too. A segment of the orbit (`chains`) begins with a step that is done
exactly, by the tape of differences; the rest is linear. Numbers carry exponents of their own while
they are too small for float64 (the first part of each walk in a deep view).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.adapted import (
    adapted,
    adapted_far,
    added,
    linear_of,
    multiplied,
    of_pairs,
    origin_at,
    same,
    turned_of,
)
from fraktal_kernel.fractals.deep.kept import keep
from fraktal_kernel.fractals.deep.rows import (
    BEGIN,
    DOWN,
    INSIDE,
    LENGTH,
    POINT,
    SEGMENTS,
    STEPS,
    UP,
)
from fraktal_kernel.fractals.deep.scaled import larger, power, settled
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.reference.extended import NONE, below, normal

# Places in the plane: of pixel [0, 0] in pixels; matrix of the view; size of a pixel in c and in
# z_0, mantissas in a deep view; square of the escape radius; C; the
# matrix by which z_0 follows the pixel.
CORNER, MATRIX, PIXEL, PIXEL_Z, RADIUS2, C, START = 0, 2, 6, 7, 8, 9, 11
# An orbit that comes back so near, compared with its size, has been caught.
_SAME = 1e-13
_SAME_BITS = -round(math.log2(_SAME))
_STEP = (
    *("Zr", "Zi", "PREVIOUSr", "PREVIOUSi", "zr", "zi", "previousr", "previousi"),
    *("Cr", "Ci", "cr", "ci", "origin()r", "origin()i"),
)
_SLOPES = (
    *("zr", "zi", "previousr", "previousi", "cr", "ci"),
    *("origin()r", "origin()i", "slope()r", "slope()i"),
)


def tapes(
    perturbed: Tape,
    jacobian: Tape,
    order: int,
    folds: bool,
    parameters: tuple[str, ...],
    keeps: bool,
    deep: bool,
) -> Callable[..., bool]:
    """Make the kernel of one formula.

    Parameters
    ----------
    perturbed, jacobian : its tapes; ``folds`` says whether derivatives are matrices
    order : 2 where z is the state, 4 where it is z and the z before
    parameters : names of inputs that are parameters
    keeps : whether something is kept of each step, so that none can be skipped
    deep : whether numbers may be too small for float64
    """
    step, slopes = adapted(perturbed, _STEP, parameters), adapted(jacobian, _SLOPES, parameters)
    step_far = adapted_far(perturbed, _STEP, parameters)
    slopes_far = adapted_far(jacobian, _SLOPES, parameters, folds)
    applied, stretched = linear_of(order)
    turned = turned_of(order, folds)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def first_far(orbit: Any, orbit_e: Any, j: int, fresh: bool, z: Any, c: Any, plane: Any,
                  o: Any, numbers: Any) -> Any:  # fmt: skip
        """Give the state after one step, with exponents."""
        pr, pi, pe = 0.0, 0.0, NONE
        if order == 4 and not fresh:
            pr, pi, pe = orbit[j - 1, 0], orbit[j - 1, 1], orbit_e[j - 1]
        e = z[4]
        f = step_far(
            (
                normal(orbit[j, 0], orbit_e[j]),
                normal(orbit[j, 1], orbit_e[j]),
                normal(pr, pe),
                normal(pi, pe),
                normal(z[0], e),
                normal(z[1], e),
                normal(z[2], e),
                normal(z[3], e),
                normal(plane[C], 0),
                normal(plane[C + 1], 0),
                normal(c[0], c[2]),
                normal(c[1], c[2]),
                normal(o[0], 0),
                normal(o[1], 0),
            ),
            numbers,
        )
        if order == 4:
            q, r = normal(z[0], e), normal(z[1], e)
            return of_pairs(f[0], f[1], f[2], f[3], q[0], q[1], r[0], r[1])
        return of_pairs(f[0], f[1], f[2], f[3], 0.0, NONE, 0.0, NONE)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def turned_far(orbit: Any, orbit_e: Any, j: int, fresh: bool, z: Any, c: Any, plane: Any,
                   o: Any, numbers: Any, s: Any, t: Any, pixel_e: int) -> Any:  # fmt: skip
        """Carry the derivatives of z and of the z before through a step, with exponents."""
        w = added((orbit[j, 0], orbit[j, 1], 0.0, 0.0, orbit_e[j]), z)
        q = z
        if order == 4 and not fresh:
            q = added((0.0, 0.0, orbit[j - 1, 0], orbit[j - 1, 1], orbit_e[j - 1]), z)
        a, b = o[2], o[3]
        x, y = a * c[0] - b * c[1], a * c[1] + b * c[0]
        f = slopes_far(
            (
                normal(w[0], w[4]),
                normal(w[1], w[4]),
                normal(q[2], q[4]),
                normal(q[3], q[4]),
                normal(plane[C], 0),
                normal(plane[C + 1], 0),
                normal(o[0], 0),
                normal(o[1], 0),
                normal(x, c[2]),
                normal(y, c[2]),
            ),
            numbers,
        )
        new = multiplied(f[0], s)
        by_c = f[1]
        if plane[PIXEL] != 0.0:
            m, e = plane[PIXEL], pixel_e + by_c[4]
            new = added(new, settled(by_c[0] * m, by_c[1] * m, by_c[2] * m, by_c[3] * m, e))
        if order == 4:
            new = added(new, multiplied(f[2], t))
        return new, s

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def applied_far(g: Any, e: Any, at: int, y: Any, c: Any) -> Any:
        """Give ``A y + B c`` with exponents."""
        a = applied(g, at, y[0], y[1], y[2], y[3], 0.0, 0.0)
        b = applied(g, at, 0.0, 0.0, 0.0, 0.0, c[0], c[1])
        first = settled(a[0], a[1], a[2], a[3], e[at, 1] + y[4])
        if c[0] == 0.0 and c[1] == 0.0:
            return first
        return added(first, settled(b[0], b[1], b[2], b[3], e[at, 2] + c[2]))

    def run(
        orbit: Any,
        orbit_m: Any,
        orbit_e: Any,
        branch: Any,
        origins: Any,
        segments: Any,
        segments_m: Any,
        segments_e: Any,
        links: Any,
        marks: Any,
        plane: Any,
        numbers: Any,
        pixel_e: int,
        smallest_e: int,
        width: int,
        points: Any,
        max_iter: int,
        derivative: bool,
        count: Any,
        place: Any,
        value: Any,
        slope: Any,
        powers: Any,
        kept: Any,
        counters: Any,
        budget: int,
    ) -> bool:
        """Walk points until they have left or ``max_iter`` steps are done.

        Parameters
        ----------
        orbit : Z, counted from where orbits begin, float64 [n, 2]; where the formula drifts or has
            a centre, not from 0
        orbit_m, orbit_e : the same as mantissas and exponents, for deep views
        branch, origins : which row says where each value is counted from; rows of that, and how
            the derivative that vanishes there follows c
        segments : of all stages: radius, A, B for the size of a pixel
        segments_m, segments_e : the same with exponents: of the radius, A, B
        links : of the segments, as in `walk`
        marks : where points go over to: place in the orbit and segment; then the last place of
            each orbit, and where each begins (they lie one after the other)
        plane : see the names of its places
        numbers : parameters of the formula
        pixel_e, smallest_e : exponents of the size of a pixel and of the least z for float64
        derivative : whether derivatives are wanted
        count, place : steps so far; place in the orbit, or the segment (below 0 when done)
        value, slope, powers : z and the z before [4], their derivatives [8], exponents of both
        kept : for each point, what is kept of its orbit
        points, width, max_iter, counters, budget : as in `walk`

        Returns
        -------
        whether all points are done
        """
        home, root = marks[0], marks[1]
        pixel, radius2 = plane[PIXEL], plane[RADIUS2]
        home_r, home_i = orbit[home, 0], orbit[home, 1]
        steps, taken = counters[STEPS], counters[SEGMENTS]
        smallest = power(smallest_e)
        plain_pixel = pixel * power(pixel_e) if deep else pixel
        while counters[POINT] < points.shape[0]:
            i = counters[POINT]
            row, column = points[i] // width, points[i] % width
            u, v = column + plane[CORNER], plane[CORNER + 1] - row
            dr = plane[MATRIX] * u + plane[MATRIX + 1] * v
            di = plane[MATRIX + 2] * u + plane[MATRIX + 3] * v
            n, at = count[i], place[i]
            zr, zi, pr, pi = value[i, 0], value[i, 1], value[i, 2], value[i, 3]
            ze, se = powers[i, 0], powers[i, 1]
            s = (slope[i, 0], slope[i, 1], slope[i, 2], slope[i, 3],
                 slope[i, 4], slope[i, 5], slope[i, 6], slope[i, 7])  # fmt: skip
            if n == 0:
                size = plane[PIXEL_Z]
                a, b = plane[START] * size, plane[START + 1] * size
                c, d = plane[START + 2] * size, plane[START + 3] * size
                zr, zi, pr, pi = a * dr + b * di, c * dr + d * di, 0.0, 0.0
                s = (a, b, c, d, 0.0, 0.0, 0.0, 0.0)
                ze = se = pixel_e if deep else 0
            if pixel == 0.0:
                dr = di = 0.0
            cr, ci = plain_pixel * dr, plain_pixel * di
            j = at if keeps else links[at, BEGIN]
            left = False
            kept_r, kept_i, returns, due = math.inf, 0.0, 0, 1
            held, far_returns, far_due = settled(0.0, 0.0, 0.0, 0.0, 0), 0, 1
            x = w = 0.0
            while True:
                if deep:
                    # The part of the walk with exponents.
                    z = settled(zr, zi, pr, pi, ze)
                    sz = settled(s[0], s[1], s[2], s[3], se)
                    sp = settled(s[4], s[5], s[6], s[7], se)
                    c_far = (plane[PIXEL] * dr, plane[PIXEL] * di, pixel_e)
                    while n < max_iter and z[4] < smallest_e and steps + taken < budget:
                        fresh = j == marks[4] or j == marks[5]
                        o = origin_at(branch, origins, j)
                        y = first_far(orbit_m, orbit_e, j, fresh, z, c_far, plane, o, numbers)
                        chosen = -1
                        if not keeps:
                            size = max(larger(y[0], y[1]), larger(y[2], y[3]))
                            while at >= 0:
                                r, re = segments_m[at, 0], segments_e[at, 0]
                                if re != NONE and below(size, y[4], r, re):
                                    chosen = at
                                    at = links[at, UP]
                                elif chosen >= 0 or links[at, DOWN] < 0:
                                    break
                                else:
                                    at = links[at, DOWN]
                        if derivative:
                            sz, sp = turned_far(orbit_m, orbit_e, j, fresh, z, c_far, plane,
                                                o, numbers, sz, sp, pixel_e)  # fmt: skip
                        ended = False
                        if chosen >= 0:
                            at = chosen
                            if n + links[at, LENGTH] > max_iter:
                                n = max_iter
                                break
                            if derivative:
                                e = max(sz[4], sp[4])
                                f, g = power(sz[4] - e), power(sp[4] - e)
                                q = (sz[0] * f, sz[1] * f, sz[2] * f, sz[3] * f,
                                     sp[0] * g, sp[1] * g, sp[2] * g, sp[3] * g)  # fmt: skip
                                q = stretched(segments_m, at, q, 0.0)
                                sz = settled(q[0], q[1], q[2], q[3], e + segments_e[at, 1])
                                sp = settled(q[4], q[5], q[6], q[7], e + segments_e[at, 1])
                                if pixel != 0.0:
                                    q = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
                                    q = stretched(segments_m, at, q, pixel)
                                    e = segments_e[at, 2] + pixel_e
                                    sz = added(sz, settled(q[0], q[1], q[2], q[3], e))
                                    sp = added(sp, settled(q[4], q[5], q[6], q[7], e))
                            z = applied_far(segments_m, segments_e, at, y, c_far)
                            n += links[at, LENGTH]
                            taken += 1
                            at += 1
                            j = links[at, BEGIN]
                            ended = links[at, LENGTH] == 0
                        else:
                            z = y
                            j += 1
                            n += 1
                            steps += 1
                            if keeps:
                                ended = j == marks[2] or j == marks[3]
                                wr, wi = orbit[j, 0], orbit[j, 1]
                                o = origin_at(branch, origins, j)
                                x, w = wr + o[0], wi + o[1]
                                f = power(z[4])
                                x, w = x + z[0] * f, w + z[1] * f
                                keep(kept, i, n, x, w, x * x + w * w,
                                      plane[C] + cr, plane[C + 1] + ci)  # fmt: skip
                            else:
                                # On to where the next segment begins.
                                end = links[at, BEGIN] + links[at, LENGTH]
                                at += 1
                                while j < end and n < max_iter:
                                    o = origin_at(branch, origins, j)
                                    if derivative:
                                        sz, sp = turned_far(orbit_m, orbit_e, j, False, z, c_far,
                                                            plane, o, numbers, sz, sp,
                                                            pixel_e)  # fmt: skip
                                    z = first_far(orbit_m, orbit_e, j, False, z, c_far, plane,
                                                  o, numbers)  # fmt: skip
                                    j += 1
                                    n += 1
                                    steps += 1
                                ended = links[at, LENGTH] == 0
                        near = added((orbit_m[j, 0], orbit_m[j, 1], 0.0, 0.0, orbit_e[j]), z)
                        if branch[j] != 0:
                            o = origin_at(branch, origins, j)
                            x, w = o[0] - origins[0, 0], o[1] - origins[0, 1]
                            near = added(near, settled(x, w, 0.0, 0.0, 0))
                        if order == 4:
                            q0, q1, qe = orbit_m[j - 1, 0], orbit_m[j - 1, 1], orbit_e[j - 1]
                            near = added(near, (0.0, 0.0, q0, q1, qe))
                        a = max(larger(near[0], near[1]), larger(near[2], near[3]))
                        b = max(larger(z[0], z[1]), larger(z[2], z[3]))
                        if ended or (home_r == 0.0 and home_i == 0.0
                                     and below(a, near[4], b, z[4])):  # fmt: skip
                            hr, hi = orbit_m[home, 0], orbit_m[home, 1]
                            z = added(near, (-hr, -hi, 0.0, 0.0, orbit_e[home]))
                            j, at = home, home if keeps else root
                            if order == 2 and not keeps:
                                if same(z, held, _SAME_BITS):
                                    n = max_iter
                                far_returns += 1
                                if far_returns == far_due:
                                    held, far_due = z, 2 * far_due
                    if n >= max_iter:
                        break
                    if steps + taken >= budget:
                        count[i], place[i] = n, j if keeps else at
                        value[i, 0], value[i, 1], value[i, 2], value[i, 3] = z[0], z[1], z[2], z[3]
                        e = max(sz[4], sp[4])
                        f, g = power(sz[4] - e), power(sp[4] - e)
                        powers[i, 0], powers[i, 1] = z[4], e
                        s = (sz[0] * f, sz[1] * f, sz[2] * f, sz[3] * f,
                             sp[0] * g, sp[1] * g, sp[2] * g, sp[3] * g)  # fmt: skip
                        for k in range(8):
                            slope[i, k] = s[k]
                        counters[STEPS], counters[SEGMENTS] = steps, taken
                        return False
                    f = power(z[4])
                    zr, zi, pr, pi = z[0] * f, z[1] * f, z[2] * f, z[3] * f
                    f, g = power(sz[4]), power(sp[4])
                    s = (sz[0] * f, sz[1] * f, sz[2] * f, sz[3] * f,
                         sp[0] * g, sp[1] * g, sp[2] * g, sp[3] * g)  # fmt: skip
                    ze = se = 0
                small = False
                while n < max_iter and not (left or small):
                    if steps + taken >= budget:
                        count[i], place[i] = n, j if keeps else at
                        value[i, 0], value[i, 1], value[i, 2], value[i, 3] = zr, zi, pr, pi
                        powers[i, 0] = powers[i, 1] = 0
                        for k in range(8):
                            slope[i, k] = s[k]
                        counters[STEPS], counters[SEGMENTS] = steps, taken
                        return False
                    fresh = j == marks[4] or j == marks[5]
                    br = bi = 0.0
                    if order == 4 and not fresh:
                        br, bi = orbit[j - 1, 0], orbit[j - 1, 1]
                    o = origin_at(branch, origins, j)
                    if derivative:
                        kr, ki = o[2] * cr - o[3] * ci, o[2] * ci + o[3] * cr
                        wr, wi = orbit[j, 0] + zr, orbit[j, 1] + zi
                        f = slopes(wr, wi, br + pr, bi + pi, plane[C] + cr, plane[C + 1] + ci,
                                   o[0], o[1], kr, ki, numbers)  # fmt: skip
                        s = turned(f, s, plain_pixel)
                    y = step(orbit[j, 0], orbit[j, 1], br, bi, zr, zi, pr, pi,
                             plane[C], plane[C + 1], cr, ci, o[0], o[1], numbers)  # fmt: skip
                    pr, pi, zr, zi = zr, zi, y[0], y[1]
                    ended = False
                    if keeps:
                        j += 1
                        n += 1
                        steps += 1
                        ended = j == marks[2] or j == marks[3]
                    else:
                        size = larger(zr, zi)
                        if order == 4:
                            size = max(size, larger(pr, pi))
                        # Take the longest segment that holds, else a step.
                        while not size < segments[at, 0] and links[at, DOWN] >= 0:
                            at = links[at, DOWN]
                        if size < segments[at, 0]:
                            up = links[at, UP]
                            while up >= 0 and size < segments[up, 0]:
                                at = up
                                up = links[at, UP]
                            if n + links[at, LENGTH] > max_iter:
                                n = max_iter
                                break
                            if derivative:
                                s = stretched(segments, at, s, 1.0)
                            zr, zi, pr, pi = applied(segments, at, zr, zi, pr, pi, dr, di)
                            n += links[at, LENGTH]
                            taken += 1
                            at += 1
                            j = links[at, BEGIN]
                            ended = links[at, LENGTH] == 0
                        else:
                            j += 1
                            n += 1
                            steps += 1
                            # Single steps to where the next segment begins.
                            end = links[at, BEGIN] + links[at, LENGTH]
                            at += 1
                            while j < end and n < max_iter:
                                o = origin_at(branch, origins, j)
                                wr, wi = orbit[j, 0] + zr, orbit[j, 1] + zi
                                x, w = wr + o[0], wi + o[1]
                                if x * x + w * w > radius2:
                                    left = True
                                    break
                                nr = x - origins[0, 0] if branch[j] != 0 else wr
                                ni = w - origins[0, 1] if branch[j] != 0 else wi
                                if order == 2 and larger(nr - home_r, ni - home_i) < larger(zr, zi):
                                    ended = True
                                    break
                                if order == 4:
                                    br, bi = orbit[j - 1, 0], orbit[j - 1, 1]
                                if derivative:
                                    kr, ki = o[2] * cr - o[3] * ci, o[2] * ci + o[3] * cr
                                    f = slopes(wr, wi, br + pr, bi + pi, plane[C] + cr,
                                               plane[C + 1] + ci, o[0], o[1], kr, ki,
                                               numbers)  # fmt: skip
                                    s = turned(f, s, plain_pixel)
                                y = step(orbit[j, 0], orbit[j, 1], br, bi, zr, zi, pr, pi,
                                         plane[C], plane[C + 1], cr, ci, o[0], o[1],
                                         numbers)  # fmt: skip
                                pr, pi, zr, zi = zr, zi, y[0], y[1]
                                j += 1
                                n += 1
                                steps += 1
                            ended = ended or (links[at, LENGTH] == 0 and j >= end)
                    o = origin_at(branch, origins, j)
                    wr, wi = orbit[j, 0] + zr, orbit[j, 1] + zi
                    x, w = wr + o[0], wi + o[1]
                    size = x * x + w * w
                    if keeps:
                        keep(kept, i, n, x, w, size, plane[C] + cr, plane[C + 1] + ci)
                    if size > radius2:
                        left = True
                        break
                    if left:
                        break
                    if branch[j] != 0:
                        wr, wi = x - origins[0, 0], w - origins[0, 1]
                    near, whole = larger(wr - home_r, wi - home_i), larger(zr, zi)
                    br = bi = 0.0
                    if order == 4:
                        br, bi = orbit[j - 1, 0] + pr, orbit[j - 1, 1] + pi
                        near, whole = max(near, larger(br, bi)), max(whole, larger(pr, pi))
                    if ended or near < whole:
                        zr, zi, pr, pi = wr - home_r, wi - home_i, br, bi
                        j, at = home, home if keeps else root
                        small = deep and near < smallest
                        if order == 2 and not keeps:
                            # What an orbit inside comes back to is looked at here (Brent).
                            if larger(zr - kept_r, zi - kept_i) <= _SAME * near:
                                n = max_iter
                            returns += 1
                            if returns == due:
                                kept_r, kept_i, due = zr, zi, 2 * due
                if not small or left:
                    break
            count[i], place[i] = n if left else INSIDE, -1
            value[i, 0], value[i, 1] = x, w
            powers[i, 0] = powers[i, 1] = 0
            for k in range(8):
                slope[i, k] = s[k]
            counters[POINT] += 1
            counters[STEPS], counters[SEGMENTS] = steps, taken
        return True

    return run
