"""Hard views 1e-445 to 1e-3000 wide, each found and judged at a cost that is bounded.

A point of so many digits is cheap where few steps name it: a Misiurewicz point of a random word,
the tip of the needle at -2, on which all folds of ``z*z + c`` are one map, or a small copy on it.
Beside it, at about half of the digits, our own search finds a small copy of the set and Newton's
method its centre; beside that lies another one, inside an embedded Julia set of the first. Other
families go down from copy to copy (`tests.fuzz.deep_views.dived`). Views lie at such places, beside
them, turned and stretched; or in the Julia set of such a point, at 0, where it looks the same::

    python -m tests.fuzz.far_views --seed 1 --views 40

Pixels are judged as those of `tests.fuzz.deep_views`.
"""

from __future__ import annotations

import argparse
import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from tests.fractals.deep.direct import nucleus_near_minus_two
from tests.fuzz.deep_views import View, copy_near, dived, families_of, report
from tests.fuzz.words import caught_of_word

LEAST, MOST = 445, 3000  # digits
MAX_ITER, PERIOD = 60_000, 12_000
ON_THE_NEEDLE = (
    *("mandelbrot", "burning_ship", "perpendicular_burning_ship", "celtic", "buffalo"),
    *("tricorn", "shark_fin"),
)
WORDS = ("mandelbrot", "multibrot", "(z**2+c)**2+c")
# Others whose critical orbit is caught at once: they are Chebyshev's polynomials there.
TIPS = {"lambda": "4", "z**2 + c*z": "-2", "c*(z**3-3*z)": "1", "z**3 + c*z": "-3"}
DIVE_TO = 600
SIZES = ((40, 30), (97, 3), (3, 64))


def far_views(seed: int, count: int, families: Any) -> Any:
    """Draw views of some families."""
    random = np.random.default_rng(seed)
    for k in range(count):
        name, parameters = families[k % len(families)]
        digits = int(10 ** random.uniform(math.log10(LEAST), math.log10(MOST)))
        found = far_point(name, parameters, digits, random)
        if found is None:
            continue
        re, im, width, kind = found
        julia = None
        with localcontext() as context:
            context.prec = 3 * MOST
            wide = Decimal(width)
            if kind == "copy":  # the copy itself, the Julia sets around it, or in between
                wide = wide ** Decimal(random.choice([1.001, 1.0, 0.99, 0.85, 0.75, 0.6]))
            elif name in WORDS and random.random() < 0.3:
                julia, re, im = (re, im), "0", "0"
            off = wide * Decimal(10) ** int(random.integers(-2, 3 if kind == "copy" else 1))
            turn = random.uniform(0, 2 * math.pi)
            if random.random() < 0.7:
                re = str(Decimal(re) + off * Decimal(math.cos(turn)))
                im = str(Decimal(im) + off * Decimal(math.sin(turn)))
        size_px = SIZES[int(random.integers(len(SIZES)))]
        rotation = float(random.uniform(-180, 180)) if random.random() < 0.4 else 0.0
        skew = ((1.0, 0.6), (-0.2, 2.0)) if random.random() < 0.2 else None
        yield View(name, parameters, re, im, f"{wide:.4e}", size_px, rotation, skew, julia, kind,
                   MAX_ITER)  # fmt: skip


def far_point(
    name: str, parameters: dict[str, Any], digits: int, random: Any
) -> tuple[str, str, str, str] | None:
    """Give a point with structure around it, a width to look at it, and what it is."""
    width = f"{random.uniform(1, 9):.3f}e-{digits}"
    way = random.random()
    if name in WORDS:
        point = caught_of_word(random, parameters.get("power", 2), 2 * digits)
        if point is None:
            return None
    elif name in ON_THE_NEEDLE:
        point = ("-2", "0") if way < 0.6 else (nucleus_near_minus_two(digits // 2)[0], "0")
    elif name in TIPS:
        return TIPS[name], "0", width, "tip"
    else:
        found = dived(name, parameters, random, DIVE_TO // 2, DIVE_TO // 6)
        return (*found, "copy") if found else None
    if way < 0.3:
        return *point, width, "tip"
    found = beside(point, name, parameters, digits * random.uniform(0.3, 0.5), random)
    if found and way > 0.7:
        depth = -Decimal(found[2]).adjusted()
        if depth * 1.2 < MOST:
            within = beside(found[:2], name, parameters, depth * random.uniform(0.72, 1.0), random)
            found = within or found
    return (*found, "copy") if found else None


def beside(
    point: tuple[str, str], name: str, parameters: dict[str, Any], digits: float, random: Any
) -> tuple[str, str, str] | None:
    """Give centre and width of a small copy about ``10**-digits`` beside a point."""
    with localcontext() as context:
        context.prec = 3 * MOST
        wide = Decimal(10) ** -int(digits)
        turn = random.uniform(0, 2 * math.pi)
        near = (
            str(Decimal(point[0]) + wide * Decimal(math.cos(turn))),
            str(Decimal(point[1]) + wide * Decimal(math.sin(turn))),
            f"{wide * Decimal('0.3'):.3e}",
        )
    return copy_near(near, name, parameters, MOST, PERIOD)


def main() -> None:
    """Try views and name what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--views", type=int, default=20)
    parser.add_argument("--pixels", type=int, default=6)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    report(far_views(given.seed, given.views, families_of(given.only)), given.pixels, given.seed)


if __name__ == "__main__":
    main()
