"""Formulas written twice, as tapes and in plain complex numbers, and walks that hide nothing."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from fraktal_kernel.fractals.formulas.tape import Body as Writer
from fraktal_kernel.fractals.formulas.tape import Tape
from fraktal_kernel.fractals.lanes.body import Body
from fraktal_kernel.fractals.lanes.fill import Slopes
from fraktal_kernel.fractals.lanes.task import Task

Step = Callable[[complex, complex, complex], complex]


class Complex:
    """A complex number of two nodes of a tape in the making."""

    def __init__(self, writer: Writer, re: int, im: int) -> None:
        self.w, self.re, self.im = writer, re, im

    def of(self, other: Any) -> Complex:
        """Take a number, too."""
        if isinstance(other, Complex):
            return other
        number = complex(other)
        return Complex(self.w, self.w.const(number.real), self.w.const(number.imag))

    def __add__(self, other: Any) -> Complex:
        b = self.of(other)
        return Complex(self.w, self.w.add(self.re, b.re), self.w.add(self.im, b.im))

    def __sub__(self, other: Any) -> Complex:
        b = self.of(other)
        return Complex(self.w, self.w.sub(self.re, b.re), self.w.sub(self.im, b.im))

    def __mul__(self, other: Any) -> Complex:
        b, m = self.of(other), self.w.mul
        re = self.w.sub(m(self.re, b.re), m(self.im, b.im))
        return Complex(self.w, re, self.w.add(m(self.re, b.im), m(self.im, b.re)))

    def __truediv__(self, other: Any) -> Complex:
        b, m = self.of(other), self.w.mul
        size = self.w.add(m(b.re, b.re), m(b.im, b.im))
        top = self * Complex(self.w, b.re, self.w.neg(b.im))
        return Complex(self.w, self.w.div(top.re, size), self.w.div(top.im, size))

    __radd__, __rmul__ = __add__, __mul__

    def folded(self) -> Complex:
        """Give both parts without signs."""
        return Complex(self.w, self.w.abs(self.re), self.w.abs(self.im))

    def exp(self) -> Complex:
        """Give the exponential."""
        size = self.w.call("exp", self.re)
        cos, sin = self.w.call("cos", self.im), self.w.call("sin", self.im)
        return Complex(self.w, self.w.mul(size, cos), self.w.mul(size, sin))


INPUTS = ("zr", "zi", "cr", "ci")


def taped(function: Any, inputs: tuple[str, ...] = INPUTS) -> Tape:
    """Write down a function of complex numbers, each of two inputs."""
    writer = Writer(inputs)
    pairs = zip(inputs[::2], inputs[1::2], strict=True)
    results = function(*[Complex(writer, writer.input(a), writer.input(b)) for a, b in pairs])
    if not isinstance(results, tuple):
        results = (results,)
    return writer.tape([node for value in results for node in (value.re, value.im)])


@dataclass(frozen=True)
class Plain:
    """A formula that is known in both ways."""

    body: Body
    step: Step  # of z, c and the z before
    start: Callable[[complex], complex] = lambda c: 0j
    slopes: Slopes | None = None
    partial: Any = None  # of z, c: derivatives by z and by c
    width: float = 4.0
    centre: complex = 0j
    degree: float = 2.0

    def task(self, size: tuple[int, int], max_iter: int = 200, **options: Any) -> Task:
        """Look at the whole of it."""
        given = {"centre": self.centre, "pixel": self.width / size[0], "degree": self.degree}
        return Task(self.body, size=size, max_iter=max_iter, **given | options)


def made(function: Any, *, start: Any = None, remembers: bool = False, **options: Any) -> Body:
    """Make the body of a function of z, c and perhaps the z before."""
    inputs = (*INPUTS, "previousr", "previousi") if remembers else INPUTS
    start_tape = taped(start or (lambda c: c * 0), ("cr", "ci"))
    return Body(taped(function, inputs), start_tape, **options)


def complex_slopes(function: Any, start: Any = None) -> Slopes:
    """Make slopes from a function that gives the derivatives by z and by c."""
    return Slopes(taped(function), taped(start, ("cr", "ci")) if start else None)


def _ship_jacobian() -> Tape:
    w = Writer(INPUTS)
    zr, zi = w.input("zr"), w.input("zi")
    sx, sy = w.call("copysign", w.const(2), zr), w.call("copysign", w.const(2), zi)
    ax, ay = w.abs(zr), w.abs(zi)
    one, zero = w.const(1), w.const(0)
    by_z = [w.mul(sx, ax), w.neg(w.mul(sy, ay)), w.mul(sx, ay), w.mul(sy, ax)]
    return w.tape([*by_z, one, zero, zero, one])


FORMULAS: dict[str, Plain] = {
    "quadratic": Plain(
        made(lambda z, c: z * z + c),
        lambda z, c, p: z * z + c,
        slopes=complex_slopes(lambda z, c: (z * 2, z * 0 + 1)),
        partial=lambda z, c: (2 * z, 1),
        centre=-0.5 + 0.1j,
    ),
    "cubic": Plain(
        made(lambda z, c: z * z * z + c * z + 0.3, start=lambda c: c * 0 + 0.1),
        lambda z, c, p: z * z * z + c * z + 0.3,
        start=lambda c: 0.1 + 0j,
        slopes=complex_slopes(lambda z, c: (z * z * 3 + c, z)),
        partial=lambda z, c: (3 * z * z + c, z),
        degree=3.0,
    ),
    "lambda": Plain(
        made(lambda z, c: c * z * (z * -1 + 1), start=lambda c: c * 0 + 0.5, checked=True),
        lambda z, c, p: c * z * (1 - z),
        start=lambda c: 0.5 + 0j,
        slopes=complex_slopes(lambda z, c: (c * (z * -2 + 1), z * (z * -1 + 1))),
        partial=lambda z, c: (c * (1 - 2 * z), z * (1 - z)),
        centre=1 + 0.1j,
        width=7.0,
    ),
    "start in c": Plain(
        made(lambda z, c: z * z + c, start=lambda c: c * c * 0.5),
        lambda z, c, p: z * z + c,
        start=lambda c: 0.5 * c * c,
        slopes=complex_slopes(lambda z, c: (z * 2, z * 0 + 1), start=lambda c: c),
        partial=lambda z, c: (2 * z, 1),
    ),
    "inverse square": Plain(
        made(
            lambda z, c: (z * 0 + 1) / (z * z) + c,
            start=lambda c: c * 0 + 1,
            checked=True,
        ),
        lambda z, c, p: 1 / (z * z) + c,
        start=lambda c: 1 + 0j,
    ),
    "newton": Plain(
        made(
            lambda z, c: z - (z * z * z - 1) / (z * z * 3),
            start=lambda c: c,
            escapes=False,
            converges=True,
        ),
        lambda z, c, p: z - (z * z * z - 1) / (3 * z * z),
        start=lambda c: c,
        centre=0.05 + 0.02j,
    ),
    "magnet": Plain(
        made(
            lambda z, c: ((z * z + c - 1) / (z * 2 + c - 2)) * ((z * z + c - 1) / (z * 2 + c - 2)),
            converges=True,
            checked=True,
        ),
        lambda z, c, p: ((z * z + c - 1) / (2 * z + c - 2)) ** 2,
        centre=1.5 + 0.1j,
        width=6.0,
    ),
    "phoenix": Plain(
        made(lambda z, c, p: z * z + c + p * -0.5, remembers=True),
        lambda z, c, p: z * z + c - 0.5 * p,
    ),
    "ship": Plain(
        made(lambda z, c: z.folded() * z.folded() + c),
        lambda z, c, p: complex(abs(z.real), abs(z.imag)) ** 2 + c,
        slopes=Slopes(_ship_jacobian(), folds=True),
        centre=-0.5 - 0.4j,
    ),
    "exponential": Plain(
        made(lambda z, c: z.exp() * c, checked=True),
        lambda z, c, p: cmath.exp(z) * c if z.real < 700 else complex(math.inf, 0),
        degree=0.0,
    ),
}


def points_of(task: Task) -> np.ndarray:
    """Give the points of a picture."""
    width, height = task.size
    u = task.place[0] + np.arange(width) - (width - 1) / 2
    v = (task.place[1] + (height - 1) / 2 - np.arange(height))[:, None]
    a, b, c, d = task.matrix
    return task.centre + task.pixel * ((a * u + b * v) + 1j * (c * u + d * v))


def orbit(plain: Plain, point: complex, task: Task) -> tuple[int | None, list[complex]]:
    """Walk one point: the step at which it ends, if it does, and all its z."""
    c = point if task.seed is None else task.seed
    z, before = (plain.start(c), 0j) if task.seed is None else (point, 0j)
    zs = [z]
    for n in range(task.max_iter + 1):
        if plain.body.escapes and not abs(z) <= task.radius:
            return n, zs
        if plain.body.converges and n > 0 and abs(z - zs[-2]) < task.epsilon:
            return n, zs
        if n == task.max_iter:
            break
        try:
            z, before = plain.step(z, c, before), z
        except (ZeroDivisionError, OverflowError):
            z, before = complex(math.inf, math.nan), z
        zs.append(z)
    return None, zs


def counted(plain: Plain, task: Task) -> tuple[np.ndarray, np.ndarray, list[list[list[complex]]]]:
    """Walk a whole picture: counts (-1 inside), continuous counts, orbits."""
    points = points_of(task)
    n = np.full(points.shape, -1)
    smooth = np.full(points.shape, np.nan)
    orbits: list[list[list[complex]]] = []
    for row, line in enumerate(points):
        orbits.append([])
        for column, point in enumerate(line):
            end, zs = orbit(plain, complex(point), task)
            orbits[-1].append(zs)
            if end is not None:
                n[row, column] = end
                smooth[row, column] = continuous(zs, end, task)
    return n, smooth, orbits


def continuous(zs: list[complex], n: int, task: Task) -> float:
    """Give the continuous count of an orbit that ended."""
    size = abs(zs[n])
    if size > task.radius:
        if not task.degree > 1 or not math.isfinite(size):
            return float(n)
        power = math.log(math.log(size) / math.log(2)) / math.log(task.degree)
        return max(0.0, n + 1 - power)
    if math.isnan(size) or n < 2 or abs(zs[n - 1] - zs[n - 2]) >= 1:
        return float(n)
    before, after = abs(zs[n - 1] - zs[n - 2]), abs(zs[n] - zs[n - 1])
    if after == 0:
        return n - 1.0
    part = math.log(math.log(task.epsilon) / math.log(before))
    return n - 1 + part / math.log(math.log(after) / math.log(before))


def fields_of(zs: list[complex], n: int) -> dict[str, complex]:
    """Give the fields of an orbit that follow from its z alone, each from its definition."""
    z = zs[n]
    out: dict[str, complex] = {"z": z, "angle": cmath.phase(z) / (2 * math.pi)}
    sizes = [abs(value) for value in zs[1 : n + 1]]
    out["trap_point"] = min(sizes, default=math.inf)
    out["trap_cross"] = min(
        (min(abs(v.real), abs(v.imag)) for v in zs[1 : n + 1]), default=math.inf
    )
    out["trap_circle"] = min((abs(size - 1) for size in sizes), default=math.inf)
    out["atom"] = 1 + sizes.index(min(sizes)) if sizes else 0
    return out


def averages_of(task: Task, c: complex, zs: list[complex], n: int) -> dict[str, float]:
    """Give the two averages of an orbit that left."""
    stripes, triangles = [], []
    for z in zs[1 : n + 1]:
        stripes.append(0.5 + 0.5 * math.sin(4 * cmath.phase(z)) if z else 0.5)
        # Far outside these differ in digits that float64 has not.
        with localcontext(prec=60):
            x, y, u, v = map(Decimal, (z.real, z.imag, c.real, c.imag))
            rest, size = ((x - u) ** 2 + (y - v) ** 2).sqrt(), (u * u + v * v).sqrt()
            low, high = abs(rest - size), rest + size
            term = ((x * x + y * y).sqrt() - low) / (high - low) if high > low else 0
        triangles.append(float(term))
    size = abs(zs[n])
    part = 1 - math.log(math.log(size) / math.log(task.radius)) / math.log(task.degree)
    part = min(1.0, max(0.0, part))
    out = {}
    for name, terms in (("stripe", stripes), ("triangle", triangles)):
        whole = sum(terms) / max(n, 1)
        before = sum(terms[:-1]) / max(n - 1, 1)
        out[name] = before + part * (whole - before)
    return out


def slope_of(plain: Plain, task: Task, point: complex, zs: list[complex], n: int) -> complex:
    """Give the derivative of the last z by the point, per pixel, by the chain rule."""
    c = point if task.seed is None else task.seed
    h = 1e-6
    d = 1 + 0j if task.seed else (plain.start(c + h) - plain.start(c - h)) / (2 * h)
    for z in zs[:n]:
        by_z, by_c = plain.partial(z, c)
        d = by_z * d + (0 if task.seed else by_c)
    return d * task.pixel
