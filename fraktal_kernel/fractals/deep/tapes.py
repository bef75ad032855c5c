"""Perturbation of any polynomial formula: what is compiled from its tapes.

The state of a point is its small distance from the reference orbit: z alone, or z and the z before
where the formula reads that, too. A segment of the orbit (`chains`) begins with a step that is done
exactly, by the tape of differences; the rest is linear. Numbers carry exponents of their own while
they are too small for float64 (the first part of each walk in a deep view).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.scaled import plus as matrix_plus
from fraktal_kernel.fractals.deep.scaled import power, settled
from fraktal_kernel.fractals.deep.scaled import times as matrix_times
from fraktal_kernel.fractals.deep.walk import (
    BEGIN,
    DOWN,
    INSIDE,
    LENGTH,
    POINT,
    SEGMENTS,
    STEPS,
    UP,
)
from fraktal_kernel.fractals.formulas import emit
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.reference.extended import NONE, below, normal, plus, times

# What is kept of each point: sums and last terms of averages, nearest approaches, its step.
STRIPE, STRIPE_TERM, TRIANGLE, TRIANGLE_TERM, POINT2, CROSS, OUT2, IN2, ATOM = range(9)
# Places in the plane: of pixel [0, 0] in pixels; matrix of the view; size of a pixel in c and in
# z_0, mantissas in a deep view; square of the escape radius; C; the
# matrix by which z_0 follows the pixel.
CORNER, MATRIX, PIXEL, PIXEL_Z, RADIUS2, C, START = 0, 2, 6, 7, 8, 9, 11
# An orbit that comes back so near, compared with its size, has been caught.
_SAME = 1e-13
_STEP = (
    *("Zr", "Zi", "PREVIOUSr", "PREVIOUSi", "zr", "zi", "previousr", "previousi"),
    *("Cr", "Ci", "cr", "ci", "origin()r", "origin()i"),
)
_SLOPES = (
    *("zr", "zi", "previousr", "previousi", "cr", "ci"),
    *("origin()r", "origin()i", "slope()r", "slope()i"),
)


def _adapted(tape: Tape, names: Sequence[str], parameters: Sequence[str]) -> Any:
    """Make a function of the named numbers and an array of parameters that runs a tape."""
    inputs = [
        f"p[{parameters.index(name)}]" if name in parameters else f"a{names.index(name)}"
        for name in tape.inputs
    ]
    given = ", ".join(f"a{k}" for k in range(len(names)))
    source = f"def adapted({given}, p):\n    return body({', '.join(inputs)})"
    namespace: dict[str, Any] = {"body": emit.scalar(tape)}
    exec(source, namespace)
    return njit(namespace["adapted"], error_model="numpy")


def _adapted_far(
    tape: Tape, names: Sequence[str], parameters: Sequence[str], folds: bool | None = None
) -> Any:
    """Make the same for numbers with exponents: the function takes a tuple of pairs.

    With ``folds``, the results are derivatives, which it gives as matrices.
    """
    inputs = [
        f"*normal(p[{parameters.index(name)}], 0)"
        if name in parameters
        else f"a[{names.index(name)}][0], a[{names.index(name)}][1]"
        for name in tape.inputs
    ]
    lines, given = ["def adapted(a, p):"], []
    for k, text in enumerate(inputs):
        if text.startswith("*"):
            lines.append(f"    m{k}, e{k} = {text[1:]}")
            text = f"m{k}, e{k}"
        given.append(text)
    lines.append(f"    r = body({', '.join(given)})")
    many = 2 * len(tape.outputs)
    if folds is None:
        lines.append("    return r")
    else:
        places = [range(k, k + 8) for k in range(0, many, 8)]
        parts = [", ".join(f"r[{k}]" for k in place) for place in places]
        if not folds:
            places = [range(k, k + 4) for k in range(0, many, 4)]
            parts = ["r[{0}], r[{1}], -r[{2}], r[{3}], r[{2}], r[{3}], r[{0}], r[{1}]".format(*at)
                     for at in places]  # fmt: skip
        lines.append("    return (" + ", ".join(f"matrix({part})" for part in parts) + ",)")
    functions = {"plus": plus, "times": times, "diffabs": _diffabs, "constant": _constant}
    body = emit.extended(tape, tape.inputs, functions)
    namespace: dict[str, Any] = {"body": body, "normal": normal, "matrix": _of_pairs}
    exec("\n".join(lines), namespace)
    return njit(namespace["adapted"], error_model="numpy")


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _constant(value: float) -> Any:
    return normal(value, 0)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _diffabs(x: float, ex: int, d: float, ed: int) -> Any:
    """Give ``|X + x| - |X|`` without cancellation."""
    if x < 0.0:
        x, d = -x, -d
    s, es = plus(x, ex, d, ed)
    if s >= 0.0:
        return d, ed
    s, es = plus(s, es, x, ex)
    return -s, es


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _larger(x: float, y: float) -> float:
    x, y = abs(x), abs(y)
    return x if x > y else y


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _of_pairs(a: float, ea: int, b: float, eb: int, c: float, ec: int, d: float, ed: int) -> Any:
    """Bring four numbers to one exponent."""
    e = max(max(ea, eb), max(ec, ed))
    if e == NONE:
        return 0.0, 0.0, 0.0, 0.0, NONE
    return settled(
        a * power(ea - e if a != 0.0 else 0),
        b * power(eb - e if b != 0.0 else 0),
        c * power(ec - e if c != 0.0 else 0),
        d * power(ed - e if d != 0.0 else 0),
        e,
    )


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _added(a: Any, b: Any) -> Any:
    """Add two vectors of four with exponents."""
    return matrix_plus(a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2], b[3], b[4])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _multiplied(a: Any, b: Any) -> Any:
    """Multiply two matrices with exponents."""
    return matrix_times(a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2], b[3], b[4])


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
    step = _adapted(perturbed, _STEP, parameters)
    slopes = _adapted(jacobian, _SLOPES, parameters)
    step_far = _adapted_far(perturbed, _STEP, parameters)
    slopes_far = _adapted_far(jacobian, _SLOPES, parameters, folds)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def turned(f: Any, s: Any, p: float) -> Any:
        """Carry the derivative by the pixel through a step."""
        if folds:
            a, b, c, d, e0, e1, e2, e3 = f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
        else:
            a, b, c, d, e0, e1, e2, e3 = f[0], -f[1], f[1], f[0], f[2], -f[3], f[3], f[2]
        z0, z1 = a * s[0] + b * s[2] + e0 * p, a * s[1] + b * s[3] + e1 * p
        z2, z3 = c * s[0] + d * s[2] + e2 * p, c * s[1] + d * s[3] + e3 * p
        if order == 4:
            if folds:
                a, b, c, d = f[8], f[9], f[10], f[11]
            else:
                a, b, c, d = f[4], -f[5], f[5], f[4]
            z0, z1 = z0 + a * s[4] + b * s[6], z1 + a * s[5] + b * s[7]
            z2, z3 = z2 + c * s[4] + d * s[6], z3 + c * s[5] + d * s[7]
        return z0, z1, z2, z3, s[0], s[1], s[2], s[3]

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def applied(g: Any, at: int, y0: float, y1: float, y2: float, y3: float, d0: float, d1: float,
                ) -> Any:  # fmt: skip
        """Give ``A y + B d`` for the segment in row ``at``."""
        if order == 2:
            return (
                g[at, 1] * y0 + g[at, 2] * y1 + (g[at, 5] * d0 + g[at, 6] * d1),
                g[at, 3] * y0 + g[at, 4] * y1 + (g[at, 7] * d0 + g[at, 8] * d1),
                0.0,
                0.0,
            )
        r0 = g[at, 1] * y0 + g[at, 2] * y1 + g[at, 3] * y2 + g[at, 4] * y3
        r1 = g[at, 5] * y0 + g[at, 6] * y1 + g[at, 7] * y2 + g[at, 8] * y3
        r2 = g[at, 9] * y0 + g[at, 10] * y1 + g[at, 11] * y2 + g[at, 12] * y3
        r3 = g[at, 13] * y0 + g[at, 14] * y1 + g[at, 15] * y2 + g[at, 16] * y3
        return (
            r0 + (g[at, 17] * d0 + g[at, 18] * d1),
            r1 + (g[at, 19] * d0 + g[at, 20] * d1),
            r2 + (g[at, 21] * d0 + g[at, 22] * d1),
            r3 + (g[at, 23] * d0 + g[at, 24] * d1),
        )

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def stretched(g: Any, at: int, s: Any, p: float) -> Any:
        """Give ``A s + p B`` for a derivative: the columns are those of `applied`."""
        a = applied(g, at, s[0], s[2], s[4], s[6], p, 0.0)
        b = applied(g, at, s[1], s[3], s[5], s[7], 0.0, p)
        return a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]

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
            return _of_pairs(f[0], f[1], f[2], f[3], q[0], q[1], r[0], r[1])
        return _of_pairs(f[0], f[1], f[2], f[3], 0.0, NONE, 0.0, NONE)

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def turned_far(orbit: Any, orbit_e: Any, j: int, fresh: bool, z: Any, c: Any, plane: Any,
                   o: Any, numbers: Any, s: Any, t: Any, pixel_e: int) -> Any:  # fmt: skip
        """Carry the derivatives of z and of the z before through a step, with exponents."""
        w = _added((orbit[j, 0], orbit[j, 1], 0.0, 0.0, orbit_e[j]), z)
        q = z
        if order == 4 and not fresh:
            q = _added((0.0, 0.0, orbit[j - 1, 0], orbit[j - 1, 1], orbit_e[j - 1]), z)
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
        new = _multiplied(f[0], s)
        by_c = f[1]
        if plane[PIXEL] != 0.0:
            m, e = plane[PIXEL], pixel_e + by_c[4]
            new = _added(new, settled(by_c[0] * m, by_c[1] * m, by_c[2] * m, by_c[3] * m, e))
        if order == 4:
            new = _added(new, _multiplied(f[2], t))
        return new, s

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def applied_far(g: Any, e: Any, at: int, y: Any, c: Any) -> Any:
        """Give ``A y + B c`` with exponents."""
        a = applied(g, at, y[0], y[1], y[2], y[3], 0.0, 0.0)
        b = applied(g, at, 0.0, 0.0, 0.0, 0.0, c[0], c[1])
        first = settled(a[0], a[1], a[2], a[3], e[at, 1] + y[4])
        if c[0] == 0.0 and c[1] == 0.0:
            return first
        return _added(first, settled(b[0], b[1], b[2], b[3], e[at, 2] + c[2]))

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def origin_at(branch: Any, origins: Any, j: int) -> Any:
        """Give where the reference is counted from, and how the derivative there follows c."""
        k = branch[j]
        return origins[k, 0], origins[k, 1], origins[k, 2], origins[k, 3]

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
                            size = max(_larger(y[0], y[1]), _larger(y[2], y[3]))
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
                                    sz = _added(sz, settled(q[0], q[1], q[2], q[3], e))
                                    sp = _added(sp, settled(q[4], q[5], q[6], q[7], e))
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
                                _keep(kept, i, n, x, w, x * x + w * w,
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
                        near = _added((orbit_m[j, 0], orbit_m[j, 1], 0.0, 0.0, orbit_e[j]), z)
                        if branch[j] != 0:
                            o = origin_at(branch, origins, j)
                            x, w = o[0] - origins[0, 0], o[1] - origins[0, 1]
                            near = _added(near, settled(x, w, 0.0, 0.0, 0))
                        if order == 4:
                            q0, q1, qe = orbit_m[j - 1, 0], orbit_m[j - 1, 1], orbit_e[j - 1]
                            near = _added(near, (0.0, 0.0, q0, q1, qe))
                        a = max(_larger(near[0], near[1]), _larger(near[2], near[3]))
                        b = max(_larger(z[0], z[1]), _larger(z[2], z[3]))
                        if ended or (home_r == 0.0 and home_i == 0.0
                                     and below(a, near[4], b, z[4])):  # fmt: skip
                            hr, hi = orbit_m[home, 0], orbit_m[home, 1]
                            z = _added(near, (-hr, -hi, 0.0, 0.0, orbit_e[home]))
                            j, at = home, home if keeps else root
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
                        size = _larger(zr, zi)
                        if order == 4:
                            size = max(size, _larger(pr, pi))
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
                                if order == 2 and _larger(nr - home_r, ni - home_i) < _larger(
                                    zr, zi
                                ):
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
                        _keep(kept, i, n, x, w, size, plane[C] + cr, plane[C + 1] + ci)
                    if size > radius2:
                        left = True
                        break
                    if left:
                        break
                    if branch[j] != 0:
                        wr, wi = x - origins[0, 0], w - origins[0, 1]
                    near, whole = _larger(wr - home_r, wi - home_i), _larger(zr, zi)
                    br = bi = 0.0
                    if order == 4:
                        br, bi = orbit[j - 1, 0] + pr, orbit[j - 1, 1] + pi
                        near, whole = max(near, _larger(br, bi)), max(whole, _larger(pr, pi))
                    if ended or near < whole:
                        zr, zi, pr, pi = wr - home_r, wi - home_i, br, bi
                        j, at = home, home if keeps else root
                        small = deep and near < smallest
                        if order == 2 and not keeps:
                            # What an orbit inside comes back to is looked at here (Brent).
                            if _larger(zr - kept_r, zi - kept_i) <= _SAME * near:
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


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _keep(kept: Any, i: int, n: int, x: float, y: float, size: float, cr: float, ci: float) -> None:
    """Take one value of an orbit into what is kept; the terms are those of `lanes.tally`."""
    term = 0.5
    if size > 0.0:
        term += 2 * x * y / size * ((x * x - y * y) / size)
    kept[i, STRIPE] += term
    kept[i, STRIPE_TERM] = term
    rest = math.sqrt((x - cr) * (x - cr) + (y - ci) * (y - ci))
    c = math.sqrt(cr * cr + ci * ci)
    low = abs(rest - c)
    wide = rest + c - low
    term = (math.sqrt(size) - low) / wide if wide > 0.0 else 0.0
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
