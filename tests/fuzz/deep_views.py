"""Hard deep views of every polynomial family, found by chance and held against full precision.

A point is found by halving the way from a point inside to one outside, or as the centre of a small
copy of the set (its period found in the view, then Newton's method). Around it lies a view: turned
or stretched, off the centre, with a reference that leaves early or is exactly inside, on a fold
line, very wide or of a single pixel. The counts of some pixels are compared with the formula's own
step in arithmetic of any precision::

    python -m tests.fuzz.deep_views --seed 1 --views 100

``--only phoenix`` draws views of one formula, ``--deep`` views 1e-300 to
1e-1200 wide: a small copy of the set is found in a view beside a small copy, again and again (each
time the point lies inside an embedded Julia set of all before), or by its place on the needle, on
the real axis; or the point is a tip whose orbit is caught on a fixed point, or found by halving.
``--beside`` draws views of every family at, beside and around small copies 1e-50 to 1e-1000 large,
whose centres random words name (`tests.fuzz.words`) or a way down from copy to copy finds, and at
and beside Misiurewicz points of random words.

Each view is one line of JSON. A pixel that differs is counted apart from what is wrong where a
point within a ten-millionth of a pixel was found that has its count (`benchmarks.witness`): it lies
among finer detail than any rounding resolves. ``within_px`` says how far one had to look.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

import gmpy2
import numpy as np
from gmpy2 import mpfr

from benchmarks.witness import Undecided, witness
from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.formulas import Formula, formula_of
from fraktal_kernel.fractals.formulas.exact import exact_start, exact_step
from fraktal_kernel.fractals.geometry import matrix_of
from tests.fractals.deep.direct import nucleus_near_minus_two, tip
from tests.fuzz.words import caught_of_word, copy_of_word

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
MAX_ITER, DEEP_ITER = 4000, 40_000
DIVE_S = 45.0  # for one way down from copy to copy
WITNESS_S = 120.0  # for one pixel
LONGEST_WORD = 150
# Those whose deepest views are drawn as well, and those that have small copies on the needle at -2.
DEEP = ("mandelbrot", "multibrot", "burning_ship", "phoenix", "lambda")
NEEDLES = ("mandelbrot", "burning_ship")


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
    max_iter: int = MAX_ITER


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
    view: tuple[str, str, str],
    name: str,
    parameters: dict[str, Any],
    deepest: int,
    steps: int = DEEP_ITER // 2,
) -> tuple[str, str, str] | None:
    """Give centre and width of a small copy of the set near a point, if one is found.

    Its period is looked for in so many steps.
    """
    from fraktal_kernel.fractals.reference import nucleus, reference_orbit

    re, im, width = view
    try:
        formula = formula_of(name, parameters)
        orbit = reference_orbit(formula, re, im, radius=width, max_iter=steps)
        if not orbit.period:
            return None
        found = nucleus(formula, re, im, orbit.period, radius=width)
    except (FraktalError, AssertionError):
        return None
    if not 20 < -found.atom.size_log2 < deepest * 3.3:
        return None
    size = Decimal(2) ** int(found.atom.size_log2)
    return found.re, found.im, f"{size:.3e}"


def views(seed: int, count: int, families: Any = FAMILIES) -> Any:
    """Draw views of some families."""
    random = np.random.default_rng(seed)
    for k in range(count):
        name, parameters = families[k % len(families)]
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


def deep_views(seed: int, count: int, families: Any) -> Any:
    """Draw views 1e-300 to 1e-1200 wide."""
    random = np.random.default_rng(seed)
    families = [item for item in families if item[0] in DEEP]
    for k in range(count):
        name, parameters = families[k % len(families)]
        found = deep_point(name, parameters, random)
        if found is None:
            continue
        re, im, size, kind = found
        with localcontext() as context:
            context.prec = 3000
            wide = Decimal(size)
            if kind in ("copy", "needle"):
                wide *= Decimal(10) ** int(random.integers(0, 6))
                if random.random() < 0.3:  # as much as the Julia sets around it
                    wide = Decimal(10) ** -int(-wide.adjusted() * random.uniform(0.6, 0.97))
            if random.random() < 0.7:
                re = str(Decimal(re) + wide * Decimal(random.uniform(-0.4, 0.4)))
                im = str(Decimal(im) + wide * Decimal(random.uniform(-0.4, 0.4)))
        size_px = [(40, 30), (97, 3), (1, 1)][int(random.integers(3))]
        rotation = float(random.uniform(-180, 180)) if random.random() < 0.4 else 0.0
        yield View(name, parameters, re, im, f"{wide:.4e}", size_px, rotation, None, None, kind,
                   DEEP_ITER)  # fmt: skip


def deep_point(
    name: str, parameters: dict[str, Any], random: Any
) -> tuple[str, str, str, str] | None:
    """Give a point with structure around it, a width to look at it, and what it is."""
    digits = int(random.integers(300, 1200))
    way = random.random()
    if name in NEEDLES and way < 0.4:
        re, width = nucleus_near_minus_two(int(digits / 1.21))
        return re, "0", width, "needle"
    if name == "lambda" and way < 0.4:
        return "4", "0", f"1e-{digits}", "tip"
    if name in ("mandelbrot", "multibrot") and way < 0.6:
        return *tip(parameters.get("power", 2), digits), f"1e-{digits}", "tip"
    if name in ("phoenix", "burning_ship") and way > 0.7:
        digits //= 2
        plane = Plane(formula_of(name, parameters), int(digits * 3.33) + 100, None)
        ends = sides(plane, name, random)
        return (*edge(plane, *ends, digits), f"3e-{digits}", "edge") if ends else None
    found = dived(name, parameters, random)
    return (*found, "copy") if found else None


def sides(plane: Plane, name: str, random: Any) -> tuple[Point, Point] | None:
    """Give a point inside and one outside."""
    turn = random.uniform(0, 2 * math.pi)
    with plane.working():
        inside = (mpfr(0.05), mpfr(0.02)) if name != "lambda" else (mpfr(0.3), mpfr(0.1))
        outside = inside[0] + 6 * math.cos(turn), inside[1] + 6 * math.sin(turn)
        return (inside, outside) if plane.escape(inside, 300) == 300 else None


def beside_views(seed: int, count: int, families: Any) -> Any:
    """Draw views beside copies 1e-50 to 1e-1000 large, in their Julia sets, and near tips."""
    random = np.random.default_rng(seed)
    for k in range(count):
        name, parameters = families[k % len(families)]
        digits = int(10 ** random.uniform(1.7, 3))
        found = beside_point(name, parameters, digits, random)
        if found is None:
            continue
        re, im, width, kind = found
        with localcontext() as context:
            context.prec = 3000
            wide = Decimal(width)
            if kind == "copy":  # the copy itself, the Julia sets around it, or in between
                wide = wide ** Decimal(random.choice([1.0, 0.97, 0.85, 0.75, 0.6, 0.52]))
            off = wide * Decimal(10) ** int(random.integers(-2, 3 if kind == "copy" else 1))
            turn = random.uniform(0, 2 * math.pi)
            if random.random() < 0.7:
                re = str(Decimal(re) + off * Decimal(math.cos(turn)))
                im = str(Decimal(im) + off * Decimal(math.sin(turn)))
        size_px = [(40, 30), (97, 3), (3, 64)][int(random.integers(3))]
        rotation = float(random.uniform(-180, 180)) if random.random() < 0.4 else 0.0
        skew = ((1.0, 0.6), (-0.2, 2.0)) if random.random() < 0.2 else None
        yield View(name, parameters, re, im, f"{wide:.4e}", size_px, rotation, skew, None, kind,
                   DEEP_ITER)  # fmt: skip


def beside_point(
    name: str, parameters: dict[str, Any], digits: int, random: Any
) -> tuple[str, str, str, str] | None:
    """Give the centre of a small copy and its size, or a Misiurewicz point and a width."""
    if name not in ("mandelbrot", "multibrot") or random.random() < 0.3:
        found = dived(name, parameters, random, digits, 50)
        return (*found, "copy") if found else None
    degree = parameters.get("power", 2)
    if random.random() < 0.5:
        caught = caught_of_word(random, degree, 2 * digits)
        return (*caught, f"{random.uniform(1, 9):.3f}e-{digits}", "tip") if caught else None
    beside = copy_of_word(random, degree, min(LONGEST_WORD, int(digits * 1.5 / math.log2(degree))))
    if beside is None:
        return None
    from fraktal_kernel.fractals.reference import nucleus

    re, im, period = beside
    try:
        centre = nucleus(formula_of(name, parameters), re, im, period, radius=f"1e-{len(re) // 2}")
    except FraktalError:
        return None
    with localcontext() as context:
        context.prec = 30
        size = Decimal(2) ** int(centre.atom.size_log2)
    return centre.re, centre.im, f"{size:.3e}", "copy"


def dived(
    name: str, parameters: dict[str, Any], random: Any, digits: int = 300, least: int = 300
) -> tuple[str, str, str] | None:
    """Go from small copy to small copy beside it, until one is so small, or time is over."""
    plane = Plane(formula_of(name, parameters), 200, None)
    began = time.monotonic()
    found: tuple[str, str, str] | None = None
    while time.monotonic() - began < (DIVE_S if least >= 300 else DIVE_S / 4):
        ends = sides(plane, name, random)
        if ends is None:
            return None
        if found is None:
            found = copy_near((*edge(plane, *ends, 14), "3e-14"), name, parameters, 99)
            continue
        re, im, size = found
        depth = -Decimal(size).adjusted()
        if depth >= digits:
            return found
        with localcontext() as context:
            context.prec = 3000
            # Beside the copy, as far as its Julia sets reach; the nearer, the deeper the next.
            wide = Decimal(10) ** -int(depth * random.uniform(0.72, 1.0))
            turn = random.uniform(0, 2 * math.pi)
            near = (
                str(Decimal(re) + wide * Decimal(math.cos(turn))),
                str(Decimal(im) + wide * Decimal(math.sin(turn))),
                f"{wide * Decimal('0.3'):.3e}",
            )
        beside = copy_near(near, name, parameters, 1200)
        if beside and -Decimal(beside[2]).adjusted() > depth:
            found = beside
    return found if found and -Decimal(found[2]).adjusted() >= least else None


class Truth:
    """A view whose points are followed one by one."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.formula = formula_of(view.formula, view.parameters)
        self.bits = max(0, -Decimal(view.width).adjusted()) * 10 // 3
        if view.julia:  # beside a critical point, a difference becomes its own power
            self.bits *= math.ceil(self.formula.degree)
        self.matrix = matrix_of(view.rotation_deg, view.skew)
        self.planes: dict[int, Plane] = {}

    def count(self, row: int, column: int, dx: Any = 0, dy: Any = 0, spare: int = 160) -> int:
        """Give the count of the point that lies so many pixels beside a pixel.

        Parameters
        ----------
        dx, dy : along the columns and along the rows
        spare : with how many bits more than tell pixels apart
        """
        view, (a, b, c, d) = self.view, self.matrix
        wide, high = view.size
        if spare not in self.planes:
            self.planes[spare] = Plane(self.formula, self.bits + spare, view.julia)
        plane = self.planes[spare]
        with plane.working():
            pixel = mpfr(view.width) / wide
            u, v = column - (wide - 1) / 2 + mpfr(dx), (high - 1) / 2 - row - mpfr(dy)
            point = (
                mpfr(view.re) + pixel * (mpfr(a) * u + mpfr(b) * v),
                mpfr(view.im) + pixel * (mpfr(c) * u + mpfr(d) * v),
            )
        return plane.escape(point, view.max_iter)


