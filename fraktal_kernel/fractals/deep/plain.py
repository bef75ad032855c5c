"""Perturbation step by step, for any polynomial formula and for what sums over a whole orbit.

Slower than segments by far, but it asks nothing of the formula than its tapes: the difference of a
step from the reference's, and its derivatives. The small value is a plain float64 number, so views
must be wider than 1e-270.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import njit

from fraktal_kernel.fractals.deep.walk import INSIDE, POINT, STEPS
from fraktal_kernel.fractals.formulas import emit
from fraktal_kernel.fractals.formulas.tape import Tape

# What is kept of each point: sums and last terms of averages, nearest approaches, its step.
STRIPE, STRIPE_TERM, TRIANGLE, TRIANGLE_TERM, POINT2, CROSS, OUT2, IN2, ATOM = range(9)
KEPT = 9


def _adapted(tape: Tape, names: tuple[str, ...], parameters: tuple[str, ...]) -> Any:
    """Make a function of the named numbers and an array of parameters that runs a tape."""
    inputs = [
        f"p[{parameters.index(name)}]" if name in parameters else name for name in tape.inputs
    ]
    source = f"def adapted({', '.join(names)}, p):\n    return body({', '.join(inputs)})"
    namespace: dict[str, Any] = {"body": emit.scalar(tape)}
    exec(source, namespace)
    return njit(namespace["adapted"], error_model="numpy")


def plain(
    perturbed: Tape, jacobian: Tape, folds: bool, parameters: tuple[str, ...], keeps: bool
) -> Callable[..., bool]:
    """Make the kernel of one formula; ``keeps`` says whether anything is kept of the orbits."""
    step = _adapted(perturbed, ("Zr", "Zi", "zr", "zi", "Cr", "Ci", "cr", "ci"), parameters)
    slopes = _adapted(jacobian, ("zr", "zi", "cr", "ci"), parameters)

    def run(
        orbit: Any,
        plane: Any,
        numbers: Any,
        width: int,
        points: Any,
        max_iter: int,
        derivative: bool,
        count: Any,
        place: Any,
        value: Any,
        slope: Any,
        kept: Any,
        counters: Any,
        budget: int,
    ) -> bool:
        """Walk points until they have left or ``max_iter`` steps are done.

        Parameters
        ----------
        orbit : Z, counted from the centre of the formula, float64 [n + 1, 2]
        plane : as in `walk`; then C, the centre, and the slope of z_0 by c as a matrix
        numbers : parameters of the formula
        derivative : whether derivatives are wanted
        count, place, value, slope : steps so far, place in the orbit (below 0 when done), z (the
            difference, in the end all of it), derivative as a matrix
        kept : for each point, what is kept of its orbit
        points, width, max_iter, counters, budget : as in `walk`

        Returns
        -------
        whether all points are done
        """
        last = orbit.shape[0] - 1
        pixel, radius2 = plane[6], plane[7]
        big_r, big_i, at_r, at_i = plane[9], plane[10], plane[11], plane[12]
        steps = counters[STEPS]
        while counters[POINT] < points.shape[0]:
            i = counters[POINT]
            row, column = points[i] // width, points[i] % width
            u, v = column + plane[0], plane[1] - row
            cr = pixel * (plane[2] * u + plane[3] * v)
            ci = pixel * (plane[4] * u + plane[5] * v)
            n, j = count[i], place[i]
            zr, zi = value[i, 0], value[i, 1]
            s0, s1, s2, s3 = slope[i, 0], slope[i, 1], slope[i, 2], slope[i, 3]
            if n == 0:
                zr, zi = plane[13] * cr + plane[14] * ci, plane[15] * cr + plane[16] * ci
                s0, s1 = plane[13] * pixel, plane[14] * pixel
                s2, s3 = plane[15] * pixel, plane[16] * pixel
            wr, wi = orbit[j, 0] + zr, orbit[j, 1] + zi
            left = False
            while n < max_iter:
                if steps >= budget:
                    count[i], place[i] = n, j
                    value[i, 0], value[i, 1] = zr, zi
                    slope[i, 0], slope[i, 1], slope[i, 2], slope[i, 3] = s0, s1, s2, s3
                    counters[STEPS] = steps
                    return False
                if derivative:
                    f = slopes(wr + at_r, wi + at_i, big_r + cr, big_i + ci, numbers)
                    if folds:
                        a, b, c, d = f[0], f[1], f[2], f[3]
                        e0, e1, e2, e3 = f[4], f[5], f[6], f[7]
                    else:
                        a, b, c, d = f[0], -f[1], f[1], f[0]
                        e0, e1, e2, e3 = f[2], -f[3], f[3], f[2]
                    s0, s2 = a * s0 + b * s2 + e0 * pixel, c * s0 + d * s2 + e2 * pixel
                    s1, s3 = a * s1 + b * s3 + e1 * pixel, c * s1 + d * s3 + e3 * pixel
                zr, zi = step(orbit[j, 0], orbit[j, 1], zr, zi, big_r, big_i, cr, ci, numbers)
                j += 1
                n += 1
                steps += 1
                wr, wi = orbit[j, 0] + zr, orbit[j, 1] + zi
                x, y = wr + at_r, wi + at_i
                size = x * x + y * y
                if keeps:
                    _keep(kept, i, n, x, y, size, big_r + cr, big_i + ci)
                if size > radius2:
                    left = True
                    break
                if j == last or _nearer(wr - orbit[0, 0], wi - orbit[0, 1], zr, zi):
                    zr, zi = wr - orbit[0, 0], wi - orbit[0, 1]
                    j = 0
            count[i], place[i] = n if left else INSIDE, -1
            value[i, 0], value[i, 1] = wr + at_r, wi + at_i
            slope[i, 0], slope[i, 1], slope[i, 2], slope[i, 3] = s0, s1, s2, s3
            counters[POINT] += 1
            counters[STEPS] = steps
        return True

    return run


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _nearer(a: float, b: float, x: float, y: float) -> bool:
    return max(abs(a), abs(b)) < max(abs(x), abs(y))


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
