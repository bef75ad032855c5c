"""Reference orbits that serve again: for views near the one that they were computed for.

A reference need not lie in the centre of a view, not even inside it. It serves as long as it is
precise enough, and not so far away, or made for so much wider a view, that pixels would lose
digits which tell them apart: at the limits below some eight bits of 53.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING

from fraktal_kernel.fractals.formulas import Formula
from fraktal_kernel.fractals.geometry import Geometry
from fraktal_kernel.fractals.reference.decimals import bits_for
from fraktal_kernel.fractals.reference.orbit import Orbit

if TYPE_CHECKING:
    from fraktal_kernel.fractals.planner import Request

# A view may be so many times narrower than the one that the reference was made for, and the
# reference so many radii of the view away from it.
FURTHEST = 256
_ROUND = Context(prec=20, Emin=MIN_EMIN, Emax=MAX_EMAX)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The orbit of one point, and what it was computed for.

    Parameters
    ----------
    formula, julia, max_iter : as the `Request` had them
    re, im : the point, decimal
    radius : half the diagonal of the view, decimal
    orbit : of the point
    critical : of a Julia set the orbit of the critical point as well
    """

    formula: Formula
    julia: tuple[str, str] | None
    max_iter: int
    re: str
    im: str
    radius: str
    orbit: Orbit
    critical: Orbit | None = None

    @property
    def words(self) -> str:
        """What it is, in words."""
        period = f" of period {self.orbit.period:,}" if self.orbit.period else ""
        return f"reference{period} at {self.orbit.bits:,} bits"

    def apart(self, geometry: Geometry) -> tuple[float, float]:
        """Say how far it lies from the centre of a view, in pixels: to the right and upwards."""
        view = geometry.view
        pixel = _ROUND.divide(Decimal(view.width), Decimal(geometry.width))
        pairs = (self.re, view.re), (self.im, view.im)
        x, y = (
            float(_ROUND.divide(_ROUND.subtract(Decimal(one), Decimal(other)), pixel))
            for one, other in pairs
        )
        return x, y

    def serves(self, request: Request, radius: str) -> bool:
        """Say whether it is good enough for a view, whose ``radius`` is half its diagonal."""
        if (self.formula, self.julia) != (request.formula, request.julia):
            return False
        orbits = [self.orbit] if self.critical is None else [self.orbit, self.critical]
        if request.max_iter > self.max_iter and any(one.ended == "limit" for one in orbits):
            return False
        if self.orbit.bits < bits_for(radius, request.max_iter):
            return False
        if _ROUND.multiply(Decimal(radius), FURTHEST) < Decimal(self.radius):
            return False
        geometry = request.geometry
        far = max(abs(part) for part in self.apart(geometry))
        return far <= FURTHEST * max(geometry.width, geometry.height) / 2