def tried(view: View, pixels: int, random: np.random.Generator) -> dict[str, Any]:
    """Compute a view and compare some pixels."""
    wide, high = view.size
    began = time.process_time()
    told: dict[str, Any] = {
        "formula": view.formula,
        "parameters": view.parameters,
        "kind": view.kind,
        "width": view.width,
        "size": view.size,
        "julia": bool(view.julia),
    }
    try:
        done = compute(
            *(view.formula, view.re, view.im, view.width, view.max_iter, view.size),
            parameters=view.parameters,
            julia=view.julia,
            rotation_deg=view.rotation_deg,
            skew=view.skew,
        )
    except InvalidInput as refusal:
        return told | {"refused": str(refusal), "pixels": 0, "finer": 0, "wrong": []}
    took = time.process_time() - began
    truth = Truth(view)
    wrong, radii, undecided = [], [], 0
    for _ in range(min(pixels, wide * high)):
        row, column = int(random.integers(high)), int(random.integers(wide))
        right, ours = truth.count(row, column), int(done.iterations[row, column])
        if right != ours:
            try:
                radius = witness(partial(truth.count, row, column), ours, random, WITNESS_S)
            except Undecided:
                undecided += 1
                radius = 0.0
            if radius is None:
                wrong.append([row, column, ours, right])
            elif radius:
                radii.append(radius)
    return told | {
        "method": done.method,
        "counts": [int(done.iterations.min()), int(done.iterations.max())],
        "cpu_s": round(took, 3),
        "pixels": min(pixels, wide * high),
        "finer": len(radii),
        **({"within_px": max(radii)} if radii else {}),
        **({"undecided": undecided} if undecided else {}),
        "wrong": wrong,
        **(
            {"view": [view.re, view.im, view.julia, view.rotation_deg, view.skew]}
            if wrong or radii or undecided
            else {}
        ),
    }


