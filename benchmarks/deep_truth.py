"""How many pixels of deep views are wrong: beside each point by itself, in arbitrary precision.

Pixels taken at random are iterated one by one with as many digits as the view needs and 80 bits
more, without perturbation or approximation, by the engine for reference orbits; a few of them by
gmpy2 in Python as well, so that this engine is not its own witness. A count that differs is excused
only by a witness: a point within a ten-millionth of a pixel that has it (`benchmarks.witness`). Any
other is wrong, and is printed with its place; so is one whose witness is not found in ``WITNESS_S``
seconds (300).

``PIXELS`` says how many (500), ``SPAN_S`` (60) after how many seconds a view has to do with those
it had. The others have a second judge then, `benchmarks.plain_walk`: perturbation without any
approximation, beside another reference. It is held to those that were iterated by themselves,
and what it finds otherwise is iterated by itself. The line of each figure says how many pixels had
which judge. Orbits are followed for ``STEPS`` steps (12,000,000) at most: what is said to be
inside, or to escape later, is held to not escaping until then.
``make bench ONLY=wrong_pixels_NAME`` looks at one view.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from typing import Any

import gmpy2
import numpy as np

from benchmarks.deep import LOCATIONS
from benchmarks.plain_walk import KNOWN, Plain
from benchmarks.witness import Undecided, witness
from fraktal_kernel.fractals import compute
from fraktal_kernel.fractals.formulas import formula_of
from fraktal_kernel.fractals.formulas.exact import exact_start, exact_step
from fraktal_kernel.fractals.geometry import Geometry, matrix_of
from fraktal_kernel.fractals.reference import reference_orbit
from fraktal_kernel.fractals.view import View

SIZE = (800, 600)
PIXELS = int(os.environ.get("PIXELS", "500"))
SPAN_S = float(os.environ.get("SPAN_S", "60"))
WITNESS_S = float(os.environ.get("WITNESS_S", "300"))
STEPS = int(os.environ.get("STEPS", "12000000"))
# So many are iterated by gmpy2 as well, where they leave within so many steps.
WITNESSES, WITNESS_STEPS = 2, 400_000
SPARE_BITS = 80
SEED = 20_11
Place = float | Fraction


class Truth:
    """A view whose points are iterated one by one.

    Parameters
    ----------
    location : formula, re, im, width and max_iter, and skew where there is one
    size : width and height of the picture in pixels
    """

    def __init__(self, location: dict[str, Any], size: tuple[int, int]) -> None:
        self.location = location
        self.formula = formula_of(location["formula"])
        view = View(location["re"], location["im"], location["width"])
        self.geometry = Geometry(view, *size, matrix_of(0, location.get("skew")))
        self.centre = Fraction(Decimal(view.re)), Fraction(Decimal(view.im))
        self.pixel = Fraction(Decimal(view.width)) / size[0]
        self.bits = SPARE_BITS + max(0, -self.geometry.pixel_parts[1])
        self.steps = min(location["max_iter"], STEPS)

    def point(self, row: Place, column: Place) -> tuple[Fraction, Fraction]:
        """Give the point of a place in the picture, exactly."""
        u = Fraction(column) - Fraction(self.geometry.width - 1, 2)
        v = Fraction(self.geometry.height - 1, 2) - Fraction(row)
        a, b, c, d = map(Fraction, self.geometry.matrix)
        return (
            self.centre[0] + self.pixel * (a * u + b * v),
            self.centre[1] + self.pixel * (c * u + d * v),
        )

    def count(self, row: Place, column: Place, spare: int = 0) -> int | None:
        """Give the first n with a z outside; None where there is none until the last step.

        ``spare`` bits more are computed than tell pixels apart.
        """
        orbit = reference_orbit(
            self.formula,
            *self.point(row, column),
            bits=self.bits + spare,
            max_iter=self.steps,
            escape_radius=self.formula.escape_radius,
        )
        return len(orbit) if orbit.ended == "escaped" else None

    def witnessed(self, row: float, column: float, count: int) -> bool:
        """Say whether gmpy2 counts the same."""
        with gmpy2.context(gmpy2.get_context(), precision=self.bits):
            c = [gmpy2.mpfr(gmpy2.mpq(part)) for part in self.point(row, column)]
            step, z = exact_step(self.formula), exact_start(self.formula)(*c)
            limit = self.formula.escape_radius**2
            for n in range(count + 1):
                if z[0] ** 2 + z[1] ** 2 > limit:
                    return n == count
                z = step(*z, *c)
        return False

    def agrees(self, row: float, column: float, given: int) -> bool:
        """Say whether a count is right, as far as it is followed."""
        found = self.count(row, column)
        return found == given or (found is None and given >= self.steps)

    def within(self, row: float, column: float, given: int) -> float | None:
        """Give the radius in pixels within which a point has that count; None where none is found.

        0 is given for a count that more digits find at the pixel itself.
        """

        def count(dx: Any, dy: Any, spare: int) -> int:
            across, down = (Fraction(*gmpy2.mpq(part).as_integer_ratio()) for part in (dx, dy))
            found = self.count(row + down, column + across, spare)
            return self.location["max_iter"] if found is None else found

        try:
            return witness(count, given, np.random.default_rng(SEED), WITNESS_S)
        except Undecided:
            return None


def wrong_pixels(
    location: dict[str, Any], most: int, span_s: float, size: tuple[int, int] = SIZE
) -> dict[str, Any]:
    """Look at pixels of a view, and tell those that are wrong, as rows of [row, column, count]."""
    done = compute(
        *(location["formula"], location["re"], location["im"], location["width"]),
        max_iter=location["max_iter"],
        size=size,
        fields=("iterations",),
        skew=location.get("skew"),
    )
    truth = Truth(location, size)
    chance = np.random.default_rng(SEED)
    pixels = [(int(chance.integers(size[1])), int(chance.integers(size[0]))) for _ in range(most)]
    given = {place: int(done.iterations[place]) for place in pixels}
    began = time.perf_counter()

    def by_itself(place: tuple[int, int]) -> bool | None:
        """Say whether a pixel is right; None where the time is over."""
        if place not in pixels[:2] and time.perf_counter() - began > span_s:
            return None
        return truth.agrees(*place, given[place])

    with ThreadPoolExecutor(os.cpu_count()) as crew:  # compiled code holds no lock
        found = dict(zip(pixels, crew.map(by_itself, pixels), strict=True))
        judged, doubted = 0, 0
        if None in found.values() and location["formula"] in KNOWN:
            plain = Plain(truth, *pixels[0])
            for place, right in zip(pixels, crew.map(lambda at: plain.count(*at), pixels),
                                    strict=True):  # fmt: skip
                agrees = right == given[place] or (right is None and given[place] >= truth.steps)
                judged += found[place] is None
                doubted += not agrees and found[place] is not False
                if found[place] is None:
                    found[place] = agrees or truth.agrees(*place, given[place])
    looked = [place for place in pixels if found[place] is not None]
    off = [place for place in looked if not found[place]]
    radii = {place: truth.within(*place, given[place]) for place in off}
    wrong = [place for place, radius in radii.items() if radius is None]
    short = [at for at in looked if found[at] and given[at] < min(truth.steps, WITNESS_STEPS)]
    witnesses = short[:WITNESSES]
    wrong += [place for place in witnesses if not truth.witnessed(*place, given[place])]
    return {
        "wrong": [[*place, given[place]] for place in wrong],
        "looked_at": len(looked),
        "by_plain_perturbation": judged,
        "where_that_differs": doubted,
        "witnessed_beside": sum(radius is not None for radius in radii.values()),
        "within_px": max((radius for radius in radii.values() if radius), default=0.0),
        "not_followed_to_the_end": sum(given[at] >= truth.steps for at in looked),
        "by_gmpy2": len(witnesses),
        "method": done.method,
    }


def main() -> None:
    wanted = [
        name.removeprefix("wrong_pixels_")
        for name in sys.argv[1:] or os.environ.get("FIGURE", "").split()
    ]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FRAKTAL_CACHE"] = folder
        for location in json.loads(LOCATIONS.read_text()):
            name = location["name"]
            if wanted and name not in wanted:
                continue
            found = wrong_pixels(location, PIXELS, SPAN_S)
            wrong = found.pop("wrong")
            failed |= bool(wrong)
            line = {
                "figure": f"wrong_pixels_{name}",
                "value": len(wrong),
                "unit": "pixels",
                **found,
            }
            for row, column, count in wrong:
                print(f"{name}: pixel [{row}, {column}] has {count}, which is wrong")
            print(json.dumps(line), flush=True)
    if failed:
        sys.exit("some pixels are wrong.")


if __name__ == "__main__":
    main()
