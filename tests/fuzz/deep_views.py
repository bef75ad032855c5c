"""Hard deep views of every polynomial family, found by chance and held against full precision.

A point is found by halving the way from a point inside to one outside, or as the centre of a small
copy of the set (its period found in the view, then Newton's method). Around it lies a view: turned
or stretched, off the centre, with a reference that leaves early or is exactly inside, on a fold
line, very wide or of a single pixel. The counts of some pixels are compared with the formula's own
step in arithmetic of any precision::

    python -m tests.fuzz.deep_views --seed 1 --views 100

Each view is one line of JSON. A pixel whose true count is another one a millionth of a pixel
beside lies among finer detail than any rounding resolves; it is counted apart from what is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import mpfr

from fraktal_kernel.errors import FraktalError
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.formulas import Formula, formula_of
from fraktal_kernel.fractals.formulas.exact import exact_start, exact_step
from fraktal_kernel.fractals.geometry import matrix_of

Point = tuple[Any, Any]
# Families with parameters, and points inside from which one walks outwards.
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("mandelbrot", {}),
    *(("multibrot", {"power": power}) for power in (3, 4, 5, 6)),
    *((name, {}) for name in ("burning_ship", "perpendicular_burning_ship", "celtic", "buffalo")),
    *((name, {}) for name in ("tricorn", "shark_fin", "phoenix", "lambda")),
    *((text, {}) for text in ("z**3 + c*z", "(z**2+c)**2+c", "c*(z**3-3*z)", "z**2 + c*z")),
    *((text, {}) for text in ("abs(re(z**3)) + i*im(z**3) + c", "z**3 + c*z**2 + c")),
]
MAX_ITER = 4000


class Plane:
    """One formula in arithmetic of any precision."""

    def __init__(self, formula: Formula, bits: int, julia: tuple[str, str] | None) -> None:
        self.formula, self.julia = formula, julia
        self.context = gmpy2.context(precision=bits)
        with self.working():
            self.step, self.start = exact_step(formula), exact_start(formula)
            self.centre = mpfr(gmpy2.mpq(formula.centre.re)), mpfr(gmpy2.mpq(formula.centre.im))

    def working(self) -> Any:
        """Enter the precision."""
        return gmpy2.context(self.context)

    def escape(self, point: Point, max_iter: int) -> int:
        """Give the first n beyond the escape radius, or ``max_iter``."""
        formula, (x, y) = self.formula, point
        with self.working():
            a, b = map(mpfr, self.julia) if self.julia else (x, y)
            begin = tuple(map(mpfr, self.start(a, b)))
            at = begin if formula.drifts else self.centre
            z = (mpfr(0), mpfr(0)) if formula.drifts else begin
            if self.julia:
                z = x - at[0], y - at[1]
            before, far = (mpfr(0), mpfr(0)), mpfr(formula.escape_radius) ** 2
            for n in range(1, max_iter + 1):
                more = before if formula.remembers else at if formula.drifts else ()
                before, z = z, self.step(*z, a, b, *more)
                if (z[0] + at[0]) ** 2 + (z[1] + at[1]) ** 2 > far:
                    return n
        return max_iter


@dataclass(frozen=True)
class View:
    """What is computed."""

    formula: str
    parameters: dict[str, Any]
    re: str
    im: str
    width: str
    size: tuple[int, int]
    rotation_deg: float = 0.0
    skew: Any = None
    julia: tuple[str, str] | None = None
    kind: str = ""


def edge(plane: Plane, inside: Point, outside: Point, digits: int) -> tuple[str, str]:
    """Halve the way from a point inside to one outside until so many digits are known."""
    bits = int(digits * 3.33)
    with plane.working():
        for k in range(bits + 10):
            middle = tuple((a + b) / 2 for a, b in zip(inside, outside, strict=True))
            if plane.escape(middle, 60 + 3 * k) < 60 + 3 * k:
                outside = middle
            else:
                inside = middle
        return tuple(f"{part:.{digits + 6}f}" for part in inside)  # type: ignore[return-value]


def copy_near(
    view: tuple[str, str, str], name: str, parameters: dict[str, Any], deepest: int
) -> tuple[str, str, str] | None:
    """Give centre and width of a small copy of the set near a point, if one is found."""
    from fraktal_kernel.fractals.reference import nucleus, reference_orbit

    re, im, width = view
    try:
        formula = formula_of(name, parameters)
        orbit = reference_orbit(formula, re, im, radius=width, max_iter=3000)
        if not orbit.period:
            return None
        found = nucleus(formula, re, im, orbit.period, radius=width)
    except (FraktalError, AssertionError):
        return None
    if not 20 < -found.atom.size_log2 < deepest * 3.3:
        return None
    size = Decimal(2) ** int(found.atom.size_log2)
    return found.re, found.im, f"{size:.3e}"


def views(seed: int, count: int) -> Any:
    """Draw views of all families."""
    random = np.random.default_rng(seed)
    for k in range(count):
        name, parameters = FAMILIES[k % len(FAMILIES)]
        formula = formula_of(name, parameters)
        digits = int(10 ** random.uniform(0.85, 2.6 if k % 5 else 2.9))
        julia = None
        if random.random() < 0.2 and not formula.remembers:
            julia = (f"{random.uniform(-0.6, 0.3):.20f}", f"{random.uniform(-0.6, 0.6):.20f}")
        plane = Plane(formula, int(digits * 3.33) + 100, julia)
        turn = random.uniform(0, 2 * math.pi)
        with plane.working():
            inside = (mpfr(0.05), mpfr(0.02)) if name != "lambda" else (mpfr(0.3), mpfr(0.1))
            if plane.escape(inside, 300) < 300:
                continue
            outside = tuple(
                a + 6 * b for a, b in zip(inside, (math.cos(turn), math.sin(turn)), strict=True)
            )
            if name.endswith("ship") and random.random() < 0.25:
                inside, outside = (mpfr(-1), mpfr(0)), (mpfr(-2.2), mpfr(0))
        re, im = edge(plane, inside, outside, digits)
        width, kind = f"{random.uniform(1, 9):.3f}e-{digits}", "edge"
        if julia is None and random.random() < 0.5:
            found = copy_near((re, im, width), name, parameters, 400)
            if found:
                re, im, size = found
                with localcontext() as context:
                    context.prec = 1000
                    larger = Decimal(10) ** int(random.integers(0, 5))
                    wide = Decimal(size) * 3 * larger
                    if random.random() < 0.6:
                        re = str(Decimal(re) + wide * Decimal(random.uniform(-0.4, 0.4)))
                        im = str(Decimal(im) + wide * Decimal(random.uniform(-0.4, 0.4)))
                    width, kind = f"{wide:.4e}", "copy"
        size_px = [(40, 30), (40, 30), (97, 3), (1, 1), (3, 64)][int(random.integers(5))]
        rotation = float(random.uniform(-180, 180)) if random.random() < 0.4 else 0.0
        skew = ((1.0, 0.6), (-0.2, 2.0)) if random.random() < 0.2 else None
        yield View(name, parameters, re, im, width, size_px, rotation, skew, julia, kind)


def tried(view: View, pixels: int, random: np.random.Generator) -> dict[str, Any]:
    """Compute a view and compare some pixels."""
    wide, high = view.size
    began = time.process_time()
    done = compute(
        *(view.formula, view.re, view.im, view.width, MAX_ITER, view.size),
        parameters=view.parameters,
        julia=view.julia,
        rotation_deg=view.rotation_deg,
        skew=view.skew,
    )
    took = time.process_time() - began
    formula = formula_of(view.formula, view.parameters)
    plane = Plane(formula, max(0, -Decimal(view.width).adjusted()) * 10 // 3 + 160, view.julia)
    a, b, c, d = matrix_of(view.rotation_deg, view.skew)
    wrong, fine = [], 0

    def truth_at(row: float, column: float) -> int:
        u, v = column - (wide - 1) / 2, (high - 1) / 2 - row
        with plane.working():
            pixel = mpfr(view.width) / wide
            point = (
                mpfr(view.re) + pixel * (mpfr(a) * u + mpfr(b) * v),
                mpfr(view.im) + pixel * (mpfr(c) * u + mpfr(d) * v),
            )
        return plane.escape(point, MAX_ITER)

    for _ in range(min(pixels, wide * high)):
        row, column = int(random.integers(high)), int(random.integers(wide))
        truth = truth_at(row, column)
        ours = int(done.iterations[row, column])
        if truth != ours:
            beside = {truth_at(row + e, column + f) for e in (-1e-6, 1e-6) for f in (-1e-6, 1e-6)}
            if len(beside | {truth}) > 1:
                fine += 1
            else:
                wrong.append([row, column, ours, truth])
    return {
        "formula": view.formula,
        "parameters": view.parameters,
        "kind": view.kind,
        "width": view.width,
        "size": view.size,
        "julia": bool(view.julia),
        "method": done.method,
        "counts": [int(done.iterations.min()), int(done.iterations.max())],
        "cpu_s": round(took, 3),
        "pixels": min(pixels, wide * high),
        "finer": fine,
        "wrong": wrong,
        **({"view": [view.re, view.im, view.julia, view.rotation_deg, view.skew]} if wrong else {}),
    }


def main() -> None:
    """Try views and name what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--pixels", type=int, default=12)
    given = parser.parse_args()
    random, many, pixels, fine, bad = np.random.default_rng(given.seed), 0, 0, 0, []
    for view in views(given.seed, given.views):
        line = tried(view, given.pixels, random)
        print(json.dumps(line), flush=True)
        many, pixels, fine = many + 1, pixels + line["pixels"], fine + line["finer"]
        if line["wrong"]:
            bad.append(line)
    wrong = sum(len(line["wrong"]) for line in bad)
    print(f"{many} views, {pixels} pixels, {fine} among finer detail, {wrong} wrong")


if __name__ == "__main__":
    main()