def main() -> None:
    """Try views and name what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--pixels", type=int, default=12)
    parser.add_argument("--only", nargs="*", default=[])
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--deep", action="store_true")
    kinds.add_argument("--beside", action="store_true")
    given = parser.parse_args()
    drawn = deep_views if given.deep else beside_views if given.beside else views
    report(drawn(given.seed, given.views, families_of(given.only)), given.pixels, given.seed)


def families_of(names: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Give the families of some names, or all."""
    return [item for item in FAMILIES if not names or item[0] in names]


def report(drawn: Any, most: int, seed: int) -> None:
    """Try views, a line each, and sum up."""
    random = np.random.default_rng(seed)
    lines = []
    for view in drawn:
        lines.append(tried(view, most, random))
        print(json.dumps(lines[-1]), flush=True)
    pixels, finer, undecided = (
        sum(line.get(name, 0) for line in lines) for name in ("pixels", "finer", "undecided")
    )
    print(
        f"{len(lines)} views, {sum('refused' in line for line in lines)} refused, {pixels} pixels, "
        f"{finer} among finer detail (within "
        f"{max((line.get('within_px', 0.0) for line in lines), default=0.0):g} px), "
        f"{undecided} undecided, {sum(len(line['wrong']) for line in lines)} wrong"
    )


if __name__ == "__main__":
    main()
